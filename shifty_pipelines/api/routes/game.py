"""HITL arcade (3009): the game around missions, and the tenant's figures."""

import csv
import io
import uuid
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from shifty_pipelines.api.answers import Cursor, Limit, Ok, Page, decode_cursor, encode_cursor
from shifty_pipelines.api.catalogue import HITL_ARCADE
from shifty_pipelines.api.guard import CallDep
from shifty_pipelines.api.idempotency import OnceDep
from shifty_pipelines.api.routes.arcade import labeler_of
from shifty_pipelines.api.routing import router_of
from shifty_pipelines.contexts.arcade.domain.badges import BADGES
from shifty_pipelines.contexts.arcade.domain.boards import Board
from shifty_pipelines.contexts.arcade.schemas.game import (
    BadgeOut,
    BoardPage,
    CalendarBody,
    CalendarOut,
    ChallengeOut,
    CorrectionBody,
    EntryOut,
    FiguresOut,
    LedgerLineOut,
    ProfileBody,
    ProfileOut,
    PurchaseBody,
    PurchaseOut,
    ShopItemOut,
)
from shifty_pipelines.kernel.tenant import UserId

game: APIRouter = router_of(HITL_ARCADE)
#: The tenant manager has a route of the same path, on its own port.
figures: APIRouter = router_of(HITL_ARCADE)

#: Lines of one export: a season's board, not a directory of everybody.
MAX_EXPORTED = 1000
#: A spreadsheet takes a cell that begins so for a formula.
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")

_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
ExportLimit = Annotated[int, Query(ge=1, le=MAX_EXPORTED)]


@game.get("/api/v1/profiles/{user_id}")
def read_profile(user_id: uuid.UUID, call: CallDep) -> Ok[ProfileOut]:
    """A player's profile, made on first read."""
    with call.open() as services:
        services.tenancy.user(user_id)
        return Ok[ProfileOut](data=ProfileOut.of(services.arcade.profile(UserId(user_id))))


@game.patch("/api/v1/profiles/{user_id}")
def change_profile(user_id: uuid.UUID, body: ProfileBody, call: CallDep) -> Ok[ProfileOut]:
    """Change one's display name, time zone, visibility or cosmetic."""
    with call.open() as services:
        labeler_id = labeler_of(services, call, user_id)
        return Ok[ProfileOut](data=ProfileOut.of(services.arcade.change_profile(labeler_id, body.change())))


@game.get("/api/v1/users/{user_id}/ledger")
def read_ledger(user_id: uuid.UUID, call: CallDep, limit: Limit = 50, cursor: Cursor = None) -> Page[LedgerLineOut]:
    """A player's XP and coins, movement by movement, each with what it comes from; newest first."""
    with call.open() as services:
        lines = services.arcade.ledger(
            labeler_id=labeler_of(services, call, user_id), limit=limit + 1, after=decode_cursor(cursor)
        )
    shown = lines[:limit]
    next_cursor = encode_cursor(shown[-1].created_at, shown[-1].id) if len(lines) > limit else None
    return Page[LedgerLineOut](data=[LedgerLineOut.model_validate(line) for line in shown], next_cursor=next_cursor)


@game.post("/api/v1/missions/{mission_id}/corrections", status_code=201)
def correct_payment(mission_id: uuid.UUID, body: CorrectionBody, call: CallDep) -> Ok[list[LedgerLineOut]]:
    """Pay a settled answer as right, or take its payment back; answers with every row of that payment."""
    with call.open() as services:
        services.tenancy.user(body.user_id)
        rows = services.arcade.correct(
            mission_id,
            labeler_id=UserId(body.user_id),
            is_right=body.is_right,
            reason=body.reason,
            cause_id=body.cause_id,
        )
    return Ok[list[LedgerLineOut]](data=[LedgerLineOut.model_validate(row) for row in rows])


@game.get("/api/v1/tenants/{tenant_id}/leaderboard")
def read_leaderboard(
    tenant_id: uuid.UUID,
    call: CallDep,
    type: Board = Board.XP_ALL_TIME,  # noqa: A002  # the specification's query name
    limit: Limit = 10,
) -> BoardPage:
    """The top of a board, the caller's rank, and five above and five below it."""
    with call.open() as services:
        return BoardPage.of(services.arcade.leaderboard(type, limit=limit))


