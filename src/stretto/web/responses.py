"""Build the answers that several routes share: JSON, and errors with a hint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

API = "/api/"
"""Errors are JSON below this path, and text elsewhere."""

_encode = msgspec.json.Encoder().encode


def build_json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return content as JSON; NaN and infinity become null."""
    return Response(_encode(content), status, headers, media_type="application/json")


def build_error(
    path: str, status: int, problem: str, hint: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error: ``{"error": problem, "hint": hint}`` below ``/api/``, elsewhere lines of text."""
    if path.startswith(API):
        return build_json({"error": problem, "hint": hint or None}, status, headers)
    return PlainTextResponse(f"{problem}\n{hint}\n" if hint else f"{problem}\n", status, headers)


def redirect_to_shorter_address(request: Request) -> Response | None:
    """Return the way to the same page without the parameters that are empty; None if none is."""
    given = request.query_params.multi_items()
    kept = [(name, text) for name, text in given if text]
    if len(kept) == len(given):
        return None
    return RedirectResponse(f"{request.url.path}?{urlencode(kept)}" if kept else request.url.path, 302)
