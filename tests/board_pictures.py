"""Draw a dashboard from answers of a Prometheus, roughly as Grafana lays it out, to look at it by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import shorten, wrap
from typing import Any

from grafana.board.board import COLUMNS, Board, build_document
from grafana.board.boards import BOARDS
from grafana.board.panel import Kind, Panel, Unit
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stretto.format import quantities

Series = Sequence[Mapping[str, Any]]
Ask = Callable[[str], Series]
"""A query → its series, of now or of a range."""

INCH_PER_COLUMN, INCH_PER_ROW = 0.62, 0.42
DAYS, DAY_SECONDS = 30, 86_400
MOST_LINES, MOST_ROWS, MOST_BARS = 10, 8, 8
_GREY, _COLOUR = "#777777", "#0f766e"
_SIZE = 7


def draw_board(board: Board, path: Path, *, ask_now: Ask, ask_range: Ask) -> None:
    """Write a PNG of a board: each panel at its place, with its title and its answer, or that it has none."""
    places = {
        panel["title"]: panel["gridPos"]
        for panel in build_document(board, BOARDS)["panels"]
        if panel["type"] != "row"
    }
    height = max(at["y"] + at["h"] for at in places.values())
    figure = Figure(figsize=(COLUMNS * INCH_PER_COLUMN, height * INCH_PER_ROW))
    FigureCanvasAgg(figure)
    for panel in board.panels:
        at = places[panel.title]
        # Room for the numbers or names on the left of a chart.
        left = 1.6 if panel.kind in {Kind.LINES, Kind.BARS} else 0.5
        axes = figure.add_axes(
            (
                (at["x"] + left) / COLUMNS,
                1 - (at["y"] + at["h"] - 0.55) / height,
                (at["w"] - left - 0.5) / COLUMNS,
                (at["h"] - 1.5) / height,
            )
        )
        axes.set_title(panel.title, fontsize=_SIZE + 1, loc="left", fontweight="bold")
        axes.tick_params(labelsize=_SIZE - 1, length=2)
        _DRAW[panel.kind](axes, panel, ask_range if panel.kind in {Kind.LINES, Kind.STATES} else ask_now)
    figure.savefig(path, dpi=100)


def _draw_numbers(axes: Axes, panel: Panel, ask: Ask) -> None:
    parts = []
    for query in panel.queries:
        for series in ask(query.expr)[:4]:
            value = float(series["value"][1])
            state = panel.states.get(int(value))
            text = state.text if state else _format_value(value, panel.unit)
            name = _name_series(query.legend, series)
            parts.append(name if panel.shows_name else f"{text}  {name}".strip())
    _write(axes, "\n".join(parts) or panel.absent, large=len(parts) == 1)


def _draw_lines(axes: Axes, panel: Panel, ask: Ask) -> None:
    count, end = 0, time.time()
    for query in panel.queries:
        for series in ask(query.expr)[:MOST_LINES]:
            days = [(float(at) - end) / DAY_SECONDS for at, _ in series["values"]]
            values = [float(value) for _, value in series["values"]]
            name = shorten(_name_series(query.legend, series), 24)
            axes.plot(
                days, values, "--" if query.colour else "-", linewidth=1,
                label=name or None, color=_GREY if query.colour else None,
            )  # fmt: skip
            count += 1
    if not count:
        _write(axes, panel.absent)
        return
    axes.set_xlim(-DAYS, 0)
    axes.set_xticks([-28, -21, -14, -7, 0], ["4 weeks ago", "3 weeks", "2 weeks", "a week ago", "now"])
    axes.yaxis.set_major_formatter(lambda value, _: _format_value(value, panel.unit))
    axes.grid(visible=True, linewidth=0.3)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=_SIZE - 2, loc="best", frameon=False)


def _draw_bars(axes: Axes, panel: Panel, ask: Ask) -> None:
    bars = [
        (_name_series(query.legend, series), float(series["value"][1]))
        for query in panel.queries
        for series in ask(query.expr)
    ]
    bars = sorted(bars, key=lambda bar: bar[1])[-MOST_BARS:]
    if not bars:
        _write(axes, panel.absent)
        return
    drawn = axes.barh([shorten(name, 24) for name, _ in bars], [value for _, value in bars], color=_COLOUR)
    axes.bar_label(
        drawn, [_format_value(value, panel.unit) for _, value in bars], fontsize=_SIZE - 1, padding=2
    )
    axes.set_xticks([])
    axes.margins(x=0.25)


def _draw_states(axes: Axes, panel: Panel, ask: Ask) -> None:
    names = [_name_series(query.legend, series) for query in panel.queries for series in ask(query.expr)]
    _write(axes, "\n".join(names[:MOST_ROWS]) or panel.absent)


def _draw_table(axes: Axes, panel: Panel, ask: Ask) -> None:
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for column in panel.columns:
        for series in ask(column.expr):
            key = tuple(str(series["metric"].get(str(label), "")) for label in panel.keys)
            rows.setdefault(key, {})[column.title] = _format_value(float(series["value"][1]), column.unit)
    if not rows:
        _write(axes, panel.absent)
        return
    axes.axis("off")
    titles = [*panel.keys.values(), *(column.title for column in panel.columns)]
    cells = [
        [shorten(part, 20) for part in key] + [values.get(column.title, "–") for column in panel.columns]
        for key, values in list(rows.items())[:MOST_ROWS]
    ]
    heads = ["\n".join(wrap(title, 12)) for title in titles]
    table = axes.table(cells, colLabels=heads, loc="upper left", cellLoc="left", edges="horizontal")
    table.auto_set_font_size(False)
    table.set_fontsize(_SIZE - 1)


_DRAW: Mapping[Kind, Callable[[Axes, Panel, Ask], None]] = {
    Kind.STAT: _draw_numbers,
    Kind.LINES: _draw_lines,
    Kind.BARS: _draw_bars,
    Kind.STATES: _draw_states,
    Kind.TABLE: _draw_table,
}


def _write(axes: Axes, text: str, *, large: bool = False) -> None:
    axes.axis("off")
    axes.text(0, 0.5, text, fontsize=2 * _SIZE if large else _SIZE + 1, va="center", color=_COLOUR)


def _name_series(legend: str, series: Mapping[str, Any]) -> str:
    """Return a legend with the values of its labels."""
    for label, value in series["metric"].items():
        legend = legend.replace(f"{{{{{label}}}}}", str(value))
    return legend


def _format_value(value: float, unit: Unit) -> str:
    match unit:
        case Unit.RATIO:
            return f"{100 * value:.0f} %"
        case Unit.SECONDS:
            return (
                quantities.format_duration(value) if value >= 0 else f"-{quantities.format_duration(-value)}"
            )
        case Unit.MONEY:
            return f"${value:.4g}"
        case Unit.BYTES:
            return quantities.format_bytes(value)
        case Unit.TIMES:
            return f"{value:.2f}×"
        case _:
            return f"{value:.4g}"
