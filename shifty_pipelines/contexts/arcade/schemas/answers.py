"""Answers on the wire, one shape per form; the mission says which form it wants, and every other shape is refused."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, ValidationError, model_validator
from typing_extensions import override

from shifty_pipelines.contexts.arcade.domain.missions import Answer
from shifty_pipelines.contexts.arcade.domain.questions import (
    ABSENT,
    Form,
    Question,
    label_of_box,
    label_of_scores,
)
from shifty_pipelines.contexts.arcade.errors import InvalidAnswer
from shifty_pipelines.contexts.arcade.schemas.questions import BoxBody, ShortName, first_problem
from shifty_pipelines.kernel.wire import RequestBody

# PostgreSQL's text holds every character but NUL.
Label = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
Confidence = Annotated[float, Field(ge=0, le=1)]
FreeText = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
Evidence = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=2_000)]], Field(max_length=20)]

#: Fields of answers that are free text: sealed, never in the clear.
SEALED_FIELDS = ("reason", "evidence", "rationale")


class AnswerBody(RequestBody):
    """What every answer may say."""

    model_config = ConfigDict(extra="forbid")

    confidence: Confidence | None = None
    notes: FreeText | None = None

    @abstractmethod
    def label(self, question: Question) -> str:
        """The label that this answer comes down to."""

    def clear(self) -> Mapping[str, Any]:
        """What else it says that is no text: JSON values by wire name."""
        return {}

    def answer(self, question: Question) -> Answer:
        """The answer in the Arcade's words."""
        said = {name: getattr(self, name, None) for name in SEALED_FIELDS}
        return Answer(
            label=self.label(question),
            confidence=self.confidence,
            notes=self.notes,
            given=self.clear(),
            texts={name: text for name, text in said.items() if text is not None},
        )


class ChoiceAnswer(AnswerBody):
    """One of the mission type's labels (label_test_output, classify_error)."""

    selected_option: Label
    reason: FreeText | None = None

    @override
    def label(self, question: Question) -> str:
        """The option."""
        return self.selected_option


class SelectorAnswer(ChoiceAnswer):
    """A choice, and how sure one is (validate_selector)."""

    confidence: Confidence


class FixAnswer(ChoiceAnswer):
    """A choice, and what shows it (verify_fix)."""

    evidence: Annotated[Evidence, Field(min_length=1)]


class RatingAnswer(AnswerBody):
    """1 (bad) to 5 (good)."""

    rating: Annotated[int, Field(ge=1, le=5, strict=True)]

    @override
    def label(self, question: Question) -> str:
        """The rating as a label."""
        return str(self.rating)


class ComparisonAnswer(AnswerBody):
    """Which of two is better."""

    preferred: Literal["a", "tie", "b"]
    reason: FreeText | None = None

    @override
    def label(self, question: Question) -> str:
        """The preference as a label."""
        return self.preferred


class ElementAnswer(AnswerBody):
    """An element of the list, a box drawn on the picture, or that it is not there; exactly one of them."""

    element_id: ShortName | None = None
    box: BoxBody | None = None
    is_absent: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        if sum(said is not None for said in (self.element_id, self.box, self.is_absent)) != 1:
            raise ValueError("give exactly one of elementId, box and isAbsent")
        return self

    @override
    def label(self, question: Question) -> str:
        """The element's id, that of the element a box fits, or `unlisted` or `absent`."""
        if self.box is not None:
            self._check_box(question, self.box)
            return label_of_box(question, self.box.box())
        if self.element_id is None:
            return ABSENT
        ids = [element.id for element in question.elements]
        if self.element_id not in ids:
            problem = (
                f"'{self.element_id}' is no element of this mission; it has: {', '.join(ids) or 'none, draw a box'}"
            )
            raise InvalidAnswer(question.form, "elementId", problem)
        return self.element_id

    @override
    def clear(self) -> Mapping[str, Any]:
        """How it was pointed out."""
        if self.box is not None:
            return {"box": self.box.model_dump()}
        return {"isAbsent": True} if self.element_id is None else {"elementId": self.element_id}

    def _check_box(self, question: Question, box: BoxBody) -> None:
        right, lower = box.x + box.width, box.y + box.height
        if right > question.picture_width or lower > question.picture_height:
            size = f"{question.picture_width:g} x {question.picture_height:g}"
            raise InvalidAnswer(
                question.form, "box", f"it reaches to {right:g}, {lower:g}, outside the picture of {size} pixels"
            )


class RubricAnswer(AnswerBody):
    """A score of 1 to 5 for each criterion."""

    scores: dict[ShortName, Annotated[int, Field(ge=1, le=5, strict=True)]]
    reason: FreeText | None = None

    @override
    def label(self, question: Question) -> str:
        """`pass` or `fail`."""
        if set(self.scores) != set(question.criteria):
            problem = f"scores are of {_listed(self.scores)}; expected one for each of {_listed(question.criteria)}"
            raise InvalidAnswer(question.form, "scores", problem)
        return label_of_scores(question, self.scores)

    @override
    def clear(self) -> Mapping[str, Any]:
        """The scores."""
        return {"scores": dict(sorted(self.scores.items()))}


class DecisionAnswer(AnswerBody):
    """Whether to deploy, and why (approve_deployment)."""

    decision: Literal["approve", "reject"]
    rationale: FreeText

    @override
    def label(self, question: Question) -> str:
        """The decision as a label."""
        return self.decision


ANSWERS: Mapping[Form, type[AnswerBody]] = {
    Form.CHOICE: ChoiceAnswer,
    Form.SELECTOR: SelectorAnswer,
    Form.FIX: FixAnswer,
    Form.RATING: RatingAnswer,
    Form.COMPARISON: ComparisonAnswer,
    Form.ELEMENT: ElementAnswer,
    Form.RUBRIC: RubricAnswer,
    Form.DECISION: DecisionAnswer,
}

AnyAnswer = (
    ChoiceAnswer
    | SelectorAnswer
    | FixAnswer
    | RatingAnswer
    | ComparisonAnswer
    | ElementAnswer
    | RubricAnswer
    | DecisionAnswer
)


def read_answer(question: Question, result: Mapping[str, Any]) -> Answer:
    """The answer that a body's `result` gives to this question.

    Raises:
        InvalidAnswer: another form's shape, or values outside this question; names field, value and remedy.
    """
    try:
        body = ANSWERS[question.form].model_validate(dict(result))
    except ValidationError as error:
        raise InvalidAnswer(question.form, *first_problem(error)) from None
    return body.answer(question)


def _listed(names: Mapping[str, int] | Sequence[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
