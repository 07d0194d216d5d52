from __future__ import annotations

import itertools
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stretto import journal
from stretto.journal import LONGEST_LINE, LONGEST_TEXT, Batch, Reject, encode_event, parse_line, read_batch
from stretto.journal.event_lines import _Record, parse_valid_lines
from stretto.model.event import LATEST, Channel, Event, Kind, Outcome
from tests.fakes import any_event, append, recorded
from tests.scenes import at, fork_join

EVENT = Event(
    kind=Kind.TOOL_END,
    session="s",
    time=at(1),
    source="codex",
    channel=Channel.OTLP,
    id="c",
    parent="a",
    duration=5,
    name="Bash",
    type="t",
    outcome=Outcome.FAILURE,
    attributes={"text": "é", "whole": 1, "part": 0.5, "flag": True, "ids": ["a", "b"]},
)
LEAST = b'{"kind":"notification","session":"s","time":1}'
LINES = (
    b"", LEAST, encode_event(EVENT).strip(), b"  ", b"{", LEAST + LEAST, LEAST[:-1], b'"session":"s"}',
    b'{"kind":"reject","session":"","time":1}', b'{"kind":"notification","session":"","time":1}',
    b'{"kind":"task.end","session":"s","time":1,"outcome":"running"}', b"\xff",
)  # fmt: skip


def everything(folder: Path, file: str, *, limit: int) -> tuple[list[Event], list[Reject], int]:
    """Read a file from its start in portions of about ``limit`` bytes."""
    events: list[Event] = []
    rejects: list[Reject] = []
    offset = 0
    while True:
        batch = read_batch(folder, file, offset, limit=limit)
        if batch.end == offset:
            return events, rejects, offset
        assert batch.start == offset
        events += batch.events
        rejects += batch.rejects
        offset = batch.end


def test_an_event_comes_back_as_it_was_written() -> None:
    """A line has a newline on either side and omits absent values."""
    record = encode_event(EVENT)
    assert record.startswith(b"\n{")
    assert record.endswith(b"}\n")
    assert record.count(b"\n") == 2
    assert parse_line(record) == EVENT
    least = Event(kind=Kind.NOTIFICATION, session="s", time=1)
    assert parse_line(encode_event(least)) == least
    assert b"null" not in encode_event(least)


@given(any_event())
def test_a_record_has_the_present_fields_in_their_order(event: Event) -> None:
    """Absent values and an empty set of attributes are left out; defaults are written."""
    written = json.loads(encode_event(event))
    present = [name for name in Event.__struct_fields__ if getattr(event, name) not in (None, {})]
    assert list(written) == present
    assert _Record.__struct_fields__ == Event.__struct_fields__


@given(any_event())
def test_any_event_comes_back_as_it_was_written(event: Event) -> None:
    """Every valid event survives the journal unchanged."""
    assert parse_line(encode_event(event)) == event


def test_a_line_needs_kind_session_and_time() -> None:
    """The smallest line is an event; unknown members are ignored."""
    assert parse_line(LEAST) == Event(kind=Kind.NOTIFICATION, session="s", time=1)
    assert parse_line(LEAST[:-1] + b',"new":{"deep":[1]}}') == parse_line(LEAST)


def _with(member: str) -> bytes:
    return LEAST[:-1] + b"," + member.encode() + b"}"


