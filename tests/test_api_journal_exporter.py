from __future__ import annotations

import asyncio
import logging
import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult

import stretto
from stretto import journal
from stretto.api.context import read_context
from stretto.api.failed_journal_write_retry import RecordWriter
from stretto.api.journal_exporter import OPEN_LIMIT, JournalSpanExporter, JournalSpanProcessor, SessionStamp
from stretto.api.recording_costs import RecordingCosts, note_block
from stretto.clock import MINUTE, SECOND, read_wall_clock
from stretto.hook.client.client import identify_boot_and_pid_namespace, identify_process
from stretto.model.conclude_session import conclude_session
from stretto.model.entities import Session
from stretto.model.event import Channel, Event, Kind, Outcome
from stretto.model.facts import SessionFacts
from stretto.model.fold import fold_events
from stretto.model.phases_messages_and_scores_from_facts import sum_up_recording_time
from stretto.sources.otlp.receive import OtlpTranslator, Signal
from stretto.store import session_queries
from tests.fakes import store
from tests.otlp_requests import entity_events
from tests.scenes import by_description
from tests.test_api_tracing import Spans, sdk
from tests.waiting import PATIENCE, until

SECRET = "the prompt said: buy low"


class Journal:
    """A journal that an SDK writes to."""

    def __init__(self, folder: Path, spans: Spans) -> None:
        self.folder = folder
        self.spans = spans

    def events(self) -> list[Event]:
        """Write all waiting spans, and return the events in the journal."""
        assert self.spans.provider.force_flush()
        return events(self.folder)

    def list_events(self, kind: Kind) -> list[Event]:
        """Return the events of a kind; spans count as the entities that they amount to."""
        return [event for event in entity_events(self.events()) if event.kind is kind]


def events(folder: Path) -> list[Event]:
    """Return the events of a journal but for what recording cost; every line of it must be valid."""
    return [event for event in all_events(folder) if event.kind is not Kind.API_COST]


def all_events(folder: Path) -> list[Event]:
    """Return all events of a journal; every line of it must be valid."""
    batches = [journal.read_batch(folder, file, 0) for file in journal.list_file_sizes(folder)]
    assert [reject for batch in batches for reject in batch.rejects] == []
    return [event for batch in batches for event in batch.events]


@contextmanager
def journalled(folder: Path, **options: Any) -> Iterator[Journal]:
    """Let spans go to a journal, as ``configure`` does; only ``events`` moves them on."""
    processor = JournalSpanProcessor(JournalSpanExporter(folder), delay_seconds=3600)
    with sdk(SessionStamp(), processor, **options) as spans:
        yield Journal(folder, spans)


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Journal]:
    with journalled(tmp_path / "journal") as found:
        yield found


def conclude_events(events: list[Event]) -> Session:
    """Return the session that the events describe."""
    (id,) = {event.session for event in events}
    facts = SessionFacts(id)
    fold_events(facts, events)
    return conclude_session(facts, lost=False, classify=by_description)


async def _review(name: str, *, fails: bool = False) -> None:
    with stretto.task(f"review {name}", type="review", agent=name) as task:
        with stretto.model_call("large") as call:
            await asyncio.sleep(0)
            call.tokens(input=3, output=4, cache_read=5)
        with stretto.tool_call("Read"):
            await asyncio.sleep(0)
        task.score("quality", 8, by="lead")
        if fails:
            raise ValueError(SECRET)


async def _orchestrate() -> None:
    with stretto.session("release", pattern="fan-out", project="shop", id="s1"):
        with stretto.phase("analysis"):
            await asyncio.gather(
                *(_review(name) for name in "ab"), _review("c", fails=True), return_exceptions=True
            )
        with stretto.phase("report"), stretto.message("a", sender="lead"):
            pass


