"""Recordings: files of hook calls are found, read into events, and moved in time."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from stretto.demo.recorded_sessions import parse_hook_payload
from stretto.errors import SourceError
from stretto.model.event import LATEST, Kind
from stretto.sources.read_hook_recordings import find_recordings, parse_lines, read_recording, shift_events
from tests.fakes import RECORDINGS, recorded
from tests.scenes import at, conclude_scene

LINE = json.dumps({"t": at(1), "payload": {"session_id": "s", "hook_event_name": "SessionStart"}}).encode()


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_hook_call_of_a_recording_is_an_event(name: str) -> None:
    """There are as many events as lines, no reject among them, at the recorded times."""
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
    """Blank lines are skipped, and the lines around a bad line are read."""
    recording = parse_lines([b"\n", LINE, line, b"  \n", LINE], parse_hook_payload)
    assert [event.kind for event in recording.events] == [Kind.SESSION_START, Kind.SESSION_START]
    ((number, reason),) = recording.rejects
    assert number == 3
    assert reason.startswith("not a recorded hook call: ")


def test_a_line_from_the_future_is_set_aside() -> None:
    """A call after the caller's latest time is rejected; the lines around it are read."""
    recording = parse_lines([LINE], parse_hook_payload, latest=at(1))
    assert len(recording.events) == 1
    recording = parse_lines(
        [LINE, LINE.replace(b"%d" % at(1), b"%d" % at(0))], parse_hook_payload, latest=at(1) - 1
    )
    assert recording.rejects == ((1, "not a recorded hook call: t lies in the future"),)
    assert [event.time for event in recording.events] == [at(0)]


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
    """The hook client's reason is kept, with the time of the call."""
    recording = parse_lines([b'{"t":5,"payload":' + payload + b"}"], parse_hook_payload)
    (event,) = recording.events
    assert recording.rejects == ()
    assert (event.kind, event.time, event.attributes["reason"]) == (Kind.REJECT, 5, reason)


def test_a_gzipped_recording_is_the_same(tmp_path: Path) -> None:
    """A gzipped file is recognised by its name."""
    path = tmp_path / "hooks.jsonl.gz"
    path.write_bytes(gzip.compress(RECORDINGS["fanout"].read_bytes()))
    assert read_recording(path, parse_hook_payload).events == recorded("fanout")


@pytest.mark.parametrize("cut", [0, 1, 15, 400])
def test_a_damaged_archive_is_an_error_for_people(tmp_path: Path, cut: int) -> None:
    """A file that is cut short or overwritten gives an error with its name, not a traceback."""
    path = tmp_path / "hooks.jsonl.gz"
    archive = gzip.compress(RECORDINGS["fanout"].read_bytes())
    path.write_bytes(archive[:200] + b"\0" * 200 + archive[400:] if cut == 0 else archive[:-cut])
    with pytest.raises(SourceError, match="the recording cannot be read"):
        read_recording(path, parse_hook_payload)


def test_a_missing_recording_is_an_error_for_people(tmp_path: Path) -> None:
    """The error names the path."""
    with pytest.raises(SourceError, match="nowhere"):
        read_recording(tmp_path / "nowhere.jsonl", parse_hook_payload)


def test_recordings_are_found_in_a_folder(tmp_path: Path) -> None:
    """A file path gives the file, a folder all files of hook calls in it; without any, there is an error."""
    for name in ("b/hooks.jsonl", "a/deep/hooks.jsonl.gz", "a/otlp.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    files = [tmp_path / "a/deep/hooks.jsonl.gz", tmp_path / "b/hooks.jsonl"]
    assert sorted(find_recordings(tmp_path)) == files
    assert list(find_recordings(tmp_path / "a/otlp.jsonl")) == [tmp_path / "a/otlp.jsonl"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"no hooks\.jsonl in the folder"):
        list(find_recordings(tmp_path / "empty"))
    with pytest.raises(SourceError, match="no such file or folder"):
        list(find_recordings(tmp_path / "nowhere"))


def test_a_shifted_recording_is_the_same_session_at_another_time() -> None:
    """All events move together, under another session id and marked; every duration stays the same."""
    events = recorded("fanout")
    moved = shift_events(events, at(1_000))
    assert max(event.time for event in moved) == at(1_000)
    before, after = conclude_scene(events), conclude_scene(moved)
    assert after.recording
    assert not before.recording
    assert after.id == f"recording-{before.id}"
    assert [t.interval and t.interval.length for t in after.tasks] == [
        t.interval and t.interval.length for t in before.tasks
    ]
    assert shift_events((), at(0)) == ()
