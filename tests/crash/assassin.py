"""The one who kills: at a moment of the phase, and starts `shifty up` again if it was the supervisor."""

import threading
import time
from dataclasses import dataclass, field

import psutil

from tests.crash.plan import SHORT_LIVED, Pair
from tests.crash.site import Site, kill

LOOK_EVERY_S = 0.02


@dataclass
class Assassin:
    """Kills once, `delay_s` after the phase began, or after its victim appeared; at the latest when the phase is over.

    Attributes:
        struck_at_s: when (monotonic); None if the victim was never met alive.
    """

    site: Site
    pair: Pair
    delay_s: float
    struck_at_s: float | None = None
    moment: str = ""
    failure: BaseException | None = None
    _phase_over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        self._thread = threading.Thread(target=self._work, name="assassin", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """The phase is over: strike now if not yet, and come back when the site is as it should be."""
        self._phase_over.set()
        assert self._thread is not None
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _work(self) -> None:
        try:
            self._strike()
        except BaseException as failure:  # noqa: BLE001  # raised again by `end`
            self.failure = failure

    def _strike(self) -> None:
        began_s = time.monotonic()
        victim = self._meet()
        met_s = time.monotonic()
        is_over = self._phase_over.wait(self.delay_s)
        # It may have been replaced meanwhile, as a worker is by the next run's.
        victim = victim if victim is not None and victim.is_running() else self._meet()
        if victim is None:
            return
        self.site.take_census()
        kill(victim)
        self.struck_at_s = time.monotonic()
        age = f", {self.struck_at_s - met_s:.2f} s old" if self.pair.process in SHORT_LIVED else ""
        self.moment = f"{self.struck_at_s - began_s:.2f} s in{age}{', at its end' if is_over else ''}"
        if self.pair.process == "supervisor":
            self._start_again()

    def _start_again(self) -> None:
        assert self.site.running.process is not None
        self.site.running.process.wait()
        self.site.running.up()

    def _meet(self) -> psutil.Process | None:
        """The victim, once it is there; None if the phase ends without one."""
        while True:
            found = self.site.find(self.pair.process)
            if found is not None:
                return found
            if self._phase_over.wait(LOOK_EVERY_S) and self.pair.process in SHORT_LIVED:
                return None
