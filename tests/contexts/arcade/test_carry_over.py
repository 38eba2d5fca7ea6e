"""What was earned before the game had boards is on them afterwards, in every tenant, and worked days are days."""

import uuid
from collections.abc import Iterator
from datetime import date

import psycopg
import pytest
from psycopg import sql

from shifty_pipelines.contexts.arcade.domain.boards import wilson_lower_bound
from shifty_pipelines.kernel.migrations import migrate
from shifty_pipelines.kernel.roles import bootstrap_roles
from tests.conftest import INSTALLATION_ID, TestServer

BEFORE_THE_GAME = "0013"


@pytest.fixture
def old_database(postgres: TestServer) -> Iterator[str]:
    name = f"shifty_old_{uuid.uuid4().hex}"
    with postgres.admin() as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with postgres.admin(name) as admin:
        bootstrap_roles(admin, postgres.passwords, INSTALLATION_ID)
    migrate(postgres.admin_url(name), revision=BEFORE_THE_GAME)
    yield name
    with postgres.admin() as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def answered(admin: psycopg.Connection, tenant: uuid.UUID, labeler: uuid.UUID, *, on: str, xp: int, kind: str) -> None:
    """One settled answer as it was written then."""
    mission, slot = uuid.uuid4(), uuid.uuid4()
    admin.execute(
        "INSERT INTO missions VALUES (%s, %s, gen_random_uuid(), %s, 'beginner', 'settled', 't', '', '', 50, 0, 5, 1,"
        " 0, 1, 0, 2, NULL, %s, NULL, %s, %s, 'timeout')",
        [tenant, mission, kind, on, on, on],
    )
    admin.execute(
        "INSERT INTO mission_slots VALUES (%s, %s, %s, 1, %s, 'completed', false, 1, %s, %s, NULL, %s, '{}', NULL,"
        " NULL)",
        [tenant, slot, mission, labeler, on, on, on],
    )
    admin.execute(
        "INSERT INTO xp_ledger VALUES (%s, gen_random_uuid(), %s, %s, %s, 'settled', %s, 0, 0, 0, %s)",
        [tenant, labeler, mission, slot, xp, on],
    )


def test_old_ledgers_are_on_the_boards(postgres: TestServer, old_database: str) -> None:
    people = {uuid.uuid4(): uuid.uuid4() for _ in range(2)}
    with postgres.admin(old_database) as admin:
        for tenant, labeler in people.items():
            admin.execute("SELECT platform.create_tenant(%s, %s, false)", [tenant, f"t-{tenant}"])
            admin.execute("INSERT INTO arcade_profiles VALUES (%s, %s, 'A', 1, now(), now())", [tenant, labeler])
            for number in range(20):
                xp, day = (0 if number == 0 else 50), 1 + number // 10
                answered(admin, tenant, labeler, on=f"2026-03-{day:02}T12:00Z", xp=xp, kind="classify_error")
            answered(admin, tenant, labeler, on="2026-03-03T12:00Z", xp=350, kind="approve_deployment")
        migrate(postgres.admin_url(old_database))
        scores = admin.execute("SELECT tenant_id, board, starts_on, score FROM leaderboard_scores").fetchall()
        work = admin.execute("SELECT tenant_id, local_date, count(*) FROM labeler_work GROUP BY 1, 2").fetchall()
    for tenant in people:
        of_tenant = {(board, starts_on): score for owner, board, starts_on, score in scores if owner == tenant}
        # Sunday, 1 March: nine right answers of fifty; Monday, 2 March: ten. Approvals are on no board.
        assert {key: score for key, score in of_tenant.items() if key[0].startswith("xp")} == {
            ("xp_all_time", date(1970, 1, 1)): 950, ("xp_monthly", date(2026, 3, 1)): 950,
            ("xp_weekly", date(2026, 2, 23)): 450, ("xp_weekly", date(2026, 3, 2)): 500,
            ("xp_daily", date(2026, 3, 1)): 450, ("xp_daily", date(2026, 3, 2)): 500,
        }  # fmt: skip
        assert of_tenant["missions_all_time", date(1970, 1, 1)] == 19
        bound = pytest.approx(wilson_lower_bound(19, 20), abs=1e-6)
        assert of_tenant["accuracy", date(1970, 1, 1)] == bound
        days = {day: count for owner, day, count in work if owner == tenant}
        assert days == {date(2026, 3, 1): 10, date(2026, 3, 2): 10, date(2026, 3, 3): 1}
    with postgres.admin(old_database) as admin:
        unforced = admin.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            " AND NOT relforcerowsecurity AND relname <> 'alembic_version'"
        ).fetchall()
    assert unforced == []
