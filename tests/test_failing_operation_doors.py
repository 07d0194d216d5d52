"""What fails is the same answer at every door: a refusal with its code, or the last answer, marked."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from mcp.client.client import Client

from stretto.clock import MINUTE
from stretto.findings.analysis_run import AnalysisRequest
from stretto.findings.findings_snapshot import FindingsState
from stretto.mcp.tool_server import make_tool_server
from stretto.summaries.session_summary import SessionSummary
from tests.operated import NOW, PATTERN, OperatedStore, strip_moment
from tests.test_mcp import make_tool_sources
from tests.test_operation_doors import Doors, ask_all, open_doors
from tests.test_operations import refuse_store, refuse_summary

pytestmark = pytest.mark.usefixtures("without_settings")

FAILS = "it took longer than 60 s"


@dataclass
class Weather:
    """What fails now of a store that is otherwise good, and what time it is."""

    month: OperatedStore
    now: int = NOW
    is_store_gone: bool = False
    changed: dict[str, Any] = field(default_factory=dict)
    """What is different of the findings."""

    def connect(self) -> AbstractContextManager[sqlite3.Connection]:
        """Open the store, unless it is gone."""
        return refuse_store() if self.is_store_gone else self.month.sources.connect()

    def read_session(self, id: str) -> SessionSummary | None:
        """Read a session, unless the store is gone."""
        if self.is_store_gone:
            refuse_summary(id)
        return self.month.sources.session_summary(id)

    def read_findings(self) -> FindingsState:
        """Read the findings with what is different."""
        return replace(self.month.sources.findings(), **self.changed)

    def fail(self, _: AnalysisRequest) -> str:
        """Fail as an analysis that takes too long."""
        return FAILS


@pytest.fixture(scope="module")
def weather(varied_month: OperatedStore) -> Weather:
    """A good store, until a test lets something fail."""
    return Weather(varied_month)


@pytest.fixture(scope="module")
def doors(weather: Weather, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """The doors of the store, whatever fails."""
    sources = replace(
        weather.month.sources, connect=weather.connect, session_summary=weather.read_session,
        findings=weather.read_findings, ask=weather.fail, clock=lambda: weather.now,
    )  # fmt: skip
    yield from open_doors(OperatedStore(weather.month.config, sources), tmp_path_factory.mktemp("web"))


@pytest.fixture(autouse=True)
def _good_weather(weather: Weather) -> Iterator[None]:
    """Let everything be good again after a test."""
    yield
    weather.now, weather.is_store_gone, weather.changed = NOW, False, {}


def ask_tool(doors: Doors, name: str, workflow: str | None = None) -> tuple[dict[str, Any], bool]:
    """Return the answer of an operation's tool, and whether it is marked as an error."""
    server = make_tool_server(make_tool_sources(doors.operated, doors.runner.run_operation), "1.2.3")

    async def call() -> Any:
        async with Client(server) as client:
            return await client.call_tool(name, {} if workflow is None else {"workflow": workflow})

    answer = asyncio.run(call())
    return answer.structured_content, answer.is_error


@pytest.mark.parametrize(
    ("name", "code", "changed"),
    [
        ("patterns", "STORE_UNAVAILABLE", None),
        ("trends", "ANALYSIS_NOT_INSTALLED", {"results": {}, "missing": "install stretto[analysis]"}),
        ("regression", "ANALYSIS_OFF", {"results": {}, "switched_off": frozenset({"changes"})}),
        ("recommendations", "ANALYSIS_STALE", {"results": {}}),
    ],
)
def test_a_fault_of_the_environment_is_the_same_refusal_at_every_door(  # noqa: PLR0917  # fixtures and a case
    doors: Doors,
    weather: Weather,
    capsys: pytest.CaptureFixture[str],
    name: str,
    code: str,
    changed: dict[str, Any] | None,
) -> None:
    """Status 503 by HTTP, exit code 3 of the command's line, an error of the tool; the same envelope."""
    weather.is_store_gone, weather.changed = changed is None, changed or {}
    refused = ask_all(doors, capsys, name, None, {})
    assert refused["error"]["code"] == code
    assert doors.client.get(f"/api/operations/{name}").status_code == 503
    assert {each["operation"] for each in refused["fallback_options"]}
    by_tool, is_error = ask_tool(doors, name)
    assert (strip_moment(by_tool), is_error) == (strip_moment(refused), True)


def test_the_last_answer_comes_through_every_door_with_age_and_reason(
    doors: Doors, weather: Weather, capsys: pytest.CaptureFixture[str]
) -> None:
    """Five minutes after the store is gone the same question has the same answer, which is no error."""
    good = ask_all(doors, capsys, "throughput", PATTERN, {})
    assert good["degraded"] == []
    weather.now, weather.is_store_gone = NOW + 5 * MINUTE, True
    repeated = ask_all(doors, capsys, "throughput", PATTERN, {})
    assert repeated["result"] == good["result"]
    (mark,) = repeated["degraded"]
    assert (mark["part"], mark["age_seconds"]) == ("answer", 300)
    assert "it is gone" in mark["reason"]
    by_tool, is_error = ask_tool(doors, "throughput", PATTERN)
    assert (strip_moment(by_tool), is_error) == (strip_moment(repeated), False)


def test_an_answer_over_a_shorter_history_is_marked_at_every_door(
    doors: Doors, weather: Weather, capsys: pytest.CaptureFixture[str]
) -> None:
    """The mark says of how many days it is and why."""
    reason = f"it is of the last 28 days: over 154 days {FAILS}"
    results = weather.read_findings().results
    weather.changed = {"results": {**results, "changes": replace(results["changes"], shortened=reason)}}
    answer = ask_all(doors, capsys, "regression", None, {})
    assert reason in {mark["reason"] for mark in answer["degraded"]}
    assert strip_moment(ask_tool(doors, "regression")[0]) == strip_moment(answer)
