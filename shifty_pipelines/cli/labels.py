"""`shifty labels import`: items and labels out of CSV, JSON lines or Parquet into a mission type of a tenant."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from shifty_pipelines.cli.rejection_report import RejectionList, rejection_report
from shifty_pipelines.cli.tenant_access import opened_platform, tenant_id_of
from shifty_pipelines.cli.terminal import console, error_console
from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.curation.domain.import_rows import ItemColumns, LabelColumns, check_name
from shifty_pipelines.flows.import_labels import ImportSummary, LabelImport, import_labels
from shifty_pipelines.kernel.errors import InvalidValue, ShiftyError

labels = typer.Typer(
    help="Import labels that were given elsewhere, or aggregate those of a file.", no_args_is_help=True
)

EXAMPLES = """\b
One file with texts and labels, all by one trusted source:
  shifty labels import issues.csv --tenant acme --type classify_error --source github \\
    --title title --body body --label label --labeler maintainer \\
    --where repo=facebook/react --labels bug,feature,question --report rejected.csv

\b
Texts in one file, labels by many labelers in another:
  shifty labels import ratings.csv --items reviews.csv --item item --text text \\
    --tenant acme --type rate_test_quality --source reviews \\
    --label rating --labeler-column rater --labels=-1,0,1
"""


class NothingImported(ShiftyError):
    """A file was read to its end and no row of it could be used."""

    code = "cli.nothing_imported"


@labels.command("import", epilog=EXAMPLES)
def import_command(
    file: Annotated[Path, typer.Argument(help="The labels: .csv with a header, .jsonl, .ndjson or .parquet.")],
    *,
    tenant: Annotated[str, typer.Option("--tenant", help="The tenant's slug.")],
    mission_type: Annotated[MissionType, typer.Option("--type", help="The mission type that the labels belong to.")],
    source: Annotated[
        str, typer.Option(help="A name for where the rows come from, e.g. github; item ids are compared within it.")
    ],
    label: Annotated[str, typer.Option("--label", help="The column of labels.", rich_help_panel="Columns")],
    labeler: Annotated[
        str | None,
        typer.Option(
            help="One trusted labeler of all rows, by name, whose answers are taken as they are.",
            rich_help_panel="Columns",
        ),
    ] = None,
    labeler_column: Annotated[
        str | None, typer.Option(help="Or the column that names each row's labeler.", rich_help_panel="Columns")
    ] = None,
    text: Annotated[str | None, typer.Option(help="The column of texts.", rich_help_panel="Columns")] = None,
    title: Annotated[str | None, typer.Option(help="Or the columns of titles", rich_help_panel="Columns")] = None,
    body: Annotated[str | None, typer.Option(help="and of bodies.", rich_help_panel="Columns")] = None,
    item: Annotated[
        str | None,
        typer.Option(help="The column of item ids; without one, equal texts are one item.", rich_help_panel="Columns"),
    ] = None,
    items: Annotated[
        Path | None,
        typer.Option("--items", help="A second file with the texts, joined by --item.", rich_help_panel="Rows"),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="COLUMN=VALUE: only rows like this; may be repeated.", rich_help_panel="Rows"),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option("--rename-label", help="OLD=NEW: a label of the file by another name.", rich_help_panel="Rows"),
    ] = None,
    label_set: Annotated[
        str | None,
        typer.Option("--labels", help="a,b,c: the type's labels, if it has none yet.", rich_help_panel="Rows"),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the rejected rows to this CSV file.", rich_help_panel="Output")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; tell what would happen.", rich_help_panel="Output")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON.", rich_help_panel="Output")
    ] = False,
) -> None:
    """Import items and labels from a file, each once, however often this runs.

    Rows that cannot be imported are left out and reported by line, column, reason and remedy; all others are imported.
    An import that was interrupted is simply run again. Labels become label events by labelers of the source: no
    missions are made and no XP is paid. Texts are encrypted under keys of their own.
    """
    item_columns = ItemColumns(item=item, text=text, title=title, body=body)
    label_columns = LabelColumns(
        label=label, labeler=labeler, labeler_column=labeler_column, renamed=_pairs("--rename-label", rename)
    )
    _check_columns(item_columns, label_columns, needs_texts=items is not None)
    _check_report(report, [path for path in (file, items) if path is not None])
    labels_given = None if label_set is None else [one.strip() for one in label_set.split(",")]
    _check_names(source, labeler, labels_given or (), label_columns.renamed)
    with opened_platform() as platform:
        order = LabelImport(
            tenant_id=tenant_id_of(platform, tenant),
            mission_type=mission_type,
            source=source,
            item_columns=item_columns,
            label_columns=label_columns,
            labels=labels_given,
            where=_pairs("--where", where),
            write=not dry_run,
        )
        labels_file = platform.row_files.open(file)
        items_file = None if items is None else platform.row_files.open(items)
        with rejection_report(report) as rejections, _progress(f"importing {file.name}") as on_progress:
            summary = import_labels(
                platform, order, labels_file, items_file=items_file, report=rejections, on_progress=on_progress
            )
    _tell(summary, rejections, report, as_json=as_json, dry_run=dry_run)
    if summary.is_empty:
        raise NothingImported(_why_nothing(summary, order.where))


def _check_columns(items: ItemColumns, labels_from: LabelColumns, *, needs_texts: bool) -> None:
    if (labels_from.labeler is None) == (labels_from.labeler_column is None):
        raise InvalidValue("--labeler", labels_from.labeler, "either --labeler NAME or --labeler-column COLUMN")
    if (items.text is not None and items.title is not None) or (items.body is not None and items.title is None):
        raise InvalidValue("--text", items.text, "either --text COLUMN, or --title COLUMN with --body COLUMN")
    if needs_texts and not (items.item and items.has_text):
        raise InvalidValue(
            "--items", "a second file", "--item COLUMN to join the files, and --text or --title of the texts"
        )
    if not items.has_text and items.item is None:
        raise InvalidValue("--text", None, "--text or --title; or --item alone, for labels of items that are there")


def _check_names(source: str, labeler: str | None, labels_given: Sequence[str], renamed: Mapping[str, str]) -> None:
    check_name("--source", source)
    if labeler is not None:
        check_name("--labeler", labeler)
    for label in labels_given:
        check_name("--labels", label)
    for pair in renamed.items():
        for name in pair:
            check_name("--rename-label", name)


def _check_report(report: Path | None, inputs: Sequence[Path]) -> None:
    if report is None:
        return
    if not report.parent.is_dir():
        raise InvalidValue("--report", str(report), "a file in a folder that exists")
    if report.is_dir() or report.resolve() in [path.resolve() for path in inputs]:
        raise InvalidValue("--report", str(report), "a file of its own")


def _pairs(option: str, given: Sequence[str] | None) -> Mapping[str, str]:
    pairs = {}
    for one in given or ():
        name, equals, value = one.partition("=")
        if not equals or not name.strip():
            raise InvalidValue(option, one, "NAME=VALUE")
        pairs[name.strip()] = value.strip()
    return pairs


@contextmanager
def _progress(title: str) -> Iterator[Any]:
    """A bar on a terminal, on stderr; nothing elsewhere."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=error_console, transient=True, disable=not error_console.is_terminal) as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda fraction: bar.update(task, completed=fraction)


