"""The headline of a window: the gain of all its parallel executions by a single baseline.

Time saved is the sum over all fan-outs of sequential less elapsed time; elapsed time counts overlapping
fan-outs once; speedup is 1 + time saved over elapsed. The baseline is the tasks' own lengths, because only
that covers everything; a configuration may choose another one where it covers enough. Beneath the headline,
each better baseline is compared with the own lengths of exactly its part.

Example: A and B of 60 s side by side, and three tasks of 40 s side by side below A: saved 60 + 80 s, elapsed
60 s, speedup 3.33.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stretto.clock import SECOND
from stretto.figures.confidence_intervals import LEVEL, Bounds, compute_improvement_bounds
from stretto.figures.figure import Figure, Labels, make_ratio, with_bounds
from stretto.figures.parallel_work_against_baselines import NOTHING_DELIVERED, estimate_mixes_sequential_time
from stretto.figures.sequential_baseline_choice import (
    NOTHING_DECLARED,
    WORK_BASELINE,
    Baseline,
    DeclaredBaselines,
    FindBaseline,
    Hours,
    Provenance,
    find_declared_baseline,
)
from stretto.figures.sums_by_dimension import Sums, sum_by_dimensions
from stretto.model.task_delivery_classes import Delivery
from stretto.names import measures
from stretto.names.measures import Dimension

HEADLINE_MEASURES = (
    measures.VERDICT_FANOUTS,
    measures.VERDICT_TASKS,
    measures.VERDICT_WORK,
    measures.VERDICT_PAID,
    measures.VERDICT_ELAPSED,
)
"""The sums that a headline is computed from."""

MOSTLY = 0.5
"""Share of work above which tasks that are only taken as delivered make the outcomes unreported."""


@dataclass(frozen=True, slots=True)
class HeadlineRule:
    """The baseline that a headline uses: the tasks' own lengths, unless another one covers enough."""

    provenance: Provenance = Provenance.WORK
    share: float = 1.0
    """Share of the parallel executions that it must cover, from 0 to 1."""
    hours: Hours | None = None
    declared: DeclaredBaselines = NOTHING_DECLARED

    def find(self, pattern: str, signature: str) -> Baseline | None:
        """Return the baseline of a pattern and mix of task types, or None if there is none."""
        if self.provenance is Provenance.WORK:
            return WORK_BASELINE
        return find_declared_baseline(self.provenance, pattern, signature, self.hours or {}, self.declared)


BY_WORK = HeadlineRule()


@dataclass(frozen=True, slots=True)
class HeadlineMix:
    """The fan-outs of a pattern and mix of task types. Lengths in ns."""

    pattern: str
    signature: str
    baseline: Baseline
    fanouts: int
    tasks: Mapping[tuple[str, Delivery], int]
    """(Task type, class) → tasks."""
    work: Mapping[tuple[str, Delivery], int]
    paid: int
    """Elapsed of each fan-out, summed; below a wasted task only what lies outside of it."""
    elapsed: int
    """Elapsed, overlapping fan-outs of a session counted once."""

    @property
    def delivered(self) -> dict[str, int]:
        """Tasks by type that were delivered or taken as delivered."""
        return _sum_delivered(self.tasks)

    @property
    def delivered_work(self) -> dict[str, int]:
        """Their work by type."""
        return _sum_delivered(self.work)


