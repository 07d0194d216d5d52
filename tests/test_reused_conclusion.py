"""Reuse of what was concluded: it always equals a conclusion from all facts."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.figures.fanouts import find_fanouts, find_sequential_runs
from stretto.model.conclude_session import conclude_session
from stretto.model.event import Event, Kind, Outcome
from stretto.model.facts import SessionFacts
from stretto.store.concluded_session import NewlyEnded, Rules
from stretto.store.contributions.contribution_parts_by_task_or_fanout import Part, PartSums
from stretto.store.database_schema import create_tables
from stretto.store.session_in_memory import SETTLES_AT, SessionState
from stretto.store.session_row_writer import write_session_rows
from stretto.store.sums_by_time_slot import Additions
from tests.fakes import RECORDINGS, any_event, any_work, recorded
from tests.scenes import Drawing, at, by_description

RULES = Rules(by_description)


TABLES = ("sessions", "session_words", "sequential_runs", "fanouts")


def conclude_event_by_event(
    events: Iterable[Event], *, settles_at: int = SETTLES_AT, keeps_open: int = 0
) -> Counter[str]:
    """Conclude and store after each event, compare with all facts at once; count reuses and settled tasks."""
    events, counts = tuple(events), Counter[str]()
    with closing(sqlite3.connect(":memory:")) as connection, closing(sqlite3.connect(":memory:")) as other:
        create_tables(connection)
        create_tables(other)
        state = SessionState(SessionFacts(events[0].session), settles_at=settles_at, keeps_open=keeps_open)
        change: Additions = Counter()
        for event in events:
            before = state.conclusion
            state.apply_events([event])
            concluded = state.update_sums(RULES, change, NewlyEnded())
            write_session_rows(connection, state, concluded)
            state.changed_entities.clear()
            counts["reused"] += before is not None and state.conclusion is before
            counts["settled"] += state.settled is not None
            state.settles_at = min(state.settles_at, settles_at)
            session = conclude_session(state.facts, lost=state.lost, classify=by_description, calls=False)
            assert concluded.session == session
            assert concluded.fanouts == find_fanouts(session.tasks)
            assert concluded.sequential_runs == find_sequential_runs(session.tasks)
        whole = SessionState(SessionFacts(events[0].session))
        whole.apply_events(events)
        at_once: Additions = Counter()
        write_session_rows(other, whole, whole.update_sums(RULES, at_once, NewlyEnded()))
        for table in TABLES:
            query = f"SELECT * FROM {table}"  # names from a constant
            assert connection.execute(query).fetchall() == other.execute(query).fetchall(), table
    assert {key: value for key, value in change.items() if value} == {
        key: value for key, value in at_once.items() if value
    }
    assert {key: value for key, value in state.sum_additions().items() if value} == {
        key: value for key, value in at_once.items() if value
    }
    return counts


@pytest.mark.parametrize("name", sorted(RECORDINGS))
def test_recordings_event_by_event_are_the_same_session(name: str) -> None:
    """After each event of a recording session and sums are those of all its facts; some are reused."""
    by_session: dict[str, list[Event]] = {}
    for event in recorded(name):
        by_session.setdefault(event.session, []).append(event)
    counts = [conclude_event_by_event(events) for events in by_session.values()]
    assert sum(count["reused"] for count in counts) > 0


@settings(max_examples=40)
@given(st.lists(any_event(), min_size=1, max_size=25))
def test_anything_event_by_event_is_the_same_session(events: Sequence[Event]) -> None:
    """Whatever the events and their order: reuse changes neither the session nor the sums nor the rows."""
    conclude_event_by_event(events, settles_at=1)


@settings(max_examples=30)
@given(any_work(agents=8))
def test_work_event_by_event_is_the_same_session(events: Sequence[Event]) -> None:
    """The same with many tasks, beside, below and after each other, of which most are settled meanwhile."""
    conclude_event_by_event(events, settles_at=2)


@pytest.mark.slow
@settings(max_examples=2_000)
@given(st.lists(any_event(), min_size=1, max_size=60))
def test_anything_at_length_event_by_event_is_the_same_session(events: Sequence[Event]) -> None:
    """The same with longer sessions and many more of them."""
    conclude_event_by_event(events, settles_at=1)


@pytest.mark.slow
@settings(max_examples=200)
@given(any_work(agents=20))
def test_work_at_length_event_by_event_is_the_same_session(events: Sequence[Event]) -> None:
    """Many tasks, more of them, and with more reports that come late or contradict others."""
    conclude_event_by_event(events, settles_at=2)


def report(kind: Kind, second: float, id: str, **rest: Any) -> Event:
    """Return an event of the session."""
    return Event(kind=kind, session="s", time=at(second), id=id, **rest)


def test_an_agent_whose_call_is_not_reported_yet_is_not_settled() -> None:
    """A notice names the agent of a call that is reported only after the agent's task is over."""
    order = {"agent": "critic", "description": "tests"}
    events = [
        report(Kind.TURN_START, 10, "p1", attributes={"task": "a0", "delegated_by": "c7"}),
        report(Kind.TOOL_START, 11, "c0", name="Agent", attributes=order),
        report(Kind.TASK_START, 11.1, "a0", name="critic"),
        report(Kind.TOOL_END, 17, "c0", name="Agent", outcome=Outcome.SUCCESS),
        report(Kind.TASK_START, 18.1, "a1", name="critic"),
        report(Kind.TOOL_START, 43, "c7", name="Agent", parent="a3", attributes=order),
    ]
    conclude_event_by_event(events, settles_at=2)


