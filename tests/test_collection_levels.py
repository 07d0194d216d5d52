"""The levels of collection, for what comes by the Python API, by OTLP and from files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

import stretto
from stretto import journal
from stretto.api.journal_exporter import JournalSpanExporter, JournalSpanProcessor, SessionStamp
from stretto.cli.main import main
from stretto.clock import read_wall_clock
from stretto.features.collection_filter import Collection
from stretto.features.feature_state_in_program import find_program_collection
from stretto.features.feature_switches import LEVELS
from stretto.figures.fanouts import find_fanouts
from stretto.model.entities import Session
from stretto.model.event import Event, Kind
from stretto.model.span_tree import SpanRole
from stretto.sources.otlp.receive import OtlpTranslator, RequestResult, Signal
from tests.otlp_requests import JSON, NOW, PROTOBUF, as_json, events_of, only_session, span, traces
from tests.test_api_journal_exporter import conclude_events, events
from tests.test_api_tracing import Spans, sdk

CALLS, ANSWERS = 12, 6
"""Calls of tools, and of models, in each of three tasks."""


async def review(number: int) -> None:
    with stretto.task(f"part {number}", type="review", agent=f"reviewer-{number}"):
        for _ in range(CALLS):
            with stretto.tool_call("Read") as call:
                await asyncio.sleep(0)
                call.tests("pytest", passed=3)
        for _ in range(ANSWERS):
            with stretto.model_call("pretend-large", provider="nobody") as answer:
                answer.tokens(input=900, output=150)
        with stretto.message("lead", type="report"):
            pass


async def work() -> None:
    """Run three agents side by side, then a fourth from inside a call of a tool."""
    with stretto.session("release", id="s", pattern="release"), stretto.phase("check"):
        await asyncio.gather(*(review(number) for number in range(3)))
        with stretto.tool_call("delegate"), stretto.task("inner", type="tests", agent="tester"):
            pass


@contextmanager
def record_at_every_level(folder: Path) -> Iterator[Spans]:
    """Record the same spans into a journal for each level."""
    processors = [
        JournalSpanProcessor(
            JournalSpanExporter(folder / level, collection=Collection(level=level)), delay_seconds=3600
        )
        for level in LEVELS
    ]
    with sdk(SessionStamp(), *processors) as spans:
        asyncio.run(work())
        assert spans.provider.force_flush()
        yield spans


def receive_spans(spans: Spans, level: str) -> RequestResult:
    """Return what a service at a level makes of the spans of a program, the earliest ended first."""
    body = encode_spans(spans.all()).SerializeToString()
    return make_receiver(Collection(level=level)).receive_request(
        Signal.TRACES, body, content_type=PROTOBUF, now=read_wall_clock()
    )


def make_receiver(collection: Collection) -> OtlpTranslator:
    def encode(event: Event) -> bytes:
        kept = collection.keep_event(event)
        return b"" if kept is None else journal.encode_event(kept)

    return OtlpTranslator(encode, dropped=collection.dropped_roles)


def describe_story(session: Session) -> list[object]:
    """Return what every level has: tasks with agents and times, parallel executions, the outcome."""
    tasks = sorted(session.tasks, key=lambda task: task.id)
    fanouts = [*find_fanouts(session.tasks)]
    return [session.id, session.outcome, session.start, session.end, session.pattern, tasks, fanouts]


def read_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.jsonl"))


def test_a_program_records_as_much_as_its_level_says(tmp_path: Path) -> None:
    """Minimal is at least five times smaller and has the same tasks; standard adds phases and messages."""
    with record_at_every_level(tmp_path):
        pass
    recorded = {level: events(tmp_path / level) for level in LEVELS}
    sessions = {level: conclude_events(recorded[level]) for level in LEVELS}
    sizes = {level: read_size(tmp_path / level) for level in LEVELS}
    assert sizes["detailed"] >= 5 * sizes["minimal"]
    assert sizes["detailed"] > sizes["standard"] > sizes["minimal"]
    stories = [describe_story(session) for session in sessions.values()]
    assert stories[0] == stories[1] == stories[2]
    assert len(sessions["minimal"].tasks) == 4
    assert {level: len(session.model_calls) for level, session in sessions.items()} == {
        "minimal": 0, "standard": 0, "detailed": 3 * ANSWERS,
    }  # fmt: skip
    # The call that an agent ran in links the agent with the session, and stays.
    assert {level: len(session.tool_calls) for level, session in sessions.items()} == {
        "minimal": 1, "standard": 1, "detailed": 3 * CALLS + 1,
    }  # fmt: skip
    assert {level: len(session.messages) for level, session in sessions.items()} == {
        "minimal": 0, "standard": 3, "detailed": 3,
    }  # fmt: skip
    kinds = {level: {event.kind for event in recorded[level]} for level in LEVELS}
    assert Kind.PHASE_START not in kinds["minimal"]
    assert Kind.PHASE_START in kinds["standard"]


def test_a_service_records_as_much_as_its_level_says(tmp_path: Path) -> None:
    """The same spans by OTLP: five times smaller at minimal, with the tasks of the program's own journal."""
    with record_at_every_level(tmp_path) as spans:
        received = {level: receive_spans(spans, level) for level in LEVELS}
    sizes = {level: len(result.records) for level, result in received.items()}
    assert sizes["detailed"] >= 5 * sizes["minimal"]
    assert sizes["detailed"] > sizes["standard"] > sizes["minimal"]
    detailed = describe_story(conclude_events(events_of(received["detailed"].records)))
    for level in ("minimal", "standard"):
        assert describe_story(conclude_events(events_of(received[level].records))) == detailed
    for level, result in received.items():
        assert result.events == len(events_of(result.records)), level
        assert result.rejected == 0


