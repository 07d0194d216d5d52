"""Make series from runs: values over time of one thing that may change, such as the lengths of a task type.

Lengths, tokens and money are kept as logarithms, because they scatter by factors and change by factors. Only
delivered work has a length; failures are a series of shares. A series that pools several task types knows the
type of each value, so that a change of the mix is not taken for a change of the types.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import starmap

import numpy as np
from numpy.typing import NDArray

from stretto.model.event import Outcome
from stretto.model.findings import RunLink
from stretto.model.run_rows_for_analyses import DELIVERED, SessionRun, TaskRun

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

JUDGED = frozenset({Outcome.SUCCESS, Outcome.FAILURE})
"""Outcomes that count for the share of failures: the others were not reported, or a person's choice."""

MOST_PER_DAY = 50
"""Most values of a day that are compared: evenly spaced ranks represent the rest."""


class SeriesKind(StrEnum):
    """What the values of a series are; the name of the finding about it."""

    TASK_LENGTH = "task_length"
    AGENT_LENGTH = "agent_length"
    PHASE_LENGTH = "phase_length"
    TOOL_LENGTH = "tool_length"
    HOOK_LENGTH = "hook_length"
    FANOUT_ELAPSED = "fanout_elapsed"
    TAIL_SHARE = "tail_share"
    """Share of tasks that are longer than 95 % of the earlier ones were."""
    FAILURE_SHARE = "failure_share"
    TASK_TOKENS = "task_tokens"
    TASK_DOLLARS = "task_dollars"
    QUALITY = "quality"
    ADOPTION = "adoption"
    """Whether a turn whose tasks could run in parallel ran them so."""
    EFFICIENCY = "efficiency"
    """Efficiency score of a day, as a share of its full points."""
    PROCESSOR_TIME = "processor_time"
    MEMORY_PEAK = "memory_peak"
    """Of a session's processes, as they were sampled."""


class SeriesScale(StrEnum):
    """How the values of a series are compared."""

    RATIO = "ratio"
    """Values are natural logarithms; a change is a factor."""
    SHARE = "share"
    """Values are 0 or 1; a change is a difference of shares."""
    POINTS = "points"
    """Values are from 0 to 1, more is better; a change is a difference."""


SCALES = {
    SeriesKind.TAIL_SHARE: SeriesScale.SHARE,
    SeriesKind.FAILURE_SHARE: SeriesScale.SHARE,
    SeriesKind.QUALITY: SeriesScale.POINTS,
    SeriesKind.ADOPTION: SeriesScale.SHARE,
    SeriesKind.EFFICIENCY: SeriesScale.POINTS,
}
"""The scale of each kind that is not compared as a ratio."""


@dataclass(frozen=True, slots=True)
class Series:
    """Values of one thing, by the time at which each run was over."""

    kind: SeriesKind
    subject: Mapping[str, str]
    times: Integers
    """Ends of the runs (ns), ascending."""
    values: Floats
    runs: Sequence[RunLink | None] = ()
    """The run of each value; empty if the values come from sums."""
    strata: NDArray[np.intp] | None = None
    """Number of the stratum of each value, if the series pools several task types."""
    stratum_names: tuple[str, ...] = ()
    missing: Integers | None = None
    """Times of the subject's runs without such a value, such as unreported tokens; None if not counted."""

    def measure_coverage(self, start: int, end: int) -> float | None:
        """Return the share of the subject's runs from ``start`` to before ``end`` (ns) that have a value.

        None if there are no such runs, or if those without a value were not counted.
        """
        if self.missing is None:
            return None
        known, missing = (
            int(np.count_nonzero((times >= start) & (times < end))) for times in (self.times, self.missing)
        )
        return known / (known + missing) if known + missing else None

    @property
    def scale(self) -> SeriesScale:
        """How its values are compared."""
        return SCALES.get(self.kind, SeriesScale.RATIO)

    @property
    def less_is_better(self) -> bool:
        """Whether a rise is a regression."""
        return self.scale is not SeriesScale.POINTS and self.kind is not SeriesKind.ADOPTION

    def select_values(self, chosen: NDArray[np.bool_], values: Floats | None = None) -> Series:
        """Return the series of the chosen runs, with other values if given."""
        kept = np.flatnonzero(chosen)
        return Series(
            self.kind,
            self.subject,
            self.times[kept],
            (self.values if values is None else values)[kept],
            [self.runs[number] for number in kept.tolist()] if self.runs else (),
            None if self.strata is None else self.strata[kept],
            self.stratum_names,
            self.missing,
        )


