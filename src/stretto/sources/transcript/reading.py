"""Find transcript files, and read one from a byte offset on."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from stretto.errors import SourceError
from stretto.model.event import LATEST, Event
from stretto.sources.transcript import schema
from stretto.sources.transcript.reading_state import Checkpoint, TranscriptFile
from stretto.sources.transcript.translate import LineTranslator

CHUNK = 1 << 22
"""Bytes read at once: a few thousand lines, small enough to show progress."""
LINE_LIMIT = 1 << 28
"""Longest line in bytes; a longer line is rejected unread, so that memory stays bounded."""

TAIL = 1 << 18
"""Bytes at a file's beginning or end in which its first line or its newest time is searched."""

LAST_LINES = 1 << 15
"""Bytes at a file's end, searched first: nearly always the newest time is in them."""

SIDECAR_LIMIT = 1 << 16
"""Bytes read of a sidecar."""

HEAD = 4_096
"""Bytes read of an agent's file to recognise its prompt."""

UNREADABLE = "cannot be read"
"""Beginning of a reject's reason if the file, not a line of it, cannot be read."""

_SUFFIXES = (".jsonl", ".jsonl.gz")
_AGENT = "agent-"
_NOT_TRANSCRIPTS = frozenset({"journal", "history"})
"""Stems of other JSON lines in the client's folders: a workflow's journal, the prompts of all projects."""


@dataclass(frozen=True, slots=True)
class TranscriptChunk:
    """The events of a read, and the state from which the next read continues."""

    events: tuple[Event, ...]
    rejects: tuple[tuple[int, str], ...]
    """Byte offset and reason of each line that could not be read."""
    offset: int
    """Byte offset at which the next read begins; counted in the content if the file is compressed."""
    checkpoint: Checkpoint
    ended: bool
    """Whether the read reached the end of the file; if False, more can be read at once."""


def find_transcripts(root: Path) -> Iterator[TranscriptFile]:
    """Yield the transcripts under a path, as ``list_transcript_paths`` lists them."""
    for path in list_transcript_paths(root):
        yield identify_transcript(Path(path))


def list_transcript_paths(root: Path) -> list[str]:
    """Return the transcripts under a path, each session's before those of its agents.

    The path is a transcript, the folder of a session, or any folder that contains transcripts. For the
    transcript of a session, its agents' are listed too. Raises SourceError if there is no transcript.
    """
    paths = sorted({str(path) for path in _find_paths(root)}, key=lambda path: _get_sort_key(Path(path)))
    if not paths:
        raise SourceError(
            "there is no transcript here",
            where=str(root),
            cause="no .jsonl file in the folder" if root.is_dir() else "no such file or folder",
            hint="name a session's .jsonl file, or a folder such as ~/.claude/projects",
        )
    return paths


def identify_transcript(path: Path) -> TranscriptFile:
    """Return a transcript's session and agent by its path, its sidecar and, of an old client, its first line.

    Example: ``…/S1/subagents/agent-a7.jsonl`` belongs to agent ``a7`` of session ``S1``.
    """
    stem = _get_stem(path)
    if not stem.startswith(_AGENT):
        return TranscriptFile(path, session=schema.to_id(stem))
    session_folders = [parent.parent.name for parent in path.parents if parent.name == "subagents"]
    sidecar = _read_sidecar(path.with_name(f"{stem}.meta.json"))
    return TranscriptFile(
        path,
        session=schema.to_id(session_folders[0]) if session_folders else None,
        agent=schema.to_id(stem.removeprefix(_AGENT)),
        agent_type=schema.to_cut_name(sidecar.agent_type),
        delegated_by=schema.to_id(sidecar.tool_use_id),
        parent=schema.to_id(sidecar.parent_agent_id),
        description=schema.to_cut_name(sidecar.description),
        is_warm_up=not session_folders and _begins_with_warm_up(path),
    )


