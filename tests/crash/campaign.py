"""Stories with and without a kill, how long they take, and the table of them."""

import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.crash.assassin import Assassin
from tests.crash.plan import PHASES, SHORT_LIVED, Pair
from tests.crash.site import Site
from tests.crash.story import Story
from tests.crash.verdict import Verdict

#: A short-lived victim may be gone before its moment: then another story is told, with another moment.
ATTEMPTS = 4


def say(line: str) -> None:
    """Show one line at once; `make crash` lets it through."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """What one kill came to."""

    pair: Pair
    moment: str
    seen: Counter[str]
    phase_over_s: float
    converged_s: float
    told_s: float
    complaints: tuple[str, ...]

    def line(self) -> str:
        seen = ", ".join(f"{count} x {what}" for what, count in sorted(self.seen.items())) or "nothing"
        outcome = "converged" if not self.complaints else "DID NOT CONVERGE"
        return (
            f"{self.pair.process:<12}{self.pair.phase:<12}{self.moment:<36}"
            f"phase over {self.phase_over_s:5.1f} s after, {outcome} {self.converged_s:5.1f} s after, "
            f"story {self.told_s:5.1f} s; the client saw {seen}"
        )


@dataclass
class Campaign:
    """Every kill is on the same installation, each on a tenant of its own."""

    site: Site
    seed: int
    durations_s: dict[str, float] = field(default_factory=dict)
    lifetimes_s: dict[tuple[str, str], float] = field(default_factory=dict)
    kills: list[Kill] = field(default_factory=list)

    def measure(self) -> None:
        """Tell one undisturbed story, and see how long phases and short-lived processes last."""
        story, _ = self._story()
        for phase in PHASES[: PHASES.index("curation")]:  # the first caller finds everything cold
            getattr(story, phase)()
        story, verdict = self._story()
        began_s = time.monotonic()
        for phase in PHASES:
            self.durations_s[phase] = self._measured(story, phase)
        verdict.await_rest()
        complaints = verdict.complaints()
        told = ", ".join(f"{phase} {duration_s:.1f}" for phase, duration_s in self.durations_s.items())
        say(f"\nundisturbed: {time.monotonic() - began_s:.1f} s ({told})")
        assert complaints == [], complaints

    def kill(self, pair: Pair) -> Kill:
        """One story in which `pair.process` is killed in `pair.phase`."""
        for attempt in range(ATTEMPTS):
            kill = self._told(pair, pair.share(self.seed, attempt) / 2**attempt)
            if kill is not None:
                self.kills.append(kill)
                say(f"\n{kill.line()}")
                return kill
        raise AssertionError(f"{pair.name}: no {pair.process} was met alive in {ATTEMPTS} stories")

    def report(self) -> None:
        say(f"\n{len(self.kills)} kills, seed {self.seed}")
        for kill in self.kills:
            say(kill.line())

    def _told(self, pair: Pair, share: float) -> Kill | None:
        story, verdict = self._story()
        length_s = self.lifetimes_s[pair.process, pair.phase] if pair.process in SHORT_LIVED else None
        assassin = Assassin(self.site, pair, share * (length_s or self.durations_s[pair.phase]))
        began_s = phase_over_s = time.monotonic()
        for phase in PHASES:
            if phase == pair.phase:
                assassin.begin()
                try:
                    getattr(story, phase)()
                finally:
                    assassin.end()
                phase_over_s = time.monotonic()
            else:
                self._tell(story, phase)
        verdict.await_rest()
        ended_s = time.monotonic()
        complaints = verdict.complaints()
        if assassin.struck_at_s is None:
            assert not complaints
            return None
        return Kill(
            pair=pair,
            moment=assassin.moment,
            seen=Counter(story.seen),
            phase_over_s=phase_over_s - assassin.struck_at_s,
            converged_s=ended_s - assassin.struck_at_s,
            told_s=ended_s - began_s,
            complaints=tuple(complaints),
        )

    def _tell(self, story: Story, phase: str) -> None:
        """Tell a phase without a kill in it; the quickest telling is the measure for moments that shall be inside."""
        began_s = time.monotonic()
        getattr(story, phase)()
        self.durations_s[phase] = min(self.durations_s[phase], time.monotonic() - began_s)

    def _story(self) -> tuple[Story, Verdict]:
        self.site.ensure_up()
        story = Story.found(self.site.platform, self.site.running.api, self.site.engineer())
        return story, Verdict(self.site, story)

    def _measured(self, story: Story, phase: str) -> float:
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(phase, done), daemon=True)
        watcher.start()
        began_s = time.monotonic()
        getattr(story, phase)()
        duration_s = time.monotonic() - began_s
        done.set()
        watcher.join()
        return duration_s

    def _watch(self, phase: str, done: threading.Event) -> None:
        """How long each short-lived process is there during a phase."""
        first_s: dict[str, float] = {}
        while not done.wait(0.1):
            for name in SHORT_LIVED:
                if self.site.find(name) is not None:
                    now_s = time.monotonic()
                    self.lifetimes_s[name, phase] = now_s - first_s.setdefault(name, now_s)
