"""One job from its rows to its report, told top to bottom."""

import hashlib
import platform
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl  # type: ignore[import-untyped] # it ships no types
import torch

from shifty_trainer.baselines import majority_probabilities, tfidf_probabilities
from shifty_trainer.candidates import Candidate, better, fit_candidate, refitted
from shifty_trainer.checkpoints import CheckpointDirectory, Identity, SavedCheckpoint
from shifty_trainer.encoder import Encoder, LowerStates, base_model_sha256
from shifty_trainer.evaluation import Evaluation, evaluate
from shifty_trainer.fitting import choose_c
from shifty_trainer.job import Device, ModelKind, TrainingJob, hyperparameters_wire_form
from shifty_trainer.lora import Adapter
from shifty_trainer.model_version import ModelVersion, save_model_version
from shifty_trainer.recipe import Plan, plan
from shifty_trainer.refusals import BaseModelBroken, JobInvalid
from shifty_trainer.reporting import Kind, Reporter, log
from shifty_trainer.result import ExportedCandidate, Result, predictions_table, write_report
from shifty_trainer.rows import SPLITS, TEST, TRAIN, VALIDATION, load_rows
from shifty_trainer.training import AdapterTraining, Material
from shifty_trainer.whole_directory import canonical_json, refusing_when_full, remove_unfinished

REPORT_NAME = "report"
LIBRARIES = ("torch", "transformers", "peft", "datasets", "scikit-learn", "numpy")

StopFlag = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A candidate with the adapter's files; a frozen head has none."""

    candidate: Candidate
    adapter_files: Mapping[str, bytes]


