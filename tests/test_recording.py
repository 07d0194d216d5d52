from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from stretto.demo import parse_payload
from stretto.errors import SourceError
from stretto.model.event import LATEST, Kind
from stretto.sources.recording import find_recordings, parse_lines, read_recording, shift_events
from tests.fakes import RECORDINGS, recorded
from tests.scenes import at, concluded

LINE = json.dumps({"t": at(1), "payload": {"session_id": "s", "hook_event_name": "SessionStart"}}).encode()


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_hook_call_of_a_recording_is_an_event(name: str) -> None:
    """As many events as lines, none of them a reject, at the times that were recorded."""
    events = recorded(name)
    lines = RECORDINGS[name].read_bytes().splitlines()
    assert len(events) == len(lines)
    assert [event.time for event in events] == [json.loads(line)["t"] for line in lines]
    assert not any(event.kind is Kind.REJECT for event in events)


@pytest.mark.parametrize(
    "line",
    [
        b"{torn",
        b"7",
        b'{"t":1}',
        b'{"t":"1","payload":{}}',
        b'{"t":1.5,"payload":{}}',
        b'{"t":0,"payload":{}}',
        b'{"t":-1,"payload":{}}',
        b'{"t":%d,"payload":{}}' % LATEST,
        b'{"\xff":1,"t":1',
        b'{"t":1,"payload":' + b"[" * 100_000,
    ],
)
def test_a_line_that_is_no_hook_call_is_set_aside_with_its_number(line: bytes) -> None:
    """Blank lines are nothing, and what stands around a bad line is read."""
    found = parse_lines([b"\n", LINE, line, b"  \n", LINE], parse_payload)
    assert [event.kind for event in found.events] == [Kind.SESSION_START, Kind.SESSION_START]
    ((number, reason),) = found.rejects
    assert number == 3
    assert reason.startswith("not a recorded hook call: ")


def test_a_line_from_the_future_is_set_aside() -> None:
    """A call is believed up to an instant that the caller gives; the lines around it are read."""
    found = parse_lines([LINE], parse_payload, latest=at(1))
    assert len(found.events) == 1
    found = parse_lines([LINE, LINE.replace(b"%d" % at(1), b"%d" % at(0))], parse_payload, latest=at(1) - 1)
    assert found.rejects == ((1, "not a recorded hook call: t lies in the future"),)
    assert [event.time for event in found.events] == [at(0)]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"hook_event_name":"SessionStart"}', "no session id"),
        (b"[]", "not an object"),
        (b'{"session_id":"s","hook_event_name":"Dance"}', "unknown event"),
        (b'{"a":"\xff"}', "no session id"),
    ],
)
def test_a_payload_that_is_no_hook_is_a_reject_event(payload: bytes, reason: str) -> None:
    """The hook client's own word on it, kept with the time of the call."""
    found = parse_lines([b'{"t":5,"payload":' + payload + b"}"], parse_payload)
    (event,) = found.events
    assert found.rejects == ()
    assert (event.kind, event.time, event.attributes["reason"]) == (Kind.REJECT, 5, reason)


def test_a_gzipped_recording_is_the_same(tmp_path: Path) -> None:
    """Told by its name."""
    path = tmp_path / "hooks.jsonl.gz"
    path.write_bytes(gzip.compress(RECORDINGS["fanout"].read_bytes()))
    assert read_recording(path, parse_payload).events == recorded("fanout")


@pytest.mark.parametrize("cut", [0, 1, 15, 400])
def test_a_damaged_archive_is_an_error_for_people(tmp_path: Path, cut: int) -> None:
    """Cut short or overwritten: named, not a traceback."""
    path = tmp_path / "hooks.jsonl.gz"
    whole = gzip.compress(RECORDINGS["fanout"].read_bytes())
    path.write_bytes(whole[:200] + b"\0" * 200 + whole[400:] if cut == 0 else whole[:-cut])
    with pytest.raises(SourceError, match="the recording cannot be read"):
        read_recording(path, parse_payload)


def test_a_missing_recording_is_an_error_for_people(tmp_path: Path) -> None:
    """The path is named."""
    with pytest.raises(SourceError, match="nowhere"):
        read_recording(tmp_path / "nowhere.jsonl", parse_payload)


def test_recordings_are_found_in_a_folder(tmp_path: Path) -> None:
    """A file is itself; in a folder, every file of hook calls at any depth; without one, an error says so."""
    for name in ("b/hooks.jsonl", "a/deep/hooks.jsonl.gz", "a/otlp.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = [tmp_path / "a/deep/hooks.jsonl.gz", tmp_path / "b/hooks.jsonl"]
    assert sorted(find_recordings(tmp_path)) == found
    assert list(find_recordings(tmp_path / "a/otlp.jsonl")) == [tmp_path / "a/otlp.jsonl"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"no hooks\.jsonl in the folder"):
        list(find_recordings(tmp_path / "empty"))
    with pytest.raises(SourceError, match="no such file or folder"):
        list(find_recordings(tmp_path / "nowhere"))


def test_a_retimed_recording_is_the_same_session_at_another_time() -> None:
    """Moved as a whole, under another id, marked; what is concluded keeps every length."""
    events = recorded("fanout")
    moved = shift_events(events, at(1_000))
    assert max(event.time for event in moved) == at(1_000)
    before, after = concluded(events), concluded(moved)
    assert after.recording
    assert not before.recording
    assert after.id == f"recording-{before.id}"
    assert [t.interval and t.interval.length for t in after.tasks] == [
        t.interval and t.interval.length for t in before.tasks
    ]
    assert shift_events((), at(0)) == ()
