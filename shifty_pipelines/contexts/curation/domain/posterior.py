"""The posterior of one item while its votes come in, from skills stored by the last refit: no EM, no arrays."""

import math
from collections.abc import Mapping, Sequence

#: A stored accuracy of 0 or 1 still leaves room for a surprise; the logarithm needs it.
ACCURACY_MARGIN = 1e-6

#: With one label there is nothing to decide.
FEWEST_LABELS = 2

#: Half a right and half a wrong answer before the first gold item (Toloka's K).
GOLD_PSEUDO_COUNT = 0.5


def posterior(answers: Sequence[tuple[str, float]], labels: Sequence[str]) -> Mapping[str, float]:
    """Probability of each label, given (answer, accuracy of who gave it); errors fall evenly on the other labels.

    All labels are equally likely beforehand. O(answers + labels), in log space, so any number of answers is safe.

    Raises:
        ValueError: fewer than two labels, a repeated label, an answer outside the labels, an accuracy outside 0 to 1;
            each is a mistake of the caller, who has checked what came from outside.

    Source:
        Toloka, "Dynamic overlap": P(answer | truth) is q for the truth and (1 - q) / (Y - 1) otherwise.

    Example:
        >>> round(posterior([("OK", 0.7), ("OK", 0.9)], ["OK", "BAD", "404"])["OK"], 3)
        0.977
    """
    if len(set(labels)) != len(labels) or len(labels) < FEWEST_LABELS:
        raise ValueError(f"labels are {labels!r}; expected two or more that differ from each other")
    log_weight = dict.fromkeys(labels, 0.0)
    for answer, accuracy in answers:
        if answer not in log_weight:
            raise ValueError(f"answer {answer!r} is none of the {len(labels)} labels")
        log_weight[answer] += _log_odds_of_being_right(accuracy, len(labels))
    top = max(log_weight.values())
    weight = {label: math.exp(value - top) for label, value in log_weight.items()}
    total = math.fsum(weight.values())
    return {label: value / total for label, value in weight.items()}


def normalised_entropy(distribution: Mapping[str, float]) -> float:
    """Entropy as a share of the highest possible one: 1 where all labels are equally probable, 0 where one is certain.

    Source:
        Shannon (1948), eq. 4, divided by the log of the number of labels, so that types of any size compare.

    Example:
        >>> round(normalised_entropy({"a": 0.8, "b": 0.2}), 4)
        0.7219
    """
    entropy = -math.fsum(share * math.log(share) for share in distribution.values() if share > 0)
    return min(max(entropy / math.log(len(distribution)), 0.0), 1.0)


def accuracy_from_gold(*, correct: int, seen: int) -> float:
    """Accuracy estimate of a labeler from gold items: 0.5 before the first, nearer to the observed share with each.

    Source:
        Toloka, "Dynamic overlap": (K + correct) / (2K + seen), K = 0.5.
    """
    if not 0 <= correct <= seen:
        raise ValueError(f"correct is {correct}; expected between 0 and the {seen} gold items seen")
    return (GOLD_PSEUDO_COUNT + correct) / (2 * GOLD_PSEUDO_COUNT + seen)


def _log_odds_of_being_right(accuracy: float, n_labels: int) -> float:
    """Log of q over (1 - q) / (Y - 1): the factor every other label lacks, so only the answered one need be touched."""
    if not 0.0 <= accuracy <= 1.0:
        raise ValueError(f"accuracy is {accuracy}; expected a number from 0 to 1")
    q = min(max(accuracy, ACCURACY_MARGIN), 1 - ACCURACY_MARGIN)
    return math.log(q) - math.log1p(-q) + math.log(n_labels - 1)
