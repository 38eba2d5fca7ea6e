"""Assets are stored encrypted and registered in one step, and read by their own tenant only."""

import hashlib
import io
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from shifty_pipelines.contexts.lifecycle.domain import AssetStatus, AssetType, Classification, NewAsset
from shifty_pipelines.contexts.lifecycle.errors import AssetNotStored
from shifty_pipelines.contexts.lifecycle.schemas import DataAssetBody
from shifty_pipelines.contexts.lifecycle.service import LifecycleService
from shifty_pipelines.kernel.clock import FixedClock
from shifty_pipelines.kernel.db import Database
from shifty_pipelines.kernel.errors import InvalidValue, NotFound
from shifty_pipelines.kernel.ids import RandomIds
from shifty_pipelines.kernel.keys import KeyErased, MemoryKeySlots
from shifty_pipelines.kernel.store import AssetStore
from shifty_pipelines.kernel.tenant import Actor, Role, TenantId, UserId
from shifty_pipelines.kernel.work import begin_work

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OWNER = UserId(uuid.UUID("0a0a0a0a-0000-4000-8000-000000000001"))
CANARY = b"zugspitze " * 300_000  # three segments of the store's cipher


@dataclass
class Depot:
    """A register and the store it is about."""

    database: Database
    new_tenant: Callable[[], uuid.UUID]
    folder: Path
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))
    keys: MemoryKeySlots = field(default_factory=MemoryKeySlots)

    @property
    def store(self) -> AssetStore:
        return AssetStore(str(self.folder), self.keys)

    def tenant(self) -> TenantId:
        return TenantId(self.new_tenant())

    @contextmanager
    def open(self, tenant_id: TenantId) -> Iterator[LifecycleService]:
        actor = Actor(tenant_id=tenant_id, user_id=OWNER, role=Role.OWNER)
        with self.database.tenant_transaction(tenant_id) as scope:
            yield LifecycleService(begin_work(scope, actor, self.clock, RandomIds()), self.store)


@pytest.fixture
def depot(app_database: Database, new_tenant: Callable[[], uuid.UUID], tmp_path: Path) -> Depot:
    return Depot(app_database, new_tenant, tmp_path / "assets")


def dataset(**changes: Any) -> NewAsset:
    values = {"name": "classify_error v1", "type": AssetType.DATASET, "classification": Classification.CONFIDENTIAL}
    return NewAsset(**values | changes)


def test_a_stored_asset_is_registered_and_comes_back_byte_by_byte(depot: Depot) -> None:
    tenant_id = depot.tenant()
    with depot.open(tenant_id) as lifecycle:
        asset_id = lifecycle.store_asset(dataset(metadata={"rows": 300}, tags=("gold",)), io.BytesIO(CANARY)).id
    with depot.open(tenant_id) as lifecycle:
        asset = lifecycle.get(asset_id)
        with lifecycle.open_asset(asset_id) as stream:
            assert stream.read() == CANARY
    assert (asset.name, asset.type, asset.classification) == ("classify_error v1", "dataset", "confidential")
    assert (asset.size_bytes, asset.checksum) == (3_000_000, hashlib.sha256(CANARY).hexdigest())
    assert (asset.asset_metadata, asset.tags) == ({"rows": 300}, ["gold"])
    assert (asset.status, asset.created_by) == ("active", OWNER)
    assert (asset.created_at, asset.updated_at, asset.deleted_at) == (NOON, NOON, None)
    assert asset.storage_location == f"dataset/{asset_id}"


def test_an_empty_asset_is_an_asset(depot: Depot) -> None:
    tenant_id = depot.tenant()
    with depot.open(tenant_id) as lifecycle:
        asset = lifecycle.store_asset(dataset(), io.BytesIO(b""))
        with lifecycle.open_asset(asset.id) as stream:
            assert stream.read() == b""
    # SHA-256 of nothing: NIST CAVP SHA256ShortMsg, Len = 0
    assert asset.checksum == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_nothing_of_an_asset_lies_readable_in_the_store_and_other_things_do(depot: Depot) -> None:
    tenant_id = depot.tenant()
    with depot.open(tenant_id) as lifecycle:
        lifecycle.store_asset(dataset(), io.BytesIO(CANARY))
    written = [path.read_bytes() for path in depot.folder.rglob("*") if path.is_file()]
    assert sum(len(content) for content in written) >= len(CANARY)
    assert not any(b"zugspitze" in content for content in written)


