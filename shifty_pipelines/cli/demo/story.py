"""The demo's story, told in order; each step says what it does and how long it took."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shifty_pipelines.cli.demo import labels, models
from shifty_pipelines.cli.demo.cast import Tenant
from shifty_pipelines.cli.demo.models import Trained
from shifty_pipelines.cli.demo.operator import Operator
from shifty_pipelines.cli.terminal import SideBySide, console, side_by_side, step

#: The measured recipe, shortened to what the demo's minutes allow: its ten epochs give up to eight points more.
SHORTENED = {"epochs": 3}
CURATE = "curate"
QUESTION = (
    "KeyError: 'postcode' at shop/checkout.py.read_address: return Address(form['street'], form['postcode'], "
    "form['city'])"
)


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What happened to one tenant."""

    tenant: Tenant
    missions: int = 0
    dataset: Mapping[str, Any] | None = None
    consensus_accuracy: float = 0.0
    look_up_f1: float = 0.0
    first: Trained | None = None
    second: Trained | None = None
    control: Trained | None = None
    refusal: str = ""
    answers: Sequence[Mapping[str, Any]] = ()


class Story:
    """Two tenants from failing shops to answering models.

    Args:
        directory: private, for tokens and the driver's truth.
    """

    def __init__(
        self, tenants: Sequence[Tenant], gateway: str, operator: Operator, directory: Path, *, seed: int
    ) -> None:
        self.outcomes = [Outcome(tenant=tenant) for tenant in tenants]
        self.gateway = gateway
        self.operator = operator
        self.directory = directory
        self.seed = seed
        self.competences: Mapping[str, Mapping[str, int]] = {}
        self._lock = threading.Lock()
        self._leading: Outcome | None = None

    def tell(self, *, errors: int) -> Sequence[Outcome]:
        """Everything, in order."""
        tenants = [outcome.tenant for outcome in self.outcomes]
        with step(f"errors: two shops are visited until they failed {errors} times, reported at POST /api/v1/errors"):
            labels.fail_really(tenants, self.gateway, self.directory, errors=errors, seed=self.seed)
        with step("missions: classify_error, one about each error event, three slots"):
            for outcome, count in zip(self.outcomes, self._each(labels.ask_about_errors), strict=True):
                outcome.missions = count
        with step("labels: simulated labelers (3 good, 3 average, 1 spammer a tenant) claim and answer"):
            self.competences = labels.label(tenants, self.gateway, self.directory, seed=self.seed)
        self._say_competences()
        with step("curation: consensus, scrubbing, equals, splits, checks, datasets (Dagster job 'curate')"):
            self._curate()
        jobs = {outcome.tenant.shop: self._request(outcome, hyperparameters=SHORTENED) for outcome in self.outcomes}
        with side_by_side() as steps:
            self._each_outcome(lambda outcome: self._serve_an_adapter(outcome, jobs[outcome.tenant.shop], steps))
        self.outcomes.sort(key=lambda outcome: outcome is not self._leading)
        return self.outcomes

    def closing_lines(self) -> Iterator[str]:
        """How to go on from here."""
        outcome = self.outcomes[0]
        owner, model = outcome.tenant.owner, outcome.first
        yield f"owner    {outcome.tenant.owner_email}  password {outcome.tenant.owner_password}"
        yield f"token    {owner.token}"
        if model is not None:
            body = json.dumps({"inputs": [QUESTION]})
            yield (
                f"try      curl -s -H 'Authorization: Bearer {owner.token}' -H 'content-type: application/json' "
                f"{self.gateway}/api/v1/models/{model.model_id}/predictions -d {_quoted(body)}"
            )
        yield (
            f"label    curl -s -H 'Authorization: Bearer {owner.token}' -H 'content-type: application/json' "
            f"{self.gateway}/api/v1/tenants/{outcome.tenant.tenant_id}/missions/next -d '{{\"count\": 1}}'"
        )

    # ----------------------------------------------------------------------------------------------------------- steps

    def _say_competences(self) -> None:
        for competence, counts in sorted(self.competences.items()):
            share = counts["right"] / max(counts["labels"], 1)
            console.print(f"  {competence:<8} {counts['labels']:>5} labels, {share:.0%} of them true")

    def _curate(self) -> None:
        runs = [self.operator.launch(CURATE, str(outcome.tenant.tenant_id)) for outcome in self.outcomes]
        for run_id in runs:
            self.operator.wait(CURATE, run_id)
        truths = labels.read_truth(self.directory)
        for outcome in self.outcomes:
            outcome.dataset = models.dataset_of(outcome.tenant)
            rows = models.rows_of(outcome.tenant, outcome.dataset)
            known = truths[str(outcome.tenant.tenant_id)]
            outcome.consensus_accuracy = models.consensus_accuracy(rows, known)
            outcome.look_up_f1 = models.look_up_f1(rows, known)

    def _serve_an_adapter(self, outcome: Outcome, job_id: str, steps: SideBySide) -> None:
        """Await the training, promote and deploy; who is first goes on while the training slot is the other's."""
        shop = outcome.tenant.shop
        with steps.step(shop, "training, a LoRA adapter (Dagster asset 'training/adapters')") as say:
            job = models.await_job(outcome.tenant, job_id, watch=_progress(say))
            outcome.first = models.trained(outcome.tenant, job)
        with steps.step(shop, "promotion, the first version serves, deployed to the tenant's 'local' instance"):
            self._serve_first(outcome)
        with self._lock:
            self._leading = self._leading or outcome
        if outcome is self._leading:
            self._train_rivals(outcome, steps)
            with steps.step(shop, "a second version is promoted, asked, and rolled back"):
                self._there_and_back(outcome)

    def _serve_first(self, outcome: Outcome) -> None:
        assert outcome.first is not None  # noqa: S101  # trained before it is served
        models.promote(outcome.tenant, outcome.first)
        models.deploy(outcome.tenant, outcome.first.model_id)

    def _train_rivals(self, outcome: Outcome, steps: SideBySide) -> None:
        """A second version, and a control trained on permuted labels, which the gate must refuse."""
        jobs = (
            self._request(outcome, kind="frozen_head"),
            self._request(outcome, kind="frozen_head", control="permuted_labels"),
        )
        with steps.step(outcome.tenant.shop, "rivals, a frozen head and a control trained on permuted labels") as say:
            ended = [models.await_job(outcome.tenant, job_id, watch=_progress(say)) for job_id in jobs]
            outcome.second, outcome.control = (models.trained(outcome.tenant, job) for job in ended)
            outcome.refusal = models.refusal_of_promotion(outcome.tenant, outcome.control)

    def _there_and_back(self, outcome: Outcome) -> None:
        assert outcome.first is not None  # noqa: S101  # trained before
        assert outcome.second is not None  # noqa: S101  # trained before
        model_id = outcome.first.model_id
        answers = [models.predict(outcome.tenant, model_id, QUESTION)]
        models.promote(outcome.tenant, outcome.second)
        answers.append(models.predict(outcome.tenant, model_id, QUESTION))
        models.roll_back(outcome.tenant, model_id)
        answers.append(models.predict(outcome.tenant, model_id, QUESTION))
        outcome.answers = answers

    # --------------------------------------------------------------------------------------------------------- tenants

    def _request(self, outcome: Outcome, **wanted: Any) -> str:
        assert outcome.dataset is not None  # noqa: S101  # curated before
        return models.request(outcome.tenant, outcome.dataset["id"], **wanted)

    def _each(self, act: Callable[[Tenant], int]) -> list[int]:
        with ThreadPoolExecutor(len(self.outcomes)) as pool:
            return list(pool.map(act, [outcome.tenant for outcome in self.outcomes]))

    def _each_outcome(self, act: Callable[[Outcome], None]) -> None:
        with ThreadPoolExecutor(len(self.outcomes)) as pool:
            list(pool.map(act, self.outcomes))


def _progress(say: Callable[[str], None]) -> Callable[[Mapping[str, Any]], None]:
    """Shows a job's own words about itself."""

    def watch(job: Mapping[str, Any]) -> None:
        progress = job.get("progress") or {}
        step_of = f", step {progress['currentStep']} of {progress['totalSteps']}" if progress.get("totalSteps") else ""
        loss = f", loss {progress['trainingLoss']:.3f}" if progress.get("trainingLoss") is not None else ""
        say(f"{job['status']}{step_of}{loss}")

    return watch


def _quoted(text: str) -> str:
    """For a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"
