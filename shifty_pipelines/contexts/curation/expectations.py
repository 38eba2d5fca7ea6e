"""What must hold before the next asset may use the rows of one: suites for Great Expectations, one per asset.

Rows of a mission type that break a blocking expectation go no further, and its previous dataset stays current; an
advisory one is told and stops nothing. Great Expectations judges (`BOOLEAN_ONLY`, so that no value leaves it); which
rows offend is found here, by id. It takes seven seconds to import, so it is imported when a suite first runs.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from shifty_pipelines.contexts.curation.domain.datasets import LEAST_ROWS
from shifty_pipelines.contexts.curation.domain.decisions import MONOTONE_LABELS

Columns = Mapping[str, Sequence[Any]]

#: Stands in `arguments` for the labels of the mission type, and for the chance of guessing one of them.
LABELS, CHANCE = "$labels", "$chance"

#: If less than half of the decided items have a text, the payloads have changed, not the items.
LEAST_KEPT_SHARE = 0.5
MOST_CONTRADICTING_SHARE = 0.2
#: Different labels from which a labeler tells them apart.
SEVERAL = 2
ROUNDING = 1e-9

#: Offending rows named in a verdict; more are counted.
MOST_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One thing that must hold.

    Attributes:
        name: of the asset check; kept with verdicts, so it stays.
        says: the expectation as a sentence.
        type: its class in `great_expectations.expectations`.
        arguments: of that class; `LABELS` and `CHANCE` are filled in.
        offends: whether the row at a position breaks it; None where only the whole table can.
        names: the column of ids by which a verdict names offending rows.
        is_blocking: whether rows that break it go no further.
    """

    name: str
    says: str
    type: str
    arguments: Mapping[str, Any]
    offends: Callable[[Columns, int], bool] | None = None
    names: str = "item_id"
    is_blocking: bool = True

    @property
    def ids_name(self) -> str:
        """What its offenders' ids are, for those who read a verdict."""
        return "row_ids" if self.names == "item_id" else f"{self.names}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How the rows of one mission type stand against one expectation."""

    expectation: Expectation
    passed: bool
    row_count: int
    offenders: tuple[uuid.UUID, ...] = ()

    @property
    def stops(self) -> bool:
        """Whether these rows go no further."""
        return self.expectation.is_blocking and not self.passed

    @property
    def failing_count(self) -> int:
        """Rows that offend; 1 where the table as a whole does."""
        return 0 if self.passed else max(1, len(self.offenders))


class ExpectationBroken(RuntimeError):
    """An expectation could not be evaluated: a mistake in its suite, never a fact about rows."""

    def __init__(self, name: str) -> None:
        super().__init__(f"expectation {name} could not be evaluated; compare its column with the rows of its asset")


def _between(column: str, least: float | str | None, most: float | None) -> dict[str, Any]:
    return {"column": column, "min_value": least, "max_value": most}