def _tell(
    summary: ImportSummary, rejections: RejectionList, report: Path | None, *, as_json: bool, dry_run: bool
) -> None:
    rejected = {reason.value: count for reason, count in sorted(summary.rejected.items())}
    if as_json:
        facts = {
            "dryRun": dry_run,
            "rows": summary.rows,
            "rowsLeftOut": summary.rows_left_out,
            "itemsNew": summary.items_new,
            "itemsThere": summary.items_there,
            "labelsNew": summary.labels_new,
            "labelsThere": summary.labels_there,
            "contradictions": summary.contradictions,
            "rejected": rejected,
            "tookS": round(summary.took_s, 2),
        }
        typer.echo(json.dumps(facts))
        return
    table = Table("what", "rows", title="What would be imported" if dry_run else "What was imported")
    table.columns[1].justify = "right"
    table.add_row("read", f"{summary.rows:,}")
    table.add_row("left out by --where", f"{summary.rows_left_out:,}")
    table.add_row("items: new", f"{summary.items_new:,}")
    table.add_row("items: already there", f"{summary.items_there:,}")
    table.add_row("labels: new", f"{summary.labels_new:,}")
    table.add_row("labels: already there", f"{summary.labels_there:,}")
    table.add_row("labels: contradicting an earlier one", f"{summary.contradictions:,}")
    for reason, count in rejected.items():
        table.add_row(f"[yellow]rejected[/]: {reason}", f"{count:,}")
    console.print(table)
    console.print(f"{summary.rows:,} rows in {summary.took_s:.1f} s")
    _show_first(rejections, report, count=sum(rejected.values()) + summary.contradictions)


def _show_first(rejections: RejectionList, report: Path | None, *, count: int) -> None:
    for file_name, one in rejections.first:
        where = f"{file_name}:{one.row}" + (f" {one.column}" if one.column else "")
        console.print(
            f"[yellow]{one.reason.value}[/] {escape(where)}: {escape(one.value)}; {escape(one.remedy)}", soft_wrap=True
        )
    if report is not None:
        console.print(f"report   {escape(str(report))} ({count:,} lines)", soft_wrap=True)
    elif count > len(rejections.first):
        console.print(f"and {count - len(rejections.first):,} more; --report FILE lists all of them")


def _why_nothing(summary: ImportSummary, where: Mapping[str, str]) -> str:
    if summary.rows == 0:
        return "Nothing was imported: the file has no rows. Check that it was written to the end."
    if summary.rows_left_out == summary.rows:
        wanted = " and ".join(f"{column}={value}" for column, value in where.items())
        seen = ", ".join(sorted(summary.values_left_out))
        return f"Nothing was imported: no row has {wanted}. The rows have: {seen}."
    return "Nothing was imported: every row was rejected. Mend the file by the remedies above, or --report FILE."