def _begins_with_warm_up(path: Path) -> bool:
    """Return whether a file is that of an agent that clients 2.0 start only to fill the model's cache."""
    try:
        with _open_transcript(path) as stream:
            return b'"content":"Warmup"' in stream.read(HEAD).partition(b"\n")[0]
    except (OSError, EOFError):
        return False


def read_transcript(
    transcript: TranscriptFile,
    offset: int = 0,
    checkpoint: Checkpoint | None = None,
    *,
    at_rest: bool = False,
    latest: int = LATEST,
    limit: int = CHUNK,
    key: bytes = b"",
    test_commands: Sequence[str] = (),
) -> TranscriptChunk:
    """Read about ``limit`` bytes of whole lines from the byte offset ``offset`` on, into events.

    A last line without its newline is read if it is a whole object, else left for the next read: it may be
    half written. ``at_rest`` means that nothing was written for long. Then the last line is read whatever it
    is, and a turn or task whose last line is an answer ends there. A line with a time after ``latest`` (ns)
    is rejected. A file that has become shorter is read from its beginning. ``key`` is the installation's
    secret for the hashes of written paths; without it there are no such hashes. ``test_commands`` are the
    configured ones. Nothing is raised: unreadable input becomes a reject.
    """
    checkpoint = checkpoint or Checkpoint()
    try:
        with _open_transcript(transcript.path) as stream:
            if transcript.path.suffix != ".gz" and stream.seek(0, 2) < offset:
                offset, checkpoint = 0, Checkpoint()
            stream.seek(offset)
            raw = _read_whole_lines(stream, limit, to_the_end=at_rest or transcript.path.suffix == ".gz")
            if raw.ended and not raw.skipped:
                raw = _add_whole_last_line(stream, offset, raw)
    except (OSError, EOFError, zlib.error) as error:
        return TranscriptChunk(
            (), ((offset, f"{UNREADABLE}: {type(error).__name__}"),), offset, checkpoint, ended=True
        )
    translator = LineTranslator(transcript, checkpoint, key, latest=latest, test_commands=test_commands)
    rejects = [(offset, "too long")] if raw.skipped else []
    line_offset = offset
    for data in raw.data.split(b"\n"):
        reasons = _translate_raw_line(translator, data)
        if reasons:
            rejects += [(line_offset, reason) for reason in reasons]
        line_offset += len(data) + 1
    if at_rest and raw.ended:
        translator.log.end_all_answered()
    next_offset = offset + raw.skipped + len(raw.data)
    return TranscriptChunk(
        tuple(translator.log.events), tuple(rejects), next_offset, translator.log.make_checkpoint(), raw.ended
    )


def _translate_raw_line(translator: LineTranslator, data: bytes) -> Sequence[str]:
    """Add the events of a line; return the reasons for which it, or a part of it, could not be read."""
    if not data or data.isspace():
        return ()
    lines, reason = schema.decode_line(data)
    problems = [reason, *[translator.translate_line(line) for line in lines]]
    return [problem for problem in problems if problem is not None]


def _add_whole_last_line(stream: IO[bytes] | gzip.GzipFile, offset: int, raw: _RawLines) -> _RawLines:
    """Return the lines with the file's last, if it lacks its newline but is a whole object."""
    stream.seek(offset + len(raw.data))
    rest = stream.read(LINE_LIMIT)
    if not rest.strip() or b"\n" in rest or not schema.is_whole_object(rest):
        return raw
    return _RawLines(raw.data + rest, 0, ended=True)


class Beginning(NamedTuple):
    """The first line of a transcript that has an id."""

    line: str
    time: int


def find_beginning(path: Path) -> Beginning | None:
    """Return the first line of a transcript; None if no line near the file's beginning has id and time."""
    try:
        with _open_transcript(path) as stream:
            head = stream.read(TAIL)
    except (OSError, EOFError, zlib.error):
        return None
    for data in head.split(b"\n"):
        for line in schema.decode_line(data)[0] if data.strip() else ():
            id, time = schema.to_id(line.uuid), schema.to_time(line.timestamp)
            if id is not None and time is not None:
                return Beginning(id, time)
    return None


