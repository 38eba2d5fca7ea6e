"""The job `curate` from labels to datasets, in process: what it makes, what stops it, and what nobody gets to see."""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.contexts.curation.domain.datasets import Recipe
from shifty_pipelines.contexts.curation.errors import NothingToCurate
from shifty_pipelines.contexts.curation.expectations import ROUNDING, SUITES, ExpectationBroken, validate
from shifty_pipelines.contexts.curation.models import DatasetVersion
from shifty_pipelines.flows.curate import run_step
from shifty_pipelines.flows.publish_datasets import publish_datasets
from shifty_pipelines.kernel.tenant import TenantId
from tests.assets.curation_site import ASSETS, NewSite, Run, Site
from tests.assets.spoiled_data import ANYBODY_ELSE, SPOILED
from tests.conftest import TestServer
from tests.crowd import LABELERS, LABELS, TYPE, add_item, fill, label, take_back, text_of

ASSET_OF = {found.name: asset for asset, suite in SUITES.items() for found in suite}
BLOCKING = [found.name for suite in SUITES.values() for found in suite if found.is_blocking]
ADVISORY = [found.name for suite in SUITES.values() for found in suite if not found.is_blocking]


@dataclass(frozen=True)
class Labelled:
    """A site after one good run."""

    site: Site
    items: list[uuid.UUID]
    run: Run
    version: DatasetVersion


@pytest.fixture(scope="module")
def labelled(curating_platform: Platform, postgres: TestServer, database_name: str) -> Iterator[Labelled]:
    """A tenant after one good run over 61 items, one of them with an e-mail address."""
    with dg.DagsterInstance.ephemeral() as instance:
        site = Site(curating_platform, postgres, database_name, instance, create_tenant(curating_platform))
        with site.curation() as curation:
            items = fill(curation, 60)
            label(curation, add_item(curation, {"text": "mail ann@example.org of " + text_of(60)}), LABELS[0])
        run = site.run()
        version = site.current()
        assert version is not None
        yield Labelled(site, items, run, version)


def create_tenant(platform: Platform) -> TenantId:
    tenant_id = platform.new_tenant_id()
    with platform.app.platform_transaction() as session:
        session.execute(
            text("SELECT platform.create_tenant(:id, :slug, false)"), {"id": tenant_id, "slug": f"t-{tenant_id}"}
        )
    return tenant_id


def test_a_good_run_makes_every_asset_and_passes_every_check(labelled: Labelled) -> None:
    assert labelled.run.result.success
    assert labelled.run.made == list(ASSETS)
    assert set(labelled.run.checks) == set(ASSET_OF)
    assert labelled.run.failed == set()
    version = labelled.version
    assert (version.row_count, tuple(version.labels), version.label_count) == (61, LABELS, 183)
    assert labelled.run.figures("datasets")[f"version/{TYPE}/default"] == version.version


def test_training_reads_scrubbed_texts_with_their_labels_and_splits(labelled: Labelled) -> None:
    rows, items = labelled.site.table(labelled.version.id), labelled.items
    assert (len(rows), list(rows.columns)) == (61, ["row_id", "text", "label", "split"])
    read = dict(zip(rows.row_id, rows.text, strict=True))
    assert [read[str(item_id)] for item_id in items] == [text_of(number) for number in range(60)]
    assert [found for found in rows.text if "[EMAIL]" in found] == [f"mail [EMAIL] of {text_of(60)}"]
    assert set(rows.split) == {"train", "validation", "test"}
    labels = dict(zip(rows.row_id, rows.label, strict=True))
    assert [labels[str(item_id)] for item_id in items[:4]] == [*LABELS, LABELS[0]]


def test_every_row_leads_back_to_the_label_events_that_made_it(labelled: Labelled) -> None:
    lineage = labelled.site.query(
        "SELECT r.item_id, r.label_event_ids, array_agg(e.id) FROM dataset_rows r JOIN label_events e"
        " ON e.tenant_id = r.tenant_id AND e.item_id = r.item_id AND e.label = r.label"
        " AND e.id = ANY(r.label_event_ids)"
        " WHERE r.tenant_id = %(tenant)s AND r.dataset_version_id = %(version)s GROUP BY 1, 2",
        version=labelled.version.id,
    )
    assert len(lineage) == 61
    assert all(len(named) == 3 and set(named) == set(found) for _, named, found in lineage)


