"""The table's rows of experiments and applied advice that go through a journal.

Sessions are drawn, written as events and taken into a store, and so are the decisions: an experiment is
defined, and what the service advises is applied. The analyses of the service then judge both.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stretto.analysis.experiment_definition_and_plan import ExperimentDefinition, ExperimentMetric
from stretto.analysis.experiment_units import list_experiment_sessions
from stretto.analysis.experiments import judge_experiment
from stretto.analysis.recommendation import RecommendationKind
from stretto.clock import DAY, HOUR
from stretto.findings.analysis_table import EFFECTS
from stretto.findings.experiment_journal_records import make_definition_details
from stretto.model.decisions import Decision, DecisionKind
from stretto.model.findings import EFFECT_PREFIX, RECOMMENDATION_PREFIX, Finding, FindingVerdict
from stretto.store.finding_history_and_last_answers import make_finding_id
from tests.detectors.journal_answers import is_same
from tests.detectors.journal_sessions import add_session
from tests.detectors.journaled_store import find_last_end, open_journaled_store
from tests.detectors.rows import Row, make_exact, make_wilson_rate
from tests.run_makers import GeneratedRuns, generate_runs, spread_over_days
from tests.scenes import BEGIN

ARM_SESSIONS = 40
"""Sessions of an experiment, by turns of either arm."""

FAULT = "imbalance"
ADVICE = RecommendationKind.UNBALANCED_AGENTS
"""A fault of an orchestrator, and the advice that removes it."""


def measure_journal_decisions(*, long: bool) -> Iterator[Row]:
    """Yield rows of answers G and I."""
    yield from measure_arms(20 if long else 2)
    yield from measure_fixes(20 if long else 1)


def measure_arms(experiments: int) -> Iterator[Row]:
    """Yield how often an experiment that is defined in a journal is judged as that of the drawn sessions."""
    definition = ExperimentDefinition("x", ExperimentMetric.TASK_SECONDS, ARM_SESSIONS // 2, start=BEGIN)
    defined = Decision(
        "d", definition.start, DecisionKind.EXPERIMENT, definition.name,
        details=make_definition_details(definition),
    )  # fmt: skip
    same = 0
    for seed in range(experiments):
        # In every other experiment arm B takes half as long again.
        made = draw_arms(seed, definition.label, slower=1.5 if seed % 2 else 1.0)
        instant = find_last_end(made) + HOUR
        with open_journaled_store(made) as journaled:
            journaled.decide(defined)
            (judged,) = journaled.ask_analysis("experiments", instant).findings
        units = list_experiment_sessions(definition, made.sessions, made.tasks, instant)
        same += is_same(judged, judge_experiment(definition, units).to_finding())
    yield make_exact(
        "G", "experiments through journals: verdict and ratio of the drawn sessions", same / experiments,
        at_least=1.0, cases=f"{same} of {experiments} experiments of {ARM_SESSIONS} sessions",
    )  # fmt: skip


def draw_arms(seed: int, label: str, *, slower: float) -> GeneratedRuns:
    """Return sessions of arms A and B by turns; those of B take so many times as long."""
    rng = np.random.default_rng([seed, 42])
    made = GeneratedRuns()
    for number in range(ARM_SESSIONS):
        arm = "AB"[number % 2]
        add_session(
            made, f"arm-{number}", number, rng, labels={label: arm}, slower=slower if arm == "B" else 1.0
        )
    return made


def measure_fixes(stores: int) -> Iterator[Row]:
    """Yield how often the advice against an imbalance, applied, is judged as it turned out."""
    within = without = 0
    for seed in range(stores):
        fixed, unfixed = (judge_application(seed, fault) for fault in (None, FAULT))
        within += fixed is not None and fixed.details["within_promise"] == "yes"
        without += unfixed is not None and unfixed.verdict is FindingVerdict.NO_EVIDENCE
    yield make_wilson_rate(
        "I", "through journals: an applied fix lands within its promise", within, stores,
        at_least=0.80,
    )  # fmt: skip
    yield make_wilson_rate(
        "I", "through journals: applied with nothing changed has no effect", without, stores,
        at_least=0.95,
    )  # fmt: skip


def judge_application(seed: int, fault: str | None) -> Finding | None:
    """Return the effect of the advice after four weeks with an imbalance; None if it was not advised.

    The sessions of the week in which it is judged have the fault, if one is given.
    """
    before = spread_over_days(generate_runs(56, seed, fault=FAULT), 2)
    after = spread_over_days(generate_runs(14, seed + 5_000, fault=fault, first=56), 2)
    applied = after.sessions[0].start
    with open_journaled_store(before) as journaled:
        reply = journaled.ask_analysis("advice", applied)
        wanted = f"{RECOMMENDATION_PREFIX}{ADVICE}"
        advice = next((each for each in reply.findings if each.kind == wanted), None)
        if advice is None:
            return None
        journaled.keep_findings(reply, applied)
        id = make_finding_id(advice.kind, advice.subject)
        journaled.decide(Decision("d", applied, DecisionKind.APPLIED, id))
        journaled.take(after, "after.jsonl")
        effects = journaled.ask_analysis(EFFECTS, applied + 7 * DAY).findings
    return next(each for each in effects if each.kind == f"{EFFECT_PREFIX}{ADVICE}")