def test_a_run_becomes_events(written: Journal) -> None:
    """Session, phases, tasks, calls, scores and messages become events with their given values."""
    asyncio.run(_orchestrate())
    events = written.events()

    assert {event.channel for event in events} == {Channel.API}
    assert {event.source for event in events} == {"python"}
    assert {event.session for event in events} == {"s1"}
    (opened,), (closed,) = written.list_events(Kind.SESSION_START), written.list_events(Kind.SESSION_END)
    assert opened.attributes == {
        "pattern": "fan-out",
        "project": "shop",
        "description": "release",
        "processes": [identify_process(os.getpid())],
        "host": identify_boot_and_pid_namespace(),
    }
    assert closed.outcome is Outcome.SUCCESS
    assert closed.duration == closed.time - opened.time
    assert [event.name for event in written.list_events(Kind.PHASE_START)] == ["analysis", "report"]
    assert [event.outcome for event in written.list_events(Kind.PHASE_END)] == [
        Outcome.SUCCESS,
        Outcome.SUCCESS,
    ]
    started = {event.name: event for event in written.list_events(Kind.TASK_START)}
    ended = {event.name: event for event in written.list_events(Kind.TASK_END)}
    assert set(started) == set(ended) == {"a", "b", "c"}
    assert started["a"].attributes == {"description": "review a", "phase": "analysis"}
    assert started["a"].type == "review"
    assert started["a"].parent is None
    assert ended["a"].outcome is Outcome.SUCCESS
    assert ended["c"].outcome is Outcome.FAILURE
    (failed,) = [event for event in events if event.outcome is Outcome.FAILURE]
    assert failed.attributes["error"] == "ValueError"
    task_ids = {event.id for event in started.values()}
    for kind in (Kind.TOOL_START, Kind.TOOL_END, Kind.MODEL_CALL):
        assert {event.parent for event in written.list_events(kind)} == task_ids, kind
    call = written.list_events(Kind.MODEL_CALL)[0]
    assert call.name == "large"
    assert {k: v for k, v in call.attributes.items() if k.endswith("tokens")} == {
        "input_tokens": 3,
        "output_tokens": 4,
        "cache_read_tokens": 5,
    }
    scores = written.list_events(Kind.SCORE)
    assert {score.id for score in scores} == task_ids
    assert scores[0].name == "quality"
    assert scores[0].attributes == {"value": 8.0, "by": "lead", "of": "task"}
    (message,) = written.list_events(Kind.MESSAGE)
    span = written.spans.find_span("message a")
    assert (message.name, message.time, message.attributes) == ("a", span.start_time, {"sender": "lead"})
    assert message.duration == (span.end_time or 0) - message.time


def test_a_message_of_known_response_time(written: Journal) -> None:
    """The message was sent that long ago; a message without an answer has no duration."""
    stretto.message("a").sent(response_seconds=0.5)
    stretto.message("b").sent()

    answered, unanswered = written.list_events(Kind.MESSAGE)
    assert answered.duration == SECOND // 2
    assert unanswered.duration is None


def test_a_run_is_found_in_the_store(tmp_path: Path) -> None:
    """From the journal into the store and out again: tasks with lengths and outcomes, a fan-out of three."""
    with store(tmp_path) as kept:
        with journalled(kept.folder) as written:
            asyncio.run(_orchestrate())
            written.events()
        for _ in kept.ingest.catch_up(kept.folder):
            pass
        session = session_queries.read_session(kept.connection, "s1", by_description)
        (row,) = session_queries.list_sessions(kept.connection)

    assert session is not None
    assert session.outcome is Outcome.SUCCESS
    assert row.fanouts == 1
    assert sorted((task.agent, task.task_type, task.outcome) for task in session.tasks) == [
        ("a", "review", Outcome.SUCCESS),
        ("b", "review", Outcome.SUCCESS),
        ("c", "review", Outcome.FAILURE),
    ]
    for task in session.tasks:
        span = next(s for s in written.spans.all() if f"{s.context.span_id:016x}" == task.id)
        assert (task.start, task.end) == (span.start_time, span.end_time)
    assert {call.task for call in session.tool_calls} == {task.id for task in session.tasks}
    assert {call.tokens.input for call in session.model_calls} == {3}


def test_a_session_shows_before_it_is_over(tmp_path: Path) -> None:
    """An open span is recorded at its start, so the store shows it as running until its end."""
    with store(tmp_path) as kept, journalled(kept.folder) as written:

        def taken() -> Session:
            written.events()
            for _ in kept.ingest.catch_up(kept.folder):
                pass
            session = session_queries.read_session(kept.connection, "s1", by_description)
            assert session is not None
            return session

        with stretto.session(id="s1"), stretto.phase("p"), stretto.task("t", agent="a"):
            with stretto.tool_call("x"):
                live = taken()
                assert live.outcome is Outcome.RUNNING
                assert [task.outcome for task in live.tasks] == [Outcome.RUNNING]
                assert [call.outcome for call in live.tool_calls] == [Outcome.RUNNING]
            assert [call.outcome for call in taken().tool_calls] == [Outcome.SUCCESS]
        over = taken()

    assert over.outcome is Outcome.SUCCESS
    assert [(task.id, task.start) for task in over.tasks] == [(task.id, task.start) for task in live.tasks]
    kinds = [event.kind for event in events(kept.folder)]
    for kind in (Kind.SESSION_START, Kind.PHASE_START):
        assert kinds.count(kind) == 1, kind
    # Session, phase, task and call, each open and ended.
    assert kinds.count(Kind.SPAN) == 8


