"""Judge whether something gets slower, since when and by how much, and what could have been seen.

A verdict is a regression, an improvement, no evidence or too little data. It never compares across the last
accepted change or annotation, nor unlike work: series that pool task types are levelled by type first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo

import numpy as np
from scipy import special

from stretto.analysis.recent_days_rank_tests import (
    LONGEST_BASELINE,
    SHORTEST_BASELINE,
    WINDOW_WEIGHTS,
    WINDOWS,
)
from stretto.analysis.series_of_run_values import Floats, Series, SeriesKind, SeriesScale, thin_by_rank
from stretto.analysis.task_mix_adjustment import describe_mix_change, level_strata
from stretto.analysis.tracked_change_episodes import (
    LEAST_POINTS,
    LEVEL,
    THINNED,
    THRESHOLD,
    Episode,
    TrackedSeries,
    estimate_error_of_score_difference,
    find_best_split,
    measure_exceeded_shares,
    track_changes,
)
from stretto.analysis.values_by_local_day import FEWEST_PER_CLUSTER, LocalDays, list_local_days
from stretto.clock import DAY, SECOND
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict, RunLink

HISTORY_DAYS = 126
"""Days that are looked at, at least: baseline, longest window and the changes before them."""

HISTORY_STEP = 28
"""Days by which the beginning moves on, so that merged days stay merged alike from check to check."""

MOST_DETECTABLE = 1.30
"""Largest detectable ratio at which silence means anything; beyond it the verdict is too little data."""

MOST_DETECTABLE_POINTS = 0.15
"""The same for shares and quality, as a difference."""

STALE = 14 * DAY
"""Time after the last cluster from which on a series is no longer judged."""

POWER = 0.9
"""Chance with which a change of the detectable size is seen."""

WEEKS_AFTER = 28
"""Most clusters after a change that its size is estimated from."""


@dataclass(frozen=True, slots=True)
class ComparisonBoundary:
    """An instant that no comparison crosses: an accepted change, or an annotation if all kinds are meant."""

    time: int
    kind: SeriesKind | None = None
    subject: Mapping[str, str] = field(default_factory=dict)

    def concerns(self, series: Series) -> bool:
        """Return whether a series is cut here."""
        return self.kind is None or (self.kind is series.kind and dict(self.subject) == dict(series.subject))


def judge_changes(
    series: Iterable[Series],
    instant: int,
    zone: tzinfo = UTC,
    boundaries: Sequence[ComparisonBoundary] = (),
    *,
    threshold: float = THRESHOLD,
) -> list[Finding]:
    """Return a finding about each series at an instant, in the order of the series.

    Only values and boundaries up to the instant count, so that any day of the past can be judged again.
    """
    days = list_history_days(instant, zone)
    cut = [_cut_series(each, instant, boundaries) for each in series]
    levelled = track_changes([level_strata(each) for each in cut], days, threshold=threshold)
    pooled = [number for number, each in enumerate(cut) if each.strata is not None]
    raw = dict(
        zip(pooled, track_changes([cut[number] for number in pooled], days, threshold=threshold), strict=True)
    )
    window = int(days.starts[0]), int(days.starts[-1])
    return [
        _conclude_change(each, days, raw.get(number), threshold).add_coverage(
            cut[number].measure_coverage(*window)
        )
        for number, each in enumerate(levelled)
    ]


def list_history_days(instant: int, zone: tzinfo) -> LocalDays:
    """Return the whole local days that are looked at; their first moves on in steps of four weeks."""
    today = datetime.fromtimestamp(instant // SECOND, zone).toordinal()
    return list_local_days(instant, HISTORY_DAYS + today % HISTORY_STEP, zone)


def _cut_series(series: Series, instant: int, boundaries: Sequence[ComparisonBoundary]) -> Series:
    """Return the values since the last boundary that were known at the instant."""
    cuts = [each.time for each in boundaries if each.time <= instant and each.concerns(series)]
    first = max(cuts, default=0)
    inside = (series.times >= first) & (series.times <= instant)
    cut = series if inside.all() else series.select_values(inside)
    if series.missing is None:
        return cut
    missing = series.missing[(series.missing >= first) & (series.missing <= instant)]
    return replace(cut, missing=missing)


def _conclude_change(
    tracked: TrackedSeries, days: LocalDays, raw: TrackedSeries | None, threshold: float
) -> Finding:
    """Return the finding about a series whose checks are done."""
    clusters = tracked.checked.clusters
    needed = SHORTEST_BASELINE + 2
    if len(clusters) < needed:
        text = f"{len(clusters)} of {needed} days with at least {FEWEST_PER_CLUSTER} runs"
        return _make_finding(tracked, FindingVerdict.TOO_LITTLE_DATA, _count_only(tracked), text)
    if days.starts[-1] - days.starts[clusters.last_days[-1] + 1] >= STALE:
        return _make_finding(
            tracked, FindingVerdict.TOO_LITTLE_DATA, _count_only(tracked), "no runs in the last two weeks"
        )
    episode = tracked.current
    if episode is not None:
        return _describe_episode(tracked, episode, days)
    detectable = compute_detectable(tracked)
    evidence = FindingEvidence(
        n=len(tracked.checked.values),
        unit=_name_unit(tracked.series.scale),
        p=_read_last(tracked.rise),
        detectable=detectable,
        effect=_estimate_effect(tracked, len(clusters) - min(7, len(clusters) // 2)),
    )
    if raw is not None and raw.current is not None:
        reason = f"the mix changed: {describe_mix_change(raw.series, int(days.starts[_get_since_day(raw)]))}"
        return _make_finding(tracked, FindingVerdict.NO_EVIDENCE, evidence, reason, {"cause": "mix"})
    if is_too_large(detectable, tracked.series.scale, threshold):
        return _make_finding(
            tracked, FindingVerdict.TOO_LITTLE_DATA, evidence, "only a larger change would be seen"
        )
    return _make_finding(tracked, FindingVerdict.NO_EVIDENCE, evidence)


def is_too_large(detectable: float | None, scale: SeriesScale, threshold: float) -> bool:
    """Return whether so little could have been seen that silence means nothing."""
    if detectable is None:
        return True
    if scale is SeriesScale.RATIO:
        return detectable > max(MOST_DETECTABLE, 1 + 2 * threshold)
    return detectable > MOST_DETECTABLE_POINTS


def _get_since_day(tracked: TrackedSeries) -> int:
    """Return the first day of the current change."""
    assert tracked.current is not None
    return int(tracked.checked.clusters.first_days[tracked.current.since])


def _describe_episode(tracked: TrackedSeries, episode: Episode, days: LocalDays) -> Finding:
    """Return the finding about a change that lasts, with its size and runs before and after."""
    scale = tracked.series.scale
    since = _refine_since(tracked, episode)
    before = tracked.slice_values(since - LONGEST_BASELINE, since)
    after = tracked.slice_values(since, since + WEEKS_AFTER)
    begin = max(0, since - LONGEST_BASELINE)
    error = _measure_share_error(
        tracked, begin, since, min(WEEKS_AFTER, len(tracked.checked.clusters) - since)
    )
    # The error is itself an estimate, from the clusters before.
    reach = -float(special.stdtrit(max(1, since - begin - 1), 0.025))
    effect, low, high = estimate_change(scale, before, after, reach * error)
    last = _read_last(tracked.rise if episode.rises else tracked.fall)
    worse = episode.rises == tracked.series.less_is_better
    day = int(tracked.checked.clusters.first_days[since])
    evidence = FindingEvidence(
        n=len(before) + len(after),
        effect=effect,
        low=low,
        high=high,
        unit=_name_unit(scale),
        p=last,
        detectable=compute_detectable(tracked, since),
        runs=_link_runs(tracked, since),
    )
    return Finding(
        tracked.series.kind.value,
        dict(tracked.series.subject),
        FindingVerdict.REGRESSION if worse else FindingVerdict.IMPROVEMENT,
        evidence,
        since=int(days.starts[day]),
        details={
            "before": float(np.median(before))
            if scale is not SeriesScale.RATIO
            else math.exp(np.median(before)),
            "after": float(np.median(after))
            if scale is not SeriesScale.RATIO
            else math.exp(np.median(after)),
            "runs_before": float(len(before)),
            "runs_after": float(len(after)),
            "raised": float(days.starts[episode.raised + 1]),
        },
    )


def _refine_since(tracked: TrackedSeries, episode: Episode) -> int:
    """Return the first cluster of the new level, with all that is known by now.

    The date at which the change was raised may be two weeks off at most.
    """
    begin = max(0, episode.since - LONGEST_BASELINE)
    end = min(len(tracked.checked.clusters), episode.since + WEEKS_AFTER)
    means = tracked.checked.clusters.average_by_cluster(tracked.checked.values)[begin:end]
    raised = episode.since - begin
    return begin + find_best_split(means, first=max(1, raised - 14), last=raised + 15, rises=episode.rises)


def estimate_change(
    scale: SeriesScale, before: Floats, after: Floats, reach: float
) -> tuple[float, float, float]:
    """Return (change, low, high) with an interval that knows how far days scatter.

    For logarithms and points it is the Hodges–Lehmann shift. Its limits are those differences of pairs whose
    share lies ``reach`` off the middle: half the width of the interval of P(after > before).
    """
    if scale is SeriesScale.SHARE:
        change = float(after.mean() - before.mean())
        return change, change - reach, change + reach
    pairs = np.sort(np.subtract.outer(thin_by_rank(after, THINNED), thin_by_rank(before, THINNED)).ravel())
    limits = np.clip([0.5, 0.5 - reach, 0.5 + reach], 0.0, 1.0)
    middle, low, high = (float(value) for value in np.quantile(pairs, limits))
    if scale is SeriesScale.RATIO:
        return math.exp(middle), math.exp(low), math.exp(high)
    return middle, low, high


def _estimate_effect(tracked: TrackedSeries, begin: int) -> float:
    """Return by how much the clusters from ``begin`` on differ from those before."""
    before, after = tracked.slice_values(begin - LONGEST_BASELINE, begin), tracked.slice_values(begin, 10**6)
    return estimate_change(tracked.series.scale, before, after, 0.0)[0]


def _measure_share_error(tracked: TrackedSeries, begin: int, end: int, after: int) -> float:
    """Return the standard error of P(after > before), or of the difference of two shares, with the wander."""
    return estimate_error_of_score_difference(
        measure_exceeded_shares(tracked, begin, end, end), after
    ) * tracked.measure_wander(end)


def compute_detectable(tracked: TrackedSeries, end: int | None = None) -> float | None:
    """Return the smallest change that would be raised within two weeks, nine times of ten.

    It is the difference of pairs of earlier runs that a shift must reach so that the test passes: with
    P(after > before) - 1/2 = (t of the level + t of the power) × its standard error.
    """
    count = len(tracked.checked.clusters) if end is None else end
    window = max(WINDOWS) // 2
    begin = max(0, count - LONGEST_BASELINE)
    if count - begin < SHORTEST_BASELINE:
        return None
    error = _measure_share_error(tracked, begin, count, window)
    freedom = count - begin - 1
    weight = WINDOW_WEIGHTS[WINDOWS.index(window)] / sum(WINDOW_WEIGHTS)
    needed = -float(special.stdtrit(freedom, LEVEL * weight)) + float(special.stdtrit(freedom, POWER))
    if tracked.series.scale is SeriesScale.SHARE:
        before = tracked.slice_values(begin, count)
        # A share of 0 does not scatter, but the next week's may: as if one more task had failed.
        share = (float(before.sum()) + 1) / (len(before) + 2)
        after = max(1.0, len(before) * window / (count - begin))
        chance = math.sqrt(share * (1 - share) * (1 / after + 1 / len(before)))
        return max(LEAST_POINTS, needed * max(error, chance))
    values = thin_by_rank(tracked.slice_values(begin, count), THINNED // 2)
    share = 0.5 + needed * error
    if share >= 1:
        return None
    shift = float(np.quantile(np.subtract.outer(values, values), share))
    if tracked.series.scale is SeriesScale.POINTS:
        return shift
    return max(math.exp(shift), 1 + THRESHOLD)


def _link_runs(tracked: TrackedSeries, since: int) -> tuple[RunLink, ...]:
    """Return a typical run before the change and a typical one after it."""
    runs, bounds = tracked.series.runs, tracked.checked.clusters.bounds
    if not runs:
        return ()
    links = []
    for role, begin, end in (
        ("before", bounds[max(0, since - LONGEST_BASELINE)], bounds[since]),
        ("after", bounds[since], bounds[-1]),
    ):
        values = tracked.checked.values[begin:end]
        link = runs[int(begin) + int(np.argmin(np.abs(values - np.median(values))))]
        if link is not None:
            links.append(RunLink(link.session, link.task, role))
    return tuple(links)


def _read_last(p_values: Floats) -> float | None:
    """Return the p value of the last check, if there was any."""
    known = p_values[~np.isnan(p_values)]
    return float(known[-1]) if len(known) else None


def _count_only(tracked: TrackedSeries) -> FindingEvidence:
    """Return evidence that knows nothing but the number of runs."""
    return FindingEvidence(n=len(tracked.series.values), unit=_name_unit(tracked.series.scale))


def _name_unit(scale: SeriesScale) -> str:
    """Return the unit of a change."""
    return scale.value


def _make_finding(
    tracked: TrackedSeries,
    verdict: FindingVerdict,
    evidence: FindingEvidence,
    reason: str = "",
    details: Mapping[str, float | str | None] | None = None,
) -> Finding:
    """Return the finding about a series without a change."""
    return Finding(
        tracked.series.kind.value,
        dict(tracked.series.subject),
        verdict,
        evidence,
        reason=reason,
        details=details or {},
    )
