"""Items and their labels (curation); missions, slots and the XP ledger (arcade)."""

from alembic import op

from shifty_pipelines.kernel.migrations import tenant_table

revision = "0003"
down_revision = "0002"

MISSION_TYPES = (
    "'label_test_output', 'validate_selector', 'rate_test_quality', 'verify_fix', 'classify_error',"
    " 'annotate_ui_element', 'review_model_output', 'approve_deployment'"
)


def upgrade() -> None:
    create_items()
    create_labels()
    create_missions()
    create_slots()
    create_ledger()


def create_items() -> None:
    tenant_table(
        "label_sets",
        """id uuid NOT NULL, mission_type text NOT NULL,
        labels text[] NOT NULL CHECK (cardinality(labels) BETWEEN 2 AND 100),
        updated_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, mission_type)""",
    )
    tenant_table(
        "items",
        """id uuid NOT NULL, mission_type text NOT NULL, source text NOT NULL, external_id text,
        key_slot bigint NOT NULL, sealed bytea NOT NULL, created_at timestamptz NOT NULL, created_by uuid,
        PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, source, external_id)""",
    )
    op.execute("CREATE INDEX items_key_slot ON items (tenant_id, key_slot)")
    op.execute("CREATE INDEX items_type ON items (tenant_id, mission_type, created_at, id)")


def create_labels() -> None:
    tenant_table(
        "label_events",
        """id uuid NOT NULL, item_id uuid NOT NULL, labeler_id uuid NOT NULL,
        kind text NOT NULL CHECK (kind IN ('label', 'tombstone')), label text,
        source text NOT NULL CHECK (source IN ('mission', 'import', 'adjudication')),
        mission_id uuid, assignment_id uuid, tombstones uuid, created_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, item_id) REFERENCES items (tenant_id, id),
        FOREIGN KEY (tenant_id, tombstones) REFERENCES label_events (tenant_id, id),
        CHECK ((kind = 'label') = (label IS NOT NULL)), CHECK ((kind = 'tombstone') = (tombstones IS NOT NULL)),
        UNIQUE (tenant_id, tombstones)""",
        grant="SELECT, INSERT",
    )
    op.execute(
        "CREATE UNIQUE INDEX label_events_assignment ON label_events (tenant_id, assignment_id) WHERE kind = 'label'"
    )
    op.execute("CREATE INDEX label_events_item ON label_events (tenant_id, item_id, created_at, id)")
    op.execute("CREATE INDEX label_events_labeler ON label_events (tenant_id, labeler_id, created_at, id)")
    tenant_table(
        "labeler_skills",
        """labeler_id uuid NOT NULL, mission_type text NOT NULL,
        accuracy double precision NOT NULL CHECK (accuracy > 0 AND accuracy < 1),
        algorithm text NOT NULL, updated_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, labeler_id, mission_type)""",
    )


def create_missions() -> None:
    tenant_table(
        "arcade_profiles",
        """id uuid NOT NULL, display_name text NOT NULL, key_slot bigint NOT NULL, created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, id)""",
    )
    op.execute("CREATE INDEX arcade_profiles_key_slot ON arcade_profiles (tenant_id, key_slot)")
    tenant_table(
        "missions",
        f"""id uuid NOT NULL, item_id uuid NOT NULL, type text NOT NULL CHECK (type IN ({MISSION_TYPES})),
        difficulty text NOT NULL CHECK (difficulty IN ('beginner', 'intermediate', 'advanced', 'expert')),
        state text NOT NULL CHECK (state IN ('open', 'settled', 'disputed', 'cancelled', 'expired')),
        title text NOT NULL, description text NOT NULL, instructions text NOT NULL,
        xp_reward integer NOT NULL CHECK (xp_reward BETWEEN 1 AND 1000),
        coin_reward integer NOT NULL CHECK (coin_reward BETWEEN 0 AND 100),
        time_estimate_minutes integer NOT NULL CHECK (time_estimate_minutes BETWEEN 1 AND 60),
        required_skill_level integer NOT NULL CHECK (required_skill_level BETWEEN 1 AND 100),
        priority integer NOT NULL, slot_count integer NOT NULL CHECK (slot_count BETWEEN 1 AND 7),
        open_slots integer NOT NULL CHECK (open_slots BETWEEN 0 AND slot_count), next_token bigint NOT NULL,
        expires_at timestamptz, created_at timestamptz NOT NULL, created_by uuid, updated_at timestamptz NOT NULL,
        settled_at timestamptz, settled_label text, PRIMARY KEY (tenant_id, id),
        CHECK ((state = 'settled') = (settled_at IS NOT NULL)),
        CHECK ((state = 'settled') = (settled_label IS NOT NULL))
        """,
    )
    claimable = "WHERE state = 'open' AND open_slots > 0"
    op.execute(f"CREATE INDEX missions_queue ON missions (tenant_id, priority DESC, created_at, id) {claimable}")
    op.execute(f"CREATE INDEX missions_available ON missions (tenant_id, xp_reward DESC, created_at, id) {claimable}")
    op.execute("CREATE INDEX missions_overdue ON missions (tenant_id, expires_at) WHERE state = 'open'")
    op.execute("CREATE INDEX missions_unsettled ON missions (tenant_id, type) WHERE state IN ('open', 'disputed')")
    op.execute("CREATE INDEX missions_item ON missions (tenant_id, item_id)")


