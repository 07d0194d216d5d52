from __future__ import annotations

from hypothesis import given

from stretto.figures.work_tree import Stretch, WorkerKind, build_work_tree, walk_tasks
from stretto.model.entities import ModelCall, Session, ToolCall
from stretto.model.event import Outcome
from tests.schedules import call, session, sessions_at_random, task


def tree(stretch: Stretch) -> list[object]:
    """Return the ids of the stretches within a stretch, by end, each followed by those within it."""
    found: list[object] = []
    for inner in stretch.inner:
        found += [inner.id, tree(inner)] if inner.inner else [inner.id]
    return found


def test_tasks_lie_within_their_delegators_and_calls_within_their_tasks() -> None:
    """By end, the longest last of those that end together; the call that waits for an agent is none."""
    drawn = session(
        tasks=(task("a", 0, 40), task("b", 5, 40, "a"), task("c", 10, 20, "b")),
        tool_calls=(
            call("x", 1, 4, task="a"),
            call("y", 12, 20, task="c"),
            call("z", 41, 50),
            call("w", 0, 40, tool="Agent"),
        ),
        model_calls=(ModelCall("m", "opus", "b", 20, 5, Outcome.SUCCESS),),
    )
    assert tree(build_work_tree(drawn)) == ["a", ["x", "b", ["c", ["y"], "m"]], "z"]


def test_a_task_that_outlives_its_delegator_lies_within_the_one_above() -> None:
    """Nobody waited for it there; who delegated it is still known."""
    root = build_work_tree(session(tasks=(task("a", 0, 50), task("b", 5, 20, "a"), task("c", 10, 30, "b"))))
    assert tree(root) == ["a", ["b", "c"]]
    (a,) = root.inner
    assert [inner.parent.id for inner in a.inner if inner.parent] == ["a", "b"]


def test_a_delegator_of_unknown_length_is_passed_over() -> None:
    """Its tasks lie in the next stretch outside it."""
    lost = task("b", 5, None, "a", outcome=Outcome.UNKNOWN)
    assert tree(build_work_tree(session(tasks=(task("a", 0, 50), lost, task("c", 10, 30, "b"))))) == [
        "a",
        ["c"],
    ]


def test_a_call_goes_to_the_run_that_it_was_made_in() -> None:
    """Calls name the run, not the agent alone."""
    drawn = session(
        tasks=(task("a", 0, 10), task("a/2", 20, 40), task("odd/2", 45, 50)),
        tool_calls=(call("x", 21, 25, task="a/2"), call("y", 46, 47, task="odd/2")),
        model_calls=(ModelCall("m", None, "a/2", 30, 5, Outcome.SUCCESS),),
    )
    assert tree(build_work_tree(drawn)) == ["a", "a/2", ["x", "m"], "odd/2", ["y"]]


def test_what_has_no_length_takes_no_part() -> None:
    """Lost edges, nothing between the edges, and calls in a task that is itself left out."""
    lost = ToolCall("l", "Bash", None, 5, None, None, None, Outcome.UNKNOWN)
    drawn = session(
        tasks=(task("a", 5, None, outcome=Outcome.UNKNOWN), task("b", 7, 7)),
        tool_calls=(lost, call("x", 5, 5), call("y", 6, 9, task="a"), call("z", 6, 9, task="nobody")),
        model_calls=(
            ModelCall("m", None, None, 5, None, Outcome.SUCCESS),
            ModelCall("n", None, None, None, 5, Outcome.SUCCESS),
        ),
    )
    assert tree(build_work_tree(drawn)) == []


def test_nothing_reaches_beyond_the_session_or_its_own_task() -> None:
    """A call that ends after its task, and a task that ends after its session, are cut."""
    drawn = session(
        40,
        tasks=(task("a", 0, 50), task("late", 45, 50)),
        tool_calls=(call("x", 30, 60, task="a"), call("y", 41, 49)),
    )
    root = build_work_tree(drawn)
    (a,) = root.inner
    assert [(inner.start, inner.end) for inner in (a, *a.inner)] == [(0, 40), (30, 40)]


@given(sessions_at_random())
def test_every_stretch_lies_within_the_one_around_it(drawn: Session) -> None:
    """In order, none empty, and each task of known length is somewhere, once."""
    root = build_work_tree(drawn)
    seen = []
    for stretch in walk_tasks(root):
        assert [inner.end for inner in stretch.inner] == sorted(inner.end for inner in stretch.inner)
        for inner in stretch.inner:
            assert inner.length > 0
            assert inner.is_within(stretch)
            assert inner.parent is None or inner.worker is WorkerKind.TASK
            seen += [inner.id] if inner.worker is WorkerKind.TASK else []
    end = drawn.end or 0
    known = [
        one.id for one in drawn.tasks if one.interval and one.interval.start < end and one.interval.length
    ]
    assert sorted(seen) == sorted(known)
