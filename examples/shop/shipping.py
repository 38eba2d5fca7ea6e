"""When and where a parcel is handed over: delivery days, slots, lockers."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from examples.shop import pages
from examples.shop.web import Page, Shop, Visit, redirect


def show_day(shop: Shop, visit: Visit) -> Page:
    day = parse_day(visit.query.get("day", ""), shop.config["date_format"])
    slots = shop.storage.rows("SELECT * FROM slots WHERE day = ? AND free > 0 ORDER BY wall_time", day.isoformat())
    return pages.delivery_day(shop, day, slots, sorted(locker_hours(day, ZoneInfo(shop.config["zone"]))))


def parse_day(text: str, date_format: str) -> date:
    return datetime.strptime(text, date_format).replace(tzinfo=UTC).date()


def locker_hours(day: date, zone: ZoneInfo) -> dict[str, datetime]:
    """Lockers are open round the clock: what the clock on the wall shows, and when that is."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    moments = [midnight + timedelta(hours=hours) for hours in range(24)]
    return {f"{moment.astimezone(zone):%Y-%m-%d %H:%M}": moment for moment in moments}


def book_locker(shop: Shop, visit: Visit) -> Page:
    if visit.customer_id is None:
        return redirect("/login")
    day = date.fromisoformat(visit.form["day"])
    starts_at = locker_moment(day, visit.form["hour"], ZoneInfo(shop.config["zone"]))
    shop.storage.write(
        "INSERT INTO locker_bookings (customer_id, starts_at) VALUES (?, ?)", visit.customer_id, starts_at.isoformat()
    )
    return pages.message(shop, "Locker", f"Yours from {starts_at:%Y-%m-%d %H:%M} UTC")


def locker_moment(day: date, hour: str, zone: ZoneInfo) -> datetime:
    return locker_hours(day, zone)[f"{day} {hour}"]


def open_slots(shop: Shop, visit: Visit) -> Page:
    """An administrator opens a day: one slot an hour, from midnight to midnight."""
    day = date.fromisoformat(visit.form["day"])
    with shop.storage.transaction():
        shop.storage.write("DELETE FROM slots WHERE day = ?", day.isoformat())
        for moment in hours_of(day, ZoneInfo(shop.config["zone"])):
            add_slot(shop, day, f"{moment:%H:%M}")
    return redirect("/admin")


def hours_of(day: date, zone: ZoneInfo) -> list[datetime]:
    begin, end = (
        datetime(at.year, at.month, at.day, tzinfo=zone).astimezone(UTC) for at in (day, day + timedelta(days=1))
    )
    count = int((end - begin) / timedelta(hours=1))
    return [(begin + timedelta(hours=hours)).astimezone(zone) for hours in range(count)]


def add_slot(shop: Shop, day: date, wall_time: str) -> None:
    shop.storage.write("INSERT INTO slots (day, wall_time, free) VALUES (?, ?, 4)", day.isoformat(), wall_time)


def show_locker(shop: Shop, visit: Visit) -> Page:
    locker = visit.path["locker"]
    if locker not in shop.config["lockers"]:
        return pages.refusal(shop, 404, "There is no such locker.")
    return pages.message(shop, f"Locker {locker}", locker_state(shop, locker))


def locker_state(shop: Shop, locker: str) -> str:
    timeout_s = shop.config["lockers"][locker]["timeout_s"]
    return shop.suppliers.fetch(f"/lockers/{locker}", timeout_s).decode()
