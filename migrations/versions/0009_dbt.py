"""What dbt may read: these columns, no text and no ciphertext."""

from alembic import op

revision = "0009"
down_revision = "0007"


def upgrade() -> None:
    op.execute(
        "GRANT SELECT (tenant_id, id, item_id, labeler_id, kind, label, source, tombstones, created_at)"
        " ON label_events TO shifty_dbt"
    )
    op.execute("GRANT SELECT (tenant_id, id, mission_type) ON items TO shifty_dbt")
