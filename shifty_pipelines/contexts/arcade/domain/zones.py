"""Moments on a labeler's own clock: the zone, date and offset are frozen with the event, and never worked out again."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from shifty_pipelines.kernel.errors import InvalidValue

#: What everybody starts with until they name their own.
DEFAULT_ZONE = "UTC"
#: A zone may be changed once in this time: more often nobody moves, and every change shifts midnight.
ZONE_CHANGE_INTERVAL = timedelta(days=7)
#: Work this long past local midnight may still count for the day before.
GRACE = timedelta(hours=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalMoment:
    """A moment with the clock it was lived by. `at` is UTC; `at + offset_s` is what that clock showed."""

    at: datetime
    local_date: date
    zone: str
    offset_s: int

    @property
    def is_in_grace(self) -> bool:
        """Whether the clock showed less than three hours past midnight."""
        return timedelta(hours=self.clock_time.hour, minutes=self.clock_time.minute) < GRACE

    @property
    def clock_time(self) -> time:
        """What the clock showed."""
        return (self.at + timedelta(seconds=self.offset_s)).time()


@cache
def known_zones() -> AbstractSet[str]:
    """Every IANA zone there is."""
    return frozenset(available_timezones())


def checked_zone(name: str) -> str:
    """The zone's name, if there is such a zone.

    Raises:
        InvalidValue: there is none.
    """
    if name not in known_zones():
        raise InvalidValue("timeZone", name, "an IANA time zone, such as Europe/Berlin or America/New_York")
    return name


def moment_in(zone: str, at: datetime) -> LocalMoment:
    """The moment `at` (aware) on the clocks of `zone`."""
    local = at.astimezone(ZoneInfo(zone))
    offset = local.utcoffset() or timedelta()
    return LocalMoment(at=at.astimezone(UTC), local_date=local.date(), zone=zone, offset_s=int(offset.total_seconds()))


def start_of_day(zone: str, day: date) -> datetime:
    """The first moment of a local day; days have 23 to 25 hours, so the next day's start is never this plus 24."""
    return datetime.combine(day, time(), tzinfo=ZoneInfo(zone))
