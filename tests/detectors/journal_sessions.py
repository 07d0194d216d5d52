"""The table's rows of widths, comparisons, experiments, advice and conditions that go through a journal.

Sessions are drawn, written as events, taken into a store and read as the analyses read them. Answers must be
those of the drawn sessions, or as near to the truth as is promised of them.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from stretto.analysis.experiment_definition_and_plan import ExperimentDefinition, ExperimentMetric
from stretto.analysis.experiment_units import list_experiment_sessions
from stretto.analysis.experiments import judge_experiment
from stretto.analysis.outcome_conditions import find_outcome_conditions
from stretto.analysis.recommendation import RecommendationKind
from stretto.analysis.recommendation_rules import apply_rules
from stretto.analysis.rule_inputs_and_promised_gains import RuleInputs
from stretto.analysis.session_group_comparison import compare_groups
from stretto.analysis.simulated_time_by_width import plan_capacity
from stretto.analysis.slowdown_fit import Slowdown
from stretto.analysis.standing_among_like_sessions import rank_session_by_time_per_task
from stretto.clock import DAY, HOUR, SECOND
from stretto.findings.analysis_input_and_answer import AnalysisInput
from stretto.findings.analysis_run import read_analysis_input
from stretto.model.event import Outcome
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from tests.detectors.rows import Row, make_exact, make_wilson_rate
from tests.detectors.run_events import draw_sessions_as_events
from tests.fakes import store
from tests.run_makers import (
    GeneratedRuns,
    generate_runs,
    judge_fix,
    simulate_lanes,
    spread_over_days,
)
from tests.scenes import BEGIN

PATTERN = "release"
SLOWDOWN = Slowdown(0.06, 0.0)
SET = 16
"""Tasks of a set."""

GAP = 5 * SECOND // 1_000
"""From the end of a task to the start of the next one of its lane (ns)."""


def measure_journal_sessions(*, long: bool) -> Iterator[Row]:
    """Yield rows of answers E, F, G, I and J."""
    yield from measure_widths(20 if long else 1)
    yield from measure_arms(20 if long else 2)
    yield from measure_fixes(20 if long else 1)
    yield from measure_circumstances(10 if long else 1)


def read_back(made: GeneratedRuns) -> AnalysisInput:
    """Return the runs of sessions as analyses read them of a store that took in their events."""
    with TemporaryDirectory() as folder, store(Path(folder)) as opened:
        opened.take(draw_sessions_as_events(made.sessions, made.tasks))
        instant = max(run.end for run in made.sessions) + DAY
        return read_analysis_input(opened.connection, instant, "UTC")


def measure_widths(seeds: int) -> Iterator[Row]:
    """Yield how often sessions of widths 1, 2 and 4, read from a store, predict the time of eight lanes."""
    near = 0
    for seed in range(seeds):
        rng = np.random.default_rng([seed, 41])
        read = read_back(draw_sets([1, 2, 4] * 10, rng))
        plan = plan_capacity(PATTERN, read.sessions_by_pattern[PATTERN], read.tasks_by_session)
        true = np.mean([simulate_lanes(draw_lengths(rng), 8, SLOWDOWN) for _ in range(60)])
        near += abs(plan.widths[7].seconds / float(true) - 1) <= 0.15
    yield make_wilson_rate(
        "E", "through journals: widths 1, 2 and 4 predict 8 within 15 %", near, seeds,
        at_least=0.95,
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


def measure_arms(seeds: int) -> Iterator[Row]:
    """Yield how often an experiment, read from a store, has verdict and ratio of the drawn sessions."""
    definition = ExperimentDefinition("x", ExperimentMetric.TASK_SECONDS, 20)
    same = 0
    for seed in range(seeds):
        rng = np.random.default_rng([seed, 42])
        made = GeneratedRuns()
        for number in range(40):
            arm = "AB"[number % 2]
            slower = 1.5 if arm == "B" and seed % 2 else 1.0
            _add_session(made, f"arm-{number}", number, rng, labels={definition.label: arm}, slower=slower)
        read = read_back(made)
        stored, drawn = (
            judge_experiment(definition, list_experiment_sessions(definition, sessions, tasks))
            for sessions, tasks in ((read.sessions, read.tasks), (made.sessions, made.tasks))
        )
        assert drawn.estimate is not None
        same += (
            stored.estimate is not None
            and stored.verdict is drawn.verdict
            and bool(np.isclose(stored.estimate.effect, drawn.estimate.effect, rtol=1e-6))
        )
    yield make_exact(
        "G", "experiments through journals: verdict and ratio of the drawn sessions", same / seeds,
        at_least=1.0, cases=f"{same} of {seeds} experiments of 40 sessions",
    )  # fmt: skip


def measure_fixes(stores: int) -> Iterator[Row]:
    """Yield how often a fix of an imbalance, both read from a store, lands within what was promised."""
    within = 0
    for seed in range(stores):
        before = spread_over_days(generate_runs(56, seed, fault="imbalance"), 2)
        after = spread_over_days(generate_runs(14, seed + 5_000, first=56), 2)
        read = read_back(GeneratedRuns(before.sessions + after.sessions, before.tasks + after.tasks))
        applied = after.sessions[0].start
        earlier, later = (
            GeneratedRuns(
                [run for run in read.sessions if (run.start >= applied) is is_later],
                [run for run in read.tasks if (run.start >= applied) is is_later],
            )
            for is_later in (False, True)
        )
        advice, _ = apply_rules(RuleInputs(PATTERN, tuple(earlier.sessions), earlier.by_session))
        promises = [each.gain for each in advice if each.kind is RecommendationKind.UNBALANCED_AGENTS]
        within += any(judge_fix(earlier, later, promise).within_promise for promise in promises)
    yield make_wilson_rate(
        "I", "through journals: an applied fix lands within its promise", within, stores,
        at_least=0.80,
    )  # fmt: skip


def measure_circumstances(stores: int) -> Iterator[Row]:
    """Yield whether groups, standings and conditions of sessions are those of the drawn ones."""
    groups = standings = conditions = shown = 0
    for seed in range(stores):
        rng = np.random.default_rng([seed, 43])
        made = GeneratedRuns()
        for number in range(300):
            circumstances = {"effort": str(rng.choice(["high", "low"])), "branch": f"b{rng.integers(2)}"}
            success = rng.random() < (0.75 if circumstances["effort"] == "high" else 0.5)
            outcome = Outcome.SUCCESS if success else Outcome.FAILURE
            _add_session(made, f"run-{number}", number, rng, outcome=outcome, covariates=circumstances)
        stored = list(read_back(made).sessions)
        both = (stored, made.sessions)
        verdicts = [compare_groups(runs[:150], runs[150:]).verdict for runs in both]
        groups += verdicts[0] is verdicts[1]
        ranks = [rank_session_by_time_per_task(runs[-1], runs).percentile for runs in both]
        standings += ranks[0] == ranks[1]
        found = [{each.condition for each in find_outcome_conditions(runs).found} for runs in both]
        conditions += found[0] == found[1]
        shown += any(condition.startswith("effort=") for condition in found[0])
    for answer, name, same in (
        ("F", "comparisons of groups", groups),
        ("F", "standings of sessions", standings),
        ("J", "conditions", conditions),
    ):
        yield make_exact(
            answer, f"{name} through journals: those of the drawn sessions", same / stores,
            at_least=1.0, cases=f"{same} of {stores} stores of 300 sessions",
        )  # fmt: skip
    yield make_wilson_rate(
        "J", "through journals: a lift of 1.5 is found in 300 sessions", shown, stores,
        at_least=0.90,
    )  # fmt: skip


def _add_session(
    made: GeneratedRuns,
    name: str,
    number: int,
    rng: np.random.Generator,
    *,
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
        TaskRun(name, f"{name}.{place}", start, length, Outcome.SUCCESS, "code", "worker", pattern=PATTERN)
        for place, (start, length) in enumerate(zip(starts, lengths, strict=True))
    ]
    made.sessions.append(
        SessionRun(
            name, begin, end, outcome, PATTERN, labels=labels or {}, task_types={"code": 2},
            work=sum(lengths), delivered_work=sum(lengths), covariates=covariates or {},
        )
    )  # fmt: skip
