"""Measuring versions on the frozen test split of their dataset, and the gate's verdict on them.

Every figure is computed here, from row-by-row answers; what the trainer or a caller says of itself is kept beside them.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from pyarrow.lib import ArrowException

from shifty_pipelines.contexts.inference.domain import Answers
from shifty_pipelines.contexts.registry.domain.gate import (
    GateReport,
    Opponent,
    PairedAnswers,
    judge,
    majority_answers,
)
from shifty_pipelines.contexts.registry.domain.models import EvaluationStatus
from shifty_pipelines.contexts.registry.domain.scores import NO_LABEL, scores
from shifty_pipelines.contexts.registry.models import ModelEvaluation, ModelVersion
from shifty_pipelines.flows.model_files import FilesNotWhole, fetch_version, servable
from shifty_pipelines.flows.workshop import Workshop
from shifty_pipelines.kernel.directory_archive import ArchiveMalformed, unpack_directory
from shifty_pipelines.kernel.errors import NotFound, ShiftyError
from shifty_pipelines.kernel.events import DeliveredEvent
from shifty_pipelines.kernel.keys import KeyErased
from shifty_pipelines.kernel.store import AssetBroken
from shifty_pipelines.kernel.tenant import Actor, TenantId, system_actor


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRows:
    """The frozen test split: what is asked, and what is true; `train_ids` are the training rows' labels."""

    __test__ = False  # no test class, whatever pytest thinks

    row_ids: tuple[str, ...]
    texts: tuple[str, ...]
    truth_ids: np.ndarray
    train_ids: np.ndarray
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A candidate beside its opponent: our figures, and the verdict."""

    report: GateReport
    metrics: Mapping[str, Any]
    incumbent_version: int | None


def read_test_rows(dataset: Path, labels: Sequence[str]) -> TestRows:
    """The test split of a decrypted dataset."""
    table = pq.read_table(dataset, columns=["row_id", "text", "label", "split"]).to_pydict()
    number_of = {label: number for number, label in enumerate(labels)}
    places = [place for place, split in enumerate(table["split"]) if split == "test"]
    train = [number_of[label] for label, split in zip(table["label"], table["split"], strict=True) if split == "train"]
    return TestRows(
        row_ids=tuple(str(table["row_id"][place]) for place in places),
        texts=tuple(table["text"][place] for place in places),
        truth_ids=np.array([number_of[table["label"][place]] for place in places], dtype=np.int64),
        train_ids=np.array(train, dtype=np.int64),
        labels=tuple(labels),
    )


def ask_version(workshop: Workshop, actor: Actor, version: ModelVersion, rows: TestRows) -> Answers:
    """A version's probabilities for the test rows, in order of its own labels."""
    with workshop.open(actor) as services:
        loadable = servable(services, version)
    return workshop.inference.probabilities(loadable, rows.texts, fetch=fetch_version(workshop, actor, version))


def answers_of_serving(
    workshop: Workshop,
    actor: Actor,
    serving: ModelVersion,
    rows: TestRows,
    *,
    dataset_version_id: uuid.UUID,
    directory: Path,
) -> Answers:
    """What the version that serves says to the test rows.

    A version that was trained on this very dataset version answered these rows then, and its report is sealed in the
    store: it is read, which spares a second model in memory. Any other version is asked now.
    """
    report = serving.metrics.get("reportAsset")
    if report is None or serving.dataset_version_id != dataset_version_id:
        return ask_version(workshop, actor, serving, rows)
    unpacked = directory / "serving"
    unpacked.mkdir(mode=0o700)
    try:
        with workshop.open(actor) as services, services.lifecycle.open_asset(uuid.UUID(report)) as source:
            found = unpack_directory(source, unpacked)
        answers = read_predictions(found / "predictions.parquet", rows)[serving.kind]
    except (NotFound, KeyErased, AssetBroken, ArchiveMalformed, FilesNotWhole, KeyError, ArrowException):
        # Erased, damaged, or of other rows after all: the model itself still answers.
        return ask_version(workshop, actor, serving, rows)
    return Answers(labels=rows.labels, probabilities=answers.tolist())


def read_predictions(path: Path, rows: TestRows) -> dict[str, np.ndarray]:
    """The trainer's answers to the test rows by model, in the order of `rows`; probabilities ``(rows, labels)``.

    Raises:
        FilesNotWhole: a test row has no answer.
    """
    table = pq.read_table(path, columns=["model", "row_id", "probabilities"]).to_pydict()
    place_of = {row_id: place for place, row_id in enumerate(rows.row_ids)}
    found: dict[str, np.ndarray] = {}
    for model, row_id, given in zip(table["model"], table["row_id"], table["probabilities"], strict=True):
        answers = found.setdefault(model, np.full((len(rows.row_ids), len(rows.labels)), np.nan))
        answers[place_of[row_id]] = given
    if any(np.isnan(answers).any() for answers in found.values()):
        raise FilesNotWhole("predictions.parquet", "a test row has no answer")
    return found


