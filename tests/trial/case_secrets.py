"""Secrets of every known format, in every field that a source can carry: none is stored, shown or sent.

The journal itself is not searched: the hook client has no time for expressions and writes what it gets.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stretto import journal
from stretto.clock import read_wall_clock
from stretto.hook.client.client import build_record
from stretto.model.event import Channel, Event, Kind, Outcome
from stretto.servers.supervisor import BINARIES, find_program
from tests.otlp_receiver import OtlpReceiver
from tests.secret_samples import SAMPLES, find_secret_part
from tests.trial.case import Row, Scope, clear_environment, run_stretto
from tests.trial.service import RunningService, run_service, wait_until

MOST_PAGES = 600

FIELDS = ("session", "id", "parent", "name", "type", "source")
ATTRIBUTES = (
    "agent", "by", "command", "delegated_by", "description", "error", "model", "of_id", "owner", "pattern",
    "phase", "project", "reason", "receiver", "request", "response", "sender", "span_parent", "status",
    "task", "test_framework", "traceparent",
)  # fmt: skip

API_PROGRAM = """
import json, sys
import stretto
stretto.configure(state=sys.argv[1], service="planner")
for text in json.load(sys.stdin):
    with stretto.session(text, pattern=text, project=text, id=text):
        with stretto.phase(text), stretto.task(text, type=text, agent=text, id=text) as task:
            task.score("quality", 1, by=text)
            task.fail(text)
            with stretto.tool_call(text, id=text):
                pass
            with stretto.model_call(text, provider=text):
                pass
            with stretto.message(text, sender=text):
                pass
            stretto.cache(text).hit()
