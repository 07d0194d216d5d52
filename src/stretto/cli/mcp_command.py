"""``stretto mcp``, and the same server below ``/mcp`` of the service: operations for programs and agents."""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from typing import Any
from urllib.parse import quote

from stretto.cli.ask_operation_command import OperationAsker
from stretto.cli.command_context import CommandContext
from stretto.cli.findings_and_decision_commands import read_state
from stretto.cli.http_client import get_response
from stretto.cli.make_mcp_endpoint_for_service import LISTED, build_known_session, build_sessions_document
from stretto.cli.mcp_extra import require_mcp
from stretto.clock import read_wall_clock
from stretto.findings.findings_snapshot import FindingsState, build_findings_document
from stretto.service.operation_sources_of_a_store import StoreSources
from stretto.state.lock import find_lock_holder
from stretto.store.database import open_reader
from stretto.store.declared_baseline_file import load_declared_baselines
from stretto.store.session_search import SessionQuery, find_sessions
from stretto.version import read_version


def serve_mcp(context: CommandContext, options: argparse.Namespace) -> int:  # noqa: ARG001  # every command takes both
    """Answer a client of the protocol on the standard streams, until it closes them."""
    require_mcp()
    from stretto.mcp.tool_server import ToolSources, make_tool_server  # noqa: PLC0415  # an extra
    from stretto.mcp.transports import serve_standard_streams  # noqa: PLC0415  # an extra

    reader = DocumentReader(context)
    sources = ToolSources(
        ask_operation=OperationAsker(context).ask_operation,
        list_sessions=reader.list_sessions,
        read_session=reader.read_session,
        read_findings=reader.read_findings,
    )
    serve_standard_streams(make_tool_server(sources, read_version()))
    return 0


class DocumentReader:
    """Reads sessions and findings from the running service; without one from the store."""

    def __init__(self, context: CommandContext) -> None:
        self._context = context

    def list_sessions(self) -> dict[str, Any]:
        """Return the latest sessions."""
        document = self._get(f"/api/sessions?limit={LISTED}")
        if document is not None:
            return document
        with closing(open_reader(self._context.config.database)) as connection:
            return build_sessions_document(find_sessions(connection, SessionQuery(limit=LISTED)))

    def read_session(self, id: str) -> dict[str, Any] | None:
        """Return the document of a session; None if it is unknown."""
        document = self._get(f"/api/sessions/{quote(id, safe='')}")
        if document is not None:
            return document
        config = self._context.config
        store = StoreSources(config, read_wall_clock, lambda: load_declared_baselines(config.state))
        return build_known_session(store.summarise(id))

    def read_findings(self) -> dict[str, Any]:
        """Return the findings."""
        document = self._get("/api/findings")
        state: FindingsState | None = None if document else read_state(self._context, run=False)
        return document or build_findings_document(state or FindingsState(read_wall_clock()))

    def _get(self, path: str) -> dict[str, Any] | None:
        """Return the document that a running service answers; None without one, or if it is unknown."""
        holder = find_lock_holder(self._context.config.state)
        if holder is None or holder.address is None:
            return None
        response = get_response(holder.address, path, self._context.config.token)
        if response is None or response[0] != 200:  # noqa: PLR2004  # HTTP: found
            return None
        document: dict[str, Any] = json.loads(response[1])
        return document
