"""Making validate_selector missions from rendered pages: the truth of each follows from the page, some become gold."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shifty_pipelines.contexts.arcade.domain.batches import MAX_BATCH, NewTemplate
from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.curation.domain.selectors import LABELS, SelectorCase, balanced, selector_cases
from shifty_pipelines.contexts.curation.errors import LabelSetDiffers
from shifty_pipelines.flows.create_batch import create_batch
from shifty_pipelines.flows.set_labels import set_labels
from shifty_pipelines.kernel.errors import InvalidValue
from shifty_pipelines.services import Services

TYPE = MissionType.VALIDATE_SELECTOR
TEMPLATE = NewTemplate(
    name="Selectors on rendered pages",
    type=TYPE,
    title="Does this selector find exactly this element?",
    instructions=(
        "valid: it finds the described element and nothing else. "
        "invalid: it finds nothing, something else, or more than that."
    ),
    time_estimate_minutes=2,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeSelectors:
    """What was made of the pages."""

    batch_id: uuid.UUID
    mission_count: int
    gold_count: int
    valid_count: int
    page_count: int


def make_selector_missions(
    services: Services, pages: Mapping[str, str], *, count: int, gold_share: float, seed: int
) -> MadeSelectors:
    """A batch of at most `count` missions on these pages, half of them valid; the same seed asks the same.

    Args:
        services: a unit of work; whoever owns it is the author, and is not asked.
        pages: HTML as the server sent it, by path.
        count: 2 to 500.
        gold_share: the share, 0 to 1, of each truth that becomes gold.
        seed: of the choice of cases.

    Raises:
        InvalidValue: a count or share out of range, or pages without elements to ask about.
        LabelSetDiffers: validate_selector has other labels.
    """
    _check(count, gold_share)
    rng = np.random.default_rng(seed)
    found = [(path, case) for path in sorted(pages) for case in selector_cases(pages[path], rng)]
    page_of = {id(case): path for path, case in found}
    cases = balanced([case for _, case in found], count, rng)
    if not cases:
        raise InvalidValue("pages", len(pages), "pages of HTML with links, buttons or fields that have names")
    _own_label_set(services)
    payloads = [
        {"html": pages[page_of[id(case)]], "page": page_of[id(case)], "selector": case.selector, "target": case.target}
        for case in cases
    ]
    batch = create_batch(services, _template(services), payloads, name=f"selectors, seed {seed}")
    gold = _gold(cases, gold_share)
    services.curation.seed_gold({batch.item_ids[index]: cases[index].label for index in gold})
    return MadeSelectors(
        batch_id=batch.id,
        mission_count=len(cases),
        gold_count=len(gold),
        valid_count=sum(case.is_valid for case in cases),
        page_count=len({page_of[id(case)] for case in cases}),
    )


def _check(count: int, gold_share: float) -> None:
    if not len(LABELS) <= count <= MAX_BATCH:
        raise InvalidValue("count", count, f"{len(LABELS)} to {MAX_BATCH}")
    if not 0 <= gold_share <= 1:
        raise InvalidValue("gold", gold_share, "a share from 0 to 1")


def _own_label_set(services: Services) -> None:
    present = services.curation.lock_labels(TYPE.value)
    if present is None:
        set_labels(services, TYPE, LABELS)
    elif set(present) != set(LABELS):
        raise LabelSetDiffers(TYPE.value, LABELS, present)


def _template(services: Services) -> uuid.UUID:
    present = services.arcade.template_named(TEMPLATE.name)
    return services.arcade.add_template(TEMPLATE).id if present is None else present.id


def _gold(cases: Sequence[SelectorCase], share: float) -> list[int]:
    """Indexes of those that become gold: the same share of each truth, so that guessing the commoner one shows."""
    chosen = []
    for label in LABELS:
        of_label = [index for index, case in enumerate(cases) if case.label == label]
        chosen += of_label[: round(share * len(of_label))]
    return sorted(chosen)
