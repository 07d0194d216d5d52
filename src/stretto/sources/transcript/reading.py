"""Reading: finding transcript files, and reading one on from an offset."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stretto.errors import SourceError
from stretto.model.event import LATEST, Event
from stretto.sources.transcript import schema
from stretto.sources.transcript.checkpoint import Checkpoint, TranscriptFile
from stretto.sources.transcript.translate import LineTranslator

CHUNK = 1 << 22
"""Bytes read at once: some thousand lines, small enough to show progress by."""
LINE_LIMIT = 1 << 28
"""Bytes of a line; a longer one is set aside unread, so that memory stays bounded."""

SIDECAR_LIMIT = 1 << 16

UNREADABLE = "cannot be read"
"""How the reason begins where it is the file that cannot be read, not a line of it."""

_SUFFIXES = (".jsonl", ".jsonl.gz")
_AGENT = "agent-"
_NOT_TRANSCRIPTS = frozenset({"journal", "history"})
"""JSON lines that the client keeps beside transcripts: a workflow's journal, the prompts of all projects."""


@dataclass(frozen=True, slots=True)
class TranscriptChunk:
    """What one read gave, and where the next goes on."""

    events: tuple[Event, ...]
    rejects: tuple[tuple[int, str], ...]
    """Offset and reason of each line that could not be read."""
    offset: int
    """Bytes (of the content, where the file is compressed) up to which the file has been read."""
    checkpoint: Checkpoint
    ended: bool
    """Whether nothing was left; False asks for another read at once."""


def find_transcripts(root: Path) -> Iterator[TranscriptFile]:
    """Yield the transcripts under a path, each session's before those of its agents.

    The path is a transcript (a session's brings those of its agents along), the folder of a session, or any
    folder with transcripts somewhere in it. Raises SourceError where there is none.
    """
    paths = sorted({*_find_paths(root)}, key=_get_sort_key)
    if not paths:
        raise SourceError(
            "there is no transcript here",
            where=str(root),
            cause="no .jsonl file in the folder" if root.is_dir() else "no such file or folder",
            hint="name a session's .jsonl file, or a folder such as ~/.claude/projects",
        )
    for path in paths:
        yield identify_transcript(path)


def identify_transcript(path: Path) -> TranscriptFile:
    """Return what the place and the sidecar of a transcript say of it; the file itself is not opened."""
    stem = _get_stem(path)
    if not stem.startswith(_AGENT):
        return TranscriptFile(path, session=schema.to_id(stem))
    above = [parent.parent.name for parent in path.parents if parent.name == "subagents"]
    sidecar = _read_sidecar(path.with_name(f"{stem}.meta.json"))
    return TranscriptFile(
        path,
        session=schema.to_id(above[0]) if above else None,
        agent=schema.to_id(stem.removeprefix(_AGENT)),
        agent_type=schema.to_name(sidecar.agent_type),
        delegated_by=schema.to_id(sidecar.tool_use_id),
        parent=schema.to_id(sidecar.parent_agent_id),
        description=schema.to_name(sidecar.description),
    )


def read_transcript(
    transcript: TranscriptFile,
    offset: int = 0,
    checkpoint: Checkpoint | None = None,
    *,
    at_rest: bool = False,
    latest: int = LATEST,
    limit: int = CHUNK,
    key: bytes = b"",
) -> TranscriptChunk:
    """Read whole lines on from ``offset``, about ``limit`` bytes of them, into events.

    A last line without its newline is left for the next read: its writer may still be at it. ``at_rest`` says
    that nothing has been written for long: then that line is taken, and what only silence tells is told (the
    end of a turn or a task whose last line is an answer). A line from after ``latest`` (ns) is set aside.
    A file that has become shorter is read from its beginning. ``key`` is the installation's secret for hashes
    of what calls wrote; there are none without it. What cannot be read becomes a reject; nothing is raised.
    """
    checkpoint = checkpoint or Checkpoint()
    try:
        with _open_transcript(transcript.path) as stream:
            if transcript.path.suffix != ".gz" and stream.seek(0, 2) < offset:
                offset, checkpoint = 0, Checkpoint()
            stream.seek(offset)
            raw = _read_whole_lines(stream, limit, to_the_end=at_rest or transcript.path.suffix == ".gz")
    except (OSError, EOFError, zlib.error) as error:
        return TranscriptChunk(
            (), ((offset, f"{UNREADABLE}: {type(error).__name__}"),), offset, checkpoint, ended=True
        )
    translator = LineTranslator(transcript, checkpoint, key, latest=latest)
    rejects = [(offset, "too long")] if raw.skipped else []
    position = offset
    for data in raw.data.split(b"\n"):
        rejects.extend((position, reason) for reason in _translate_data(translator, data))
        position += len(data) + 1
    if at_rest and raw.ended:
        translator.log.end_all_answered()
    end = offset + raw.skipped + len(raw.data)
    return TranscriptChunk(
        tuple(translator.log.events), tuple(rejects), end, translator.log.make_checkpoint(), raw.ended
    )


def _translate_data(translator: LineTranslator, data: bytes) -> Iterator[str]:
    if not data or data.isspace():
        return
    lines, reason = schema.parse_line(data)
    if reason is not None:
        yield reason
    for line in lines:
        problem = translator.translate_line(line)
        if problem is not None:
            yield problem


@dataclass(frozen=True, slots=True)
class _RawLines:
    data: bytes
    skipped: int
    """Bytes of a line that is too long to be looked at; there is no data then."""
    ended: bool


def _read_whole_lines(stream: IO[bytes] | gzip.GzipFile, limit: int, *, to_the_end: bool) -> _RawLines:
    data = bytearray()
    skipped = 0
    while True:
        piece = stream.read(limit)
        ended = len(piece) < limit
        cut = len(piece) if ended and to_the_end else piece.rfind(b"\n") + 1
        if skipped:
            # The first newline ends the line that is skipped; what follows it is left for the next read.
            cut = piece.find(b"\n") + 1 or cut
            if cut or ended:
                return _RawLines(b"", skipped + cut if cut or to_the_end else 0, ended)
            skipped += len(piece)
            continue
        if cut or ended:
            whole = bytes(data) + piece[:cut] if cut or to_the_end else b""
            return _RawLines(whole, 0, ended)
        data += piece
        if len(data) > LINE_LIMIT:
            skipped = len(data)
            data.clear()


def _find_paths(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
        if not _get_stem(root).startswith(_AGENT):
            yield from _find_below(root.with_name(_get_stem(root)) / "subagents")
    elif root.is_dir():
        yield from _find_below(root)
        yield from (path for suffix in _SUFFIXES if (path := root.with_name(root.name + suffix)).is_file())


def _find_below(folder: Path) -> Iterator[Path]:
    for suffix in _SUFFIXES:
        found = folder.rglob(f"*{suffix}")
        yield from (path for path in found if path.is_file() and _get_stem(path) not in _NOT_TRANSCRIPTS)


def _get_sort_key(path: Path) -> tuple[str, ...]:
    # The folder of a session's agents has the session's name: without its suffix its file comes first.
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
