"""Recommendations as rows of an answer."""

from __future__ import annotations

from typing import Any

from stretto.model.findings import FEEDBACK, RECOMMENDATION_PREFIX, Finding


def describe_advice(finding: Finding) -> dict[str, Any]:
    """Return a recommendation of the analyses as JSON: what, why, what it brings, how much work it is."""
    details, evidence = finding.details, finding.evidence
    changes_code = details.get("changes_code") == "yes"
    return {
        "kind": finding.kind.removeprefix(RECOMMENDATION_PREFIX),
        "workflow": finding.subject.get("pattern"),
        "about": finding.subject.get("name"),
        "text": finding.advice,
        "rationale": finding.reason,
        "category": details.get("category"),
        "priority": details.get("priority"),
        "effort": details.get("effort"),
        "horizon": details.get("horizon"),
        "expected": {
            "seconds": evidence.effect,
            "low_seconds": evidence.low,
            "high_seconds": evidence.high,
            "share": details.get("share"),
            "confidence": details.get("confidence"),
            "sessions": evidence.n,
            "resources": None,
            "score": None,
            "absent": {
                "resources": "the evidence is of time only",
                "score": "stretto tune-suggestions tells what each part can give",
            },
        },
        "changes_code": changes_code,
        "breaks": None,
        "needs_trial": details.get("needs_trial") == "yes",
        "timeline": None,
        "feedback": {name: details.get(name) for name in FEEDBACK},
        "absent": {
            "breaks": "the figures cannot tell whether a change of code breaks anything"
            if changes_code
            else "it changes how agents are run, not code",
            "timeline": "how long it takes to follow is known to nobody but you; see effort",
        },
    }


def describe_holdup_advice(
    sentence: str, rationale: str, seconds: float | None, share: float | None
) -> dict[str, Any]:
    """Return advice that follows from a hold-up: its effect is what would be won if it were as usual."""
    return {
        "kind": "holdup",
        "text": sentence,
        "rationale": rationale,
        "category": None,
        "priority": None,
        "effort": None,
        "horizon": None,
        "expected": {"seconds": seconds, "share": share},
        "absent": dict.fromkeys(
            ("category", "priority", "effort", "horizon"),
            "a hold-up names the cause, not the work of removing it",
        ),
    }
