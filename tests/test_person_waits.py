from __future__ import annotations

import pytest
from msgspec import structs

from stretto.clock import SECOND
from stretto.figures.critical_path import find_critical_path, measure_fanout_path_length
from stretto.figures.fanouts import Fanout, find_fanouts
from stretto.figures.wall_time_parts import measure_wall_time
from stretto.model.entities import Session, Task
from stretto.model.event import Channel, Event, Kind, Outcome
from tests.scenes import BEGIN, Drawing, at, conclude_scene, frame_drawing


def asked(*, took: float | None = 10) -> Drawing:
    """Draw two agents of 100 s and 50 s; the first asks at 20 s for a call that executes from 60 to 70 s.

    ::

        a  ##########----------##########    0 - 100, waits for a person 20 - 60
        b  ###############                   0 -  50
    """
    drawing = Drawing("asked").task("a", 0, 100, "review").task("b", 0, 50, "review")
    drawing.call("c", 10, 70, parent="a", took=took)
    drawing.stroke(Kind.PERMISSION_REQUEST, 20, name="Bash", parent="a")
    return frame_drawing(drawing, 100)


def by_id(session: Session) -> dict[str, Task]:
    """Return the tasks of a session."""
    return {task.id: task for task in session.tasks}


def in_seconds(task: Task) -> list[tuple[float, float]]:
    """Return the waits of a task in seconds of the scenes' clock."""
    return [((wait.start - BEGIN) / SECOND, (wait.end - BEGIN) / SECOND) for wait in task.waits]


def only_fanout(session: Session) -> Fanout:
    """Return the only fan-out of a session."""
    (fanout,) = find_fanouts(session.tasks)
    return fanout


def test_a_wait_for_a_person_is_cut_out_of_the_task() -> None:
    """From the request to the execution the agent did nothing: 60 of its 100 s are work."""
    task = by_id(conclude_scene(asked().events))["a"]
    assert in_seconds(task) == [(20, 60)]
    assert (task.length, task.waited, task.has_open_wait) == (60 * SECOND, 40 * SECOND, False)
    assert task.interval is not None
    assert task.interval.length == 100 * SECOND


def test_a_fanout_leaves_waits_out_of_all_its_figures() -> None:
    """On paper: work 60 + 50 s, elapsed 0-50 and 60-100 s, width 2, and nobody worked from 50 to 60 s."""
    fanout = only_fanout(conclude_scene(asked().events))
    assert (fanout.work, fanout.elapsed, fanout.width) == (110 * SECOND, 90 * SECOND, 2)
    assert (fanout.waited, fanout.has_open_wait) == (40 * SECOND, False)
    assert measure_fanout_path_length(fanout) <= fanout.elapsed <= fanout.work
    assert sum(fanout.shares) == pytest.approx(fanout.elapsed)


def test_a_sessions_path_and_parallel_time_leave_waits_out() -> None:
    """From 0 to 20 s both work, from 20 to 50 s and from 60 to 100 s one; the path is without the wait."""
    session = conclude_scene(asked().events)
    parts = {part.value: length // SECOND for part, length in measure_wall_time(session).items()}
    assert (parts["parallel"], parts["single"]) == (20, 70)
    path = find_critical_path(session)
    assert path is not None
    assert sum(piece.length for piece in path.pieces if piece.task is not None) == 60 * SECOND


def test_tasks_that_never_work_at_once_are_no_fanout() -> None:
    """One agent worked only while the other waited for a person: nothing ran in parallel."""
    drawing = Drawing().task("a", 0, 100, "review").task("b", 30, 50, "review")
    drawing.call("c", 10, 70, parent="a", took=10)
    drawing.stroke(Kind.PERMISSION_REQUEST, 20, name="Bash", parent="a")
    assert find_fanouts(conclude_scene(frame_drawing(drawing, 100).events).tasks) == ()


def test_a_wait_with_an_unknown_end_is_a_mark() -> None:
    """Without a measured execution nobody knows how long the person took: the fan-out says so."""
    fanout = only_fanout(conclude_scene(asked(took=None).events))
    assert (fanout.work, fanout.waited, fanout.has_open_wait) == (150 * SECOND, 0, True)


def test_a_denial_ends_the_wait() -> None:
    """The person decided at 60 s, against the call."""
    drawing = Drawing().task("a", 0, 100, "review")
    drawing.call("c", 10, 60, parent="a", outcome=Outcome.CANCELLED, status="denied")
    drawing.stroke(Kind.PERMISSION_REQUEST, 20, name="Bash", parent="a")
    task = by_id(conclude_scene(frame_drawing(drawing, 100).events))["a"]
    assert (in_seconds(task), task.has_open_wait) == ([(20, 60)], False)


def test_telemetry_measures_the_wait_whole() -> None:
    """Its request has a length; the hook's request for the same call, 0.1 s later, adds nothing."""
    drawing = Drawing().task("a", 0, 100, "review").call("c", 10, 70, parent="a")
    drawing.stroke(Kind.PERMISSION_REQUEST, 20.1, name="Bash", parent="a")
    drawing.stroke(
        Kind.PERMISSION_REQUEST, 20, name="Bash", parent="a", duration=40 * SECOND, channel=Channel.OTLP
    )
    task = by_id(conclude_scene(frame_drawing(drawing, 100).events))["a"]
    assert (in_seconds(task), task.has_open_wait) == ([(20, 60)], False)


def nested_wait(*, background: bool = False) -> list[Event]:
    """Return a scene in which the inner agent of an outer one waits for a person from 20 to 60 s."""
    drawing = Drawing().task("outer", 0, 100, "plan").task("inner", 5, 90, "review", parent="outer")
    drawing.call("c", 10, 70, parent="inner", took=10)
    drawing.stroke(Kind.PERMISSION_REQUEST, 20, name="Bash", parent="inner")
    events = frame_drawing(drawing, 100).events
    if not background:
        return events
    return [
        structs.replace(event, time=at(6), attributes={"status": "async_launched", "task": "inner"})
        if event.id == "call-inner" and event.kind is Kind.TOOL_END
        else event
        for event in events
    ]


def test_an_agent_waits_for_the_person_that_its_agent_waits_for() -> None:
    """The outer agent waits for the inner one, so neither works while the person decides."""
    tasks = by_id(conclude_scene(nested_wait()))
    assert in_seconds(tasks["inner"]) == in_seconds(tasks["outer"]) == [(20, 60)]


def test_an_agent_does_not_wait_for_one_in_the_background() -> None:
    """The call for the inner agent returned at once: the outer agent went on."""
    tasks = by_id(conclude_scene(nested_wait(background=True)))
    assert in_seconds(tasks["inner"]) == [(20, 60)]
    assert in_seconds(tasks["outer"]) == []


def test_an_agent_with_another_agent_at_work_does_not_wait() -> None:
    """While a second inner agent works, from 0 to 40 s, the outer one has work done; then it waits."""
    drawing = Drawing().task("second", 0, 40, "review", parent="outer")
    tasks = by_id(
        conclude_scene([*nested_wait(), *(structs.replace(e, session="scene") for e in drawing.events)])
    )
    assert in_seconds(tasks["outer"]) == [(40, 60)]
