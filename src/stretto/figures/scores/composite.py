"""Combine the parts of a score into a range and, where the range is narrow, a number.

A part that somebody could have reported, but nobody did, may be anything from 0 to 1: it widens the range. A
part that does not apply, because there was nothing to report, leaves the weight.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

NARROW = 0.75
"""The default of ``min_coverage``: a score is a number if its range is at most a quarter of the scale."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class ScorePart:
    """A part of a score, from 0 to 1, or the reason why it is unknown."""

    name: str
    value: float | None
    weight: float = 1.0
    reason: str | None = None
    count: int = 0
    """Number of things it is computed from."""
    applies: bool = True
    """False if there was nothing to report, such as no message: the part then has no weight."""
    range: tuple[float, float] | None = None
    """The range of a part without a value, if it is narrower than from 0 to 1."""

    @property
    def low(self) -> float:
        """The lowest value that the part can have."""
        return self.value if self.value is not None else self.range[0] if self.range else 0.0

    @property
    def high(self) -> float:
        """The highest value that the part can have."""
        return self.value if self.value is not None else self.range[1] if self.range else 1.0

    @property
    def is_known(self) -> bool:
        """Whether anything is known about it."""
        return self.value is not None or self.range is not None


@dataclass(frozen=True, slots=True)
class CompositeScore:
    """A score from 0 to 1, or the reason why it is withheld; ``parts`` always has all parts."""

    value: float | None
    """The middle of the range, if the range is narrow."""
    coverage: float
    """Share of the scale that is ruled out: 1 less the width of the range before it is capped."""
    parts: tuple[ScorePart, ...]
    reason: str | None = None
    count: int = 0
    low: float | None = None
    """The lowest value that the score can have, whatever the unknown parts are; None if nothing is known."""
    high: float | None = None
    applies: bool = True
    """False if none of its parts applies."""


def combine_parts(
    parts: Iterable[ScorePart], *, min_coverage: float = NARROW, min_parts: int = 1
) -> CompositeScore:
    """Return the weighted mean of the parts that apply, as a range, and as a number if the range is narrow.

    The number is the middle of the range. It is withheld if the range is wider than 1 - ``min_coverage``, or
    fewer than ``min_parts`` parts are known. A part with weight 0 is shown but not needed. Example: 0.8
    (weight 3), an unknown part (weight 1) and a part that does not apply give the range from 0.6 to 0.85, and
    the number 0.725.
    """
    all_parts = tuple(parts)
    weighted = [part for part in all_parts if part.weight > 0 and part.applies]
    known = [part for part in weighted if part.is_known]
    total = sum(part.weight for part in weighted)
    count = max((part.count for part in known), default=0)
    if not known:
        reason = _explain_absence(all_parts, weighted)
        return CompositeScore(None, 0.0, all_parts, reason, count, applies=bool(weighted))
    low, high = (
        min(1.0, max(0.0, sum(edge * part.weight for part, edge in edges) / total))
        for edges in ([(part, part.low) for part in weighted], [(part, part.high) for part in weighted])
    )
    # The tolerance keeps floating point from withholding a score at exactly the limit.
    if len(known) < min_parts or high - low > 1 - min_coverage + _ROUNDING:
        missing = _list_missing(weighted)
        reason = f"between {low:.0%} and {high:.0%}" + (f" ({missing})" if missing else "")
        return CompositeScore(None, 1 - (high - low), all_parts, reason, count, low, high)
    return CompositeScore((low + high) / 2, 1 - (high - low), all_parts, None, count, low, high)


def cap_score(composite: CompositeScore, share: float | None) -> CompositeScore:
    """Return a score that is at most the delivered share: failing is never rewarded.

    Example: 0.75, of which 0.4 was delivered, is 0.4. Without a share the score is unchanged.
    """
    if share is None:
        return composite
    value, low, high = (
        None if edge is None else min(edge, share)
        for edge in (composite.value, composite.low, composite.high)
    )
    return replace(composite, value=value, low=low, high=high)


def limit_count(composite: CompositeScore, tasks: int) -> CompositeScore:
    """Return a score of tasks that is based on no more than these, though a part of it counts calls.

    Without any task the score is of something else, and its count stays.
    """
    return replace(composite, count=min(composite.count, tasks)) if tasks else composite


def to_score_part(name: str, composite: CompositeScore, weight: float) -> ScorePart:
    """Return a composite as a part of a larger composite."""
    low, high = composite.low, composite.high
    if low is None or high is None:
        return ScorePart(name, None, weight, composite.reason, composite.count, composite.applies)
    if low == high:
        return ScorePart(name, low, weight, None, composite.count)
    # A number in place of the range would hide how little of the part is known.
    reason = composite.reason or f"between {low:.0%} and {high:.0%}"
    return ScorePart(name, None, weight, reason, composite.count, range=(low, high))


def to_score_document(composite: CompositeScore, scale: float = 100.0) -> dict[str, Any]:
    """Return a composite as JSON, on a scale from 0 to ``scale``; weights are shares of their sum."""
    total_weight = sum(part.weight for part in composite.parts if part.applies) or 1.0
    return {
        "score": _rescale(composite.value, scale),
        "low": _rescale(composite.low, scale),
        "high": _rescale(composite.high, scale),
        "coverage": composite.coverage,
        "reason": composite.reason,
        "parts": {
            part.name: {
                "score": _rescale(part.value, scale),
                "low": _rescale(part.low if part.is_known else None, scale),
                "high": _rescale(part.high if part.is_known else None, scale),
                "weight": part.weight / total_weight if part.applies else 0.0,
                "applies": part.applies,
                "reason": part.reason,
            }
            for part in composite.parts
        },
    }


def _rescale(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale


def _explain_absence(all_parts: tuple[ScorePart, ...], weighted: list[ScorePart]) -> str:
    if weighted:
        return f"none of {len(weighted)} parts known ({_list_missing(weighted)})"
    unfit = "; ".join(f"{part.name}: {part.reason}" for part in all_parts if not part.applies)
    return f"nothing to judge ({unfit})" if unfit else "no part has a weight"


def _list_missing(weighted: list[ScorePart]) -> str:
    return "; ".join(f"{part.name}: {part.reason}" for part in weighted if part.value is None)
