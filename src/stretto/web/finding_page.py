"""Answer the page of one finding: its evidence, its runs, what was decided about it and what that brought."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.clock import DAY
from stretto.findings.analysis_table import EFFECTS
from stretto.findings.coverage_reasons import explain_unknown_coverage
from stretto.findings.finding_sentences import describe_finding
from stretto.findings.findings_snapshot import FindingsState, find_stored
from stretto.format import quantities
from stretto.model.decisions import DecisionKind
from stretto.model.findings import EFFECT_PREFIX, RECOMMENDATION_PREFIX, Finding, RunLink
from stretto.store.finding_history_and_last_answers import StoredFinding
from stretto.store.session_queries import SessionRow
from stretto.store.session_search import SessionQuery
from stretto.web.findings_view import describe_stored
from stretto.web.page_endpoints import PageEndpoints
from stretto.web.runs_around_finding import describe_runs_around
from stretto.web.subject_links import link_subjects

_WRITERS: Mapping[str, Callable[[float], str]] = {
    "ratio": quantities.format_speedup,
    "seconds": quantities.format_duration,
    "dollars": quantities.format_dollars,
    "tokens": lambda tokens: quantities.format_count(round(tokens)),
    "share": quantities.format_percent,
}
"""Unit of an effect → its format; others are plain numbers."""


@dataclass(frozen=True, slots=True)
class EvidenceRun:
    """A run to look at, with its session if that is still stored."""

    link: RunLink
    session: SessionRow | None


class FindingPage(PageEndpoints):
    """The endpoint of one finding. Its address can be sent to somebody, also after the finding ended."""

    def list_routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/findings/{id}", self.show_finding)]

    def show_finding(self, request: Request) -> Response:
        """Answer a finding that is named by its id, or by the beginning of it."""
        state = self._backend.findings()
        found = find_stored(state.findings, request.path_params["id"])
        if len(found) != 1:
            problem = "Several findings begin so." if found else "There is no such finding."
            return self._refuse(request, 404, problem, "The page /findings lists them.")
        stored, now = found[0], self._backend.clock()
        return self._page(
            "finding.html",
            request,
            now,
            live=False,
            finding=describe_stored(state, stored),
            stored=stored,
            is_open=stored in state.open_findings,
            evidence=describe_evidence(stored.finding),
            subjects=link_subjects(stored.finding.subject),
            around=describe_runs_around(self._backend, stored, now),
            runs=self._find_runs(stored.finding.evidence.runs),
            details=sorted(stored.finding.details.items()),
            brought=describe_result(state, stored),
        )

    def _find_runs(self, links: Sequence[RunLink]) -> list[EvidenceRun]:
        ids = tuple({link.session: None for link in links})
        rows = self._backend.sessions(SessionQuery(ids=ids, limit=len(ids))).rows if ids else ()
        by_id = {row.id: row for row in rows}
        return [EvidenceRun(link, by_id.get(link.session)) for link in links]


def describe_evidence(finding: Finding) -> list[tuple[str, str, str]]:
    """Return (name, value, meaning) of each number behind a verdict that is known."""
    evidence = finding.evidence
    write = _WRITERS.get(evidence.unit, quantities.format_number)
    facts = []
    if evidence.effect is not None:
        facts.append(("Size", write(evidence.effect), _SIZES.get(evidence.unit, "How much differs.")))
    if evidence.low is not None and evidence.high is not None:
        interval = f"{write(evidence.low)} to {write(evidence.high)}"
        facts.append(("95 % interval", interval, "The true size lies in it in 95 of 100 such cases."))
    if evidence.p is not None:
        facts.append(
            (
                "By chance",
                format_chance(evidence.p),
                "How often chance alone would show a difference of this size or more.",
            )
        )
    if evidence.detectable is not None:
        facts.append(
            (
                "Would have been seen",
                write(evidence.detectable),
                "The smallest size that this much data shows nine times of ten.",
            )
        )
    if evidence.coverage is not None:
        facts.append(
            (
                "Runs used",
                quantities.format_percent(evidence.coverage),
                "The share of the runs that had data.",
            )
        )
    elif (reason := explain_unknown_coverage(finding)) is not None:
        facts.append(("Runs used", "not known", f"{reason[:1].upper()}{reason[1:]}."))
    return facts


def format_chance(p: float) -> str:
    """Return a p value as per cent, with two decimals below 0.1 %, e.g. ``0.03 %``; never as 0 %."""
    if p < _LEAST_CHANCE:
        return f"less than 0.01{quantities.SPACE}%"
    return f"{p * 100:.2f}{quantities.SPACE}%" if p < _SMALL_CHANCE else quantities.format_percent(p)


_LEAST_CHANCE = 0.0001
_SMALL_CHANCE = 0.001
_SIZES = {
    "ratio": "After over before: 1 is no change.",
    "seconds": "Time more than usual, or time to be saved, for each session.",
    "share": "The change of a share, in parts of all runs.",
    "rho": "Rank correlation: 1 is together, 0 is neither, below 0 is against each other.",
}
"""Unit → the meaning of an effect."""


def describe_result(state: FindingsState, stored: StoredFinding) -> list[str]:
    """Return sentences on what the decisions about a finding brought, or when that will be known."""
    finding = stored.finding
    kind = f"{EFFECT_PREFIX}{finding.kind.removeprefix(RECOMMENDATION_PREFIX)}"
    effects = state.results.get(EFFECTS)
    sentences = [
        describe_finding(effect, state.zone)
        for effect in (() if effects is None else effects.findings)
        if (effect.kind, effect.subject) == (kind, finding.subject)
    ]
    applied = [each for each in state.list_decisions(stored) if each.kind is DecisionKind.APPLIED]
    if applied and not sentences:
        days = (state.at - max(applied, key=lambda each: each.recorded_at).time) // DAY
        sentences.append(
            "Not judged yet: a recommendation that was applied is judged after seven days of sessions"
            f" ({days} passed)."
            if finding.kind.startswith(RECOMMENDATION_PREFIX)
            else "It still holds."
            if stored.is_open
            else "It no longer holds."
        )
    return sentences
