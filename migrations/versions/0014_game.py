"""The game: corrections, bonuses and purchases in the ledger; work by local day, streaks, boards, badges, the shop."""

from alembic import op

from shifty_pipelines.kernel.migrations import tenant_table

revision = "0014"
down_revision = "0013"

PROFILE = "FOREIGN KEY (tenant_id, labeler_id) REFERENCES arcade_profiles (tenant_id, id)"
MOMENT = (
    "occurred_at timestamptz NOT NULL, local_date date NOT NULL, zone text NOT NULL,"
    " offset_s integer NOT NULL CHECK (offset_s BETWEEN -86400 AND 86400)"
)


def upgrade() -> None:
    widen_profiles()
    widen_ledger()
    create_work_and_streaks()
    create_boards()
    create_badges_and_purchases()
    carry_over()


def widen_profiles() -> None:
    op.execute(
        """ALTER TABLE arcade_profiles ADD COLUMN zone text NOT NULL DEFAULT 'UTC',
        ADD COLUMN zone_changed_at timestamptz, ADD COLUMN visibility text NOT NULL DEFAULT 'named'
          CHECK (visibility IN ('named', 'pseudonym', 'hidden')),
        ADD COLUMN pseudonym text, ADD COLUMN cosmetic text,
        ADD CHECK (visibility <> 'pseudonym' OR pseudonym IS NOT NULL)"""
    )


def widen_ledger() -> None:
    op.execute(
        """ALTER TABLE xp_ledger ALTER COLUMN mission_id DROP NOT NULL, ALTER COLUMN assignment_id DROP NOT NULL,
        ADD COLUMN settled_count integer NOT NULL DEFAULT 0 CHECK (settled_count BETWEEN -1 AND 1),
        ADD COLUMN right_count integer NOT NULL DEFAULT 0 CHECK (right_count BETWEEN -1 AND 1),
        ADD COLUMN scored_on date, ADD COLUMN reason text, ADD COLUMN cause_id uuid,
        DROP CONSTRAINT xp_ledger_kind_check,
        ADD CONSTRAINT xp_ledger_kind_check CHECK (
          kind IN ('pending', 'settled', 'reversal', 'correction', 'bonus', 'purchase')),
        ADD CHECK ((assignment_id IS NULL) = (kind IN ('bonus', 'purchase'))),
        ADD CHECK ((assignment_id IS NULL) = (mission_id IS NULL)),
        ADD CHECK ((cause_id IS NOT NULL) = (kind IN ('correction', 'bonus', 'purchase'))),
        ADD CHECK ((reason IS NOT NULL) = (kind IN ('correction', 'bonus', 'purchase'))),
        ADD CHECK (kind <> 'purchase' OR (xp = 0 AND coins <= 0)),
        ADD CHECK (kind <> 'bonus' OR (xp >= 0 AND coins >= 0)),
        DROP CONSTRAINT xp_ledger_tenant_id_assignment_id_kind_key"""
    )
    # A promise, its payment and its withdrawal: once each.
    op.execute(
        "CREATE UNIQUE INDEX xp_ledger_assignment ON xp_ledger (tenant_id, assignment_id, kind)"
        " WHERE kind IN ('pending', 'settled', 'reversal')"
    )
    # The rest: once per cause, however often it is asked for.
    op.execute(
        "CREATE UNIQUE INDEX xp_ledger_cause ON xp_ledger (tenant_id, labeler_id, kind, cause_id, assignment_id)"
        " NULLS NOT DISTINCT WHERE cause_id IS NOT NULL"
    )
    op.execute("CREATE INDEX xp_ledger_corrections ON xp_ledger (tenant_id, assignment_id) WHERE kind = 'correction'")
    op.execute(
        "CREATE INDEX xp_ledger_scored ON xp_ledger (tenant_id, scored_on)"
        " INCLUDE (labeler_id, xp, settled_count, right_count) WHERE scored_on IS NOT NULL"
    )
    op.execute("DROP INDEX xp_ledger_labeler")
    op.execute(
        "CREATE INDEX xp_ledger_labeler ON xp_ledger (tenant_id, labeler_id, created_at)"
        " INCLUDE (xp, coins, xp_pending, coins_pending, settled_count, right_count)"
    )
    op.execute("CREATE INDEX xp_ledger_list ON xp_ledger (tenant_id, labeler_id, created_at DESC, id DESC)")


def create_work_and_streaks() -> None:
    tenant_table(
        "labeler_work",
        f"""id uuid NOT NULL, labeler_id uuid NOT NULL, {MOMENT}, PRIMARY KEY (tenant_id, id), {PROFILE},
        FOREIGN KEY (tenant_id, id) REFERENCES mission_slots (tenant_id, id)""",
        grant="SELECT, INSERT",
    )
    op.execute("CREATE INDEX labeler_work_own ON labeler_work (tenant_id, labeler_id, local_date, occurred_at)")
    op.execute("CREATE INDEX labeler_work_period ON labeler_work (tenant_id, occurred_at) INCLUDE (labeler_id)")
    tenant_table(
        "labeler_streaks",
        """id uuid NOT NULL, state jsonb NOT NULL, ends_at timestamptz, updated_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, id) REFERENCES arcade_profiles (tenant_id, id)""",
    )
    op.execute("CREATE INDEX labeler_streaks_end ON labeler_streaks (tenant_id, ends_at) WHERE ends_at IS NOT NULL")


