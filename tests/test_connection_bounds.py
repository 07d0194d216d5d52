"""Bounds on connections: slow clients are closed, and never keep others from being answered."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from stretto.web import connection_bounds
from stretto.web.connection_bounds import (
    FEWEST_CONNECTIONS,
    MOST_CONNECTIONS,
    RESERVED_DESCRIPTORS,
    AcceptFailureHandler,
    ConnectionBounds,
    find_most_connections,
)
from stretto.web.explain_grpc_on_http_port import watch_protocol
from tests.waiting import PATIENCE, until

LARGE = 8_000_000
HALF = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Ha"
WHOLE = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
BODY = b"POST /body HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nhalf"


@contextmanager
def serve(bounds: ConnectionBounds, release: threading.Event | None = None) -> Iterator[int]:
    """Serve a small answer, a large one, and one that waits for ``release``; yield the port."""

    def answer_late(_: Request) -> PlainTextResponse:
        assert release is not None
        assert release.wait(PATIENCE)
        return PlainTextResponse("late")

    async def read_body(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{len(await request.body())}")

    routes = [
        Route("/", lambda _: PlainTextResponse("fine")),
        Route("/large", lambda _: PlainTextResponse("x" * LARGE)),
        Route("/late", answer_late),
        Route("/body", read_body, methods=["POST"]),
    ]
    config = uvicorn.Config(
        Starlette(routes=routes),
        http=watch_protocol(lambda: None, bounds),
        log_level="critical",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        assert until(lambda: server.started)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def connect(port: int, data: bytes) -> socket.socket:
    """Return a connection that has sent some bytes."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    connection.sendall(data)
    return connection


def read_until_closed(connection: socket.socket) -> bytes:
    """Return what comes until the connection is closed or reset."""
    received = b""
    try:
        while part := connection.recv(65_536):
            received += part
    except ConnectionResetError:
        pass
    return received


def bounds_of(**fields: Any) -> ConnectionBounds:
    """Return bounds that look often and otherwise wait for as long as a test does."""
    return ConnectionBounds(
        **{"look_seconds": 0.01, "header_seconds": PATIENCE, "write_seconds": PATIENCE, **fields}
    )


def test_half_a_request_is_closed() -> None:
    """A client that does not complete its headers is closed, whether it sent some bytes or none."""
    with serve(bounds_of(header_seconds=0.05)) as port:
        for data in (b"", HALF):
            with connect(port, data) as slow:
                assert read_until_closed(slow) == b""


def test_half_a_second_request_is_closed() -> None:
    """A connection that was answered once and then sends half a request is closed too."""
    with serve(bounds_of(header_seconds=0.05)) as port, connect(port, WHOLE) as slow:
        answer = b""
        while not answer.endswith(b"fine"):
            answer += slow.recv(4096)
        slow.sendall(HALF)
        assert read_until_closed(slow) == b""


def test_a_reader_that_takes_nothing_is_closed() -> None:
    """The unread answer is dropped, so that its memory is free again."""
    bounds = bounds_of(write_seconds=0.05)
    with serve(bounds) as port, connect(port, WHOLE.replace(b"GET /", b"GET /large")) as slow:
        assert until(lambda: bounds.open_connections == 1)
        assert until(lambda: bounds.open_connections == 0)
        assert len(read_until_closed(slow)) < LARGE


def test_an_answer_that_takes_long_is_waited_for() -> None:
    """Time limits are for clients: a request that the service works on is never closed."""
    release = threading.Event()
    bounds = bounds_of(most=2, header_seconds=0.01, write_seconds=0.01)
    with serve(bounds, release) as port, connect(port, WHOLE.replace(b"GET /", b"GET /late")) as waiting:
        # Clients that wait are closed meanwhile: the limits were applied.
        for _ in range(3):
            with connect(port, HALF) as slow:
                assert read_until_closed(slow) == b""
        release.set()
        answer = b""
        while not answer.endswith(b"late"):
            answer += waiting.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200")


def is_answered(port: int) -> bool:
    """Return whether a new client gets its answer."""
    with (
        suppress(ConnectionError),
        connect(port, WHOLE.replace(b"Host", b"Connection: close\r\nHost")) as client,
    ):
        return read_until_closed(client).endswith(b"fine")
    return False


@pytest.mark.parametrize("data", [HALF, BODY, WHOLE, b""])
def test_a_full_house_makes_room_for_a_new_client(data: bytes) -> None:
    """However many connections wait with half a request, half a body or idle: a new one is answered."""
    bounds = bounds_of(most=4)
    with serve(bounds) as port, ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(connect(port, data))
        # While the service still works on the four's answers, none of them makes room.
        assert until(lambda: is_answered(port))
        assert bounds.open_connections <= 4
        assert "make room" in (bounds.describe_problem() or "")


def test_closed_connections_are_a_problem_for_a_minute() -> None:
    """Afterwards nothing is reported any more."""
    now = [100.0]
    bounds = ConnectionBounds(most=0, clock=lambda: now[0])
    assert bounds.describe_problem() is None
    refused: list[str] = []
    bounds.admit_connection(SimpleNamespace(abort_connection=lambda: refused.append("x")))  # type: ignore[arg-type]  # all that is called
    assert refused == ["x"]
    assert "1 connection(s) were closed" in (bounds.describe_problem() or "")
    now[0] += 61
    assert bounds.describe_problem() is None


@pytest.mark.parametrize(
    ("descriptors", "most"),
    [
        (256, 256 - RESERVED_DESCRIPTORS),
        (64, FEWEST_CONNECTIONS),
        (65_536, MOST_CONNECTIONS),
        (-1, MOST_CONNECTIONS),
    ],
)
def test_connections_leave_descriptors_for_the_store(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, most: int
) -> None:
    """The limit of descriptors bounds the connections, so that store and journal can always be opened."""
    limits = SimpleNamespace(
        RLIMIT_NOFILE=7, RLIM_INFINITY=-1, getrlimit=lambda _: (descriptors, descriptors)
    )
    monkeypatch.setattr(connection_bounds, "resource", limits)
    assert find_most_connections() == most
    monkeypatch.setattr(connection_bounds, "resource", None)
    assert find_most_connections() == MOST_CONNECTIONS


def test_a_want_of_descriptors_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of failed attempts are one line with their number; other errors are logged as ever."""
    now = [0.0]
    handler = AcceptFailureHandler(clock=lambda: now[0])
    loop = asyncio.new_event_loop()
    error = OSError(errno.EMFILE, "Too many open files")
    try:
        with caplog.at_level(logging.WARNING):
            for _ in range(5_000):
                handler(loop, {"message": "accept", "exception": error, "socket": object()})
            now[0] = 60.0
            handler(loop, {"message": "accept", "exception": error, "socket": object()})
            handler(loop, {"message": "another fault", "exception": ValueError("x")})
    finally:
        loop.close()
    assert [record.getMessage() for record in caplog.records] == [
        "connections cannot be accepted (Too many open files): 1 attempts failed",
        "connections cannot be accepted (Too many open files): 5000 attempts failed",
        "another fault",
    ]
