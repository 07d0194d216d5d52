"""Ask a server on this machine over HTTP."""

from __future__ import annotations

import http.client
import json

TIMEOUT = 2.0


def get_response(
    address: str,
    path: str,
    token: str | None = None,
    *,
    authorization: str | None = None,
    method: str = "GET",
    body: bytes | None = None,
) -> tuple[int, str] | None:
    """Return the status and body of a request, or None if the server does not answer.

    ``authorization`` is the value of that header; a ``token`` is shown as Bearer. A ``body`` is JSON.
    """
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
    if authorization is None and token:
        authorization = f"Bearer {token}"
    try:
        headers = {"Authorization": authorization} if authorization else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def get_service_problems(address: str, token: str | None) -> list[str] | None:
    """Return the problems that the running service reports about itself; None without a valid answer."""
    response = get_response(address, "/api/problems", token)
    if response is None:
        return None
    try:
        return [str(problem) for problem in json.loads(response[1])["problems"]]
    except (ValueError, KeyError, TypeError):
        return None
