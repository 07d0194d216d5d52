"""A store of a scope: an ordinary store, filled from the engine, so that every reader of stores reads it.

It is a cache. It may be deleted at any time, and the next hub fills it again. The store of an owner has the
documents of the owner's machines, the store of leads has released days, and the sessions of machines that
opted in.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, replace
from hashlib import sha256
from pathlib import Path

import msgspec

from stretto.clock import DAY
from stretto.errors import StrettoError
from stretto.fleet.session_document import SessionDocument, decode_session_document, encode_session_document
from stretto.hub.engine import REREAD, Engine, FleetScope, Mark, SessionChange, SessionKey
from stretto.hub.enough_people_release_rule import DayRelease, ReleasedCell, decode_day_release
from stretto.hub.owner_work import list_owner_days
from stretto.hub.released_days_table import ReleaseTable
from stretto.hub.session_entries import SLOTS_PER_DAY, compress_document, decompress_document, list_cells
from stretto.journal.pruned_session_records import KeptRecord
from stretto.names import NONE
from stretto.names.measures import Dimension
from stretto.store import store_notes
from stretto.store.database import open_transaction, open_writer
from stretto.store.database_schema import KEPT_TABLES
from stretto.store.finding_history_and_last_answers import read_finding_history
from stretto.store.owner_day_rows import create_owner_days, delete_owner_days_before, replace_owner_days
from stretto.store.records_of_pruned_sessions import add_kept_record
from stretto.store.session_search import delete_words, encode_items, insert_words, number_words
from stretto.store.sums_by_time_slot import SLOTS, Cells, add_kept_sums
from stretto.store.team_experiment_rows import read_team_experiments

_TABLES = """
-- The documents as they were added, so that a later revision can take them back.
CREATE TABLE IF NOT EXISTS hub_documents (
  id TEXT PRIMARY KEY, revision INTEGER NOT NULL, rules TEXT NOT NULL, document BLOB NOT NULL
) WITHOUT ROWID;
-- The released cells of each day as they were added, for the same reason.
CREATE TABLE IF NOT EXISTS hub_releases (
  day INTEGER PRIMARY KEY, at INTEGER NOT NULL, cells BLOB NOT NULL
) WITHOUT ROWID;
"""

BATCH = 500
"""Documents that are read at once."""

_MARK = "hub mark"
_RELEASED = "hub released at"
_SCOPE = "hub scope"
"""Names of the notes of how far the engine was read, and of whose sessions."""

_LIST_COLUMNS = ("agents", "labels", "types", "tools", "models")
"""Columns of a session's row that documents have no values for, or only in their rows."""

LOG = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode
_decode_mark = msgspec.json.Decoder(Mark).decode
_decode_cells = msgspec.json.Decoder(tuple[ReleasedCell, ...]).decode
_decode_texts = msgspec.json.Decoder(dict[str, str]).decode


@dataclass(frozen=True, slots=True)
class RefreshResult:
    """What a refresh changed."""

    sessions: int = 0
    days: int = 0
    has_experiment_changes: bool = False
    skipped: int = 0
    """Sessions that cannot be added: as they were before, or absent."""


def open_scope_store(path: Path) -> sqlite3.Connection:
    """Open the store of a scope for its only writer; create it if it is missing. Raises StoreError."""
    connection = open_writer(path)
    connection.executescript(_TABLES)
    return connection


def add_session_changes(
    connection: sqlite3.Connection, engine: Engine, scope: FleetScope, *, with_sums: bool = True
) -> RefreshResult:
    """Add what an engine received of a scope since the last time: sessions, later revisions, forgettings.

    A store whose scope has become another begins anew. Without sums, sessions are listed and count nowhere:
    their sums are in the released days.
    """
    _begin_anew_in_another_scope(connection, scope)
    note = store_notes.read_note(connection, _MARK)
    mark = Mark() if note is None else _decode_mark(note)
    after, count, skipped = Mark(max(0, mark.received - REREAD)), 0, 0
    while changes := [*engine.list_changes(scope, after, BATCH)]:
        after = changes[-1].mark
        with open_transaction(connection):
            for change in changes:
                is_added = _try_change(
                    connection, _name_session(scope, change.key), change, with_sums=with_sums
                )
                count += is_added is True
                skipped += is_added is None
            mark = max(mark, after, key=astuple)
            store_notes.write_note(connection, _MARK, _encode(mark).decode())
    return RefreshResult(sessions=count, skipped=skipped)


