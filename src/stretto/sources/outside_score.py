"""Judgements: check a score that a person or a program gives by the command line or over HTTP.

A judgement is about a session, or about a task or phase. The session may be left out if the id of the task
or phase occurs in only one session. The value is any finite number, ``of`` the top of
the scale that it is on; the scale of the criterion is not known here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from stretto.model.event import Channel, Event, Kind, omit_none
from stretto.sources.redact import redact_event

LATEST = "latest"
"""Stands for the session that reported last."""

NAME_LIMIT = 120
"""Longest text in ``name`` and ``by``, in characters."""

ID_LIMIT = 200
"""Longest id of a session, task or phase, in characters."""

_TEXTS = ("session", "task", "phase", "name", "by")
_FIELDS = frozenset({*_TEXTS, "value", "of"})


@dataclass(frozen=True, slots=True)
class Judgement:
    """A valid judgement; ``session`` is None if only the id of a task or phase was given."""

    of: str
    """``session``, ``task`` or ``phase``."""
    of_id: str
    session: str | None
    name: str
    value: float
    by: str | None
    out_of: float | None = None
    """The top of the scale that the value was given on, if it was named."""

    def to_event(self, session: str, source: str, of_id: str, time: int) -> Event:
        """Return the judgement as an event of a session and source that the caller has found; time in ns."""
        attributes = omit_none(value=self.value, of=self.of, by=self.by, out_of=self.out_of)
        return redact_event(
            Event(
                kind=Kind.SCORE,
                session=session,
                time=time,
                source=source,
                channel=Channel.API,
                id=of_id,
                name=self.name,
                attributes=attributes,
            )
        )


def parse_judgement(item: object) -> Judgement | str:
    """Return the judgement in a decoded JSON object, or a sentence that explains its fault. Never raises."""
    if not isinstance(item, Mapping):
        return "a score must be an object"
    problem = _find_problem(item)
    if problem is not None:
        return problem
    task, phase, session = item.get("task"), item.get("phase"), item.get("session")
    of, of_id = ("task", task) if task else ("phase", phase) if phase else ("session", session)
    top = item.get("of")
    out_of = None if top is None else float(top)
    return Judgement(of, of_id or "", session, item["name"], float(item["value"]), item.get("by"), out_of)


def _find_problem(item: Mapping[object, object]) -> str | None:
    problem = _find_shape_problem(item)
    if problem is not None:
        return problem
    if item.get("task") and item.get("phase"):
        return "name a task or a phase, not both"
    if not any(item.get(name) for name in ("session", "task", "phase")):
        return "name a session, a task or a phase"
    value = item.get("value")
    if not _is_number(value):
        return "'value' must be a finite number"
    if item.get("of") is not None and not _is_number(item["of"]):
        return "'of' must be a finite number: the top of the scale that the value is on"
    return None


def _find_shape_problem(item: Mapping[object, object]) -> str | None:
    unknown = sorted(str(name)[:NAME_LIMIT] for name in item.keys() - _FIELDS)
    if unknown:
        return f"{unknown[0]!r} is not known; a score has {', '.join(sorted(_FIELDS))}"
    for name in _TEXTS:
        value, limit = item.get(name), NAME_LIMIT if name in {"name", "by"} else ID_LIMIT
        if value is not None and not (isinstance(value, str) and value.strip() and len(value) <= limit):
            return f"{name!r} must be a text of 1 to {limit} characters"
    return "'name' is missing: name the quality that is scored" if item.get("name") is None else None


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int too large for a float
        return False
