"""Synthesis: from the last task's end to the turn's end."""

from __future__ import annotations

from stretto.clock import SECOND
from stretto.figures.fanouts import find_fanouts
from stretto.figures.synthesis import measure_synthesis_time
from tests.scenes import Drawing, conclude_scene, frame_drawing


def measured(drawing: Drawing) -> list[float | None]:
    """Return the synthesis of each fan-out in seconds."""
    session = conclude_scene(drawing.events)
    lengths = [measure_synthesis_time(session, fanout) for fanout in find_fanouts(session.tasks)]
    return [None if length is None else length / SECOND for length in lengths]


def pair(drawing: Drawing, start: float, name: str, parent: str | None = None) -> Drawing:
    """Draw two tasks of 20 and 30 s side by side."""
    drawing.task(f"{name}-a", start, start + 20, "review", parent=parent)
    return drawing.task(f"{name}-b", start, start + 30, "review", parent=parent)


def test_it_reaches_from_the_last_task_to_the_end_of_the_turn() -> None:
    """The last of two tasks ends at 40 s, the turn at 55 s."""
    assert measured(frame_drawing(pair(Drawing(), 10, "x"), 55)) == [15]


def test_only_the_last_work_of_a_turn_is_put_together() -> None:
    """A second pair, or a task alone, follows the first: only what ends last has a synthesis."""
    assert measured(frame_drawing(pair(pair(Drawing(), 10, "x"), 50, "y"), 100)) == [None, 20]
    assert measured(frame_drawing(pair(Drawing(), 10, "x").task("z", 50, 60, "review"), 100)) == [None]


def test_each_turn_has_a_synthesis_of_its_own() -> None:
    """Two turns, each with a pair."""
    drawing = pair(Drawing().opens().prompt(0), 10, "x").stop(50).prompt(100, "p2")
    assert measured(pair(drawing, 110, "y").stop(145, "p2").ends(200)) == [10, 5]


def test_an_orchestrators_session_is_its_turn() -> None:
    """Without turns the session's end counts; while it runs there is none."""
    assert measured(pair(Drawing().opens(), 10, "x").ends(47)) == [7]
    assert measured(pair(Drawing().opens(), 10, "x")) == [None]
    assert measured(pair(Drawing().opens().prompt(0), 10, "x")) == [None]


def test_a_tasks_fan_out_is_put_together_by_that_task() -> None:
    """Agents below an agent are not put together by the main agent."""
    drawing = Drawing().order("call-o", 5, "plan").run("o", 5, 60)
    drawing = pair(drawing, 10, "x", parent="o").answer("call-o", 60, "o")
    assert measured(frame_drawing(drawing, 70)) == [None]
