"""The table's rows about silence: drawn stores in which nothing changed, looked at on each day of a month.

They go the whole way: sessions are written to a journal, taken into a store, and judged by the process' entry
point. A series that the service would export is compared with the limits of the shipped alert. No Prometheus
runs: its rule waits for 15 s, and a regression stands at least until the next answer, five minutes later.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from stretto.findings.findings_snapshot import FindingsState
from stretto.findings.regression_and_experiment_figures import compute_finding_figures
from stretto.model.findings import Finding, FindingVerdict
from stretto.store.finding_history_and_last_answers import StoredFinding, make_finding_id
from tests.detectors.change_rows import MOST_FALSE
from tests.detectors.journaled_store import ask_analyses
from tests.detectors.rows import Row, make_frequency, make_rate
from tests.fakes import ROOT, store
from tests.month import end_of_day, month_of_sessions

ANSWER = "A"
STORES, WARM_DAYS, DAYS = 200, 10, 30
"""Drawn stores, the days before the first look, and the days that are looked at."""

SCENARIO = "a"
"""The scenario of the promised rate: the drawn lengths are independent, too."""

WITHOUT_CRITICAL = 0.95
"""The least share of months without a critical alert. No specification has it: it is what we ask for."""


@dataclass(frozen=True, slots=True)
class QuietMonth:
    """What a store in which nothing changed says on the days of a month."""

    series: float
    """Series with enough data, as the mean of the days."""
    episodes: int
    """Regressions that began."""
    highest: float
    """The highest ratio that an alert saw; 0 without any."""


def measure_quiet_months(*, long: bool) -> Iterator[Row]:
    """Yield, if long, how many false episodes stores have, and in which share nothing is raised or alerts.

    A series may have so many false episodes a month as is promised, and a store has several series. Were the
    series independent, the share of months without any would be exp(-series * rate): that is the bound.
    """
    if not long:
        return
    months = [look_at_month(seed) for seed in range(STORES)]
    series = sum(month.series for month in months) / STORES
    most = series * MOST_FALSE[SCENARIO]
    name = f"nothing planted in a whole store of {series:.1f} series:"
    yield make_frequency(
        ANSWER, f"{name} false episodes a store-month", sum(month.episodes for month in months), STORES,
        at_most=most, unit="store-months",
    )  # fmt: skip
    silent = sum(not month.episodes for month in months)
    yield make_rate(ANSWER, f"{name} no regression on 30 days", silent, STORES, at_least=math.exp(-most))
    limits = read_limits()
    for severity, least in (("warning", math.exp(-most)), ("critical", WITHOUT_CRITICAL)):
        quiet = sum(month.highest <= limits[severity] for month in months)
        yield make_rate(ANSWER, f"{name} no {severity} alert on 30 days", quiet, STORES, at_least=least)


def look_at_month(seed: int, days: int = DAYS) -> QuietMonth:
    """Return what a drawn store says at the end of each of some days."""
    episodes, highest, series_days = 0, 0.0, 0
    before: set[str] = set()
    with TemporaryDirectory() as folder, store(Path(folder)) as opened:
        opened.take(month_of_sessions(WARM_DAYS + days, seed=seed))
        for day in range(WARM_DAYS, WARM_DAYS + days):
            findings = judge_changes_of_store(Path(folder), end_of_day(day))
            regressions = list_regressions(findings)
            now = {make_finding_id(each.kind, each.subject) for each in regressions}
            episodes += len(now - before)
            before = now
            series_days += sum(each.verdict is not FindingVerdict.TOO_LITTLE_DATA for each in findings)
            highest = max([highest, *list_exported_ratios(regressions, end_of_day(day))])
    return QuietMonth(series_days / days, episodes, highest)


def judge_changes_of_store(folder: Path, instant: int) -> Sequence[Finding]:
    """Return the verdict about each series of the store in a folder at an instant (ns)."""
    (reply,) = ask_analyses(folder, instant, "changes")
    return reply.findings


def list_regressions(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that are regressions."""
    return [finding for finding in findings if finding.verdict is FindingVerdict.REGRESSION]


def list_exported_ratios(regressions: Sequence[Finding], now: int) -> list[float]:
    """Return the ratios that a service exports of regressions that hold at ``now`` (ns)."""
    stored = tuple(
        StoredFinding(make_finding_id(each.kind, each.subject), "changes", each, now, now)
        for each in regressions
    )
    return [
        figure.value
        for figure in compute_finding_figures(FindingsState(now, stored))
        if figure.name == "stretto_regression_ratio" and figure.value is not None
    ]


@cache
def read_limits() -> dict[str, float]:
    """Return the shipped limits of the ratio of a regression by severity."""
    groups = yaml.safe_load((ROOT / "prometheus/rules/thresholds.yml").read_text(encoding="utf-8"))["groups"]
    return {
        rule["labels"]["severity"]: float(rule["expr"].removeprefix("vector(").removesuffix(")"))
        for group in groups
        for rule in group["rules"]
        if rule["record"] == "stretto:threshold:regression_ratio"
    }
