"""The table's rows about change: eight scenarios, a slower store, another mix, too little data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from scipy import optimize

from stretto.analysis.performance_regressions import judge_changes
from stretto.analysis.series_of_run_values import Series, SeriesKind, make_all_task_value_series
from stretto.analysis.slow_tail_changes import judge_tails
from stretto.clock import DAY
from stretto.model.findings import FindingVerdict
from tests.detectors.change_rates import UNCHANGED, WARM_DAYS, ChangeCounts, count_changes, draw_set
from tests.detectors.rows import Row, bound_count, make_frequency, make_rate
from tests.detectors.scenarios import FIRST_DAY, draw_changed_mix, draw_series, draw_slower_store

ANSWER = "A"
SHORT = "adf"
MOST_FALSE = dict.fromkeys("abcdegh", 0.15) | {"f": 0.30}
MOST_FALSE_DISCOVERIES = 0.10
WITHIN_7 = {**dict.fromkeys("aefgh", 0.99), **dict.fromkeys("bd", 0.70)}
WITHIN_14 = {**dict.fromkeys("aefg", 0.65), "h": 0.55}
SETS, MORE_SETS = 4, {"f": 20}
"""Sets of the long form; a scenario that is near its bounds at 20 a day has more of them."""

KNOWN = {
    "f": "the level itself may fall as far in that week; the one other rule that was tried found no more"
}
"""Scenario → why a change of half is known to be found later than is asked."""


def measure_changes(*, long: bool, first: int = 0) -> Iterator[Row]:
    """Yield the rows of the scenarios at 20 and 5 runs a day; ≥ 400 series-months each in the long form.

    ``first`` is the number of the first set: each number is another draw.
    """
    sets = range(first, first + (SETS if long else 2))
    for scenario in "abcdefgh" if long else SHORT:
        more = range(first, first + MORE_SETS.get(scenario, SETS)) if long else sets
        yield from measure_scenario(scenario, 20, more)
        yield from measure_scenario(scenario, 5, sets, finds=False)


def measure_scenario(scenario: str, per_day: int, sets: range, *, finds: bool = True) -> Iterator[Row]:
    """Yield the rows of a scenario: false episodes, false discoveries, changes found in time."""
    label = f"({scenario}) {per_day} a day:"
    large = ChangeCounts()
    for number in sets:
        count_changes(draw_set(scenario, per_day, 1.5, (number, 15)), large)
    most = MOST_FALSE[scenario]
    episodes = sum(large.false_episodes)
    yield make_frequency(
        ANSWER, f"{label} false episodes a series-month", episodes, large.series_months,
        at_most=most, unit="series-months",
    )  # fmt: skip
    yield make_frequency(
        ANSWER, f"{label} false improvements a series-month", large.false_improvements, large.series_months,
        at_most=most, unit="series-months",
    )  # fmt: skip
    yield make_discovery_row(label, large)
    if not finds:
        return
    if scenario in WITHIN_7:
        yield make_rate(
            ANSWER, f"{label} +50 % found within 7 days", large.within_7, large.changed,
            at_least=WITHIN_7[scenario], known=KNOWN.get(scenario, ""),
        )  # fmt: skip
    if scenario in KNOWN:
        yield make_rate(ANSWER, f"{label} +50 % found within 14 days", large.within_14, large.changed)
    if scenario in WITHIN_14:
        small = ChangeCounts()
        for number in sets:
            count_changes(draw_set(scenario, per_day, 1.2, (number, 12)), small)
        yield make_rate(
            ANSWER, f"{label} +20 % found within 14 days", small.within_14, small.changed,
            at_least=WITHIN_14[scenario],
        )  # fmt: skip


def make_discovery_row(label: str, counts: ChangeCounts) -> Row:
    """Return the share of raised series that are unchanged, over the checks of the month.

    Its interval is that of the number of false episodes: each lasts some checks.
    """
    false_days = sum(false for false, _ in counts.raised_days)
    true_days = sum(every - false for false, every in counts.raised_days)
    episodes = sum(counts.false_episodes)
    scales = [bound / max(1, episodes) for bound in bound_count(episodes)]
    low, value, high = (
        false_days * scale / max(1.0, false_days * scale + true_days) for scale in (scales[0], 1.0, scales[1])
    )
    return Row(
        ANSWER, f"{label} false discoveries", value, low, high, at_most=MOST_FALSE_DISCOVERIES,
        cases=f"{false_days} of {false_days + true_days} series-days",
    )  # fmt: skip


def measure_tails(*, long: bool) -> Iterator[Row]:
    """Yield how often a change of the tail is raised on a day: of none, and of 15 % slow runs."""
    series_count = 100 if long else 40
    for scenario in "abcdefgh" if long else SHORT:
        rng = np.random.default_rng([ord(scenario), 10])
        series = [draw_series(scenario, rng, 80, 20, name=str(number)) for number in range(series_count)]
        label = f"({scenario}) 20 a day:"
        false = count_tails(series)
        name = f"{label} nothing changed, tail or length raised on a day"
        yield make_rate(ANSWER, name, false, series_count, at_most=0.05)
        if scenario == "a":
            slow = [slow_tail(each, rng) for each in series]
            found = count_tails(slow)
            yield make_rate(
                ANSWER, f"{label} 15 % six times as long found within 10 days, as tail or length", found,
                series_count, at_least=0.65,
            )  # fmt: skip


def slow_tail(series: Series, rng: np.random.Generator) -> Series:
    """Return a series of which 15 % of the runs take six times as long from day 70 on."""
    later = np.arange(len(series.values)) >= 70 * 20
    chosen = later & (rng.random(len(series.values)) < 0.15)
    return replace(series, values=series.values + np.where(chosen, math.log(6), 0.0))


def count_tails(series: Sequence[Series]) -> int:
    """Return how many series have a regression of the tail, or of the length, after 80 days."""
    instant = FIRST_DAY + 80 * DAY
    findings = judge_changes(series, instant)
    every = [*findings, *judge_tails(series, findings, instant)]
    return len({each.subject["type"] for each in every if each.verdict is FindingVerdict.REGRESSION})


def measure_slower_stores(*, long: bool, first: int = 0) -> Iterator[Row]:
    """Yield the rows of stores whose tasks of five types all take 1.5 times as long in the last week."""
    stores = 20 if long else 4
    found = held = dated = 0
    for number in range(first, first + stores):
        rng = np.random.default_rng([number, 5])
        runs = draw_slower_store(rng)
        for finding in judge_changes(make_all_task_value_series(runs), FIRST_DAY + 90 * DAY):
            if finding.kind == SeriesKind.TASK_LENGTH and finding.verdict is FindingVerdict.REGRESSION:
                found += 1
                held += (finding.evidence.low or 9) <= 1.5 <= (finding.evidence.high or 0)
                dated += abs((finding.since or 0) - (FIRST_DAY + 83 * DAY)) <= DAY
    yield make_rate(ANSWER, "store × 1.5 in the last week: types found", found, 5 * stores, at_least=0.99)
    yield make_rate(ANSWER, "store × 1.5: the 95 % interval holds 1.5", held, max(1, found), at_least=0.95)
    yield make_rate(ANSWER, "store × 1.5: dated to the day, ± 1", dated, max(1, found), at_least=0.95)


def measure_mixes(*, long: bool) -> Iterator[Row]:
    """Yield the rows of an agent whose slow type rises from 10 to 50 % of its tasks.

    The mix is taken for a regression if the agent has one and none of its types has: the types' rate of false
    alarms is measured elsewhere.
    """
    stores = 20 if long else 4
    false = named = 0
    for number in range(stores):
        rng = np.random.default_rng([number, 6])
        runs = draw_changed_mix(rng)
        findings = judge_changes(make_all_task_value_series(runs), FIRST_DAY + 88 * DAY)
        regressed = {each.kind for each in findings if each.verdict is FindingVerdict.REGRESSION}
        false += SeriesKind.AGENT_LENGTH in regressed and SeriesKind.TASK_LENGTH not in regressed
        named += any(finding.reason.startswith("the mix changed") for finding in findings)
    yield make_rate(
        ANSWER, "slow type from 10 to 50 %: the mix taken for a regression", false, stores, at_most=0.0
    )
    yield make_rate(ANSWER, "slow type from 10 to 50 %: says mix", named, stores, at_least=0.95)


FACTORS = (1.2, 1.35, 1.5, 1.7)
"""Planted factors between which that one lies that is found nine times of ten."""

SMALL_DAYS = 7
"""Days after a change of 20 % at whose end it is judged whether there is too little data."""

BOOTSTRAPS = 400


def measure_detectable(*, long: bool) -> Iterator[Row]:
    """Yield the row of the detectable ratio at 5 a day beside the ratio that is found nine times of ten.

    Two more rows say how often the answer is "too little data", for a change of 20 % and for none.
    """
    if not long:
        return
    hits, cases = [], []
    claimed: list[float] = []
    little = {"+20 %": [0, 0], "nothing changed": [0, 0]}
    for factor in FACTORS:
        counts = ChangeCounts()
        for number in range(4):
            series = draw_set("a", 5, factor, (number, round(100 * factor)))
            count_changes(series, counts)
            if factor == FACTORS[0]:
                findings = judge_changes(series[:20], FIRST_DAY + WARM_DAYS * DAY)
                claimed += [each.evidence.detectable for each in findings if each.evidence.detectable]
                for finding in judge_changes(series, FIRST_DAY + (WARM_DAYS + SMALL_DAYS) * DAY):
                    changed = int(finding.subject["type"]) >= UNCHANGED
                    counted = little["+20 %" if changed else "nothing changed"]
                    counted[0] += finding.verdict is FindingVerdict.TOO_LITTLE_DATA
                    counted[1] += 1
        hits.append(counts.within_14)
        cases.append(counts.changed)
    simulated = fit_detectable(FACTORS, hits, cases)
    low, high = bound_detectable(claimed, FACTORS, hits, cases)
    yield Row(
        ANSWER, f"detectable ratio at 5 a day / the simulated one ({simulated:.2f})",
        float(np.median(claimed)) / simulated, low, high, at_least=0.85, at_most=1.15,
        cases=f"{len(claimed)} series, {sum(cases)} changes",
    )  # fmt: skip
    for name, (seen, of) in little.items():
        yield make_rate(ANSWER, f'5 a day, {name}: says "too little data" after {SMALL_DAYS} days', seen, of)


def bound_detectable(
    claimed: Sequence[float], factors: Sequence[float], hits: Sequence[int], cases: Sequence[int]
) -> tuple[float, float]:
    """Return the 95 % interval of the claimed ratio over the simulated one, by drawing both again."""
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(BOOTSTRAPS):
        again = rng.binomial(cases, np.array(hits) / np.array(cases)).tolist()
        middle = float(np.median(rng.choice(claimed, len(claimed))))
        ratios.append(middle / fit_detectable(factors, again, cases))
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)


def fit_detectable(factors: Sequence[float], hits: Sequence[int], cases: Sequence[int]) -> float:
    """Return the factor that is found nine times of ten, by a logistic curve over the logarithms."""
    logs = np.log(factors)

    def miss(parameters: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        chance = 1 / (1 + np.exp(-(parameters[0] + parameters[1] * (logs - logs.mean()))))
        chance = np.clip(chance, 1e-6, 1 - 1e-6)
        return -float(np.sum(np.array(hits) * np.log(chance) + (np.array(cases) - hits) * np.log(1 - chance)))

    level, slope = optimize.minimize(miss, np.array([0.0, 5.0]), method="Nelder-Mead").x
    return float(np.exp(logs.mean() + (math.log(9) - level) / slope))
