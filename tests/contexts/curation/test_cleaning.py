import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifty_pipelines.contexts.curation.domain.cleaning import Frame, clean_error, clean_issue


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        pytest.param("Before <!-- note\nto reporter --> after", "Before after", id="comment over lines"),
        pytest.param("Kept <!-- never closed\nlost", "Kept", id="unclosed comment runs to the end"),
        pytest.param(
            "<details><summary>Log</summary>it broke</details>", "Logit broke", id="tags go, their text stays"
        ),
        pytest.param("a < b and b > c", "a < b and b > c", id="comparisons are no tags"),
        pytest.param("See\n```python\nprint(1)\n```\nabove", "See above", id="backtick fence"),
        pytest.param("See\n~~~\n```\nx\n~~~\nabove", "See above", id="tilde fence holds backticks"),
        pytest.param("- step\n  ````\n  ```\n  ````\nend", "- step end", id="indented longer fence"),
        pytest.param("Use `npm ci` first", "Use `npm ci` first", id="inline code stays"),
        pytest.param("Broken\n```\nnever closed", "Broken", id="unclosed fence runs to the end"),
        pytest.param("![shot](https://x.org/a.png) after ![a](b 'title')", "after", id="images"),
        pytest.param("[![badge](a.svg)](https://ci.org) green", "green", id="linked image"),
        pytest.param("see [the docs](https://x.org/y) now", "see the docs now", id="link text stays"),
        pytest.param("go https://x.org/a?b=c#d or <http://y.org>", "go or", id="bare URLs"),
        pytest.param("| a | b |\n|---|:-:|\n| 1 | 2 |\nafter", "after", id="table"),
        pytest.param("a | b\n--- | ---\n1 | 2\n\nafter", "after", id="table without outer pipes"),
        pytest.param("either a | b or c", "either a | b or c", id="a pipe alone is no table"),
        pytest.param("- [ ] I searched\n* [x] I agree\n1. [X] done\n- real item", "- real item", id="checklist"),
        pytest.param("### Version\n\n1.4\n\n### Logs\n\n_No response_\n", "Version 1.4", id="field without response"),
        pytest.param("## Empty\n### Also empty\n## Full\ntext", "Full text", id="empty headings"),
        pytest.param("# Outer\n## Inner\ntext", "Outer Inner text", id="a heading holds its subheadings"),
        pytest.param("## Text\nhere\n# After", "Text here", id="nothing follows the last heading"),
        pytest.param(
            "**Describe the bug**\n\n**To Reproduce**\nclick", "To Reproduce click", id="bold lines are headings"
        ),
        pytest.param("#123 is a duplicate", "#123 is a duplicate", id="an issue number is no heading"),
        pytest.param("### Checklist\n- [x] done\n### Steps\nclick", "Steps click", id="a checklist fills no heading"),
        pytest.param("### Code\n```\nx\n```\n### Steps\nclick", "Steps click", id="a fence fills no heading"),
        pytest.param("a\r\n\r\n  b\tc", "a b c", id="whitespace"),
    ],
)
def test_the_body_keeps_what_the_reporter_said(body: str, kept: str) -> None:
    assert clean_issue("T", body) == f"T. {kept}"


@pytest.mark.parametrize(
    ("title", "body", "cleaned"),
    [
        pytest.param("Title", "", "Title", id="no body"),
        pytest.param("", "body", "body", id="no title"),
        pytest.param("", "", "", id="nothing"),
        pytest.param("Crash <b>now</b>  see https://x.org", "b", "Crash now see. b", id="the title is cleaned too"),
        pytest.param("T", "<!-- only the template -->", "T", id="nothing left of the body"),
    ],
)
def test_title_and_body_are_joined_by_a_full_stop(title: str, body: str, cleaned: str) -> None:
    assert clean_issue(title, body) == cleaned


def test_a_whole_issue_form_comes_out_as_its_answers() -> None:
    body = """<!-- Thanks for reporting! -->
### Please check

- [x] I searched existing issues
- [ ] I read the docs

### Issue Type

Bug

### Current Behaviour

Loading fails, see [the log](https://example.org/log).

```shell
Traceback (most recent call last):
```

### Relevant log output

_No response_
"""

    assert clean_issue("Model will not load", body) == (
        "Model will not load. Issue Type Bug Current Behaviour Loading fails, see the log."
    )


@given(st.text(alphabet="ab#*`~<!->[]()|:_ \n-x", max_size=80))
def test_any_text_gives_one_line_with_single_spaces(body: str) -> None:
    cleaned = clean_issue("t", body)

    assert cleaned == " ".join(cleaned.split())


@pytest.mark.parametrize(
    "piece",
    [
        "<!--",
        "<a ",
        "![",
        "[](x ",
        "[",
        "]",
        "(",
        "|-",
        "*",
        "#",
        " ",
        "`",
        "~~~\n",
        "http://",
        "- [ ] ",
        "**a",
        "# x \n",
    ],
)
def test_a_hostile_megabyte_costs_linear_time(piece: str) -> None:
    """Quadratic time on a megabyte takes minutes; linear takes well under a second."""
    started_at_s = time.perf_counter()

    clean_issue("t", piece * (1_000_000 // len(piece)))

    assert time.perf_counter() - started_at_s < 8


def test_an_error_is_its_type_message_and_own_frames() -> None:
    frames = [
        Frame(function="checkout", module="shop.cart", in_app=True),
        Frame(function="send", module="requests.adapters", in_app=False),
        Frame(function="pay", module="shop.payment", in_app=True),
    ]

    cleaned = clean_error("TimeoutError", "no answer\nafter 30 s", frames)

    assert cleaned == "TimeoutError: no answer after 30 s at shop.cart.checkout at shop.payment.pay"


def test_an_error_without_message_or_own_frames_is_its_type() -> None:
    frames = [Frame(function="send", module="requests.adapters", in_app=False)]

    assert clean_error("KeyError", "", frames) == "KeyError"
