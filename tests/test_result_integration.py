from __future__ import annotations

import pytest

from stretto.figures.fanout_conflict_and_test_checks import (
    IntegrationCheck,
    find_conflicts_and_tests,
    have_tests_passed,
    measure_completeness,
)
from stretto.figures.fanouts import find_fanouts
from stretto.model.entities import TestRun as Run
from stretto.model.entities import ToolCall
from stretto.model.event import Kind, Outcome
from tests.scenes import Drawing, conclude_scene, conflict, delivery, fork_join, frame_drawing


def checked(drawing: Drawing) -> tuple[IntegrationCheck, ...]:
    """Return the evidence on each fan-out of a drawing."""
    session = conclude_scene(drawing.events)
    return find_conflicts_and_tests(find_fanouts(session.tasks), session.tasks, session.tool_calls)


def pair(until: float = 60) -> Drawing:
    """Two tasks side by side from 0 to 30 s."""
    return frame_drawing(Drawing().task("a", 0, 30, "review").task("b", 0, 30, "review"), until)


def call(outcome: Outcome, tests: Run | None) -> ToolCall:
    """A call that ran tests."""
    return ToolCall("c", "Bash", None, 0, 1, 1, None, outcome, None, tests)


def test_two_tasks_that_wrote_one_file_conflict() -> None:
    """The third wrote another file. The first tests after them failed: that they pass later is no help."""
    (found,) = checked(conflict())
    assert found.conflicting == {"conflict-a", "conflict-b"}
    assert (found.writes_known, found.tests_passed, found.checked, found.integrated) == (
        True,
        False,
        True,
        False,
    )


def test_files_of_their_own_and_tests_that_pass_fit_together() -> None:
    """In the delivery each task writes another file, and the tests after both pass."""
    (found,) = checked(delivery())
    assert (found.conflicting, found.tests_passed, found.integrated) == (frozenset(), True, True)


def test_where_nothing_is_known_nothing_is_checked() -> None:
    """Neither a file nor a test: the fan-out is neither integrated nor not."""
    (found,) = checked(fork_join())
    assert (found.checked, found.tests_passed) == (False, None)


def test_a_write_that_failed_is_none() -> None:
    """Two tasks tried to write, the second failed: there is no conflict."""
    drawing = pair().call("x", 5, 6, parent="a", wrote="one")
    drawing.call("y", 7, 8, parent="b", wrote="one", outcome=Outcome.FAILURE)
    (found,) = checked(drawing)
    assert (found.writes_known, found.conflicting) == (True, frozenset())


def test_one_task_may_write_a_file_twice() -> None:
    """The main agent may also write a task's file."""
    drawing = pair().call("x", 5, 6, parent="a", wrote="one").call("y", 7, 8, parent="a", wrote="one")
    (found,) = checked(drawing.call("z", 40, 41, wrote="one"))
    assert found.conflicting == frozenset()


def test_what_the_tasks_of_a_task_wrote_is_its_own() -> None:
    """A conflict two levels down belongs to a task of the fan-out, and to no task inside it."""
    drawing = pair().task("inner", 5, 20, "testing", parent="a")
    drawing.call("x", 6, 7, parent="inner", wrote="one").call("y", 8, 9, parent="b", wrote="one")
    (found,) = checked(drawing)
    assert found.conflicting == {"a", "b"}


def test_tests_count_from_the_end_of_the_fanout_to_the_next_one() -> None:
    """Tests before its end or after the start of the next fan-out are ignored."""
    drawing = pair(200).call("early", 10, 11, test_framework="pytest", outcome=Outcome.FAILURE)
    drawing.task("c", 50, 80, "review").task("d", 50, 80, "review")
    drawing.call("late", 90, 91, test_framework="pytest")
    assert [found.tests_passed for found in checked(drawing)] == [None, True]


def test_the_first_tests_with_a_known_outcome_decide() -> None:
    """Tests whose end was never seen are skipped."""
    told = {"test_framework": "pytest"}
    drawing = pair().stroke(Kind.TOOL_START, 35, id="lost", name="Bash", attributes=told)
    assert conclude_scene(drawing.events).tool_calls[-1].tests == Run("pytest")
    drawing.call("known", 40, 41, test_framework="pytest", tests_passed=3, tests_failed=1)
    (found,) = checked(drawing)
    assert found.tests_passed is False


@pytest.mark.parametrize(
    ("outcome", "failed", "verdict"),
    [
        (Outcome.SUCCESS, None, True),
        (Outcome.SUCCESS, 0, True),
        (Outcome.SUCCESS, 2, False),
        (Outcome.FAILURE, None, False),
        (Outcome.FAILURE, 0, False),
        (Outcome.UNKNOWN, None, None),
        (Outcome.UNKNOWN, 1, False),
        (Outcome.CANCELLED, None, None),
    ],
)
def test_tests_pass_by_their_count_else_by_their_call(
    outcome: Outcome, failed: int | None, verdict: bool | None
) -> None:
    """A failed test fails the run for any exit code; a cancelled run has no outcome."""
    assert have_tests_passed(call(outcome, Run("pytest", None, failed))) is verdict
    assert have_tests_passed(call(outcome, None)) is None
    if failed == 0:
        # It is the run that is judged: what came after it in the same command may have failed.
        assert have_tests_passed(call(outcome, Run("pytest", 7, failed))) is True


def test_completeness_is_the_mean_of_what_is_known() -> None:
    """Result, open calls and tests count if they are known; without a known result there is no value."""
    drawing = (
        frame_drawing(Drawing(), 100)
        .task("a", 0, 10, "review")
        .task("b", 0, 10, "review", outcome=Outcome.FAILURE)
    )
    drawing.task("c", 0, 10, "review").run("d", 0, 5)
    session = conclude_scene(drawing.events)
    tests = [ToolCall("t", "Bash", "c", 1, 2, 1, None, Outcome.FAILURE, None, Run("pytest"))]
    found = measure_completeness(session.tasks, calls_known=["b", "c"], left_open=["c"], tests=tests)
    assert found == {"a": 1.0, "b": 0.5, "c": pytest.approx(1 / 3), "d": 1.0}
    lost = conclude_scene(Drawing().opens().run("e", 0).ends(9).events)
    assert measure_completeness(lost.tasks, calls_known=["e"], left_open=[], tests=[]) == {"e": 0.5}


def test_the_last_tests_of_a_task_count_and_those_below_it() -> None:
    """Red, then green is complete; a delegated test run is its delegator's as well."""
    session = conclude_scene(
        frame_drawing(Drawing().task("a", 0, 30, "plan").task("b", 5, 20, "testing", parent="a"), 40).events
    )
    tests = [
        ToolCall("1", "Bash", "b", 6, 7, 1, None, Outcome.FAILURE, None, Run("pytest")),
        ToolCall("2", "Bash", "b", 8, 9, 1, None, Outcome.SUCCESS, None, Run("pytest")),
    ]
    assert measure_completeness(session.tasks, calls_known=[], left_open=[], tests=tests) == {
        "a": 1.0,
        "b": 1.0,
    }
    assert measure_completeness(session.tasks, calls_known=[], left_open=[], tests=tests[:1]) == {
        "a": 0.5,
        "b": 0.5,
    }
