"""Wrap an orchestrator's work in sessions, phases, tasks, tool calls, model calls and messages.

Programs call these functions; the blocks that they return are in ``session_blocks`` and ``call_blocks``.
Attributes follow the GenAI conventions (status Development:
github.com/open-telemetry/semantic-conventions-genai); all others begin with ``stretto.``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from math import isfinite

from stretto.api.call_blocks import MessageBlock, ModelCallBlock, ToolCallBlock
from stretto.api.session_blocks import PhaseBlock, SessionBlock, TaskBlock
from stretto.api.span_block import trim_description, trim_name
from stretto.hook.client.client import list_labels
from stretto.model.event import Outcome

__all__ = ["message", "model_call", "phase", "record", "session", "task", "tool_call"]

_log = logging.getLogger(__name__)

_RECORDED_OUTCOMES = frozenset(outcome.value for outcome in Outcome if outcome is not Outcome.RUNNING)


def session(
    description: str | None = None,
    *,
    pattern: str | None = None,
    project: str | None = None,
    id: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> SessionBlock:
    """Wrap a run of an orchestrator; ``pattern`` names the workflow that it follows.

    ``labels`` are free keys and values, such as the arm of an experiment; ``STRETTO_LABELS`` adds to them.

    Inside another session it opens no new session: its work belongs to the outer session. The outer session
    can be of this program, of its parent process, or of the coding agent that runs this program as a command.
    A different ``id`` opens a new session anyway.
    """
    return SessionBlock(
        trim_description(description),
        trim_name(pattern),
        trim_name(project),
        trim_name(id),
        _join_labels({**_read_environment_labels(), **(labels or {})}),
    )


def phase(name: str) -> PhaseBlock:
    """Wrap a named stage of a session."""
    return PhaseBlock(trim_name(_check_name(name)))


def task(
    description: str, *, type: str | None = None, agent: str | None = None, id: str | None = None
) -> TaskBlock:
    """Wrap a delegated piece of work by ``agent``; without ``type``, the type is derived from the names."""
    return TaskBlock(
        trim_description(_check_name(description)), trim_name(type), trim_name(agent), trim_name(id)
    )


def record(
    description: str,
    *,
    start: float,
    seconds: float,
    outcome: str = Outcome.SUCCESS.value,
    type: str | None = None,
    agent: str | None = None,
    id: str | None = None,
) -> None:
    """Record a task that is over: from ``start``, in seconds since the epoch, for ``seconds``.

    ``outcome`` is success, failure, cancelled or unknown. A record that cannot be right is left out with a
    warning.
    """
    problem = _find_record_problem(start, seconds, outcome)
    if problem is not None:
        _log.warning("a record of %r was left out: %s", description, problem)
        return
    task(description, type=type, agent=agent, id=id).add_past(start, seconds, outcome)


def tool_call(name: str, *, id: str | None = None) -> ToolCallBlock:
    """Wrap a call of a tool; ``id`` is the call's id and must be unique in the session."""
    return ToolCallBlock(trim_name(_check_name(name)), trim_name(id))


def model_call(model: str, *, provider: str | None = None) -> ModelCallBlock:
    """Wrap a request to a language model; record its usage with ``tokens`` and ``cost_usd``."""
    return ModelCallBlock(trim_name(_check_name(model)), trim_name(provider))


def message(to: str, *, sender: str | None = None, type: str | None = None) -> MessageBlock:
    """Wrap a message to another agent and the wait for its answer; the duration is the response time.

    ``sent`` records a message without waiting. Without ``sender``, the sender is the agent of the task.
    ``type`` is its kind, such as request, handover or conflict.
    """
    return MessageBlock(trim_name(_check_name(to)), trim_name(sender), trim_name(type))


def _read_environment_labels() -> dict[str, str]:
    """Return the labels of STRETTO_LABELS by the hook client's rule; the pattern is the program's matter."""
    pairs = (text.partition("=") for text in list_labels())
    return {key: value for key, _, value in pairs if key != "pattern"}


def _join_labels(labels: Mapping[str, str]) -> str | None:
    """Return labels as one text, as in STRETTO_LABELS; signs that separate labels become blanks."""
    pairs = [(str(key).strip(), str(value).strip()) for key, value in labels.items()]
    texts = [f"{key.replace('=', ' ')}={value}".replace(",", " ") for key, value in pairs if key and value]
    return ",".join(texts) or None


def _find_record_problem(start: float, seconds: float, outcome: str) -> str | None:
    if not (isfinite(start) and isfinite(seconds)) or start <= 0 or seconds < 0:
        return "start and seconds must be finite and not negative"
    if outcome not in _RECORDED_OUTCOMES:
        return f"outcome must be one of {', '.join(sorted(_RECORDED_OUTCOMES))}"
    return None


def _check_name(name: object) -> object:
    """Return the name. Raises TypeError for a function, which means a decorator without parentheses."""
    if callable(name) and not isinstance(name, str):
        raise TypeError(f"give a name first, as in @stretto.task('…'), not {name!r}")
    return name
