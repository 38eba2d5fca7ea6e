"""Missions, complete: answers with labels of their own, drafts, skips, the queue's order, templates, batches, gold."""

from alembic import op

from shifty_pipelines.kernel.migrations import tenant_table

revision = "0013"
down_revision = "0012"

MISSION_TYPES = (
    "'label_test_output', 'validate_selector', 'rate_test_quality', 'verify_fix', 'classify_error',"
    " 'annotate_ui_element', 'review_model_output', 'approve_deployment'"
)
SKIP_REASONS = "'unclear_instructions', 'missing_context', 'broken_item', 'outside_expertise', 'personal_data', 'other'"


def upgrade() -> None:
    widen_curation()
    widen_missions()
    order_the_queue()
    widen_slots()
    create_drafts()
    create_batches()


def widen_curation() -> None:
    # The labels of one item alone, e.g. the elements of its page; NULL where those of its mission type hold.
    op.execute("ALTER TABLE items ADD COLUMN labels text[] CHECK (cardinality(labels) BETWEEN 2 AND 100)")
    op.execute("ALTER TABLE error_events ADD COLUMN reported_by uuid")
    tenant_table(
        "gold_items",
        """item_id uuid NOT NULL, mission_type text NOT NULL, label text NOT NULL,
        source text NOT NULL CHECK (source IN ('seeded', 'adjudicated', 'confirmed')),
        created_at timestamptz NOT NULL, created_by uuid, PRIMARY KEY (tenant_id, item_id),
        FOREIGN KEY (tenant_id, item_id) REFERENCES items (tenant_id, id)""",
        grant="SELECT, INSERT, DELETE",
    )
    op.execute("CREATE INDEX gold_items_type ON gold_items (tenant_id, mission_type, label)")


def widen_missions() -> None:
    for column in (
        "is_paused boolean NOT NULL DEFAULT false",
        "batch_id uuid",
        "reported_by uuid",
        "decision text CHECK (decision IN ('approve', 'reject'))",
        "decided_at timestamptz",
        "outcome text CHECK (outcome IN ('good', 'bad'))",
    ):
        op.execute(f"ALTER TABLE missions ADD COLUMN {column}")
    op.execute("ALTER TABLE missions DROP CONSTRAINT missions_state_check")
    op.execute(
        "ALTER TABLE missions ADD CONSTRAINT missions_state_check"
        " CHECK (state IN ('open', 'decided', 'settled', 'disputed', 'cancelled', 'expired'))"
    )
    op.execute("CREATE INDEX missions_batch ON missions (tenant_id, batch_id) WHERE batch_id IS NOT NULL")


def order_the_queue() -> None:
    # 86,400: complete uncertainty is worth a day of waiting. Stored, so that an index serves the order.
    op.execute(
        "ALTER TABLE missions ADD COLUMN uncertainty double precision NOT NULL DEFAULT 1"
        " CHECK (uncertainty BETWEEN 0 AND 1)"
    )
    op.execute(
        "ALTER TABLE missions ADD COLUMN queue_rank double precision NOT NULL GENERATED ALWAYS AS"
        " ((extract(epoch FROM created_at AT TIME ZONE 'UTC'))::double precision - 86400 * uncertainty) STORED"
    )
    claimable = "WHERE state = 'open' AND open_slots > 0 AND NOT is_paused"
    op.execute("DROP INDEX missions_queue, missions_available")
    op.execute(
        "CREATE INDEX missions_queue ON missions (tenant_id, required_skill_level, priority DESC, queue_rank, id)"
        f" {claimable} AND type <> 'approve_deployment'"
    )
    op.execute(
        "CREATE INDEX missions_queue_of_type ON missions"
        f" (tenant_id, type, required_skill_level, priority DESC, queue_rank, id) {claimable}"
    )
    op.execute(f"CREATE INDEX missions_available ON missions (tenant_id, xp_reward DESC, created_at, id) {claimable}")


