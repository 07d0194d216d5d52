from __future__ import annotations

import json
import logging
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NoOpTracerProvider, get_current_span

import stretto
from stretto.api import context, setup
from stretto.api.setup import SpanDestinations
from stretto.model.event import Event, Kind, Outcome
from stretto.store import session_queries
from tests.fakes import store
from tests.otlp_receiver import OtlpReceiver
from tests.otlp_requests import entity_events
from tests.scenes import by_description
from tests.test_api_journal_exporter import conclude_events, events
from tests.test_api_tracing import sdk

SRC = Path(__file__).parents[1] / "src"

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
AGENT = {"CLAUDE_CODE_SESSION_ID": "agents-session", "TRACEPARENT": TRACEPARENT}

START_METHODS = [
    name for name in ("fork", "spawn", "forkserver") if name in multiprocessing.get_all_start_methods()
]


class Program:
    """A folder for programs of a test's own, with the state that they share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.state = folder / "state"

    def run(
        self, text: str, *, warnings: str = "error", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; it must not fail, and its warnings are errors."""
        path = self._folder / "program.py"
        path.write_text(text)
        done = subprocess.run(
            [sys.executable, "-W", warnings, str(path)],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(SRC),
                "STRETTO_STATE": str(self.state),
                "HOME": str(self._folder),
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    def list_events(self, *kinds: Kind) -> list[Event]:
        """Return the journal's events, all or of some kinds; spans count as what they amount to."""
        found = entity_events(events(self.state / "journal"))
        return [event for event in found if not kinds or event.kind in kinds]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the test in an unconfigured process, and leave no configuration behind."""
    monkeypatch.setattr(setup, "_done", None)
    monkeypatch.setattr(setup, "_flush_in_worker_processes", lambda: None)
    monkeypatch.setattr(context, "_inherited", Context())
    for name in ("TRACEPARENT", "TRACESTATE", context.VARIABLE, "CLAUDE_CODE_SESSION_ID"):
        monkeypatch.delenv(name, raising=False)
    token = attach(get_current())
    yield
    detach(token)


SHORT_LIVED = """
import stretto
stretto.configure()
with stretto.session("s", id="s1"):
    for number in range(300):
        with stretto.task("t", agent="a"):
            pass
"""


def test_a_short_lived_program_loses_nothing(program: Program) -> None:
    """After the program's exit, all its work is in the journal, and it has printed nothing."""
    done = program.run(SHORT_LIVED)

    assert (done.stdout, done.stderr) == ("", "")
    assert len({event.id for event in program.list_events(Kind.TASK_END)}) == 300
    assert len(program.list_events(Kind.SESSION_END)) == 1


def test_a_program_that_fails_loses_nothing(program: Program) -> None:
    """The exception that ends the program sets the outcome of the open blocks."""
    program.run(
        "import stretto, sys\n"
        "sys.excepthook = lambda *_: None\n"
        "import os, atexit\n"
        "atexit.register(os._exit, 0)\n"  # runs last: the test wants to see a program that ends well
        "stretto.configure()\n"
        "with stretto.session('s'), stretto.task('t'):\n"
        "    raise ValueError\n"
    )

    assert [event.outcome for event in program.list_events(Kind.TASK_END, Kind.SESSION_END)] == [
        Outcome.FAILURE
    ] * 2


def test_the_program_may_have_a_name(program: Program) -> None:
    """As ``service``, or by the standard variable."""
    text = "import stretto\nstretto.configure({})\nwith stretto.session(id='s1'): pass\n"
    program.run(text.format("service='given'"))
    program.run(text.format(""), OTEL_SERVICE_NAME="standard")
    program.run(text.format(""))

    assert [event.source for event in program.list_events(Kind.SESSION_START)] == [
        "given",
        "standard",
        "python",
    ]


@pytest.mark.parametrize("variable", ["STRETTO_DISABLED=1", "OTEL_SDK_DISABLED=true"])
def test_it_can_be_switched_off(program: Program, variable: str) -> None:
    """No SDK is set up, no journal is written, and the program runs."""
    name, _, value = variable.partition("=")
    program.run(SHORT_LIVED, **{name: value})

    assert not program.state.exists()


def test_the_example_tells_its_story(program: Program, tmp_path: Path) -> None:
    """The orchestrator in examples/ runs offline: two fan-outs, a failed attempt and its repetition."""
    path = SRC.parent / "examples" / "orchestrator.py"
    text = path.read_text(encoding="utf-8")
    done = program.run(text.replace("default=1.0", "default=0.05"))
    with store(tmp_path, by_description) as kept:
        for _ in kept.ingest.catch_up(program.state / "journal"):
            pass
        (row,) = session_queries.list_sessions(kept.connection)
        session = session_queries.read_session(kept.connection, row.id, by_description)

    assert row.id in done.stdout
    assert (row.source, row.fanouts, row.outcome) == ("orchestrator", 2, Outcome.SUCCESS)
    assert session is not None
    tests = [task.outcome for task in session.tasks if task.agent == "tester"]
    assert sorted(tests) == [Outcome.FAILURE, Outcome.SUCCESS, Outcome.SUCCESS]
    assert {task.agent for task in session.tasks} == {"architect", "security", "writer", "tester"}
    assert len(session.model_calls) == 6
    assert [event.name for event in program.list_events(Kind.PHASE_END)] == ["analysis", "testing"]
    assert len(program.list_events(Kind.SCORE)) == 5
    assert {event.name for event in program.list_events(Kind.MESSAGE)} == {"lead"}


# Where spans go.


def test_otlp_where_the_standard_variables_say_so(program: Program) -> None:
    """The journal is not written then; spans of other instrumentations carry the session's id."""
    text = """
import stretto
from opentelemetry import trace
setup = stretto.configure()
assert (setup.otlp, setup.journal) == (True, None)
with stretto.session(id="s1"), trace.get_tracer("theirs").start_as_current_span("their span"):
    pass
"""
    with OtlpReceiver() as receiver:
        program.run(text, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
        program.run(text, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{receiver.url}/v1/traces")

    assert [span.name for span in receiver.spans] == ["their span", "invoke_workflow"] * 2
    for span in receiver.spans:
        said = {pair.key: pair.value.string_value for pair in span.attributes}
        assert said["session.id" if span.name == "their span" else "stretto.session.id"] == "s1"
    assert not program.state.exists()


def test_an_endpoint_and_a_state_mean_both(program: Program) -> None:
    """``endpoint`` is the base of the URL; with ``state`` the journal is written as well."""
    with OtlpReceiver() as receiver:
        program.run(f"""
import stretto
setup = stretto.configure(endpoint="{receiver.url}/", state="{program.state}")
assert setup.otlp and setup.journal is not None
with stretto.session(id="s1"):
    pass
""")

    assert [received.path for received in receiver.requests] == ["/v1/traces"]
    assert len(program.list_events(Kind.SESSION_END)) == 1


def test_a_protocol_that_cannot_be_sent_falls_back(program: Program) -> None:
    """The log gives the reason, and no span is lost."""
    done = program.run(
        "import stretto\nstretto.configure()\nwith stretto.session(): pass\n",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4317",
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
    )

    assert "http/protobuf only, not by grpc" in done.stderr
    assert len(program.list_events(Kind.SESSION_END)) == 1


@pytest.mark.usefixtures("unconfigured")
def test_a_hosts_sdk_is_left_alone(tmp_path: Path) -> None:
    """No processor is added without a request; the blocks use the host's SDK unchanged."""
    with sdk() as spans:
        assert stretto.configure(state=tmp_path) == SpanDestinations(host=True)
        with stretto.session():
            pass
        assert spans.provider.force_flush()
        assert [span.name for span in spans.all()] == ["invoke_workflow"]

    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("unconfigured")
def test_our_processor_can_be_added_to_a_hosts_sdk(tmp_path: Path) -> None:
    """The host's exporters get the same spans as before, and the journal is written too."""
    with sdk() as spans:
        done = stretto.configure(state=tmp_path, add_to_host=True)
        with stretto.session(id="s1"):
            pass
        assert stretto.flush()
        assert [span.name for span in spans.all()] == ["invoke_workflow"]

    assert done == SpanDestinations(tmp_path / "journal", host=True)
    kinds = [event.kind for event in entity_events(events(tmp_path / "journal"))]
    assert kinds == [Kind.SESSION_START, Kind.SESSION_END]


@pytest.mark.usefixtures("unconfigured")
def test_a_provider_that_takes_no_processors_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The provider is unchanged, and the log reports that no processor was added."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", NoOpTracerProvider())
    with caplog.at_level(logging.WARNING):
        assert stretto.configure(state=tmp_path, add_to_host=True) == SpanDestinations(host=True)

    assert "accepts no span processors" in caplog.text
    assert stretto.flush()


@pytest.mark.usefixtures("unconfigured")
def test_a_second_call_changes_nothing(tmp_path: Path) -> None:
    """Notebooks configure again and again, and still there is a single processor."""
    with sdk():
        first = stretto.configure(state=tmp_path / "one", add_to_host=True)
        assert stretto.configure(state=tmp_path / "two", add_to_host=True) == first
        with stretto.session():
            pass
        assert stretto.flush()

    assert [path.name for path in tmp_path.iterdir()] == ["one"]


# What a program was started in.

JOINING = """
import stretto, threading
stretto.configure()
with stretto.session("release", pattern="fan-out") as session:
    with stretto.task("t", agent="a"):
        with stretto.tool_call("x"):
            pass
    def work():
        with stretto.task("t", agent="in a thread"):
            pass
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
print(session.id)
"""


def test_a_program_started_from_an_agents_shell_joins_its_session(program: Program) -> None:
    """Its tasks are the agent's session's, of the tool call that ran it; the session is not ended by it."""
    done = program.run(JOINING, **AGENT)

    events = program.list_events()
    assert done.stdout.strip() == "agents-session"
    assert {(event.session, event.source) for event in events} == {("agents-session", "claude-code")}
    assert {event.kind for event in events} == {
        Kind.TASK_START,
        Kind.TASK_END,
        Kind.TOOL_START,
        Kind.TOOL_END,
    }
    assert {(event.name, event.parent) for event in events if event.kind is Kind.TASK_END} == {
        ("a", SPAN),
        ("in a thread", SPAN),
    }
    session = conclude_events(events)
    assert session.outcome is Outcome.RUNNING
    assert [task.outcome for task in session.tasks] == [Outcome.SUCCESS] * 2


def test_an_agents_session_is_joined_without_a_trace(program: Program) -> None:
    """An agent without tracing still names the session of its commands."""
    program.run(JOINING, CLAUDE_CODE_SESSION_ID="agents-session")

    assert {event.session for event in program.list_events()} == {"agents-session"}
    assert {event.parent for event in program.list_events(Kind.TASK_END)} == {None}


def test_a_session_with_an_id_does_not_join(program: Program) -> None:
    """It is its own, in the agent's trace; and ``join=False`` leaves both."""
    text = "import stretto\nstretto.configure({})\nwith stretto.session(id={!r}): print(stretto.environ())\n"
    own = program.run(text.format("", "own"), **AGENT)
    apart = program.run(text.format("join=False", None), **AGENT)

    assert {event.session for event in program.list_events()} & {"own", "agents-session"} == {"own"}
    assert {event.source for event in program.list_events()} == {"python"}
    assert len(program.list_events(Kind.SESSION_END)) == 2
    assert TRACE in own.stdout
    assert TRACE not in apart.stdout


def test_a_traceparent_alone_is_a_trace_and_no_session(program: Program) -> None:
    """Build servers set it too: the program joins the trace but has its own session."""
    done = program.run(JOINING + "print(stretto.environ())\n", TRACEPARENT=TRACEPARENT)

    session, sent = done.stdout.splitlines()
    assert len(session) == 36
    assert {event.session for event in program.list_events()} == {session}
    assert TRACE in sent
    assert len(program.list_events(Kind.SESSION_END)) == 1


def test_a_trace_that_nobody_samples_is_work_all_the_same(program: Program) -> None:
    """The journal has all work, whatever the caller samples; a configured sampler wins."""
    program.run(JOINING, TRACEPARENT=f"00-{TRACE}-{SPAN}-00")
    assert len(program.list_events(Kind.TASK_END)) == 2

    program.run(JOINING, TRACEPARENT=f"00-{TRACE}-{SPAN}-00", OTEL_TRACES_SAMPLER="parentbased_always_on")
    assert len(program.list_events(Kind.TASK_END)) == 2


@pytest.mark.parametrize(
    "variables", [{"TRACEPARENT": "nonsense"}, {context.VARIABLE: "{"}, {context.VARIABLE: "[1]"}]
)
def test_variables_that_say_nothing_are_passed_over(program: Program, variables: dict[str, str]) -> None:
    """The program runs as if they were not there."""
    done = program.run(JOINING, **variables)

    session = done.stdout.strip()
    assert [event.session for event in program.list_events(Kind.TOOL_END)] == [session]
    assert session in {event.session for event in program.list_events(Kind.SESSION_END)}


def test_a_child_process_joins(program: Program) -> None:
    """With ``environ()`` its work is of the parent's session and phase, of the very task that started it."""
    program.run(
        """
import os, subprocess, sys
import stretto
if len(sys.argv) == 1:
    stretto.configure(service="parent")
    with stretto.session("s", id="s1"), stretto.phase("p"), stretto.task("t", agent="outer", id="outer"):
        variables = {**os.environ, **stretto.environ()}
        subprocess.run([sys.executable, "-W", "error", __file__, "child"], env=variables, check=True)
else:
    stretto.configure(service="child")
    with stretto.session("inner"):
        stretto.score("quality", 3)
        with stretto.tool_call("x"), stretto.task("t", agent="inner"):
            pass
    stretto.score("satisfaction", 4)
"""
    )

    assert {event.session for event in program.list_events()} == {"s1"}
    assert len(program.list_events(Kind.SESSION_START)) == len(program.list_events(Kind.SESSION_END)) == 1
    (call,) = program.list_events(Kind.TOOL_END)
    inner = {event.name: event for event in program.list_events(Kind.TASK_START)}["inner"]
    assert (call.parent, call.source) == ("outer", "child")
    assert (inner.parent, inner.attributes["phase"]) == (call.id, "p")
    assert {(score.name, score.id) for score in program.list_events(Kind.SCORE)} == {
        ("quality", "s1"),
        ("satisfaction", "outer"),
    }


def test_an_agent_between_the_two_is_nearer() -> None:
    """An agent started by the orchestrator is nearer to its commands than the orchestrator."""
    with sdk(), stretto.session(id="orchestrators"):
        sent = stretto.environ()

    by_agent = context.get_surroundings(context.read_context({**sent, "CLAUDE_CODE_SESSION_ID": "agents"}))
    direct = context.get_surroundings(context.read_context(sent))

    assert by_agent is not None
    assert (by_agent.session, by_agent.source) == ("agents", "claude-code")
    assert direct is not None
    assert (direct.session, direct.source) == ("orchestrators", None)


def test_what_goes_to_a_child_is_the_w3c_context_and_ours() -> None:
    """``TRACEPARENT`` names the current block; ``tracestate`` is passed on unchanged."""
    inherited = context.read_context({"TRACEPARENT": TRACEPARENT, "TRACESTATE": "vendor=1"})
    token = attach(inherited)
    try:
        with sdk() as spans:
            with stretto.task("t", agent="a", id="t1"):
                sent = stretto.environ()
            span = spans.find_span("invoke_agent a").context
    finally:
        detach(token)

    assert sent["TRACEPARENT"] == f"00-{TRACE}-{span.span_id:016x}-01"
    assert sent["TRACESTATE"] == "vendor=1"
    fields = json.loads(sent[context.VARIABLE])
    assert {name: fields[name] for name in fields if name != "seen"} == {
        "task": "t1",
        "caller": "t1",
        "agent": "a",
    }


@pytest.mark.usefixtures("unconfigured")
def test_other_instrumentations_join_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the SDK is ours, the inherited context becomes current; a host's context does not change."""
    for name, value in AGENT.items():
        monkeypatch.setenv(name, value)
    with sdk():
        stretto.configure(state=tmp_path)
        assert not get_current_span().get_span_context().is_valid
        with stretto.task("t") as task:
            assert task.session == "agents-session"
            assert f"{get_current_span().get_span_context().trace_id:032x}" == TRACE
    monkeypatch.setattr(setup, "_done", None)
    set_up: list[Any] = []
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(setup, "set_tracer_provider", set_up.append)
    stretto.configure(state=tmp_path)
    assert f"{get_current_span().get_span_context().span_id:016x}" == SPAN
    assert isinstance(set_up[0], TracerProvider)
    set_up[0].shutdown()


# Pools of processes.

POOL = """
import multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
import stretto

@stretto.task("work", agent="worker")
def work(number):
    with stretto.tool_call("count"):
        return number * 2

def plain(number):
    with stretto.task("plain", agent="worker"):
        return os.getpid()

if __name__ == "__main__":
    stretto.configure(state=sys.argv[1] if len(sys.argv) > 1 else None)
    method = os.environ["METHOD"]
    with stretto.session("s", id="s1"), stretto.phase("p"):
        with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
            assert list(pool.map(stretto.carry(work), range(20))) == [n * 2 for n in range(20)]
        with multiprocessing.get_context(method).Pool(2) as pool:  # it kills its workers at the end
            pids = pool.map(stretto.carry(plain), range(20))
        assert os.getpid() not in pids
"""


@pytest.mark.parametrize("method", START_METHODS)
def test_carried_work_in_other_processes_is_part_of_the_session(program: Program, method: str) -> None:
    """However the workers were started and ended: each task once, in its session, its phase and the trace."""
    # Newer interpreters warn of every fork beside a thread, and there always is one here.
    program.run(POOL, warnings="default", METHOD=method)

    ended = program.list_events(Kind.TASK_END)
    assert len(ended) == len({event.id for event in ended}) == 40
    assert {event.session for event in program.list_events()} == {"s1"}
    started = program.list_events(Kind.TASK_START)
    assert {event.attributes["phase"] for event in started} == {"p"}
    calls = program.list_events(Kind.TOOL_END)
    assert {event.parent for event in calls} < {event.id for event in ended}
    assert len(calls) == 20
    assert len(program.list_events(Kind.SESSION_END)) == 1


@pytest.mark.skipif("fork" not in START_METHODS, reason="there is no fork here")
def test_workers_that_were_forked_write_what_waits_before_they_end(program: Program) -> None:
    """Without ``carry`` a task finds the block that was open when the worker began, and is not lost."""
    text = """
import multiprocessing
import stretto

@stretto.task("t", agent="worker")
def work():
    pass

stretto.configure()
with stretto.session("s", id="s1"):
    workers = [multiprocessing.get_context("fork").Process(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
"""
    program.run(text, warnings="default")

    ended = program.list_events(Kind.TASK_END)
    assert len({event.id for event in ended}) == len(ended) == 3
    assert {event.session for event in program.list_events()} == {"s1"}
    assert len(program.list_events(Kind.SESSION_START)) == len(program.list_events(Kind.SESSION_END)) == 1
