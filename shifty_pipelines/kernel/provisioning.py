"""From nothing to a migrated database: embedded or external, with a password of its own for every login role."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psycopg
from sqlalchemy.engine import URL, make_url

from shifty_pipelines.kernel.embedded_postgres import EmbeddedPostgres
from shifty_pipelines.kernel.errors import ShiftyError
from shifty_pipelines.kernel.migrations import migrate
from shifty_pipelines.kernel.roles import LOGIN_ROLES, RolePasswords, bootstrap_roles, create_dagster_database
from shifty_pipelines.kernel.secret_files import installation_id, secret_file

PLATFORM_DATABASE = "shifty_platform"
DAGSTER_DATABASE = "shifty_dagster"
APPLICATION_ROLE = "shifty_app"
#: What is called in schema platform, its newest part too; the role bootstrap makes them, migrations do not.
NEEDED_FUNCTIONS = (
    "platform.find_login(text)",
    "platform.find_api_key(bytea)",
    "platform.find_refresh(bytea)",
    "platform.claim_webhooks(uuid[], uuid[], double precision[], integer, integer, uuid[])",
)


class NotBootstrapped(ShiftyError):
    """The external database lacks the roles and schema, and the given role may not make them."""

    status = 503
    code = "kernel.not_bootstrapped"

    def __init__(self, user: str, reason: str) -> None:
        super().__init__(
            f"DATABASE_URL signs in as {user}, and {reason}. Run once as a superuser: "
            "`DATABASE_URL=postgresql://<superuser>@<host>/<database> shifty migrate`, or have an administrator run "
            "shifty_pipelines/kernel/sql/platform.sql and set the passwords of "
            f"{', '.join(LOGIN_ROLES)}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseUrls:
    """How each role reaches the database; `admin` is None where no superuser is known."""

    admin: str | None = field(repr=False)
    app: str = field(repr=False)
    worker: str = field(repr=False)
    dbt: str = field(repr=False)
    dagster: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioned:
    """What `provision` found and did."""

    urls: DatabaseUrls
    revision_before: str | None
    revision_after: str | None


def database_urls(home: Path, external_url: str | None, *, postgres_major: Literal[16, 18] = 16) -> DatabaseUrls:
    """Every role's address, by the secrets in `home`; starts and changes nothing.

    Args:
        home: SHIFTY_HOME.
        external_url: DATABASE_URL, of a superuser or of shifty_app; None means the embedded server.
        postgres_major: version of the embedded server.
    """
    if external_url is None:
        return _urls_of(make_url(_embedded(home, postgres_major).address().url(database=PLATFORM_DATABASE)), home)
    url = make_url(external_url).set(drivername="postgresql+psycopg")
    return _urls_of(url, home, as_given=url.username == APPLICATION_ROLE)


def provision(home: Path, external_url: str | None, *, postgres_major: Literal[16, 18] = 16) -> Provisioned:
    """Start the embedded server if it is ours, bootstrap roles and schema, migrate; may run again at any time.

    Raises:
        NotBootstrapped: an external database that we may not prepare.
    """
    if external_url is None:
        address = _embedded(home, postgres_major).start()
        _create_database(address.url(driver="postgresql"), PLATFORM_DATABASE)
    urls = database_urls(home, external_url, postgres_major=postgres_major)
    if urls.admin is None:
        _refuse_unless_bootstrapped(urls.app)
        return Provisioned(urls=urls, revision_before=None, revision_after=None)
    passwords = RolePasswords({role: role_password(home, role) for role in LOGIN_ROLES})
    with psycopg.connect(_libpq(urls.admin), autocommit=True) as connection:
        bootstrap_roles(connection, passwords, str(installation_id(home / "secrets")))
        create_dagster_database(connection, DAGSTER_DATABASE)
    before, after = migrate(urls.admin)
    return Provisioned(urls=urls, revision_before=before, revision_after=after)


def role_password(home: Path, role: str) -> str:
    """The password of a login role, made on first use."""
    return secret_file(home / "secrets", f"role-{role}")


def _embedded(home: Path, major: Literal[16, 18]) -> EmbeddedPostgres:
    return EmbeddedPostgres(home, major=major)


def _urls_of(base: URL, home: Path, *, as_given: bool = False) -> DatabaseUrls:
    def url(role: str, *, driver: str = "postgresql+psycopg", database: str | None = base.database) -> str:
        own = (
            base
            if as_given and role == APPLICATION_ROLE
            else base.set(username=role, password=role_password(home, role))
        )
        return own.set(drivername=driver, database=database).render_as_string(hide_password=False)

    return DatabaseUrls(
        admin=None if as_given else base.render_as_string(hide_password=False),
        app=url("shifty_app"),
        worker=url("shifty_worker"),
        dbt=url("shifty_dbt"),
        # dagster-postgres needs psycopg2: `postgresql://` means psycopg 3 in SQLAlchemy 2.1
        dagster=url("shifty_dagster", driver="postgresql+psycopg2", database=DAGSTER_DATABASE),
    )


def _libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _create_database(server_url: str, name: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            connection.execute(f'CREATE DATABASE "{name}"')


def _refuse_unless_bootstrapped(app_url: str) -> None:
    with psycopg.connect(_libpq(app_url)) as connection:
        user = connection.info.user
        missing = connection.execute(
            "SELECT name FROM unnest(%s::text[]) AS wanted (name) WHERE to_regprocedure(name) IS NULL",
            [list(NEEDED_FUNCTIONS)],
        ).fetchall()
    if len(missing) == len(NEEDED_FUNCTIONS):
        raise NotBootstrapped(user, "schema platform is missing")
    if missing:
        raise NotBootstrapped(user, f"schema platform is of an earlier version: it lacks {missing[0][0]}")
