"""Measure the taking of OTLP requests against the budget, in spans per second of one core.

Run it as ``python tests/bench/bench_otlp.py [--spans N] [--json] [--peer PYTHON]``. Synthetic requests of
512 spans each, as SDKs send them, go from bytes to journal records (decode, map, encode) and are appended
to a journal file before the next one is taken. Each rate stands beside a reference from the same run: the
bare parsing of the same bytes into one message, which gives nothing but that. One workload carries 4 KiB of
content a span, as many frameworks do.

The peer is arize-phoenix, an OTLP receiver with SQLite that is installed from PyPI: it and Stretto's
receiver behind a minimal HTTP server get the same requests over loopback from the same client, one after
another. What Stretto has stored then is in its journal, from which its database is made later; the peer's
is in its database. Where the interpreter given by ``--peer`` (by default this one) has no arize-phoenix,
that is said and nothing is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from stretto import journal
from stretto.clock import SECOND, read_wall_clock
from stretto.sources.otlp.receive import OtlpTranslator, Signal

BUDGET = 20_000
"""Spans per second on one core."""
BATCH = 512
"""Spans in a request: the batch processors' default."""
SPANS = 40_960
PEER_SPANS = 2_048
PATIENCE = 180.0
"""Seconds to wait for the peer to start, or to store what it has acknowledged."""
CONTENT = 4_096
"""Bytes of content a span, in the workload that has some."""

JSON, PROTOBUF = "application/json", "application/x-protobuf"
CLAUDE, FRAMEWORK = "com.anthropic.claude_code.tracing", "openinference.instrumentation.shop"


@dataclass(frozen=True, slots=True)
class Rate:
    """What one workload gives; rates in spans per second."""

    workload: str
    encoding: str
    bytes_a_span: int
    rate: float
    """Of CPU time: bytes to records, appended."""
    reference: str
    reference_rate: float
    """Of CPU time: the reference on the same bytes."""
    events_a_span: float


def request(number: int, framework: bool, content: int) -> ExportTraceServiceRequest:
    """Return one request: 64 turns of eight spans each."""
    spans = [
        span for turn in range(BATCH // 8) for span in turn_of(number * BATCH // 8 + turn, framework, content)
    ]
    scoped = ScopeSpans(spans=spans)
    scoped.scope.name = FRAMEWORK if framework else CLAUDE
    group = ResourceSpans(scope_spans=[scoped])
    group.resource.attributes.append(attribute("service.name", "shop" if framework else "claude-code"))
    return ExportTraceServiceRequest(resource_spans=[group])


def turn_of(number: int, framework: bool, content: int) -> Iterator[Span]:
    """Yield the spans of one turn: the agent, three model calls, two tool calls with their executions."""
    trace = (number + 1).to_bytes(16, "big")
    begin = read_wall_clock() - 60 * SECOND
    plan = [
        ("model", 1),
        ("tool", 1),
        ("execution", 3),
        ("model", 1),
        ("tool", 1),
        ("execution", 6),
        ("model", 1),
    ]
    for index, (kind, parent) in enumerate([*plan, ("turn", 0)], 2):
        own = 1 if kind == "turn" else index
        described = framework_span if framework else claude_span
        name, values = described(kind, number, index)
        if content:
            values["input.value"] = "x" * content
        yield Span(
            trace_id=trace,
            span_id=(number * 16 + own).to_bytes(8, "big"),
            parent_span_id=(number * 16 + parent).to_bytes(8, "big") if parent else b"",
            name=name,
            start_time_unix_nano=begin + index * SECOND,
            end_time_unix_nano=begin + (index + 1) * SECOND,
            attributes=[attribute(key, value) for key, value in values.items()],
        )


def claude_span(kind: str, number: int, index: int) -> tuple[str, dict[str, str | int]]:
    """Return name and attributes of one of Claude Code's spans."""
    common: dict[str, str | int] = {
        "user.id": "0" * 64,
        "user.email": "someone@example.com",
        "user.account_uuid": "0" * 36,
        "organization.id": "0" * 36,
        "session.id": f"session-{number:028}",
        "terminal.type": "xterm",
        "span.type": kind,
        "gen_ai.conversation.id": f"session-{number:028}",
        "agent_id": f"a{number:016x}",
    }
    call: dict[str, str | int] = {"tool_use_id": f"toolu_{number}_{index // 3}", "duration_ms": 1_000}
    if kind == "model":
        usage = (
            "input_tokens",
            "output_tokens",
            "cache_read_tokens",
            "cache_creation_tokens",
            "ttft_ms",
            "attempt",
        )
        return "claude_code.llm_request", {
            **common,
            **dict.fromkeys(usage, 123),
            "model": "claude-opus",
            "gen_ai.system": "anthropic",
            "gen_ai.request.model": "claude-opus",
            "speed": "normal",
            "request_id": f"req_{number}_{index}",
            "stop_reason": "tool_use",
            "duration_ms": 1_000,
        }
    if kind == "tool":
        return "claude_code.tool", {**common, **call, "tool_name": "Bash", "gen_ai.tool.call.id": "same"}
    if kind == "execution":
        return "claude_code.tool.execution", {**common, **call, "gen_ai.tool.call.id": "same"}
    return "claude_code.interaction", {**common, "user_prompt": "<REDACTED>", "user_prompt_length": 14}


def framework_span(kind: str, number: int, index: int) -> tuple[str, dict[str, str | int]]:
    """Return name and attributes of a framework's span; its executions are plain steps."""
    common: dict[str, str | int] = {"session.id": f"session-{number}", "user.id": "someone", "metadata": "{}"}
    if kind == "model":
        usage = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "llm.token_count.prompt",
                 "llm.token_count.completion", "llm.token_count.total")  # fmt: skip
        return "chat gpt", {
            **common,
            **dict.fromkeys(usage, 123),
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt",
            "gen_ai.response.model": "gpt-1",
            "gen_ai.response.id": f"r{number}{index}",
            "openinference.span.kind": "LLM",
        }
    if kind == "tool":
        tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look_up"}
        return "execute_tool look_up", {**common, **tool, "gen_ai.tool.call.id": f"c{index}"}
    if kind == "execution":
        return "GET /", {**common, "http.route": "/", "http.response.status_code": 200}
    return "invoke_agent shop", {
        **common,
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "shop",
    }


