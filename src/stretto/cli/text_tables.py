"""Format answers as text tables for a terminal."""

from __future__ import annotations

import shutil
import sys

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table

from stretto.clock import DAY, SECOND
from stretto.config.configuration import Config
from stretto.figures.work_signature import list_signature_task_types
from stretto.format import quantities
from stretto.summaries.baseline_catalog import BaselineCatalog, explain_no_interval

ABSENT = "—"
WIDTH = 150
"""Width of a table in characters in a pipe or a file, where no window decides."""
MOST_WIDTH = 1_000
"""Columns in which every table has room."""
LEAST_WIDTH = 60
"""A table in a narrower window is wrapped by the terminal: folded columns could not be read."""


def has_window() -> bool:
    """Return whether the answer goes to a terminal, so that its width counts."""
    return sys.stdout.isatty()


def find_width() -> int:
    """Return the columns of the terminal that the answer goes to."""
    if not has_window():
        return WIDTH
    return max(LEAST_WIDTH, shutil.get_terminal_size((WIDTH, 0)).columns)


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
        *("provenance", "project", "pattern", "task types", "takes", "95 %", "runs"),
        *("newest", "since", "used by", "name"),
    )
    for baseline in catalog.baselines:
        if baseline.refusal is not None:
            continue
        bounds = None if baseline.estimate is None else baseline.estimate.interval
        interval = (
            explain_no_interval(baseline)
            if bounds is None
            else f"{format_nanoseconds(bounds[0])} – {format_nanoseconds(bounds[1])}"
        )
        table.add_row(
            baseline.provenance.value,
            "any" if baseline.work is None else baseline.work.project or ABSENT,
            baseline.pattern or "any",
            ", ".join(baseline.task_types) + (" (any mix)" if baseline.whole else ""),
            format_nanoseconds(None if baseline.estimate is None else baseline.estimate.mean),
            interval or ABSENT,
            str(baseline.runs or ABSENT),
            ABSENT if baseline.newest is None else f"{format_nanoseconds(now - baseline.newest)}",
            ABSENT if baseline.since is None else f"{format_nanoseconds(now - baseline.since)}",
            str(catalog.count_fanouts(baseline)),
            baseline.name or ABSENT,
        )
    parts = [
        render_text(table)
        if table.row_count
        else "no baseline is known: parallel work is compared with the tasks' own durations"
    ]
    following = (_list_refused(catalog), _list_uses(catalog))
    return "\n\n".join([*parts, *(render_text(rows) for rows in following if rows.row_count)])


def _list_refused(catalog: BaselineCatalog) -> Table:
    """Return the sequential runs that are no baseline, each with the reason."""
    table = make_table("refused", "project", "pattern", "task types", "runs", "because")
    for runs in catalog.baselines:
        if runs.refusal is not None:
            project = None if runs.work is None else runs.work.project
            table.add_row(
                runs.provenance.value,
                project or ABSENT,
                runs.pattern or ABSENT,
                ", ".join(runs.task_types),
                str(runs.runs),
                runs.refusal,
            )
    return table


def _list_uses(catalog: BaselineCatalog) -> Table:
    """Return the parallel executions by what they are compared with, and the runs that nearly matched."""
    table = make_table(
        "parallel executions", "project", "pattern", "task types", "compared with", "not with runs"
    )
    for use in catalog.uses:
        near = "; ".join(
            f"{miss.runs} run(s) of the same tasks are under pattern {miss.pattern}"
            for miss in use.near_misses
        )
        table.add_row(
            str(use.mix.count),
            use.mix.work.project or ABSENT,
            use.mix.pattern,
            ", ".join(list_signature_task_types(use.mix.signature)),
            f"{use.provenance.value} {', '.join(use.names)}".strip(),
            "; ".join(filter(None, (use.refusal, near))) or ABSENT,
        )
    return table


def format_nanoseconds(length: float | None) -> str:
    """Return a duration in nanoseconds as pages write it, e.g. ``1 min 40 s``; from two days on in days."""
    if length is None:
        return ABSENT
    if abs(length) >= 2 * DAY:
        return f"{length / DAY:.3g} d"
    return quantities.format_duration(length / SECOND)


def make_table(*names: str) -> Table:
    """Return an empty table with these columns."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(names):
        # People copy the first column into the next command, so it is never wrapped.
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    return table


def render_text(renderable: RenderableType, width: int | None = None) -> str:
    """Return a renderable as plain text, without colours, as wide as the terminal unless a width is given."""
    console = _make_plain_console(width)
    with console.capture() as capture:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines())


def measure_width(table: Table) -> int:
    """Return the columns that a table takes without a folded cell."""
    return _make_plain_console(MOST_WIDTH).measure(table).maximum


def _make_plain_console(width: int | None) -> Console:
    # Text of others may hold brackets: it must not be read as markup.
    return Console(
        width=width or find_width(),
        no_color=True,
        highlight=False,
        force_terminal=False,
        markup=False,
        emoji=False,
    )
