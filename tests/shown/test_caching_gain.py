"""What a cache brings to an orchestrator, by the experiment machinery: response times fall by 20 to 30 %."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import mean

import pytest

from stretto.analysis.experiment_definition_and_plan import define_experiment
from stretto.analysis.experiment_units import ExperimentUnit
from stretto.analysis.experiments import judge_experiment
from stretto.caching import cached, get_cache
from stretto.clock import DAY, SECOND
from stretto.findings.analysis_run import AnalysisRequest, answer_request
from stretto.findings.experiment_journal_records import make_definition_details
from stretto.model.decisions import Decision, DecisionKind
from stretto.model.findings import Finding, FindingVerdict
from stretto.store.decision_rows import append_decisions
from tests.fakes import store
from tests.scenes import BEGIN, Drawing
from tests.shown.scale import choose_scale
from tests.shown.test_gates import bound_rate

pytestmark = pytest.mark.shown

FILES, REVIEWS = 40, 4
"""Files of the project, and how many of them a session reviews side by side."""
PLAN_SECONDS, WORK_SECONDS, SPREAD = 16.0, 46.0, 0.1
"""Typical times of the model's plan and of the work after it, and the spread of their logarithms."""

DEFINITION = define_experiment(
    "cached-plans", metric="elapsed_seconds", smallest_effect=1.25, spread=0.15, start=BEGIN
)


class ScriptedOrchestrator:
    """Reviews files on a virtual clock: a plan takes time only if it is computed."""

    def __init__(self, rng: Random, *, is_cached: bool) -> None:
        self._rng = rng
        self._spent = 0.0
        self._plan: Callable[[int], int] = cached("plans", ttl=None)(self._ask_model)
        get_cache(self._plan).is_allowed = is_cached
        self._popular = [1 / (rank + 1) for rank in range(FILES)]

    def _ask_model(self, file: int) -> int:
        self._spent += PLAN_SECONDS * self._rng.lognormvariate(0, SPREAD)
        return file

    def run_session(self) -> list[float]:
        """Return the seconds of each review of a session."""
        lengths = []
        for file in self._rng.choices(range(FILES), self._popular, k=REVIEWS):
            self._spent = 0.0
            self._plan(file)
            lengths.append(self._spent + WORK_SECONDS * self._rng.lognormvariate(0, SPREAD))
        return lengths


def make_orchestrators(rng: Random) -> dict[str, ScriptedOrchestrator]:
    """Return one for each arm; both have worked for a while, so that the cache is warm."""
    arms = {"A": ScriptedOrchestrator(rng, is_cached=False), "B": ScriptedOrchestrator(rng, is_cached=True)}
    for orchestrator in arms.values():
        for _ in range(50):
            orchestrator.run_session()
    return arms


def measure_true_ratio() -> float:
    """Return the ratio of the typical response times, cached over plain, from many sessions."""
    arms = make_orchestrators(Random(5))
    logs = {
        arm: mean(math.log(max(orchestrator.run_session())) for _ in range(4_000))
        for arm, orchestrator in arms.items()
    }
    return math.exp(logs["B"] - logs["A"])


def draw_session(name: str, arm: str, lengths: list[float], start: int) -> Drawing:
    """Draw a session from a second on, whose reviews begin together; it carries the label of its arm."""
    drawing = Drawing(name).opens(start, pattern="review", labels=[f"arm={arm}"]).prompt(start)
    for number, seconds in enumerate(lengths):
        drawing.task(f"{name}-{number}", start + 1, start + 1 + seconds, "review")
    end = start + max(lengths) + 2
    return drawing.stop(end).ends(end)


def judge_round(folder: Path, rng: Random) -> Finding:
    """Run as many sessions of both arms as the planner asked for; return the experiment's answer."""
    arms = make_orchestrators(rng)
    with store(folder) as opened:
        details = make_definition_details(DEFINITION)
        definition = Decision("e", BEGIN, DecisionKind.EXPERIMENT, DEFINITION.name, "", details)
        append_decisions(opened.folder, [definition])
        for number in range(2 * DEFINITION.units):
            arm = "AB"[number % 2]
            session = draw_session(f"s{number}", arm, arms[arm].run_session(), 60 + number * 300)
            opened.take(session.events)
        database = str(opened.connection.execute("PRAGMA database_list").fetchone()[2])
        (reply,) = answer_request(AnalysisRequest(database, BEGIN + 2 * DAY, ("experiments",)))
    assert reply.error is None
    (finding,) = reply.findings
    return finding


def test_a_cache_brings_what_it_brings(tmp_path: Path) -> None:
    """The planned runs find the gain in .9 of the rounds; the interval holds the true one in .9 and more."""
    true_ratio, rounds = measure_true_ratio(), choose_scale(8, 100)
    assert 0.70 <= true_ratio <= 0.80
    answers = [judge_round(tmp_path / str(number), Random(number)) for number in range(rounds)]
    found = sum(answer.verdict is FindingVerdict.IMPROVEMENT for answer in answers)
    covered = sum(
        (answer.evidence.low or 0) <= true_ratio <= (answer.evidence.high or 0) for answer in answers
    )
    assert bound_rate(found, rounds, upper=True) >= 0.9
    assert bound_rate(covered, rounds, upper=True) >= 0.95
    assert found / rounds >= 0.85
    effects = sorted(answer.evidence.effect or 0 for answer in answers)
    assert 0.70 <= effects[rounds // 2] <= 0.80


def test_without_a_gain_none_is_reported() -> None:
    """Both arms cached: at most a twentieth of the rounds call one better."""
    rounds, decided = choose_scale(8, 100), 0
    for number in range(rounds):
        rng = Random(1_000 + number)
        arms = {arm: make_orchestrators(rng)["B"] for arm in "AB"}
        units = [
            ExperimentUnit(f"s{index}", arm, max(arms[arm].run_session()), BEGIN + index * SECOND, "review")
            for index, arm in enumerate("AB" * DEFINITION.units)
        ]
        verdict = judge_experiment(DEFINITION, units).verdict
        decided += verdict in {FindingVerdict.IMPROVEMENT, FindingVerdict.REGRESSION}
    assert bound_rate(decided, rounds, upper=False) <= 0.05