def create_slots() -> None:
    tenant_table(
        "mission_slots",
        """id uuid NOT NULL, mission_id uuid NOT NULL, slot_number integer NOT NULL CHECK (slot_number BETWEEN 1 AND 7),
        labeler_id uuid NOT NULL,
        state text NOT NULL CHECK (state IN ('leased', 'started', 'completed', 'released', 'expired', 'undone')),
        is_extra boolean NOT NULL, fencing_token bigint NOT NULL, lease_until timestamptz NOT NULL,
        claimed_at timestamptz NOT NULL, started_at timestamptz, completed_at timestamptz, result jsonb,
        key_slot bigint, sealed bytea, PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, mission_id) REFERENCES missions (tenant_id, id),
        FOREIGN KEY (tenant_id, labeler_id) REFERENCES arcade_profiles (tenant_id, id),
        UNIQUE (tenant_id, mission_id, fencing_token),
        CHECK ((key_slot IS NULL) = (sealed IS NULL)), CHECK (NOT is_extra OR state IN ('completed', 'undone')),
        CHECK ((state IN ('completed', 'undone')) = (result IS NOT NULL)),
        CHECK ((result IS NULL) = (completed_at IS NULL))""",
    )
    # The two indexes that make over-assignment impossible, whatever the code above them does.
    op.execute(
        "CREATE UNIQUE INDEX mission_slots_number ON mission_slots (tenant_id, mission_id, slot_number)"
        " WHERE state IN ('leased', 'started', 'completed') AND NOT is_extra"
    )
    op.execute(
        "CREATE UNIQUE INDEX mission_slots_labeler ON mission_slots (tenant_id, mission_id, labeler_id)"
        " WHERE state IN ('leased', 'started', 'completed')"
    )
    op.execute(
        "CREATE INDEX mission_slots_lease ON mission_slots (tenant_id, lease_until)"
        " WHERE state IN ('leased', 'started')"
    )
    op.execute(
        "CREATE INDEX mission_slots_own ON mission_slots (tenant_id, labeler_id, state, completed_at, mission_id)"
    )
    op.execute("CREATE INDEX mission_slots_key_slot ON mission_slots (tenant_id, key_slot)")


def create_ledger() -> None:
    tenant_table(
        "xp_ledger",
        """id uuid NOT NULL, labeler_id uuid NOT NULL, mission_id uuid NOT NULL, assignment_id uuid NOT NULL,
        kind text NOT NULL CHECK (kind IN ('pending', 'settled', 'reversal')),
        xp integer NOT NULL, coins integer NOT NULL, xp_pending integer NOT NULL, coins_pending integer NOT NULL,
        created_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, mission_id) REFERENCES missions (tenant_id, id),
        FOREIGN KEY (tenant_id, assignment_id) REFERENCES mission_slots (tenant_id, id),
        FOREIGN KEY (tenant_id, labeler_id) REFERENCES arcade_profiles (tenant_id, id),
        UNIQUE (tenant_id, assignment_id, kind)""",
        grant="SELECT, INSERT",
    )
    op.execute(
        "CREATE INDEX xp_ledger_labeler ON xp_ledger (tenant_id, labeler_id, created_at)"
        " INCLUDE (xp, coins, xp_pending, coins_pending)"
    )
    op.execute("CREATE INDEX xp_ledger_mission ON xp_ledger (tenant_id, mission_id)")
