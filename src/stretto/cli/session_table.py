"""The table of sessions, with as many columns as the terminal has room for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.table import Table

from stretto.cli.text_tables import (
    ABSENT,
    find_width,
    format_nanoseconds,
    has_window,
    measure_width,
    render_text,
)
from stretto.findings.look_up_findings_about_sessions import SessionFinding
from stretto.format import quantities
from stretto.store.session_queries import SessionRow
from stretto.summaries.session_json import name_session

COLUMNS = (
    "session", "id", "ago", "lasted", "speed-up", "delivered", "cost", "calls", "parallel", "outcome",
    "held up by",
)  # fmt: skip

LEFT_OUT = ("calls", "parallel", "cost", "lasted", "delivered", "held up by", "speed-up", "outcome", "ago")
"""The columns that a narrow terminal lacks, in this order; the title and the id are always there."""

MOST_OF_CAUSE = 28
"""Most characters in a line of what held a session up: a longer one is folded."""


def format_session_table(
    rows: Iterable[SessionRow],
    now: int,
    findings: Mapping[str, SessionFinding],
    short_ids: Mapping[str, str],
) -> str:
    """Return a table of sessions; ``findings`` and ``short_ids`` are by id."""
    cells = [_list_cells(row, now, findings.get(row.id), short_ids[row.id]) for row in rows]
    if not cells:
        return "no session yet: 'stretto hooks install' connects Claude Code"
    table, omitted = _make_table(cells, ()), 0
    if not has_window():
        return render_text(table, measure_width(table))
    while measure_width(table) > find_width() and omitted < len(LEFT_OUT):
        omitted += 1
        table = _make_table(cells, LEFT_OUT[:omitted])
    note = f"\n\nnot shown in {find_width()} columns: {', '.join(LEFT_OUT[:omitted])}" if omitted else ""
    return render_text(table) + note


def _make_table(cells: Sequence[Sequence[str]], omitted: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    places = [place for place, column in enumerate(COLUMNS) if column not in omitted]
    for place in places:
        column = COLUMNS[place]
        table.add_column(
            column,
            overflow="fold",
            # People copy the id into the next command.
            no_wrap=column not in {"session", "held up by"},
            max_width=MOST_OF_CAUSE if column == "held up by" else None,
        )
    for row in cells:
        table.add_row(*(row[place] for place in places))
    return table


def _list_cells(row: SessionRow, now: int, finding: SessionFinding | None, short_id: str) -> list[str]:
    """Return the cells of a session, in the order of ``COLUMNS``."""
    return [
        name_session(row),
        short_id,
        format_nanoseconds(now - row.last),
        format_nanoseconds((row.end or row.last) - row.start),
        ABSENT if row.speedup is None else quantities.format_speedup(row.speedup),
        f"{row.delivered} of {row.tasks}" if row.tasks else ABSENT,
        ABSENT
        if row.dollars is None
        else ("≥ " if row.is_cost_lower_bound else "") + quantities.format_dollars(row.dollars),
        f"≥ {row.tool_calls}" if row.has_more_calls else str(row.tool_calls),
        str(row.fanouts),
        "recording" if row.recording else row.outcome.value,
        ABSENT if finding is None or finding.short is None else finding.short,
    ]
