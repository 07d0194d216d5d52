"""Wrap an orchestrator's work in sessions, phases, tasks, tool calls, model calls and messages.

Attributes follow the GenAI conventions (status Development:
github.com/open-telemetry/semantic-conventions-genai); all others begin with ``stretto.``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from functools import cache
from math import isfinite
from os import PathLike
from typing import Self
from uuid import uuid4

from opentelemetry.context import Context, attach, detach, set_value
from opentelemetry.metrics import Histogram, get_meter
from opentelemetry.trace import Span, SpanKind, Tracer, format_trace_id, set_span_in_context

from stretto.api import score_events as scoring
from stretto.api.cache_counters import report_session
from stretto.api.context import KEY, get_context
from stretto.api.score_events import JudgedBlock, score
from stretto.api.span_block import (
    AGENT_NAME,
    ERROR_TYPE,
    UNNAMED_ERROR,
    Attributes,
    SpanBlock,
    build_attributes,
    get_tracer,
    name_span,
    trim_name,
)
from stretto.api.written_files import WrittenFiles, read_key
from stretto.clock import SECOND
from stretto.hook.client.client import find_project, hash_repository, list_labels
from stretto.model.event import Outcome
from stretto.model.facts import GATE_TOOL
from stretto.model.message_kinds import BLOCKED, PROGRESS
from stretto.model.plausible_values import MAX_COUNT
from stretto.names import API_SCOPE, SpanAttribute

__all__ = [
    "MessageBlock", "ModelCallBlock", "PhaseBlock", "SessionBlock", "TaskBlock", "ToolCallBlock", "message",
    "model_call", "phase", "record", "score", "session", "task", "tool_call",
]  # fmt: skip

_DESCRIBES = os.environ.get("STRETTO_DESCRIPTIONS") != "0"
"""Whether descriptions are recorded; the hook client reads the same variable."""

_log = logging.getLogger(__name__)

_RECORDED_OUTCOMES = frozenset(outcome.value for outcome in Outcome if outcome is not Outcome.RUNNING)

_TASK_CONFLICT = SpanAttribute.TASK_CONFLICT.value
_TASK_ID = SpanAttribute.TASK_ID.value
_TOOL_NAME = SpanAttribute.TOOL_NAME.value


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
        _trim_description(description),
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
        _trim_description(_check_name(description)), trim_name(type), trim_name(agent), trim_name(id)
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


def _describe_project(named: str | None) -> dict[str, str | None]:
    """Return the attributes of a session's project: as the program named it, else of the working folder."""
    if named is not None:
        return {"PROJECT": named}
    try:
        project, _, root = find_project(os.getcwd())  # noqa: PTH109  # the same text without a Path
    except OSError:
        return {}  # the folder is gone
    return {"PROJECT": project, "REPOSITORY": hash_repository(root, read_key())}


class GatedBlock(JudgedBlock):
    """A block whose result can be checked."""

    __slots__ = ()

    def gate(self, name: str, passed: bool) -> None:  # the name and its answer read as a pair
        """Record that a check of the work passed or failed, until the block's end.

        It is a call of the tool ``gate`` without length, in this block, that ran one test.
        """

        def record_test() -> None:
            with ToolCallBlock(GATE_TOOL) as call:
                call.tests(name, passed=int(bool(passed)), failed=int(not passed))

        self._record_inside(record_test)

    def _record_inside(self, record: Callable[[], None]) -> None:
        """Call a function whose spans belong into this block, unless the block has ended."""
        span = self._span
        if span is None or not span.is_recording():
            return
        token = attach(set_value(KEY, self, set_span_in_context(span, get_context())))
        try:
            record()
        finally:
            detach(token)


