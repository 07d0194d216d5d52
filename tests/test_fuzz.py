from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stretto import journal
from stretto.clock import SECOND
from stretto.exporter.ended_work_counters import LiveMetrics
from stretto.exporter.scrape import create_empty_registry
from stretto.figures.fanouts import estimate_sequential_time
from stretto.figures.sequential_baseline_choice import WORK_BASELINE
from stretto.hook.client.client import REASONS, build_record
from stretto.journal import parse_line
from stretto.model.event import LATEST, Channel, Event, Kind, Outcome
from stretto.model.task_type import TaskTypes
from stretto.sources.redact import redact_id_if_secret
from stretto.store import journal_queries, session_queries
from stretto.summaries import snapshot
from stretto.summaries.session_json import build_session_document
from stretto.summaries.session_summary import summarise_session
from tests.exposed import assert_sound
from tests.fakes import DAY_FILE, IDLE, RECORDINGS, Store, rebuilt, recorded, store
from tests.scenes import BEGIN, Drawing, at, by_description, conclude_scene, fork_join

LATER = BEGIN + 10 * IDLE * SECOND
JOURNAL_REASONS = {
    "not JSON",
    "not an event",
    "newer version",
    "time out of range",
    "duration out of range",
    "no session",
    "empty text",
    "text too long",
    "list too long",
    "too many attributes",
    "too long",
    "payload",
}
"""Whatever may stand before the colon of a reason: a label value, so a closed set."""

ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1,
    1 << 63,
    (1 << 63) - 1,
    -(1 << 63),
    10**30,
    LATEST,
    LATEST - 1,
    BEGIN,
    0.5,
    1e308,
    float("nan"),
    float("-inf"),
    "",
    " ",
    "x",
    "Agent",
    "Task",
    "host",
    "completed",
    "async_launched",
    "<task-notification><task-id>a</task-id><status>failed</status>",
    "running",
    "2026-01-01T00:00:00Z",
    "x" * 200,
    "x" * 201,
    "\ud800",
    "\udfff\ud800",
    "a\x00b",
    "a\nb\r\tc",
    "'; DROP TABLE facts; --",
    "é\u202e\ufeff",
    [],
    [""],
    ["a", "b"],
    ["x"] * 2_000,
    [[]],
    {},
    {"a": {"b": []}},
    *(member.value for kind in (Kind, Outcome, Channel) for member in kind),
]


def payloads() -> list[dict[str, Any]]:
    """Return every payload of the recordings."""
    return [
        json.loads(line)["payload"] for path in RECORDINGS.values() for line in path.read_bytes().splitlines()
    ]


def members() -> list[dict[str, Any]]:
    """Return the journal lines of the recordings and of a scene, as objects."""
    events = [*fork_join().events, *(event for name in RECORDINGS for event in recorded(name))]
    return [json.loads(journal.encode_event(event)) for event in events]


def twisted(random: Random, told: dict[str, Any]) -> dict[str, Any]:
    """Return an object with some of its members gone, odd or new; now and then with something monstrous."""
    told = dict(told)
    for _ in range(random.randint(1, 4)):
        key = random.choice([*told, "new", "attributes", "id", "time", "duration"])
        fate = random.random()
        if fate < 0.2:
            told.pop(key, None)
        elif fate < 0.5 and isinstance(told.get(key), dict) and told[key]:
            told[key] = twisted(random, told[key])
        elif fate < 0.99:
            told[key] = random.choice(ODD)
        else:
            told[key] = random.choice(["y" * 1_000_000, {f"k{n}": n for n in range(500)}])
    return told


def garbled(random: Random, text: bytes) -> bytes:
    """Return bytes with some of them changed, cut off, doubled or made up."""
    fate = random.random()
    if fate < 0.1:
        return random.randbytes(random.randint(0, 300))
    if fate < 0.15:
        return b"[" * random.choice([10, 100_000])
    where = random.randrange(len(text))
    if fate < 0.4:
        return text[:where]
    if fate < 0.6:
        return text[:where] + text[random.randrange(len(text)) :]
    changed = bytearray(text)
    for _ in range(random.randint(1, 8)):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def fuzzed(random: Random, told: dict[str, Any]) -> bytes:
    """Return an object's text with its members, its bytes or both spoilt."""
    fate = random.random()
    text = json.dumps(twisted(random, told) if fate < 0.7 else told).encode()
    return garbled(random, text) if fate > 0.6 else text


