"""How long to wait before a hub is tried again: longer after each failure, and not all machines at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 900.0

LONGEST_WISH_SECONDS = 3_600.0
"""The longest wait that a hub can ask for."""


@dataclass(slots=True)
class BackOff:
    """Counts failures in a row. ``draw`` returns a random number from 0 to 1."""

    draw: Callable[[], float]
    failures: int = 0

    def note_failure(self, retry_after: float | None = None) -> float:
        """Return the seconds to wait: half to all of a time that doubles, at least what the hub asks for.

        Example: after three failures 2 to 4 s; if the hub asks for 60 s, 60 to 66 s.
        """
        doubled = min(FIRST_SECONDS * 2.0 ** min(self.failures, 16), LONGEST_SECONDS)
        self.failures += 1
        spread = self.draw()
        wait = doubled * (1 + spread) / 2
        wish = min(retry_after or 0.0, LONGEST_WISH_SECONDS)
        return max(wait, wish * (1 + spread / 10))

    def note_success(self) -> None:
        """Begin anew."""
        self.failures = 0
