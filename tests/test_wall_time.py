from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.clock import SECOND
from stretto.figures.sums_by_dimension import Sums
from stretto.figures.wall_time_parts import (
    WallPart,
    compute_wall_figures,
    measure_wall_time,
)
from stretto.model.entities import HooksRun, ModelCall, PermissionRequest, Session, Turn
from stretto.model.event import Event, Outcome
from tests.fakes import any_event
from tests.paper import SCENES, read_figures
from tests.scenes import Drawing, conclude_scene
from tests.schedules import call, session, sessions_at_random, task

HEADING = "Wall time that adds up"


def turn(name: str, start: int, end: int | None, origin: str = "user") -> Turn:
    """Return a turn."""
    return Turn(name, origin, start, end, Outcome.SUCCESS if end is not None else Outcome.UNKNOWN)


# Scenes.


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene_has_the_figures_in_the_docs(scene: str) -> None:
    """Every part of every scene is the number on paper, and no other part is there."""
    drawn = conclude_scene(SCENES[scene]().events)
    parts = measure_wall_time(drawn)
    written = dict(read_figures(HEADING)[scene])
    assert sum(parts.values()) / SECOND == written.pop("wall time")
    assert {part.value: length / SECOND for part, length in parts.items()} == written


def test_every_scene_is_on_paper() -> None:
    """The table leaves none out."""
    assert read_figures(HEADING).keys() == SCENES.keys()


# Tasks.


def test_a_task_that_waits_for_its_own_is_not_parallel_to_it() -> None:
    """A task within a task counts as a single task; two tasks within it are parallel."""
    tasks = (task("a", 0, 50), task("b", 10, 30, "a"), task("c", 20, 40, "b"))
    parts = measure_wall_time(session(tasks=tasks))
    # c outlives b, so b did not wait for it: both run from 20 to 30.
    assert parts == {WallPart.PARALLEL: 10, WallPart.SINGLE: 40, WallPart.UNKNOWN: 10}


def test_a_task_of_a_later_run_lies_within_that_run() -> None:
    """A parent is named by its agent; the time decides which of its runs is meant."""
    tasks = (task("a", 0, 10), task("a/2", 20, 40), task("b", 25, 35, "a"))
    assert measure_wall_time(session(50, tasks=tasks)) == {WallPart.SINGLE: 30, WallPart.UNKNOWN: 20}


def test_tasks_that_are_above_each_other_are_still_counted() -> None:
    """A ring of parents, from contradictory events, hides no task."""
    tasks = (task("a", 0, 10, "b"), task("b", 0, 10, "a"), task("c", 20, 30, "c"))
    parts = measure_wall_time(session(40, tasks=tasks))
    assert sum(parts.values()) == 40
    assert parts[WallPart.UNKNOWN] == 20


def test_a_running_session_reaches_to_its_last_event() -> None:
    """Running tasks do as well."""
    running = session(30, end=None, outcome=Outcome.RUNNING, tasks=(task("a", 10, None), task("b", 20, 25)))
    assert measure_wall_time(running) == {WallPart.PARALLEL: 5, WallPart.SINGLE: 15, WallPart.UNKNOWN: 10}


# The main agent.


def test_tasks_go_before_tools_before_models_before_hooks() -> None:
    """Where all of them claim an instant, the first in the order of the parts has it."""
    drawn = session(
        50,
        turns=(turn("p", 0, 50),),
        tasks=(task("a", 0, 10),),
        tool_calls=(call("c", 5, 20), call("in", 6, 40, task="a")),
        model_calls=(ModelCall("m", None, None, 15, 15, Outcome.SUCCESS),),
        hooks_run=(HooksRun("h", None, None, 25, 15), HooksRun("i", None, "a", 40, 9)),
    )
    assert measure_wall_time(drawn) == {
        WallPart.SINGLE: 10,
        WallPart.MAIN_TOOLS: 10,
        WallPart.MODEL: 10,
        WallPart.HOOKS: 10,
        WallPart.UNKNOWN: 10,
    }


def test_overhead_comes_before_the_execution() -> None:
    """Of 10 s a call executed for 6, and the rest was hooks; without a known overhead it is unknown."""
    turns = (turn("p", 0, 20),)
    told = session(20, turns=turns, tool_calls=(call("c", 5, 15, 6, overhead=True),))
    assert measure_wall_time(told) == {WallPart.MAIN_TOOLS: 6, WallPart.HOOKS: 4, WallPart.UNKNOWN: 10}
    untold = session(20, turns=turns, tool_calls=(call("c", 5, 15, 6),))
    assert measure_wall_time(untold) == {WallPart.MAIN_TOOLS: 6, WallPart.UNKNOWN: 14}


def test_a_person_is_waited_for_from_the_request_to_the_execution() -> None:
    """This needs a measured execution; otherwise the length of the wait is unknown."""
    turns, asked = (turn("p", 0, 20),), (PermissionRequest(6, None, "Bash"),)
    measured = session(20, turns=turns, tool_calls=(call("c", 5, 15, 4),), permissions=asked)
    assert measure_wall_time(measured) == {WallPart.MAIN_TOOLS: 4, WallPart.WAITING: 5, WallPart.UNKNOWN: 11}
    unmeasured = session(20, turns=turns, tool_calls=(call("c", 5, 15),), permissions=asked)
    assert measure_wall_time(unmeasured) == {WallPart.UNKNOWN: 20}


