import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import peft
import pytest
import torch
import transformers

from shifty_trainer.encoder import Encoder
from shifty_trainer.lora import CONFIG_NAME, WEIGHTS_NAME, Adapter
from shifty_trainer.recipe import MEASURED

TEXTS = ["the page", "how add support of the new menu", "crash in a list"]
EVERY = np.arange(len(TEXTS))


def attached(encoder: Encoder) -> Adapter:
    torch.manual_seed(5)
    return Adapter.attach(encoder, MEASURED)


def stirred(encoder: Encoder) -> Adapter:
    """An adapter that changes the outcome, as a trained one does."""
    adapter = attached(encoder)
    generator = torch.Generator().manual_seed(6)
    adapter.set_weights(
        {name: 0.3 * torch.randn(value.shape, generator=generator) for name, value in adapter.weights().items()}
    )
    return adapter


def exported(adapter: Adapter, directory: Path) -> Path:
    directory.mkdir()
    for name, content in adapter.files(base_id="tiny").items():
        (directory / name).write_bytes(content)
    return directory


def embed(encoder: Encoder) -> np.ndarray:
    encoder.model.eval()
    return encoder.embed_all(encoder.lower_states(TEXTS, max_tokens=40), EVERY)


def embed_with_transformers(model: torch.nn.Module, base_model: Path) -> np.ndarray:
    tokenizer = transformers.AutoTokenizer.from_pretrained(base_model)
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model.eval()(**inputs).last_hidden_state
    weight = inputs["attention_mask"].unsqueeze(-1)
    mean = (hidden * weight).sum(dim=1) / weight.sum(dim=1)
    return (mean / mean.norm(dim=1, keepdim=True)).numpy()


def test_only_query_and_value_of_the_upper_three_layers_learn(encoder: Encoder) -> None:
    names = [name for name, _ in attached(encoder).named_parameters()]

    assert len(names) == 3 * 2 * 2
    assert all(f"layer.{layer}.attention.self." in " ".join(names) for layer in (1, 2, 3))
    assert all(".query.lora_" in name or ".value.lora_" in name for name in names)


def test_a_fresh_adapter_changes_nothing(encoder: Encoder) -> None:
    before = embed(encoder)
    attached(encoder)

    assert embed(encoder) == pytest.approx(before, abs=1e-6)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft's own, see lora.py
def test_a_reloaded_adapter_matches_the_cached_path(encoder: Encoder, base_model: Path, tmp_path: Path) -> None:
    frozen = embed(encoder)
    directory = exported(stirred(encoder), tmp_path / "adapter")
    cached = embed(encoder)

    model = transformers.AutoModel.from_pretrained(base_model)
    reloaded = embed_with_transformers(peft.PeftModel.from_pretrained(model, directory), base_model)

    assert np.abs(cached - frozen).max() > 0.05
    assert reloaded == pytest.approx(cached, abs=1e-5)


def test_a_merged_adapter_matches_the_cached_path(encoder: Encoder, base_model: Path) -> None:
    adapter = stirred(encoder)
    cached = embed(encoder)

    assert embed_with_transformers(adapter.merged(), base_model) == pytest.approx(cached, abs=1e-5)


def test_weights_can_be_taken_out_and_put_back(encoder: Encoder) -> None:
    adapter = stirred(encoder)
    weights, before = adapter.weights(), embed(encoder)
    adapter.set_weights({name: torch.zeros_like(value) for name, value in weights.items()})
    assert np.abs(embed(encoder) - before).max() > 0.05

    adapter.set_weights(weights)

    assert np.array_equal(embed(encoder), before)


def test_the_exported_config_is_sorted_and_names_no_path(encoder: Encoder, tmp_path: Path) -> None:
    directory = exported(attached(encoder), tmp_path / "adapter")
    raw = (directory / CONFIG_NAME).read_text()
    config = json.loads(raw)

    assert list(config) == sorted(config)
    assert config["target_modules"] == ["query", "value"]
    assert config["base_model_name_or_path"] == "tiny"
    assert config["layers_to_transform"] == [1, 2, 3]


def test_every_process_writes_the_same_bytes(base_model: Path) -> None:
    # sets of strings are ordered by a hash that differs between processes unless PYTHONHASHSEED fixes it
    program = (
        "import sys, torch, hashlib; from pathlib import Path\n"
        "from shifty_trainer.encoder import Encoder; from shifty_trainer.lora import Adapter\n"
        "from shifty_trainer.recipe import MEASURED\n"
        "encoder = Encoder.load(Path(sys.argv[1]), adapted_layer_count=3, device=torch.device('cpu'))\n"
        "torch.manual_seed(5)\n"
        "files = Adapter.attach(encoder, MEASURED).files(base_id='tiny')\n"
        "print(*(hashlib.sha256(files[name]).hexdigest() for name in sorted(files)))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program, str(base_model)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "4")
    }

    assert len(outputs) == 1
    assert WEIGHTS_NAME.endswith(".safetensors")
