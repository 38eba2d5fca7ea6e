"""An import killed at seeded moments and run again ends as one nobody disturbed: the same rows, the same report."""

import re
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Operator
from tests.flows.import_stage import csv_of

SEED = 20260302
ITEMS, LABELS = 2_000, 16_000
GIVE_UP_S = 60.0

pytestmark = pytest.mark.slow


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Texts and labels with a fault of every hundredth row or so, duplicates and contradictions among them."""
    rng = np.random.default_rng(SEED)
    texts = [(f"i{n}", "" if n % 100 == 7 else f"text {n} " + "x" * int(rng.integers(0, 400))) for n in range(ITEMS)]
    labels = [
        (f"i{rng.integers(0, ITEMS + 20)}", f"w{rng.integers(0, 40)}", rng.choice(["bad", "good", "good", "good", "?"]))
        for _ in range(LABELS)
    ]
    return csv_of(tmp_path / "texts.csv", "item,text", texts), csv_of(tmp_path / "labels.csv", "item,who,label", labels)


def command(files: tuple[Path, Path], slug: str, report: Path) -> list[object]:
    texts, labels = files
    columns = ["--item", "item", "--text", "text", "--label", "label", "--labeler-column", "who"]
    target = ["--tenant", slug, "--type", "verify_fix", "--source", "s", "--labels", "bad,good"]
    return ["labels", "import", labels, "--items", texts, *columns, *target, "--report", report]


def stored(operator: Operator, slug: str) -> tuple[list[str], list[list[tuple[str, str]]]]:
    """The items, and each labeler's labels; whose they are is another id in every tenant."""
    items = operator.query("SELECT external_id FROM items JOIN tenants USING (tenant_id) WHERE slug = %s", slug)
    labels = operator.query(
        "SELECT e.labeler_id, i.external_id, e.label FROM label_events e JOIN items i ON i.id = e.item_id"
        " JOIN tenants t ON t.tenant_id = e.tenant_id WHERE t.slug = %s",
        slug,
    )
    by_labeler = defaultdict(list)
    for labeler, item, label in labels:
        by_labeler[labeler].append((item, label))
    return sorted(item for (item,) in items), sorted(sorted(given) for given in by_labeler.values())


def rows_written(operator: Operator, slug: str) -> int:
    tables = "(SELECT tenant_id FROM items UNION ALL SELECT tenant_id FROM label_events) rows"
    [(count,)] = operator.query(f"SELECT count(*) FROM {tables} JOIN tenants USING (tenant_id) WHERE slug = %s", slug)
    return int(count)


def kill_after(operator: Operator, arguments: list[object], slug: str, rows: int) -> int:
    """Kill the import as soon as this many rows are seen; how many there were then."""
    process = operator.start(*arguments)
    deadline = time.monotonic() + GIVE_UP_S
    while rows_written(operator, slug) < rows and process.poll() is None:
        assert time.monotonic() < deadline, "the import wrote too little"
        time.sleep(0.005)
    process.kill()
    process.communicate()
    return rows_written(operator, slug)


def test_an_import_killed_again_and_again_ends_as_one_that_was_not(
    operator: Operator, files: tuple[Path, Path], tmp_path: Path
) -> None:
    calm, killed = operator.same_tenant("calm"), operator.new_tenant()
    calm_report, killed_report = tmp_path / "calm.csv", tmp_path / "killed.csv"
    assert operator.shifty(*command(files, calm, calm_report)).status == 0
    whole = rows_written(operator, calm)

    rng = np.random.default_rng(SEED)
    for moment in np.sort(rng.uniform(0, 0.95, 3)):
        left = kill_after(operator, command(files, killed, killed_report), killed, 1 + int(moment * whole))
        assert left < whole, "killed too late to mean anything"
        assert not killed_report.exists()
    answer = operator.shifty(*command(files, killed, killed_report))

    assert answer.status == 0
    assert stored(operator, killed) == stored(operator, calm)
    assert killed_report.read_bytes() == calm_report.read_bytes()
    # i7, i107 ... i1907 have no text.
    assert calm_report.read_text().count("missing_value") == 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calm.csv", "killed.csv", "labels.csv", "texts.csv"]
    assert re.search(r"labels: new +│ +[1-9]", answer.out), "the last run had something left to do"


def test_two_processes_that_import_one_file_at_once_import_it_once(
    operator: Operator, files: tuple[Path, Path], tmp_path: Path
) -> None:
    calm, shared = operator.same_tenant("calm"), operator.new_tenant()
    assert operator.shifty(*command(files, calm, tmp_path / "calm.csv")).status == 0
    reports = [tmp_path / f"{n}.csv" for n in range(2)]

    processes = [operator.start(*command(files, shared, report)) for report in reports]
    said = [process.communicate(timeout=120)[0] for process in processes]

    assert [process.returncode for process in processes] == [0, 0], said
    assert stored(operator, shared) == stored(operator, calm)
    assert {report.read_bytes() for report in reports} == {(tmp_path / "calm.csv").read_bytes()}
