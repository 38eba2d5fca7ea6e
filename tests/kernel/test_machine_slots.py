"""A machine's slot has one holder, says when one must wait, and is free however its holder ended."""

import multiprocessing
import os
import signal
import threading
from pathlib import Path

from shifty_pipelines.kernel.machine_slots import MachineSlots


def _hold_until_killed(root: Path, held: "multiprocessing.synchronize.Event") -> None:  # type: ignore[name-defined]
    with MachineSlots(root).hold("training"):
        held.set()
        signal.pause()


def test_the_slot_of_a_killed_holder_is_free(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    held = spawn.Event()
    holder = spawn.Process(target=_hold_until_killed, args=(tmp_path, held))
    holder.start()
    assert held.wait(60)
    waited: list[int] = []
    taken = threading.Event()

    def take() -> None:
        with MachineSlots(tmp_path).hold("training", on_wait=lambda: waited.append(1)):
            taken.set()

    second = threading.Thread(target=take)
    second.start()
    assert not taken.wait(0.3)
    os.kill(holder.pid or 0, signal.SIGKILL)
    assert taken.wait(10)
    second.join()
    holder.join()
    assert waited == [1]


def test_slots_of_other_names_and_free_slots_do_not_wait(tmp_path: Path) -> None:
    waited: list[int] = []
    slots = MachineSlots(tmp_path / "slots")
    with slots.hold("training"), slots.hold("dbt", on_wait=lambda: waited.append(1)):
        pass
    with slots.hold("training", on_wait=lambda: waited.append(1)):
        pass
    assert waited == []
    assert (tmp_path / "slots").stat().st_mode & 0o777 == 0o700
