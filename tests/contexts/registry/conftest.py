"""The registry on a real database, with base models that lie in a folder of the test."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shifty_pipelines.contexts.registry.adapters.local_base_models import LocalBaseModels
from shifty_pipelines.contexts.registry.domain.gate import GateReport, Opponent, Verdict
from shifty_pipelines.contexts.registry.domain.models import ModelKind, ModelSource, NewModel, NewVersion
from shifty_pipelines.contexts.registry.service import RegistryService
from shifty_pipelines.kernel.clock import FixedClock
from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.ids import RandomIds
from shifty_pipelines.kernel.tenant import Actor, Role, TenantId, UserId, system_actor
from shifty_pipelines.kernel.work import begin_work

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OWNER = UserId(uuid.UUID("0a0a0a0a-0000-4000-8000-000000000001"))


@dataclass
class Shelf:
    """Where models are registered and moved, tenant by tenant."""

    database: Database
    new_tenant: Callable[[], uuid.UUID]
    folder: Path
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))

    def tenant(self) -> TenantId:
        return TenantId(self.new_tenant())

    @contextmanager
    def open(self, tenant_id: TenantId, *, as_platform: bool = False) -> Iterator[RegistryService]:
        person = Actor(tenant_id=tenant_id, user_id=OWNER, role=Role.OWNER)
        actor = system_actor(tenant_id) if as_platform else person
        self.clock.advance(timedelta(seconds=1))
        with self.database.tenant_transaction(tenant_id) as scope:
            yield RegistryService(begin_work(scope, actor, self.clock, RandomIds()), LocalBaseModels(self.folder))

    def base(self, tenant_id: TenantId) -> uuid.UUID:
        with self.open(tenant_id) as registry:
            return registry.register(NewModel(name="tiny", source=ModelSource.CUSTOM, source_id="local:tiny")).id

    def line(self, tenant_id: TenantId) -> uuid.UUID:
        base_id = self.base(tenant_id)
        with self.open(tenant_id) as registry:
            return registry.line("classify_error", base_id).id

    def version(self, tenant_id: TenantId, model_id: uuid.UUID, verdict: Verdict | None = Verdict.PASSED) -> int:
        """A new version with a completed evaluation of this verdict; with None, one without."""
        with self.open(tenant_id) as registry:
            version = registry.add_version(new_version(model_id))
            if verdict is not None:
                evaluation = registry.start_evaluation(model_id, version.version)
                registry.complete_evaluation(
                    evaluation.id, report_of(verdict), metrics={"f1Score": 0.5}, incumbent_version=None
                )
            return version.version


def new_version(model_id: uuid.UUID, *, job_id: uuid.UUID | None = None) -> NewVersion:
    return NewVersion(
        model_id=model_id,
        kind=ModelKind.ADAPTER,
        labels=("a", "b"),
        data_asset_id=uuid.uuid4(),
        key_slot=0,
        manifest_sha256="0" * 64,
        dataset_id=uuid.uuid4(),
        dataset_version_id=uuid.uuid4(),
        training_job_id=job_id or uuid.uuid4(),
        metrics={},
    )


def report_of(verdict: Verdict) -> GateReport:
    return GateReport(
        verdict=verdict, against=Opponent.MAJORITY, rows=60, difference=0.1, low=0.0, high=0.2, recall_losses=()
    )


@pytest.fixture
def shelf(app_database: Database, new_tenant: Callable[[], uuid.UUID], tmp_path: Path) -> Shelf:
    tiny = tmp_path / "models" / "tiny"
    tiny.mkdir(parents=True)
    (tiny / "config.json").write_text("{}")
    return Shelf(app_database, new_tenant, tmp_path / "models")