def add_released_days(
    connection: sqlite3.Connection, table: ReleaseTable, tenant: str, team: str | None
) -> RefreshResult:
    """Add the days that were released since the last time, of a team or of all teams of a tenant.

    A release may become visible after later ones, so those of a whole day are read again and compared with
    what was added.
    """
    create_owner_days(connection)
    note = store_notes.read_note(connection, _RELEASED)
    after, count = 0 if note is None else int(note), 0
    for stored in table.list_releases(tenant, max(0, after - DAY)):
        release = decode_day_release(stored.document)
        groups = [name for name in release.groups if team is None or name == team]
        with open_transaction(connection):
            count += _replace_day(connection, release, stored.at, groups)
            after = max(after, stored.at)
            store_notes.write_note(connection, _RELEASED, str(after))
    return RefreshResult(days=count)


def remove_days_before(connection: sqlite3.Connection, day: int) -> None:
    """Remove the sessions and released days of UTC days before ``day`` (its number), with their sums.

    The engine has deleted them or will do so, which is no change that it lists.
    """
    query = "SELECT id, document FROM hub_documents JOIN sessions USING (id) WHERE start < ?"
    with open_transaction(connection):
        for id, packed in connection.execute(query, (day * DAY,)).fetchall():
            document = decode_session_document(decompress_document(packed))
            if document.day < day:
                _remove_session(connection, id, document)
        query = "SELECT day, cells FROM hub_releases WHERE day < ?"
        for released, cells in connection.execute(query, (day,)).fetchall():
            add_kept_sums(connection, _make_day_cells(released, _decode_cells(cells), sign=-1))
        connection.execute("DELETE FROM hub_releases WHERE day < ?", (day,))
        delete_owner_days_before(connection, day)


def find_end_of_released_days(connection: sqlite3.Connection) -> int | None:
    """Return the end (ns) of the newest released day in a store; None without any."""
    (day,) = connection.execute("SELECT MAX(day) FROM hub_releases").fetchone()
    return None if day is None else (day + 1) * DAY - 1


def find_newest_release(connection: sqlite3.Connection) -> int | None:
    """Return when the newest release in a store was made (ns).

    It is 0 if the store has experiments alone, or findings about such, which must end when a lead takes the
    last one back; and None if there is nothing.
    """
    (at,) = connection.execute("SELECT MAX(at) FROM hub_releases").fetchone()
    if at is None:
        return 0 if read_team_experiments(connection) or read_finding_history(connection) else None
    return int(at)


