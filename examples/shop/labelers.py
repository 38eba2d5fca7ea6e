"""Simulated labelers with declared competences, over HTTP as people's clients do.

A labeler knows the cause of an error with the chance that their competence says; the truth comes from ``causes.py``,
which the platform never sees. Each is a thread that claims missions and answers them until none is offered for a while.
The seed gives each of them the same mind again; which mission reaches whom hangs on who asks first.
"""

import argparse
import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from examples.shop.causes import CAUSES, cause_of

LABELS = tuple(CAUSES)
#: How often each kind is right; the others' errors fall evenly. A spammer does not look.
COMPETENCES: Mapping[str, float] = {"good": 0.93, "average": 0.75, "spammer": 1 / len(LABELS)}
CLAIMED_AT_ONCE = 5
#: No mission for this long, and a labeler goes home: settlement may add a slot within a second.
IDLE_S = 1.5
PAUSE_S = 0.3
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Labeler:
    """One person of a tenant, signed in."""

    tenant_id: str
    user_id: str
    token: str = field(repr=False)
    competence: str
    name: str


@dataclass(slots=True)
class Findings:
    """What the truth is per item, and how right each kind of labeler was."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    truths: defaultdict[str, dict[str, dict[str, str]]] = field(default_factory=lambda: defaultdict(dict))
    answers: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))

    def record(self, labeler: Labeler, mission: Mapping[str, Any], truth: str, answer: str) -> None:
        with self.lock:
            error_type = mission["payload"]["errorType"]
            self.truths[labeler.tenant_id][mission["itemId"]] = {"truth": truth, "errorType": error_type}
            right_of = self.answers[labeler.competence]
            right_of[0] += answer == truth
            right_of[1] += 1


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.shop.labelers", description=__doc__)
    parser.add_argument("--platform", required=True, help="base URL")
    parser.add_argument(
        "--crowd",
        type=Path,
        required=True,
        help='JSON: [{"tenantId", "userId", "token", "competence", "name"}], read once',
    )
    parser.add_argument("--truth", type=Path, required=True, help="where the true causes of the labelled items go")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    crowd = [
        Labeler(
            tenant_id=row["tenantId"],
            user_id=row["userId"],
            token=row["token"],
            competence=row["competence"],
            name=row["name"],
        )
        for row in json.loads(arguments.crowd.read_text(encoding="utf-8"))
    ]
    findings = label_all(crowd, platform=arguments.platform, seed=arguments.seed)
    arguments.truth.write_text(json.dumps(findings.truths), encoding="utf-8")
    print(json.dumps({kind: {"right": right, "labels": given} for kind, (right, given) in findings.answers.items()}))


def label_all(crowd: Sequence[Labeler], *, platform: str, seed: int) -> Findings:
    findings = Findings()
    with ThreadPoolExecutor(len(crowd)) as pool:
        for done in [pool.submit(work, labeler, platform, seed, findings) for labeler in crowd]:
            done.result()
    return findings


def work(labeler: Labeler, platform: str, seed: int, findings: Findings) -> None:
    rng = random.Random(f"{seed}:{labeler.name}")
    headers = {"authorization": f"Bearer {labeler.token}"}
    with httpx.Client(base_url=platform, headers=headers, timeout=TIMEOUT_S) as client:
        idle_since_s = time.monotonic()
        while time.monotonic() - idle_since_s < IDLE_S:
            claimed = claim(client, labeler)
            for mission in claimed:
                truth = cause_of(mission["payload"])
                if truth is not None:
                    answer = choose(truth, labeler.competence, rng)
                    complete(client, labeler, mission, answer)
                    findings.record(labeler, mission, truth, answer)
            if claimed:
                idle_since_s = time.monotonic()
            else:
                time.sleep(PAUSE_S)  # until a settlement asks for one more opinion, nothing tells when


def claim(client: httpx.Client, labeler: Labeler) -> list[dict[str, Any]]:
    path = f"/api/v1/tenants/{labeler.tenant_id}/missions/next"
    answer = client.post(path, json={"type": "classify_error", "count": CLAIMED_AT_ONCE})
    return list(answer.raise_for_status().json()["data"])


def complete(client: httpx.Client, labeler: Labeler, mission: Mapping[str, Any], answer: str) -> None:
    body = {
        "userId": labeler.user_id,
        "fencingToken": mission["fencingToken"],
        "result": {"selectedOption": answer},
    }
    client.post(f"/api/v1/missions/{mission['id']}/complete", json=body).raise_for_status()


def choose(truth: str, competence: str, rng: random.Random) -> str:
    if competence == "spammer":
        return rng.choice(LABELS)
    if rng.random() < COMPETENCES[competence]:
        return truth
    return rng.choice([label for label in LABELS if label != truth])


if __name__ == "__main__":
    main()
