"""After a restore: an older database or an older slot file must not bring erased texts back, nor lose live ones.

Run at every start, before anything serves (CONTRACTS 2, "Restore").
"""

from dataclasses import dataclass

from sqlalchemy import column, func, select, table, text
from sqlalchemy.orm import Session

from shifty_pipelines.kernel.clock import Clock
from shifty_pipelines.kernel.db import Database, TenantScope
from shifty_pipelines.kernel.errors import Conflict
from shifty_pipelines.kernel.keys import KeySlots, reconcile_erasures, refuse_rows_beyond_file
from shifty_pipelines.kernel.tenant import TenantId

#: By convention (tested) every column that holds a slot number is called key_slot.
_SLOT_TABLES = text(
    "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
    " WHERE a.attname = 'key_slot' AND NOT a.attisdropped AND c.relkind IN ('r', 'p')"
    " AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'key_erasures' ORDER BY 1"
)


class WrongInstallation(Conflict):
    """The database belongs to another installation than the keys beside us."""

    code = "keys.wrong_installation"

    def __init__(self, in_database: object, in_home: object) -> None:
        super().__init__(
            f"The database belongs to installation {in_database}, SHIFTY_HOME to {in_home}: its keys cannot open that "
            "database's texts. Point SHIFTY_HOME at the home that was backed up with this database."
        )


@dataclass(slots=True)
class RestoreReport:
    """What the union replay did."""

    tenants: int = 0
    erased_in_files: int = 0
    recorded_in_database: int = 0


def check_restore(
    app: Database, worker: Database, keys: KeySlots, clock: Clock, *, installation: object
) -> RestoreReport:
    """Replay the union of erasures recorded in files and database; refuse what cannot belong together.

    Raises:
        WrongInstallation: database and home are of two installations.
        KeyFileTooShort: a row refers to a slot beyond the file's end.
    """
    with app.platform_transaction() as session:
        in_database = session.scalar(text("SELECT platform.installation_id()"))
    if str(in_database) != str(installation):
        raise WrongInstallation(in_database, installation)
    tenants = worker.active_tenants()
    report = RestoreReport(tenants=len(tenants))
    for tenant_id in tenants:
        with app.tenant_transaction(tenant_id) as scope:
            _check_tenant(scope, keys, clock, report)
    return report


def _check_tenant(scope: TenantScope, keys: KeySlots, clock: Clock, report: RestoreReport) -> None:
    erased = scope.session.scalars(
        text("SELECT key_slot FROM key_erasures WHERE tenant_id = :tenant"), {"tenant": scope.tenant_id}
    ).all()
    outcome = reconcile_erasures(keys, scope.tenant_id, erased_in_database=erased)
    for slot in outcome.missing_in_database:
        scope.session.execute(
            text("INSERT INTO key_erasures (tenant_id, key_slot, erased_at) VALUES (:tenant, :slot, :at)"),
            {"tenant": scope.tenant_id, "slot": slot, "at": clock.now()},
        )
    refuse_rows_beyond_file(keys, scope.tenant_id, _highest_slot(scope.session, scope.tenant_id))
    report.erased_in_files += len(outcome.erase_in_file_done)
    report.recorded_in_database += len(outcome.missing_in_database)


def _highest_slot(session: Session, tenant_id: TenantId) -> int | None:
    """The highest slot any row refers to; each is one step down an index."""
    slots = [
        session.scalar(
            select(func.max(column("key_slot"))).select_from(table(name)).where(column("tenant_id") == tenant_id)
        )
        for name in session.scalars(_SLOT_TABLES).all()
    ]
    return max((slot for slot in slots if slot is not None), default=None)
