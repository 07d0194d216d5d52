"""Follow series from check to check: when a change is raised, how long it lasts, and since when it is there.

A check is made at the end of each whole local day. A change is raised after two checks in a row, so that a
single bad day raises nothing. It lasts until the last days are back at the old level, it is accepted, or it
has become the normal. All of it is worked out anew from the series, for any instant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special

from stretto.analysis.daily_change_tests import CheckedSeries, check_all_days, prepare_checks
from stretto.analysis.effect_estimates import estimate_share_difference
from stretto.analysis.recent_days_rank_tests import (
    LONGEST_BASELINE,
    estimate_shift,
    select_discoveries,
)
from stretto.analysis.remove_weekday_pattern import remove_weekday_pattern
from stretto.analysis.series_of_run_values import Floats, Series, SeriesScale, choose_by_rank, thin_by_rank
from stretto.analysis.values_by_local_day import LocalDays, merge_days_into_clusters

LEVEL = 0.01
"""Largest p value of a check that counts."""

FALSE_DISCOVERIES = 0.10
"""Share of false ones among the changes seen on a day that is accepted (Benjamini and Hochberg)."""

HARDLY_VISIBLE_DISCOVERIES = 0.05
"""The same where a change is hardly visible.

What is raised there by chance lasts for days, so that a month has a larger share of it than a single day.
"""

THRESHOLD = 0.10
"""Smallest change that matters: lengths 10 % up or down."""

PLAUSIBLE_CHANGE = math.log(1.5)
"""Change (logarithm) whose visibility within a week decides how strict a check is."""

CLEARLY_VISIBLE = 3.6
"""Standard errors that a plausible change must make of a week for the level alone to decide.

Where less is seen, few of the real changes are raised but as many false ones: there it takes Benjamini and
Hochberg's rule, at ``HARDLY_VISIBLE_DISCOVERIES``.
"""

LEAST_POINTS = 0.05
"""Smallest change of a share or of a quality from 0 to 1 that matters."""

LONGEST_EPISODE = 60
"""Clusters after which a change that nobody accepted has become the normal."""

LASTING_LEVEL = 0.001
"""Largest p value of the comparison with the level before at which a change is still there.

It is strict because the date was chosen to make the difference large.
"""

LAST_DAYS = 5
"""Clusters that must still be off the level before, by as much as matters, for a change to last."""

LAST_WEEKS = 14
"""Clusters by which it is judged whether that is beyond chance."""

THINNED = 200
"""Most values of each side when a shift is estimated: evenly spaced ranks stand for the rest."""


@dataclass(frozen=True, slots=True)
class Episode:
    """A change that was raised."""

    rises: bool
    raised: int
    """Day of the check that raised it."""
    since: int
    """First cluster of the new level."""
    ended: int | None = None
    """Day of the check that ended it; None while it lasts."""


@dataclass(slots=True)
class TrackedSeries:
    """A series with its checks and the changes that they raised, over the days of a span."""

    series: Series
    """The series as it is tested: whole days only, weekdays aligned, strata levelled."""
    checked: CheckedSeries
    episodes: list[Episode] = field(default_factory=list)
    rise: Floats = field(default_factory=lambda: np.empty(0))
    """P value for a rise by day; NaN without a check."""
    fall: Floats = field(default_factory=lambda: np.empty(0))
    beyond_wander: Floats = field(default_factory=lambda: np.empty((2, 0)))
    """P values for a rise and for a fall by day, by the level's own wander."""
    discovery_levels: Floats = field(default_factory=lambda: np.empty((2, 0)))
    """The largest of those p values by day at which few of the series checked together are false ones."""
    week_error: Floats = field(default_factory=lambda: np.empty(0))
    """Standard error of P(value of the last week > earlier one) by day."""
    wander: Floats = field(default_factory=lambda: np.empty(0))
    """Factor by day, at least 1, by which the level's own wander widens errors."""

    def measure_wander(self, end: int) -> float:
        """Return by how much errors are widened as of the cluster before ``end``."""
        return float(self.wander[self.checked.clusters.last_days[end - 1]])

    @property
    def current(self) -> Episode | None:
        """The change that lasts, if any."""
        return self.episodes[-1] if self.episodes and self.episodes[-1].ended is None else None

    def slice_values(self, begin: int, end: int) -> Floats:
        """Return the values of the clusters ``begin`` … ``end`` - 1, as far as they exist."""
        bounds = self.checked.clusters.bounds
        return self.checked.values[bounds[max(0, begin)] : bounds[min(end, len(bounds) - 1)]]


