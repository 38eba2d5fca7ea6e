"""What training refuses, and why."""

import uuid

from shifty_pipelines.kernel.errors import Conflict, InvalidValue


class HyperparameterUnknown(InvalidValue):
    """There is no such hyperparameter."""

    code = "training.hyperparameter_unknown"

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__("hyperparameters", name, f"only {', '.join(known)}")


class HyperparameterOutOfRange(InvalidValue):
    """A hyperparameter is no number of its range."""

    code = "training.hyperparameter_out_of_range"

    def __init__(self, name: str, value: object, expected: str) -> None:
        super().__init__(f"hyperparameters.{name}", value, f"{expected}, or leave it out for the measured recipe")


class JobNotQueued(Conflict):
    """The job is running elsewhere, or has ended."""

    code = "training.job_not_queued"

    def __init__(self, job_id: uuid.UUID, status: str) -> None:
        super().__init__(f"Training job {job_id} is {status}, so it cannot be started.", status=status)


class JobEnded(Conflict):
    """The job has ended."""

    code = "training.job_ended"

    def __init__(self, job_id: uuid.UUID, status: str) -> None:
        super().__init__(f"Training job {job_id} is {status} already; start a new one.", status=status)


class LeaseLost(Conflict):
    """The attempt that reports is not the job's present one; what it says is refused."""

    code = "training.lease_lost"

    def __init__(self, job_id: uuid.UUID, *, given: int, present: int) -> None:
        super().__init__(
            f"Training job {job_id} has fencing token {present}; results with token {given} are refused. "
            "Another attempt has taken over, so stop this one.",
            given=given,
            present=present,
        )


class JobCancelled(Conflict):
    """Somebody cancelled the job while it ran."""

    code = "training.job_cancelled"

    def __init__(self, job_id: uuid.UUID) -> None:
        super().__init__(f"Training job {job_id} was cancelled; nothing of this attempt is kept.")


class WrongTransition(Conflict):
    """The job cannot go from its state to that one."""

    code = "training.wrong_transition"

    def __init__(self, job_id: uuid.UUID, now: str, then: str) -> None:
        super().__init__(f"Training job {job_id} is {now} and cannot become {then}.")


class DatasetEmpty(Conflict):
    """The dataset has no current version to train on."""

    code = "training.dataset_empty"

    def __init__(self, dataset_id: uuid.UUID) -> None:
        super().__init__(
            f"Dataset {dataset_id} has no current version. Collect labels and materialise it before training."
        )


class DatasetUnusable(Conflict):
    """The dataset version may not be used any more."""

    code = "training.dataset_unusable"

    def __init__(self, version_id: uuid.UUID, status: str) -> None:
        super().__init__(
            f"Dataset version {version_id} is {status}, so nothing trained on it is registered. "
            "Request a training on the dataset's present version.",
            status=status,
        )
