"""Describe the API as an OpenAPI 3.1 document, made from the table of routes.

A route below ``/api/`` appears by itself: its methods, the names in its path, and the first sentence of its
handler. What the table does not know stands here: parameters of the query, and the fields of an answer.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.model.event import Outcome
from stretto.store.session_search import SessionSort
from stretto.summaries.time_window import WINDOW_LENGTHS, WINDOW_NAMES
from stretto.web import (
    findings_routes,
    live_updates,
    operation_routes,
    requested_periods,
    responses,
    session_list_parameters,
)
from stretto.web.window_parameters import WINDOW_PARAMETERS

PATH = "/api/openapi.json"

QUERIES: Mapping[str, tuple[str, ...]] = {
    "/api/sessions": session_list_parameters.PARAMETERS,
    findings_routes.PATH: findings_routes.PARAMETERS,
    "/api/snapshot": WINDOW_PARAMETERS,
    "/api/trends": WINDOW_PARAMETERS,
    "/api/periods": requested_periods.PERIOD_PARAMETERS,
    f"{operation_routes.PATH}/{{name}}": operation_routes.PARAMETERS,
}
"""Path → the parameters of its query; any other is refused."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    "/api/sessions": ("sessions", "next"),
    "/api/baselines": ("baselines", "fanouts"),
    "/api/periods": ("now", "before", "figures", "task_types"),
    "/api/problems": ("problems",),
    "/api/notifications": ("watchdog_heard", "notifications"),
    findings_routes.PATH: ("at", "missing", "open", "settled"),
    "/api/reports": ("reports",),
    PATH: ("openapi", "info", "paths", "components"),
}
"""Path → fields that its answer always has; docs/json.md describes all."""

_SORTS = [f"{sign}{sort}" for sort in SessionSort for sign in ("", "-")]
_VALUES: Mapping[str, dict[str, Any]] = {
    "window": {"type": "string", "enum": list(WINDOW_NAMES)},
    "outcome": {"type": "string", "enum": [outcome.value for outcome in Outcome]},
    "failed": {"type": "string", "enum": ["yes", "no"]},
    "parallel": {"type": "string", "enum": ["yes", "no"]},
    "sort": {"type": "string", "enum": _SORTS},
    "limit": {"type": "integer", "minimum": 1, "maximum": session_list_parameters.MOST},
}
"""Parameter → schema of its values; any other is a text."""

_VALUES_AT: Mapping[tuple[str, str], dict[str, Any]] = {
    # All the time recorded has no time before it.
    ("/api/periods", "window"): {"type": "string", "enum": list(WINDOW_LENGTHS)},
}
"""(path, parameter) → schema of its values, where they are not those of other paths."""

_NAME_IN_PATH = re.compile(r"\{(\w+)(?::\w+)?\}")
_ERROR = {"$ref": "#/components/schemas/Error"}
_JSON = "application/json"


class OpenApiRoute:
    """The route that answers the document."""

    def __init__(self, routes: Iterable[Route], version: str) -> None:
        own = Route(PATH, self.get_document)
        self._routes = [own]
        self._document = build_openapi_document([*routes, own], version)

    def list_routes(self) -> list[Route]:
        """Return the route."""
        return self._routes

    async def get_document(self, _: Request) -> Response:
        """Answer this description of the API."""
        return responses.build_json(self._document)


def build_openapi_document(routes: Iterable[Route], version: str) -> dict[str, Any]:
    """Return the document of the routes below ``/api/``, by path."""
    paths: dict[str, dict[str, Any]] = {}
    for route in sorted(routes, key=lambda route: route.path):
        if route.path.startswith(responses.API):
            template = _NAME_IN_PATH.sub(r"{\1}", route.path)
            paths.setdefault(template, {}).update(_describe_route(route, template))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stretto",
            "version": version,
            "description": "Figures of parallel agents. Lengths are seconds, times RFC 3339 in UTC.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        # A service without a token asks for nothing.
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error", "hint"],
                    "properties": {"error": {"type": "string"}, "hint": {"type": ["string", "null"]}},
                }
            },
        },
    }


def _describe_route(route: Route, template: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (method in small letters, operation)."""
    text = inspect.getdoc(route.endpoint) or ""
    for method in sorted((route.methods or {"GET"}) - {"HEAD"}):
        operation: dict[str, Any] = {
            "operationId": f"{method.lower()}_{route.endpoint.__name__}",
            "summary": text.partition("\n")[0],
            "responses": {
                "default": {"description": "why not", "content": {_JSON: {"schema": _ERROR}}},
            },
        }
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in _NAME_IN_PATH.findall(route.path)
        ]
        if method == "GET":
            parameters += [
                {"name": name, "in": "query", "schema": _get_schema(template, name)}
                for name in QUERIES.get(template, ())
            ]
            operation["responses"]["200"] = _describe_answer(template)
        else:
            operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": {}}}}
            operation["responses"]["2XX"] = {"description": "taken"}
        if parameters:
            operation["parameters"] = parameters
        yield method.lower(), operation


def _get_schema(template: str, parameter: str) -> dict[str, Any]:
    return _VALUES_AT.get((template, parameter)) or _VALUES.get(parameter, {"type": "string"})


def _describe_answer(template: str) -> dict[str, Any]:
    if template == live_updates.PATH:
        return {"description": "a stream of events", "content": {"text/event-stream": {}}}
    schema: dict[str, Any] = {"type": "object"}
    if template in FIELDS:
        schema["required"] = list(FIELDS[template])
    return {"description": "the answer", "content": {_JSON: {"schema": schema}}}
