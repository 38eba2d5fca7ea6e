"""A process that must not outlive the one that started it."""

import os
import signal
import sys
import threading


def end_with_stdin() -> None:
    """SIGTERM to this process when its standard input ends: the starter holds the other end, even if it is killed."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
