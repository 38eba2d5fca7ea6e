"""Invitations, refresh tokens, API keys, and counted attempts to sign in; the indexes in schema platform follow."""

from alembic import op

from shifty_pipelines.kernel.migrations import tenant_table

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    tenant_table(
        "invitations",
        """id uuid NOT NULL, email text NOT NULL CHECK (email = lower(email)),
        role text NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')), grants text[] NOT NULL,
        invited_by uuid, link_hash bytea NOT NULL, mailed_hash bytea, created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL, mailed_at timestamptz, accepted_at timestamptz, accepted_by uuid,
        revoked_at timestamptz, PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, invited_by) REFERENCES users (tenant_id, id),
        FOREIGN KEY (tenant_id, accepted_by) REFERENCES users (tenant_id, id),
        CHECK ((accepted_at IS NULL) = (accepted_by IS NULL)), CHECK (accepted_at IS NULL OR revoked_at IS NULL)""",
        grant="SELECT, INSERT, UPDATE",
    )
    op.execute("CREATE UNIQUE INDEX invitations_link ON invitations (tenant_id, link_hash)")
    op.execute("CREATE UNIQUE INDEX invitations_mailed ON invitations (tenant_id, mailed_hash)")
    op.execute("CREATE INDEX invitations_list ON invitations (tenant_id, created_at, id)")
    op.execute(
        "CREATE UNIQUE INDEX invitations_pending ON invitations (tenant_id, email)"
        " WHERE accepted_at IS NULL AND revoked_at IS NULL"
    )
    tenant_table(
        "refresh_tokens",
        """id uuid NOT NULL, sign_in_id uuid NOT NULL, token_hash bytea NOT NULL, created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL, used_at timestamptz, PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, sign_in_id) REFERENCES sign_ins (tenant_id, id)""",
    )
    op.execute("CREATE UNIQUE INDEX refresh_tokens_hash ON refresh_tokens (tenant_id, token_hash)")
    op.execute("CREATE INDEX refresh_tokens_session ON refresh_tokens (tenant_id, sign_in_id, created_at)")
    op.execute("CREATE INDEX refresh_tokens_expiry ON refresh_tokens (tenant_id, expires_at)")
    op.execute(
        "CREATE TRIGGER follow_refresh AFTER INSERT OR DELETE ON refresh_tokens"
        " FOR EACH ROW EXECUTE FUNCTION platform.follow_refresh()"
    )
    tenant_table(
        "api_keys",
        """id uuid NOT NULL, user_id uuid NOT NULL, name text NOT NULL, prefix text NOT NULL, key_hash bytea NOT NULL,
        scopes text[] NOT NULL, created_at timestamptz NOT NULL, expires_at timestamptz NOT NULL,
        last_used_at timestamptz, revoked_at timestamptz, PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)""",
        grant="SELECT, INSERT, UPDATE",
    )
    op.execute("CREATE UNIQUE INDEX api_keys_hash ON api_keys (tenant_id, key_hash)")
    op.execute("CREATE INDEX api_keys_list ON api_keys (tenant_id, created_at, id)")
    op.execute("CREATE INDEX api_keys_user ON api_keys (tenant_id, user_id)")
    op.execute(
        "CREATE TRIGGER follow_api_key AFTER INSERT OR DELETE OR UPDATE OF revoked_at ON api_keys"
        " FOR EACH ROW EXECUTE FUNCTION platform.follow_api_key()"
    )
    # All rows are the system tenant's: an unknown address is counted like a known one, and belongs to nobody.
    tenant_table(
        "sign_in_attempts",
        """key bytea NOT NULL, failures integer NOT NULL, blocked_until timestamptz, expires_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, key)""",
    )
    op.execute("CREATE INDEX sign_in_attempts_expiry ON sign_in_attempts (tenant_id, expires_at)")
