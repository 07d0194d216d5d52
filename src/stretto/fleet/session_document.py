"""The document of a finished session that a machine ships to a team's hub.

It has the session's row, its sums by slot of time, and the rows that analyses read: numbers and names. It
has no prompts, paths, commands or descriptions. Session, project and names that are not the product's are
hashes with a key of the tenant, so that two machines' projects are the same project, and nobody outside of
the tenant can guess a name by trying.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from stretto.journal.pruned_session_records import KeptRow, KeptSum

VERSION = 2
"""The version of a document. A hub reads this and the version before.

In a line of version 1 the numbers of a histogram's bins are as they are. Since version 2 a bin of the same
names as the one before it has the difference from it, which spares a tenth of the compressed bytes of sums.
"""

MOST_BYTES = 256 * 1024
"""Most bytes of an encoded document, before compression."""

SESSION_ROWS, TASK_ROWS = "session_runs", "task_runs"
"""The tables whose rows are a session as a whole, and its tasks."""

MOST_CELLS = 2_000
"""Most sums in a document; the smallest beyond it are added up under the name ``other``."""

_Dims = tuple[str | int, ...]

_MeasureCell = tuple[_Dims, tuple[int, ...]]
"""(values of the dimensions, slot and sum and again slot and sum)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDocument:
    """A session as its machine concluded it. A later revision replaces an earlier one as a whole."""

    v: int = VERSION
    instance: str
    """The machine's name in its team."""
    session: str
    """Hash of the session's id."""
    revision: int
    """Grows with each change of the session; at least the time (ns) of its last event."""
    day: int
    """Number of the UTC day of the session's end when it was first shipped. It never changes afterwards."""
    rules: str
    """Fingerprint of task types, prices and scales: sums of other rules do not mean the same."""
    counted_by: str
    """The version of the sums."""
    last: int
    """Time (ns) of its last event."""
    row: KeptRow
    """The session's row in lists, by column, without empty columns."""
    sums: tuple[KeptSum, ...] = ()
    """(number of the slot of five minutes, measure, values of its dimensions, sum)."""
    rows: Mapping[str, tuple[KeptRow, ...]]
    """Table → its rows by column: parallel executions, sequential runs, runs of the session and its tasks."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """What the limits left out: number of sums that were added to others (``cells``), of rows by table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _DocumentLine:
    """A document as a line of JSON: the sums of a measure stand together, which halves their bytes."""

    v: int
    instance: str
    session: str
    revision: int
    day: int
    rules: str
    counted_by: str
    last: int
    row: KeptRow
    first: int = 0
    """The first slot; slots are counted from it."""
    sums: Mapping[str, tuple[_MeasureCell, ...]] = field(default_factory=dict)
    rows: Mapping[str, tuple[KeptRow, ...]] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)


_PLAIN_FIELDS = tuple(name for name in _DocumentLine.__dataclass_fields__ if name not in {"first", "sums"})

_decode_line = msgspec.json.Decoder(_DocumentLine).decode
_encode_line = msgspec.json.Encoder().encode


def encode_session_document(document: SessionDocument) -> bytes:
    """Return the document as a line of JSON, without its newline."""
    first = min((slot for slot, *_ in document.sums), default=0)
    by_measure: dict[str, dict[tuple[str | int, ...], list[int]]] = {}
    for slot, measure, dims, value in document.sums:
        by_measure.setdefault(measure, {}).setdefault(tuple(dims), []).extend((slot - first, value))
    sums: dict[str, tuple[_MeasureCell, ...]] = {}
    for measure, cells in by_measure.items():
        all_dims = [*cells] if document.v == 1 else _subtract_bins_before(cells)
        sums[measure] = tuple(zip(all_dims, map(tuple, cells.values()), strict=True))
    plain = {name: getattr(document, name) for name in _PLAIN_FIELDS}
    plain["rows"] = {
        table: tuple(map(_drop_number, range(len(rows)), rows)) for table, rows in document.rows.items()
    }
    return _encode_line(_DocumentLine(**plain, first=first, sums=sums))


def decode_session_document(line: bytes) -> SessionDocument:
    """Return the document of a line of JSON; unknown fields are ignored.

    Sums are in the order of the line, those of a measure together. Raises msgspec.DecodeError, or its
    ValidationError, for a line that is not a document.
    """
    return _make_document(_decode_line(line))


def decode_and_clean_document(line: bytes) -> tuple[SessionDocument, bytes]:
    """Return the document of a line, and the line without unknown fields. Raises msgspec.DecodeError.

    It spares the encoding of the document, which takes ten times as long.
    """
    decoded = _decode_line(line)
    return _make_document(decoded), _encode_line(decoded)


def _make_document(decoded: _DocumentLine) -> SessionDocument:
    sums = []
    for measure, cells in decoded.sums.items():
        all_dims = [dims for dims, _ in cells]
        if decoded.v != 1:
            all_dims = _add_bins_before(all_dims)
        for dims, (_, amounts) in zip(all_dims, cells, strict=True):
            if len(amounts) == 2:  # noqa: PLR2004  # most are of a single slot
                sums.append((decoded.first + amounts[0], measure, dims, amounts[1]))
                continue
            if len(amounts) % 2:
                raise msgspec.ValidationError(f"sums of {measure} are no pairs of slot and value")
            pairs = zip(amounts[::2], amounts[1::2], strict=True)
            sums += [(decoded.first + slot, measure, dims, value) for slot, value in pairs]
    plain = {name: getattr(decoded, name) for name in _PLAIN_FIELDS}
    plain["rows"] = {
        table: tuple(_number_row(table, number, row) for number, row in enumerate(rows))
        for table, rows in decoded.rows.items()
    }
    return SessionDocument(**plain, sums=tuple(sums))


def _subtract_bins_before(cells: Iterable[_Dims]) -> list[_Dims]:
    """Return the dimensions of a measure's cells, a bin as its difference from the bin before it.

    Example: ("Bash", 271), ("Bash", 320), ("Read", 5) become ("Bash", 271), ("Bash", 49), ("Read", 5).
    """
    differences: list[_Dims] = []
    names, before = None, 0
    for dims in cells:
        last = dims[-1] if dims else None
        if not isinstance(last, int):
            differences.append(dims)
            continue
        differences.append((*dims[:-1], last - before if dims[:-1] == names else last))
        names, before = dims[:-1], last
    return differences


def _add_bins_before(differences: Iterable[_Dims]) -> list[_Dims]:
    """Return what ``_subtract_bins_before`` was given."""
    cells: list[_Dims] = []
    names, before = None, 0
    for dims in differences:
        last = dims[-1] if dims else None
        if not isinstance(last, int):
            cells.append(dims)
            continue
        before = last + before if dims[:-1] == names else last
        names = dims[:-1]
        cells.append((*names, before))
    return cells


def _drop_number(number: int, row: KeptRow) -> KeptRow:
    """Return a row without the fields that follow from its place among the rows."""
    return {
        name: value
        for name, value in row.items()
        if (name, value) not in {("number", number), ("task", str(number))}
    }


def _number_row(table: str, number: int, row: KeptRow) -> KeptRow:
    if table == TASK_ROWS:
        return {"number": number, "task": str(number), **row}
    return {"number": number, **row}
