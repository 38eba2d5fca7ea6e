"""Tenants, users and their sessions; the directory in schema platform follows by trigger."""

from alembic import op

from shifty_pipelines.kernel.migrations import tenant_table

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    tenant_table(
        "tenants",
        """name text NOT NULL, slug text NOT NULL CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
        plan text NOT NULL CHECK (plan IN ('starter', 'professional', 'enterprise', 'enterprise-plus')),
        region text NOT NULL CHECK (region IN ('us-east-1', 'us-west-2', 'eu-west-1', 'ap-southeast-1')),
        status text NOT NULL CHECK (status IN ('active', 'inactive', 'suspended', 'deleted')),
        created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, PRIMARY KEY (tenant_id)""",
        grant="SELECT, INSERT, UPDATE",
    )
    tenant_table(
        "users",
        """id uuid NOT NULL, email text NOT NULL CHECK (email = lower(email)), password_hash text NOT NULL,
        first_name text NOT NULL, last_name text NOT NULL,
        role text NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')), grants text[] NOT NULL DEFAULT '{}',
        status text NOT NULL CHECK (status IN ('active', 'inactive', 'suspended', 'deleted')),
        created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, id)""",
        grant="SELECT, INSERT, UPDATE",
    )
    op.execute("CREATE INDEX users_list ON users (tenant_id, created_at, id)")
    tenant_table(
        "sign_ins",
        """id uuid NOT NULL, user_id uuid NOT NULL, created_at timestamptz NOT NULL, expires_at timestamptz NOT NULL,
        revoked_at timestamptz, PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)""",
    )
    op.execute("CREATE INDEX sign_ins_user ON sign_ins (tenant_id, user_id)")
    op.execute(
        "CREATE TRIGGER follow_user AFTER INSERT OR DELETE OR UPDATE OF email, status ON users"
        " FOR EACH ROW EXECUTE FUNCTION platform.follow_user()"
    )
    op.execute(
        "CREATE TRIGGER follow_tenant AFTER UPDATE OF slug, status ON tenants"
        " FOR EACH ROW EXECUTE FUNCTION platform.follow_tenant()"
    )
