"""What must hold of a tenant and of the machine when a story has come to its end, whatever was killed on the way."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from tests.crash.site import Site
from tests.crash.story import ERRORS, LABELERS, LABELS, Story

#: The reaper looks every fifteen seconds; a queued event of a killed dispatcher is due again after sixty.
REST_S = 90.0
LIVE_LABELS = """
    SELECT mission_id::text, labeler_id::text, label FROM label_events AS event
    WHERE tenant_id = %(tenant)s AND kind = 'label' AND NOT EXISTS (
        SELECT FROM label_events AS grave WHERE grave.tenant_id = %(tenant)s AND grave.tombstones = event.id)"""


class Verdict:
    """Reads one tenant's rows as superuser, and asks the API; every complaint is a sentence."""

    def __init__(self, site: Site, story: Story) -> None:
        self._site = site
        self._story = story

    def await_rest(self) -> None:
        """Wait until nothing of this tenant is on its way, no run, no event, no process, no directory."""
        self._story.engineer.await_rest(str(self._story.tenant_id), patience_s=REST_S)
        deadline_s = time.monotonic() + REST_S
        while complaints := list(self._restless()):
            assert time.monotonic() < deadline_s, "\n".join(complaints)
            time.sleep(0.3)

    def complaints(self) -> Sequence[str]:
        rules: Sequence[Callable[[], Iterator[str]]] = (
            self._errors_and_missions,
            self._labels,
            self._ledger,
            self._profiles,
            self._dataset,
            self._training,
            self._news,
            self._serving,
            self._restless,
        )
        return [complaint for rule in rules for complaint in rule()]

    # ----------------------------------------------------------------------------------------------------------- rules

    def _errors_and_missions(self) -> Iterator[str]:
        told = Counter(event["externalId"] for event in self._story.owner.pages(f"{self._story.path}/errors"))
        yield from self._differs("errors over the API", told, Counter(f"error-{n}" for n in range(ERRORS)))
        yield from self._is("error rows", "SELECT count(*) FROM error_events WHERE tenant_id = %(tenant)s", ERRORS)
        yield from self._is(
            "events with exactly one mission",
            """SELECT count(*) FROM error_events AS event WHERE tenant_id = %(tenant)s AND 1 = (
                SELECT count(*) FROM items JOIN missions ON missions.item_id = items.id
                WHERE items.tenant_id = %(tenant)s AND items.external_id = event.id::text)""",
            ERRORS,
        )
        yield from self._is(
            "settled missions",
            """SELECT count(*) FROM missions WHERE tenant_id = %(tenant)s AND state = 'settled' AND open_slots = 0""",
            ERRORS,
        )

    def _labels(self) -> Iterator[str]:
        said = Counter((answer.mission_id, answer.labeler_id, answer.label) for answer in self._story.answers)
        yield from self._differs("answers that were acknowledged", sum(said.values()), ERRORS * LABELERS)
        yield from self._differs("live labels", Counter(self._rows(LIVE_LABELS)), said)

    def _ledger(self) -> Iterator[str]:
        for kind in ("pending", "settled"):
            rows = self._rows(
                "SELECT assignment_id::text FROM xp_ledger WHERE tenant_id = %(tenant)s AND kind = %(kind)s", kind=kind
            )
            assignments = self._rows(
                "SELECT id::text FROM mission_slots WHERE tenant_id = %(tenant)s AND state = 'completed'"
            )
            yield from self._differs(f"{kind} rows", Counter(rows), Counter(assignments))
            yield from self._differs(f"{kind} rows in number", len(rows), ERRORS * LABELERS)
        yield from self._is(
            "reversals", "SELECT count(*) FROM xp_ledger WHERE tenant_id = %(tenant)s AND kind = 'reversal'", 0
        )

    def _profiles(self) -> Iterator[str]:
        for labeler_id in self._story.labelers:
            profile = self._story.owner.ask("GET", f"/api/v1/profiles/{labeler_id}")
            (paid,) = self._rows(
                """SELECT sum(xp), sum(right_count), coalesce(sum(xp) FILTER (WHERE kind = 'settled'), 0)
                FROM xp_ledger WHERE tenant_id = %(tenant)s AND labeler_id = %(labeler)s""",
                labeler=labeler_id,
            )
            (due,) = self._rows(
                """SELECT count(*), coalesce(sum(xp_reward), 0) FROM missions
                JOIN mission_slots AS slot ON slot.mission_id = missions.id
                WHERE missions.tenant_id = %(tenant)s AND slot.labeler_id = %(labeler)s AND slot.state = 'completed'
                AND slot.result ->> 'label' = missions.settled_label""",
                labeler=labeler_id,
            )
            yield from self._differs("XP of a profile, in the ledger", profile["xp"], paid[0])
            yield from self._differs("right answers in the ledger, of the missions", paid[1], due[0])
            # A right answer pays the mission's reward and, where others were wrong, up to a quarter more.
            is_in_range = due[1] <= paid[2] <= 1.25 * due[1]
            yield from self._differs("XP of right answers within its range", is_in_range, True)
            yield from self._differs("XP still pending", profile["xpPending"], 0)

    def _dataset(self) -> Iterator[str]:
        versions = self._rows("SELECT status, row_count FROM dataset_versions WHERE tenant_id = %(tenant)s")
        yield from self._differs("dataset versions", [status for status, _ in versions], ["current"])
        rows = "SELECT count(*) FROM dataset_rows WHERE tenant_id = %(tenant)s"
        yield from self._is("dataset rows", rows, versions[0][1] if versions else None)
        yield from self._is(
            "dataset rows whose lineage is every live label of their item",
            f"""{rows} AND label_event_ids <@ ARRAY(
                SELECT id FROM label_events AS event WHERE event.tenant_id = %(tenant)s
                AND event.item_id = dataset_rows.item_id AND event.kind = 'label')
            AND cardinality(label_event_ids) = {LABELERS}""",
            versions[0][1] if versions else None,
        )

    def _training(self) -> Iterator[str]:
        jobs = self._rows("SELECT id::text, status FROM training_jobs WHERE tenant_id = %(tenant)s")
        yield from self._differs("training jobs", jobs, [(self._story.job_id, "completed")])
        versions = self._rows("SELECT training_job_id::text FROM model_versions WHERE tenant_id = %(tenant)s")
        yield from self._differs("model versions by job", versions, [(self._story.job_id,)])
        evaluations = self._rows("SELECT status FROM model_evaluations WHERE tenant_id = %(tenant)s")
        yield from self._differs("evaluations", evaluations, [("completed",)])

    def _news(self) -> Iterator[str]:
        """Every event was published once, and every reaction has happened."""
        expected = {
            "feedback.error_recorded": ERRORS,
            "curation.label_recorded": ERRORS * LABELERS,
            "arcade.mission_settled": ERRORS,
            "curation.dataset_published": 1,
            "training.requested": 1,
            "training.completed": 1,
            "registry.serving_moved": 1,
            "registry.model_deployed": 1,
        }
        found = dict(
            self._rows(
                "SELECT type, count(*) FROM outbox_events WHERE tenant_id = %(tenant)s AND type = ANY(%(types)s)"
                " GROUP BY type",
                types=list(expected),
            )
        )
        yield from self._differs("events", found, expected)
        yield from self._is(
            "reactions that are not done",
            "SELECT count(*) FROM outbox_deliveries WHERE tenant_id = %(tenant)s AND status <> 'done'",
            0,
        )

    def _serving(self) -> Iterator[str]:
        answers = self._story.predictions
        yield from self._differs("predictions", len(answers), 3)
        for answer in answers:
            if answer["label"] not in LABELS:
                yield f"a prediction says {answer['label']}"
        moves = self._rows("SELECT action, to_version FROM model_alias_events WHERE tenant_id = %(tenant)s")
        yield from self._differs("moves of the alias", moves, [("promote", 1)])

    def _restless(self) -> Iterator[str]:
        waiting = "SELECT count(*) FROM platform.outbox_queue WHERE tenant_id = %(tenant)s"
        yield from self._is("events waiting for delivery", waiting, 0)
        for process in self._site.leftovers():
            yield f"still runs: {process}"
        yield from self._differs("database servers", self._site.postmasters(), 1)
        directories = self._site.home / "runs"
        for directory in sorted(directories.iterdir()) if directories.is_dir() else ():
            yield f"left behind: {directory.name}"

    # ----------------------------------------------------------------------------------------------------------- steps

    def _rows(self, statement: str, **parameters: object) -> list[tuple[object, ...]]:
        return self._site.query(statement, tenant=self._story.tenant_id, **parameters)

    def _is(self, what: str, statement: str, expected: object) -> Iterator[str]:
        ((found,),) = self._rows(statement)
        yield from self._differs(what, found, expected)

    def _differs(self, what: str, found: object, expected: object) -> Iterator[str]:
        if found != expected:
            yield f"{what}: {_short(found)}, expected {_short(expected)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 300 else f"{text[:300]}..."
