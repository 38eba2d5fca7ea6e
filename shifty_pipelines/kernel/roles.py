"""Role bootstrap: the login roles, schema platform and its functions, and who may connect with which password.

Runs as a superuser (embedded, or an external superuser URL) and may run again at any time.
"""

import secrets
from dataclasses import dataclass, field
from importlib.resources import files

import psycopg
from psycopg import sql

LOGIN_ROLES = ("shifty_app", "shifty_worker", "shifty_dbt", "shifty_dagster")


@dataclass(frozen=True, slots=True)
class RolePasswords:
    """One password per login role."""

    by_role: dict[str, str] = field(repr=False)

    @classmethod
    def generate(cls) -> "RolePasswords":
        """Fresh random passwords (256 bit each)."""
        return cls({role: secrets.token_urlsafe(32) for role in LOGIN_ROLES})


def bootstrap_roles(connection: psycopg.Connection, passwords: RolePasswords, installation_id: str) -> None:
    """Create or repair roles, schema platform and its functions on the connected database, in one transaction."""
    with connection.transaction():
        connection.execute(sql.SQL("SELECT pg_advisory_xact_lock(7237641)"))  # two first starts at once
        connection.execute(_script("platform.sql"))
        connection.execute(
            "INSERT INTO platform.installation (installation_id) VALUES (%s) ON CONFLICT DO NOTHING", [installation_id]
        )
        if _is_superuser(connection):
            connection.execute(_script("event_trigger.sql"))
        for role, password in passwords.by_role.items():
            _set_password(connection, role, password)
        database = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(database))
        connection.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO shifty_app, shifty_worker, shifty_dbt").format(database)
        )


def create_dagster_database(connection: psycopg.Connection, name: str) -> None:
    """Create Dagster's own database, owned by its own role; the platform's tables are not in it."""
    exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    if exists is None:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER shifty_dagster").format(sql.Identifier(name)))
    connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))


def _script(name: str) -> bytes:
    return (files("shifty_pipelines.kernel") / "sql" / name).read_bytes()


def _is_superuser(connection: psycopg.Connection) -> bool:
    row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    return bool(row and row[0])


def _set_password(connection: psycopg.Connection, role: str, password: str) -> None:
    # The server only ever sees the SCRAM verifier, so a statement log holds no password.
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier))
    connection.execute(statement)