def create_boards() -> None:
    tenant_table(
        "leaderboard_scores",
        f"""board text NOT NULL, starts_on date NOT NULL, labeler_id uuid NOT NULL, score double precision NOT NULL,
        settled_count integer NOT NULL DEFAULT 0, right_count integer NOT NULL DEFAULT 0,
        reached_at timestamptz NOT NULL, behind double precision NOT NULL GENERATED ALWAYS AS (-score) STORED,
        PRIMARY KEY (tenant_id, labeler_id, board, starts_on), {PROFILE}""",
    )
    # Ascending in all three: a rank is the size of one range of this index, and neighbours are its two ends. Who has
    # nothing on a board is not on it.
    op.execute(
        "CREATE INDEX leaderboard_scores_rank ON leaderboard_scores"
        " (tenant_id, board, starts_on, behind, reached_at, labeler_id) WHERE score > 0"
    )
    tenant_table(
        "arcade_settings",
        """zone text NOT NULL, rest_days jsonb NOT NULL, has_leaderboard boolean NOT NULL,
        updated_at timestamptz NOT NULL, PRIMARY KEY (tenant_id)""",
    )


def create_badges_and_purchases() -> None:
    tenant_table(
        "labeler_badges",
        f"""labeler_id uuid NOT NULL, badge text NOT NULL, awarded_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, labeler_id, badge), {PROFILE}""",
        grant="SELECT, INSERT, DELETE",
    )
    tenant_table(
        "shop_purchases",
        f"""id uuid NOT NULL, labeler_id uuid NOT NULL, item text NOT NULL, coins integer NOT NULL CHECK (coins >= 0),
        {MOMENT}, PRIMARY KEY (tenant_id, id), {PROFILE}""",
        grant="SELECT, INSERT",
    )
    op.execute("CREATE INDEX shop_purchases_own ON shop_purchases (tenant_id, labeler_id, item, occurred_at)")


def carry_over() -> None:
    """What was earned before: settled by UTC days, which is what the boards' calendar begins with."""
    # The owner is under the policies too, and names no tenant: for these statements it is not.
    tables = ("xp_ledger", "mission_slots", "missions", "labeler_work", "leaderboard_scores")
    for table in tables:
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "UPDATE xp_ledger l SET settled_count = (m.type <> 'approve_deployment')::int,"
        " right_count = (xp > 0 AND m.type <> 'approve_deployment')::int,"
        " scored_on = CASE WHEN m.type <> 'approve_deployment' THEN (l.created_at AT TIME ZONE 'UTC')::date END"
        " FROM missions m WHERE m.tenant_id = l.tenant_id AND m.id = l.mission_id AND l.kind = 'settled'"
        " AND m.state = 'settled'"
    )
    op.execute(
        "INSERT INTO labeler_work SELECT tenant_id, id, labeler_id, completed_at,"
        " (completed_at AT TIME ZONE 'UTC')::date, 'UTC', 0 FROM mission_slots WHERE state = 'completed'"
    )
    for measure, column in (("xp", "xp"), ("missions", "right_count")):
        for period, first_day in (
            ("all_time", "date '1970-01-01'"), ("monthly", "date_trunc('month', scored_on)::date"),
            ("weekly", "date_trunc('week', scored_on)::date"), ("daily", "scored_on"),
        ):  # fmt: skip
            op.execute(
                "INSERT INTO leaderboard_scores (tenant_id, board, starts_on, labeler_id, score, reached_at)"
                f" SELECT tenant_id, '{measure}_{period}', {first_day}, labeler_id, sum({column}), max(created_at)"
                f" FROM xp_ledger WHERE scored_on IS NOT NULL GROUP BY tenant_id, {first_day}, labeler_id"
            )
    op.execute(
        # Wilson's lower bound, as domain/boards.py has it; with fewer than 20 answers nothing is shown.
        "INSERT INTO leaderboard_scores SELECT tenant_id, 'accuracy', date '1970-01-01', labeler_id,"
        " CASE WHEN n < 20 THEN 0 ELSE (k / n + 1.9207294 / n - 1.959963984540054"
        " * sqrt(k / n * (1 - k / n) / n + 0.9603647 / (n * n))) / (1 + 3.8414588 / n) END, n, k, at"
        " FROM (SELECT tenant_id, labeler_id, sum(settled_count)::float8 AS n, sum(right_count)::float8 AS k,"
        " max(created_at) AS at FROM xp_ledger WHERE scored_on IS NOT NULL GROUP BY tenant_id, labeler_id) AS tallies"
    )
    for table in tables:
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