def test_an_event_and_an_audit_row_tell_of_the_asset_without_its_name(depot: Depot) -> None:
    tenant_id = depot.tenant()
    with depot.open(tenant_id) as lifecycle:
        asset_id = lifecycle.store_asset(dataset(), io.BytesIO(b"12345")).id
    with depot.database.tenant_transaction(tenant_id) as scope:
        kind, payload = scope.session.execute(text("SELECT type, payload FROM outbox_events")).one()
        audited = scope.session.execute(text("SELECT action, actor_id, object_id, details FROM audit_events")).one()
    assert kind == "lifecycle.asset_registered"
    assert payload == {
        "asset_id": str(asset_id), "asset_type": "dataset", "classification": "confidential", "size_bytes": 5,
    }  # fmt: skip
    assert tuple(audited) == (
        "asset.registered", OWNER, str(asset_id), {"type": "dataset", "classification": "confidential"},
    )  # fmt: skip


def test_a_unit_of_work_that_fails_leaves_no_entry_and_an_object_that_the_register_does_not_know(depot: Depot) -> None:
    tenant_id = depot.tenant()

    class Failure(Exception):
        pass

    def store_and_fail() -> None:
        with depot.open(tenant_id) as lifecycle:
            lifecycle.store_asset(dataset(), io.BytesIO(b"lost"))
            raise Failure

    with depot.open(tenant_id) as lifecycle:
        kept = lifecycle.store_asset(dataset(), io.BytesIO(b"kept"))
    with pytest.raises(Failure):
        store_and_fail()
    with depot.open(tenant_id) as lifecycle:
        registered = lifecycle.list(after=None, limit=10)
        known = {asset.storage_location for asset in registered}
    assert [asset.id for asset in registered] == [kept.id]
    unreferenced = set(depot.store.list(tenant_id)) - known
    assert len(unreferenced) == 1
    assert known == {kept.storage_location}
    with depot.database.tenant_transaction(tenant_id) as scope:
        assert scope.session.scalar(text("SELECT count(*) FROM outbox_events")) == 1


def test_a_source_that_breaks_off_registers_nothing_and_stores_nothing(depot: Depot) -> None:
    tenant_id = depot.tenant()

    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _buffer: Any) -> int:
            raise OSError("the disk is gone")

    def store_broken() -> None:
        with depot.open(tenant_id) as lifecycle:
            lifecycle.store_asset(dataset(), io.BufferedReader(Broken()))

    with pytest.raises(OSError, match="the disk is gone"):
        store_broken()
    with depot.open(tenant_id) as lifecycle:
        assert lifecycle.list(after=None, limit=10) == []
    assert depot.store.list(tenant_id) == []


def test_another_tenant_can_neither_see_nor_open_an_asset(depot: Depot) -> None:
    tenant_a, tenant_b = depot.tenant(), depot.tenant()
    with depot.open(tenant_a) as lifecycle:
        asset_id = lifecycle.store_asset(dataset(), io.BytesIO(b"of a")).id
    with depot.open(tenant_b) as lifecycle:
        for attempt in (lifecycle.get, lifecycle.open_asset):
            with pytest.raises(NotFound) as refusal:
                attempt(asset_id)
            assert refusal.value.message == "Data asset not found"
        assert lifecycle.list(after=None, limit=10) == []
    with depot.open(tenant_a) as lifecycle, lifecycle.open_asset(asset_id) as stream:
        assert stream.read() == b"of a"


def test_an_asset_whose_key_was_erased_stays_in_the_register_and_cannot_be_opened(depot: Depot) -> None:
    tenant_id = depot.tenant()
    with depot.open(tenant_id) as lifecycle:
        asset = lifecycle.store_asset(dataset(), io.BytesIO(b"gone"))
        other = lifecycle.store_asset(dataset(), io.BytesIO(b"here"))
    assert asset.key_slot is not None
    depot.keys.erase(tenant_id, [asset.key_slot])
    with depot.open(tenant_id) as lifecycle:
        assert lifecycle.get(asset.id).status == AssetStatus.ACTIVE
        with pytest.raises(KeyErased):
            lifecycle.open_asset(asset.id)
        with lifecycle.open_asset(other.id) as stream:
            assert stream.read() == b"here"


def test_an_asset_that_is_only_registered_says_where_it_lies(depot: Depot) -> None:
    tenant_id = depot.tenant()
    with depot.open(tenant_id) as lifecycle:
        asset = lifecycle.store_asset(dataset(), io.BytesIO(b""))
        asset.key_slot, asset.storage_location = None, "s3://bucket/feedback.json"
    with depot.open(tenant_id) as lifecycle, pytest.raises(AssetNotStored, match=r"s3://bucket/feedback\.json"):
        lifecycle.open_asset(asset.id)


