"""Payloads on the wire, one shape per mission type. Further keys are kept: labelers see the payload as it came."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.arcade.domain.questions import (
    ABSENT,
    DEFAULT_PASS_SCORE,
    MAX_CRITERIA,
    MAX_ELEMENTS,
    UNLISTED,
    Box,
    Element,
    Form,
    Question,
)
from shifty_pipelines.contexts.arcade.errors import InvalidPayload

#: Names of elements and criteria stand in the clear as labels: short names, no content.
ShortName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
Text = Annotated[str, StringConstraints(min_length=1)]
Pixels = Annotated[float, Field(ge=0, le=100_000)]
Extent = Annotated[float, Field(gt=0, le=100_000)]

_MAX_SHOWN_CHARS = 80


class PayloadPart(BaseModel):
    """A part of a payload."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="ignore", strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )


class PayloadBody(PayloadPart):
    """What a payload must hold at least."""

    @abstractmethod
    def question(self) -> Question:
        """What answers are judged by."""


class BoxBody(PayloadPart):
    """A rectangle in the picture's pixels, from the upper left corner."""

    model_config = ConfigDict(extra="forbid")

    x: Pixels
    y: Pixels
    width: Extent
    height: Extent

    def box(self) -> Box:
        """The box in the Arcade's words."""
        return Box(x=self.x, y=self.y, width=self.width, height=self.height)


class TestOutput(PayloadBody):
    """label_test_output: what a test printed."""

    __test__ = False  # the name is the field's; pytest need not look

    output: Text

    def question(self) -> Question:
        """A choice of the type's labels."""
        return Question(form=Form.CHOICE)


class ErrorReport(PayloadBody):
    """classify_error: anything that tells of an error; what is named here is checked where it is there."""

    message: str | None = None
    stack_trace: str | None = None

    def question(self) -> Question:
        """A choice of the tenant's labels."""
        return Question(form=Form.CHOICE)


class SelectorOnPage(PayloadBody):
    """validate_selector: does this selector find what is described, and nothing else, on this page?"""

    selector: Text
    html: Text
    target: Text

    def question(self) -> Question:
        """A choice, with how sure one is."""
        return Question(form=Form.SELECTOR)


class Fix(PayloadBody):
    """verify_fix: what failed, what was changed, and what a replay printed."""

    failure: Text
    patch: Text
    replay_log: str | None = None

    def question(self) -> Question:
        """A choice, with evidence."""
        return Question(form=Form.FIX)


class OneOrTwoTests(PayloadBody):
    """rate_test_quality: one test to rate from 1 to 5, or two to compare."""

    test: Text | None = None
    a: Text | None = None
    b: Text | None = None

    @model_validator(mode="after")
    def _one_or_two(self) -> Self:
        if (self.a is None) != (self.b is None) or (self.test is None) == (self.a is None):
            raise ValueError("give either 'test', to rate it, or 'a' and 'b', to compare them")
        return self

    def question(self) -> Question:
        """A rating, or a comparison."""
        return Question(form=Form.COMPARISON if self.test is None else Form.RATING)


class CriterionBody(PayloadPart):
    """One line of a rubric."""

    id: ShortName
    text: Text


class ModelOutput(PayloadBody):
    """review_model_output: one output under a rubric, or two to compare; which model wrote it is not said."""

    output: Text | None = None
    a: Text | None = None
    b: Text | None = None
    criteria: Annotated[list[CriterionBody], Field(max_length=MAX_CRITERIA)] = Field(default_factory=list)
    pass_score: Annotated[int, Field(ge=1, le=5)] = DEFAULT_PASS_SCORE

    @model_validator(mode="before")
    @classmethod
    def _no_names(cls, payload: Any) -> Any:
        told = {"model", "modelId", "modelName", "modelVersion"} & set(payload) if isinstance(payload, dict) else ()
        if told:
            raise ValueError(f"'{min(told)}' would tell the reviewer whose output it is; leave it out")
        return payload

    @model_validator(mode="after")
    def _one_or_two(self) -> Self:
        if (self.a is None) != (self.b is None) or (self.output is None) == (self.a is None):
            raise ValueError("give either 'output', with 'criteria', or 'a' and 'b', to compare them")
        ids = [criterion.id for criterion in self.criteria]
        if (self.output is None) == bool(ids) or len(set(ids)) < len(ids):
            raise ValueError("an 'output' needs 1 to 20 'criteria' with different ids, a comparison none")
        return self

    def question(self) -> Question:
        """Scores per criterion, or a comparison."""
        if self.output is None:
            return Question(form=Form.COMPARISON)
        return Question(form=Form.RUBRIC, criteria=tuple(line.id for line in self.criteria), pass_score=self.pass_score)


class PictureBody(PayloadPart):
    """A picture's size in pixels; where it lies is the payload's own business."""

    width: Extent
    height: Extent


class ElementBody(PayloadPart):
    """An element of the page, to be picked from a list instead of drawn."""

    id: ShortName
    box: BoxBody


class Screen(PayloadBody):
    """annotate_ui_element: a picture, what is looked for on it, and the elements it has, where they are known."""

    picture: PictureBody
    target: Text
    elements: Annotated[list[ElementBody], Field(max_length=MAX_ELEMENTS)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _inside(self) -> Self:
        ids = [element.id for element in self.elements]
        if len(set(ids)) < len(ids) or {UNLISTED, ABSENT} & set(ids):
            raise ValueError(f"ids of elements must differ, and none be '{UNLISTED}' or '{ABSENT}'")
        for element in self.elements:
            box = element.box
            if box.x + box.width > self.picture.width or box.y + box.height > self.picture.height:
                raise ValueError(f"element '{element.id}' reaches outside the picture")
        return self

    def question(self) -> Question:
        """An element of the list, a box, or 'not here'."""
        return Question(
            form=Form.ELEMENT,
            picture_width=self.picture.width,
            picture_height=self.picture.height,
            elements=tuple(Element(id=element.id, box=element.box.box()) for element in self.elements),
        )


class Deployment(PayloadBody):
    """approve_deployment: what would change."""

    change: Text

    def question(self) -> Question:
        """A decision, with its rationale."""
        return Question(form=Form.DECISION)


PAYLOADS: Mapping[MissionType, type[PayloadBody]] = {
    MissionType.LABEL_TEST_OUTPUT: TestOutput,
    MissionType.VALIDATE_SELECTOR: SelectorOnPage,
    MissionType.RATE_TEST_QUALITY: OneOrTwoTests,
    MissionType.VERIFY_FIX: Fix,
    MissionType.CLASSIFY_ERROR: ErrorReport,
    MissionType.ANNOTATE_UI_ELEMENT: Screen,
    MissionType.REVIEW_MODEL_OUTPUT: ModelOutput,
    MissionType.APPROVE_DEPLOYMENT: Deployment,
}


def read_question(mission_type: MissionType, payload: Mapping[str, Any]) -> Question:
    """What a payload asks.

    Raises:
        InvalidPayload: it is not what missions of this type ask about; names field and value.
    """
    try:
        return PAYLOADS[mission_type].model_validate(dict(payload)).question()
    except ValidationError as error:
        field, problem = first_problem(error)
        raise InvalidPayload(mission_type.value, field, problem) from None


def first_problem(error: ValidationError) -> tuple[str, str]:
    """Where the first problem is, and what: with the value where that is a single one."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    message = problem["msg"].removeprefix("Value error, ")
    value = problem.get("input")
    is_shown = isinstance(value, str | int | float | bool)
    return where, f"{message} (got {str(value)[:_MAX_SHOWN_CHARS]!r})" if is_shown else message
