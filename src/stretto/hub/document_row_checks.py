"""Check the rows of a shipped document: each value must be of the type that the readers of its column expect.

SQLite keeps a text in a column of numbers, and JSON of any shape in a column of text. A reader of such a row
fails, and with it every page that reads it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from typing import Annotated, Any, NamedTuple

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

_OF_THE_STORE = frozenset({"session", "kept"})
"""Columns of keys: with values of its own, a row would outlive its session, or take the place of another."""

_ADDED_HERE = frozenset({"id", *_OF_THE_STORE, "lost", "agents", "labels", "types", "tools", "models",
                         "word_row", "arrived"})  # fmt: skip
"""Columns without a default that a document need not have: the store of a scope fills them."""

_Amount = Annotated[int, msgspec.Meta(gt=-MOST_AMOUNT, lt=MOST_AMOUNT)]
_Number = Annotated[float, msgspec.Meta(gt=-MOST_AMOUNT, lt=MOST_AMOUNT)]
_Count = Annotated[int, msgspec.Meta(gt=-MOST_COUNT, lt=MOST_COUNT)]
_Time = Annotated[int, msgspec.Meta(ge=0)]
_Length = Annotated[int, msgspec.Meta(ge=0, lt=MOST_AMOUNT)]

_TYPES: Mapping[str, Any] = {"TEXT": str, "INTEGER": _Amount, "REAL": _Number}
"""Type of a column in the schema → type of its values."""

_TYPES_BY_NAME: Mapping[str, Any] = {
    **dict.fromkeys(("start", "end", "last"), _Time),
    **dict.fromkeys(("busy", "running", "width"), _Count),
    "length": _Length,
    "outcome": Outcome,
}
"""Column → type of its values, where that of the schema is too wide. Readers add up the numbers of things."""

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


class _RowRule(NamedTuple):
    """What a row of a table must be."""

    type: Any
    """A Struct of the columns that the hub knows. Others are a newer machine's: the store leaves them out."""
    times: tuple[str, ...]
    json_columns: tuple[str, ...]


def find_row_fault(table: str, row: KeptRow, latest: int) -> str | None:
    """Return why a row of a table cannot be taken, or None. No time of it may be after ``latest`` (ns)."""
    rule = _read_row_rules()[table]
    if taken := _OF_THE_STORE & row.keys():
        return f"a row of {table} has the column {', '.join(sorted(taken))}, which the hub fills"
    try:
        read = msgspec.convert(row, rule.type)
    except msgspec.ValidationError as error:
        return f"a row of {table} does not fit its columns: {error}"
    for name in rule.times:
        if (getattr(read, name) or 0) > latest:
            return f"the column {name} of a row of {table} is more than a day ahead of the hub's clock"
    for name in rule.json_columns:
        text = getattr(read, name)
        if text is not None and not _has_shape(name, text):
            return f"the column {name} of a row of {table} is not JSON of its shape"
    return None


def _has_shape(name: str, text: str) -> bool:
    try:
        _JSON_COLUMNS[name](text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


@cache
def _read_row_rules() -> Mapping[str, _RowRule]:
    with closing(sqlite3.connect(":memory:")) as connection:
        create_tables(connection)
        return {
            table: _make_row_rule(table, connection.execute(f"PRAGMA table_info({table})").fetchall())
            for table in ("sessions", *KEPT_TABLES)
        }


def _make_row_rule(table: str, columns: list[tuple[Any, ...]]) -> _RowRule:
    """Make the rule of a table from SQLite's table_info; a column that need not be there is None then."""
    fields: list[Any] = []
    for _, name, type, must_have, default, _ in columns:
        value_type = _TYPES_BY_NAME.get(name, _TYPES[type])
        if must_have and default is None and name not in _ADDED_HERE:
            fields.append((name, value_type))
        else:
            fields.append((name, value_type if must_have else value_type | None, None))
    names = [field[0] for field in fields]
    # The labels of a session's row are a list, those of its runs are pairs.
    shaped = _JSON_COLUMNS.keys() - {"labels"} if table == "sessions" else _JSON_COLUMNS.keys()
    return _RowRule(
        msgspec.defstruct(table, fields, kw_only=True),
        tuple(name for name in names if _TYPES_BY_NAME.get(name) is _Time),
        tuple(name for name in names if name in shaped),
    )
