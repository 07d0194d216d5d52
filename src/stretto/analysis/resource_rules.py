"""Rules about the machine: processors, memory and disk."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stretto.analysis.effect_estimates import estimate_ratio_of_geometric_means
from stretto.analysis.recommendation import Effort, RecommendationKind
from stretto.analysis.rule_inputs_and_promised_gains import (
    FEWEST_SESSIONS,
    LEAST_RATIO,
    LEVEL,
    MissingDataReason,
    RuleInputs,
    Verdict,
    recommend,
)
from stretto.analysis.workflow_rules import recommend_planned_width
from stretto.clock import SECOND

FULL = 0.90
"""Share of processors or memory from which on they are short."""


def _find_cpu_share(inputs: RuleInputs) -> float | str:
    shares = [
        run.cpu_seconds / (run.elapsed / SECOND * inputs.cores)
        for run in inputs.sessions
        if run.cpu_seconds is not None and run.elapsed and inputs.cores
    ]
    if len(shares) < FEWEST_SESSIONS:
        return MissingDataReason(
            "how busy the processors were is not known: sessions were not sampled, or run elsewhere"
        )
    return float(np.median(shares))


def advise_fewer_agents_for_busy_processors(inputs: RuleInputs) -> Verdict:
    """Recommend fewer agents where the processors are busy and fewer are faster."""
    share = _find_cpu_share(inputs)
    if isinstance(share, str):
        return share
    if share < FULL:
        return f"its agents use {share:.0%} of the processors"
    if (inputs.plan.advised or inputs.width) >= inputs.width:
        return "the processors are busy, but fewer agents would not be faster: see cores"
    return recommend_planned_width(
        inputs, RecommendationKind.CPU_BOUND, "Run only {width} agents at once: the processors are busy.",
        needs_trial=False,
    )  # fmt: skip


def explain_no_cores_advice(inputs: RuleInputs) -> Verdict:
    """Return the reason why more processors are not recommended, with the most that they could save."""
    share = _find_cpu_share(inputs)
    if isinstance(share, str):
        return share
    slowdown = inputs.plan.slowdown
    if share < FULL or slowdown is None or not slowdown.contention:
        return f"its agents use {share:.0%} of the processors, or do not slow each other"
    factor = slowdown.compute_factor(inputs.width)
    return (
        f"the processors are {share:.0%} busy and tasks take {factor:.2f} times as long beside each other; "
        f"more processors save at most {float(inputs.spans.mean()) * (1 - 1 / factor):.0f} s a session, and "
        "runs of a single machine do not show how much of it"
    )


@dataclass(frozen=True, slots=True)
class _ShortMemory:
    """How sessions that are short of memory compare with the others, for the same work."""

    ratio: float
    p: float
    short: np.ndarray
    """Whether each session is short of it."""

    @property
    def slows(self) -> bool:
        """Whether they take longer beyond chance, by as much as matters."""
        return self.p <= LEVEL and self.ratio >= 1 / LEAST_RATIO

    @property
    def confidence(self) -> float:
        """Probability that they take longer."""
        return 1 - self.p / 2

    def find_savings(self, inputs: RuleInputs) -> np.ndarray:
        """Return the seconds that each session saves if none is short of memory."""
        return np.asarray(inputs.spans * self.short * (1 - 1 / self.ratio))


def _compare_short_memory(inputs: RuleInputs) -> _ShortMemory | str:
    """Return how sessions short of memory compare with the others, or the reason why they cannot be."""
    if not inputs.memory or sum(run.memory_peak is not None for run in inputs.sessions) < FEWEST_SESSIONS:
        return MissingDataReason(
            "how much memory was used is not known: sessions were not sampled, or run elsewhere"
        )
    short = np.array([(run.memory_peak or 0) / inputs.memory >= FULL for run in inputs.sessions])
    groups = [
        [math.exp(value) for place, value in inputs.span_per_work.items() if bool(short[place]) is flag]
        for flag in (False, True)
    ]
    if not short.any():
        return "memory is never short"
    estimate = estimate_ratio_of_geometric_means(groups[0], groups[1])
    if estimate is None:
        return MissingDataReason(
            "every session is short of memory, or too few are: its effect cannot be compared"
        )
    return _ShortMemory(estimate.effect, estimate.p, short)


def advise_more_memory(inputs: RuleInputs) -> Verdict:
    """Recommend more memory where sessions that are short of it take longer."""
    compared = _compare_short_memory(inputs)
    if isinstance(compared, str):
        return compared
    if not compared.slows:
        return "sessions that are short of memory do not take longer beyond chance"
    return recommend(
        inputs,
        RecommendationKind.MEMORY_BOUND,
        compared.find_savings(inputs),
        "Give it more memory, or run fewer agents at once.",
        f"{compared.short.sum()} of {len(compared.short)} sessions used {FULL:.0%} of the memory; they took "
        f"{compared.ratio:.2f} times as long",
        effort=Effort.MEDIUM,
        confidence=compared.confidence,
    )


def advise_staggered_starts(inputs: RuleInputs) -> Verdict:
    """Recommend to stagger agents whose memory is short at their peak only."""
    compared = _compare_short_memory(inputs)
    if isinstance(compared, str):
        return compared
    peaks = [
        run.memory_peak / run.memory_mean for run in inputs.sessions if run.memory_peak and run.memory_mean
    ]
    if not compared.slows or len(peaks) < FEWEST_SESSIONS or np.median(peaks) < 2:  # noqa: PLR2004
        return "memory is not short for a moment only"
    return recommend(
        inputs,
        RecommendationKind.MEMORY_STRATEGY,
        compared.find_savings(inputs),
        "Start the agents one after another, so that their peaks do not meet.",
        f"the peak is {np.median(peaks):.1f} times the mean, and sessions short of memory take "
        f"{compared.ratio:.2f} times as long",
        effort=Effort.MEDIUM,
        confidence=compared.confidence,
        needs_trial=True,
    )


def explain_no_disk_advice(inputs: RuleInputs) -> Verdict:
    """Return the reason why nothing is recommended about the disk."""
    del inputs
    return "reads, writes and waits for the disk are not kept with the runs"
