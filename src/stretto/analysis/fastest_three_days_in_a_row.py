"""Find the three days in a row in which a pattern was fastest, and whether that is more than chance."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from stretto.analysis.two_session_comparison import measure_seconds_per_task
from stretto.clock import DAY
from stretto.model.run_rows_for_analyses import SessionRun

PERIOD_DAYS = 3
FEWEST_PERIOD_DAYS = 10
SHUFFLES = 500
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class BestPeriod:
    """The three days in a row in which a pattern was fastest."""

    start: int | None
    """First day, midnight UTC (ns)."""
    days: int
    """Days that were looked at."""
    ratio: float | None = None
    """Active time per task / that of the other days."""
    p: float | None = None
    """Share of shuffled calendars with as good a period: there are many periods, and one is always best."""
    conditions: tuple[str, ...] = ()
    """Circumstances that most of its sessions share and most others do not."""
    reason: str = ""

    @property
    def reproducible(self) -> bool | None:
        """Whether it is better than the best of chance; None if there are too few days."""
        return None if self.p is None else self.p <= LEVEL


def find_best_three_days(sessions: Sequence[SessionRun]) -> BestPeriod:
    """Return the best three days in a row, how often chance gives as good a period, and its conditions."""
    paces = {run.session: pace for run in sessions if (pace := measure_seconds_per_task(run)) is not None}
    by_day: dict[int, list[SessionRun]] = defaultdict(list)
    for run in sessions:
        if run.session in paces:
            by_day[run.start // DAY].append(run)
    if len(by_day) < FEWEST_PERIOD_DAYS:
        reason = f"{len(by_day)} days with sessions, {FEWEST_PERIOD_DAYS} are needed"
        return BestPeriod(None, len(by_day), reason=reason)
    days = sorted(by_day)
    values = np.array([np.mean([math.log(paces[run.session]) for run in by_day[day]]) for day in days])
    means = _average_periods(values)
    place = int(means.argmin())
    rng = np.random.default_rng(0)
    by_chance = [float(_average_periods(rng.permutation(values)).min()) for _ in range(SHUFFLES)]
    inside = [run for day in days[place : place + PERIOD_DAYS] for run in by_day[day]]
    outside = [run for day in days for run in by_day[day] if run not in inside]
    others = np.delete(values, range(place, place + PERIOD_DAYS))
    return BestPeriod(
        days[place] * DAY,
        len(days),
        math.exp(float(means[place] - others.mean())),
        (1 + sum(value <= float(means[place]) for value in by_chance)) / (1 + SHUFFLES),
        tuple(_list_conditions(inside, outside)),
    )


def _average_periods(values: np.ndarray) -> np.ndarray:
    return np.convolve(values, np.ones(PERIOD_DAYS) / PERIOD_DAYS, "valid")


def _list_conditions(inside: Sequence[SessionRun], outside: Sequence[SessionRun]) -> Iterable[str]:
    """Yield the covariates that more than half of the sessions inside share and less than half outside."""
    counts = [
        Counter(pair for run in group for pair in run.covariates.items()) for group in (inside, outside)
    ]
    for pair, count in sorted(counts[0].items()):
        if count * 2 > len(inside) and counts[1][pair] * 2 < len(outside):
            yield "=".join(pair)
