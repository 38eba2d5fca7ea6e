"""What starts a curation, and what a new version starts in turn."""

import uuid
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from shifty_pipelines.contexts.curation.domain.datasets import DEFAULT_NAME, Recipe
from shifty_pipelines.definitions import build_definitions
from shifty_pipelines.flows.curate import check_step, run_step
from shifty_pipelines.flows.publish_datasets import publish_datasets
from shifty_pipelines.flows.tend_curation import due_curations
from shifty_pipelines.jobs.curation import nightly_curation
from shifty_pipelines.kernel.tenant import system_actor
from shifty_pipelines.sensors.curation import new_labels
from tests.assets.curation_site import GivenPlatform, NewSite, Site, given
from tests.crowd import LABELS, TYPE, add_item, fill, label, text_of


def asked(site: Site) -> list[str | None]:
    """Run keys that the sensor asks for, of this tenant."""
    given[:] = [site.platform]
    evaluated = new_labels(dg.build_sensor_context(instance=site.instance, resources={"platform": GivenPlatform()}))
    assert isinstance(evaluated, dg.SensorResult)
    requests = [found for found in evaluated.run_requests or [] if found.partition_key == str(site.tenant_id)]
    assert all(found.tags["shifty/tenant"] == str(site.tenant_id) for found in requests)
    added = {key for request in evaluated.dynamic_partitions_requests or [] for key in request.partition_keys}
    assert (str(site.tenant_id) in added) == bool(requests)
    return [found.run_key for found in requests]


def give_labels(site: Site, count: int) -> None:
    with site.curation() as curation:
        curation.set_labels(TYPE, LABELS)
        item_id = add_item(curation, {"text": text_of(1)})
        label(curation, item_id, LABELS[0], labelers=[uuid.uuid4() for _ in range(count)])


def test_each_crossing_of_the_threshold_asks_for_one_run_with_a_key_of_its_own(site: Site) -> None:
    give_labels(site, 99)
    assert asked(site) == []
    give_labels(site, 1)
    assert asked(site) == [f"{site.tenant_id}:{TYPE}:100:1"]
    give_labels(site, 99)
    assert asked(site) == [f"{site.tenant_id}:{TYPE}:100:1"]  # asked twice for one key, Dagster runs once
    give_labels(site, 1)
    assert asked(site) == [f"{site.tenant_id}:{TYPE}:100:2"]


def test_the_lowest_threshold_of_a_mission_types_datasets_counts(site: Site) -> None:
    give_labels(site, 50)
    with site.curation() as curation:
        curation.add_dataset(Recipe(mission_type=TYPE, name="by hand"))  # asks for no training by itself
    assert asked(site) == []
    with site.curation() as curation:
        curation.add_dataset(Recipe(mission_type=TYPE, name="eager", train_after_new_labels=20))
    assert asked(site) == [f"{site.tenant_id}:{TYPE}:20:2"]


def test_a_crossing_of_a_higher_threshold_has_a_key_that_no_lower_one_had(site: Site) -> None:
    with site.curation() as curation:
        eager = curation.add_dataset(Recipe(mission_type=TYPE, name="eager", train_after_new_labels=20)).id
    give_labels(site, 50)
    before = asked(site)
    with site.curation() as curation:
        curation.dataset(eager).train_after_new_labels = 25
    assert set(before) & set(asked(site)) == set()  # two crossings again, of another threshold


def test_a_dataset_that_never_asks_leaves_the_default_one_asking(site: Site) -> None:
    with site.curation() as curation:
        curation.add_dataset(Recipe(mission_type=TYPE, name="by hand"))
    give_labels(site, 100)
    assert [found.crossing for found in due_curations(site.platform) if found.tenant_id == site.tenant_id] == [1]


