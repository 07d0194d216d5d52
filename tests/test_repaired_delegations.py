"""Calls for agents that no agent took up, and those that were made good."""

from __future__ import annotations

import pytest

from stretto.clock import SECOND
from stretto.figures.window_work_and_outcome_figures import compute_window_figures
from stretto.model.delegations_refused_then_repeated import find_refused_and_repaired_delegations
from stretto.model.event import Kind, Outcome
from stretto.model.tools_with_length import takes_time_of_its_own
from tests.scenes import Drawing, at, conclude_scene, fold_scene, frame_drawing
from tests.scored import sums_of, valued


def refused(*, again: str | None, about: str = "Review the parser", parent: str | None = None) -> Drawing:
    """Draw a mistyped call for an agent, and perhaps another call."""
    drawing = frame_drawing(Drawing(), 90).order("wrong", 1, "review the parser", agent="reviwer")
    drawing.answer("wrong", 2, None, status="failed", outcome=Outcome.FAILURE)
    if again is not None:
        drawing.order("right", 3, about, agent=again, parent=parent).run("a", 4, 40, agent=again)
        drawing.answer("right", 40, "a", parent=parent)
    return drawing


@pytest.mark.parametrize(
    ("drawing", "is_repaired"),
    [
        (refused(again="reviewer"), True),
        (refused(again=None), False),
        (refused(again="reviewer", about="write tests"), False),
    ],
)
def test_a_refused_call_is_repaired_by_the_same_work(drawing: Drawing, is_repaired: bool) -> None:
    """By whatever agent, with the same description but for case and punctuation."""
    (found,) = find_refused_and_repaired_delegations(fold_scene(drawing.events))
    assert (found.time, found.is_repaired) == (at(2), is_repaired)


def test_a_refused_call_is_no_task_and_a_later_call_repairs_one() -> None:
    """Two refusals and a single run: one is repaired. Neither is a task."""
    drawing = refused(again="reviewer")
    drawing.order("other", 1.5, "review the parser", agent="rev")
    drawing.answer("other", 2.5, None, status="denied", outcome=Outcome.CANCELLED)
    found = find_refused_and_repaired_delegations(fold_scene(drawing.events))
    assert [call.is_repaired for call in found] == [True, False]
    assert [task.id for task in conclude_scene(drawing.events).tasks] == ["a"]
    values = valued(compute_window_figures("1h", sums_of(drawing), {}))
    assert values["window_refused_agent_calls", ""] == 2
    assert values["window_repaired_agent_calls", ""] == 1


def test_messages_are_counted_by_a_closed_set_of_kinds() -> None:
    """A kind that is not in the set is other; a report counts by kind, and is no exchange with an agent."""
    drawing = Drawing().opens()
    for number, kind in enumerate(("request", "Request", "gossip", None, "progress")):
        receiver = None if kind == "progress" else "builder"
        drawing.stroke(Kind.MESSAGE, 1 + number, id=f"m{number}", name=receiver, type=kind)
    sums = sums_of(drawing.ends(9))
    values = valued(compute_window_figures("1h", sums, {}))
    assert values["window_messages_by_kind", "request"] == 2
    assert values["window_messages_by_kind", "other"] == 1
    assert values["window_messages_by_kind", "none"] == 1
    assert values["window_messages_by_kind", "progress"] == 1
    assert sum(sums["messages"].values()) == sum(sums["talk_messages"].values()) == 4


def test_a_gate_has_no_length() -> None:
    """It counts as a call and as a test, and enters no duration of tools or tests."""
    drawing = frame_drawing(Drawing(), 90)
    drawing.call("g", 5, 6, tool="gate", test_framework="lint", tests_passed=1, tests_failed=0)
    drawing.call("t", 7, 9, test_framework="pytest", tests_passed=1, tests_failed=0)
    gate, run = conclude_scene(drawing.events).tool_calls
    assert (takes_time_of_its_own(gate), takes_time_of_its_own(run)) == (False, True)
    sums = sums_of(drawing)
    assert {dims[0]: count for dims, count in sums["calls"].items()} == {"gate": 1, "Bash": 1}
    assert {dims[0] for dims in sums["call_time"]} == {"Bash"}
    assert {dims[0] for dims in sums["test_run_time"]} == {"pytest"}
    assert sums["tool_seconds"] == sums["test_seconds"] == {(): 2 * SECOND}
