from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from stretto.clock import DAY, HOUR, MINUTE, SECOND
from stretto.figures.fanouts import find_fanouts
from stretto.figures.quantile_sketch import find_bucket
from stretto.figures.work_signature import build_work_signature
from stretto.model import entities
from stretto.model.entities import ToolCall
from stretto.model.event import Outcome
from stretto.store.contributions.tasks_and_fanouts import add_up_tasks
from stretto.store.contributions.tool_calls import add_up_tool_calls
from stretto.store.database import open_writer
from stretto.store.sums_by_time_slot import SLOTS, Additions, find_slot_number, write_sums
from tests.scenes import BEGIN, Drawing, background, conclude_scene, straggler

CALL = ToolCall("c", "Bash", None, BEGIN, BEGIN + SECOND, SECOND // 2, SECOND // 4, Outcome.SUCCESS)
SLOT = find_slot_number(BEGIN)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Return the writing connection of a store."""
    with closing(open_writer(tmp_path / "stretto.db")) as opened:
        yield opened


def rows(connection: sqlite3.Connection) -> list[tuple[int, int, str, str, int, int]]:
    """Return all sums."""
    return connection.execute("SELECT * FROM rollup ORDER BY 1, 2, 3, 4").fetchall()


def test_wide_slots_are_made_of_narrow_ones() -> None:
    """Each width is a multiple of the narrowest, so that its slot follows from the narrow slot's number."""
    assert all(width % SLOTS[0] == 0 for width in SLOTS)
    assert list(SLOTS) == sorted(SLOTS)


def add_up(*calls: ToolCall, sign: int = 1) -> Additions:
    """Return what some calls add together."""
    sums: Additions = Counter()
    add_up_tool_calls(calls, sign, sums)
    return sums


def test_a_call_adds_count_time_overhead_and_completeness() -> None:
    """Each is added once, in the slot of the call's end."""
    assert add_up(CALL) == {
        (SLOT, "calls", ("Bash", "success")): 1,
        (SLOT, "ends_expected", ()): 1,
        (SLOT, "ends_seen", ()): 1,
        (SLOT, "call_time", ("Bash", find_bucket(SECOND // 2))): 1,
        (SLOT, "overhead", (find_bucket(SECOND // 4),)): 1,
        (SLOT, "tool_seconds", ()): SECOND // 2,
    }
    assert {slot for slot, _, _ in add_up(replace(CALL, end=BEGIN + HOUR))} == {SLOT + 12}


def test_a_running_call_adds_nothing() -> None:
    """A call is counted only when it is over."""
    assert add_up(replace(CALL, end=None, outcome=Outcome.RUNNING)) == {}


def test_a_call_whose_end_is_missing_is_expected_but_not_seen() -> None:
    """It counts in the slot of its start, and nowhere if only the end of its batch is known."""
    lost = replace(CALL, end=None, duration=None, overhead=None, outcome=Outcome.UNKNOWN)
    assert add_up(lost) == {(SLOT, "calls", ("Bash", "unknown")): 1, (SLOT, "ends_expected", ()): 1}
    assert add_up(replace(lost, start=None)) == {}


def test_the_time_of_a_delegating_call_is_its_tasks() -> None:
    """It is counted as a call, but its time is not tool time."""
    added = add_up(replace(CALL, tool="Agent", overhead=None))
    assert [measure for _, measure, _ in added] == ["calls", "ends_expected", "ends_seen"]


def test_calls_added_up_together_add_what_each_adds_alone() -> None:
    """All amounts are added with the sign, also those of tests; calls of the same kind count together."""
    tested = replace(CALL, id="t", tests=entities.TestRun("pytest", 3, 1))
    later = replace(CALL, id="d", end=BEGIN + 2 * SECOND)
    running = replace(CALL, id="r", end=None, outcome=Outcome.RUNNING)
    expected: Additions = Counter()
    for call in (CALL, tested, later):
        expected.subtract(add_up(call))
        expected.subtract(add_up(call))
    assert add_up(CALL, tested, later, running, sign=-2) == expected
    assert expected[SLOT, "tests", ("pytest", "passed")] == -6


def test_a_session_adds_its_tasks_and_fanouts() -> None:
    """The straggler scene adds every measure with its value on paper, in nanoseconds."""
    session = conclude_scene(straggler().events)
    added = add_up_tasks(session, find_fanouts(session.tasks))
    kind = ("release", build_work_signature(session, session.tasks))
    own = {("architecture", 20, 7.5), ("prd", 30, 12.5), ("test_strategy", 55, 40)}
    wanted: Additions = Counter(
        {
            (SLOT, "ends_expected", ()): 3,
            (SLOT, "ends_seen", ()): 3,
            (SLOT, "fanouts", ("release",)): 1,
            (SLOT, "capacity", ("release",)): 180 * SECOND,
            (SLOT, "pattern_work", ("release",)): 105 * SECOND,
            (SLOT, "pattern_delivered_work", ("release",)): 105 * SECOND,
            (SLOT, "pattern_tasks", ("release",)): 3,
            (SLOT, "pattern_delivered", ("release",)): 3,
            (SLOT, "pattern_elapsed", ("release",)): 60 * SECOND,
            (SLOT, "longest_lane", ("release",)): 165 * SECOND,
            (SLOT, "parallel_outcomes", ("success",)): 3,
        }
    )
    for name, length, share in own:
        wanted[SLOT, "tasks", (name, "worker", "success")] = 1
        wanted[SLOT, "task_time", (name, find_bucket(length * SECOND))] = 1
        wanted[SLOT, "agent_time", ("worker", find_bucket(length * SECOND))] = 1
        wanted[SLOT, "parallel_tasks", (*kind, name)] = 1
        wanted[SLOT, "parallel_work", (*kind, name)] = length * SECOND
        wanted[SLOT, "parallel_delivered", (*kind, name)] = 1
        wanted[SLOT, "parallel_delivered_work", (*kind, name)] = length * SECOND
        wanted[SLOT, "parallel_elapsed", (*kind, name)] = round(share * SECOND)
    assert added == wanted


def test_a_task_without_its_end_is_expected_but_not_seen() -> None:
    """It counts by outcome in the slot of its start, without a length; a running task does not count."""
    drawing = Drawing().opens().order("call-a", 1, "review").run("a", 2)
    assert add_up_tasks(conclude_scene(drawing.events), ()) == {}
    lost = add_up_tasks(conclude_scene(drawing.events, lost=True), ())
    assert lost == {(SLOT, "tasks", ("review", "worker", "unknown")): 1, (SLOT, "ends_expected", ()): 1}


def test_a_task_whose_start_is_missing_was_seen_to_end() -> None:
    """Its end counts for completeness although its length is unknown."""
    added = add_up_tasks(conclude_scene(Drawing().opens().run("a", None, 9).ends(10).events), ())
    assert added[SLOT, "ends_seen", ()] == 1
    assert not any(measure == "task_time" for _, measure, _ in added)


def test_an_addition_is_in_a_slot_of_each_width(connection: sqlite3.Connection) -> None:
    """It makes a cell for each width; a second addition grows the same cell."""
    slot = find_slot_number(BEGIN + 61 * MINUTE)
    write_sums(connection, Counter({(slot, "calls", ("Bash", "success")): 2}))
    write_sums(connection, Counter({(slot, "calls", ("Bash", "success")): 3}))
    assert rows(connection) == [
        (300, BEGIN // (300 * SECOND) + 12, "calls", '["Bash","success"]', 0, 5),
        (3600, BEGIN // HOUR + 1, "calls", '["Bash","success"]', 0, 5),
        (86_400, BEGIN // DAY, "calls", '["Bash","success"]', 0, 5),
    ]


def test_a_subtracted_addition_leaves_nothing(connection: sqlite3.Connection) -> None:
    """A sum that becomes 0 is deleted; a change that cancels itself writes nothing."""
    session = conclude_scene(background().events)
    added = add_up_tasks(session, find_fanouts(session.tasks))
    write_sums(connection, added)
    assert len(rows(connection)) >= 2 * 10
    gone: Additions = Counter()
    gone.subtract(added)
    write_sums(connection, gone)
    assert rows(connection) == []
    write_sums(connection, Counter({(SLOT, "calls", ("Bash", "success")): 0}))
    assert rows(connection) == []
