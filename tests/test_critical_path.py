from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from stretto.clock import SECOND
from stretto.figures.critical_path import (
    CriticalPath,
    compute_path_figures,
    compute_slack,
    find_critical_path,
    measure_fanout_path_length,
)
from stretto.figures.elapsed_time_with_faster_task import simulate_session_elapsed
from stretto.figures.fanouts import find_fanouts
from stretto.figures.sums_by_dimension import Sums
from stretto.figures.work_tree import Stretch, WorkerKind, build_work_tree, walk_tasks
from stretto.model.entities import ModelCall, PermissionRequest, Session, Turn
from stretto.model.event import Event, Outcome
from stretto.model.interval import measure_union_length
from stretto.names import MAIN, NONE
from tests.fakes import any_event
from tests.paper import SCENES, read_rows, shorten_name
from tests.scenes import conclude_scene
from tests.schedules import call, session, sessions_at_random, task, tasks_at_random


def path_of(drawn: Session) -> CriticalPath:
    """Return the critical path of a session that is over."""
    found = find_critical_path(drawn)
    assert found is not None
    return found


def told(drawn: Session) -> list[tuple[int, int, str]]:
    """Return the pieces of a session's path: start, end, and the tool, the task or the main agent."""
    return [
        (piece.start, piece.end, piece.name or (piece.task.id if piece.task else MAIN))
        for piece in path_of(drawn).pieces
    ]


# Scenes.


@pytest.mark.parametrize("row", read_rows("The critical path"), ids=lambda row: row["scene"])
def test_a_scene_has_the_figures_in_the_docs(row: dict[str, str]) -> None:
    """Length, parts and slack of every scene are the numbers on paper, and no other part is there."""
    drawn = conclude_scene(SCENES[row["scene"]]().events)
    path = path_of(drawn)
    computed = {"elapsed": path.elapsed, "path": path.length, **path.by_agent, **path.by_tool}
    written = {name: float(cell) for name, cell in row.items() if name not in {"scene", "slack"}}
    assert {name: length / SECOND for name, length in computed.items()} == written
    slack = sorted(
        f"{shorten_name(name, row['scene'])} {length // SECOND}"
        for name, length in compute_slack(build_work_tree(drawn)).tasks.items()
    )
    assert ", ".join(slack) == row.get("slack", "")


def test_every_scene_is_on_paper() -> None:
    """The table leaves none out."""
    assert [row["scene"] for row in read_rows("The critical path")] == list(SCENES)


def test_a_running_session_has_no_critical_path() -> None:
    """What decides its end is still to come."""
    assert find_critical_path(session(outcome=Outcome.RUNNING, end=None)) is None


# The walk.


def test_the_walk_enters_tools_and_models_of_the_task_that_decided() -> None:
    """The later of two tasks is on the path, with its calls that finished last; the rest is the agent's."""
    drawn = session(
        40,
        tasks=(task("a", 5, 20), task("b", 5, 35)),
        tool_calls=(
            call("c", 6, 10, task="b"),
            call("d", 8, 20, 10, task="b", tool="Read"),
            call("e", 6, 18, task="a"),
            call("wait", 5, 36, tool="Agent"),
        ),
        model_calls=(ModelCall("m", "opus", "b", 20, 10, Outcome.SUCCESS),),
    )
    assert told(drawn) == [
        (0, 5, MAIN),
        (5, 6, "b"),
        (6, 10, "Bash"),
        (10, 20, "Read"),
        (20, 30, "opus"),
        (30, 35, "b"),
        (35, 40, MAIN),
    ]
    assert path_of(drawn).by_agent == {"b": 30, MAIN: 10}
    assert path_of(drawn).by_task_type == {"review": 30}
    assert path_of(drawn).by_tool == {"Bash": 4, "Read": 10}


def test_an_agent_that_outlives_its_delegator_decides_instead_of_it() -> None:
    """From the agent's start the walk continues with its delegator, then with earlier work."""
    tasks = (task("x", 0, 9), task("outer", 10, 50), task("child", 20, 70, "outer"))
    drawn = session(80, tasks=tasks)
    assert told(drawn) == [
        (0, 9, "x"),
        (9, 10, MAIN),
        (10, 20, "outer"),
        (20, 70, "child"),
        (70, 80, MAIN),
    ]


def test_of_those_that_finish_together_the_longest_is_taken() -> None:
    """Both decided the end; the longer task explains more of the time."""
    assert told(session(30, tasks=(task("a", 20, 30), task("b", 10, 30)))) == [(0, 10, MAIN), (10, 30, "b")]


