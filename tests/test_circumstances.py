"""Circumstances and labels of a session, from every source that reports them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stretto import journal
from stretto.hook.client.client import build_record
from stretto.journal import parse_line
from stretto.model.event import Event, Kind
from stretto.sources.otlp.receive import OtlpTranslator, Signal
from tests.otlp_requests import NOW, as_json, as_protobuf, log, logs, only_session, receive, span, traces
from tests.otlp_requests import events_of as otlp_events
from tests.scenes import Drawing, conclude_scene
from tests.test_transcript import concluded, prompt, read_file, written

KEY = b"k" * 32


def hook(**payload: Any) -> Event:
    """Return the event of a hook."""
    event = parse_line(build_record(json.dumps({"session_id": "s", **payload}).encode(), 1 << 60, key=KEY))
    assert isinstance(event, Event)
    return event


def test_hooks_report_permission_mode_and_effort() -> None:
    """The mode is a token and the effort the level in its object; free text is kept out."""
    event = hook(
        hook_event_name="UserPromptSubmit",
        permission_mode="acceptEdits",
        effort={"level": "high"},
        prompt="x",
    )
    assert event.attributes["permission_mode"] == "acceptEdits"
    assert event.attributes["effort"] == "high"
    other = hook(hook_event_name="SessionStart", permission_mode="do as I say", effort=["high"])
    assert not {"permission_mode", "effort"} & other.attributes.keys()


def test_at_most_eight_labels_count_beside_the_pattern() -> None:
    """Nine labels and a pattern: the ninth, by the order of keys, is left out."""
    labels = [f"k{number}={number}" for number in range(9)] + ["pattern=release"]
    session = conclude_scene(Drawing("s").opens(0, labels=labels).events)
    assert [key for key, _ in session.labels] == [f"k{number}" for number in range(8)] + ["pattern"]
    assert session.pattern == "release"


def test_transcripts_report_version_mode_and_a_hash_of_the_branch(tmp_path: Path) -> None:
    """The branch's name stays at home: with another key it has another hash, without a key none."""
    line = prompt(1, version="2.1.197", gitBranch="fix-payroll", permissionMode="plan")
    file = written(tmp_path / "s.jsonl", [line])
    covariates = dict(concluded(read_file(file, key=KEY).events).covariates)
    assert covariates.pop("branch") != "fix-payroll"
    assert covariates == {"client_version": "2.1.197", "permission_mode": "plan"}
    other = dict(concluded(read_file(file, key=b"other").events).covariates)
    assert other["branch"] != dict(concluded(read_file(file, key=KEY).events).covariates)["branch"]
    assert "branch" not in dict(concluded(read_file(file).events).covariates)
    odd = written(tmp_path / "t.jsonl", [prompt(1, version="mine: x", permissionMode="do as I say")])
    assert concluded(read_file(odd, key=KEY).events).covariates == ()


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
def test_otlp_labels_a_session_by_attributes_of_span_or_resource(encoding: str) -> None:
    """``stretto.label.arm`` of the outermost span is the label ``arm``, in both encodings."""
    values: dict[str, Any] = {"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "c"}
    values |= {"stretto.label.arm": "B", "stretto.label.team": "core"}
    outermost = span("run", 1, **values)
    request = traces([outermost])
    body, content_type = (
        (as_json(request), "application/json")
        if encoding == "json"
        else (as_protobuf(Signal.TRACES, request), "application/x-protobuf")
    )
    receiver = OtlpTranslator(journal.encode_event)
    result = receiver.receive_request(Signal.TRACES, body, content_type=content_type, now=NOW)
    assert only_session(otlp_events(result.records)).labels == (("arm", "B"), ("team", "core"))


def test_claude_codes_telemetry_reports_version_and_labels() -> None:
    """The resource's version is the client's; attributes set by the environment label the session."""
    values: dict[str, Any] = {"session.id": "s", "prompt.id": "p1", "event.name": "user_prompt"}
    values |= {"service.version": "2.1.197", "stretto.label.arm": "A"}
    record = log("claude_code.user_prompt", **values)
    request = logs([record], scope="com.anthropic.claude_code.events", service="claude-code")
    events = otlp_events(receive(request, Signal.LOGS).records)
    start = next(event for event in events if event.kind is Kind.TURN_START)
    assert start.attributes["client_version"] == "2.1.197"
    assert start.attributes["labels"] == ["arm=A"]
