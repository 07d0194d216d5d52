"""Parse decisions from outside: JSON of the API, fields of the page's form, words of the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from stretto.findings.analysis_input_and_answer import NEW_NORMAL
from stretto.findings.findings_snapshot import FindingsState, find_stored
from stretto.format.rfc3339 import parse_rfc3339
from stretto.model.decisions import ABOUT_FINDINGS, Decision, DecisionKind
from stretto.model.event import Value

LONGEST_TEXT = 200

_ALLOWED = {kind.value for kind in (*ABOUT_FINDINGS, DecisionKind.ANNOTATION)}


def parse_decision(  # noqa: PLR0911  # a rule per line
    item: object, state: FindingsState, now: int
) -> Decision | str:
    """Return the decision that an object describes, or the reason why it is none.

    Example: ``{"kind": "applied", "finding": "3f2a", "text": "two more agents"}``. An annotation has no
    finding, and may have ``time`` (RFC 3339) and ``new_normal``.
    """
    if not isinstance(item, Mapping):
        return "a decision is an object"
    unknown = item.keys() - {"kind", "finding", "text", "time", NEW_NORMAL}
    if unknown:
        return f"{min(map(str, unknown))!r} is not known"
    kind, text = item.get("kind"), item.get("text", "")
    if kind not in _ALLOWED:
        return f"kind must be one of {', '.join(sorted(_ALLOWED))}"
    if not isinstance(text, str) or len(text) > LONGEST_TEXT:
        return f"text must be a text of at most {LONGEST_TEXT} characters"
    time = _parse_time(item.get("time"), now)
    if isinstance(time, str):
        return time
    details: dict[str, Value] = {NEW_NORMAL: True} if item.get(NEW_NORMAL) in {True, "on"} else {}
    if kind == DecisionKind.ANNOTATION:
        if not text.strip():
            return "an annotation needs a text"
        return Decision(uuid4().hex, time, DecisionKind.ANNOTATION, None, text.strip(), details)
    wanted = item.get("finding")
    found = find_stored(state.findings, wanted) if isinstance(wanted, str) else []
    if len(found) != 1:
        return f"{len(found)} findings begin with {wanted!r}" if found else f"there is no finding {wanted!r}"
    return Decision(
        uuid4().hex, max(time, found[0].first_seen), DecisionKind(kind), found[0].id, text.strip(), details
    )


def _parse_time(text: object, now: int) -> int | str:
    if text in (None, ""):
        return now
    try:
        time = parse_rfc3339(str(text))
    except ValueError:
        return "time must be an RFC 3339 time, for example 2026-11-20T16:49:25Z"
    return time if 0 < time <= now else "time must not lie in the future"
