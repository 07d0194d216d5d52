"""Print a report as one HTML file: light and dark, charts drawn inside it, nothing fetched from anywhere."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from stretto.reports.chart_layout import HEIGHT, WIDTH, lay_out_chart
from stretto.reports.report_document import Report


def print_html(report: Report) -> str:
    """Return the report as HTML. Each number stands in a ``data`` element with its exact value."""
    return _load_template().render(
        report=report, lay_out=lay_out_chart, chart_width=WIDTH, chart_height=HEIGHT
    )


@cache
def _load_template() -> Template:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")
