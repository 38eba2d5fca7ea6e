"""One shop as a process: a socket, a database in a temporary folder, a reporter."""

import argparse
import os
import signal
import socket
import tempfile
from pathlib import Path

import uvicorn

from examples.shop.app import build_app, open_shop
from examples.shop.delivery import HttpReporter
from examples.shop.reporting import FileReporter, Release, Reporter

VERSION = "shop@1.4.0"
TOKEN_VARIABLE = "SHOP_PLATFORM_TOKEN"  # noqa: S105 - the name of a variable


def serve(arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM; the first line on stdout is the port."""
    listener = socket.create_server(("127.0.0.1", arguments.port), backlog=256)
    reporter = reporter_for(arguments)
    with tempfile.TemporaryDirectory(prefix="shop-") as folder:
        host, port = arguments.supplier.split(":")
        shop = open_shop(arguments.tenant_config, Path(folder) / "shop.sqlite", host, int(port))
        release = Release(
            tenant_id=arguments.tenant_id,
            service=shop.config["service"],
            environment=shop.config["environment"],
            version=VERSION,
        )
        app = build_app(shop, reporter, release)
        print(listener.getsockname()[1], flush=True)
        run(uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False)), listener)
    reporter.close()


def run(server: uvicorn.Server, listener: socket.socket) -> None:
    def stop(_signal: int, _frame: object) -> None:
        server.should_exit = True

    # uvicorn raises the signal that stopped it again when it has stopped; by default that would end the process
    # before its last reports are sent and its database is removed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    server.run(sockets=[listener])


def reporter_for(arguments: argparse.Namespace) -> Reporter:
    if arguments.platform:
        return HttpReporter(arguments.platform, os.environ.get(TOKEN_VARIABLE, ""))
    return FileReporter(arguments.events)
