"""``stretto import``: import recordings of hooks and agents' histories into the journal and the store."""

from __future__ import annotations

import argparse
import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from stretto import journal
from stretto.cli.append_imported_events import IMPORTS, ImportedFile, append_events
from stretto.cli.command_context import CommandContext
from stretto.cli.history_import import import_histories
from stretto.cli.ingest_progress import describe_import, ingest_with_progress
from stretto.cli.progress_bar import show_progress
from stretto.cli.transcript_import import import_transcripts
from stretto.clock import AHEAD, read_wall_clock
from stretto.config.configuration import Config
from stretto.demo.recorded_sessions import parse_hook_payload
from stretto.errors import ServiceError, SourceError
from stretto.hook.install.client_copy import ensure_secret
from stretto.service.configured_ingest import create_ingest
from stretto.sources import read_hook_recordings, transcript
from stretto.sources.histories.importable_files import FoundFiles, find_files
from stretto.state.lock import StateLock, find_lock_holder
from stretto.store import journal_queries
from stretto.store.database import open_reader, open_writer
from stretto.store.store_rescue import describe_aside_store, move_unusable_store_aside

WAIT_SECONDS = 60.0
"""How long an import waits for a running service to ingest the new events."""


def run_import(context: CommandContext, options: argparse.Namespace) -> int:
    """Import the files at the paths into the journal and bring the store up to date.

    Files of a format that cannot be read are named with the reason and passed over. A path that cannot be
    imported stops none of the others; the command then ends with 1.
    """
    imported: list[ImportedFile] = []
    refused: list[tuple[Path, str]] = []
    faults: list[SourceError] = []
    for path in (Path(name) for name in options.paths):
        try:
            found = find_inputs(path)
            imported += _import_found(path, found, context.config, options.agent, faults)
            refused += found.refused
        except SourceError as error:
            faults.append(error)
    if faults and not imported:
        raise faults[0]
    update_store(context)
    for note in (
        *(f"not imported: {fault}" for fault in faults),
        *(note for entry in imported for note in _describe_unread(entry)),
        *describe_refused(refused),
    ):
        context.print_note(note)
    context.print_answer(
        {
            "imported": [_build_document(entry) for entry in imported],
            "refused": [{"file": str(file), "reason": reason} for file, reason in refused],
        },
        _format_results(imported),
    )
    return 1 if faults else 0


def _import_found(
    path: Path, found: FoundFiles, config: Config, agent: str | None, faults: list[SourceError]
) -> list[ImportedFile]:
    """Import the files that were found under a path; add the reason of each that cannot be read."""
    imported: list[ImportedFile] = []
    for file in found.recordings:
        try:
            imported.append(_import_recording(file, config, agent))
        except SourceError as error:
            faults.append(error)
    transcripts = _list_transcripts(path, found)
    with show_progress(len(transcripts) + len(found.histories)) as progress_bar:
        identified = (transcript.identify_transcript(Path(file)) for file in progress_bar(transcripts))
        imported += import_transcripts(config, identified)
        imported += import_histories(config, progress_bar(found.histories))
    return imported


def _describe_unread(entry: ImportedFile) -> Iterator[str]:
    for at, reason in entry.rejects:
        yield f"{entry.file}:{at}: set aside: {reason}"
    if entry.left:
        yield f"{entry.file}: {entry.left} bytes of an unfinished last line are left for the next import"


def find_inputs(path: Path) -> FoundFiles:
    """Return the files under a path by their formats. Raises SourceError if none can be read."""
    found = find_files(path)
    if not found.is_empty:
        return found
    if found.refused:
        file, reason = found.refused[0]
        more = f", and {len(found.refused) - 1} more such file(s)" if len(found.refused) > 1 else ""
        cause = reason if path.is_file() else f"{file.relative_to(path)}: {reason}{more}"
    else:
        cause = (
            "no hooks.jsonl, no transcript and no history in it"
            if path.exists()
            else "no such file or folder"
        )
    raise SourceError(
        "there is nothing to import here",
        where=str(path),
        cause=cause,
        hint="name a recording of hooks, or a folder such as ~/.claude/projects or ~/.codex/sessions",
    )


def describe_refused(refused: list[tuple[Path, str]]) -> list[str]:
    """Return a line for each reason for which files were passed over, with the first of them.

    Example: ``2 file(s) passed over: an Amp thread: Amp is not read yet (threads/T-1.json, …)``.
    """
    counts = Counter(reason for _, reason in refused)
    first = {reason: file for file, reason in reversed(refused)}
    return [
        f"{count} file(s) passed over: {reason} ({first[reason]}{', …' if count > 1 else ''})"
        for reason, count in counts.items()
    ]