@game.get("/api/v1/tenants/{tenant_id}/leaderboard/export", response_class=Response, responses=_CSV)
def export_leaderboard(
    tenant_id: uuid.UUID,
    call: CallDep,
    type: Board = Board.XP_ALL_TIME,  # noqa: A002  # as above
    limit: ExportLimit = MAX_EXPORTED,
) -> Response:
    """A board as CSV, with the same names and pseudonyms as on the page, and nobody who hides."""
    with call.open() as services:
        view = services.arcade.leaderboard(type, limit=limit)
    lines = [EntryOut.of(entry, view.board) for entry in view.top]
    return Response(_csv(lines), media_type="text/csv; charset=utf-8")


@game.get("/api/v1/tenants/{tenant_id}/badges")
def list_badges(tenant_id: uuid.UUID, call: CallDep) -> Page[BadgeOut]:
    """Every badge that can be earned."""
    return Page[BadgeOut](data=[BadgeOut.of(badge) for badge in BADGES], next_cursor=None)


@game.get("/api/v1/tenants/{tenant_id}/challenges/today")
def read_challenge(tenant_id: uuid.UUID, call: CallDep) -> Ok[ChallengeOut]:
    """The challenge of the caller's day, and how far they got."""
    with call.open() as services:
        view = services.arcade.challenge_today(labeler_id=call.acting_user(None))
    return Ok[ChallengeOut](data=ChallengeOut.of(view))


@game.get("/api/v1/tenants/{tenant_id}/shop")
def list_shop(tenant_id: uuid.UUID, call: CallDep) -> Page[ShopItemOut]:
    """What coins buy."""
    with call.open() as services:
        items = services.arcade.shop_items()
    return Page[ShopItemOut](data=[ShopItemOut.of(item) for item in items], next_cursor=None)


@game.post("/api/v1/tenants/{tenant_id}/shop/purchases", status_code=201)
def buy(tenant_id: uuid.UUID, body: PurchaseBody, call: CallDep, once: OnceDep) -> Ok[PurchaseOut]:
    """Buy one item with one's coins."""
    labeler_id = call.acting_user(None)
    with call.open() as services:
        purchase_id = once.run(services, lambda: services.arcade.buy(body.item_id, labeler_id=labeler_id))
        purchased = services.arcade.purchase(purchase_id, labeler_id=labeler_id)
    return Ok[PurchaseOut](data=PurchaseOut.of(purchased))


@game.get("/api/v1/tenants/{tenant_id}/arcade-settings")
def read_calendar(tenant_id: uuid.UUID, call: CallDep) -> Ok[CalendarOut]:
    """Where the tenant's days begin, which weekdays rest, and whether there are leaderboards."""
    with call.open() as services:
        return Ok[CalendarOut](data=CalendarOut.model_validate(services.arcade.calendar()))


@game.put("/api/v1/tenants/{tenant_id}/arcade-settings")
def change_calendar(tenant_id: uuid.UUID, body: CalendarBody, call: CallDep) -> Ok[CalendarOut]:
    """Change the tenant's calendar; rest days change from today on."""
    with call.open() as services:
        view = services.arcade.change_calendar(
            zone=body.time_zone, rest_weekdays=body.rest_weekdays, has_leaderboard=body.has_leaderboard
        )
    return Ok[CalendarOut](data=CalendarOut.model_validate(view))


@figures.get("/api/v1/tenants/{tenant_id}/stats")
def read_figures(
    tenant_id: uuid.UUID, call: CallDep, start: date | None = None, end: date | None = None
) -> Ok[FiguresOut]:
    """The tenant's figures from the start of one of its days to the end of another; 30 days up to today if not told."""
    with call.open() as services:
        return Ok[FiguresOut](data=FiguresOut.model_validate(services.arcade.figures(start, end)))


def _csv(lines: list[EntryOut]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["rank", "userId", "displayName", "level", "score"])
    for line in lines:
        name = f"'{line.display_name}" if line.display_name.startswith(_FORMULA_SIGNS) else line.display_name
        writer.writerow([line.rank, line.user_id or "", name, line.level, line.score])
    return text.getvalue()
