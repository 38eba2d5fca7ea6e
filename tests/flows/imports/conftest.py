"""Two tenants to import into, and files to import."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.tenant import TenantId
from tests.flows.import_stage import ImportStage, csv_of


@pytest.fixture
def stage(app_database: Database, new_tenant: Callable[[], uuid.UUID]) -> ImportStage:
    return ImportStage(app_database, TenantId(new_tenant()))


@pytest.fixture
def other(app_database: Database, new_tenant: Callable[[], uuid.UUID]) -> ImportStage:
    return ImportStage(app_database, TenantId(new_tenant()))


@pytest.fixture
def rows(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: tuple[object, ...], header: str = "item,text,who,label", name: str = "labels.csv") -> Path:
        return csv_of(tmp_path / name, header, rows)

    return write
