"""Bradley-Terry: strengths of things that were only ever compared in pairs."""

from dataclasses import dataclass

import numpy as np

from shifty_pipelines.contexts.curation.domain.arrays import FloatArray, IntArray
from shifty_pipelines.contexts.curation.domain.consensus import Algorithm

BRADLEY_TERRY = Algorithm(name="bradley_terry", version=1)

#: Imagined comparisons of everything with one thing of strength 1, half of them won: who never lost is not infinitely
#: strong, and things that were never compared with each other, nor through others, still lie on one scale.
IMAGINED_COMPARISONS = 1.0
MAX_ITERATIONS = 1_000
TOLERANCE = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranking:
    """Strengths of n things.

    Attributes:
        log_strength: `(n,)`, 0 is the imagined average.
        iterations: rounds that were run.
        converged: whether the last round moved no log strength by `TOLERANCE` or more.
    """

    log_strength: FloatArray
    iterations: int
    converged: bool

    def probability(self, one: int, other: int) -> float:
        """That `one` wins against `other`."""
        return float(1 / (1 + np.exp(self.log_strength[other] - self.log_strength[one])))


def bradley_terry(
    winners: IntArray, losers: IntArray, *, n_items: int, imagined: float = IMAGINED_COMPARISONS
) -> Ranking:
    """Strengths under which the comparisons are most probable, by minorisation-maximisation.

    Args:
        winners: `(comparisons,)`, the number of the thing that won each; a draw is one row each way, which counts as
            one win for both.
        losers: `(comparisons,)`, the number of the thing that lost.
        n_items: how many things there are; one that was never compared has strength 1.
        imagined: comparisons of each with an average thing, half of them won; with 0 a thing that never lost or never
            won has no finite strength.

    Cost: O(comparisons) a round.

    Raises:
        ValueError: a thing is compared with itself, a number is out of range, or the columns differ in length; each is
            a mistake of the caller.

    Source:
        Hunter (2004), "MM algorithms for generalized Bradley-Terry models", Annals of Statistics 32(1), eq. 3.
    """
    _check(winners, losers, n_items)
    wins = np.bincount(winners, minlength=n_items) + imagined / 2
    strength = np.ones(n_items)
    converged, iterations = False, 0
    while iterations < MAX_ITERATIONS and not converged:
        iterations += 1
        share = 1 / (strength[winners] + strength[losers])
        met = np.bincount(winners, share, n_items) + np.bincount(losers, share, n_items) + imagined / (strength + 1)
        # Who was never compared, and imagines nothing, stays average.
        following = np.divide(wins, met, out=np.ones(n_items), where=met > 0)
        converged = bool(np.abs(np.log(np.maximum(following, 1e-300) / strength)).max(initial=0.0) < TOLERANCE)
        strength = np.maximum(following, 1e-300)
    return Ranking(log_strength=np.log(strength), iterations=iterations, converged=converged)


def _check(winners: IntArray, losers: IntArray, n_items: int) -> None:
    if winners.shape != losers.shape:
        raise ValueError(f"{winners.shape} winners and {losers.shape} losers; expected as many of both")
    both = np.concatenate([winners, losers])
    if len(both) and (both.min() < 0 or both.max() >= n_items):
        raise ValueError(f"numbers reach from {both.min()} to {both.max()}; expected 0 to {n_items - 1}")
    if (winners == losers).any():
        raise ValueError("a thing is compared with itself")
