"""What a model reads of a payload, and what a stack trace says; expected values by hand."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifty_pipelines.contexts.curation.domain.cleaning import Frame
from shifty_pipelines.contexts.curation.domain.stack_traces import MAX_LINES, is_foreign, parse_frames
from shifty_pipelines.contexts.curation.domain.texts import training_text

PYTHON = """Traceback (most recent call last):
  File "/app/.venv/lib/python3.11/site-packages/flask/app.py", line 1511, in wsgi_app
    response = self.full_dispatch_request()
  File "shop/checkout.py", line 88, in pay
    charge(cart["total"])
           ~~~~^^^^^^^^^
  File "shop/cart.py", line 12, in __getitem__
  File "<frozen importlib._bootstrap>", line 1, in _find
    pass
KeyError: 'total'
"""

JAVASCRIPT = """TypeError: x is undefined
    at add (/srv/shop/cart.js:10:5)
    at async Checkout.pay (/srv/shop/checkout.js:3:1)
    at new Order (/srv/shop/order.js:7:9)
    at Cart.total [as sum] (/srv/shop/cart.js:20:2)
    at Array.map (<anonymous>)
    at async Promise.all (index 0)
    at /srv/shop/server.js:1:1
    at next (/srv/shop/node_modules/express/router.js:5:6)
    at node:internal/process/task_queues:95:5
