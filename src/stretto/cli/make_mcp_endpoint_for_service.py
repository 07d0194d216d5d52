"""The operations for programs and agents below ``/mcp`` of the service, as ``stretto mcp`` has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stretto.cli.mcp_extra import require_mcp
from stretto.findings.findings_snapshot import build_findings_document
from stretto.store.session_search import SessionPage, SessionQuery
from stretto.summaries.session_json import build_row_document, build_session_document
from stretto.summaries.session_summary import SessionSummary
from stretto.version import read_version

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from stretto.operations.operation_runner import OperationRunner
    from stretto.service.service import Service

LISTED = 25
"""Sessions that are listed as resources."""


def make_mcp_endpoint(runner: OperationRunner, service: Service) -> Callable[[], ASGIApp]:
    """Return what makes the application below ``/mcp``; it raises UsageError without the extra."""

    def make_endpoint() -> ASGIApp:
        require_mcp()
        from stretto.mcp.tool_server import ToolSources, make_tool_server  # noqa: PLC0415  # an extra
        from stretto.mcp.transports import StatelessHttpEndpoint  # noqa: PLC0415  # an extra

        sources = ToolSources(
            ask_operation=runner.run_operation,
            list_sessions=lambda: build_sessions_document(
                service.answers.find_sessions(SessionQuery(limit=LISTED))
            ),
            read_session=lambda session: build_known_session(service.answers.summarise_session(session)),
            read_findings=lambda: build_findings_document(service.get_findings()),
        )
        return StatelessHttpEndpoint(make_tool_server(sources, read_version()))

    return make_endpoint


def build_sessions_document(page: SessionPage) -> dict[str, Any]:
    """Return a page of sessions as ``/api/sessions`` does."""
    return {"sessions": [build_row_document(row) for row in page.rows], "next": page.next}


def build_known_session(summary: SessionSummary | None) -> dict[str, Any] | None:
    """Return the document of a session; None if it is unknown."""
    return None if summary is None else build_session_document(summary)
