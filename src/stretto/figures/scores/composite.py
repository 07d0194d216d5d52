"""Combine the known parts of a score into a weighted mean, with the share of the weight that is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class ScorePart:
    """A part of a score, from 0 to 1, or the reason why it is unknown."""

    name: str
    value: float | None
    weight: float = 1.0
    reason: str | None = None
    count: int = 0
    """Number of things it is computed from."""


@dataclass(frozen=True, slots=True)
class CompositeScore:
    """A score from 0 to 1, or the reason why it is withheld; ``parts`` always has all parts."""

    value: float | None
    coverage: float
    """Share of the weight that is known, from 0 to 1."""
    parts: tuple[ScorePart, ...]
    reason: str | None = None
    count: int = 0


def combine_parts(
    parts: Iterable[ScorePart], *, min_coverage: float = 0.0, min_parts: int = 1
) -> CompositeScore:
    """Return the weighted mean of the known parts.

    The score is withheld if less than ``min_coverage`` of the weight or fewer than ``min_parts`` parts are
    known. An unknown part takes no weight, so it does not change the score. A part with weight 0 is shown but
    not needed. Example: 0.8 (weight 3), 0.4 (weight 1) and an unknown part (weight 1) give 0.7 at a coverage
    of 0.8.
    """
    all_parts = tuple(parts)
    weighted = [part for part in all_parts if part.weight > 0]
    known_parts = [(part.value, part.weight) for part in weighted if part.value is not None]
    total_weight, known_weight = (
        sum(part.weight for part in weighted),
        sum(known_weight for _, known_weight in known_parts),
    )
    coverage = known_weight / total_weight if total_weight else 0.0
    count = max((part.count for part in weighted if part.value is not None), default=0)
    # The tolerance keeps floating point from withholding a score at exactly the minimum.
    if not known_parts or len(known_parts) < min_parts or coverage < min_coverage - 1e-9:
        return CompositeScore(None, coverage, all_parts, _explain_absence(weighted, len(known_parts)), count)
    value = sum(value * known_weight for value, known_weight in known_parts) / known_weight
    return CompositeScore(min(1.0, max(0.0, value)), coverage, all_parts, None, count)


def cap_score(composite: CompositeScore, share: float | None) -> CompositeScore:
    """Return a score that is at most the delivered share: failing is never rewarded.

    Example: 0.75, of which 0.4 was delivered, is 0.4. Without a share the score is unchanged.
    """
    if composite.value is None or share is None or composite.value <= share:
        return composite
    return replace(composite, value=share)


def to_score_part(name: str, composite: CompositeScore, weight: float) -> ScorePart:
    """Return a composite as a part of a larger composite."""
    return ScorePart(name, composite.value, weight, composite.reason, composite.count)


def to_score_document(composite: CompositeScore, scale: float = 100.0) -> dict[str, Any]:
    """Return a composite as JSON, on a scale from 0 to ``scale``; weights are shares of their sum."""
    total_weight = sum(part.weight for part in composite.parts) or 1.0
    return {
        "score": None if composite.value is None else composite.value * scale,
        "coverage": composite.coverage,
        "reason": composite.reason,
        "parts": {
            part.name: {
                "score": None if part.value is None else part.value * scale,
                "weight": part.weight / total_weight,
                "reason": part.reason,
            }
            for part in composite.parts
        },
    }


def _explain_absence(weighted: list[ScorePart], known_count: int) -> str:
    missing = "; ".join(f"{part.name}: {part.reason}" for part in weighted if part.value is None)
    return f"{known_count} of {len(weighted)} parts known ({missing})" if missing else "no part has a weight"
