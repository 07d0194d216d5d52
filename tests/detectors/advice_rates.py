"""Measure the error rates of the answers that advise: experiments, hold-ups, recommendations and others."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from scipy import stats

from stretto.analysis.agent_assignment_rules import advise_agent
from stretto.analysis.experiment_definition_and_plan import (
    ExperimentDefinition,
    ExperimentMetric,
    define_experiment,
)
from stretto.analysis.experiment_units import ExperimentUnit
from stretto.analysis.experiments import ExperimentStatus, judge_experiment
from stretto.analysis.length_predictor import fit_predictor
from stretto.analysis.outcome_conditions import find_outcome_conditions
from stretto.analysis.planned_and_anytime_looks import weigh_pairs
from stretto.analysis.rank_session_holdups import find_bottlenecks
from stretto.analysis.recommendation import RecommendationKind
from stretto.analysis.recommendation_rules import apply_rules
from stretto.analysis.rule_inputs_and_promised_gains import RuleInputs
from stretto.analysis.session_group_comparison import compare_groups
from stretto.analysis.simulated_time_by_width import plan_capacity
from stretto.analysis.slowdown_fit import Slowdown
from stretto.analysis.standing_among_like_sessions import rank_session_by_time_per_task
from stretto.analysis.width_gain import fit_width_curve
from stretto.clock import DAY, HOUR, SECOND
from stretto.model.event import Outcome
from stretto.model.findings import FindingVerdict
from stretto.model.run_rows_for_analyses import SessionRun
from tests.detectors.rows import Row, make_exact, make_wilson_rate
from tests.run_makers import (
    FAULTS,
    draw_agent_tasks,
    generate_conditions,
    generate_lengths,
    generate_runs,
    generate_sets,
    judge_fix,
    simulate_lanes,
    spread_over_days,
)

Rng = np.random.Generator

DECIDED = {FindingVerdict.REGRESSION, FindingVerdict.IMPROVEMENT}

SHAPES: dict[str, Callable[[Rng, int], np.ndarray]] = {
    "spread .5": lambda rng, count: rng.lognormal(0, 0.5, count),
    "spread 1": lambda rng, count: rng.lognormal(0, 1.0, count),
    "two modes": lambda rng, count: rng.lognormal(0, 0.3, count) * np.where(rng.random(count) < 0.3, 4, 1),
}


def measure_experiments(runs: int) -> Iterator[Row]:
    """Yield findings at four looks, the cover of limits, looks after every pair, and the plan."""
    planned = ExperimentDefinition("x", ExperimentMetric.ELAPSED_SECONDS, 20, looks=4)
    single = ExperimentDefinition("x", ExperimentMetric.ELAPSED_SECONDS, 20)
    for name, draw in SHAPES.items():
        rng = np.random.default_rng([1, len(name)])
        wrong = covered = 0
        for _ in range(runs):
            units = _make_units(draw(rng, 20), draw(rng, 20))
            wrong += judge_experiment(planned, units).verdict in DECIDED
            estimate = judge_experiment(single, units).estimate
            covered += estimate is not None and estimate.low <= 1 <= estimate.high
        yield make_wilson_rate(
            "G", f"equal arms differ at 4 looks, {name}", wrong, runs, at_least=0.04, at_most=0.06
        )
        yield make_wilson_rate(
            "G", f"the interval holds the true ratio, {name}", covered, runs, at_least=0.94, at_most=0.96
        )
    rng = np.random.default_rng(2)
    found = sum(
        judge_experiment(
            planned, _make_units(SHAPES["spread .5"](rng, 20), 2 * SHAPES["spread .5"](rng, 20))
        ).verdict
        is FindingVerdict.REGRESSION
        for _ in range(runs // 5)
    )
    yield make_wilson_rate("G", "a ratio of 2 is found by 20 per arm", found, runs // 5, at_least=0.95)
    mixed = sum(_judge_unequal_mix(rng).verdict in DECIDED for _ in range(runs // 5))
    yield make_wilson_rate("G", "equal arms of unequal mix differ", mixed, runs // 5, at_most=0.06)
    peeks = runs // 5
    exceeded = 0
    for _ in range(peeks):
        pairs = rng.lognormal(0, 0.5, (60, 2))
        exceeded += any(
            weigh_pairs([(a, b) for a, b in pairs[:count]]).e_value >= 20 for count in range(2, 61, 2)
        )
    yield make_wilson_rate(
        "G", "equal arms ever reach an e-value of 20, looked at 30 times", exceeded, peeks, at_most=0.05
    )
    plan = define_experiment("x", metric="task_seconds", smallest_effect=1.2, spread=0.5, looks=4)
    yield make_exact(
        "G", "planned runs per arm for +20 % at spread .5", plan.units, at_least=113, at_most=125
    )


def measure_holdups(seeds: int) -> Iterator[Row]:
    """Yield how often a planted fault is the first hold-up, or among three, and how often there is none."""
    first = among = 0
    for seed in range(seeds):
        usual = generate_runs(40, seed)
        for fault in FAULTS:
            faulty = generate_runs(1, seed, fault=fault, first=40)
            answer = find_bottlenecks(faulty.sessions, usual.sessions, usual.by_session | faulty.by_session)
            kinds = [holdup.kind for holdup in answer.holdups]
            first += kinds[:1] == [fault]
            among += fault in kinds[:3]
    faults = seeds * len(FAULTS)
    yield make_wilson_rate("H", "a planted fault is the first hold-up", first, faults, at_least=0.80)
    yield make_wilson_rate("H", "a planted fault is among the first three", among, faults, at_least=0.95)
    stores = seeds * 10
    for usual_sessions, subjects in ((40, 1), (40, 5), (10, 1), (6, 1)):
        quiet = 0
        for seed in range(stores):
            made = generate_runs(usual_sessions + subjects, seed + 1_000)
            before, now = made.sessions[:usual_sessions], made.sessions[usual_sessions:]
            quiet += not find_bottlenecks(now, before, made.by_session).holdups
        name = f"{subjects} beside {usual_sessions} usual sessions: no hold-up"
        yield make_wilson_rate("H", name, quiet, stores, at_least=0.95)


def measure_recommendations(stores: int) -> Iterator[Row]:
    """Yield how often fixes land within their promise, unfixed ones have none, and luck is recommended."""
    within = without = 0
    for seed in range(stores):
        before = spread_over_days(generate_runs(56, seed, fault="imbalance"), 2)
        found, _ = apply_rules(RuleInputs("release", tuple(before.sessions), before.by_session))
        (promise,) = [each.gain for each in found if each.kind is RecommendationKind.UNBALANCED_AGENTS]
        for fault in (None, "imbalance"):
            after = spread_over_days(generate_runs(14, seed + 5_000, fault=fault, first=56), 2)
            effect = judge_fix(before, after, promise)
            if fault is None:
                within += bool(effect.within_promise)
            else:
                without += effect.verdict is FindingVerdict.NO_EVIDENCE
    yield make_wilson_rate("I", "an applied fix lands within its promise", within, stores, at_least=0.80)
    yield make_wilson_rate("I", "applied with nothing changed has no effect", without, stores, at_least=0.95)
    rng = np.random.default_rng(3)
    stores *= 4
    refused = sum(isinstance(advise_agent(_make_equal_agents(rng, 20, 30)), str) for _ in range(stores))
    yield make_wilson_rate("I", "none of 20 equal agents is recommended", refused, stores, at_least=0.95)


def measure_capacity(seeds: int) -> Iterator[Row]:
    """Yield how well widths 1, 2 and 4 predict 8, and how often the gain's limits hold the true gain.

    The true gain is that of sessions of the same size: the last tasks of a set leave lanes idle.
    """
    elapsed = average_elapsed(tasks=60, widest=6, slowdown=Slowdown(0.1, 0.03))
    near = covered = gains = 0
    for seed in range(seeds):
        sessions, tasks = generate_sets([1, 2, 4] * 10, seed, contention=0.06)
        others, _ = generate_sets([8] * 60, seed + 1_000, contention=0.06)
        true = float(np.mean([run.elapsed or 0 for run in others])) / SECOND
        near += abs(plan_capacity("p", sessions, tasks).widths[7].seconds / true - 1) <= 0.15
    for seed in range(4 * seeds):
        sessions, tasks = generate_sets([1, 2, 3, 4, 5] * 10, seed, contention=0.1, crosstalk=0.03, tasks=60)
        curve = fit_width_curve("p", sessions, tasks)
        for gain, (before, after) in zip(curve.gains, itertools.pairwise(elapsed), strict=True):
            covered += gain.low <= 1 - after / before <= gain.high
            gains += 1
    yield make_wilson_rate("E", "widths 1, 2 and 4 predict 8 within 15 %", near, seeds, at_least=0.95)
    yield make_wilson_rate(
        "E", "the limits of a width's gain hold the true gain", covered, gains, at_least=0.95
    )


def average_elapsed(*, tasks: int, widest: int, slowdown: Slowdown, sets: int = 400) -> list[float]:
    """Return the geometric mean of the elapsed time per work at widths from 1, over many sets of tasks."""
    rng = np.random.default_rng(7)
    logs = np.zeros(widest)
    for _ in range(sets):
        lengths = [60.0 * float(rng.lognormal(0, 0.4)) for _ in range(tasks)]
        times = [simulate_lanes(lengths, width, slowdown) for width in range(1, widest + 1)]
        logs += np.log(np.array(times) / sum(lengths)) / sets
    return [float(each) for each in np.exp(logs)]


def measure_comparison(pairs: int) -> Iterator[Row]:
    """Yield how often equal groups are called different, and whether percentiles are uniform."""
    rng = np.random.default_rng(4)
    different = sum(
        compare_groups(_make_days(rng, "a"), _make_days(rng, "b")).verdict in DECIDED for _ in range(pairs)
    )
    yield make_wilson_rate("F", "equal groups are called different", different, pairs, at_most=0.05)
    percentiles = []
    for _ in range(pairs):
        runs = [
            SessionRun(f"s{n}", 0, round(float(length) * SECOND), Outcome.SUCCESS, task_types={"code": 4})
            for n, length in enumerate(rng.lognormal(4, 0.5, 41))
        ]
        percentiles.append(rank_session_by_time_per_task(runs[0], runs).percentile or 0.0)
    p = float(stats.kstest(percentiles, "uniform").pvalue)
    yield make_exact(
        "F",
        "p that percentiles are uniform with nothing changed",
        p,
        at_least=0.01,
        cases=f"{pairs} sessions",
    )


def measure_conditions(stores: int) -> Iterator[Row]:
    """Yield how often stores without an effect show a condition, and how often a planted lift is found."""
    shown = sum(
        bool(find_outcome_conditions(generate_conditions(1_000, seed, lambda _: 0.6)).found)
        for seed in range(stores)
    )
    yield make_wilson_rate(
        "J", "1,000 sessions without an effect show a condition", shown, stores, at_most=0.05
    )
    found = sum(
        any(
            each.condition in {"c3=0", "c3=1"}
            for each in find_outcome_conditions(
                generate_conditions(300, seed, lambda each: 0.75 if each["c3"] == "1" else 0.5)
            ).found
        )
        for seed in range(stores)
    )
    yield make_wilson_rate("J", "a lift of 1.5 is found in 300 sessions", found, stores, at_least=0.90)


def measure_predictor(stores: int) -> Iterator[Row]:
    """Yield the mean cover of the 80 % ranges on sessions that were not seen."""
    covers = []
    for seed in range(stores):
        predictor = fit_predictor(generate_lengths(40, seed))
        new = generate_lengths(20, seed + 5_000)
        covers.append(
            np.mean(
                [
                    one is not None and one.low <= (run.length or 0) / SECOND <= one.high
                    for one, run in zip(predictor.predict_lengths(new), new, strict=True)
                ]
            )
        )
    yield make_exact(
        "K",
        "ranges of 80 % cover new sessions",
        float(np.mean(covers)),
        at_least=0.78,
        at_most=0.86,
        cases=f"{stores} stores",
    )


MEASURES: Mapping[str, tuple[Callable[[int], Iterator[Row]], int, int]] = {
    "capacity": (measure_capacity, 10, 100),
    "comparison": (measure_comparison, 300, 2_000),
    "experiments": (measure_experiments, 1_500, 10_000),
    "holdups": (measure_holdups, 6, 20),
    "recommendations": (measure_recommendations, 15, 100),
    "conditions": (measure_conditions, 40, 200),
    "predictor": (measure_predictor, 8, 40),
}
"""Part → what measures it, and how many cases its short and its long form draw.

