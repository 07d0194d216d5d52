"""Sessions as rows of an engine's tables, and which of those that arrive replace a stored one."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from stretto.figures.sums_by_dimension import Sums
from stretto.fleet.session_document import SessionDocument, decode_session_document, encode_session_document
from stretto.hub.engine import Mark, ReceivedSession, SessionChange, SessionKey
from stretto.store.complete_old_sums import Amounts, complete_old_sums, is_old_definition
from stretto.store.rollup import SLOTS, decode_dims

SLOTS_PER_DAY = SLOTS[2] // SLOTS[0]

EntryCell = tuple[int, str, str, int]
"""(number of the slot of five minutes, measure, values of its dimensions as JSON, sum)."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """What a newer revision takes over from the stored one, which may be forgotten."""

    revision: int
    team: str
    owner: str
    day: int
    days: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEntry:
    """A session as a row."""

    tenant: str
    team: str
    owner: str
    received: int
    instance: str
    session: str
    revision: int
    day: int
    """Number of the UTC day under which it is kept."""
    project: str
    """Hash of its project; empty without one."""
    days: tuple[int, ...]
    """Numbers of the UTC days of its sums, in this revision or an earlier one."""
    cells: tuple[EntryCell, ...]
    document: bytes
    """The document as a line of JSON."""

    @property
    def key(self) -> SessionKey:
        """Its key in the tenant."""
        return SessionKey(self.instance, self.session)

    @property
    def slots(self) -> tuple[int, int]:
        """Its first and last slot of five minutes; it must have sums."""
        return self.cells[0][0], self.cells[-1][0]


def group_by_tenant(sessions: Iterable[ReceivedSession]) -> dict[str, list[ReceivedSession]]:
    """Return sessions by tenant, of each session its highest revision only."""
    newest: dict[tuple[str, str, str], ReceivedSession] = {}
    for received in sessions:
        document = received.document
        key = received.tenant, document.instance, document.session
        if key not in newest or newest[key].document.revision < document.revision:
            newest[key] = received
    groups: dict[str, list[ReceivedSession]] = {}
    for received in newest.values():
        groups.setdefault(received.tenant, []).append(received)
    return groups


def make_newer_entries(
    sessions: Iterable[ReceivedSession], stored: Mapping[SessionKey, StoredVersion]
) -> tuple[list[SessionEntry], list[ReceivedSession]]:
    """Return the rows of a tenant's sessions that are new or of a higher revision, in the order of keys.

    Beside them are returned the sessions that are stored for another team or owner: they have no row.
    """
    entries, refused = [], []
    for received in sessions:
        document = received.document
        before = stored.get(SessionKey(document.instance, document.session))
        if before is not None and (before.team, before.owner) != (received.team, received.owner):
            refused.append(received)
        elif before is None or before.revision < document.revision:
            entries.append(_make_entry(received, before))
    return sorted(entries, key=attrgetter("instance", "session")), refused


def _make_entry(received: ReceivedSession, before: StoredVersion | None) -> SessionEntry:
    document = received.document
    cells = list_cells(document)
    days = {slot // SLOTS_PER_DAY for slot, *_ in cells}
    return SessionEntry(
        tenant=received.tenant,
        team=received.team,
        owner=received.owner,
        received=received.received,
        instance=document.instance,
        session=document.session,
        revision=document.revision,
        day=document.day if before is None else before.day,
        project=str(document.row.get("project") or ""),
        days=tuple(sorted(days if before is None else days.union(before.days))),
        cells=cells,
        document=encode_session_document(document),
    )


def list_cells(document: SessionDocument) -> tuple[EntryCell, ...]:
    """Return the sums of a document, with the measures that the version of its sums lacks."""
    amounts: Amounts = Counter()
    for slot, measure, dims, value in document.sums:
        amounts[slot, measure, tuple(dims)] += value
    if is_old_definition(document.counted_by):
        amounts = complete_old_sums(amounts, document.counted_by)
    return tuple(
        sorted(
            (slot, measure, _encode(dims).decode(), value)
            for (slot, measure, dims), value in amounts.items()
            if value
        )
    )


def compress_document(document: bytes) -> bytes:
    """Return a document as engines keep it that do not compress columns themselves."""
    return zlib.compress(document)


def decompress_document(packed: bytes) -> bytes:
    """Return the line of JSON of a compressed document."""
    return zlib.decompress(packed)


def make_change(tenant: str, row: Sequence[Any], document: bytes | None) -> SessionChange:
    """Return the change of a stored (team, owner, received, instance, session).

    ``document`` is None if the session was forgotten.
    """
    team, owner, received, instance, session = row
    mark, key = Mark(received, instance, session), SessionKey(instance, session)
    if document is None:
        return SessionChange(mark, key, None)
    stored = ReceivedSession(
        tenant=tenant, team=team, owner=owner, received=received, document=decode_session_document(document)
    )
    return SessionChange(mark, key, stored)


def to_sums(rows: Iterable[tuple[str, str, int]]) -> Sums:
    """Return the sums of (measure, dimensions as JSON, sum); sums of 0 are left out, as stores do."""
    sums: dict[str, dict[tuple[str | int, ...], int]] = {}
    for measure, dims, value in rows:
        if value:
            sums.setdefault(measure, {})[decode_dims(dims)] = value
    return dict(sums)


def to_sums_by_slot(rows: Iterable[tuple[int, str, str, int]]) -> dict[int, Sums]:
    """Return the sums by slot of (slot, measure, dimensions as JSON, sum), as ``to_sums`` does."""
    by_slot: dict[int, list[tuple[str, str, int]]] = {}
    for slot, *cell in rows:
        by_slot.setdefault(slot, []).append(tuple(cell))  # type: ignore[arg-type]  # the rest of the row
    return {slot: sums for slot, cells in by_slot.items() if (sums := to_sums(cells))}
