"""The bounds on request bodies, asked of the guard in an event loop of the test."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from stretto.web.body_bounds import BodyBounds


def deliver(*bodies: bytes) -> Receive:
    """Return a receive function that gives these parts, and then waits for ever, as a stalled client does."""
    waiting = list(bodies)

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        return {
            "type": "http.request",
            "body": waiting.pop(0),
            "more_body": bool(waiting) or len(bodies) == 1,
        }

    return receive


async def read_parts(receive: Receive, count: int) -> Sequence[Message]:
    """Receive a number of messages."""
    return [await receive() for _ in range(count)]


def test_bodies_together_are_bounded_until_one_is_finished() -> None:
    """A body that exceeds the sum of all is refused with 503 and a time to try again; later there is room."""

    async def play() -> None:
        bounds = BodyBounds(most=100)
        async with bounds.bound_body(deliver(b"x" * 40, b"x" * 20), 80) as first:
            await read_parts(first, 2)
            assert bounds.held_bytes == 60
            with pytest.raises(HTTPException) as refused:
                async with bounds.bound_body(deliver(b"y" * 41, b""), 80) as second:
                    await read_parts(second, 1)
            assert refused.value.status_code == 503
            assert refused.value.headers == {"Retry-After": "5"}
            assert bounds.held_bytes == 60
        assert bounds.held_bytes == 0
        async with bounds.bound_body(deliver(b"y" * 41, b""), 80) as second:
            assert len(await read_parts(second, 2)) == 2

    asyncio.run(play())


def test_a_body_that_does_not_come_is_given_up() -> None:
    """A client that stalls in the middle of a body gets 408, and its bytes are free again."""

    async def play() -> None:
        bounds = BodyBounds(read_seconds=0.05)
        with pytest.raises(HTTPException) as refused:
            async with bounds.bound_body(deliver(b"half"), 80) as receive:
                await read_parts(receive, 2)
        assert refused.value.status_code == 408
        assert bounds.held_bytes == 0

    asyncio.run(play())


def test_a_complete_request_may_last() -> None:
    """The time is for the body alone: a stream of events waits for the end of its connection."""

    async def play() -> None:
        bounds = BodyBounds(read_seconds=0.02)
        async with bounds.bound_body(deliver(b"whole", b""), 80) as receive:
            await read_parts(receive, 2)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(receive(), 0.1)

    asyncio.run(play())


def test_a_body_beyond_its_own_limit_is_refused() -> None:
    """A chunked body is counted as it comes."""

    async def play() -> None:
        with pytest.raises(HTTPException) as refused:
            async with BodyBounds().bound_body(deliver(b"x" * 8, b"x" * 3), 10) as receive:
                await read_parts(receive, 2)
        assert refused.value.status_code == 413

    asyncio.run(play())
