"""`shifty up`, `down`, `migrate`, and the processes that `up` starts."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from shifty_pipelines.cli.start import FirstCredentials, Started, first_tenant, prepare, start_children
from shifty_pipelines.cli.terminal import console, step
from shifty_pipelines.kernel.embedded_postgres import EmbeddedPostgres
from shifty_pipelines.kernel.errors import Conflict
from shifty_pipelines.kernel.logging import configure_logging
from shifty_pipelines.kernel.outbox_pump import OutboxPump
from shifty_pipelines.kernel.provisioning import provision
from shifty_pipelines.kernel.secret_files import secret_file
from shifty_pipelines.kernel.supervisor import Supervisor, hold, stop_running
from shifty_pipelines.settings import Settings, ignored_environment


class PortTaken(Conflict):
    """Another program listens where we would."""

    code = "kernel.port_taken"

    def __init__(self, port: int, reason: str) -> None:
        super().__init__(f"Cannot listen on port {port} ({reason}). Stop what does, or set SHIFTY_BASE_PORT.")


def up() -> None:
    """Start the platform in the foreground: database, API on 13 ports, Dagster. Ctrl-C stops all of it."""
    settings = Settings()
    with hold(settings.home) as lock, prepared(settings) as started:
        credentials = first_tenant(started.platform)
        supervisor = Supervisor(settings.home, lock, watch=keep_database(settings), say=console.print)
        try:
            with step("processes: API, code server, Dagster UI, daemon"):
                start_children(supervisor, settings, started)
            _greet(settings, credentials)
            supervisor.run()
        finally:
            supervisor.stop()
    console.print("stopped")


def down(
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing when nothing runs.")] = False,
    erase_database: Annotated[
        bool, typer.Option("--erase-database", help="Delete the embedded database too; nothing brings it back.")
    ] = False,
) -> None:
    """Stop the platform that runs from this SHIFTY_HOME."""
    settings = Settings()
    was_running = stop_running(settings.home)
    stop_database(settings)
    if erase_database:
        embedded(settings).remove()
    if was_running or not quiet:
        console.print("stopped" if was_running else f"nothing runs from {settings.home}")


def migrate() -> None:
    """Bring the database to this version's schema: roles, isolation, tables. May run again at any time."""
    settings = Settings()
    external = settings.database_url.get_secret_value() if settings.database_url else None
    with step("bootstrap and migrate"):
        done = provision(settings.home, external, postgres_major=settings.embedded_major)
    if done.urls.admin is None:
        console.print("signed in as shifty_app: the schema is there; migrations are run as a superuser")
    elif done.revision_before == done.revision_after:
        console.print(f"already at revision {done.revision_after}")
    else:
        console.print(f"revision {done.revision_before or 'none'} -> {done.revision_after}")


def sidecar() -> None:
    """The API on its 13 sockets, with the outbox dispatcher and the senders of webhooks; started by `shifty up`."""
    # Only this process serves: importing the API here keeps every other command quick.
    from shifty_pipelines.api.app import create_sidecar  # noqa: PLC0415
    from shifty_pipelines.api.catalogue import SERVICES  # noqa: PLC0415
    from shifty_pipelines.bootstrap import build_platform, platform_urls  # noqa: PLC0415
    from shifty_pipelines.kernel.isolation import guard_isolation  # noqa: PLC0415

    settings = Settings()
    configure_logging(level=settings.log_level)
    platform = build_platform(settings)
    guard_isolation(platform.app.engine)
    platform.passwords.decoy_hash()  # else the first unknown address would be told by its longer answer
    worker_url = platform_urls(settings).worker
    pumps = (
        OutboxPump(platform.dispatcher(), worker_url),
        OutboxPump(platform.webhook_senders(), worker_url, name="webhook-pump"),
    )
    sockets = [_listen(settings.bind, settings.base_port + service.port_offset) for service in SERVICES]
    config = uvicorn.Config(
        create_sidecar(platform, base_port=settings.base_port),
        log_config=None,
        access_log=False,
        server_header=False,
        # uvicorn's own would believe X-Forwarded-For from any process of this machine; see api/client_address.py.
        proxy_headers=False,
        timeout_graceful_shutdown=10,
    )
    for pump in pumps:
        pump.start()
    try:
        uvicorn.Server(config).run(sockets=sockets)
    finally:
        for pump in pumps:
            pump.stop()
        platform.dispose()


def dagster_ui(workspace: Path) -> None:
    """Dagster's UI behind its door; started by `shifty up`."""
    from shifty_pipelines.webserver import serve  # noqa: PLC0415  # imports Dagster's webserver (seconds)

    settings = Settings()
    configure_logging(level=settings.log_level)
    serve(
        workspace=workspace,
        host="127.0.0.1",
        port=settings.dagster_port,
        token=secret_file(settings.home / "secrets", "operator-token"),
        allowed_hosts=settings.allowed_hosts,
    )


@contextmanager
def prepared(settings: Settings) -> Iterator[Started]:
    """The platform on its database; at the end, a refusal's too, the embedded server is stopped."""
    try:
        with step("database: start, bootstrap, migrate, prove isolation"):
            started = prepare(settings)
        try:
            yield started
        finally:
            started.platform.dispose()
    finally:
        stop_database(settings)


def stop_database(settings: Settings) -> None:
    """Stop the embedded server; an external one is not ours."""
    if settings.database_url is None:
        embedded(settings).stop()


def embedded(settings: Settings) -> EmbeddedPostgres:
    """The embedded server of this home."""
    return EmbeddedPostgres(settings.home, major=settings.embedded_major)


def keep_database(settings: Settings) -> Callable[[], None]:
    """What the supervisor calls on every turn: the embedded server is started again when it does not answer."""
    server = None if settings.database_url else embedded(settings)

    def watch() -> None:
        if server is not None and not server.is_alive():
            console.print("database is down; starting it again")
            server.start()

    return watch


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortTaken(port, error.strerror or str(error)) from error
    return listener


def _greet(settings: Settings, credentials: FirstCredentials | None) -> None:
    token = secret_file(settings.home / "secrets", "operator-token")
    for name in ignored_environment():
        console.print(f"[yellow]ignored[/] {name}: one process is all services here")
    console.print(f"API      http://{settings.bind}:{settings.base_port}/api/docs")
    console.print(f"Dagster  http://localhost:{settings.dagster_port}/?token={token}", soft_wrap=True)
    if credentials is not None:
        console.print("[bold]first tenant created; these credentials are shown once:[/]")
        console.print(f"  e-mail   {credentials.email}\n  password {credentials.password}")
    console.print("Ctrl-C stops everything")
