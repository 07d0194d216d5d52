"""Pruning: delete what is older than its retention, without a change of any figure that is still covered.

A session is deleted if its last event, and all journal files with lines of it, are from before the cut. Its
rows leave the store and its lines the journal; the amounts that it added to the sums are kept, in a record
of the journal that is written first. Kept sums thin out with age: slots of five minutes stay as long as
sessions, those of an hour and of a day stay longer. Imported history is in the file of the day of the
import, and is kept as long as that day.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stretto import journal
from stretto.clock import DAY, SECOND
from stretto.journal.kept_records import STORE_PREFIX, find_month_end, find_month_start
from stretto.state.retention import Retention
from stretto.store.database import open_transaction
from stretto.store.ingest import Ingest
from stretto.store.rollup import SLOTS

STEP = 200
"""Sessions deleted in a transaction, so that ingest never waits long."""

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
    yield from _prune_before(connection, ingest, folder, raw_cut, coarse_before=raw_cut)
    for cut in _yield_cuts(folder, now):
        if count_used_bytes(connection, folder) <= retention.most_bytes:
            break
        yield from _prune_before(connection, ingest, folder, cut, coarse_before=raw_cut)
    _reduce_kept_sums(connection, folder, retention, now)
    connection.execute("PRAGMA incremental_vacuum")


def count_used_bytes(connection: sqlite3.Connection, folder: Path) -> int:
    """Return the bytes that store and journal take on disk."""
    pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    return int((pages - free) * size) + sum(journal.list_files(folder).values())


def _prune_before(
    connection: sqlite3.Connection, ingest: Ingest, folder: Path, cut: int, *, coarse_before: int
) -> Iterator[PruneStep]:
    """Delete the sessions whose last event and last journal file are from before the day of ``cut`` (ns).

    Five-minute sums from before ``coarse_before`` (ns) are not kept.
    """
    first_kept = journal.get_day_file(folder, cut).name
    query = (
        "SELECT id FROM sessions WHERE outcome <> 'running' AND last < ? AND arrived < ?"
        " ORDER BY last LIMIT ?"
    )
    while ids := [id for (id,) in connection.execute(query, (cut // DAY * DAY, first_kept, STEP))]:
        ingest.release_sessions(ids, folder, coarse_before=coarse_before)
        yield PruneStep(sessions=len(ids))
    for file in journal.list_files(folder):
        if file < first_kept and _reduce_file(connection, ingest, folder, file):
            yield PruneStep(files=1)


def _reduce_file(connection: sqlite3.Connection, ingest: Ingest, folder: Path, file: str) -> bool:
    row = connection.execute("SELECT offset FROM journal WHERE file = ?", (file,)).fetchone()
    size = journal.list_files(folder).get(file, 0)
    if not _DAY_FILE(file) or row is None or row[0] != size:
        return False
    stored_ids = {id for (id,) in connection.execute("SELECT id FROM sessions")}
    rewrite = journal.drop_sessions(
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


def _yield_cuts(folder: Path, now: int) -> Iterator[int]:
    """Yield the ends of the days that the journal has files of, the oldest first.

    Today and yesterday are left out: a hook that started before midnight may still write to its file.
    """
    names = {file for file in journal.list_files(folder) if _DAY_FILE(file)}
    today = now // DAY
    if names:
        for day in range(today - 3_650, today - 1):
            if journal.get_day_file(folder, day * DAY).name in names:
                yield (day + 1) * DAY


def _reduce_kept_sums(connection: sqlite3.Connection, folder: Path, retention: Retention, now: int) -> None:
    days = (retention.raw_days, retention.hourly_days, retention.daily_days)
    with open_transaction(connection):
        for width, kept in zip(SLOTS, days, strict=True):
            first = (now - kept * DAY) // (width * SECOND)
            connection.execute("DELETE FROM rollup WHERE width = ? AND slot < ? AND kept = 1", (width, first))
        connection.execute("DELETE FROM emitted WHERE session NOT IN (SELECT id FROM sessions)")
    _remove_expired_records(connection, folder, now - retention.daily_days * DAY)


def _remove_expired_records(connection: sqlite3.Connection, folder: Path, cut: int) -> None:
    """Delete the files of kept records whose sums are all past retention, and the notes about the records."""
    expired = {
        file: end for file in journal.list_files(folder) if (end := find_month_end(file)) and end <= cut
    }
    for file in expired:
        (folder / file).unlink(missing_ok=True)
    with open_transaction(connection):
        connection.executemany("DELETE FROM journal WHERE file = ?", [(file,) for file in expired])
        connection.execute("DELETE FROM pruned WHERE last < ?", (find_month_start(cut),))
    for file in journal.list_files(folder):
        if file.startswith(STORE_PREFIX):
            name = file.removeprefix(STORE_PREFIX).removesuffix(journal.SUFFIX)
            read = connection.execute("SELECT 1 FROM journal WHERE file = ?", (file,)).fetchone()
            added = connection.execute("SELECT 1 FROM pruned WHERE session = ?", (name,)).fetchone()
            if read and not added:
                (folder / file).unlink(missing_ok=True)
                connection.execute("DELETE FROM journal WHERE file = ?", (file,))
