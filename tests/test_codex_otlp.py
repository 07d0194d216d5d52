"""Codex by OTLP: threads become the agents of a session, with their calls and tokens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stretto import journal
from stretto.figures.fanouts import find_fanouts
from stretto.model.entities import Session
from stretto.model.event import Event, Kind, Outcome
from stretto.sources.otlp.receive import OtlpTranslator, Signal
from stretto.store import session_queries
from tests.fakes import rebuilt, store
from tests.otlp_requests import JSON, NOW, as_json, events_of, log, logs, sessions, span, traces
from tests.scenes import by_description

ROOT = "01a2292d-3f46-7c40-a9cc-3a363e6e3491"
ALPHA = "01a2292d-63b0-71e2-b125-4e2f561e032c"
GAMMA = "01a2292d-676d-7160-8fe6-e4cb4a020bb3"

Request = tuple[Signal, dict[str, Any]]


def of_log(name: str, thread: str | None, at: float, above: int = 0, **values: Any) -> Request:
    """Return a request with a log event of a thread."""
    if thread is not None:
        values["conversation__id"] = thread
    record = log(f"codex.{name}", at=at, above=above, **values)
    return Signal.LOGS, logs([record], service="codex_exec", scope="codex_otel.log_only")


def of_turn(number: int, thread: str, turn: str, at: float, lasts: float, **values: Any) -> Request:
    """Return a request with the span of a thread's turn."""
    turn_span = span(
        "session_task.turn", number, 99, at=at, lasts=lasts, thread__id=thread, turn__id=turn, **values
    )
    return Signal.TRACES, traces([turn_span], service="codex_exec", scope="codex_exec")


def of_call(thread: str, call: str, at: float, output: str = "", **values: Any) -> Request:
    """Return a request with the log event of a call that took a second."""
    values = {"tool_name": "exec_command", "tool_namespace": "functions", "duration_ms": "1000"} | values
    return of_log("tool_result", thread, at, call_id=call, success="true", output=output, **values)


def of_spawn(thread: str, agent: str, call: str, at: float, above: int) -> list[Request]:
    """Return the two log events of a call of multi-agent v2 that started an agent."""
    return [
        of_log(
            "agent_communication",
            None,
            at,
            above,
            kind="spawn",
            state="send",
            sender_thread_id=thread,
            receiver_thread_id=agent,
        ),
        of_call(
            thread,
            call,
            at + 0.01,
            above=above,
            tool_name="spawn_agent",
            tool_namespace="collaboration",
            arguments=json.dumps({"task_name": call, "message": "SECRET words"}),
            output=json.dumps({"task_name": f"/root/{call}"}),
        ),
    ]


NESTED: list[Request] = [
    of_log("conversation_starts", ROOT, 0),
    *of_spawn(ROOT, ALPHA, "alpha", 2, 7),
    of_log("conversation_starts", ALPHA, 2),
    of_call(ALPHA, "call_1", 4, "Process exited with code 3"),
    *of_spawn(ALPHA, GAMMA, "gamma", 5, 8),
    of_call(GAMMA, "call_2", 7, "Process exited with code 0"),
    of_turn(3, GAMMA, "turn-3", 5.1, 3),
    of_turn(2, ALPHA, "turn-2", 2.1, 8),
    of_turn(1, ROOT, "turn-1", 0.5, 12),
]
"""The main agent starts alpha, and alpha starts gamma."""


def receive(requests: Iterable[Request], *, restart_at: int = -1) -> list[Event]:
    """Return the events of requests; the receiver may be restarted before one of them."""
    receiver, events = OtlpTranslator(journal.encode_event), list[Event]()
    for number, (signal, body) in enumerate(requests):
        if number == restart_at:
            receiver = OtlpTranslator(journal.encode_event)
            receiver.recall_sessions(events)
        result = receiver.receive_request(signal, as_json(body), content_type=JSON, now=NOW)
        events += events_of(result.records)
    return events


def read_by_store(folder: Path, events: list[Event], batch: int = 3) -> dict[str, Session]:
    """Return the sessions that the store has after taking events a few at a time; a rebuild has the same."""
    with store(folder) as opened:
        for first in range(0, len(events), batch):
            opened.take(events[first : first + batch])
        ids = [id for (id,) in opened.connection.execute("SELECT id FROM sessions")]
        found = {id: session_queries.read_session(opened.connection, id, by_description) for id in ids}
        assert opened.rows() == rebuilt(opened.folder, folder / "anew.db", now=0)
    return {id: session for id, session in found.items() if session is not None}