def _list_transcripts(path: Path, found: FoundFiles) -> list[str]:
    """Return Claude Code's transcripts; those of the agents beside a single named transcript belong to it.

    They are returned as texts, and nothing else keeps them: there can be tens of thousands of files.
    """
    if not found.transcripts:
        return []
    recognised = {str(file) for file in found.transcripts}
    found.transcripts.clear()
    is_file = path.is_file()
    return [file for file in transcript.list_transcript_paths(path) if is_file or file in recognised]


def update_store(context: CommandContext) -> None:
    """Bring the store up to date with the journal: by the running service, else in this process."""
    config = context.config
    holder = find_lock_holder(config.state)
    if holder is not None and holder.address is not None:
        _wait_for_service(config)
        return
    with StateLock(config.state):
        aside = move_unusable_store_aside(config.database, config.journal, read_wall_clock())
        if aside is not None:
            context.print_note(describe_aside_store(aside))
        connection = open_writer(config.database)
        ingest = create_ingest(config, connection)
        ingest.reset_if_rules_changed(config.fingerprint)
        ingest_with_progress(ingest, config.journal, context.print_note, describe_import)
        connection.close()


def _import_recording(file: Path, config: Config, agent: str | None) -> ImportedFile:
    agent = agent or read_hook_recordings.find_agent(file)
    read = read_hook_recordings.read_recording(
        file,
        partial(
            parse_hook_payload,
            key=ensure_secret(config.state),
            agent=agent,
            test_commands=config.test_commands,
        ),
        latest=read_wall_clock() + AHEAD,
    )
    # Named after its content and its reading, so that importing it again adds nothing.
    content = file.read_bytes() + (b"" if agent == read_hook_recordings.CLAUDE_CODE else agent.encode())
    digest = hashlib.sha256(content).hexdigest()[:16]
    target = config.journal / f"{IMPORTS}{digest}{journal.SUFFIX}"
    already_known = target.exists()
    if not already_known:
        append_events(target, read.events, read.rejects, config=config)
    sessions = frozenset(event.session for event in read.events if event.session)
    return ImportedFile(str(file), "recording", len(read.events), sessions, read.rejects, already_known)


def _wait_for_service(config: Config) -> None:
    # Only the files of imports: others change meanwhile, by hooks or when the recording is removed.
    expected = {
        file: size
        for file, size in journal.list_file_sizes(config.journal).items()
        if file.startswith(IMPORTS)
    }
    deadline = time.monotonic() + WAIT_SECONDS
    connection = open_reader(config.database)
    try:
        while time.monotonic() < deadline:
            read = {
                position.file: position.offset
                for position in journal_queries.read_journal_positions(connection)
            }
            if all(read.get(file, 0) >= size for file, size in expected.items()):
                return
            time.sleep(0.1)
    finally:
        connection.close()
    raise ServiceError(
        "the running service has not ingested the import yet", hint="see 'stretto doctor'; nothing is lost"
    )


def _build_document(entry: ImportedFile) -> dict[str, Any]:
    position_key = "line" if entry.kind == "recording" else "offset"
    return {
        "file": entry.file,
        "kind": entry.kind,
        "format": entry.format,
        "events": entry.events,
        "sessions": len(entry.sessions),
        "rejects": [{position_key: at, "reason": reason} for at, reason in entry.rejects],
        "already_known": entry.already_known,
        "left_bytes": entry.left,
    }


def _format_results(imported: list[ImportedFile]) -> str:
    lines = []
    for kind in ("recording", "transcript", "history"):
        by_format: dict[str | None, list[ImportedFile]] = {}
        for entry in imported:
            if entry.kind == kind:
                by_format.setdefault(entry.format, []).append(entry)
        lines += [_format_files(format or f"a {kind}", files) for format, files in by_format.items()]
    return "\n".join(lines)


def _format_files(title: str, files: list[ImportedFile]) -> str:
    """Return the sum of files of one format: ``3 Codex rollout(s): 109 events of 1 session(s)``."""
    noun = title.removeprefix("an ").removeprefix("a ")
    sessions = len(frozenset[str]().union(*(entry.sessions for entry in files)))
    events, rejects = sum(e.events for e in files), sum(len(e.rejects) for e in files)
    already_known = sum(entry.already_known for entry in files)
    line = f"{len(files)} {noun}(s): {events} events of {sessions} session(s)"
    line += f", {rejects} line(s) set aside" if rejects else ""
    line += f", {already_known} already known" if already_known else ""
    return line
