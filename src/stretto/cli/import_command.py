"""``stretto import``: import recordings of hooks and transcripts into the journal and the store."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stretto import journal
from stretto.cli.command_context import CommandContext
from stretto.clock import AHEAD, MINUTE, read_wall_clock
from stretto.config.configuration import Config
from stretto.demo import parse_payload
from stretto.errors import ServiceError, SourceError
from stretto.hook.install.client_copy import ensure_secret
from stretto.model.event import Event, Kind
from stretto.service.ingest_setup import create_ingest
from stretto.sources import recording, transcript
from stretto.sources.redact import redact_for_journal
from stretto.sources.transcript import Checkpoint, TranscriptFile
from stretto.state.lock import StateLock, find_holder
from stretto.store import queries
from stretto.store.database import open_reader, open_writer

WAIT_SECONDS = 60.0
"""How long an import waits for a running service to ingest the new events."""

IMPORTS = "import-"
"""Prefix of the journal files of imports."""

TRANSCRIPTS = f"{IMPORTS}transcripts{journal.SUFFIX}"
"""The journal file of the events of transcripts."""

NOT_TRANSCRIPTS = frozenset({"hooks.jsonl", "otlp.jsonl"})
"""Recordings of other channels that lie beside transcripts."""


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """The result of importing a file."""

    file: str
    kind: str
    """``recording`` or ``transcript``."""
    events: int
    sessions: frozenset[str]
    rejects: tuple[tuple[int, str], ...]
    """Line number (in a transcript the byte offset) and reason of each line set aside."""
    already_known: bool


class TranscriptPosition(msgspec.Struct, frozen=True):
    """How far a transcript has been read, with the state that continues the next read."""

    offset: int
    carry: Checkpoint


def run_import(context: CommandContext, options: argparse.Namespace) -> int:
    """Import the files at the paths into the journal and bring the store up to date."""
    config = context.config
    imported: list[ImportedFile] = []
    for path in (Path(name) for name in options.paths):
        recordings, transcripts = _find_inputs(path)
        imported += (_import_recording(file, config) for file in recordings)
        with _show_progress(len(transcripts)) as progress_bar:
            imported += import_transcripts(config, progress_bar(transcripts))
    update_store(context)
    for entry in imported:
        for at, reason in entry.rejects:
            context.print_note(f"{entry.file}:{at}: set aside: {reason}")
    context.print_answer(
        {"imported": [_build_document(entry) for entry in imported]}, _format_results(imported)
    )
    return 0


def import_transcripts(config: Config, transcripts: Iterable[TranscriptFile]) -> list[ImportedFile]:
    """Append the new events of transcripts since the last import to the journal.

    A transcript without a write for longer than the idle limit counts as complete.
    """
    positions = _load_positions(config)
    idle = config.idle_minutes * MINUTE
    hashing = ensure_secret(config.state)
    imported = []
    for file in transcripts:
        key = str(file.path.absolute())
        position = positions.get(key, TranscriptPosition(0, Checkpoint()))
        try:
            at_rest = read_wall_clock() - file.path.stat().st_mtime_ns > idle
        except OSError:
            at_rest = False
        entry, positions[key] = _import_transcript(file, position, config, at_rest=at_rest, hashing=hashing)
        imported.append(entry)
    # Saved last: an event that is written twice merges, an event that is never written is lost.
    _save_positions(config, positions)
    return imported


def find_unread(config: Config, transcripts: Iterable[Path]) -> list[Path]:
    """Return the transcripts that no import has read yet."""
    positions = _load_positions(config)
    return [path for path in transcripts if str(path.absolute()) not in positions]


def update_store(context: CommandContext) -> None:
    """Bring the store up to date with the journal: by the running service, else in this process."""
    config = context.config
    holder = find_holder(config.state)
    if holder is not None and holder.address is not None:
        _wait_for_service(config)
        return
    with StateLock(config.state):
        connection = open_writer(config.database)
        ingest = create_ingest(config, connection)
        ingest.reset_if_rules_changed(config.fingerprint)
        for _ in ingest.catch_up(config.journal, now=read_wall_clock()):
            pass
        ingest.close_idle_sessions(read_wall_clock())
        connection.close()


def _find_inputs(path: Path) -> tuple[list[Path], list[TranscriptFile]]:
    if path.is_file():
        if recording.is_recording(path):
            return [path], []
        if cause := _explain_no_transcript(path):
            raise _build_error(path, cause)
        return [], list(transcript.find_transcripts(path))
    recordings, transcripts = [], []
    with suppress(SourceError):
        recordings = list(recording.find_recordings(path))
    with suppress(SourceError):
        files = transcript.find_transcripts(path)
        transcripts = [file for file in files if file.path.name.removesuffix(".gz") not in NOT_TRANSCRIPTS]
    if not recordings and not transcripts:
        cause = "no hooks.jsonl and no transcript in it" if path.exists() else "no such file or folder"
        raise _build_error(path, cause)
    return recordings, transcripts


def _build_error(path: Path, cause: str) -> SourceError:
    return SourceError(
        "there is nothing to import here",
        where=str(path),
        cause=cause,
        hint="name a recording of hooks, a transcript, or a folder such as ~/.claude/projects",
    )


def _explain_no_transcript(path: Path) -> str | None:
    """Return why a file is not a transcript, by its first lines; None if it may be a transcript."""
    if path.suffix == ".gz":
        return None
    with path.open("rb") as lines:
        first = (line.lstrip(b"\xef\xbb\xbf \t") for line in islice(lines, recording.LINES_TO_CHECK))
        objects = [line for line in first if line.startswith(b"{")]
    if not objects:
        return "no line of it begins a JSON object"
    if not any(b'"type"' in line for line in objects):
        return "none of its first lines has the 'type' that each line of a transcript has"
    return None


def _import_recording(file: Path, config: Config) -> ImportedFile:
    read = recording.read_recording(
        file, partial(parse_payload, key=ensure_secret(config.state)), latest=read_wall_clock() + AHEAD
    )
    # Named after its content, so that importing it again adds nothing.
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    target = config.journal / f"{IMPORTS}{digest}{journal.SUFFIX}"
    already_known = target.exists()
    if not already_known:
        _append_events(target, read.events, read.rejects, describe=config.descriptions)
    sessions = frozenset(event.session for event in read.events if event.session)
    return ImportedFile(str(file), "recording", len(read.events), sessions, read.rejects, already_known)


def _import_transcript(
    file: TranscriptFile, position: TranscriptPosition, config: Config, *, at_rest: bool, hashing: bytes
) -> tuple[ImportedFile, TranscriptPosition]:
    events = 0
    sessions: set[str] = set()
    rejects: list[tuple[int, str]] = []
    began = position.offset
    while True:
        read = transcript.read_transcript(
            file,
            position.offset,
            position.carry,
            at_rest=at_rest,
            key=hashing,
            latest=read_wall_clock() + AHEAD,
        )
        # An unreadable file is reported but not counted again at every attempt.
        unparsed = [entry for entry in read.rejects if not entry[1].startswith(transcript.UNREADABLE)]
        _append_events(config.journal / TRANSCRIPTS, read.events, unparsed, describe=config.descriptions)
        events += len(read.events)
        sessions.update(event.session for event in read.events)
        rejects += read.rejects
        position = TranscriptPosition(read.offset, read.checkpoint)
        if read.ended:
            break
    already_known = began > 0 and events == 0
    entry = ImportedFile(
        str(file.path), "transcript", events, frozenset(sessions), tuple(rejects), already_known
    )
    return entry, position


def _append_events(
    target: Path, events: Iterable[Event], rejects: Iterable[tuple[int, str]], *, describe: bool
) -> None:
    lost_lines = [_make_reject(reason) for _, reason in rejects]
    records = b"".join(
        journal.encode_event(redact_for_journal(event, describe=describe)) for event in (*events, *lost_lines)
    )
    if records:
        journal.append_records(target, records)


def _make_reject(reason: str) -> Event:
    """Return the event that counts a line that could not be parsed."""
    return Event(kind=Kind.REJECT, session="", time=read_wall_clock(), attributes={"reason": reason})


def _load_positions(config: Config) -> dict[str, TranscriptPosition]:
    try:
        return msgspec.json.decode(
            (config.state / "transcripts.json").read_bytes(), type=dict[str, TranscriptPosition]
        )
    except (FileNotFoundError, msgspec.DecodeError):
        # Without positions every transcript is read again, which adds nothing new.
        return {}


def _save_positions(config: Config, positions: dict[str, TranscriptPosition]) -> None:
    config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    new_file = config.state / f"transcripts.json.{os.getpid()}"
    new_file.touch(mode=0o600)
    new_file.write_bytes(msgspec.json.encode(positions))
    new_file.replace(config.state / "transcripts.json")


def _wait_for_service(config: Config) -> None:
    # Only the files of imports: others change meanwhile, by hooks or when the recording is removed.
    expected = {
        file: size for file, size in journal.list_files(config.journal).items() if file.startswith(IMPORTS)
    }
    deadline = time.monotonic() + WAIT_SECONDS
    connection = open_reader(config.database)
    try:
        while time.monotonic() < deadline:
            read = {position.file: position.offset for position in queries.read_positions(connection)}
            if all(read.get(file, 0) >= size for file, size in expected.items()):
                return
            time.sleep(0.1)
    finally:
        connection.close()
    raise ServiceError(
        "the running service has not ingested the import yet", hint="see 'stretto doctor'; nothing is lost"
    )


class _ProgressBar:
    """Counts the items that pass through it on a progress bar."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("transcripts", total=total, visible=total > 0)

    def __call__(self, items: Iterable[TranscriptFile]) -> Iterator[TranscriptFile]:
        for item in items:
            yield item
            self._progress.advance(self._task)


@contextmanager
def _show_progress(total: int) -> Iterator[_ProgressBar]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        yield _ProgressBar(progress, total)


def _build_document(entry: ImportedFile) -> dict[str, Any]:
    position_key = "line" if entry.kind == "recording" else "offset"
    return {
        "file": entry.file,
        "kind": entry.kind,
        "events": entry.events,
        "sessions": len(entry.sessions),
        "rejects": [{position_key: at, "reason": reason} for at, reason in entry.rejects],
        "already_known": entry.already_known,
    }


def _format_results(imported: list[ImportedFile]) -> str:
    lines = []
    for kind in ("recording", "transcript"):
        files = [entry for entry in imported if entry.kind == kind]
        if files:
            sessions = len(frozenset().union(*(entry.sessions for entry in files)))
            events, rejects = sum(e.events for e in files), sum(len(e.rejects) for e in files)
            already_known = sum(entry.already_known for entry in files)
            line = f"{len(files)} {kind}(s): {events} events of {sessions} session(s)"
            line += f", {rejects} line(s) set aside" if rejects else ""
            line += f", {already_known} already known" if already_known else ""
            lines.append(line)
    return "\n".join(lines)
