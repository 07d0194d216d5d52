"""Wrap calls of tools, requests to models, and messages between agents, as spans."""

from __future__ import annotations

import logging
from os import PathLike
from typing import Self

from opentelemetry.trace import Span, SpanKind, Tracer

from stretto.api.genai_histograms import describe_run, get_model_call_histograms, get_run_histograms
from stretto.api.span_block import ERROR_TYPE, Attributes, SpanBlock, build_attributes, name_span, trim_name
from stretto.api.written_files import WrittenFiles
from stretto.clock import SECOND
from stretto.model.plausible_values import MAX_COUNT
from stretto.names import SpanAttribute

_log = logging.getLogger(__name__)

_TOOL_NAME = SpanAttribute.TOOL_NAME.value


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
        self,
        framework: str | None = None,
        *,
        passed: int | None = None,
        failed: int | None = None,
        parts: int | None = None,
        parts_cached: int | None = None,
    ) -> None:
        """Record that the call ran tests; ``framework`` is their kind, such as pytest, else the tool's name.

        ``parts`` are what a cache of tests may answer, such as packages; of ``parts_cached`` it did. Without
        other counts the call's outcome is the tests'. An impossible count is left out with a warning.
        """
        span = self._span
        if span is None or not span.is_recording():
            return
        span.set_attributes(
            build_attributes(
                TEST_FRAMEWORK=trim_name(framework) or self._tool or "tests",
                TESTS_PASSED=_check_count(passed),
                TESTS_FAILED=_check_count(failed),
                TEST_PARTS=_check_count(parts),
                TEST_PARTS_CACHED=_check_count(parts_cached),
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
            get_run_histograms()[1].record(
                seconds, {_TOOL_NAME: self._tool, **describe_run(self.agent, self._fault)}
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
        duration, usage = get_model_call_histograms()
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
    """A report of a task or a phase about itself: a message without a receiver."""

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
