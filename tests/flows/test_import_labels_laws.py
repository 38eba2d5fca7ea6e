"""Laws of the import, on any rows in any batches: what stands is what plain Python says, and twice is once."""

import tempfile
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shifty_pipelines.flows import import_labels as flow
from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.tenant import TenantId
from tests.flows.import_stage import ImportStage, csv_of

Row = tuple[str, str, str, str]
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", ""]),
        st.sampled_from(["a", "a", "b", ""]),
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(["timeout", "network", "?"]),
    ),
    min_size=1,
    max_size=25,
)


def judged(rows: list[Row]) -> tuple[list[tuple[str, str, int]], list[tuple[int, str]]]:
    """What stands and what is reported, row after row, without batches, files or a database."""
    texts: dict[str, str] = {}
    standing: list[Row] = []
    report = []
    for number, row in enumerate(rows, start=2):
        item, text, who, label = row
        if not item or not text:
            report.append((number, "missing_value"))
        elif label == "?":
            report.append((number, "unknown_label"))
        elif texts.setdefault(item, text) != text:
            report.append((number, "item_differs"))
        elif row in standing:
            report.append((number, "duplicate_label"))
        else:
            if any((item, who) == (other[0], other[2]) for other in standing):
                report.append((number, "contradicting_label"))
            standing.append(row)
    counted = Counter((item, label) for item, _, _, label in standing)
    return sorted((item, label, count) for (item, label), count in counted.items()), report


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, sizes=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_importing_twice_in_any_batches_is_importing_once_and_is_what_plain_code_says(
    app_database: Database,
    new_tenant: Callable[[], uuid.UUID],
    monkeypatch: pytest.MonkeyPatch,
    rows: list[Row],
    sizes: tuple[int, int],
) -> None:
    stage = ImportStage(app_database, TenantId(new_tenant()))
    with tempfile.TemporaryDirectory() as folder:
        path = csv_of(Path(folder) / "rows.csv", "item,text,who,label", rows)
        for size in sizes:
            monkeypatch.setattr(flow, "BATCH_ROWS", size)
            _, rejected = stage.load(path)
            assert (stage.stored(), [(row, reason) for row, reason, _ in rejected]) == judged(rows)
