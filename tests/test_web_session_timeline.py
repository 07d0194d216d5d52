"""The timeline: every shape is at its time, and every drawing stays small."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from stretto.clock import SECOND
from stretto.model.entities import Session, Task, ToolCall, Turn
from stretto.model.event import Outcome
from stretto.model.interval import Interval
from stretto.names import MAIN_AGENT
from stretto.web import session_timeline, timeline_shapes
from stretto.web.session_timeline import Drawing, choose_view, draw_session, find_extent

AT = 1_795_176_000 * SECOND


def task(
    id: str, start: float | None, end: float | None, agent: str | None = "a", outcome: str = "success"
) -> Task:
    """Return a task; seconds after the session's start."""
    begun, ended = (None if edge is None else AT + round(edge * SECOND) for edge in (start, end))
    return Task(id, "review", agent, id, None, None, begun, ended, Outcome(outcome))


def call(id: str, of: str | None, start: float, length: float | None, outcome: str = "success") -> ToolCall:
    """Return a tool call; seconds after the session's start."""
    begun = AT + round(start * SECOND)
    lasted = None if length is None else round(length * SECOND)
    return ToolCall(
        id, "Bash", of, begun, None if lasted is None else begun + lasted, lasted, None, Outcome(outcome)
    )


def session(*tasks: Task, calls: tuple[ToolCall, ...] = (), length: float = 100) -> Session:
    """Return a session of that many seconds, one turn long."""
    end = AT + round(length * SECOND)
    turn = Turn("p1", "user", AT, end, Outcome.SUCCESS)
    return Session(
        "s", "claude-code", "site", None, None, recording=False, start=AT, end=end, last=end,
        outcome=Outcome.SUCCESS, turns=(turn,), tasks=tasks, tool_calls=calls, model_calls=(),
    )  # fmt: skip


def shapes_of(drawing: Drawing) -> int:
    """Return how many shapes a drawing has."""
    return sum(len(lane.bars) + len(lane.calls) + len(lane.level) for lane in drawing.lanes) + len(
        drawing.wall
    )


def test_bars_stand_where_their_time_is() -> None:
    """Position and width are shares of the session's time; the main agent's turn is first."""
    drawing = draw_session(session(task("x", 0, 100), task("y", 25, 75, "b")))

    assert [(lane.agent, [(bar.x, bar.width) for bar in lane.bars]) for lane in drawing.lanes] == [
        (MAIN_AGENT, [(0, 100)]),
        ("a", [(0, 100)]),
        ("b", [(25, 50)]),
    ]
    assert drawing.place_ticks() == [(0, 0), (25, 25), (50, 50), (75, 75), (100, 100)]


def test_an_agent_has_as_many_lanes_as_it_ran_at_once() -> None:
    """Overlapping tasks of an agent have separate lanes; others share a lane."""
    drawing = draw_session(session(task("x", 0, 40), task("y", 10, 50), task("z", 40, 90)))

    assert [[bar.task for bar in lane.bars] for lane in drawing.lanes[1:]] == [["x", "z"], ["y"]]
    assert [(lane.first, lane.tasks) for lane in drawing.lanes[1:]] == [(True, 3), (False, 3)]
    assert drawing.map_lanes() == {None: 0, "x": 1, "z": 1, "y": 2}


def test_the_shortest_can_be_seen() -> None:
    """A task of no time at the very end has a width, and stays inside."""
    drawing = draw_session(session(task("x", 100, 100), task("y", 50, 50, "b")))

    for lane, x in zip(drawing.lanes[1:], (50.0, 100 - timeline_shapes.NARROWEST), strict=True):
        (bar,) = lane.bars
        assert (bar.x, bar.width) == pytest.approx((x, timeline_shapes.NARROWEST))


def test_what_has_no_end_and_no_start_is_told() -> None:
    """A running task reaches to the newest event, a lost end is a moment; without a start it is left out."""
    running = structs.replace(task("r", 40, None, "r"), outcome=Outcome.RUNNING)
    drawing = draw_session(session(running, task("l", 20, None, "l", "unknown"), task("n", None, 30, "n")))

    lost, runs = (lane.bars[0] for lane in drawing.lanes[1:])
    assert (runs.x, runs.width) == (40, 60)
    assert "running since 40 s" in runs.about.replace("\N{NO-BREAK SPACE}", " ")
    assert lost.width == timeline_shapes.NARROWEST
    assert "its end was never seen" in lost.about
    assert drawing.undrawn == 1


def test_a_part_is_drawn_in_full_detail() -> None:
    """Shapes that cross the edge are clipped, shapes outside are left out."""
    one = session(task("x", 0, 100), task("y", 55, 60, "b"), task("z", 80, 90, "c"))
    drawing = draw_session(one, choose_view(one, 50, 70))

    assert drawing.zoomed
    assert [[(bar.x, bar.width) for bar in lane.bars] for lane in drawing.lanes] == [
        [(0, 100)], [(0, 100)], [(25, 25)], [],
    ]  # fmt: skip
    assert [seconds for _, seconds in drawing.place_ticks(2)] == [50, 60, 70]


@pytest.mark.parametrize(
    ("start", "end", "seen"),
    [(None, None, (0, 100)), (20, None, (20, 100)), (None, 30, (0, 30)), (90, 500, (90, 100))],
)
def test_a_view_fits_into_the_session(start: float | None, end: float | None, seen: tuple[int, int]) -> None:
    """For any requested view, the drawn view is a part of the session."""
    assert choose_view(session(), start, end) == Interval(AT + seen[0] * SECOND, AT + seen[1] * SECOND)


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_no_view_is_empty_or_outside(start: float, end: float) -> None:
    """An address that someone made up cannot divide by nothing."""
    for one in (session(), session(length=0)):
        part = choose_view(one, start, end)
        assert find_extent(one).start <= part.start < part.end <= find_extent(one).end
        assert draw_session(one, part).lanes


