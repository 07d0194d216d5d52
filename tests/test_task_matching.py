"""Matching the tasks of two sessions: pairs, new and gone, worked out by hand."""

from __future__ import annotations

from stretto.figures.matched_tasks_of_two_sessions import match_tasks
from stretto.model.entities import Task
from tests.scenes import Drawing, conclude_scene, frame_drawing


def draw(*tasks: tuple[str, str, float, str]) -> list[Task]:
    """Return tasks of (id, agent, seconds, type), one after another."""
    drawing, start = Drawing("drawn"), 0.0
    for id, agent, seconds, task_type in tasks:
        drawing.task(id, start, start + seconds, task_type, agent=agent)
        start += seconds + 1
    return list(conclude_scene(frame_drawing(drawing, start + 1).events).tasks)


def test_tasks_are_paired_by_what_they_share_most() -> None:
    """The tester's tests are paired first; of the reviews, those of the same agent before the other."""
    first = draw(("a", "qa", 10, "review"), ("b", "dev", 5, "review"), ("c", "tester", 8, "testing"))
    second = draw(("x", "dev", 9, "review"), ("y", "qa", 10, "review"), ("z", "tester", 2, "testing"))
    matches = match_tasks(first, second)

    assert [(pair.first.id, pair.second.id) for pair in matches.both if pair.first and pair.second] == [
        ("b", "x"),
        ("a", "y"),
        ("c", "z"),
    ]
    assert [pair.longer_seconds for pair in matches.both] == [4, 0, -6]
    assert matches.new == matches.gone == ()


def test_what_only_one_session_has_is_new_or_gone() -> None:
    """A third review is new; tests that nobody ran again are gone."""
    first = draw(("a", "qa", 10, "review"), ("c", "tester", 8, "testing"))
    second = draw(("x", "qa", 9, "review"), ("y", "qa", 10, "review"))
    matches = match_tasks(first, second)

    assert [pair.task.id for pair in matches.both] == ["x"]
    assert [pair.task.id for pair in matches.new] == ["y"]
    assert [pair.task.id for pair in matches.gone] == ["c"]
    assert [pair.longer_seconds for pair in (*matches.new, *matches.gone)] == [None, None]


def test_nothing_matches_nothing() -> None:
    """Sessions without tasks have no pairs."""
    matches = match_tasks([], [])

    assert (matches.both, matches.new, matches.gone) == ((), (), ())
