"""From a failing shop to labelled missions: errors that are really raised, missions about them, a simulated crowd."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shifty_pipelines.cli.demo.cast import Person, Tenant
from shifty_pipelines.kernel.errors import ShiftyError

CHECKOUT = Path(__file__).resolve().parents[3]
MISSION_TYPE = "classify_error"
LABELS = ("bad_input", "boundary", "configuration", "stale_state", "time_handling", "upstream_data")
SLOTS = 3
#: Missions of each tenant that a person finds open at the end.
LEFT_OPEN = 5
PAGE = 200
#: Requests in flight at a time; the API works on as many as it has threads.
THREADS = 4
PROGRAM_TIMEOUT_S = 600


class ExamplesMissing(ShiftyError):
    """The demo's shop is not where a checkout has it."""

    status = 500
    code = "demo.examples_missing"

    def __init__(self) -> None:
        super().__init__(
            f"There is no examples/shop in {CHECKOUT}. The demo runs from a checkout: git clone, make demo."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What the driver alone knows: the true cause and the error type of each item."""

    cause: str
    error_type: str


def fail_really(tenants: Sequence[Tenant], gateway: str, directory: Path, *, errors: int, seed: int) -> None:
    """Drive the shops until they failed `errors` times in all; their reporters send the errors to the platform."""
    if not (CHECKOUT / "examples" / "shop").is_dir():
        raise ExamplesMissing
    configs = [
        {
            "config": f"examples/shop/tenants/{tenant.shop}.toml",
            "tenantId": str(tenant.tenant_id),
            "token": tenant.owner.token,
        }
        for tenant in tenants
    ]
    given = _private(directory / "tenants.json", configs)
    _program(
        "examples.shop", "run", "--errors", str(errors), "--seed", str(seed), "--platform", gateway,
        "--tenants", str(given),
    )  # fmt: skip


def ask_about_errors(tenant: Tenant) -> int:
    """Name the labels, let the default dataset wait for us, and create a mission about each error event; how many.

    A few are kept back for whoever runs the demo (`leave_some`).
    """
    base = f"/api/v1/tenants/{tenant.tenant_id}"
    client = tenant.owner.client
    client.put(f"{base}/label-sets/{MISSION_TYPE}", json={"labels": LABELS}).raise_for_status()
    # Without a threshold it is materialised when somebody asks, here the demo.
    recipe = {"name": "default", "missionType": MISSION_TYPE, "trainAfterNewLabels": None}
    client.post(f"{base}/datasets", json=recipe).raise_for_status()
    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(lambda error_id: _ask(tenant, error_id), _error_ids(tenant)[LEFT_OPEN:]))


def leave_some(tenant: Tenant) -> None:
    """Ask about the errors that were kept back, once the crowd has gone home."""
    for error_id in _error_ids(tenant)[:LEFT_OPEN]:
        _ask(tenant, error_id)


def label(tenants: Sequence[Tenant], gateway: str, directory: Path, *, seed: int) -> Mapping[str, Mapping[str, int]]:
    """Let the crowd answer every mission; right answers and labels by competence."""
    crowd = [
        {
            "tenantId": str(tenant.tenant_id),
            "userId": person.user_id,
            "token": person.token,
            "competence": person.competence,
            "name": f"{tenant.shop}/{person.name}",
        }
        for tenant in tenants
        for person in tenant.labelers
    ]
    given, truth = _private(directory / "crowd.json", crowd), directory / "truth.json"
    said = _program(
        "examples.shop.labelers", "--platform", gateway, "--crowd", str(given), "--truth", str(truth),
        "--seed", str(seed),
    )  # fmt: skip
    answers: Mapping[str, Mapping[str, int]] = json.loads(said)
    return answers


def read_truth(directory: Path) -> Mapping[str, Mapping[str, Truth]]:
    """The truth per tenant and item, as the driver wrote it down."""
    told = json.loads((directory / "truth.json").read_text(encoding="utf-8"))
    return {
        tenant: {item: Truth(cause=row["truth"], error_type=row["errorType"]) for item, row in items.items()}
        for tenant, items in told.items()
    }


def pages(person: Person, path: str) -> Iterator[dict[str, Any]]:
    """Every entry of a paged list."""
    cursor: str | None = None
    while True:
        wanted: dict[str, str | int] = {"limit": PAGE}
        if cursor is not None:
            wanted["cursor"] = cursor
        body = person.client.get(path, params=wanted).raise_for_status().json()
        yield from body["data"]
        cursor = body["nextCursor"]
        if cursor is None:
            return


def _error_ids(tenant: Tenant) -> list[str]:
    return [event["id"] for event in pages(tenant.owner, f"/api/v1/tenants/{tenant.tenant_id}/errors")]


def _ask(tenant: Tenant, error_id: str) -> int:
    question = {
        "type": MISSION_TYPE,
        "title": "What caused this error?",
        "description": "Read the error, its message and its frames.",
        "instructions": "Choose the cause, not the type of the exception.",
        "slotCount": SLOTS,
        "errorEventId": error_id,
    }
    tenant.owner.client.post(f"/api/v1/tenants/{tenant.tenant_id}/missions", json=question).raise_for_status()
    return 1


def _private(path: Path, content: object) -> Path:
    """A file that holds tokens, in a directory that nobody else reads."""
    path.write_text(json.dumps(content), encoding="utf-8")
    path.chmod(0o600)
    return path


def _program(*module: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *module],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PROGRAM_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise TimeoutError(f"{module[0]} ended with code {done.returncode}: {done.stderr.strip()[-1000:]}")
    return done.stdout