def test_pages_run_from_the_newest_to_the_oldest_and_miss_and_repeat_nothing(depot: Depot) -> None:
    """Two assets of every second share their time, so that the id has to decide."""
    tenant_id = depot.tenant()
    stored = []
    for number in range(8):
        with depot.open(tenant_id) as lifecycle:
            asset = lifecycle.store_asset(dataset(), io.BytesIO(b""))
            stored.append((asset.created_at, asset.id))
        if number % 2:
            depot.clock.advance(timedelta(seconds=1))
    seen: list[uuid.UUID] = []
    after = None
    with depot.open(tenant_id) as lifecycle:
        for length in (3, 3, 2):
            page = lifecycle.list(after=after, limit=3)
            assert len(page) == length
            seen += [asset.id for asset in page]
            after = (page[-1].created_at, page[-1].id)
        assert lifecycle.list(after=after, limit=3) == []
    assert seen == [asset_id for _, asset_id in sorted(stored, reverse=True)]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"name": ""}, "name", id="no name"),
        pytest.param({"name": "x" * 256}, "name", id="name too long"),
        pytest.param({"name": "nul\0"}, "name", id="NUL in the name"),
        pytest.param({"name": "\ud800"}, "name", id="surrogate in the name"),
        pytest.param({"tags": ("",)}, "tags", id="empty tag"),
        pytest.param({"tags": ("x",) * 51}, "tags", id="too many tags"),
        pytest.param({"tags": ("nul\0",)}, "tags", id="NUL in a tag"),
        pytest.param({"metadata": {"a": "nul\0"}}, "metadata", id="NUL in metadata"),
        pytest.param({"metadata": {"a\0": 1}}, "metadata", id="NUL in a metadata key"),
        pytest.param({"metadata": {"a": "\\\0"}}, "metadata", id="backslash and NUL in metadata"),
        pytest.param({"metadata": {"a": "\ud800"}}, "metadata", id="surrogate in metadata"),
        pytest.param({"metadata": {"a": float("nan")}}, "metadata", id="NaN in metadata"),
        pytest.param({"metadata": {"a": "x" * 65536}}, "metadata", id="metadata too large"),
    ],
)
def test_what_the_register_cannot_hold_is_refused_before_anything_is_stored(change: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        dataset(**change)
    assert refusal.value.details == {"field": named}


@pytest.mark.parametrize("value", ["\\u0000", "\\\\u0000", "\\", "\u2028", "\U0001f600", "x" * 65_000])
def test_what_only_looks_like_nul_is_kept_as_it_is(depot: Depot, value: str) -> None:
    tenant_id = depot.tenant()
    with depot.open(tenant_id) as lifecycle:
        asset_id = lifecycle.store_asset(dataset(metadata={"a": value}, name=value[:255]), io.BytesIO(b"")).id
    with depot.open(tenant_id) as lifecycle:
        asset = lifecycle.get(asset_id)
    assert (asset.asset_metadata, asset.name) == ({"a": value}, value[:255])


@pytest.mark.parametrize("asset_type", AssetType)
@pytest.mark.parametrize("classification", [Classification.PUBLIC, Classification.PHI])
def test_every_type_of_the_contract_can_be_stored(
    depot: Depot, asset_type: AssetType, classification: Classification
) -> None:
    tenant_id = depot.tenant()
    with depot.open(tenant_id) as lifecycle:
        asset = lifecycle.store_asset(dataset(type=asset_type, classification=classification), io.BytesIO(b"x"))
    assert (asset.type, asset.classification) == (asset_type, classification)


def test_an_answer_carries_the_names_that_clients_know_and_no_key_slot(depot: Depot) -> None:
    tenant_id = depot.tenant()
    with depot.open(tenant_id) as lifecycle:
        asset = lifecycle.store_asset(dataset(metadata={"rows": 3}), io.BytesIO(b"x"))
        body = DataAssetBody.model_validate(asset).model_dump(mode="json", by_alias=True)
    assert set(body) == {
        "id", "tenantId", "type", "name", "classification", "status", "storageLocation", "sizeBytes", "checksum",
        "retentionPolicyId", "expiresAt", "metadata", "tags", "createdBy", "createdAt", "updatedAt", "deletedAt",
    }  # fmt: skip
    assert (body["sizeBytes"], body["metadata"], body["createdBy"]) == (1, {"rows": 3}, str(OWNER))