@dataclass(slots=True)
class _Collected:
    """Rows of one series while it is gathered, and the times of runs without a value."""

    rows: list[tuple[int, float, RunLink | None, str]] = field(default_factory=list)
    missing: list[int] | None = None

    def note_missing(self, time: int) -> None:
        """Note a run at a time (ns) without a value."""
        if self.missing is None:
            self.missing = []
        self.missing.append(time)

    def to_series(self, kind: SeriesKind, subject: tuple[tuple[str, str], ...]) -> Series:
        """Return the rows as a series, by time."""
        rows = sorted(self.rows, key=lambda row: row[0])
        names = tuple(sorted({row[3] for row in rows}))
        numbers = {name: number for number, name in enumerate(names)}
        return Series(
            kind,
            dict(subject),
            np.array([row[0] for row in rows], dtype=np.int64),
            np.array([row[1] for row in rows], dtype=np.float64),
            [row[2] for row in rows],
            np.array([numbers[row[3]] for row in rows], dtype=np.intp) if len(names) > 1 else None,
            names if len(names) > 1 else (),
            None if self.missing is None else np.array(sorted(self.missing), dtype=np.int64),
        )


Key = tuple[SeriesKind, tuple[tuple[str, str], ...]]


def make_all_task_value_series(tasks: Iterable[TaskRun]) -> list[Series]:
    """Return the series of tasks: lengths by type, agent and phase, failures, tokens and money by type."""
    collected: dict[Key, _Collected] = defaultdict(lambda: _Collected(missing=[]))
    for task in tasks:
        end = task.start + (task.length or 0)
        by_type = _name_subject(pattern=task.pattern, type=task.type)
        for key in _list_missing_values(task, by_type):
            collected[key].note_missing(end)
        if task.length is None:
            continue
        stratum = f"{task.pattern or ''}/{task.type}"
        link = RunLink(task.session, task.task)
        for kind, subject, value, pooled in _list_task_values(task, by_type):
            collected[kind, subject].rows.append((end, value, link, stratum if pooled else ""))
    return _make_known_series(collected)


def _list_missing_values(task: TaskRun, by_type: tuple[tuple[str, str], ...]) -> Iterator[Key]:
    """Yield the series by type and agent that a task would belong to if its value were known."""
    if task.outcome is Outcome.UNKNOWN:
        yield SeriesKind.FAILURE_SHARE, by_type
    if not task.is_delivered:
        return
    if not task.length:
        yield SeriesKind.TASK_LENGTH, by_type
        if task.agent is not None:
            yield SeriesKind.AGENT_LENGTH, _name_subject(agent=task.agent)
        if task.phase is not None:
            yield SeriesKind.PHASE_LENGTH, _name_subject(phase=task.phase)
    if not (task.tokens and task.length):
        yield SeriesKind.TASK_TOKENS, by_type
    if not (task.dollars and task.length):
        yield SeriesKind.TASK_DOLLARS, by_type


def _make_known_series(collected: Mapping[Key, _Collected]) -> list[Series]:
    """Return the series of which values are known, by kind and subject."""
    return [
        rows.to_series(kind, subject)
        for (kind, subject), rows in sorted(collected.items(), key=_sort_key)
        if rows.rows
    ]


def _list_task_values(
    task: TaskRun, by_type: tuple[tuple[str, str], ...]
) -> list[tuple[SeriesKind, tuple[tuple[str, str], ...], float, bool]]:
    """Return (kind, subject, value, whether the series pools types) of every series a task belongs to."""
    values: list[tuple[SeriesKind, tuple[tuple[str, str], ...], float, bool]] = []
    if task.outcome in JUDGED:
        failed = float(task.outcome is Outcome.FAILURE)
        values.append((SeriesKind.FAILURE_SHARE, by_type, failed, False))
    if task.is_delivered and task.length:
        length = math.log(task.length)
        values.append((SeriesKind.TASK_LENGTH, by_type, length, False))
        if task.agent is not None:
            values.append((SeriesKind.AGENT_LENGTH, _name_subject(agent=task.agent), length, True))
        if task.phase is not None:
            values.append((SeriesKind.PHASE_LENGTH, _name_subject(phase=task.phase), length, True))
        if task.tokens:
            values.append((SeriesKind.TASK_TOKENS, by_type, math.log(task.tokens), False))
        if task.dollars:
            values.append((SeriesKind.TASK_DOLLARS, by_type, math.log(task.dollars), False))
    return values


def make_fanout_elapsed_series(sessions: Iterable[SessionRun]) -> list[Series]:
    """Return the series of the elapsed time of parallel work, by pattern and mix of task types.

    The mix is part of the subject, such as ``docs + 2 tests``, so that unlike work is never compared.
    """
    collected: dict[Key, _Collected] = defaultdict(_Collected)
    for session in sessions:
        if not session.elapsed or session.outcome not in DELIVERED or not session.task_types:
            continue
        subject = _name_subject(pattern=session.pattern, mix=describe_task_counts(session.task_types))
        row = (session.end, math.log(session.elapsed), RunLink(session.session), "")
        collected[SeriesKind.FANOUT_ELAPSED, subject].rows.append(row)
    return _make_known_series(collected)


