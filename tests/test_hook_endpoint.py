"""The endpoint of HTTP hooks: appended in the event loop, in threads while the disk is slow."""

from __future__ import annotations

import asyncio
import threading

from starlette.responses import PlainTextResponse
from starlette.types import Message

from stretto.web.hook_endpoint import HOOK, SMALL_BYTES, THREAD_SECONDS, HookMiddleware


class Disk:
    """A journal whose appends take a set time by the test's clock, and that knows who appended."""

    def __init__(self) -> None:
        self.now = 100.0
        self.seconds = 0.001
        self.payloads: list[bytes] = []
        self.in_loop: list[bool] = []

    def append(self, payload: bytes) -> None:
        """Append a payload."""
        self.now += self.seconds
        self.payloads.append(payload)
        self.in_loop.append(threading.current_thread() is threading.main_thread())


def post(endpoint: HookMiddleware, payload: bytes, path: str = HOOK, method: str = "POST") -> int:
    """Send a request through the endpoint and return the status."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": payload, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "method": method, "headers": []}
    asyncio.run(endpoint(scope, receive, send))
    return int(sent[0]["status"])


def make_endpoint(disk: Disk) -> HookMiddleware:
    """Return the endpoint in front of an application that answers everything with 200."""
    return HookMiddleware(PlainTextResponse("inner"), disk.append, lambda: disk.now)


def test_a_small_hook_is_appended_in_the_event_loop() -> None:
    """No thread is asked: handing over takes longer than the write."""
    disk = Disk()
    endpoint = make_endpoint(disk)
    assert [post(endpoint, b"{}") for _ in range(3)] == [204] * 3
    assert disk.in_loop == [True] * 3


def test_a_large_hook_is_appended_in_a_thread() -> None:
    """Its translation takes long, and nothing else may wait for it."""
    disk = Disk()
    assert post(make_endpoint(disk), b"x" * (SMALL_BYTES + 1)) == 204
    assert disk.in_loop == [False]


def test_a_slow_disk_blocks_the_loop_once_in_a_while() -> None:
    """After a slow append hooks go through threads for ten seconds, then the loop tries again."""
    disk = Disk()
    endpoint = make_endpoint(disk)
    disk.seconds = 0.5
    post(endpoint, b"1")
    post(endpoint, b"2")
    disk.now += THREAD_SECONDS
    disk.seconds = 0.001
    post(endpoint, b"3")
    post(endpoint, b"4")
    assert disk.in_loop == [True, False, True, True]
    assert disk.payloads == [b"1", b"2", b"3", b"4"]


def test_everything_else_passes() -> None:
    """Other addresses reach the application; other methods are refused at the hooks' address."""
    disk = Disk()
    endpoint = make_endpoint(disk)
    assert post(endpoint, b"", path="/healthz") == 200
    assert post(endpoint, b"", method="PUT") == 405
    assert disk.payloads == []
