"""Keeps working off a queue in a thread of its own: at once when something is queued, and once a second besides."""

import threading
from typing import Protocol

import psycopg
import structlog
from sqlalchemy.engine import make_url

log = structlog.get_logger()

CHANNEL = "shifty_work"
IDLE_S = 1.0
#: Wait after the database was gone; the supervisor brings it back.
TROUBLE_S = 1.0


class Pumped(Protocol):
    """What works off a queue: the outbox's dispatcher, the webhooks' senders."""

    def run_once(self) -> int:
        """Do some of what is due; 0 when there is nothing to do."""
        ...

    def settle(self) -> None:
        """Tell the queue what was done, without taking more (before stopping)."""
        ...


class OutboxPump:
    """A thread around a dispatcher.

    Args:
        dispatcher: what works off the queue.
        worker_url: SQLAlchemy URL of shifty_worker, for LISTEN.
        name: the thread's.
    """

    def __init__(self, dispatcher: Pumped, worker_url: str, *, name: str = "outbox-pump") -> None:
        self._dispatcher = dispatcher
        self._url = make_url(worker_url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

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
                log.warning("outbox.pump_interrupted", pump=self._thread.name, error=type(error).__name__)
                self._stop.wait(TROUBLE_S)

    def _pump(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            while not self._stop.is_set():
                if self._dispatcher.run_once() == 0:
                    for _ in connection.notifies(timeout=IDLE_S, stop_after=1):
                        pass
            self._dispatcher.settle()