def track_changes(
    series: Sequence[Series], days: LocalDays, *, threshold: float = THRESHOLD
) -> list[TrackedSeries]:
    """Return each series with its checks and changes over the days. Values of other times are left out."""
    tracked = [_make_tracked(each, days) for each in series]
    table = check_all_days([each.checked for each in tracked], len(days))
    cuts, levels = (
        np.array([_limit_by_day(each, len(days), rate) for each in p_values])
        for p_values, rate in (
            ((table.rise, table.fall), FALSE_DISCOVERIES),
            ((table.rise_beyond_wander, table.fall_beyond_wander), HARDLY_VISIBLE_DISCOVERIES),
        )
    )
    for row, each in enumerate(tracked):
        each.rise, each.fall, each.wander = table.rise[row], table.fall[row], table.wander[row]
        each.discovery_levels = levels
        each.week_error = table.week_error[row]
        each.beyond_wander = np.stack([table.rise_beyond_wander[row], table.fall_beyond_wander[row]])
        seen = {
            rises: _find_seen(p_values[row], beyond[row], cuts[number], each.checked.clusters.last_days)
            for number, (rises, p_values, beyond) in enumerate(
                (
                    (True, table.rise, table.rise_beyond_wander),
                    (False, table.fall, table.fall_beyond_wander),
                )
            )
        }
        _follow_checks(each, seen, table.widest[row], threshold)
    return tracked


def _make_tracked(series: Series, days: LocalDays) -> TrackedSeries:
    """Return a series of whole days with its table of ranks."""
    day_numbers = days.find_days(series.times)
    inside = (day_numbers >= 0) & (day_numbers < len(days))
    used, day_numbers = series.select_values(inside), day_numbers[inside]
    kept = choose_by_rank(used.values, day_numbers)
    if not kept.all():
        used, day_numbers = used.select_values(kept), day_numbers[kept]
    clusters = merge_days_into_clusters(day_numbers)
    if used.scale is SeriesScale.RATIO:
        values = remove_weekday_pattern(used.values, clusters, days)
        used = used.select_values(np.ones(len(values), dtype=bool), values)
    return TrackedSeries(used, prepare_checks(used.values, clusters))


def _limit_by_day(p_values: Floats, days: int, rate: float) -> list[float]:
    """Return the largest p value that counts on each day, so that at most ``rate`` of the seen are false."""
    return [min(LEVEL, select_discoveries(p_values[:, day], rate)) for day in range(days)]


