"""Make the server: each operation is a tool, sessions and findings are resources."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, unquote

import anyio.to_thread
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from stretto.format import rfc3339
from stretto.operations.envelope import SUCCESS
from stretto.operations.operation import Operation
from stretto.operations.operation_table import OPERATIONS

NAME = "stretto"
SESSIONS = "stretto://sessions"
FINDINGS = "stretto://findings"
SESSION_TEMPLATE = f"{SESSIONS}/{{id}}"
JSON = "application/json"

INSTRUCTIONS = (
    "Stretto measures parallel agent work on this machine. Ask capacity-planning how many agents at once pay,"
    " monitor what runs now and what is overdue, execution-analysis with a session what it cost and where its"
    " time went, recommendations what to do first. A null value stands beside the reason in 'absent': report"
    " the reason, never an estimate. An error names fallback_options that answer."
)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ToolSources:
    """The functions behind tools and resources. Several threads may call each at once."""

    ask_operation: Callable[[str, str | None, object, int | None], dict[str, Any]]
    """(operation, workflow, options, instant) → envelope."""
    list_sessions: Callable[[], dict[str, Any]]
    """Returns the latest sessions, as ``/api/sessions`` does."""
    read_session: Callable[[str], dict[str, Any] | None]
    """A session's id → its document, or None if it is unknown."""
    read_findings: Callable[[], dict[str, Any]]
    """Returns the findings, as ``/api/findings`` does."""


def make_tool_server(sources: ToolSources, version: str) -> Server[Any]:
    """Return the server; it is run by a transport."""
    handlers = _Handlers(sources)
    return Server(
        NAME,
        version=version,
        title="Stretto",
        description="How much time parallel agents save, what they cost, and where time is lost.",
        instructions=INSTRUCTIONS,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_resource_templates,
        on_read_resource=handlers.read_resource,
    )


def describe_tool(operation: Operation) -> types.Tool:
    """Return an operation as a tool."""
    return types.Tool(
        name=operation.name,
        title=operation.name.replace("-", " ").capitalize(),
        description=f"{operation.help[0].upper()}{operation.help[1:]}. Least data: {operation.least}.",
        input_schema={
            "type": "object",
            "properties": {
                "workflow": {
                    "type": "string",
                    "description": "a session's id or its beginning, 'last', or a pattern; without it all",
                },
                "options": operation.to_options_schema(),
                "at": {
                    "type": "string",
                    "format": "date-time",
                    "description": "as it was known then, such as 2026-11-20T16:00:00Z; now without it",
                },
            },
            "additionalProperties": False,
        },
        annotations=types.ToolAnnotations(read_only_hint=True, open_world_hint=False),
    )


class _Handlers:
    """The handlers of requests. Those that read the store run in threads."""

    def __init__(self, sources: ToolSources) -> None:
        self._sources = sources

    async def list_tools(
        self, context: ServerRequestContext[Any], parameters: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        del context, parameters
        return types.ListToolsResult(tools=[describe_tool(operation) for operation in OPERATIONS.values()])

    async def call_tool(
        self, context: ServerRequestContext[Any], parameters: types.CallToolRequestParams
    ) -> types.CallToolResult:
        del context
        arguments = parameters.arguments or {}
        if parameters.name not in OPERATIONS:
            raise MCPError(types.INVALID_PARAMS, f"there is no tool {parameters.name!r}")
        unknown = sorted(arguments.keys() - {"workflow", "options", "at"})
        if unknown:
            raise MCPError(types.INVALID_PARAMS, f"{unknown[0]!r} is no argument; options stand in 'options'")
        workflow, at = arguments.get("workflow"), _read_instant(arguments.get("at"))
        if workflow is not None and not isinstance(workflow, str):
            raise MCPError(types.INVALID_PARAMS, "workflow must be a text")
        envelope = await _run_in_thread(
            lambda: self._sources.ask_operation(parameters.name, workflow, arguments.get("options", {}), at)
        )
        text = types.TextContent(text=json.dumps(envelope, ensure_ascii=False))
        return types.CallToolResult(
            content=[text], structured_content=envelope, is_error=envelope["status"] != SUCCESS
        )

    async def list_resources(
        self, context: ServerRequestContext[Any], parameters: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        del context, parameters
        sessions = (await _run_in_thread(self._sources.list_sessions))["sessions"]
        resources = [
            types.Resource(
                uri=SESSIONS,
                name="sessions",
                description="the latest sessions with their figures",
                mime_type=JSON,
            ),
            types.Resource(
                uri=FINDINGS, name="findings", description="what changed, why, and what to do", mime_type=JSON
            ),
        ]
        resources += [
            types.Resource(uri=name_session_resource(each["id"]), name=each["title"], mime_type=JSON)
            for each in sessions
        ]
        return types.ListResourcesResult(resources=resources)

    async def list_resource_templates(
        self, context: ServerRequestContext[Any], parameters: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        del context, parameters
        template = types.ResourceTemplate(
            uri_template=SESSION_TEMPLATE,
            name="session",
            description="a session with its tasks, parallel executions, critical path and cost",
            mime_type=JSON,
        )
        return types.ListResourceTemplatesResult(resource_templates=[template])

    async def read_resource(
        self, context: ServerRequestContext[Any], parameters: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        del context
        document = await _run_in_thread(lambda: self._read_document(parameters.uri))
        if document is None:
            raise MCPError(types.INVALID_PARAMS, f"there is no resource {parameters.uri!r}")
        text = json.dumps(document, ensure_ascii=False)
        contents = types.TextResourceContents(uri=parameters.uri, mime_type=JSON, text=text)
        return types.ReadResourceResult(contents=[contents])

    def _read_document(self, uri: str) -> dict[str, Any] | None:
        if uri == SESSIONS:
            return self._sources.list_sessions()
        if uri == FINDINGS:
            return self._sources.read_findings()
        prefix, _, id = uri.partition(f"{SESSIONS}/")
        return self._sources.read_session(unquote(id)) if id and not prefix else None


def name_session_resource(id: str) -> str:
    """Return the address of a session; agents choose the ids, so every sign of it is escaped."""
    return f"{SESSIONS}/{quote(id, safe='')}"


def _read_instant(value: object) -> int | None:
    if value is None:
        return None
    try:
        return rfc3339.parse_rfc3339(value if isinstance(value, str) else "")
    except ValueError:
        raise MCPError(types.INVALID_PARAMS, "at must be a time such as 2026-11-20T16:00:00Z") from None


def _run_in_thread(read: Callable[[], Result]) -> Awaitable[Result]:
    return anyio.to_thread.run_sync(read)
