"""The project as dbt reads it: the manifest is current, and no model could touch another tenant's rows."""

from collections.abc import Mapping
from typing import Any

import pytest

from shifty_pipelines.resources.dbt import MANIFEST
from tools import dbt_manifest


def unsafe(manifest: Mapping[str, Any]) -> list[str]:
    """Models that would touch another tenant's rows, or keep their own from row-level security."""
    safe = {
        "materialized": "incremental",
        "incremental_strategy": "delete+insert",
        "unique_key": "tenant_id",
        "full_refresh": False,
    }
    return [
        f"{node['name']}: {key} is {node['config'].get(key)!r}, not {value!r}"
        for node in manifest["nodes"].values()
        if node["resource_type"] in {"model", "seed", "snapshot"} and node["config"].get("materialized") != "view"
        for key, value in safe.items()
        if node["config"].get(key) != value
    ] + [
        f"{node['name']}: no column tenant_id"
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and "tenant_id" not in node["columns"]
    ]


def test_the_manifest_in_the_repository_is_the_projects() -> None:
    assert MANIFEST.read_text() == dbt_manifest.text(), "run: python -m tools.dbt_manifest"


def test_every_model_keeps_to_its_tenant() -> None:
    assert unsafe(dbt_manifest.committed()) == []


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        pytest.param({"materialized": "table"}, "materialized is 'table'", id="a table"),
        pytest.param({"unique_key": None}, "unique_key is None", id="no key"),
        pytest.param({"unique_key": "labeled_on"}, "unique_key is 'labeled_on'", id="another key"),
        pytest.param({"incremental_strategy": "append"}, "incremental_strategy is 'append'", id="appending"),
        pytest.param({"full_refresh": None}, "full_refresh is None", id="full refresh allowed"),
    ],
)
def test_a_model_that_could_touch_another_tenants_rows_is_found(change: dict[str, Any], finding: str) -> None:
    manifest = dbt_manifest.committed()
    manifest["nodes"]["model.shifty.fct_labels_per_day"]["config"] |= change
    assert [line for line in unsafe(manifest) if finding in line]
