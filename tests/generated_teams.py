"""Teams that are drawn: who worked on which day, how long tasks took, and what changed when."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from stretto.clock import SECOND
from stretto.model.owner_days import OwnerDay, OwnerWork

FIRST_DAY = 20_000
TYPES = {"tests": 0.0, "docs": -1.0, "review": 0.5}
"""Task type → logarithm of its usual length over that of tests."""

COHORT = 5


def stay_the_same(owner: int, day: int) -> float:  # noqa: ARG001  # as every change of lengths
    """Change no length."""
    return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnTeam:
    """A team whose people have levels of their own, come on most weekdays, and have few tasks or many."""

    owners: int = 9
    days: int = 60
    change: Callable[[int, int], float] = stay_the_same
    """Factor of the lengths of an owner (number) on a day (from 0)."""
    level: Callable[[int], float] = field(default=lambda _: 0.0)
    """What is added to the logarithm of an owner's lengths."""
    is_there: Callable[[int, int], bool] = field(default=lambda _, __: True)
    """Whether an owner may have worked on a day."""
    does: Callable[[int, str], bool] = field(default=lambda _, __: True)
    """Whether an owner has tasks of a type."""

    def draw(self, seed: int) -> list[OwnerDay]:
        """Return the days on which at least five people worked; types of fewer are not shown."""
        rng = np.random.default_rng(seed)
        levels = rng.normal(math.log(60 * SECOND), 0.6, size=(self.owners, len(TYPES)))
        busy = rng.uniform(1, 12, size=self.owners)
        rows = []
        for day in range(self.days):
            share = 0.85 if day % 7 < 5 else 0.15
            people = [
                owner for owner in range(self.owners) if rng.random() < share and self.is_there(owner, day)
            ]
            work: dict[str, dict[str, OwnerWork]] = {name: {} for name in TYPES}
            for owner in people:
                mood = rng.normal(0, 0.15)
                for place, (name, length) in enumerate(TYPES.items()):
                    count = int(rng.poisson(busy[owner]))
                    if not count or not self.does(owner, name):
                        continue
                    shift = length + mood + self.level(owner) + math.log(self.change(owner, day))
                    logs = rng.normal(levels[owner, place] + shift, 0.6, size=count)
                    failures = int(rng.binomial(count, 0.08))
                    work[name][f"p{owner}"] = OwnerWork(count, float(logs.mean()), failures, count)
            if len(people) >= COHORT:
                rows += [
                    OwnerDay(FIRST_DAY + day, "red", owner, name, len(by_owner) >= COHORT, of_owner)
                    for name, by_owner in work.items()
                    for owner, of_owner in by_owner.items()
                ]
        return rows
