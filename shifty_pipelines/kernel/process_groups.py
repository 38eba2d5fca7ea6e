"""Ending processes that lead a group of their own, with everything they started."""

import os
import signal
import subprocess
from contextlib import suppress

from shifty_pipelines.kernel.process_identity import ProcessIdentity


def stop_group(process: subprocess.Popen[bytes], *, grace_s: float) -> None:
    """Ask a child that leads its group to stop, and kill the whole group if it has not after `grace_s` seconds."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_group(leader: ProcessIdentity) -> bool:
    """Kill the group of this very process if it still runs on this machine; whether it did."""
    if not leader.is_alive():
        return False
    with suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGKILL)
    return True
