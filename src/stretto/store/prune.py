"""Pruning: delete what is older than its retention, without a change of any figure that is still covered.

A session is deleted if its last event, and all journal files with lines of it, are from before the cut. Its
rows leave the store and its lines the journal; the amounts that it added to the sums are kept, in a record
of the journal that is written first. Kept sums thin out with age: slots of five minutes stay as long as
sessions, those of an hour and of a day stay longer. Imported history counts from the last write to the file
of the import.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stretto import journal
from stretto.clock import DAY, HOUR, SECOND
from stretto.errors import ConfigError
from stretto.journal.compression import compress_file, delete_all_parts, has_uncompressed_part
from stretto.journal.pruned_session_records import STORE_PREFIX, find_month_end_of_file, find_month_start
from stretto.state.retention_settings import Retention
from stretto.store.database import open_transaction
from stretto.store.database_schema import EXECUTIONS
from stretto.store.ingest import Ingest
from stretto.store.pruning_of_runs import delete_old_runs_of_pruned_sessions, drop_runs_of_oldest_months
from stretto.store.shipped_sessions import drop_notes_of_missing_sessions
from stretto.store.store_rescue import ASIDE, UNREAD_PREFIX
from stretto.store.sums_by_time_slot import SLOTS

TOLERANCE = 48_000_000
"""Bytes that disk use may be above the cap, beside 1 %: SQLite's log and the day that was begun."""

STEP = 200
"""Sessions deleted in a transaction, so that ingest never waits long."""

ASIDE_DAYS = 7
"""How long a store that was moved aside is kept for somebody who wants to look at it."""

IMPORT_PREFIX = "import-"
"""Beginning of the names of journal files that imports write; their sessions have no day of arrival."""

OPEN_DAYS = 2
"""Days after which a journal file is compressed."""

PAGES_PER_STEP = 2_000
"""Pages of 4 kB given back to the disk in a transaction."""

MOST_KEPT_ROWS = 10_000
"""Most kept runs, and kept parallel executions, in the store: the newest, and the best of each pattern."""

_DAY_FILE = re.compile(r"\d{4}-\d\d-\d\d\.jsonl").fullmatch


@dataclass(frozen=True, slots=True)
class PruneStep:
    """The result of a step of pruning."""

    sessions: int = 0
    files: int = 0
    """Journal files that were removed or became shorter."""


def prune_history(
    connection: sqlite3.Connection, ingest: Ingest, folder: Path, retention: Retention, now: int
) -> Iterator[PruneStep]:
    """Prune step by step: between two steps the caller may do other work."""
    raw_cut = now - retention.raw_days * DAY
    yield from _prune_before(connection, ingest, folder, raw_cut, coarse_before=raw_cut, quiet_before=raw_cut)
    _remove_aside(folder, now - ASIDE_DAYS * DAY)
    if count_used_bytes(connection, folder) > retention.most_bytes:
        _remove_aside(folder, now)
    for cut in list(_yield_cuts(connection, folder, now)):
        if count_used_bytes(connection, folder) <= retention.most_bytes:
            break
        yield from _prune_before(
            connection, ingest, folder, cut, coarse_before=raw_cut, quiet_before=now - HOUR
        )
    is_too_large = lambda: count_used_bytes(connection, folder) > retention.most_bytes  # noqa: E731  # short
    for _ in drop_runs_of_oldest_months(connection, ingest.positions, folder, is_too_large):
        yield PruneStep(files=1)
    _reduce_kept_sums(connection, folder, retention, now)
    yield from _compress_resting(connection, folder, now, raw_cut)
    yield from _give_pages_back(connection)


def count_used_bytes(connection: sqlite3.Connection, folder: Path) -> int:
    """Return the bytes on disk of the store, its free pages left out, of the journal and of what is aside."""
    pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    aside = sum(path.stat().st_size for path in list_aside_store_files(folder))
    return int((pages - free) * size) + journal.measure_disk_use(folder) + aside


def find_least_cap(folder: Path, now: int) -> int:
    """Return the bytes that are never pruned: the journal of today and yesterday."""
    first = journal.get_day_file(folder, now - DAY).name
    sizes = journal.list_file_sizes(folder).items()
    return sum(size for file, size in sizes if journal.DAY_FILE(file) and file >= first)


