"""Operations over HTTP: ``GET /api/operations/NAME``, and streams of answers at the asked rhythm."""

from __future__ import annotations

import json
from asyncio import Semaphore
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.clock import SECOND
from stretto.errors import find_nearest_word
from stretto.format import rfc3339
from stretto.operations.envelope import SUCCESS
from stretto.operations.operation import Operation
from stretto.operations.operation_errors import ErrorCode, OperationError
from stretto.operations.operation_runner import OperationRunner
from stretto.operations.operation_table import OPERATIONS
from stretto.web import responses
from stretto.web.backend import Backend
from stretto.web.live_updates import MEDIA, RETRY_MS, EventStream, StreamReader, TooManyStreamsError

PATH = "/api/operations"

PARAMETERS = ("workflow", "options", "at", "stream")

AT_ONCE = 8
"""Operations in threads at once: some wait a minute for an analysis, and hooks need threads, too."""

STATUSES: Mapping[ErrorCode, int] = {
    ErrorCode.INVALID_OPTIONS: 400,
    ErrorCode.UNKNOWN_WORKFLOW: 404,
    ErrorCode.INSUFFICIENT_PERFORMANCE_DATA: 422,
}
"""Code of an error → HTTP status; any other is 503."""

_encode = msgspec.json.Encoder().encode


class ParameterError(ValueError):
    """A query parameter is unknown or has a wrong value; the text says which."""


@dataclass(frozen=True, slots=True)
class OperationQuery:
    """What a request asks of an operation."""

    workflow: str | None
    options: object
    at: int | None
    streams: bool


class OperationRoutes:
    """The routes of the operations."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._places = Semaphore(AT_ONCE)

    def list_routes(self) -> list[Route]:
        """Return the routes."""
        return [Route(PATH, self.list_operations), Route(f"{PATH}/{{name}}", self.answer_operation)]

    def list_operations(self, request: Request) -> Response:  # noqa: ARG002  # the shape of an endpoint
        """Answer the table of operations with the JSON Schema of their options."""
        return responses.build_json(
            {
                "operations": [
                    {
                        "name": operation.name,
                        "group": operation.group.value,
                        "help": operation.help,
                        "least": operation.least,
                        "streams": operation.streams,
                        "options": operation.to_options_schema(),
                    }
                    for operation in OPERATIONS.values()
                ]
            }
        )

    async def answer_operation(self, request: Request) -> Response:
        """Answer an operation, once or again and again."""
        name, path = request.path_params["name"], request.url.path
        operation = OPERATIONS.get(name)
        if operation is None:
            nearest = find_nearest_word(name, OPERATIONS)
            hint = f"did you mean {nearest!r}?" if nearest else f"GET {PATH} lists the operations"
            return responses.build_error(path, 404, f"there is no operation {name!r}", hint)
        try:
            query = parse_operation_query(operation, request)
        except ParameterError as error:
            return responses.build_error(path, 400, str(error), f"parameters are {', '.join(PARAMETERS)}")
        runner = self._backend.operations
        if runner is None:
            return responses.build_error(path, 503, "operations are not answered here", "run 'stretto up'")
        if query.streams:
            return await self._stream_answers(runner, operation, query)
        envelope = await self._ask(runner, operation, query)
        return responses.build_json(envelope, find_status(envelope))

    async def _ask(
        self, runner: OperationRunner, operation: Operation, query: OperationQuery
    ) -> dict[str, Any]:
        """Return the envelope of an operation, from a thread once there is a place."""
        async with self._places:
            return await run_in_threadpool(
                runner.run_operation, operation.name, query.workflow, query.options, query.at
            )

    async def _stream_answers(
        self, runner: OperationRunner, operation: Operation, query: OperationQuery
    ) -> Response:
        streams = self._backend.updates
        try:
            rhythm = operation.read_options(query.options)[str(operation.rhythm)] / SECOND
            reader = streams.open_stream()
        except OperationError:
            # The answer without a stream says which option is wrong.
            envelope = await self._ask(runner, operation, query)
            return responses.build_json(envelope, find_status(envelope))
        except TooManyStreamsError:
            return responses.build_error(
                PATH, 503, "too many event streams are open", "ask again from time to time",
                {"Retry-After": str(RETRY_MS // 1000)},
            )  # fmt: skip
        events = self._yield_answers(runner, operation, query, reader, rhythm)
        return EventStream(events, streams, reader)

    async def _yield_answers(  # all that a stream is made of
        self,
        runner: OperationRunner,
        operation: Operation,
        query: OperationQuery,
        reader: StreamReader,
        rhythm: float,
    ) -> AsyncIterator[bytes]:
        """Yield an event with an answer at each beat; the first that is none ends the stream."""
        while not reader.over:
            envelope = await self._ask(runner, operation, query)
            yield b"event: answer\ndata: " + _encode(envelope) + b"\n\n"
            if envelope["status"] != SUCCESS:
                return
            async for comment in self._backend.updates.wait_seconds(reader, rhythm):
                yield comment


def find_status(envelope: Mapping[str, Any]) -> int:
    """Return the HTTP status of an envelope."""
    if envelope["status"] == SUCCESS:
        return HTTPStatus.OK
    return STATUSES.get(ErrorCode(envelope["error"]["code"]), HTTPStatus.SERVICE_UNAVAILABLE)


def parse_operation_query(operation: Operation, request: Request) -> OperationQuery:
    """Return what a request asks. Raises ParameterError for an unknown parameter or a wrong value.

    Options that are no JSON stay a text, which the operation refuses with its own code.
    """
    given = request.query_params
    for name in given:
        if name not in PARAMETERS:
            nearest = find_nearest_word(name, PARAMETERS)
            meant = f"; did you mean {nearest!r}?" if nearest else ""
            raise ParameterError(f"{name!r} is not known{meant}")
    at = None
    if given.get("at"):
        try:
            at = rfc3339.parse_rfc3339(given["at"])
        except ValueError as error:
            raise ParameterError(f"at must be a time such as 2026-11-20T16:00:00Z: {error}") from None
    text = given.get("options") or "{}"
    try:
        options: object = json.loads(text)
    except (ValueError, RecursionError):
        options = text
    wants_stream = given.get("stream") == "yes" or MEDIA in request.headers.get("accept", "")
    if given.get("stream") not in {None, "", "yes", "no"}:
        raise ParameterError("stream must be yes or no")
    if wants_stream and not operation.streams:
        raise ParameterError(f"{operation.name} does not stream; ask again when you want a new answer")
    return OperationQuery(given.get("workflow") or None, options, at, wants_stream)
