"""`shifty labels aggregate` as it is typed: a plain file in, a plain file out."""

import csv
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Answer
from tests.flows.import_stage import csv_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "contexts" / "curation.md"
#: Three labelers of ten items; cid always says the opposite of what is true, and nobody says anything of k.
TRUTH = {f"i{number}": "yes" if number % 2 else "no" for number in range(10)}
OPPOSITE = {"yes": "no", "no": "yes"}
ROWS = [
    (item, who, OPPOSITE[label] if who == "cid" else label)
    for item, label in TRUTH.items()
    for who in ("ann", "bob", "cid")
]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return csv_of(tmp_path / "labels.csv", "item,worker,label", ROWS)


Aggregate = Callable[..., Answer]


@pytest.fixture
def aggregate(run_shifty: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> Aggregate:
    monkeypatch.setenv("COLUMNS", "200")

    def run(file: Path, **options: Any) -> Answer:
        arguments = ["labels", "aggregate", str(file)]
        for name, value in {"out": file.with_name("out.csv"), **options}.items():
            arguments += [f"--{name}"] if value is True else [f"--{name}", str(value)]
        return run_shifty(*arguments)

    return run


def consensus_of(file: Path) -> dict[str, str]:
    with file.with_name("out.csv").open(newline="") as out:
        return {row["item"]: row["label"] for row in csv.DictReader(out)}


@pytest.mark.parametrize(
    "method", ["auto", "majority", "one_coin", "dawid_skene", "pooled_dawid_skene", "ebcc", "committee"]
)
def test_two_who_are_right_are_believed_by_every_method(aggregate: Aggregate, labels: Path, method: str) -> None:
    answer = aggregate(labels, method=method)
    assert answer.status == 0, answer.err
    assert consensus_of(labels) == TRUTH


def test_the_summary_says_which_method_and_why(aggregate: Aggregate, labels: Path) -> None:
    facts = json.loads(aggregate(labels, json=True).out)
    assert (facts["method"], facts["items"], facts["labelers"], facts["rowsRefused"]) == ("committee", 10, 3, 0)
    assert "without gold" in facts["why"]
    assert facts["weights"] == pytest.approx(dict.fromkeys(facts["weights"], 1 / 3), abs=1e-4)


def test_gold_turns_the_word_of_two_who_are_always_wrong(aggregate: Aggregate, tmp_path: Path) -> None:
    """Two say the opposite of the truth, one says it: without gold the two win, with half the items known the one."""
    rows = [
        (item, who, label if who == "ann" else OPPOSITE[label])
        for item, label in TRUTH.items()
        for who in ("ann", "bob", "cid")
    ]
    labels = csv_of(tmp_path / "labels.csv", "item,worker,label", rows)
    gold = csv_of(tmp_path / "gold.csv", "item,truth", list(TRUTH.items())[:6])
    assert aggregate(labels, method="pooled_dawid_skene").status == 0
    assert consensus_of(labels) == {item: OPPOSITE[label] for item, label in TRUTH.items()}
    assert aggregate(labels, method="pooled_dawid_skene", gold=gold).status == 0
    assert consensus_of(labels) == TRUTH


def test_answers_of_nobody_in_particular_are_counted(aggregate: Aggregate, tmp_path: Path) -> None:
    """The same row three times is three voices where no labelers are named, and one where they are."""
    rows = [("i", "w", "no")] * 3 + [("i", "x", "yes"), ("i", "y", "yes")]
    labels = csv_of(tmp_path / "labels.csv", "item,worker,label", rows)
    assert json.loads(aggregate(labels, labeler="none", json=True).out)["method"] == "majority"
    assert consensus_of(labels) == {"i": "no"}
    assert aggregate(labels, method="majority").status == 0
    assert consensus_of(labels) == {"i": "yes"}
    refused = aggregate(labels, labeler="none", method="ebcc")
    assert (refused.status, "names no labelers" in refused.err) == (1, True)


def test_rows_that_cannot_be_used_are_left_out_and_told(aggregate: Aggregate, tmp_path: Path) -> None:
    labels = csv_of(tmp_path / "labels.csv", "item,worker,label", [*ROWS, ("", "ann", "yes"), ("i1", "ann", "")])
    answer = aggregate(labels)
    assert answer.status == 0
    assert answer.out.count("missing_value") == 2
    assert "row 32 item" in answer.out
    assert consensus_of(labels) == TRUTH


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        pytest.param("item,worker\ni,w\n", {}, "expected a column label", id="no such column"),
        pytest.param("item,worker,label\n", {}, "no row that could be used", id="no rows"),
        pytest.param("item,worker,label\ni,w,\n", {}, "missing_value", id="only bad rows"),
        pytest.param("item,worker,label\ni,w,a\nj,w,a\n", {}, "at least two different labels", id="one label"),
        pytest.param(
            "item,worker,label\ni,w,a\n", {"method": "oracle"}, "expected auto or one of", id="no such method"
        ),
        pytest.param("item,worker,label\ni,w,a\n", {"out": "/nowhere/out.csv"}, "a folder that exists", id="no folder"),
    ],
)
def test_what_cannot_be_aggregated_is_refused_and_writes_nothing(
    aggregate: Aggregate, tmp_path: Path, content: str, options: dict[str, Any], said: str
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(content)
    answer = aggregate(labels, **options)
    assert answer.status == 1
    assert said in answer.err.replace("\n", " ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.csv"]


def test_the_output_never_replaces_its_input(aggregate: Aggregate, labels: Path) -> None:
    answer = aggregate(labels, out=labels)
    assert (answer.status, "a file of its own" in answer.err) == (1, True)
    assert labels.read_text().startswith("item,worker,label\n")


def test_the_pages_command_runs_as_it_stands_there(
    run_shifty: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    csv_of(tmp_path / "CF.label.csv", "item,worker,label", ROWS)
    csv_of(tmp_path / "CF.truth.csv", "item,truth", list(TRUTH.items())[:4])
    commands = [line for line in PAGE.read_text().splitlines() if line.startswith("shifty labels aggregate")]
    assert commands
    for command in commands:
        assert run_shifty(*shlex.split(command)[1:]).status == 0
    assert (tmp_path / "consensus.csv").read_text().startswith("item,label,posterior\ni0,no,")
