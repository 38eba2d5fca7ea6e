"""Exact duplicates by digest, near duplicates by MinHash and locality-sensitive hashing.

What belongs here: which texts say the same. What does not: which of them to keep (a decision of the dataset), and where
digests are stored (a bare hash of a short text is guessable, so a stored digest is keyed with the tenant's key).
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from shifty_pipelines.contexts.curation.domain.arrays import FloatArray, HashArray, IntArray
from shifty_pipelines.contexts.curation.domain.components import connected_components
from shifty_pipelines.contexts.curation.domain.minhash import shingle_hashes, signatures


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """How alike two texts must be, and how hard we look.

    Attributes:
        shingle_length: characters per shingle; 5 is short enough for one-line messages and long enough that common
            letters alone do not match (Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, 3.2.2).
        bands, rows_per_band: pairs are compared when one band of their signatures agrees.
        threshold: Jaccard similarity of the shingle sets from which two texts are near duplicates; compared exactly,
            so bands decide only what is looked at.
    """

    shingle_length: int = 5
    bands: int = 16
    rows_per_band: int = 4
    threshold: float = 0.8

    @property
    def permutations(self) -> int:
        """Length of a signature."""
        return self.bands * self.rows_per_band


DEFAULT = Sensitivity()

#: Texts that share a band are compared with this many neighbours and with the first: a thousand near copies cost a
#: thousand comparisons and not half a million, and are linked into one group all the same.
NEIGHBOURS = 8

#: Texts and pairs handled at a time; bounds memory at some hundreds of megabytes for texts of a few kilobytes.
TEXT_BLOCK, PAIR_BLOCK = 1_000, 1_000

_WHITESPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NearDuplicates:
    """Which texts hang together.

    Attributes:
        edges: int64 `(n_edges, 2)`, lower text index first, sorted, exact duplicates included.
        similarity: `(n_edges,)` Jaccard similarity of the shingle sets, 1 for exact duplicates.
        group: int64 `(n_texts,)`, the lowest text index of the connected component.
    """

    edges: IntArray
    similarity: FloatArray
    group: IntArray


def normalise(text: str) -> str:
    """The text without what does not change its meaning: compatibility forms, case, runs of whitespace."""
    return _WHITESPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def content_digest(text: str, *, key: bytes) -> bytes:
    """16 bytes, equal for texts with the same normal form; `key` is the tenant's (up to 64 bytes)."""
    return blake2b(normalise(text).encode("utf-8", "surrogatepass"), key=key, digest_size=16).digest()


def detection_probability(similarity: float, sensitivity: Sensitivity = DEFAULT) -> float:
    """Chance that a pair of that Jaccard similarity shares a band: 1 - (1 - s^r)^b.

    Source:
        The S-curve of Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, 3.4.2. With 16 bands of 4: .988 at .7,
        .9998 at .8.
    """
    return float(1 - (1 - similarity**sensitivity.rows_per_band) ** sensitivity.bands)


def find_near_duplicates(texts: Sequence[str], sensitivity: Sensitivity = DEFAULT) -> NearDuplicates:
    """Pairs and groups of texts that are equal after `normalise`, or nearly so.

    Near-linear: signatures cost O(characters x permutations), candidates O(texts x bands x NEIGHBOURS). A pair at the
    threshold is found with `detection_probability`; nothing below the threshold is ever reported. Deterministic.
    """
    normal = [normalise(text) for text in texts]
    first: dict[str, int] = {}
    exact = [(seen, i) for i, text in enumerate(normal) if (seen := first.setdefault(text, i)) != i]
    distinct = list(first.values())
    near, similarity = _near_pairs([normal[i] for i in distinct], sensitivity)
    near = np.array(distinct, dtype=np.int64)[near].reshape(-1, 2)
    edges = np.vstack([np.array(exact, dtype=np.int64).reshape(-1, 2), near])
    similarity = np.concatenate([np.ones(len(exact)), similarity])
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    return NearDuplicates(
        edges=edges[order], similarity=similarity[order], group=connected_components(len(texts), edges)
    )


def _near_pairs(texts: Sequence[str], sensitivity: Sensitivity) -> tuple[IntArray, FloatArray]:
    blocks = [
        signatures(
            *shingle_hashes(texts[start : start + TEXT_BLOCK], sensitivity.shingle_length), sensitivity.permutations
        )
        for start in range(0, len(texts), TEXT_BLOCK)
    ]
    if not blocks:
        return np.empty((0, 2), dtype=np.int64), np.empty(0)
    candidates = _candidates(np.vstack(blocks), sensitivity)
    similarity = np.concatenate([np.empty(0), *_jaccard(texts, candidates, sensitivity.shingle_length)])
    alike = similarity >= sensitivity.threshold
    return candidates[alike], similarity[alike]


def _candidates(signature: HashArray, sensitivity: Sensitivity) -> IntArray:
    """Pairs that share a band, lower index first, each once, sorted."""
    n_texts = len(signature)
    pairs = [np.empty(0, dtype=np.int64)]
    for band in np.hsplit(signature, sensitivity.bands):
        _, bucket = np.unique(band, axis=0, return_inverse=True)
        order = np.argsort(bucket.ravel(), kind="stable")
        sorted_bucket = bucket.ravel()[order]
        first_of_bucket = order[np.searchsorted(sorted_bucket, sorted_bucket)]
        pairs.append((first_of_bucket * n_texts + order)[first_of_bucket != order])
        for step in range(1, NEIGHBOURS + 1):
            together = sorted_bucket[step:] == sorted_bucket[:-step]
            pairs.append((order[:-step] * n_texts + order[step:])[together])
    cell = np.unique(np.concatenate(pairs))
    return np.stack([cell // n_texts, cell % n_texts], axis=1)


def _jaccard(texts: Sequence[str], pairs: IntArray, shingle_length: int) -> Iterator[FloatArray]:
    """Exact Jaccard similarity of the shingle sets, block by block: shared = hashes that occur twice within a pair."""
    for start in range(0, len(pairs), PAIR_BLOCK):
        block = pairs[start : start + PAIR_BLOCK]
        named, position = np.unique(block, return_inverse=True)
        hashes, sizes = shingle_hashes([texts[i] for i in named], shingle_length)
        sets = np.split(hashes, np.cumsum(sizes)[:-1])
        left, right = position.reshape(-1, 2).T
        shared = np.array([_shared(sets[a], sets[b]) for a, b in zip(left, right, strict=True)])
        yield shared / (sizes[left] + sizes[right] - shared)


def _shared(left: HashArray, right: HashArray) -> int:
    both = np.sort(np.concatenate([left, right]), kind="stable")
    return int(np.count_nonzero(both[1:] == both[:-1]))
