"""The base model as a text encoder, split in two: lower layers that never change, upper layers that an adapter may.

The hidden states between the two are computed once per text and kept, which halves a training step with three of six
layers adapted. Embeddings are the mean over a text's tokens, scaled to length one.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
import transformers
from transformers.masking_utils import create_bidirectional_mask

from shifty_trainer.refusals import BaseModelChanged, BaseModelMissing, BaseModelUnsupported
from shifty_trainer.texts import bounded

# Architectures with `embeddings`, a plain list `encoder.layer`, and attention modules named query, key and value.
# The number is how many positions the architecture keeps for itself.
RESERVED_POSITIONS = {"bert": 0, "roberta": 2, "xlm-roberta": 2, "camembert": 2}

ROWS_PER_PASS = 32
# Beyond this the states between the layers are computed anew for each batch instead of kept.
MAX_KEPT_BYTES = 2 * 2**30

PINNED_FILES = ("config.json", "tokenizer*.json", "vocab.*", "merges.txt", "special_tokens_map.json", "*.safetensors")


@dataclass(frozen=True, slots=True)
class HiddenBatch:
    """States ``(rows, tokens, dimensions)`` and mask ``(rows, tokens)``, 1 where a token is, padded on the right."""

    states: torch.Tensor
    mask: torch.Tensor


class Encoder:
    """A BERT-like model whose upper `adapted_layer_count` layers are apart from the rest.

    A model with fewer layers than that is adapted in all of them; its "lower part" is then the token embedding.
    """

    def __init__(self, model: Any, tokenizer: Any, *, adapted_layer_count: int, device: torch.device) -> None:
        self.model = model.to(device).eval().requires_grad_(requires_grad=False)
        self.tokenizer = tokenizer
        self.device = device
        layer_count = len(model.encoder.layer)
        self.first_adapted_layer = max(0, layer_count - adapted_layer_count)
        self.adapted_layers = list(range(self.first_adapted_layer, layer_count))
        self.dimensions = int(model.config.hidden_size)
        self.max_tokens = model.config.max_position_embeddings - RESERVED_POSITIONS[model.config.model_type]

    @classmethod
    def load(cls, path: Path, *, adapted_layer_count: int, device: torch.device) -> "Encoder":
        """The encoder of a local model directory; nothing is downloaded, no pickle is opened.

        Raises:
            BaseModelMissing: the directory or one of its files is missing or unreadable.
            BaseModelUnsupported: its architecture is not one of `RESERVED_POSITIONS`.
        """
        transformers.utils.logging.disable_progress_bar()
        transformers.utils.logging.set_verbosity_error()
        if not (path / "config.json").is_file():
            raise BaseModelMissing(path, "does not hold a config.json")
        try:
            config = transformers.AutoConfig.from_pretrained(path, local_files_only=True)
            if config.model_type not in RESERVED_POSITIONS:
                raise BaseModelUnsupported(config.model_type, tuple(RESERVED_POSITIONS))
            model = transformers.AutoModel.from_pretrained(
                path, config=config, local_files_only=True, use_safetensors=True, dtype=torch.float32
            )
            tokenizer = transformers.AutoTokenizer.from_pretrained(path, local_files_only=True)
        except (OSError, ValueError, KeyError, RuntimeError, safetensors.SafetensorError) as error:
            raise BaseModelMissing(path, f"cannot be loaded ({type(error).__name__})") from error
        return cls(model, tokenizer, adapted_layer_count=adapted_layer_count, device=device)

    def lower_states(self, texts: Sequence[str], *, max_tokens: int) -> "LowerStates":
        """The states that enter the adapted layers, for each text cut to `max_tokens` tokens."""
        return LowerStates(self, self._token_ids(texts, max_tokens))

    def embed(self, batch: HiddenBatch) -> torch.Tensor:
        """Unit vectors ``(rows, dimensions)``: upper layers as they are now, mean over tokens, length one."""
        hidden = self._through(self.model.encoder.layer[self.first_adapted_layer :], batch)
        weight = batch.mask.unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * weight).sum(dim=1) / weight.sum(dim=1)
        return torch.nn.functional.normalize(pooled, dim=1)

    def embed_all(self, lower: "LowerStates", positions: np.ndarray) -> np.ndarray:
        """Embeddings of the texts at `positions` without dropout; float32 ``(len(positions), dimensions)``."""
        was_training = self.model.training
        self.model.eval()
        embeddings = np.empty((len(positions), self.dimensions), dtype=np.float32)
        for places in lower.passes(positions):
            with torch.no_grad():
                embeddings[places] = self.embed(lower.batch(positions[places])).cpu().numpy()
        self.model.train(was_training)
        return embeddings

    def lower_pass(self, token_ids: Sequence[Sequence[int]]) -> HiddenBatch:
        """Token embedding and lower layers, without dropout."""
        length = max(len(ids) for ids in token_ids)
        padded = torch.full((len(token_ids), length), int(self.tokenizer.pad_token_id), dtype=torch.long)
        mask = torch.zeros((len(token_ids), length), dtype=torch.long)
        for row, ids in enumerate(token_ids):
            padded[row, : len(ids)] = torch.tensor(ids, dtype=torch.long)
            mask[row, : len(ids)] = 1
        mask = mask.to(self.device)
        was_training = self.model.training
        self.model.eval()
        lower_layers = self.model.encoder.layer[: self.first_adapted_layer]
        with torch.no_grad():
            embedded = self.model.embeddings(input_ids=padded.to(self.device))
            states = self._through(lower_layers, HiddenBatch(embedded, mask))
        self.model.train(was_training)
        return HiddenBatch(states, mask)

    def _through(self, layers: Any, batch: HiddenBatch) -> torch.Tensor:
        hidden = batch.states
        attention_mask = create_bidirectional_mask(
            config=self.model.config, inputs_embeds=hidden, attention_mask=batch.mask
        )
        for layer in layers:
            hidden = layer(hidden, attention_mask)
        return hidden

    def _token_ids(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        cut = [bounded(text) for text in texts]
        length = min(max_tokens, self.max_tokens)
        return list(self.tokenizer(cut, truncation=True, max_length=length)["input_ids"]) if cut else []


class LowerStates:
    """The states below the adapted layers of a list of texts, kept if they fit into `MAX_KEPT_BYTES`."""

    def __init__(self, encoder: Encoder, token_ids: list[list[int]]) -> None:
        self._encoder = encoder
        self._token_ids = token_ids
        self._lengths = np.array([len(ids) for ids in token_ids], dtype=np.int64)
        needed_bytes = int(self._lengths.sum()) * encoder.dimensions * 4
        self._kept: list[torch.Tensor] | None = self._compute() if needed_bytes <= MAX_KEPT_BYTES else None

    def passes(self, positions: np.ndarray) -> Iterator[np.ndarray]:
        """Places within `positions`, a batch at a time, texts of like length together so that little is padding."""
        order = np.argsort(self._lengths[positions], kind="stable")
        for start in range(0, len(order), ROWS_PER_PASS):
            yield order[start : start + ROWS_PER_PASS]

    def batch(self, positions: np.ndarray) -> HiddenBatch:
        """The texts at `positions` as one padded batch."""
        if self._kept is None:
            return self._encoder.lower_pass([self._token_ids[position] for position in positions])
        rows = [self._kept[position] for position in positions]
        states = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(row) for row in rows], device=states.device)
        mask = (torch.arange(states.shape[1], device=states.device)[None, :] < lengths[:, None]).long()
        return HiddenBatch(states, mask)

    def _compute(self) -> list[torch.Tensor]:
        everything = np.arange(len(self._token_ids))
        kept: list[torch.Tensor] = [torch.empty(0)] * len(everything)
        for places in self.passes(everything):
            computed = self._encoder.lower_pass([self._token_ids[place] for place in places])
            for row, place in enumerate(places):
                kept[place] = computed.states[row, : self._lengths[place]].clone()
        return kept


def base_model_sha256(path: Path, *, expected: str | None = None) -> str:
    """One digest over the names and contents of the files that decide what a base model computes.

    Raises:
        BaseModelMissing: the directory holds no safetensors weights.
        BaseModelChanged: the digest is not the expected one.
    """
    files = sorted({file for pattern in PINNED_FILES for file in path.glob(pattern) if file.is_file()})
    if not any(file.suffix == ".safetensors" for file in files):
        raise BaseModelMissing(path, "holds no *.safetensors weights" if path.is_dir() else "does not exist")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            digest.update(f"{file.name} {hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    actual = digest.hexdigest()
    if expected is not None and actual != expected:
        raise BaseModelChanged(path, expected_sha256=expected, actual_sha256=actual)
    return actual