def test_a_task_that_is_told_the_moment_it_starts_is_a_task(tmp_path: Path) -> None:
    """A span that is written before it has its own id is recognised all the same."""
    exporter = JournalSpanExporter(tmp_path)

    class AtOnce(SpanProcessor):
        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            assert exporter.export([span]) is SpanExportResult.SUCCESS
            assert parent_context is not None

    # Of a session without a trace, so that nothing lies above the task's span: as if it were a turn's.
    token = attach(read_context({"CLAUDE_CODE_SESSION_ID": "agents"}))
    with sdk(AtOnce()), stretto.task("t") as task:
        pass
    detach(token)

    assert [(event.kind, event.id, event.session) for event in entity_events(events(tmp_path))] == [
        (Kind.TASK_START, task.id, "agents")
    ]


def test_what_has_ended_is_no_longer_kept_in_mind(tmp_path: Path) -> None:
    """After the last span of a run is written, the exporter keeps no data of the run."""
    exporter = JournalSpanExporter(tmp_path)
    with sdk(JournalSpanProcessor(exporter, delay_seconds=3600)) as spans:
        asyncio.run(_orchestrate())
        spans.provider.force_flush()

    assert exporter._open == {}


def test_told_twice_or_once_is_the_same(tmp_path: Path) -> None:
    """An exporter that sees only ends gives the same session as an exporter that sees starts too."""
    only_ends = SimpleSpanProcessor(JournalSpanExporter(tmp_path / "ends"))
    both = JournalSpanProcessor(JournalSpanExporter(tmp_path / "both"), delay_seconds=3600)
    with sdk(only_ends, both) as spans:
        with stretto.session(pattern="p"), stretto.task("t", agent="a") as task:
            spans.provider.force_flush()
            with stretto.tool_call("x"):
                spans.provider.force_flush()
            task.score("quality", 1)
        spans.provider.force_flush()

    once, twice = events(tmp_path / "ends"), events(tmp_path / "both")
    assert conclude_events(once) == conclude_events(twice) == conclude_events([*once, *twice])
    ended = [event for event in twice if "open" not in event.attributes]
    assert sorted(map(repr, once)) == sorted(map(repr, ended))


def test_by_otlp_it_is_the_same_story(written: Journal) -> None:
    """The spans sent to the receiver give the tasks, tool calls and model calls that the journal gave."""
    asyncio.run(_orchestrate())
    body = encode_spans(written.spans.all()).SerializeToString()
    received = OtlpTranslator(journal.encode_event).receive_request(
        Signal.TRACES, body, content_type="application/x-protobuf", now=read_wall_clock()
    )
    by_otlp = [journal.parse_line(line) for line in received.records.split(b"\n") if line]
    sent = conclude_events([event for event in by_otlp if isinstance(event, Event)])
    own = conclude_events(written.events())

    assert len(by_otlp) == received.events > 0
    assert (sent.id, sent.start, sent.end) == (own.id, own.start, own.end)
    assert sent.tasks == own.tasks
    assert sent.tool_calls == own.tool_calls
    assert sent.model_calls == own.model_calls


def test_a_task_inside_a_task_or_a_call_names_it(written: Journal) -> None:
    """The parent is the task or tool call around it, though that ends later and in another batch."""
    with stretto.session(), stretto.task("t", agent="outer") as outer:
        with stretto.phase("p"), stretto.task("t", agent="second"):
            pass
        written.events()
        with stretto.tool_call("delegate") as call, stretto.task("t", agent="third") as third:
            pass

    ended = {event.name: event for event in written.list_events(Kind.TASK_END)}
    assert ended["outer"].parent is None
    assert ended["second"].parent == outer.id
    assert ended["third"].parent == call.id
    started = {event.name: event for event in written.list_events(Kind.TASK_START)}
    assert started["third"].attributes["delegated_by"] == call.id
    (end,) = [event for event in written.list_events(Kind.TOOL_END) if event.id == call.id]
    assert end.attributes["task"] == third.id


