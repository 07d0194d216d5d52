"""Wrap sessions, their phases and their tasks as spans: blocks whose work can be judged and checked."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from os import PathLike
from typing import Self
from uuid import uuid4

from opentelemetry.context import Context, attach, detach, set_value
from opentelemetry.trace import Span, format_trace_id, set_span_in_context

from stretto.api import score_events as scoring
from stretto.api.cache_counters import report_caches_at_session_end
from stretto.api.call_blocks import ReportBlock, ToolCallBlock
from stretto.api.context import KEY, get_context
from stretto.api.genai_histograms import describe_run, get_run_histograms
from stretto.api.score_events import JudgedBlock
from stretto.api.span_block import (
    Attributes,
    build_attributes,
    get_tracer,
    name_span,
    trim_description,
)
from stretto.api.written_files import WrittenFiles, read_key_if_any
from stretto.clock import SECOND
from stretto.hook.client.client import find_project, hash_repository
from stretto.model.error_kinds import UNNAMED_ERROR
from stretto.model.event import Outcome
from stretto.model.facts import GATE_TOOL
from stretto.model.message_kinds import BLOCKED, PROGRESS
from stretto.names import SpanAttribute

_log = logging.getLogger(__name__)

NO_REASON = "no reason recorded"

_TASK_CONFLICT = SpanAttribute.TASK_CONFLICT.value
_TASK_ID = SpanAttribute.TASK_ID.value


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


class ReportingBlock(GatedBlock):
    """A block that reports how far its work is, and what it waits for."""

    __slots__ = ()

    PROGRESS_ATTRIBUTE: str
    """Name of the attribute of a report with the share that is done."""
    BLOCKED_ATTRIBUTE: str
    """Name of the attribute of a report with the reason why it cannot go on."""

    def progress(self, share: float) -> None:
        """Report how much of the work is done, from 0 to 1: a sign of life, which takes back ``blocked``."""
        number = float(share)
        if not 0 <= number <= 1:
            _log.warning("progress of a %s was left out: it must be from 0 to 1, not %r", self.WORD, share)
            return
        self._report(PROGRESS, **{self.PROGRESS_ATTRIBUTE: number})

    def blocked(self, reason: str) -> None:
        """Report that the work cannot go on, and why, until the next ``progress`` or its end."""
        self._report(BLOCKED, **{self.BLOCKED_ATTRIBUTE: trim_description(reason) or NO_REASON})

    def _report(self, kind: str, **attributes: float | str | None) -> None:
        self._record_inside(ReportBlock(kind, build_attributes(**attributes)).sent)


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
        report_caches_at_session_end(self.session, set_span_in_context(span, Context()), end)
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


class PhaseBlock(ReportingBlock):
    """A named stage of a session."""

    __slots__ = ("_stage",)

    WORD = scoring.PHASE
    PROGRESS_ATTRIBUTE, BLOCKED_ATTRIBUTE = (
        SpanAttribute.PHASE_PROGRESS.name,
        SpanAttribute.PHASE_BLOCKED.name,
    )

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

    def _report(self, kind: str, **attributes: float | str | None) -> None:
        """Report on this phase: others of its name may have been before."""
        super()._report(kind, MESSAGE_PHASE_ID=self.id, **attributes)

    def _set_id(self, span: Span, id: str) -> None:
        """Set the id to the span's id."""
        self.id = id
        span.set_attribute(SpanAttribute.PHASE_ID.value, id)


class TaskBlock(ReportingBlock):
    """A delegated piece of work."""

    __slots__ = ("_description", "_doer", "_files", "_type")

    WORD = scoring.TASK
    PROGRESS_ATTRIBUTE, BLOCKED_ATTRIBUTE = SpanAttribute.TASK_PROGRESS.name, SpanAttribute.TASK_BLOCKED.name

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
        get_run_histograms()[0].record(seconds, describe_run(self._doer, self._fault))


def _describe_project(named: str | None) -> dict[str, str | None]:
    """Return the attributes of a session's project: as the program named it, else of the working folder."""
    if named is not None:
        return {"PROJECT": named}
    try:
        project, _, root = find_project(os.getcwd())  # noqa: PTH109  # the same text without a Path
    except OSError:
        return {}  # the folder is gone
    return {"PROJECT": project, "REPOSITORY": hash_repository(root, read_key_if_any())}