def refuse_impossible_cap(folder: Path, retention: Retention, now: int) -> None:
    """Raise ConfigError if the cap is below what is never pruned, with the least possible cap."""
    least = find_least_cap(folder, now)
    if least > retention.most_bytes:
        raise ConfigError(
            f"retention_megabytes is {retention.most_bytes // 1_000_000}, less than the journal of two days",
            cause=f"today's and yesterday's files are never pruned and take {least / 1e6:.1f} MB",
            hint=f"set retention_megabytes to at least {-(-least // 1_000_000)}",
        )


def measure_bytes_over_cap(connection: sqlite3.Connection, folder: Path, retention: Retention) -> int:
    """Return the bytes beyond the cap that a pass of pruning left; 0 within the tolerance."""
    used = count_used_bytes(connection, folder)
    tolerance = max(retention.most_bytes // 100, TOLERANCE)
    return used - retention.most_bytes if used > retention.most_bytes + tolerance else 0


def list_aside_store_files(journal: Path) -> list[Path]:
    """Return the files of stores that were moved aside, beside the journal's folder."""
    try:
        return sorted((journal.parent / ASIDE).iterdir())
    except FileNotFoundError:
        return []


def _remove_aside(folder: Path, before: int) -> None:
    """Delete stores that were moved aside before a time (ns); those with rows in no journal stay."""
    for path in list_aside_store_files(folder):
        if not path.name.startswith(UNREAD_PREFIX) and path.stat().st_mtime_ns < before:
            path.unlink(missing_ok=True)


def _compress_resting(
    connection: sqlite3.Connection, folder: Path, now: int, raw_cut: int
) -> Iterator[PruneStep]:
    """Compress day files older than two days that were read to the end, and kept records of past months.

    A session that is pruned is at least as old as the retention: its month may still get records until then.
    """
    first_open = journal.get_day_file(folder, now - OPEN_DAYS * DAY).name
    positions = dict(connection.execute("SELECT file, offset FROM journal"))
    for file, state in journal.scan_file_states(folder).items():
        month_end = find_month_end_of_file(file)
        is_past_day = _DAY_FILE(file) is not None and file < first_open
        is_past_month = month_end is not None and month_end < raw_cut - OPEN_DAYS * DAY
        is_read = positions.get(file) == state.size
        if (is_past_day or is_past_month) and is_read and has_uncompressed_part(folder, file):
            compress_file(folder, file)
            yield PruneStep()


def _give_pages_back(connection: sqlite3.Connection) -> Iterator[PruneStep]:
    """Give the store's free pages back to the disk, some thousand a step, and cut its log back."""
    while connection.execute("PRAGMA freelist_count").fetchone()[0]:
        # Each row that is fetched frees a page.
        connection.execute(f"PRAGMA incremental_vacuum({PAGES_PER_STEP})").fetchall()
        yield PruneStep()
    # A reader that is in the way lets the log stay until the next pass.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _prune_before(
    connection: sqlite3.Connection,
    ingest: Ingest,
    folder: Path,
    cut: int,
    *,
    coarse_before: int,
    quiet_before: int,
) -> Iterator[PruneStep]:
    """Delete the sessions whose last event and last journal file are from before the day of ``cut`` (ns).

    Five-minute sums from before ``coarse_before`` (ns) are not kept. Of imports, only files without a write
    since ``quiet_before`` (ns) are looked at.
    """
    imports = [
        file
        for file, state in journal.scan_file_states(folder).items()
        if file.startswith(IMPORT_PREFIX) and state.modified < quiet_before
    ]
    first_kept = journal.get_day_file(folder, cut).name
    query = (
        "SELECT id FROM sessions WHERE outcome <> 'running' AND last < ?"
        " AND (arrived < ? OR arrived IN (SELECT value FROM json_each(?))) ORDER BY last LIMIT ?"
    )
    bounds = (cut // DAY * DAY, first_kept, json.dumps(imports), STEP)
    while ids := [id for (id,) in connection.execute(query, bounds)]:
        ingest.release_sessions(ids, folder, coarse_before=coarse_before)
        yield PruneStep(sessions=len(ids))
    for file in journal.list_file_sizes(folder):
        is_past_day = _DAY_FILE(file) is not None and file < first_kept
        if (is_past_day or file in imports) and _reduce_file(connection, ingest, folder, file):
            yield PruneStep(files=1)


def _reduce_file(connection: sqlite3.Connection, ingest: Ingest, folder: Path, file: str) -> bool:
    row = connection.execute("SELECT offset FROM journal WHERE file = ?", (file,)).fetchone()
    size = journal.list_file_sizes(folder).get(file, 0)
    if row is None or row[0] != size:
        return False
    stored_ids = {id for (id,) in connection.execute("SELECT id FROM sessions")}
    rewrite = journal.rewrite_with_kept_sessions(
        folder,
        file,
        stored_ids.__contains__,
        lambda planned: ingest.positions.plan_rewrite(file, planned.size, planned.events, planned.identity),
    )
    if rewrite is None:
        return False
    # If killed before this, the next start sees by the planned identity that the file was rewritten.
    ingest.positions.finish_rewrite(file)
    return True


def _yield_cuts(connection: sqlite3.Connection, folder: Path, now: int) -> Iterator[int]:
    """Yield the ends of the days that the journal has files of, or imported sessions, the oldest first.

    Today and yesterday are left out: a hook that started before midnight may still write to its file.
    """
    names = {file for file in journal.list_file_sizes(folder) if _DAY_FILE(file)}
    query = "SELECT DISTINCT last / ? FROM sessions WHERE arrived LIKE ?"
    imported_days = {day for (day,) in connection.execute(query, (DAY, IMPORT_PREFIX + "%"))}
    today = now // DAY
    if names or imported_days:
        for day in range(today - 3_650, today - 1):
            if day in imported_days or journal.get_day_file(folder, day * DAY).name in names:
                yield (day + 1) * DAY


def _reduce_kept_sums(connection: sqlite3.Connection, folder: Path, retention: Retention, now: int) -> None:
    days = (retention.raw_days, retention.hourly_days, retention.daily_days)
    with open_transaction(connection):
        for width, kept in zip(SLOTS, days, strict=True):
            first = (now - kept * DAY) // (width * SECOND)
            connection.execute("DELETE FROM rollup WHERE width = ? AND slot < ? AND kept = 1", (width, first))
        connection.execute("DELETE FROM emitted WHERE session NOT IN (SELECT id FROM sessions)")
        drop_notes_of_missing_sessions(connection)
        for table in EXECUTIONS:
            _reduce_kept_rows(connection, table, now - retention.daily_days * DAY)
        delete_old_runs_of_pruned_sessions(connection, now - retention.runs_days * DAY)
    longest = max(retention.daily_days, retention.runs_days)
    _remove_expired_records(connection, folder, now - longest * DAY)


def _reduce_kept_rows(connection: sqlite3.Connection, table: str, cut: int) -> None:
    """Delete the rows of pruned sessions from before ``cut`` (ns), and the oldest beyond their number."""
    query = f'SELECT session, number, kept FROM {table} WHERE kept > 0 ORDER BY "end" DESC LIMIT -1 OFFSET ?'  # noqa: S608  # a constant
    surplus = connection.execute(query, (MOST_KEPT_ROWS,)).fetchall()
    if table == "fanouts":
        best = connection.execute(
            "SELECT session, number, kept, MAX(work * 1.0 / elapsed) FROM fanouts"
            " WHERE elapsed > 0 GROUP BY pattern"
        )
        surplus = sorted({*surplus} - {row[:3] for row in best})
    delete = f"DELETE FROM {table} WHERE session = ? AND number = ? AND kept = ?"  # noqa: S608  # a constant
    connection.executemany(delete, surplus)
    connection.execute(f'DELETE FROM {table} WHERE kept > 0 AND "end" < ?', (cut,))  # noqa: S608  # a constant


def _remove_expired_records(connection: sqlite3.Connection, folder: Path, cut: int) -> None:
    """Delete the files of kept records whose sums are all past retention, and the notes about the records."""
    expired = {
        file: end
        for file in journal.list_file_sizes(folder)
        if (end := find_month_end_of_file(file)) and end <= cut
    }
    for file in expired:
        delete_all_parts(folder, file)
    with open_transaction(connection):
        connection.executemany("DELETE FROM journal WHERE file = ?", [(file,) for file in expired])
        connection.execute("DELETE FROM pruned WHERE last < ?", (find_month_start(cut),))
    for file in journal.list_file_sizes(folder):
        if file.startswith(STORE_PREFIX):
            name = file.removeprefix(STORE_PREFIX).removesuffix(journal.SUFFIX)
            read = connection.execute("SELECT 1 FROM journal WHERE file = ?", (file,)).fetchone()
            added = connection.execute("SELECT 1 FROM pruned WHERE session = ?", (name,)).fetchone()
            if read and not added:
                delete_all_parts(folder, file)
                connection.execute("DELETE FROM journal WHERE file = ?", (file,))
