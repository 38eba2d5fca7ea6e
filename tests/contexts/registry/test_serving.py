"""Promotion, rollback and deployment: which version serves, who moved it, and what stands in the way."""

import uuid

import pytest

from shifty_pipelines.contexts.registry.domain.gate import Verdict
from shifty_pipelines.contexts.registry.errors import (
    InstanceUnknown,
    NotDeployed,
    NothingPromoted,
    NothingToRollBack,
    NotPromotable,
)
from shifty_pipelines.kernel.errors import NotFound
from shifty_pipelines.kernel.tenant import TenantId
from tests.contexts.registry.conftest import OWNER, Shelf, report_of


def serving(shelf: Shelf, tenant: TenantId, line: uuid.UUID) -> int | None:
    with shelf.open(tenant) as registry:
        version = registry.serving_version(line)
        return None if version is None else version.version


def promote(shelf: Shelf, tenant: TenantId, line: uuid.UUID, version: int, **how: object) -> None:
    with shelf.open(tenant, as_platform=bool(how.pop("as_platform", False))) as registry:
        registry.promote(line, version, **how)  # type: ignore[arg-type]


def roll_back(shelf: Shelf, tenant: TenantId, line: uuid.UUID) -> int:
    with shelf.open(tenant) as registry:
        return registry.roll_back(line).version


def test_a_passed_version_is_promoted_and_the_move_is_on_record(shelf: Shelf) -> None:
    tenant = shelf.tenant()
    line = shelf.line(tenant)
    version = shelf.version(tenant, line)
    assert serving(shelf, tenant, line) is None
    promote(shelf, tenant, line, version, reason="first")
    promote(shelf, tenant, line, version, reason="again")
    assert serving(shelf, tenant, line) == version
    with shelf.open(tenant) as registry:
        (move,) = registry.alias_moves(line)
    assert (move.from_version, move.to_version, move.actor_id, move.reason) == (None, 1, OWNER, "first")


def test_each_rollback_undoes_one_promotion(shelf: Shelf) -> None:
    tenant = shelf.tenant()
    line = shelf.line(tenant)
    one, two, three = (shelf.version(tenant, line) for _ in range(3))
    for version in (one, two, three, one):
        promote(shelf, tenant, line, version, reason="by hand")
    assert [roll_back(shelf, tenant, line) for _ in range(3)] == [three, two, one]
    with pytest.raises(NothingToRollBack):
        roll_back(shelf, tenant, line)
    promote(shelf, tenant, line, three, reason="by hand")
    assert roll_back(shelf, tenant, line) == one
    assert serving(shelf, tenant, line) == one


@pytest.mark.parametrize(
    ("verdict", "how", "obstacle"),
    [
        (Verdict.REFUSED, {"reason": "I insist"}, "refused"),
        (None, {"reason": "trust me"}, "no completed evaluation"),
        (Verdict.INCONCLUSIVE, {}, "reason"),
        (Verdict.INCONCLUSIVE, {"reason": "  "}, "reason"),
        (Verdict.INCONCLUSIVE, {"reason": "looks good", "as_platform": True}, "person"),
    ],
)
def test_what_the_gate_did_not_pass_does_not_serve(
    shelf: Shelf, verdict: Verdict | None, how: dict[str, object], obstacle: str
) -> None:
    tenant = shelf.tenant()
    line = shelf.line(tenant)
    version = shelf.version(tenant, line, verdict)
    with pytest.raises(NotPromotable, match=obstacle):
        promote(shelf, tenant, line, version, **how)
    assert serving(shelf, tenant, line) is None


def test_a_person_promotes_an_inconclusive_version_with_a_reason(shelf: Shelf) -> None:
    tenant = shelf.tenant()
    line = shelf.line(tenant)
    version = shelf.version(tenant, line, Verdict.INCONCLUSIVE)
    promote(shelf, tenant, line, version, reason="reviewed by hand")
    assert serving(shelf, tenant, line) == version


def test_a_verdict_against_another_incumbent_than_serves_now_needs_a_reason(shelf: Shelf) -> None:
    """Both were compared with the majority while nothing served: that says nothing about the one that serves since."""
    tenant = shelf.tenant()
    line = shelf.line(tenant)
    one, two = shelf.version(tenant, line), shelf.version(tenant, line)
    promote(shelf, tenant, line, two)
    for how in ({}, {"reason": " "}, {"reason": "nightly", "as_platform": True}):
        with pytest.raises(NotPromotable, match="another version than serves now"):
            promote(shelf, tenant, line, one, **how)
    assert serving(shelf, tenant, line) == two
    with shelf.open(tenant) as registry:
        again = registry.start_evaluation(line, one)
        registry.complete_evaluation(
            again.id, report_of(Verdict.PASSED), metrics={"f1Score": 0.5}, incumbent_version=two
        )
    promote(shelf, tenant, line, one)
    assert serving(shelf, tenant, line) == one


def test_a_model_answers_once_it_is_promoted_and_deployed_and_follows_the_alias(shelf: Shelf) -> None:
    tenant = shelf.tenant()
    line = shelf.line(tenant)
    one, two = shelf.version(tenant, line), shelf.version(tenant, line)
    with pytest.raises(NothingPromoted), shelf.open(tenant) as registry:
        registry.deploy(line, instance_id="local")
    promote(shelf, tenant, line, one)
    with pytest.raises(NotDeployed), shelf.open(tenant) as registry:
        registry.answering_version(line)
    with pytest.raises(InstanceUnknown, match="gpu-7"), shelf.open(tenant) as registry:
        registry.deploy(line, instance_id="gpu-7")
    with shelf.open(tenant) as registry:
        first = registry.deploy(line, instance_id="local")
        assert registry.deploy(line, instance_id="local").id == first.id
    promote(shelf, tenant, line, two, reason="by hand")
    with shelf.open(tenant) as registry:
        assert registry.answering_version(line).version == two
        assert registry.deploy(line, instance_id="local").version == two


def test_a_version_that_does_not_exist_is_not_found(shelf: Shelf) -> None:
    tenant = shelf.tenant()
    line = shelf.line(tenant)
    with pytest.raises(NotFound):
        promote(shelf, tenant, line, 7)