@dataclass(frozen=True, slots=True)
class BaselineComparison:
    """Parallel work compared with baselines of a single provenance. Lengths in seconds."""

    provenance: Provenance
    fanouts: int
    tasks: int
    work: float
    paid: float
    """Elapsed of each execution, summed: the time that sequential time is compared with."""
    elapsed: float
    """Elapsed, executions that overlap in a session counted once."""
    sequential: float
    delivered: int = 0
    """Tasks whose success was reported."""
    taken: int = 0
    """Tasks that are taken as delivered: no source reported their outcome."""
    delivered_work: float = 0.0
    """Work of both."""
    taken_work: float = 0.0
    """Work of the tasks that are taken as delivered."""
    bounds: Bounds | None = None
    """The 95 % interval of ``sequential``."""
    no_interval_reason: str | None = None
    """Why there is no interval."""
    runs: int = 0
    """Number of sequential runs behind the baselines."""

    @property
    def time_saved(self) -> float:
        """Seconds; negative if parallel was slower."""
        return self.sequential - self.paid

    @property
    def speedup(self) -> float | None:
        """1 + time saved over elapsed."""
        return 1 + self.time_saved / self.elapsed if self.elapsed else None

    @property
    def improvement(self) -> float | None:
        """Time saved over sequential; None if nothing was delivered."""
        return self.time_saved / self.sequential if self.sequential else None

    @property
    def speedup_bounds(self) -> Bounds | None:
        """The 95 % interval of the speedup."""
        if self.bounds is None or not self.elapsed:
            return None
        low, high = (1 + (edge - self.paid) / self.elapsed for edge in self.bounds)
        return low, high

    @property
    def are_outcomes_reported(self) -> bool:
        """Whether the outcomes of most of the work were reported."""
        return self.taken_work <= MOSTLY * self.work


@dataclass(frozen=True, slots=True)
class BetterBaselinePart:
    """The part of a window that has a better baseline: by that baseline, and by the tasks' own lengths."""

    better: BaselineComparison
    own: BaselineComparison


@dataclass(frozen=True, slots=True)
class Verdict:
    """All parallel work of a window by one baseline, and the parts of it that have a better one."""

    window: str
    lead: BaselineComparison | None = None
    """The headline; None if nothing ran in parallel."""
    parts: tuple[BetterBaselinePart, ...] = ()
    """The best provenance first."""
    all_fanouts: int = 0
    """Parallel executions of the window. The headline has all of them, unless a chosen baseline does not."""

    @property
    def fanouts(self) -> int:
        """Parallel executions in the headline."""
        return self.lead.fanouts if self.lead else 0

    @property
    def tasks(self) -> int:
        """Their tasks."""
        return self.lead.tasks if self.lead else 0

    @property
    def speedup(self) -> float | None:
        """The headline's speedup."""
        return self.lead.speedup if self.lead else None


def read_headline_mixes(sums: Sums, find_baseline: FindBaseline) -> list[HeadlineMix]:
    """Return the fan-outs of a window by pattern and mix, each mix with its best baseline."""
    mix = (Dimension.PATTERN, Dimension.SIGNATURE)
    fanouts, paid, elapsed = (
        sum_by_dimensions(sums, measure, *mix)
        for measure in (measures.VERDICT_FANOUTS, measures.VERDICT_PAID, measures.VERDICT_ELAPSED)
    )
    tasks, work = (
        _group_by_mix(sums, measure) for measure in (measures.VERDICT_TASKS, measures.VERDICT_WORK)
    )
    return [
        HeadlineMix(
            *key,
            find_baseline(*key),
            count,
            tasks.get(key, {}),
            work.get(key, {}),
            paid.get(key, 0),
            elapsed.get(key, 0),
        )
        for key, count in sorted(_to_pairs(fanouts))
    ]


def build_verdict(
    window: str,
    sums: Sums,
    find_baseline: FindBaseline,
    rule: HeadlineRule = BY_WORK,
    provenance: Provenance | None = None,
) -> Verdict:
    """Return the verdict of a window; ``provenance`` fixes the headline's baseline for several windows."""
    mixes = read_headline_mixes(sums, find_baseline)
    if not mixes:
        return Verdict(window)
    chosen = choose_headline_provenance(sums, rule) if provenance is None else provenance
    headline_rule = rule if chosen is rule.provenance else BY_WORK
    covered = [
        replace(mix, baseline=baseline)
        for mix in mixes
        if (baseline := headline_rule.find(mix.pattern, mix.signature)) is not None
    ]
    parts = []
    for better in Provenance:
        group = [mix for mix in mixes if mix.baseline.provenance is better]
        if group and better is not chosen and better is not Provenance.WORK:
            own = [replace(mix, baseline=WORK_BASELINE) for mix in group]
            parts.append(
                BetterBaselinePart(compare_mixes(better, group), compare_mixes(Provenance.WORK, own))
            )
    lead = compare_mixes(chosen, covered) if covered else None
    return Verdict(window, lead, tuple(parts), sum(mix.fanouts for mix in mixes))


