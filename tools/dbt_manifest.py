"""Writes dbt/manifest.json, from which Dagster loads the models: `python -m tools.dbt_manifest`. A test compares them.

The whole manifest takes dbt four seconds to make and holds all of its macros; this is the part that Dagster reads,
without times and ids of one run. No database is needed.
"""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shifty_pipelines.resources.dbt import DBT, MANIFEST, PROJECT, dbt_environment

#: A profile must be complete to be read; nobody connects.
NOWHERE = "postgresql://shifty_dbt:none@nowhere/shifty_platform"
METADATA_KEYS = ("dbt_schema_version", "dbt_version", "project_name", "adapter_type")
NODE_KEYS = (
    *("unique_id", "resource_type", "package_name", "name", "alias", "source_name", "fqn", "tags", "description"),
    *("original_file_path", "checksum", "attached_node"),
)
CONFIG_KEYS = (
    *("enabled", "materialized", "incremental_strategy", "unique_key", "full_refresh", "on_schema_change"),
    *("grants", "meta", "severity", "tags"),
)


def text() -> str:
    """What the file should say."""
    return json.dumps(reduced(parsed()), indent=1, sort_keys=True) + "\n"


def committed() -> dict[str, Any]:
    """What the file says now."""
    manifest: dict[str, Any] = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return manifest


def parsed() -> dict[str, Any]:
    """The whole manifest of the project as it is now.

    Raises:
        subprocess.CalledProcessError: the project has an error, which dbt has printed.
    """
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(
            [str(DBT), "--quiet", "parse", "--no-partial-parse"],
            cwd=PROJECT,
            env=dbt_environment(NOWHERE, None, Path(directory)),
            check=True,
        )
        manifest: dict[str, Any] = json.loads((Path(directory) / "manifest.json").read_text(encoding="utf-8"))
        return manifest


def reduced(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What Dagster needs of a manifest, and nothing that differs between two runs of dbt."""
    return {
        "metadata": _only(METADATA_KEYS, manifest["metadata"]),
        "nodes": {name: _node(node) for name, node in manifest["nodes"].items()},
        "sources": {name: _node(node) for name, node in manifest["sources"].items()},
        "exposures": {},
        "metrics": {},
        "parent_map": {name: sorted(found) for name, found in manifest["parent_map"].items()},
        "child_map": {name: sorted(found) for name, found in manifest["child_map"].items()},
    }


def _node(node: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_only(NODE_KEYS, node),
        "config": _only(CONFIG_KEYS, node["config"]),
        "depends_on": {"nodes": sorted(node.get("depends_on", {}).get("nodes", []))},
        "columns": {
            name: {"name": name, "description": column["description"]} for name, column in node["columns"].items()
        },
    }


def _only(keys: tuple[str, ...], mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: mapping[key] for key in keys if mapping.get(key) not in (None, "", [], {})}


if __name__ == "__main__":
    MANIFEST.write_text(text(), encoding="utf-8")
