"""The low-rank adapter on query and value of the upper layers: attach, save, load.

Source:
    Hu et al. (2021), "LoRA: Low-Rank Adaptation of Large Language Models"; query and value are the paper's setting.
"""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

import peft
import safetensors.torch
import torch

from shifty_trainer.encoder import Encoder
from shifty_trainer.recipe import Recipe
from shifty_trainer.whole_directory import canonical_json

# The names peft looks for in a directory, so that any peft program can load what is exported here.
CONFIG_NAME = "adapter_config.json"
WEIGHTS_NAME = "adapter_model.safetensors"


class Adapter:
    """A trainable adapter inside an encoder's upper layers; the encoder computes through it from then on."""

    def __init__(self, model: Any) -> None:
        self._model = model

    @classmethod
    def attach(cls, encoder: Encoder, recipe: Recipe) -> "Adapter":
        """A fresh adapter that changes nothing yet (one of its two factors starts at zero)."""
        config = peft.LoraConfig(
            r=recipe.lora_rank,
            lora_alpha=recipe.lora_alpha,
            lora_dropout=recipe.lora_dropout,
            target_modules=["query", "value"],
            layers_to_transform=encoder.adapted_layers,
            bias="none",
        )
        with _quiet_about_checkpointing():
            return cls(peft.get_peft_model(encoder.model, config))

    @classmethod
    def load(cls, encoder: Encoder, directory: Path) -> "Adapter":
        """The exported adapter of `directory`, for prediction."""
        with _quiet_about_checkpointing():
            return cls(peft.PeftModel.from_pretrained(encoder.model, directory, is_trainable=False))

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """The trainable ones, in a fixed order."""
        return [parameter for _, parameter in self.named_parameters()]

    def named_parameters(self) -> list[tuple[str, torch.nn.Parameter]]:
        """The trainable ones with their names in the model."""
        return [(name, value) for name, value in self._model.named_parameters() if value.requires_grad]

    def train(self, *, is_training: bool) -> None:
        """Dropout on or off, in the adapter and in the layers around it."""
        self._model.train(is_training)

    def weights(self) -> dict[str, torch.Tensor]:
        """A copy of the adapter's tensors under peft's names, on the CPU."""
        state = peft.get_peft_model_state_dict(self._model)
        return {name: state[name].detach().to("cpu", copy=True).contiguous() for name in sorted(state)}

    def set_weights(self, weights: dict[str, torch.Tensor]) -> None:
        """The inverse of `weights`."""
        peft.set_peft_model_state_dict(self._model, weights)

    def files(self, *, base_id: str) -> dict[str, bytes]:
        """The adapter as peft stores it, byte for byte the same for the same weights.

        peft writes `target_modules` in hash order, which differs from run to run, and the base model's local path; here
        every collection is sorted and the base model has its name.
        """
        config = self._model.peft_config["default"].to_dict()
        facts = {**config, "base_model_name_or_path": base_id, "inference_mode": True}
        ordered = {name: _plain(value) for name, value in facts.items()}
        weights = safetensors.torch.save(self.weights(), metadata={"format": "pt"})
        return {CONFIG_NAME: canonical_json(ordered), WEIGHTS_NAME: weights}

    def merged(self) -> Any:
        """The base model with the adapter added into its weights. The encoder must not be used afterwards."""
        return self._model.merge_and_unload(safe_merge=True)


def adapter_layers(directory: Path) -> int:
    """How many layers the exported adapter of `directory` changes."""
    return len(json.loads((directory / CONFIG_NAME).read_bytes())["layers_to_transform"])


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Enum):
        return value.value
    return value


@contextmanager
def _quiet_about_checkpointing() -> Iterator[None]:
    """Drop one warning: peft 0.21 asks transformers 5.23 a question under its old name, which is theirs to mend."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        yield
