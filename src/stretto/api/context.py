"""Context: what a piece of work must know of what is around it, and how that crosses threads and processes.

It lies in OpenTelemetry's own context under one key, so whatever carries that (asyncio, a host's own
instrumentation of threads) carries this as well. Between processes it is the W3C trace context in the
variables ``TRACEPARENT`` and ``TRACESTATE``, and ``STRETTO_CONTEXT`` for what a trace does not say: not a
member of ``tracestate``, because that goes on to every server that the child asks.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from opentelemetry.context import Context, create_key, get_current, set_value
from opentelemetry.trace import SpanContext, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

KEY = create_key("stretto")
"""Where ``Surroundings`` lie in OpenTelemetry's context."""

VARIABLE = "STRETTO_CONTEXT"

_AGENTS = {"CLAUDE_CODE_SESSION_ID": "claude-code"}
"""Variables by which coding agents tell the commands they run which session these belong to → the agent."""

_propagator = TraceContextTextMapPropagator()
_inherited = Context()


class Surroundings:
    """What a piece of work takes over from what it is part of; None is not known, or there is none."""

    __slots__ = ("agent", "caller", "judged", "phase", "session", "source", "task")

    def __init__(
        self,
        *,
        session: str | None = None,
        source: str | None = None,
        task: str | None = None,
        caller: str | None = None,
        phase: str | None = None,
        agent: str | None = None,
    ) -> None:
        self.session = session
        """The session's id."""
        self.source = source
        """The product whose session it is, where that is not this program."""
        self.task = task
        """The id of the task that runs."""
        self.caller = caller
        """The id of the task or tool call that a new task would be part of."""
        self.phase = phase
        """The name of the phase."""
        self.agent = agent
        """The name of the agent that does the task."""
        self.judged: Surroundings | None = None
        """The innermost session, phase or task of this process: what a score without an object is about."""


_FIELDS = ("session", "source", "task", "caller", "phase", "agent")


def get_surroundings(context: Context) -> Surroundings | None:
    """Return what a context says is around it."""
    found = context.get(KEY)
    return found if isinstance(found, Surroundings) else None


def get_context() -> Context:
    """Return the current context, laid upon what the process was started in.

    A thread begins with an empty context, and what the process was started in holds there all the same.
    """
    context = get_current()
    if not _inherited or KEY in context:
        return context
    return Context({**_inherited, **context})


def adopt_context(context: Context) -> None:
    """Let a context be what the process was started in."""
    global _inherited  # noqa: PLW0603  # there is one process, and it was started in one context
    _inherited = context


def read_context(variables: Mapping[str, str]) -> Context:
    """Return the context that environment variables describe; an empty one where they describe none.

    The session is that of the program with this API that started the process, or of the agent whose command
    it is, whichever is nearer. ``TRACEPARENT`` alone names a trace and no session: build servers set it, too.
    """
    headers = {name.lower(): variables[name] for name in ("TRACEPARENT", "TRACESTATE") if variables.get(name)}
    context = _propagator.extract(headers, Context())
    around = _read_surroundings(variables) or _find_agent_session(
        variables, get_current_span(context).get_span_context()
    )
    return context if around is None else set_value(KEY, around, context)


def environ() -> dict[str, str]:
    """Return the variables that let a child process join; none outside any block or where nothing records.

    Add them to the child's own: ``subprocess.run(command, env={**os.environ, **stretto.environ()})``. They
    are ``TRACEPARENT``, ``TRACESTATE`` where there is one, and ``STRETTO_CONTEXT``.
    """
    return write_variables(get_context(), os.environ)


def write_variables(context: Context, variables: Mapping[str, str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    _propagator.inject(headers, context)
    sent = {name.upper(): value for name, value in headers.items()}
    around = get_surroundings(context)
    if sent and around is not None:
        told = {name: value for name in _FIELDS if (value := getattr(around, name)) is not None}
        sent[VARIABLE] = json.dumps({**told, "seen": _list_agent_sessions(variables)})
    return sent


def _read_surroundings(variables: Mapping[str, str]) -> Surroundings | None:
    """Return what a program with this API told its child, unless an agent stands between the two."""
    try:
        told = json.loads(variables.get(VARIABLE) or "null")
    except ValueError:
        return None
    if not isinstance(told, dict) or told.get("seen") != _list_agent_sessions(variables):
        return None
    return Surroundings(**{name: told[name] for name in _FIELDS if isinstance(told.get(name), str)})


def _list_agent_sessions(variables: Mapping[str, str]) -> list[str]:
    return [variables.get(variable, "") for variable in _AGENTS]


def _find_agent_session(variables: Mapping[str, str], caller: SpanContext) -> Surroundings | None:
    for variable, source in _AGENTS.items():
        session = variables.get(variable)
        if session:
            # The agent's tool call is known to others by the span that it gave to the command.
            call = format(caller.span_id, "016x") if caller.is_valid else None
            return Surroundings(session=session, source=source, caller=call)
    return None
