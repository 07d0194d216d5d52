"""Transcript import: append the new events of Claude Code's transcripts to the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path

import msgspec

from stretto import journal
from stretto.cli.append_imported_events import IMPORTS, ImportedFile, append_events
from stretto.cli.import_positions import ImportPositions
from stretto.clock import AHEAD, MINUTE, read_wall_clock
from stretto.config.configuration import Config
from stretto.hook.install.client_copy import ensure_secret
from stretto.model.event import Event
from stretto.sources import transcript
from stretto.sources.transcript import Checkpoint, Owners, TranscriptFile
from stretto.store.garbage_collector_pause import pause_collector

TRANSCRIPTS = f"{IMPORTS}transcripts{journal.SUFFIX}"
"""The journal file of the events of transcripts."""

POSITIONS = "transcripts"
"""The kind of the positions of transcripts."""


class TranscriptPosition(msgspec.Struct, frozen=True):
    """How far a transcript has been read, with the state that continues the next read."""

    offset: int
    carry: Checkpoint
    beginning: str | None = None
    """The id of its first line: transcripts that begin alike hold copied lines. Empty if it has none."""
    first: int = 0
    """The time of that line."""
    copies: int = 0
    """How many events about copies were written for it."""


def import_transcripts(config: Config, transcripts: Iterable[TranscriptFile]) -> list[ImportedFile]:
    """Append the new events of transcripts since the last import to the journal.

    A transcript whose newest line is older than the idle limit counts as complete.
    """
    hashing = ensure_secret(config.state)
    imported = []
    with closing(_open_positions(config)) as positions:
        for file in transcripts:
            key = _get_position_key(file.path)
            before = positions.get(key) or positions.get(str(file.path.absolute()))
            entry, position = _import_transcript(
                file,
                before or TranscriptPosition(0, Checkpoint()),
                config,
                at_rest=_is_at_rest(file.path, config),
                hashing=hashing,
            )
            imported.append(entry)
            if position != before:
                # After the events: an event that is written twice merges, one that is never written is lost.
                positions.put(
                    key,
                    position,
                    beginning=position.beginning or None,
                    is_unmarked=entry.events > 0 and file.agent is None,
                )
        _mark_copies(config, positions)
    return imported


def find_unread_sessions(config: Config, transcripts: Iterable[Path]) -> list[Path]:
    """Return the transcripts of sessions that no import has read yet.

    An agent's transcript belongs to a session that has one, and a file without a dated line is no session:
    an import does not count them either.
    """
    with closing(_open_positions(config)) as positions:
        read = positions.list_files()
    unread = (path for path in transcripts if _get_position_key(path) not in read)
    return [path for path in unread if _is_session(path)]


def _is_session(path: Path) -> bool:
    is_agent = transcript.identify_transcript(path).agent is not None
    return not is_agent and transcript.find_newest_time(path) is not None


def _open_positions(config: Config) -> ImportPositions[TranscriptPosition]:
    return ImportPositions(config.state, POSITIONS, TranscriptPosition)


def _get_position_key(path: Path) -> str:
    """Return the name of a file whatever link leads to it."""
    return str(path.resolve())


def _is_at_rest(path: Path, config: Config) -> bool:
    """Return whether nothing was written to a transcript for longer than the idle limit.

    A copy of the file may be new although its last line is old, so its own times decide if it has any.
    """
    now = read_wall_clock()
    newest = transcript.find_newest_time(path, latest=now + AHEAD)
    try:
        written = path.stat().st_mtime_ns if newest is None else newest
    except OSError:
        return False
    return now - written > config.idle_minutes * MINUTE


def _mark_copies(config: Config, positions: ImportPositions[TranscriptPosition]) -> None:
    """Write which entities of grown transcripts, and of those that begin alike, belong to another session."""
    unmarked = positions.list_unmarked()
    for beginning in sorted({beginning for _, beginning in unmarked if beginning}):
        keys = positions.list_with_beginning(beginning)
        _mark_copies_among(config, positions, keys if len(keys) > 1 else [])
    for key, _ in unmarked:
        positions.mark(key)


def _mark_copies_among(
    config: Config, positions: ImportPositions[TranscriptPosition], keys: Iterable[str]
) -> None:
    """Write which entities of transcripts with the same beginning belong to an earlier one of them."""
    known = {key: position for key in keys if (position := positions.get(key)) is not None}
    files = [transcript.identify_transcript(Path(key)) for key in known]
    files.sort(key=lambda file: (known[str(file.path)].first, file.session or ""))
    owners = Owners()
    for file in files:
        key = str(file.path)
        copies = owners.claim_entities(_read_events(file))
        if len(copies) != known[key].copies:
            append_events(config.journal / TRANSCRIPTS, copies, (), config=config)
            position = msgspec.structs.replace(known[key], copies=len(copies))
            positions.put(key, position, beginning=position.beginning)


def _read_events(file: TranscriptFile) -> Iterator[Event]:
    position, checkpoint, ended = 0, Checkpoint(), False
    while not ended:
        read = transcript.read_transcript(file, position, checkpoint)
        yield from read.events
        position, checkpoint, ended = read.offset, read.checkpoint, read.ended


def _import_transcript(
    file: TranscriptFile, position: TranscriptPosition, config: Config, *, at_rest: bool, hashing: bytes
) -> tuple[ImportedFile, TranscriptPosition]:
    events = 0
    sessions: set[str] = set()
    rejects: list[tuple[int, str]] = []
    began = position.offset
    if position.beginning is None and file.agent is None:
        position = _find_beginning(file.path, position)
    while True:
        with pause_collector():
            read = transcript.read_transcript(
                file,
                position.offset,
                position.carry,
                at_rest=at_rest,
                key=hashing,
                test_commands=config.test_commands,
                latest=read_wall_clock() + AHEAD,
            )
            # An unreadable file is reported but not counted again at every attempt.
            unparsed = [entry for entry in read.rejects if not entry[1].startswith(transcript.UNREADABLE)]
            append_events(config.journal / TRANSCRIPTS, read.events, unparsed, config=config)
        events += len(read.events)
        sessions.update(event.session for event in read.events)
        rejects += read.rejects
        position = msgspec.structs.replace(position, offset=read.offset, carry=read.checkpoint)
        if read.ended:
            break
    already_known = began > 0 and events == 0
    entry = ImportedFile(
        str(file.path),
        "transcript",
        events,
        _share_sessions(tuple(sorted(sessions))),
        tuple(rejects),
        already_known,
        left=_count_left_bytes(file.path, position.offset),
    )
    return entry, position


@lru_cache(maxsize=1_024)
def _share_sessions(sessions: tuple[str, ...]) -> frozenset[str]:
    """Return the sessions as a set: the files of a session, which follow each other, share it."""
    return frozenset(sessions)


def _find_beginning(path: Path, position: TranscriptPosition) -> TranscriptPosition:
    beginning = transcript.find_beginning(path)
    if beginning is None:
        return position
    return msgspec.structs.replace(position, beginning=beginning.line, first=beginning.time)


def _count_left_bytes(path: Path, offset: int) -> int:
    if path.suffix == ".gz":
        return 0
    try:
        return max(0, path.stat().st_size - offset)
    except OSError:
        return 0