class JobRun:
    """The state of one run: what the steps of the story hand on to each other."""

    def __init__(self, job: TrainingJob, reporter: Reporter, *, is_stop_requested: StopFlag) -> None:
        self.job = job
        self.reporter = reporter
        self.is_stop_requested = is_stop_requested
        self.device = _device(job)
        self.warnings: list[str] = []
        self.training: dict[str, Any] = {}
        self.duration_s: dict[str, float] = {}

    def run(self) -> Result:
        """Rows, frozen embeddings, baselines, adapter, choice, export, report."""
        job = self.job
        with self._phase("loading"):
            self.base_sha256 = base_model_sha256(job.base_model, expected=job.base_sha256)
            self.rows = load_rows(job.dataset_path, labels=job.labels, cache_dir=job.cache_dir)
            self.plan = self._plan()
            encoder = Encoder.load(
                job.base_model, adapted_layer_count=self.plan.recipe.adapted_layers, device=self.device
            )
        with self._phase("embedding"):
            lower = encoder.lower_states(self.rows.texts, max_tokens=self.plan.recipe.head_tokens)
            frozen_embeddings = encoder.embed_all(lower, self._everything())
            self._check_finite(frozen_embeddings)
        with self._phase("baselines"):
            probabilities = self._baselines()
            fitted = {ModelKind.FROZEN_HEAD: self._frozen_head(frozen_embeddings)}
        if job.kind is ModelKind.ADAPTER:
            fitted = {ModelKind.ADAPTER: self._adapter(encoder, lower), **fitted}
        with self._phase("exporting"):
            return self._report(encoder, fitted, probabilities)

    def _plan(self) -> Plan:
        given = self.job.hyperparameters
        train_row_count = len(self.rows.positions(TRAIN))
        made = plan(given, train_row_count=train_row_count, label_count=len(self.rows.labels))
        for warning in made.warnings:
            self._warn("trainer.hyperparameters", warning)
        if self.rows.cut_text_count:
            self._warn("trainer.texts_cut", f"{self.rows.cut_text_count} texts were cut to a safe length")
        for label in sorted(set(self.rows.labels) - self._labels_of(TRAIN)):
            self._warn("trainer.label_untrained", f"label {label!r} has no training rows and is never predicted")
        log(self.reporter, "trainer.planned", given=hyperparameters_wire_form(given), **made.as_facts())
        return made

    def _baselines(self) -> dict[str, np.ndarray | None]:
        rows = self.rows
        both, test = rows.positions(TRAIN, VALIDATION), rows.positions(TEST)
        label_ids, label_count = rows.label_ids[both], len(rows.labels)
        return {
            "majority": majority_probabilities(label_ids, label_count=label_count, row_count=len(test)),
            "tfidf": tfidf_probabilities(
                rows.texts_at(both), label_ids, rows.texts_at(test), label_count=label_count, seed=self.job.seed
            ),
        }

    def _frozen_head(self, embeddings: np.ndarray) -> Fitted:
        train = self.rows.positions(TRAIN)
        c = choose_c(embeddings[train], self.rows.label_ids[train], seed=self.job.seed, default=self.plan.recipe.head_c)
        candidate = fit_candidate(ModelKind.FROZEN_HEAD, embeddings, self.rows, c=c)
        return Fitted(candidate=candidate, adapter_files={})

    def _adapter(self, encoder: Encoder, lower: LowerStates) -> Fitted:
        recipe = self.plan.recipe
        with self._phase("training"):
            torch.manual_seed(self.job.seed)
            adapter = Adapter.attach(encoder, recipe)
            untrained, material = adapter.weights(), self._material(encoder)
            saved = self._train(encoder, adapter, material)
        with self._phase("fitting the head"):
            embeddings = encoder.embed_all(lower, self._everything())
            candidate = fit_candidate(ModelKind.ADAPTER, embeddings, self.rows, c=recipe.head_c)
        if recipe.refits_on_validation and material.can_judge:
            with self._phase("refitting on all rows"):
                adapter.set_weights(untrained)
                self._train_on_everything(encoder, adapter, material, saved)
                candidate = refitted(candidate, encoder.embed_all(lower, self._everything()), self.rows)
        return Fitted(candidate=candidate, adapter_files=adapter.files(base_id=self.job.base_id))

    def _material(self, encoder: Encoder) -> Material:
        rows = self.rows
        positions = rows.positions(TRAIN, VALIDATION)
        is_train = np.isin(positions, rows.positions(TRAIN))
        return Material(
            lower=encoder.lower_states(rows.texts_at(positions), max_tokens=self.plan.recipe.train_tokens),
            label_ids=rows.label_ids[positions],
            train=np.flatnonzero(is_train),
            validation=np.flatnonzero(~is_train),
        )

    def _train_on_everything(
        self, encoder: Encoder, adapter: Adapter, material: Material, saved: SavedCheckpoint
    ) -> None:
        """As many steps as were best, from the beginning, on training and validation rows."""
        everything = replace(
            material, train=np.arange(len(material.label_ids)), validation=np.array([], dtype=np.int64)
        )
        steps = self.training["bestStep"]
        again = self.plan.refit(row_count=len(everything.train), steps=steps)
        torch.manual_seed(self.job.seed)
        training = AdapterTraining(encoder, adapter, everything, again, seed=self.job.seed, reporter=self.reporter)
        training.run_unjudged(saved, is_stop_requested=self.is_stop_requested)
        self.training["refitSteps"] = steps

    def _train(self, encoder: Encoder, adapter: Adapter, material: Material) -> SavedCheckpoint:
        job = self.job
        if not material.can_judge:
            self._warn(
                "trainer.no_early_stopping",
                "no two validation rows share a label, so their loss says nothing: the last step is kept, not the best",
            )
        training = AdapterTraining(encoder, adapter, material, self.plan, seed=job.seed, reporter=self.reporter)
        checkpoints = CheckpointDirectory(job.checkpoints_dir, identity=self._identity(), keep=job.keep_checkpoints)
        saved = training.run(
            checkpoints, every_steps=job.checkpoint_every_steps, is_stop_requested=self.is_stop_requested
        )
        progress = training.progress
        self.training = {
            "steps": progress.step,
            "totalSteps": self.plan.total_steps,
            "bestStep": progress.best_step,
            "stoppedEarly": progress.is_stopped_early,
            "resumedFromStep": training.resumed_from_step,
            "history": [dict(entry) for entry in progress.history],
        }
        return saved

    def _report(
        self, encoder: Encoder, fitted: Mapping[ModelKind, Fitted], baselines: Mapping[str, np.ndarray | None]
    ) -> Result:
        output_dir = self.job.output_dir
        output_dir.mkdir(parents=True, exist_ok=True)
        remove_unfinished(output_dir)
        exported = {kind: self._export(encoder, kind, each) for kind, each in fitted.items()}
        by_model = {name: table for name, table in baselines.items() if table is not None}
        by_model |= {kind.value: each.candidate.test_probabilities for kind, each in fitted.items()}
        result = Result(
            registered=self._choose(fitted),
            candidates=exported,
            baselines={name: self._evaluated(table) for name, table in baselines.items()},
            rows={split: len(self.rows.positions(split)) for split in SPLITS},
            training=self.training,
            recipe=self.plan.as_facts(),
            provenance=self._provenance(),
            warnings=tuple(self.warnings),
            duration_s=dict(self.duration_s),
        )
        write_report(output_dir / REPORT_NAME, result, predictions_table(self.rows, by_model))
        return result

    def _export(self, encoder: Encoder, kind: ModelKind, fitted: Fitted) -> ExportedCandidate:
        path = self.job.output_dir / kind.value
        model_version = ModelVersion(
            kind=kind,
            labels=self.rows.labels,
            base_id=self.job.base_id,
            base_sha256=self.base_sha256,
            head_tokens=self.plan.recipe.head_tokens,
            adapted_layers=len(encoder.adapted_layers),
            head=fitted.candidate.head,
        )
        manifest = save_model_version(path, model_version, fitted.adapter_files)
        return ExportedCandidate(candidate=fitted.candidate, path=path, manifest=manifest)

    def _choose(self, fitted: Mapping[ModelKind, Fitted]) -> ModelKind:
        frozen = fitted[ModelKind.FROZEN_HEAD].candidate
        adapter = fitted.get(ModelKind.ADAPTER)
        return frozen.kind if adapter is None else better(adapter.candidate, frozen).kind

    def _evaluated(self, probabilities: np.ndarray | None) -> Evaluation | None:
        if probabilities is None:
            return None
        return evaluate(probabilities, self.rows.label_ids[self.rows.positions(TEST)], labels=self.rows.labels)

    def _identity(self) -> Identity:
        decisive = {
            **self.plan.as_facts(),
            "seed": self.job.seed,
            "labels": list(self.rows.labels),
            "baseSha256": self.base_sha256,
        }
        config_sha256 = hashlib.sha256(canonical_json(decisive)).hexdigest()
        return Identity(config_sha256=config_sha256, dataset_sha256=self.rows.digest)

    def _provenance(self) -> dict[str, Any]:
        return {
            "seed": self.job.seed,
            "datasetSha256": self.rows.digest,
            "configSha256": self._identity().config_sha256,
            "base": {"id": self.job.base_id, "sha256": self.base_sha256},
            "device": self.device.type,
            "threads": torch.get_num_threads(),
            "python": platform.python_version(),
            "libraries": {name: version(name) for name in LIBRARIES},
            "peakMemoryBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }

    def _check_finite(self, embeddings: np.ndarray) -> None:
        broken_count = int((~np.isfinite(embeddings)).any(axis=1).sum())
        if broken_count:
            raise BaseModelBroken(self.job.base_model, broken_count)

    def _everything(self) -> np.ndarray:
        return np.arange(len(self.rows.texts))

    def _labels_of(self, split: str) -> set[str]:
        return {self.rows.labels[number] for number in self.rows.label_ids[self.rows.positions(split)]}

    def _warn(self, event: str, text: str) -> None:
        self.warnings.append(text)
        log(self.reporter, event, level="warning", warning=text)

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self.reporter.send(Kind.PROGRESS, {"phase": name})
        started_s = time.monotonic()
        yield
        self.duration_s[name] = time.monotonic() - started_s


def run_job(job: TrainingJob, reporter: Reporter, *, is_stop_requested: StopFlag = lambda: False) -> Result:
    """Train, compare, export and report one job.

    Returns:
        The result, also written to `output_dir/report`; the models lie in `output_dir/adapter` and
        `output_dir/frozen_head`. The caller sends the result message.

    Raises:
        TrainerRefusal: the job, its data, its base model or the disk does not allow it; nothing half-written is left.
        StopRequested: a stop was asked for and the state is saved.
    """
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    with threadpoolctl.threadpool_limits(limits=job.threads), refusing_when_full(_existing(job.run_dir)):
        return JobRun(job, reporter, is_stop_requested=is_stop_requested).run()


def _device(job: TrainingJob) -> torch.device:
    has_cuda = torch.cuda.is_available()
    if job.device is Device.CUDA and not has_cuda:
        raise JobInvalid("device", job.device.value, "cpu or auto: torch sees no CUDA device on this machine")
    return torch.device("cuda" if has_cuda and job.device is not Device.CPU else "cpu")


def _existing(run_dir: Path) -> Path:
    if not run_dir.is_dir():
        raise JobInvalid("runDir", str(run_dir), "an existing directory")
    return run_dir
