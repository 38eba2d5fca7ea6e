"""What a label set may be."""

import re
from collections.abc import Sequence

from shifty_pipelines.contexts.curation.errors import InvalidLabels

MIN_LABELS, MAX_LABELS, MAX_LABEL_CHARS = 2, 100, 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_labels(labels: Sequence[str]) -> None:
    """Refuse a label set that breaks a rule.

    Raises:
        InvalidLabels: too few, too many, too long, or two alike.
    """
    if not MIN_LABELS <= len(labels) <= MAX_LABELS:
        raise InvalidLabels(f"There are {len(labels)} labels")
    for label in labels:
        if not 1 <= len(label) <= MAX_LABEL_CHARS or label != label.strip() or _CONTROL.search(label):
            raise InvalidLabels(f"{label[:MAX_LABEL_CHARS]!r} cannot be a label")
    if len(set(labels)) < len(labels):
        twice = next(label for index, label in enumerate(labels) if label in labels[:index])
        raise InvalidLabels(f"'{twice}' is there twice")
