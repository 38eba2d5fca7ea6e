"""Running a training job: its data into a private directory, the trainer beside it, the result into the registry.

Every word of the trainer becomes a short transaction under the job's lease, so that progress shows while it works and
an attempt that was overtaken is refused at its next word. The directory goes on every exit path.
"""

import os
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shifty_pipelines.contexts.lifecycle.domain import AssetType
from shifty_pipelines.contexts.registry.domain.models import ModelKind, NewVersion
from shifty_pipelines.contexts.registry.models import ModelEvaluation, ModelVersion
from shifty_pipelines.contexts.training.domain.jobs import CHECKPOINT_EVERY_STEPS, JobStatus, Lease, Refusal
from shifty_pipelines.contexts.training.errors import DatasetUnusable, JobCancelled, LeaseLost
from shifty_pipelines.contexts.training.models import TrainingJob
from shifty_pipelines.contexts.training.ports import RunningTrainer, Trainer
from shifty_pipelines.flows.evaluate import Measured, answers_of_serving, measure, read_predictions, read_test_rows
from shifty_pipelines.flows.model_files import FilesNotWhole, require_whole, store_directory
from shifty_pipelines.flows.permute_labels import PERMUTED_LABELS, permute_labels
from shifty_pipelines.flows.training_data import USABLE, DatasetVersion
from shifty_pipelines.flows.workshop import Workshop
from shifty_pipelines.kernel.directory_archive import unpack_directory
from shifty_pipelines.kernel.errors import ShiftyError
from shifty_pipelines.kernel.process_identity import ProcessIdentity
from shifty_pipelines.kernel.tenant import TenantId, system_actor
from shifty_pipelines.services import Services

#: The worker says that it lives at least this often; a lease lasts sixty.
BEAT_S = 1.0
#: The trainer's exit codes that another attempt may not meet again: stopped on request, killed, crashed.
STOPPED = "stopped"

Watch = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOutcome:
    """How a job stands after an attempt; `evaluation` where it made a version."""

    job: TrainingJob
    version: ModelVersion | None = None
    evaluation: ModelEvaluation | None = None


def run_training(
    workshop: Workshop,
    tenant_id: TenantId,
    job_id: uuid.UUID,
    *,
    trainer: Trainer,
    watch: Watch = lambda _: None,
) -> TrainingOutcome:
    """One attempt at a queued job, to whatever end; call it from the main thread if the trainer is a local one.

    Args:
        workshop: the platform.
        tenant_id: whose job it is.
        job_id: the job.
        trainer: starts the trainer program.
        watch: is shown every message of the trainer after it was recorded.

    Returns:
        The job as it stands: completed, failed with its refusal, cancelled, or queued again for another attempt.

    Raises:
        JobNotQueued: somebody else has it, or it has ended.
    """
    actor = system_actor(tenant_id)
    worker = ProcessIdentity.of(os.getpid())
    assert worker is not None  # noqa: S101  # we live
    with workshop.open(actor) as services:
        lease = services.training.take(job_id, worker)
    attempt = Attempt(workshop, tenant_id, lease, trainer, watch)
    try:
        with workshop.runs.private(run_name(lease)) as directory:
            attempt.run(directory)
    except (LeaseLost, JobCancelled):
        pass  # somebody else has decided about the job
    except ShiftyError as refused:
        attempt.end(Refusal(code=refused.code, message=refused.message, details=refused.details), is_final=True)
    except BaseException as error:
        # A bug, or this process is being stopped: the text may hold anything, so only its kind is kept.
        with suppress(Exception):
            message = f"The run broke off ({type(error).__name__}); look at the worker's log."
            attempt.end(Refusal(code="training.run_broke_off", message=message), is_final=False)
        raise
    return attempt.outcome()


def run_name(lease: Lease) -> str:
    """The private directory's name."""
    return f"training-{lease.job_id}-{lease.attempt}"


