"""Find tasks that got slow only now and then: the tail changed, and the usual lengths did not.

If eight of a hundred tasks take six times as long, the usual length hardly moves. So the share of tasks that
are longer than 95 % of the earlier ones were is a series of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, tzinfo

import numpy as np

from stretto.analysis.performance_regressions import ComparisonBoundary, judge_changes, list_history_days
from stretto.analysis.recent_days_rank_tests import LONGEST_BASELINE, WINDOWS
from stretto.analysis.series_of_run_values import Series, SeriesKind
from stretto.analysis.values_by_local_day import LocalDays
from stretto.model.findings import Finding, FindingVerdict

TAIL = 0.95
"""Share of earlier tasks that are shorter than the limit."""

FEWEST_FOR_TAIL = 100
"""Fewest earlier tasks whose 95 % limit can be trusted."""

CHANGED = frozenset({FindingVerdict.REGRESSION, FindingVerdict.IMPROVEMENT})


def judge_tails(
    series: Sequence[Series],
    findings: Sequence[Finding],
    instant: int,
    zone: tzinfo = UTC,
    boundaries: Sequence[ComparisonBoundary] = (),
) -> list[Finding]:
    """Return the findings about the tails of task lengths, given the ``findings`` about the same series.

    A series whose usual length changed is left out: its tail changed with it. So are those with few tasks.
    """
    days = list_history_days(instant, zone)
    usual = [
        each
        for each, finding in zip(series, findings, strict=True)
        if each.kind is SeriesKind.TASK_LENGTH and finding.verdict not in CHANGED
    ]
    return judge_changes(list(_derive_tails(usual, days)), instant, zone, boundaries)


def _derive_tails(series: Iterable[Series], days: LocalDays) -> Iterable[Series]:
    """Yield the series of 0 and 1, whether each task is longer than the limit of the tasks before."""
    newest = max(WINDOWS)
    first, last = days.starts[max(0, len(days) - newest - LONGEST_BASELINE)], days.starts[-1 - newest]
    for each in series:
        before = each.values[(each.times >= first) & (each.times < last)]
        if len(before) < FEWEST_FOR_TAIL:
            continue
        beyond = (each.values > np.quantile(before, TAIL)).astype(np.float64)
        yield Series(SeriesKind.TAIL_SHARE, each.subject, each.times, beyond, each.runs, missing=each.missing)