def test_a_call_knows_the_task_that_it_started_batches_later(written: Journal) -> None:
    """A tool call that ends long after the task which it started still names it."""
    with stretto.session(), stretto.tool_call("delegate"):
        with stretto.task("t") as task:
            written.events()
        written.events()

    (end,) = written.list_events(Kind.TOOL_END)
    assert end.attributes["task"] == task.id


# Spans of other instrumentations.


def _theirs(name: str, **attributes: Any) -> Any:
    tracer = trace.get_tracer("their.framework")
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return tracer.start_as_current_span(name, attributes=named)


def _their_agent(name: str) -> Any:
    return _theirs(f"invoke_agent {name}", gen_ai__operation__name="invoke_agent", gen_ai__agent__name=name)


def _their_tool(name: str) -> Any:
    return _theirs(f"execute_tool {name}", gen_ai__operation__name="execute_tool", gen_ai__tool__name=name)


def test_spans_of_others_are_part_of_the_session(written: Journal) -> None:
    """A framework's agent run inside our session is a task of it, its tool calls are that task's."""
    with stretto.session(id="s1"), _their_agent("theirs"), _theirs("some step"):
        written.events()
        with _their_tool("search"):
            pass
        written.events()

    (task,) = written.list_events(Kind.TASK_END)
    (call,) = written.list_events(Kind.TOOL_END)
    assert {event.session for event in written.events()} == {"s1"}
    assert task.name == "theirs"
    assert call.parent == task.id
    assert written.spans.read_attributes("invoke_agent theirs")["session.id"] == "s1"


def test_a_task_of_ours_holds_their_calls(written: Journal) -> None:
    """A framework's tool call right inside our task is that task's."""
    with stretto.session(), stretto.task("t", id="mine"), _their_tool("search"):
        written.events()

    (call,) = written.list_events(Kind.TOOL_END)
    assert call.parent == "mine"


def test_a_framework_by_itself_is_a_session_by_trace(written: Journal) -> None:
    """Without a session of ours the trace is the session, from its outermost span's start to its end."""
    with _theirs("handle request", http__route="/"):
        written.events()
        with _their_agent("theirs"):
            written.events()
        written.events()

    root = written.spans.find_span("handle request")
    (opened,), (closed,) = written.list_events(Kind.SESSION_START), written.list_events(Kind.SESSION_END)
    assert opened.session == closed.session == f"{root.context.trace_id:032x}"
    assert (opened.time, closed.time) == (root.start_time, root.end_time)
    assert written.list_events(Kind.TASK_END)[0].session == opened.session


def test_a_trace_stays_with_the_session_in_it(written: Journal) -> None:
    """Spans of a framework after our session, in the same trace, are not another session."""
    with _theirs("handle request"):
        with stretto.session(id="s1"):
            pass
        written.events()
        with _their_agent("theirs"):
            pass

    assert {event.session for event in written.events()} == {"s1"}


def test_an_open_trace_waits_for_the_word_on_its_session(written: Journal) -> None:
    """A framework may name the conversation only at the end: until then no event has another session."""
    with _their_agent("theirs") as span:
        assert written.events() == []
        with _their_tool("search"):
            assert written.events() == []
            span.set_attribute("gen_ai.conversation.id", "c1")

    assert {event.session for event in written.events()} == {"c1"}
    assert len(written.list_events(Kind.TURN_END)) == 1


def test_spans_about_something_else_are_left(written: Journal) -> None:
    """A host's web requests and queries are irrelevant: no line is written."""
    with _theirs("GET /"), _theirs("SELECT"):
        written.events()

    assert written.events() == []


def test_content_stays_where_it_is(written: Journal) -> None:
    """Only names, ids, counts and classes of a framework's spans reach the journal."""
    content = {
        "gen_ai__input__messages": SECRET,
        "gen_ai__tool__call__arguments": SECRET,
        "input__value": SECRET,
    }
    with (
        stretto.session(),
        _theirs("execute_tool x", gen_ai__operation__name="execute_tool", **content) as span,
    ):
        span.add_event("exception", {"exception.message": SECRET})
        with pytest.raises(ValueError, match="buy low"), stretto.task("t"):
            raise ValueError(SECRET)

    assert len(written.list_events(Kind.TOOL_END)) == 1
    lines = b"".join(path.read_bytes() for path in written.folder.iterdir())
    assert SECRET.encode() not in lines