def choose_headline_provenance(sums: Sums, rule: HeadlineRule) -> Provenance:
    """Return the rule's baseline if it covers the share of the executions that it must, else the work."""
    counts = _to_pairs(
        sum_by_dimensions(sums, measures.VERDICT_FANOUTS, Dimension.PATTERN, Dimension.SIGNATURE)
    )
    all_fanouts = sum(count for _, count in counts)
    covered = sum(count for key, count in counts if rule.find(*key) is not None)
    # The tolerance keeps floating point from refusing a share of exactly the minimum.
    is_enough = all_fanouts > 0 and covered >= rule.share * all_fanouts - 1e-9
    return rule.provenance if is_enough and covered else Provenance.WORK


def compute_verdict_figures(verdict: Verdict) -> Iterator[Figure]:
    """Yield the series of the headline with its ingredients, and of the parts with a better baseline."""
    window = ("window", verdict.window)
    if verdict.lead is None:
        reason = "nothing ran in parallel"
        labels: Labels = (("baseline", Provenance.WORK.value), window)
        yield Figure("stretto_verdict_speedup", labels, None, 0, reason)
        return
    lead = verdict.lead
    labels = (("baseline", lead.provenance.value), window)
    yield from _compute_comparison_figures(_LEAD_NAMES, labels, lead)
    for delivery, tasks, work in (
        (Delivery.DELIVERED, lead.delivered, lead.delivered_work - lead.taken_work),
        (Delivery.TAKEN, lead.taken, lead.taken_work),
        (Delivery.WASTED, lead.tasks - lead.delivered - lead.taken, lead.work - lead.delivered_work),
    ):
        by_class: Labels = (("baseline", lead.provenance.value), ("delivery", delivery.value), window)
        yield Figure("stretto_verdict_tasks", by_class, tasks, lead.tasks)
        yield Figure("stretto_verdict_work_seconds", by_class, work, lead.tasks)
    for part in verdict.parts:
        labels = (("baseline", part.better.provenance.value), window)
        yield from _compute_comparison_figures(_PART_NAMES, labels, part.better)
        own = part.own
        yield Figure("stretto_verdict_part_own_speedup", labels, own.speedup, own.fanouts)
        yield Figure("stretto_verdict_part_own_sequential_seconds", labels, own.sequential, own.fanouts)


_LEAD_NAMES = (
    "stretto_verdict_speedup",
    "stretto_verdict_improvement_ratio",
    "stretto_verdict_saved_seconds",
    "stretto_verdict_sequential_seconds",
    "stretto_verdict_paid_seconds",
    "stretto_verdict_elapsed_seconds",
    "stretto_verdict_fanouts",
)

_PART_NAMES = (
    "stretto_verdict_part_speedup",
    "stretto_verdict_part_improvement_ratio",
    "stretto_verdict_part_saved_seconds",
    "stretto_verdict_part_sequential_seconds",
    "stretto_verdict_part_paid_seconds",
    "stretto_verdict_part_elapsed_seconds",
    "stretto_verdict_part_fanouts",
)
"""The names of a comparison's figures: speedup, improvement, then the ingredients."""


def _compute_comparison_figures(
    names: tuple[str, ...], labels: Labels, part: BaselineComparison
) -> Iterator[Figure]:
    bounds, count = part.bounds, part.fanouts
    low, high = part.speedup_bounds or (None, None)
    speedup_name, improvement_name, *ingredients = names
    yield with_bounds(Figure(speedup_name, labels, part.speedup, count), low, high)
    improvement = make_ratio(improvement_name, labels, part.time_saved, part.sequential, count)
    if bounds is not None:
        improvement = with_bounds(improvement, *compute_improvement_bounds(bounds, part.paid))
    yield improvement if part.sequential else replace(improvement, reason=NOTHING_DELIVERED)
    values = (part.time_saved, part.sequential, part.paid, part.elapsed, part.fanouts)
    for name, value in zip(ingredients, values, strict=True):
        yield Figure(name, labels, value, count)


