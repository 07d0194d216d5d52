"""Rank a session by its time per task among the sessions that are like it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from stretto.analysis.effect_estimates import compute_wilson_interval
from stretto.analysis.two_session_comparison import list_similar, measure_seconds_per_task
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict, RunLink
from stretto.model.run_rows_for_analyses import SessionRun

FEWEST_SIMILAR = 5

LEADERS = 0.10
"""Share of the like that leads: the single best is mostly luck."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a session stands among its like."""

    session: str
    similar: int
    percentile: float | None = None
    """Share of its like that took longer; 1 is the fastest."""
    low: float | None = None
    high: float | None = None
    gap_seconds: float | None = None
    """Seconds to the fastest tenth of its like; below 0 if it is faster."""
    links: tuple[RunLink, ...] = ()
    reason: str = ""

    def to_finding(self) -> Finding:
        """Return the standing as a finding about the session."""
        return Finding(
            kind="standing",
            subject={"session": self.session},
            verdict=FindingVerdict.TOO_LITTLE_DATA if self.percentile is None else FindingVerdict.NO_EVIDENCE,
            evidence=FindingEvidence(
                n=self.similar,
                effect=self.percentile,
                low=self.low,
                high=self.high,
                unit="share",
                runs=self.links,
            ),
            reason=self.reason,
            details={"gap_seconds": self.gap_seconds},
        )


def rank_session_by_time_per_task(current: SessionRun, sessions: Iterable[SessionRun]) -> Standing:
    """Return the percentile of a session's active time per task among its like, with an interval.

    The gap is that to the fastest tenth: the single fastest is mostly luck.
    """
    similar = [
        (run, pace)
        for run, _ in list_similar(current, sessions)
        if (pace := measure_seconds_per_task(run)) is not None
    ]
    own = measure_seconds_per_task(current)
    if own is None:
        return Standing(current.session, len(similar), reason="it ran no tasks")
    if len(similar) < FEWEST_SIMILAR:
        reason = f"{len(similar)} sessions are like it, {FEWEST_SIMILAR} are needed"
        return Standing(current.session, len(similar), reason=reason)
    paces = np.array([pace for _, pace in similar])
    slower = int((paces > own).sum())
    equal = int((paces == own).sum())
    low, high = compute_wilson_interval(slower, len(paces))
    tasks = max(1, sum(current.task_types.values()))
    leader = float(np.quantile(paces, LEADERS))
    fastest = min(similar, key=lambda pair: pair[1])[0]
    return Standing(
        current.session,
        len(similar),
        (slower + 0.5 * equal + 0.5) / (len(paces) + 1),
        low,
        high,
        (own - leader) * tasks,
        (RunLink(fastest.session, role="fastest"), RunLink(similar[0][0].session, role="similar")),
    )
