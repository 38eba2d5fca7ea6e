"""Settling a mission: curation says how probable each label is, the Arcade pays or asks one labeler more.

Called for every label, by any number of dispatchers at once: the mission's row is locked before anything is asked, so
only the first that finds all slots used does something.
"""

import uuid

from shifty_pipelines.contexts.arcade.domain.missions import MIN_POSTERIOR, MissionType, MissionView
from shifty_pipelines.contexts.arcade.errors import LeadsOnly
from shifty_pipelines.kernel.events import DeliveredEvent
from shifty_pipelines.services import Services


def settle_on_label(services: Services, event: DeliveredEvent) -> None:
    """React to `LabelRecorded`: when all slots are used, settle the mission or ask again."""
    mission = services.arcade.lock_if_answered(event.uuid_of("mission_id"))
    if mission is None:
        services.arcade.pay_late_answers(event.uuid_of("mission_id"))
        return
    if mission.type is MissionType.APPROVE_DEPLOYMENT:
        services.arcade.decide(mission.id)
        return
    # Read under the lock: of the last two labels, whoever comes second sees both.
    posterior = services.curation.posterior(mission.item_id)
    label = max(posterior, key=lambda candidate: posterior[candidate])
    if posterior[label] >= MIN_POSTERIOR:
        services.arcade.settle(mission.id, label)
    else:
        services.arcade.ask_again(mission.id)


def report_outcome(services: Services, mission_id: uuid.UUID, outcome: str) -> MissionView:
    """Say as owner or admin what came of a decided deployment; all who decided are paid, alike.

    Raises:
        LeadsOnly: the caller is neither owner nor admin.
        NotSettleable: it is not decided, or another outcome was reported.
    """
    mission = services.arcade.lock_decided(mission_id, outcome)
    services.arcade.keep_outcome(mission_id, outcome)
    return services.arcade.settle(mission_id, mission.decision or "reject")


def adjudicate(services: Services, mission_id: uuid.UUID, label: str) -> MissionView:
    """Decide a disputed mission as owner or admin; the decision is recorded as a label and in the audit.

    Raises:
        LeadsOnly: the caller is neither owner nor admin.
        NotSettleable: the mission is not disputed.
        UnknownLabel: not one of the type's labels.
    """
    decided_by = services.work.actor.user_id
    if decided_by is None:  # the platform itself has no judgement
        raise LeadsOnly("adjudicate missions")
    mission = services.arcade.lock_for_adjudication(mission_id, label)
    services.curation.check_label(mission.item_id, label)
    if mission.settled_label is None:
        services.curation.record_adjudication(mission.item_id, label, decided_by=decided_by, mission_id=mission_id)
        services.work.audit.record("mission.adjudicated", "mission", mission_id, label=label)
    return services.arcade.settle(mission_id, label)