def test_between_turns_the_main_agent_is_not_on_the_path() -> None:
    """A person's time is not on the path; a turn without an end counts up to its last sign."""
    turns = (
        Turn("p", "user", 0, 10, Outcome.SUCCESS),
        Turn("q", "user", 30, None, Outcome.UNKNOWN),
        Turn("r", "user", 50, 55, Outcome.SUCCESS),
    )
    drawn = session(60, turns=turns, tool_calls=(call("c", 32, 36),))
    assert told(drawn) == [(0, 10, MAIN), (30, 32, MAIN), (32, 36, "Bash"), (50, 55, MAIN)]


def test_a_call_with_an_unmeasured_wait_is_no_tool_time() -> None:
    """It stays the agent's own time."""
    asked = (PermissionRequest(6, None, "Bash"),)
    assert told(session(20, tool_calls=(call("c", 5, 15),), permissions=asked)) == [(0, 20, MAIN)]
    apart = session(20, tool_calls=(call("c", 5, 15, 4),), permissions=asked)
    assert told(apart) == [(0, 11, MAIN), (11, 15, "Bash"), (15, 20, MAIN)]


def test_a_wait_for_agents_is_not_on_the_path() -> None:
    """The path goes through the awaited agent; a wait on nothing is a gap, and so is no agent's work."""
    waiting = session(60, tasks=(task("a", 5, 20),), tool_calls=(call("w", 10, 40, tool="wait_agent"),))

    assert told(waiting) == [(0, 5, MAIN), (5, 20, "a"), (40, 60, MAIN)]


def test_a_call_that_started_an_agent_is_not_on_the_path() -> None:
    """Whatever the tool is called, the agent that it started did the work."""
    asked = structs.replace(task("a", 5, 20), delegated_by="c")
    delegated = session(25, tasks=(asked,), tool_calls=(call("c", 4, 22, tool="invoke_agent"),))

    assert told(delegated) == [(0, 5, MAIN), (5, 20, "a"), (20, 25, MAIN)]


def test_an_agent_without_a_name_is_none() -> None:
    """The label value is the same as for every other agent label."""
    nameless = session(10, tasks=(task("a", 0, 10, agent=None),))
    assert path_of(nameless).by_agent == {NONE: 10}


# Slack.


def test_what_later_work_waited_for_has_no_more_slack_than_that() -> None:
    """A ended at 10 and c began after it: c has 25 of slack, and a may grow by that; b, the last, by none."""
    drawn = session(60, tasks=(task("a", 0, 10), task("b", 0, 60), task("c", 15, 35)))
    assert compute_slack(build_work_tree(drawn)).tasks == {"a": 25, "b": 0, "c": 25}


def test_agents_types_and_tools_have_the_least_of_theirs() -> None:
    """One task on the path is enough for its agent to have none."""
    tasks = (
        task("1", 0, 30, agent="x", type="review"),
        task("2", 0, 60, agent="x", type="testing"),
        task("3", 0, 50, agent="y", type="review"),
    )
    calls = (call("c", 2, 40, task="3"), call("d", 50, 60, task="2", tool="Read"))
    found = compute_slack(build_work_tree(session(60, tasks=tasks, tool_calls=calls)))
    assert found.agents == {"x": 0, "y": 10}
    assert found.task_types == {"review": 10, "testing": 0}
    assert found.tools == {"Bash": 10, "Read": 0}


# Figures.


def test_the_sums_are_figures_of_the_window() -> None:
    """Whole, by agent, by task type and by tool, in seconds; without a session there is nothing."""
    sums: Sums = {
        "critical_path": {(): 10 * SECOND},
        "critical_path_agent": {("main",): 3 * SECOND, ("worker",): 7 * SECOND},
        "critical_path_task_type": {("review",): 7 * SECOND},
        "critical_path_tool": {("Bash",): 2 * SECOND},
        "sessions": {("a", "b", "success"): 1},
    }
    found = {(f.name, f.labels[0][1]): f.value for f in compute_path_figures("1h", sums)}
    assert found == {
        ("stretto_critical_path_seconds", "1h"): 10,
        ("stretto_critical_path_agent_seconds", "main"): 3,
        ("stretto_critical_path_agent_seconds", "worker"): 7,
        ("stretto_critical_path_task_type_seconds", "review"): 7,
        ("stretto_critical_path_tool_seconds", "Bash"): 2,
    }
    assert list(compute_path_figures("1h", {})) == []


