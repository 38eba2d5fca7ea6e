"""Setting a mission type's labels: curation keeps them, the Arcade knows whether missions rely on the present ones."""

from collections.abc import Sequence

from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.kernel.errors import InvalidValue
from shifty_pipelines.services import Services


def set_labels(services: Services, mission_type: MissionType, labels: Sequence[str]) -> tuple[str, ...]:
    """The labels from now on; setting the same labels again changes nothing.

    Raises:
        InvalidValue: the type is decided by a quorum, never by counting labels.
        InvalidLabels: too few, too many, too long, or two alike.
        MissionsOpen: missions of the type wait for answers or a decision.
    """
    if mission_type is MissionType.APPROVE_DEPLOYMENT:
        raise InvalidValue(
            "missionType", mission_type.value, "a type that is labelled: deployments are decided by a quorum"
        )
    # Locked first: a mission being created holds the present labels, so it is counted below or made with the new ones.
    present = services.curation.lock_labels(mission_type.value)
    if present is not None and present == tuple(labels):
        return present
    if present is not None:
        services.arcade.require_no_unsettled(mission_type)
    return tuple(services.curation.set_labels(mission_type.value, labels).labels)
