"""Look up the findings about sessions: what held each up most, and which findings name it as evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stretto.findings.finding_sentences import describe_session_holdup, name_holdup
from stretto.findings.findings_snapshot import FindingsState, get_holdups_by_session
from stretto.format.quantities import format_duration
from stretto.model.findings import HOLDUP_PREFIX
from stretto.store.finding_history_and_last_answers import StoredFinding
from stretto.store.session_search import SessionQuery, SessionSort


@dataclass(frozen=True, slots=True)
class SessionFinding:
    """What the analyses say about one session."""

    sentence: str | None = None
    """What held it up most; None if nothing did, or if it was not analysed."""
    short: str | None = None
    """The same in a few words: ``hooks, 2 min 36 s``."""
    holdup: StoredFinding | None = None
    """The open finding that this kind of hold-up is usual for its pattern, if there is one."""
    evidence_of: tuple[StoredFinding, ...] = ()
    """The open findings that name it as a run to look at."""


def find_session_findings(
    state: FindingsState, patterns: Mapping[str, str | None]
) -> dict[str, SessionFinding]:
    """Return what is known about some sessions; ``patterns`` has their ids and patterns.

    Sessions that were not analysed, and that no finding names, are left out.
    """
    holdups = get_holdups_by_session(state)
    naming = _group_by_session(state.open_findings, patterns)
    found = {}
    for id, pattern in patterns.items():
        most = next(iter(holdups.get(id, ())), None)
        if id in holdups or id in naming:
            found[id] = SessionFinding(
                None if most is None else describe_session_holdup(most),
                None if most is None else f"{name_holdup(most)}, {format_duration(most['seconds'])}",
                None if most is None else _find_usual_holdup(state, most, pattern),
                tuple(naming.get(id, ())),
            )
    return found


def order_by_holdup_seconds(query: SessionQuery, state: FindingsState) -> SessionQuery:
    """Return a query with what its order by findings compares: the seconds that each session's hold-up costs.

    A session that a finding names and that nothing held up has 0. Any other query stays as it is.
    """
    if query.sort is not SessionSort.FINDING:
        return query
    holdups = get_holdups_by_session(state)
    named = {run.session for stored in state.open_findings for run in stored.finding.evidence.runs}
    seconds = {id: float(held[0]["seconds"]) for id, held in holdups.items() if held}
    return replace(query, finding_seconds=dict.fromkeys(named, 0.0) | seconds)


def build_session_finding_document(finding: SessionFinding | None) -> dict[str, Any]:
    """Return the fields that a row of ``/api/sessions`` has of its findings."""
    finding = finding or SessionFinding()
    return {"held_up_by": finding.sentence, "findings": [stored.id for stored in finding.evidence_of]}


def _group_by_session(
    findings: Iterable[StoredFinding], wanted: Mapping[str, object]
) -> dict[str, list[StoredFinding]]:
    grouped: dict[str, list[StoredFinding]] = {}
    for stored in findings:
        for id in {run.session for run in stored.finding.evidence.runs if run.session in wanted}:
            grouped.setdefault(id, []).append(stored)
    return grouped


def _find_usual_holdup(
    state: FindingsState, holdup: Mapping[str, Any], pattern: str | None
) -> StoredFinding | None:
    """Return the open finding about a hold-up of a pattern; a name must be the same too."""
    for stored in state.open_findings:
        subject = stored.finding.subject
        if (
            stored.finding.kind == f"{HOLDUP_PREFIX}{holdup['kind']}"
            and subject.get("pattern") == pattern
            and subject.get("name", "") == holdup["name"]
        ):
            return stored
    return None
