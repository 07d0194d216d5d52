"""Print a report as Markdown: whole, or as a summary for a chat."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stretto.reports.report_document import Report, ReportCell, ReportSection, ReportTable
from stretto.reports.report_parts import ReportPart

_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~])")

SUMMARY_ITEMS = 3
"""Most changes and most recommendations in a summary."""


def print_markdown(report: Report) -> str:
    """Return the whole report as Markdown with tables, as GitHub reads it."""
    lines = [
        f"# {escape_markdown(report.title)}",
        "",
        escape_markdown(report.about),
        "",
        *_separate(report.state),
    ]
    for section in report.sections:
        lines += _list_section(section)
    return "\n".join(lines).rstrip() + "\n"


def print_summary(report: Report, address: str | None = None) -> str:
    """Return a few lines for a chat: the state, the judged targets, and what changed and what to do first.

    ``address`` is the page of the report.
    """
    lines = [f"*{escape_markdown(report.title)}*", *map(escape_markdown, report.state)]
    by_key = {section.key: section for section in report.sections}
    targets = by_key.get(ReportPart.TARGETS)
    for table in targets.tables if targets else ():
        lines += [
            f"- {escape_markdown(f'{title.text}: {actual.text}')}, {state.text}"
            f" (target {escape_markdown(target.text)})"
            for title, target, actual, _, state, _ in table.rows
            if state.tone
        ]
    for key in (ReportPart.CHANGES, ReportPart.RECOMMENDATIONS):
        if key in by_key:
            lines += [f"- {escape_markdown(item)}" for item in by_key[key].items[:SUMMARY_ITEMS]]
    if address:
        lines.append(address)
    return "\n".join(lines)


def _list_section(section: ReportSection) -> Iterator[str]:
    yield from (f"## {escape_markdown(section.title)}", "")
    yield from _separate(section.sentences)
    if section.items:
        yield from (f"- {escape_markdown(item)}" for item in section.items)
        yield ""
    for table in section.tables:
        yield from _list_table(table, is_alone=table.title == section.title)
    for chart in section.charts:
        shown = [bar for bar in chart.bars if bar.value]
        if shown:
            yield from (f"### {escape_markdown(chart.title)}", "")
            yield from (f"- {escape_markdown(bar.label)}: {escape_markdown(bar.text)}" for bar in shown)
            yield ""


def _list_table(table: ReportTable, *, is_alone: bool) -> Iterator[str]:
    if not is_alone:
        yield from (f"### {escape_markdown(table.title)}", "")
    yield f"| {' | '.join(map(escape_markdown, table.columns))} |"
    yield f"| {' | '.join('---' for _ in table.columns)} |"
    yield from (f"| {' | '.join(_escape_cell(cell) for cell in row)} |" for row in table.rows)
    yield ""
    if table.note:
        yield from (escape_markdown(table.note), "")


def _separate(sentences: tuple[str, ...]) -> Iterator[str]:
    for sentence in sentences:
        yield from (escape_markdown(sentence), "")


def _escape_cell(cell: ReportCell) -> str:
    return f"**{escape_markdown(cell.text)}**" if cell.tone else escape_markdown(cell.text)


def escape_markdown(text: str) -> str:
    """Return text from outside as plain text: no mark steers, no line breaks a table."""
    return _MARKS.sub(r"\\\1", " ".join(text.split("\n")))
