"""Waiting for a state that comes by itself: no test may depend on how fast the machine is."""

from __future__ import annotations

import threading
from collections.abc import Callable

PATIENCE = 120.0
"""Seconds to wait for what a passing test has in a moment; only a failing test uses them up."""


def until(ask: Callable[[], bool]) -> bool:
    """Return whether the condition becomes true while a patient reader waits."""
    pause = threading.Event()
    return any(ask() or pause.wait(0.05) for _ in range(int(PATIENCE / 0.05)))