def test_calls_stand_in_their_task_and_what_delegates_is_none() -> None:
    """A tool call is drawn where it ran; the call that waits for an agent is the task itself."""
    delegated = structs.replace(task("x", 0, 50), delegated_by="d")
    drawing = draw_session(
        session(delegated, calls=(call("d", None, 0, 50), call("m", None, 60, 10), call("c", "x", 10, 5)))
    )

    assert [[(bar.x, bar.width) for bar in lane.calls] for lane in drawing.lanes] == [[(60, 10)], [(10, 5)]]
    assert "1 tool call" in drawing.lanes[1].bars[0].about.replace("\N{NO-BREAK SPACE}", " ")


def test_neighbours_too_narrow_to_tell_apart_become_one() -> None:
    """A merged bar counts its items; a failure among many successes is in the text, not the colour."""
    calls = tuple(call(f"c{n}", None, n / 100, 0.005, "failure" if n == 3 else "success") for n in range(50))
    (merged,) = draw_session(session(calls=calls)).lanes[0].calls

    assert merged.count == 50
    assert merged.outcome == "success"
    assert "49 success, 1 failure" in merged.about
    assert merged.width == pytest.approx(0.49 + timeline_shapes.NARROWEST, abs=0.01)


def test_too_many_at_once_are_drawn_as_a_level() -> None:
    """A thousand parallel tasks of an agent are a single lane with the number of running tasks."""
    drawing = draw_session(session(*(task(f"t{n}", n / 100, 50 + n / 20) for n in range(1000))))
    level = drawing.lanes[1]

    assert len(drawing.lanes) == 2
    assert level.most == 1000
    assert max(step.height for step in level.level) == 1
    assert sum(step.width for step in level.level) == pytest.approx(100, abs=1)
    assert len(level.ids) == 1000


def test_many_agents_are_drawn_as_levels_and_the_rest_in_one() -> None:
    """However many agents there are, the lanes are bounded and no task is lost."""
    tasks = [task(f"t{n}", n / 20, n / 20 + 1, f"agent {n % 200}") for n in range(1000)]
    drawing = draw_session(session(*tasks))

    assert len(drawing.lanes) <= session_timeline.LANES + 1
    assert any(lane.agent == f"{200 - session_timeline.LANES + 1} other agents" for lane in drawing.lanes)
    assert drawing.map_lanes().keys() == {None, *(one.id for one in tasks)}


@given(
    st.lists(
        st.tuples(st.floats(0, 100), st.floats(0, 30), st.sampled_from("abcdefgh")), min_size=1, max_size=300
    )
)
def test_a_drawing_is_bounded_whatever_happened(drawn: list[tuple[float, float, str]]) -> None:
    """Bars are inside the drawing, in order, and each represents a task at least; all tasks have a lane."""
    tasks = [task(f"t{n}", start, start + length, agent) for n, (start, length, agent) in enumerate(drawn)]
    drawing = draw_session(session(*tasks, length=130))

    assert shapes_of(drawing) <= len(tasks) + timeline_shapes.CELLS + 8 * timeline_shapes.COLUMNS + 2
    for lane in drawing.lanes:
        assert all(bar.x >= 0 and bar.x + bar.width <= 100.001 for bar in lane.bars)
        assert [bar.x for bar in lane.bars] == sorted(bar.x for bar in lane.bars)
    assert drawing.map_lanes().keys() == {None, *(one.id for one in tasks)}


def test_the_strip_shows_what_the_time_was_spent_on() -> None:
    """The parts of the wall time stand side by side without a gap."""
    drawing = draw_session(session(task("x", 20, 60), task("y", 40, 60, "b")))

    assert [(one.part, one.x, one.width) for one in drawing.wall] == [
        ("unknown", 0, 20), ("single", 20, 20), ("parallel", 40, 20), ("unknown", 60, 40),
    ]  # fmt: skip


def test_beside_many_tasks_their_calls_are_shown_in_a_zoom() -> None:
    """A session of 400 tasks draws no call of a task; a view of a few of them draws each."""
    tasks = [task(f"t{number}", number, number + 0.9) for number in range(400)]
    calls = tuple(call(f"c{number}", f"t{number}", number + 0.1, 0.5) for number in range(400))
    one = session(*tasks, calls=calls, length=400)

    whole = draw_session(one)
    assert (whole.shows_calls, sum(len(lane.calls) for lane in whole.lanes)) == (False, 0)
    assert sum(bar.count for lane in whole.lanes[1:] for bar in lane.bars) == 400

    zoomed = draw_session(one, choose_view(one, 10.95, 19.95))
    assert zoomed.shows_calls
    assert sum(bar.count for lane in zoomed.lanes for bar in lane.calls) == 9


def test_texts_of_a_bar_are_escaped() -> None:
    """The name of an agent's task is text, whatever it contains."""
    bar = timeline_shapes.Bar(0, 5, "success", "<b>", 'a "b" & <c>')
    written = timeline_shapes.write_bars([bar], 3, 22, "task")
    assert "<title>a &#34;b&#34; &amp; &lt;c&gt;</title>" in written
    assert "&lt;b&gt;</text>" in written
