"""Find the parts of a score that can give the missing points: the score's partial derivatives.

A score is a weighted mean of known parts, at most the delivered share. Raising a part by x raises the score
by its weight over the weight of the known parts, times x; a part is full at 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TunablePart:
    """A part of the score: value from 0 to 1 or None if unknown, and weight over all levels of the score."""

    name: str
    value: float | None
    weight: float


@dataclass(frozen=True, slots=True)
class PartSuggestion:
    """What a part can give."""

    name: str
    value: float
    slope: float
    """Points of the score (of 100) per point of the part (of 100)."""
    most: float
    """Points that the score gains if the part becomes full, alone."""
    needed: float | None
    """Value (of 1) at which this part alone reaches the target; None if it cannot."""


@dataclass(frozen=True, slots=True)
class ScoreTuning:
    """How a target can be reached, on a scale of 100."""

    current: float | None
    target: float
    feasible: bool
    highest: float | None
    """The score with all known parts full."""
    suggestions: tuple[PartSuggestion, ...] = ()
    """The parts by what they can give, largest first."""
    unknown: tuple[str, ...] = ()
    """Parts that are not known: once they are, the score may move either way."""
    reason: str = ""


def suggest_tuning(
    parts: Sequence[TunablePart], target: float, *, delivered_share: float | None = None
) -> ScoreTuning:
    """Return which parts can raise the score to the target (of 100), and whether that can be done at all.

    Example: parts .8 (weight 3) and .4 (weight 1) give 70; the second can give at most 15 points and reaches
    a target of 80 at .8.
    """
    known = [
        (part.name, part.value, part.weight) for part in parts if part.value is not None and part.weight > 0
    ]
    unknown = tuple(part.name for part in parts if part.value is None and part.weight > 0)
    total = sum(weight for *_, weight in known)
    if not total:
        return ScoreTuning(
            None, target, feasible=False, highest=None, unknown=unknown, reason="no part is known"
        )
    mean = 100 * sum(value * weight for _, value, weight in known) / total
    cap = 100.0 if delivered_share is None else 100 * delivered_share
    current, highest = min(mean, cap), cap
    suggestions = []
    for name, value, weight in known:
        slope = weight / total
        most = min(mean + 100 * slope * (1 - value), cap) - current
        needed = value + (target - mean) / 100 / slope
        suggestions.append(
            PartSuggestion(
                name, value, slope if mean < cap else 0.0, max(0.0, most),
                needed if value < needed <= 1 and target <= cap else None,
            )
        )  # fmt: skip
    suggestions.sort(key=lambda each: (-each.most, each.name))
    reason = ""
    if target <= current:
        reason = "the target is reached already"
    elif target > cap:
        reason = (
            f"the score is at most {cap:.1f}, the delivered share of the tasks: deliver more first"
            if cap < 100  # noqa: PLR2004  # the scale
            else "the scale ends at 100"
        )
    elif not any(each.needed is not None for each in suggestions):
        reason = "no single part reaches it: several must rise"
    return ScoreTuning(current, target, target <= highest, highest, tuple(suggestions), unknown, reason)