class SessionBlock(GatedBlock):
    """A session, or a part of the outer session."""

    __slots__ = ("_description", "_labels", "_pattern", "_project")

    WORD = scoring.SESSION

    def __init__(
        self,
        description: str | None,
        pattern: str | None,
        project: str | None,
        id: str | None = None,
        labels: str | None = None,
    ) -> None:
        super().__init__(id)
        self._labels = labels
        self._description = description
        self._pattern = pattern
        self._project = project

    def _make_copy(self) -> Self:
        """Return a new block with the same settings."""
        return type(self)(self._description, self._pattern, self._project, None, self._labels)

    def _close_span(self, span: Span, outcome: str, end: int) -> None:
        """Report the counts of caches before the session's span ends."""
        report_session(self.session, set_span_in_context(span, Context()), end)
        super()._close_span(span, outcome, end)

    def _describe_span(self) -> tuple[str, Attributes]:
        """Open a session, unless the block is part of an outer session."""
        self.judged = self
        operation = None
        if self.session is None or self.id not in {None, self.session}:
            # Without an id, the session is named once its span has started.
            self.session = self.id
            self.source = self.task = self.caller = self.phase = self.agent = None
            operation = "invoke_workflow"
        else:
            # This block ends before the outer session, so its span must not look like the session's span.
            self.id = self.session
        return name_span("invoke_workflow", self._pattern), build_attributes(
            OPERATION_NAME=operation,
            AGENT_NAME=self._pattern,
            PATTERN=self._pattern,
            LABELS=self._labels,
            SESSION_NAME=self._description,
            **_describe_project(self._project),
        )

    def _set_id(self, span: Span, id: str) -> None:
        """Leave the id to ``_name_session``: it is no span's id."""

    def _name_session(self, span: Span, *, is_root: bool) -> None:
        """Name a session without an id by its trace, so that the trace context alone keeps it together.

        Inside of another trace several sessions may lie: each then has an id of its own.
        """
        if self.session is not None:
            return
        context = span.get_span_context()
        is_named_by_trace = is_root and context.is_valid
        self.session = self.id = format_trace_id(context.trace_id) if is_named_by_trace else str(uuid4())
        span.set_attribute(SpanAttribute.SESSION_ID.value, self.session)
        span.set_attribute(SpanAttribute.CONVERSATION_ID.value, self.session)


class PhaseBlock(GatedBlock):
    """A named stage of a session."""

    __slots__ = ("_stage",)

    WORD = scoring.PHASE

    def __init__(self, stage: str | None) -> None:
        super().__init__()
        self._stage = stage

    def _make_copy(self) -> Self:
        """Return a new block with the same settings."""
        return type(self)(self._stage)

    def _describe_span(self) -> tuple[str, Attributes]:
        """Put inner blocks into this phase."""
        self.judged = self
        self.phase = self._stage
        return name_span("phase", self._stage), {}

    def _set_id(self, span: Span, id: str) -> None:
        """Set the id to the span's id."""
        self.id = id
        span.set_attribute(SpanAttribute.PHASE_ID.value, id)


class TaskBlock(GatedBlock):
    """A delegated piece of work."""

    __slots__ = ("_description", "_doer", "_files", "_type")

    WORD = scoring.TASK

    def __init__(
        self, description: str | None, type: str | None, agent: str | None, id: str | None = None
    ) -> None:
        super().__init__(id)
        self._description = description
        self._type = type
        self._doer = agent
        self._files = WrittenFiles()

    def wrote(self, *paths: str | PathLike[str]) -> None:
        """Record that the task wrote files, until its end: tasks side by side that wrote the same conflict.

        Only a keyed hash of each path is recorded, as hooks do. A relative path is taken from the working
        folder.
        """
        self._files.add(self._span, paths)

    def conflict(self, *, found: bool = True) -> None:
        """Record that the task's result conflicts with another task's, until its end.

        With ``found=False``: it was examined and conflicts with none.
        """
        if self._span is not None and self._span.is_recording():
            self._span.set_attribute(_TASK_CONFLICT, bool(found))

    def progress(self, share: float) -> None:
        """Report how much of the work is done, from 0 to 1: a sign of life, which takes back ``blocked``."""
        number = float(share)
        if not 0 <= number <= 1:
            _log.warning("progress of a task was left out: it must be from 0 to 1, not %r", share)
            return
        self._report(PROGRESS, TASK_PROGRESS=number)

    def blocked(self, reason: str) -> None:
        """Report that the task cannot go on, and why, until the next ``progress`` or its end."""
        self._report(BLOCKED, TASK_BLOCKED=trim_name(reason) or "no reason given")

    def _report(self, kind: str, **attributes: float | str) -> None:
        self._record_inside(ReportBlock(kind, build_attributes(**attributes)).sent)

    def _make_copy(self) -> Self:
        """Return a new block with the same settings."""
        return type(self)(self._description, self._type, self._doer)

    def _describe_span(self) -> tuple[str, Attributes]:
        """Assign inner blocks to this task's agent."""
        self.judged = self
        self.agent = self._doer
        return name_span("invoke_agent", self._doer), build_attributes(
            OPERATION_NAME="invoke_agent",
            PARENT_ID=self.caller,
            TASK_TYPE=self._type,
            TASK_DESCRIPTION=self._description,
        )

    def _set_id(self, span: Span, id: str) -> None:
        """Set the id to the span's id unless an id was given, and put inner blocks into this task."""
        self.task = self.caller = self.id = self.id or id
        span.set_attribute(_TASK_ID, self.id)

    def add_past(self, start: float, seconds: float, outcome: str) -> None:
        """Add the task as it was, instead of entering the block; ``start`` is seconds since the epoch."""
        self._start, self._entered = round(start * SECOND), True
        self._fault = UNNAMED_ERROR if outcome == Outcome.FAILURE.value else None
        tracer = get_tracer()
        if tracer is None:
            return
        self._open_span(tracer)
        self._leave_context()
        if self._span is not None:
            self._close_span(self._span, outcome, self._start + round(seconds * SECOND))
        self._record_duration(seconds)

    def _record_duration(self, seconds: float) -> None:
        """Record ``gen_ai.invoke_agent.duration``."""
        _get_histograms()[0].record(seconds, _describe_run(self._doer, self._fault))


