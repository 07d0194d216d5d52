from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from stretto.clock import SECOND
from stretto.model.event import Event, Kind, Outcome
from stretto.store import (
    journal_queries,
    open_session_queries,
    sent_spans,
    session_queries,
    store_notes,
    sum_queries,
)
from stretto.store.journal_queries import JournalPosition
from stretto.store.open_session_queries import Activity
from stretto.store.session_search import SessionQuery, find_sessions
from tests.fakes import DAY_FILE, append, store
from tests.scenes import BEGIN, Drawing, at, by_description, conclude_scene, fork_join

SIGNATURE = "architecture,prd,test_strategy"


def moved(drawing: Drawing, seconds: float) -> list[Event]:
    """Return the drawing's events so much later."""
    return [replace(event, time=event.time + round(seconds * SECOND)) for event in drawing.events]


def test_sessions_are_listed_by_latest_event(tmp_path: Path) -> None:
    """A page of rows has every stored column."""
    with store(tmp_path) as opened:
        for number in range(5):
            opened.take(moved(fork_join(f"s{number}"), 100 * number))
        rows = session_queries.list_sessions(opened.connection, limit=2)
        assert [row.id for row in rows] == ["s4", "s3"]
        page = find_sessions(opened.connection, SessionQuery(limit=2))
        assert [*page.rows] == rows
        more = find_sessions(opened.connection, SessionQuery(limit=9, after=page.next)).rows
        assert [row.id for row in more] == ["s2", "s1", "s0"]
        row = more[-1]
        assert (row.start, row.end, row.last, row.outcome) == (at(0), at(50), at(50), Outcome.SUCCESS)
        assert (row.source, row.project, row.pattern, row.recording) == ("claude-code", None, None, False)
        assert (row.turns, row.tasks, row.running, row.tool_calls, row.fanouts) == (1, 3, 0, 3, 1)


def test_sessions_with_an_event_at_one_instant_are_paged_by_id(tmp_path: Path) -> None:
    """The next page begins after the last row, also among sessions of the same instant."""
    with store(tmp_path) as opened:
        for name in "cab":
            opened.take(fork_join(name).events)
        opened.take(moved(fork_join("old"), -100))
        first = find_sessions(opened.connection, SessionQuery(limit=1))
        assert [row.id for row in first.rows] == ["a"]
        second = find_sessions(opened.connection, SessionQuery(limit=2, after=first.next))
        assert [row.id for row in second.rows] == ["b", "c"]
        after_b = find_sessions(opened.connection, SessionQuery(limit=1, after=first.next)).next
        rest = find_sessions(opened.connection, SessionQuery(limit=9, after=after_b))
        assert [row.id for row in rest.rows] == ["c", "old"]
        last = find_sessions(opened.connection, SessionQuery(after=second.next))
        assert [row.id for row in last.rows] == ["old"]


def test_a_session_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    """At most three are returned, enough to see an ambiguity; no character of an id is a wildcard."""
    with store(tmp_path) as opened:
        for name in ("abc", "abd", "abe", "abf", "a%_", "b"):
            opened.take(Drawing(name).opens().events)
        assert session_queries.find_session_ids(opened.connection, "ab") == ["abc", "abd", "abe"]
        assert session_queries.find_session_ids(opened.connection, "abd") == ["abd"]
        assert session_queries.find_session_ids(opened.connection, "a%") == ["a%_"]
        assert session_queries.find_session_ids(opened.connection, "zz") == []


def test_an_id_is_as_short_as_it_can_be_to_name_its_session(tmp_path: Path) -> None:
    """Eight characters where they suffice; an id that begins another one is whole."""
    with store(tmp_path) as opened:
        names = ("0199aaaa-1111-a", "0199aaaa-1111-b", "5b1e0c77-4f0e", "session", "session-of-today")
        for name in names:
            opened.take(Drawing(name).opens().events)
        short = session_queries.shorten_session_ids(opened.connection, names)

    assert [*short.values()] == ["0199aaaa-1111-a", "0199aaaa-1111-b", "5b1e0c77", "session", "session-"]


def test_a_session_comes_whole_or_not_at_all(tmp_path: Path) -> None:
    """It has its tool calls; an unknown id gives None; a lost session stays lost."""
    with store(tmp_path) as opened:
        opened.take(fork_join().events, Drawing("open").opens().call("c", 1).events)
        whole = session_queries.read_session(opened.connection, "fork-join", by_description)
        assert whole == conclude_scene(fork_join().events)
        assert session_queries.read_session(opened.connection, "nobody", by_description) is None
        opened.ingest.close_idle_sessions(at(1_000_000))
        lost = session_queries.read_session(opened.connection, "open", by_description)
        assert lost is not None
        assert lost.outcome is Outcome.UNKNOWN