def lines(random: Random, count: int) -> Iterator[tuple[bytes, bool]]:
    """Yield records, and whether each is one of the good ones that must not be lost among the others."""
    hooks, events = payloads(), members()
    for number in range(count):
        if number % 5 == 0:
            yield journal.encode_event(Drawing(f"good-{number}").opens(number / 10).events[0]), True
        elif random.random() < 0.5:
            made = build_record(fuzzed(random, random.choice(hooks)), at(number))
            found = parse_line(made)
            # What the hook client writes is an event, whatever it was given.
            assert isinstance(found, Event) or found == "duration out of range"
            assert made.count(b"\n") == 2
            if isinstance(found, Event) and found.kind is Kind.REJECT:
                assert found.attributes["reason"] in REASONS
            yield made, False
        else:
            yield b"\n" + fuzzed(random, random.choice(events)) + b"\n", False


def assert_nothing_is_lost(tmp_path: Path, seed: int, count: int) -> None:
    """Take it in: every good line is stored, every other one accounted for, every surface works."""
    folder, good, written = tmp_path / "journal", 0, 0
    chunk: list[bytes] = []
    for text, is_good in lines(Random(seed), count):
        good += is_good
        written += sum(bool(line.strip()) for line in text.split(b"\n"))
        chunk.append(text)
    journal.append_records(folder / DAY_FILE, b"".join(chunk))
    source = create_empty_registry()
    live = LiveMetrics(source, since=0, version="1.0")
    with store(tmp_path) as opened:
        for taken in opened.ingest.catch_up(folder):
            live.count_sessions(taken.ended.sessions)
            live.record_turns(taken.ended.turns)
            live.count_tasks(taken.ended.tasks)
            live.count_tool_calls(taken.ended.tool_calls)
            live.count_fanouts(
                taken.ended.fanouts, lambda _, fanout: estimate_sequential_time(fanout, WORK_BASELINE)
            )
        opened.ingest.close_idle_sessions(LATER)
        stored = session_queries.list_sessions(opened.connection, limit=1_000_000)
        assert sum(row.id.startswith("good-") for row in stored) == good
        rejects = journal_queries.count_rejects(opened.connection)
        events = sum(
            position.events for position in journal_queries.read_journal_positions(opened.connection)
        )
        assert events + sum(rejects.values()) == written
        assert {reason.partition(":")[0] for reason in rejects} <= JOURNAL_REASONS
        assert_every_surface_answers(opened)
        assert_sound(source)
        assert opened.rows() == rebuilt(folder, tmp_path / "anew.db", now=LATER)


def assert_every_surface_answers(opened: Store) -> None:
    """Take a snapshot at several moments and work out every session that is not one of the good ones."""
    for now in (BEGIN, LATER, LATEST - 1):
        json.dumps(
            snapshot.build_snapshot_document(snapshot.take_snapshot(opened.connection, now, TaskTypes(), {})),
            allow_nan=False,
        )
    for row in session_queries.list_sessions(opened.connection, limit=1_000_000):
        if not row.id.startswith("good-"):
            seen = summarise_session(opened.connection, row.id, by_description, {})
            assert seen is not None
            json.dumps(build_session_document(seen), allow_nan=False)


