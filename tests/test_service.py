"""The service without HTTP: it follows the journal, shows a recording, sends spans and restarts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http import HTTPStatus
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from stretto import journal
from stretto.cli.main import main
from stretto.clock import SECOND, read_wall_clock
from stretto.config.configuration import Config
from stretto.config.loading import load_config
from stretto.figures.sequential_baseline_choice import DeclaredBaselines, RecordedBaseline
from stretto.hook.client.client import build_record
from stretto.model.event import Event, Kind
from stretto.names import NONE
from stretto.otlp_export.span_sender import NullSender, Sender, build_sender
from stretto.service import finished_session_span_export
from stretto.service.health import IngestedJournal
from stretto.service.service import Service
from stretto.sources.otlp.receive import Signal
from stretto.state.lock import StateLock
from stretto.store import declared_baseline_file as baselines
from stretto.store import session_queries
from stretto.store.database import open_reader
from tests.busy_process import busy_process
from tests.fakes import append, dump, list_latest, rebuilt
from tests.otlp_receiver import OtlpReceiver
from tests.otlp_requests import TRACE, as_json, span, traces
from tests.ports import reserve_dead_address
from tests.waiting import PATIENCE, until


def configured(tmp_path: Path, **environ: str) -> Config:
    """The configuration of the test's state folder."""
    return load_config(environ, tmp_path, state=str(tmp_path / "state"))


@contextmanager
def started(
    config: Config, sender: Sender | NullSender | None = None, *, demo: bool = False
) -> Iterator[Service]:
    """Provide a service that follows its journal until the block ends."""
    service = Service(config, version="1.0", clock=read_wall_clock, sender=sender or NullSender())
    try:
        service.start(demo_wanted=demo)
        yield service
    finally:
        service.stop()


def report(config: Config, session: str, *events: tuple[str, dict[str, Any]], at: int | None = None) -> None:
    """Append hook calls to the journal as hook processes would, a millisecond apart."""
    now = read_wall_clock() if at is None else at
    for number, (event, fields) in enumerate(events):
        payload = {"session_id": session, "hook_event_name": event, **fields}
        when = now + number * 1_000_000
        journal.append_records(
            journal.get_day_file(config.journal, when), build_record(json.dumps(payload).encode(), when)
        )