def build_verdict_document(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON: the headline, and the parts with a better baseline by both baselines."""
    return {
        "fanouts": verdict.fanouts,
        "all_fanouts": verdict.all_fanouts,
        "tasks": verdict.tasks,
        "lead": None if verdict.lead is None else build_comparison_document(verdict.lead),
        "parts": [
            {**build_comparison_document(part.better), "own_lengths": build_comparison_document(part.own)}
            for part in verdict.parts
        ],
    }


def build_comparison_document(part: BaselineComparison) -> dict[str, Any]:
    """Return a comparison with a provenance as JSON."""
    bounds, speedup = part.bounds, part.speedup_bounds
    return {
        "baseline": part.provenance.value,
        "fanouts": part.fanouts,
        "tasks": part.tasks,
        "delivered": part.delivered,
        "taken": part.taken,
        "outcomes_reported": part.are_outcomes_reported,
        "work_seconds": part.work,
        "delivered_work_seconds": part.delivered_work,
        "paid_seconds": part.paid,
        "elapsed_seconds": part.elapsed,
        "sequential_seconds": part.sequential,
        "time_saved_seconds": part.time_saved,
        "speedup": part.speedup,
        "improvement": part.improvement,
        "confidence": {
            "level": LEVEL,
            "runs": part.runs,
            "sequential_seconds": None if bounds is None else list(bounds),
            "time_saved_seconds": None if bounds is None else [edge - part.paid for edge in bounds],
            "speedup": None if speedup is None else list(speedup),
            "improvement": None if bounds is None else list(compute_improvement_bounds(bounds, part.paid)),
            "reason": part.no_interval_reason,
        },
    }


def compare_mixes(provenance: Provenance, group: Sequence[HeadlineMix]) -> BaselineComparison:
    """Return fan-outs of some mixes side by side beside one after another, by the baselines of the mixes."""
    sequential = estimate_mixes_sequential_time(group)
    bounds = sequential.interval
    reasons = (*(mix.baseline.no_interval_reason for mix in group), sequential.no_interval_reason)
    tasks, work = (_sum_by_class(mixes) for mixes in ([m.tasks for m in group], [m.work for m in group]))
    taken, delivered = Delivery.TAKEN, Delivery.DELIVERED
    return BaselineComparison(
        provenance=provenance,
        fanouts=sum(mix.fanouts for mix in group),
        tasks=sum(tasks.values()),
        work=sum(work.values()) / SECOND,
        paid=sum(mix.paid for mix in group) / SECOND,
        elapsed=sum(mix.elapsed for mix in group) / SECOND,
        sequential=sequential.mean / SECOND,
        delivered=tasks.get(delivered, 0),
        taken=tasks.get(taken, 0),
        delivered_work=(work.get(delivered, 0) + work.get(taken, 0)) / SECOND,
        taken_work=work.get(taken, 0) / SECOND,
        bounds=None if bounds is None else (bounds[0] / SECOND, bounds[1] / SECOND),
        no_interval_reason=next(filter(None, reasons), None) if bounds is None else None,
        runs=sequential.count,
    )


def _group_by_mix(sums: Sums, measure: str) -> dict[tuple[str, str], dict[tuple[str, Delivery], int]]:
    by_mix: dict[tuple[str, str], dict[tuple[str, Delivery], int]] = {}
    dimensions = (Dimension.PATTERN, Dimension.SIGNATURE, Dimension.TASK_TYPE, Dimension.DELIVERY)
    for (pattern, signature, task_type, delivery), amount in sorted(
        sum_by_dimensions(sums, measure, *dimensions).items()
    ):
        by_mix.setdefault((pattern, signature), {})[task_type, Delivery(delivery)] = amount
    return by_mix


def _to_pairs(grouped: Mapping[tuple[str, ...], int]) -> list[tuple[tuple[str, str], int]]:
    return [((key[0], key[1]), count) for key, count in grouped.items()]


def _sum_delivered(amounts: Mapping[tuple[str, Delivery], int]) -> dict[str, int]:
    total: dict[str, int] = {}
    for (task_type, delivery), amount in amounts.items():
        total[task_type] = total.get(task_type, 0) + (0 if delivery is Delivery.WASTED else amount)
    return total


def _sum_by_class(by_mix: Iterable[Mapping[tuple[str, Delivery], int]]) -> dict[Delivery, int]:
    total: dict[Delivery, int] = {}
    for amounts in by_mix:
        for (_, delivery), amount in amounts.items():
            total[delivery] = total.get(delivery, 0) + amount
    return total
