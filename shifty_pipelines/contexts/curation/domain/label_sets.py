"""What a label set may be."""

from collections.abc import Sequence

from shifty_pipelines.contexts.curation.errors import InvalidLabels
from shifty_pipelines.kernel.characters import UNPRINTABLE

MIN_LABELS, MAX_LABELS, MAX_LABEL_CHARS = 2, 100, 100


def check_labels(labels: Sequence[str]) -> None:
    """Refuse a label set that breaks a rule.

    Raises:
        InvalidLabels: too few, too many, too long, or two alike.
    """
    if not MIN_LABELS <= len(labels) <= MAX_LABELS:
        raise InvalidLabels(f"There are {len(labels)} labels")
    for label in labels:
        if not 1 <= len(label) <= MAX_LABEL_CHARS or label != label.strip() or UNPRINTABLE.search(label):
            raise InvalidLabels(f"{label[:MAX_LABEL_CHARS]!r} cannot be a label")
    if len(set(labels)) < len(labels):
        twice = next(label for index, label in enumerate(labels) if label in labels[:index])
        raise InvalidLabels(f"'{twice}' is there twice")
