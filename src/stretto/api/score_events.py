"""Record judgements as the span event ``gen_ai.evaluation.result`` of the GenAI conventions.

While the judged block is open, the event is added to its span. Afterwards, or if the block is in another
process, it is added to a span of its own without duration. The event itself names the judged session, phase
or task, so that it can be understood without the span.
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
    build_attributes,
    describe_surroundings,
    get_tracer,
    trim_name,
)
from stretto.names import EVALUATION

SESSION, PHASE, TASK = "session", "phase", "task"
"""The kinds of blocks that can be judged."""

_log = logging.getLogger(__name__)


class JudgedBlock(SpanBlock):
    """A block that can be judged."""

    __slots__ = ()

    WORD: ClassVar[str]

    def score(self, name: str, value: float, *, by: str | None = None) -> None:
        """Judge this block, also after its end: ``name`` is the quality judged, ``by`` the judge.

        The value is stored unchanged; a value that is not a finite number is left out with a warning.
        """
        span = self._span
        if span is None or self.id is None:
            return
        attributes = _build_judgement(name, value, by, of=self.WORD, of_id=self.id)
        if attributes and span.is_recording():
            span.add_event(EVALUATION, attributes)
        elif attributes:
            _send_score_span(attributes, self, set_span_in_context(span, Context()))


def score(name: str, value: float, *, by: str | None = None) -> None:
    """Judge the innermost session, phase or task: ``name`` is the quality judged, ``by`` the judge.

    In a child process that is the task, else the session, that started the process. The value is stored
    unchanged; a value that is not a finite number is left out with a warning.
    """
    context = get_context()
    surroundings = get_surroundings(context)
    if surroundings is not None and isinstance(surroundings.judged, JudgedBlock):
        surroundings.judged.score(name, value, by=by)
    elif surroundings is not None and (surroundings.task or surroundings.session):
        of, of_id = (TASK, surroundings.task) if surroundings.task else (SESSION, surroundings.session or "")
        attributes = _build_judgement(name, value, by, of=of, of_id=of_id)
        if attributes:
            _send_score_span(attributes, surroundings, context)
    elif get_tracer() is not None:
        _log.warning("a score outside any session, phase or task judges nothing: it was left out")


def _build_judgement(name: str, value: float, by: str | None, *, of: str, of_id: str) -> Attributes:
    """Return the event's attributes; log a warning and return none for an invalid judgement."""
    number, score_name = float(value), trim_name(name)
    if score_name is None or not math.isfinite(number):
        _log.warning("a score of a %s was left out: it needs a name and a finite number", of)
        return {}
    return build_attributes(
        EVALUATION_NAME=score_name,
        EVALUATION_VALUE=number,
        SCORE_BY=trim_name(by),
        SCORE_OF=of,
        SCORE_OF_ID=of_id,
    )


def _send_score_span(attributes: Attributes, surroundings: Surroundings, context: Context) -> None:
    tracer = get_tracer()
    if tracer is not None:
        now = time_ns()
        span = tracer.start_span(
            EVALUATION, context, attributes=describe_surroundings(surroundings), start_time=now
        )
        span.add_event(EVALUATION, attributes, now)
        span.end(now)
