"""`training/adapters`: the versions that a tenant's queued training jobs make, each judged by the gate."""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from shifty_pipelines.assets.curation import DATASETS
from shifty_pipelines.assets.partitions import tenant_check, tenants
from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.contexts.training.errors import JobNotQueued
from shifty_pipelines.flows.run_training import TrainingOutcome, run_training
from shifty_pipelines.flows.tend_curation import request_due_trainings
from shifty_pipelines.kernel.tenant import TenantId, system_actor
from shifty_pipelines.resources.platform import PlatformResource
from shifty_pipelines.resources.trainer import PipesTrainer

ADAPTERS = dg.AssetKey(["training", "adapters"])
GATE = "evaluation_gate"
#: Bounds how many runs wait; the machine's slot of that name lets one train at a time.
POOL = SLOT = "training"


@dg.asset(
    key=ADAPTERS,
    deps=[DATASETS],
    partitions_def=tenants,
    group_name="training",
    pool=POOL,
    check_specs=[tenant_check(ADAPTERS, GATE, says="No version of this run is worse than what serves")],
    kinds={"python", "pytorch"},
)
def adapters(
    context: dg.AssetExecutionContext, platform: PlatformResource
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Run the tenant's queued training jobs, oldest first; a version that is worse stays registered, unpromoted."""
    with platform.opened() as opened:
        tenant_id = TenantId(uuid.UUID(context.partition_key))
        # A dataset that this very run made may want a training, and its news may still be on its way.
        request_due_trainings(opened, tenant_id)
        outcomes = _run_queued(context, opened, tenant_id)
    yield dg.MaterializeResult(asset_key=ADAPTERS, metadata=_metadata(outcomes))
    yield _gate_result(outcomes)
    failed = [outcome.job.refusal["code"] for outcome in outcomes if outcome.job.refusal is not None]
    if failed:
        raise dg.Failure(
            f"{len(failed)} of {len(outcomes)} training jobs failed ({', '.join(sorted(set(failed)))}); "
            "each job's refusal says why: GET /api/v1/training-jobs/{id}",
            allow_retries=False,
        )


def _run_queued(context: dg.AssetExecutionContext, platform: Platform, tenant_id: TenantId) -> list[TrainingOutcome]:
    """Every queued job of the tenant, and those queued again on the way, until none waits."""
    trainer = PipesTrainer(context, platform.model_environment)
    ended: list[TrainingOutcome] = []
    while True:
        with platform.open(system_actor(tenant_id)) as services:
            waiting = [job.id for job in services.training.queued()]
        if not waiting:
            return ended
        try:
            with platform.slots.hold(SLOT, on_wait=lambda: context.log.info("another run trains on this machine")):
                outcome = run_training(
                    platform, tenant_id, waiting[0], trainer=trainer, watch=lambda message: _observe(context, message)
                )
        except JobNotQueued:
            continue  # somebody was quicker
        if outcome.job.completed_at is not None:
            ended.append(outcome)


def _observe(context: dg.AssetExecutionContext, message: Mapping[str, Any]) -> None:
    """Losses into the asset's timeline whenever the trainer has measured the validation rows."""
    if message["kind"] == "progress" and "validationLoss" in message:
        figures = {
            "job": message["jobId"],
            "step": message["step"],
            "training_loss": message["loss"],
            "validation_loss": message["validationLoss"],
        }
        context.log_event(dg.AssetObservation(ADAPTERS, partition=context.partition_key, metadata=figures))


def _metadata(outcomes: list[TrainingOutcome]) -> dict[str, Any]:
    figures: dict[str, Any] = {"jobs": len(outcomes)}
    for outcome in outcomes:
        if outcome.evaluation is None or outcome.version is None:
            continue
        name = f"{outcome.version.model_id}/{outcome.version.version}"
        figures[f"f1/{name}"] = outcome.evaluation.metrics["f1Score"]
        figures[f"verdict/{name}"] = outcome.evaluation.verdict
        figures[f"kind/{name}"] = outcome.version.kind
    return figures


def _gate_result(outcomes: list[TrainingOutcome]) -> dg.AssetCheckResult:
    judged = [outcome.evaluation for outcome in outcomes if outcome.evaluation is not None]
    refused = [evaluation for evaluation in judged if evaluation.verdict == "refused"]
    metadata: dict[str, Any] = {"judged": len(judged), "refused": len(refused)}
    for evaluation in refused:
        metadata[f"refused/{evaluation.model_id}/{evaluation.version}"] = evaluation.details
    return dg.AssetCheckResult(passed=not refused, check_name=GATE, asset_key=ADAPTERS, metadata=metadata)
