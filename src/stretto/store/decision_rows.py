"""Decisions in the journal and in the store: append them, write their rows, read them.

Their journal file is never pruned: a decision counts as long as anybody remembers it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from stretto import journal
from stretto.model.decisions import Decision, DecisionKind, make_finding_decision_event, read_decision
from stretto.model.event import Event
from stretto.sources.redact import redact_event
from stretto.store.database import bound_instant

FILE = f"decisions{journal.SUFFIX}"

# Members are sorted, so that a rebuild gives the same bytes.
_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def append_decisions(folder: Path, decisions: Iterable[Decision]) -> None:
    """Append decisions to the journal, redacted, and wait until they are on the disk. Raises OSError."""
    events = [redact_event(make_finding_decision_event(decision)) for decision in decisions]
    journal.append_records(folder / FILE, b"".join(map(journal.encode_event, events)), sync=True)


def write_decisions(connection: sqlite3.Connection, events: Iterable[Event]) -> None:
    """Store the decisions of events; repeated ones are stored once. Kinds of a later version are left out."""
    decisions = [decision for event in events if (decision := read_decision(event)) is not None]
    connection.executemany(
        "INSERT OR REPLACE INTO decisions (id, time, kind, subject, text, details) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                decision.id,
                decision.time,
                decision.kind.value,
                decision.subject,
                decision.text,
                _encode(decision.details).decode(),
            )
            for decision in decisions
        ],
    )


def read_decisions(
    connection: sqlite3.Connection, *kinds: DecisionKind, at: int | None = None
) -> list[Decision]:
    """Return the decisions of some kinds, of all without any, as far as recorded by ``at`` (ns), by time."""
    known = bound_instant(at)
    rows = connection.execute(
        "SELECT id, time, kind, subject, text, details FROM decisions WHERE time <= ? ORDER BY time, id",
        (known,),
    )
    decisions = (
        Decision(id, time, DecisionKind(kind), subject, text, _decode(details))
        for id, time, kind, subject, text, details in rows
    )
    return [
        decision
        for decision in decisions
        if (not kinds or decision.kind in kinds) and decision.recorded_at <= known
    ]
