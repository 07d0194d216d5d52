"""Findings about the caches that programs report: useless, or too small, with the evidence."""

from __future__ import annotations

from collections.abc import Mapping

from stretto.figures.cache_figures_and_faults import (
    MIN_LOOKUPS,
    CacheFault,
    CacheUse,
    CacheVerdict,
    judge_cache,
)
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict

CACHE_DAYS = 7
"""Days whose lookups count: a cache that was mended is silent a week later."""

_KINDS = {CacheFault.USELESS: "cache_useless", CacheFault.TOO_SMALL: "cache_too_small"}

_ADVICE = {
    CacheFault.USELESS: "remove it, or cache what takes longer to compute",
    CacheFault.TOO_SMALL: "give it twice the entries or bytes",
}


def judge_caches(uses: Mapping[str, CacheUse]) -> list[Finding]:
    """Return a finding for each fault of a cache, and a quiet check for each cache without one."""
    findings = []
    for cache, use in uses.items():
        verdicts = judge_cache(use)
        findings += [_make_finding(cache, use, verdict) for verdict in verdicts]
        if not verdicts:
            findings.append(_make_quiet_check(cache, use))
    return findings


def _make_finding(cache: str, use: CacheUse, verdict: CacheVerdict) -> Finding:
    """Return a fault as a finding.

    The effect is rounded: every lookup moves it a little, and the history has a row for each change.
    """
    return Finding(
        kind=_KINDS[verdict.fault],
        subject={"cache": cache},
        verdict=FindingVerdict.NO_EVIDENCE,
        evidence=FindingEvidence(
            n=use.lookups,
            effect=round(verdict.amount, 1),
            unit="ratio" if verdict.fault is CacheFault.USELESS else "share",
        ),
        reason=f"in the last {CACHE_DAYS} days",
        advice=f"The cache {cache} is {verdict.fault}: {verdict.evidence}; {_ADVICE[verdict.fault]}.",
        details={
            "hits": float(use.hits),
            "misses": float(use.misses),
            "evicted_misses": float(use.evicted_misses),
            "saved_seconds": use.saved_seconds,
            "lookup_seconds": use.lookup_seconds,
        },
    )


def _make_quiet_check(cache: str, use: CacheUse) -> Finding:
    enough = use.lookups >= MIN_LOOKUPS
    return Finding(
        kind="cache",
        subject={"cache": cache},
        verdict=FindingVerdict.NO_EVIDENCE if enough else FindingVerdict.TOO_LITTLE_DATA,
        evidence=FindingEvidence(n=use.lookups),
        reason="" if enough else f"{use.lookups} lookups of at least {MIN_LOOKUPS}",
    )
