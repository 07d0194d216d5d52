"""The Python API's spans: a program gives the same session by the journal and by OTLP."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import stretto
from stretto.api.journal_exporter import JournalSpanExporter, JournalSpanProcessor, SessionStamp
from stretto.cli.up import _build_backend
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.service.service import Service
from stretto.store import session_queries
from stretto.store.database import open_writer
from stretto.store.ingest import Ingest
from stretto.summaries.session_json import build_session_document
from tests.otlp_requests import only_session, span, span_events
from tests.test_api_tracing import sdk
from tests.test_service import configured, started
from tests.waiting import until
from tests.web_served import served

LAST = "that is all"


async def _review(name: str) -> None:
    with stretto.task(f"review {name}", type="review", agent=name) as task:
        with stretto.model_call("large", provider="acme") as call:
            await asyncio.sleep(0)
            call.tokens(input=3, output=4, cache_read=5, cache_write=6)
            call.cost_usd(0.25)
        with stretto.tool_call("Delegate"), stretto.task("look closer", agent="helper"):
            stretto.message(name).sent(response_seconds=0.5)
        task.score("quality", 8, by="lead")
        if name == "c":
            raise ValueError("it was not good")


async def _program() -> None:
    with stretto.session("the release", pattern="fan-out", project="shop", id="s1") as session:
        with stretto.phase("analysis") as phase:
            await asyncio.gather(*map(_review, "abc"), return_exceptions=True)
            phase.score("coverage", 0.75)
        with stretto.phase("report") as report:
            with stretto.message("writer", sender="lead"):
                await asyncio.sleep(0)
            report.fail("NoReport")
        stretto.score("satisfaction", 4, by="customer")
    session.score("afterthought", -1.5, by="lead")
    phase.score(LAST, 1)


def by_journal(folder: Path, database: Path, service: Service) -> Session:
    """Return the session in a journal."""
    classify = service.config.task_types.classify
    with closing(open_writer(database)) as connection:
        for _ in Ingest(connection, classify, idle_limit=14_400).catch_up(folder):
            pass
        session = session_queries.read_session(connection, "s1", classify)
    assert session is not None
    return session


def by_service(service: Service) -> Session:
    """Return the session in a service, once the program's last event has arrived."""

    def read_ended_session() -> Session | None:
        seen = service.answers.summarise_session("s1")
        is_whole = seen is not None and LAST in {score.name for score in seen.session.scores}
        return seen.session if seen is not None and is_whole else None

    assert until(lambda: read_ended_session() is not None)
    session = read_ended_session()
    assert session is not None
    return session


@pytest.mark.parametrize("service_name", [None, "planner"])
def test_by_journal_and_by_otlp_it_is_the_same_session(tmp_path: Path, service_name: str | None) -> None:
    """Through a real exporter into a real service: session, phases, tasks, calls, messages, scores."""
    config = configured(tmp_path)
    own = tmp_path / "own"
    resource = Resource({"service.name": service_name} if service_name else {})
    with started(config) as service, served(_build_backend(config, service, list)) as client:
        journalled = JournalSpanProcessor(JournalSpanExporter(own), delay_seconds=3600)
        sent = BatchSpanProcessor(OTLPSpanExporter(f"{client.base_url}/v1/traces"))
        with sdk(SessionStamp(), journalled, sent, resource=resource) as spans:
            asyncio.run(_program())
            assert spans.provider.force_flush()
        otlp = by_service(service)
        journal = by_journal(own, tmp_path / "own.db", service)
        document = build_session_document(service.answers.summarise_session("s1"))  # type: ignore[arg-type]  # it was there just now

    # A process of this machine, and that its block opened the session, are only in its own journal.
    assert otlp == replace(journal, processes=None, opened_by_program=False)
    # And nothing of it is missing in both alike.
    assert (otlp.source, otlp.pattern, otlp.project) == (service_name or "python", "fan-out", "shop")
    assert otlp.outcome is Outcome.SUCCESS
    assert [(phase.name, phase.outcome) for phase in otlp.phases] == [
        ("analysis", Outcome.SUCCESS),
        ("report", Outcome.FAILURE),
    ]
    agents = [("a", "analysis"), ("b", "analysis"), ("c", "analysis"), *[("helper", "analysis")] * 3]
    assert sorted((task.agent or "", task.phase or "") for task in otlp.tasks) == agents
    inner = [task for task in otlp.tasks if task.agent == "helper"]
    assert {task.delegated_by for task in inner} == {call.id for call in otlp.tool_calls}
    assert {task.parent for task in inner} == {
        task.id for task in otlp.tasks if task.agent in {"a", "b", "c"}
    }
    assert {task.outcome for task in otlp.tasks if task.agent == "c"} == {Outcome.FAILURE}
    assert {task.description for task in inner} == {"look closer"}
    assert {(call.tokens.input, call.cost) for call in otlp.model_calls} == {(3, 250_000_000)}
    assert sorted((message.sender, message.receiver) for message in otlp.messages) == [
        ("helper", "a"),
        ("helper", "b"),
        ("helper", "c"),
        ("lead", "writer"),
    ]
    assert sorted((score.of, score.name, score.value, score.by) for score in otlp.scores) == [
        ("phase", "coverage", 0.75, None),
        ("phase", LAST, 1.0, None),
        ("session", "afterthought", -1.5, "lead"),
        ("session", "satisfaction", 4.0, "customer"),
        *[("task", "quality", 8.0, "lead")] * 3,
    ]
    assert document["scores"] == sorted(document["scores"], key=lambda score: score["time"])


def test_a_name_that_is_none_is_absent() -> None:
    """A span named by its operation alone names no agent, no workflow and no tool."""

    def bare(operation: str) -> dict[str, Any]:
        return {"gen_ai.operation.name": operation}

    session = only_session(
        span_events(
            span("invoke_workflow", 1, lasts=5, **bare("invoke_workflow")),
            span("invoke_agent", 2, 1, lasts=4, **bare("invoke_agent")),
            span("execute_tool", 3, 2, lasts=3, **bare("execute_tool")),
        )
    )

    assert session.pattern is None
    assert [task.agent for task in session.tasks] == [None]
    assert [call.tool for call in session.tool_calls] == [None]
