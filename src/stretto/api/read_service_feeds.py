"""Ask the running service for its feeds: how many agents, what is overdue, what pays, what is held up."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from stretto.state.find_folder import find_state_folder
from stretto.state.lock import find_lock_holder

TIMEOUT_SECONDS = 1.0
"""A service that does not answer costs the orchestrator no more."""


@dataclass(frozen=True)
class ServiceContext:
    """The feeds of the service, as it answered last. ``docs/api.md`` lists their items."""

    hub: Mapping[str, Any] = field(default_factory=dict)
    """Item → value, age, confidence: for who coordinates agents."""
    resources: Mapping[str, Any] = field(default_factory=dict)
    """The same for who allots processors and memory."""
    age_seconds: float | None = None
    """Time since the service answered; None if it never did."""
    problem: str | None = None
    """Why the answer is not from now; None if it is."""


class _LastAnswer:
    """The last good answer of this process."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.context = ServiceContext()
        self.at = 0.0


_last = _LastAnswer()


def context() -> ServiceContext:
    """Return what the service knows now; without an answer the last good one, with its age. Never raises.

    The service is that of this process's state folder (STRETTO_STATE), and is shown STRETTO_TOKEN.
    """
    try:
        fresh = _ask_service()
    except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
        fresh = f"the service did not answer: {error or type(error).__name__}"
    with _last.lock:
        now = time.monotonic()
        if isinstance(fresh, ServiceContext):
            _last.context, _last.at = fresh, now
            return fresh
        age = None if _last.context.age_seconds is None else now - _last.at
        return replace(_last.context, age_seconds=age, problem=fresh)


def _ask_service() -> ServiceContext | str:
    state, _ = find_state_folder(os.environ, Path.home())
    holder = find_lock_holder(state)
    if holder is None or holder.address is None:
        return f"no service runs on {state}: stretto up"
    hub, resources = (_read_feed(holder.address, name) for name in ("hub", "resources"))
    return ServiceContext(hub, resources, age_seconds=0.0)


def _read_feed(address: str, name: str) -> Mapping[str, Any]:
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_SECONDS)
    try:
        token = _read_token()
        connection.request("GET", f"/api/context/{name}", headers=token)
        response = connection.getresponse()
        body = response.read()
        if response.status != http.client.OK:
            raise ValueError(f"{name} was answered by {response.status}")
        items: Mapping[str, Any] = json.loads(body)["items"]
        return items
    finally:
        connection.close()


def _read_token() -> dict[str, str]:
    """Return the header with the token of the environment, or nothing."""
    token = os.environ.get("STRETTO_TOKEN")
    file = os.environ.get("STRETTO_TOKEN_FILE")
    if not token and file:
        token = Path(file).read_text(encoding="utf-8").strip()
    return {"Authorization": f"Bearer {token}"} if token else {}
