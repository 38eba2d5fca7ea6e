"""Two candidates, adapter and frozen head, and the choice between them.

Which one is registered is decided on the validation rows, with heads that have not seen them; the test rows decide
nothing. The exported head is then fitted again on training and validation rows together.
"""

from dataclasses import dataclass, replace

import numpy as np

from shifty_trainer.evaluation import Evaluation, evaluate
from shifty_trainer.fitting import fit_head
from shifty_trainer.heads import LinearHead
from shifty_trainer.job import ModelKind
from shifty_trainer.rows import TEST, TRAIN, VALIDATION, Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A fitted model: its head, and what it is worth.

    `validation` comes from a head fitted on training rows alone; `test` and `test_probabilities`, float
    ``(test rows, labels)``, from `head`, fitted on training and validation rows.
    """

    kind: ModelKind
    head: LinearHead
    validation: Evaluation
    test: Evaluation
    test_probabilities: np.ndarray


def fit_candidate(kind: ModelKind, embeddings: np.ndarray, rows: Rows, *, c: float) -> Candidate:
    """Fit and evaluate the head of one candidate.

    Args:
        kind: whose embeddings they are.
        embeddings: float ``(all rows, dimensions)``.
        rows: labels and splits.
        c: inverse strength of the head's penalty.
    """
    label_ids, labels = rows.label_ids, rows.labels
    train, validation, test = (rows.positions(split) for split in (TRAIN, VALIDATION, TEST))
    selection_head = fit_head(embeddings[train], label_ids[train], labels=labels, c=c)
    both = rows.positions(TRAIN, VALIDATION)
    head = fit_head(embeddings[both], label_ids[both], labels=labels, c=c)
    test_probabilities = head.probabilities(embeddings[test])
    return Candidate(
        kind=kind,
        head=head,
        validation=evaluate(selection_head.probabilities(embeddings[validation]), label_ids[validation], labels=labels),
        test=evaluate(test_probabilities, label_ids[test], labels=labels),
        test_probabilities=test_probabilities,
    )


def refitted(candidate: Candidate, embeddings: np.ndarray, rows: Rows) -> Candidate:
    """The candidate with the head and the test figures of other embeddings, made when its validation rows had chosen.

    Args:
        candidate: as it was chosen by; its validation figures stay.
        embeddings: float ``(all rows, dimensions)``, of an encoder that has learnt from the validation rows too.
        rows: labels and splits.
    """
    both, test = rows.positions(TRAIN, VALIDATION), rows.positions(TEST)
    head = fit_head(embeddings[both], rows.label_ids[both], labels=rows.labels, c=candidate.head.c)
    test_probabilities = head.probabilities(embeddings[test])
    return replace(
        candidate,
        head=head,
        test=evaluate(test_probabilities, rows.label_ids[test], labels=rows.labels),
        test_probabilities=test_probabilities,
    )


def better(first: Candidate, second: Candidate) -> Candidate:
    """The one of higher validation macro F1; where that is equal, of lower validation log loss; else the second.

    Small validation splits tie often: with 36 rows one answer is almost three points.
    """
    first_rank = (first.validation.macro_f1, -first.validation.log_loss)
    second_rank = (second.validation.macro_f1, -second.validation.log_loss)
    return first if first_rank > second_rank else second