def test_a_task_that_begins_below_a_settled_one_is_over_as_its_parent_is() -> None:
    """An agent without an end runs no longer once its parent is over, although the parent is settled."""

    def order(part: int) -> dict[str, str]:
        return {"agent": "critic", "description": f"part {part}"}

    events = [
        report(Kind.TOOL_START, 10, "c0", name="Agent", attributes=order(0)),
        report(Kind.TASK_START, 10.1, "a0", name="critic"),
        report(Kind.TOOL_START, 14, "c1", name="Agent", parent="a0", attributes=order(1)),
        report(Kind.TASK_END, 16, "a0", name="critic", outcome=Outcome.SUCCESS),
        report(Kind.TOOL_END, 16, "c0", name="Agent", outcome=Outcome.SUCCESS, attributes={"task": "a0"}),
        report(Kind.TOOL_START, 18, "c2", name="Agent", attributes=order(2)),
        report(Kind.TASK_START, 18.1, "a2", name="critic"),
        report(Kind.TASK_START, 18.1, "a3", name="critic"),
    ]
    conclude_event_by_event(events, settles_at=2)


def draw_calls(agent: str) -> list[Event]:
    """Return the start and end of ten calls in an agent."""
    edges = ((Kind.TOOL_START, 0.0, None), (Kind.TOOL_END, 0.5, Outcome.SUCCESS))
    return [
        Event(
            kind=kind,
            session="s",
            time=at(20 + n + after),
            id=f"c{n}",
            parent=agent,
            name="Bash",
            outcome=outcome,
        )
        for n in range(10)
        for kind, after, outcome in edges
    ]


def test_calls_inside_an_agent_conclude_nothing_anew() -> None:
    """Twenty edges of calls reuse one conclusion; the times of the session move on all the same."""
    drawing = Drawing("s").opens()
    opening = [*drawing.events, Event(kind=Kind.TASK_START, session="s", time=at(10), id="a", name="critic")]
    calls = draw_calls("a")
    before = conclude_event_by_event(opening)["reused"]
    assert conclude_event_by_event([*opening, *calls])["reused"] - before == len(calls)


def test_a_call_that_names_an_agent_concludes_anew() -> None:
    """A late report that a call started the agent, or that the call lies in another agent, is not missed."""
    opening = [
        *Drawing("s").opens().events,
        Event(kind=Kind.TASK_START, session="s", time=at(10), id="a", name="critic"),
        Event(kind=Kind.TASK_START, session="s", time=at(11), id="b", name="critic", parent="call"),
    ]
    late = Event(kind=Kind.TOOL_START, session="s", time=at(10.5), id="call", parent="a", name="Bash")
    end = Event(
        kind=Kind.TOOL_END,
        session="s",
        time=at(30),
        id="call",
        name="Bash",
        attributes={"task": "b"},
    )
    conclude_event_by_event([*opening, late, end])


def run_agents(count: int) -> list[Event]:
    """Return the events of agents one after another, each with the call that started it."""
    drawing = Drawing("s").opens()
    for number in range(count):
        drawing = drawing.run(f"a{number}", 10 * number + 10, 10 * number + 15)
    return list(drawing.events)


def test_an_event_about_one_agent_leaves_the_others_as_they_are() -> None:
    """The tasks and fan-outs of other agents stay the same objects, so nothing of them is added up again."""
    events = run_agents(6)
    state = SessionState(SessionFacts("s"))
    change: Counter[tuple[int, str, tuple[str | int, ...]]] = Counter()
    state.apply_events(events)
    before = state.update_sums(RULES, change, NewlyEnded()).session.tasks
    state.changed_entities.clear()
    late = Event(
        kind=Kind.TASK_END, session="s", time=at(200), id="a3", name="critic", outcome=Outcome.FAILURE
    )
    state.apply_events([late])
    after = state.update_sums(RULES, change, NewlyEnded()).session.tasks
    assert [task.id for task in after] == [task.id for task in before]
    assert [now is then for now, then in zip(after, before, strict=True)].count(False) == 1


def test_parts_with_the_same_key_are_all_added_up() -> None:
    """Two parts with one key, as contradictory events give, are added, changed and removed on their own."""

    def add(added: Counter[tuple[int, str, tuple[str | int, ...]]], amount: int) -> None:
        added[0, "measure", ()] += amount

    sums = PartSums()
    change: Counter[tuple[int, str, tuple[str | int, ...]]] = Counter()
    for amounts in ((1, 2), (1, 5), (4,), ()):
        sums.update_sums([Part("same", (amount,), add) for amount in amounts], change)
        assert change[0, "measure", ()] == sum(amounts)
        assert sums.sum_additions().total() == sum(amounts)


def test_the_tasks_of_a_long_session_are_settled() -> None:
    """Of thirty agents one after another, with fan-outs between, all but the last are settled."""
    drawing = Drawing("s").opens()
    for number in range(30):
        beside = 4 if number % 3 == 0 else 0
        drawing = drawing.task(f"a{number}", 10 * number + 10 - beside, 10 * number + 18, f"part {number}")
    counts = conclude_event_by_event(drawing.events, settles_at=4, keeps_open=2)
    assert counts["settled"] > 0.8 * len(drawing.events)
