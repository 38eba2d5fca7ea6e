"""From labels to datasets: consensus, scrubs, groups, splits, verdicts, datasets and their versions (curation).

Every table here holds decisions by item id; no second copy of a text.
"""

from alembic import op

from shifty_pipelines.kernel.migrations import tenant_table

revision = "0007"
down_revision = "0006"

ITEM = "FOREIGN KEY (tenant_id, item_id) REFERENCES items (tenant_id, id)"


def upgrade() -> None:
    widen_skills()
    create_decisions()
    create_verdicts()
    create_datasets()


def widen_skills() -> None:
    # A declared skill belongs to a source whose answers are taken as they are; a refit leaves it alone.
    op.execute("ALTER TABLE labeler_skills ADD COLUMN algorithm_version integer NOT NULL DEFAULT 1")
    op.execute("ALTER TABLE labeler_skills ADD COLUMN label_count integer NOT NULL DEFAULT 0 CHECK (label_count >= 0)")
    op.execute("ALTER TABLE labeler_skills ADD COLUMN labels text[] NOT NULL DEFAULT '{}'")
    # Row by row, truth by answer, in the order of `labels`; empty where no matrix was fitted.
    op.execute("ALTER TABLE labeler_skills ADD COLUMN confusion double precision[] NOT NULL DEFAULT '{}'")


def create_decisions() -> None:
    tenant_table(
        "consensus_labels",
        f"""item_id uuid NOT NULL, mission_type text NOT NULL, label text NOT NULL,
        posterior double precision NOT NULL CHECK (posterior > 0 AND posterior <= 1),
        label_count integer NOT NULL CHECK (label_count >= 0),
        basis text NOT NULL CHECK (basis IN ('consensus', 'declared', 'adjudication')),
        algorithm text NOT NULL, algorithm_version integer NOT NULL, decided_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, item_id), {ITEM}""",
    )
    op.execute("CREATE INDEX consensus_labels_type ON consensus_labels (tenant_id, mission_type, posterior)")
    tenant_table(
        "item_scrubs",
        f"""item_id uuid NOT NULL, mission_type text NOT NULL, text_version integer NOT NULL,
        outcome text NOT NULL CHECK (outcome IN ('kept', 'blank', 'too_long', 'erased')),
        spans jsonb NOT NULL, char_count integer NOT NULL CHECK (char_count >= 0), text_hmac bytea,
        scrubbed_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, item_id), {ITEM}, CHECK ((outcome = 'kept') = (text_hmac IS NOT NULL))""",
    )
    op.execute("CREATE INDEX item_scrubs_type ON item_scrubs (tenant_id, mission_type)")
    tenant_table(
        "item_groups",
        f"""item_id uuid NOT NULL, mission_type text NOT NULL, group_id uuid NOT NULL,
        outcome text NOT NULL CHECK (outcome IN ('unique', 'duplicate', 'contradicting')), duplicate_of uuid,
        grouped_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, item_id), {ITEM}, CHECK ((outcome = 'duplicate') = (duplicate_of IS NOT NULL))""",
    )
    op.execute("CREATE INDEX item_groups_type ON item_groups (tenant_id, mission_type, group_id)")
    tenant_table(
        "item_splits",
        f"""item_id uuid NOT NULL, mission_type text NOT NULL, split text NOT NULL, placed_at timestamptz NOT NULL,
        moved_at timestamptz, PRIMARY KEY (tenant_id, item_id), {ITEM}""",
    )
    op.execute("CREATE INDEX item_splits_type ON item_splits (tenant_id, mission_type)")


def create_verdicts() -> None:
    tenant_table(
        "expectation_verdicts",
        """mission_type text NOT NULL, asset text NOT NULL, expectation text NOT NULL, passed boolean NOT NULL,
        is_blocking boolean NOT NULL, row_count integer NOT NULL, failing_count integer NOT NULL,
        failing_items uuid[] NOT NULL, checked_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, mission_type, asset, expectation)""",
    )


def create_datasets() -> None:
    tenant_table(
        "datasets",
        """id uuid NOT NULL, mission_type text NOT NULL, name text NOT NULL, description text NOT NULL,
        min_posterior double precision NOT NULL CHECK (min_posterior > 0 AND min_posterior <= 1),
        train_after_new_labels integer CHECK (train_after_new_labels > 0),
        labels_at_last_training bigint NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL, created_by uuid, PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, mission_type, name)""",
    )
    tenant_table(
        "dataset_versions",
        """id uuid NOT NULL, dataset_id uuid NOT NULL, version text NOT NULL,
        status text NOT NULL CHECK (status IN ('current', 'superseded', 'revoked')),
        labels text[] NOT NULL, row_count integer NOT NULL CHECK (row_count > 0), label_count bigint NOT NULL,
        data_asset_id uuid NOT NULL, key_slot bigint NOT NULL, card jsonb NOT NULL, created_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, dataset_id, version),
        FOREIGN KEY (tenant_id, dataset_id) REFERENCES datasets (tenant_id, id)""",
        grant="SELECT, INSERT, UPDATE",
    )
    op.execute(
        "CREATE UNIQUE INDEX dataset_versions_current ON dataset_versions (tenant_id, dataset_id)"
        " WHERE status = 'current'"
    )
    op.execute("CREATE INDEX dataset_versions_key_slot ON dataset_versions (tenant_id, key_slot)")
    tenant_table(
        "dataset_rows",
        f"""dataset_version_id uuid NOT NULL, item_id uuid NOT NULL, label text NOT NULL, split text NOT NULL,
        posterior double precision NOT NULL, label_event_ids uuid[] NOT NULL,
        PRIMARY KEY (tenant_id, dataset_version_id, item_id), {ITEM},
        FOREIGN KEY (tenant_id, dataset_version_id) REFERENCES dataset_versions (tenant_id, id)""",
        grant="SELECT, INSERT",
    )
    op.execute("CREATE INDEX dataset_rows_item ON dataset_rows (tenant_id, item_id)")