def make_resource_series(sessions: Iterable[SessionRun]) -> list[Series]:
    """Return the series of the processor time and the peak of memory of sessions, by pattern."""
    collected: dict[Key, _Collected] = defaultdict(lambda: _Collected(missing=[]))
    for session in sessions:
        if not session.task_types:
            continue
        subject, link = _name_subject(pattern=session.pattern), RunLink(session.session)
        for kind, value in (
            (SeriesKind.PROCESSOR_TIME, session.cpu_seconds),
            (SeriesKind.MEMORY_PEAK, session.memory_peak),
        ):
            if value:
                collected[kind, subject].rows.append((session.end, math.log(value), link, ""))
            else:
                collected[kind, subject].note_missing(session.end)
    return _make_known_series(collected)


def make_adoption_series(subject: Mapping[str, str], days: Iterable[tuple[int, int, int]]) -> Series:
    """Return the series of turns, known by day as (time, turns that ran in parallel, turns that could).

    Example: a day of 2 of 3 turns has the values 1, 1 and 0.
    """
    times: list[int] = []
    values: list[float] = []
    for time, parallel, eligible in sorted(days):
        times += [time] * eligible
        values += [1.0] * parallel + [0.0] * (eligible - parallel)
    return Series(
        SeriesKind.ADOPTION, subject, np.array(times, dtype=np.int64), np.array(values, dtype=np.float64)
    )


def make_efficiency_series(subject: Mapping[str, str], days: Iterable[tuple[int, float]]) -> Series:
    """Return the series of an efficiency score, known by day as (time, share of the full points)."""
    rows = sorted(days)
    return Series(
        SeriesKind.EFFICIENCY,
        subject,
        np.array([time for time, _ in rows], dtype=np.int64),
        np.array([score for _, score in rows], dtype=np.float64),
    )


def make_quality_series(
    judged: Iterable[tuple[int, float, RunLink | None]], subject: Mapping[str, str]
) -> Series:
    """Return the series of judgements, each as (time, share of the full points from 0 to 1, run)."""
    collected = _Collected([(time, points, link, "") for time, points, link in judged])
    return collected.to_series(SeriesKind.QUALITY, tuple(subject.items()))


def make_series_of_day_sums(
    kind: SeriesKind,
    subject: Mapping[str, str],
    days: Iterable[tuple[int, Mapping[int, int]]],
    most: int = MOST_PER_DAY,
) -> Series:
    """Return the series of tools or hooks, known by day as (start of the day, length → count).

    A day with more than ``most`` values is represented by as many evenly spaced ranks.
    """
    times: list[int] = []
    values: list[Floats] = []
    for start, counts in sorted(days, key=lambda day: day[0]):
        lengths = sorted((length, count) for length, count in counts.items() if length > 0 and count > 0)
        if lengths:
            logs = np.log([length for length, _ in lengths])
            thinned = thin_by_rank(np.repeat(logs, [count for _, count in lengths]), most)
            values.append(thinned)
            times += [start] * len(thinned)
    return Series(
        kind, subject, np.array(times, dtype=np.int64), np.concatenate(values) if values else np.empty(0)
    )


def thin_by_rank(values: Floats, most: int) -> Floats:
    """Return at most ``most`` of the sorted values, at evenly spaced ranks."""
    if len(values) <= most:
        return np.sort(values)
    ranks = ((np.arange(most) + 0.5) * len(values) / most).astype(np.intp)
    return np.asarray(np.sort(values)[ranks], dtype=np.float64)


def choose_by_rank(values: Floats, days: NDArray[np.intp], most: int = MOST_PER_DAY) -> NDArray[np.bool_]:
    """Return which values to keep so that no day has more than ``most``: those at evenly spaced ranks."""
    kept = np.ones(len(values), dtype=bool)
    counts = np.bincount(days) if len(days) else np.zeros(0, dtype=np.intp)
    for day in np.flatnonzero(counts > most):
        inside = np.flatnonzero(days == day)
        ranks = ((np.arange(most) + 0.5) * len(inside) / most).astype(np.intp)
        kept[inside] = False
        kept[inside[np.argsort(values[inside], kind="stable")[ranks]]] = True
    return kept


def describe_task_counts(task_types: Mapping[str, int]) -> str:
    """Return the tasks of a session by type as text: ``docs + 2 tests``."""
    return " + ".join(starmap(_describe_part, sorted(task_types.items())))


def _describe_part(type_: str, count: int) -> str:
    """Return the number of tasks of a type as text."""
    return type_ if count == 1 else f"{count} {type_}"


def _name_subject(**dimensions: str | None) -> tuple[tuple[str, str], ...]:
    """Return the known dimensions of a subject."""
    return tuple((name, value) for name, value in dimensions.items() if value is not None)


def _sort_key(item: tuple[Key, _Collected]) -> Key:
    """Return the key by which series are ordered."""
    return item[0]
