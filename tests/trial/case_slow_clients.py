"""Half requests and unread answers, with few descriptors: hooks and probes are answered all the same."""

from __future__ import annotations

import json
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

from tests.trial.case import Row, Scope
from tests.trial.service import RunningService, run_service, wait_until

DESCRIPTORS = 256
"""The limit of the service, lower than the number of slow clients."""

MOST_LOG_LINES = 100

HALF = b"POST /hooks/claude-code HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Ty"
UNREAD = b"GET /api/snapshot HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20


def run(scope: Scope) -> Iterator[Row]:
    """Open many half requests and unread answers, then send hooks and ask for the health."""
    clients, hooks = scope.count(1_000, 400), scope.count(200, 40)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, clients + 512)), hard))
    state = scope.folder / "state"
    with run_service(state, "--no-servers", descriptors=DESCRIPTORS) as service, ExitStack() as stack:
        for number in range(clients):
            stack.enter_context(open_slow_client(service, HALF if number % 4 else UNREAD))
        lost = sum(not post_hook(service, f"slow-{number}") for number in range(hooks))
        yield Row("slow clients: hooks acknowledged", hooks, lost)
        failed = sum(not service.get("/healthz").startswith(b"alive") for _ in range(20))
        yield Row("slow clients: probes", 20, failed)
        is_stored = wait_until(lambda: count_sessions(service) == hooks - lost, 60)
        missing = 0 if is_stored else hooks - lost - count_sessions(service)
        yield Row("slow clients: hooks stored", hooks, missing)
        is_reported = any("make room" in problem for problem in list_problems(service))
        yield Row("slow clients: reported", 1, int(not is_reported))
    lines = len(service.log.read_text(errors="replace").splitlines())
    yield Row("slow clients: log", 1, int(lines > MOST_LOG_LINES), f"{lines} lines")


def open_slow_client(service: RunningService, request: bytes) -> socket.socket:
    """Return a connection that has sent these bytes and will neither send nor read any more."""
    host, _, port = service.address.partition(":")
    client = socket.create_connection((host, int(port)), timeout=10)
    # The service may close it at once for want of room.
    with suppress(OSError):
        client.sendall(request)
    return client


def post_hook(service: RunningService, session: str) -> bool:
    """Return whether a hook was acknowledged."""
    body = {
        "hook_event_name": "SessionStart",
        "session_id": session,
        "source": "startup",
    }
    try:
        return service.post("/hooks/claude-code", json.dumps(body).encode()) < 300
    except OSError:
        return False


def count_sessions(service: RunningService) -> int:
    """Return how many sessions of the hooks are stored."""
    sessions = json.loads(service.get("/api/sessions?limit=500"))["sessions"]
    return sum(session["id"].startswith("slow-") for session in sessions)


def list_problems(service: RunningService) -> list[str]:
    """Return the problems of the service."""
    return [str(problem) for problem in json.loads(service.get("/api/problems"))["problems"]]