def _find_seen(
    p_values: Floats, beyond_wander: Floats, cuts: Floats, days: NDArray[np.intp]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return by cluster whether its check sees a change, and whether it and the check before raise it.

    It or the check before must see more than the series' own wander.
    """
    small = np.nan_to_num(p_values[days], nan=2.0) <= cuts[days]
    beyond = np.nan_to_num(beyond_wander[days], nan=2.0) <= LEVEL
    before = np.concatenate([[False], beyond[:-1]]) if len(beyond) else beyond
    seen = small & (beyond | before)
    return seen, np.concatenate([[False], seen[1:] & small[:-1]]) if len(seen) else seen


def _follow_checks(
    tracked: TrackedSeries,
    seen: Mapping[bool, tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    widest: Floats,
    threshold: float,
) -> None:
    """Add the episodes of a series, check by check; ``seen`` has those of rises and of falls."""
    days = tracked.checked.clusters.last_days
    candidates = np.flatnonzero(seen[True][1] | seen[False][1])
    position = 0
    while position < len(candidates):
        check = int(candidates[position])
        position += 1
        if tracked.episodes:
            ended = tracked.episodes[-1].ended
            if ended is None or days[check] <= ended:
                continue
        rises = bool(seen[True][1][check])
        if _is_trusted(tracked, check, rises) and all(
            _is_large(tracked, at, int(widest[days[at]]), rises, threshold) for at in (check, check - 1)
        ):
            episode = Episode(rises, int(days[check]), find_first_changed_cluster(tracked, check, rises))
            ended = _find_end(tracked, episode, seen[rises][0], check, threshold)
            tracked.episodes.append(Episode(rises, episode.raised, episode.since, ended))


def _is_trusted(tracked: TrackedSeries, check: int, rises: bool) -> bool:
    """Return whether a change that two checks raise is rare enough beyond the series' own wander."""
    if (
        tracked.series.scale is not SeriesScale.RATIO
        or count_errors_of_plausible_change(tracked, check) >= CLEARLY_VISIBLE
    ):
        return True
    row, days = 0 if rises else 1, tracked.checked.clusters.last_days[[check - 1, check]]
    return bool((tracked.beyond_wander[row, days] <= tracked.discovery_levels[row, days]).any())


def count_errors_of_plausible_change(tracked: TrackedSeries, check: int) -> float:
    """Return how many standard errors a plausible change of a week makes at a check; 0 if it is unknown."""
    error = float(tracked.week_error[tracked.checked.clusters.last_days[check]])
    before = thin_by_rank(tracked.slice_values(check - LONGEST_BASELINE, check - 1), THINNED)
    share = float(np.mean(np.subtract.outer(before + PLAUSIBLE_CHANGE, before) > 0))
    return 0.0 if math.isnan(error) else (share - 0.5) / max(error, 1e-9)


def _is_large(tracked: TrackedSeries, check: int, window: int, rises: bool, threshold: float) -> bool:
    """Return whether the shift that a check sees matters, and by an exact test of its counts for shares."""
    begin = check - window + 1
    before = tracked.slice_values(begin - LONGEST_BASELINE, begin)
    after = tracked.slice_values(begin, check + 1)
    return is_change_large(tracked.series.scale, before, after, rises=rises, threshold=threshold)


def is_change_large(
    scale: SeriesScale, before: Floats, after: Floats, *, rises: bool, threshold: float = THRESHOLD
) -> bool:
    """Return whether values differ by as much as matters, in the given direction."""
    sign = 1.0 if rises else -1.0
    if scale is SeriesScale.SHARE:
        estimate = estimate_share_difference((int(before.sum()), len(before)), (int(after.sum()), len(after)))
        return estimate is not None and sign * estimate.effect >= LEAST_POINTS and estimate.p / 2 <= LEVEL
    shift = sign * estimate_shift(thin_by_rank(before, THINNED), thin_by_rank(after, THINNED))
    return shift >= (LEAST_POINTS if scale is SeriesScale.POINTS else math.log1p(threshold))


def find_first_changed_cluster(tracked: TrackedSeries, check: int, rises: bool) -> int:
    """Return the first cluster of the new level that a check has seen.

    Of the clusters of the last four weeks, the split with the least squared error of the cluster means.
    """
    begin = max(0, check + 1 - 2 * LONGEST_BASELINE)
    means = tracked.checked.clusters.average_by_cluster(tracked.checked.values)[begin : check + 1]
    return begin + find_best_split(means, first=max(1, len(means) - 28), rises=rises)


def find_best_split(means: Floats, *, first: int, rises: bool, last: int | None = None) -> int:
    """Return the index from which on the values are higher (or lower), by least squared error.

    Only ``first`` to before ``last`` (or the end) are tried. Example: 0 0 0 1 1 is split at 3.
    """
    count = len(means)
    splits = np.arange(first, count if last is None else min(last, count))
    sums = np.concatenate([[0.0], np.cumsum(means)])
    left, right = sums[splits] / splits, (sums[count] - sums[splits]) / (count - splits)
    gain = splits * (count - splits) / count * (right - left) ** 2
    gain[(right > left) != rises] = -1.0
    return int(splits[np.argmax(gain)])


def _find_end(
    tracked: TrackedSeries, episode: Episode, seen: NDArray[np.bool_], check: int, threshold: float
) -> int | None:
    """Return the day of the first check that no longer saw the change, or None.

    It lasts while the last days are off the level before it by as much as matters, beyond chance: by the
    rolling comparison, or by the last two weeks compared with the level before.
    """
    clusters = tracked.checked.clusters
    for later in range(check + 1, len(clusters)):
        lasts = _is_apart(tracked, episode, later, threshold) and (
            seen[later]
            or compute_p_value_against_level(
                tracked, episode, max(episode.since, later + 1 - LAST_WEEKS), later + 1
            )
            <= LASTING_LEVEL
        )
        if not lasts or later - episode.since >= LONGEST_EPISODE:
            return int(clusters.last_days[later])
    return None


def _is_apart(tracked: TrackedSeries, episode: Episode, check: int, threshold: float) -> bool:
    """Return whether the last days are off the level before a change by as much as matters."""
    before = tracked.slice_values(episode.since - LONGEST_BASELINE, episode.since)
    last = tracked.slice_values(max(episode.since, check + 1 - LAST_DAYS), check + 1)
    if tracked.series.scale is SeriesScale.SHARE:
        shift = float(last.mean() - before.mean())
        return (shift if episode.rises else -shift) >= LEAST_POINTS
    return is_change_large(tracked.series.scale, before, last, rises=episode.rises, threshold=threshold)


def compute_p_value_against_level(tracked: TrackedSeries, episode: Episode, begin: int, end: int) -> float:
    """Return the p value of clusters being off the level before a change, in its direction."""
    first = max(0, episode.since - LONGEST_BASELINE)
    scores = measure_exceeded_shares(tracked, first, episode.since, end)
    before = scores[: episode.since - first]
    error = estimate_error_of_score_difference(before, end - begin) * tracked.measure_wander(end)
    shift = float(scores[begin - first :].mean() - before.mean())
    freedom = max(1, len(before) - 1)
    return float(special.stdtr(freedom, -(shift if episode.rises else -shift) / max(error, 1e-9)))


def measure_exceeded_shares(tracked: TrackedSeries, first: int, since: int, end: int) -> Floats:
    """Return for each cluster from ``first`` on the mean share of earlier values that its values exceed.

    The earlier values are those of the clusters ``first`` … ``since`` - 1. Shares are scored as they are.
    """
    clusters = tracked.checked.clusters
    bounds = clusters.bounds
    values = tracked.checked.values[bounds[first] : bounds[end]]
    if tracked.series.scale is SeriesScale.SHARE:
        scores = values
    else:
        ordered = np.sort(values[: bounds[since] - bounds[first]])
        counts = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
        scores = counts / (2 * max(1, len(ordered)))
    sums = np.add.reduceat(scores, bounds[first:end] - bounds[first])
    return np.asarray(sums / clusters.sizes[first:end], dtype=np.float64)


def estimate_error_of_score_difference(before: Floats, after: int) -> float:
    """Return the standard error of the mean of ``after`` clusters less that of the clusters before.

    Days that resemble their neighbours widen it.
    """
    deviations = before - before.mean()
    square_sum = float((deviations**2).sum())
    if len(before) < 2 or square_sum <= 0:  # noqa: PLR2004  # one value has no scatter
        return 0.0
    likeness = float((deviations[1:] * deviations[:-1]).sum()) / square_sum + 1 / len(before)
    inflation = 1 + 2 * min(0.4, max(0.0, likeness))
    return math.sqrt(square_sum / (len(before) - 1) * inflation * (1 / after + 1 / len(before)))
