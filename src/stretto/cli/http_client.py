"""Ask a server over HTTP, mostly on this machine."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from stretto.errors import ServiceError

TIMEOUT = 2.0
POLL_SECONDS = 0.2
"""Time between two questions about work that the running service was asked to do."""


def get_response(
    address: str,
    path: str,
    token: str | None = None,
    *,
    authorization: str | None = None,
    method: str = "GET",
    body: bytes | None = None,
    is_secure: bool = False,
    timeout: float = TIMEOUT,
) -> tuple[int, str] | None:
    """Return the status and body of a request, or None if the server does not answer in ``timeout`` seconds.

    ``authorization`` is the value of that header; a ``token`` is shown as Bearer. A ``body`` is JSON.
    ``is_secure``: by TLS, with a certificate that this machine trusts.
    """
    connect = http.client.HTTPSConnection if is_secure else http.client.HTTPConnection
    connection = connect(address, timeout=timeout)
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


def wait_for_work(
    address: str,
    path: str,
    token: str | None,
    on_state: Callable[[dict[str, Any]], None],
    *,
    failure: str,
    hint: str,
    body: bytes | None = None,
) -> dict[str, Any]:
    """Ask the running service for some work and return its document when the work is done.

    ``on_state`` gets each document before. Raises ServiceError, with ``failure`` and ``hint``, if the service
    answers with an error or not at all.
    """
    answer = get_response(address, path, token, method="POST", body=body)
    while answer is not None and answer[0] in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
        document: dict[str, Any] = json.loads(answer[1])
        if document["state"] == "done":
            return document
        on_state(document)
        time.sleep(POLL_SECONDS)
        answer = get_response(address, path, token)
    raise ServiceError(
        failure,
        where=f"http://{address}",
        cause="no answer" if answer is None else f"it answered {answer[0]}: {answer[1].strip()[:200]}",
        hint=hint,
    )