def measure(
    rows: TestRows,
    candidate: np.ndarray,
    *,
    incumbent: tuple[int, Answers] | None,
    beside: Mapping[str, np.ndarray] | None = None,
) -> Measured:
    """Judge a candidate against the version that serves, or against the majority where none does.

    Args:
        rows: the test split.
        candidate: probabilities ``(rows, labels)``.
        incumbent: number and answers of the version that serves.
        beside: probabilities of other models on the same rows, shown and not judged.
    """
    majority = majority_answers(rows.train_ids, len(rows.truth_ids))
    opponent = majority if incumbent is None else _answer_ids(incumbent[1], rows.labels)
    report = judge(
        PairedAnswers(
            truth_ids=rows.truth_ids, candidate=candidate.argmax(axis=1), opponent=opponent, labels=rows.labels
        ),
        against=Opponent.MAJORITY if incumbent is None else Opponent.INCUMBENT,
    )
    others = {"majority": np.eye(len(rows.labels))[majority], **(beside or {})}
    if incumbent is not None:
        others["incumbent"] = _in_order(incumbent[1], rows.labels)
    compared = {name: _headline(table, rows) for name, table in others.items()}
    metrics = {**scores(candidate, rows.truth_ids, labels=rows.labels), "comparedWith": compared}
    return Measured(report=report, metrics=metrics, incumbent_version=None if incumbent is None else incumbent[0])


def evaluate_version(workshop: Workshop, tenant_id: TenantId, evaluation_id: uuid.UUID) -> ModelEvaluation:
    """Run a requested evaluation to its end: completed with a verdict, or failed with the reason.

    Raises:
        EvaluationClosed: it has a result already.
    """
    actor = system_actor(tenant_id)
    with workshop.open(actor) as services:
        evaluation = services.registry.evaluation(evaluation_id)
        version = services.registry.version(evaluation.model_id, evaluation.version)
        serving = services.registry.serving_version(evaluation.model_id)
    try:
        with workshop.runs.private(f"evaluation-{evaluation_id}") as directory:
            measured = _measure_version(workshop, actor, version, serving, directory)
    except ShiftyError as refused:
        with workshop.open(actor) as services:
            return services.registry.fail_evaluation(evaluation_id, reason=refused.message)
    with workshop.open(actor) as services:
        return services.registry.complete_evaluation(
            evaluation_id,
            measured.report,
            metrics=measured.metrics,
            incumbent_version=measured.incumbent_version,
        )


def _measure_version(
    workshop: Workshop, actor: Actor, version: ModelVersion, serving: ModelVersion | None, directory: Path
) -> Measured:
    with workshop.open(actor) as services:
        data = workshop.datasets.version(services, version.dataset_version_id)
        dataset = workshop.datasets.copy(services, version.dataset_version_id, directory)
    rows = read_test_rows(dataset, data.labels)
    candidate = _in_order(ask_version(workshop, actor, version, rows), rows.labels)
    if serving is None or serving.id == version.id:
        return measure(rows, candidate, incumbent=None)
    return measure(rows, candidate, incumbent=(serving.version, ask_version(workshop, actor, serving, rows)))


def _headline(probabilities: np.ndarray, rows: TestRows) -> dict[str, float]:
    of_all = scores(probabilities, rows.truth_ids, labels=rows.labels)
    return {"accuracy": of_all["accuracy"], "f1Score": of_all["f1Score"]}


def _answer_ids(answers: Answers, labels: Sequence[str]) -> np.ndarray:
    """Answers as numbers of `labels`; an answer that is none of them is never right."""
    number_of = {label: number for number, label in enumerate(labels)}
    given = np.array(answers.probabilities).argmax(axis=1)
    return np.array([number_of.get(answers.labels[number], NO_LABEL) for number in given], dtype=np.int64)


def _in_order(answers: Answers, labels: Sequence[str]) -> np.ndarray:
    """Probabilities in the order of `labels`; a label the version does not know gets 0."""
    table = np.array(answers.probabilities)
    column_of = {label: column for column, label in enumerate(answers.labels)}
    columns = [table[:, column_of[label]] if label in column_of else np.zeros(len(table)) for label in labels]
    return np.column_stack(columns)


def evaluate_on_request(workshop: Workshop, event: DeliveredEvent) -> None:
    """React to `EvaluationRequested`; one that has its result already is left alone, so a second delivery does nothing.

    Works in units of work of its own: the deliverer's transaction only holds the mark of the delivery meanwhile.
    """
    tenant_id, evaluation_id = TenantId(event.tenant_id), event.uuid_of("evaluation_id")
    with workshop.open(system_actor(tenant_id)) as services:
        is_waiting = services.registry.evaluation(evaluation_id).status == EvaluationStatus.RUNNING.value
    if is_waiting:
        evaluate_version(workshop, tenant_id, evaluation_id)
