"""Webhook endpoints and deliveries; their queue is in schema platform, with the other queues."""

from alembic import op

from shifty_pipelines.kernel.migrations import tenant_table

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    tenant_table(
        "webhook_endpoints",
        """id uuid NOT NULL, key_slot bigint NOT NULL, url_sealed bytea NOT NULL,
        event_types text[] NOT NULL CHECK (cardinality(event_types) > 0), is_enabled boolean NOT NULL,
        disabled_reason text CHECK (disabled_reason IN ('by_person', 'gone', 'failing')), disabled_at timestamptz,
        failing_since timestamptz, secret_sealed bytea NOT NULL,
        previous_sealed bytea, previous_until timestamptz, created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL, created_by uuid, deleted_at timestamptz, PRIMARY KEY (tenant_id, id),
        CHECK ((previous_sealed IS NULL) = (previous_until IS NULL)),
        CHECK ((disabled_reason IS NULL) = (disabled_at IS NULL))""",
        grant="SELECT, INSERT, UPDATE",
    )
    op.execute("CREATE INDEX webhook_endpoints_key_slot ON webhook_endpoints (tenant_id, key_slot)")
    op.execute("CREATE INDEX webhook_endpoints_list ON webhook_endpoints (tenant_id, created_at, id)")
    tenant_table(
        "webhook_deliveries",
        """id uuid NOT NULL, endpoint_id uuid NOT NULL, event_id uuid NOT NULL, event_type text NOT NULL,
        occurred_at timestamptz NOT NULL, data jsonb NOT NULL,
        status text NOT NULL CHECK (status IN ('pending', 'delivered', 'failed', 'cancelled')),
        attempts integer NOT NULL, response_code integer, failure text, duration_ms integer,
        next_attempt_at timestamptz, sending_until timestamptz, created_at timestamptz NOT NULL,
        finished_at timestamptz, PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhook_endpoints (tenant_id, id),
        UNIQUE (tenant_id, endpoint_id, event_id),
        CHECK ((status = 'pending') = (next_attempt_at IS NOT NULL))""",
    )
    op.execute(
        "CREATE INDEX webhook_deliveries_log ON webhook_deliveries (tenant_id, endpoint_id, created_at DESC, id DESC)"
    )
    op.execute(
        "CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (tenant_id, endpoint_id)"
        " WHERE status = 'pending'"
    )
    op.execute(
        "CREATE INDEX webhook_deliveries_age ON webhook_deliveries (tenant_id, created_at) WHERE status <> 'pending'"
    )
