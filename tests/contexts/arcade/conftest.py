import uuid
from collections.abc import Callable

import pytest

from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.tenant import TenantId
from tests.contexts.arcade.stage import Stage


@pytest.fixture
def stage(app_database: Database, new_tenant: Callable[[], uuid.UUID]) -> Stage:
    return Stage(app_database, TenantId(new_tenant()))
