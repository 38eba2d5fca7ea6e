"""Datasets over HTTP: recipes, versions, and rows that lead back to their labels."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from shifty_pipelines.kernel.tenant import Role
from tests.api.conftest import World

RECIPE = {"name": "errors, strict", "missionType": "classify_error", "description": "only what is certain"}


def path_of(world: World) -> str:
    return f"/api/v1/tenants/{world.tenant_id}/datasets"


def test_a_new_dataset_collects_until_it_has_a_version(world: World) -> None:
    body = {**RECIPE, "minPosterior": 0.99, "trainAfterNewLabels": 50}
    answer = world.owner.call("POST", path_of(world), json=body)
    assert (answer.status_code, answer.json()["success"]) == (201, True)
    made = answer.json()["data"]
    assert {name: made[name] for name in body} == body
    assert (made["status"], made["sampleCount"], made["qualityScore"]) == ("collecting", 0, None)
    assert (made["currentVersion"], made["tenantId"]) == (None, world.tenant_id)
    assert world.member.data("GET", f"/api/v1/datasets/{made['id']}") == made
    version_id = world.datasets.version(uuid.UUID(made["id"]), rows=4)
    ready = world.member.data("GET", f"/api/v1/datasets/{made['id']}")
    assert (ready["status"], ready["sampleCount"], ready["qualityScore"]) == ("ready", 4, pytest.approx(0.95))
    current = ready["currentVersion"]
    assert (current["id"], current["rowCount"], current["status"]) == (version_id, 4, "current")
    assert current["version"].startswith("ds_")
    assert current["card"]["rowsBySplitAndLabel"]["train"] == {"bad_input": 2}
    assert ready["updatedAt"] == current["createdAt"]


def test_a_mission_type_has_one_dataset_of_a_name(world: World) -> None:
    first = world.owner.data("POST", path_of(world), json=RECIPE)
    again = world.owner.call("POST", path_of(world), json={**RECIPE, "description": "another"})
    assert (again.status_code, again.json()["code"]) == (409, "curation.dataset_exists")
    world.owner.data("POST", path_of(world), json={**RECIPE, "missionType": "verify_fix"})
    assert world.owner.data("GET", f"/api/v1/datasets/{first['id']}")["description"] == RECIPE["description"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"missionType": "guess_weight"}, "missionType is 'guess_weight'; expected one of label_test_output"),
        ({"name": ""}, "name is ''"),
        ({"name": "a\nb"}, "printable"),
        ({"name": "x" * 256}, "1 to 255"),
        ({"description": "x" * 10_001}, "at most 10000"),
        ({"minPosterior": 0.4}, "minPosterior is '0.4'; expected a number from 0.5 to 1"),
        ({"minPosterior": 1.1}, "from 0.5 to 1"),
        ({"trainAfterNewLabels": 0}, "trainAfterNewLabels"),
        ({"trainAfterNewLabels": 2**40}, "trainAfterNewLabels"),
        ({"status": "ready"}, "status is set by the server"),
    ],
)
def test_a_wrong_recipe_is_refused_by_name_value_and_range(world: World, change: dict[str, Any], words: str) -> None:
    answer = world.owner.call("POST", path_of(world), json={**RECIPE, **change})
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert world.owner.data("GET", path_of(world)) == []


def test_naming_a_dataset_is_a_leads_business(world: World) -> None:
    for role in (Role.MEMBER, Role.VIEWER):
        assert world.people[role].call("POST", path_of(world), json=RECIPE).status_code == 403
    assert world.people[Role.ADMIN].call("POST", path_of(world), json=RECIPE).status_code == 201


def test_lists_are_paged_newest_first_without_a_gap_or_a_double(world: World) -> None:
    made = [world.owner.data("POST", path_of(world), json={**RECIPE, "name": f"d{n}"})["id"] for n in range(5)]
    assert walked(world, path_of(world), limit=2) == made[::-1]
    versions = [world.datasets.version(uuid.UUID(made[0])) for _ in range(3)]
    path = f"/api/v1/datasets/{made[0]}/versions"
    assert walked(world, path, limit=2) == versions[::-1]
    assert [found["status"] for found in world.owner.data("GET", path)] == ["current", "superseded", "superseded"]


def test_rows_show_their_labels_and_label_events_and_no_text(world: World) -> None:
    dataset, version = world.datasets.published(rows=7)
    path = f"/api/v1/datasets/{dataset}/versions/{version}/rows"
    rows = pages(world, path, limit=3)
    assert len({row["rowId"] for row in rows}) == 7
    assert [row["rowId"] for row in rows] == sorted(row["rowId"] for row in rows)
    assert set(rows[0]) == {"rowId", "label", "split", "posterior", "labelEventIds"}
    assert all(len(row["labelEventIds"]) == 1 for row in rows)
    assert "zugspitze" not in world.member.call("GET", path).text
    broken = world.member.call("GET", path, params={"cursor": "elsewhere"})
    assert (broken.status_code, broken.json()["code"]) == (400, "kernel.invalid_value")


def test_a_version_belongs_to_its_own_dataset_and_tenant(new_world: Callable[[], World]) -> None:
    ours, theirs = new_world(), new_world()
    (dataset, _), (_, other) = ours.datasets.published(), ours.datasets.published()
    foreign_dataset, foreign_version = theirs.datasets.published()
    for dataset_id, version_id in (
        (dataset, other),
        (dataset, foreign_version),
        (foreign_dataset, foreign_version),
        (dataset, str(uuid.uuid4())),
        (dataset, "no-id"),
    ):
        answer = ours.owner.call("GET", f"/api/v1/datasets/{dataset_id}/versions/{version_id}/rows")
        assert answer.status_code == 404
    listed = {found["id"] for found in ours.owner.data("GET", path_of(ours))}
    assert foreign_dataset not in listed
    assert dataset in listed


def pages(world: World, path: str, *, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        params = {"limit": limit} | ({} if cursor is None else {"cursor": cursor})
        answer = world.member.call("GET", path, params=params).json()
        found += answer["data"]
        cursor = answer["nextCursor"]
        if cursor is None:
            return found


def walked(world: World, path: str, *, limit: int) -> list[str]:
    return [found["id"] for found in pages(world, path, limit=limit)]