"""

JAVA = """java.lang.IllegalStateException: no stock
\tat com.shop.Stock.take(Stock.java:42)
\tat java.base/java.lang.Thread.run(Thread.java:829)
\tat org.springframework.web.Filter.apply(Filter.java:9)
\tat com.shop.Main.main(Main.java)
\t... 3 more
"""


def named(trace: str) -> list[tuple[str, str, bool]]:
    return [(frame.function, frame.module, frame.in_app) for frame in parse_frames(trace)]


def test_a_python_trace_reads_innermost_first_with_the_line_below_each_frame() -> None:
    assert parse_frames(PYTHON) == [
        Frame(function="_find", module="<frozen importlib._bootstrap>", in_app=False, source="pass"),
        Frame(function="__getitem__", module="shop/cart.py", in_app=True),
        Frame(function="pay", module="shop/checkout.py", in_app=True, source='charge(cart["total"])'),
        Frame(
            function="wsgi_app",
            module="/app/.venv/lib/python3.11/site-packages/flask/app.py",
            in_app=False,
            source="response = self.full_dispatch_request()",
        ),
    ]


def test_a_javascript_trace_reads_as_printed_and_built_ins_are_nobodys() -> None:
    assert named(JAVASCRIPT) == [
        ("add", "/srv/shop/cart.js", True),
        ("Checkout.pay", "/srv/shop/checkout.js", True),
        ("Order", "/srv/shop/order.js", True),
        ("Cart.total", "/srv/shop/cart.js", True),
        ("Array.map", "<anonymous>", False),
        ("Promise.all", "index 0", False),
        ("<anonymous>", "/srv/shop/server.js", True),
        ("next", "/srv/shop/node_modules/express/router.js", False),
        ("<anonymous>", "node:internal/process/task_queues", False),
    ]


def test_a_java_trace_reads_as_printed_and_the_runtimes_packages_are_foreign() -> None:
    assert named(JAVA) == [
        ("com.shop.Stock.take", "Stock.java", True),
        ("java.base/java.lang.Thread.run", "Thread.java", False),
        ("org.springframework.web.Filter.apply", "Filter.java", False),
        ("com.shop.Main.main", "Main.java", True),
    ]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("shop/vendored.py", False),
        ("C:\\app\\venv\\Lib\\site-packages\\flask\\app.py", True),
        ("/usr/lib/python3.11/json/decoder.py", True),
        ("javascript/cart.js", False),
        ("vendor/jquery.js", True),
        ("com.javax.Shop", False),
    ],
)
def test_what_lies_in_a_runtime_or_library_is_foreign(place: str, *, expected: bool) -> None:
    assert is_foreign(place) is expected


def test_of_a_runaway_recursion_the_innermost_frames_are_kept() -> None:
    python = "".join(f'  File "shop/deep.py", line {n}, in f{n}\n' for n in range(MAX_LINES + 50))
    assert parse_frames(python)[0].function == f"f{MAX_LINES + 49}"
    assert len(parse_frames(python)) == MAX_LINES
    script = "".join(f"    at f{n} (deep.js:1:1)\n" for n in range(MAX_LINES + 50))
    assert (parse_frames(script)[0].function, len(parse_frames(script))) == ("f0", MAX_LINES)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param({}, "", id="nothing"),
        pytest.param({"text": "  a\n b ", "other": "c"}, "a b", id="a plain text stands for itself"),
        pytest.param({"text": 5}, "", id="a text that is none"),
        pytest.param({"title": "Crash", "body": "It stops.\n### Logs\n_No response_"}, "Crash. It stops.", id="issue"),
        pytest.param({"body": "only", "text": "not this"}, "only", id="an issue before a text"),
        pytest.param({"b": ["x", {"z": "y", "a": "w"}], "a": "v", "n": 1}, "v x w y", id="all texts by field"),
        pytest.param({"text": "a\ud800b\x00c"}, "a\ufffdb\ufffdc", id="what cannot be stored"),
        pytest.param(
            {"errorType": "KeyError", "message": "'total'", "stackTrace": PYTHON},
            "KeyError: 'total' at shop/cart.py.__getitem__ at shop/checkout.py.pay: charge(cart[\"total\"])",
            id="an error with its own frames, innermost first",
        ),
        pytest.param(
            {"message": "m", "metadata": {"frames": [{"function": "out", "file": "o.py", "inApp": True},
             {"function": "in", "file": "i.py", "inApp": True, "source": "x = 1"}, {"function": "lib", "file": "l.py"},
             "junk"]}, "stackTrace": PYTHON},
            "m at i.py.in: x = 1 at o.py.out",
            id="frames as given come before the trace",
        ),
        pytest.param(
            {"message": "m", "metadata": {"frames": []}, "stackTrace": "    at add (cart.js:1:1)"},
            "m at cart.js.add",
            id="no frame given is none better",
        ),
        pytest.param({"message": "m", "metadata": "junk", "stackTrace": 7, "errorType": None}, "m", id="junk beside"),
    ],
)  # fmt: skip
def test_the_text_of_each_shape_of_payload(payload: dict[str, Any], expected: str) -> None:
    assert training_text(payload) == expected


SHAPED = ["message", "errorType", "stackTrace", "metadata", "frames", "title", "body", "text"]
ANY_TEXT = st.text(st.characters(codec=None), max_size=60)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(SHAPED) | ANY_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(SHAPED) | ANY_TEXT, ANY_JSON, max_size=6))
def test_any_json_object_has_a_text_that_can_be_stored(payload: dict[str, Any]) -> None:
    text = training_text(payload)
    assert "\x00" not in text.encode().decode()
    assert text == text.strip()


def test_a_payload_nested_beyond_pythons_stack_has_a_text() -> None:
    payload: dict[str, Any] = {"word": "deep"}
    for _ in range(5_000):
        payload = {"a": [payload]}
    assert training_text(payload) == "deep"


@pytest.mark.parametrize(
    "piece",
    ["<a", "![](", "[x](", "<!--", "at a (", '  File "', "    at ", "|-", "**", "#", " ", "```\n", "at " + "$." * 9],
)
@pytest.mark.parametrize("shape", ["message", "body", "stackTrace"])
def test_the_cost_is_linear_in_a_hostile_text(piece: str, shape: str) -> None:
    def seconds(size: int) -> float:
        hostile = {"message": "m", shape: piece * (size // len(piece))}
        if shape == "body":
            del hostile["message"]
        began = time.process_time()
        training_text(hostile)
        return time.process_time() - began

    # 250,000 characters are the largest payload; quadratic cost would be minutes.
    assert seconds(250_000) < 2
