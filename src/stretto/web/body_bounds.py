"""Bounds on request bodies: the size of each, the time it takes to come, and the bytes of all together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

HELD_LIMIT = 96 * 1024 * 1024
"""Most bytes of bodies in memory at once: one of the largest hooks, and many of usual size beside it."""

READ_SECONDS = 60.0
"""Longest time in which a body must be complete."""

RETRY_SECONDS = 5


class BodyBounds:
    """Counts the bytes of all bodies that are being received or handled. Used in one event loop."""

    def __init__(self, most: int = HELD_LIMIT, read_seconds: float = READ_SECONDS) -> None:
        self._most = most
        self._read_seconds = read_seconds
        self.held_bytes = 0

    @asynccontextmanager
    async def bound_body(self, receive: Receive, limit: int) -> AsyncIterator[Receive]:
        """Provide a receive function that refuses a body beyond the bounds; its bytes count until the end.

        A chunked body announces no length, so what comes is counted.
        """
        received = 0
        is_complete = False
        deadline = asyncio.get_running_loop().time() + self._read_seconds

        async def receive_bounded() -> Message:
            nonlocal received, is_complete
            if is_complete:
                # What comes after the body is the end of the connection, which may take as long as it likes.
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"the body was not complete in {self._read_seconds:g} s") from None
            if message["type"] == "http.request":
                size = len(message.get("body", b""))
                received += size
                self.held_bytes += size
                is_complete = not message.get("more_body", False)
                if received > limit:
                    raise HTTPException(413, explain_limit(limit))
                if self.held_bytes > self._most:
                    raise HTTPException(
                        503,
                        f"the bodies of all requests together exceed {self._most} bytes: send it again later",
                        {"Retry-After": str(RETRY_SECONDS)},
                    )
            return message

        try:
            yield receive_bounded
        finally:
            self.held_bytes -= received


def explain_limit(limit: int) -> str:
    """Return the sentence about a body that is too large."""
    return f"the body is too large: at most {limit} bytes are accepted here"
