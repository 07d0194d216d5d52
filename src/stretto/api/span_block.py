"""The base of all blocks: a piece of work as a span of OpenTelemetry's API, with any SDK of the host program.

A block is a context manager, synchronous or asynchronous, for a single use. It is also a decorator for any
number of calls, including coroutine functions and concurrent calls. An exception sets the block's outcome and
is raised unchanged. Only its class is recorded, because a message could quote the work's content. Without an
SDK nothing is recorded, and blocks have no id.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import wraps
from time import perf_counter_ns, time_ns
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

from opentelemetry.context import Context, attach, detach, set_value
from opentelemetry.trace import (
    ProxyTracerProvider,
    Span,
    SpanKind,
    StatusCode,
    Tracer,
    TracerProvider,
    format_span_id,
    get_current_span,
    get_tracer_provider,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from stretto.api.context import KEY, Surroundings, get_context, get_surroundings
from stretto.api.recording_costs import note_block
from stretto.clock import SECOND
from stretto.model.error_kinds import UNNAMED_ERROR
from stretto.model.event import Outcome
from stretto.names import API_SCOPE, SpanAttribute

Function = TypeVar("Function", bound=Callable[..., Any])
Attributes = dict[str, AttributeValue]

NAME_LIMIT = 120
"""Most characters of a name or description; longer texts are cut."""

DISABLED = os.environ.get("STRETTO_DISABLED", "").strip().lower() in {"1", "true"}
"""Whether recording is disabled, whatever SDK is set."""

_DESCRIBES = os.environ.get("STRETTO_DESCRIPTIONS") != "0"
"""Whether descriptions are recorded; the hook client reads the same variable."""

# These values are looked up once, because each lookup of an enum's value is slow.
AGENT_NAME = SpanAttribute.AGENT_NAME.value
ERROR_TYPE = SpanAttribute.ERROR_TYPE.value
_CONVERSATION_ID = SpanAttribute.CONVERSATION_ID.value
_OUTCOME = SpanAttribute.OUTCOME.value
_PHASE = SpanAttribute.PHASE.value
_SESSION_ID = SpanAttribute.SESSION_ID.value
_SOURCE = SpanAttribute.SOURCE.value

_SUCCESS, _FAILURE = Outcome.SUCCESS.value, Outcome.FAILURE.value
_CANCELLED, _UNKNOWN = Outcome.CANCELLED.value, Outcome.UNKNOWN.value

_CANCELLATIONS = frozenset({"CancelledError", "Cancelled", "KeyboardInterrupt", "GeneratorExit"})
"""Exception classes that mean cancelled; by name, so that no framework has to be loaded."""

_tracer_of: tuple[TracerProvider | None, Tracer | None] = (None, None)


def get_tracer() -> Tracer | None:
    """Return the tracer of the current SDK, or None if there is no SDK or recording is disabled."""
    global _tracer_of  # noqa: PLW0603  # asking the provider each time takes as long as the span
    if DISABLED:
        return None
    provider = get_tracer_provider()
    known_provider, tracer = _tracer_of
    if provider is not known_provider:
        from stretto.version import read_version  # noqa: PLC0415  # takes milliseconds, and only once

        unset = isinstance(provider, ProxyTracerProvider)
        tracer = None if unset else provider.get_tracer(API_SCOPE, read_version())
        _tracer_of = (provider, tracer)
    return tracer


def trim_name(text: object) -> str | None:
    """Return a name as text, cut to NAME_LIMIT characters; None for an empty name."""
    if type(text) is not str:
        text = "" if text is None else str(text)
    return text[:NAME_LIMIT] or None


def trim_description(text: object) -> str | None:
    """Return a description like a name; None where descriptions are not recorded."""
    return trim_name(text) if _DESCRIBES else None


def name_span(operation: str, subject: str | None) -> str:
    """Return a span's name: the operation and, if there is one, its subject."""
    return operation if subject is None else f"{operation} {subject}"


def build_attributes(**attributes: AttributeValue | None) -> Attributes:
    """Return the attributes whose value is not None; keywords are names of ``SpanAttribute``'s members."""
    return {_NAMES[name]: value for name, value in attributes.items() if value is not None}


_NAMES = {member.name: member.value for member in SpanAttribute}


def list_session_and_agent_attributes(surroundings: Surroundings) -> Attributes:
    """Return the attributes for session, source, phase and agent.

    Every span of this API has them, so that it can be understood without its parents.
    """
    attributes: Attributes = {}
    if surroundings.session is not None:
        attributes[_SESSION_ID] = attributes[_CONVERSATION_ID] = surroundings.session
    if surroundings.source is not None:
        attributes[_SOURCE] = surroundings.source
    if surroundings.phase is not None:
        attributes[_PHASE] = surroundings.phase
    if surroundings.agent is not None:
        attributes[AGENT_NAME] = surroundings.agent
    return attributes


