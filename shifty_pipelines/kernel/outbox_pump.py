"""Keeps delivering the outbox in a thread of its own: at once when something is queued, and once a second besides."""

import threading
from typing import Any

import psycopg
import structlog
from sqlalchemy.engine import make_url

from shifty_pipelines.kernel.outbox import Dispatcher

log = structlog.get_logger()

CHANNEL = "shifty_work"
IDLE_S = 1.0
#: Wait after the database was gone; the supervisor brings it back.
TROUBLE_S = 1.0


class OutboxPump:
    """A thread around a dispatcher.

    Args:
        worker_url: SQLAlchemy URL of shifty_worker, for LISTEN.
    """

    def __init__(self, dispatcher: Dispatcher[Any], worker_url: str) -> None:
        self._dispatcher = dispatcher
        self._url = make_url(worker_url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox-pump", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self, *, timeout_s: float = 10.0) -> None:
        """Finish the batch in hand and end."""
        self._stop.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._pump()
            except Exception as error:  # noqa: BLE001  # the database may be restarting; leases make this safe
                log.warning("outbox.pump_interrupted", error=type(error).__name__)
                self._stop.wait(TROUBLE_S)

    def _pump(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            while not self._stop.is_set():
                if self._dispatcher.run_once() == 0:
                    for _ in connection.notifies(timeout=IDLE_S, stop_after=1):
                        pass
            self._dispatcher.settle()
