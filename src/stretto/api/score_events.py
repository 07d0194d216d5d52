"""Scoring: a judgement becomes the span event ``gen_ai.evaluation.result`` of the GenAI conventions.

It stands on the span of what is judged while that is open, and afterwards, or where that is in another
process, on a span of its own without length. What it is about is said on the event, so that it can be
understood without the span.
"""

from __future__ import annotations

import logging
import math
from time import time_ns
from typing import ClassVar

from opentelemetry.context import Context
from opentelemetry.trace import set_span_in_context

from stretto.api.context import Surroundings, get_context, get_surroundings
from stretto.api.span_block import (
    Attributes,
    SpanBlock,
    describe_surroundings,
    get_tracer,
    keep_known,
    trim_name,
)
from stretto.names import EVALUATION

SESSION, PHASE, TASK = "session", "phase", "task"
"""What can be judged."""

_log = logging.getLogger(__name__)


class JudgedBlock(SpanBlock):
    """A block that can be judged."""

    __slots__ = ()

    WORD: ClassVar[str]

    def score(self, name: str, value: float, *, by: str | None = None) -> None:
        """Judge it, also after its end: ``name`` is of what (quality, …), ``by`` who says so.

        The value is kept as it is; one that is no finite number is left out, with a warning.
        """
        span = self._span
        if span is None or self.id is None:
            return
        told = _build_judgement(name, value, by, of=self.WORD, of_id=self.id)
        if told and span.is_recording():
            span.add_event(EVALUATION, told)
        elif told:
            _send_alone(told, self, set_span_in_context(span, Context()))


def score(name: str, value: float, *, by: str | None = None) -> None:
    """Judge the innermost session, phase or task: ``name`` is of what (quality, …), ``by`` who says so.

    In a process that joined, that is the task, else the session, which it was started in. The value is kept
    as it is; one that is no finite number is left out, with a warning.
    """
    context = get_context()
    around = get_surroundings(context)
    if around is not None and isinstance(around.judged, JudgedBlock):
        around.judged.score(name, value, by=by)
    elif around is not None and (around.task or around.session):
        of, of_id = (TASK, around.task) if around.task else (SESSION, around.session or "")
        told = _build_judgement(name, value, by, of=of, of_id=of_id)
        if told:
            _send_alone(told, around, context)
    elif get_tracer() is not None:
        _log.warning("a score outside any session, phase or task is about nothing: it was left out")


def _build_judgement(name: str, value: float, by: str | None, *, of: str, of_id: str) -> Attributes:
    """Return the event's attributes; none, and a warning, for what is no judgement."""
    number, what = float(value), trim_name(name)
    if what is None or not math.isfinite(number):
        _log.warning("a score of a %s was left out: it needs a name and a finite number", of)
        return {}
    return keep_known(
        EVALUATION_NAME=what, EVALUATION_VALUE=number, SCORE_BY=trim_name(by), SCORE_OF=of, SCORE_OF_ID=of_id
    )


def _send_alone(told: Attributes, around: Surroundings, context: Context) -> None:
    found = get_tracer()
    if found is not None:
        now = time_ns()
        span = found.start_span(EVALUATION, context, attributes=describe_surroundings(around), start_time=now)
        span.add_event(EVALUATION, told, now)
        span.end(now)