def test_a_version_is_a_registered_data_asset_under_its_own_key_slot(labelled: Labelled) -> None:
    version = labelled.version
    [(kind, classification, metadata, slot)] = labelled.site.query(
        "SELECT type, classification, metadata, key_slot FROM data_assets WHERE tenant_id = %(tenant)s AND id = %(id)s",
        id=version.data_asset_id,
    )
    assert (kind, classification, slot) == ("dataset", "confidential", version.key_slot)
    assert metadata == {"datasetId": str(version.dataset_id), "version": version.version, "rows": 61}


def test_the_card_says_what_there_is_and_holds_no_text_and_no_person(labelled: Labelled) -> None:
    card = labelled.version.card
    assert (card["rows"], card["labelEvents"], card["groups"]) == (61, 183, 61)
    assert card["replacedIdentifiers"] == {"email": 1}
    assert card["agreement"]["alpha"] == pytest.approx(1)
    assert [step["count"] for step in card["waterfall"]] == [61] * 6
    said = json.dumps(card)
    assert not [word for word in text_of(0).split() if word in said]
    assert not [labeler for labeler in LABELERS if str(labeler) in said]


def test_a_version_is_named_by_its_rows_and_comes_back_with_them(site: Site) -> None:
    with site.curation() as curation:
        fill(curation, 40)
    site.run()
    first = site.current()
    assert first is not None
    assert site.run().figures("datasets")["new_versions"] == 0
    assert site.versions() == [(first.version, "current")]

    with site.curation() as curation:
        item_id = add_item(curation, {"text": text_of(300)})
        events = label(curation, item_id, LABELS[1])
    assert site.run().figures("datasets")["new_versions"] == 1
    second = site.current()
    assert second is not None
    assert site.versions() == [(second.version, "current"), (first.version, "superseded")]
    assert (second.row_count, first.row_count) == (41, 40)

    with site.curation() as curation:
        take_back(curation, item_id, events)
    assert site.run().figures("datasets")["new_versions"] == 0
    assert site.versions() == [(second.version, "superseded"), (first.version, "current")]
    assert site.query("SELECT count(*) FROM data_assets WHERE tenant_id = %(tenant)s") == [(2,)]


def test_two_tenants_with_the_same_texts_have_versions_of_different_names(new_site: NewSite) -> None:
    names = []
    for site in (new_site(), new_site()):
        with site.curation() as curation:
            fill(curation, 30)
        site.run()
        names.append(site.versions()[0][0])
    assert names[0] != names[1]


