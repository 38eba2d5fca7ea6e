"""From settings to a running platform: the steps that `shifty up` and `shifty demo` share."""

import hashlib
import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from shifty_pipelines.bootstrap import Platform, build_platform, external_url
from shifty_pipelines.contexts.tenancy.domain import NewTenant, NewUser
from shifty_pipelines.contexts.tenancy.errors import RegistrationClosed
from shifty_pipelines.flows.entrance import found_tenant
from shifty_pipelines.kernel.errors import ShiftyError
from shifty_pipelines.kernel.isolation import guard_isolation
from shifty_pipelines.kernel.postgres_installation import make_private_directory
from shifty_pipelines.kernel.provisioning import DatabaseUrls, provision
from shifty_pipelines.kernel.restore import check_restore
from shifty_pipelines.kernel.secret_files import installation_id
from shifty_pipelines.kernel.supervisor import ChildSpec, Supervisor, python_module
from shifty_pipelines.kernel.tenant import Role
from shifty_pipelines.settings import LOCAL_RUNS, Settings, child_environment

#: Slow machines need most of this for the imports of three Dagster processes at once.
READY_TIMEOUT_S = 120.0
MAX_SOCKET_DIRECTORY_BYTES = 90
#: RFC 2606 reserves .example, so the address can be nobody's.
FIRST_OWNER_EMAIL = "owner@shifty.example"
DAGSTER_YAML = """\
# Written by `shifty up`; the storage is Dagster's own database, reached by its own role.
storage:
  postgres:
    postgres_url:
      env: SHIFTY_DAGSTER_URL
telemetry:
  enabled: false
nux:
  # A dialogue that sends addresses to the makers of Dagster.
  enabled: false
sensors:
  use_threads: true
  num_workers: 4
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config:
    # Somebody waits for most runs; a look at the queue is a query. A launch waits until its worker is up.
    dequeue_interval_seconds: 1
    dequeue_use_threads: true
    dequeue_num_workers: 4
run_monitoring:
  enabled: true
  free_slots_after_run_end_seconds: 300
run_retries:
  # Only runs of jobs that ask for it by tag, and only those that died.
  enabled: true
  max_retries: 0
  retry_on_asset_or_op_failure: false
concurrency:
  pools:
    # One run works, another's worker starts meanwhile and waits for the machine's slot (kernel/machine_slots.py).
    granularity: run
    default_limit: 2
  runs:
    tag_concurrency_limits:
      - key: shifty/tenant
        limit: 1
        value:
          applyLimitPerUniqueValue: true
retention:
  sensor:
    purge_after_days: 7
  schedule:
    purge_after_days: 30
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCredentials:
    """What the first owner signs in with; shown once, stored nowhere."""

    email: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A platform on a database that is proven isolated."""

    platform: Platform
    urls: DatabaseUrls


class RemoteRunsRefused(ShiftyError):
    """Runs were to work on another machine, which could open no text and no object of this installation."""

    status = 500
    code = "runs.remote_refused"

    def __init__(self, launcher: str, local_parts: Sequence[str]) -> None:
        super().__init__(
            f"SHIFTY_RUN_LAUNCHER is '{launcher}', but runs on another machine cannot reach "
            f"{' and '.join(local_parts)}. Unset it, or set it to '{LOCAL_RUNS}'."
        )


def refuse_remote_runs(settings: Settings) -> None:
    """Refuse a launcher of remote runs while keys or objects are files of this machine.

    Raises:
        RemoteRunsRefused: names what such a run could not reach.
    """
    if settings.run_launcher == LOCAL_RUNS:
        return
    # There is no network adapter of the key port yet, so the first part always holds.
    local_parts = [f"the key slots in {settings.home / 'keys'}"]
    if settings.store_url is None or "://" not in settings.store_url or settings.store_url.startswith("file:"):
        local_parts.append(f"the asset store at {settings.store_url or settings.home / 'assets'}")
    raise RemoteRunsRefused(settings.run_launcher, local_parts)


def prepare(settings: Settings) -> Started:
    """Bring the database up and to this version, then prove isolation and replay erasures; or refuse."""
    refuse_remote_runs(settings)
    urls = provision(settings.home, external_url(settings), postgres_major=settings.embedded_major).urls
    platform = build_platform(settings, urls=urls)
    guard_isolation(platform.app.engine)
    check_restore(
        platform.app,
        platform.worker,
        platform.keys,
        platform.clock,
        installation=installation_id(settings.home / "secrets"),
    )
    return Started(platform=platform, urls=urls)


