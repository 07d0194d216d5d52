"""How much the tests of this folder do: a short form for every change, a long one for ``make check``."""

from __future__ import annotations

import os

LONG = os.environ.get("STRETTO_SHOWN") == "long"


def choose_scale(short: int, long: int) -> int:
    """Return how many rounds to run."""
    return long if LONG else short