def widen_slots() -> None:
    op.execute(f"ALTER TABLE mission_slots ADD COLUMN skip_reason text CHECK (skip_reason IN ({SKIP_REASONS}))")
    op.execute("ALTER TABLE mission_slots ADD COLUMN skipped_at timestamptz")
    op.execute(
        "ALTER TABLE mission_slots ADD CONSTRAINT mission_slots_skip_check CHECK ("
        "(skip_reason IS NULL) = (skipped_at IS NULL) AND (skip_reason IS NULL OR state = 'released'))"
    )
    op.execute(
        "CREATE INDEX mission_slots_skips ON mission_slots (tenant_id, labeler_id, skipped_at)"
        " WHERE skipped_at IS NOT NULL"
    )
    op.execute(
        "CREATE INDEX mission_slots_recent ON mission_slots (tenant_id, completed_at DESC) WHERE state = 'completed'"
    )
    tenant_table(
        "mission_type_times",
        f"""type text NOT NULL CHECK (type IN ({MISSION_TYPES})), p90_s double precision NOT NULL CHECK (p90_s >= 0),
        answer_count integer NOT NULL CHECK (answer_count > 0), measured_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, type)""",
    )


def create_drafts() -> None:
    # Of a labeler and a mission, not of an assignment: a draft outlives the lease it was begun under.
    tenant_table(
        "mission_drafts",
        """mission_id uuid NOT NULL, labeler_id uuid NOT NULL, key_slot bigint NOT NULL, sealed bytea NOT NULL,
        saved_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, mission_id, labeler_id),
        FOREIGN KEY (tenant_id, mission_id) REFERENCES missions (tenant_id, id),
        FOREIGN KEY (tenant_id, labeler_id) REFERENCES arcade_profiles (tenant_id, id)""",
    )
    op.execute("CREATE INDEX mission_drafts_key_slot ON mission_drafts (tenant_id, key_slot)")
    op.execute("CREATE INDEX mission_drafts_labeler ON mission_drafts (tenant_id, labeler_id)")


def create_batches() -> None:
    tenant_table(
        "mission_templates",
        f"""id uuid NOT NULL, name text NOT NULL, type text NOT NULL CHECK (type IN ({MISSION_TYPES})),
        difficulty text NOT NULL CHECK (difficulty IN ('beginner', 'intermediate', 'advanced', 'expert')),
        title text NOT NULL, description text NOT NULL, instructions text NOT NULL, labels text[],
        xp_reward integer NOT NULL CHECK (xp_reward BETWEEN 1 AND 1000),
        coin_reward integer NOT NULL CHECK (coin_reward BETWEEN 0 AND 100),
        time_estimate_minutes integer NOT NULL CHECK (time_estimate_minutes BETWEEN 1 AND 60),
        required_skill_level integer NOT NULL CHECK (required_skill_level BETWEEN 1 AND 100),
        slot_count integer NOT NULL CHECK (slot_count BETWEEN 1 AND 7), priority integer NOT NULL,
        created_at timestamptz NOT NULL, created_by uuid, PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, name)""",
    )
    op.execute("CREATE INDEX mission_templates_list ON mission_templates (tenant_id, created_at DESC, id DESC)")
    tenant_table(
        "mission_batches",
        """id uuid NOT NULL, name text NOT NULL, template_id uuid NOT NULL,
        state text NOT NULL CHECK (state IN ('open', 'paused', 'cancelled')),
        mission_count integer NOT NULL CHECK (mission_count > 0), expires_at timestamptz,
        created_at timestamptz NOT NULL, created_by uuid, updated_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, template_id) REFERENCES mission_templates (tenant_id, id)""",
    )
    op.execute("CREATE INDEX mission_batches_list ON mission_batches (tenant_id, created_at DESC, id DESC)")
    op.execute("CREATE INDEX mission_batches_template ON mission_batches (tenant_id, template_id)")
    op.execute("ALTER TABLE missions ADD FOREIGN KEY (tenant_id, batch_id) REFERENCES mission_batches (tenant_id, id)")
