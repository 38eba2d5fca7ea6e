"""Error events (feedback) and the register of data assets (lifecycle)."""

from alembic import op

from shifty_pipelines.kernel.migrations import tenant_table

revision = "0004"
down_revision = "0003"

ASSET_TYPES = (
    "'dataset', 'model_weights', 'model_checkpoint', 'training_logs', 'evaluation_results', 'inference_logs',"
    " 'user_feedback', 'generated_tests', 'healing_history', 'analytics_data'"
)


def upgrade() -> None:
    create_error_events()
    create_data_assets()


def create_error_events() -> None:
    tenant_table(
        "error_events",
        """id uuid NOT NULL, source text NOT NULL
        CHECK (source IN ('sentry', 'datadog', 'new_relic', 'application_logs', 'custom_webhook')),
        external_id text NOT NULL, error_type text NOT NULL,
        severity text NOT NULL CHECK (severity IN ('critical', 'high', 'medium', 'low', 'info')),
        environment text NOT NULL, service text NOT NULL,
        key_slot bigint NOT NULL, sealed bytea NOT NULL, message_hmac bytea NOT NULL,
        first_seen timestamptz NOT NULL, last_seen timestamptz NOT NULL CHECK (last_seen >= first_seen),
        occurrence_count integer NOT NULL CHECK (occurrence_count >= 1), created_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, source, external_id)""",
        grant="SELECT, INSERT, UPDATE",
    )
    op.execute("CREATE INDEX error_events_key_slot ON error_events (tenant_id, key_slot)")
    op.execute("CREATE INDEX error_events_newest ON error_events (tenant_id, created_at DESC, id DESC)")


def create_data_assets() -> None:
    tenant_table(
        "data_assets",
        f"""id uuid NOT NULL, type text NOT NULL CHECK (type IN ({ASSET_TYPES})), name text NOT NULL,
        classification text NOT NULL
        CHECK (classification IN ('public', 'internal', 'confidential', 'restricted', 'pii', 'phi')),
        status text NOT NULL CHECK (status IN
        ('active', 'pending_deletion', 'deletion_in_progress', 'deleted', 'archived', 'retention_hold')),
        storage_location text NOT NULL, size_bytes bigint NOT NULL CHECK (size_bytes >= 0), checksum text NOT NULL,
        key_slot bigint, retention_policy_id uuid, expires_at timestamptz,
        metadata jsonb NOT NULL, tags text[] NOT NULL, created_by uuid,
        created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, deleted_at timestamptz,
        PRIMARY KEY (tenant_id, id), CHECK ((status = 'deleted') = (deleted_at IS NOT NULL))""",
        grant="SELECT, INSERT, UPDATE",
    )
    op.execute("CREATE INDEX data_assets_key_slot ON data_assets (tenant_id, key_slot)")
    op.execute("CREATE INDEX data_assets_newest ON data_assets (tenant_id, created_at DESC, id DESC)")
    # One object, one entry: what lies in the store and is not here belongs to a unit of work that never committed.
    op.execute("CREATE UNIQUE INDEX data_assets_stored ON data_assets (tenant_id, storage_location)")
