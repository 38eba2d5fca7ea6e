from pathlib import Path

import pytest
import torch

from shifty_trainer.checkpoints import Checkpoint, CheckpointDirectory, Identity
from shifty_trainer.whole_directory import MANIFEST_NAME

IDENTITY = Identity(config_sha256="c1", dataset_sha256="d1")


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(step=step, tensors={"weight": torch.full((3,), float(step))}, state={"step": step, "best": None})


@pytest.fixture
def checkpoints(tmp_path: Path) -> CheckpointDirectory:
    return CheckpointDirectory(tmp_path / "checkpoints", identity=IDENTITY, keep=3)


def names(checkpoints: CheckpointDirectory) -> list[str]:
    return sorted(path.name for path in checkpoints.path.iterdir())


def test_the_newest_checkpoint_comes_back_as_saved(checkpoints: CheckpointDirectory) -> None:
    checkpoints.save(checkpoint(20))
    saved = checkpoints.save(checkpoint(100))

    found, skipped = checkpoints.newest_whole()

    assert found is not None
    assert (found.step, found.state) == (100, {"step": 100, "best": None})
    assert torch.equal(found.tensors["weight"], torch.full((3,), 100.0))
    assert skipped == []
    assert saved.manifest.facts == {"step": 100, "configSha256": "c1", "datasetSha256": "d1"}


def test_without_a_checkpoint_nothing_is_found(checkpoints: CheckpointDirectory) -> None:
    assert checkpoints.newest_whole() == (None, [])


def test_only_the_newest_are_kept(checkpoints: CheckpointDirectory) -> None:
    for step in (9, 20, 100, 1000):
        checkpoints.save(checkpoint(step))

    assert names(checkpoints) == ["step-00000020", "step-00000100", "step-00001000"]


def test_broken_checkpoints_are_passed_over_with_their_reasons(checkpoints: CheckpointDirectory) -> None:
    for step in (10, 20, 30):
        checkpoints.save(checkpoint(step))
    (checkpoints.path / "step-00000030" / MANIFEST_NAME).unlink()
    tensors = checkpoints.path / "step-00000020" / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-1] + b"\x00")
    (checkpoints.path / "step-00000040").mkdir()  # as a save in place would leave it

    found, skipped = checkpoints.newest_whole()

    assert found is not None
    assert found.step == 10
    assert [(each.name, each.reason.split(" ")[0]) for each in skipped] == [
        ("step-00000040", "MANIFEST.json"),
        ("step-00000030", "MANIFEST.json"),
        ("step-00000020", "tensors.safetensors"),
    ]


@pytest.mark.parametrize(
    "other", [Identity(config_sha256="c2", dataset_sha256="d1"), Identity(config_sha256="c1", dataset_sha256="d2")]
)
def test_a_checkpoint_of_another_job_is_passed_over(checkpoints: CheckpointDirectory, other: Identity) -> None:
    checkpoints.save(checkpoint(10))

    found, skipped = CheckpointDirectory(checkpoints.path, identity=other, keep=3).newest_whole()

    assert found is None
    assert "of another job" in skipped[0].reason


def test_what_a_killed_save_left_is_removed_at_the_next_start(checkpoints: CheckpointDirectory) -> None:
    checkpoints.save(checkpoint(10))
    (checkpoints.path / ".unfinished-step-00000020").mkdir()

    CheckpointDirectory(checkpoints.path, identity=IDENTITY, keep=3)

    assert names(checkpoints) == ["step-00000010"]
