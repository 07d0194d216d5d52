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
    get_tracer,
    list_session_and_agent_attributes,
    trim_name,
)
from stretto.model.score_scales import SCALES
from stretto.model.task_type import to_label_value
from stretto.names import EVALUATION

SESSION, PHASE, TASK = "session", "phase", "task"
"""The kinds of blocks that can be judged."""

_log = logging.getLogger(__name__)


class JudgedBlock(SpanBlock):
    """A block that can be judged."""

    __slots__ = ()

    WORD: ClassVar[str]

    def score(self, name: str, value: float, *, of: float | None = None, by: str | None = None) -> str | None:
        """Judge this block, also after its end: ``name`` is the quality judged, ``by`` the judge.

        ``of`` is the top of the scale that the value is on, from 0: ``score("quality", 92, of=100)``. Without
        it the value is on the scale of its name (quality from 0 to 10). A value off its scale, or not a
        finite number, is left out with a warning. Returns the scale on which it was read, None if it was left
        out.
        """
        span = self._span
        if span is None or self.id is None:
            return None
        attributes, scale = _build_judgement(name, value, of, by, kind=self.WORD, of_id=self.id)
        if attributes and span.is_recording():
            span.add_event(EVALUATION, attributes)
        elif attributes:
            _send_score_span(attributes, self, set_span_in_context(span, Context()))
        return scale


def score(name: str, value: float, *, of: float | None = None, by: str | None = None) -> str | None:
    """Judge the innermost session, phase or task: ``name`` is the quality judged, ``by`` the judge.

    In a child process that is the task, else the session, that started the process. ``of`` and the answer are
    as those of ``task.score``.
    """
    context = get_context()
    surroundings = get_surroundings(context)
    if surroundings is not None and isinstance(surroundings.judged, JudgedBlock):
        return surroundings.judged.score(name, value, of=of, by=by)
    if surroundings is not None and (surroundings.task or surroundings.session):
        kind, of_id = (
            (TASK, surroundings.task) if surroundings.task else (SESSION, surroundings.session or "")
        )
        attributes, scale = _build_judgement(name, value, of, by, kind=kind, of_id=of_id)
        if attributes:
            _send_score_span(attributes, surroundings, context)
        return scale
    if get_tracer() is not None:
        _log.warning("a score outside any session, phase or task judges nothing: it was left out")
    return None


def _build_judgement(
    name: str, value: float, out_of: float | None, by: str | None, *, kind: str, of_id: str
) -> tuple[Attributes, str | None]:
    """Return the event's attributes and the scale in words; warn and return neither for an invalid value."""
    number, score_name = float(value), trim_name(name)
    if score_name is None or not math.isfinite(number):
        _log.warning("a score of a %s was left out: it needs a name and a finite number", kind)
        return {}, None
    top = None if out_of is None else float(out_of)
    placed = SCALES.place_score(to_label_value(score_name), number, top)
    if placed.problem is not None:
        _log.warning(
            "the score %s %g of a %s was left out: it is %s; name the top of its scale with of=",
            score_name,
            number,
            kind,
            placed.problem,
        )
        return {}, None
    attributes = build_attributes(
        EVALUATION_NAME=score_name,
        EVALUATION_VALUE=number,
        SCORE_BY=trim_name(by),
        SCORE_OF=kind,
        SCORE_OF_ID=of_id,
        SCORE_OUT_OF=top,
    )
    return attributes, placed.describe_scale()


def _send_score_span(attributes: Attributes, surroundings: Surroundings, context: Context) -> None:
    tracer = get_tracer()
    if tracer is not None:
        now = time_ns()
        span = tracer.start_span(
            EVALUATION, context, attributes=list_session_and_agent_attributes(surroundings), start_time=now
        )
        span.add_event(EVALUATION, attributes, now)
        span.end(now)
