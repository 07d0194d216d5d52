"""Hold the data that a piece of work inherits, and read and write it for child processes.

It is stored in OpenTelemetry's own context under a single key. So everything that carries OpenTelemetry's
context (asyncio, instrumentation of threads) carries this data too. Between processes, the W3C trace context
travels in the variables ``TRACEPARENT`` and ``TRACESTATE``, and the rest in ``STRETTO_CONTEXT``.
``tracestate`` is not used for the rest, because it is sent on to every server that the child calls.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from opentelemetry.context import Context, create_key, get_current, set_value
from opentelemetry.trace import SpanContext, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

KEY = create_key("stretto")
"""The key of ``Surroundings`` in OpenTelemetry's context."""

VARIABLE = "STRETTO_CONTEXT"

_AGENTS = {"CLAUDE_CODE_SESSION_ID": "claude-code"}
"""Variable in which a coding agent names its session to the commands it runs → the agent."""

_propagator = TraceContextTextMapPropagator()
_inherited = Context()


class Surroundings:
    """The session, phase, task and agent that a piece of work is part of; None is unknown or absent."""

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
        """The product that runs the session, if it is not this program."""
        self.task = task
        """The id of the current task."""
        self.caller = caller
        """The id of the task or tool call that a new task would be part of."""
        self.phase = phase
        """The name of the phase."""
        self.agent = agent
        """The name of the agent that performs the task."""
        self.judged: Surroundings | None = None
        """The innermost session, phase or task of this process: ``stretto.score`` judges it."""


_FIELDS = ("session", "source", "task", "caller", "phase", "agent")


def get_surroundings(context: Context) -> Surroundings | None:
    """Return the surroundings in a context, or None."""
    surroundings = context.get(KEY)
    return surroundings if isinstance(surroundings, Surroundings) else None


def get_context() -> Context:
    """Return the current OpenTelemetry context; without surroundings, fall back to the parent process's.

    A thread begins with an empty context, but the context inherited from the parent process holds there too.
    """
    context = get_current()
    if not _inherited or KEY in context:
        return context
    return Context({**_inherited, **context})


def set_inherited_context(context: Context) -> None:
    """Store the context that the process inherited."""
    global _inherited  # noqa: PLW0603  # a process inherits a single context
    _inherited = context


def read_context(variables: Mapping[str, str]) -> Context:
    """Return the context that environment variables describe, or an empty context.

    The session is that of the nearest ancestor: a program with this API, or a coding agent that runs this
    process as a command. ``TRACEPARENT`` alone names a trace but no session: build servers set it too.
    """
    headers = {name.lower(): variables[name] for name in ("TRACEPARENT", "TRACESTATE") if variables.get(name)}
    context = _propagator.extract(headers, Context())
    surroundings = _read_surroundings(variables) or _find_agent_session(
        variables, get_current_span(context).get_span_context()
    )
    return context if surroundings is None else set_value(KEY, surroundings, context)


def environ() -> dict[str, str]:
    """Return the variables with which a child process joins; empty outside any block or without an SDK.

    Add them to the child's environment: ``subprocess.run(command, env={**os.environ, **stretto.environ()})``.
    They are ``TRACEPARENT``, ``STRETTO_CONTEXT`` and, if there is a trace state, ``TRACESTATE``.
    """
    return write_variables(get_context(), os.environ)


def write_variables(context: Context, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that describe a context to a child process, given the process's own variables."""
    headers: dict[str, str] = {}
    _propagator.inject(headers, context)
    written = {name.upper(): value for name, value in headers.items()}
    surroundings = get_surroundings(context)
    if written and surroundings is not None:
        fields = {name: value for name in _FIELDS if (value := getattr(surroundings, name)) is not None}
        written[VARIABLE] = json.dumps({**fields, "seen": _list_agent_sessions(variables)})
    return written


def _read_surroundings(variables: Mapping[str, str]) -> Surroundings | None:
    """Return the surroundings that a parent program wrote, unless an agent runs between parent and child."""
    try:
        fields = json.loads(variables.get(VARIABLE) or "null")
    except ValueError:
        return None
    if not isinstance(fields, dict) or fields.get("seen") != _list_agent_sessions(variables):
        return None
    return Surroundings(**{name: fields[name] for name in _FIELDS if isinstance(fields.get(name), str)})


def _list_agent_sessions(variables: Mapping[str, str]) -> list[str]:
    return [variables.get(variable, "") for variable in _AGENTS]


def _find_agent_session(variables: Mapping[str, str], caller: SpanContext) -> Surroundings | None:
    for variable, source in _AGENTS.items():
        session = variables.get(variable)
        if session:
            # Other sources know the agent's tool call by the span id that the agent gave to the command.
            call = format(caller.span_id, "016x") if caller.is_valid else None
            return Surroundings(session=session, source=source, caller=call)
    return None
