"""Conclude which weekdays and hours are slow for tasks of each type and parallel work, as findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np

from stretto.analysis.calendar_patterns import (
    PATTERN_LEVEL,
    CalendarPattern,
    find_hour_pattern,
    find_weekday_pattern,
)
from stretto.analysis.recent_days_rank_tests import select_discoveries
from stretto.analysis.series_of_run_values import Series, SeriesKind
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

SLOW_WEEKDAYS, SLOW_HOURS = "slow_weekdays", "slow_hours"


_NOUNS = {SeriesKind.TASK_LENGTH: "Tasks", SeriesKind.FANOUT_ELAPSED: "Parallel executions"}
"""The series whose calendar is looked at, with their name in a sentence."""


@dataclass(frozen=True, slots=True)
class SeriesCalendar:
    """A series of lengths with its weekdays and its hours."""

    series: Series
    weekdays: CalendarPattern
    hours: CalendarPattern


def find_calendars(series: Iterable[Series], instant: int, zone: tzinfo) -> list[SeriesCalendar]:
    """Return the calendar of each series of task lengths and of parallel executions, in their order."""
    return [
        SeriesCalendar(
            each, find_weekday_pattern(each, instant, zone), find_hour_pattern(each, instant, zone)
        )
        for each in series
        if each.kind in _NOUNS
    ]


def judge_calendars(calendars: Sequence[SeriesCalendar]) -> list[Finding]:
    """Return a finding about the weekdays, and another about the hours, of each series.

    Of the patterns that are shown together at most a twentieth is false (Benjamini and Hochberg).
    """
    findings = []
    for kind, name, patterns in (
        (SLOW_WEEKDAYS, _name_weekday, [each.weekdays for each in calendars]),
        (SLOW_HOURS, _name_hour, [each.hours for each in calendars]),
    ):
        known = np.array([pattern.p for pattern in patterns if pattern.p is not None])
        level = min(PATTERN_LEVEL, select_discoveries(known, PATTERN_LEVEL))
        findings += [
            _conclude_pattern(kind, each.series, pattern, level, name)
            for each, pattern in zip(calendars, patterns, strict=True)
        ]
    return findings


def _conclude_pattern(
    kind: str, series: Series, pattern: CalendarPattern, level: float, name: Callable[[int], str]
) -> Finding:
    """Return the finding about a pattern; it has advice if the pattern counts."""
    subject = dict(series.subject)
    if pattern.p is None:
        evidence = FindingEvidence(n=pattern.days)
        return Finding(kind, subject, FindingVerdict.TOO_LITTLE_DATA, evidence, reason=pattern.reason)
    slowest, fastest = pattern.slowest, pattern.fastest
    advice, effect = "", None
    if slowest is not None and fastest is not None and pattern.p <= level:
        effect, least = pattern.factors[slowest], pattern.factors[fastest]
        advice = (
            f"{_NOUNS[series.kind]} ({', '.join(subject.values())}) take {effect:.2f} times as long as usual"
            f" {name(slowest)}, and {least:.2f} times {name(fastest)}."
        )
    details = {str(number): factor for number, factor in enumerate(pattern.factors) if factor is not None}
    return Finding(
        kind,
        subject,
        FindingVerdict.NO_EVIDENCE,
        FindingEvidence(n=pattern.days, effect=effect, p=pattern.p, detectable=pattern.detectable),
        advice=advice,
        details=details,
    )


def _name_weekday(number: int) -> str:
    """Return a weekday after "usual": ``on Monday``."""
    return f"on {WEEKDAYS[number]}"


def _name_hour(number: int) -> str:
    """Return an hour after "usual": ``from 14 to 15 h``."""
    return f"from {number} to {number + 1} h"
