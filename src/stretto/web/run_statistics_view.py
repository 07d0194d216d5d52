"""Put the profile of runs into words and drawings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from stretto.clock import DAY, SECOND
from stretto.figures.finished_run_statistics import DayOfRuns, RunPoint, RunProfile
from stretto.format import quantities
from stretto.web.bar_chart import BarInput, ChartBar, lay_out_upright_bars

FEWEST_FOR_SHARES = 5
"""Fewest runs of which shares are named."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as a row: what it is, where it is, how long it took."""

    name: str
    run: RunPoint


@dataclass(frozen=True, slots=True)
class ProfileView:
    """A profile as a page shows it."""

    profile: RunProfile
    sentence: str
    trend: Sequence[ChartBar]
    """Median length by day; empty with fewer than two days."""
    first_day: str
    last_day: str
    spread: Sequence[ChartBar]
    """Number of runs by length; empty with fewer than two ranges."""
    ranges: Sequence[tuple[str, int]]
    """The same as texts and numbers."""
    slowest: Sequence[RunRow]
    failing: Sequence[RunRow]


def describe_profile(profile: RunProfile, noun: str, plural: str | None = None) -> ProfileView:
    """Return the profile in words; ``noun`` names one of its runs."""
    days = profile.days if len(profile.days) > 1 else ()
    ranges = profile.ranges if len(profile.ranges) > 1 else ()
    return ProfileView(
        profile=profile,
        sentence=_describe_runs(profile, noun, plural),
        trend=lay_out_upright_bars(
            BarInput(day.median, describe_day(day, noun, plural),
                     f"?from={format_day(day.day)}&to={format_day(day.day)}" if day.runs else None)
            for day in days
        ),
        first_day=format_day(days[0].day) if days else "",
        last_day=format_day(days[-1].day) if days else "",
        spread=lay_out_upright_bars(
            BarInput(each.runs, f"{format_range(each.low, each.high)}: "
                     f"{quantities.format_count_with_noun(each.runs, noun, plural)}")
            for each in ranges
        ),
        ranges=[(format_range(each.low, each.high), each.runs) for each in profile.ranges],
        slowest=[RunRow(_name_run(run), run) for run in profile.slowest],
        failing=[RunRow(_name_run(run), run) for run in profile.failing],
    )  # fmt: skip


def _describe_runs(profile: RunProfile, noun: str, plural: str | None) -> str:
    if not profile.runs:
        return f"No finished {noun}."
    sentences = [quantities.format_count_with_noun(profile.runs, noun, plural)]
    if profile.is_clipped:
        sentences[0] = f"the newest {sentences[0]}"
    if profile.sessions and noun != "session":
        sentences[0] += f" in {quantities.format_count_with_noun(profile.sessions, 'session')}"
    if profile.longest is not None and profile.runs < FEWEST_FOR_SHARES:
        sentences.append(f"The longest took {quantities.format_duration(profile.longest)}")
    elif profile.median is not None and profile.p95 is not None:
        half, most = map(quantities.format_duration, (profile.median, profile.p95))
        sentences.append(f"Half took {half} or less, 95 of 100 took {most} or less")
    if profile.judged:
        failed = quantities.format_count(profile.failed) if profile.failed else "None"
        sentences.append(f"{failed} of {quantities.format_count(profile.judged)} with a known outcome failed")
    else:
        sentences.append("No outcome was reported")
    return f"{'. '.join(sentences)}."


def describe_day(day: DayOfRuns, noun: str, plural: str | None) -> str:
    """Return the runs of a day in words. Example: ``2026-11-17: 3 tasks, half of them 20 s or less``."""
    if not day.runs:
        return f"{format_day(day.day)}: none"
    text = f"{format_day(day.day)}: {quantities.format_count_with_noun(day.runs, noun, plural)}"
    if day.median is not None:
        text += f", half of them {quantities.format_duration(day.median)} or less"
    return text + (f", {quantities.format_count(day.failed)} failed" if day.failed else "")


def format_day(day: int) -> str:
    """Return the date of a day, which is counted from 1970 in UTC."""
    return datetime.fromtimestamp(day * DAY // SECOND, UTC).date().isoformat()


def format_range(low: float, high: float) -> str:
    """Return a range of lengths in seconds. Example: ``10 s to 20 s``."""
    return f"{quantities.format_duration(low)} to {quantities.format_duration(high)}"


def _name_run(run: RunPoint) -> str:
    what = run.type or "session"
    return f"{what} by {run.agent}" if run.agent else what
