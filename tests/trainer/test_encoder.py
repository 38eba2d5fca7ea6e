"""The reference is transformers' own forward pass through the whole model."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

import shifty_trainer.encoder
from shifty_trainer.encoder import Encoder, base_model_sha256
from shifty_trainer.refusals import BaseModelChanged, BaseModelMissing, BaseModelUnsupported
from tests.trainer.conftest import write_base_model

CPU = torch.device("cpu")
TEXTS = ["the page", "how add support of the new menu in a list please", "crash", "", "why " * 300]


def reference(base_model: Path, texts: list[str], max_tokens: int) -> np.ndarray:
    """Mean over tokens of the last hidden state, one text at a time, scaled to length one."""
    model = transformers.AutoModel.from_pretrained(base_model).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(base_model)
    rows = []
    for text in texts:
        inputs = tokenizer(text, truncation=True, max_length=max_tokens, return_tensors="pt")
        with torch.no_grad():
            mean = model(**inputs).last_hidden_state[0].mean(dim=0)
        rows.append((mean / mean.norm()).numpy())
    return np.stack(rows)


@pytest.mark.parametrize("model_type", ["bert", "roberta"])
@pytest.mark.parametrize("adapted_layer_count", [1, 3, 9])
def test_embeddings_are_those_of_the_whole_model(tmp_path: Path, model_type: str, adapted_layer_count: int) -> None:
    base = write_base_model(tmp_path / "base", model_type=model_type)
    encoder = Encoder.load(base, adapted_layer_count=adapted_layer_count, device=CPU)

    embeddings = encoder.embed_all(encoder.lower_states(TEXTS, max_tokens=40), np.arange(len(TEXTS)))

    assert embeddings == pytest.approx(reference(base, TEXTS, 40), abs=1e-5)
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(np.ones(len(TEXTS)))


@pytest.mark.parametrize(
    ("layers", "adapted"),
    [
        pytest.param(6, [3, 4, 5], id="the upper three"),
        pytest.param(4, [1, 2, 3], id="of four"),
        pytest.param(2, [0, 1], id="all of two"),
    ],
)
def test_a_shallow_model_is_adapted_in_the_layers_it_has(tmp_path: Path, layers: int, adapted: list[int]) -> None:
    base = write_base_model(tmp_path / "base", layers=layers)

    assert Encoder.load(base, adapted_layer_count=3, device=CPU).adapted_layers == adapted


def test_states_computed_anew_give_the_same_embeddings_as_kept_ones(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = encoder.embed_all(encoder.lower_states(TEXTS, max_tokens=40), np.array([3, 1]))
    monkeypatch.setattr(shifty_trainer.encoder, "MAX_KEPT_BYTES", 0)

    anew = encoder.embed_all(encoder.lower_states(TEXTS, max_tokens=40), np.array([3, 1]))

    assert anew == pytest.approx(kept, abs=1e-6)


@pytest.mark.parametrize("text", ["page " * 2_000_000, "x" * 10_000_000, " " * 10_000_000])
def test_a_ten_megabyte_text_costs_no_more_than_a_long_one(encoder: Encoder, text: str) -> None:
    lower = encoder.lower_states([text], max_tokens=256)

    assert lower.batch(np.array([0])).states.shape[1] <= encoder.max_tokens


def test_a_missing_base_model_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BaseModelMissing, match="name a local directory"):
        Encoder.load(tmp_path / "nowhere", adapted_layer_count=3, device=CPU)
    with pytest.raises(BaseModelMissing, match="does not exist"):
        base_model_sha256(tmp_path / "nowhere")


def test_weights_that_are_not_safetensors_are_refused(tmp_path: Path) -> None:
    base = write_base_model(tmp_path / "base")
    (base / "model.safetensors").rename(base / "pytorch_model.bin")

    with pytest.raises(BaseModelMissing, match=r"holds no \*.safetensors"):
        base_model_sha256(base)
    with pytest.raises(BaseModelMissing, match="cannot be loaded"):
        Encoder.load(base, adapted_layer_count=3, device=CPU)


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    base = write_base_model(tmp_path / "base")
    weights = base / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])

    with pytest.raises(BaseModelMissing, match="cannot be loaded"):
        Encoder.load(base, adapted_layer_count=3, device=CPU)


def test_an_architecture_we_cannot_split_is_refused_by_name(tmp_path: Path) -> None:
    transformers.GPT2Config(vocab_size=10, n_embd=8, n_layer=1, n_head=1).save_pretrained(tmp_path)

    with pytest.raises(BaseModelUnsupported, match="'gpt2'"):
        Encoder.load(tmp_path, adapted_layer_count=3, device=CPU)


def test_a_base_model_is_pinned_by_its_content(base_model: Path, tmp_path: Path) -> None:
    same, other = write_base_model(tmp_path / "same"), write_base_model(tmp_path / "other", layers=2)

    assert base_model_sha256(same) == base_model_sha256(base_model)
    with pytest.raises(BaseModelChanged):
        base_model_sha256(other, expected=base_model_sha256(base_model))
