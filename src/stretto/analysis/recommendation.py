"""Recommendations: the value, the filters, and their order, which learns from feedback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum

from stretto.model.findings import RECOMMENDATION_PREFIX, Finding, FindingEvidence, FindingVerdict, RunLink

LEAST_CONFIDENCE = 0.8
LEAST_GAIN = 0.05
"""Share of the sessions' length that a recommendation must bring."""
HIGH_GAIN = 0.20
MEDIUM_GAIN = 0.10


class RecommendationKind(StrEnum):
    """The kinds of recommendations that the client's command promises."""

    CPU_BOUND = "cpu_bound"
    MEMORY_BOUND = "memory_bound"
    IO_BOUND = "io_bound"
    UNBALANCED_AGENTS = "unbalanced_agents"
    POOL_SIZE = "pool_size"
    MEMORY_STRATEGY = "memory_strategy"
    CORES = "cores"
    STORAGE = "storage"
    MISSED_PARALLELISM = "missed_parallelism"
    DEPENDENCY_CHAINS = "dependency_chains"
    PHASE_STRUCTURE = "phase_structure"
    BATCHING = "batching"
    SPECIALISATION = "specialisation"
    LOAD_BALANCE = "load_balance"
    PAIRING = "pairing"
    AGENT_CHOICE = "agent_choice"


class Category(StrEnum):
    """The thing that a recommendation changes."""

    RESOURCES = "resource_allocation"
    TASK = "task"
    WORKFLOW = "workflow_structure"
    AGENT = "agent"


class Effort(IntEnum):
    """How much work it is to follow."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


class Priority(IntEnum):
    """By the gain's lower end."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


CATEGORIES: Mapping[RecommendationKind, Category] = {
    RecommendationKind.CPU_BOUND: Category.RESOURCES,
    RecommendationKind.MEMORY_BOUND: Category.RESOURCES,
    RecommendationKind.IO_BOUND: Category.RESOURCES,
    RecommendationKind.UNBALANCED_AGENTS: Category.AGENT,
    RecommendationKind.POOL_SIZE: Category.RESOURCES,
    RecommendationKind.MEMORY_STRATEGY: Category.RESOURCES,
    RecommendationKind.CORES: Category.RESOURCES,
    RecommendationKind.STORAGE: Category.RESOURCES,
    RecommendationKind.MISSED_PARALLELISM: Category.WORKFLOW,
    RecommendationKind.DEPENDENCY_CHAINS: Category.WORKFLOW,
    RecommendationKind.PHASE_STRUCTURE: Category.WORKFLOW,
    RecommendationKind.BATCHING: Category.TASK,
    RecommendationKind.SPECIALISATION: Category.AGENT,
    RecommendationKind.LOAD_BALANCE: Category.WORKFLOW,
    RecommendationKind.PAIRING: Category.AGENT,
    RecommendationKind.AGENT_CHOICE: Category.AGENT,
}


@dataclass(frozen=True, slots=True)
class Gain:
    """The seconds that a session would save, with limits for the mean of a week after the change."""

    seconds: float
    low: float
    high: float
    share: float
    """Of the sessions' length."""
    confidence: float
    """Probability that it saves anything."""


