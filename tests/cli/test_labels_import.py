"""`shifty labels import` as it is typed: options, refusals, the report, and what a page of the docs promises."""

import csv
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from shifty_pipelines.cli.rejection_report import HEADER
from tests.cli.conftest import Operator
from tests.flows.import_stage import csv_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "contexts" / "curation.md"
ISSUES = [
    ("facebook/react", "bug", "Crash", "It crashes."),
    ("facebook/react", "feature", "Dark mode", ""),
    ("facebook/react", "invalid", "Hello", "?"),
    ("microsoft/vscode", "bug", "Slow", "It is slow."),
]


@pytest.fixture
def issues(tmp_path: Path) -> Path:
    return csv_of(tmp_path / "issues.csv", "repo,label,title,body", ISSUES)


@pytest.fixture
def slug(operator: Operator) -> str:
    return operator.new_tenant()


@pytest.fixture
def empty_slug(operator: Operator) -> str:
    """One tenant of all refusals: none of them writes anything, and each says so at its end."""
    return operator.same_tenant("refused")


def options(file: Path, slug: str, **changed: Any) -> list[object]:
    """The options of the issues' import; None leaves one out."""
    given = {
        "tenant": slug,
        "type": "classify_error",
        "source": "github",
        "title": "title",
        "body": "body",
        "label": "label",
        "labeler": "maintainer",
        "labels": "bug,feature,question",
        **changed,
    }
    named = [(f"--{name.replace('_', '-')}", value) for name, value in given.items() if value is not None]
    return ["labels", "import", file, *(part for pair in named for part in pair)]


def test_an_import_ends_with_a_table_of_what_happened(operator: Operator, issues: Path, slug: str) -> None:
    answer = operator.shifty(*options(issues, slug, where="repo=facebook/react"))

    assert answer.status == 0
    shown = {what.strip(): count for what, count in re.findall(r"│ ([^│]+)│ +([\d,]+) │", answer.out)}
    assert shown == {
        "read": "4",
        "left out by --where": "1",
        "items: new": "2",
        "items: already there": "0",
        "labels: new": "2",
        "labels: already there": "0",
        "labels: contradicting an earlier one": "0",
        "rejected: unknown_label": "1",
    }
    assert "unknown_label issues.csv:4 label: 'invalid'; use one of the type's labels" in answer.out


def test_json_is_one_object_for_a_script(operator: Operator, issues: Path, slug: str) -> None:
    answer = operator.shifty(*options(issues, slug), "--json")
    facts = json.loads(answer.out)
    assert facts.pop("tookS") >= 0
    assert facts == {
        "dryRun": False,
        "rows": 4,
        "rowsLeftOut": 0,
        "itemsNew": 3,
        "itemsThere": 0,
        "labelsNew": 3,
        "labelsThere": 0,
        "contradictions": 0,
        "rejected": {"unknown_label": 1},
    }