def count_sessions_by_rules(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    """Return (fingerprint of the rules by which sums were made, number of sessions), the most first."""
    rows = connection.execute(
        "SELECT rules, COUNT(*) FROM hub_documents GROUP BY rules ORDER BY COUNT(*) DESC, rules"
    )
    return [(str(rules), int(count)) for rules, count in rows]


def _begin_anew_in_another_scope(connection: sqlite3.Connection, scope: FleetScope) -> None:
    """Remove all sessions if other machines or owners were read before, such as those who have opted in."""
    name = _encode(scope).decode()
    if store_notes.read_note(connection, _SCOPE) == name:
        return
    with open_transaction(connection):
        for id, packed in connection.execute("SELECT id, document FROM hub_documents").fetchall():
            _remove_session(connection, id, decode_session_document(decompress_document(packed)))
        store_notes.write_note(connection, _MARK, _encode(Mark()).decode())
        store_notes.write_note(connection, _SCOPE, name)


def _name_session(scope: FleetScope, key: SessionKey) -> str:
    """Return the id of a session in the store of a scope: two machines may ship one session each.

    Two owners may too, and nobody's session takes the place of somebody else's.
    """
    name = f"{key.session}.{key.instance}"
    if scope.owners is not None and len(scope.owners) == 1:
        return name
    return f"{name}.{sha256(_encode(key)).hexdigest()[:12]}"


def _try_change(
    connection: sqlite3.Connection, id: str, change: SessionChange, *, with_sums: bool
) -> bool | None:
    """Add a change, or nothing of it: one session must not take the pages of all others away.

    Returns None if it cannot be added, else as ``_add_change``. Errors of the database itself are raised.
    """
    connection.execute("SAVEPOINT of_change")
    try:
        is_new = _add_change(connection, id, change, with_sums=with_sums)
    except (StrettoError, sqlite3.OperationalError):
        raise
    except Exception:
        LOG.exception("a session of %s is left out: it cannot be added", change.key.instance)
        connection.execute("ROLLBACK TO of_change")
        connection.execute("RELEASE of_change")
        return None
    connection.execute("RELEASE of_change")
    return is_new


def _add_change(connection: sqlite3.Connection, id: str, change: SessionChange, *, with_sums: bool) -> bool:
    """Replace a session by what an engine has of it now; return whether that is another revision."""
    row = connection.execute("SELECT revision, document FROM hub_documents WHERE id = ?", (id,)).fetchone()
    stored = change.stored
    if (None if row is None else row[0]) == (None if stored is None else stored.document.revision):
        return False
    if row is not None:
        _remove_session(connection, id, decode_session_document(decompress_document(row[1])))
    if stored is not None:
        document = stored.document if with_sums else replace(stored.document, sums=())
        _add_session(connection, id, document)
    return True


def _remove_session(connection: sqlite3.Connection, id: str, document: SessionDocument) -> None:
    add_kept_sums(connection, _make_cells(document, sign=-1))
    delete_words(connection, id)
    for table in (*KEPT_TABLES, "pruned"):
        connection.execute(f"DELETE FROM {table} WHERE session = ?", (id,))  # noqa: S608  # names of tables
    connection.execute("DELETE FROM sessions WHERE id = ?", (id,))
    connection.execute("DELETE FROM hub_documents WHERE id = ?", (id,))


def _add_session(connection: sqlite3.Connection, id: str, document: SessionDocument) -> None:
    add_kept_record(
        connection,
        KeptRecord(session=id, last=document.last, rows=document.rows, counted_by=document.counted_by),
    )
    add_kept_sums(connection, _make_cells(document, sign=1))
    for table in KEPT_TABLES:
        # Its session is in the list, so these are not the rows of a pruned one.
        connection.execute(f"UPDATE {table} SET kept = 0 WHERE session = ?", (id,))  # noqa: S608  # likewise
    _write_session_row(connection, id, document)
    connection.execute(
        "INSERT INTO hub_documents VALUES (?, ?, ?, ?)",
        (id, document.revision, document.rules, compress_document(encode_session_document(document))),
    )


def _write_session_row(connection: sqlite3.Connection, id: str, document: SessionDocument) -> None:
    """Write the row of the list of sessions, with what the other rows of the document say of it."""
    tasks, runs = document.rows.get("task_runs", ()), document.rows.get("session_runs", ())
    labels = {
        key: value for run in runs for key, value in _decode_texts(str(run.get("labels") or "{}")).items()
    }
    start = int(document.row.get("start") or document.last)
    values = {
        **dict.fromkeys(_LIST_COLUMNS, encode_items([])),
        **document.row,
        "id": id,
        "lost": 0,
        "arrived": "",
        "word_row": number_words(id, start),
        "agents": encode_items(sorted({str(task["agent"]) for task in tasks if task.get("agent")})),
        "types": encode_items(sorted({str(task["type"]) for task in tasks if task.get("type")})),
        "models": encode_items(sorted({str(task["model"]) for task in tasks if task.get("model")})),
        "labels": encode_items([f"{key}={value}" for key, value in sorted(labels.items())]),
    }
    words = " ".join(str(document.row.get(name) or NONE) for name in ("project", "pattern", "source"))
    insert_words(connection, id, start, words)
    columns = {row[1] for row in connection.execute("PRAGMA table_info(sessions)")}
    known = {name: value for name, value in values.items() if name in columns}
    names, marks = ", ".join(f'"{name}"' for name in known), ", ".join("?" * len(known))
    query = f"INSERT OR REPLACE INTO sessions ({names}) VALUES ({marks})"  # noqa: S608  # the schema's names
    connection.execute(query, tuple(known.values()))


def _replace_day(connection: sqlite3.Connection, release: DayRelease, at: int, groups: Iterable[str]) -> bool:
    """Put a day's groups in place of those of an earlier release; return whether there is a change."""
    day = release.day
    row = connection.execute("SELECT at, cells FROM hub_releases WHERE day = ?", (day,)).fetchone()
    if row is not None and row[0] == at:
        return False
    if row is not None:
        add_kept_sums(connection, _make_day_cells(day, _decode_cells(row[1]), sign=-1))
    released = tuple(cell for group in groups for cell in release.groups[group])
    add_kept_sums(connection, _make_day_cells(day, released, sign=1))
    connection.execute("INSERT OR REPLACE INTO hub_releases VALUES (?, ?, ?)", (day, at, _encode(released)))
    replace_owner_days(
        connection,
        day,
        (
            row
            for group in groups
            for row in list_owner_days(
                day,
                group,
                release.work.get(group, {}),
                release.names.get(group, {}).get(Dimension.TASK_TYPE, {}),
            )
        ),
    )
    return True


def _make_day_cells(day: int, cells: Iterable[ReleasedCell], *, sign: int) -> Mapping[int, Cells]:
    """Return released cells as sums of the day's last slot, so that a window has all of a day or nothing."""
    slot = (day + 1) * SLOTS_PER_DAY - 1
    sums: Cells = {}
    for cell in cells:
        key = slot, cell.measure, _encode(cell.dims).decode()
        sums[key] = sums.get(key, 0) + sign * cell.value
    return {SLOTS[0]: sums}


def _make_cells(document: SessionDocument, *, sign: int) -> Mapping[int, Cells]:
    sums: Cells = {(slot, measure, dims): sign * value for slot, measure, dims, value in list_cells(document)}
    return {SLOTS[0]: sums}