def test_three_thousand_bad_lines_cost_no_good_one(tmp_path: Path) -> None:
    """Spoilt payloads and journal lines between good ones: nothing raised, nothing lost, all counted."""
    assert_nothing_is_lost(tmp_path, 1, 3_000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_a_hundred_thousand_bad_lines_cost_no_good_one(tmp_path: Path, seed: int) -> None:
    """The same, ten times ten thousand."""
    assert_nothing_is_lost(tmp_path, seed, 10_000)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(0, LATEST)
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(ODD),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def near_events(draw: st.DrawFn) -> bytes:
    """Draw a line that has an event's members with anything for values."""
    told: dict[str, Any] = {
        "kind": draw(st.sampled_from(Kind)).value,
        "session": draw(st.sampled_from(["s", "t"])),
        "time": draw(st.integers(1, 50).map(at) | st.sampled_from([1, LATEST - 1])),
    }
    for name in draw(st.lists(st.sampled_from(sorted(Event.__struct_fields__)), max_size=3)):
        told[name] = draw(JSON)
    return json.dumps(told).encode()


@settings(max_examples=40)
@given(given_lines=st.lists(near_events() | st.binary(max_size=60), max_size=20))
# A score alone is no sign of life: its time, ahead of the clock, is all that is known of the session.
@example(given_lines=[b'{"kind": "score", "session": "s", "time": 4102444799999999999}'])
def test_whatever_stands_on_a_line_the_next_one_is_read(
    tmp_path_factory: pytest.TempPathFactory, given_lines: list[bytes]
) -> None:
    """Anything at all between two good records: both are stored and every surface works."""
    tmp_path = tmp_path_factory.mktemp("fuzz")
    good = [journal.encode_event(event) for event in Drawing("good-1").opens().ends(1).events]
    text = good[0] + b"".join(b"\n" + line + b"\n" for line in given_lines) + good[1]
    journal.append_records(tmp_path / "journal" / DAY_FILE, text)
    with store(tmp_path) as opened:
        list(opened.ingest.catch_up(opened.folder))
        row = next(row for row in session_queries.list_sessions(opened.connection) if row.id == "good-1")
        assert row.outcome is Outcome.SUCCESS
        opened.ingest.close_idle_sessions(LATER)
        assert_every_surface_answers(opened)
        assert opened.rows() == rebuilt(opened.folder, tmp_path / "anew.db", now=LATER)


@given(JSON, st.integers(1, LATEST - 1))
def test_the_hook_client_makes_an_event_of_anything(told: Any, now: int) -> None:
    """Any JSON and any time: one line that the journal accepts."""
    made = build_record(json.dumps(told).encode(), now)
    found = parse_line(made)
    assert isinstance(found, Event)
    assert found.time == now


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda event: {**event, "time": 10**30}, id="a time beyond 64 bits"),
        pytest.param(lambda event: {**event, "duration": 1 << 63}, id="a duration beyond 64 bits"),
        pytest.param(lambda event: {**event, "time": -1}, id="a time before the epoch"),
        pytest.param(lambda event: {**event, "time": 253_402_300_799 * SECOND}, id="the year 9999"),
        pytest.param(lambda event: {**event, "duration": float("nan")}, id="not a number"),
        pytest.param(lambda event: {**event, "id": "\ud800"}, id="a lone surrogate"),
        pytest.param(lambda event: {**event, "session": "x" * 1_000_000}, id="a megabyte of text"),
        pytest.param(lambda event: {**event, "attributes": {"a": [[[[]]]]}}, id="a deep attribute"),
    ],
)
def test_one_bad_event_does_not_cost_its_batch(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """The store never sees it: a reason is counted and its neighbours of the same batch are stored."""
    good = fork_join().events
    bad = spoil(json.loads(journal.encode_event(good[3])))
    text = [journal.encode_event(event) for event in good]
    text.insert(4, b"\n" + json.dumps(bad).encode() + b"\n")
    journal.append_records(tmp_path / "journal" / DAY_FILE, b"".join(text))
    with store(tmp_path) as opened:
        taken = list(opened.ingest.catch_up(opened.folder))
        assert sum(one.events for one in taken) == len(good)
        assert sum(one.rejects for one in taken) == 1
        assert session_queries.read_session(opened.connection, "fork-join", by_description) == conclude_scene(
            good
        )


def test_agents_that_seem_to_run_for_a_century_overflow_nothing(tmp_path: Path) -> None:
    """Edges from 1970 to 2099 are believed one by one, but no length is: sums stay inside 64 bits."""
    events = [
        Event(kind=kind, session="s", time=time, id=f"a{number}", name="worker")
        for number in range(50)
        for kind, time in ((Kind.TASK_START, 1), (Kind.TASK_END, LATEST - 1))
    ]
    with store(tmp_path) as opened:
        opened.take(events)
        assert_every_surface_answers(opened)
        assert session_queries.list_sessions(opened.connection)[0].fanouts == 0


def test_a_null_character_is_struck_and_loses_nothing(tmp_path: Path) -> None:
    """In a name it is a blank, an id has a hash in its place; the session is found by the id as it was."""
    drawing = Drawing("s\x00t").opens().call("c\x00d", 1, 2, tool="a\x00b").ends(3)
    with store(tmp_path) as opened:
        opened.take(drawing.events)
        seen = summarise_session(opened.connection, "s\x00t", by_description, {})
        assert seen is not None
        assert seen.session.id == redact_id_if_secret("s\x00t") != "s\x00t"
        assert [(c.id, c.tool) for c in seen.session.tool_calls] == [(redact_id_if_secret("c\x00d"), "a b")]
        assert opened.rows() == rebuilt(opened.folder, tmp_path / "anew.db", now=LATER)
