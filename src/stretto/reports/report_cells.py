"""Make the cells of a report from figures: a figure's text, its value, its series, or why it is absent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from stretto.figures.figure import Figure
from stretto.format.quantities import (
    MINUS,
    SPACE,
    format_count,
    format_dollars,
    format_duration,
    format_figure,
    format_number,
    format_percent,
)
from stretto.names import METRICS, PREFIX, Label
from stretto.reports.report_document import MISSING, ReportCell, ReportTable

NOT_SEEN = "nothing of this kind was seen"

MOST_ROWS = 12
"""Rows of a table by name; the largest are shown."""


@dataclass(frozen=True, slots=True)
class LabelledFigures:
    """The figures of a period, found by name and labels; the label ``window`` is left out."""

    by_name: Mapping[str, Mapping[tuple[tuple[str, str], ...], Figure]]

    def find(self, name: str, **labels: str) -> Figure | None:
        """Return a figure, named without prefix, or None if there is none."""
        return self.by_name.get(PREFIX + name, {}).get(tuple(sorted(labels.items())))

    def list_all(self, name: str) -> Iterator[tuple[Mapping[str, str], Figure]]:
        """Yield the labels and the figure of each series of a name."""
        for labels, figure in self.by_name.get(PREFIX + name, {}).items():
            yield dict(labels), figure

    def sum_up(self, name: str, **wanted: str) -> float | None:
        """Return the sum over the series with the wanted labels; None if none has a value."""
        values = [
            figure.value
            for labels, figure in self.list_all(name)
            if figure.value is not None and wanted.items() <= labels.items()
        ]
        return sum(values) if values else None

    def find_headline(self, name: str) -> Figure | None:
        """Return a figure of the headline, whatever its baseline."""
        return next((figure for _, figure in self.list_all(name)), None)

    def list_values(self, name: str, label: str) -> list[str]:
        """Return the values that a label has among the series of a name."""
        return sorted({labels[label] for labels, _ in self.list_all(name)})


def index_figures(figures: Iterable[Figure]) -> LabelledFigures:
    """Return the table of some figures."""
    by_name: dict[str, dict[tuple[tuple[str, str], ...], Figure]] = {}
    for figure in figures:
        labels = tuple(sorted(pair for pair in figure.labels if pair[0] != Label.WINDOW))
        by_name.setdefault(figure.name, {})[labels] = figure
    return LabelledFigures(by_name)


def make_cell(figure: Figure | None, tone: str = "") -> ReportCell:
    """Return the cell of a figure; one that is absent, or has a range only, says so."""
    if figure is None:
        return ReportCell(MISSING, reason=NOT_SEEN)
    name = figure.name.removeprefix(PREFIX)
    unit = METRICS[figure.name].unit
    labels = {key: value for key, value in figure.labels if key != Label.WINDOW}
    if figure.value is None:
        text = MISSING
        if figure.low is not None and figure.high is not None:
            text = f"{format_number(figure.low)} to {format_number(figure.high)}"
        return ReportCell(text, None, unit, figure.name, labels, figure.reason or NOT_SEEN)
    text = format_figure(name, unit, figure.value)
    if figure.coverage is not None and figure.coverage < 1:
        text = f"at least {text}"
    return ReportCell(text, figure.value, unit, figure.name, labels, tone=tone)


def make_count_cell(count: float | None, reason: str = NOT_SEEN) -> ReportCell:
    """Return the cell of a count that is no single series."""
    if count is None:
        return ReportCell(MISSING, reason=reason)
    return ReportCell(format_count(round(count)), count, "1")


def make_ratio_cell(part: float | None, whole: float | None, reason: str = NOT_SEEN) -> ReportCell:
    """Return the cell of a share; absent unless the whole is positive."""
    if not whole:
        return ReportCell(MISSING, reason=reason)
    return ReportCell(format_percent((part or 0.0) / whole), (part or 0.0) / whole, "1")


def make_amount_cell(value: float | None, unit: str, reason: str = NOT_SEEN) -> ReportCell:
    """Return the cell of seconds (``s``) or dollars (``USD``) that are no single series."""
    if value is None:
        return ReportCell(MISSING, reason=reason)
    text = format_dollars(value) if unit == "USD" else format_duration(value)
    return ReportCell(text, value, unit)


def make_change_cell(now: ReportCell, before: ReportCell) -> ReportCell:
    """Return the difference of two values as a cell, or why there is none."""
    if now.value is None or before.value is None:
        return ReportCell(MISSING, reason="not known for both periods")
    difference = now.value - before.value
    if difference == 0:
        return ReportCell("as before", 0.0, now.unit)
    sign, amount = ("+" if difference > 0 else MINUS), abs(difference)
    if now.unit == "s":
        text = format_duration(amount)
    elif now.unit == "USD":
        text = format_dollars(amount)
    elif now.text.endswith("%"):
        text = f"{format_number(amount * 100)}{SPACE}points"
    elif now.text.endswith("×"):
        text = f"{format_number(amount)}×"
    else:
        text = format_count(round(amount)) if amount == round(amount) else format_number(amount)
    return ReportCell(sign + text, difference, now.unit)


def make_comparison_table(
    key: str, title: str, word: str, rows: Iterable[tuple[str, ReportCell, ReportCell]]
) -> ReportTable:
    """Return a table of figures: now, in the period before, and the difference.

    ``word`` names the kind of period; rows are (title, now, before).
    """
    return ReportTable(
        key,
        title,
        ("", f"this {word}", f"the {word} before", "change"),
        tuple(
            (ReportCell(name), now, replace(before, series=None, labels={}), make_change_cell(now, before))
            for name, now, before in rows
        ),
        "Changes of totals are no verdict: what really got better or worse stands under “What changed”.",
    )