def test_a_window_reaches_back_to_the_start_of_a_slot(tmp_path: Path) -> None:
    """An hour is 60 to 65 minutes in slots of five, a day 24 to 25 hours in slots of one hour."""
    with store(tmp_path) as opened:
        opened.take(Drawing().opens().call("c", 60, 61).events)

        def counted(after: float, window: int) -> bool:
            return "calls" in sum_queries.read_sums(opened.connection, at(after), window)

        assert counted(61, 3_600)
        assert counted(3_600 + 299, 3_600)
        assert not counted(3_600 + 300, 3_600)
        assert counted(86_400 + 3_599, 86_400)
        assert not counted(86_400 + 3_600, 86_400)


def test_events_of_the_future_are_counted_when_their_time_has_come(tmp_path: Path) -> None:
    """A clock that runs ahead must not fill every window until then."""
    with store(tmp_path) as opened:
        opened.take(Drawing().opens().call("c", 1_000_000, 1_000_001).events)
        assert sum_queries.read_sums(opened.connection, at(10), 604_800) == {}
        assert "calls" in sum_queries.read_sums(opened.connection, at(1_000_001), 3_600)


def test_activity_counts_what_is_running(tmp_path: Path) -> None:
    """It counts open and busy sessions, running tasks and recordings, and has the newest event."""
    with store(tmp_path) as opened:
        assert open_session_queries.read_activity(opened.connection) == Activity(0, 0, 0, None, 0, 0)
        opened.take(fork_join().events, Drawing("idle").opens(60).prompt(61).stop(62).events)
        opened.take(Drawing("busy").opens(70).prompt(71).order("call-a", 72).run("a", 73).events)
        opened.take(Drawing("shown").opens(1, recording=True).ends(2).events)
        assert open_session_queries.read_activity(opened.connection) == Activity(
            2, 1, 1, at(73), 4, 1, at(70)
        )
        assert session_queries.list_recording_ids(opened.connection) == ["shown"]


def test_positions_and_rejects_are_reported_by_file_and_reason(tmp_path: Path) -> None:
    """Each file has its position, each reason its number of rejects, and the newest rejects a place."""
    with store(tmp_path) as opened:
        bad = Event(kind=Kind.REJECT, session="", time=1, attributes={"reason": "empty"})
        append(opened.folder, [bad, bad, *Drawing().opens().events])
        (opened.folder / "2026-01-02.jsonl").write_bytes(b"{torn\n")
        list(opened.ingest.catch_up(opened.folder))
        assert journal_queries.count_rejects(opened.connection) == {"not JSON": 1, "payload: empty": 2}
        assert journal_queries.read_journal_positions(opened.connection) == [
            JournalPosition(DAY_FILE, (opened.folder / DAY_FILE).stat().st_size, 1),
            JournalPosition("2026-01-02.jsonl", 6, 0),
        ]
        newest = journal_queries.list_newest_rejects(opened.connection, limit=2)
        assert [(file, reason) for file, _, reason in newest] == [
            ("2026-01-02.jsonl", "not JSON"),
            (DAY_FILE, "payload: empty"),
        ]


def test_notes_are_kept(tmp_path: Path) -> None:
    """Notes about the store and about sent spans can be overwritten."""
    with store(tmp_path) as opened:
        assert store_notes.read_note(opened.connection, "rules") is None
        assert sent_spans.get_last_event_time_of_sent_spans(opened.connection, "s") is None
        for value in ("one", "two"):
            store_notes.write_note(opened.connection, "rules", value)
            sent_spans.note_spans_emitted(opened.connection, "s", BEGIN)
        assert store_notes.read_note(opened.connection, "rules") == "two"
        assert sent_spans.get_last_event_time_of_sent_spans(opened.connection, "s") == BEGIN


def test_sums_by_slot_have_only_the_requested_measures(tmp_path: Path) -> None:
    """Of three days with a session each, a window of a day touches two; no other measure is read."""
    day = 86_400
    with store(tmp_path) as opened:
        for number in range(3):
            opened.take(moved(fork_join(f"d{number}"), day * number))
        now, today = at(2 * day + 100), BEGIN // (day * SECOND)
        week, last = (
            sum_queries.list_slot_numbers(now, 7 * day, day),
            sum_queries.list_slot_numbers(now, day, day),
        )
        assert (len(week), [*last]) == (8, [today + 1, today + 2])
        days = sum_queries.read_sums_by_slot(opened.connection, day, week, ["tasks", "fanouts"])
        assert list(days) == [today, today + 1, today + 2]
        for sums in days.values():
            assert sums == {"tasks": {("review", "worker", "success"): 3}, "fanouts": {("none",): 1}}
        assert list(sum_queries.read_sums_by_slot(opened.connection, day, last, ["tasks"])) == [
            today + 1,
            today + 2,
        ]
        assert sum_queries.read_sums_by_slot(opened.connection, day, week, []) == {}
