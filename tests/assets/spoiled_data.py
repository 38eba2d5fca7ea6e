"""For every expectation a tenant whose rows break exactly that one: by what people said where good code lets that
through, else by a bug simulated below the code, as a trigger on the table where the decision is written.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from tests.assets.curation_site import Site
from tests.crowd import LABELS, TYPE, add_item, fill, label, take_back, text_of

#: Spoils a site; while the context lasts, its rows are bad.
Spoil = Callable[[Site], AbstractContextManager[None]]
ANYBODY_ELSE = uuid.UUID(int=99)


def good(site: Site, count: int = 60) -> list[uuid.UUID]:
    with site.curation() as curation:
        return fill(curation, count)


def placed_before(site: Site, splits: Mapping[uuid.UUID, str]) -> None:
    """Items that earlier runs have placed, which is for ever."""
    for item_id, split in splits.items():
        site.query(
            "INSERT INTO item_splits VALUES (%(tenant)s, %(item)s, %(type)s, %(split)s, now(), NULL) RETURNING 1",
            item=item_id,
            type=TYPE,
            split=split,
        )


def every_label_is_taken_back(site: Site) -> AbstractContextManager[None]:
    with site.curation() as curation:
        curation.set_labels(TYPE, LABELS)
        item_id = add_item(curation, {"text": text_of(1)})
        take_back(curation, item_id, label(curation, item_id, LABELS[0]))
    return nullcontext()


def a_labeler_who_does_not_look(site: Site) -> AbstractContextManager[None]:
    items = good(site)
    with site.curation() as curation:
        for item_id in items[:20]:
            label(curation, item_id, LABELS[0], labelers=[ANYBODY_ELSE])
    return nullcontext()


def a_label_of_no_set(site: Site) -> AbstractContextManager[None]:
    item_id = good(site)[0]
    return site.bug("consensus_labels", f"IF NEW.item_id = '{item_id}' THEN NEW.label := 'gibberish'; END IF;")


def a_source_worse_than_chance(site: Site) -> AbstractContextManager[None]:
    good(site)
    site.query(
        """INSERT INTO labeler_skills (tenant_id, labeler_id, mission_type, accuracy, algorithm, updated_at)
        VALUES (%(tenant)s, %(labeler)s, %(type)s, 0.2, 'declared', now()) RETURNING 1""",
        labeler=ANYBODY_ELSE,
        type=TYPE,
    )
    with site.curation() as curation:
        label(curation, add_item(curation, {"text": text_of(500)}), LABELS[0], labelers=[ANYBODY_ELSE])
    return nullcontext()


def a_decision_out_of_nothing(site: Site) -> AbstractContextManager[None]:
    item_id = good(site)[0]
    return site.bug("consensus_labels", f"IF NEW.item_id = '{item_id}' THEN NEW.label_count := 0; END IF;")


def one_class_only(site: Site) -> AbstractContextManager[None]:
    with site.curation() as curation:
        fill(curation, 60, labels=LABELS[:1])
    return nullcontext()


def scrubbing_forgets(site: Site) -> AbstractContextManager[None]:
    good(site)
    with site.curation() as curation:
        label(curation, add_item(curation, {"text": f"{text_of(501)} ann@example.org"}), LABELS[0])
    return site.bug("item_scrubs", "NEW.spans := '[]';")


def a_blank_text_is_kept(site: Site) -> AbstractContextManager[None]:
    good(site)
    with site.curation() as curation:
        label(curation, add_item(curation, {"text": "  "}), LABELS[0])
    return site.bug("item_scrubs", "IF NEW.outcome = 'blank' THEN NEW.outcome := 'kept'; NEW.text_hmac := 'x'; END IF;")


def most_texts_are_blank(site: Site) -> AbstractContextManager[None]:
    good(site)
    with site.curation() as curation:
        for number in range(61):
            label(curation, add_item(curation, {"number": number}), LABELS[number % 3])
    return nullcontext()


def a_duplicate_is_kept(site: Site) -> AbstractContextManager[None]:
    good(site)
    with site.curation() as curation:
        label(curation, add_item(curation, {"text": text_of(0)}), LABELS[0])
    return site.bug("item_groups", "NEW.outcome := 'unique'; NEW.duplicate_of := NULL;")


def equals_contradict(site: Site) -> AbstractContextManager[None]:
    good(site)
    with site.curation() as curation:
        for number in range(10):
            label(curation, add_item(curation, {"text": text_of(number)}), LABELS[(number + 1) % 3])
    return nullcontext()


def one_row_too_few(site: Site) -> AbstractContextManager[None]:
    items = good(site, 19)
    placed_before(site, split_like(items, train=15, validation=2))
    return nullcontext()


def an_unknown_split(site: Site) -> AbstractContextManager[None]:
    item_id = good(site)[0]
    return site.bug("item_splits", f"IF NEW.item_id = '{item_id}' THEN NEW.split := 'holdout'; END IF;")


def a_group_is_parted(site: Site) -> AbstractContextManager[None]:
    good(site)
    twins: list[uuid.UUID] = []
    with site.curation() as curation:
        for ending in ("", "s"):
            twins.append(add_item(curation, {"text": f"{text_of(503)} {text_of(504)}{ending}"}))
            label(curation, twins[-1], LABELS[0])
    return site.bug(
        "item_splits",
        f"IF NEW.item_id = '{twins[0]}' THEN NEW.split := 'train'; END IF;"
        f"IF NEW.item_id = '{twins[1]}' THEN NEW.split := 'test'; END IF;",
    )


def no_test_rows(site: Site) -> AbstractContextManager[None]:
    items = good(site, 40)
    placed_before(site, split_like(items, train=35, validation=5))
    return nullcontext()


def one_class_to_train_on(site: Site) -> AbstractContextManager[None]:
    items = good(site, 60)  # labelled in turn, so every third has the first label
    others = [item_id for place, item_id in enumerate(items) if place % 3]
    placed_before(site, dict.fromkeys(items[::3], "train") | split_like(others, train=0, validation=20))
    return nullcontext()


def split_like(items: Sequence[uuid.UUID], *, train: int, validation: int) -> dict[uuid.UUID, str]:
    """The first ones in train, the next in validation, the rest in test."""
    names = ["train"] * train + ["validation"] * validation
    return {item_id: names[place] if place < len(names) else "test" for place, item_id in enumerate(items)}


#: Expectation -> what breaks it and nothing else.
SPOILED: Mapping[str, Spoil] = {
    "labels_exist": every_label_is_taken_back,
    "labelers_tell_labels_apart": a_labeler_who_does_not_look,
    "labels_are_of_the_set": a_label_of_no_set,
    "posteriors_are_above_chance": a_source_worse_than_chance,
    "decisions_rest_on_labels": a_decision_out_of_nothing,
    "two_labels_are_decided": one_class_only,
    "no_identifiers_are_left": scrubbing_forgets,
    "texts_say_something": a_blank_text_is_kept,
    "most_texts_are_kept": most_texts_are_blank,
    "texts_are_unique": a_duplicate_is_kept,
    "few_equals_contradict": equals_contradict,
    "rows_suffice": one_row_too_few,
    "splits_are_known": an_unknown_split,
    "groups_stay_together": a_group_is_parted,
    "every_split_has_rows": no_test_rows,
    "training_tells_labels_apart": one_class_to_train_on,
}