class SpanBlock(Surroundings):
    """A piece of work that begins when the block is entered and ends when it is left; also a decorator."""

    __slots__ = ("_entered", "_fault", "_span", "_start", "_token", "around", "has_leaked", "id")

    KIND: ClassVar[SpanKind] = SpanKind.INTERNAL

    def __init__(self, id: str | None = None) -> None:
        super().__init__()
        self.id = id
        """The id within its session: the given id, else the span's id after entry, else None."""
        self._span: Span | None = None
        self._token: Any = None
        self._start = 0
        self._fault: str | None = None
        self._entered = False
        self.has_leaked = False
        """Whether it has ended and is still in the context of work that is not inside it."""
        self.around = Context()
        """The context that it was entered in."""

    def __enter__(self) -> Self:
        if self._entered:
            raise RuntimeError(
                "this block has been entered before: make a new one each time, or use it as a decorator"
            )
        began = perf_counter_ns()
        self._entered = True
        self._start = time_ns()
        tracer = get_tracer()
        if tracer is not None:
            self._open_span(tracer)
            note_block(self.session, perf_counter_ns() - began)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        began, end = perf_counter_ns(), time_ns()
        outcome = _SUCCESS if kind is None else self._classify_exception(kind, error)
        if self._fault is not None:
            outcome = _FAILURE
        if self._span is not None:
            self._leave_context()
            self._close_span(self._span, outcome, end)
        if not DISABLED:
            self._record_duration(max(0, end - self._start) / SECOND)
        if self._span is not None:
            note_block(self.session, perf_counter_ns() - began)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: Function) -> Function:
        """Return a function that runs each call in a new block.

        Raises TypeError for a generator and for a class: the end of their work cannot be observed.
        """
        _check_wrappable(function)
        if self.id is not None:
            raise TypeError("a decorator cannot have an id: each call of the function is a new block")
        make_copy = self._make_copy
        if _is_kind(inspect.iscoroutinefunction, function):

            @wraps(function)
            async def wrapped(*args: Any, **kwargs: Any) -> Any:
                with make_copy():
                    return await function(*args, **kwargs)
        else:

            @wraps(function)
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                with make_copy():
                    return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]  # wraps() copies the signature, which has no type

    def fail(self, error: str = UNNAMED_ERROR) -> None:
        """Mark the work as failed without an exception; ``error`` is the name of an error class."""
        self._fault = trim_name(error) or UNNAMED_ERROR

    def _leave_context(self) -> None:
        """Make the block's span no longer the current span, unless only another task could do that.

        An asynchronous generator that its reader broke off ends in another task. What follows in the reader
        still has the block in its context: inner blocks then climb to the block's surroundings.
        """
        reset = getattr(getattr(self._token, "var", None), "reset", None)
        if reset is None:
            detach(self._token)
            return
        try:
            reset(self._token)
        except ValueError:
            self.has_leaked = True

    # Methods that the kinds of blocks override.

    def _make_copy(self) -> Self:
        """Return a new block with the same settings."""
        raise NotImplementedError

    def _describe_span(self) -> tuple[str, Attributes]:
        """Return the span's name and attributes, and set the values that inner blocks inherit."""
        raise NotImplementedError

    def _set_id(self, span: Span, id: str) -> None:  # noqa: ARG002  # some kinds write it on the span
        """Set the block's id to the span's id unless an id was given."""
        self.id = self.id or id

    def _close_span(self, span: Span, outcome: str, end: int) -> None:
        """End the span at ``end`` (ns)."""
        span.set_attribute(_OUTCOME, outcome)
        if self._fault is not None:
            span.set_attribute(ERROR_TYPE, self._fault)
            span.set_status(StatusCode.ERROR)
        span.end(end)

    def _record_duration(self, seconds: float) -> None:
        """Record the duration, if the conventions have a metric for it."""

    def _open_span(self, tracer: Tracer) -> None:
        """Start the span and make it the current span."""
        context = get_context()
        above = get_surroundings(context)
        while isinstance(above, SpanBlock) and above.has_leaked:
            context = above.around
            above = get_surroundings(context)
        self.around = context
        if above is not None:
            self.session, self.source, self.phase = above.session, above.source, above.phase
            self.task, self.caller, self.agent = above.task, above.caller, above.agent
            self.judged = above.judged
        name, attributes = self._describe_span()
        attributes |= list_session_and_agent_attributes(self)
        # The outcome is unknown until the end; the attribute also marks the span as a span of this API.
        attributes[_OUTCOME] = _UNKNOWN
        span = self._span = tracer.start_span(name, context, self.KIND, attributes, start_time=self._start)
        span_context = span.get_span_context()
        if span_context.is_valid:
            self._set_id(span, format_span_id(span_context.span_id))
        self._name_session(span, is_root=not get_current_span(context).get_span_context().is_valid)
        self._token = attach(set_value(KEY, self, set_span_in_context(span, context)))

    def _name_session(self, span: Span, *, is_root: bool) -> None:
        """Name the session after its span has started, if the block begins one without an id."""

    def _classify_exception(self, kind: type[BaseException], error: BaseException | None) -> str:
        if kind is SystemExit and getattr(error, "code", None) in {None, 0}:
            return _SUCCESS
        if any(base.__name__ in _CANCELLATIONS for base in kind.__mro__):
            return _CANCELLED
        self._fault = self._fault or kind.__name__[:NAME_LIMIT]
        return _FAILURE


def _check_wrappable(function: object) -> None:
    if isinstance(function, type) or not callable(function):
        raise TypeError(f"only a function can be decorated, not {function!r}")
    if _is_kind(inspect.isgeneratorfunction, function) or _is_kind(inspect.isasyncgenfunction, function):
        raise TypeError(
            f"{getattr(function, '__qualname__', function)} is a generator, whose work ends with its reader:"
            " use the block inside the generator, or around the loop that reads it"
        )


def _is_kind(kind: Callable[[object], bool], function: object) -> bool:
    """Return whether a function, or the ``__call__`` of an object, is of a kind."""
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004  # inspected, not called
