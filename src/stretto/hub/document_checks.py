"""Check the documents that machines ship, before anything of them is stored.

A document that passes can be read by every reader of stores: a fault of one machine must not take a page away
from the others.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from stretto.clock import DAY
from stretto.fleet.names_shipped_unhidden import CLOSED_WORDS
from stretto.fleet.session_document import MOST_BYTES, MOST_CELLS, VERSION, SessionDocument
from stretto.hub.document_row_checks import MOST_AMOUNT, MOST_COUNT, find_row_fault
from stretto.hub.engine import DAYS_KEPT
from stretto.hub.session_entries import SLOTS_PER_DAY
from stretto.names.measures import MEASURES, SCORE_SUM, Dimension, Unit
from stretto.store.database_schema import KEPT_TABLES
from stretto.store.sums_by_time_slot import find_slot_number

FARTHEST_AHEAD = DAY
"""How far (ns) a machine's clock may be ahead of the hub's."""

MOST_ROWS = 5_000
"""Most rows of a document. So many honest rows are more bytes than a document may have."""

HIGHEST_BUCKET = 2_000
"""Buckets of quantile sketches end far below: this is 10**37 ns."""

_LENGTHS_AND_AMOUNTS = frozenset({Unit.NANOSECONDS, Unit.BYTES, Unit.NANO_USD, Unit.MILLIONTHS})
"""Units of sums that may be as large as MOST_AMOUNT; all others are counts."""

MOST_KNOWN_CELLS = 16_384
"""Pairs of measure and dimensions whose check is remembered: the same come with every document of a team."""

_MAY_BE_NEGATIVE = frozenset({SCORE_SUM})
"""The scale of a criterion may begin below 0."""

_LONGEST_NAME = 256
_BITS = 63

_NUL = b"\\u0000"
"""As JSON writes it, also inside of a text of JSON."""


class RefusalReason(StrEnum):
    """Why a document is refused: the values of a label, so a closed set."""

    MALFORMED = "malformed"
    """It is no document."""
    VERSION = "version"
    SIZE = "size"
    NAMES = "names"
    CLOCK = "clock"
    """Times or revision lie in the future, or before what the hub keeps."""
    TEXT = "text"
    SUMS = "sums"
    ROWS = "rows"
    UNSTORABLE = "unstorable"
    """The database does not take it: the hub's log has the cause."""


@dataclass(frozen=True, slots=True)
class DocumentFault:
    """Why a document is refused."""

    reason: RefusalReason
    text: str


def find_document_fault(document: SessionDocument, line: bytes, now: int) -> DocumentFault | None:
    """Return why the document of a line is refused at an instant (ns), or None if it is fine."""
    faults = {
        RefusalReason.VERSION: _find_version_fault(document),
        RefusalReason.SIZE: _find_size_fault(document, line),
        RefusalReason.NAMES: _find_names_fault(document),
        RefusalReason.CLOCK: _find_clock_fault(document, now),
        RefusalReason.TEXT: "a text has a character that databases do not keep" if _NUL in line else None,
    }
    found = next((DocumentFault(reason, text) for reason, text in faults.items() if text), None)
    if found is None and (text := _find_sums_fault(document, now)):
        found = DocumentFault(RefusalReason.SUMS, text)
    if found is None and (text := _find_rows_fault(document, now)):
        found = DocumentFault(RefusalReason.ROWS, text)
    return found


def _find_version_fault(document: SessionDocument) -> str | None:
    if 1 <= document.v <= VERSION:
        return None
    return f"the document is of version {document.v}: this hub reads versions up to {VERSION}"


def _find_size_fault(document: SessionDocument, line: bytes) -> str | None:
    if len(line) > MOST_BYTES:
        return f"the document has {len(line)} bytes, more than {MOST_BYTES}"
    if len(document.sums) > MOST_CELLS:
        return f"the document has {len(document.sums)} sums, more than {MOST_CELLS}"
    if sum(map(len, document.rows.values())) > MOST_ROWS:
        return f"the document has more than {MOST_ROWS} rows"
    return None


def _find_names_fault(document: SessionDocument) -> str | None:
    if all(0 < len(name) <= _LONGEST_NAME for name in (document.instance, document.session)):
        return None
    return f"instance and session need names of 1 to {_LONGEST_NAME} characters"


def _find_clock_fault(document: SessionDocument, now: int) -> str | None:
    numbers = document.revision, document.last, document.day
    faults = {
        "the session ends more than a day ahead of the hub's clock: set the machine's clock": (
            max(document.last, document.day * DAY) > now + FARTHEST_AHEAD
        ),
        "revision, last or day is below 0 or no number of 64 bits": any(
            number < 0 or number >> _BITS for number in numbers
        ),
        "the revision is more than a day ahead of the hub's clock": document.revision > now + FARTHEST_AHEAD,
        f"the session is older than the {DAYS_KEPT} days that the hub keeps": (
            document.day < _find_first_day(now)
        ),
    }
    return next((text for text, is_fault in faults.items() if is_fault), None)


def _find_first_day(now: int) -> int:
    """Return the number of the first UTC day that a hub keeps at an instant (ns)."""
    return now // DAY - DAYS_KEPT


def _find_sums_fault(document: SessionDocument, now: int) -> str | None:
    first_slot = _find_first_day(now) * SLOTS_PER_DAY
    last_slot = find_slot_number(now + FARTHEST_AHEAD)
    totals: Counter[str] = Counter()
    for slot, measure, dims, value in document.sums:
        if not first_slot <= slot <= last_slot:
            return (
                f"a sum of {measure!r} is older than the {DAYS_KEPT} days that the hub keeps,"
                " or more than a day ahead of its clock"
            )
        totals[measure] += abs(value)
        if value < 0 and measure in MEASURES and measure not in _MAY_BE_NEGATIVE:
            return f"a sum of {measure!r} is below 0"
        if fault := _find_dimensions_fault(measure, dims):
            return f"a sum of {measure!r} has {fault}"
    return next(
        (
            f"the sums of {measure!r} reach {most}"
            for measure, total in totals.items()
            if total >= (most := _find_most(measure))
        ),
        None,
    )


def _find_most(measure: str) -> int:
    """Return what the sums of a measure in a document must stay below."""
    known = MEASURES.get(measure)
    return MOST_AMOUNT if known is None or known.unit in _LENGTHS_AND_AMOUNTS else MOST_COUNT


@lru_cache(maxsize=MOST_KNOWN_CELLS)
def _find_dimensions_fault(measure: str, dims: tuple[str | int, ...]) -> str | None:
    """Return what is wrong with the dimensions of a measure; nothing if it is of a newer machine."""
    known = MEASURES.get(measure)
    if known is None:
        return None
    if len(dims) != len(known.dimensions):
        return f"other dimensions than {', '.join(known.dimensions) or 'none'}"
    for dimension, value in zip(known.dimensions, dims, strict=True):
        if isinstance(value, int) != (dimension is Dimension.BUCKET):
            return f"other dimensions than {', '.join(known.dimensions)}"
        if isinstance(value, int):
            if not -1 <= value <= HIGHEST_BUCKET:
                return "a bucket that no sketch has"
        elif dimension in CLOSED_WORDS and value not in CLOSED_WORDS[dimension]:
            return f"a word as {dimension} that this hub does not know"
    return None


def _find_rows_fault(document: SessionDocument, now: int) -> str | None:
    rows = [("sessions", document.row)]
    rows += [(table, row) for table in KEPT_TABLES for row in document.rows.get(table, ())]
    return next(
        (fault for table, row in rows if (fault := find_row_fault(table, row, now + FARTHEST_AHEAD))), None
    )
