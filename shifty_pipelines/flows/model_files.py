"""Model directories between the encrypted store and private directories: packed, verified, unpacked."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shifty_pipelines.contexts.inference.domain import ServableVersion
from shifty_pipelines.contexts.inference.ports import FetchFiles
from shifty_pipelines.contexts.lifecycle.domain import AssetType, Classification, NewAsset
from shifty_pipelines.contexts.lifecycle.models import DataAsset
from shifty_pipelines.contexts.registry.models import ModelVersion
from shifty_pipelines.flows.workshop import Workshop
from shifty_pipelines.kernel.directory_archive import pack_directory, unpack_directory
from shifty_pipelines.kernel.errors import ShiftyError
from shifty_pipelines.kernel.tenant import Actor
from shifty_pipelines.services import Services

MANIFEST_NAME = "MANIFEST.json"


class FilesNotWhole(ShiftyError):
    """What the trainer wrote is not what it said it wrote."""

    status = 500
    code = "training.files_not_whole"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} is not whole: {reason}. Nothing of it is kept; the next attempt writes it anew.")


def store_directory(
    services: Services, directory: Path, *, kind: AssetType, name: str, metadata: Mapping[str, Any]
) -> DataAsset:
    """Store a directory as one encrypted object with its entry in the register."""
    archive = directory.with_name(f"{directory.name}.tar")
    archive.unlink(missing_ok=True)
    pack_directory(directory, archive)
    try:
        new = NewAsset(name=name, type=kind, classification=Classification.CONFIDENTIAL, metadata=metadata)
        with archive.open("rb") as content:
            return services.lifecycle.store_asset(new, content)
    finally:
        archive.unlink()


def require_whole(directory: Path, *, inside: Path, manifest_sha256: str) -> None:
    """Make sure that a directory holds exactly what its announced manifest says.

    Raises:
        FilesNotWhole: it lies elsewhere, or a file is missing or differs.
    """
    if not directory.resolve().is_relative_to(inside.resolve()):
        raise FilesNotWhole(directory.name, "it lies outside the run's directory")
    try:
        manifest = (directory / MANIFEST_NAME).read_bytes()
        if hashlib.sha256(manifest).hexdigest() != manifest_sha256:
            raise FilesNotWhole(directory.name, "its manifest is not the announced one")
        for name, entry in json.loads(manifest)["files"].items():
            if hashlib.sha256((directory / name).read_bytes()).hexdigest() != entry["sha256"]:
                raise FilesNotWhole(directory.name, f"{name} does not match its sha256")
    except OSError as error:
        raise FilesNotWhole(directory.name, f"a file is missing ({type(error).__name__})") from error


def servable(services: Services, version: ModelVersion) -> ServableVersion:
    """A version as the predictor takes it.

    Raises:
        BaseModelUnknown: the files of its base are gone.
    """
    line = services.registry.model(version.model_id)
    assert line.base_model_id is not None  # noqa: S101  # versions belong to lines
    base = services.registry.base_files(line.base_model_id)
    return ServableVersion(key=f"{version.tenant_id}/{version.id}", base_path=base.path)


def fetch_version(workshop: Workshop, actor: Actor, version: ModelVersion) -> FetchFiles:
    """How a version's files get into a private directory, in a unit of work of its own."""

    def fetch(directory: Path) -> Path:
        with workshop.open(actor) as services, services.lifecycle.open_asset(version.data_asset_id) as source:
            return unpack_directory(source, directory)

    return fetch
