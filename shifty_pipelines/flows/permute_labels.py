"""The permutation control: the same rows, with training and validation labels that say nothing.

A model trained on it must be refused; if it is not, the evaluation measures something else than what labels teach.

Source:
    Ojala & Garriga (2010), "Permutation Tests for Studying Classifier Performance", JMLR 11, test 1.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

PERMUTED_LABELS = "permuted_labels"
#: Any fixed number; the same rows give the same permutation.
SEED = 20_260_101


def permute_labels(dataset: Path) -> None:
    """Permute the labels of all rows but the test split's, in place; how often each label occurs stays."""
    table = pq.read_table(dataset)
    labels = np.array(table["label"].to_pylist(), dtype=object)
    learnt = np.flatnonzero(np.array(table["split"].to_pylist()) != "test")
    labels[learnt] = np.random.default_rng(SEED).permutation(labels[learnt])
    column = table.schema.get_field_index("label")
    pq.write_table(table.set_column(column, "label", pa.array(labels.tolist(), pa.string())), dataset)
