"""`curation/…`: from a tenant's labels to its datasets, one asset a step, each with its expectations as checks.

Assets hand nothing on but the news that they are made: the rows lie in curation's tables, the texts sealed.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from shifty_pipelines.assets.partitions import tenant_check, tenants
from shifty_pipelines.contexts.curation.expectations import SUITES
from shifty_pipelines.flows.curate import CheckReport, check_step, run_step
from shifty_pipelines.flows.publish_datasets import Publication, publish_datasets
from shifty_pipelines.kernel.tenant import TenantId
from shifty_pipelines.resources.platform import PlatformResource

GROUP = "curation"
DATASETS = dg.AssetKey([GROUP, "datasets"])

#: Each step with what it is made of and what a row of it is.
STEPS: Mapping[str, tuple[str | None, str]] = {
    "labels": (None, "Labels that count, and how far labelers agree (Krippendorff's alpha with its 95 % interval)."),
    "consensus_labels": ("labels", "One row per labelled item: its label and posterior, by pooled Dawid-Skene."),
    "scrubbed_items": ("consensus_labels", "Where each decided item's text must be blanked; no text."),
    "unique_items": ("scrubbed_items", "Groups of equal and nearly equal texts, and which item stands for equals."),
    "splits": ("unique_items", "Train, validation or test for every row, for ever; a group never stands in two."),
}


def _key(name: str) -> dg.AssetKey:
    return dg.AssetKey([GROUP, name])


def _tenant(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> TenantId:
    return TenantId(uuid.UUID(context.partition_key))


def _step(name: str, made_of: str | None, says: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=_key(name),
        deps=[_key(made_of)] if made_of else [],
        partitions_def=tenants,
        group_name=GROUP,
        description=says,
        kinds={"python", "postgres"},
    )
    def made(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult[None]:
        with platform.opened() as opened:
            told = run_step(opened, _tenant(context), name)
        return dg.MaterializeResult(metadata=_by_type(told))

    return made


def _checks(name: str) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(name=f"{name}_expectations", specs=_check_specs(name))
    def judged(context: dg.AssetCheckExecutionContext, platform: PlatformResource) -> Iterator[dg.AssetCheckResult]:
        with platform.opened() as opened:
            reports = check_step(opened, _tenant(context), name)
        for report in reports:
            yield _result(name, report)

    return judged


def _check_specs(name: str) -> list[dg.AssetCheckSpec]:
    return [
        tenant_check(
            _key(name),
            expectation.name,
            says=expectation.says,
            is_blocking=expectation.is_blocking,
            metadata={"expectation": expectation.type},
        )
        for expectation in SUITES[name]
    ]


def _result(asset: str, report: CheckReport) -> dg.AssetCheckResult:
    """A failure is an error, and stops the run, if no mission type may go on; if others do, it is a warning.

    Which types may go on is stored with the verdicts, so a warning stops its own type all the same.
    """
    is_fatal = report.expectation.is_blocking and report.stops_everything
    return dg.AssetCheckResult(
        asset_key=_key(asset),
        check_name=report.expectation.name,
        passed=report.passed,
        severity=dg.AssetCheckSeverity.ERROR if is_fatal else dg.AssetCheckSeverity.WARN,
        metadata=report.figures(),
    )


def _by_type(told: Mapping[str, Mapping[str, int | float]]) -> dict[str, Any]:
    figures: dict[str, Any] = {"mission_types": len(told)}
    for mission_type, of_type in told.items():
        figures |= {f"{name}/{mission_type}": value for name, value in of_type.items()}
    return figures


@dg.asset(
    key=DATASETS,
    deps=[_key("splits")],
    partitions_def=tenants,
    group_name=GROUP,
    kinds={"python", "parquet"},
)
def datasets(context: dg.AssetExecutionContext, platform: PlatformResource) -> dg.MaterializeResult[None]:
    """The current version of every dataset whose mission type passed its checks; named by its content."""
    with platform.opened() as opened:
        published = publish_datasets(opened, _tenant(context))
    return dg.MaterializeResult(metadata=_of_publications(published))


def _of_publications(published: Sequence[Publication]) -> dict[str, Any]:
    figures: dict[str, Any] = {"datasets": len(published), "new_versions": sum(found.is_new for found in published)}
    for found in published:
        name = f"{found.mission_type}/{found.dataset}"
        figures |= {f"rows/{name}": found.row_count, f"version/{name}": found.version or "none"}
        if found.refusal is not None:
            figures[f"refusal/{name}"] = found.refusal
        if found.card:
            figures[f"waterfall/{name}"] = dg.MetadataValue.md(_waterfall(found.card["waterfall"]))
    return figures


def _waterfall(steps: Sequence[Mapping[str, Any]]) -> str:
    rows = [f"| {step['step']} | {step['count']} | {step['excludedNext']} | {step['reason']} |" for step in steps]
    return "\n".join(["| step | items | left out next | why |", "|---|---|---|---|", *rows])


steps = [_step(name, made_of, says) for name, (made_of, says) in STEPS.items()]
expectations = [_checks(name) for name in STEPS]