def test_every_night_one_run_per_active_tenant_with_labels(new_site: NewSite, tmp_path: Path) -> None:
    labelled, silent = new_site(), new_site()
    give_labels(labelled, 1)
    with silent.curation() as curation:
        curation.set_labels(TYPE, LABELS)
        add_item(curation, {"text": text_of(1)})
    gone = new_site()
    give_labels(gone, 1)
    with gone.server.admin(gone.database) as admin:
        admin.execute("UPDATE platform.tenants SET status = 'deleted' WHERE id = %s", [gone.tenant_id])
    given[:] = [labelled.platform]
    night = datetime(2026, 3, 2, 2, 15, tzinfo=UTC)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        context = dg.build_schedule_context(
            instance=instance,
            repository_def=build_definitions().get_repository_def(),
            resources={"platform": GivenPlatform()},
            scheduled_execution_time=night,
        )
        requests = nightly_curation.evaluate_tick(context).run_requests or []
        assert instance.has_dynamic_partition("tenants", str(labelled.tenant_id))
    keys = {found.partition_key: found.run_key for found in requests}
    assert len(keys) == len(requests)
    assert keys[str(labelled.tenant_id)] == f"{labelled.tenant_id}:2026-03-02"
    assert not {str(silent.tenant_id), str(gone.tenant_id)} & set(keys)


def test_a_new_version_with_enough_new_labels_requests_one_training(site: Site) -> None:
    with site.curation() as curation:
        fill(curation, 40)  # 120 labels; the default dataset asks after 100
    assert site.run().result.success
    version = site.current()
    assert version is not None
    for _ in range(2):  # delivered twice, as after a crash between effect and settlement
        deliver(site)
        redeliver(site)
    deliver(site)
    jobs = site.query("SELECT dataset_id, dataset_version_id, status FROM training_jobs WHERE tenant_id = %(tenant)s")
    assert jobs == [(version.dataset_id, version.id, "queued")]

    with site.curation() as curation:
        fill(curation, 20, start=100)  # 60 more are too few
    site.run()
    deliver(site)
    assert site.query("SELECT count(*) FROM training_jobs WHERE tenant_id = %(tenant)s") == [(1,)]
    with site.curation() as curation:
        fill(curation, 20, start=200)  # 120 since the last training
    site.run()
    deliver(site)
    assert site.query("SELECT count(*) FROM training_jobs WHERE tenant_id = %(tenant)s") == [(2,)]


def test_the_same_labels_are_claimed_once_whoever_asks(site: Site) -> None:
    with site.curation() as curation:
        fill(curation, 40)
    site.run()
    version = site.current()
    assert version is not None
    claims = []
    for _ in range(3):
        with site.platform.open(system_actor(site.tenant_id)) as services:
            claims.append(services.curation.claim_training(version.id))
    assert claims == [True, False, False]
    assert site.dataset().name == DEFAULT_NAME


def test_labels_that_a_version_never_saw_are_not_claimed_with_it(site: Site) -> None:
    with site.curation() as curation:
        item_id = fill(curation, 40)[0]
    for asset in ("labels", "consensus_labels", "scrubbed_items", "unique_items", "splits"):
        run_step(site.platform, site.tenant_id, asset)
        check_step(site.platform, site.tenant_id, asset)
    with site.curation() as curation:  # after the consensus
        label(curation, item_id, LABELS[0], labelers=[uuid.uuid4() for _ in range(100)])
    publish_datasets(site.platform, site.tenant_id)
    version = site.current()
    assert version is not None
    assert version.label_count == 120
    with site.curation() as curation:
        assert curation.claim_training(version.id)
    assert site.dataset().labels_at_last_training == 120


def deliver(site: Site) -> None:
    dispatcher = site.platform.dispatcher()
    dispatcher.drain()
    dispatcher.settle()


def redeliver(site: Site) -> None:
    """Let the queue forget that this tenant's events were delivered."""
    with site.server.admin(site.database) as admin:
        admin.execute(
            "INSERT INTO platform.outbox_queue (tenant_id, work_id) SELECT tenant_id, id FROM outbox_events"
            " WHERE tenant_id = %s ON CONFLICT DO NOTHING",
            [site.tenant_id],
        )
