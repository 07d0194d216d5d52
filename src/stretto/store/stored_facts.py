"""The facts of sessions in the store: a row for each entity while a session runs, one blob once it is over.

An event of a running session changes a few entities, and only their rows are written. A session that is over
changes no more: its facts are packed into a compressed blob, a seventh of the rows' size. If it is resumed,
its blob becomes rows again. Rows and blob depend on the facts alone, so that a rebuild gives the same bytes.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Collection, Iterable, Iterator
from enum import Enum, auto

import msgspec

from stretto.model.facts import ENTITY_KINDS, LEAF_KINDS, EntityFacts, SessionFacts
from stretto.names.fact_fields import EntityKind

_FASTEST = 1
"""The level of compression: better ones take twice as long for a tenth less."""

# Members are sorted, so that a rebuild gives the same bytes.
_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(dict[str, tuple[int, int | str]]).decode
_decode_packed = msgspec.json.Decoder(dict[str, dict[str, dict[str, tuple[int, int | str]]]]).decode
_decode_packed_entities = msgspec.json.Decoder(dict[str, dict[str, msgspec.Raw]]).decode


class FactsForm(Enum):
    """How the facts of a session are stored."""

    NONE = auto()
    ROWS = auto()
    PACKED = auto()


def write_facts(
    connection: sqlite3.Connection,
    facts: SessionFacts,
    changed: Collection[tuple[str, str]],
    *,
    over: bool,
    before: FactsForm,
    concluded: bytes | None = None,
) -> FactsForm:
    """Store the facts of a session, of which the ``changed`` entities are new; return their form now.

    ``concluded`` is the session that is concluded from them, if it is over and packed (``packed_session``).
    """
    if over:
        packed = zlib.compress(_encode(dict(_iterate_tables(facts))), _FASTEST)
        row = (facts.id, packed, concluded)
        connection.execute("INSERT OR REPLACE INTO packed_facts VALUES (?, ?, ?)", row)
        if before is FactsForm.ROWS:
            connection.execute("DELETE FROM facts WHERE session = ?", (facts.id,))
        return FactsForm.PACKED
    if before is FactsForm.PACKED:
        connection.execute("DELETE FROM packed_facts WHERE session = ?", (facts.id,))
        changed = [(kind, key) for kind, table in _iterate_tables(facts) for key in table]
    connection.executemany(
        "INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?)",
        [(facts.id, kind, key, _encode(facts.get_entity(kind, key))) for kind, key in changed],
    )
    return FactsForm.ROWS


def delete_facts(connection: sqlite3.Connection, session_id: str) -> None:
    """Delete the facts of a session."""
    connection.execute("DELETE FROM facts WHERE session = ?", (session_id,))
    connection.execute("DELETE FROM packed_facts WHERE session = ?", (session_id,))


def load_all_facts(connection: sqlite3.Connection, session_id: str) -> SessionFacts:
    """Return the facts of a session; empty for an unknown session."""
    facts = SessionFacts(session_id)
    packed = _read_packed(connection, session_id)
    if packed is not None:
        for kind, entities in _decode_packed(packed).items():
            facts.restore_entities(kind, entities)
        return facts
    rows = connection.execute("SELECT kind, id, known FROM facts WHERE session = ?", (session_id,))
    by_kind: dict[str, dict[str, EntityFacts]] = {}
    for kind, key, encoded in rows:
        by_kind.setdefault(kind, {})[key] = _decode(encoded)
    for kind, entities in by_kind.items():
        facts.restore_entities(kind, entities)
    return facts


def find_facts_form(connection: sqlite3.Connection, session_id: str) -> FactsForm:
    """Return how the facts of a stored session are stored."""
    query = "SELECT 1 FROM packed_facts WHERE session = ?"
    row = connection.execute(query, (session_id,)).fetchone()
    return FactsForm.ROWS if row is None else FactsForm.PACKED


def read_packed_session(connection: sqlite3.Connection, session_id: str) -> bytes | None:
    """Return the packed session beside the facts of a session that is over (``packed_session``), if any."""
    query = "SELECT concluded FROM packed_facts WHERE session = ?"
    row = connection.execute(query, (session_id,)).fetchone()
    return None if row is None else row[0]


def load_facts_of_session_alone(connection: sqlite3.Connection, session_id: str) -> SessionFacts:
    """Return the facts of the session entity alone, without those of its turns, tasks and calls."""
    packed = _read_packed(connection, session_id)
    if packed is not None:
        entities = _decode_packed_entities(packed)[EntityKind.SESSION]
        return SessionFacts(session_id, session=_decode(entities[""]))
    facts = SessionFacts(session_id)
    rows = connection.execute("SELECT known FROM facts WHERE session = ? AND kind = 'session'", (session_id,))
    for (encoded,) in rows:
        facts.session = _decode(encoded)
    return facts


def list_entities(
    connection: sqlite3.Connection, session_id: str, kinds: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield (kind, id) of the entities of some kinds in a session, without decoding their facts."""
    packed = _read_packed(connection, session_id)
    if packed is not None:
        for kind, table in _decode_packed_entities(packed).items():
            if kind in kinds:
                yield from ((kind, id) for id in table)
        return
    for kind in kinds:
        query = "SELECT id FROM facts WHERE session = ? AND kind = ?"
        yield from ((kind, id) for (id,) in connection.execute(query, (session_id, kind)))


def _read_packed(connection: sqlite3.Connection, session_id: str) -> bytes | None:
    row = connection.execute("SELECT known FROM packed_facts WHERE session = ?", (session_id,)).fetchone()
    if row is None:
        return None
    try:
        return zlib.decompress(row[0])
    except (zlib.error, TypeError) as error:
        raise msgspec.DecodeError(f"packed facts cannot be decompressed: {error}") from error


def _iterate_tables(facts: SessionFacts) -> Iterable[tuple[str, dict[str, EntityFacts]]]:
    """Yield each kind of which the session has entities, with its entities."""
    yield EntityKind.SESSION, {"": facts.session}
    if facts.permissions:
        yield EntityKind.PERMISSION, {"": facts.permissions}
    for kind in ENTITY_KINDS[2:]:
        table = facts.leaves.get(kind) if kind in LEAF_KINDS else facts.get_table(kind)
        if table:
            yield kind, table
