from __future__ import annotations

import pytest

from stretto.model.event import Kind, Outcome
from stretto.model.task_delivery_classes import Delivery, WasteReason
from tests.scenes import Drawing, conclude_scene


def run(
    drawing: Drawing,
    name: str,
    start: float,
    end: float | None,
    outcome: Outcome | None = Outcome.SUCCESS,
    *,
    about: str | None = None,
    parent: str | None = None,
    agent: str = "worker",
) -> Drawing:
    """Draw an agent that reports its own start and end; without an outcome only its end is reported."""
    attributes = {} if about is None else {"description": about}
    drawing.stroke(Kind.TASK_START, start, id=name, type=agent, parent=parent, attributes=attributes)
    if end is not None:
        drawing.stroke(Kind.TASK_END, end, id=name, outcome=outcome, parent=parent)
    return drawing


def judge(drawing: Drawing) -> dict[str, str]:
    """Return the class of each task by id, the reason of the wasted ones."""
    tasks = conclude_scene(drawing.events).tasks
    return {
        task.id: task.delivery.reason or task.delivery.delivery for task in tasks if task.delivery is not None
    }


def begin(session: str = "scene") -> Drawing:
    """Open a session with one turn."""
    return Drawing(session).opens().prompt(0)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome.SUCCESS, Delivery.DELIVERED),
        (None, Delivery.TAKEN),
        (Outcome.FAILURE, WasteReason.FAILED),
        (Outcome.CANCELLED, WasteReason.CANCELLED_BY_PROGRAM),
    ],
)
def test_a_task_alone_has_the_class_of_its_outcome(outcome: Outcome | None, expected: str) -> None:
    """Success is delivered, an end without an outcome is taken as delivered, the rest is wasted."""
    assert judge(run(begin(), "a", 1, 10, outcome).stop(20).ends(30)) == {"a": expected}


def test_a_task_whose_end_was_never_seen_is_lost_and_a_running_one_has_no_class() -> None:
    """The end of the session closes the task; before that it may still deliver."""
    assert judge(run(begin(), "a", 1, None).stop(20).ends(30)) == {"a": WasteReason.LOST}
    assert judge(run(begin(), "a", 1, None)) == {}


def test_a_task_cut_off_with_an_interrupted_turn_is_not_taken_as_delivered() -> None:
    """A person interrupts the turn at 20 s: what ended then was cut off, what ended before was not."""
    drawing = run(run(begin(), "early", 1, 10, None), "cut", 1, 20, None)
    drawing = run(drawing, "stopped", 2, 20, Outcome.CANCELLED)
    assert judge(drawing.stop(20, outcome=Outcome.CANCELLED).ends(30)) == {
        "early": Delivery.TAKEN,
        "cut": WasteReason.CANCELLED_BY_PERSON,
        "stopped": WasteReason.CANCELLED_BY_PERSON,
    }


def test_a_task_whose_call_never_returned_was_cut_off_by_the_next_prompt() -> None:
    """Clients report no stop after an interrupt; the call of the agent never returned either."""
    drawing = begin().order("call-a", 1, "review")
    drawing.stroke(Kind.TASK_START, 2, id="a", type="worker", attributes={"call": "call-a"})
    drawing.stroke(Kind.TASK_END, 10, id="a")
    tasks = conclude_scene(drawing.prompt(12, "p2").stop(20, "p2").ends(30).events).tasks
    assert [(task.id, task.delivery and task.delivery.reason) for task in tasks] == [
        ("a", WasteReason.CANCELLED_BY_PERSON)
    ]


def test_a_wasted_task_whose_work_was_delivered_later_was_retried() -> None:
    """The retry may go to another agent; work that was delivered at the same time is no retry."""
    drawing = run(begin(), "a", 1, 10, Outcome.FAILURE, about="Check the API")
    drawing = run(drawing, "b", 2, 12, Outcome.FAILURE, about="check the api, again")
    drawing = run(drawing, "c", 20, 30, about="Retry: check the API", agent="other")
    drawing = run(drawing, "loser", 40, 45, Outcome.CANCELLED, about="race")
    drawing = run(drawing, "winner", 40, 45, about="race")
    assert judge(drawing.stop(50).ends(60)) == {
        "a": WasteReason.RETRIED,
        "b": WasteReason.RETRIED,
        "c": Delivery.DELIVERED,
        "loser": WasteReason.CANCELLED_BY_PROGRAM,
        "winner": Delivery.DELIVERED,
    }


def test_a_retry_that_fails_too_delivers_nothing() -> None:
    """Both failures keep their reason."""
    drawing = run(begin(), "a", 1, 10, Outcome.FAILURE, about="part 1")
    drawing = run(drawing, "b", 11, 20, Outcome.FAILURE, about="part 1")
    assert judge(run(drawing, "c", 21, 30, about="part 2").stop(40).ends(50)) == {
        "a": WasteReason.FAILED,
        "b": WasteReason.FAILED,
        "c": Delivery.DELIVERED,
    }


def test_what_lies_below_a_wasted_task_is_wasted_for_its_reason() -> None:
    """A child's own reason goes first; a delivered child of a retried task was thrown away with it."""
    drawing = run(begin(), "a", 1, 30, Outcome.FAILURE, about="outer")
    drawing = run(drawing, "a-good", 2, 10, parent="a", about="good")
    drawing = run(drawing, "a-bad", 2, 10, Outcome.CANCELLED, parent="a", about="bad")
    drawing = run(drawing, "deep", 3, 9, None, parent="a-good", about="deep")
    drawing = run(drawing, "again", 31, 40, about="outer, attempt 2")
    assert judge(drawing.stop(50).ends(60)) == {
        "a": WasteReason.RETRIED,
        "a-good": WasteReason.RETRIED,
        "a-bad": WasteReason.CANCELLED_BY_PROGRAM,
        "deep": WasteReason.RETRIED,
        "again": Delivery.DELIVERED,
    }


def test_all_runs_of_an_agent_share_the_class_of_its_last_run() -> None:
    """An agent that failed, was resumed and then succeeded has delivered; the other way round it has not."""
    good = run(run(begin(), "a", 1, 10, Outcome.FAILURE), "a", 20, 30)
    bad = run(run(begin(), "a", 1, 10), "a", 20, 30, Outcome.FAILURE)
    for drawing in (good, bad):
        drawing.stop(40).ends(50)
    assert len(set(judge(good).values())) == len(set(judge(bad).values())) == 1
    assert len(judge(good)) == len(judge(bad)) == 2
