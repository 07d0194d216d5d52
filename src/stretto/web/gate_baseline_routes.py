"""Hand out and receive the baselines of gates, for build servers that keep no files."""

from __future__ import annotations

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.gates.benchmark_measurements import MeasurementError, from_document, to_document
from stretto.web import responses
from stretto.web.backend import Backend

PATH = "/api/gates/baselines"
_HINT = "stretto gate REPORT --save NAME --service URL sends one"


class GateRoutes:
    """The routes of baselines: a list of names, and each baseline to read and to replace."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def list_routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(PATH, self.list_baselines),
            Route(f"{PATH}/{{name}}", self.handle_baseline, methods=["GET", "PUT"]),
        ]

    def list_baselines(self, _: Request) -> Response:
        """Answer the names of all baselines."""
        return responses.build_json({"baselines": self._backend.gate_baselines.list_names()})

    async def handle_baseline(self, request: Request) -> Response:
        """Answer a baseline, or replace it by PUT."""
        name = request.path_params["name"]
        try:
            if request.method == "PUT":
                return await self._replace_baseline(request, name)
            measurements = await run_in_threadpool(self._backend.gate_baselines.read_baseline, name)
        except MeasurementError as error:
            return responses.build_error(request.url.path, 400, error.to_line(), error.hint)
        if measurements is None:
            return responses.build_error(request.url.path, 404, f"there is no baseline {name}", _HINT)
        return responses.build_json(to_document(measurements))

    async def _replace_baseline(self, request: Request, name: str) -> Response:
        try:
            document = msgspec.json.decode(await request.body())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return responses.build_error(request.url.path, 400, "the body is not JSON", _HINT)
        measurements = from_document(document, "the body")
        try:
            await run_in_threadpool(self._backend.gate_baselines.write_baseline, name, measurements)
        except OSError as error:
            return responses.build_error(
                request.url.path, 503, f"the baseline cannot be stored: {error.strerror}", "send it again"
            )
        return responses.build_json({"name": name, "tests": len(measurements.runs)})
