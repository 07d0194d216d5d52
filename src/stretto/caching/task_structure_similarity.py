"""Measure how similar two task structures are, by the counts of what they consist of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Traits = Mapping[str, float] | Iterable[str]
"""What a task consists of: the types of its parts, or type → weight."""


@dataclass(frozen=True, slots=True)
class SimilarAnswer:
    """The result of another call, and how similar that call was."""

    value: Any
    similarity: float
    """1 if both consist of the same parts."""
    is_exact: bool
    """Whether it is the result of this very call."""
    age_seconds: float


def count_traits(traits: Traits) -> dict[str, float]:
    """Return the weight of each part. Raises ValueError for a weight below 0."""
    if isinstance(traits, str):
        raise TypeError(f"the parts of a task are several names, not the text {traits!r}")
    weights = dict(traits) if isinstance(traits, Mapping) else dict(Counter(traits))
    for name, weight in weights.items():
        if not weight >= 0:
            raise ValueError(f"the weight of {name} must not be below 0; it is {weight}")
    return weights


def compute_similarity(some: Mapping[str, float], others: Mapping[str, float]) -> float:
    """Return the weighted Jaccard index of two structures: shared weight over joint weight, 0 to 1.

    Example: two reads and a test beside one read and a test share 2 of 3: 0.67. Two empty ones are alike: 1.
    """
    names = some.keys() | others.keys()
    joint = sum(max(some.get(name, 0), others.get(name, 0)) for name in names)
    if joint == 0:
        return 1.0
    return sum(min(some.get(name, 0), others.get(name, 0)) for name in names) / joint
