"""Scales: the range in which a judgement from outside is given, by what is judged."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

MOST = 1_000_000
"""No judgement lies further from 0: sums of millionths of more would not fit into 64 bits for long."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The range of one score, both ends included; without ``high`` it is a count that has no end."""

    name: str
    low: float
    high: float | None

    def to_share(self, value: float) -> float | None:
        """Return how far up the scale a value lies, from 0 to 1, or None where the scale has no end."""
        return None if self.high is None else (value - self.low) / (self.high - self.low)

    def __str__(self) -> str:
        return f"from {self.low:g} up" if self.high is None else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Scales:
    """All scales that are known; a score of another name is taken as it is and shown raw."""

    known: tuple[Scale, ...] = ()

    def find_scale(self, name: str) -> Scale | None:
        """Return the scale of a score."""
        return next((scale for scale in self.known if scale.name == name), None)

    def accepts(self, name: str, value: float) -> bool:
        """Tell whether a value can be taken: it is a number, and on its scale where it has one."""
        if not isfinite(value) or abs(value) > MOST:
            return False
        scale = self.find_scale(name)
        return scale is None or (scale.low <= value and (scale.high is None or value <= scale.high))

    def explain_refusal(self, name: str, value: float) -> str | None:
        """Return why a value cannot be taken, or None where it can."""
        if self.accepts(name, value):
            return None
        scale = self.find_scale(name)
        return f"outside the scale {scale}" if scale else f"not a number from -{MOST} to {MOST}"


SCALES = Scales(
    (
        Scale("quality", 0, 10),
        Scale("depth", 0, 10),
        Scale("actionability", 0, 10),
        Scale("satisfaction", 0, 5),
        Scale("synthesis", 0, 100),
        Scale("coverage", 0, 100),
        Scale("code_quality", 0, 100),
        Scale("security_findings", 0, None),
    )
)
"""The scales out of the box."""
