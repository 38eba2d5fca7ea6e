"""What an ML engineer does in Dagster's UI, done through the same door: launch a job for a tenant, watch it end."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from shifty_pipelines.kernel.errors import ShiftyError

POLL_S = 0.5
RUN_TIMEOUT_S = 600.0
TIMEOUT_S = 60.0

ADD_PARTITION = """
mutation Add($key: String!, $repository: RepositorySelector!) {
  addDynamicPartition(partitionsDefName: "tenants", partitionKey: $key, repositorySelector: $repository) {
    __typename ... on PythonError { message } ... on UnauthorizedError { message }
  }
}"""
LAUNCH = """
mutation Launch($parameters: ExecutionParams!) {
  launchRun(executionParams: $parameters) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
    ... on PipelineNotFoundError { message } ... on RunConfigValidationInvalid { errors { message } }
  }
}"""
BACKFILL = """
mutation Backfill($parameters: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $parameters) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}"""
BACKFILL_STATUS = """
query Status($backfillId: String!) {
  partitionBackfillOrError(backfillId: $backfillId) {
    ... on PartitionBackfill { status assetBackfillData { assetBackfillStatuses {
      ... on AssetPartitionsStatusCounts {
        assetKey { path } numPartitionsTargeted numPartitionsMaterialized numPartitionsFailed
      } } } }
  }
}"""
STATUS = """
query Status($runId: ID!) {
  runOrError(runId: $runId) { __typename ... on Run { status } ... on PythonError { message } }
}"""
CHECKS = """
query Checks($runId: ID!) {
  runOrError(runId: $runId) {
    ... on Run { assetCheckExecutions: eventConnection(limit: 500) { events {
      ... on AssetCheckEvaluationEvent { evaluation { checkName success severity assetKey { path } } }
    } } }
  }
}"""
ENDED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})
REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "shifty_pipelines"}


class RunFailed(ShiftyError):
    """A Dagster run did not end well."""

    status = 500
    code = "demo.run_failed"

    def __init__(self, job: str, run_id: str, status: str) -> None:
        super().__init__(f"Run {run_id} of {job} ended as {status}; look at it in Dagster's UI, under Runs.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfilledAsset:
    """Partitions of one asset of a backfill."""

    targeted: int
    materialized: int
    failed: int


class Operator:
    """Dagster's GraphQL behind its door.

    Args:
        address: of Dagster's UI.
        token: the operator's.
    """

    def __init__(self, address: str, token: str) -> None:
        self._client = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_S)

    def launch(self, job: str, tenant: str) -> str:
        """Launch a job for one tenant; the run's id."""
        self.ask(ADD_PARTITION, key=tenant, repository=REPOSITORY)
        tags = {"dagster/partition": tenant, "shifty/tenant": tenant}
        parameters = {
            "selector": {**REPOSITORY, "jobName": job},
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        launched = self.ask(LAUNCH, parameters=parameters)["launchRun"]
        if launched["__typename"] != "LaunchRunSuccess":
            raise RunFailed(job, "(none)", f"{launched['__typename']}: {launched.get('message', '')}")
        return str(launched["run"]["runId"])

    def backfill(self, assets: Sequence[Sequence[str]], tenants: Sequence[str]) -> str:
        """Materialise assets for several tenants at once; the backfill's id."""
        for tenant in tenants:
            self.ask(ADD_PARTITION, key=tenant, repository=REPOSITORY)
        parameters = {
            "assetSelection": [{"path": list(path)} for path in assets],
            "partitionNames": list(tenants),
            "title": "from labels to versions",
        }
        launched = self.ask(BACKFILL, parameters=parameters)["launchPartitionBackfill"]
        if launched["__typename"] != "LaunchBackfillSuccess":
            raise RunFailed("backfill", "(none)", f"{launched['__typename']}: {launched.get('message', '')}")
        return str(launched["backfillId"])

    def backfill_status(self, backfill_id: str) -> tuple[str, Mapping[str, BackfilledAsset]]:
        """The backfill's status, and how far each of its assets is."""
        told = self.ask(BACKFILL_STATUS, backfillId=backfill_id)["partitionBackfillOrError"]
        # None until the daemon has taken it up.
        assets = (told["assetBackfillData"] or {"assetBackfillStatuses": []})["assetBackfillStatuses"]
        return str(told["status"]), {
            "/".join(entry["assetKey"]["path"]): BackfilledAsset(
                targeted=entry["numPartitionsTargeted"],
                materialized=entry["numPartitionsMaterialized"],
                failed=entry["numPartitionsFailed"],
            )
            for entry in assets
        }

    def wait(self, job: str, run_id: str, *, may_fail: bool = False) -> str:
        """Wait until a run has ended; its status.

        Raises:
            RunFailed: it did not succeed, unless it may.
        """
        deadline = time.monotonic() + RUN_TIMEOUT_S
        while (status := self._status(run_id)) not in ENDED:
            if time.monotonic() > deadline:
                raise RunFailed(job, run_id, f"{status} after {RUN_TIMEOUT_S:.0f} s")
            time.sleep(POLL_S)
        if status != "SUCCESS" and not may_fail:
            raise RunFailed(job, run_id, status)
        return status

    def checks(self, run_id: str) -> Sequence[Mapping[str, Any]]:
        """The checks that a run evaluated."""
        events = self.ask(CHECKS, runId=run_id)["runOrError"]["assetCheckExecutions"]["events"]
        return [event["evaluation"] for event in events if event.get("evaluation")]

    def _status(self, run_id: str) -> str:
        return str(self.ask(STATUS, runId=run_id)["runOrError"].get("status", "UNKNOWN"))

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """What a query or mutation gives.

        Raises:
            RunFailed: Dagster refused it.
        """
        answer = self._client.post("/graphql", json={"query": query, "variables": variables}).raise_for_status()
        body = answer.json()
        if body.get("errors"):
            raise RunFailed("graphql", "(none)", str(body["errors"][0].get("message")))
        return dict(body["data"])