def describe(session: Session) -> Mapping[str, Any]:
    """Return who worked, below whom and for how long, which calls they made, and the turns."""
    return {
        "tasks": {task.id: (task.parent, task.delegated_by, task.description) for task in session.tasks},
        "lengths": {task.id: task.interval.length for task in session.tasks if task.interval},
        "calls": {call.id: (call.tool, call.task, call.outcome) for call in session.tool_calls},
        "turns": [turn.id for turn in session.turns],
    }


def test_threads_are_agents_below_the_agent_that_started_them(tmp_path: Path) -> None:
    """Links of multi-agent v2: parent, call and name of each agent; only the main thread's turn is a turn."""
    (session,) = read_by_store(tmp_path, receive(NESTED)).values()

    assert session.id == ROOT
    assert session.source == "codex"
    assert describe(session)["tasks"] == {
        ALPHA: (None, "alpha", "alpha"),
        GAMMA: (ALPHA, "gamma", "gamma"),
    }
    assert describe(session)["calls"] == {
        "alpha": ("collaborationspawn_agent", None, Outcome.SUCCESS),
        "gamma": ("collaborationspawn_agent", ALPHA, Outcome.SUCCESS),
        "call_1": ("Bash", ALPHA, Outcome.FAILURE),
        "call_2": ("Bash", GAMMA, Outcome.SUCCESS),
    }
    assert describe(session)["turns"] == ["turn-1"]


