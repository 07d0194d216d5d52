"""Pause Python's collector of reference cycles where many objects are made and dropped without cycles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pause_collector() -> Iterator[None]:
    """Pause the cycle collector for a block: it would visit every new object again and again.

    Another thread that ends its block first turns it on again for all, which costs time and nothing else.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
