"""Format answers as text tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table

from stretto.clock import SECOND
from stretto.config.configuration import Config
from stretto.store.queries import SessionRow
from stretto.summaries.baseline_catalog import BaselineCatalog, explain_no_interval

ABSENT = "—"
WIDTH = 150
"""Width of a table in characters, the same in a pipe: answers do not depend on the window."""


def format_sessions(rows: Iterable[SessionRow], now: int) -> str:
    """Return a table of sessions."""
    table = make_table(
        "session", "when", "lasted", "project", "pattern", "turns", "tasks", "calls", "parallel", "outcome"
    )
    for row in rows:
        lasted = (row.end or row.last) - row.start
        table.add_row(
            row.id,
            f"{format_nanoseconds(now - row.last)} ago",
            format_nanoseconds(lasted),
            row.project or ABSENT,
            row.pattern or ABSENT,
            str(row.turns),
            str(row.tasks),
            str(row.tool_calls),
            str(row.fanouts),
            "recording" if row.recording else row.outcome.value,
        )
    if not table.row_count:
        return "no session yet: 'stretto hooks install' connects Claude Code"
    return render_text(table)


def format_config(config: Config) -> str:
    """Return every setting and its origin."""
    table = make_table("setting", "value", "from")
    for setting in config.settings:
        table.add_row(setting.name, ABSENT if setting.value is None else str(setting.value), setting.origin)
    types = make_table("task type", "sequential", "target", "keywords")
    for t in config.task_types.types:
        hours = ABSENT if t.sequential_hours is None else f"{t.sequential_hours:g} h"
        types.add_row(t.name, hours, f"{t.target:.0%}", ", ".join(t.keywords))
    return render_text(table) + "\n" + render_text(types)


def format_baselines(catalog: BaselineCatalog, now: int) -> str:
    """Return the baselines in order of precedence, then the baseline of each kind of parallel work."""
    table = make_table(
        "provenance", "pattern", "task types", "takes", "95 %", "runs", "newest", "used by", "name"
    )
    for baseline in catalog.baselines:
        bounds = baseline.estimate.bounds
        interval = (
            explain_no_interval(baseline)
            if bounds is None
            else f"{format_nanoseconds(bounds[0])} – {format_nanoseconds(bounds[1])}"
        )
        table.add_row(
            baseline.provenance.value,
            baseline.pattern or "any",
            ", ".join(baseline.task_types) + (" (any mix)" if baseline.whole else ""),
            format_nanoseconds(baseline.estimate.mean),
            interval or ABSENT,
            str(baseline.estimate.count or ABSENT),
            ABSENT if baseline.newest is None else f"{format_nanoseconds(now - baseline.newest)}",
            str(catalog.count_fanouts(baseline)),
            baseline.name or ABSENT,
        )
    uses = make_table("parallel executions", "pattern", "task types", "compared with")
    for use in catalog.uses:
        baseline_text = f"{use.provenance.value} {', '.join(use.names)}".strip()
        uses.add_row(
            str(use.mix.count), use.mix.pattern, ", ".join(use.mix.signature.split(",")), baseline_text
        )
    parts = [
        render_text(table)
        if catalog.baselines
        else "no baseline is known: parallel work is compared with the tasks' own durations"
    ]
    return "\n\n".join([*parts, *([render_text(uses)] if catalog.uses else [])])


def format_nanoseconds(length: float | None) -> str:
    """Return a duration in nanoseconds to three digits in its largest unit, e.g. ``1.5 h``."""
    if length is None:
        return ABSENT
    seconds = length / SECOND
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s" if abs(seconds) >= 1 else f"{seconds * 1000:.0f} ms"


def make_table(*names: str) -> Table:
    """Return an empty table with these columns."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(names):
        # People copy the first column into the next command, so it is never wrapped.
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    return table


def render_text(renderable: RenderableType) -> str:
    """Return a renderable as plain text, without colours."""
    # Text of others may hold brackets: it must not be read as markup.
    console = Console(
        width=WIDTH, no_color=True, highlight=False, force_terminal=False, markup=False, emoji=False
    )
    with console.capture() as capture:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines())
