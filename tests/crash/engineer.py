"""What an ML engineer does at Dagster's door, and does again while it does not answer."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from shifty_pipelines.cli.demo.operator import Operator, RunFailed
from tests.crash.client import patiently

#: Dagster's daemon does a run that died again by itself, within this.
DONE_AGAIN_WITHIN_S = 45.0
LIVE = ("NOT_STARTED", "QUEUED", "STARTING", "STARTED", "CANCELING")
RUNS = """
query Runs($filter: RunsFilter!) {
  runsOrError(filter: $filter, limit: 50) {
    __typename ... on Runs { results { runId status jobName } } ... on PythonError { message }
  }
}"""


@dataclass
class Engineer:
    """Launches jobs for a tenant and looks at its runs."""

    operator: Operator
    seen: Counter[str] = field(default_factory=Counter)

    def make(self, job: str, tenant: str) -> None:
        """Have one run of the job succeed: launch it and wait; launch again if one died and none took its place."""
        rest_since_s: float | None = None

        def once() -> bool | None:
            nonlocal rest_since_s
            runs = self._runs(tenant, job)
            if any(status == "SUCCESS" for _, status in runs):
                return True
            if any(status in LIVE for _, status in runs):
                rest_since_s = None
                return None
            rest_since_s = rest_since_s or time.monotonic()
            if not runs or time.monotonic() - rest_since_s > DONE_AGAIN_WITHIN_S:
                self.operator.launch(job, tenant)
                self.seen.update(["relaunched"] if runs else [])
            return None

        self._patiently(once, f"a run of {job}")

    def await_rest(self, tenant: str, *, patience_s: float) -> None:
        """Wait until no run of the tenant is queued or started."""

        def once() -> bool | None:
            return None if any(status in LIVE for _, status in self._runs(tenant)) else True

        self._patiently(once, "the end of the tenant's runs", patience_s=patience_s)

    def _runs(self, tenant: str, job: str | None = None) -> Sequence[tuple[str, str]]:
        wanted = {"tags": [{"key": "shifty/tenant", "value": tenant}], **({"pipelineName": job} if job else {})}
        answer = self.operator.ask(RUNS, filter=wanted)["runsOrError"]
        if answer["__typename"] != "Runs":
            raise RunFailed("graphql", "(none)", str(answer.get("message")))
        return [(run["runId"], run["status"]) for run in answer["results"]]

    def _patiently(self, once: Any, what: str, **patience: float) -> None:
        def safely() -> bool | None:
            try:
                return bool(once()) or None
            except httpx.HTTPStatusError as error:
                self.seen[f"dagster {error.response.status_code}"] += 1
            except RunFailed:
                self.seen["dagster refused"] += 1
            return None

        patiently(safely, seen=self.seen, what=what, pause_s=0.5, **patience)
