"""From cells to an item and a label, or to a clear no; every value by hand."""

import math
from datetime import date
from typing import Any

import pytest

from shifty_pipelines.contexts.curation.domain.import_rows import (
    MAX_NAME_CHARS,
    FileRow,
    ImportRow,
    ItemColumns,
    LabelColumns,
    is_wanted,
    plain,
    read_row,
)
from shifty_pipelines.contexts.curation.domain.payloads import MAX_PAYLOAD_BYTES
from shifty_pipelines.contexts.curation.domain.row_rejections import REMEDIES, Reason, RowRefused, shown

ITEMS = ItemColumns(item="id", text="text")
TITLED = ItemColumns(item="id", title="title", body="body")
LABELS = LabelColumns(label="label", labeler_column="who", renamed={"-4": "bad"})
ALLOWED = ("bad", "good")
GOOD = {"id": "7", "text": "it works", "label": "good", "who": "ann"}


def read(items: ItemColumns = ITEMS, **changed: Any) -> ImportRow:
    cells = {**GOOD, **changed}
    return read_row(FileRow(3, cells), items, LABELS, ALLOWED)


def refusal(items: ItemColumns = ITEMS, **changed: Any) -> tuple[str, str, str]:
    with pytest.raises(RowRefused) as caught:
        read(items, **changed)
    one = caught.value.at(3)
    assert one.row == 3
    assert one.remedy.startswith(REMEDIES[one.reason])
    return one.reason.value, one.column, one.value


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({"label": "great"}, ("unknown_label", "label", "'great'"), id="unknown label"),
        pytest.param({"label": ""}, ("missing_value", "label", "''"), id="empty label"),
        pytest.param({"label": "  "}, ("missing_value", "label", "'  '"), id="blank label"),
        pytest.param({"label": None}, ("missing_value", "label", "None"), id="null label"),
        pytest.param({"label": math.nan}, ("missing_value", "label", "nan"), id="label NaN, a number"),
        pytest.param({"label": "NaN"}, ("missing_value", "label", "'NaN'"), id="label NaN, as pandas writes it"),
        pytest.param({"label": ["good"]}, ("wrong_type", "label", "'list'"), id="label a list"),
        pytest.param({"label": date(2026, 3, 2)}, ("wrong_type", "label", "'date'"), id="label a date"),
        pytest.param({"who": ""}, ("missing_value", "who", "''"), id="no labeler"),
        pytest.param({"id": "a\tb"}, ("control_character", "id", "'a\\tb'"), id="tab in an id"),
        pytest.param({"id": "a\0"}, ("control_character", "id", "'a\\x00'"), id="NUL in an id"),
        pytest.param({"id": "x" * 201}, ("too_long", "id", f"'{'x' * 57}...'"), id="id too long"),
        pytest.param({"id": "\udcff7"}, ("not_utf8", "id", "'byte 0xff at character 1'"), id="id not UTF-8"),
        pytest.param({"text": ""}, ("missing_value", "text", "''"), id="empty text"),
        pytest.param({"text": "nan"}, ("missing_value", "text", "'nan'"), id="text nan"),
        pytest.param({"text": math.inf}, ("missing_value", "text", "inf"), id="text infinite"),
        pytest.param({"text": 12}, ("wrong_type", "text", "'int'"), id="text a number"),
        pytest.param({"text": "a\0b"}, ("control_character", "text", "'NUL at character 2'"), id="NUL in a text"),
        pytest.param({"text": "caf\udce9"}, ("not_utf8", "text", "'byte 0xe9 at character 4'"), id="text in latin1"),
        pytest.param(
            {"text": "\ud83d"},
            ("not_utf8", "text", "'half a character, \\\\ud83d, at character 1'"),
            id="half an emoji",
        ),
        # 10,000,000 and {"text":""} around it
        pytest.param({"text": "x" * 10_000_000}, ("too_long", "text", "'10,000,011 bytes'"), id="10 MB of text"),
    ],
)
def test_a_bad_cell_is_refused_by_column_reason_and_value(changed: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert refusal(**changed) == expected


def test_a_missing_cell_is_refused_like_an_empty_one() -> None:
    with pytest.raises(RowRefused) as caught:
        read_row(FileRow(1, {"id": "7", "text": "x", "who": "ann"}), ITEMS, LABELS, ALLOWED)
    assert (caught.value.reason, caught.value.column) == (Reason.MISSING_VALUE, "label")


def test_an_unknown_label_is_told_which_there_are() -> None:
    with pytest.raises(RowRefused) as caught:
        read(label="great")
    assert caught.value.remedy.endswith(": bad, good")


def test_a_text_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    around = len('{"text":""}')
    assert read(text="x" * (MAX_PAYLOAD_BYTES - around)).payload is not None
    assert refusal(text="x" * (MAX_PAYLOAD_BYTES - around + 1)) == ("too_long", "text", "'262,145 bytes'")


def test_the_longer_of_title_and_body_is_blamed() -> None:
    assert refusal(TITLED, title="t", body="x" * 300_000)[:2] == ("too_long", "body")


def test_no_text_is_ever_shown() -> None:
    secret = "my name is Ada"
    for text in (f"{secret}\0", f"{secret}\udcff", secret * 30_000):
        assert secret[:10] not in refusal(text=text)[2]


@pytest.mark.parametrize("body", ["", None])
def test_a_title_may_stand_without_a_body(body: str | None) -> None:
    assert read(TITLED, title="Crash", body=body).payload == {"title": "Crash", "body": ""}


def test_a_body_does_not_stand_without_a_title() -> None:
    assert refusal(TITLED, title=" ", body="It crashes.") == ("missing_value", "title", "' '")


def test_a_body_that_is_not_a_number_is_refused() -> None:
    assert refusal(TITLED, title="Crash", body=math.nan) == ("missing_value", "body", "nan")


def test_names_are_read_without_spaces_around_and_labels_renamed() -> None:
    row = read(id=" 7 ", label=" -4 ", who="ann ")
    assert (row.external_id, row.labeler, row.label) == ("7", "ann", "bad")


@pytest.mark.parametrize(
    ("value", "written"),
    [(-4, "-4"), (-4.0, "-4"), (0.5, "0.5"), (True, "true"), (None, ""), (" a ", "a"), (10**20, "1" + "0" * 20)],
)
def test_a_value_of_any_format_is_compared_as_a_text_file_writes_it(value: object, written: str) -> None:
    assert plain(value) == written


def test_texts_that_differ_in_line_ends_composition_and_outer_space_are_the_same() -> None:
    assert read(text="caf\u00e9\nopen").content == read(text="  cafe\u0301\r\nopen\n").content
    assert read(text="cafe").content != read(text="caf\u00e9").content


def test_a_filter_wants_every_column_to_have_its_value() -> None:
    where = {"repo": "facebook/react", "label": "good"}
    assert is_wanted(FileRow(1, {"repo": "facebook/react ", "label": "good"}), where)
    assert not is_wanted(FileRow(1, {"repo": "facebook/react", "label": "bad"}), where)
    assert not is_wanted(FileRow(1, {"label": "good"}), where)


def test_a_row_that_could_not_be_read_is_reported_whatever_is_filtered() -> None:
    assert is_wanted(FileRow(1, refused=RowRefused(Reason.MALFORMED_ROW, None, "")), {"repo": "x"})


def test_every_reason_has_a_remedy_that_is_no_sentence_of_its_own() -> None:
    assert set(REMEDIES) == set(Reason)
    assert [text for text in REMEDIES.values() if text.endswith(".") or text[0].isupper()] == []


def test_a_shown_value_is_short_and_printable() -> None:
    assert shown("=cmd|' /C calc'!A0\n") == "\"=cmd|' /C calc'!A0\\n\""
    assert len(shown("x" * 1000)) == 62
    assert shown("\ud800") == "'\\ud800'"


def test_the_longest_name_is_taken() -> None:
    assert read(id="x" * MAX_NAME_CHARS).external_id == "x" * 200
