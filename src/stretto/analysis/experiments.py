"""Judge an experiment: whether the new arm is better, and whether the answer is final.

Only the planned looks count, each with exactly its planned number of runs, by their ends.
So the answer of a look never changes afterwards, and asking more often changes nothing. Between looks the
answer is the last look's, or that of the e-process, which holds at any time but needs more runs.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import special, stats

from stretto.analysis.effect_estimates import (
    EffectEstimate,
    estimate_paired_ratio,
    estimate_score_difference,
    estimate_share_difference,
    estimate_stratified_ratio,
    widen_ratio_to_level,
)
from stretto.analysis.experiment_definition_and_plan import (
    ExperimentDefinition,
    ExperimentMetric,
    find_detectable_ratio,
)
from stretto.analysis.experiment_units import ExperimentUnit
from stretto.analysis.planned_and_anytime_looks import (
    AnytimeAnswer,
    compute_z_bounds_of_looks,
    weigh_pairs,
    weigh_successes,
)
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict, RunLink

ODD_SPLIT = 0.001
"""p value of the arms' sizes below which something other than chance decided who got which arm."""

CLOSE_SPLIT = 6.0
"""Squared difference of the arms' sizes, per run, up to which no exact test is needed."""

UNEQUAL_MIX = 0.01
"""p value of the arms' patterns below which their mix is called unequal."""


@dataclass(frozen=True, slots=True)
class ExperimentStatus:
    """The state of an experiment at an instant."""

    definition: ExperimentDefinition
    counts: Mapping[str, int]
    """Finished runs (or pairs) by arm."""
    verdict: FindingVerdict
    look: int
    """The look that the answer rests on, from 1; 0 before the first."""
    final: bool
    """Whether a bound was crossed or all planned looks are over: more runs change nothing."""
    estimate: EffectEstimate | None
    """At that look, with limits that hold over all looks; the new arm compared with the usual."""
    detectable: float | None
    """The smallest ratio that the runs of the look find with probability .8; None unless it is a ratio."""
    next_look: int | None
    """Runs per arm at the next look."""
    notes: tuple[str, ...] = ()
    anytime: AnytimeAnswer | None = None
    """The answer to a look that was not planned, if it was asked for."""
    links: tuple[RunLink, ...] = field(default=())

    def to_finding(self) -> Finding:
        """Return the status as a finding about the experiment."""
        estimate = self.estimate
        evidence = FindingEvidence(
            n=0 if estimate is None else estimate.first_count + estimate.second_count,
            effect=None if estimate is None else estimate.effect,
            low=None if estimate is None else estimate.low,
            high=None if estimate is None else estimate.high,
            unit="ratio" if estimate is None else estimate.unit,
            p=None if estimate is None else estimate.p,
            detectable=self.detectable,
            runs=self.links,
        )
        return Finding(
            kind="experiment",
            subject={"experiment": self.definition.name, "metric": self.definition.metric.value},
            verdict=self.verdict,
            evidence=evidence,
            reason="; ".join(self.notes),
            advice=_advise(self),
            details={
                "look": float(self.look),
                "looks": float(self.definition.looks),
                "next_look": None if self.next_look is None else float(self.next_look),
                "final": "yes" if self.final else "no",
                **{f"runs_{arm}": float(count) for arm, count in self.counts.items()},
                **({} if self.anytime is None else {"e_value": self.anytime.e_value}),
            },
        )


