"""Evaluations: requested, measured by us on the frozen test split, and closed with a verdict."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shifty_pipelines.contexts.registry.domain.gate import GateReport
from shifty_pipelines.contexts.registry.domain.models import EvaluationStatus, EvaluationType
from shifty_pipelines.contexts.registry.errors import EvaluationClosed
from shifty_pipelines.contexts.registry.events import EvaluationCompleted, EvaluationRequested
from shifty_pipelines.contexts.registry.models import ModelEvaluation
from shifty_pipelines.contexts.registry.service.base import RegistryUseCases
from shifty_pipelines.kernel.errors import NotFound


class Evaluating(RegistryUseCases):
    """Measurements of versions."""

    def request_evaluation(
        self,
        model_id: uuid.UUID,
        version: int | None,
        *,
        kind: EvaluationType,
        claimed_metrics: Mapping[str, Any] | None,
    ) -> ModelEvaluation:
        """Start an evaluation of a version (the newest if none is named); our figures follow.

        Raises:
            NotFound: no such model or version.
            NotTrained: the model is a base.
        """
        model = self._locked_line(model_id)
        evaluation = self._new(model_id, self.version(model_id, version or model.latest_version).version, kind)
        evaluation.claimed_metrics = None if claimed_metrics is None else dict(claimed_metrics)
        self.repository.add(evaluation)
        self.work.audit.record("model.evaluation_requested", "model", model_id, version=evaluation.version)
        self.work.outbox.publish(
            EvaluationRequested(evaluation_id=evaluation.id, model_id=model_id, version=evaluation.version)
        )
        return evaluation

    def start_evaluation(self, model_id: uuid.UUID, version: int) -> ModelEvaluation:
        """An evaluation that the caller closes itself, in this transaction or a later one; nobody else is asked."""
        evaluation = self._new(model_id, self.version(model_id, version).version, EvaluationType.AUTOMATED)
        self.repository.add(evaluation)
        return evaluation

    def complete_evaluation(
        self,
        evaluation_id: uuid.UUID,
        report: GateReport,
        *,
        metrics: Mapping[str, Any],
        incumbent_version: int | None,
    ) -> ModelEvaluation:
        """Close an evaluation with our figures and the gate's verdict.

        Raises:
            NotFound: no such evaluation.
            EvaluationClosed: it has a result already.
        """
        evaluation = self._locked_running(evaluation_id)
        evaluation.status = EvaluationStatus.COMPLETED.value
        evaluation.metrics = dict(metrics)
        evaluation.verdict = report.verdict.value
        evaluation.incumbent_version = incumbent_version
        evaluation.details = report.as_details()
        evaluation.completed_at = self.work.clock.now()
        self.work.audit.record(
            "model.evaluated", "model", evaluation.model_id, version=evaluation.version, verdict=evaluation.verdict
        )
        self.work.outbox.publish(
            EvaluationCompleted(
                evaluation_id=evaluation.id,
                model_id=evaluation.model_id,
                version=evaluation.version,
                verdict=evaluation.verdict,
            )
        )
        return evaluation

    def fail_evaluation(self, evaluation_id: uuid.UUID, *, reason: str) -> ModelEvaluation:
        """Close an evaluation that could not be measured; `reason` says why and what to do.

        Raises:
            NotFound: no such evaluation.
            EvaluationClosed: it has a result already.
        """
        evaluation = self._locked_running(evaluation_id)
        evaluation.status = EvaluationStatus.FAILED.value
        evaluation.details = {"reason": reason}
        evaluation.completed_at = self.work.clock.now()
        return evaluation

    def evaluation(self, evaluation_id: uuid.UUID) -> ModelEvaluation:
        """An evaluation.

        Raises:
            NotFound: none by that id in this tenant.
        """
        evaluation = self.repository.evaluation(evaluation_id)
        if evaluation is None:
            raise NotFound("Evaluation")
        return evaluation

    def evaluations(
        self, model_id: uuid.UUID, *, after: tuple[datetime, uuid.UUID] | None, limit: int
    ) -> Sequence[ModelEvaluation]:
        """A model's evaluations, newest first."""
        return self.repository.evaluations(self.model(model_id).id, after=after, limit=limit)

    def _locked_running(self, evaluation_id: uuid.UUID) -> ModelEvaluation:
        evaluation = self.repository.lock_evaluation(evaluation_id)
        if evaluation is None:
            raise NotFound("Evaluation")
        if evaluation.status != EvaluationStatus.RUNNING.value:
            raise EvaluationClosed(evaluation_id)
        return evaluation

    def _new(self, model_id: uuid.UUID, version: int, kind: EvaluationType) -> ModelEvaluation:
        return ModelEvaluation(
            tenant_id=self.work.tenant_id,
            id=self.work.ids.new(),
            model_id=model_id,
            version=version,
            type=kind.value,
            status=EvaluationStatus.RUNNING.value,
            metrics={},
            details={},
            created_by=self.work.actor.user_id,
            created_at=self.work.clock.now(),
        )