@dataclass(frozen=True, slots=True)
class FeedbackCounts:
    """What became of earlier recommendations of a kind."""

    accepted: int = 0
    rejected: int = 0
    helped: int = 0
    """Applied, and the effect was seen."""
    without_effect: int = 0
    """Applied, and no effect was seen."""

    @property
    def weight(self) -> float:
        """Factor of the gain when recommendations are ordered: 1 without history, falling with each refusal.

        Example: a kind of which two helped and one was rejected has (2 + 1) / (3 + 1) = .75; a kind of which
        three were rejected has 1/4.
        """
        bad = self.rejected + self.without_effect
        return (self.helped + 1) / (self.helped + bad + 1)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Something to do, with the effect that it promises."""

    kind: RecommendationKind
    pattern: str
    name: str
    """The agent, task type or phase that it is about; empty if it is about the whole pattern."""
    text: str
    rationale: str
    gain: Gain
    effort: Effort
    sessions: int
    """Number that the evidence rests on."""
    changes_code: bool = False
    needs_trial: bool = False
    """Whether it should be tried in an experiment, because the evidence is a comparison of unlike runs."""
    links: tuple[RunLink, ...] = ()
    feedback: FeedbackCounts = field(default_factory=FeedbackCounts)

    @property
    def category(self) -> Category:
        """The thing that it changes."""
        return CATEGORIES[self.kind]

    @property
    def priority(self) -> Priority:
        """By the least share that it brings."""
        least = self.gain.share * self.gain.low / self.gain.seconds if self.gain.seconds > 0 else 0.0
        return (
            Priority.HIGH if least >= HIGH_GAIN else Priority.MEDIUM if least >= MEDIUM_GAIN else Priority.LOW
        )

    @property
    def horizon(self) -> str:
        """``experimental`` if it needs a trial, ``immediate`` if it is little work, else ``strategic``."""
        return (
            "experimental" if self.needs_trial else "immediate" if self.effort is Effort.LOW else "strategic"
        )

    def to_finding(self) -> Finding:
        """Return the recommendation as a finding, to be stored, decided about and judged."""
        return Finding(
            kind=f"{RECOMMENDATION_PREFIX}{self.kind}",
            subject={"pattern": self.pattern} | ({"name": self.name} if self.name else {}),
            verdict=FindingVerdict.NO_EVIDENCE,
            evidence=FindingEvidence(
                n=self.sessions,
                effect=self.gain.seconds,
                low=self.gain.low,
                high=self.gain.high,
                unit="seconds",
                runs=self.links,
            ),
            reason=self.rationale,
            advice=self.text,
            details={
                "share": self.gain.share,
                "confidence": self.gain.confidence,
                "category": self.category.value,
                "priority": self.priority.name.lower(),
                "effort": self.effort.name.lower(),
                "horizon": self.horizon,
                "changes_code": "yes" if self.changes_code else "no",
                "needs_trial": "yes" if self.needs_trial else "no",
                "accepted": float(self.feedback.accepted),
                "rejected": float(self.feedback.rejected),
                "helped": float(self.feedback.helped),
                "without_effect": float(self.feedback.without_effect),
            },
        )


@dataclass(frozen=True, slots=True)
class RecommendationFilters:
    """Which recommendations are shown; the defaults are the client's."""

    confidence: float = LEAST_CONFIDENCE
    gain: float = LEAST_GAIN
    effort: Effort = Effort.MEDIUM
    priority: Priority = Priority.LOW
    experimental: bool = True
    constraints: frozenset[str] = frozenset()
    """``no_code_changes`` leaves out those that change code."""


@dataclass(frozen=True, slots=True)
class Advice:
    """The recommendations that pass the filters, in order, and the reason for each kind without one."""

    recommendations: tuple[Recommendation, ...]
    reasons: Mapping[RecommendationKind, str]
    """Kind → why there is none: not measured, too little data, or nothing to gain."""


def order_recommendations(
    candidates: Iterable[Recommendation],
    reasons: Mapping[RecommendationKind, str],
    feedback: Mapping[RecommendationKind, FeedbackCounts],
    filters: RecommendationFilters,
) -> Advice:
    """Return the recommendations that pass, by gain times the weight of their kind's feedback per effort."""
    remaining = dict(reasons)
    passed: list[Recommendation] = []
    for candidate in candidates:
        reason = _find_refusal(candidate, filters)
        if reason is None:
            passed.append(replace(candidate, feedback=feedback.get(candidate.kind, FeedbackCounts())))
        else:
            remaining.setdefault(candidate.kind, reason)
    for recommendation in passed:
        remaining.pop(recommendation.kind, None)
    passed.sort(key=lambda each: -each.gain.seconds * each.feedback.weight / each.effort)
    return Advice(tuple(passed), remaining)


def count_feedback(
    outcomes: Sequence[tuple[RecommendationKind, str]],
) -> dict[RecommendationKind, FeedbackCounts]:
    """Return the counts by kind of (kind, outcome); an outcome is the name of a count."""
    counts: dict[RecommendationKind, FeedbackCounts] = {}
    for kind, outcome in outcomes:
        before = counts.get(kind, FeedbackCounts())
        if outcome in FeedbackCounts.__dataclass_fields__:
            counts[kind] = replace(before, **{outcome: getattr(before, outcome) + 1})
    return counts


def _find_refusal(  # noqa: PLR0911  # a filter per line
    candidate: Recommendation, filters: RecommendationFilters
) -> str | None:
    gain = candidate.gain
    if gain.confidence < filters.confidence:
        return f"its confidence is {gain.confidence:.2f}, below {filters.confidence}"
    if gain.share < filters.gain:
        return f"it would bring {max(0.0, gain.share):.1%}, less than {filters.gain:.0%}"
    if candidate.effort > filters.effort:
        return f"its effort is {candidate.effort.name.lower()}"
    if candidate.priority < filters.priority:
        return f"its priority is {candidate.priority.name.lower()}"
    if candidate.needs_trial and not filters.experimental:
        return "it would need a trial"
    if candidate.changes_code and "no_code_changes" in filters.constraints:
        return "it would change code"
    return None
