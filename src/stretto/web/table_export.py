"""Take the tables of a page along: as CSV, as JSON, or as Markdown, with the values that the page shows.

The tables are read from the page itself, so that no table can be forgotten and none differs from it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

import msgspec

from stretto.reports.markdown_report import escape_markdown
from stretto.summaries.run_tables import neutralise_formula

_VOID = frozenset({"meta", "link", "rect", "line", "img", "br", "input", "wbr", "hr"})
_CELLS = frozenset({"td", "th"})
ABSENT = "—"
"""The text of a cell whose value is not known."""


@dataclass(slots=True)
class PageTable:
    """A table: its headings, and the text of each cell; None if its value is not known."""

    headings: list[str] = field(default_factory=list)
    rows: list[list[str | None]] = field(default_factory=list)


class _TableReader(HTMLParser):
    """Reads tables. Times are RFC 3339, counts are written out, definitions and pictures are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[PageTable] = []
        self._open: list[tuple[str, str | None]] = []
        """The open elements inside a table, each with the text that stands for its content, if any."""
        self._row: list[str | None] | None = None
        self._cell: list[str] = []
        self._is_absent = False
        self._span = 1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "table":
            self.tables.append(PageTable())
        if not self.tables or tag in _VOID:
            return
        classes = (given.get("class") or "").split()
        instead: str | None = None
        if tag in _CELLS:
            self._cell, self._is_absent, self._span = [], False, int(given.get("colspan") or 1)
        elif "absent" in classes:
            self._is_absent = True
        elif "popover" in given or "date" in classes or "aria-hidden" in given or tag == "svg":
            instead = ""
        elif tag == "time":
            instead = given.get("datetime") or ""
        elif tag == "span" and (given.get("title") or "").isdigit():
            instead = given["title"]
        self._open.append((tag, instead))
        if instead and self._replacements() == 1:
            self._cell.append(instead)
        if tag == "tr":
            self._row = []

    def handle_endtag(self, tag: str) -> None:
        if not self.tables or tag in _VOID:
            return
        while self._open and self._open.pop()[0] != tag:
            pass
        if tag in _CELLS and self._row is not None:
            text = " ".join("".join(self._cell).split())
            self._row += [None if self._is_absent else text, *[None] * (self._span - 1)]
        elif tag == "tr" and self._row is not None:
            table = self.tables[-1]
            if table.headings or any(name == "tbody" for name, _ in self._open):
                table.rows.append(self._row)
            else:
                # A heading that sorts has a button beside it that opens its definition.
                table.headings = [(text or "").removesuffix(" ?") for text in self._row]
            self._row = None

    def handle_data(self, data: str) -> None:
        if self._row is not None and not self._replacements():
            self._cell.append(data)

    def _replacements(self) -> int:
        return sum(instead is not None for _, instead in self._open)


def read_tables(html: str) -> list[PageTable]:
    """Return the tables of a page, in its order."""
    reader = _TableReader()
    reader.feed(html)
    reader.close()
    return reader.tables


def to_csv(table: PageTable) -> str:
    """Return a table as CSV with a header; an unknown value is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.headings)
    writer.writerows([neutralise_formula(cell) for cell in row] for row in table.rows)
    return text.getvalue()


def to_json(table: PageTable) -> bytes:
    """Return a table as a JSON array of objects by heading; an unknown value is null."""
    return msgspec.json.encode([dict(zip(table.headings, row, strict=False)) for row in table.rows])


def to_markdown(table: PageTable) -> str:
    """Return a table as Markdown; an unknown value is a dash."""
    lines = [_join_cells(table.headings), f"| {' | '.join('---' for _ in table.headings)} |"]
    lines += [_join_cells([ABSENT if cell is None else cell for cell in row]) for row in table.rows]
    return "".join(f"{line}\n" for line in lines)


def _join_cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(escape_markdown, cells))} |"
