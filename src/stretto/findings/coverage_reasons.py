"""Say of a finding why the share of runs that it rests on is not known."""

from __future__ import annotations

from stretto.model.findings import (
    DAY_KINDS,
    EFFECT_PREFIX,
    FORECAST_SUFFIX,
    HOLDUP_PREFIX,
    PEOPLE,
    RECOMMENDATION_PREFIX,
    Finding,
    FindingVerdict,
)

NOT_COUNTED = "the runs without the value are not counted for this kind of finding"
"""Why it is not known of a kind that is not listed, such as one of an earlier version."""

_DAYS = "it compares days, and each day with runs counts"
_SUMS = "it comes from sums of days, which do not count what lacks the value"
_COUNTED = ""
"""Of these kinds it is known but for the cases of ``_explain_missing_count``."""
_OF_A_TEAM = "it is of a team, whose sums do not count the runs that lack the value"
_UNDECIDED = "there is too little data for a verdict"
_OLDER = "it was found by a version that did not count the runs without the value"

_REASONS: tuple[tuple[str, str], ...] = (
    ("tool_length", _SUMS),
    ("hook_length", _SUMS),
    ("adoption", _SUMS),
    ("efficiency", _SUMS),
    ("cache", "programs report the use of a cache as sums"),
    ("fanout_elapsed", "only parallel work with a measured time is a run of it"),
    ("task_", _COUNTED),
    ("agent_length", _COUNTED),
    ("phase_length", _COUNTED),
    ("tail_share", _COUNTED),
    ("failure_share", _COUNTED),
    ("quality", _COUNTED),
    ("processor_time", _COUNTED),
    ("memory_peak", _COUNTED),
    ("length_prediction", _COUNTED),
    ("condition", _COUNTED),
    (EFFECT_PREFIX, _COUNTED),
    (HOLDUP_PREFIX, _COUNTED),
    ("holdup", "each kind of hold-up has a share of its own, and none is reported"),
    *((kind, _DAYS) for kind in DAY_KINDS),
    ("capacity", "it replays the sessions whose tasks are known; the others are not counted"),
    ("gain_by_width", "it fits the sessions whose tasks are known; the others are not counted"),
    ("session_life", "it follows the sessions that have several tasks; the others have no course"),
    ("unusual_runs", "it counts the tasks whose kind has enough others; the rest is not counted"),
    ("experiment", "it counts the runs of its arms that have the metric; the others are not counted"),
    (RECOMMENDATION_PREFIX, "each rule reads the sessions that it can use; the others are not counted"),
)
"""Beginning of the kind of finding → why its coverage is not known; the first that fits applies."""


def explain_unknown_coverage(finding: Finding) -> str | None:
    """Return why the share of runs is not known that a finding rests on, as a clause; None if it is known."""
    if finding.evidence.coverage is not None:
        return None
    if finding.kind.endswith(FORECAST_SUFFIX):
        return "it forecasts days, and each day with a value counts"
    reason = next((reason for kind, reason in _REASONS if finding.kind.startswith(kind)), NOT_COUNTED)
    return reason or _explain_missing_count(finding)


def _explain_missing_count(finding: Finding) -> str:
    """Return why a finding has no coverage though its kind is counted."""
    if PEOPLE in finding.details:
        return _OF_A_TEAM
    is_undecided = finding.verdict is FindingVerdict.TOO_LITTLE_DATA or not finding.evidence.n
    return _UNDECIDED if is_undecided else _OLDER
