"""dbt for one tenant, as a subprocess of a Dagster run.

dagster-dbt's own resource reads the connection from this process's environment and hands all of it on. Here dbt's
environment is a list; the password is in it and nowhere else, and what dbt writes goes into the run's directory.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation
from dagster_dbt.asset_utils import DBT_INDIRECT_SELECTION_ENV, get_updated_cli_invocation_params_for_context
from packaging.version import parse as parse_version

from shifty_pipelines.kernel.libpq import libpq_environment
from shifty_pipelines.kernel.tenant import TenantId
from shifty_pipelines.settings import dbt_process_environment

PROJECT = Path(__file__).resolve().parents[2] / "dbt"
MANIFEST = PROJECT / "manifest.json"
DBT = Path(sys.executable).with_name("dbt")
#: dbt keeps names that begin like this out of its logs.
PASSWORD_NAME = "DBT_ENV_SECRET_PASSWORD"  # noqa: S105 (a name)


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
        env=dbt_environment(url, tenant_id, directory) | _indirect_selection(selected.indirect_selection),
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


def dbt_environment(url: str, tenant_id: TenantId | None, directory: Path) -> dict[str, str]:
    """The whole environment of dbt; without a tenant its first statement is refused."""
    connection = libpq_environment(url)
    password = connection.pop("PGPASSWORD")
    tenant = {} if tenant_id is None else {"PGOPTIONS": f"-c app.tenant_id={tenant_id}"}
    return {
        **dbt_process_environment(),
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


def _indirect_selection(mode: str | None) -> dict[str, str]:
    """Which tests come along, when the run selects a part of the models or checks."""
    return {} if mode is None else {DBT_INDIRECT_SELECTION_ENV: mode}
