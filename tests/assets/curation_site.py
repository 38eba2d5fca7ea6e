"""A tenant whose datasets are made by the job `curate`, in process, on the real database and encrypted store."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pandas as pd
import psycopg

from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.contexts.curation.models import Dataset, DatasetVersion
from shifty_pipelines.contexts.curation.service import CurationService
from shifty_pipelines.definitions import build_definitions
from shifty_pipelines.kernel.tenant import TenantId, system_actor
from shifty_pipelines.resources.platform import PlatformResource
from shifty_pipelines.services import Services
from tests.conftest import TestServer
from tests.crowd import TYPE

ASSETS = ("labels", "consensus_labels", "scrubbed_items", "unique_items", "splits", "datasets")


class GivenPlatform(PlatformResource):
    """The platform of the test instead of one made from settings."""

    @contextmanager
    def opened(self) -> Iterator[Platform]:
        yield given[0]


given: list[Platform] = []


@dataclass(frozen=True)
class Run:
    """What a run left in Dagster."""

    result: dg.ExecuteInProcessResult
    instance: dg.DagsterInstance

    @property
    def made(self) -> list[str]:
        """Assets that were materialised, in their order."""
        events = self.result.get_asset_materialization_events()
        return [event.asset_key.path[-1] for event in events if event.asset_key is not None]

    @property
    def checks(self) -> Mapping[str, dg.AssetCheckEvaluation]:
        return {check.check_name: check for check in self.result.get_asset_check_evaluations()}

    @property
    def failed(self) -> set[str]:
        return {name for name, check in self.checks.items() if not check.passed}

    def figures(self, asset: str) -> Mapping[str, Any]:
        node = f"curation__{asset}"
        (found,) = self.result.asset_materializations_for_node(node)
        return {name: value.value for name, value in found.metadata.items()}

    def everything_said(self) -> str:
        """Every event of the run as Dagster stores it."""
        records = self.instance.get_records_for_run(self.result.run_id, limit=10_000).records
        return " ".join(str(record.event_log_entry) for record in records)


@dataclass(frozen=True)
class Site:
    """One tenant of the platform."""

    platform: Platform
    server: TestServer
    database: str
    instance: dg.DagsterInstance
    tenant_id: TenantId

    @contextmanager
    def services(self) -> Iterator[Services]:
        with self.platform.open(system_actor(self.tenant_id)) as services:
            yield services

    @contextmanager
    def curation(self) -> Iterator[CurationService]:
        with self.services() as services:
            yield services.curation

    def run(self) -> Run:
        partition = str(self.tenant_id)
        self.instance.add_dynamic_partitions("tenants", [partition])
        given[:] = [self.platform]
        job = build_definitions(platform=GivenPlatform()).resolve_job_def("curate")
        result = job.execute_in_process(instance=self.instance, partition_key=partition, raise_on_error=False)
        return Run(result, self.instance)

    def query(self, statement: str, **parameters: Any) -> list[Any]:
        """Rows, read as a superuser: every statement names the tenant."""
        with self.server.admin(self.database) as connection:
            return connection.execute(statement, {"tenant": self.tenant_id, **parameters}).fetchall()  # type: ignore[arg-type]

    @contextmanager
    def bug(self, table: str, change: str) -> Iterator[None]:
        """While this lasts, rows of this tenant reach the table as a bug upstream would have written them."""
        name = f"bug_{self.tenant_id.hex}"
        with self.server.admin(self.database) as admin:
            _execute(
                admin,
                f"""CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $bug$ BEGIN
                IF NEW.tenant_id = '{self.tenant_id}' THEN {change} END IF; RETURN NEW; END $bug$""",
            )
            _execute(
                admin,
                f"CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
            )
            try:
                yield
            finally:
                _execute(admin, f"DROP TRIGGER {name} ON {table}")
                _execute(admin, f"DROP FUNCTION {name}()")

    # ---------------------------------------------------------------------------------------------- what the runs made

    def dataset(self, mission_type: str = TYPE, name: str = "default") -> Dataset:
        with self.curation() as curation:
            found = {dataset.name: dataset for dataset in curation.datasets_of(mission_type)}
        return found[name]

    def current(self, mission_type: str = TYPE) -> DatasetVersion | None:
        dataset_id = self.dataset(mission_type).id
        with self.curation() as curation:
            return curation.current_version(dataset_id)

    def versions(self, mission_type: str = TYPE) -> list[tuple[str, str]]:
        """Version and status, newest first."""
        dataset_id = self.dataset(mission_type).id
        with self.curation() as curation:
            return [(version.version, version.status) for version in curation.versions(dataset_id, limit=200)]

    def table(self, version_id: uuid.UUID) -> pd.DataFrame:
        """The rows as training reads them."""
        with self.platform.runs.private(f"read-{version_id}") as directory, self.services() as services:
            return pd.read_parquet(self.platform.datasets.copy(services, version_id, directory))


def _execute(connection: psycopg.Connection, statement: str) -> None:
    connection.execute(statement)  # type: ignore[call-overload]


NewSite = Callable[[], Site]
