"""Sessions as rows of an engine's tables, and which of those that arrive replace a stored one."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from stretto.fleet.session_document import SessionDocument, decode_session_document, encode_session_document
from stretto.hub.engine import Mark, ReceivedSession, SessionChange, SessionKey
from stretto.store.derive_missing_measures_of_old_sums import Amounts, complete_old_sums, is_old_definition
from stretto.store.sums_by_time_slot import SLOTS

SLOTS_PER_DAY = SLOTS[2] // SLOTS[0]

EntryCell = tuple[int, str, str, int]
"""(number of the slot of five minutes, measure, values of its dimensions as JSON, sum)."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """What a newer revision takes over from the stored one, which may be forgotten."""

    revision: int
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
        return SessionKey(self.team, self.owner, self.instance, self.session)

    @property
    def slots(self) -> tuple[int, int]:
        """Its first and last slot of five minutes; it must have sums."""
        return self.cells[0][0], self.cells[-1][0]


def group_by_tenant(sessions: Iterable[ReceivedSession]) -> dict[str, list[ReceivedSession]]:
    """Return sessions by tenant, of each session its highest revision only."""
    newest: dict[tuple[str, SessionKey], ReceivedSession] = {}
    for received in sessions:
        key = received.tenant, find_session_key(received)
        if key not in newest or newest[key].document.revision < received.document.revision:
            newest[key] = received
    groups: dict[str, list[ReceivedSession]] = {}
    for received in newest.values():
        groups.setdefault(received.tenant, []).append(received)
    return groups


def find_session_key(received: ReceivedSession) -> SessionKey:
    """Return the key of a session in its tenant."""
    document = received.document
    return SessionKey(received.team, received.owner, document.instance, document.session)


def make_newer_entries(
    sessions: Iterable[ReceivedSession], stored: Mapping[SessionKey, StoredVersion]
) -> list[SessionEntry]:
    """Return the rows of a tenant's sessions that are new or of a higher revision, in the order of keys."""
    entries = []
    for received in sessions:
        before = stored.get(find_session_key(received))
        if before is None or before.revision < received.document.revision:
            entries.append(_make_entry(received, before))
    return sorted(entries, key=attrgetter("team", "owner", "instance", "session"))


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
        document=received.line or encode_session_document(document),
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
    mark, key = Mark(received, team, owner, instance, session), SessionKey(team, owner, instance, session)
    if document is None:
        return SessionChange(mark, key, None)
    stored = ReceivedSession(
        tenant=tenant, team=team, owner=owner, received=received, document=decode_session_document(document)
    )
    return SessionChange(mark, key, stored)
