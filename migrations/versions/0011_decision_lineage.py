"""What a consensus counted: per decision its label events, per mission type how many events there were."""

from alembic import op

from shifty_pipelines.kernel.migrations import tenant_table

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    # Empty where a decision is older than this column: such a row is published after the next consensus.
    op.execute("ALTER TABLE consensus_labels ADD COLUMN label_event_ids uuid[] NOT NULL DEFAULT '{}'")
    tenant_table(
        "consensus_readings",
        """mission_type text NOT NULL, label_event_count bigint NOT NULL CHECK (label_event_count >= 0),
        read_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, mission_type)""",
    )
