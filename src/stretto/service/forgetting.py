"""Forget sessions: erase them from the journal, the store and the declared baselines.

Used by ``stretto forget`` where no service runs, and by the worker of the running service: between two of its
rounds nobody else rewrites or compresses the journal's files.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from stretto import journal
from stretto.config.configuration import Config
from stretto.errors import StoreError, UsageError
from stretto.journal.erase import erase_from_file
from stretto.journal.pruned_session_records import hash_session_id, is_kept_file
from stretto.reports.report_folder import FOLDER, ReportFolder
from stretto.sources.redact import redact_id_if_secret
from stretto.store import declared_baseline_file, sent_spans, session_queries
from stretto.store.database import open_reader
from stretto.store.shipped_sessions import forget_shipping_notes, is_shipped

_SESSION = re.compile(rb'"session"\s*:\s*("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class ForgetRequest:
    """The sessions to forget: that with this id or beginning, or all of a project."""

    session: str | None = None
    project: str | None = None

    def __post_init__(self) -> None:
        """Refuse a request that names nothing or both."""
        if (self.session is None) == (self.project is None):
            raise UsageError("name a session or a project", hint="stretto forget SESSION, or --project NAME")


@dataclass(slots=True)
class Erasure:
    """The effect of forgetting."""

    sessions: list[str]
    lines: int = 0
    """Lines of events that were erased."""
    records: int = 0
    """Kept records of pruned sessions that were erased."""
    baselines: list[str] = field(default_factory=list)
    """Recorded baselines that were removed with the session that they came from."""
    reports: int = 0
    """Reports of these sessions and of times with them, which were removed; those can be made again."""
    not_recalled: list[str] = field(default_factory=list)
    """A sentence on each place that cannot be reached."""

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to forget."""
        return not self.lines and not self.records and not self.sessions


def erase_sessions_before_rebuild(config: Config, request: ForgetRequest) -> Erasure:
    """Erase sessions from the journal and the baselines; the store must be made again afterwards.

    Raises UsageError if the beginning of an id fits several sessions.
    """
    erasure = Erasure(_find_sessions(config, request.session, request.project))
    hashes = {hash_session_id(id) for id in erasure.sessions}
    if request.session is not None and not erasure.sessions:
        # A pruned session is known by the hash of its whole id only.
        hashes = {hash_session_id(redact_id_if_secret(request.session))}
    spans = _find_spans(config, erasure.sessions, hashes)
    sent = _list_sent(config, erasure.sessions, _are_spans_sent)
    shipped = _list_sent(config, erasure.sessions, is_shipped)
    named = {*erasure.sessions, *_list_traces(config, erasure.sessions)}
    _erase_journal(config, erasure, named if request.session is None else named | {request.session}, hashes)
    _remove_baselines(config, erasure)
    reports = ReportFolder(config.state / FOLDER)
    since = min((first for first, _ in spans), default=None)
    erasure.reports = reports.forget_spans(spans) + reports.forget_sessions(hashes, since)
    if not erasure.is_empty:
        _list_unreachable(config, erasure, sent, shipped)
        if request.project is not None:
            erasure.not_recalled.append("pruned sessions left sums that name the project and no session")
    return erasure


def compact_store(connection: sqlite3.Connection, sessions: Iterable[str]) -> None:
    """Remove notes about the sessions, and write the store anew: deleted rows stay in a file's free pages."""
    ids = [*sessions]
    connection.executemany("DELETE FROM emitted WHERE session = ?", [(id,) for id in ids])
    forget_shipping_notes(connection, ids)
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def build_erasure_document(erasure: Erasure) -> dict[str, Any]:
    """Return the answer of ``stretto forget --json``."""
    return {
        "sessions": erasure.sessions,
        "events": erasure.lines,
        "kept_records": erasure.records,
        "baselines": erasure.baselines,
        "reports": erasure.reports,
        "not_recalled": erasure.not_recalled,
    }


def _find_sessions(config: Config, prefix: str | None, project: str | None) -> list[str]:
    """Return the ids of the sessions to forget. Raises UsageError if a beginning fits several."""
    try:
        connection = open_reader(config.database)
    except StoreError:
        return []
    with closing(connection):
        if project is not None:
            return _find_sessions_of_project(connection, project)
        found = session_queries.find_session_ids(connection, prefix or "")
        if len(found) > 1 and prefix not in found:
            raise UsageError(
                f"several sessions begin with {prefix!r}", hint="type more of the id: stretto sessions"
            )
        return [prefix] if prefix in found else found


