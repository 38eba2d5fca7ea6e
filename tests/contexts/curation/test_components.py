import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifty_pipelines.contexts.curation.domain.components import connected_components

edges = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30)


def walked(n_nodes: int, pairs: list[tuple[int, int]]) -> list[int]:
    """Lowest reachable node by walking, one node at a time."""
    neighbours = {node: {b for a, b in [*pairs, *((b, a) for a, b in pairs)] if a == node} for node in range(n_nodes)}
    lowest = []
    for start in range(n_nodes):
        seen, todo = {start}, [start]
        while todo:
            new = neighbours[todo.pop()] - seen
            seen |= new
            todo += new
        lowest.append(min(seen))
    return lowest


@given(edges)
def test_every_node_knows_the_lowest_node_it_can_reach(pairs: list[tuple[int, int]]) -> None:
    found = connected_components(20, np.array(pairs, dtype=np.int64).reshape(-1, 2))

    assert found.tolist() == walked(20, pairs)


@pytest.mark.parametrize("n_nodes", [0, 3])
def test_without_edges_every_node_is_alone(n_nodes: int) -> None:
    assert connected_components(n_nodes, np.empty((0, 2), dtype=np.int64)).tolist() == list(range(n_nodes))


def test_a_long_chain_in_the_worst_order_is_one_component() -> None:
    chain = np.stack([np.arange(100_000 - 1), np.arange(1, 100_000)], axis=1)
    shuffled = np.random.default_rng(0).permutation(chain)

    assert connected_components(100_000, shuffled).max() == 0