class ToolCallBlock(SpanBlock):
    """A call of a tool."""

    __slots__ = ("_files", "_tool")

    def __init__(self, tool: str | None, id: str | None = None) -> None:
        super().__init__(id)
        self._tool = tool
        self._files = WrittenFiles()

    def wrote(self, *paths: str | PathLike[str]) -> None:
        """Record that the call wrote files, as keyed hashes of their paths; see ``TaskBlock.wrote``."""
        self._files.add(self._span, paths)

    def tests(
        self, framework: str | None = None, *, passed: int | None = None, failed: int | None = None
    ) -> None:
        """Record that the call ran tests; ``framework`` is their kind, such as pytest, else the tool's name.

        Without counts the call's outcome is the tests'. A count that cannot be right is left out with a
        warning.
        """
        span = self._span
        if span is None or not span.is_recording():
            return
        span.set_attributes(
            build_attributes(
                TEST_FRAMEWORK=trim_name(framework) or self._tool or "tests",
                TESTS_PASSED=_check_count(passed),
                TESTS_FAILED=_check_count(failed),
            )
        )

    def _make_copy(self) -> Self:
        """Return a new block with the same settings."""
        return type(self)(self._tool)

    def _describe_span(self) -> tuple[str, Attributes]:
        """Name the tool."""
        return name_span("execute_tool", self._tool), build_attributes(
            OPERATION_NAME="execute_tool", TOOL_NAME=self._tool, TOOL_CALL_ID=self.id, TASK_ID=self.task
        )

    def _set_id(self, span: Span, id: str) -> None:  # noqa: ARG002  # the span has the same id
        """Set the id to the span's id unless an id was given, and make inner tasks children of this call."""
        self.caller = self.id = self.id or id

    def _record_duration(self, seconds: float) -> None:
        """Record ``gen_ai.execute_tool.duration``."""
        if self._tool is not None:
            _get_histograms()[1].record(
                seconds, {_TOOL_NAME: self._tool, **_describe_run(self.agent, self._fault)}
            )


class ModelCallBlock(SpanBlock):
    """A request to a language model."""

    __slots__ = ("_model", "_provider", "_used")

    KIND = SpanKind.CLIENT

    def __init__(self, model: str | None, provider: str | None) -> None:
        super().__init__()
        self._model = model
        self._provider = provider
        self._used: dict[str, int] = {}

    def tokens(
        self,
        *,
        input: int | None = None,
        output: int | None = None,
        cache_read: int | None = None,
        cache_write: int | None = None,
    ) -> None:
        """Record the tokens used; ``input`` are those neither read from nor written to a cache.

        A later count replaces an earlier count; counts not given stay unknown.
        """
        counts = (("input", input), ("output", output), ("read", cache_read), ("write", cache_write))
        self._used |= {name: count for name, count in counts if count is not None}
        used, total = self._used, None
        if "input" in used:
            # The conventions count tokens read from and written to a cache as input too.
            total = used["input"] + used.get("read", 0) + used.get("write", 0)
        self._set_attributes(
            build_attributes(
                USAGE_INPUT=total,
                USAGE_OUTPUT=used.get("output"),
                USAGE_CACHE_READ=used.get("read"),
                USAGE_CACHE_WRITE=used.get("write"),
            )
        )

    def cost_usd(self, amount: float) -> None:
        """Record the cost in US dollars."""
        self._set_attributes(build_attributes(USAGE_COST=float(amount)))

    def _make_copy(self) -> Self:
        """Return a new block with the same settings."""
        return type(self)(self._model, self._provider)

    def _describe_span(self) -> tuple[str, Attributes]:
        """Name the model."""
        return name_span("chat", self._model), build_attributes(
            OPERATION_NAME="chat", REQUEST_MODEL=self._model, PROVIDER_NAME=self._provider, TASK_ID=self.task
        )

    def _record_duration(self, seconds: float) -> None:
        """Record ``gen_ai.client.operation.duration`` and ``gen_ai.client.token.usage``."""
        duration, usage = _get_client_histograms()
        about: dict[str, str] = {
            SpanAttribute.OPERATION_NAME.value: "chat",
            SpanAttribute.PROVIDER_NAME.value: self._provider or "_OTHER",
            **({SpanAttribute.REQUEST_MODEL.value: self._model} if self._model else {}),
        }
        duration.record(seconds, {**about, **({ERROR_TYPE: self._fault} if self._fault else {})})
        used = self._used
        totals = {
            "input": used["input"] + used.get("read", 0) + used.get("write", 0) if "input" in used else None,
            "output": used.get("output"),
        }
        for kind, count in totals.items():
            if count is not None:
                usage.record(count, {**about, "gen_ai.token.type": kind})

    def _set_attributes(self, attributes: Attributes) -> None:
        if self._span is not None and self._span.is_recording():
            self._span.set_attributes(attributes)


