"""Training jobs with their checkpoints; models, versions, evaluations, aliases with history, deployments."""

from alembic import op

from shifty_pipelines.kernel.migrations import tenant_table

revision = "0006"
down_revision = "0004"

JOB_STATES = (
    "'queued', 'provisioning', 'preparing_data', 'training', 'evaluating', 'saving', 'completed', 'failed', 'cancelled'"
)


def upgrade() -> None:
    create_models()
    create_evaluations()
    create_aliases()
    create_training_jobs()


def create_models() -> None:
    tenant_table(
        "models",
        """id uuid NOT NULL, name text NOT NULL,
        source text NOT NULL CHECK (source IN ('huggingface', 'ollama', 'custom', 's3')), source_id text NOT NULL,
        status text NOT NULL CHECK (status IN ('pending', 'downloading', 'validating', 'ready', 'deploying', 'deployed',
        'failed', 'archived')),
        version text NOT NULL, config jsonb NOT NULL, mission_type text, base_model_id uuid,
        is_default_base boolean NOT NULL, latest_version integer NOT NULL CHECK (latest_version >= 0),
        metadata jsonb NOT NULL, created_by uuid, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, base_model_id) REFERENCES models (tenant_id, id),
        CHECK ((mission_type IS NULL) = (base_model_id IS NULL)), UNIQUE (tenant_id, mission_type, base_model_id)""",
        grant="SELECT, INSERT, UPDATE",
    )
    op.execute("CREATE UNIQUE INDEX models_default_base ON models (tenant_id) WHERE is_default_base")
    op.execute("CREATE INDEX models_newest ON models (tenant_id, created_at DESC, id DESC)")
    tenant_table(
        "model_versions",
        """id uuid NOT NULL, model_id uuid NOT NULL, version integer NOT NULL CHECK (version >= 1),
        kind text NOT NULL CHECK (kind IN ('adapter', 'frozen_head')), labels text[] NOT NULL,
        data_asset_id uuid NOT NULL, key_slot bigint NOT NULL, manifest_sha256 text NOT NULL,
        dataset_id uuid NOT NULL, dataset_version_id uuid NOT NULL, training_job_id uuid NOT NULL,
        metrics jsonb NOT NULL, status text NOT NULL CHECK (status IN ('ready', 'invalidated')),
        created_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, model_id, version),
        UNIQUE (tenant_id, training_job_id),
        FOREIGN KEY (tenant_id, model_id) REFERENCES models (tenant_id, id)""",
        grant="SELECT, INSERT, UPDATE",
    )
    op.execute("CREATE INDEX model_versions_key_slot ON model_versions (tenant_id, key_slot)")


def create_evaluations() -> None:
    tenant_table(
        "model_evaluations",
        """id uuid NOT NULL, model_id uuid NOT NULL, version integer NOT NULL,
        type text NOT NULL CHECK (type IN ('automated', 'human', 'benchmark')),
        status text NOT NULL CHECK (status IN ('running', 'completed', 'failed')),
        metrics jsonb NOT NULL, claimed_metrics jsonb,
        verdict text CHECK (verdict IN ('passed', 'refused', 'inconclusive')), incumbent_version integer,
        details jsonb NOT NULL, created_by uuid, created_at timestamptz NOT NULL, completed_at timestamptz,
        PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, model_id, version) REFERENCES model_versions (tenant_id, model_id, version),
        CHECK ((status = 'running') = (completed_at IS NULL)), CHECK ((status = 'completed') = (verdict IS NOT NULL))
        """,
        grant="SELECT, INSERT, UPDATE",
    )
    op.execute(
        "CREATE INDEX model_evaluations_newest ON model_evaluations (tenant_id, model_id, created_at DESC, id DESC)"
    )


def create_aliases() -> None:
    tenant_table(
        "model_aliases",
        """model_id uuid NOT NULL, alias text NOT NULL, version integer NOT NULL, updated_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, model_id, alias),
        FOREIGN KEY (tenant_id, model_id, version) REFERENCES model_versions (tenant_id, model_id, version)""",
        grant="SELECT, INSERT, UPDATE",
    )
    tenant_table(
        "model_alias_events",
        """id uuid NOT NULL, model_id uuid NOT NULL, alias text NOT NULL, number integer NOT NULL CHECK (number >= 1),
        action text NOT NULL CHECK (action IN ('promote', 'rollback')), from_version integer,
        to_version integer NOT NULL, actor_id uuid, reason text, at timestamptz NOT NULL, PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, model_id, alias, number),
        FOREIGN KEY (tenant_id, model_id, to_version) REFERENCES model_versions (tenant_id, model_id, version)""",
        grant="SELECT, INSERT",
    )
    tenant_table(
        "deployments",
        """id uuid NOT NULL, model_id uuid NOT NULL, version integer NOT NULL,
        target text NOT NULL CHECK (target = 'local'), status text NOT NULL CHECK (status IN ('active', 'stopped')),
        created_by uuid, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, model_id, target),
        FOREIGN KEY (tenant_id, model_id, version) REFERENCES model_versions (tenant_id, model_id, version)""",
        grant="SELECT, INSERT, UPDATE",
    )


def create_training_jobs() -> None:
    tenant_table(
        "training_jobs",
        f"""id uuid NOT NULL, base_model_id uuid NOT NULL, dataset_id uuid NOT NULL, dataset_version_id uuid NOT NULL,
        config jsonb NOT NULL, recipe jsonb NOT NULL, kind text NOT NULL CHECK (kind IN ('adapter', 'frozen_head')),
        status text NOT NULL CHECK (status IN ({JOB_STATES})), attempt integer NOT NULL CHECK (attempt >= 0),
        fencing_token bigint NOT NULL, lease_until timestamptz, worker jsonb, trainer jsonb, progress jsonb,
        logs jsonb NOT NULL, output_model_id uuid, output_version integer, refusal jsonb, requested_by uuid,
        started_at timestamptz, completed_at timestamptz, created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, id),
        CHECK ((status IN ('completed', 'failed', 'cancelled')) = (completed_at IS NOT NULL)),
        CHECK ((status = 'completed') = (output_version IS NOT NULL)), CHECK (status <> 'failed' OR refusal IS NOT NULL)
        """,
        grant="SELECT, INSERT, UPDATE",
    )
    op.execute("CREATE INDEX training_jobs_newest ON training_jobs (tenant_id, created_at DESC, id DESC)")
    op.execute(
        "CREATE INDEX training_jobs_live ON training_jobs (tenant_id, status, created_at, id)"
        " WHERE status NOT IN ('completed', 'failed', 'cancelled')"
    )
    tenant_table(
        "training_checkpoints",
        """id uuid NOT NULL, job_id uuid NOT NULL, attempt integer NOT NULL, step integer NOT NULL CHECK (step >= 1),
        data_asset_id uuid NOT NULL, key_slot bigint NOT NULL, manifest_sha256 text NOT NULL,
        created_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, job_id, attempt, step),
        FOREIGN KEY (tenant_id, job_id) REFERENCES training_jobs (tenant_id, id)""",
        grant="SELECT, INSERT",
    )
    op.execute("CREATE INDEX training_checkpoints_key_slot ON training_checkpoints (tenant_id, key_slot)")
