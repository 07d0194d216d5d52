"""Recordings: read files of recorded hook calls into events.

Each line is ``{"t": arrival in ns, "payload": the hook's standard input}``. The recordings that come with
Stretto have this format. Any hook that appends its input to a file can write it.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

import msgspec
from msgspec.structs import replace

from stretto.errors import SourceError
from stretto.model.event import LATEST, Event
from stretto.sources.histories.records import decode_records
from stretto.sources.recognise_agent_by_hook_payloads import CLAUDE_CODE, recognise_agent

__all__ = [
    "CLAUDE_CODE",
    "ParsedRecording",
    "find_agent",
    "find_recordings",
    "is_recording",
    "parse_lines",
    "read_recording",
    "shift_events",
]

PayloadParser = Callable[[bytes, int], Event]
"""(payload, arrival in ns) → event, as the hook client does it."""


class _RecordedCall(msgspec.Struct):
    t: int
    payload: msgspec.Raw


LINES_TO_CHECK = 20
"""Lines of a file that are checked to recognise its format."""

_decode_strictly = msgspec.json.Decoder(_RecordedCall).decode
_decode_payload = msgspec.json.Decoder(dict[str, Any]).decode


def _decode(line: bytes) -> _RecordedCall:
    """Return a recorded call, as leniently as the hook client reads one. Raises msgspec.DecodeError."""
    try:
        return _decode_strictly(line)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        records, reason = decode_records(line)
        if reason is not None or len(records) != 1:
            raise
        return _decode_strictly(json.dumps(records[0]).encode())


@dataclass(frozen=True, slots=True)
class ParsedRecording:
    """The events of a recording; ``rejects`` holds number and reason of each line that is no hook call."""

    events: tuple[Event, ...]
    rejects: tuple[tuple[int, str], ...]


def read_recording(path: Path, parse: PayloadParser, *, latest: int = LATEST) -> ParsedRecording:
    """Read a recording, gzipped or not; lines with a time after ``latest`` (ns) are rejected.

    Raises SourceError if the file cannot be read at all.
    """
    try:
        with _open_recording(path) as lines:
            return parse_lines(lines, parse, latest=latest)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(
            "the recording cannot be read",
            where=str(path),
            cause=str(error),
            hint="name a file of hook calls",
        ) from error


def is_recording(path: Path) -> bool:
    """Return whether the first lines of a file hold a recorded hook call; False if it cannot be read."""
    try:
        with _open_recording(path) as lines:
            return any(_is_line(line) for line in islice(lines, LINES_TO_CHECK))
    except (OSError, EOFError, zlib.error):
        return False


def find_agent(path: Path) -> str:
    """Return the agent whose hooks a recording holds, by its first payloads. Raises SourceError."""
    payloads: list[dict[str, Any]] = []
    try:
        with _open_recording(path) as lines:
            for line in islice(lines, LINES_TO_CHECK):
                with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    payloads.append(_decode_payload(_decode(line).payload))
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError("the recording cannot be read", where=str(path), cause=str(error)) from error
    return recognise_agent(payloads)


def _is_line(line: bytes) -> bool:
    try:
        _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def parse_lines(
    lines: IO[bytes] | list[bytes], parse: PayloadParser, *, latest: int = LATEST
) -> ParsedRecording:
    """Turn the lines of a recording into events; a line that is no hook call is set aside with its reason."""
    events: list[Event] = []
    rejects: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            recorded = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            rejects.append((number, f"not a recorded hook call: {error}"))
            continue
        if not 0 < recorded.t < LATEST:
            rejects.append((number, "not a recorded hook call: t is no time"))
            continue
        if recorded.t > latest:
            rejects.append((number, "not a recorded hook call: t lies in the future"))
            continue
        events.append(parse(bytes(recorded.payload), recorded.t))
    return ParsedRecording(tuple(events), tuple(rejects))


def shift_events(events: tuple[Event, ...], end: int) -> tuple[Event, ...]:
    """Return the events moved so that the last happens at ``end`` (ns), marked as a recording."""
    if not events:
        return ()
    shift = end - max(event.time for event in events)
    return tuple(_as_recording(event, event.time + shift) for event in events)


def _as_recording(event: Event, time: int) -> Event:
    attributes: dict[str, Any] = {**event.attributes, "recording": True}
    return replace(event, time=time, session=f"recording-{event.session}", attributes=attributes)


def find_recordings(path: Path) -> Iterator[Path]:
    """Yield the recordings under a path: the file itself, or each ``hooks.jsonl[.gz]`` in a folder.

    Raises SourceError if the path holds no recording.
    """
    if path.is_file():
        yield path
        return
    files = sorted([*path.rglob("hooks.jsonl"), *path.rglob("hooks.jsonl.gz")]) if path.is_dir() else []
    if not files:
        raise SourceError(
            "there is no recording here",
            where=str(path),
            cause="no such file or folder" if not path.exists() else "no hooks.jsonl in the folder",
            hint="name a file of hook calls, or a folder with hooks.jsonl files in it",
        )
    yield from files


def _open_recording(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb")