SUITES: Mapping[str, tuple[Expectation, ...]] = MappingProxyType(
    {
        "labels": (
            Expectation(
                name="labels_exist",
                says="At least one label counts",
                type="ExpectTableRowCountToBeBetween",
                arguments={"min_value": 1},
            ),
            Expectation(
                name="labelers_tell_labels_apart",
                says=f"No labeler gave {MONOTONE_LABELS} labels or more that are all the same. The consensus does not "
                "believe such labelers; look at their answers, and deactivate who does not look",
                type="ExpectColumnValuesToBeBetween",
                arguments=_between("labels_of_labeler", SEVERAL, None),
                offends=lambda rows, place: rows["labels_of_labeler"][place] < SEVERAL,
                names="labeler_id",
                is_blocking=False,
            ),
        ),
        "consensus_labels": (
            Expectation(
                name="labels_are_of_the_set",
                says="Every decided label is one of the label set",
                type="ExpectColumnValuesToBeInSet",
                arguments={"column": "label", "value_set": LABELS},
                offends=lambda rows, place: rows["label"][place] not in rows["$labels"],
            ),
            Expectation(
                name="posteriors_are_above_chance",
                says="No decided label is less probable than a guess",
                type="ExpectColumnValuesToBeBetween",
                arguments=_between("posterior", CHANCE, 1.0),
                offends=lambda rows, place: not rows["$chance"][0] <= rows["posterior"][place] <= 1,
            ),
            Expectation(
                name="decisions_rest_on_labels",
                says="Every decision rests on at least one label",
                type="ExpectColumnValuesToBeBetween",
                arguments=_between("label_count", 1, None),
                offends=lambda rows, place: rows["label_count"][place] < 1,
            ),
            Expectation(
                name="two_labels_are_decided",
                says="At least two different labels are decided: with one there is nothing to learn",
                type="ExpectColumnUniqueValueCountToBeBetween",
                arguments=_between("decided_label", 2, None),
            ),
        ),
        "scrubbed_items": (
            Expectation(
                name="no_identifiers_are_left",
                says="No text holds an e-mail address, key, card number or the like after scrubbing",
                type="ExpectColumnValuesToBeBetween",
                arguments=_between("identifiers_left", None, 0),
                offends=lambda rows, place: rows["identifiers_left"][place] > 0,
            ),
            Expectation(
                name="texts_say_something",
                says="Every kept text has at least one character",
                type="ExpectColumnValuesToBeBetween",
                arguments=_between("char_count", 1, None),
                offends=lambda rows, place: rows["char_count"][place] < 1,
            ),
            Expectation(
                name="most_texts_are_kept",
                says="At least half of the decided items have a text of usable length",
                type="ExpectColumnMeanToBeBetween",
                arguments=_between("is_kept", LEAST_KEPT_SHARE, None),
            ),
        ),
        "unique_items": (
            Expectation(
                name="texts_are_unique",
                says="No two rows say the same",
                type="ExpectColumnValuesToBeUnique",
                arguments={"column": "unique_digest"},
                offends=lambda rows, place: rows["copies"][place] > 1,
            ),
            Expectation(
                name="few_equals_contradict",
                says="At most a fifth of the texts have equals with another label",
                type="ExpectColumnMeanToBeBetween",
                arguments=_between("is_contradicting", None, MOST_CONTRADICTING_SHARE),
            ),
        ),
        "splits": (
            Expectation(
                name="rows_suffice",
                says=f"At least {LEAST_ROWS} rows serve",
                type="ExpectTableRowCountToBeBetween",
                arguments={"min_value": LEAST_ROWS},
            ),
            Expectation(
                name="splits_are_known",
                says="Every row serves in train, validation or test",
                type="ExpectColumnValuesToBeInSet",
                arguments={"column": "split", "value_set": ["train", "validation", "test"]},
                offends=lambda rows, place: rows["split"][place] not in {"train", "validation", "test"},
            ),
            Expectation(
                name="groups_stay_together",
                says="No group of near duplicates stands in two splits",
                type="ExpectColumnValuesToBeBetween",
                arguments=_between("splits_of_group", 1, 1),
                offends=lambda rows, place: rows["splits_of_group"][place] != 1,
            ),
            Expectation(
                name="every_split_has_rows",
                says="Train, validation and test all have rows",
                type="ExpectColumnDistinctValuesToContainSet",
                arguments={"column": "split", "value_set": ["train", "validation", "test"]},
            ),
            Expectation(
                name="training_tells_labels_apart",
                says="The training rows have at least two different labels",
                type="ExpectColumnUniqueValueCountToBeBetween",
                arguments=_between("train_label", 2, None),
            ),
        ),
    }
)


def validate(asset: str, rows: Columns, labels: Sequence[str]) -> list[Verdict]:
    """How rows stand against the suite of their asset, in the suite's order.

    Args:
        asset: one of `SUITES`.
        rows: columns of equal length; `item_id` names each row.
        labels: the label set.

    Raises:
        ExpectationBroken: an expectation could not be evaluated.
    """
    suite = SUITES[asset]
    chance = 1 / max(len(labels), 1) - ROUNDING
    success = _judge(suite, rows, {LABELS: list(labels), CHANCE: chance})
    told: Columns = {**rows, LABELS: labels, CHANCE: [chance]}
    return [
        Verdict(
            expectation=expectation,
            passed=passed,
            row_count=len(rows["item_id"]),
            offenders=() if passed else _offenders(expectation, told),
        )
        for expectation, passed in zip(suite, success, strict=True)
    ]


def _offenders(expectation: Expectation, rows: Columns) -> tuple[uuid.UUID, ...]:
    if expectation.offends is None:
        return ()
    named = (name for place, name in enumerate(rows[expectation.names]) if expectation.offends(rows, place))
    return tuple(dict.fromkeys(named))


def _judge(suite: Sequence[Expectation], rows: Columns, given: Mapping[str, Any]) -> list[bool]:
    # Seven seconds, and only the code server's checks need it (ARCHITECTURE, "Dagster").
    import great_expectations as gx  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)  # noqa: FBT003  # its only parameter
    context.variables.progress_bars = {"globally": False}
    frame = pd.DataFrame({name: list(values) for name, values in rows.items()})
    asset = context.data_sources.add_pandas("curation").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    expectations = [
        getattr(gx.expectations, expectation.type)(**_filled(expectation.arguments, given)) for expectation in suite
    ]
    success = []
    for expectation, judged in zip(suite, expectations, strict=True):
        result = batch.validate(judged, result_format="BOOLEAN_ONLY")
        if _is_broken(result.exception_info):
            raise ExpectationBroken(expectation.name)
        success.append(bool(result.success))
    return success


def _is_broken(exceptions: Mapping[str, Any]) -> bool:
    """Whether an evaluation failed: told at the top, or by each metric under its id."""
    told = [exceptions, *(value for value in exceptions.values() if isinstance(value, Mapping))]
    return any(found.get("raised_exception") for found in told)


def _filled(arguments: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: given[value] if isinstance(value, str) and value in given else value for name, value in arguments.items()
    }
