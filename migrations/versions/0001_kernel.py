"""The kernel's tables: audit, outbox, idempotency keys, key erasures, and the isolation canary."""

from alembic import op

from shifty_pipelines.kernel.migrations import tenant_table

revision = "0001"
down_revision = None


def upgrade() -> None:
    tenant_table(
        "audit_events",
        """id uuid NOT NULL, occurred_at timestamptz NOT NULL, actor_id uuid, action text NOT NULL,
        object_type text NOT NULL, object_id text NOT NULL, details jsonb NOT NULL, PRIMARY KEY (tenant_id, id)""",
        grant="SELECT, INSERT",
    )
    op.execute("CREATE INDEX audit_events_time ON audit_events (tenant_id, occurred_at DESC, id)")
    tenant_table(
        "outbox_events",
        """id uuid NOT NULL, type text NOT NULL, occurred_at timestamptz NOT NULL, payload jsonb NOT NULL,
        PRIMARY KEY (tenant_id, id)""",
        grant="SELECT, INSERT",
    )
    tenant_table(
        "outbox_deliveries",
        """event_id uuid NOT NULL, subscriber text NOT NULL,
        status text NOT NULL CHECK (status IN ('done', 'failed', 'dead')), attempts integer NOT NULL, last_error text,
        updated_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, event_id, subscriber),
        FOREIGN KEY (tenant_id, event_id) REFERENCES outbox_events (tenant_id, id)""",
        grant="SELECT, INSERT, UPDATE",
    )
    op.execute(
        "CREATE INDEX outbox_deliveries_dead ON outbox_deliveries (tenant_id, updated_at DESC) WHERE status = 'dead'"
    )
    tenant_table(
        "idempotency_keys",
        """caller_id uuid NOT NULL, route text NOT NULL, key text NOT NULL, request_hash bytea NOT NULL,
        result_id uuid NOT NULL, created_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, caller_id, route, key)""",
    )
    op.execute("CREATE INDEX idempotency_keys_age ON idempotency_keys (tenant_id, created_at)")
    tenant_table(
        "key_erasures",
        "key_slot bigint NOT NULL, erased_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, key_slot)",
        grant="SELECT, INSERT",
    )
    # No foreign key: its two tenants are synthetic, and its rows never commit.
    op.execute("CREATE TABLE isolation_canary (tenant_id uuid NOT NULL, id uuid NOT NULL, PRIMARY KEY (tenant_id, id))")
    op.execute("SELECT platform.isolate_table('isolation_canary')")
    op.execute("GRANT SELECT, INSERT, UPDATE ON isolation_canary TO shifty_app")