def test_waiting_while_another_tool_executes_is_that_tools_time() -> None:
    """Time in which other work runs is not waiting."""
    drawn = session(
        20,
        turns=(turn("p", 0, 20),),
        tool_calls=(call("c", 5, 15, 4), call("d", 5, 9, tool="Read")),
        permissions=(PermissionRequest(6, None, "Bash"),),
    )
    assert measure_wall_time(drawn) == {WallPart.MAIN_TOOLS: 8, WallPart.WAITING: 2, WallPart.UNKNOWN: 10}


# Turns.


def test_the_next_prompt_decides_who_was_waited_for() -> None:
    """Before the user's prompt is waiting; before the host's, the first and after the last turn is idle."""
    turns = (turn("p", 5, 10), turn("h", 20, 25, "host"), turn("q", 40, 45))
    assert measure_wall_time(session(60, turns=turns)) == {
        WallPart.WAITING: 15,
        WallPart.IDLE: 5 + 10 + 15,
        WallPart.UNKNOWN: 15,
    }


def test_an_interrupted_turn_may_have_gone_on() -> None:
    """Without its end, waiting cannot be dated; the last such turn reaches to the session's end."""
    turns = (turn("p", 0, None), turn("q", 30, 40), turn("r", 50, None))
    assert measure_wall_time(session(60, turns=turns)) == {WallPart.WAITING: 10, WallPart.UNKNOWN: 50}


def test_a_closed_session_waits_for_nobody() -> None:
    """Between an end and the resumption it is idle, for any prompt that follows."""
    turns = (turn("p", 0, 10), turn("q", 30, 40))
    assert measure_wall_time(session(40, turns=turns, ends=(12, 40))) == {
        WallPart.IDLE: 20,
        WallPart.UNKNOWN: 20,
    }


def test_a_session_without_turns_is_one_turn() -> None:
    """A program that runs tasks is never idle: its time between them is unknown."""
    assert measure_wall_time(session(40, tasks=(task("a", 10, 20),))) == {
        WallPart.SINGLE: 10,
        WallPart.UNKNOWN: 30,
    }


def test_a_session_of_no_length_has_no_parts() -> None:
    """Nothing is made up for a single event."""
    assert measure_wall_time(session(0)) == {}


# Figures.


def test_each_part_is_a_figure_of_the_window() -> None:
    """In seconds, made of as many sessions as ended."""
    sums: Sums = {
        "wall": {("single",): 3 * SECOND, ("idle",): SECOND},
        "sessions": {("a", "b", "success"): 2},
    }
    found = list(compute_wall_figures("1h", sums))
    assert [(dict(f.labels)["part"], f.value, f.count) for f in found] == [("idle", 1, 2), ("single", 3, 2)]


# Properties.


@given(sessions_at_random())
def test_the_parts_sum_to_the_wall_time_exactly(drawn: Session) -> None:
    """For stretches that touch, nest or lie outside: each instant is in exactly a single part."""
    parts = measure_wall_time(drawn)
    assert sum(parts.values()) == (drawn.end or 0) - drawn.start
    assert all(length > 0 for length in parts.values())


@given(sessions_at_random())
def test_some_task_runs_in_each_instant_that_is_called_parallel_or_single(drawn: Session) -> None:
    """Counted nanosecond by nanosecond; and never more are parallel than have two tasks running."""
    running = [
        sum(one.interval.start <= instant < one.interval.end for one in drawn.tasks if one.interval)
        for instant in range(drawn.end or 0)
    ]
    parts = measure_wall_time(drawn)
    assert parts.get(WallPart.PARALLEL, 0) + parts.get(WallPart.SINGLE, 0) == sum(
        count > 0 for count in running
    )
    assert parts.get(WallPart.PARALLEL, 0) <= sum(count > 1 for count in running)


@given(st.lists(any_event(), min_size=1, max_size=25), st.integers(0, 999))
def test_neither_order_nor_repetition_of_events_matters(events: list[Event], seed: int) -> None:
    """Shuffled and repeated events give the same parts, which sum to the wall time."""
    again = events + events[::2]
    Random(seed).shuffle(again)
    one, other = conclude_scene(events, lost=True), conclude_scene(again, lost=True)
    assert measure_wall_time(one) == measure_wall_time(other)
    assert sum(measure_wall_time(one).values()) == (one.last if one.end is None else one.end) - one.start


def test_a_drawing_without_an_end_is_measured_to_its_last_event() -> None:
    """A lost session's wall time ends at its last event."""
    lost = conclude_scene(Drawing().opens().prompt(0).call("c", 5, 9).events, lost=True)
    assert sum(measure_wall_time(lost).values()) == 9 * SECOND


@pytest.mark.parametrize(
    "tool", ["wait_agent", "collaborationwait_agent", "multi_agent_v1wait_agent", "wait"]
)
def test_waiting_for_agents_is_no_work(tool: str) -> None:
    """A wait is the agent's work while it runs, and nothing after it: never the main agent's tools."""
    told = session(60, tasks=(task("a", 5, 20),), tool_calls=(call("w", 10, 40, tool=tool),))

    assert measure_wall_time(told) == {WallPart.SINGLE: 15, WallPart.NOTHING: 20, WallPart.UNKNOWN: 25}


def test_waiting_for_an_agent_of_unknown_length() -> None:
    """Of an agent whose end is not known it is only known that it is waited for."""
    told = session(
        60,
        tasks=(task("a", 5, None, outcome=Outcome.UNKNOWN),),
        tool_calls=(call("w", 10, 40, tool="read_agent"),),
    )

    assert measure_wall_time(told) == {WallPart.AGENTS: 30, WallPart.UNKNOWN: 30}