stretto.flush()
"""


def run(scope: Scope) -> Iterator[Row]:
    """Let every source report every sample, then search all that Stretto wrote, showed and sent."""
    samples = SAMPLES if not scope.short else dict(list(SAMPLES.items())[::3])
    state = scope.folder / "state"
    has_servers = all(find_program(name) for name in BINARIES)
    with OtlpReceiver() as receiver:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        with run_service(state, environ=environ) as service:
            now = read_wall_clock()
            for number, sample in enumerate(samples.values()):
                _report_everywhere(state / "journal", sample, now + number * 1_000_000)
            _report_by_api(state, list(samples.values()))
            for sample in samples.values():
                service.post("/v1/traces", json.dumps(_make_spans(sample, now)).encode())
                judgement = [{"name": "quality", "value": 1, "by": sample, "session": sample}]
                service.post("/api/scores", json.dumps({"scores": judgement}).encode())
            wait_until(lambda: len(receiver.requests) >= len(samples) // 2, 30)
            places = _collect_shown(service)
            failed = service.failed_paths
            if has_servers:
                wait_until(lambda: any((state / "servers" / "prometheus-data").glob("wal/*")), 30)
        places["sent traces"] = b"".join(request.message.SerializeToString() for request in receiver.requests)
    places.update(_collect_files(state))
    places["commands"] = _run_commands(state)
    places["logs"] = (scope.folder / "state.log").read_bytes()
    yield Row("pages of such sessions", len(samples), len(failed), ", ".join(failed[:3]))
    for place, content in places.items():
        shown = [name for name, sample in samples.items() if find_secret_part(sample).encode() in content]
        note = f"{len(content):,} bytes searched" + (f"; shown: {', '.join(shown[:5])}" if shown else "")
        empty = not content and place != "logs"
        yield Row(
            f"secrets in {place}", len(samples), len(shown) + empty, "nothing to search" if empty else note
        )


def _report_everywhere(folder: Path, sample: str, at: int) -> None:
    """Append an event of each kind with the sample in every field, and each hook with it in every field."""
    texts: dict[str, Any] = dict.fromkeys(FIELDS, sample)
    attributes: dict[str, Any] = dict.fromkeys(ATTRIBUTES, sample)
    attributes |= {
        "ids": [sample],
        "running": [sample],
        "wrote": [sample],
        "processes": [sample],
        "value": 1.0,
    }
    lines = []
    for offset, kind in enumerate(Kind):
        for channel in (Channel.HOOK, Channel.OTLP):
            outcome = Outcome.FAILURE if kind.value.endswith(".end") else None
            event = Event(
                kind=kind,
                time=at + offset * 1_000_000,
                channel=channel,
                outcome=outcome,
                attributes=attributes,
                **texts,
            )
            lines.append(journal.encode_event(event))
    hook: dict[str, Any] = {
        "session_id": sample, "cwd": f"/srv/{sample}", "model": sample, "source": sample, "reason": sample,
        "tool_use_id": sample, "agent_id": sample, "agent_type": sample, "trigger": sample,
        "prompt_id": sample, "prompt": f"/{sample}", "error": sample, "notification_type": sample,
        "tool_input": {"description": sample, "subagent_type": sample, "command": sample},
    }  # fmt: skip
    hooks = ("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "SubagentStart", "SubagentStop",
             "PostToolUseFailure", "Notification", "PreCompact", "Stop", "SessionEnd")  # fmt: skip
    for number, name in enumerate(hooks):
        for tool in (sample, "Agent"):
            payload = json.dumps({**hook, "tool_name": tool, "hook_event_name": name}).encode()
            lines.append(build_record(payload, at + number * 1_000_000))
    lines.append(b"\n{" + sample.encode() + b"\n")
    journal.append_records(journal.get_day_file(folder, at), b"".join(lines))


def _make_spans(sample: str, now: int) -> dict[str, Any]:
    """Return an OTLP request whose resource, spans and attributes hold the sample."""

    def attribute(key: str) -> dict[str, Any]:
        return {"key": key, "value": {"stringValue": sample}}

    spans = []
    for number, operation in enumerate(("invoke_agent", "execute_tool", "chat")):
        keys = (
            "gen_ai.agent.name", "gen_ai.tool.name", "gen_ai.tool.call.id", "gen_ai.request.model",
            "gen_ai.conversation.id", "gen_ai.workflow.name", "gen_ai.provider.name", "session.id",
            "error.type", "stretto.project", "stretto.pattern", "stretto.task.description",
            "stretto.task.type",
        )  # fmt: skip
        operation_name = {"key": "gen_ai.operation.name", "value": {"stringValue": operation}}
        spans.append(
            {
                "traceId": f"{abs(hash(sample)):032x}"[:32],
                "spanId": f"{number + 1:016x}",
                "name": f"{operation} {sample}",
                "startTimeUnixNano": str(now),
                "endTimeUnixNano": str(now + 1_000_000),
                "attributes": [operation_name, *map(attribute, keys)],
            }
        )
    resource = {"attributes": [attribute("service.name")]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}


def _report_by_api(state: Path, samples: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", API_PROGRAM, str(state)],
        input=json.dumps(samples),
        env=clear_environment(state),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if ended.returncode:
        raise RuntimeError(f"the program failed: {ended.stderr[-500:]}")


def _collect_shown(service: RunningService) -> dict[str, bytes]:
    """Return what the running service shows, by surface."""
    pages = service.crawl(MOST_PAGES)
    names = ("sessions?limit=100", "snapshot", "trends", "problems", "notifications")
    answers = [service.get(f"/api/{name}") for name in names]
    listed = json.loads(answers[0])["sessions"]
    answers += [service.get(f"/api/sessions/{row['id']}") for row in listed]
    return {
        "pages": b"".join(pages.values()),
        "the API": b"".join(answers),
        "/metrics": service.get("/metrics"),
    }


def _collect_files(state: Path) -> dict[str, bytes]:
    """Return the content of the files beside the journal."""
    store = sorted(state.glob("stretto.db*"))
    servers = [path for path in (state / "servers").rglob("*") if path.is_file()]
    files = {"the store": b"".join(path.read_bytes() for path in store)}
    if servers:
        files["the servers' files"] = b"".join(path.read_bytes() for path in servers)
    return files


def _run_commands(state: Path) -> bytes:
    """Return what commands print about all sessions."""
    sessions = run_stretto(state, "sessions", "--json").stdout
    ids = [row["id"] for row in json.loads(sessions)["sessions"]][:20]
    printed = [sessions, run_stretto(state, "doctor").stdout, run_stretto(state, "baseline", "list").stdout]
    printed += [run_stretto(state, "show", id).stdout for id in ids]
    return "".join(printed).encode()
