"""Receive HTTP hooks: agents wait for the answer, so a hook takes the shortest way through the server.

A small payload is appended in the event loop: handing it to a thread and back takes longer than the write. If
a write is slow, the disk is. Hooks are then appended in threads for a while, and nothing else waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from stretto.web import responses

HOOK = "/hooks/claude-code"

SMALL_BYTES = 64 * 1024
"""Most bytes of a payload that is translated and appended in the event loop."""

SLOW_SECONDS = 0.02
"""An append that takes longer is slow."""

THREAD_SECONDS = 10.0
"""Time after a slow append for which hooks are appended in threads."""


class HookMiddleware:
    """ASGI middleware that answers hooks itself and passes everything else on."""

    def __init__(
        self,
        app: ASGIApp,
        append_hook: Callable[[bytes], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._append_hook = append_hook
        self._clock = clock
        self._threads_until = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Append the payload of a hook, or pass the request on."""
        if scope["type"] != "http" or scope["path"] != HOOK:
            await self._app(scope, receive, send)
            return
        try:
            response = await self._answer(Request(scope, receive))
        except ClientDisconnect:
            return
        except HTTPException as error:
            response = responses.build_error(HOOK, error.status_code, error.detail, headers=error.headers)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        """Append the payload and answer with an empty body: an agent takes any text for a fault."""
        if request.method != "POST":
            raise HTTPException(405, "this address does not take that method", {"Allow": "POST"})
        payload = await request.body()
        try:
            if len(payload) > SMALL_BYTES or self._clock() < self._threads_until:
                await run_in_threadpool(self._append_hook, payload)
            else:
                self._append_at_once(payload)
        except OSError:
            # The agent shows an error that blocks nothing. A silent gap would be worse.
            return Response(status_code=503)
        return Response(status_code=204)

    def _append_at_once(self, payload: bytes) -> None:
        started = self._clock()
        try:
            self._append_hook(payload)
        finally:
            ended = self._clock()
            if ended - started > SLOW_SECONDS:
                self._threads_until = ended + THREAD_SECONDS
