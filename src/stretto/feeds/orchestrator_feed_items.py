"""The item of a feed: a value with its age, how sure it is, and what that rests on; or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stretto.clock import SECOND
from stretto.figures.figure import Figure
from stretto.findings.finding_sentences import describe_finding
from stretto.findings.findings_snapshot import FindingsState
from stretto.format.rfc3339 import to_exact_rfc3339
from stretto.model.findings import Finding, FindingVerdict
from stretto.names import Label
from stretto.notifications.notification_log import Notification
from stretto.summaries.running_tasks import ExpectedFanout, ExpectedTask
from stretto.summaries.snapshot import Snapshot

COUNTED, VERDICT, RANGE = 1.0, 0.95, 0.8
"""Confidence of a count of what was seen, of a verdict's interval, and of a range of time left."""

UNKNOWN_CAPTURE = "how many of the ends were seen is not known"


@dataclass(frozen=True)
class FeedInput:
    """What feeds are made from."""

    now: int
    snapshot: Snapshot | None = None
    findings: FindingsState = field(default_factory=lambda: FindingsState(0))
    expected: tuple[ExpectedTask, ...] = ()
    firing: tuple[Notification, ...] = ()
    machine: Mapping[str, float] = field(default_factory=dict)
    """``cores`` and ``memory_bytes`` of the machine, if they are known."""
    alerting_gap: str | None = None
    """Why the alerts may not be those of now, as while Prometheus does not run."""
    fanouts: tuple[ExpectedFanout, ...] = ()
    """The running parallel executions."""
    window: str = "24h"
    """The window of ``/metrics`` that figures are taken from."""


@dataclass(frozen=True, slots=True)
class FeedItem:
    """A value of a feed."""

    value: Any
    at: int | None
    """When it was true (ns); None without a value."""
    confidence: float | None = None
    """From 0 to 1: the level of its interval, or the share of its subject that was seen."""
    basis: str = ""
    """What the confidence rests on."""
    reason: str | None = None
    """Why there is no value or no confidence, or why it is not newer."""

    def build_document(self, now: int) -> dict[str, Any]:
        """Return the item as JSON, with its age at ``now`` (ns)."""
        return {
            "value": self.value,
            "at": None if self.at is None else to_exact_rfc3339(self.at),
            "age_seconds": None if self.at is None else max(0.0, (now - self.at) / SECOND),
            "confidence": self.confidence,
            "basis": self.basis,
            "reason": self.reason,
        }


def make_absent_item(reason: str) -> FeedItem:
    """Return an item without a value."""
    return FeedItem(None, None, reason=reason)


def make_snapshot_item(given: FeedInput, value: Any, basis: str = "counted") -> FeedItem:
    """Return an item of a value that the snapshot has counted."""
    at = given.now if given.snapshot is None else given.snapshot.at
    return FeedItem(value, at, COUNTED, basis)


def make_item_of_figures(given: FeedInput, name: str) -> FeedItem:
    """Return the figures of a name in the window, by their other labels; a single one without labels alone.

    The confidence is the share of ends that were seen: a figure is as good as the capture behind it.
    """
    if given.snapshot is None:
        return make_absent_item("there are no figures yet")
    figures = list_figures(given, name)
    if not figures:
        return make_absent_item("nothing of this kind was seen")
    known = [figure for figure in figures if figure.value is not None or figure.low is not None]
    if not known:
        return make_absent_item(figures[0].reason or "not known")
    completeness = next(iter(list_figures(given, "stretto_capture_completeness_ratio")), None)
    seen = None if completeness is None else completeness.value
    basis = f"figures of the last {given.window}"
    if seen is not None:
        basis += "; the share of ends that were seen"
    value = [_build_figure(figure) for figure in known]
    reason = UNKNOWN_CAPTURE if seen is None else None
    return FeedItem(value, given.snapshot.at, seen, basis, reason)


def list_figures(given: FeedInput, name: str) -> list[Figure]:
    """Return the figures of a name in the window; those without a window too."""
    if given.snapshot is None:
        return []
    return [
        figure
        for figure in given.snapshot.figures
        if figure.name == name and dict(figure.labels).get(Label.WINDOW, given.window) == given.window
    ]


def make_analysis_item(given: FeedInput, analysis: str, findings: list[Finding] | None = None) -> FeedItem:
    """Return the findings of an analysis' last good answer; if it failed since, or was cut, with the reason.

    ``findings`` selects some of them; else all that advise or differ. Where all checks lack data, an empty
    list would claim that nothing is amiss: the reason stands instead.
    """
    state = given.findings
    if state.missing is not None:
        return make_absent_item(state.missing)
    result = state.results.get(analysis)
    if result is None or result.at is None:
        error = "" if result is None or result.error is None else f": {result.error}"
        return make_absent_item(f"the analysis {analysis!r} has not answered yet{error}")
    chosen = [each for each in result.findings if each.advice] if findings is None else findings
    little = [each for each in result.findings if each.verdict is FindingVerdict.TOO_LITTLE_DATA]
    if not chosen and little and len(little) == result.checks:
        return make_absent_item(f"too little data: {little[0].reason}")
    reason = result.shortened or None if result.error is None else f"the last good answer: {result.error}"
    value = [build_finding_entry(each, state.zone) for each in chosen]
    return FeedItem(value, result.at, VERDICT, "the level of the intervals", reason)


def build_finding_entry(finding: Finding, zone: str) -> dict[str, Any]:
    """Return a finding as an entry of a feed."""
    evidence = finding.evidence
    return {
        "kind": finding.kind,
        "subject": dict(finding.subject),
        "sentence": describe_finding(finding, zone),
        "effect": evidence.effect,
        "low": evidence.low,
        "high": evidence.high,
        "unit": evidence.unit,
        "n": evidence.n,
        "details": dict(finding.details),
    }


def _build_figure(figure: Figure) -> dict[str, Any]:
    return {
        "labels": {name: value for name, value in figure.labels if name != Label.WINDOW},
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "count": figure.count,
    }