def judge_experiment(
    definition: ExperimentDefinition, units: Sequence[ExperimentUnit], *, unplanned: bool = False
) -> ExperimentStatus:
    """Return the state of an experiment by its planned looks.

    With ``unplanned`` the answer of the e-process over all runs so far is added. ``units`` are by end.
    """
    arms = definition.arms
    by_arm = {arm: [unit for unit in units if unit.arm == arm] for arm in arms}
    pairs = _pair_units(by_arm[arms[0]], by_arm[arms[1]]) if definition.pair_by else None
    counts = {arm: len(by_arm[arm]) if pairs is None else len(pairs) for arm in arms}
    reached = min(counts.values())
    bounds = compute_z_bounds_of_looks(definition.looks, definition.level)
    look, crossed = 0, False
    estimate: EffectEstimate | None = None
    used: tuple[list[ExperimentUnit], list[ExperimentUnit]] = ([], [])
    for size, bound in zip(definition.look_sizes, bounds, strict=True):
        if size > reached or crossed:
            break
        used = _take_units(by_arm, arms, pairs, size)
        look += 1
        estimate = _estimate(definition, used)
        crossed = estimate is not None and abs(estimate.z) >= bound
    final = crossed or look == definition.looks
    if estimate is not None and look:
        estimate = widen_ratio_to_level(estimate, float(2 * special.ndtr(-bounds[look - 1])))
    return ExperimentStatus(
        definition=definition,
        counts=counts,
        verdict=_conclude(definition, estimate, look, crossed=crossed, final=final),
        look=look,
        final=final,
        estimate=estimate,
        detectable=_find_detectable(definition, used),
        next_look=None if final else definition.look_sizes[look],
        notes=tuple(_list_notes(definition, units, estimate)),
        anytime=_weigh_all(definition, by_arm, pairs) if unplanned else None,
        links=tuple(RunLink(unit.session, role=unit.arm) for group in used for unit in group[-1:]),
    )


Pairs = list[tuple[ExperimentUnit, ExperimentUnit]]


def _pair_units(first: Sequence[ExperimentUnit], second: Sequence[ExperimentUnit]) -> Pairs:
    """Return the pairs of the same work, the n-th run of each arm with the other's, by the later end."""
    waiting: dict[str, list[ExperimentUnit]] = defaultdict(list)
    for unit in first:
        if unit.pair is not None:
            waiting[unit.pair].append(unit)
    taken: Counter[str] = Counter()
    pairs: Pairs = []
    for unit in second:
        if unit.pair is not None and taken[unit.pair] < len(waiting[unit.pair]):
            pairs.append((waiting[unit.pair][taken[unit.pair]], unit))
            taken[unit.pair] += 1
    return sorted(pairs, key=lambda pair: (max(pair[0].end, pair[1].end), pair[0].session))


def _take_units(
    by_arm: Mapping[str, Sequence[ExperimentUnit]], arms: tuple[str, str], pairs: Pairs | None, size: int
) -> tuple[list[ExperimentUnit], list[ExperimentUnit]]:
    if pairs is not None:
        return [first for first, _ in pairs[:size]], [second for _, second in pairs[:size]]
    return [*by_arm[arms[0]][:size]], [*by_arm[arms[1]][:size]]


def _estimate(
    definition: ExperimentDefinition, used: tuple[list[ExperimentUnit], list[ExperimentUnit]]
) -> EffectEstimate | None:
    first, second = used
    if definition.metric is ExperimentMetric.SUCCESS:
        hits = [sum(unit.value > 0 for unit in group) for group in used]
        return estimate_share_difference((hits[0], len(first)), (hits[1], len(second)))
    if definition.metric is ExperimentMetric.SCORE:
        return estimate_score_difference([unit.value for unit in first], [unit.value for unit in second])
    if definition.pair_by:
        return estimate_paired_ratio(
            [(one.value, other.value) for one, other in zip(first, second, strict=True)]
        )
    strata: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for place, group in enumerate(used):
        for unit in group:
            strata[unit.stratum][place].append(unit.value)
    return estimate_stratified_ratio([*strata.values()])


def _conclude(
    definition: ExperimentDefinition,
    estimate: EffectEstimate | None,
    look: int,
    *,
    crossed: bool,
    final: bool,
) -> FindingVerdict:
    if not look or estimate is None:
        return FindingVerdict.TOO_LITTLE_DATA
    if crossed:
        better = (estimate.z < 0) is definition.metric.less_is_better
        return FindingVerdict.IMPROVEMENT if better else FindingVerdict.REGRESSION
    return FindingVerdict.NO_EVIDENCE if final else FindingVerdict.TOO_LITTLE_DATA