def attribute(key: str, value: str | int) -> KeyValue:
    """Return an attribute."""
    said = AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)
    return KeyValue(key=key, value=said)


def as_json(message: ExportTraceServiceRequest) -> bytes:
    """Return a request in JSON, as SDKs write it: ids in hexadecimal, times as text."""
    (group,) = message.resource_spans
    (scoped,) = group.scope_spans
    spans = [
        {
            "traceId": span.trace_id.hex(),
            "spanId": span.span_id.hex(),
            "parentSpanId": span.parent_span_id.hex(),
            "name": span.name,
            "kind": 1,
            "startTimeUnixNano": str(span.start_time_unix_nano),
            "endTimeUnixNano": str(span.end_time_unix_nano),
            "attributes": [json_attribute(each) for each in span.attributes],
            "droppedAttributesCount": 0,
            "events": [],
            "status": {"code": 0},
        }
        for span in scoped.spans
    ]
    resource = {"attributes": [json_attribute(each) for each in group.resource.attributes]}
    scope = {"scope": {"name": scoped.scope.name}, "spans": spans}
    return msgspec.json.encode({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]})


def json_attribute(pair: KeyValue) -> dict[str, object]:
    """Return an attribute in JSON."""
    if pair.value.WhichOneof("value") == "int_value":
        return {"key": pair.key, "value": {"intValue": pair.value.int_value}}
    return {"key": pair.key, "value": {"stringValue": pair.value.string_value}}


def measure(workload: str, encoding: str, bodies: list[bytes], folder: Path) -> Rate:
    """Take every body once and tell the rate beside that of the bare parsing."""
    receiver = OtlpTranslator(journal.encode_event)
    path = folder / f"{workload}-{encoding}.jsonl"
    content_type = JSON if encoding == "json" else PROTOBUF
    events = 0
    begin = time.process_time()
    for body in bodies:
        received = receiver.receive_request(
            Signal.TRACES, body, content_type=content_type, now=read_wall_clock()
        )
        assert received.rejected == 0
        events += received.events
        journal.append_records(path, received.records)
    seconds = time.process_time() - begin
    parse: Callable[[bytes], object] = (
        json.loads if encoding == "json" else ExportTraceServiceRequest.FromString
    )
    begin = time.process_time()
    for body in bodies:
        parse(body)
    reference_seconds = time.process_time() - begin
    spans = len(bodies) * BATCH
    return Rate(
        workload,
        encoding,
        sum(map(len, bodies)) // spans,
        spans / seconds,
        "json.loads" if encoding == "json" else "ParseFromString",
        spans / reference_seconds,
        events / spans,
    )


# Over HTTP, beside the peer.


