"""What a mission asks: the form of its answers, and how each form becomes a label.

A label event holds one label. Where an answer says more (a box, a rating, scores), the typed form is kept beside it in
the Arcade; its own aggregators read that, and the label is what can be counted until then (docs/decisions/0013).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shifty_pipelines.contexts.arcade.domain.missions import MissionType

RATINGS = ("1", "2", "3", "4", "5")
#: The first is better, neither, the second is better.
PREFERENCES = ("a", "tie", "b")
#: A box that fits no listed element, and "it is not on this picture".
UNLISTED, ABSENT = "unlisted", "absent"
PASS, FAIL = "pass", "fail"
APPROVE, REJECT = "approve", "reject"
#: Two boxes mean the same element from this overlap on; the threshold of PASCAL VOC (Everingham et al. 2010, 4.2).
MIN_IOU = 0.5
MAX_ELEMENTS = 98  # with UNLISTED and ABSENT, the hundred labels an item may have
MAX_CRITERIA = 20
DEFAULT_PASS_SCORE = 3


class Form(StrEnum):
    """The shapes of answers."""

    CHOICE = "choice"
    SELECTOR = "selector"
    FIX = "fix"
    RATING = "rating"
    COMPARISON = "comparison"
    ELEMENT = "element"
    RUBRIC = "rubric"
    DECISION = "decision"

    @property
    def is_told_by_type(self) -> bool:
        """Whether an answer can be judged without the payload: all but those that point into it."""
        return self is not Form.ELEMENT


#: The form of every type that has only one.
FORMS: Mapping[MissionType, Form] = {
    MissionType.LABEL_TEST_OUTPUT: Form.CHOICE,
    MissionType.VALIDATE_SELECTOR: Form.SELECTOR,
    MissionType.VERIFY_FIX: Form.FIX,
    MissionType.CLASSIFY_ERROR: Form.CHOICE,
    MissionType.ANNOTATE_UI_ELEMENT: Form.ELEMENT,
    MissionType.APPROVE_DEPLOYMENT: Form.DECISION,
}

#: Forms whose answers are labels of a set; all others bring their own labels.
CHOICES = (Form.CHOICE, Form.SELECTOR, Form.FIX)

#: Types whose payload may be any text: what is asked about an error event must be one of these.
ABOUT_ERRORS = (MissionType.CLASSIFY_ERROR,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle of a picture, in its pixels, from the upper left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element of a page; `id` is a short name, never its content."""

    id: str
    box: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What must be known of a payload to judge an answer."""

    form: Form
    picture_width: float = 0.0
    picture_height: float = 0.0
    elements: tuple[Element, ...] = ()
    criteria: tuple[str, ...] = ()
    pass_score: int = DEFAULT_PASS_SCORE

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The labels that answers to this question come down to; None where its mission type's hold."""
        if self.form is Form.ELEMENT:
            return (*(element.id for element in self.elements), UNLISTED, ABSENT)
        return _LABELS.get(self.form)


_LABELS: Mapping[Form, tuple[str, ...]] = {
    Form.RATING: RATINGS,
    Form.COMPARISON: PREFERENCES,
    Form.RUBRIC: (PASS, FAIL),
    Form.DECISION: (APPROVE, REJECT),
}


def iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 (apart) to 1 (equal).

    Example:
        >>> iou(Box(x=0, y=0, width=2, height=2), Box(x=1, y=0, width=2, height=2))
        0.3333333333333333
    """
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    shared = max(width, 0.0) * max(height, 0.0)
    union = one.width * one.height + other.width * other.height - shared
    return shared / union if union > 0 else 0.0


def label_of_box(question: Question, box: Box) -> str:
    """The listed element that a box fits best, if it fits one; of two that fit equally well, the first listed."""
    best = max(question.elements, key=lambda element: iou(element.box, box), default=None)
    return best.id if best is not None and iou(best.box, box) >= MIN_IOU else UNLISTED


def label_of_scores(question: Question, scores: Mapping[str, int]) -> str:
    """`pass` where every criterion reaches the pass score."""
    return PASS if all(scores[name] >= question.pass_score for name in question.criteria) else FAIL
