"""Group the values of a series by local day: runs of a day resemble each other, so days are compared.

A day with few runs is merged with the next ones until there are enough. Only whole days count: the day that
is running would be checked again and again, and each check more is a chance more for a false alarm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

from stretto.analysis.series_of_run_values import Floats, Integers
from stretto.clock import SECOND

FEWEST_PER_CLUSTER = 5
"""Fewest runs of a cluster."""


@dataclass(frozen=True, slots=True)
class LocalDays:
    """The whole local days of a span: day ``n`` lasts from ``starts[n]`` to ``starts[n + 1]`` (ns)."""

    dates: tuple[date, ...]
    starts: Integers
    """One more than days: the last entry is the end of the last day."""

    def __len__(self) -> int:
        return len(self.dates)

    def find_days(self, times: Integers) -> NDArray[np.intp]:
        """Return the number of the day of each time; -1 is before the first, ``len(self)`` after the last."""
        return np.searchsorted(self.starts, times, side="right") - 1


def list_local_days(end: int, count: int, zone: tzinfo) -> LocalDays:
    """Return the last ``count`` local days that were over at ``end`` (ns).

    A day of a change of clocks has 23 or 25 hours.
    """
    today = datetime.fromtimestamp(end // SECOND, zone).date()
    dates = tuple(today - timedelta(days=count - number) for number in range(count))
    return LocalDays(dates, np.array([find_midnight(day, zone) for day in (*dates, today)], dtype=np.int64))


def find_midnight(day: date, zone: tzinfo) -> int:
    """Return the first instant of a local day (ns)."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * SECOND


@dataclass(frozen=True, slots=True)
class Clusters:
    """The clusters of a series: neighbouring values, by time."""

    bounds: NDArray[np.intp]
    """Cluster ``n`` has the values from ``bounds[n]`` to before ``bounds[n + 1]``."""
    first_days: NDArray[np.intp]
    last_days: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.last_days)

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Values of each cluster."""
        return np.diff(self.bounds)

    @property
    def labels(self) -> NDArray[np.intp]:
        """Number of the cluster of each value."""
        return np.repeat(np.arange(len(self), dtype=np.intp), self.sizes)

    def average_by_cluster(self, values: Floats) -> Floats:
        """Return the mean of the values of each cluster."""
        sums = np.add.reduceat(values[: self.bounds[-1]], self.bounds[:-1]) if len(self) else np.empty(0)
        return np.asarray(sums / self.sizes, dtype=np.float64)


def merge_days_into_clusters(days_of_values: NDArray[np.intp], fewest: int = FEWEST_PER_CLUSTER) -> Clusters:
    """Return the clusters of values whose days ascend; days are merged forward until there are enough values.

    Values after the last complete cluster are left out. Example: days 0 0 0 1 1 2 with fewest 3 give the
    clusters (0 0 0) and (1 1 2).
    """
    changes = np.flatnonzero(np.diff(days_of_values)) + 1
    edges = [*changes.tolist(), len(days_of_values)] if len(days_of_values) else []
    bounds = [0]
    for edge in edges:
        if edge - bounds[-1] >= fewest:
            bounds.append(edge)
    edges_of_clusters = np.array(bounds, dtype=np.intp)
    return Clusters(
        edges_of_clusters, days_of_values[edges_of_clusters[:-1]], days_of_values[edges_of_clusters[1:] - 1]
    )
