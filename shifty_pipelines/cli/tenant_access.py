"""How a command on the machine itself reaches the platform and finds a tenant by its slug."""

from collections.abc import Iterator
from contextlib import contextmanager

from shifty_pipelines.bootstrap import Platform, build_platform
from shifty_pipelines.contexts.tenancy.models import Tenant
from shifty_pipelines.kernel.errors import NotFound, ShiftyError
from shifty_pipelines.kernel.tenant import TenantId, system_actor
from shifty_pipelines.settings import Settings


class DatabaseDown(ShiftyError):
    """There is no database to work on."""

    status = 503
    code = "cli.database_down"

    def __init__(self) -> None:
        super().__init__("The database does not answer. Start the platform with `shifty up`, then run this again.")


@contextmanager
def opened_platform() -> Iterator[Platform]:
    """The platform of this SHIFTY_HOME, its connections closed at the end.

    Raises:
        DatabaseDown: nothing runs.
    """
    platform = build_platform(Settings())
    try:
        if not platform.app.answers():
            raise DatabaseDown
        yield platform
    finally:
        platform.dispose()


def all_tenants(platform: Platform) -> list[Tenant]:
    """The active tenants by age."""
    rows = []
    for tenant_id in platform.worker.active_tenants():
        with platform.open(system_actor(tenant_id)) as services:
            rows.append(services.tenancy.tenant())
    return rows


def tenant_id_of(platform: Platform, slug: str) -> TenantId:
    """The active tenant of this slug.

    Raises:
        NotFound: there is none.
    """
    for tenant in all_tenants(platform):
        if tenant.slug == slug:
            return TenantId(tenant.tenant_id)
    raise NotFound(f"Tenant with the slug '{slug}' (see `shifty tenants list`)")
