"""The supervised contrastive loss, and batches in which it has something to contrast."""

import numpy as np
import torch


def supervised_contrastive_loss(
    embeddings: torch.Tensor, label_ids: torch.Tensor, *, temperature: float
) -> torch.Tensor:
    """How far rows of one label are from being each other's nearest, in nats; scalar.

    For anchor i with positives P(i), the other rows of its label, and A(i), all other rows:

        loss_i = -1/|P(i)| * sum over p in P(i) of log( exp(z_i.z_p / t) / sum over a in A(i) of exp(z_i.z_a / t) )

    The result is the mean over anchors that have a positive; 0 (with a gradient of 0) if none has.

    Args:
        embeddings: unit vectors, float ``(rows, dimensions)``.
        label_ids: int ``(rows,)``.
        temperature: t above, > 0; smaller looks harder at the nearest rows.

    Source:
        Khosla et al. (2020), "Supervised Contrastive Learning", eq. 2 (L_out), with one view of each row.
    """
    similarity = embeddings @ embeddings.T / temperature
    is_self = torch.eye(len(embeddings), dtype=torch.bool, device=embeddings.device)
    is_positive = (label_ids[:, None] == label_ids[None, :]) & ~is_self
    log_probability = similarity - torch.logsumexp(similarity.masked_fill(is_self, -torch.inf), dim=1, keepdim=True)
    positive_count = is_positive.sum(dim=1)
    is_anchor = positive_count > 0
    if not bool(is_anchor.any()):
        return embeddings.sum() * 0.0
    loss_by_row = -log_probability.masked_fill(~is_positive, 0.0).sum(dim=1)[is_anchor] / positive_count[is_anchor]
    return loss_by_row.mean()


def interleaved_batches(label_ids: np.ndarray, *, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Every row once, in batches that each hold every label in about its share of the whole.

    Each label's rows are shuffled and spread evenly over the epoch; the epoch is then cut into equal batches of at most
    `batch_size`, so that no small last batch is left with nothing to contrast.

    Args:
        label_ids: int ``(rows,)``.
        batch_size: most rows in a batch.
        rng: decides the shuffle; same state, same batches.

    Returns:
        int arrays of row numbers.
    """
    place = np.empty(len(label_ids))
    for label in np.unique(label_ids):
        members = rng.permutation(np.flatnonzero(label_ids == label))
        place[members] = (np.arange(len(members)) + rng.random()) / len(members)
    order = np.argsort(place, kind="stable")
    batch_count = -(-len(order) // batch_size)
    return np.array_split(order, batch_count)
