"""Gemini CLI by OTLP: agents get name, id and end from log events in the context of their spans."""

from __future__ import annotations

from typing import Any

import pytest

from stretto import journal
from stretto.model.entities import Task
from stretto.model.event import Outcome
from stretto.sources.otlp.receive import OtlpTranslator, Signal
from tests.otlp_requests import T0, events_of, log, logs, only_session, receive, span, traces

CONVERSATION = {"gen_ai.conversation.id": "talk", "gen_ai.agent.name": "gemini-cli"}


def agent_log(edge: str, at: float, **values: Any) -> dict[str, Any]:
    """Return a log event about the agent whose span is 2."""
    about = {"session.id": "talk", "agent_id": "a1", "agent_name": "helper", **values}
    return log(f"gemini_cli.agent.{edge}", at=at, above=2, **about)


def read_task(*records: dict[str, Any], logs_first: bool = False) -> Task:
    """Return the only task of a call that ran an agent, and of log events."""
    call: dict[str, Any] = {**CONVERSATION, "gen_ai.operation.name": "tool_call"}
    agent: dict[str, Any] = {**CONVERSATION, "gen_ai.operation.name": "agent_call"}
    spans = [span("tool_call", 1, lasts=9, **call), span("agent_call", 2, 1, at=1, lasts=7, **agent)]
    requests = [
        (traces(spans, service="gemini-cli"), Signal.TRACES),
        (logs(records, service="gemini-cli"), Signal.LOGS),
    ]
    receiver = OtlpTranslator(journal.encode_event)
    events = [
        event
        for request, signal in (requests[::-1] if logs_first else requests)
        for event in events_of(receive(request, signal, receiver).records)
    ]
    (task,) = only_session(events).tasks
    return task


@pytest.mark.parametrize("logs_first", [False, True])
def test_a_log_names_the_agent_of_its_span(logs_first: bool) -> None:
    """The span gives the times, the log event the id and the name; the call around it started the agent."""
    task = read_task(agent_log("start", 1), logs_first=logs_first)

    assert (task.id, task.agent, task.start) == ("a1", "helper", T0 + 10**9)
    assert task.delegated_by == f"{1:016x}"


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [("GOAL", Outcome.SUCCESS), ("ABORTED", Outcome.CANCELLED), ("MAX_TURNS", Outcome.FAILURE)],
)
def test_the_reason_of_the_end_is_the_outcome(reason: str, outcome: Outcome) -> None:
    """Only a reached goal is a success, whatever the status of the span is."""
    task = read_task(agent_log("start", 1), agent_log("finish", 8, terminate_reason=reason, duration_ms=7000))

    assert task.outcome is outcome


def test_without_logs_the_agent_has_no_name() -> None:
    """The client's own name on the span of an agent is not the agent's."""
    assert read_task().agent is None
