"""Judge whether a team's work changed, by comparing each owner with the same owner before.

From day to day others are at work, and each has a level of his own. So a day's value of an owner is held
against the owner's usual one, and each owner counts alike on each day. A change is shown if two things agree:
the days of all, judged as on one machine, and the owners' own changes, compared in pairs by Student's t.

What is shown is of five owners and more. Owners join the comparison five at a time, a day counts if five of
them were at work, and outside of it are none or five: no two answers show fewer by subtraction.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC

import numpy as np

from stretto.analysis.effect_estimates import EffectEstimate, estimate_paired_change
from stretto.analysis.performance_regressions import WEEKS_AFTER, judge_changes
from stretto.analysis.recent_days_rank_tests import LONGEST_BASELINE, SHORTEST_BASELINE
from stretto.analysis.series_of_run_values import SCALES, Series, SeriesKind, SeriesScale
from stretto.clock import DAY
from stretto.model.findings import PEOPLE, Finding, FindingEvidence, FindingVerdict
from stretto.model.owner_days import OwnerDay

LEAST_OWNERS = 5
"""Fewest owners that an answer, its complement, or a change of it is about."""

DAYS_ON_EACH_SIDE = 3
"""Fewest days of an owner before a change and after it: with fewer, his change is a guess."""

DAYS_OF_A_LEVEL = 10
"""Fewest days of a type of work by an owner that have a usual length."""

LEVEL = 0.01
"""Largest p value at which the owners' own changes agree with that of the days."""

DAYS_NEEDED = SHORTEST_BASELINE + 2
"""Fewest days of a series that is judged."""

SAME_CHANGE = 7
"""Days by which changes of the whole and of a type may lie apart and be the same: dated with the whole."""

_DECIMALS = 2
"""Of what is shown."""


@dataclass(frozen=True, slots=True)
class OwnerValue:
    """The value of an owner on a day: a mean logarithm of lengths (ns), or a share of failures."""

    day: int
    group: str
    owner: str
    value: float
    failures: int = 0
    judged: int = 0


@dataclass(frozen=True, slots=True)
class OwnerComparison:
    """The owners of whom a change is shown, each by the means of his days before and after it."""

    since: int
    """Number of the first day after."""
    means: Mapping[str, tuple[float, float]]
    days: frozenset[int]
    """The days that count."""

    @property
    def owners(self) -> frozenset[str]:
        """The owners."""
        return frozenset(self.means)


def judge_changes_among_owners(days: Sequence[OwnerDay], instant: int) -> list[Finding]:
    """Return a finding about each type that is shown, and about the whole, at an instant (ns).

    Kinds are those of single machines: lengths and the share of failures. The whole has no subject.
    """
    return [
        finding
        for kind in (SeriesKind.TASK_LENGTH, SeriesKind.FAILURE_SHARE)
        for finding in _judge_kind(days, kind, instant)
    ]


