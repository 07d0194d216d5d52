"""Conclude which weekdays and hours are slow for tasks of each type, as findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import tzinfo

import numpy as np

from stretto.analysis.calendar_patterns import (
    PATTERN_LEVEL,
    CalendarPattern,
    find_hour_pattern,
    find_weekday_pattern,
)
from stretto.analysis.rank_tests import select_discoveries
from stretto.analysis.series import Series, SeriesKind
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

SLOW_WEEKDAYS, SLOW_HOURS = "slow_weekdays", "slow_hours"


def judge_calendars(series: Iterable[Series], instant: int, zone: tzinfo) -> list[Finding]:
    """Return a finding about the weekdays, and another about the hours, of each series of task lengths.

    Of the patterns that are shown together at most a twentieth is false (Benjamini and Hochberg).
    """
    lengths = [each for each in series if each.kind is SeriesKind.TASK_LENGTH]
    findings = []
    for kind, find, name in (
        (SLOW_WEEKDAYS, find_weekday_pattern, _name_weekday),
        (SLOW_HOURS, find_hour_pattern, _name_hour),
    ):
        patterns = [find(each, instant, zone) for each in lengths]
        known = np.array([pattern.p for pattern in patterns if pattern.p is not None])
        level = min(PATTERN_LEVEL, select_discoveries(known, PATTERN_LEVEL))
        findings += [
            _conclude_pattern(kind, each, pattern, level, name)
            for each, pattern in zip(lengths, patterns, strict=True)
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
            f"Tasks ({', '.join(subject.values())}) take {effect:.2f} times as long as usual {name(slowest)},"
            f" and {least:.2f} times {name(fastest)}."
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
