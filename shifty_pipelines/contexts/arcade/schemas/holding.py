"""What a client says of a mission it holds, and of deployments that were decided."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from shifty_pipelines.contexts.arcade.domain.leases import SkippedMission, SkipReason
from shifty_pipelines.contexts.arcade.schemas import FencingToken, MissionOut, StartBody
from shifty_pipelines.kernel.wire import RequestBody, WireModel


class HoldBody(StartBody):
    """Which assignment it is about."""

    fencing_token: FencingToken


class SkipBody(HoldBody):
    """Why the mission is passed on."""

    reason: SkipReason


class DraftBody(HoldBody):
    """An answer under way, in whatever shape the client keeps it."""

    draft: Annotated[dict[str, Any], Field(max_length=200)]


class OutcomeBody(RequestBody):
    """What came of a deployment that was approved, or of one that was rejected."""

    outcome: Literal["good", "bad"]


class DraftOut(WireModel):
    """One's own draft."""

    draft: Mapping[str, Any]
    saved_at: AwareDatetime


class SkipOut(WireModel):
    """The mission as it is now, and how many skips are free today."""

    mission: MissionOut
    is_free: bool
    free_skips_left: int

    @classmethod
    def of(cls, skipped: SkippedMission) -> "SkipOut":
        """The skip on the wire."""
        return cls(
            mission=MissionOut.of(skipped.mission), is_free=skipped.is_free, free_skips_left=skipped.free_skips_left
        )
