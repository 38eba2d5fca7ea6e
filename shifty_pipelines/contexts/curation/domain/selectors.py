"""Questions about selectors whose truth follows from the page: does this selector find this element and nothing else?

Selectors are proposed, some meant to be right and some the way real ones go wrong (a renamed attribute, a tag too
general, the neighbour's selector, a moved element). What they were meant to be is forgotten: the truth of each is what
it matches in the parsed page.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import lxml.html
import numpy as np

VALID, INVALID = "valid", "invalid"
#: The label set of validate_selector.
LABELS = (VALID, INVALID)
_INTERACTIVE = ("a", "button", "input", "select", "textarea")
_IDENTIFYING = ("data-testid", "id", "name", "href")
_MAX_NAME_CHARS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectorCase:
    """One question, and its truth."""

    selector: str
    target: str = field(repr=False)
    is_valid: bool

    @property
    def label(self) -> str:
        """The truth as a label."""
        return VALID if self.is_valid else INVALID


def selector_cases(html: str, rng: np.random.Generator) -> list[SelectorCase]:
    """Every case this page gives, in order of the page; no selector stands twice for one element.

    Only elements that can be described without a doubt are asked about.
    """
    page = lxml.html.document_fromstring(html)
    targets = _describable(page)
    rights = {element: list(_right_selectors(element)) for element in targets}
    cases = []
    for element, target in targets.items():
        others = [selector for other, selectors in rights.items() if other is not element for selector in selectors[:1]]
        wrong = _mutated(element, rights[element], others, rng)
        for selector in dict.fromkeys((*rights[element], *wrong)):
            matched = page.cssselect(selector)
            cases.append(SelectorCase(selector=selector, target=target, is_valid=matched == [element]))
    return cases


def balanced(cases: Sequence[SelectorCase], count: int, rng: np.random.Generator) -> list[SelectorCase]:
    """At most `count` of the cases, half of them valid as far as there are enough of each, in random order."""
    shuffled = [cases[index] for index in rng.permutation(len(cases))]
    valid = [case for case in shuffled if case.is_valid]
    invalid = [case for case in shuffled if not case.is_valid]
    half = min(count // 2, len(valid), len(invalid))
    chosen = [*valid[:half], *invalid[: min(count - half, len(invalid))]]
    chosen += valid[half : half + count - len(chosen)]
    return [chosen[index] for index in rng.permutation(len(chosen))]


def links(html: str) -> list[str]:
    """Where a page leads, as its links say it."""
    return [str(href) for href in lxml.html.document_fromstring(html).xpath("//a/@href")]


def _describable(page: lxml.html.HtmlElement) -> dict[lxml.html.HtmlElement, str]:
    """Interactive elements with a description that no other element of the page has."""
    described = {
        element: _description(page, element) for element in page.iter(*_INTERACTIVE) if element.get("type") != "hidden"
    }
    times = Counter(described.values())
    return {element: said for element, said in described.items() if said is not None and times[said] == 1}


def _description(page: lxml.html.HtmlElement, element: lxml.html.HtmlElement) -> str | None:
    """What a person would call it; None where it has no name."""
    name = " ".join(element.text_content().split())[:_MAX_NAME_CHARS] if element.tag in ("a", "button") else ""
    if element.tag in ("input", "select", "textarea"):
        labels = page.xpath("//label[@for=$id]", id=element.get("id") or "") or element.xpath("ancestor::label")
        name = " ".join(labels[0].text_content().split())[:_MAX_NAME_CHARS] if labels else ""
    if not name:
        return None
    kind = {"a": "link", "button": "button", "select": "choice"}.get(element.tag, "field")
    form = next(iter(element.xpath("ancestor::form/@data-testid")), None)
    return f"the {kind} '{name}'" + (f" of the form '{form}'" if form else "")


def _right_selectors(element: lxml.html.HtmlElement) -> Iterator[str]:
    """Selectors meant to find this element; what they do find, the page says."""
    form = next(iter(element.xpath("ancestor::form/@data-testid")), None)
    for attribute in _IDENTIFYING:
        value = element.get(attribute)
        if value:
            yield _by(element.tag, attribute, value)
            if form:
                yield f"{_by('form', 'data-testid', form)} {_by(element.tag, attribute, value)}"
    yield _place(element)


def _mutated(
    element: lxml.html.HtmlElement, rights: Sequence[str], others: Sequence[str], rng: np.random.Generator
) -> Iterator[str]:
    """Selectors as they go wrong."""
    yield str(element.tag)  # too general
    yield _place(element, shift=1)  # something was put before it
    for attribute in _IDENTIFYING:
        value = element.get(attribute)
        if value:
            yield _by(element.tag, attribute, f"{value}-v2")  # renamed
            yield _by("span", attribute, value)  # another tag
            yield f"body > {_by(element.tag, attribute, value)}"  # moved deeper
    if others:
        yield others[int(rng.integers(len(others)))]  # the neighbour's
    if rights:
        yield f"{rights[0]}:disabled"


def _by(tag: str, attribute: str, value: str) -> str:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{tag}[{attribute}="{quoted}"]'


def _place(element: lxml.html.HtmlElement, *, shift: int = 0) -> str:
    """The element by its place below the body, each step counted among its like."""
    steps = []
    step = element
    while step is not None and step.tag not in ("body", "html"):
        number = len(step.xpath("preceding-sibling::*[name() = $tag]", tag=step.tag)) + 1
        steps.append(f"{step.tag}:nth-of-type({number + (shift if step is element else 0)})")
        step = step.getparent()
    return " > ".join(["body", *reversed(steps)])
