"""Notes of which sessions a team's hub has: those that changed since, and the hub's last answer about each.

A session that changes is marked in the transaction that stores the change. The mark is random, so that an
answer about an older state of the session never takes the mark of a newer one away.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stretto.store import store_notes
from stretto.store.database import open_transaction

SHIPPED_AS = "shipped as"
"""Name of the note of how documents are made: under other rules every session is looked at again."""

ShippedRow = tuple[int, int, str, int, str | None]
"""Revision, day, digest, time (ns) of the hub's answer, and why the hub refused; None if it did not."""

_MARK_CHANGED = (
    "INSERT INTO unshipped (session, mark) VALUES (?, random())"
    " ON CONFLICT DO UPDATE SET mark = excluded.mark"
)

_IS_DUE = (
    " FROM unshipped JOIN sessions ON sessions.id = unshipped.session"
    " LEFT JOIN shipped ON shipped.session = unshipped.session WHERE NOT sessions.recording"
    " AND (sessions.outcome <> 'running' OR (sessions.start < :before AND COALESCE(shipped.at, 0) < :before))"
)


@dataclass(frozen=True, slots=True)
class DueSession:
    """A session whose document the hub may lack, and the last answer about it, if there was one."""

    id: str
    mark: int
    """Changes with every change of the session."""
    revision: int
    """The highest one that the hub may have; 0 if nothing was sent."""
    is_unanswered: bool = False
    """Whether the answer about that revision is missing."""
    day: int | None = None
    """The UTC day that it was first sent under, whether or not the hub answered."""
    digest: str | None = None
    at: int = 0
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class ShipReceipt:
    """What is known of a session after the hub answered, or after its document came out as before."""

    session: str
    mark: int
    revision: int
    day: int
    digest: str
    at: int
    refusal: str | None = None
    """Why the hub refused the document."""


@dataclass(frozen=True, slots=True)
class ShippingCounts:
    """How many sessions wait, are at the hub, and were refused."""

    pending: int
    shipped: int
    refused: int
    last: int | None
    """When the hub last took one (ns)."""


def mark_changed_sessions(connection: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Note that sessions changed."""
    connection.executemany(_MARK_CHANGED, [(id,) for id in ids])


def mark_all_sessions(connection: sqlite3.Connection, made_as: str) -> None:
    """Note that every session may come out otherwise, if documents were made in another way until now."""
    if store_notes.read_note(connection, SHIPPED_AS) == made_as:
        return
    with open_transaction(connection):
        connection.execute(
            "INSERT INTO unshipped (session, mark) SELECT id, random() FROM sessions WHERE TRUE"
            " ON CONFLICT DO UPDATE SET mark = excluded.mark"
        )
        store_notes.write_note(connection, SHIPPED_AS, made_as)


def list_due_sessions(connection: sqlite3.Connection, limit: int, *, open_before: int) -> list[DueSession]:
    """Return the sessions that changed, the oldest first; never recordings.

    Open sessions are due if they began before ``open_before`` (ns) and were not shipped since.
    """
    columns = (
        "sessions.id, mark, MAX(COALESCE(revision, 0), tried), tried > COALESCE(revision, 0),"
        " COALESCE(day, tried_day), digest, COALESCE(at, 0), refusal"
    )
    query = f"SELECT {columns}{_IS_DUE} ORDER BY sessions.last, sessions.id LIMIT :limit"  # constants
    rows = connection.execute(query, {"before": open_before, "limit": limit})
    return [DueSession(*row) for row in rows]


def count_shipping(connection: sqlite3.Connection, *, open_before: int) -> ShippingCounts:
    """Return how many sessions wait and how many the hub has answered about."""
    query = f"SELECT COUNT(*){_IS_DUE}"  # constants
    (pending,) = connection.execute(query, {"before": open_before}).fetchone()
    shipped, refused, last = connection.execute(
        "SELECT COUNT(*) - COUNT(refusal), COUNT(refusal), MAX(CASE WHEN refusal IS NULL THEN at END)"
        " FROM shipped"
    ).fetchone()
    return ShippingCounts(pending, shipped, refused, last)


def list_refusals(connection: sqlite3.Connection, limit: int) -> list[tuple[str, str]]:
    """Return (session, reason) of the sessions that the hub refused, the latest first."""
    rows = connection.execute(
        "SELECT session, refusal FROM shipped WHERE refusal IS NOT NULL ORDER BY at DESC, session LIMIT ?",
        (limit,),
    )
    return list(rows)


def note_revisions_about_to_ship(
    connection: sqlite3.Connection, attempts: Iterable[tuple[str, int, int]]
) -> None:
    """Note the (session, revision, day) that are about to be sent.

    So no other content gets the revision, and a session whose answer is lost does not come under another day.
    """
    with open_transaction(connection):
        connection.executemany(
            "UPDATE unshipped SET tried = MAX(tried, ?2), tried_day = COALESCE(tried_day, ?3)"
            " WHERE session = ?1",
            [*attempts],
        )


def write_ship_receipts(connection: sqlite3.Connection, receipts: Iterable[ShipReceipt]) -> None:
    """Store receipts; a session that changed meanwhile stays due."""
    with open_transaction(connection):
        for each in receipts:
            row = (each.session, each.revision, each.day, each.digest, each.at, each.refusal)
            connection.execute("INSERT OR REPLACE INTO shipped VALUES (?, ?, ?, ?, ?, ?)", row)
            connection.execute(
                "DELETE FROM unshipped WHERE session = ? AND mark = ?", (each.session, each.mark)
            )


def forget_shipping_notes(connection: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Delete the notes about sessions."""
    for table in ("shipped", "unshipped"):
        connection.executemany(f"DELETE FROM {table} WHERE session = ?", [(id,) for id in ids])  # noqa: S608  # a constant


def drop_notes_of_missing_sessions(connection: sqlite3.Connection) -> None:
    """Delete the notes about sessions that are no longer stored."""
    for table in ("shipped", "unshipped"):
        connection.execute(f"DELETE FROM {table} WHERE session NOT IN (SELECT id FROM sessions)")  # noqa: S608  # a constant


def restore_shipped_rows(connection: sqlite3.Connection, rows: Mapping[str, ShippedRow]) -> None:
    """Add the notes of an earlier store; of two about a session that of the higher revision stays."""
    connection.executemany(
        "INSERT INTO shipped VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (session) DO UPDATE SET"
        " revision = excluded.revision, day = excluded.day, digest = excluded.digest, at = excluded.at,"
        " refusal = excluded.refusal WHERE excluded.revision > shipped.revision",
        [(session, *row) for session, row in rows.items()],
    )


def is_shipped(connection: sqlite3.Connection, id: str) -> bool:
    """Return whether the hub has a session."""
    query = "SELECT 1 FROM shipped WHERE session = ? AND refusal IS NULL"
    return connection.execute(query, (id,)).fetchone() is not None
