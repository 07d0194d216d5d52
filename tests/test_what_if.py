from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stretto.clock import SECOND
from stretto.figures.elapsed_time_with_faster_task import simulate_fanout_elapsed, simulate_session_elapsed
from stretto.figures.fanouts import Fanout, find_fanouts
from stretto.figures.work_tree import build_work_tree, walk_tasks
from stretto.model.entities import Session, Task
from tests.paper import SCENES, read_rows, shorten_name
from tests.scenes import conclude_scene, straggler
from tests.schedules import call, session, sessions_at_random, task


def elapsed(drawn: Session, name: str, factor: float) -> int | None:
    """Return the session's elapsed time with a task at a factor of its time."""
    return simulate_session_elapsed(build_work_tree(drawn), name, factor)


@pytest.mark.parametrize(
    "row", read_rows("What if"), ids=lambda row: f"{row['scene']}-{row['task']}-{row['factor']}"
)
def test_a_scene_has_the_figures_in_the_docs(row: dict[str, str]) -> None:
    """Each row of the table, as it was and as it would be."""
    drawn = conclude_scene(SCENES[row["scene"]]().events)
    (name,) = [one.id for one in drawn.tasks if shorten_name(one.id, row["scene"]) == row["task"]]
    assert build_work_tree(drawn).length / SECOND == float(row["elapsed"])
    assert elapsed(drawn, name, float(row["factor"])) == float(row["would be"]) * SECOND


def test_a_fanout_is_worked_out_by_itself() -> None:
    """The straggler: 5 + 0.8 × 55 s; at 0.2 the second task is the last; a task of another is in none."""
    (found,) = find_fanouts(conclude_scene(straggler().events).tasks)
    assert simulate_fanout_elapsed(found, "straggler-c", 0.8) == 49 * SECOND
    assert simulate_fanout_elapsed(found, "straggler-c", 0.2) == 30 * SECOND
    assert simulate_fanout_elapsed(found, "straggler-a", 4) == 80 * SECOND
    assert simulate_fanout_elapsed(found, "nobody", 0.8) is None


def test_what_began_later_waits_for_all_that_had_finished() -> None:
    """Task c began 2 after b and waited for a as well: with b at a tenth it begins 2 after a."""
    drawn = session(50, tasks=(task("a", 0, 18), task("b", 0, 20), task("c", 22, 40)))
    assert elapsed(drawn, "b", 0.1) == 50 - 2
    assert elapsed(drawn, "a", 0.1) == 50
    assert elapsed(drawn, "a", 2) == 50 + 16


def test_a_tool_that_ends_after_the_task_holds_the_end() -> None:
    """What the main agent does beside its agents takes as long as it did."""
    drawn = session(60, tasks=(task("a", 0, 50),), tool_calls=(call("c", 10, 48),))
    assert elapsed(drawn, "a", 0.5) == 48 + 10


def test_a_task_inside_another_shortens_that_one_first() -> None:
    """The levels are simulated from the inside out, each by its own last finishers."""
    drawn = session(100, tasks=(task("outer", 0, 80), task("beside", 0, 70), task("in", 10, 60, "outer")))
    assert elapsed(drawn, "in", 0.9) == 95
    assert elapsed(drawn, "in", 0.1) == 90


def test_a_task_whose_length_is_not_known_has_no_answer() -> None:
    """An unknown task has no answer either."""
    drawn = conclude_scene(SCENES["lost_end"]().events)
    assert elapsed(drawn, "lost-end-b", 0.8) is None
    assert elapsed(drawn, "nobody", 0.8) is None


@pytest.mark.parametrize("factor", [0, -1, float("inf"), float("nan")])
def test_a_factor_is_a_positive_number(factor: float) -> None:
    """Any other factor raises an error that names it."""
    with pytest.raises(ValueError, match="positive number"):
        elapsed(session(tasks=(task("a", 0, 10),)), "a", factor)


def stretches_of(drawn: Session) -> list[str]:
    """Return the ids of the tasks whose lengths are known."""
    return [found.id for found in walk_tasks(build_work_tree(drawn)) if found.id]


def replayed(found: Fanout, name: str, length: int) -> int:
    """Work out a fan-out's elapsed time again, the slow way: look for the answer task by task."""
    intervals = {one.id: one.interval for one in found.tasks if one.interval}

    def new_end(one: Task) -> int:
        own = intervals[one.id]
        before = [other for other in found.tasks if intervals[other.id].end <= own.start]
        was = max((intervals[other.id].end for other in before), default=found.start)
        now = max((new_end(other) for other in before), default=found.start)
        return now + (own.start - was) + (length if one.id == name else own.length)

    return max(new_end(one) for one in found.tasks) - found.start


@given(st.data())
def test_the_replay_equals_the_slow_way(data: st.DataObject) -> None:
    """Over fan-outs at random, with any length in place of any task's."""
    edges = st.tuples(st.integers(0, 30), st.integers(1, 15))
    drawn = [
        task(str(number), start, start + length)
        for number, (start, length) in enumerate(data.draw(st.lists(edges, min_size=2, max_size=7)))
    ]
    found = find_fanouts(drawn)
    assume(found)
    one = data.draw(st.sampled_from(found[0].tasks))
    factor = data.draw(st.sampled_from([0.1, 0.5, 0.8, 1.0, 1.5, 3.0]))
    length = round((one.interval.length if one.interval else 0) * factor)
    assert simulate_fanout_elapsed(found[0], one.id, factor) == replayed(found[0], one.id, length)


@given(sessions_at_random(), st.floats(0.01, 4), st.floats(0.01, 4))
def test_a_shorter_task_never_makes_the_session_longer(drawn: Session, one: float, other: float) -> None:
    """At factor 1 nothing changes, and elapsed time grows with the factor."""
    for name in stretches_of(drawn):
        shorter, longer, same = (
            elapsed(drawn, name, factor) for factor in (min(one, other), max(one, other), 1)
        )
        assert shorter is not None
        assert longer is not None
        assert shorter <= longer
        assert same == drawn.end