def _find_detectable(
    definition: ExperimentDefinition, used: tuple[list[ExperimentUnit], list[ExperimentUnit]]
) -> float | None:
    """Return the smallest ratio that the runs used would have shown, from their spread within strata."""
    if definition.metric in {ExperimentMetric.SUCCESS, ExperimentMetric.SCORE} or len(used[0]) < 2:  # noqa: PLR2004
        return None
    if definition.pair_by:
        differences = [math.log(other.value / one.value) for one, other in zip(used[0], used[1], strict=True)]
        return find_detectable_ratio(len(differences), float(np.std(differences, ddof=1)), paired=True)
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    for unit in (*used[0], *used[1]):
        groups[unit.arm, unit.stratum].append(math.log(unit.value))
    squares = sum(float(np.var(logs)) * len(logs) for logs in groups.values())
    freedom = len(used[0]) + len(used[1]) - len(groups)
    if freedom < 1 or squares <= 0:
        return None
    return find_detectable_ratio(min(len(used[0]), len(used[1])), math.sqrt(squares / freedom))


def _list_notes(
    definition: ExperimentDefinition, units: Sequence[ExperimentUnit], estimate: EffectEstimate | None
) -> Iterable[str]:
    """Yield every reason why the answer is weaker than it looks."""
    arms = definition.arms
    sizes = [sum(unit.arm == arm for unit in units) for arm in arms]
    likely = (sizes[0] - sizes[1]) ** 2 <= CLOSE_SPLIT * sum(sizes)
    if not likely and float(stats.binomtest(sizes[0], sum(sizes)).pvalue) < ODD_SPLIT:
        yield f"the arms have {sizes[0]} and {sizes[1]} runs: something other than chance chose the arm"
    strata = sorted({unit.stratum for unit in units})
    if len(strata) > 1:
        table = np.array(
            [[sum(u.arm == arm and u.stratum == s for u in units) for s in strata] for arm in arms]
        )
        if table.sum(axis=1).min() and float(stats.chi2_contingency(table).pvalue) < UNEQUAL_MIX:
            how = (
                "compared in spite of it"
                if definition.metric in {ExperimentMetric.SUCCESS, ExperimentMetric.SCORE}
                else "compared within each pattern"
            )
            yield f"the arms ran different mixes of patterns: {how}"
        alone = [strata[place] or "none" for place in np.flatnonzero((table == 0).any(axis=0))]
        if alone:
            yield f"in one arm only, so of no use here: {', '.join(alone)}"
    if estimate is not None and estimate.unit == "ratio" and definition.pair_by:
        unpaired = sum(unit.pair is None for unit in units)
        if unpaired:
            yield f"{unpaired} runs have no label {definition.pair_by} and were left out"


def _weigh_all(
    definition: ExperimentDefinition, by_arm: Mapping[str, Sequence[ExperimentUnit]], pairs: Pairs | None
) -> AnytimeAnswer:
    """Return the e-process over all runs: pairs of the same work, or of the same turn within a pattern."""
    if pairs is None:
        first, second = (
            [replace(unit, pair=unit.stratum) for unit in by_arm[arm]] for arm in definition.arms
        )
        pairs = _pair_units(first, second)
    if definition.metric is ExperimentMetric.SUCCESS:
        return weigh_successes([(one.value > 0, other.value > 0) for one, other in pairs])
    if definition.metric is ExperimentMetric.SCORE:
        # Of pairs that differ, either side wins equally often: exact for scores of any shape.
        return weigh_successes([(one.value > other.value, other.value > one.value) for one, other in pairs])
    return weigh_pairs([(one.value, other.value) for one, other in pairs], definition.level)


def _advise(status: ExperimentStatus) -> str:
    definition = status.definition
    usual, new = definition.arms
    match status.verdict:
        case FindingVerdict.IMPROVEMENT:
            return f"Take {new}: the bound of look {status.look} of {definition.looks} is passed."
        case FindingVerdict.REGRESSION:
            return (
                f"Keep {usual}: {new} is worse, beyond the bound of look {status.look} of {definition.looks}."
            )
        case FindingVerdict.NO_EVIDENCE:
            return f"Keep {usual}: all planned looks are over and show no difference."
        case _:
            return (
                f"Go on until both arms have {status.next_look} runs."
                if status.next_look
                else "Define it again with more runs per arm."
            )
