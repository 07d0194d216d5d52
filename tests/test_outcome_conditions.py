"""Patterns of success: planted conditions are found, chance and mixed workflows show none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stretto.analysis.outcome_conditions import (
    MOST_CONDITIONS,
    AssociatedOutcome,
    find_outcome_conditions,
    list_conditions,
)
from stretto.clock import HOUR, MINUTE
from stretto.findings.analysis_input_and_answer import AnalysisInput
from stretto.findings.analysis_table import find_conditions
from stretto.findings.finding_sentences import describe_finding
from stretto.model.event import Outcome
from stretto.model.findings import FindingVerdict
from stretto.model.run_rows_for_analyses import SessionRun
from tests.run_makers import generate_conditions


def test_nothing_planted_shows_nothing() -> None:
    """Of 40 stores of 300 sessions without any effect at most six show a condition."""
    shown = 0
    for seed in range(40):
        answer = find_outcome_conditions(generate_conditions(300, seed, lambda _: 0.6))
        shown += bool(answer.found)
        assert answer.checked >= 20
    assert shown <= 6


def test_a_planted_lift_is_found() -> None:
    """In nine or ten of ten stores of 300 sessions a condition with a lift of 1.5 is named."""
    found = 0
    for seed in range(10):
        answer = find_outcome_conditions(
            generate_conditions(300, seed, lambda each: 0.75 if each["c3"] == "1" else 0.5)
        )
        planted = [each for each in answer.found if each.condition in {"c3=1", "c3=0"}]
        found += bool(planted)
        for each in planted:
            good = each.condition == "c3=1"
            assert each.effect is (AssociatedOutcome.SUCCESS if good else AssociatedOutcome.FAILURE)
            assert each.low < each.lift < each.high
            assert (each.lift > 1) is good
    assert found >= 9


def test_a_pattern_that_always_succeeds_makes_no_condition_good() -> None:
    """Sessions of a safe workflow that all use one model: within workflows the model shows nothing."""
    rng = np.random.default_rng(1)
    sessions = [
        SessionRun(
            f"s{number}", number * HOUR, (number + 1) * HOUR,
            Outcome.SUCCESS if rng.random() < (0.95 if safe else 0.4) else Outcome.FAILURE,
            pattern="safe" if safe else "risky",
            covariates={"model": "a" if rng.random() < (0.9 if safe else 0.1) else "b"},
        )
        for number in range(400)
        for safe in [number % 2 == 0]
    ]  # fmt: skip
    assert all("model" not in each.condition for each in find_outcome_conditions(sessions).found)
    pooled = [
        SessionRun(run.session, run.start, run.end, run.outcome, covariates=run.covariates)
        for run in sessions
    ]
    assert any("model" in each.condition for each in find_outcome_conditions(pooled).found)


def test_new_patterns_are_emerging_until_later_sessions_show_them() -> None:
    """A strong effect of all sessions is confirmed; that of the first two thirds only is emerging."""

    def lasting(each: dict[str, str]) -> float:
        return 0.9 if each["c1"] == "1" else 0.3

    confirmed = find_outcome_conditions(generate_conditions(600, 3, lasting))
    assert all(each.confirmed for each in confirmed.found if each.condition == "c1=0")
    assert any(each.condition == "c1=0" for each in confirmed.found)
    past = generate_conditions(600, 3, lasting)[:400] + [
        run for run in generate_conditions(600, 4, lambda _: 0.6) if int(run.session[1:]) >= 400
    ]
    (emerging,) = [each for each in find_outcome_conditions(past).found if each.condition == "c1=0"]
    assert emerging.confirmed is False
    findings = find_outcome_conditions(past).to_findings()
    (finding,) = [each for each in findings if each.subject == {"condition": "c1=0"}]
    assert finding.reason == "emerging: later sessions must confirm it"
    assert finding.advice.startswith("Sessions with c1=0 succeed only 0.")
    assert finding.advice.endswith("sessions); later sessions must confirm it.")


def test_conditions_are_few_and_supported() -> None:
    """At most twenty conditions, each with fifteen sessions on either side."""
    sessions = generate_conditions(200, 5, lambda _: 0.5)
    conditions = list_conditions(sessions)
    assert 0 < len(conditions) <= MOST_CONDITIONS
    assert all(15 <= len(ids) <= 185 for ids in conditions.values())


def test_time_per_task_is_not_explained_by_what_it_is_made_of() -> None:
    """Sessions with retries or more width are no faster per task: these count for success alone."""
    sessions = [
        replace(
            run, retries=number % 2, width=1 + number // 2 % 2,
            end=run.start + (4 - number % 4) * MINUTE * run.task_types["code"],
        )
        for number, run in enumerate(generate_conditions(300, 6, lambda _: 0.6))
    ]  # fmt: skip
    assert {"retries", "width > 1.5"} <= list_conditions(sessions).keys()
    speed = {AssociatedOutcome.FAST, AssociatedOutcome.SLOW}
    made_of = [each for each in find_outcome_conditions(sessions).found if "=" not in each.condition]
    assert not [each for each in made_of if each.effect in speed]
    labelled = [replace(run, labels={"retries": str(run.retries)}, retries=0) for run in sessions]
    named = [each for each in find_outcome_conditions(labelled).found if each.effect in speed]
    assert {each.condition.partition("=")[0] for each in named} == {"retries"}, "a label is the user's own"
    assert "are among the fastest quarter by time per task" in named[0].to_sentence()


def test_few_sessions_are_too_few() -> None:
    """Below 100 sessions there is no answer; with enough and nothing to see it counts what was checked."""
    answer = find_outcome_conditions(generate_conditions(99, 1, lambda _: 0.5))
    assert answer.reason == "99 sessions, 100 are needed"
    assert answer.to_findings()[0].verdict is FindingVerdict.TOO_LITTLE_DATA
    quiet = find_outcome_conditions(generate_conditions(120, 11, lambda _: 1.0, patterns=1))
    assert all(each.effect in {AssociatedOutcome.FAST, AssociatedOutcome.SLOW} for each in quiet.found)
    if not quiet.found:
        (finding,) = quiet.to_findings()
        assert finding.verdict is FindingVerdict.NO_EVIDENCE
        assert finding.details["checked"] == pytest.approx(quiet.checked)


def test_the_service_asks_for_conditions() -> None:
    """The table's row gives the findings, and counts the checks of a store that shows nothing."""
    sessions = generate_conditions(300, 2, lambda each: 0.9 if each["c3"] == "1" else 0.3)
    answer = find_conditions(AnalysisInput(10**18, (), sessions))
    assert any(finding.subject == {"condition": "c3=0"} for finding in answer.findings)
    assert len(answer.findings) > 0
    assert len(answer.findings) + sum(answer.unlisted.values()) == answer.findings[0].details["checked"]
    sentence = describe_finding(answer.findings[0])
    assert sentence == answer.findings[0].advice
    few = find_conditions(AnalysisInput(10**18, (), sessions[:50]))
    assert (few.findings, few.extra["reason"]) == ([], "50 sessions, 100 are needed")
    assert few.unlisted == {FindingVerdict.NO_EVIDENCE: 0, FindingVerdict.TOO_LITTLE_DATA: 1}


def test_a_condition_without_which_nothing_succeeds_has_no_ratio() -> None:
    """All 150 sessions with x=0 succeed and none of the others: no number divides by nothing."""
    sessions = [
        SessionRun(
            f"s{number}", number * HOUR, (number + 1) * HOUR,
            Outcome.FAILURE if number % 2 else Outcome.SUCCESS,
            covariates={"x": str(number % 2)},
        )
        for number in range(300)
    ]  # fmt: skip
    answer = find_outcome_conditions(sessions)
    [only], [finding] = answer.found, answer.to_findings()
    assert (finding.evidence.effect, finding.evidence.high) == (None, None)
    assert finding.advice.startswith("Only sessions with x=0 succeed (150 sessions)")
    never = replace(only, condition="x=1", lift=0.0)
    assert never.to_sentence().startswith("No session with x=1 is one of those that succeed (150)")
