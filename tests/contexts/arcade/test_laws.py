"""What holds after any sequence of claims, late answers, undos, skips and cancellations."""

import uuid
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shifty_pipelines.contexts.arcade.domain.leases import SkipReason
from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.errors import ShiftyError
from shifty_pipelines.kernel.tenant import Role, TenantId, UserId
from tests.contexts.arcade.stage import Stage, person

ACTIONS = ("claim", "complete", "undo", "release", "skip", "heartbeat", "wait", "sweep", "settle", "cancel", "late pay")
STEPS = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 2), st.integers(0, 1)), min_size=5, max_size=25)


class Play:
    """Three labelers and two missions of two slots; every step is a transaction, and may be refused."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.labelers = [person() for _ in range(3)]
        self.missions = [stage.mission(slot_count=2, time_estimate_minutes=5) for _ in range(2)]
        self.tokens: dict[tuple[uuid.UUID, UserId], int] = {}

    def step(self, action: str, labeler: UserId, mission_id: uuid.UUID) -> None:
        try:
            self.act(action, labeler, mission_id)
        except ShiftyError:
            return  # refused: the laws below say that nothing was half done

    def act(self, action: str, labeler: UserId, mission_id: uuid.UUID) -> None:
        stage, token = self.stage, self.tokens.get((mission_id, labeler), 1)
        if action == "claim":
            taken = stage.assign(mission_id, labeler).fencing_token
            self.tokens[mission_id, labeler] = taken or 1
        elif action == "complete":
            stage.complete(mission_id, labeler, "timeout", token=token)
        elif action == "undo":
            again = stage.undo(mission_id, labeler, token).fencing_token
            self.tokens[mission_id, labeler] = again or token
        elif action == "wait":
            stage.wait(minutes=6)
        else:
            self.oversee(action, labeler, mission_id, token)

    def oversee(self, action: str, labeler: UserId, mission_id: uuid.UUID, token: int) -> None:
        if action in ("release", "skip", "heartbeat"):
            with self.stage.arcade(labeler) as arcade:
                if action == "skip":
                    arcade.skip(mission_id, labeler_id=labeler, fencing_token=token, reason=SkipReason.OTHER)
                else:
                    getattr(arcade, action)(mission_id, labeler_id=labeler, fencing_token=token)
            return
        with self.stage.arcade(None, Role.OWNER) as arcade:
            if action == "sweep":
                arcade.release_expired()
            elif action == "settle":
                arcade.settle(mission_id, "timeout")
            elif action == "late pay":
                arcade.pay_late_answers(mission_id)
            else:
                arcade.cancel(mission_id)


LAWS = {
    "no more hands than slots": """
        SELECT 1 FROM missions m WHERE m.state = 'open' AND m.open_slots <> m.slot_count - (
          SELECT count(*) FROM mission_slots s WHERE s.mission_id = m.id AND NOT s.is_extra
          AND s.state IN ('leased', 'started', 'completed'))""",
    "one answer of a labeler to a mission": """
        SELECT 1 FROM mission_slots WHERE state = 'completed' GROUP BY mission_id, labeler_id HAVING count(*) > 1""",
    "every answer that stands was promised once": """
        SELECT 1 FROM mission_slots s WHERE s.state = 'completed' AND 1 <> (
          SELECT count(*) FROM xp_ledger l WHERE l.assignment_id = s.id AND l.kind = 'pending')""",
    "a promise is kept or withdrawn at most once": """
        SELECT 1 FROM xp_ledger WHERE kind <> 'pending' GROUP BY assignment_id HAVING count(*) > 1""",
    "what is pending is what is promised and neither kept nor withdrawn": """
        SELECT 1 FROM xp_ledger GROUP BY assignment_id
        HAVING sum(xp_pending) NOT IN (0, max(xp_pending)) OR sum(xp_pending) < 0""",
    "nobody is paid for an answer taken back": """
        SELECT 1 FROM xp_ledger l JOIN mission_slots s ON s.id = l.assignment_id
        WHERE l.xp <> 0 AND s.state = 'undone'""",
    "a closed mission owes nothing for answers in its slots": """
        SELECT 1 FROM mission_slots s JOIN missions m ON m.id = s.mission_id
        WHERE m.state IN ('settled', 'cancelled') AND s.state = 'completed' AND NOT s.is_extra
        AND NOT EXISTS (SELECT 1 FROM xp_ledger l WHERE l.assignment_id = s.id AND l.kind = 'settled')""",
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_sequence_of_steps_breaks_a_law(
    app_database: Database, new_tenant: Callable[[], uuid.UUID], steps: list[tuple[str, int, int]]
) -> None:
    stage = Stage(app_database, TenantId(new_tenant()))
    play = Play(stage)
    for action, labeler, mission in steps:
        play.step(action, play.labelers[labeler], play.missions[mission])
        assert [law for law, broken in LAWS.items() if stage.query(broken)] == [], (action, labeler, mission)
    total = stage.query("SELECT coalesce(sum(xp), 0), coalesce(sum(xp_pending), 0) FROM xp_ledger")
    profiles = [stage.profile(labeler) for labeler in play.labelers]
    assert [(sum(p.xp for p in profiles), sum(p.xp_pending for p in profiles))] == [tuple(total[0])]
