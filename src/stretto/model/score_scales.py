"""Score scales: the valid range of each criterion by which sessions, phases and tasks are judged."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

MOST = 1_000_000
"""The largest absolute value of a score: sums of its millionths must fit into 64 bits."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The range of a criterion, both ends included; without ``high`` it is a count without a limit."""

    name: str
    low: float
    high: float | None

    def to_share(self, value: float) -> float | None:
        """Return the position of a value on the scale, from 0 to 1, or None if the scale has no limit."""
        return None if self.high is None else (value - self.low) / (self.high - self.low)

    def __str__(self) -> str:
        return f"from {self.low:g} up" if self.high is None else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Scales:
    """All known scales; a score with another criterion is accepted and shown as it is."""

    scales: tuple[Scale, ...] = ()

    def find_scale(self, name: str) -> Scale | None:
        """Return the scale of a criterion, or None if it has none."""
        return next((scale for scale in self.scales if scale.name == name), None)

    def is_valid(self, name: str, value: float) -> bool:
        """Return whether a value is a finite number and within the scale of its criterion, if it has one."""
        if not isfinite(value) or abs(value) > MOST:
            return False
        scale = self.find_scale(name)
        return scale is None or (scale.low <= value and (scale.high is None or value <= scale.high))

    def explain_refusal(self, name: str, value: float) -> str | None:
        """Return the reason why a value is not accepted, or None if it is."""
        if self.is_valid(name, value):
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
"""The scales that need no configuration."""
