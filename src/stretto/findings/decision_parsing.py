"""Parse decisions from outside: JSON of the API, fields of the page's form, words of the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import uuid4

from stretto.findings.analysis_input_and_answer import NEW_NORMAL
from stretto.findings.findings_snapshot import FindingsState, find_stored
from stretto.format.rfc3339 import parse_time_of_field, to_exact_rfc3339
from stretto.model.decisions import ABOUT_FINDINGS, RECORDED, Decision, DecisionKind
from stretto.model.event import Value

LONGEST_TEXT = 200

_TICKED = (True, "on")
_UNTICKED = (False, "off", "", None)
"""Values of a box of a form or of JSON. They are tuples: a list from outside cannot be looked up in a set."""

_ALLOWED = {kind.value for kind in (*ABOUT_FINDINGS, DecisionKind.ANNOTATION)}


def parse_decision(  # noqa: PLR0911  # a rule per line
    item: object, state: FindingsState, now: int
) -> Decision | str:
    """Return the decision that an object describes, or the reason why it is none.

    Example: ``{"kind": "applied", "finding": "3f2a", "text": "two more agents"}``. An annotation has no
    finding, and may have ``new_normal``. Both may have a ``time`` since when they hold: RFC 3339, in UTC
    where the zone is left out, a date from its beginning on. It is neither to come nor before the finding.
    """
    if not isinstance(item, Mapping):
        return "a decision is an object"
    unknown = item.keys() - {"kind", "finding", "text", "time", NEW_NORMAL}
    if unknown:
        return f"{min(map(str, unknown))!r} is not known"
    kind, text = item.get("kind"), item.get("text", "")
    if not isinstance(kind, str) or kind not in _ALLOWED:
        return f"kind must be one of {', '.join(sorted(_ALLOWED))}"
    if not isinstance(text, str) or len(text) > LONGEST_TEXT:
        return f"text must be a text of at most {LONGEST_TEXT} characters"
    if item.get(NEW_NORMAL) not in _TICKED + _UNTICKED:
        return f"{NEW_NORMAL} must be true or false"
    time = _parse_time(item.get("time"), now)
    if isinstance(time, str):
        return time
    details: dict[str, Value] = {NEW_NORMAL: True} if item.get(NEW_NORMAL) in _TICKED else {}
    if time is not None:
        details[RECORDED] = now
    decision = Decision(
        uuid4().hex, now if time is None else time, DecisionKind(kind), None, text.strip(), details
    )
    if decision.kind is DecisionKind.ANNOTATION:
        return decision if decision.text else "an annotation needs a text"
    return _name_finding(decision, item.get("finding"), state)


def _name_finding(decision: Decision, wanted: object, state: FindingsState) -> Decision | str:
    """Return the decision with the finding that it is about, or the reason why it is about none."""
    found = find_stored(state.findings, wanted) if isinstance(wanted, str) else []
    if len(found) != 1:
        return f"{len(found)} findings begin with {wanted!r}" if found else f"there is no finding {wanted!r}"
    id, first_seen = found[0].id, found[0].first_seen
    if decision.time < first_seen and RECORDED in decision.details:
        return f"time must not lie before {to_exact_rfc3339(first_seen)}, when the finding began"
    # A clock that was set back meanwhile does not make a decision one about the time before the finding.
    return replace(decision, time=max(decision.time, first_seen), subject=id)


def _parse_time(text: object, now: int) -> int | str | None:
    """Return the instant (ns) of a text, None of none, or the reason why it is none."""
    if text in (None, ""):
        return None
    try:
        time, _ = parse_time_of_field(str(text))
    except ValueError:
        return "time must be a date or an RFC 3339 time, for example 2026-11-20T16:49:25Z"
    if time <= 0:
        return "time must lie after the beginning of 1970"
    return time if time <= now else "time must not lie in the future"
