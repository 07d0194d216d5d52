"""Compare an analysis' new answer with the findings that were open: what began, changed and ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from stretto.model.findings import EFFECT_PREFIX, FEEDBACK, Finding, FindingVerdict
from stretto.store.finding_history_and_last_answers import (
    BEGAN,
    CHANGED,
    ENDED,
    FindingChange,
    StoredFinding,
    make_finding_id,
)

NOTABLE = frozenset({FindingVerdict.REGRESSION, FindingVerdict.IMPROVEMENT})
"""The verdicts that are findings to look at; the others are quiet checks."""

ADVICE = "advice"
"""The badge and the count of findings about which something can be done, though nothing changed."""


def is_notable(finding: Finding) -> bool:
    """Return whether a person should see the finding: something differs, or there is something to do."""
    return finding.verdict in NOTABLE or bool(finding.advice and finding.evidence.effect is not None)


def count_checks(findings: Iterable[Finding], unlisted: Mapping[FindingVerdict, int]) -> dict[str, int]:
    """Return how many checks of an answer had each verdict, quiet ones as ``no_evidence``.

    What there is to do, though nothing differs, counts as ``advice``: it is no quiet check.
    """
    counts = Counter({verdict.value: count for verdict, count in unlisted.items() if count})
    for finding in findings:
        is_advice = finding.verdict not in NOTABLE and is_notable(finding)
        counts[ADVICE if is_advice else finding.verdict.value] += 1
    return counts


def is_quiet_effect(finding: Finding) -> bool:
    """Return whether the finding is the verdict that advice which was applied brought nothing.

    It is no reason to look, but its record must be there when the sessions are gone.
    """
    return (
        finding.kind.startswith(EFFECT_PREFIX)
        and finding.verdict is FindingVerdict.NO_EVIDENCE
        and finding.evidence.effect is not None
    )


def list_finding_changes(
    analysis: str, answer: Iterable[Finding], known: Iterable[StoredFinding], now: int
) -> list[FindingChange]:
    """Return what happened to the findings of one analysis with its new answer at ``now`` (ns).

    A finding changed if its verdict did, if its size left the interval that was stored, or, of advice, if
    other advice of its kind was decided about or judged.
    """
    before = {each.id: each for each in known if each.analysis == analysis and each.is_open}
    kept: Mapping[str, Finding] = {
        make_finding_id(finding.kind, finding.subject): finding
        for finding in answer
        if is_notable(finding) or is_quiet_effect(finding)
    }
    changes = []
    for id, finding in kept.items():
        if id not in before:
            changes.append(FindingChange(id, now, BEGAN, analysis, finding))
        elif _differs(before[id].finding, finding):
            changes.append(FindingChange(id, now, CHANGED, analysis, finding))
    changes += [
        FindingChange(id, now, ENDED, analysis, stored.finding)
        for id, stored in before.items()
        if id not in kept
    ]
    return sorted(changes, key=lambda change: change.id)


def _differs(before: Finding, now: Finding) -> bool:
    if before.verdict is not now.verdict or before.since != now.since:
        return True
    if any(before.details.get(name) != now.details.get(name) for name in FEEDBACK):
        return True
    effect, low, high = now.evidence.effect, before.evidence.low, before.evidence.high
    if effect is None or low is None or high is None:
        return effect != before.evidence.effect
    return not low <= effect <= high
