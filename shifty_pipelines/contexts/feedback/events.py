"""What happened in feedback; no text of an error travels in an event."""

import uuid
from dataclasses import dataclass
from typing import ClassVar

from shifty_pipelines.kernel.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRecorded(Event):
    """A source reported an error that was not known before."""

    type: ClassVar[str] = "feedback.error_recorded"
    error_event_id: uuid.UUID
    source: str
    error_type: str
    severity: str
