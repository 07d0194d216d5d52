"""Name the circumstances that changed when a series of runs did: what else was new since that day.

What changed at the same time need not be the cause. It is the first place to look, and an experiment decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from stretto.clock import DAY
from stretto.model.findings import COINCIDES, Finding, FindingVerdict
from stretto.model.run_rows_for_analyses import TaskRun
from stretto.names import fact_fields

WATCHED = 14
"""Days before and after a change whose runs are compared."""

SLACK = 1
"""Days on each side of a change that are left out: its date is an estimate."""

FEWEST_RUNS = 5
"""Fewest runs on each side whose circumstance is known."""

RARE, USUAL = 0.1, 0.9
"""A value is new if at most this share of the runs before had it, and at least that of those after."""

MODEL = "model"

NAMED: Mapping[str, str] = {
    fact_fields.CLIENT_VERSION: "the client's version",
    fact_fields.EFFORT: "the effort",
    fact_fields.PERMISSION_MODE: "the permission mode",
    MODEL: "the model",
}
"""Circumstance → what it is called; its values are shown."""

HIDDEN: Mapping[str, str] = {fact_fields.BRANCH: "the branch", fact_fields.MACHINE: "the machine"}
"""Likewise, of those whose values are only known as keyed hashes."""

_SUBJECTS = frozenset({"pattern", "type", "agent", "phase"})
"""Dimensions of a series that tasks have."""


def add_coinciding_circumstances(findings: Iterable[Finding], tasks: Sequence[TaskRun]) -> list[Finding]:
    """Return the findings, each change with the circumstances that changed at the same time."""
    return [_add_circumstances(finding, tasks) for finding in findings]


def _add_circumstances(finding: Finding, tasks: Sequence[TaskRun]) -> Finding:
    is_change = finding.verdict in {FindingVerdict.REGRESSION, FindingVerdict.IMPROVEMENT}
    if not is_change or finding.since is None or not finding.subject.keys() <= _SUBJECTS:
        return finding
    changed = list_changed_circumstances([task for task in tasks if _is_of(task, finding)], finding.since)
    return (
        replace(finding, details={**finding.details, COINCIDES: "; ".join(changed)}) if changed else finding
    )


def list_changed_circumstances(runs: Iterable[TaskRun], since: int) -> list[str]:
    """Return the circumstances of runs that changed at an instant (ns), each as a text.

    Example: ``the client's version is 2.1.0 instead of 2.0.9``.
    """
    near = [run for run in runs if abs(run.start - since) <= WATCHED * DAY]
    before = [run for run in near if run.start < since - SLACK * DAY]
    after = [run for run in near if run.start >= since + SLACK * DAY]
    texts = []
    for name, called in {**NAMED, **HIDDEN}.items():
        values, later_values = _count_values(before, name), _count_values(after, name)
        if min(values.total(), later_values.total()) < FEWEST_RUNS:
            continue
        (later, count), *_ = later_values.most_common(1)
        is_usual_now = count >= USUAL * later_values.total()
        if is_usual_now and values[later] <= RARE * values.total():
            earlier = values.most_common(1)[0][0]
            texts.append(
                f"{called} is another" if name in HIDDEN else f"{called} is {later} instead of {earlier}"
            )
    return texts


def _count_values(runs: Iterable[TaskRun], name: str) -> Counter[str]:
    values = (run.model if name == MODEL else run.covariates.get(name) for run in runs)
    return Counter(value for value in values if value is not None)


def _is_of(task: TaskRun, finding: Finding) -> bool:
    """Return whether a task belongs to the series of a finding."""
    return all(getattr(task, dimension) == value for dimension, value in finding.subject.items())
