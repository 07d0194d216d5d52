"""Calls without ids: start and end are paired by tool and input, which a repeated call shares."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.model.conclude_session import conclude_session
from stretto.model.entities import Session
from stretto.model.event import Event, Kind, Outcome
from stretto.model.facts import SessionFacts
from stretto.model.fold import fold_events

START, END = Kind.TOOL_START, Kind.TOOL_END


def event(kind: Kind, time: int, pair: str = "p", tool: str = "Execute", **more: Any) -> Event:
    """Return an event of a call that has no id."""
    outcome = Outcome.SUCCESS if kind is END else None
    attributes = {"pair": pair, **more.pop("attributes", {})}
    return Event(kind=kind, session="s", time=time, source="droid", name=tool, attributes=attributes,
                 **{"outcome": outcome, **more})  # fmt: skip


def session(events: list[Event], *, lost: bool = False) -> Session:
    """Return the session that events conclude to."""
    facts = SessionFacts("s")
    fold_events(facts, events)
    return conclude_session(facts, lost=lost, classify=lambda *_: "other")


def lengths(events: list[Event]) -> list[tuple[int | None, int | None, int | None]]:
    """Return start, end and duration of each call."""
    return [(call.start, call.end, call.duration) for call in session(events, lost=True).tool_calls]


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([(START, 1), (END, 4)], [(1, 4, 3)]),
        ([(START, 1), (END, 4), (START, 10), (END, 12)], [(1, 4, 3), (10, 12, 2)]),
        ([(START, 1), (START, 10), (END, 12)], [(1, None, None), (10, 12, 2)]),
        ([(START, 1), (START, 2), (END, 5), (END, 7)], [(1, 7, 6), (2, 5, 3)]),
        ([(END, 4)], [(None, 4, None)]),
        ([(END, 4), (START, 6), (END, 9)], [(None, 4, None), (6, 9, 3)]),
        ([(START, 1)], [(1, None, None)]),
        ([(START, 1), (END, 1)], [(1, 1, 0)]),
    ],
)
def test_each_start_is_a_call_of_its_own(
    marks: list[tuple[Kind, int]], expected: list[tuple[int | None, int | None, int | None]]
) -> None:
    """In any order of arrival and with any repetition; an end never reaches back over a later start."""
    events = [event(kind, time) for kind, time in marks]
    for order in itertools.permutations([*events, events[0]]):
        assert sorted(lengths(list(order)), key=str) == sorted(expected, key=str)


@given(
    st.lists(st.tuples(st.sampled_from([START, END]), st.integers(1, 30), st.sampled_from("pq")), max_size=12)
)
def test_no_mark_is_lost_and_none_made_up(marks: list[tuple[Kind, int, str]]) -> None:
    """Every start and every end is in exactly one call, and no call ends before it begins."""
    found = session([event(kind, time, pair) for kind, time, pair in marks], lost=True).tool_calls
    for kind in (START, END):
        told = sorted((call.start if kind is START else call.end, call.id.partition("/")[0]) for call in found
                      if (call.start if kind is START else call.end) is not None)  # fmt: skip
        assert told == sorted({(time, pair) for each, time, pair in marks if each is kind})
    assert len({call.id for call in found}) == len(found)
    assert all(call.start is None or call.end is None or call.start <= call.end for call in found)
    assert all(call.duration is None or call.start is not None for call in found)


def test_each_end_has_its_own_outcome() -> None:
    """A command that failed once and then succeeded is told as both."""
    first = [event(START, 1), event(END, 2, outcome=Outcome.FAILURE)]
    later = [event(START, 5), event(END, 6), event(START, 8), event(END, 9, outcome=None)]
    calls = session([*first, *later]).tool_calls
    assert [call.outcome for call in calls] == [Outcome.FAILURE, Outcome.SUCCESS, Outcome.UNKNOWN]


def test_a_delegation_that_is_waited_for_is_a_task() -> None:
    """Two orders at once are two tasks; one left in the background is none: its end is not the agent's."""
    order = {"agent": "reviewer", "description": "Review the cart"}
    told = [
        event(START, 1, "a", "Task", attributes=order),
        event(START, 2, "b", "Task", attributes={**order, "description": "Review the till"}),
        event(END, 9, "a", "Task"),
        event(END, 8, "b", "Task"),
        event(START, 3, "c", "Task", attributes={**order, "background": True}),
        event(END, 4, "c", "Task", attributes={"status": "async_launched"}),
    ]
    assert [(task.description, task.start, task.end, task.outcome) for task in session(told).tasks] == [
        ("Review the cart", 1, 9, Outcome.SUCCESS),
        ("Review the till", 2, 8, Outcome.SUCCESS),
    ]


def test_an_order_given_twice_is_two_tasks() -> None:
    """The same words to the same kind of agent, one after the other; the first has no end while it runs."""
    order = {"agent": "reviewer"}
    first = [event(START, 1, "a", "Task", attributes=order)]
    assert [task.outcome for task in session(first).tasks] == [Outcome.RUNNING]
    again = [event(START, 7, "a", "Task", attributes=order), event(END, 9, "a", "Task")]
    both = session([*first, event(END, 5, "a", "Task"), *again])
    assert [(task.start, task.end) for task in both.tasks] == [(1, 5), (7, 9)]


def test_a_start_that_names_its_call_is_linked_with_it() -> None:
    """Also where the call had ended before the agent began, as one that leaves it in the background has."""
    order = Event(
        kind=START, session="s", time=1, id="c", name="Task", attributes={"agent": "x", "description": "d"}
    )
    answer = Event(
        kind=END, session="s", time=2, id="c", name="Task", attributes={"status": "async_launched"}
    )
    begins = Event(kind=Kind.TASK_START, session="s", time=5, id="a", attributes={"delegated_by": "c"})
    (task,) = session([order, answer, begins]).tasks
    assert (task.id, task.delegated_by, task.description, task.start) == ("a", "c", "d", 5)


def test_calls_that_share_a_pair_have_each_their_own_tests() -> None:
    """The same test command, failing and then mended: in any order of arrival the second is the good one."""
    first = {"test_framework": "npm", "tests_passed": 1, "tests_failed": 3}
    second = {"test_framework": "npm", "tests_passed": 4, "tests_failed": 0}
    events = [
        event(START, 1), event(END, 4, attributes=first), event(START, 6), event(END, 9, attributes=second),
    ]  # fmt: skip
    for order in itertools.permutations(events):
        calls = session(list(order), lost=True).tool_calls
        runs = [(call.tests.passed, call.tests.failed) for call in calls if call.tests]
        assert runs == [(1, 3), (4, 0)]