@dataclass(frozen=True, slots=True)
class Served:
    """What a receiver behind HTTP does with the same requests; rates in spans per second of wall time."""

    acknowledged: float
    stored: float
    """Until every span can be found in its file."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve Stretto's receiver on loopback and yield its address: it appends, then answers."""
    receiver = OtlpTranslator(journal.encode_event)
    path = folder / "served.jsonl"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received = receiver.receive_request(
                Signal.TRACES, body, content_type=self.headers["Content-Type"], now=read_wall_clock()
            )
            journal.append_records(path, received.records)
            self.send_response(200)
            self.send_header("Content-Type", received.response_content_type)
            self.send_header("Content-Length", str(len(received.response)))
            self.end_headers()
            self.wfile.write(received.response)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def post(address: str, bodies: list[bytes]) -> float:
    """Send the bodies one after another and return the seconds until the last is acknowledged."""
    begin = time.perf_counter()
    for body in bodies:
        sent = urllib.request.Request(f"{address}/v1/traces", body, {"Content-Type": PROTOBUF})
        with urllib.request.urlopen(sent, timeout=PATIENCE) as answer:
            answer.read()
    return time.perf_counter() - begin


def has_peer(python: str) -> bool:
    """Tell whether an interpreter has arize-phoenix."""
    found = subprocess.run([python, "-c", "import phoenix.server"], capture_output=True, check=False)
    return found.returncode == 0


def measure_peer(python: str, bodies: list[bytes], folder: Path) -> Served:
    """Start the peer in a folder of its own, send it the bodies, wait until its database holds every span."""
    port, grpc = 16_006, 16_317
    environment = {
        **os.environ,
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(grpc),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    with (folder / "peer.log").open("wb") as output:
        process = subprocess.Popen(
            [python, "-m", "phoenix.server.main", "serve"], env=environment, stdout=output, stderr=output
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(lambda: answers(address), process)
            begin = time.perf_counter()
            acknowledged = post(address, bodies)
            spans = len(bodies) * BATCH
            wait_for(lambda: stored(folder / "phoenix.db") >= spans, process)
            return Served(spans / acknowledged, spans / (time.perf_counter() - begin))
        finally:
            process.terminate()
            process.wait()


def answers(address: str) -> bool:
    """Tell whether the peer is up."""
    try:
        with urllib.request.urlopen(f"{address}/healthz", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def stored(database: Path) -> int:
    """Return how many spans the peer's database holds."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    try:
        return int(connection.execute("SELECT count(*) FROM spans").fetchone()[0])
    finally:
        connection.close()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait until a condition holds. Raises RuntimeError where the peer ends or takes too long."""
    until = time.monotonic() + PATIENCE
    while not condition():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError("the peer did not do it: see peer.log")
        time.sleep(0.1)


def main() -> int:
    """Measure and print; the exit code says only whether there are figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spans", type=int, default=SPANS, help="spans of each workload")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--peer", default=sys.executable, help="the interpreter that has arize-phoenix")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rates = list(measure_all(folder, max(1, options.spans // BATCH)))
        bodies = [request(number, True, 0).SerializeToString() for number in range(PEER_SPANS // BATCH)]
        with served(folder) as address:
            seconds = post(address, bodies)
        own = Served(PEER_SPANS / seconds, PEER_SPANS / seconds)
        peer = measure_peer(options.peer, bodies, folder) if has_peer(options.peer) else None
    if options.json:
        print(json.dumps({"rates": [asdict(rate) for rate in rates], "served": asdict(own),
                          "peer": asdict(peer) if peer else None}))  # fmt: skip
    else:
        report(rates, own, peer)
    return 0


def measure_all(folder: Path, requests: int) -> Iterator[Rate]:
    """Yield the rate of each workload in both encodings."""
    for workload, framework, content in (
        ("Claude Code", False, 0),
        ("framework", True, 0),
        ("framework, content", True, CONTENT),
    ):
        count = requests // 4 or 1 if content else requests
        messages = [request(number, framework, content) for number in range(count)]
        yield measure(workload, "protobuf", [message.SerializeToString() for message in messages], folder)
        yield measure(workload, "json", [as_json(message) for message in messages], folder)


def report(rates: list[Rate], own: Served, peer: Served | None) -> None:
    """Print tables."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"{python}, {platform.machine()}, {os.cpu_count()} cores")
    print(f"budget: {BUDGET:,} spans/s on one core, without content\n")
    print(
        f"{'workload':<20}{'encoding':<10}{'B/span':>8}{'spans/s':>10}"
        f"{'reference':>18}{'spans/s':>11}{'share':>7}"
    )
    for rate in rates:
        print(
            f"{rate.workload:<20}{rate.encoding:<10}{rate.bytes_a_span:>8,}{rate.rate:>10,.0f}"
            f"{rate.reference:>18}{rate.reference_rate:>11,.0f}{rate.rate / rate.reference_rate:>7.2f}"
        )
    print(f"\nover HTTP, {PEER_SPANS:,} spans: Stretto stores and acknowledges {own.stored:,.0f} spans/s")
    if peer is None:
        print("arize-phoenix is not there for the peer's interpreter: nothing to compare with")
    else:
        print(f"arize-phoenix acknowledges {peer.acknowledged:,.0f} and stores {peer.stored:,.0f} spans/s")


if __name__ == "__main__":
    raise SystemExit(main())