LONG = "x" * (LONGEST_TEXT + 1)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "not JSON"),
        (b"torn{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"kind":"notification","session":"\xff","time":1}', "not JSON"),
        (_with('"id":"\\ud800"'), "not JSON"),
        (_with('"x":' + "[" * 100_000 + "]" * 100_000), "not JSON"),
        (_with('"attributes":{"a":NaN}'), "not JSON"),
        (b"[]", "not an event"),
        (b"7", "not an event"),
        (b'{"session":"s","time":1}', "not an event"),
        (b'{"kind":"dance","session":"s","time":1}', "not an event"),
        (b'{"kind":"notification","session":"s","time":1.5}', "not an event"),
        (b'{"kind":"notification","session":"s","time":"1"}', "not an event"),
        (_with('"outcome":"running"'), "not an event"),
        (_with('"version":0'), "not an event"),
        (_with('"attributes":{"a":{"deep":1}}'), "not an event"),
        (_with('"attributes":{"a":null}'), "not an event"),
        (_with('"version":2'), "newer version"),
        (b'{"kind":"notification","session":"s","time":0}', "time out of range"),
        (b'{"kind":"notification","session":"s","time":-5}', "time out of range"),
        (b'{"kind":"notification","session":"s","time":%d}' % LATEST, "time out of range"),
        (b'{"kind":"notification","session":"s","time":%d}' % (1 << 70), "time out of range"),
        (_with('"duration":-1'), "duration out of range"),
        (_with(f'"duration":{1 << 70}'), "duration out of range"),
        (b'{"kind":"notification","session":"","time":1}', "no session"),
        (_with('"id":""'), "empty text"),
        (_with('"source":""'), "empty text"),
        (_with('"attributes":{"ids":[""]}'), "empty text"),
        (_with(f'"name":"{LONG}"'), "text too long"),
        (f'{{"kind":"notification","session":"{LONG}","time":1}}'.encode(), "text too long"),
        (_with(f'"attributes":{{"a":"{LONG}"}}'), "text too long"),
        (_with(f'"attributes":{{"{LONG}":1}}'), "text too long"),
        (_with(f'"attributes":{{"ids":["{LONG}"]}}'), "text too long"),
        (_with('"attributes":{"ids":[' + '"a",' * 1_000 + '"a"]}'), "list too long"),
        (_with('"attributes":{' + ",".join(f'"{n}":1' for n in range(65)) + "}"), "too many attributes"),
    ],
)
def test_an_invalid_line_has_a_reason(line: bytes, reason: str) -> None:
    """Each fault has a short reason; the variable part follows a colon and is bounded."""
    found = parse_line(line)
    assert isinstance(found, str)
    assert found.partition(":")[0] == reason
    assert len(found) < 250


def test_a_reason_does_not_quote_the_line() -> None:
    """A foreign line may contain secrets; its reason names the faulty member, not its value."""
    found = parse_line(b'{"kind":"my-password","session":"s","time":1}')
    assert found == "not an event: $.kind"


def test_the_bounds_are_inside() -> None:
    """The longest allowed text, the latest time and the longest list are valid."""
    text = "x" * LONGEST_TEXT
    event = Event(
        kind=Kind.TOOL_END, session=text, time=LATEST - 1, id=text, attributes={"ids": [text] * 100}
    )
    assert parse_line(encode_event(event)) == event


def test_an_empty_text_attribute_is_valid() -> None:
    """An attribute may be empty, only ids cannot."""
    assert not isinstance(parse_line(_with('"attributes":{"a":""}')), str)


def test_files_are_named_by_the_utc_day(tmp_path: Path) -> None:
    """The day changes at midnight, UTC."""
    assert journal.get_day_file(tmp_path, at(0) - 1) == tmp_path / "2025-12-31.jsonl"
    assert journal.get_day_file(tmp_path, at(0)) == tmp_path / "2026-01-01.jsonl"


def test_only_the_owner_can_read_the_journal(tmp_path: Path) -> None:
    """The folder is 0700 and files are 0600, created if missing."""
    path = tmp_path / "journal" / "a.jsonl"
    journal.append_records(path, encode_event(EVENT))
    journal.append_records(path, encode_event(EVENT))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.read_bytes() == encode_event(EVENT) * 2


def test_a_new_day_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    """A process with umask 0 makes the file and its folder for the owner alone."""
    before = os.umask(0)
    try:
        journal.append_records(tmp_path / "journal" / "a.jsonl", encode_event(EVENT))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "journal" / "a.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o700


