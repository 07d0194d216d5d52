"""Reports over HTTP: the list as page and JSON, and each kept report as HTML, Markdown and JSON."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from stretto.reports.html_report import print_html
from stretto.reports.markdown_report import print_markdown
from stretto.reports.report_document import Report, encode_report
from stretto.web import responses
from stretto.web.backend import Backend

PATH = "/api/reports"
PAGE = "/reports"


_POLICY = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )
}
"""The policy of a report, in place of that of every page: its style is inside it, and it fetches nothing."""


class ReportRoutes:
    """The routes of reports for programs, and the reports themselves."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def list_routes(self) -> list[Route]:
        """Return the routes for programs."""
        return [Route(PATH, self.list_reports), Route(f"{PATH}/{{id}}", self.get_report)]

    def list_page_routes(self) -> list[Route]:
        """Return the route of the reports themselves; their list is a page beside the others."""
        return [Route(f"{PAGE}/{{id}}", self.show_report)]

    def list_reports(self, _: Request) -> Response:
        """Answer the kept reports, each with its state."""
        return responses.build_json({"reports": [_build_entry(report) for report in self._backend.reports()]})

    def get_report(self, request: Request) -> Response:
        """Answer a report as JSON."""
        report = self._backend.report(request.path_params["id"])
        return _refuse(request) if report is None else _answer_json(report)

    def show_report(self, request: Request) -> Response:
        """Answer a report as HTML; ``.md`` and ``.json`` at the end of its address ask for those."""
        id, _, suffix = request.path_params["id"].partition(".")
        report = self._backend.report(id)
        if report is None or suffix not in {"", "html", "md", "json"}:
            return _refuse(request)
        if suffix == "md":
            return PlainTextResponse(print_markdown(report), media_type="text/markdown")
        return _answer_json(report) if suffix == "json" else HTMLResponse(print_html(report), headers=_POLICY)


def _answer_json(report: Report) -> Response:
    return Response(encode_report(report), media_type="application/json")


def _refuse(request: Request) -> Response:
    hint = f"{PATH} lists the reports; 'stretto report PERIOD' makes any other"
    return responses.build_error(request.url.path, 404, "there is no such report", hint)


def _build_entry(report: Report) -> dict[str, Any]:
    return {
        "id": report.id,
        "kind": report.kind,
        "title": report.title,
        "start": report.start,
        "end": report.end,
        "made": report.made,
        "state": report.state,
        "is_quiet": report.is_quiet,
    }
