"""Check the rows of a shipped document: each value must be of the type that the readers of its column expect.

SQLite keeps a text in a column of numbers, and JSON of any shape in a column of text. A reader of such a row
fails, and with it every page that reads it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from typing import Annotated, NamedTuple

import msgspec

from stretto.journal.pruned_session_records import KeptRow
from stretto.model.event import Outcome
from stretto.store.database_schema import KEPT_TABLES, create_tables

MOST_AMOUNT = 1 << 53
"""No amount of a document reaches this: it is 104 days in ns, and readers of JSON keep it exactly.

A thousand such documents exceed 64 bits. So engines add up more bits than that, and stores of scopes keep
what is beyond as the largest number of 64 bits, or read it as a float.
"""

MOST_COUNT = 1 << 39
"""No number of things in a document reaches this: ten million such documents fit into 64 bits."""

_ADDED_UP = frozenset({"busy", "running", "width"})
"""Columns of numbers of things that readers add up over sessions."""

_OF_THE_STORE = frozenset({"session", "kept"})
"""Columns of keys: with values of its own, a row would outlive its session, or take the place of another."""

_ADDED_HERE = frozenset({"id", *_OF_THE_STORE, "lost", "agents", "labels", "types", "tools", "models",
                         "word_row", "arrived"})  # fmt: skip
"""Columns without a default that a document need not have: the store of a scope fills them."""

_TIMES = frozenset({"start", "end", "last"})

_Amount = Annotated[int, msgspec.Meta(gt=-MOST_AMOUNT, lt=MOST_AMOUNT)]
_Number = Annotated[float, msgspec.Meta(gt=-MOST_AMOUNT, lt=MOST_AMOUNT)]

_decode_names = msgspec.json.Decoder(list[str]).decode
_decode_texts = msgspec.json.Decoder(dict[str, str]).decode
_decode_amounts = msgspec.json.Decoder(dict[str, _Amount]).decode
_JSON_COLUMNS = {
    "agents": _decode_names,
    "models": _decode_names,
    "tools": _decode_names,
    "types": _decode_names,
    "lengths": msgspec.json.Decoder(dict[str, list[_Amount]]).decode,
    "workers": msgspec.json.Decoder(list[tuple[str, str]]).decode,
    "labels": _decode_texts,
    "covariates": _decode_texts,
    "task_types": _decode_amounts,
    "wall_parts": _decode_amounts,
    "path_by_agent": _decode_amounts,
    "score_sums": msgspec.json.Decoder(dict[str, _Number]).decode,
}
"""Column of JSON → the decoder of its shape. The labels of a session's row are another list: see below."""

_OUTCOMES = frozenset(outcome.value for outcome in Outcome)


class _ColumnRule(NamedTuple):
    """The rules of the schema for a column."""

    type: str
    """TEXT, INTEGER or REAL."""
    may_be_empty: bool
    is_needed: bool
    """Whether a document's row must have it."""


def find_row_fault(table: str, row: KeptRow, latest: int) -> str | None:
    """Return why a row of a table cannot be taken, or None. No time of it may be after ``latest`` (ns)."""
    rules = _read_column_rules()[table]
    if missing := [name for name in _list_needed_columns(table) if row.get(name) is None]:
        return f"a row of {table} lacks {', '.join(missing)}"
    if taken := _OF_THE_STORE & row.keys():
        return f"a row of {table} has the column {', '.join(sorted(taken))}, which the hub fills"
    for name, value in row.items():
        rule = rules.get(name)
        if rule is None:
            # Of a newer machine: the store leaves it out.
            continue
        if fault := _find_value_fault(name, value, rule, latest):
            return f"the column {name} of a row of {table} {fault}"
        if table == "sessions" and name == "labels":
            continue
        if name in _JSON_COLUMNS and value is not None and not _has_shape(name, str(value)):
            return f"the column {name} of a row of {table} is not JSON of its shape"
    return None


def _find_value_fault(name: str, value: str | float | None, rule: _ColumnRule, latest: int) -> str | None:
    if value is None:
        return None if rule.may_be_empty else "may not be empty"
    if rule.type == "TEXT":
        if not isinstance(value, str):
            return "is not text"
        return "is not known" if name == "outcome" and value not in _OUTCOMES else None
    if isinstance(value, str) or (rule.type == "INTEGER" and not isinstance(value, int)):
        return "is not a number" if rule.type == "REAL" else "is not a whole number"
    if name in _TIMES:
        return None if 0 <= value <= latest else "is before 1970, or more than a day ahead of the hub's clock"
    most = MOST_COUNT if name in _ADDED_UP else MOST_AMOUNT
    fault = None if abs(value) < most else f"reaches {most}"
    return "is negative" if name == "length" and value < 0 else fault


def _has_shape(name: str, text: str) -> bool:
    try:
        _JSON_COLUMNS[name](text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


@cache
def _list_needed_columns(table: str) -> tuple[str, ...]:
    return tuple(sorted(name for name, rule in _read_column_rules()[table].items() if rule.is_needed))


@cache
def _read_column_rules() -> Mapping[str, Mapping[str, _ColumnRule]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        create_tables(connection)
        return {
            table: {
                name: _ColumnRule(
                    type, not must_have, bool(must_have and default is None and name not in _ADDED_HERE)
                )
                for _, name, type, must_have, default, _ in connection.execute(f"PRAGMA table_info({table})")
            }
            for table in ("sessions", *KEPT_TABLES)
        }
