"""Describe finished runs of a kind: how many, how long, how they are spread, day by day, the slowest ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from stretto.clock import DAY, SECOND
from stretto.figures.messages_between_agents import Conversation
from stretto.figures.quantile_sketch import compute_quantile, get_bucket_value, pick_quantile
from stretto.model.event import Outcome

MOST_LISTED = 10
"""Most runs in each list."""

MOST_DAYS = 92
"""Most days of a trend: the newest ones with the days between them."""

STEPS = (1.0, 2.0, 5.0)
"""The bounds of lengths in each power of ten, so that they read well: 1, 2, 5, 10, 20 s."""


@dataclass(frozen=True, slots=True)
class RunPoint:
    """A finished task, session or call; times and lengths in nanoseconds."""

    session: str
    task: str | None
    """None if the run is a session, or a call of its main agent."""
    start: int
    length: int | None
    outcome: Outcome
    type: str | None = None
    agent: str | None = None
    project: str | None = None
    is_pruned: bool = False
    """Whether its session is no longer stored, so that it has no page."""


@dataclass(frozen=True, slots=True)
class DayOfRuns:
    """The runs that began on a day; ``median`` is in seconds, None without a known length."""

    day: int
    runs: int
    failed: int
    median: float | None


@dataclass(frozen=True, slots=True)
class LengthHistogramBin:
    """The number of runs with a length from ``low`` to below ``high``, in seconds."""

    low: float
    high: float
    runs: int


@dataclass(frozen=True, slots=True)
class RunProfile:
    """Finished runs of a kind; lengths in seconds, None where no length is known."""

    runs: int
    failed: int
    judged: int
    """Runs with a known outcome."""
    sessions: int
    median: float | None
    p95: float | None
    longest: float | None
    days: tuple[DayOfRuns, ...]
    """From the first day with runs to the last, days without any included."""
    ranges: tuple[LengthHistogramBin, ...]
    slowest: tuple[RunPoint, ...]
    failing: tuple[RunPoint, ...]
    """The latest ones."""
    is_clipped: bool = False
    """Whether there are more runs, older than these."""
    conversations: tuple[Conversation, ...] = ()
    """Who talked to whom, if these are sessions."""
    listed_sessions: int | None = None
    """So many of the latest sessions have the slowest and the failing runs; None if all have them."""


def build_run_profile(points: Iterable[RunPoint], *, read_limit: int | None = None) -> RunProfile:
    """Return the profile of some runs; as many as ``read_limit`` are taken for the newest alone."""
    runs = sorted(points, key=lambda run: (run.start, run.session, run.task or ""))
    lengths = sorted(run.length / SECOND for run in runs if run.length is not None)
    failing = [run for run in runs if run.outcome is Outcome.FAILURE]
    return RunProfile(
        runs=len(runs),
        failed=len(failing),
        judged=len(failing) + sum(run.outcome is Outcome.SUCCESS for run in runs),
        sessions=len({run.session for run in runs}),
        median=pick_quantile(lengths, 0.5),
        p95=pick_quantile(lengths, 0.95),
        longest=lengths[-1] if lengths else None,
        days=_split_by_day(runs),
        ranges=_count_ranges([(length, 1) for length in lengths]),
        slowest=list_slowest(runs),
        failing=tuple(reversed(failing[-MOST_LISTED:])),
        is_clipped=len(runs) == read_limit,
    )


def list_slowest(runs: Iterable[RunPoint]) -> tuple[RunPoint, ...]:
    """Return the runs that took longest, at most ``MOST_LISTED``; those of equal length keep their order."""
    known = (run for run in runs if run.length)
    return tuple(sorted(known, key=lambda run: -(run.length or 0))[:MOST_LISTED])


@dataclass(frozen=True, slots=True)
class DayOfCalls:
    """The calls of a day: their number by outcome, and the sketch of their lengths (``quantile_sketch``)."""

    by_outcome: Mapping[str, int]
    lengths: Mapping[int, int]


def build_call_profile(by_day: Mapping[int, DayOfCalls]) -> RunProfile:
    """Return the profile of calls from their sums, which have no single call."""
    outcomes: Counter[str] = Counter()
    sketch: Counter[int] = Counter()
    for day in by_day.values():
        outcomes.update(day.by_outcome)
        sketch.update(day.lengths)
    failed = outcomes[Outcome.FAILURE.value]
    lengths = [(get_bucket_value(bucket) / SECOND, count) for bucket, count in sorted(sketch.items())]
    return RunProfile(
        runs=outcomes.total(),
        failed=failed,
        judged=failed + outcomes[Outcome.SUCCESS.value],
        sessions=0,
        median=_to_seconds(compute_quantile(sketch, 0.5)),
        p95=_to_seconds(compute_quantile(sketch, 0.95)),
        longest=lengths[-1][0] if lengths else None,
        days=tuple(_describe_day_of_calls(day, by_day.get(day)) for day in _list_days(by_day)),
        ranges=_count_ranges(lengths),
        slowest=(),
        failing=(),
    )


def _describe_day_of_calls(day: int, calls: DayOfCalls | None) -> DayOfRuns:
    if calls is None:
        return DayOfRuns(day, 0, 0, None)
    return DayOfRuns(
        day,
        sum(calls.by_outcome.values()),
        calls.by_outcome.get(Outcome.FAILURE.value, 0),
        _to_seconds(compute_quantile(calls.lengths, 0.5)),
    )


def _to_seconds(length: float | None) -> float | None:
    return None if length is None else length / SECOND


def _list_days(by_day: Iterable[int]) -> range:
    """Return the days from the first to the last, ``MOST_DAYS`` at most."""
    days = [*by_day]
    return range(max(min(days), max(days) - MOST_DAYS + 1), max(days) + 1) if days else range(0)


def _split_by_day(runs: Sequence[RunPoint]) -> tuple[DayOfRuns, ...]:
    by_day = {day: [*group] for day, group in groupby(runs, key=lambda run: run.start // DAY)}
    return tuple(_describe_day(day, by_day.get(day, [])) for day in _list_days(by_day))


def _describe_day(day: int, runs: Sequence[RunPoint]) -> DayOfRuns:
    lengths = sorted(run.length / SECOND for run in runs if run.length is not None)
    failed = sum(run.outcome is Outcome.FAILURE for run in runs)
    return DayOfRuns(day, len(runs), failed, pick_quantile(lengths, 0.5))


def _count_ranges(lengths: Sequence[tuple[float, int]]) -> tuple[LengthHistogramBin, ...]:
    """Return how many lengths lie between the bounds 1, 2, 5, 10, 20 … s, from the least to the most.

    ``lengths`` are (seconds, number of runs), sorted.
    """
    if not lengths:
        return ()
    bounds = [_find_bound_below(lengths[0][0])]
    while bounds[-1] <= lengths[-1][0]:
        bounds.append(_find_next_bound(bounds[-1]))
    counts = [0] * (len(bounds) - 1)
    place = 0
    for length, number in lengths:
        while length >= bounds[place + 1]:
            place += 1
        counts[place] += number
    return tuple(
        LengthHistogramBin(low, high, count)
        for low, high, count in zip(bounds, bounds[1:], counts, strict=False)
    )


@dataclass(frozen=True, slots=True)
class AlignedRange:
    """The runs of each of several spreads with a length from ``low`` to below ``high``, in seconds."""

    low: float
    high: float
    runs: tuple[int, ...]


def align_ranges(spreads: Sequence[Sequence[LengthHistogramBin]]) -> list[AlignedRange]:
    """Return all ranges from the least length of any spread to the most, with the runs of each spread."""
    known = [each for spread in spreads for each in spread]
    if not known:
        return []
    counts = [{each.low: each.runs for each in spread} for spread in spreads]
    bounds = [min(each.low for each in known)]
    while bounds[-1] < max(each.high for each in known):
        bounds.append(_find_next_bound(bounds[-1]))
    return [
        AlignedRange(low, high, tuple(runs.get(low, 0) for runs in counts)) for low, high in pairwise(bounds)
    ]


_LEAST = 0.1
"""Bound in seconds below which lengths are not told apart; the first range begins at 0."""


def _find_bound_below(length: float) -> float:
    if length < _LEAST:
        return 0.0
    bound = _LEAST
    while (following := _find_next_bound(bound)) <= length:
        bound = following
    return bound


def _find_next_bound(bound: float) -> float:
    if not bound:
        return _LEAST
    power = _LEAST
    while power * 10 <= bound * (1 + 1e-9):
        power *= 10
    for step in (*STEPS, 10.0):
        if power * step > bound * (1 + 1e-9):
            return round(power * step, 6)
    raise AssertionError("the next power of ten is larger")
