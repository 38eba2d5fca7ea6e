"""The demo's story, told in order; each step says what it does and how long it took."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from shifty_pipelines.cli.demo import labels, models
from shifty_pipelines.cli.demo.cast import Tenant
from shifty_pipelines.cli.demo.models import Trained
from shifty_pipelines.cli.demo.operator import Operator
from shifty_pipelines.cli.terminal import SideBySide, console, side_by_side, step

#: The measured recipe, shortened to the demo's minutes: left alone it takes a hundred steps at least, and then learns
#: anew from all rows.
SHORTENED = {"epochs": 5}
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
    adapter: Trained | None = None
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
        for tenant in tenants:
            labels.leave_some(tenant)
        with step("curation: consensus, scrubbing, equals, splits, checks, datasets (Dagster job 'curate')"):
            self._curate()
        with side_by_side() as steps:
            self._train_and_serve(steps)
        return self.outcomes

    def closing_lines(self) -> Iterator[str]:
        """How to go on from here."""
        outcome = self.outcomes[0]
        owner, model = outcome.tenant.owner, outcome.adapter
        yield f"owner    {outcome.tenant.owner_email}  password {outcome.tenant.owner_password}"
        yield f"token    {owner.token}"
        if model is not None:
            body = json.dumps({"inputs": [QUESTION]})
            yield (
                f"try      curl -s -H 'Authorization: Bearer {owner.token}' -H 'content-type: application/json' "
                f"{self.gateway}/api/v1/models/{model.model_id}/predictions -d {_quoted(body)}"
            )
        guest = outcome.tenant.guest
        yield f"guest    {outcome.tenant.guest_email}  password {outcome.tenant.guest_password}"
        yield (
            f"label    curl -s -H 'Authorization: Bearer {guest.token}' -H 'content-type: application/json' "
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

    def _train_and_serve(self, steps: SideBySide) -> None:
        """One tenant goes the whole way, from a baseline to an adapter and back; the others train their adapter."""
        whole, *others = self.outcomes
        wanted = (
            {"kind": "frozen_head"},
            {"hyperparameters": SHORTENED},
            {"kind": "frozen_head", "control": "permuted_labels"},
        )
        # All at once: one Dagster run of a tenant takes all jobs that wait for it, in this order.
        jobs = [self._request(whole, **each) for each in wanted]
        acts: list[Callable[[], None]] = [partial(self._whole_way, whole, jobs, steps)]
        for outcome in others:
            job = self._request(outcome, hyperparameters=SHORTENED)
            acts.append(partial(self._serve_an_adapter, outcome, job, steps))
        with ThreadPoolExecutor(len(acts)) as pool:
            for act in [pool.submit(act) for act in acts]:
                act.result()

    def _serve_an_adapter(self, outcome: Outcome, job: str, steps: SideBySide) -> None:
        self._train_adapter(outcome, job, steps)
        with steps.step(
            outcome.tenant.shop, "promotion, the registered version serves on the tenant's 'local' instance"
        ):
            self._serve(outcome, _made(outcome.adapter))

    def _whole_way(self, outcome: Outcome, jobs: Sequence[str], steps: SideBySide) -> None:
        shop = outcome.tenant.shop
        baseline_job, adapter_job, control_job = jobs
        with steps.step(shop, "a baseline, regression on frozen embeddings, trained and deployed to 'local'") as say:
            baseline = self._trained(outcome, baseline_job, say)
            self._serve(outcome, baseline)
        self._train_adapter(outcome, adapter_job, steps)
        with steps.step(shop, "the second version is promoted, asked, rolled back, and promoted again"):
            self._there_and_back(outcome, baseline)
        with steps.step(shop, "a control, trained on permuted labels, which the gate refuses") as say:
            outcome.control = self._trained(outcome, control_job, say)
            outcome.refusal = models.refusal_of_promotion(outcome.tenant, outcome.control)

    def _train_adapter(self, outcome: Outcome, job: str, steps: SideBySide) -> None:
        with steps.step(outcome.tenant.shop, "training, a LoRA adapter (Dagster asset 'training/adapters')") as say:
            outcome.adapter = self._trained(outcome, job, say)

    def _trained(self, outcome: Outcome, job_id: str, say: Callable[[str], None]) -> Trained:
        job = models.await_job(outcome.tenant, job_id, watch=_progress(say))
        return models.trained(outcome.tenant, job)

    def _serve(self, outcome: Outcome, made: Trained) -> None:
        models.promote(outcome.tenant, made)
        models.deploy(outcome.tenant, made.model_id)

    def _there_and_back(self, outcome: Outcome, baseline: Trained) -> None:
        """What is answered before, by and after the second version; one that the gate refused serves nowhere."""
        adapter = _made(outcome.adapter)
        answers = [models.predict(outcome.tenant, baseline.model_id, QUESTION)]
        if adapter.verdict != "refused":
            models.promote(outcome.tenant, adapter)
            answers.append(models.predict(outcome.tenant, adapter.model_id, QUESTION))
            models.roll_back(outcome.tenant, adapter.model_id)
            answers.append(models.predict(outcome.tenant, adapter.model_id, QUESTION))
            models.promote(outcome.tenant, adapter)
        outcome.answers = answers

    # --------------------------------------------------------------------------------------------------------- tenants

    def _request(self, outcome: Outcome, **wanted: Any) -> str:
        assert outcome.dataset is not None  # noqa: S101  # curated before
        return models.request(outcome.tenant, outcome.dataset["id"], **wanted)

    def _each(self, act: Callable[[Tenant], int]) -> list[int]:
        with ThreadPoolExecutor(len(self.outcomes)) as pool:
            return list(pool.map(act, [outcome.tenant for outcome in self.outcomes]))


def _made(trained: Trained | None) -> Trained:
    """What a step before has made."""
    assert trained is not None  # noqa: S101  # the steps are told in order
    return trained


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