def find_newest_time(path: Path, *, latest: int = LATEST) -> int | None:
    """Return the newest time in the last lines of a transcript, None if there is none. Never raises.

    A copied or extracted file is as new as its last line, not as the copy. Later times than ``latest`` (ns)
    are no times.
    """
    for length in (LAST_LINES, TAIL):
        try:
            tail = _read_tail(path, length)
        except (OSError, EOFError, zlib.error):
            return None
        times = (time for data in tail.split(b"\n") if data.strip() for time in schema.list_times(data))
        newest = max((time for time in times if time <= latest), default=None)
        if newest is not None:
            return newest
    return None


def _read_tail(path: Path, length: int) -> bytes:
    """Return the last ``length`` bytes of a transcript's content, all of it if it is shorter."""
    with _open_transcript(path) as stream:
        if path.suffix != ".gz":
            stream.seek(max(0, stream.seek(0, 2) - length))
            return stream.read(length)
        tail = b""
        while piece := stream.read(TAIL):
            tail = (tail + piece)[-length:]
        return tail


@dataclass(frozen=True, slots=True)
class _RawLines:
    data: bytes
    skipped: int
    """Bytes of a line that is too long to be read; ``data`` is empty then."""
    ended: bool


def _read_whole_lines(stream: IO[bytes] | gzip.GzipFile, limit: int, *, to_the_end: bool) -> _RawLines:
    # Example: a limit of 100 and lines of 60, 60 and 250 bytes. The first call returns 60 bytes, the second
    # 60 bytes. The third joins pieces of 100, 100 and 50 bytes and returns 250.
    data = bytearray()
    skipped = 0
    while True:
        piece = stream.read(limit)
        ended = len(piece) < limit
        cut = len(piece) if ended and to_the_end else piece.rfind(b"\n") + 1
        if skipped:
            # The first newline ends the skipped line; the lines after it are left for the next read.
            cut = piece.find(b"\n") + 1 or cut
            if cut or ended:
                return _RawLines(b"", skipped + cut if cut or to_the_end else 0, ended)
            skipped += len(piece)
            continue
        if cut or ended:
            lines = bytes(data) + piece[:cut] if cut or to_the_end else b""
            return _RawLines(lines, 0, ended)
        data += piece
        if len(data) > LINE_LIMIT:
            skipped = len(data)
            data.clear()


def _find_paths(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
        if not _get_stem(root).startswith(_AGENT):
            yield from _find_in_folder(root.with_name(_get_stem(root)) / "subagents")
    elif root.is_dir():
        yield from _find_in_folder(root)
        yield from (path for suffix in _SUFFIXES if (path := root.with_name(root.name + suffix)).is_file())


def _find_in_folder(folder: Path) -> Iterator[Path]:
    for suffix in _SUFFIXES:
        candidates = folder.rglob(f"*{suffix}")
        yield from (path for path in candidates if path.is_file() and _get_stem(path) not in _NOT_TRANSCRIPTS)


def _get_sort_key(path: Path) -> tuple[str, ...]:
    # "S1.jsonl" and the folder "S1" of its agents share a name: by stem, the file sorts before the folder.
    return (*path.parent.parts, _get_stem(path), path.name)


def _get_stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".jsonl")


def _read_sidecar(path: Path) -> schema.AgentSidecar:
    try:
        with path.open("rb") as sidecar:
            return schema.decode_part(schema.SIDECAR, sidecar.read(SIDECAR_LIMIT)) or schema.AgentSidecar()
    except OSError:
        return schema.AgentSidecar()


def _open_transcript(path: Path) -> IO[bytes] | gzip.GzipFile:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    return path.open("rb")
