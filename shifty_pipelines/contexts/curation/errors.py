"""What curation refuses, and why."""

import uuid
from collections.abc import Sequence
from pathlib import Path

from shifty_pipelines.kernel.errors import Conflict, ShiftyError


class LabelSetMissing(Conflict):
    """A mission type has no labels yet, so nothing of that type can be asked."""

    code = "curation.label_set_missing"

    def __init__(self, mission_type: str) -> None:
        super().__init__(
            f"There are no labels for {mission_type} yet. PUT them first: "
            f'/api/v1/tenants/{{tenantId}}/label-sets/{mission_type} with {{"labels": [...]}}; '
            "an import can bring them, `shifty labels import --labels`.",
            missionType=mission_type,
        )


class InvalidLabels(ShiftyError):
    """A proposed label set breaks a rule."""

    status = 400
    code = "curation.invalid_labels"

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"{problem}. A label set has 2 to 100 different labels of 1 to 100 characters each, "
            "without control characters, lone surrogates and spaces around them.",
            field="labels",
        )


class UnknownLabel(ShiftyError):
    """An answer is none of the type's labels."""

    status = 400
    code = "curation.unknown_label"

    def __init__(self, label: str, allowed: Sequence[str]) -> None:
        shown = label if len(label) <= 100 else f"{label[:97]}..."  # noqa: PLR2004  # the longest label there can be
        super().__init__(f"'{shown}' is not a label here; choose one of: {', '.join(allowed)}.", allowed=list(allowed))


class PayloadTooLarge(ShiftyError):
    """An item's payload is larger than one item may be."""

    status = 413
    code = "curation.payload_too_large"

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"The payload is {size_bytes} bytes as JSON; an item may have {limit_bytes}. "
            "Send what is needed to answer, and links for the rest.",
            sizeBytes=size_bytes,
            limitBytes=limit_bytes,
        )


class ItemExists(Conflict):
    """The source has sent an item by this id before."""

    code = "curation.item_exists"

    def __init__(self, source: str, external_id: str) -> None:
        super().__init__(
            f"An item '{external_id}' from '{source}' exists already; send another externalId, or none.",
            source=source,
            externalId=external_id,
        )


class NoSuchLabelEvent(Conflict):
    """There is no label of this assignment to take back."""

    code = "curation.no_label"

    def __init__(self, assignment_id: uuid.UUID) -> None:
        super().__init__(f"Assignment {assignment_id} has no label that could be taken back.")


class ImportFileUnusable(ShiftyError):
    """A file cannot be imported at all."""

    status = 400
    code = "curation.import_file"

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        super().__init__(f"{path} {problem}. {remedy}")


class ImportColumnMissing(ShiftyError):
    """A column that was asked for is in none of the files."""

    status = 400
    code = "curation.import_column"

    def __init__(self, column: str, file_name: str, columns: Sequence[str]) -> None:
        super().__init__(f"{file_name} has no column '{column}'. It has: {', '.join(columns)}.", columns=list(columns))


class LabelSetDiffers(Conflict):
    """The labels given with an import are not the mission type's."""

    code = "curation.label_set_differs"

    def __init__(self, mission_type: str, given: Sequence[str], present: Sequence[str]) -> None:
        super().__init__(
            f"{mission_type} has the labels {', '.join(present)}; an import cannot change them to {', '.join(given)}. "
            "Leave the labels out, or rename the file's while importing.",
            given=list(given),
            present=list(present),
        )


class LabelsChangedMeanwhile(Conflict):
    """Somebody changed the mission type's labels while an import was under way."""

    code = "curation.labels_changed"

    def __init__(self, mission_type: str) -> None:
        super().__init__(
            f"The labels of {mission_type} were changed while this import ran; it stopped there. Run it again: rows "
            "that are there already stay, the others are judged by the new labels."
        )


class InvalidDataset(ShiftyError):
    """A recipe names a value outside its range."""

    status = 400
    code = "curation.invalid_dataset"

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(f"{field} is {str(value)[:100]!r}; expected {expected}.", field=field)


class DatasetExists(Conflict):
    """The mission type has a dataset of that name."""

    code = "curation.dataset_exists"

    def __init__(self, mission_type: str, name: str) -> None:
        super().__init__(
            f"{mission_type} has a dataset named '{name}' already; choose another name, or read that one: "
            f"GET /api/v1/tenants/{{tenantId}}/datasets.",
            missionType=mission_type,
            name=name,
        )


class NothingToCurate(Conflict):
    """No mission type of the tenant has labels that could become a dataset."""

    code = "curation.nothing_to_curate"

    def __init__(self, blocked: Sequence[str]) -> None:
        why = (
            f" Failed or missing checks stop {', '.join(blocked)}; their previous datasets stay current."
            if blocked
            else ""
        )
        super().__init__(
            "There is nothing to curate: no mission type with a label set and labels may go on." + why,
            blocked=list(blocked),
        )


class DatasetRevoked(Conflict):
    """The rows as they are now were a version before, and that version was revoked."""

    code = "curation.dataset_revoked"

    def __init__(self, version_id: uuid.UUID) -> None:
        super().__init__(
            f"The dataset's rows are those of version {version_id}, which was revoked. Label more, or take back what "
            "made it unusable, and materialise again.",
            versionId=str(version_id),
        )
