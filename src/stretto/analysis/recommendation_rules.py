"""The rules of recommendations: each reads evidence from a pattern's sessions and promises an effect.

A rule returns a recommendation, or the reason why there is none. Promises are what-if replays of the sessions
that ran, so they hold for work like theirs. A promise's limits are those of a week measured after the change:
the scatter of the sessions is in them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stretto.analysis.agent_assignment_rules import (
    advise_agent,
    advise_agents_to_team_up,
    advise_taking_type_from_agent,
)
from stretto.analysis.recommendation import Recommendation, RecommendationKind
from stretto.analysis.resource_rules import (
    advise_fewer_agents_for_busy_processors,
    advise_more_memory,
    advise_staggered_starts,
    explain_no_cores_advice,
    explain_no_disk_advice,
)
from stretto.analysis.rule_inputs_and_promised_gains import (
    FEWEST_SESSIONS,
    MissingDataReason,
    RuleInputs,
    Verdict,
)
from stretto.analysis.workflow_rules import (
    advise_balance,
    advise_batching,
    advise_closing_gaps,
    advise_parallelism,
    advise_planned_width,
    advise_relieving_last_agent,
    explain_why_chains_are_not_advised,
)

RULES: Mapping[RecommendationKind, Callable[[RuleInputs], Verdict]] = {
    RecommendationKind.UNBALANCED_AGENTS: advise_relieving_last_agent,
    RecommendationKind.LOAD_BALANCE: advise_balance,
    RecommendationKind.POOL_SIZE: advise_planned_width,
    RecommendationKind.MISSED_PARALLELISM: advise_parallelism,
    RecommendationKind.DEPENDENCY_CHAINS: explain_why_chains_are_not_advised,
    RecommendationKind.PHASE_STRUCTURE: advise_closing_gaps,
    RecommendationKind.BATCHING: advise_batching,
    RecommendationKind.SPECIALISATION: advise_taking_type_from_agent,
    RecommendationKind.AGENT_CHOICE: advise_agent,
    RecommendationKind.PAIRING: advise_agents_to_team_up,
    RecommendationKind.CPU_BOUND: advise_fewer_agents_for_busy_processors,
    RecommendationKind.CORES: explain_no_cores_advice,
    RecommendationKind.MEMORY_BOUND: advise_more_memory,
    RecommendationKind.MEMORY_STRATEGY: advise_staggered_starts,
    RecommendationKind.IO_BOUND: explain_no_disk_advice,
    RecommendationKind.STORAGE: explain_no_disk_advice,
}


NEVER_ADVISED = frozenset(
    {
        RecommendationKind.DEPENDENCY_CHAINS,
        RecommendationKind.CORES,
        RecommendationKind.IO_BOUND,
        RecommendationKind.STORAGE,
    }
)
"""The kinds whose rules only explain why nothing is advised: they look for nothing."""


def apply_rules(inputs: RuleInputs) -> tuple[list[Recommendation], dict[RecommendationKind, str]]:
    """Return the recommendations of all rules, and for each kind without one the reason."""
    found: list[Recommendation] = []
    reasons: dict[RecommendationKind, str] = {}
    count = int((inputs.spans > 0).sum()) if inputs.sessions else 0
    for kind, rule in RULES.items():
        verdict: Verdict = (
            MissingDataReason(f"{count} sessions with tasks, {FEWEST_SESSIONS} are needed")
            if count < FEWEST_SESSIONS
            else rule(inputs)
        )
        if isinstance(verdict, str):
            reasons[kind] = verdict
        else:
            found.append(verdict)
    return found, reasons
