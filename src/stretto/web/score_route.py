"""Receive scores from outside: judgements on sessions, phases and tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.model.score_scales import build_scale_document
from stretto.store.find_work_that_a_score_judges import ScoreReceipt
from stretto.web import responses
from stretto.web.backend import Backend

PATH = "/api/scores"
MOST = 500
"""Most scores in a request."""

_HINT = 'send {"session": "<id>", "name": "quality", "value": 8.5, "of": 10}, or a list of such objects'


class ScoreRoute:
    """The route that receives scores."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def list_routes(self) -> list[Route]:
        """Return the route."""
        return [Route(PATH, self.receive_scores, methods=["POST"])]

    async def receive_scores(self, request: Request) -> Response:
        """Append the scores, and answer which were refused and why; 400 if all were refused."""
        try:
            decoded: Any = msgspec.json.decode(await request.body())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return responses.build_error(PATH, 400, "the body is not JSON", _HINT)
        items = decoded if isinstance(decoded, list) else [decoded]
        if not 1 <= len(items) <= MOST:
            return responses.build_error(PATH, 400, f"a request holds 1 to {MOST} scores", _HINT)
        try:
            receipts = await run_in_threadpool(self._backend.append_scores, items)
        except OSError as error:
            return responses.build_error(
                PATH, 503, f"the scores cannot be stored: {error.strerror}", "send them again"
            )
        return _report_result(receipts)


def _report_result(receipts: Sequence[ScoreReceipt]) -> Response:
    rejected = [
        {"index": index, "problem": receipt.problem}
        for index, receipt in enumerate(receipts)
        if receipt.problem is not None
    ]
    read = [
        {
            "index": index,
            "value": receipt.placed.value,
            "scale": build_scale_document(receipt.placed.scale),
        }
        for index, receipt in enumerate(receipts)
        if receipt.placed is not None
    ]
    content: dict[str, Any] = {"taken": len(read), "read": read, "rejected": rejected}
    if read:
        return responses.build_json(content)
    return responses.build_json({**content, "error": rejected[0]["problem"], "hint": _HINT}, 400)
