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

    def from_share(self, share: float) -> float | None:
        """Return the value at a position from 0 to 1, or None if the scale has no limit."""
        # Rounded, since 92 of 100 is 9.2 of 10 and not 9.200000000000001.
        return None if self.high is None else round(self.low + share * (self.high - self.low), 9)

    def __str__(self) -> str:
        return f"from {self.low:g} up" if self.high is None else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class PlacedScore:
    """A score as it was read: its value on the scale of its criterion, or why it does not count."""

    value: float
    """On the criterion's scale; as given if it does not count or the criterion has no scale."""
    scale: Scale | None
    problem: str | None = None

    def describe_scale(self) -> str:
        """Return the scale in words, such as ``0 to 10``."""
        return "no scale" if self.scale is None else str(self.scale)


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

    def place_score(self, name: str, value: float, out_of: float | None = None) -> PlacedScore:
        """Return a value on the scale of its criterion; ``out_of`` is the top of the scale it was given on.

        Example: quality 92 out of 100 is 9.2 on the scale from 0 to 10.
        """
        scale = self.find_scale(name)
        if out_of is not None:
            if not isfinite(out_of) or not 0 < out_of <= MOST:
                return PlacedScore(value, scale, "on no scale: 'of' must be above 0")
            if not 0 <= value <= out_of:
                return PlacedScore(value, scale, f"outside the scale 0 to {out_of:g}")
            placed = value if scale is None else scale.from_share(value / out_of)
            if placed is None:
                return PlacedScore(value, scale, "a count without an end: leave out 'of'")
            return PlacedScore(placed, Scale(name, 0, out_of) if scale is None else scale)
        if self.is_valid(name, value):
            return PlacedScore(value, scale)
        reason = f"outside the scale {scale}" if scale else f"not a number from -{MOST} to {MOST}"
        return PlacedScore(value, scale, reason)


def build_scale_document(scale: Scale | None) -> list[float | None] | None:
    """Return a scale as JSON: [low, high], high null without an end; null for no scale."""
    return None if scale is None else [scale.low, scale.high]


SCALES = Scales(
    (
        Scale("quality", 0, 10),
        Scale("depth", 0, 10),
        Scale("actionability", 0, 10),
        Scale("satisfaction", 0, 5),
        Scale("stakeholder_satisfaction", 0, 10),
        Scale("synthesis", 0, 100),
        Scale("coverage", 0, 100),
        Scale("code_quality", 0, 100),
        Scale("security_findings", 0, None),
    )
)
"""The scales that need no configuration."""
