"""``stretto import``: recordings of hooks and transcripts, written to the journal and seen into the store."""

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
"""How long an import waits for a running service to take in what it wrote."""

IMPORTS = "import-"
"""How the journal files of imports begin."""

TRANSCRIPTS = f"{IMPORTS}transcripts{journal.SUFFIX}"
"""The journal file that takes what transcripts say."""

NOT_TRANSCRIPTS = frozenset({"hooks.jsonl", "otlp.jsonl"})
"""Recordings of other channels that stand beside transcripts."""


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """What one file gave."""

    file: str
    kind: str
    """``recording`` or ``transcript``."""
    events: int
    sessions: frozenset[str]
    rejects: tuple[tuple[int, str], ...]
    """Line number (of a transcript: byte offset) and reason."""
    already_known: bool


class TranscriptPosition(msgspec.Struct, frozen=True):
    """How far a transcript has been read."""

    offset: int
    carry: Checkpoint


def run_import(context: CommandContext, options: argparse.Namespace) -> int:
    """Write what the paths hold to the journal and see it into the store."""
    config = context.config
    taken: list[ImportedFile] = []
    for path in (Path(name) for name in options.paths):
        recordings, transcripts = _find_inputs(path)
        taken += (_import_recording(file, config) for file in recordings)
        with _show_progress(len(transcripts)) as step:
            taken += import_transcripts(config, step(transcripts))
    update_store(context)
    for entry in taken:
        for at, reason in entry.rejects:
            context.print_note(f"{entry.file}:{at}: set aside: {reason}")
    context.print_answer({"imported": [_build_document(entry) for entry in taken]}, _format_results(taken))
    return 0


def import_transcripts(config: Config, transcripts: Iterable[TranscriptFile]) -> list[ImportedFile]:
    """Append what transcripts have gained since they were last read to the journal.

    A transcript that nothing was written to for longer than the idle limit is taken to be at rest.
    """
    places = _load_positions(config)
    idle = config.idle_minutes * MINUTE
    hashing = ensure_secret(config.state)
    taken = []
    for found in transcripts:
        key = str(found.path.absolute())
        place = places.get(key, TranscriptPosition(0, Checkpoint()))
        try:
            at_rest = read_wall_clock() - found.path.stat().st_mtime_ns > idle
        except OSError:
            at_rest = False
        entry, places[key] = _import_transcript(found, place, config, at_rest=at_rest, hashing=hashing)
        taken.append(entry)
    # Only now: events that are written twice merge, events that are never written are lost.
    _save_positions(config, places)
    return taken


def find_unread(config: Config, transcripts: Iterable[Path]) -> list[Path]:
    """Return those transcripts that no import has read yet."""
    places = _load_positions(config)
    return [path for path in transcripts if str(path.absolute()) not in places]


def update_store(context: CommandContext) -> None:
    """Have the journal taken into the store: by the running service, else here and now."""
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
        found = transcript.find_transcripts(path)
        transcripts = [one for one in found if one.path.name.removesuffix(".gz") not in NOT_TRANSCRIPTS]
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
    """Say why a file is no transcript, by its first lines; None where it could be one."""
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
    # Named by its content: importing it again adds nothing.
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    target = config.journal / f"{IMPORTS}{digest}{journal.SUFFIX}"
    known = target.exists()
    if not known:
        _append_events(target, read.events, read.rejects, describe=config.descriptions)
    sessions = frozenset(event.session for event in read.events if event.session)
    return ImportedFile(str(file), "recording", len(read.events), sessions, read.rejects, known)


def _import_transcript(
    found: TranscriptFile, place: TranscriptPosition, config: Config, *, at_rest: bool, hashing: bytes
) -> tuple[ImportedFile, TranscriptPosition]:
    events = 0
    sessions: set[str] = set()
    rejects: list[tuple[int, str]] = []
    began = place.offset
    while True:
        read = transcript.read_transcript(
            found, place.offset, place.carry, at_rest=at_rest, key=hashing, latest=read_wall_clock() + AHEAD
        )
        # A file that cannot be read is told of, and not counted anew at every try.
        lost = [entry for entry in read.rejects if not entry[1].startswith(transcript.UNREADABLE)]
        _append_events(config.journal / TRANSCRIPTS, read.events, lost, describe=config.descriptions)
        events += len(read.events)
        sessions.update(event.session for event in read.events)
        rejects += read.rejects
        place = TranscriptPosition(read.offset, read.checkpoint)
        if read.ended:
            break
    known = began > 0 and events == 0
    entry = ImportedFile(str(found.path), "transcript", events, frozenset(sessions), tuple(rejects), known)
    return entry, place


def _append_events(
    target: Path, events: Iterable[Event], rejects: Iterable[tuple[int, str]], *, describe: bool
) -> None:
    lost = [_make_reject(reason) for _, reason in rejects]
    records = b"".join(
        journal.encode_event(redact_for_journal(event, describe=describe)) for event in (*events, *lost)
    )
    if records:
        journal.append_records(target, records)


def _make_reject(reason: str) -> Event:
    """Return the event that keeps count of a line that was none."""
    return Event(kind=Kind.REJECT, session="", time=read_wall_clock(), attributes={"reason": reason})


def _load_positions(config: Config) -> dict[str, TranscriptPosition]:
    try:
        return msgspec.json.decode(
            (config.state / "transcripts.json").read_bytes(), type=dict[str, TranscriptPosition]
        )
    except (FileNotFoundError, msgspec.DecodeError):
        # Without it everything is read again, which adds nothing that is not there.
        return {}


def _save_positions(config: Config, places: dict[str, TranscriptPosition]) -> None:
    config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = config.state / f"transcripts.json.{os.getpid()}"
    fresh.touch(mode=0o600)
    fresh.write_bytes(msgspec.json.encode(places))
    fresh.replace(config.state / "transcripts.json")


def _wait_for_service(config: Config) -> None:
    # Only imports' files: the recording's goes away meanwhile, and hooks go on appending to the day's.
    wanted = {
        file: size for file, size in journal.list_files(config.journal).items() if file.startswith(IMPORTS)
    }
    deadline = time.monotonic() + WAIT_SECONDS
    connection = open_reader(config.database)
    try:
        while time.monotonic() < deadline:
            read = {position.file: position.offset for position in queries.read_positions(connection)}
            if all(read.get(file, 0) >= size for file, size in wanted.items()):
                return
            time.sleep(0.1)
    finally:
        connection.close()
    raise ServiceError(
        "the running service has not taken the import in yet", hint="see 'stretto doctor'; nothing is lost"
    )


class _ProgressBar:
    """Counts what passes through, on a bar where there is a person to see it."""

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
    place = "line" if entry.kind == "recording" else "offset"
    return {
        "file": entry.file,
        "kind": entry.kind,
        "events": entry.events,
        "sessions": len(entry.sessions),
        "rejects": [{place: at, "reason": reason} for at, reason in entry.rejects],
        "already_known": entry.already_known,
    }


def _format_results(taken: list[ImportedFile]) -> str:
    lines = []
    for kind in ("recording", "transcript"):
        own = [entry for entry in taken if entry.kind == kind]
        if own:
            sessions = len(frozenset().union(*(entry.sessions for entry in own)))
            events, rejects = sum(e.events for e in own), sum(len(e.rejects) for e in own)
            known = sum(entry.already_known for entry in own)
            line = f"{len(own)} {kind}(s): {events} events of {sessions} session(s)"
            line += f", {rejects} line(s) set aside" if rejects else ""
            line += f", {known} known already" if known else ""
            lines.append(line)
    return "\n".join(lines)
