"""Translate Gemini CLI's log events about its agents and its hooks.

Its spans name no agent but the client. The log events ``agent.start`` and ``agent.finish`` are written in the
context of the agent's span and hold id, name and end, as seen in clients 0.61. ``hook_call`` times
each hook by itself.
"""

from __future__ import annotations

from functools import partial

from stretto.model.event import Channel, Event, Kind, Outcome, omit_none
from stretto.sources.hook_command_names import name_hook_command
from stretto.sources.otlp.plain_records import LogRecord, get_id, get_number, get_text, to_duration

SOURCE = "gemini-cli"

ATTRIBUTES = frozenset(
    {
        "agent_id",
        "agent_name",
        "duration_ms",
        "event.name",
        "hook_event_name",
        "hook_name",
        "session.id",
        "terminate_reason",
    }
)
"""All attributes that are read; none holds a prompt, an answer or a result. Of a hook only a name is kept."""

_PREFIX = "gemini_cli.agent."
_HOOK_CALL = "gemini_cli.hook_call"
_MILLISECOND = 1_000_000
_OUTCOMES = {"GOAL": Outcome.SUCCESS, "ABORTED": Outcome.CANCELLED}
"""The reason of an agent's end; any other, such as MAX_TURNS, ERROR or TIMEOUT, is a failure."""


def is_agent_log(log: LogRecord) -> bool:
    """Return whether a log event is about the start or the end of an agent."""
    return log.service == SOURCE and log.name.startswith(_PREFIX)


def is_hook_log(log: LogRecord) -> bool:
    """Return whether a log event is about a hook that has run."""
    return log.service == SOURCE and log.name == _HOOK_CALL


def translate_hook_log(log: LogRecord) -> list[Event]:
    """Return the event of a hook that has run, with its command; none without a session or a length."""
    session, milliseconds = get_id(log.attributes, "session.id"), get_number(log.attributes, "duration_ms")
    duration = None if milliseconds is None else to_duration(milliseconds * _MILLISECOND)
    if session is None or duration is None:
        return []
    hook_event = get_text(log.attributes, "hook_event_name")
    command = name_hook_command(log.attributes.get("hook_name"))
    return [
        Event(
            kind=Kind.HOOKS_RUN,
            session=session,
            time=log.time - duration,
            source=SOURCE,
            channel=Channel.OTLP,
            id=f"{log.time}/{hook_event}/{command}/{log.span}",
            duration=duration,
            name=hook_event,
            attributes=omit_none(span=log.span or None, command=command),
        )
    ]


def translate_agent_log(log: LogRecord) -> list[Event]:
    """Return the events of an agent's start or end; none without the agent's and the session's id."""
    agent, session = get_id(log.attributes, "agent_id"), get_id(log.attributes, "session.id")
    if agent is None or session is None:
        return []
    new_event = partial(
        Event,
        session=session,
        time=log.time,
        source=SOURCE,
        channel=Channel.OTLP,
        id=agent,
        name=get_text(log.attributes, "agent_name"),
    )
    edge = log.name.removeprefix(_PREFIX)
    alias = [new_event(kind=Kind.ALIAS, attributes={"alias": log.span})] if log.span else []
    if edge == "start":
        return [new_event(kind=Kind.TASK_START), *alias]
    if edge != "finish":
        return []
    duration = get_number(log.attributes, "duration_ms")
    end = new_event(
        kind=Kind.TASK_END,
        duration=None if duration is None else to_duration(duration * _MILLISECOND),
        outcome=_OUTCOMES.get(str(log.attributes.get("terminate_reason")), Outcome.FAILURE),
    )
    return [end, *alias]