def test_the_programs_name_is_the_source(tmp_path: Path) -> None:
    """``service.name`` is the source of the events."""
    with journalled(tmp_path, resource=Resource.create({"service.name": "planner"})) as written:
        with stretto.session():
            pass
        assert {event.source for event in written.events()} == {"planner"}


def test_a_judgement_by_others_is_a_score(written: Journal) -> None:
    """The conventions' event on a framework's span is about the work of that span; no number, no score."""
    with stretto.session(), _their_agent("theirs") as span:
        for value in (0.5, math.nan, "good", True):
            named = {"gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": value}
            span.add_event("gen_ai.evaluation.result", named)

    (task,) = written.list_events(Kind.TASK_END)
    assert [(score.id, score.attributes) for score in written.list_events(Kind.SCORE)] == [
        (task.id, {"value": 0.5, "of": "task"})
    ]


# What can go wrong.


def test_a_journal_that_cannot_be_written_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The host reads in its log that events wait, and again that they are written; nothing is lost."""
    folder = tmp_path / "journal"
    folder.write_text("a file where the folder should be")
    exporter = JournalSpanExporter(folder)
    with sdk() as spans, stretto.session():
        pass
    with caplog.at_level(logging.WARNING):
        exporter.export(spans.all())
        exporter.export(spans.all())
        assert caplog.text.count("cannot be written") == 1
        folder.unlink()
        assert exporter.export(spans.all()) is SpanExportResult.SUCCESS

    assert "are written" in caplog.text
    kinds = [event.kind for event in events(folder)]
    assert kinds.count(Kind.SESSION_END) == 3


def test_events_of_a_blocked_folder_are_written_when_it_is_back(tmp_path: Path) -> None:
    """All events of a folder that is blocked at first are written, though the program records no more."""
    folder = tmp_path / "journal"
    folder.write_text("a file where the folder should be")
    with journalled(tmp_path / "free") as written:
        asyncio.run(_orchestrate())
        free = written.events()
    with journalled(folder) as written:
        asyncio.run(_orchestrate())
        assert not written.spans.provider.force_flush()
        folder.unlink()
        assert until(lambda: folder.exists() and len(events(folder)) >= len(free) > 20)

    assert sorted(event.kind for event in events(folder)) == sorted(event.kind for event in free)


def test_waiting_events_are_bounded_and_the_dropped_ones_counted_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Beyond the bound the oldest records are dropped, and the log has the number of all lost ones."""
    folder = tmp_path / "journal"
    folder.write_text("a file where the folder should be")
    writer = RecordWriter(folder, read_wall_clock, kept_bytes=50)
    with caplog.at_level(logging.WARNING):
        for number in range(10):
            assert not writer.write([b"\n%09d\n" % number])
        assert (writer.waiting, writer.dropped) == (4, 6)
        assert caplog.text.count("the oldest are dropped") == 1
        writer.close(timeout=0.01)

    assert (writer.waiting, writer.dropped) == (0, 10)
    assert "4 events are lost" in caplog.text


def test_a_program_waits_a_moment_for_the_folder_as_it_exits(tmp_path: Path) -> None:
    """Closing writes the waiting records in order if the folder comes back in time."""
    folder = tmp_path / "journal"
    folder.write_text("a file where the folder should be")
    writer = RecordWriter(folder, read_wall_clock)
    writer.write([b"\n1\n", b"\n2\n"])
    unblock = threading.Timer(0.1, folder.unlink)
    unblock.start()
    writer.close(timeout=PATIENCE)
    unblock.join()

    (file,) = journal.list_file_sizes(folder)
    assert (folder / file).read_bytes() == b"\n1\n\n2\n"
    assert writer.dropped == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_leaves_the_waiting_events_to_its_parent(tmp_path: Path) -> None:
    """Only the parent writes records that waited at the fork, so that no event is doubled or lost."""
    folder = tmp_path / "journal"
    folder.write_text("a file where the folder should be")
    exporter = JournalSpanExporter(folder)
    with sdk() as spans, stretto.session(id="s1"):
        pass
    exporter.export(spans.all())
    child = os.fork()
    if child == 0:
        folder.unlink()
        exporter.force_flush()
        os._exit(0 if not folder.exists() else 1)
    assert os.waitpid(child, 0)[1] == 0
    exporter.shutdown()

    assert len(events(folder)) == len({(event.kind, event.id) for event in events(folder)}) > 0


