"""The API's sessions are named by the trace, its blocks are not leaked, its exporter is found."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.context import attach, detach
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import stretto
from stretto.api import setup
from stretto.api.auto_instrumentation_exporter import AutoSpanExporter
from tests.fakes import ROOT
from tests.test_api_journal_exporter import conclude_events, events, journalled
from tests.test_api_tracing import sdk


def test_a_session_without_an_id_is_its_trace(tmp_path: Path) -> None:
    """The W3C context alone keeps a worker's task in the session, whichever of both is written first."""
    with journalled(tmp_path) as written:
        with stretto.session() as session:
            span = trace.get_current_span().get_span_context()
            carrier: dict[str, str] = {}
            TraceContextTextMapPropagator().inject(carrier)
        token = attach(TraceContextTextMapPropagator().extract(carrier))
        with stretto.task("work", agent="worker"):
            pass
        detach(token)
        seen = written.events()

    assert session.id == f"{span.trace_id:032x}"
    assert {event.session for event in seen} == {session.id}
    assert [task.agent for task in conclude_events(seen).tasks] == ["worker"]


def test_sessions_inside_another_trace_have_ids_of_their_own() -> None:
    """Two sessions of one trace are not the same session."""
    with sdk() as spans, spans.provider.get_tracer("host").start_as_current_span("request"):
        with stretto.session() as one:
            pass
        with stretto.session() as other:
            pass

    assert one.id
    assert other.id
    assert one.id != other.id


def test_a_generator_that_is_broken_off_leaks_no_block(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What follows the loop belongs to the session, not to the generator's task that has ended."""

    async def produce() -> AsyncIterator[int]:
        with stretto.task("produce", agent="producer"):
            for number in range(9):
                yield number

    async def main() -> None:
        with stretto.session(id="s1"):
            async for number in produce():
                if number:
                    break
            await asyncio.sleep(0.05)
            with stretto.task("after", agent="after"):
                pass

    with journalled(tmp_path) as written:
        asyncio.run(main())
        session = conclude_events(written.events())

    assert {task.agent: task.parent for task in session.tasks} == {"producer": None, "after": None}
    assert "Failed to detach context" not in caplog.text


def test_a_remote_grpc_endpoint_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans for another machine are not put into this machine's journal; for this machine they are."""
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    remote = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}

    with pytest.raises(ValueError, match="http/protobuf"):
        setup._make_sender(None, remote)
    local = {**remote, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}
    assert setup._make_sender(None, local) is None


def test_auto_instrumentation_finds_the_exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry point ``stretto`` names a class that is made without arguments and writes to the journal."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    module, _, name = project["entry-points"]["opentelemetry_traces_exporter"]["stretto"].partition(":")
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path))
    exporter = getattr(import_module(module), name)()
    with sdk() as spans, stretto.session(id="s1"):
        pass
    exporter.export(spans.all())

    assert isinstance(exporter, AutoSpanExporter)
    assert {event.session for event in events(tmp_path / "journal")} == {"s1"}