class MessageBlock(SpanBlock):
    """A communication with another agent."""

    __slots__ = ("_ago", "_answered", "_sender", "_to", "_type")

    def __init__(self, to: str | None, sender: str | None, type: str | None = None) -> None:
        super().__init__()
        self._type = type
        self._to = to
        self._sender = sender
        self._ago = 0
        self._answered = True

    def sent(self, *, response_seconds: float | None = None) -> None:
        """Record the message at once: as answered now, after ``response_seconds``, or as just sent."""
        self._answered = response_seconds is not None
        self._ago = round((response_seconds or 0) * SECOND)
        with self:
            pass

    def _make_copy(self) -> Self:
        """Return a new block with the same settings."""
        return type(self)(self._to, self._sender, self._type)

    def _describe_span(self) -> tuple[str, Attributes]:
        """Name the sender and the receiver."""
        return name_span("message", self._to), build_attributes(
            MESSAGE_TO=self._to,
            MESSAGE_FROM=self._sender or self.agent,
            MESSAGE_TYPE=self._type,
            TASK_ID=self.task,
        )

    def _open_span(self, tracer: Tracer) -> None:
        """Start the span at the time of sending."""
        self._start -= self._ago
        super()._open_span(tracer)

    def _close_span(self, span: Span, outcome: str, end: int) -> None:
        """End the span; record the response time if the message was answered."""
        if self._answered and self._fault is None:
            seconds = max(0, self._ago or end - self._start) / SECOND
            span.set_attribute(SpanAttribute.MESSAGE_RESPONSE_SECONDS.value, seconds)
        super()._close_span(span, outcome, end)


class ReportBlock(MessageBlock):
    """A report of a task about itself: a message without a receiver."""

    __slots__ = ("_attributes",)

    def __init__(self, kind: str, attributes: Attributes) -> None:
        super().__init__(None, None, kind)
        self._attributes = attributes

    def _make_copy(self) -> Self:
        """Return a new block with the same settings."""
        return type(self)(self._type or "", self._attributes)

    def _describe_span(self) -> tuple[str, Attributes]:
        """Add the report to the description of the message."""
        name, attributes = super()._describe_span()
        return name, {**attributes, **self._attributes}


def _check_count(count: int | None) -> int | None:
    """Return a number of tests; None, with a warning, for a number that cannot be right."""
    if count is None or (type(count) is int and 0 <= count <= MAX_COUNT):
        return count
    _log.warning("a number of tests was left out: it must be a whole number from 0, not %r", count)
    return None


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


def _trim_description(text: object) -> str | None:
    return trim_name(text) if _DESCRIBES else None


def _describe_run(agent: str | None, fault: str | None) -> Attributes:
    attributes: Attributes = {}
    if agent is not None:
        attributes[AGENT_NAME] = agent
    if fault is not None:
        attributes[ERROR_TYPE] = fault
    return attributes


@cache
def _get_histograms() -> tuple[Histogram, Histogram]:
    """Return the histograms for tasks and for tool calls, from the present or a future meter provider."""
    meter = get_meter(API_SCOPE)
    return (
        meter.create_histogram(
            "gen_ai.invoke_agent.duration",
            unit="s",
            description="How long an agent's run took.",
            explicit_bucket_boundaries_advisory=[0.1 * 2**step for step in range(13)],
        ),
        meter.create_histogram(
            "gen_ai.execute_tool.duration",
            unit="s",
            description="How long a tool call took.",
            explicit_bucket_boundaries_advisory=[0.01 * 2**step for step in range(14)],
        ),
    )


@cache
def _get_client_histograms() -> tuple[Histogram, Histogram]:
    """Return the conventions' histograms for the duration of model calls and for their tokens."""
    meter = get_meter(API_SCOPE)
    return (
        meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="How long a request to a model took.",
            explicit_bucket_boundaries_advisory=[0.01 * 2**step for step in range(14)],
        ),
        meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="How many tokens a request to a model used.",
            explicit_bucket_boundaries_advisory=[4.0**step for step in range(14)],
        ),
    )
