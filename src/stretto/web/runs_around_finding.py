"""Describe and draw the runs that a finding is about, before and since its change began."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from stretto.clock import DAY
from stretto.figures.finished_run_statistics import AlignedRange, DayOfRuns, RunProfile, align_ranges
from stretto.format import quantities
from stretto.names import NONE
from stretto.store.finding_history_and_last_answers import StoredFinding
from stretto.store.finished_runs_of_a_kind import RunFilter
from stretto.summaries.run_statistics_by_kind import ProfileKind
from stretto.summaries.time_window import TimeWindow, make_bounded_window
from stretto.web.backend import Backend
from stretto.web.bar_chart import BEFORE, GAIN, BarInput, ChartBar, lay_out_upright_bars
from stretto.web.run_statistics_view import describe_day, describe_profile, format_day, format_range
from stretto.web.subject_links import link_sessions

DAYS_AROUND = 14
"""Days before and since a change whose runs are described."""

_TASK_FIELDS = {
    "type": RunFilter.TYPE, "agent": RunFilter.AGENT, "model": RunFilter.MODEL, "pattern": RunFilter.PATTERN,
    "project": RunFilter.PROJECT,
}  # fmt: skip
"""Dimension of a subject → the field of a task."""


@dataclass(frozen=True, slots=True)
class SubjectRuns:
    """The runs of a subject: what they are called, whose they are, and how to read those of a window."""

    nouns: tuple[str, str]
    values: Mapping[str, str]
    """The dimensions of the subject by which they are chosen."""
    read: Callable[[TimeWindow], RunProfile]


@dataclass(frozen=True, slots=True)
class PeriodOfRuns:
    """The runs of a time in words."""

    title: str
    sentence: str
    sessions: str
    """The address of their sessions."""


@dataclass(frozen=True, slots=True)
class LengthRow:
    """The number of runs with a length, in each time."""

    length: str
    runs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RunsAroundFinding:
    """The runs that a finding is about: before and since the change, or of the last days if none is dated."""

    title: str
    nouns: tuple[str, str]
    periods: Sequence[PeriodOfRuns]
    trend: Sequence[ChartBar]
    """Median length by day; empty with fewer than two days."""
    first_day: str
    last_day: str
    spread: Sequence[ChartBar]
    """Share of the runs by length, those of each time side by side; empty with fewer than two ranges."""
    lengths: Sequence[LengthRow]


def find_subject_runs(backend: Backend, subject: Mapping[str, str]) -> SubjectRuns | None:
    """Return the runs of a subject; None if no kind of run has its dimensions, such as a phase.

    Those of a part of a pattern, such as a mix of task types, are the sessions of the whole pattern.
    """
    if "tool" in subject:
        name = subject["tool"]
        return SubjectRuns(
            ("call", "calls"),
            {"tool": name},
            lambda window: backend.run_profile(ProfileKind.TOOL, name, window),
        )
    if "pattern" in subject and not {"type", "agent"} & subject.keys():
        pattern = subject["pattern"]
        return SubjectRuns(
            ("session", "sessions"),
            {"pattern": pattern},
            lambda window: backend.run_profile(ProfileKind.PATTERN, pattern, window),
        )
    if not subject or subject.keys() - _TASK_FIELDS.keys():
        return None
    chosen = {_TASK_FIELDS[name]: None if value == NONE else value for name, value in subject.items()}
    return SubjectRuns(("task", "tasks"), subject, lambda window: backend.task_profile(chosen, window))


def describe_runs_around(backend: Backend, stored: StoredFinding, now: int) -> RunsAroundFinding | None:
    """Return the runs that a finding is about; None if it is about none that are kept.

    A change counts from the beginning of its day (UTC) on.
    """
    runs = find_subject_runs(backend, stored.finding.subject)
    if runs is None:
        return None
    windows = choose_windows(stored, now)
    profiles = [runs.read(window) for _, window in windows]
    tones = (BEFORE, GAIN) if len(windows) > 1 else (GAIN,)
    ranges = align_ranges([profile.ranges for profile in profiles])
    days = [
        (day, tone) for profile, tone in zip(profiles, tones, strict=True) for day in profile.days if day.runs
    ]
    names = ", ".join(runs.values.values())
    return RunsAroundFinding(
        title=f"{runs.nouns[1].capitalize()} of {names}",
        nouns=runs.nouns,
        periods=[
            PeriodOfRuns(
                title,
                describe_profile(profile, *runs.nouns).sentence,
                link_sessions(runs.values, window.start, window.end),
            )
            for (title, window), profile in zip(windows, profiles, strict=True)
        ],
        trend=_draw_days(days, runs) if len(days) > 1 else (),
        first_day=format_day(days[0][0].day) if days else "",
        last_day=format_day(days[-1][0].day) if days else "",
        spread=_draw_shares(ranges, tones, runs.nouns) if len(ranges) > 1 else (),
        lengths=[LengthRow(format_range(each.low, each.high), each.runs) for each in ranges],
    )


def choose_windows(stored: StoredFinding, now: int) -> list[tuple[str, TimeWindow]]:
    """Return the times whose runs are described, with titles: before a change and since, or the last days."""
    length, since = DAYS_AROUND * DAY, stored.finding.since
    if since is None:
        last = min(now, now if stored.ended is None else stored.ended)
        end = last - last % DAY + DAY
        return [(f"The last {2 * DAYS_AROUND} days", make_bounded_window(end - 2 * length, end))]
    begin = since - since % DAY
    return [
        (f"Before {format_day(begin // DAY)}", make_bounded_window(begin - length, begin)),
        (f"Since {format_day(begin // DAY)}", make_bounded_window(begin, begin + length)),
    ]


def _draw_days(days: Sequence[tuple[DayOfRuns, str]], runs: SubjectRuns) -> Sequence[ChartBar]:
    """Return the median of each day from the first to the last; a day without runs is empty."""
    # A session counts in the time of its end, so that the day of its beginning may be in both times.
    by_day = {day.day: (day, tone) for day, tone in sorted(days, key=lambda each: each[0].runs)}
    bars = []
    for place in range(min(by_day), max(by_day) + 1):
        day, tone = by_day.get(place, (DayOfRuns(place, 0, 0, None), GAIN))
        sessions = link_sessions(runs.values, place * DAY, (place + 1) * DAY) if day.runs else None
        bars.append(BarInput(day.median, describe_day(day, *runs.nouns), sessions, tone))
    return lay_out_upright_bars(bars)


def _draw_shares(
    ranges: Sequence[AlignedRange], tones: Sequence[str], nouns: tuple[str, str]
) -> Sequence[ChartBar]:
    totals = [sum(each.runs[place] for each in ranges) for place in range(len(tones))]
    return lay_out_upright_bars(
        BarInput(
            runs / total if total else None,
            f"{format_range(each.low, each.high)}: {quantities.format_count_with_noun(runs, *nouns)}"
            + (f", {quantities.format_percent(runs / total)}" if total else "")
            + (" before" if tone == BEFORE else ""),
            tone=tone,
        )
        for each in ranges
        for runs, total, tone in zip(each.runs, totals, tones, strict=True)
    )
