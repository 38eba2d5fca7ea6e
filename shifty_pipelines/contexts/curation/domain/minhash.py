"""MinHash signatures of texts, in whole arrays."""

from collections.abc import Sequence

import numpy as np

from shifty_pipelines.contexts.curation.domain.arrays import HashArray, IntArray

#: SplitMix64's odd constant, the golden ratio in 64 bits (Steele, Lea & Flood 2014): steps from seed to seed.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
#: FNV's 64-bit prime, here the base of the polynomial over a shingle's characters.
_BASE = np.uint64(0x100000001B3)
_HALF = np.uint64(32)


def shingle_hashes(texts: Sequence[str], length: int) -> tuple[HashArray, IntArray]:
    """Distinct hashed character shingles, one text after the other, sorted within a text, and their count per text.

    A text shorter than a shingle is one shingle, padded with NULs.
    """
    points = [_code_points(text, length) for text in texts]
    sizes = np.array([len(p) for p in points], dtype=np.int64)
    joined = np.concatenate([np.empty(0, dtype=np.uint64), *points])
    n_windows = max(len(joined) - length + 1, 0)
    rolled = np.zeros(n_windows, dtype=np.uint64)
    for offset in range(length):
        rolled = rolled * _BASE + joined[offset : offset + n_windows]
    owner = np.repeat(np.arange(len(texts)), sizes)[:n_windows]
    left_in_text = np.repeat(np.cumsum(sizes), sizes)[:n_windows] - np.arange(n_windows)
    inside = left_in_text >= length
    hashes, owner = _mixed(rolled[inside]), owner[inside]
    order = np.lexsort((hashes, owner))
    hashes, owner = hashes[order], owner[order]
    is_new = np.ones(len(hashes), dtype=np.bool_)
    is_new[1:] = (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])
    return hashes[is_new], np.bincount(owner[is_new], minlength=len(texts))


def signatures(hashes: HashArray, sizes: IntArray, permutations: int) -> HashArray:
    """`(n_texts, permutations)`: the lowest hash of each text under each of `permutations` hash functions.

    The share of equal entries of two rows estimates the Jaccard similarity of their sets. The functions are
    multiply-shift over 64 bits with constants from SplitMix64, fixed for ever: the same text has the same signature in
    every version.

    Source:
        Broder (1997), "On the resemblance and containment of documents"; multiply-shift: Dietzfelbinger et al. (1997).
    """
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    seeds = _mixed(np.arange(1, 2 * permutations + 1, dtype=np.uint64) * _GOLDEN)
    signature = np.empty((len(sizes), permutations), dtype=np.uint64)
    for k in range(permutations):
        multiplier, addend = seeds[2 * k] | np.uint64(1), seeds[2 * k + 1]
        signature[:, k] = np.minimum.reduceat((hashes * multiplier + addend) >> _HALF, starts)
    return signature


def _code_points(text: str, at_least: int) -> HashArray:
    encoded = text.ljust(at_least, "\0").encode("utf-32-le", "surrogatepass")
    return np.frombuffer(encoded, dtype=np.uint32).astype(np.uint64)


def _mixed(value: HashArray) -> HashArray:
    """SplitMix64's finaliser: every input bit reaches every output bit."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