The long form is what the numbers are promised for.
"""


def measure_advice(part: str, *, long: bool) -> Iterator[Row]:
    """Yield the rates of one of the answers E to K."""
    measure, short_cases, long_cases = MEASURES[part]
    yield from measure(long_cases if long else short_cases)


def _make_units(
    first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray
) -> list[ExperimentUnit]:
    return [
        ExperimentUnit(f"{arm}{place}", arm, float(value), place)
        for arm, values in (("A", first), ("B", second))
        for place, value in enumerate(values)
    ]


def _judge_unequal_mix(rng: Rng) -> ExperimentStatus:
    units = [
        ExperimentUnit(
            f"{arm}{place}",
            arm,
            float(rng.lognormal(math.log(10) * long, 0.4)),
            place,
            "long" if long else "short",
        )
        for arm, share in (("A", 0.3), ("B", 0.7))
        for place in range(40)
        for long in [rng.random() < share]
    ]
    return judge_experiment(ExperimentDefinition("x", ExperimentMetric.ELAPSED_SECONDS, 40), units)


def _make_equal_agents(rng: Rng, agents: int, sessions: int) -> RuleInputs:
    tasks = draw_agent_tasks(rng, agents, sessions)
    runs = tuple(
        SessionRun(name, group[0].start, group[0].start + HOUR // 2, Outcome.SUCCESS, width=6)
        for name, group in tasks.items()
    )
    return RuleInputs("p", runs, tasks)


def _make_days(rng: Rng, name: str) -> list[SessionRun]:
    """Twelve good and bad days of four sessions, of which one in five fails."""
    return [
        SessionRun(
            f"{name}{day}.{number}", day * DAY,
            day * DAY + round(100 * SECOND * level * rng.lognormal(0, 0.3)),
            Outcome.FAILURE if rng.random() < 0.2 else Outcome.SUCCESS, task_types={"code": 4},
        )
        for day, level in enumerate(rng.lognormal(0, 0.15, 12))
        for number in range(4)
    ]  # fmt: skip
