"""A platform with a tiny base model and datasets of the test's own, and tenants to train in."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from shifty_pipelines.bootstrap import Assembly, Platform, build_platform
from shifty_pipelines.contexts.registry.domain.models import ModelSource, NewModel
from shifty_pipelines.contexts.tenancy.adapters.argon2_passwords import Argon2Passwords
from shifty_pipelines.contexts.training.domain.jobs import JobKind
from shifty_pipelines.flows.request_training import request_training
from shifty_pipelines.kernel.clock import SystemClock
from shifty_pipelines.kernel.ids import RandomIds
from shifty_pipelines.kernel.provisioning import DatabaseUrls
from shifty_pipelines.kernel.tenant import Actor, Role, TenantId, UserId
from shifty_pipelines.settings import Settings
from tests.conftest import TestServer
from tests.flows.training.warm_trainer import WarmTrainer
from tests.tiny_models import Tables
from tests.trainer.conftest import sample_rows, write_base_model

OWNER = UserId(uuid.UUID("0a0a0a0a-0000-4000-8000-000000000001"))
#: A few steps that do learn something on the tiny model.
QUICK = {"epochs": 2, "learningRate": 0.05}


@dataclass
class Lab:
    """One tenant's way through the platform."""

    platform: Platform
    tables: Tables
    tenant_id: TenantId
    base_id: uuid.UUID

    @property
    def actor(self) -> Actor:
        return Actor(tenant_id=self.tenant_id, user_id=OWNER, role=Role.OWNER)

    def dataset(self, rows: pd.DataFrame | None = None, **how: Any) -> uuid.UUID:
        return self.tables.add(self.tenant_id, sample_rows() if rows is None else rows, **how)

    def request(
        self, dataset_id: uuid.UUID, *, kind: JobKind = JobKind.ADAPTER, base_id: uuid.UUID | None = None, **config: Any
    ) -> uuid.UUID:
        config = {"hyperparameters": QUICK, "threads": 1, "device": "cpu", **config}
        with self.platform.open(self.actor) as services:
            return request_training(
                services,
                self.tables,
                dataset_id,
                base_model_id=base_id or self.base_id,
                kind=kind,
                config=config,
            ).id

    def job(self, job_id: uuid.UUID) -> Any:
        with self.platform.open(self.actor) as services:
            return services.training.job(job_id)


def shuffled(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with training and validation labels that say nothing."""
    rows = rows.copy()
    learnt = rows.split != "test"
    rows.loc[learnt, "label"] = np.random.default_rng(4).permutation(rows.loc[learnt, "label"])
    return rows


@pytest.fixture(scope="session")
def tables() -> Tables:
    return Tables()


@pytest.fixture(scope="session")
def models_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / "models").mkdir()
    write_base_model(home / "models" / "tiny")
    return home


@pytest.fixture(scope="session")
def workshop(postgres: TestServer, database_name: str, models_home: Path, tables: Tables) -> Iterator[Platform]:
    urls = DatabaseUrls(
        admin=None,
        app=postgres.url(database_name, "shifty_app"),
        worker=postgres.url(database_name, "shifty_worker"),
        dbt="",
        dagster="",
    )
    passwords = Argon2Passwords(time_cost=1, memory_cost_kib=8, parallelism=1)
    assembly = Assembly(clock=SystemClock(), ids=RandomIds(), passwords=passwords, datasets=tables)
    platform = build_platform(Settings(home=models_home), urls=urls, assembly=assembly)
    yield platform
    platform.dispose()


@pytest.fixture
def new_lab(workshop: Platform, tables: Tables, new_tenant: Callable[[], uuid.UUID]) -> Callable[[], Lab]:
    def make() -> Lab:
        tenant_id = TenantId(new_tenant())
        actor = Actor(tenant_id=tenant_id, user_id=OWNER, role=Role.OWNER)
        with workshop.open(actor) as services:
            base = services.registry.register(NewModel(name="tiny", source=ModelSource.CUSTOM, source_id="local:tiny"))
        return Lab(workshop, tables, tenant_id, base.id)

    return make


@pytest.fixture
def lab(new_lab: Callable[[], Lab]) -> Lab:
    return new_lab()


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmTrainer]:
    """The real trainer out of a process that has its imports behind it: seconds instead of half a minute a job."""
    trainer = WarmTrainer()
    yield trainer
    trainer.close()
