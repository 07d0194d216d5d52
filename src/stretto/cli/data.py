"""Verbs over what is kept: import, sessions, show, rebuild, config."""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

from stretto import journal
from stretto.cli import table
from stretto.cli.context import Context
from stretto.clock import wall
from stretto.demo import parse_payload
from stretto.errors import ServiceError, UsageError
from stretto.insights import insight, row_document, session_document
from stretto.lock import Lock, holder_of
from stretto.model.event import Event, Kind
from stretto.sources import recording
from stretto.store import queries
from stretto.store.database import open_reader, open_writer, remove_unusable
from stretto.store.ingest import Ingest

WAIT_SECONDS = 60.0
"""How long an import waits for a running service to take in what it wrote."""

UNKNOWN_SESSION = 1


def import_(context: Context, options: argparse.Namespace) -> int:
    """Write recordings to the journal and see them into the store."""
    config = context.config
    taken = []
    for path in (Path(name) for name in options.paths):
        for file in recording.files(path):
            read = recording.read(file, parse_payload)
            target = _journal_of(file, config.journal)
            new = not target.exists()
            if new:
                events = [*read.events, *(_reject(reason, wall()) for _, reason in read.rejects)]
                journal.append(target, b"".join(journal.encode(event) for event in events))
            taken.append((file, read, new))
            for number, reason in read.rejects:
                context.say(f"{file}:{number}: set aside: {reason}")
    _see_in(context)
    documents = [
        {
            "file": str(file),
            "events": len(read.events),
            "sessions": len({event.session for event in read.events}),
            "rejects": [{"line": number, "reason": reason} for number, reason in read.rejects],
            "already_known": not new,
        }
        for file, read, new in taken
    ]
    lines = [
        f"{d['file']}: {d['events']} events of {d['sessions']} session(s)"
        + (f", {len(read.rejects)} line(s) set aside" if read.rejects else "")
        + (", known already" if d["already_known"] else "")
        for d, (_, read, _) in zip(documents, taken, strict=True)
    ]
    context.answer({"imported": documents}, "\n".join(lines))
    return 0


def sessions(context: Context, options: argparse.Namespace) -> int:
    """List sessions."""
    if options.limit < 1:
        raise UsageError("--limit must be at least 1")
    with open_reader(context.config.database) as connection:
        rows = queries.sessions(connection, limit=options.limit)
    context.answer({"sessions": [row_document(row) for row in rows]}, table.sessions(rows, wall()))
    return 0


def show(context: Context, options: argparse.Namespace) -> int:
    """Show one session."""
    config = context.config
    with open_reader(config.database) as connection:
        if options.session == "last":
            found = [row.id for row in queries.sessions(connection, limit=1)]
        else:
            found = queries.find_sessions(connection, options.session)
        if options.session in found:
            found = [options.session]
        if len(found) != 1:
            context.say(_not_one(options.session, found))
            return UNKNOWN_SESSION
        seen = insight(connection, found[0], config.task_types.classify, config.hours)
    if seen is None:
        raise AssertionError("a session that was just listed is gone")
    context.answer(session_document(seen), table.session(seen))
    return 0


def rebuild(context: Context, options: argparse.Namespace) -> int:  # noqa: ARG001  # every verb takes both
    """Build the store anew from the journal."""
    config = context.config
    with Lock(config.state):
        remove_unusable(config.database)
        connection = open_writer(config.database)
        ingest = Ingest(connection, config.task_types.classify, idle_limit=config.idle_minutes * 60)
        started = time.perf_counter()
        ingest.clear()
        events = rejects = 0
        for taken in ingest.catch_up(config.journal):
            events += taken.events
            rejects += taken.rejects
        ingest.sweep(wall())
        queries.write_meta(connection, "rules", config.fingerprint)
        count = queries.activity(connection).sessions
        connection.close()
    seconds = time.perf_counter() - started
    document = {"events": events, "rejects": rejects, "sessions": count, "seconds": round(seconds, 3)}
    context.answer(document, f"{events} events of {count} sessions in {seconds:.1f} s, {rejects} set aside")
    return 0


def config(context: Context, options: argparse.Namespace) -> int:  # noqa: ARG001  # every verb takes both
    """Show every setting with its origin."""
    config = context.config
    document = {
        "settings": [{"name": s.name, "value": s.value, "origin": s.origin} for s in config.settings],
        "task_types": [
            {
                "name": t.name,
                "keywords": list(t.keywords),
                "sequential_hours": t.sequential_hours,
                "parallel_target_hours": t.parallel_target_hours,
                "target_improvement": t.target,
            }
            for t in config.task_types.types
        ],
    }
    context.answer(document, table.config(config))
    return 0


def _journal_of(file: Path, folder: Path) -> Path:
    """Return a recording's journal file, named by its content: importing it again adds nothing."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    return folder / f"import-{digest}{journal.SUFFIX}"


def _reject(reason: str, now: int) -> Event:
    """Return the event that keeps count of a line that was none."""
    return Event(kind=Kind.REJECT, session="", time=now, attributes={"reason": reason})


def _see_in(context: Context) -> None:
    config = context.config
    holder = holder_of(config.state)
    if holder is not None and holder.address is not None:
        _wait_for_service(context)
        return
    with Lock(config.state):
        connection = open_writer(config.database)
        ingest = Ingest(connection, config.task_types.classify, idle_limit=config.idle_minutes * 60)
        if queries.meta(connection, "rules") != config.fingerprint:
            ingest.clear()
            queries.write_meta(connection, "rules", config.fingerprint)
        for _ in ingest.catch_up(config.journal):
            pass
        ingest.sweep(wall())
        connection.close()


def _wait_for_service(context: Context) -> None:
    config = context.config
    wanted = journal.files(config.journal)
    deadline = time.monotonic() + WAIT_SECONDS
    with open_reader(config.database) as connection:
        while time.monotonic() < deadline:
            read = {position.file: position.offset for position in queries.positions(connection)}
            if all(read.get(file, 0) >= size for file, size in wanted.items()):
                return
            time.sleep(0.1)
    raise ServiceError(
        "the running service has not taken the import in yet", hint="see 'stretto doctor'; nothing is lost"
    )


def _not_one(wanted: str, found: list[str]) -> str:
    if found:
        return f"{wanted!r} is the beginning of several sessions: {', '.join(found)} …"
    return f"there is no session {wanted!r}: 'stretto sessions' lists them"