def whole_session(session: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the hook calls of a short session with a tool call."""
    call = {"tool_name": "Bash", "tool_use_id": f"{session}-call"}
    return [
        ("SessionStart", {"source": "startup"}),
        ("UserPromptSubmit", {"prompt": "go", "prompt_id": f"{session}-prompt"}),
        ("PreToolUse", {**call, "tool_input": {}}),
        ("PostToolUse", {**call, "tool_response": {}, "duration_ms": 5}),
        ("Stop", {"prompt_id": f"{session}-prompt"}),
        ("SessionEnd", {"reason": "other"}),
    ]


def samples(service: Service) -> dict[str, float]:
    """Return the samples of a scrape by name and labels."""
    text = service.expose_metrics("text/plain").body.decode()
    return {
        sample.name + json.dumps(dict(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_an_event_in_the_journal_becomes_a_figure(tmp_path: Path) -> None:
    """An event of a hook process appears in sessions, snapshot and scrape by itself."""
    config = configured(tmp_path)
    with started(config) as service:
        report(config, "mine", *whole_session("mine"))

        assert until(lambda: [row.id for row in list_latest(service, 10)] == ["mine"])
        assert until(
            lambda: (
                samples(service).get('stretto_tool_calls_total{"outcome": "success", "tool": "Bash"}') == 1
            )
        )
        seen = service.answers.summarise_session("mine")
        assert seen is not None
        assert [call.outcome for call in seen.session.tool_calls] == ["success"]


def test_an_empty_store_shows_the_recording_until_an_own_session_comes(tmp_path: Path) -> None:
    """The recording is marked, is in no live counter, and is removed with the user's first session."""
    config = configured(tmp_path)
    with started(config) as service:
        first = service.snapshot
        assert first is not None
        assert first.activity.recordings == 2
        assert all(row.recording for row in list_latest(service, 10))
        assert not any(name.startswith("stretto_tool_calls_total") for name in samples(service))

        report(config, "mine", *whole_session("mine"))

        assert until(lambda: [row.id for row in list_latest(service, 10)] == ["mine"])
        assert until(
            lambda: not any("test_strategy" in name and "window" in name for name in samples(service))
        )


def test_a_wanted_recording_stays_beside_own_sessions(tmp_path: Path) -> None:
    """With --demo the recording is shown beside the user's sessions; the next start without it removes it."""
    config = configured(tmp_path)
    report(config, "mine", *whole_session("mine"))
    with started(config, demo=True) as service:
        assert sorted(row.recording for row in list_latest(service, 10)) == [False, True, True]
    with started(config) as service:
        assert [row.id for row in list_latest(service, 10)] == ["mine"]


def test_a_restart_counts_nothing_twice(tmp_path: Path) -> None:
    """After a restart the store is the same, and live counters start at 0."""
    config = configured(tmp_path)
    report(config, "mine", *whole_session("mine"))
    with started(config) as service:
        before = service.snapshot
    with started(config) as service:
        after = service.snapshot
        assert before is not None
        assert after is not None
        assert after.events == before.events == 6
        assert [f for f in after.figures if f.name == "stretto_window_tool_calls"] == [
            f for f in before.figures if f.name == "stretto_window_tool_calls"
        ]
        assert not any(name.startswith("stretto_tool_calls_total") for name in samples(service))


def test_changed_rules_are_applied_to_history(tmp_path: Path) -> None:
    """A store made under other classification rules is rebuilt at the start."""
    events = [
        ("SubagentStart", {"agent_id": "a", "agent_type": "zebra-keeper"}),
        ("SubagentStop", {"agent_id": "a", "agent_type": "zebra-keeper"}),
    ]
    config = configured(tmp_path)
    report(config, "mine", *events)
    with started(config) as service:
        seen = service.answers.summarise_session("mine")
        assert seen is not None
        assert [task.task_type for task in seen.session.tasks] == ["other"]
    (config.state / "config.toml").write_text('[task_types.zoo]\nkeywords = ["zebra"]\n', encoding="utf-8")
    with started(configured(tmp_path)) as service:
        assert any("zoo" in name for name in samples(service))


def test_an_http_hook_is_in_the_journal_when_it_returns(tmp_path: Path) -> None:
    """An HTTP hook is in the journal before its answer, as a hook process would write it."""
    config = configured(tmp_path)
    with started(config) as service:
        service.intake.append_hook(
            json.dumps({"session_id": "s", "hook_event_name": "SessionStart"}).encode()
        )

        names = [name for name in journal.list_file_sizes(config.journal) if name != "recording.jsonl"]
        batch = journal.read_batch(config.journal, names[0], 0)
        assert [(event.session, event.kind.value) for event in batch.events] == [("s", "session.start")]


def agents_of(*numbers: int, root: bool = False, session: str | None = None) -> bytes:
    """Return the spans of a trace's agents, optionally with its root last; only agents name the session."""
    session_attributes: dict[str, Any] = {} if session is None else {"session.id": session}
    agent: dict[str, Any] = {"gen_ai.operation.name": "invoke_agent", **session_attributes}
    workflow: dict[str, Any] = {"gen_ai.operation.name": "invoke_workflow"}
    root_span = span("workflow", 1, lasts=60, **workflow)
    spans = [span(f"work {number}", number, 1, at=number, lasts=30, **agent) for number in numbers]
    return as_json(traces([*spans, root_span] if root else spans))


@pytest.mark.parametrize(
    ("before", "after"), [("talk-1", None), (None, "talk-1"), (None, None)], ids=["early", "late", "never"]
)
def test_a_trace_that_outlives_the_service_is_one_session(
    tmp_path: Path, before: str | None, after: str | None
) -> None:
    """Spans from before and after a restart are one session, under the first name that a span gives it."""
    config = configured(tmp_path)
    with started(config) as service:
        service.intake.receive_otlp(Signal.TRACES, agents_of(2, 3, session=before), "application/json", "")
    with started(config) as service:
        late = agents_of(4, root=True, session=after)
        service.intake.receive_otlp(Signal.TRACES, late, "application/json", "")
        assert until(lambda: [(row.turns, row.tasks) for row in list_latest(service, 10)] == [(1, 3)])
        assert [row.id for row in list_latest(service, 10)] == [before or after or TRACE]


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a session be sent soon after it is over, and again soon after it was refused."""
    monkeypatch.setattr(finished_session_span_export, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(finished_session_span_export, "SETTLE_SECONDS", 0.05)


@pytest.mark.usefixtures("short_pauses")
def test_a_finished_session_is_sent_once(tmp_path: Path) -> None:
    """Its spans reach a real OTLP receiver once; a restart or the recording sends nothing."""
    config = configured(tmp_path)
    with OtlpReceiver() as receiver:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        with started(config, build_sender(environ)) as service:
            report(config, "mine", *whole_session("mine"))
            assert until(lambda: [row.id for row in list_latest(service, 10)] == ["mine"])
            assert until(lambda: len(receiver.spans) == 3)
            assert until(lambda: samples(service)["stretto_spans_sent{}"] == 3)
        with started(config, build_sender(environ)):
            pass

        assert sorted(span.name for span in receiver.spans) == [
            "execute_tool Bash",
            "invoke_agent claude-code",
            "invoke_workflow claude-code",
        ]


def test_a_fault_in_the_store_is_told_and_survived(tmp_path: Path) -> None:
    """While the store cannot be written the service reports why; afterwards nothing is lost."""
    config = configured(tmp_path)
    with started(config) as service:
        service.worker.writer.execute(
            "CREATE TEMP TRIGGER broken BEFORE INSERT ON sessions BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        report(config, "mine", *whole_session("mine"))
        assert until(lambda: service.health.error is not None)
        assert "full" in (service.health.error or "")

        service.worker.writer.execute("DROP TRIGGER broken")

        assert until(lambda: [row.id for row in list_latest(service, 10)] == ["mine"])
        assert until(lambda: service.health.error is None)


def test_a_lost_session_is_closed_after_the_idle_limit(tmp_path: Path) -> None:
    """A session without an event for longer than the limit ends with the outcome unknown."""
    config = configured(tmp_path, STRETTO_IDLE_MINUTES="1")
    report(
        config,
        "gone",
        ("SessionStart", {}),
        ("UserPromptSubmit", {"prompt_id": "p"}),
        at=read_wall_clock() - 120 * SECOND,
    )
    with started(config) as service:
        rows = list_latest(service, 10)

        assert [(row.id, row.outcome.value, row.busy) for row in rows] == [("gone", "unknown", False)]


def test_a_declared_baseline_is_in_force_without_a_restart(tmp_path: Path) -> None:
    """A baseline that another process sets applies at once, to sessions, days and weeks."""
    config = configured(tmp_path)
    with started(config, demo=True) as service:
        (shown,) = (row for row in list_latest(service, 10) if row.fanouts)
        types = ("architecture", "prd", "test_strategy")
        assert service.answers.summarise_trends()["days"][-1]["parts"] == []
        with closing(open_reader(config.database)) as connection:
            (sequential_row,) = (
                session_queries.read_session(connection, row.id, config.task_types.classify)
                for row in list_latest(service, 10)
                if not row.fanouts
            )
        assert sequential_row is not None
        lengths = {name: [SECOND] for name in types}
        pinned = RecordedBaseline(
            "pin", sequential_row.id, sequential_row.pattern or NONE, (lengths,), newest=1, at=1
        )
        baselines.save_declared_baselines(config.state, DeclaredBaselines((pinned,)))
        summary = service.answers.summarise_session(shown.id)
        assert summary is not None
        assert [against.provenance for _, against in summary.fanouts] == ["recorded"]
        (part,) = service.answers.summarise_trends()["days"][-1]["parts"]
        assert (part["baseline"], part["sequential_seconds"]) == ("recorded", 3)


def test_each_service_has_a_registry_of_its_own(tmp_path: Path) -> None:
    """Two services in one process do not see each other's metrics."""
    with started(configured(tmp_path / "a")) as first, started(configured(tmp_path / "b")) as second:
        assert isinstance(first.registry, CollectorRegistry)
        assert first.registry is not second.registry
        assert samples(first)["stretto_ingest_events{}"] == samples(second)["stretto_ingest_events{}"] == 86


def test_an_import_beside_a_running_service_does_not_wait_for_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The import removes the recording's file and ends once its own events are ingested."""
    config = configured(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("stretto.cli.import_command.WAIT_SECONDS", PATIENCE)
    recording = resources.files("stretto.demo").joinpath("fanout.jsonl")
    with StateLock(config.state) as lock:
        lock.release()
        lock.acquire(config.address)
        with started(config) as service:
            assert main(["--state", str(config.state), "import", str(recording)]) == 0
            # The import returns once its own is in; the recording goes in the same round, after that.
            assert until(lambda: [row.recording for row in list_latest(service, 10)] == [False])
    assert "1 recording(s)" in capsys.readouterr().out


def test_what_ended_unseen_is_sent_at_the_next_start(tmp_path: Path) -> None:
    """A session that ended while the service was down is sent at the next start; older history is not."""
    config = configured(tmp_path)
    report(config, "before", *whole_session("before"), at=read_wall_clock() - 3600 * SECOND)
    with OtlpReceiver() as receiver:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        with started(config, build_sender(environ)):
            pass
        report(config, "unseen", *whole_session("unseen"))
        with started(config, build_sender(environ)):
            assert until(lambda: len(receiver.spans) == 3)
        named = {value.value.string_value for span in receiver.spans for value in span.attributes}
        assert "unseen" in named
        assert "before" not in named


def test_a_busy_agent_is_sampled_into_the_journal(tmp_path: Path) -> None:
    """Its processor time appears in session and figures, and a rebuild gives the same."""
    config = configured(tmp_path, STRETTO_RESOURCES_INTERVAL_SECONDS="1")
    with busy_process(tmp_path) as busy, started(config) as service:
        start = Event(
            kind=Kind.SESSION_START,
            session="mine",
            time=read_wall_clock(),
            attributes={"processes": list(busy.found.names)},
        )
        prompt = Event(kind=Kind.TURN_START, session="mine", time=read_wall_clock(), id="p", type="user")
        append(config.journal, [start, prompt], journal.get_day_file(config.journal, read_wall_clock()).name)
        assert until(lambda: service.sampling.use.memory is not None)
        before, after = busy.tell("burn 0"), busy.tell("burn 0.5")
        assert until(lambda: service.sampling.use.cpu is not None)
        assert until(lambda: samples(service).get("stretto_agents_memory_bytes{}", 0) > 1_000_000)
        assert until(lambda: samples(service).get("stretto_machine_cpu{}", 0) > 0)
        report(config, "mine", ("Stop", {"prompt_id": "p"}))

        def sampled() -> bool:
            summary = service.answers.summarise_session("mine")
            return summary is not None and bool(summary.session.samples)

        assert until(sampled)
        summary = service.answers.summarise_session("mine")
        assert summary is not None
        cpu = sum(sample.cpu or 0 for sample in summary.session.samples) / SECOND
        assert cpu == pytest.approx(after - before, abs=0.1)
        assert summary.session.last < read_wall_clock()
        exposed = samples(service)
        assert exposed["stretto_sampler_cpu_seconds{}"] > 0
        assert exposed["process_resident_memory_bytes{}"] > 1_000_000
        rows = dump(service.worker.writer)
    assert rebuilt(config.journal, tmp_path / "anew.db", now=0, classify=config.task_types.classify) == rows


def test_its_own_sizes_and_lag_are_told(tmp_path: Path) -> None:
    """Sizes equal the files on disk; the lag of events that cannot be ingested grows."""
    config = configured(tmp_path)
    report(config, "mine", *whole_session("mine"))
    with started(config) as service:
        values = samples(service)
        assert values["stretto_journal_bytes{}"] == sum(journal.list_file_sizes(config.journal).values()) > 0
        assert values["stretto_store_bytes{}"] >= config.database.stat().st_size
        assert until(lambda: samples(service)["stretto_ingest_lag_seconds{}"] == 0)
        service.worker.writer.execute(
            "CREATE TEMP TRIGGER broken BEFORE INSERT ON sessions BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        report(config, "more", *whole_session("more"))
        assert until(lambda: samples(service)["stretto_ingest_lag_seconds{}"] > 0.5)
        assert until(lambda: any("full" in problem for problem in service.list_problems()))
        service.worker.writer.execute("DROP TRIGGER broken")
        assert until(lambda: samples(service)["stretto_ingest_lag_seconds{}"] == 0)
        assert until(lambda: service.list_problems() == [])


def test_events_that_wait_for_more_than_a_minute_are_a_problem(tmp_path: Path) -> None:
    """The sentence has the seconds and bytes; a service that is up to date has none."""
    config = configured(tmp_path)
    service = Service(config, version="1", clock=read_wall_clock, sender=NullSender())
    try:
        service.worker.ingested = IngestedJournal({}, time.monotonic() - 90)
        assert not any("behind the journal" in problem for problem in service.list_problems())
        report(config, "mine", *whole_session("mine"))
        service.health.pending_bytes = 2_500_000
        assert any("9" in p and "2.5 MB" in p for p in service.list_problems() if "behind the journal" in p)
    finally:
        service.stop()


def test_a_torn_last_line_is_no_lag(tmp_path: Path) -> None:
    """An unfinished line is no lag: only its writer can complete it."""
    config = configured(tmp_path)
    report(config, "mine", *whole_session("mine"))
    with started(config) as service:
        assert until(lambda: samples(service)["stretto_ingest_lag_seconds{}"] == 0)
        journal.append_records(
            journal.get_day_file(config.journal, read_wall_clock()), b'\n{"version":1,"kind":"to'
        )
        assert until(lambda: samples(service)["stretto_ingest_pending_bytes{}"] > 0)
        assert until(lambda: samples(service)["stretto_ingest_lag_seconds{}"] == 0)


def test_a_journal_file_that_is_cut_is_told_and_read_again(tmp_path: Path) -> None:
    """A shortened journal file is a problem until a rebuild; later events are ingested."""
    config = configured(tmp_path)
    report(config, "mine", *whole_session("mine"))
    path = journal.get_day_file(config.journal, read_wall_clock())
    with started(config) as service:
        path.write_bytes(b"")
        assert until(lambda: any(path.name in problem for problem in service.list_problems()))
        report(config, "new", *whole_session("new"))
        assert until(lambda: {row.id for row in list_latest(service, 10)} == {"mine", "new"})


@pytest.mark.usefixtures("short_pauses")
def test_a_session_is_sent_again_until_the_endpoint_has_it(tmp_path: Path) -> None:
    """Sessions that ended while the endpoint was away arrive once it is back; nothing counts as dropped."""
    config = configured(tmp_path)
    with OtlpReceiver() as receiver:
        receiver.refuse(HTTPStatus.UNAUTHORIZED)
        with started(config, build_sender({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url})) as service:
            for name in "abc":
                report(config, name, *whole_session(name))
            assert until(lambda: len(receiver.requests) >= 4)
            assert until(lambda: any("wait to be sent again" in each for each in service.list_problems()))
            refused = len(receiver.requests)
            receiver.accept()
            assert until(lambda: samples(service)["stretto_spans_sent{}"] == 9)
            assert until(lambda: service.list_problems() == [])
            assert samples(service)["stretto_spans_dropped{}"] == 0
        received = [
            value.value.string_value
            for request in receiver.requests[refused:]
            for span in request.message.resource_spans[0].scope_spans[0].spans
            for value in span.attributes
            if value.key == "gen_ai.conversation.id"
        ]
    assert sorted(set(received)) == ["a", "b", "c"]


@pytest.mark.usefixtures("short_pauses")
def test_what_no_endpoint_acknowledged_is_sent_at_the_next_start(tmp_path: Path) -> None:
    """A service that stops while the endpoint is away sends its finished sessions after the next start."""
    config = configured(tmp_path)
    with OtlpReceiver() as receiver:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        # Within this time the sender itself tries again after a 503.
        impatient = {**environ, "OTEL_EXPORTER_OTLP_TIMEOUT": "0.5"}
        with started(config, build_sender(impatient)) as service:
            receiver.refuse()
            report(config, "mine", *whole_session("mine"))
            assert until(lambda: [row.id for row in list_latest(service, 10)] == ["mine"])
            assert until(lambda: len(receiver.spans) > 0)
        refused = len(receiver.spans)
        receiver.accept()
        with started(config, build_sender(environ)):
            assert until(lambda: len(receiver.spans) == refused + 3)
        with started(config, build_sender(environ)):
            pass
        assert len(receiver.spans) == refused + 3


@pytest.mark.usefixtures("short_pauses")
def test_a_session_that_alone_is_refused_is_given_up_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An endpoint that takes other sessions is not asked for ever; the lost spans are counted once."""

    class Refusing(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            names = {(span.attributes or {}).get("gen_ai.conversation.id") for span in spans}
            return SpanExportResult.FAILURE if names == {"bad"} else SpanExportResult.SUCCESS

        def shutdown(self) -> None:
            """Nothing is open."""

    config = configured(tmp_path)
    with started(config, Sender(Refusing())) as service:
        report(config, "bad", *whole_session("bad"))
        assert until(lambda: any("1 finished" in problem for problem in service.list_problems()))
        report(config, "good", *whole_session("good"))
        assert until(lambda: samples(service)["stretto_spans_dropped{}"] == 3)
        assert samples(service)["stretto_spans_sent{}"] == 3
    assert [record.getMessage() for record in caplog.records if "are dropped" in record.getMessage()] == [
        "OTLP: the 3 spans of session bad are dropped: the endpoint refuses it: the exporter gave no reason"
    ]


@pytest.mark.usefixtures("short_pauses")
def test_spans_that_are_dropped_are_a_problem(tmp_path: Path) -> None:
    """Dropped spans are a problem with the sender's error."""
    config = configured(tmp_path)
    with reserve_dead_address() as address:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{address}", "OTEL_EXPORTER_OTLP_TIMEOUT": "0.2"}
        with started(config, build_sender(environ)) as service:
            assert service.list_problems() == []
            report(config, "mine", *whole_session("mine"))
            assert until(lambda: any("wait to be sent again" in each for each in service.list_problems()))