# Properties.


@given(sessions_at_random())
def test_pieces_are_disjoint_and_sum_to_the_path(drawn: Session) -> None:
    """None is empty, none lies outside the session, and the parts by agent are the whole of it."""
    path = path_of(drawn)
    assert all(one.end <= other.start for one, other in pairwise(path.pieces))
    assert all(drawn.start <= piece.start < piece.end <= (drawn.end or 0) for piece in path.pieces)
    assert sum(path.by_agent.values()) == path.length <= path.elapsed
    of_main = sum(piece.length for piece in path.pieces if piece.task is None)
    assert sum(path.by_task_type.values()) == sum(path.by_task.values()) == path.length - of_main
    assert sum(path.by_tool.values()) <= path.length


@given(sessions_at_random())
def test_a_piece_lies_within_what_it_is_a_piece_of(drawn: Session) -> None:
    """A task's inside the task, a tool's inside a call of that tool in that task."""
    for piece in path_of(drawn).pieces:
        if piece.task is not None and piece.task.interval is not None:
            assert piece.task.interval.start <= piece.start
            assert piece.end <= piece.task.interval.end
        if piece.worker is WorkerKind.TOOL:
            of_it = [one for one in drawn.tool_calls if one.tool == piece.name]
            assert any((one.start or 0) <= piece.start and piece.end <= (one.end or 0) for one in of_it)


@given(tasks_at_random())
def test_path_elapsed_and_work_of_a_fanout_are_in_order(tasks: tuple[object, ...]) -> None:
    """In a fan-out somebody is always busy: path ≤ elapsed ≤ work, and the path holds its last task."""
    for found in find_fanouts(tasks):  # type: ignore[arg-type]  # a strategy's element type
        path = measure_fanout_path_length(found)
        last = max(one.interval for one in found.tasks if one.interval and one.interval.end == found.end)
        assert last.length <= path <= found.elapsed <= found.work


@given(tasks_at_random(sound=True))
def test_tasks_on_the_path_have_no_slack(tasks: tuple[object, ...]) -> None:
    """This holds if every task ends within its delegator; a task that outlives it cuts the path."""
    drawn = session(tasks=tasks)
    slack = compute_slack(build_work_tree(drawn)).tasks
    assert all(slack[name] == 0 for name in path_of(drawn).by_task)
    assert all(length >= 0 for length in slack.values())


def longer(root: Stretch, name: str, by: int) -> int | None:
    """Return the session's elapsed time if a task had taken so many nanoseconds longer."""
    (length,) = [one.length for one in walk_tasks(root) if one.id == name]
    return simulate_session_elapsed(root, name, (length + by) / length)


@given(sessions_at_random())
def test_slack_is_what_the_end_can_bear(drawn: Session) -> None:
    """A task can take its slack longer without a later end; a nanosecond more moves the end."""
    root = build_work_tree(drawn)
    for name, slack in compute_slack(root).tasks.items():
        assert longer(root, name, slack) == root.length
        assert longer(root, name, slack + 1) == root.length + 1


@given(tasks_at_random())
def test_the_path_is_no_longer_than_somebody_was_busy(tasks: tuple[object, ...]) -> None:
    """Where the main agent has turns of no length, only tasks are on it."""
    turn = Turn("p", "user", 0, 0, Outcome.SUCCESS)
    path = path_of(drawn := session(tasks=tasks, turns=(turn,)))
    busy = measure_union_length(one.interval for one in drawn.tasks if one.interval is not None)
    assert path.length <= busy <= path.elapsed


@given(st.lists(any_event(), min_size=1, max_size=25), st.integers(0, 999))
def test_neither_order_nor_repetition_of_events_matters(events: list[Event], seed: int) -> None:
    """Shuffled and repeated events give the same path and slack."""
    again = events + events[::2]
    Random(seed).shuffle(again)
    one, other = conclude_scene(events, lost=True), conclude_scene(again, lost=True)
    assert find_critical_path(one) == find_critical_path(other)
    assert compute_slack(build_work_tree(one)) == compute_slack(build_work_tree(other))


def test_a_deep_chain_of_delegations_is_walked() -> None:
    """A thousand nested agents are walked without recursion, and each has its two pieces."""
    depth = 1_000
    tasks = tuple(task(str(n), n, 3 * depth - n, str(n - 1) if n else None) for n in range(depth))
    path = path_of(session(3 * depth, tasks=tasks))
    assert path.length == sum(path.by_task.values()) == 3 * depth
    assert path.by_task["5"] == 2
