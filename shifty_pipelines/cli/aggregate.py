"""`shifty labels aggregate`: what a crowd says, out of a plain file of labels; needs no server and no database."""

import csv
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.markup import escape
from rich.table import Table

from shifty_pipelines.bootstrap import local_row_files
from shifty_pipelines.cli.labels import labels
from shifty_pipelines.cli.rejection_report import SHOWN
from shifty_pipelines.cli.terminal import console
from shifty_pipelines.contexts.curation.domain.aggregators import AGGREGATORS
from shifty_pipelines.contexts.curation.domain.arrays import IntArray
from shifty_pipelines.contexts.curation.domain.calibration import expected_calibration_error, top_decisions
from shifty_pipelines.contexts.curation.domain.committee import COMMITTEE, MEMBER_NAMES, committee
from shifty_pipelines.contexts.curation.domain.consensus import Consensus, expected_accuracy
from shifty_pipelines.contexts.curation.domain.majority import MAJORITY, majority_posterior
from shifty_pipelines.contexts.curation.domain.row_rejections import Rejection
from shifty_pipelines.contexts.curation.domain.vote_rows import (
    VoteColumns,
    decided_labels,
    read_gold_file,
    read_label_file,
    votes_and_truths,
)
from shifty_pipelines.contexts.curation.domain.votes import VoteReport, Votes
from shifty_pipelines.contexts.curation.ports import RowFile
from shifty_pipelines.kernel.errors import InvalidValue, ShiftyError

#: The group of commands, with this one in it.
__all__ = ["labels"]

AUTO, NOBODY = "auto", "none"
HEADER = ("item", "label", "posterior")

EXAMPLES = """\b
Who is right about each item, by the committee of models:
  shifty labels aggregate labels.csv --out consensus.csv

\b
The same when some truths are known, and with columns of other names:
  shifty labels aggregate ratings.csv --item review --labeler rater --label rating \\
    --gold truths.csv --truth rating --out consensus.csv
"""


class NothingAggregated(ShiftyError):
    """A file was read to its end and no row of it could be used."""

    code = "cli.nothing_aggregated"

    def __init__(self, name: str, rejections: Sequence[Rejection]) -> None:
        why = f"; the first row was refused: {rejections[0].reason.value}, {rejections[0].remedy}" if rejections else ""
        super().__init__(f"{name} has no row that could be used{why}.")


@labels.command("aggregate", epilog=EXAMPLES)
def aggregate_command(
    file: Annotated[Path, typer.Argument(help="The labels: .csv with a header, .jsonl, .ndjson or .parquet.")],
    *,
    out: Annotated[Path, typer.Option(help="Where the consensus goes: a CSV file of item, label and posterior.")],
    gold: Annotated[Path | None, typer.Option(help="A file of known truths; they teach who is to be believed.")] = None,
    method: Annotated[str, typer.Option(help=f"{AUTO}, or one of: {', '.join(AGGREGATORS)}.")] = AUTO,
    item: Annotated[str, typer.Option(help="The column of item ids.", rich_help_panel="Columns")] = "item",
    labeler: Annotated[
        str,
        typer.Option(
            help=f"The column that names each row's labeler; {NOBODY}: the answers are of nobody in particular.",
            rich_help_panel="Columns",
        ),
    ] = "worker",
    label: Annotated[str, typer.Option(help="The column of labels.", rich_help_panel="Columns")] = "label",
    truth: Annotated[str, typer.Option(help="The column of truths in the gold file.", rich_help_panel="Columns")] = (
        "truth"
    ),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON.", rich_help_panel="Output")
    ] = False,
) -> None:
    """Decide what each item is from what labelers said about it, and say by which method and why.

    Nothing is stored anywhere but in --out. Rows that cannot be used are left out, counted and shown.
    """
    columns = VoteColumns(item=item, labeler=None if labeler == NOBODY else labeler, label=label)
    if method != AUTO and method not in AGGREGATORS:
        raise InvalidValue("--method", method, f"{AUTO} or one of {', '.join(AGGREGATORS)}")
    _check_out(out, [path for path in (file, gold) if path is not None])
    found = read_label_file(_opened(file, [item, label, *([labeler] if columns.labeler else [])]).rows(), columns)
    if not found.votes:
        raise NothingAggregated(file.name, found.rejections)
    known, refused_gold = _gold(gold, item, truth)
    votes, report, truths = votes_and_truths(found.votes, known)
    consensus, choice = _aggregated(votes, truths, method, has_labelers=columns.labeler is not None)
    _write(out, votes, consensus)
    facts = {
        **_facts(votes, report, [*found.rejections, *refused_gold]),
        **_gold_facts(votes, consensus, truths, known),
        **choice,
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    _show(facts, found.rejections + refused_gold, out)


def _aggregated(
    votes: Votes, truths: IntArray, method: str, *, has_labelers: bool
) -> tuple[Consensus, Mapping[str, Any]]:
    """The consensus, and which method gave it and why."""
    if not has_labelers and method in (AUTO, MAJORITY.name):
        why = "answers of nobody in particular are counted: nobody's habits can be learnt"
        return AGGREGATORS[MAJORITY.name](votes, truths=truths), {"method": MAJORITY.name, "why": why}
    if not has_labelers:
        raise InvalidValue("--method", method, f"{MAJORITY.name}, because --labeler {NOBODY} names no labelers")
    if method != AUTO:
        return AGGREGATORS[method](votes, truths=truths), {"method": method, "why": "it was asked for"}
    verdict = committee(votes, truths=truths)
    gold_count = int((truths >= 0).sum())
    why = (
        f"{gold_count} gold items say how far each model is to be believed"
        if gold_count
        else "without gold nothing says which model is right, so all have the same say"
    )
    weights = {name: round(float(weight), 4) for name, weight in zip(MEMBER_NAMES, verdict.weights, strict=True)}
    return verdict.consensus, {"method": COMMITTEE.name, "why": why, "weights": weights}


def _facts(votes: Votes, report: VoteReport, rejections: Sequence[Rejection]) -> dict[str, Any]:
    return {
        "rows": report.rows + len(rejections),
        "rowsRefused": len(rejections),
        "rowsRepeated": report.duplicate_rows,
        "contradictions": report.contradicting_pairs,
        "items": votes.n_items,
        "labelers": votes.n_labelers,
        "labels": list(votes.labels),
    }


def _gold_facts(votes: Votes, consensus: Consensus, truths: IntArray, known: Mapping[str, str]) -> dict[str, Any]:
    """How a plain vote does on gold, and how far the consensus moved from it."""
    moved = int((consensus.posterior.argmax(axis=1) != majority_posterior(votes).argmax(axis=1)).sum())
    facts: dict[str, Any] = {"decidedAgainstTheVote": moved}
    if not known:
        return facts
    blind = committee(votes).consensus.posterior
    confidence, correct = top_decisions(blind, truths)
    return facts | {
        "goldItems": int((truths >= 0).sum()),
        "goldItemsWithoutLabels": len(known) - int((truths >= 0).sum()),
        "goldAccuracyOfAVote": _rounded(expected_accuracy(majority_posterior(votes), truths)),
        "goldAccuracyUntold": _rounded(expected_accuracy(blind, truths)),
        "calibrationErrorUntold": _rounded(expected_calibration_error(confidence, correct)),
    }


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)