def first_tenant(platform: Platform) -> FirstCredentials | None:
    """Create the first tenant with its owner if there is none yet."""
    credentials = FirstCredentials(email=FIRST_OWNER_EMAIL, password=secrets.token_urlsafe(15))
    owner = NewUser(
        email=credentials.email, password=credentials.password, first_name="First", last_name="Owner", role=Role.OWNER
    )
    try:
        found_tenant(platform, NewTenant(name="Default", slug="default"), owner, must_be_first=True)
    except RegistrationClosed:
        return None
    return credentials


def start_children(supervisor: Supervisor, settings: Settings, started: Started) -> None:
    """Start the API, the code server, Dagster's UI and its daemon, and wait until all answer."""
    supervisor.start(child_specs(settings, started.urls), timeout_s=READY_TIMEOUT_S)


def child_specs(settings: Settings, urls: DatabaseUrls) -> list[ChildSpec]:
    """The platform's processes; only Dagster's get Dagster's credential, in the environment and not in arguments."""
    dagster_home = _write_dagster_home(settings.home)
    code_socket = _code_socket(settings)
    workspace = _write_workspace(dagster_home, code_socket)
    api_environment = child_environment() | {"SHIFTY_HOME": str(settings.home)}
    dagster_environment = api_environment | {
        "DAGSTER_HOME": str(dagster_home),
        "SHIFTY_DAGSTER_URL": urls.dagster,
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
    logs = settings.home / "logs"
    return [
        _api(settings, api_environment, logs / "api.log"),
        ChildSpec(
            name="code server",
            argv=python_module(
                *("dagster", "api", "grpc", "--socket", str(code_socket), "-m", "shifty_pipelines.definitions"),
                "--use-python-environment-entry-point",
            ),
            environment=dagster_environment,
            log_path=logs / "code-server.log",
            is_ready=lambda: _accepts(code_socket),
        ),
        ChildSpec(
            name="dagster ui",
            argv=python_module("shifty_pipelines.cli", "dagster-ui", str(workspace)),
            environment=dagster_environment,
            log_path=logs / "dagster-ui.log",
            is_ready=_answering(f"http://127.0.0.1:{settings.dagster_port}/"),
            address=f"http://localhost:{settings.dagster_port}",
        ),
        ChildSpec(
            name="dagster daemon",
            argv=python_module("dagster._daemon", "run", "-w", str(workspace)),
            environment=dagster_environment,
            log_path=logs / "dagster-daemon.log",
            is_ready=lambda: True,  # it listens nowhere; its heartbeats show in Dagster's UI
        ),
    ]


def _api(settings: Settings, environment: Mapping[str, str], log_path: Path) -> ChildSpec:
    address = f"http://{settings.bind}:{settings.base_port}"
    return ChildSpec(
        name="api",
        argv=python_module("shifty_pipelines.cli", "sidecar"),
        environment=environment,
        log_path=log_path,
        is_ready=_answering(f"{address}/health"),
        address=address,
    )


def _write_workspace(dagster_home: Path, code_socket: Path) -> Path:
    workspace = dagster_home / "workspace.yaml"
    workspace.write_text(
        f'load_from:\n  - grpc_server:\n      socket: "{code_socket}"\n      location_name: shifty_pipelines\n',
        encoding="utf-8",
    )
    return workspace


def _write_dagster_home(home: Path) -> Path:
    directory = home / "dagster"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (directory / "dagster.yaml").write_text(DAGSTER_YAML, encoding="utf-8")
    return directory


def _code_socket(settings: Settings) -> Path:
    """Where the code server listens; socket paths must stay under 108 bytes (unix(7)), whatever SHIFTY_HOME is."""
    place = settings.home / "run"
    if len(os.fsencode(place)) > MAX_SOCKET_DIRECTORY_BYTES:
        name = hashlib.sha256(os.fsencode(settings.home)).hexdigest()[:16]
        place = Path(tempfile.gettempdir()) / f"shifty-run-{os.geteuid()}-{name}"
    make_private_directory(place)
    return place / "code.sock"


def _answering(url: str) -> Callable[[], bool]:
    """Whether somebody answers there; one client for all its looks, since each builds a TLS context."""
    client = httpx.Client(timeout=2)

    def answers() -> bool:
        try:
            client.get(url)
        except httpx.HTTPError:
            return False
        return True

    return answers


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