def test_the_requests_may_come_in_any_order_and_a_restart_may_lie_between(tmp_path: Path) -> None:
    """An agent's events before the word of its start are moved into the session, also two levels up."""
    expected = describe(read_by_store(tmp_path / "expected", receive(NESTED))[ROOT])
    orders = [NESTED[::-1], NESTED[3:] + NESTED[:3], NESTED[5:] + NESTED[:5], NESTED * 2]
    for number, order in enumerate(orders):
        events = receive(order, restart_at=len(order) // 2)
        found = read_by_store(tmp_path / str(number), events, batch=1 + number)
        assert {id: describe(session) for id, session in found.items()} == {ROOT: expected}


def test_agents_of_multi_agent_v1_are_linked_by_the_answer_of_their_call() -> None:
    """Two agents named by the ids in the calls' answers ran side by side; the kinds are those asked for."""
    requests: list[Request] = []
    for number, (agent, kind) in enumerate([(ALPHA, "explorer"), (GAMMA, "worker")]):
        requests += [
            of_call(
                ROOT,
                f"call_{number}",
                1,
                json.dumps({"agent_id": agent, "nickname": "Gibbs"}),
                tool_name="spawn_agent",
                tool_namespace="multi_agent_v1",
                arguments=json.dumps({"agent_type": kind, "message": "SECRET words"}),
            ),
            of_turn(number + 1, agent, f"turn-{number}", 1, 5),
        ]
    (session,) = sessions(receive(requests), lost=False).values()

    assert [(task.agent, task.delegated_by) for task in session.tasks] == [
        ("explorer", "call_0"),
        ("worker", "call_1"),
    ]
    assert [fanout.width for fanout in find_fanouts(session.tasks)] == [2]


def test_a_waiting_call_reports_an_agent_that_failed() -> None:
    """The answer of wait_agent tells of an agent that ended with an error: it failed at that time."""
    requests = [
        of_call(ROOT, "c1", 1, json.dumps({"agent_id": ALPHA}), tool_name="spawn_agent"),
        of_call(
            ROOT,
            "c2",
            9,
            json.dumps({"status": {ALPHA: {"errored": "SECRET words"}}}),
            tool_name="wait_agent",
            tool_namespace="multi_agent_v1",
        ),
    ]
    (session,) = sessions(receive(requests), lost=False).values()

    assert [task.outcome for task in session.tasks] == [Outcome.FAILURE]


def test_a_script_is_not_counted_beside_the_calls_inside_it() -> None:
    """In code mode the script's own call tells nothing, by log event and by span; the calls inside count."""
    outer = span(
        "exec",
        5,
        99,
        at=1,
        lasts=4,
        conversation__id=ROOT,
        call_id="call_9",
        tool_source="direct",
        aborted=False,
    )
    inner = span(
        "exec_command",
        6,
        99,
        at=2,
        lasts=2,
        conversation__id=ROOT,
        call_id="exec-1",
        tool_source="code_mode",
        aborted=False,
    )
    requests = [
        of_call(ROOT, "call_9", 5, tool_name="exec"),
        of_call(ROOT, "exec-1", 4, "Process exited with code 0"),
        (Signal.TRACES, traces([outer, inner], service="codex_exec", scope="codex_exec")),
    ]
    (session,) = sessions(receive(requests), lost=False).values()

    assert [(call.id, call.tool) for call in session.tool_calls] == [("exec-1", "Bash")]


def test_calls_that_were_denied_cut_off_or_never_ran() -> None:
    """A denied and an aborted call are cancelled, a refused call is none, others need an answer."""
    cut = span("exec_command", 6, 99, at=2, lasts=2, conversation__id=ROOT, call_id="cut", aborted=True)
    requests = [
        of_log(
            "tool_decision",
            ROOT,
            1,
            call_id="denied",
            tool_name="exec_command",
            decision="denied",
            source="User",
        ),
        of_call(ROOT, "refused", 3, "unsupported call: x", tool_name="x"),
        of_call(ROOT, "silent", 4),
        (Signal.TRACES, traces([cut], service="codex_tui", scope="codex_tui")),
    ]
    (session,) = sessions(receive(requests), lost=False).values()

    outcomes = {call.id: call.outcome for call in session.tool_calls}
    assert outcomes == {
        "denied": Outcome.CANCELLED,
        "cut": Outcome.CANCELLED,
        "silent": Outcome.UNKNOWN,
    }


def test_tokens_are_those_of_completed_answers() -> None:
    """Each completed answer is a model call of its thread's agent; cached tokens are not counted as input."""
    counts = {"input": "1123", "output": "45", "cached": "1000"}
    answer: dict[str, Any] = {f"{name}_token_count": count for name, count in counts.items()}
    requests = [
        *of_spawn(ROOT, ALPHA, "alpha", 1, 7),
        of_log("sse_event", ALPHA, 2, event__kind="response.completed", model="gpt-5.2-codex", **answer),
        of_log("sse_event", ALPHA, 3, event__kind="response.created", model="gpt-5.2-codex"),
    ]
    (session,) = sessions(receive(requests), lost=False).values()

    (call,) = session.model_calls
    assert (call.task, call.model) == (ALPHA, "gpt-5.2-codex")
    assert (call.tokens.input, call.tokens.cache_read, call.tokens.output) == (123, 1000, 45)


def test_nothing_of_an_input_or_an_answer_is_kept() -> None:
    """The log events carry inputs and answers of tools; no event has a word of them but names and kinds."""
    requests = [
        *NESTED,
        of_call(ROOT, "c1", 1, "Process exited with code 1\nSECRET", arguments='{"cmd": "cat SECRET"}'),
    ]
    written = b"".join(map(journal.encode_event, receive(requests)))

    assert b"SECRET" not in written


def test_the_program_ends_the_session() -> None:
    """The span of ``codex exec`` is the session's whole length; other spans of its machinery tell nothing."""
    program = span("codex.exec", 9, at=0, lasts=20, thread__id=ROOT)
    other = span("session_loop", 10, at=0, lasts=21, thread__id="4")
    requests = [*NESTED, (Signal.TRACES, traces([program, other], service="codex_exec", scope="codex_exec"))]
    events = receive(requests)
    (session,) = sessions(events, lost=False).values()

    assert session.end is not None
    assert session.end - session.start == 20_000_000_000
    assert {event.kind for event in receive(requests[-1:])} == {Kind.SPAN}


def test_the_rest_of_its_spans_is_counted_and_not_complained_about() -> None:
    """Thousands of spans of its machinery tell nothing: they are counted, and nobody calls Codex silent."""
    receiver = OtlpTranslator(journal.encode_event)
    machinery = [span("session_loop", number, at=0, lasts=1, thread__id="4") for number in range(1, 40)]
    requests = [(Signal.TRACES, traces(machinery, service="codex_exec", scope="codex_exec")), NESTED[-1]]
    for signal, body in requests:
        receiver.receive_request(signal, as_json(body), content_type=JSON, now=NOW)

    assert [(sender.source, count) for sender, count in receiver.unread.list_counts()] == [("codex", 39)]
    assert receiver.unread.describe_silent_sources() == []


def test_a_service_with_a_name_like_codex_is_read_as_what_it_is() -> None:
    """An agent of another program's service ``codex-reviews`` follows the conventions, and stays a task."""
    agents = [
        span("invoke_agent lead", 1, lasts=9, gen_ai__operation__name="invoke_agent"),
        span(
            "invoke_agent a", 2, 1, lasts=5, gen_ai__operation__name="invoke_agent", gen_ai__agent__name="a"
        ),
    ]
    request = (Signal.TRACES, traces(agents, service="codex-reviews", scope="shop"))
    (session,) = sessions(receive([request]), lost=False).values()

    assert [task.agent for task in session.tasks] == ["a"]
    assert session.source == "codex-reviews"