def _gold(path: Path | None, item: str, truth: str) -> tuple[dict[str, str], list[Rejection]]:
    if path is None:
        return {}, []
    gold, rejections = read_gold_file(_opened(path, [item, truth]).rows(), item=item, truth=truth)
    if not gold:
        raise NothingAggregated(path.name, rejections)
    return gold, rejections


def _opened(path: Path, wanted: Sequence[str]) -> RowFile:
    file = local_row_files().open(path)
    missing = [column for column in wanted if column not in file.columns]
    if missing:
        raise InvalidValue(f"columns of {path.name}", list(file.columns), f"a column {' and '.join(missing)}")
    return file


def _check_out(out: Path, inputs: Sequence[Path]) -> None:
    if not out.parent.is_dir():
        raise InvalidValue("--out", str(out), "a file in a folder that exists")
    if out.is_dir() or out.resolve() in [path.resolve() for path in inputs]:
        raise InvalidValue("--out", str(out), "a file of its own")


def _write(out: Path, votes: Votes, consensus: Consensus) -> None:
    """The whole file or none: it is written beside its place and renamed."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=out.parent, prefix=f".{out.name}.", delete=False
    ) as file:
        ready = Path(file.name)
        try:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEADER)
            for item, label, posterior in decided_labels(votes, consensus.posterior):
                writer.writerow((item, label, f"{posterior:.6f}"))
            file.flush()
            os.fsync(file.fileno())
            ready.chmod(0o644)
            ready.replace(out)
        finally:
            ready.unlink(missing_ok=True)


def _show(facts: Mapping[str, Any], rejections: Sequence[Rejection], out: Path) -> None:
    table = Table("what", "", title="What was aggregated")
    for name, title in _TITLES.items():
        if facts.get(name) is not None:
            value = facts[name]
            table.add_row(title, ", ".join(value) if isinstance(value, list) else str(value))
    console.print(table)
    console.print(f"method   {facts['method']}: {facts['why']}", soft_wrap=True)
    for name, weight in facts.get("weights", {}).items():
        console.print(f"  {name:<22} {weight:.3f}")
    for one in rejections[:SHOWN]:
        console.print(
            f"[yellow]{one.reason.value}[/] row {one.row} {escape(one.column)}: {escape(one.value)}; "
            f"{escape(one.remedy)}",
            soft_wrap=True,
        )
    console.print(f"written  {escape(str(out))}", soft_wrap=True)


_TITLES = {
    "rows": "rows read",
    "rowsRefused": "rows that could not be used",
    "rowsRepeated": "rows repeated word for word, counted once",
    "contradictions": "labelers who said two things of one item, all kept",
    "items": "items",
    "labelers": "labelers",
    "labels": "labels",
    "decidedAgainstTheVote": "items decided against the most frequent answer",
    "goldItems": "gold items",
    "goldItemsWithoutLabels": "gold items that nobody labelled, left out",
    "goldAccuracyOfAVote": "on gold: right by plain votes",
    "goldAccuracyUntold": "on gold: right by the committee, not told the truths",
    "calibrationErrorUntold": "on gold: expected calibration error, not told",
}
