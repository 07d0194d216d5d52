from __future__ import annotations

from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from stretto.clock import SECOND
from stretto.model.conclude_session import conclude_session, has_session_ended
from stretto.model.event import Event, Outcome
from stretto.store import sum_queries
from stretto.store.contributions.contribution import SessionContext
from stretto.store.contributions.path_and_wall_time import add_up_whole_session
from stretto.store.sums_by_time_slot import Additions, find_slot_number
from tests.fakes import IDLE, any_event, store
from tests.paper import read_figures
from tests.scenes import BEGIN, Drawing, at, by_description, fold_scene, idle_tail, resumed, straggler

SLOT = find_slot_number(BEGIN)


def added_by(events: list[Event], *, lost: bool = False) -> Additions:
    """Return the sums that a session adds after these events."""
    facts = fold_scene(events)
    session = conclude_session(facts, lost=lost, classify=by_description, calls=False)
    closed = lost or has_session_ended(facts)
    return add_up_whole_session(
        SessionContext(facts, session, (), (), closed=closed, lost=lost, classify=by_description)
    )


def test_a_session_adds_its_path_and_its_wall_time() -> None:
    """The straggler scene adds every measure with its value on paper, in nanoseconds."""
    assert added_by(straggler().events) == {
        (SLOT, "wall", ("parallel",)): 30 * SECOND,
        (SLOT, "wall", ("single",)): 30 * SECOND,
        (SLOT, "critical_path", ()): 60 * SECOND,
        (SLOT, "critical_path_agent", ("main",)): 5 * SECOND,
        (SLOT, "critical_path_agent", ("worker",)): 55 * SECOND,
        (SLOT, "critical_path_task_type", ("test_strategy",)): 55 * SECOND,
        (SLOT, "slack_agent_sessions", ("worker",)): 1,
        (SLOT, "slack_task_type", ("architecture",)): 40 * SECOND,
        (SLOT, "slack_task_type", ("prd",)): 30 * SECOND,
        (SLOT, "slack_task_type_sessions", ("architecture",)): 1,
        (SLOT, "slack_task_type_sessions", ("prd",)): 1,
        (SLOT, "slack_task_type_sessions", ("test_strategy",)): 1,
        (SLOT, "workflow_sessions", ("release",)): 1,
        (SLOT, "workflow_share", ("release",)): 1_000_000,
        (SLOT, "workflow_elapsed", ("release",)): 60 * SECOND,
    }


def test_calls_requests_and_hooks_are_seen() -> None:
    """Calls and hooks, which are not concluded with every batch, count when the session is over."""
    added = added_by(idle_tail().events)
    assert added[SLOT, "critical_path_tool", ("Bash",)] == 12 * SECOND
    parts = {dims[0]: length / SECOND for (_, measure, dims), length in added.items() if measure == "wall"}
    written = read_figures("Wall time that adds up")["idle_tail"]
    assert parts == {part: length for part, length in written.items() if part != "wall time"}


def test_a_running_session_adds_nothing_and_a_lost_one_counts_to_its_last_event() -> None:
    """Its slot is that of its end, or of its last event."""
    events = Drawing().opens().prompt(0).call("c", 5, 400).events
    assert added_by(events) == Counter()
    lost = added_by(events, lost=True)
    assert {slot for slot, _, _ in lost} == {find_slot_number(at(400))}
    assert lost[find_slot_number(at(400)), "critical_path", ()] == 400 * SECOND


def test_a_resumed_session_is_subtracted_and_counted_again(tmp_path: Path) -> None:
    """While it is open again it has no sums; after its second end they are those of both parts."""
    events = sorted(resumed().events, key=lambda event: event.time)
    first = [event for event in events if event.time <= at(50)]
    with store(tmp_path) as opened:
        opened.take(first)
        assert sum_queries.read_sums(opened.connection, at(60), 3_600)["critical_path"] == {(): 50 * SECOND}
        opened.take([event for event in events if at(50) < event.time < at(111)])
        assert "critical_path" not in sum_queries.read_sums(opened.connection, at(110), 3_600)
        opened.take([event for event in events if event.time == at(111)])
        sums = sum_queries.read_sums(opened.connection, at(120), 3_600)
        assert sums["critical_path"] == {(): 59 * SECOND}
        assert sum(sums["wall"].values()) == 111 * SECOND


@given(st.lists(any_event(), min_size=1, max_size=25))
def test_parts_and_path_add_up_for_any_events(events: list[Event]) -> None:
    """The parts sum to the wall time, the agents' parts to the path, and the path is no longer than that."""
    added = added_by(events, lost=True)
    session = conclude_session(fold_scene(events), lost=True, classify=by_description)
    assert session.outcome is not Outcome.RUNNING

    def summed(measure: str) -> int:
        return sum(value for (_, name, _), value in added.items() if name == measure)

    wall = (session.last if session.end is None else session.end) - session.start
    assert summed("wall") == wall
    assert summed("critical_path_agent") == summed("critical_path") <= wall


def test_a_session_closed_by_silence_adds_its_sums(tmp_path: Path) -> None:
    """Its sums are added when the idle limit closes it."""
    with store(tmp_path) as opened:
        opened.take(Drawing().opens().prompt(0).call("c", 5, 9).events)
        assert "wall" not in sum_queries.read_sums(opened.connection, at(60), 3_600)
        opened.ingest.close_idle_sessions(at(IDLE + 60))
        sums = sum_queries.read_sums(opened.connection, at(60), 3_600)
        assert sums["wall"] == {("main_tools",): 4 * SECOND, ("unknown",): 5 * SECOND}
