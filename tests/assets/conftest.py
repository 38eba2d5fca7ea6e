"""The training lab of tests/flows serves here too, and sites whose datasets are made by the job `curate`."""

import uuid
from collections.abc import Callable, Iterator

import dagster as dg
import pytest

from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.kernel.tenant import TenantId
from tests.api.conftest import platform_on
from tests.assets.curation_site import NewSite, Site
from tests.conftest import TestServer
from tests.flows.training.conftest import lab, models_home, new_lab, tables, warm, workshop

__all__ = ["lab", "models_home", "new_lab", "tables", "warm", "workshop"]


@pytest.fixture(scope="module")
def curating_platform(
    postgres: TestServer, database_name: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    platform = platform_on(postgres, database_name, tmp_path_factory.mktemp("home"))
    yield platform
    platform.dispose()


@pytest.fixture
def new_site(
    curating_platform: Platform, postgres: TestServer, database_name: str, new_tenant: Callable[[], uuid.UUID]
) -> Iterator[NewSite]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield lambda: Site(curating_platform, postgres, database_name, instance, TenantId(new_tenant()))


@pytest.fixture
def site(new_site: NewSite) -> Site:
    return new_site()
