"""One small tenant's way from errors to predictions, told phase by phase over HTTP."""

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.cli.demo.cast import Person, signed_in
from shifty_pipelines.contexts.tenancy.domain import NewTenant, NewUser
from shifty_pipelines.flows.entrance import found_tenant
from shifty_pipelines.kernel.tenant import Role, TenantId, system_actor
from tests.crash.client import PATIENCE_S, PAUSE_S, Client, OutOfPatience
from tests.crash.engineer import Engineer
from tests.crowd import text_of
from tests.trainer.conftest import LABELS, WORDS_OF

MISSION_TYPE = "classify_error"
ERRORS = 40
LABELERS = 2
AT_ONCE = 5
THREADS = 2
BASE_MODEL = "tiny"
#: A few steps: the trainer's imports are most of what it does.
HYPERPARAMETERS = {"epochs": 2, "batchSize": 8}
ENDED = ("completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a labeler said, and the platform acknowledged."""

    mission_id: str
    labeler_id: str
    label: str


@dataclass
class Story:
    """A tenant of its own, the people in it, and what they were told; the phases are its methods, in order."""

    tenant_id: TenantId
    owner: Client
    labelers: Mapping[str, Client]
    engineer: Engineer
    seen: Counter[str]
    answers: set[Answer] = field(default_factory=set)
    job_id: str = ""
    model_id: str = ""
    predictions: list[Mapping[str, Any]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def found(cls, platform: Platform, gateway: str, engineer: Engineer) -> "Story":
        """A fresh tenant with an owner and two labelers, signed in."""
        number = secrets.token_hex(4)
        names = ["owner", *(f"labeler-{place}" for place in range(LABELERS))]
        users = [_user(name, number) for name in names]
        founded = found_tenant(platform, NewTenant(name=f"Crash {number}", slug=f"crash-{number}"), users[0])
        tenant_id = TenantId(founded.tenant.tenant_id)
        with platform.open(system_actor(tenant_id)) as services:
            for user in users[1:]:
                services.tenancy.add_user(user)
        people = [signed_in(gateway, name, user) for name, user in zip(names, users, strict=True)]
        seen = engineer.seen = Counter()
        clients = {person.user_id: Client(gateway, person.token, seen) for person in people}
        owner: Person = people[0]
        return cls(
            tenant_id=tenant_id,
            owner=clients.pop(owner.user_id),
            labelers=clients,
            engineer=engineer,
            seen=seen,
        )

    @property
    def path(self) -> str:
        return f"/api/v1/tenants/{self.tenant_id}"

    def errors(self) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(self._report, range(ERRORS)))

    def missions(self) -> None:
        self.owner.ask("PUT", f"{self.path}/label-sets/{MISSION_TYPE}", json={"labels": LABELS})
        # Without a threshold nothing but this story's engineer launches a run.
        recipe = {"name": "default", "missionType": MISSION_TYPE, "trainAfterNewLabels": None}
        self.owner.ask("POST", f"{self.path}/datasets", json=recipe, done="curation.dataset_exists")
        events = [event["id"] for event in self.owner.pages(f"{self.path}/errors")]
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(self._ask_about, events))

    def labels(self) -> None:
        with ThreadPoolExecutor(LABELERS) as pool:
            for done in [pool.submit(self._answer_all, *labeler) for labeler in self.labelers.items()]:
                done.result()

    def settlement(self) -> None:
        def is_settled() -> bool:
            profiles = [self.owner.ask("GET", f"/api/v1/profiles/{labeler}") for labeler in self.labelers]
            return all(profile["xp"] > 0 and profile["xpPending"] == 0 for profile in profiles)

        _until(is_settled, "settlement of every mission")

    def curation(self) -> None:
        self.engineer.make("curate", str(self.tenant_id))

    def training(self) -> None:
        dataset = next(row["id"] for row in self.owner.pages(f"{self.path}/datasets"))
        model = {"name": BASE_MODEL, "source": "custom", "sourceId": f"local:{BASE_MODEL}"}
        base = self.owner.ask("POST", "/api/v1/models", json=model, headers={"Idempotency-Key": "base"})
        wanted = {
            "datasetId": dataset,
            "baseModelId": base["id"],
            "hyperparameters": HYPERPARAMETERS,
            "seed": 7,
        }
        job = self.owner.ask("POST", f"{self.path}/training-jobs", json=wanted, headers={"Idempotency-Key": "training"})
        self.job_id = job["id"]
        _until(lambda: self._job()["status"] in ENDED, "the end of the training job")
        job = self._job()
        assert job["status"] == "completed", job["refusal"]
        self.model_id = job["outputModelId"]

    def serving(self) -> None:
        model = f"/api/v1/models/{self.model_id}"
        body = {"version": 1, "reason": "a tiny random model is as good as this story needs"}
        self.owner.ask("POST", f"{model}/promote", json=body)
        self.owner.ask("POST", f"{model}/deploy", json={"instanceId": "local"})
        inputs = {"inputs": [_message(number) for number in range(3)]}
        answered = self.owner.ask("POST", f"{model}/predictions", json=inputs)
        assert answered["version"] == 1
        self.predictions = answered["predictions"]

    # ----------------------------------------------------------------------------------------------------------- steps

    def _report(self, number: int) -> None:
        report = {
            "source": "custom_webhook",
            "externalId": f"error-{number}",
            "errorType": "RuntimeError",
            "message": _message(number),
            "severity": "high",
            "environment": "test",
            "service": "crash",
        }
        self.owner.ask("POST", "/api/v1/errors", json=report)

    def _ask_about(self, error_id: str) -> None:
        question = {
            "type": MISSION_TYPE,
            "title": "What is this?",
            "slotCount": LABELERS,
            "errorEventId": error_id,
        }
        self.owner.ask("POST", f"{self.path}/missions", json=question, done="curation.item_exists")

    def _answer_all(self, labeler_id: str, client: Client) -> None:
        answered: set[str] = set()

        def is_done() -> bool:
            wanted = {"type": MISSION_TYPE, "count": AT_ONCE}
            for mission in client.ask("POST", f"{self.path}/missions/next", json=wanted):
                self._answer(labeler_id, client, mission)
                answered.add(mission["id"])
            return len(answered) == ERRORS

        _until(is_done, f"{ERRORS} missions for a labeler", pause_s=0.02)

    def _answer(self, labeler_id: str, client: Client, mission: Mapping[str, Any]) -> None:
        label = _label_in(mission["payload"]["message"])
        body = {
            "userId": labeler_id,
            "fencingToken": mission["fencingToken"],
            "result": {"selectedOption": label},
        }
        client.ask("POST", f"/api/v1/missions/{mission['id']}/complete", json=body)
        with self._lock:
            self.answers.add(Answer(mission["id"], labeler_id, label))

    def _job(self) -> Any:
        return self.owner.ask("GET", f"/api/v1/training-jobs/{self.job_id}")


def _message(number: int) -> str:
    """A text unlike the others, in which the words of one label stand."""
    words = WORDS_OF[LABELS[number % len(LABELS)]]
    return f"{words[number % 4]} {text_of(number)} {words[(number + 1) % 4]}"


def _label_in(message: str) -> str:
    first = message.split(maxsplit=1)[0]
    return next(label for label, words in WORDS_OF.items() if first in words)


def _user(name: str, number: str) -> NewUser:
    return NewUser(
        email=f"{name}@crash-{number}.example",
        password=secrets.token_urlsafe(15),
        first_name=name.title(),
        last_name="Crash",
        role=Role.OWNER if name == "owner" else Role.MEMBER,
    )


def _until(is_so: Callable[[], bool], what: str, *, pause_s: float = PAUSE_S) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline_s:
            raise OutOfPatience(f"{what}: not within {PATIENCE_S:.0f} s")
        time.sleep(pause_s)
