"""The document of a report: sentences, tables, charts and lists, each number with its text and its series.

Every printer shows this document and nothing else. A number stands beside the text that people read, so that
no printer formats anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from stretto.errors import StoreError

MISSING = "–"
"""The text of a value that is not known; the reason stands beside it."""


@dataclass(frozen=True, slots=True)
class ReportCell:
    """A value of a table: its text, and the number behind it if it is one."""

    text: str
    value: float | None = None
    unit: str = ""
    """Unit of the value: ``s``, ``1``, ``By``, ``USD``, ``unixtime``."""
    series: str | None = None
    """The name of the series on ``/metrics`` that has this value at the end of the period."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The labels of that series, without ``window``."""
    reason: str | None = None
    """Why there is no value."""
    tone: str = ""
    """``good`` or ``bad`` if the value is judged."""


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table; the first cell of each row names it."""

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[ReportCell, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class ReportBar:
    """A column of a chart."""

    label: str
    value: float | None
    text: str


@dataclass(frozen=True, slots=True)
class ReportChart:
    """A chart of columns over time."""

    key: str
    title: str
    unit: str
    bars: tuple[ReportBar, ...]


@dataclass(frozen=True, slots=True)
class ReportSection:
    """A part of a report with a title."""

    key: str
    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[ReportTable, ...] = ()
    charts: tuple[ReportChart, ...] = ()
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A report; times are RFC 3339 in UTC."""

    id: str
    kind: str
    title: str
    start: str
    end: str
    zone: str
    about: str
    """The bounds of the period in local time, as a sentence."""
    made: str
    version: str
    state: tuple[str, ...]
    """How things stand, in three sentences for a reader who knows nothing of the tool."""
    sections: tuple[ReportSection, ...]
    is_quiet: bool = False
    """Whether nothing ran in the period."""
    window: str | None = None
    """The window of ``/metrics`` whose series the cells name, if there is one."""
    sessions_ended: int | None = None
    """Sessions that ended in the period, as far as the store knew them."""
    tasks_begun: int | None = None
    """Tasks of finished sessions that began in the period, likewise."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Report).decode


def encode_report(report: Report) -> bytes:
    """Return a report as JSON."""
    return _encode(report)


def decode_report(text: bytes, where: str) -> Report:
    """Return the report of a JSON text. Raises StoreError, which names ``where`` it came from."""
    try:
        return _decode(text)
    except msgspec.DecodeError as error:
        raise StoreError(
            "the report cannot be read",
            where=where,
            cause=str(error),
            hint="'stretto report PERIOD' makes it again from the store",
        ) from error