def test_a_name_that_is_no_text_costs_no_event(written: Journal) -> None:
    """A lone surrogate has no encoding: it becomes a space, and all events are written."""
    with stretto.session(), stretto.tool_call("bad \udc80 name"), stretto.tool_call("good"):
        pass

    assert [event.name for event in written.list_events(Kind.TOOL_END)] == ["bad   name", "good"]
    assert len(written.list_events(Kind.SESSION_END)) == 1


def test_long_names_and_ids_are_believed(written: Journal) -> None:
    """No line is set aside for its length: long names are cut, and an overlong id is absent."""
    with stretto.session("d" * 999, pattern="p" * 999, id="i" * 999) as session:
        with stretto.task("t" * 999, type="y" * 999, agent="a" * 999, id="k" * 999) as task:
            task.score("n" * 999, 1, by="b" * 999)
        with stretto.tool_call("x" * 999, id="c" * 999):
            pass

    assert {event.session for event in written.events()} == {session.id}
    assert {event.id for event in written.list_events(Kind.TASK_END)} == {task.id}


def test_a_block_that_never_ends_is_forgotten_in_the_end(tmp_path: Path) -> None:
    """Spans that never end are bounded in number, and known spans still end correctly."""
    exporter = JournalSpanExporter(tmp_path)
    with sdk() as spans:
        tracer = spans.provider.get_tracer("host")
        for _ in range(OPEN_LIMIT // 500 + 2):
            opened = [tracer.start_span("never ends") for _ in range(500)]
            exporter.export([span for span in opened if isinstance(span, ReadableSpan)])
        assert len(exporter._open) == OPEN_LIMIT


def test_the_journal_is_private(written: Journal) -> None:
    """Folder and files are the user's own."""
    with stretto.session():
        pass
    written.events()

    assert written.folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in written.folder.iterdir()] == [0o600]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_writes_what_is_its_own(written: Journal) -> None:
    """A child process neither repeats its parent's waiting spans nor loses its own."""
    with stretto.session(id="s1"):
        with stretto.task("t", id="parents"):
            pass
        child = os.fork()
        if child == 0:
            with stretto.task("t", id="childs"):
                pass
            written.spans.provider.force_flush()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0

    assert sorted(str(event.id) for event in written.list_events(Kind.TASK_END)) == ["childs", "parents"]
    assert {event.session for event in written.events()} == {"s1"}


# What recording costs.


def test_what_recording_took_is_reported_when_its_session_ends(tmp_path: Path) -> None:
    """Blocks and writer together, once, less than the program's whole time, and no sign of life."""
    began = time.perf_counter_ns()
    with journalled(tmp_path) as written:
        with stretto.session(id="s1"), stretto.task("look", agent="a"):
            pass
        recorded = written.events()
        passed = time.perf_counter_ns() - began
        (cost,) = [event for event in all_events(tmp_path) if event.kind is Kind.API_COST]
    assert (cost.session, cost.channel) == ("s1", Channel.API)
    assert cost.duration is not None
    assert 0 < cost.duration < passed
    facts = SessionFacts("s1")
    fold_events(facts, [*recorded, cost, cost])
    assert sum_up_recording_time(facts) == cost.duration
    assert conclude_session(facts, lost=False, classify=by_description) == conclude_events(recorded)


def test_a_session_that_goes_on_reports_its_costs_every_minute() -> None:
    """Costs are shared among the sessions of a batch by their spans; another program's sessions have none."""
    now = [0]
    costs = RecordingCosts(lambda: now[0], "1:2")
    note_block("other", 5)
    note_block(None, 7)
    note_block("a", 11)
    costs.add_batch({"a": 3, "b": 1}, 400)
    assert costs.take_reports(ended=()) == []
    now[0] = MINUTE
    assert [(event.session, event.duration) for event in costs.take_reports(ended=())] == [
        ("a", 311),
        ("b", 100),
    ]
    costs.add_batch({"b": 2}, 8)
    assert [(event.session, event.duration) for event in costs.take_reports(ended={"b"})] == [("b", 8)]
    assert costs.take_all() == []
