"""The rules of recommendations: each reads evidence from a pattern's sessions and promises an effect.

A rule returns a recommendation, or the reason why there is none. Promises are what-if replays of the sessions
that ran, so they hold for work like theirs. A promise's limits are those of a week measured after the change:
the scatter of the sessions is in them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stretto.analysis.agent_assignment_rules import advise_agent, advise_pairing, advise_specialisation
from stretto.analysis.recommendation import Recommendation, RecommendationKind
from stretto.analysis.resource_rules import (
    advise_cores,
    advise_memory,
    advise_memory_strategy,
    advise_processors,
    explain_no_disk_advice,
)
from stretto.analysis.rule_inputs_and_promised_gains import FEWEST_SESSIONS, RuleInputs, Verdict
from stretto.analysis.workflow_rules import (
    advise_balance,
    advise_batching,
    advise_chains,
    advise_closing_gaps,
    advise_parallelism,
    advise_pool,
    advise_unbalanced,
)

RULES: Mapping[RecommendationKind, Callable[[RuleInputs], Verdict]] = {
    RecommendationKind.UNBALANCED_AGENTS: advise_unbalanced,
    RecommendationKind.LOAD_BALANCE: advise_balance,
    RecommendationKind.POOL_SIZE: advise_pool,
    RecommendationKind.MISSED_PARALLELISM: advise_parallelism,
    RecommendationKind.DEPENDENCY_CHAINS: advise_chains,
    RecommendationKind.PHASE_STRUCTURE: advise_closing_gaps,
    RecommendationKind.BATCHING: advise_batching,
    RecommendationKind.SPECIALISATION: advise_specialisation,
    RecommendationKind.AGENT_CHOICE: advise_agent,
    RecommendationKind.PAIRING: advise_pairing,
    RecommendationKind.CPU_BOUND: advise_processors,
    RecommendationKind.CORES: advise_cores,
    RecommendationKind.MEMORY_BOUND: advise_memory,
    RecommendationKind.MEMORY_STRATEGY: advise_memory_strategy,
    RecommendationKind.IO_BOUND: explain_no_disk_advice,
    RecommendationKind.STORAGE: explain_no_disk_advice,
}


def apply_rules(inputs: RuleInputs) -> tuple[list[Recommendation], dict[RecommendationKind, str]]:
    """Return the recommendations of all rules, and for each kind without one the reason."""
    found: list[Recommendation] = []
    reasons: dict[RecommendationKind, str] = {}
    count = int((inputs.spans > 0).sum()) if inputs.sessions else 0
    for kind, rule in RULES.items():
        verdict: Verdict = (
            f"{count} sessions with tasks, {FEWEST_SESSIONS} are needed"
            if count < FEWEST_SESSIONS
            else rule(inputs)
        )
        if isinstance(verdict, str):
            reasons[kind] = verdict
        else:
            found.append(verdict)
    return found, reasons
