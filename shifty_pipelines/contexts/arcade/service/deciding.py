"""Deployments: decided by a quorum of people with the duty, never by a crowd's vote, and paid alike whatever they say.

One rejection of the quorum rejects, and so does a quorum that is not complete in time. Nobody is paid more for "yes":
all who gave a decision with its rationale get the same, once somebody has reported what came of it.
"""

import uuid

from shifty_pipelines.contexts.arcade.domain.missions import MissionState, MissionType, MissionView
from shifty_pipelines.contexts.arcade.domain.questions import APPROVE, REJECT
from shifty_pipelines.contexts.arcade.errors import LeadsOnly, NotSettleable
from shifty_pipelines.contexts.arcade.events import DeploymentDecided
from shifty_pipelines.contexts.arcade.models import Mission
from shifty_pipelines.contexts.arcade.service.base import ArcadeUseCases, label_of


class Deciding(ArcadeUseCases):
    """From the last decision of a quorum to its pay."""

    def decide(self, mission_id: uuid.UUID) -> None:
        """Close a deployment whose quorum is complete; harmless when repeated."""
        mission = self._locked(mission_id)
        if mission.state == MissionState.OPEN and mission.type == MissionType.APPROVE_DEPLOYMENT:
            self._decide(mission)

    def lock_decided(self, mission_id: uuid.UUID, outcome: str) -> MissionView:
        """The deployment, locked, if an owner or admin may report this outcome (or did so before).

        Raises:
            LeadsOnly: the caller is neither owner nor admin.
            NotSettleable: it is not decided, or another outcome was reported.
        """
        if not self.work.actor.is_lead():
            raise LeadsOnly("report what came of a deployment")
        mission = self._locked(mission_id)
        if mission.outcome not in (None, outcome):
            raise NotSettleable(mission_id, f"its outcome was reported as '{mission.outcome}', which stands")
        if mission.state != MissionState.DECIDED and mission.outcome is None:
            raise NotSettleable(mission_id, f"it is {mission.state}; outcomes are of deployments that were decided")
        return self._view(mission, None)

    def keep_outcome(self, mission_id: uuid.UUID, outcome: str) -> None:
        """Write down what came of a deployment; the caller settles it in the same transaction."""
        mission = self._locked(mission_id)
        if mission.outcome is None:
            mission.outcome = outcome
            self.work.audit.record("deployment.outcome_reported", "mission", mission_id, outcome=outcome)

    def _decide(self, mission: Mission) -> None:
        answers = self.repository.answers(mission.id)
        approve_count = sum(1 for slot in answers if label_of(slot) == APPROVE)
        mission.decision = APPROVE if approve_count == mission.slot_count else REJECT
        now = self.work.clock.now()
        mission.state, mission.decided_at, mission.updated_at = MissionState.DECIDED.value, now, now
        self.work.audit.record("deployment.decided", "mission", mission.id, decision=mission.decision)
        self.work.outbox.publish(
            DeploymentDecided(
                mission_id=mission.id,
                item_id=mission.item_id,
                decision=mission.decision,
                approve_count=approve_count,
                answer_count=len(answers),
            )
        )
