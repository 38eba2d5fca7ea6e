"""Words of lifecycle: what kinds of assets there are, how they are classified, and where they stand. Pure.

Name, metadata and tags of an asset stand in the clear: ids, labels and counts, never what the asset holds.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shifty_pipelines.contexts.lifecycle.errors import InvalidAssetText

MAX_NAME_CHARS = 255
MAX_TAG_CHARS = 100
MAX_TAGS = 50
MAX_METADATA_BYTES = 64 * 1024

# JSON writes NUL as an escape; before it stands an even number of backslashes, else it is the text "\u0000".
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class AssetType(StrEnum):
    """What an asset is."""

    DATASET = "dataset"
    MODEL_WEIGHTS = "model_weights"
    MODEL_CHECKPOINT = "model_checkpoint"
    TRAINING_LOGS = "training_logs"
    EVALUATION_RESULTS = "evaluation_results"
    INFERENCE_LOGS = "inference_logs"
    USER_FEEDBACK = "user_feedback"
    GENERATED_TESTS = "generated_tests"
    HEALING_HISTORY = "healing_history"
    ANALYTICS_DATA = "analytics_data"


class Classification(StrEnum):
    """How much harm an asset does in wrong hands."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"
    PII = "pii"
    PHI = "phi"


class AssetStatus(StrEnum):
    """Where an asset stands on its way to deletion."""

    ACTIVE = "active"
    PENDING_DELETION = "pending_deletion"
    DELETION_IN_PROGRESS = "deletion_in_progress"
    DELETED = "deleted"
    ARCHIVED = "archived"
    RETENTION_HOLD = "retention_hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAsset:
    """What an asset is registered with; what exists can be stored.

    Raises:
        InvalidAssetText: a name or tag is empty, too long or not storable, or the metadata is.
    """

    name: str
    type: AssetType
    classification: Classification
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_text("name", self.name, MAX_NAME_CHARS)
        if len(self.tags) > MAX_TAGS:
            raise InvalidAssetText("tags", len(self.tags), f"at most {MAX_TAGS} tags")
        for tag in self.tags:
            _check_text("tags", tag, MAX_TAG_CHARS)
        _check_metadata(self.metadata)


def _check_text(name: str, value: str, max_chars: int) -> None:
    if not 1 <= len(value) <= max_chars or "\0" in value or not _is_unicode(value):
        raise InvalidAssetText(name, value, f"1 to {max_chars} characters")


def _check_metadata(metadata: Mapping[str, Any]) -> None:
    expected = f"a JSON object of at most {MAX_METADATA_BYTES} bytes"
    try:
        written = json.dumps(metadata, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        # Not chained: the cause carries the offending value.
        raise InvalidAssetText("metadata", "...", expected) from None
    if not _is_unicode(written) or _ESCAPED_NUL.search(written) or len(written.encode()) > MAX_METADATA_BYTES:
        raise InvalidAssetText("metadata", "...", expected)


def _is_unicode(value: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in value)
