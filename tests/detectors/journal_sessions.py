"""The table's rows of widths, comparisons, standings and conditions that go through a journal.

Sessions are drawn, written as events and taken into a store, which the operation or the analysis is asked
about. Answers must be those of the drawn sessions, or as near to the truth as is promised of them.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from stretto.analysis.outcome_conditions import find_outcome_conditions
from stretto.analysis.session_group_comparison import compare_groups
from stretto.analysis.slowdown_fit import Slowdown
from stretto.analysis.standing_among_like_sessions import rank_session_by_time_per_task
from stretto.clock import HOUR, SECOND
from stretto.model.event import Outcome
from stretto.model.findings import FindingVerdict
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from tests.detectors.journaled_store import find_last_end, open_journaled_store
from tests.detectors.rows import Row, make_exact, make_wilson_rate
from tests.run_makers import GeneratedRuns, simulate_lanes
from tests.scenes import BEGIN

PATTERN, OTHER_PATTERN = "release", "hotfix"
SLOWDOWN = Slowdown(0.06, 0.0)
SET = 16
"""Tasks of a set."""

WIDEST, ASKED = 4, 8
"""Lanes of the widest set that runs, and those whose time is asked for."""

GAP = 5 * SECOND // 1_000
"""From the end of a task to the start of the next one of its lane (ns)."""

SESSIONS = 300
"""Sessions of a store of two patterns, an hour apart."""

NEAR = 1e-4
"""Share by which ratios may differ: events have times to some nanoseconds."""


def measure_journal_sessions(*, long: bool) -> Iterator[Row]:
    """Yield rows of answers E, F and J."""
    yield from measure_widths(20 if long else 1)
    yield from measure_circumstances(20 if long else 1)


def measure_widths(seeds: int) -> Iterator[Row]:
    """Yield how often the plan for sessions of widths 1, 2 and 4 predicts the time of eight lanes."""
    near = named = 0
    for seed in range(seeds):
        rng = np.random.default_rng([seed, 41])
        made = draw_sets([1, 2, WIDEST] * 10, rng)
        with open_journaled_store(made) as journaled:
            result = journaled.run_operation("capacity-planning", PATTERN, find_last_end(made) + HOUR)
        (plan,) = result["analysis_results"]["plans"]
        widths = {each["agents"]: each for each in plan["widths"]}
        true = np.mean([simulate_lanes(draw_lengths(rng), ASKED, SLOWDOWN) for _ in range(60)])
        near += abs(widths[ASKED]["seconds"] / float(true) - 1) <= 0.15
        named += all(each["extrapolated"] is (agents > WIDEST) for agents, each in widths.items())
    yield make_wilson_rate(
        "E", "through journals: widths 1, 2 and 4 predict 8 within 15 %", near, seeds,
        at_least=0.95,
    )  # fmt: skip
    yield make_exact(
        "E", "through journals: widths above 4 are called extrapolated, the others not", named / seeds,
        at_least=1.0, cases=f"{named} of {seeds} plans",
    )  # fmt: skip


def draw_lengths(rng: np.random.Generator) -> list[float]:
    """Return the seconds that each task of a set takes alone."""
    return [60.0 * float(each) for each in rng.lognormal(0, 0.4, SET)]


def draw_sets(widths: Sequence[int], rng: np.random.Generator) -> GeneratedRuns:
    """Return a session for each width, whose tasks run on so many lanes and slow each other down."""
    made = GeneratedRuns()
    for number, width in enumerate(widths):
        name, begin = f"set-{number}", BEGIN + number * HOUR
        # A task starts shortly after the one before it on its lane. All share a phase: without one, tasks
        # that do not overlap are taken as depending on each other.
        tasks = [
            TaskRun(
                name, f"{name}.{place}", begin + round(start * SECOND), round((end - start) * SECOND) - GAP,
                Outcome.SUCCESS, "code", "worker", "work", pattern=PATTERN,
            )
            for place, (start, end) in enumerate(schedule_on_lanes(draw_lengths(rng), width))
        ]  # fmt: skip
        made.tasks += tasks
        end = max(run.start + (run.length or 0) for run in tasks) + SECOND
        made.sessions.append(SessionRun(name, begin, end, Outcome.SUCCESS, PATTERN))
    return made


def schedule_on_lanes(lengths: Sequence[float], width: int) -> list[tuple[float, float]]:
    """Return when each task starts and ends (s), in order, each on the lane that is free first.

    All running tasks are slowed alike, so that the order of events is that without slow-down, and only the
    clock runs slower. Example: two tasks of 10 s on two lanes end at 10.6 s.
    """
    lanes = [0.0] * width
    spans = []
    for length in lengths:
        spans.append((lanes[0], lanes[0] + length))
        heapq.heapreplace(lanes, lanes[0] + length)
    edges = sorted({time for span in spans for time in span})
    clock = {edges[0]: 0.0}
    for before, now in itertools.pairwise(edges):
        running = sum(start <= before < end for start, end in spans)
        clock[now] = clock[before] + (now - before) * SLOWDOWN.compute_factor(running)
    return [(clock[start], clock[end]) for start, end in spans]


def measure_circumstances(stores: int) -> Iterator[Row]:
    """Yield how stores of two equal patterns are answered about patterns, sessions and conditions."""
    counts: Counter[str] = Counter()
    for seed in range(stores):
        count_answers(draw_circumstances(seed), counts)
    for answer, name in (
        ("F", "verdict and ratio of two patterns are those of the drawn sessions"),
        ("F", "the rank of a session is that among the drawn ones"),
        ("F", "the similarity of a session with itself is 1"),
        ("J", "conditions are those of the drawn sessions"),
    ):
        yield make_exact(
            answer, f"through journals: {name}", counts[name] / stores,
            at_least=1.0, cases=f"{counts[name]} of {stores} stores of {SESSIONS} sessions",
        )  # fmt: skip
    yield make_wilson_rate(
        "F", "through journals: equal patterns are called different", counts["different"], stores,
        at_most=0.05,
    )  # fmt: skip
    yield make_wilson_rate(
        "J", f"through journals: a lift of 1.5 is found in {SESSIONS} sessions", counts["lift"], stores,
        at_least=0.90,
    )  # fmt: skip


def count_answers(made: GeneratedRuns, counts: Counter[str]) -> None:
    """Count which answers of a store are those of the drawn sessions, or show what was planted."""
    instant, last = find_last_end(made) + HOUR, made.sessions[-1]
    with open_journaled_store(made) as journaled:
        beside = journaled.run_operation("comparative", PATTERN, instant, compare_against=[OTHER_PATTERN])
        alone = journaled.run_operation("comparative", last.session, instant, compare_against=[last.session])
        reply = journaled.ask_analysis("conditions", instant)
    (groups,), (itself,) = (each["performance_data"]["comparisons"] for each in (beside, alone))
    like, others = (
        [run for run in made.sessions if run.pattern == pattern] for pattern in (PATTERN, OTHER_PATTERN)
    )
    # Of patterns with as many sessions the effect is that of the first by name.
    drawn = compare_groups(like, others)
    assert drawn.elapsed is not None
    counts["verdict and ratio of two patterns are those of the drawn sessions"] += groups[
        "verdict"
    ] == drawn.verdict.value and math.isclose(groups["elapsed"]["effect"], drawn.elapsed.effect, rel_tol=NEAR)
    counts["different"] += groups["verdict"] in {FindingVerdict.REGRESSION, FindingVerdict.IMPROVEMENT}
    rank = rank_session_by_time_per_task(last, like if last.pattern == PATTERN else others).percentile
    counts["the rank of a session is that among the drawn ones"] += (
        alone["analysis_results"]["standing"]["percentile"] == rank
    )
    counts["the similarity of a session with itself is 1"] += itself["similarity"] == 1
    conditions = {finding.subject["condition"] for finding in reply.findings}
    counts["conditions are those of the drawn sessions"] += conditions == {
        each.condition for each in find_outcome_conditions(made.sessions).found
    }
    counts["lift"] += any(condition.startswith("effort=") for condition in conditions)


def draw_circumstances(seed: int) -> GeneratedRuns:
    """Return sessions of two patterns by turns; effort goes with success, and nothing with their length."""
    rng = np.random.default_rng([seed, 43])
    made = GeneratedRuns()
    for number in range(SESSIONS):
        covariates = {"effort": str(rng.choice(["high", "low"])), "branch": f"b{rng.integers(2)}"}
        success = rng.random() < (0.75 if covariates["effort"] == "high" else 0.5)
        outcome = Outcome.SUCCESS if success else Outcome.FAILURE
        pattern = (PATTERN, OTHER_PATTERN)[number % 2]
        add_session(
            made, f"run-{number}", number, rng, pattern=pattern, outcome=outcome, covariates=covariates
        )
    return made


def add_session(
    made: GeneratedRuns,
    name: str,
    number: int,
    rng: np.random.Generator,
    *,
    pattern: str = PATTERN,
    labels: dict[str, str] | None = None,
    covariates: dict[str, str] | None = None,
    outcome: Outcome = Outcome.SUCCESS,
    slower: float = 1.0,
) -> None:
    """Add a session of two tasks, one after the other."""
    begin = BEGIN + number * HOUR
    lengths = [round(60 * SECOND * slower * float(each)) for each in rng.lognormal(0, 0.4, 2)]
    starts = [begin, begin + lengths[0] + SECOND]
    end = starts[1] + lengths[1] + SECOND
    made.tasks += [
        TaskRun(name, f"{name}.{place}", start, length, Outcome.SUCCESS, "code", "worker", pattern=pattern)
        for place, (start, length) in enumerate(zip(starts, lengths, strict=True))
    ]
    made.sessions.append(
        SessionRun(
            name, begin, end, outcome, pattern, labels=labels or {}, task_types={"code": 2},
            work=sum(lengths), delivered_work=sum(lengths), covariates=covariates or {},
        )
    )  # fmt: skip
