"""Check the documents that machines ship, before anything of them is stored.

A document that passes can be read by every reader of stores: a fault of one machine must not take a page away
from the others.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import cache

import msgspec

from stretto.clock import DAY
from stretto.fleet.session_document import MOST_BYTES, MOST_CELLS, VERSION, SessionDocument
from stretto.model.event import Outcome
from stretto.names.measures import MEASURES, Dimension
from stretto.store.database_schema import KEPT_TABLES, create_tables
from stretto.store.rollup import find_slot_number

FARTHEST_AHEAD = DAY
"""How far (ns) a machine's clock may be ahead of the hub's."""

_LONGEST_NAME = 256
_BITS = 63

_ADDED_HERE = frozenset({"id", "session", "kept", "lost", "agents", "labels", "types", "tools", "models",
                         "word_row", "arrived"})  # fmt: skip
"""Columns without a default that a document need not have: the store of a scope fills them."""

_JSON_COLUMNS = frozenset({"lengths", "workers", "labels", "task_types", "wall_parts", "path_by_agent",
                           "score_sums", "covariates"})  # fmt: skip

_OUTCOMES = frozenset(outcome.value for outcome in Outcome)


def find_document_fault(document: SessionDocument, size: int, now: int) -> str | None:
    """Return why a document of so many bytes is refused at an instant (ns), or None if it is fine."""
    faults = {
        f"the document is of version {document.v}: this hub reads versions up to {VERSION}": not (
            1 <= document.v <= VERSION
        ),
        f"the document has {size} bytes, more than {MOST_BYTES}": size > MOST_BYTES,
        f"the document has {len(document.sums)} sums, more than {MOST_CELLS}": (
            len(document.sums) > MOST_CELLS
        ),
        "instance and session need names of 1 to 256 characters": not all(
            0 < len(name) <= _LONGEST_NAME for name in (document.instance, document.session)
        ),
        "the session ends more than a day ahead of the hub's clock: set the machine's clock": (
            max(document.last, document.day * DAY) > now + FARTHEST_AHEAD
        ),
        "revision, last or day is below 0 or no number of 64 bits": any(
            number < 0 or number >> _BITS for number in (document.revision, document.last, document.day)
        ),
        "the revision is more than a day ahead of the hub's clock": document.revision > now + FARTHEST_AHEAD,
        "a name has a character that databases do not keep": any(
            "\0" in name for name in (document.instance, document.session, str(document.row.get("project")))
        ),
    }
    found = next((text for text, is_fault in faults.items() if is_fault), None)
    return found or _find_sum_fault(document, now) or _find_row_fault(document)


def _find_sum_fault(document: SessionDocument, now: int) -> str | None:
    last_slot = find_slot_number(now + FARTHEST_AHEAD)
    for slot, measure, dims, value in document.sums:
        known = MEASURES.get(measure)
        if abs(value) >> _BITS:
            return f"a sum of {measure!r} is not a number of 64 bits"
        if not 0 <= slot <= last_slot:
            return f"a sum of {measure!r} lies before 1970 or more than a day ahead of the hub's clock"
        if "\0" in measure:
            return "a measure has a character that databases do not keep"
        if known is not None and not _fits(dims, known.dimensions):
            return f"a sum of {measure!r} has other dimensions than {', '.join(known.dimensions) or 'none'}"
    return None


def _fits(dims: tuple[str | int, ...], dimensions: tuple[Dimension, ...]) -> bool:
    return len(dims) == len(dimensions) and all(
        isinstance(value, int) if dimension is Dimension.BUCKET else isinstance(value, str)
        for value, dimension in zip(dims, dimensions, strict=True)
    )


def _find_row_fault(document: SessionDocument) -> str | None:
    rows = [("sessions", document.row)]
    rows += [(table, row) for table in KEPT_TABLES for row in document.rows.get(table, ())]
    for table, row in rows:
        missing = _list_needed_columns()[table] - {name for name, value in row.items() if value is not None}
        if missing:
            return f"a row of {table} lacks {', '.join(sorted(missing))}"
        if str(row.get("outcome", Outcome.SUCCESS.value)) not in _OUTCOMES:
            return f"a row of {table} has an outcome that is not known"
        if any(isinstance(value, int) and abs(value) >> _BITS for value in row.values()):
            return f"a row of {table} has a number of more than 64 bits"
        for column in _JSON_COLUMNS & row.keys():
            if not _is_json(row[column]):
                return f"the column {column} of a row of {table} is not JSON"
    return None


def _is_json(value: object) -> bool:
    if value is None:
        return True
    try:
        msgspec.json.decode(str(value))
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


@cache
def _list_needed_columns() -> Mapping[str, frozenset[str]]:
    """Return the columns of each table that have neither a default nor may be empty."""
    with closing(sqlite3.connect(":memory:")) as connection:
        create_tables(connection)
        return {
            table: frozenset(
                name
                for _, name, _, is_needed, default, _ in connection.execute(f"PRAGMA table_info({table})")
                if is_needed and default is None and name not in _ADDED_HERE
            )
            for table in ("sessions", *KEPT_TABLES)
        }