def test_a_dropped_call_comes_back_with_the_agent_inside_it() -> None:
    """The agent comes in a later request than the call that it ran in, which is written then."""
    receiver = make_receiver(Collection(level="minimal"))
    tool: dict[str, Any] = {"gen_ai__operation__name": "execute_tool"}
    start: dict[str, Any] = {"gen_ai__operation__name": "invoke_agent"}
    call = span("delegate", 2, 1, at=1, lasts=8, gen_ai__tool__name="delegate", **tool)
    other = span("read", 4, 1, at=9, lasts=1, gen_ai__tool__name="read", **tool)
    agent = span("inner", 3, 2, at=2, lasts=6, gen_ai__agent__name="inner", **start)
    lead = span("lead", 1, at=0, lasts=10, gen_ai__agent__name="lead", **start)
    recorded: list[Event] = []
    for batch in ([call, other], [agent], [lead]):
        result = receiver.receive_request(Signal.TRACES, as_json(traces(batch)), content_type=JSON, now=NOW)
        recorded += events_of(result.records)
    assert [event.attributes["role"] for event in recorded] == ["agent", "tool", "agent"]
    session = only_session(recorded)
    assert [task.agent for task in session.tasks] == ["inner"]
    assert [call.tool for call in session.tool_calls] == ["delegate"]
    assert receiver.unread.list_counts() == []


def test_single_parts_are_left_out_of_spans(tmp_path: Path) -> None:
    """Without executions no call is recorded; without tests no result; without agents no name."""
    for part in ("executions", "tests", "agents"):
        exporter = JournalSpanExporter(tmp_path / part, collection=Collection(frozenset({part})))
        with sdk(SessionStamp(), JournalSpanProcessor(exporter, delay_seconds=3600)) as spans:
            asyncio.run(work())
            assert spans.provider.force_flush()
    written = {path.name: "".join(file.read_text() for file in path.glob("*")) for path in tmp_path.iterdir()}
    assert "pretend-large" not in written["executions"]
    assert '"Read"' not in written["executions"]
    assert "tests_passed" not in written["tests"]
    assert "tests_passed" in written["agents"]
    assert "reviewer-1" not in written["agents"]
    assert "reviewer-1" in written["tests"]


@pytest.mark.parametrize(
    ("kind", "least"),
    [
        (Kind.SESSION_START, "minimal"), (Kind.TURN_END, "minimal"), (Kind.TASK_START, "minimal"),
        (Kind.SCORE, "minimal"), (Kind.LABEL, "minimal"), (Kind.PROCESSES_GONE, "minimal"),
        (Kind.ALIAS, "minimal"), (Kind.COPY, "minimal"), (Kind.DECISION, "minimal"), (Kind.REJECT, "minimal"),
        (Kind.PERMISSION_REQUEST, "standard"), (Kind.NOTIFICATION, "standard"),
        (Kind.COMPACTION_START, "standard"), (Kind.COMPACTION_END, "standard"),
        (Kind.PHASE_END, "standard"), (Kind.MESSAGE, "standard"), (Kind.CACHE_REPORT, "standard"),
        (Kind.TOOL_START, "detailed"), (Kind.TOOL_END, "detailed"), (Kind.MODEL_CALL, "detailed"),
        (Kind.HOOKS_RUN, "detailed"), (Kind.SAMPLE, "detailed"),
    ],
)  # fmt: skip
def test_each_kind_has_a_least_level(kind: Kind, least: str) -> None:
    """Whatever the source, a kind of event is kept from its level on."""
    event = Event(kind=kind, session="s", time=1, name="Read")
    kept = [level for level in LEVELS if Collection(level=level).keep_event(event) is not None]
    assert kept == [*LEVELS[LEVELS.index(least) :]]


def test_a_call_that_starts_an_agent_is_kept_at_every_level() -> None:
    """It is part of its task, in transcripts and histories as in hooks."""
    minimal = Collection(level="minimal")
    started = Event(kind=Kind.TOOL_START, session="s", time=1, name="Agent")
    named = Event(kind=Kind.TOOL_END, session="s", time=1, name="spawn", attributes={"agent": "critic"})
    for event in (started, named):
        assert minimal.keep_event(event) == event
    assert minimal.dropped_roles == {SpanRole.TOOL, SpanRole.MODEL, SpanRole.PHASE, SpanRole.LINK}


def test_a_program_reads_the_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By configuration, then command, then environment; nonsense counts as not set."""
    environ = {"STRETTO_STATE": str(tmp_path)}
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path))
    assert find_program_collection(environ).level == "detailed"
    (tmp_path / "config.toml").write_text("[features]\nlevel = 'standard'\n")
    assert find_program_collection(environ).level == "standard"
    assert main(["features", "set", "level=minimal"]) == 0
    assert find_program_collection(environ).level == "minimal"
    assert find_program_collection({**environ, "STRETTO_FEATURES_LEVEL": "detailed"}).level == "detailed"
    assert find_program_collection({**environ, "STRETTO_FEATURES_LEVEL": "much"}).level == "minimal"
