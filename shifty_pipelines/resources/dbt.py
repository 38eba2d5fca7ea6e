"""dbt for one tenant, as a subprocess of a Dagster run.

dagster-dbt's own resource reads the connection from this process's environment and hands all of it on. Here dbt's
environment is a list; the password is in it and nowhere else, and what dbt writes goes into the run's directory.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation
from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
from packaging.version import parse as parse_version
from psycopg.pq import Conninfo
from sqlalchemy.engine import make_url

from shifty_pipelines.kernel.tenant import TenantId
from shifty_pipelines.settings import dbt_process_environment

PROJECT = Path(__file__).resolve().parents[2] / "dbt"
MANIFEST = PROJECT / "manifest.json"
DBT = Path(sys.executable).with_name("dbt")
#: dbt keeps names that begin like this out of its logs.
PASSWORD_NAME = "DBT_ENV_SECRET_PASSWORD"  # noqa: S105 (a name)
DEFAULT_PORT = "5432"


@contextmanager
def dbt_build(
    context: dg.AssetExecutionContext, *, url: str, tenant_id: TenantId, directory: Path
) -> Iterator[DbtCliInvocation]:
    """Build and test what the run selects, with the tenant's rows in sight and no others.

    Args:
        context: the run, inside `@dbt_assets`.
        url: how shifty_dbt reaches the database.
        tenant_id: whose rows are read and replaced.
        directory: where dbt writes its logs and artefacts.
    """
    selected = get_updated_cli_invocation_params_for_context(
        context, manifest={}, dagster_dbt_translator=DagsterDbtTranslator()
    )
    invocation = DbtCliInvocation.run(
        args=[str(DBT), "build", *selected.selection_args],
        env=dbt_environment(url, tenant_id, directory),
        manifest=selected.manifest,
        dagster_dbt_translator=selected.dagster_dbt_translator,
        project_dir=PROJECT,
        target_path=directory,
        raise_on_error=True,
        context=context,
        adapter=None,
        cli_version=parse_version(version("dbt-core")),
    )
    try:
        yield invocation
    finally:
        if invocation.process.poll() is None:
            invocation.process.kill()  # PostgreSQL rolls back what it had begun
        invocation.process.wait()


def dbt_environment(url: str, tenant_id: TenantId | None, directory: Path) -> Mapping[str, str]:
    """The whole environment of dbt; without a tenant its first statement is refused."""
    libpq_url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    options = {option.envvar: option.val for option in Conninfo.parse(libpq_url.encode()) if option.envvar}
    connection = {name.decode(): value.decode() for name, value in options.items() if value}
    password = connection.pop("PGPASSWORD")
    tenant = {} if tenant_id is None else {"PGOPTIONS": f"-c app.tenant_id={tenant_id}"}
    return {
        **dbt_process_environment(),
        "PGPORT": DEFAULT_PORT,
        **connection,
        PASSWORD_NAME: password,
        **tenant,
        "HOME": str(directory),
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_TARGET_PATH": str(directory),
        "DBT_LOG_PATH": str(directory),
        "DBT_LOG_FORMAT": "json",
        "PYTHONUNBUFFERED": "1",
    }
