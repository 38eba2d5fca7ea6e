"""A base model small enough to train in a second, and jobs on rows it can tell apart."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
import torch
import transformers

from shifty_trainer.encoder import Encoder
from shifty_trainer.job import TrainingJob, parse_job
from shifty_trainer.reporting import Kind

LABELS = ["bug", "feature", "question"]
WORDS_OF = {
    "bug": ["crash", "broken", "error", "fails"],
    "feature": ["add", "support", "please", "new"],
    "question": ["how", "why", "what", "where"],
}
COMMON_WORDS = ["the", "page", "button", "list", "menu", "of", "in", "a"]
VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *COMMON_WORDS,
    *(word for words in WORDS_OF.values() for word in words),
]


class Messages:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.sent: list[tuple[Kind, Mapping[str, Any]]] = []

    def send(self, kind: Kind, body: Mapping[str, Any]) -> None:
        self.sent.append((kind, body))

    def of(self, kind: Kind) -> list[Mapping[str, Any]]:
        return [body for sent, body in self.sent if sent is kind]

    def events(self) -> list[str]:
        return [body["event"] for body in self.of(Kind.LOG)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def messages() -> Messages:
    return Messages()


def write_base_model(directory: Path, *, layers: int = 4, model_type: str = "bert") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(11)
    config = transformers.AutoConfig.for_model(
        model_type,
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=66,
        pad_token_id=0,
    )
    transformers.AutoModel.from_config(config).save_pretrained(directory)
    (directory / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    tokenizer = transformers.BertTokenizer(vocab=str(directory / "vocab.txt"), do_lower_case=True)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base_model(tmp_path_factory.mktemp("base"))


@pytest.fixture
def encoder(base_model: Path) -> Encoder:
    return Encoder.load(base_model, adapted_layer_count=3, device=torch.device("cpu"))


def sample_text(label: str, rng: np.random.Generator) -> str:
    words = [*rng.choice(COMMON_WORDS, size=5), *rng.choice(WORDS_OF[label], size=2)]
    return " ".join(rng.permutation(words))


def sample_rows(per_label: Mapping[str, int] | None = None, *, seed: int = 3) -> pd.DataFrame:
    """`per_label` rows of each label in each split."""
    counts = per_label or {"train": 12, "validation": 4, "test": 4}
    rng = np.random.default_rng(seed)
    cells = [(split, label) for split, count in counts.items() for label in LABELS for _ in range(count)]
    return pd.DataFrame(
        {
            "row_id": [f"row-{number}" for number in range(len(cells))],
            "text": [sample_text(label, rng) for _, label in cells],
            "label": [label for _, label in cells],
            "split": [split for split, _ in cells],
        }
    )


JobFactory = Callable[..., TrainingJob]


def wire_job(run_dir: Path, base_model: Path, rows: pd.DataFrame | None = None, **changes: Any) -> dict[str, Any]:
    """The JSON of a job on `rows`, its run directory written."""
    run_dir.mkdir(parents=True, exist_ok=True)
    (sample_rows() if rows is None else rows).to_parquet(run_dir / "dataset.parquet")
    return {
        "jobId": "job-1",
        "attempt": 2,
        "fencingToken": 7,
        "runDir": str(run_dir),
        "labels": LABELS,
        "baseModel": {"path": str(base_model), "id": "tiny"},
        "threads": 1,
        "device": "cpu",
        "hyperparameters": {"epochs": 4},
        **changes,
    }


@pytest.fixture
def make_job(tmp_path: Path, base_model: Path) -> JobFactory:
    def make(rows: pd.DataFrame | None = None, *, name: str = "run", **changes: Any) -> TrainingJob:
        return parse_job(wire_job(tmp_path / name, changes.pop("base", base_model), rows, **changes))

    return make


@pytest.fixture
def job_file(tmp_path: Path, base_model: Path) -> Callable[..., Path]:
    def write(rows: pd.DataFrame | None = None, *, name: str = "run", **changes: Any) -> Path:
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(wire_job(tmp_path / name, base_model, rows, **changes)))
        return path

    return write
