"""The two shapes of answers that several routes share: JSON, and an error that says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import PlainTextResponse, Response

API = "/api/"
"""Below it errors are JSON; elsewhere they are text."""

_encode = msgspec.json.Encoder().encode


def build_json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return content as JSON; a number that is not finite becomes null."""
    return Response(_encode(content), status, headers, media_type="application/json")


def build_error(
    path: str, status: int, what: str, hint: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error as ``{"error": what, "hint": hint}`` below ``/api/``, elsewhere as one or two lines."""
    if path.startswith(API):
        return build_json({"error": what, "hint": hint or None}, status, headers)
    return PlainTextResponse(f"{what}\n{hint}\n" if hint else f"{what}\n", status, headers)
