"""Make the document of a session: its row, its sums and the rows that analyses read, with hidden names."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import blake2b

from stretto.clock import DAY
from stretto.fleet.hidden_names import NameHider
from stretto.fleet.session_document import SessionDocument, encode_session_document
from stretto.names.measures import MEASURES
from stretto.shipping.document_limits import CELLS, coarsen_cells, limit_rows, list_kept_sums
from stretto.shipping.hide_row_names import hide_row_names
from stretto.store.concluded_session import Rules
from stretto.store.contributions.registry import get_sums_version
from stretto.store.database_schema import KEPT_TABLES
from stretto.store.records_of_pruned_sessions import find_pruned_until, read_session_rows
from stretto.store.session_in_memory import load_session_state
from stretto.store.session_queries import SESSION_COLUMNS
from stretto.store.sums_by_time_slot import Additions


@dataclass(frozen=True, slots=True)
class DocumentMaker:
    """Makes documents in the name of a machine, by its rules."""

    instance: str
    rules: str
    """Fingerprint of the rules that sums were made by."""
    session_rules: Rules
    hider: NameHider

    def make_document(
        self, connection: sqlite3.Connection, session_id: str, *, previous: int = 0, day: int | None = None
    ) -> SessionDocument | None:
        """Return the document of a stored session; None if it is not stored.

        ``previous`` is the revision that was shipped last, ``day`` the day that it was sent under.
        """
        with _open_snapshot(connection):
            row = _read_session_row(connection, session_id)
            if row is None:
                return None
            additions = load_session_state(connection, session_id, self.session_rules).sum_additions()
            rows = {
                table: tuple(hide_row_names(each, self.hider) for each in kept)
                for table in KEPT_TABLES
                if (kept := read_session_rows(connection, table, session_id))
            }
            name = self.name_session(connection, session_id)
        last, end = row["last"], row["end"] or row["last"]
        assert isinstance(last, int)
        assert isinstance(end, int)
        cells, folded = coarsen_cells(self._hide_dimensions(additions))
        return limit_rows(
            SessionDocument(
                instance=self.instance,
                session=name,
                revision=max(previous + 1, last),
                day=end // DAY if day is None else day,
                rules=self.rules,
                counted_by=get_sums_version(),
                last=last,
                row=hide_row_names(row, self.hider),
                sums=list_kept_sums(cells),
                rows=rows,
                left_out={CELLS: folded} if folded else {},
            )
        )

    def name_session(self, connection: sqlite3.Connection, session_id: str) -> str:
        """Return the hash that a session is shipped under.

        A session that was resumed after its pruning is another one to the hub: its earlier document has
        the sums that are no longer stored with it.
        """
        pruned_until = find_pruned_until(connection, session_id)
        return self.hider.hide_session(session_id if pruned_until is None else f"{session_id} {pruned_until}")

    def _hide_dimensions(self, additions: Additions) -> Additions:
        """Return the sums with hidden names; those of equal hidden names are added up."""
        hidden: Additions = Counter()
        for (slot, measure, dims), value in additions.items():
            shipped = tuple(
                self.hider.hide_name(dimension, each) if isinstance(each, str) else each
                for dimension, each in zip(MEASURES[measure].dimensions, dims, strict=True)
            )
            hidden[slot, measure, shipped] += value
        return hidden


def compute_digest(document: SessionDocument, hub_url: str) -> str:
    """Return a digest of the document that a hub receives, its revision left out."""
    content = encode_session_document(replace(document, revision=0))
    return blake2b(hub_url.encode() + b"\n" + content, digest_size=12).hexdigest()


def _read_session_row(
    connection: sqlite3.Connection, session_id: str
) -> dict[str, str | int | float | None] | None:
    query = f"SELECT {SESSION_COLUMNS} FROM sessions WHERE id = ?"  # noqa: S608  # a constant
    cursor = connection.execute(query, (session_id,))
    values = cursor.fetchone()
    if values is None:
        return None
    row = dict(zip([column[0] for column in cursor.description], values, strict=True))
    del row["id"]
    return row


@contextmanager
def _open_snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Let all queries of a block read the same state of the store, whatever its writer does meanwhile."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
