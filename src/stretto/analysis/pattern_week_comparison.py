"""Compare each pattern's sessions of the last week with those before, and name its best three days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from stretto.analysis.fastest_three_days_in_a_row import PERIOD_DAYS, BestPeriod, find_best_three_days
from stretto.analysis.session_group_comparison import LEVEL, GroupComparison, compare_groups
from stretto.clock import DAY, SECOND
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict
from stretto.model.run_rows_for_analyses import SessionRun

WEEK_DAYS = 7
USUAL_DAYS = 28


def compare_last_week_with_month_before(
    sessions: Mapping[str, Sequence[SessionRun]], instant: int, zone: tzinfo
) -> list[Finding]:
    """Return a finding about the last seven days of each pattern against the 28 before, and its best period.

    All patterns together are called different by chance in at most 5 of 100 weeks: the level is divided by
    their number (Bonferroni).
    """
    begin, since = instant - WEEK_DAYS * DAY, instant - (WEEK_DAYS + USUAL_DAYS) * DAY
    level = LEVEL / max(1, len(sessions))
    findings = []
    for pattern, runs in sessions.items():
        usual = [run for run in runs if since <= run.start < begin]
        recent = [run for run in runs if begin <= run.start <= instant]
        findings.append(_conclude_week(pattern, compare_groups(usual, recent, level=level)))
        findings.append(_conclude_best(pattern, find_best_three_days([*usual, *recent]), level, zone))
    return findings


def _conclude_week(pattern: str, compared: GroupComparison) -> Finding:
    elapsed, success = compared.elapsed, compared.success
    evidence = FindingEvidence(n=sum(compared.days))
    if elapsed is not None:
        evidence = FindingEvidence(
            n=sum(compared.days), effect=elapsed.effect, low=elapsed.low, high=elapsed.high, p=elapsed.p
        )
    return Finding(
        "week",
        {"pattern": pattern},
        compared.verdict,
        evidence,
        reason=compared.reason,
        details={
            "days_before": float(compared.days[0]),
            "days": float(compared.days[1]),
            "success_change": None if success is None else success.effect,
            "success_low": None if success is None else success.low,
            "success_high": None if success is None else success.high,
        },
    )


def _conclude_best(pattern: str, best: BestPeriod, level: float, zone: tzinfo) -> Finding:
    """Return the finding about the best three days in a row; most of the time they are luck."""
    if best.start is None or best.p is None:
        evidence = FindingEvidence(n=best.days)
        return Finding(
            "best_period", {"pattern": pattern}, FindingVerdict.TOO_LITTLE_DATA, evidence, reason=best.reason
        )
    day = datetime.fromtimestamp(best.start // SECOND, zone)
    conditions = ", ".join(best.conditions)
    advice = ""
    if best.p <= level:
        advice = (
            f"{pattern} was fastest in the {PERIOD_DAYS} days from {day.day} {day:%B} on:"
            f" {best.ratio:.2f} times the usual time per task, beyond luck (p {best.p:.3f})"
            + (f"; most of those sessions had {conditions}, most others not." if conditions else ".")
        )
    return Finding(
        "best_period",
        {"pattern": pattern},
        FindingVerdict.NO_EVIDENCE,
        FindingEvidence(n=best.days, effect=best.ratio if advice else None, p=best.p),
        since=best.start if advice else None,
        reason="" if advice else "the best three days are no better than luck makes them",
        advice=advice,
        details={"conditions": conditions or None},
    )
