"""The trainer ends with its launcher: a run worker killed with -9 must not leave a training behind.

Source:
    prctl(2), PR_SET_PDEATHSIG. The signal comes when the launching *thread* ends, so launch from the main thread.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(expected_parent_pid: int) -> bool:
    """Ask the kernel to kill this process when its parent ends; whether that parent was still there afterwards.

    SIGKILL, since a checkpoint is whole at any moment and nobody is left to hear a farewell. The parent may have died
    before the request took effect: then this process has been adopted by another and the answer is False.
    On systems without prctl only the check is made.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    return os.getppid() == expected_parent_pid
