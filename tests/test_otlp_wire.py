"""OTLP over the wire: a real exporter to a real service, durable before it is acknowledged."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from stretto import journal
from tests.otlp_requests import entity_events
from tests.web_served import Store, served


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def web(store: Store) -> Iterator[httpx.Client]:
    with served(store.make_backend()) as client:
        yield client


def post(
    web: httpx.Client, path: str, body: bytes, media: str = "application/json", encoding: str = ""
) -> httpx.Response:
    """Send one request as an exporter does."""
    headers = {"Content-Type": media, **({"Content-Encoding": encoding} if encoding else {})}
    return web.post(path, content=body, headers=headers)


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_a_stock_exporter_is_understood(web: httpx.Client, store: Store, compression: Compression) -> None:
    """Spans of OpenTelemetry's own exporter are in the journal when they are acknowledged."""
    exporter = OTLPSpanExporter(f"{web.base_url}/v1/traces", compression=compression)
    provider = TracerProvider(resource=Resource({"service.name": "atelier"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    with (
        tracer.start_as_current_span(
            "invoke_agent lead", attributes={"gen_ai.operation.name": "invoke_agent"}
        ),
        tracer.start_as_current_span(
            "execute_tool search",
            attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"},
        ),
    ):
        pass
    provider.shutdown()

    folder = store.config.journal
    events = [
        event
        for name in journal.list_file_sizes(folder)
        for event in journal.read_batch(folder, name, 0).events
    ]
    kinds = {event.kind.value for event in entity_events(events)}
    assert kinds >= {"turn.start", "turn.end", "tool.start", "tool.end"}
    assert {event.source for event in events} == {"atelier"}


def test_an_unknown_encoding_or_type_is_refused(web: httpx.Client) -> None:
    """An unreadable request gets a response with the reason, never a 500."""
    assert post(web, "/v1/traces", b"{}", media="text/plain").status_code == 415
    assert post(web, "/v1/traces", b"{}", encoding="br").status_code == 415
    torn = post(web, "/v1/traces", b"{")
    assert torn.status_code == 400
    assert torn.json()["message"]


def test_a_bomb_is_refused(web: httpx.Client) -> None:
    """A small body that decompresses to a huge body is refused before it is decompressed."""
    assert post(web, "/v1/logs", gzip.compress(b"[" * (256 << 20)), encoding="gzip").status_code == 413


def test_only_otlp_takes_compressed_bodies(web: httpx.Client) -> None:
    """All other routes refuse compressed bodies, so they are safe from such bodies."""
    assert post(web, "/hooks/claude-code", gzip.compress(b"{}"), encoding="gzip").status_code == 415


def test_metrics_are_accepted_and_give_no_events(web: httpx.Client, store: Store) -> None:
    """Metrics are acknowledged but give no events: spans and logs hold the same facts."""
    answer = post(web, "/v1/metrics", b'{"resourceMetrics": []}')

    assert (answer.status_code, answer.json()) == (200, {})
    assert journal.list_file_sizes(store.config.journal) == {}


def test_a_full_disk_is_told_to_the_exporter(web: httpx.Client, store: Store) -> None:
    """Data that cannot be stored is not acknowledged: the exporter is asked to send it again."""
    store.config.state.mkdir(parents=True)
    store.config.journal.write_text("in the way", encoding="utf-8")
    attributes = [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "execute_tool"}},
        {"key": "gen_ai.tool.name", "value": {"stringValue": "search"}},
    ]
    span = {
        "traceId": f"{1:032x}",
        "spanId": f"{1:016x}",
        "name": "execute_tool search",
        "startTimeUnixNano": "1795189587000000000",
        "endTimeUnixNano": "1795189588000000000",
        "attributes": attributes,
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()

    answer = post(web, "/v1/traces", body)

    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
