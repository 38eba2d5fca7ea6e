"""How probable each label of one item is, given who said what."""

import math
from collections.abc import Mapping, Sequence


def posterior(answers: Sequence[tuple[str, float]], labels: Sequence[str]) -> Mapping[str, float]:
    """The probability of each label, in the order of `labels`; they sum to 1.

    Every label is equally likely before anybody answers. An answer of somebody with accuracy a is the true label with
    probability a, and each of the K - 1 others with probability (1 - a) / (K - 1). Computed in logarithms, because the
    product of many small factors would be zero.

    Args:
        answers: (label, accuracy of who said it), accuracies strictly between 0 and 1.
        labels: the K >= 2 labels there are; every answer is one of them.

    Source:
        The one-coin model of Dawid & Skene (1979). Two answers "a" at 0.8 among K = 4 labels give
        .64 / (.64 + 3 (.2 / 3)^2) = .9796 for "a".
    """
    log_weights = dict.fromkeys(labels, 0.0)
    for answer, accuracy in answers:
        if answer not in log_weights:
            raise ValueError(f"answer {answer!r} is none of the {len(labels)} labels")
        for label in labels:
            probability = accuracy if label == answer else (1 - accuracy) / (len(labels) - 1)
            log_weights[label] += math.log(probability)
    largest = max(log_weights.values())
    weights = {label: math.exp(log_weight - largest) for label, log_weight in log_weights.items()}
    total = sum(weights.values())
    return {label: weight / total for label, weight in weights.items()}