def test_a_failed_write_raises(tmp_path: Path) -> None:
    """The caller gets the error of a refused write."""
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(OSError, match=r"a\.jsonl"):
        journal.append_records(tmp_path / "a.jsonl", encode_event(EVENT))


def test_files_are_listed_by_name_with_their_sizes(tmp_path: Path) -> None:
    """Other files, folders and dangling links are skipped; a missing folder has no files."""
    assert journal.list_file_sizes(tmp_path / "none") == {}
    (tmp_path / "b.jsonl").write_bytes(b"12345")
    (tmp_path / "a.jsonl").write_bytes(b"")
    (tmp_path / "note.txt").write_bytes(b"1")
    (tmp_path / "c.jsonl").mkdir()
    (tmp_path / "d.jsonl").symlink_to(tmp_path / "nowhere")
    assert list(journal.list_file_sizes(tmp_path).items()) == [("a.jsonl", 0), ("b.jsonl", 5)]


def test_recent_events_that_match_a_pattern(tmp_path: Path) -> None:
    """Oldest first, only from day files, and only from their last ``limit`` bytes."""
    for file in ("2026-01-01.jsonl", "2026-01-02.jsonl", "import-abc.jsonl"):
        events = [
            Event(
                kind=Kind.NOTIFICATION, session=f"{file[:10]}-{n}", time=n, name="mark" if n % 2 else "none"
            )
            for n in range(1, 6)
        ]
        journal.append_records(tmp_path / file, b"".join(map(journal.encode_event, events)))
    mark = re.compile(rb'"name":"mark"')
    found = [event.session for event in journal.find_recent_events(tmp_path, mark)]
    assert found == [f"2026-01-0{day}-{n}" for day in (1, 2) for n in (1, 3, 5)]
    size = (tmp_path / "2026-01-02.jsonl").stat().st_size
    for limit in range(0, 2 * size, 7):
        some = [event.session for event in journal.find_recent_events(tmp_path, mark, last_bytes=limit)]
        assert some == found[len(found) - len(some) :]
        assert len(some) >= 3 * (limit // size)
    assert list(journal.find_recent_events(tmp_path / "nowhere", mark)) == []


def test_a_torn_record_costs_only_itself(tmp_path: Path) -> None:
    """The next writer's newline ends a record cut short by a kill; both neighbours are read."""
    whole = encode_event(EVENT)
    (tmp_path / "a.jsonl").write_bytes(whole + whole[:40] + whole)
    batch = read_batch(tmp_path, "a.jsonl", 0)
    assert batch.events == (EVENT, EVENT)
    assert batch.rejects == (Reject("a.jsonl", len(whole) + 1, 39, "not JSON"),)
    assert batch.end == 2 * len(whole) + 40


def test_cut_anywhere_the_last_record_is_read_once_it_is_whole(tmp_path: Path) -> None:
    """A journal cut at every byte of its last record: nothing is lost, raised or read twice."""
    first, last = encode_event(EVENT), encode_event(EVENT)
    path = tmp_path / "a.jsonl"
    for cut in range(len(last)):
        path.write_bytes(first + last[:cut])
        batch = read_batch(tmp_path, "a.jsonl", 0)
        assert (batch.events, batch.rejects) == ((EVENT,), ())
        path.write_bytes(first + last)
        rest = read_batch(tmp_path, "a.jsonl", batch.end)
        assert (rest.events, rest.rejects, rest.end) == ((EVENT,), (), 2 * len(first))


@pytest.mark.parametrize("gap", [b"", b"\n", b"\n\n"])
def test_batches_can_end_between_sessions(tmp_path: Path, gap: bytes) -> None:
    """What follows the last change of sessions is left for the next batch; a session alone is a part."""
    a, b = (replace(EVENT, session=name) for name in "ab")
    records = [encode_event(event) + gap for event in (a, b, b)]
    (tmp_path / "a.jsonl").write_bytes(b"".join(records) + records[0][:40])
    with (tmp_path / "a.jsonl").open("rb") as content:
        first, second = (
            journal.read_next_batch(content, "a.jsonl", offset, ends_between_sessions=True)
            for offset in (0, len(records[0]))
        )
    assert (first.events, first.is_part_of_session) == ((a,), False)
    assert len(records[0]) - len(gap) <= first.end <= len(records[0]) + 1
    assert (second.events, second.is_part_of_session) == ((b, b), True)
    assert read_batch(tmp_path, "a.jsonl", first.end).events == (b, b)
    assert read_batch(tmp_path, "a.jsonl", 0).events == (a, b, b)


def test_nothing_new_is_an_empty_batch(tmp_path: Path) -> None:
    """At or after the end of the file nothing is read."""
    (tmp_path / "a.jsonl").write_bytes(b"\n")
    assert read_batch(tmp_path, "a.jsonl", 1) == Batch("a.jsonl", 1, 1, (), ())
    assert read_batch(tmp_path, "a.jsonl", 5) == Batch("a.jsonl", 5, 5, (), ())


def test_blank_lines_are_skipped(tmp_path: Path) -> None:
    """Newlines and spaces between records are neither events nor rejects."""
    (tmp_path / "a.jsonl").write_bytes(b"\n\n  \r\n" + encode_event(EVENT) + b"\n\t\n")
    batch = read_batch(tmp_path, "a.jsonl", 0)
    assert (batch.events, batch.rejects) == ((EVENT,), ())


@given(st.lists(st.sampled_from(LINES), max_size=6))
def test_lines_read_together_are_as_those_read_alone(lines: list[bytes]) -> None:
    """All lines are valid events or empty, and then their events come out, or each line must be looked at."""
    alone = [parse_line(line) for line in lines if line]
    if all(isinstance(each, Event) and each.kind is not Kind.REJECT for each in alone):
        assert parse_valid_lines(lines) == alone
    else:
        assert parse_valid_lines(lines) is None


@given(limit=st.integers(1, 3_000))
def test_portions_of_any_size_give_the_same(tmp_path_factory: pytest.TempPathFactory, limit: int) -> None:
    """Events, rejects and their offsets do not depend on the size of a read."""
    folder = tmp_path_factory.mktemp("journal")
    append(folder, fork_join().events, "a.jsonl")
    with (folder / "a.jsonl").open("ab") as file:
        file.write(b"torn{" + encode_event(EVENT) + b"x" * 2_000 + encode_event(EVENT) + b'{"not":"whole"')
    whole = everything(folder, "a.jsonl", limit=1 << 20)
    assert len(whole[0]) == len(fork_join().events) + 2
    assert [reject.length for reject in whole[1]] == [5, 2_000]
    assert everything(folder, "a.jsonl", limit=limit) == whole


@pytest.mark.parametrize("limit", [1_000, LONGEST_LINE, 4 * LONGEST_LINE])
@pytest.mark.parametrize("excess", [-1, 0, 1, 3 * LONGEST_LINE])
def test_an_endless_line_is_rejected_unparsed(tmp_path: Path, limit: int, excess: int) -> None:
    """A line of a megabyte is rejected at any size of a read, and the lines after it are read."""
    line = b'{"kind":"notification","session":"s","time":1' + b" " * (LONGEST_LINE + excess - 46) + b"}"
    assert len(line) == LONGEST_LINE + excess
    (tmp_path / "a.jsonl").write_bytes(encode_event(EVENT)[1:] + line + encode_event(EVENT))
    events, rejects, end = everything(tmp_path, "a.jsonl", limit=limit)
    assert end == (tmp_path / "a.jsonl").stat().st_size
    if excess < 0:
        assert [event.session for event in events] == ["s", "s", "s"]
        assert rejects == []
    else:
        assert events == [EVENT, EVENT]
        assert rejects == [Reject("a.jsonl", len(encode_event(EVENT)) - 1, len(line), "too long")]


def test_a_long_line_that_is_still_being_written_is_waited_for(tmp_path: Path) -> None:
    """Without its newline even a line that is too long is left for the next read."""
    (tmp_path / "a.jsonl").write_bytes(b"x" * (2 * LONGEST_LINE))
    assert read_batch(tmp_path, "a.jsonl", 0) == Batch("a.jsonl", 0, 0, (), ())


def test_a_reject_of_a_source_keeps_its_offset(tmp_path: Path) -> None:
    """A source's reject keeps its reason and is not an event of any session."""
    reject = Event(kind=Kind.REJECT, session="", time=1, attributes={"reason": "not JSON", "bytes": 9})
    silent = Event(kind=Kind.REJECT, session="", time=1)
    append(tmp_path, [EVENT, reject, silent, EVENT], "a.jsonl")
    batch = read_batch(tmp_path, "a.jsonl", 0)
    assert batch.events == (EVENT, EVENT)
    first = len(encode_event(EVENT)) + 1
    assert [(r.offset, r.reason) for r in batch.rejects] == [
        (first, "payload: not JSON"),
        (first + len(encode_event(reject)), "payload: unreadable"),
    ]


def test_recorded_sessions_survive_the_journal(tmp_path: Path) -> None:
    """Every event of a real session is read as it was written."""
    append(tmp_path, recorded("fanout"), "a.jsonl")
    assert read_batch(tmp_path, "a.jsonl", 0).events == recorded("fanout")


def test_two_writers_do_not_tear_each_other(tmp_path: Path) -> None:
    """Writers that append at the same time through their own descriptors leave whole lines."""
    path = tmp_path / "a.jsonl"
    code = (
        "import sys, pathlib; from stretto import journal\n"
        f"for _ in range(200): journal.append_records(pathlib.Path(sys.argv[1]), {encode_event(EVENT)!r})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(4)]
    assert [writer.wait() for writer in writers] == [0, 0, 0, 0]
    events, rejects, _ = everything(tmp_path, "a.jsonl", limit=1 << 20)
    assert (len(events), rejects) == (800, [])


def test_a_batch_can_be_read_again_line_by_line(tmp_path: Path) -> None:
    """Each line is a separate batch at its offset, and together they are the whole batch."""
    path = tmp_path / "journal" / "2026-01-01.jsonl"
    for event in (EVENT, Event(kind=Kind.NOTIFICATION, session="s", time=1)):
        journal.append_records(path, journal.encode_event(event))
    journal.append_records(path, b"\n{torn\n\n\x1e\n")
    whole = journal.read_batch(path.parent, path.name, 0)
    parts = list(journal.reread_batch_by_line(path.parent, whole))
    assert parts[0].start == whole.start
    assert parts[-1].end == whole.end
    assert all(one.end == following.start for one, following in itertools.pairwise(parts))
    assert tuple(event for part in parts for event in part.events) == whole.events
    assert tuple(reject for part in parts for reject in part.rejects) == whole.rejects
    assert max(len(part.events) + len(part.rejects) for part in parts) == 1


COME_AND_GO = """
import os, sys
while os.getppid() == int(sys.argv[2]):
    for name in "abcdefgh":
        open(f"{sys.argv[1]}/{name}.jsonl", "w").close()
    for name in "abcdefgh":
        os.unlink(f"{sys.argv[1]}/{name}.jsonl")
"""


def test_a_file_that_vanishes_while_files_are_listed_hides_no_other(tmp_path: Path) -> None:
    """While another process creates and deletes files, the remaining file is always listed."""
    (tmp_path / "2026-01-01.jsonl").write_bytes(b"x")
    other = subprocess.Popen([sys.executable, "-c", COME_AND_GO, str(tmp_path), str(os.getpid())])
    try:
        seen = [journal.list_file_sizes(tmp_path) for _ in range(20_000)]
    finally:
        other.kill()
        other.wait()
    assert any(len(files) > 1 for files in seen), "nothing came or went meanwhile"
    assert all("2026-01-01.jsonl" in files for files in seen)
