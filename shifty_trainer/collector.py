"""Python's garbage collector while the heavy libraries are imported."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def resting_collector() -> Iterator[None]:
    """Nothing is collected inside, and what was made inside is never looked at again.

    torch, transformers and peft make a million objects that live until the end; looking for garbage among them while
    they are made took one of five seconds (measured), and every later full collection would go over them again.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
