"""Connected components: which rows hang together once every edge is followed to its end."""

import numpy as np

from shifty_pipelines.contexts.curation.domain.arrays import IntArray


def connected_components(n_nodes: int, edges: IntArray) -> IntArray:
    """The lowest node of its component for every node, int64 `(n_nodes,)`.

    Args:
        n_nodes: nodes are 0 to `n_nodes` - 1.
        edges: `(n_edges, 2)` node indices, in any order and direction, repeats allowed.

    Union-find in whole arrays: hook each root to the lowest neighbouring root, then halve paths, until no edge joins
    two roots. The answer hangs on the graph alone, not on the order of the edges.
    """
    root = np.arange(n_nodes, dtype=np.int64)
    if len(edges) == 0:
        return root
    left, right = edges[:, 0], edges[:, 1]
    while True:
        a, b = root[left], root[right]
        if np.array_equal(a, b):
            return root
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        _flatten(root)


def _flatten(root: IntArray) -> None:
    while True:
        higher = root[root]
        if np.array_equal(higher, root):
            return
        root[:] = higher
