"""Looking after missions from outside: leases, missions, streaks, boards whose time is over; how long answers take."""

from dataclasses import dataclass

from shifty_pipelines.flows.workshop import Workshop
from shifty_pipelines.kernel.tenant import system_actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Tended:
    """What one round did."""

    leases_ended: int = 0
    missions_closed: int = 0


def tend_missions(workshop: Workshop) -> Tended:
    """One round over every active tenant, each in transactions of its own; safe to repeat, and beside itself.

    Costs five small queries a tenant where nothing is due: each walks an index of exactly what is due.
    """
    leases_ended = missions_closed = 0
    for tenant_id in workshop.training_queue.active_tenants():
        actor = system_actor(tenant_id)
        with workshop.open(actor) as services:
            leases_ended += services.arcade.release_expired()
        # In a second transaction: a mission nobody holds any more since the first may be closed now.
        with workshop.open(actor) as services:
            missions_closed += services.arcade.close_overdue()
            services.arcade.measure_times()
        with workshop.open(actor) as services:
            services.arcade.tend_game()
    return Tended(leases_ended=leases_ended, missions_closed=missions_closed)