def test_the_report_names_file_line_column_reason_value_and_remedy(
    operator: Operator, issues: Path, slug: str, tmp_path: Path
) -> None:
    report = tmp_path / "rejected.csv"
    for _ in range(2):
        assert operator.shifty(*options(issues, slug, report=report)).status == 0
        with report.open(newline="") as file:
            header, line = csv.reader(file)
        assert tuple(header) == HEADER
        assert line == [
            "issues.csv",
            "4",
            "label",
            "unknown_label",
            "'invalid'",
            "use one of the type's labels, or rename this one while importing: bug, feature, question",
        ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["issues.csv", "rejected.csv"]


def test_a_report_of_earlier_is_not_left_standing_when_nothing_is_rejected(
    operator: Operator, issues: Path, slug: str, tmp_path: Path
) -> None:
    report = tmp_path / "rejected.csv"
    report.write_text("old")
    operator.shifty(*options(issues, slug, report=report, where="label=bug"))
    assert report.read_text() == ",".join(HEADER) + "\n"


def test_a_dry_run_says_so_and_writes_nothing(operator: Operator, issues: Path, slug: str) -> None:
    answer = operator.shifty(*options(issues, slug), "--dry-run")
    assert (answer.status, "What would be imported" in answer.out) == (0, True)
    again = operator.shifty(*options(issues, slug), "--json")
    assert json.loads(again.out)["labelsNew"] == 3


def test_the_terminal_shows_a_few_rejections_and_counts_the_rest(operator: Operator, slug: str, tmp_path: Path) -> None:
    many = csv_of(tmp_path / "a.csv", "label,title,body", [("bug", "good", ""), *([("[/x]", "t", "")] * 9)])
    answer = operator.shifty(*options(many, slug))
    assert answer.out.count("unknown_label a.csv:") == 5
    assert "'[/x]'" in answer.out
    assert "and 4 more; --report FILE lists all of them" in answer.out


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tenant": "nobody"}, "Tenant with the slug 'nobody' (see `shifty tenants list`) not found"),
        ({"labels": None}, "There are no labels for classify_error yet."),
        ({"labels": "bug"}, "There are 1 labels. A label set has 2 to 100"),
        ({"label": "answer"}, "issues.csv has no column 'answer'. It has: repo, label, title, body."),
        ({"where": "repo"}, "--where is 'repo'; expected NAME=VALUE"),
        ({"where": "repo=x/y"}, "no row has repo=x/y. The rows have: facebook/react, microsoft/vscode."),
        ({"where": "label=invalid"}, "every row was rejected"),
        ({"labeler": None}, "expected either --labeler NAME or --labeler-column COLUMN"),
        ({"labeler_column": "repo"}, "expected either --labeler NAME or --labeler-column COLUMN"),
        ({"labeler": " "}, "--labeler is ' '; expected a name"),
        ({"source": " "}, "--source is ' '; expected a name"),
        ({"source": "x" * 9_000}, "expected a name of at most 200 printable characters"),
        ({"source": "a\udcff"}, r"--source is 'a\udcff'; expected a name of at most 200"),
        ({"labeler": "x" * 201}, "--labeler is 'xxxxxxxxxxxx...xxxxxxxxxxxxx'; expected a name"),
        ({"labeler": "a\udcff"}, r"--labeler is 'a\udcff'; expected a name"),
        ({"labels": "bug,a\udcff"}, r"--labels is 'a\udcff'; expected a name"),
        ({"rename_label": "a\udcff=bug"}, r"--rename-label is 'a\udcff'; expected a name"),
        ({"rename_label": "bug=a\x1b"}, r"--rename-label is 'a\x1b'; expected a name"),
        ({"text": "body"}, "expected either --text COLUMN, or --title COLUMN with --body COLUMN"),
        ({"title": None}, "expected either --text COLUMN, or --title COLUMN with --body COLUMN"),
        ({"title": None, "body": None}, "--text or --title; or --item alone"),
        ({"items": "texts.csv"}, "--item COLUMN to join the files"),
        ({"rename_label": "=bug"}, "--rename-label is '=bug'; expected NAME=VALUE"),
        ({"report": "/nowhere/at/all.csv"}, "expected a file in a folder that exists"),
        ({"items": "missing.csv", "item": "repo"}, "missing.csv does not exist"),
    ],
)
def test_a_refusal_names_the_value_and_the_remedy(
    operator: Operator, issues: Path, empty_slug: str, changed: dict[str, Any], message: str
) -> None:
    answer = operator.shifty(*options(issues, empty_slug, **changed))
    assert answer.status == 1
    assert message in answer.err
    assert "Traceback" not in answer.out + answer.err
    assert operator.query(
        "SELECT count(*) FROM items i JOIN tenants t USING (tenant_id) WHERE slug = %s", empty_slug
    ) == [(0,)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"label,title,body\n", "the file has no rows"),
        ("a.txt", b"label\n", "ends in '.txt'. Use a file that ends in .csv, .jsonl, .ndjson, .parquet."),
        ("a.csv", "label,title,body\n".encode("utf-16"), "is not UTF-8"),
    ],
)
def test_a_file_without_rows_is_refused(
    operator: Operator, empty_slug: str, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    answer = operator.shifty(*options(tmp_path / name, empty_slug))
    assert (answer.status, message in answer.err) == (1, True)


def test_the_report_cannot_be_the_file_itself(operator: Operator, issues: Path, slug: str) -> None:
    before = issues.read_bytes()
    assert operator.shifty(*options(issues, slug, report=issues)).status == 1
    assert issues.read_bytes() == before


def test_a_mission_type_that_does_not_exist_is_answered_with_those_that_do(
    operator: Operator, issues: Path, slug: str
) -> None:
    answer = operator.shifty(*options(issues, slug, type="classify"))
    assert (answer.status, "classify_error" in answer.err) == (2, True)


def test_without_a_database_the_operator_is_told_to_start_it(
    operator: Operator, issues: Path, slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://shifty_app@127.0.0.1:1/nothing")
    answer = operator.shifty(*options(issues, slug))
    assert answer.status == 1
    assert "Start the platform with `shifty up`" in answer.err


# ----------------------------------------------------------------------------------------------- everything bad at once


def test_a_file_of_every_fault_imports_its_good_rows_and_lists_the_others(
    operator: Operator, slug: str, tmp_path: Path
) -> None:
    """Line by line: good; 10 MB; unknown; duplicate; NaN; latin1; NUL; two cells; contradiction; quote not closed."""
    path = tmp_path / "bad.csv"
    path.write_bytes(
        b"text,label\ngood,bug\n" + b"x" * 10_000_000 + b",bug\nb,other\ngood,bug\nNaN,bug\ncaf\xe9,bug\nn\0l,bug\n"
        b"alone\ngood,feature\n" + b'"open,bug\nlast,bug\n'
    )
    report = tmp_path / "rejected.csv"
    answer = operator.shifty(*options(path, slug, title=None, body=None, text="text", report=report), "--json")

    with report.open(newline="") as file:
        found = [(int(line["row"]), line["reason"], line["value"]) for line in csv.DictReader(file)]
    assert found == [
        (3, "too_long", "'10,000,011 bytes'"),
        (4, "unknown_label", "'other'"),
        (5, "duplicate_label", "'bug'"),
        (6, "missing_value", "'NaN'"),
        (7, "not_utf8", "'byte 0xe9 at character 4'"),
        (8, "control_character", "'NUL at character 2'"),
        (9, "malformed_row", "'1 cells, the header has 2'"),
        (10, "contradicting_label", "'feature'"),
        (11, "malformed_row", "'lines 11 to 12: unexpected end of data'"),
    ]
    assert (json.loads(answer.out)["itemsNew"], json.loads(answer.out)["labelsNew"]) == (1, 2)


# -------------------------------------------------------------------------------------------------- the docs, real data


def documented() -> list[list[str]]:
    """The commands of the page, as they stand there."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("shifty labels import")]


def data_folder() -> Path | None:
    candidates = (parent / "shared" / "data" for parent in ROOT.parents)
    return next((folder for folder in candidates if (folder / "issues").is_dir()), None)


def in_place(command: list[str], folder: Path, slug: str, report: Path) -> list[str]:
    names = {path.name: str(path) for path in folder.rglob("*.csv")} | {"acme": slug, "rejected.csv": str(report)}
    return [names.get(word, word) for word in command]


@pytest.fixture
def data() -> Path:
    folder = data_folder()
    if folder is None:
        pytest.skip("no folder shared/data above this checkout")
    return folder


def test_the_page_has_an_example_of_one_file_and_one_of_two() -> None:
    one_file, two_files = documented()
    assert ("--items" in one_file, "--items" in two_files) == (False, True)


def test_the_pages_example_imports_one_project_of_real_issue_reports(
    operator: Operator, slug: str, tmp_path: Path, data: Path
) -> None:
    """300 reports a project in the published file, a hundred of each label."""
    command = in_place(documented()[0], data, slug, tmp_path / "rejected.csv")
    facts = [json.loads(operator.shifty(*command, "--json").out) for _ in range(2)]
    assert (facts[0]["rows"], facts[0]["rowsLeftOut"], facts[0]["labelsNew"], facts[0]["rejected"]) == (
        1500,
        1200,
        300,
        {},
    )
    assert (facts[1]["labelsNew"], facts[1]["labelsThere"]) == (0, 300)
    counted = operator.query(
        "SELECT label, count(*), count(DISTINCT labeler_id) FROM label_events JOIN tenants USING (tenant_id)"
        " WHERE slug = %s GROUP BY label ORDER BY label",
        slug,
    )
    assert counted == [("bug", 100, 1), ("feature", 100, 1), ("question", 100, 1)]


@pytest.mark.slow
def test_the_pages_example_imports_twenty_ratings_of_each_snippet(
    operator: Operator, slug: str, tmp_path: Path, data: Path
) -> None:
    """The ratings' counts are those of the file, counted apart from this code (sort, uniq -c)."""
    command = in_place(documented()[1], data, slug, tmp_path / "rejected.csv")
    facts = json.loads(operator.shifty(*command, "--json").out)
    assert (facts["itemsNew"], facts["labelsNew"], facts["contradictions"], facts["rejected"]) == (3708, 74_160, 0, {})
    events = "FROM label_events JOIN tenants USING (tenant_id) WHERE slug = %s"
    counted = operator.query(f"SELECT count(DISTINCT item_id), count(DISTINCT labeler_id) {events}", slug)
    assert counted == [(3_708, 20)]
    assert dict(operator.query(f"SELECT label, count(*) {events} GROUP BY label", slug)) == {
        "-4": 744,
        "-3": 3_048,
        "-2": 8_347,
        "-1": 12_612,
        "0": 14_226,
        "1": 11_689,
        "2": 13_822,
        "3": 8_242,
        "4": 1_430,
    }