class Attempt:
    """One attempt under its lease: what the steps of the story hand on to each other."""

    def __init__(self, workshop: Workshop, tenant_id: TenantId, lease: Lease, trainer: Trainer, watch: Watch) -> None:
        self.workshop = workshop
        self.actor = system_actor(tenant_id)
        self.lease = lease
        self.trainer = trainer
        self.watch = watch
        self.last_word: Mapping[str, Any] | None = None
        self.version: ModelVersion | None = None
        self.evaluation: ModelEvaluation | None = None

    def run(self, directory: Path) -> None:
        """Data, training, evaluation, registration."""
        self._advance(JobStatus.PREPARING_DATA)
        wire_job, data = self._prepare(directory)
        self._advance(JobStatus.TRAINING)
        with self.trainer.start(wire_job, run_directory=directory) as running:
            self._listen(running, directory)
            exit_code = running.exit_code()
        result = self.last_word
        if result is None or result["kind"] != "result":
            self._end_without_result(result, exit_code)
            return
        self._advance(JobStatus.EVALUATING)
        line_id, measured = self._evaluate(directory, data, result)
        self._advance(JobStatus.SAVING)
        self._save(directory, data, result, line_id, measured)

    def end(self, refusal: Refusal, *, is_final: bool) -> None:
        """End the attempt for a reason; `is_final` where another attempt would meet it again."""
        with suppress(LeaseLost, JobCancelled), self.workshop.open(self.actor) as services:
            if is_final:
                services.training.fail(self.lease, refusal)
            else:
                services.training.give_up_attempt(self.lease, refusal)

    def outcome(self) -> TrainingOutcome:
        """How the job stands now."""
        with self.workshop.open(self.actor) as services:
            job = services.training.job(self.lease.job_id)
        return TrainingOutcome(job=job, version=self.version, evaluation=self.evaluation)

    # ------------------------------------------------------------------------------------------------------------ data

    def _prepare(self, directory: Path) -> tuple[dict[str, Any], DatasetVersion]:
        with self.workshop.open(self.actor) as services:
            job = services.training.job(self.lease.job_id)
            data = self._usable_data(services, job.dataset_version_id)
            dataset = self.workshop.datasets.copy(services, job.dataset_version_id, directory)
            if job.config.get("control") == PERMUTED_LABELS:
                permute_labels(dataset)
            base = services.registry.base_files(job.base_model_id)
            self._fetch_checkpoint(services, directory)
        wire_job = {
            "jobId": str(job.id),
            "attempt": self.lease.attempt,
            "fencingToken": self.lease.fencing_token,
            "runDir": str(directory),
            "dataset": dataset.name,
            "labels": list(data.labels),
            "baseModel": {"path": str(base.path), "id": base.name},
            "kind": job.kind,
            "hyperparameters": job.config["hyperparameters"],
            "checkpointEverySteps": CHECKPOINT_EVERY_STEPS,
        }
        optional = {name: job.config[name] for name in ("seed", "threads", "device") if name in job.config}
        return {**wire_job, **optional}, data

    def _usable_data(self, services: Services, version_id: uuid.UUID) -> DatasetVersion:
        data = self.workshop.datasets.version(services, version_id)
        if data.status not in USABLE:
            raise DatasetUnusable(version_id, data.status)
        return data

    def _fetch_checkpoint(self, services: Services, directory: Path) -> None:
        """The furthest checkpoint of an earlier attempt, so that the trainer goes on from it."""
        checkpoint = services.training.newest_checkpoint(self.lease.job_id)
        if checkpoint is None:
            return
        parent = directory / "checkpoints"
        parent.mkdir(mode=0o700)
        with services.lifecycle.open_asset(checkpoint.data_asset_id) as source:
            unpack_directory(source, parent)

    # -------------------------------------------------------------------------------------------------------- training

    def _listen(self, running: RunningTrainer, directory: Path) -> None:
        if running.identity is not None:
            with self.workshop.open(self.actor) as services:
                services.training.record_trainer(self.lease, running.identity)
        for message in running.messages(beat_s=BEAT_S):
            with self.workshop.open(self.actor) as services:
                if message is None:
                    services.training.renew(self.lease)
                elif self._is_ours(message):
                    self._hear(services, message, directory)
            if message is not None:
                self.watch(message)

    def _is_ours(self, message: Mapping[str, Any]) -> bool:
        # A refusal of the job itself comes before the trainer has read whose job it is.
        token = message.get("fencingToken")
        return token == self.lease.fencing_token or (token is None and message.get("kind") == "refusal")

    def _hear(self, services: Services, message: Mapping[str, Any], directory: Path) -> None:
        kind = message["kind"]
        if kind == "progress":
            services.training.report_progress(self.lease, message)
        elif kind == "log":
            services.training.report_log(self.lease, message)
            if message["event"] == "trainer.planned":
                services.training.record_recipe(self.lease, message["fields"])
        elif kind == "checkpoint":
            self._keep_checkpoint(services, message, directory)
        else:
            services.training.renew(self.lease)
            self.last_word = message

    def _keep_checkpoint(self, services: Services, message: Mapping[str, Any], directory: Path) -> None:
        path = Path(message["path"])
        try:
            require_whole(path, inside=directory, manifest_sha256=message["manifestSha256"])
        except FilesNotWhole:
            # The trainer keeps the newest few only: by the time we look, an old one may be gone.
            services.training.renew(self.lease)
            return
        asset = store_directory(
            services,
            path,
            kind=AssetType.MODEL_CHECKPOINT,
            name=f"checkpoint of job {self.lease.job_id} at step {message['step']}",
            metadata={"jobId": str(self.lease.job_id), "attempt": self.lease.attempt, "step": message["step"]},
        )
        services.training.record_checkpoint(
            self.lease,
            step=message["step"],
            data_asset_id=asset.id,
            key_slot=_slot(asset.key_slot),
            manifest_sha256=message["manifestSha256"],
        )

    def _end_without_result(self, last_word: Mapping[str, Any] | None, exit_code: int) -> None:
        if last_word is not None and last_word["kind"] == "refusal":
            refusal = Refusal(
                code=last_word["code"], message=last_word["message"], details=last_word.get("details") or {}
            )
            self.end(refusal, is_final=True)
            return
        self.end(_death(last_word, exit_code), is_final=False)

    # --------------------------------------------------------------------------------------------- evaluation, registry

    def _evaluate(self, directory: Path, data: DatasetVersion, result: Mapping[str, Any]) -> tuple[uuid.UUID, Measured]:
        with self.workshop.open(self.actor) as services:
            job = services.training.job(self.lease.job_id)
            line = services.registry.line(data.mission_type, job.base_model_id)
            serving = services.registry.serving_version(line.id)
        dataset = next(directory.glob("*.parquet"))
        rows = read_test_rows(dataset, data.labels)
        answers = read_predictions(directory / "output" / "report" / "predictions.parquet", rows)
        incumbent = None
        if serving is not None:
            answered = answers_of_serving(
                self.workshop, self.actor, serving, rows, dataset_version_id=data.id, directory=directory
            )
            incumbent = (serving.version, answered)
        registered = result["registered"]
        beside = {name: table for name, table in answers.items() if name != "majority"}
        return line.id, measure(rows, answers[registered], incumbent=incumbent, beside=beside)

    def _save(
        self,
        directory: Path,
        data: DatasetVersion,
        result: Mapping[str, Any],
        line_id: uuid.UUID,
        measured: Measured,
    ) -> None:
        """Models, report, version, verdict and the job's end in one transaction: all of it or nothing."""
        with self.workshop.open(self.actor) as services:
            services.training.renew(self.lease)
            self._usable_data(services, data.id)
            version = services.registry.add_version(self._new_version(services, directory, data, result, line_id))
            evaluation = services.registry.start_evaluation(line_id, version.version)
            self.evaluation = services.registry.complete_evaluation(
                evaluation.id,
                measured.report,
                metrics=measured.metrics,
                incumbent_version=measured.incumbent_version,
            )
            services.training.complete(self.lease, model_id=line_id, version=version.version)
            self.version = version

    def _new_version(
        self,
        services: Services,
        directory: Path,
        data: DatasetVersion,
        result: Mapping[str, Any],
        line_id: uuid.UUID,
    ) -> NewVersion:
        job_id = str(self.lease.job_id)
        assets = {}
        for kind, candidate in result["candidates"].items():
            path = Path(candidate["path"])
            require_whole(path, inside=directory, manifest_sha256=candidate["manifestSha256"])
            assets[kind] = store_directory(
                services,
                path,
                kind=AssetType.MODEL_WEIGHTS,
                name=f"{kind} of job {job_id}",
                metadata={"jobId": job_id, "kind": kind},
            )
        report = store_directory(
            services,
            directory / "output" / "report",
            kind=AssetType.EVALUATION_RESULTS,
            name=f"report of job {job_id}",
            metadata={"jobId": job_id},
        )
        registered = result["registered"]
        config = services.training.job(self.lease.job_id).config
        control = {"control": config["control"]} if "control" in config else {}
        return NewVersion(
            model_id=line_id,
            kind=ModelKind(registered),
            labels=data.labels,
            data_asset_id=assets[registered].id,
            key_slot=_slot(assets[registered].key_slot),
            manifest_sha256=result["candidates"][registered]["manifestSha256"],
            dataset_id=data.dataset_id,
            dataset_version_id=data.id,
            training_job_id=self.lease.job_id,
            metrics={
                **_version_metrics(result, {kind: str(asset.id) for kind, asset in assets.items()}, str(report.id)),
                **control,
            },
        )

    def _advance(self, status: JobStatus) -> None:
        with self.workshop.open(self.actor) as services:
            services.training.advance(self.lease, status)


def _version_metrics(result: Mapping[str, Any], assets: Mapping[str, str], report: str) -> dict[str, Any]:
    kept = ("registered", "choice", "rows", "training", "recipe", "provenance", "warnings", "durationS")
    return {**{name: result[name] for name in kept}, "candidateAssets": dict(assets), "reportAsset": report}


def _death(last_word: Mapping[str, Any] | None, exit_code: int) -> Refusal:
    """Why an attempt ended without result or refusal."""
    if last_word is not None and last_word["kind"] == STOPPED:
        return Refusal(code="training.stopped", message=f"The trainer was stopped at step {last_word['step']}.")
    if last_word is not None and last_word["kind"] == "crash":
        places = "; ".join(last_word["places"][-3:])
        return Refusal(
            code="training.trainer_crashed", message=f"The trainer broke ({last_word['error']}) at {places}."
        )
    return Refusal(
        code="training.trainer_died", message=f"The trainer ended with code {exit_code} without a last word."
    )


def _slot(key_slot: int | None) -> int:
    assert key_slot is not None  # noqa: S101  # stored assets have one
    return key_slot
