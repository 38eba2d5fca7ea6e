"""All that Dagster knows of the platform, as one text: an unintended change of a key, check or cadence is a diff.

Renew it with `python -m tests.assets.test_definitions_snapshot` and read the diff.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from shifty_pipelines.contexts.curation.expectations import SUITES
from shifty_pipelines.definitions import build_definitions

SNAPSHOT = Path(__file__).with_name("definitions.txt")
ROOT = Path(__file__).resolve().parents[2]


def described() -> str:
    """One line per asset, check, job, schedule and sensor, in order of name."""
    definitions = build_definitions()
    return "\n".join([*_assets(definitions), *_checks(definitions), *_automation(definitions), ""])


def _assets(definitions: dg.Definitions) -> Iterator[str]:
    graph = definitions.resolve_asset_graph()
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        parents = ", ".join(sorted(parent.to_user_string() for parent in node.parent_keys)) or "nothing"
        partitions = node.partitions_def.name if isinstance(node.partitions_def, dg.DynamicPartitionsDefinition) else ""
        pools = ", ".join(sorted(node.pools or ())) or "none"
        yield f"asset {key.to_user_string()} of {parents}; group {node.group_name}; per {partitions}; pool {pools}"


def _checks(definitions: dg.Definitions) -> Iterator[str]:
    graph = definitions.resolve_asset_graph()
    for key in sorted(graph.asset_check_keys, key=lambda key: (key.asset_key, key.name)):
        spec = graph.get_check_spec(key)
        kind = "blocking" if spec.blocking else "telling"
        per = spec.partitions_def.name if isinstance(spec.partitions_def, dg.DynamicPartitionsDefinition) else "no one"
        yield f"check {key.asset_key.to_user_string()} {key.name}; {kind}; per {per}: {spec.description}"


def _automation(definitions: dg.Definitions) -> Iterator[str]:
    repository = definitions.get_repository_def()
    for name in sorted(found.name for found in definitions.resolve_all_job_defs() if not found.name.startswith("__")):
        steps = sorted(repository.get_job(name).graph.node_dict)
        yield f"job {name}: {', '.join(steps)}"
    for schedule in sorted(repository.schedule_defs, key=lambda found: found.name):
        when = f"{schedule.cron_schedule} {schedule.execution_timezone}"
        yield f"schedule {schedule.name}: {when} -> {schedule.job_name}; {schedule.default_status.value}"
    for sensor in sorted(repository.sensor_defs, key=lambda found: found.name):
        jobs = ", ".join(sorted(target.job_name for target in sensor.targets)) or "no job"
        yield (
            f"sensor {sensor.name}: every {sensor.minimum_interval_seconds} s -> {jobs}; {sensor.default_status.value}"
        )


def test_dagster_knows_exactly_what_the_snapshot_says() -> None:
    assert described() == SNAPSHOT.read_text(), "python -m tests.assets.test_definitions_snapshot, then read the diff"


def test_every_expectation_is_a_check_of_its_asset_that_blocks_unless_it_is_advice() -> None:
    graph = build_definitions().resolve_asset_graph()
    found = {(key.asset_key.path[-1], key.name, graph.get_check_spec(key).blocking) for key in graph.asset_check_keys}
    assert found >= {
        (asset, expectation.name, expectation.is_blocking) for asset, suite in SUITES.items() for expectation in suite
    }


def test_dagsters_own_validation_accepts_the_code_location() -> None:
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-m", "shifty_pipelines.definitions"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "All code locations passed validation" in ended.stdout + ended.stderr


if __name__ == "__main__":
    SNAPSHOT.write_text(described())