def _judge_kind(days: Sequence[OwnerDay], kind: SeriesKind, instant: int) -> Iterator[Finding]:
    values = {subject: _list_values(days, kind, subject) for subject in _list_subjects(days)}
    ready = [subject for subject, of_subject in values.items() if _count_days(of_subject) >= DAYS_NEEDED]
    series = [_make_series(kind, subject, values[subject]) for subject in ready]
    judged = dict(zip(ready, judge_changes(series, instant, UTC), strict=True))
    whole: OwnerComparison | None = None
    for subject, of_subject in values.items():
        finding = judged.get(subject)
        if finding is None:
            yield _explain_few_days(kind, subject, _count_days(of_subject))
            continue
        comparison = None
        if finding.since is not None:
            since = finding.since // DAY
            if whole is not None and abs(whole.since - since) <= SAME_CHANGE:
                since = whole.since
            comparison = compare_owners(of_subject, values[None], since, instant // DAY)
            if comparison is not None and not _hides_others(
                comparison,
                of_subject,
                whole or compare_owners(values[None], values[None], since, instant // DAY),
            ):
                comparison = None
        concluded = _conclude(finding, of_subject, comparison)
        if subject is None and concluded.since is not None:
            whole = comparison
        yield concluded


def compare_owners(
    values: Sequence[OwnerValue], everybody: Sequence[OwnerValue], since: int, last: int
) -> OwnerComparison | None:
    """Return the owners' means before a day and from it on; None if fewer than five can be compared.

    ``since`` and ``last`` are numbers of days. Owners come in question once ``everybody``, the values of the
    whole, has enough of their days on both sides: five together at once. Later nobody joins or leaves alone.
    """
    span = range(since - LONGEST_BASELINE, min(last + 1, since + WEEKS_AFTER))
    inside = [each for each in values if each.day in span]
    joined = frozenset[str]()
    for day, owners in _list_batches([each for each in everybody if each.day in span], since):
        known = [each for each in inside if each.day <= day]
        settled = _settle_owners(known, joined | owners, since)
        if len(settled - joined) >= LEAST_OWNERS:
            joined |= settled
    if not joined:
        return None
    days = _list_days_of_enough(inside, joined)
    before, after = (
        _average(
            each
            for each in inside
            if each.owner in joined and each.day in days and (each.day >= since) is later
        )
        for later in (False, True)
    )
    return OwnerComparison(since, {owner: (before[owner], after[owner]) for owner in sorted(joined)}, days)


def _list_batches(values: Iterable[OwnerValue], since: int) -> Iterator[tuple[int, frozenset[str]]]:
    """Yield (day, owners) whenever five more have enough days on both sides."""
    days: dict[tuple[str, bool], set[int]] = defaultdict(set)
    for each in values:
        days[each.owner, each.day >= since].add(each.day)
    ready = {
        owner: sorted(after)[DAYS_ON_EACH_SIDE - 1]
        for (owner, is_after), after in days.items()
        if is_after and min(len(after), len(days.get((owner, False), ()))) >= DAYS_ON_EACH_SIDE
    }
    waiting: set[str] = set()
    for day in sorted(set(ready.values())):
        waiting |= {owner for owner, ready_on in ready.items() if ready_on == day}
        if len(waiting) >= LEAST_OWNERS:
            yield day, frozenset(waiting)
            waiting = set()


def _settle_owners(values: Sequence[OwnerValue], owners: frozenset[str], since: int) -> frozenset[str]:
    """Return those of some owners who have values on both sides, on days with enough of the others."""
    while True:
        days = _list_days_of_enough(values, owners)
        sides = [
            {each.owner for each in values if each.day in days and (each.day >= since) is later}
            for later in (False, True)
        ]
        settled = owners & sides[0] & sides[1]
        if settled == owners:
            return owners
        owners = settled


def _list_days_of_enough(values: Iterable[OwnerValue], owners: frozenset[str]) -> frozenset[int]:
    """Return the days on which five and more of some owners have values."""
    at_work = Counter(day for day, owner in {(each.day, each.owner) for each in values} if owner in owners)
    return frozenset(day for day, count in at_work.items() if count >= LEAST_OWNERS)


def _average(values: Iterable[OwnerValue]) -> dict[str, float]:
    by_owner: dict[str, list[float]] = defaultdict(list)
    for each in values:
        by_owner[each.owner].append(each.value)
    return {owner: float(np.mean(of_owner)) for owner, of_owner in by_owner.items()}


def _list_subjects(days: Iterable[OwnerDay]) -> list[str | None]:
    """Return the types that were shown on some day, and None for the whole."""
    return [None, *sorted({each.type for each in days if each.is_shown})]


def _list_values(days: Iterable[OwnerDay], kind: SeriesKind, type_: str | None) -> list[OwnerValue]:
    """Return the values of a kind by day and owner: of a type on the days that show it, or of all types."""
    chosen = [each for each in days if type_ is None or (each.type == type_ and each.is_shown)]
    values = _share_failures(chosen) if kind is SeriesKind.FAILURE_SHARE else _level_lengths(chosen)
    people: dict[tuple[int, str], int] = Counter((each.day, each.group) for each in values)
    # Owners who are left out must not make a day one of fewer.
    return [each for each in values if people[each.day, each.group] >= LEAST_OWNERS]


def _level_lengths(days: Sequence[OwnerDay]) -> list[OwnerValue]:
    """Return by day and owner how long tasks were for the owner and their types, around the common length."""
    lengths: dict[tuple[str, str], list[float]] = defaultdict(list)
    for each in days:
        if each.work.tasks:
            lengths[each.owner, each.type].append(each.work.log_length)
    levels = {
        key: float(np.median(of_key)) for key, of_key in lengths.items() if len(of_key) >= DAYS_OF_A_LEVEL
    }
    common = float(np.median([*levels.values()])) if levels else 0.0
    return [
        OwnerValue(
            day,
            group,
            owner,
            common
            + sum(each.work.tasks * (each.work.log_length - levels[owner, each.type]) for each in of_day)
            / sum(each.work.tasks for each in of_day),
        )
        for (day, group, owner), rows in _group_by_owner_day(days)
        if (of_day := [each for each in rows if each.work.tasks and (owner, each.type) in levels])
    ]


def _share_failures(days: Sequence[OwnerDay]) -> list[OwnerValue]:
    values = []
    for (day, group, owner), rows in _group_by_owner_day(days):
        failures, judged = (sum(getattr(each.work, name) for each in rows) for name in ("failures", "judged"))
        if judged:
            values.append(OwnerValue(day, group, owner, failures / judged, failures, judged))
    return values


def _group_by_owner_day(days: Iterable[OwnerDay]) -> Iterator[tuple[tuple[int, str, str], list[OwnerDay]]]:
    grouped: dict[tuple[int, str, str], list[OwnerDay]] = defaultdict(list)
    for each in days:
        grouped[each.day, each.group, each.owner].append(each)
    yield from sorted(grouped.items())


def _make_series(kind: SeriesKind, type_: str | None, values: Sequence[OwnerValue]) -> Series:
    """Return the values as a series: one for each owner and day, or the single outcomes of shares."""
    times: list[int] = []
    numbers: list[float] = []
    for each in values:
        of_day = [each.value]
        if kind is SeriesKind.FAILURE_SHARE:
            of_day = [1.0] * each.failures + [0.0] * (each.judged - each.failures)
        numbers += of_day
        # Days are those of UTC; noon is in the middle of one.
        times += [each.day * DAY + DAY // 2] * len(of_day)
    return Series(
        kind, _name_subject(type_), np.array(times, dtype=np.int64), np.array(numbers, dtype=np.float64)
    )


def _conclude(finding: Finding, values: Sequence[OwnerValue], comparison: OwnerComparison | None) -> Finding:
    """Return the finding of the days as far as the owners' own changes agree, without what is of few."""
    people = len({each.owner for each in values})
    details: dict[str, float | str | None] = {PEOPLE: float(people)}
    evidence = FindingEvidence(
        people, unit=finding.evidence.unit, detectable=_round(finding.evidence.detectable)
    )
    verdict, reason = finding.verdict, finding.reason
    if finding.since is None:
        return Finding(finding.kind, finding.subject, verdict, evidence, reason=reason, details=details)
    if comparison is None:
        verdict = FindingVerdict.TOO_LITTLE_DATA
        reason = "fewer than five people can be compared, or would be left over"
        return Finding(finding.kind, finding.subject, verdict, evidence, reason=reason, details=details)
    is_ratio = SCALES.get(SeriesKind(finding.kind)) is not SeriesScale.SHARE
    estimate = estimate_paired_change([*comparison.means.values()], is_ratio=is_ratio)
    if estimate is None or not _agrees(estimate, finding):
        verdict = FindingVerdict.NO_EVIDENCE
        return Finding(finding.kind, finding.subject, verdict, evidence, details=details)
    people = len(comparison.means)
    evidence = FindingEvidence(
        people,
        effect=_round(estimate.effect),
        low=_round(estimate.low),
        high=_round(estimate.high),
        unit=finding.evidence.unit,
        detectable=evidence.detectable,
    )
    details = {PEOPLE: float(people)}
    return Finding(
        finding.kind, finding.subject, verdict, evidence, since=comparison.since * DAY, details=details
    )


def _hides_others(
    comparison: OwnerComparison, values: Iterable[OwnerValue], everybody: OwnerComparison | None
) -> bool:
    """Return whether those who are compared in the whole, but not here, are nobody or five.

    Likewise those outside of each team, of whom the leads of the team see the rest.
    """
    whole = comparison.owners if everybody is None else everybody.owners
    groups: dict[str, set[str]] = defaultdict(set)
    for each in values:
        if each.owner in comparison.owners and each.day in comparison.days:
            groups[each.group].add(each.owner)
    outside = [comparison.owners - of_group for of_group in groups.values() if len(of_group) >= LEAST_OWNERS]
    return all(
        not few or len(few) >= LEAST_OWNERS
        for few in (whole - comparison.owners, comparison.owners - whole, *outside)
    )


def _agrees(estimate: EffectEstimate, finding: Finding) -> bool:
    """Return whether the owners changed as the days did, beyond chance."""
    # More length and more failures are worse.
    return estimate.p <= LEVEL and (estimate.z > 0) is (finding.verdict is FindingVerdict.REGRESSION)


def _explain_few_days(kind: SeriesKind, type_: str | None, count: int) -> Finding:
    reason = f"{count} of {DAYS_NEEDED} days with the work of at least five people"
    unit = SCALES.get(kind, SeriesScale.RATIO).value
    return Finding(
        kind.value,
        _name_subject(type_),
        FindingVerdict.TOO_LITTLE_DATA,
        FindingEvidence(0, unit=unit),
        reason=reason,
    )


def _name_subject(type_: str | None) -> dict[str, str]:
    return {} if type_ is None else {"type": type_}


def _count_days(values: Iterable[OwnerValue]) -> int:
    return len({each.day for each in values})


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS)