def _find_sessions_of_project(connection: sqlite3.Connection, project: str) -> list[str]:
    """Return the sessions of a project, by its name or its repository's hash.

    Raises UsageError if several repositories have the name: nobody erases one by the other's name.
    """
    query = "SELECT id, repository FROM sessions WHERE ? IN (project, repository) ORDER BY id"
    rows = connection.execute(query, (project,)).fetchall()
    repositories = {repository for _, repository in rows} - {None}
    if len(repositories) > 1:
        raise UsageError(
            f"{len(repositories)} repositories are called {project!r}",
            hint=f"give one's hash: 'stretto sessions --project {project} --json' lists 'repository'",
        )
    return [id for id, _ in rows]


def _find_spans(config: Config, sessions: Iterable[str], hashes: Iterable[str]) -> list[tuple[int, int]]:
    """Return the first and last instants (ns) of some sessions.

    ``hashes`` are those of pruned sessions, whose finished runs are kept.
    """
    try:
        connection = open_reader(config.database)
    except StoreError:
        return []
    queries_and_keys = (
        ("SELECT COALESCE(start, last), last FROM sessions WHERE id = ?", sessions),
        ('SELECT start, "end" FROM session_runs WHERE session = ?', hashes),
        ("SELECT last, last FROM pruned WHERE session = ?", hashes),
    )
    with closing(connection):
        return [
            (first, last)
            for query, keys in queries_and_keys
            for key in keys
            for first, last in connection.execute(query, (key,))
        ]


def _list_sent(
    config: Config, sessions: Iterable[str], has_left: Callable[[sqlite3.Connection, str], bool]
) -> list[str]:
    """Return the sessions that have left the machine."""
    try:
        connection = open_reader(config.database)
    except StoreError:
        return []
    with closing(connection):
        return [id for id in sessions if has_left(connection, id)]


def _are_spans_sent(connection: sqlite3.Connection, session: str) -> bool:
    return sent_spans.get_last_event_time_of_sent_spans(connection, session) is not None


def _erase_journal(config: Config, erasure: Erasure, names: set[str], hashes: set[str]) -> None:
    """Erase the events of the named sessions, and the kept records with these hashes."""

    def is_event(line: bytes) -> bool:
        match = _SESSION.search(line)
        if match is None:
            return False
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            session = msgspec.json.decode(match[1])
            return session in names or redact_id_if_secret(session) in names
        return False

    def is_record(line: bytes) -> bool:
        match = _SESSION.search(line)
        return match is not None and match[1].decode("ascii", "replace").strip('"') in hashes

    for file in journal.list_file_sizes(config.journal):
        kept = is_kept_file(file)
        try:
            erased = erase_from_file(config.journal, file, is_record if kept else is_event)
        except OSError as error:
            erasure.not_recalled.append(
                f"{file} in the journal cannot be rewritten: {error.strerror or error}"
            )
            continue
        erasure.records += erased if kept else 0
        erasure.lines += 0 if kept else erased


def _list_traces(config: Config, sessions: Iterable[str]) -> list[str]:
    """Return the traces whose spans belong to the sessions; the journal has them under the trace's id."""
    try:
        connection = open_reader(config.database)
    except StoreError:
        return []
    query = "SELECT trace FROM session_homes WHERE session = ?"
    traces: list[str] = []
    waiting = list(sessions)
    with closing(connection):
        while waiting:
            of_session = [trace for (trace,) in connection.execute(query, (waiting.pop(),))]
            traces += of_session
            waiting += of_session
    return traces


def _remove_baselines(config: Config, erasure: Erasure) -> None:
    declared = declared_baseline_file.load_declared_baselines(config.state)
    erasure.baselines = [r.name for r in declared.recorded if r.session in erasure.sessions]
    if erasure.baselines:
        kept = tuple(r for r in declared.recorded if r.session not in erasure.sessions)
        declared_baseline_file.save_declared_baselines(config.state, replace(declared, recorded=kept))


def _list_unreachable(config: Config, erasure: Erasure, sent: list[str], shipped: list[str]) -> None:
    """Add a sentence on each copy that Stretto cannot erase."""
    if sent:
        erasure.not_recalled.append(f"{len(sent)} session(s) were sent as traces: delete them there")
    erasure.not_recalled += [f"the hub has the session: stretto ship --forget {id}" for id in shipped]
    if any((config.state / "aside").glob("*")):
        erasure.not_recalled.append(
            "stores set aside keep their rows until they are deleted, after a week: aside/"
        )
    if (config.state / "servers" / "prometheus-data").exists():
        erasure.not_recalled.append("Prometheus keeps figures by name for 90 days: servers/prometheus-data")
    if any(file.startswith("kept-0-") for file in journal.list_file_sizes(config.journal)):
        erasure.not_recalled.append("sums of an earlier version's store name no single session")
    erasure.not_recalled.append(
        "the agent's transcripts, backups and delivered notifications are not Stretto's to erase"
    )
