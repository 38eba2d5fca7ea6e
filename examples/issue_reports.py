"""Five projects' issue reports, one project one tenant: imported, curated and trained in one Dagster backfill.

    make up                                             in one terminal
    python -m examples.issue_reports issues_train.csv   in another, in the same folder

The file has the columns repo, label (bug, feature, question), title and body; the maintainers who labelled the reports
are a trusted source. Prints each tenant's import, then what its model is worth on the frozen test split beside the
baselines. Tenants that exist already are used again, so a second run imports nothing twice.
"""

import argparse
import csv
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shifty_pipelines.bootstrap import Platform, build_platform
from shifty_pipelines.cli.demo.operator import Operator
from shifty_pipelines.kernel.secret_files import secret_file
from shifty_pipelines.kernel.tenant import TenantId, system_actor
from shifty_pipelines.settings import Settings

LABELS = "bug,feature,question"
MISSION_TYPE = "classify_error"
ASSETS = (
    *(("curation", name) for name in ("labels", "consensus_labels", "scrubbed_items", "unique_items", "splits")),
    ("curation", "datasets"),
    ("training", "adapters"),
)
POLL_S = 5.0
#: Some bodies hold whole logs; the csv module stops at 131,072 unless told otherwise.
MAX_FIELD_CHARACTERS = 2**24
ENDED = frozenset({"COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path)
    arguments = parser.parse_args()
    settings = Settings()
    began_s = time.monotonic()
    tenants = {repo: imported(repo, arguments.reports) for repo in repos(arguments.reports)}
    token = secret_file(settings.home / "secrets", "operator-token")
    operator = Operator(f"http://127.0.0.1:{settings.dagster_port}", token)
    await_backfill(operator, operator.backfill(ASSETS, list(tenants.values())))
    platform = build_platform(settings)
    try:
        show({repo: best(platform, TenantId(uuid.UUID(tenant))) for repo, tenant in tenants.items()})
    finally:
        platform.dispose()
    print(f"took {(time.monotonic() - began_s) / 60:.1f} minutes")


def repos(reports: Path) -> Sequence[str]:
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    with reports.open(encoding="utf-8", newline="") as file:
        return list(dict.fromkeys(row["repo"] for row in csv.DictReader(file)))


def imported(repo: str, reports: Path) -> str:
    """The id of the project's tenant, with its reports in it."""
    slug = repo.replace("/", "-").lower()
    known = {tenant["slug"]: tenant["id"] for tenant in shifty("tenants", "list", "--json")}
    if slug not in known:
        [made] = shifty("tenants", "create", repo, "--slug", slug, "--owner", f"owner@{slug}.example", "--json")
        known[slug] = made["id"]
    said = shifty(
        *("labels", "import", str(reports), "--tenant", slug, "--type", MISSION_TYPE, "--source", "github"),
        *("--title", "title", "--body", "body", "--label", "label", "--labeler", "maintainer"),
        *("--where", f"repo={repo}", "--labels", LABELS, "--json"),
    )
    print(f"{repo:<24} {json.dumps(said)}", flush=True)
    return str(known[slug])


def shifty(*arguments: str) -> Any:
    command = [sys.executable, "-m", "shifty_pipelines.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"shifty {' '.join(arguments[:2])} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def await_backfill(operator: Operator, backfill_id: str) -> None:
    before = ""
    while True:
        status, assets = operator.backfill_status(backfill_id)
        done = ", ".join(f"{name} {asset.materialized}/{asset.targeted}" for name, asset in assets.items())
        if done != before:
            print(f"backfill {backfill_id}: {done}", flush=True)
            before = done
        if status in ENDED:
            failed = sorted(name for name, asset in assets.items() if asset.materialized < asset.targeted)
            if failed or not assets:
                sys.exit(f"backfill {backfill_id} ended as {status} without {', '.join(failed)}; see Dagster's UI")
            return
        time.sleep(POLL_S)


def best(platform: Platform, tenant_id: TenantId) -> Mapping[str, Any]:
    """The newest version's figures."""
    with platform.open(system_actor(tenant_id)) as services:
        lines = services.registry.models(after=None, limit=50)
        line = next((model for model in lines if model.latest_version), None)
        if line is None:
            sys.exit(
                f"tenant {tenant_id} has no trained model: either a training failed (GET .../training-jobs says why), "
                "or its dataset has fewer labels than its trainAfterNewLabels"
            )
        version = services.registry.version(line.id, line.latest_version)
        evaluations = services.registry.evaluations(line.id, after=None, limit=200)
        evaluation = next(found for found in evaluations if found.version == version.version)
        return {"kind": version.kind, "verdict": evaluation.verdict, **evaluation.metrics}


def show(figures: Mapping[str, Mapping[str, Any]]) -> None:
    print(f"\n{'macro F1 on the test split':<27} registered  majority  TF-IDF  frozen  adapter  verdict")
    for repo, told in figures.items():
        beside = {name: scores["f1Score"] for name, scores in told["comparedWith"].items()}
        columns = (beside.get(name, float("nan")) for name in ("majority", "tfidf", "frozen_head", "adapter"))
        line = "  ".join(f"{value:>7.3f}" for value in columns)
        print(f"{repo:<27} {told['f1Score']:>10.3f} {line}  {told['verdict']} ({told['kind']})")


if __name__ == "__main__":
    main()