def test_a_failed_check_stops_its_own_mission_type_and_no_other(site: Site) -> None:
    other = "verify_fix"
    with site.curation() as curation:
        fill(curation, 40)
        fill(curation, 40, start=100, mission_type=other)
    site.run()
    kept, before = site.current(), site.current(other)
    assert kept is not None
    assert before is not None
    with site.curation() as curation:
        for number in range(20):  # the same texts with other labels: half of this type contradicts itself
            label(curation, add_item(curation, {"text": text_of(number)}), LABELS[(number + 1) % 3])
        label(curation, add_item(curation, {"text": text_of(400)}, mission_type=other), LABELS[0])
    run = site.run()
    assert run.result.success
    assert run.made == list(ASSETS)
    check = run.checks["few_equals_contradict"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    figures = {name: value.value for name, value in check.metadata.items()}
    assert (figures[f"failing/{TYPE}"], figures[f"failing/{other}"]) == (1, 0)
    # Of the failed type nothing was placed and no version made; its previous one stays current.
    assert run.figures("splits")["mission_types"] == 1
    assert [name for name in run.figures("datasets") if TYPE in name] == []
    stands, moved = site.current(), site.current(other)
    assert stands is not None
    assert moved is not None
    assert stands.id == kept.id
    assert (moved.id == before.id, moved.row_count) == (False, 41)
    assert site.query("SELECT mission_type FROM expectation_verdicts WHERE tenant_id = %(tenant)s AND NOT passed") == [
        (TYPE,)
    ]


def test_every_expectation_has_a_dataset_that_fails_it() -> None:
    assert set(SPOILED) == set(ASSET_OF), "an expectation nobody has seen failing proves nothing"


@pytest.mark.parametrize("expectation", BLOCKING)
def test_a_dataset_that_fails_an_expectation_goes_no_further(site: Site, expectation: str) -> None:
    asset = ASSET_OF[expectation]
    with SPOILED[expectation](site):
        run = site.run()
    assert run.failed - set(ADVISORY) == {expectation}
    assert run.checks[expectation].severity is dg.AssetCheckSeverity.ERROR
    assert not run.result.success
    assert run.made == list(ASSETS[: ASSETS.index(asset) + 1])  # the next asset did not run
    assert site.query("SELECT count(*) FROM dataset_versions WHERE tenant_id = %(tenant)s") == [(0,)]
    assert site.query("SELECT count(*) FROM data_assets WHERE tenant_id = %(tenant)s") == [(0,)]


@pytest.mark.parametrize("expectation", ADVISORY)
def test_a_dataset_that_fails_an_advisory_expectation_is_warned_of_and_made(site: Site, expectation: str) -> None:
    with SPOILED[expectation](site):
        run = site.run()
    assert run.failed == {expectation}
    assert run.checks[expectation].severity is dg.AssetCheckSeverity.WARN
    assert run.result.success
    assert run.made == list(ASSETS)
    assert site.query("SELECT count(*) FROM dataset_versions WHERE tenant_id = %(tenant)s") == [(1,)]


def test_a_labeler_who_always_says_the_same_is_named_and_one_of_few_labels_is_not(site: Site) -> None:
    few = uuid.UUID(int=98)
    with SPOILED["labelers_tell_labels_apart"](site):
        with site.curation() as curation:
            for number in range(19):
                item_id = add_item(curation, {"text": text_of(700 + number)})
                label(curation, item_id, LABELS[1], labelers=[few])
        run = site.run()
    metadata = run.checks["labelers_tell_labels_apart"].metadata
    assert metadata[f"labeler_ids/{TYPE}"].value == [str(ANYBODY_ELSE)]


def test_an_offending_row_is_named_by_its_id_in_dagster_and_in_the_verdict(site: Site) -> None:
    with SPOILED["labels_are_of_the_set"](site):
        run = site.run()
    [(offender,)] = site.query(
        "SELECT item_id FROM consensus_labels WHERE tenant_id = %(tenant)s AND label = 'gibberish'"
    )
    assert run.checks["labels_are_of_the_set"].metadata[f"row_ids/{TYPE}"].value == [str(offender)]
    assert "gibberish" not in run.everything_said()
    assert site.query(
        "SELECT failing_items, failing_count, row_count FROM expectation_verdicts"
        " WHERE tenant_id = %(tenant)s AND NOT passed"
    ) == [([offender], 1, 60)]


def test_no_event_of_a_run_carries_a_text_of_a_row(site: Site) -> None:
    with site.curation() as curation:
        fill(curation, 30)
        for number in range(40):
            label(curation, add_item(curation, {"text": f"zugspitze {text_of(number + 500)}"}), LABELS[number % 3])
            label(
                curation, add_item(curation, {"text": f"zugspitze {text_of(number + 500)}"}), LABELS[(number + 1) % 3]
            )
    run = site.run()  # and fails, since most equals contradict
    assert run.failed == {"few_equals_contradict"}
    assert "few_equals_contradict" in run.everything_said()
    assert "zugspitze" not in run.everything_said()


def test_erased_texts_stop_the_mission_type_instead_of_breaking_the_run(site: Site) -> None:
    with site.curation() as curation:
        items = fill(curation, 30)
    assert site.run().result.success
    slots = [slot for (slot,) in site.query("SELECT key_slot FROM items WHERE tenant_id = %(tenant)s")]
    site.platform.keys.erase(site.tenant_id, slots)
    run = site.run()
    assert run.failed == {"most_texts_are_kept"}
    assert len(items) == 30


def test_nobody_being_sure_of_anything_is_a_failed_check_and_no_error(site: Site) -> None:
    with site.curation() as curation:
        curation.set_labels(TYPE, LABELS)
        for number in range(30):
            item_id = add_item(curation, {"text": text_of(number)})
            for place, labeler in enumerate(LABELERS):
                label(curation, item_id, LABELS[(number * 7 + place) % 3], labelers=[labeler])
    assert site.run().failed == {"two_labels_are_decided"}


def test_a_tenant_without_labels_is_refused_by_code(site: Site) -> None:
    run = site.run()
    assert not run.result.success
    assert run.made == []
    assert "There is nothing to curate" in run.everything_said()


def test_a_recipe_that_takes_too_few_rows_is_refused_and_the_others_are_made(site: Site) -> None:
    with site.curation() as curation:
        fill(curation, 40)
        curation.add_dataset(Recipe(mission_type=TYPE, name="certain", min_posterior=1.0))
    with site.bug("consensus_labels", "NEW.posterior := 0.95;"):
        figures = site.run().figures("datasets")
    assert figures[f"refusal/{TYPE}/certain"] == "0 rows, fewer than 20"
    assert (figures[f"version/{TYPE}/certain"], figures[f"rows/{TYPE}/default"]) == ("none", 40)


def test_an_asset_made_anew_is_unjudged_and_nothing_is_made_of_it(site: Site) -> None:
    with site.curation() as curation:
        fill(curation, 30)
    site.run()
    assert len(publish_datasets(site.platform, site.tenant_id)) == 1
    run_step(site.platform, site.tenant_id, "unique_items")
    for ask in (
        lambda: run_step(site.platform, site.tenant_id, "splits"),
        lambda: publish_datasets(site.platform, site.tenant_id),
    ):
        with pytest.raises(NothingToCurate, match=f"stop {TYPE}"):
            ask()


# ------------------------------------------------------------------------------- what judges, and what names the rows

SPLIT_NAMES = st.sampled_from(["train", "validation", "test", "holdout"])
COLUMNS: Mapping[str, Mapping[str, st.SearchStrategy[Any]]] = {
    "labels": {
        "labeler_id": st.sampled_from([uuid.UUID(int=90), uuid.UUID(int=91)]),
        "labels_of_labeler": st.integers(1, 3),
    },
    "consensus_labels": {
        "label": st.sampled_from([*LABELS, "gibberish"]),
        "posterior": st.sampled_from([0.0, 0.2, 0.333, 1 / 3, 0.9, 1.0, 1.5]),
        "label_count": st.integers(0, 2),
        "decided_label": st.sampled_from([None, *LABELS]),
    },
    "scrubbed_items": {
        "identifiers_left": st.integers(0, 2),
        "char_count": st.integers(0, 2),
        "is_kept": st.sampled_from([0.0, 1.0]),
    },
    "unique_items": {
        "unique_digest": st.sampled_from([None, "a", "b", "c", "d", "e", "f"]),
        "is_contradicting": st.sampled_from([0.0, 1.0]),
    },
    "splits": {
        "split": SPLIT_NAMES,
        "splits_of_group": st.integers(0, 2),
        "train_label": st.sampled_from([None, *LABELS]),
    },
}


@st.composite
def tables(draw: st.DrawFn, asset: str) -> dict[str, list[Any]]:
    """Rows of an asset, good or bad."""
    count = draw(st.integers(0, 4))
    rows = {name: draw(st.lists(of, min_size=count, max_size=count)) for name, of in COLUMNS[asset].items()}
    rows["item_id"] = [uuid.UUID(int=number + 1) for number in range(count)]
    if asset == "unique_items":
        digests = rows["unique_digest"]
        rows["copies"] = [1 if digest is None else digests.count(digest) for digest in digests]
    return rows


@pytest.mark.parametrize("asset", list(SUITES))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_great_expectations_and_the_names_of_offending_rows_agree(asset: str, data: st.DataObject) -> None:
    rows = data.draw(tables(asset))
    for verdict in validate(asset, rows, LABELS):
        offends = verdict.expectation.offends
        assert verdict.row_count == len(rows["item_id"])
        if offends is not None:
            told = {**rows, "$labels": LABELS, "$chance": [1 / 3 - ROUNDING]}
            names = rows[verdict.expectation.names]
            offending = list(dict.fromkeys(name for place, name in enumerate(names) if offends(told, place)))
            assert (verdict.passed, list(verdict.offenders)) == (not offending, offending), verdict.expectation.name
        else:
            assert verdict.offenders == ()


@pytest.mark.parametrize("asset", list(SUITES))
def test_no_rows_at_all_are_judged_like_any_other(asset: str) -> None:
    rows: dict[str, list[Any]] = {name: [] for name in (*COLUMNS[asset], "item_id", "copies")}
    assert [verdict.row_count for verdict in validate(asset, rows, LABELS)] == [0] * len(SUITES[asset])


def test_an_expectation_of_a_column_that_is_missing_is_a_mistake_and_no_verdict() -> None:
    with pytest.raises(ExpectationBroken, match="labels_are_of_the_set"):
        validate("consensus_labels", {"item_id": [uuid.UUID(int=1)]}, LABELS)
