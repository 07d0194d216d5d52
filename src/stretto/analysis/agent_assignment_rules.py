"""Rules about agents: who should run which tasks, and together with whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from stretto.analysis.agent_effects import AgentEffect, find_agent_pairs_with_shorter_sessions, rank_agents
from stretto.analysis.recommendation import Effort, Recommendation, RecommendationKind
from stretto.analysis.rule_inputs_and_promised_gains import (
    LEAST_RATIO,
    LEVEL,
    MissingDataReason,
    RuleInputs,
    Verdict,
    recommend,
)
from stretto.analysis.session_lane_schedule import (
    simulate_span,
)
from stretto.clock import SECOND
from stretto.model.run_rows_for_analyses import TaskRun

SIDES = 2
"""The best and the worst agent are looked for: two tests."""


def _replay_ratio(inputs: RuleInputs, is_meant: Callable[[TaskRun], bool], ratio: float) -> np.ndarray:
    """Return the seconds that each session saves if the meant tasks take ``ratio`` of their time."""
    return np.array(
        [
            (
                schedule.span
                - simulate_span(
                    schedule,
                    [
                        length * (ratio if is_meant(run) else 1.0)
                        for run, length in zip(schedule.tasks, schedule.lengths, strict=True)
                    ],
                )
            )
            / SECOND
            for schedule in inputs.schedules
        ]
    )


def _rank_by_type(inputs: RuleInputs) -> dict[str, list[AgentEffect]]:
    types = sorted({run.type for run in inputs.all_tasks})
    ranked = {type_: rank_agents(inputs.all_tasks, type_) for type_ in types}
    return {type_: effects for type_, effects in ranked.items() if effects}


def advise_agent(inputs: RuleInputs) -> Verdict:
    """Recommend the best agent of a task type, or another than the worst, if it differs beyond chance."""
    ranked = _rank_by_type(inputs)
    if not ranked:
        return MissingDataReason("no two agents ran enough tasks of the same type")
    candidates: list[Recommendation] = []
    for type_, effects in ranked.items():
        best = effects[0]
        # Each type is a try, and so are the best and the worst.
        p = best.p * len(ranked) * SIDES
        if p <= LEVEL and best.ratio <= LEAST_RATIO:
            verdict = _recommend_agent(
                inputs,
                RecommendationKind.AGENT_CHOICE,
                _replay_ratio(inputs, _match_others(type_, best.agent), best.ratio),
                f"Give tasks of type {type_} to {best.agent}.",
                effect=best,
                p=p,
            )
            candidates += [verdict] if isinstance(verdict, Recommendation) else []
    overall = rank_agents(inputs.all_tasks)
    worst = overall[-1] if overall else None
    p = worst.p_longer * SIDES if worst else 1.0
    if worst and p <= LEVEL and worst.ratio >= 1 / LEAST_RATIO:
        verdict = _recommend_agent(
            inputs,
            RecommendationKind.AGENT_CHOICE,
            _replay_ratio(inputs, lambda run: run.agent == worst.agent, 1 / worst.ratio),
            f"Give the tasks of {worst.agent} to other agents.",
            effect=worst,
            p=p,
        )
        candidates += [verdict] if isinstance(verdict, Recommendation) else []
    if not candidates:
        return "no agent is better or worse than the others beyond chance"
    return max(candidates, key=lambda each: each.gain.seconds)


def advise_taking_type_from_agent(inputs: RuleInputs) -> Verdict:
    """Recommend to take a type away from an agent that runs several and is worse at this one."""
    ranked = _rank_by_type(inputs)
    kinds = Counter(effect.agent for effects in ranked.values() for effect in effects)
    general = [effect for effects in ranked.values() for effect in effects if kinds[effect.agent] > 1]
    if not general:
        return "no agent runs several types that others run too"
    overall = {effect.agent: effect for effect in rank_agents(inputs.all_tasks)}
    # An agent that is worse at everything is a matter of agent_choice.
    special = [
        effect for effect in general if effect.agent not in overall or overall[effect.agent].p_longer > LEVEL
    ]
    worst = max(special, key=lambda effect: effect.ratio, default=None)
    p = worst.p_longer * len(ranked) if worst else 1.0
    if worst is None or p > LEVEL or worst.ratio < 1 / LEAST_RATIO:
        return "no agent is worse at one of its types only, beyond chance"
    return _recommend_agent(
        inputs,
        RecommendationKind.SPECIALISATION,
        _replay_ratio(
            inputs, lambda run: (run.type, run.agent) == (worst.type, worst.agent), 1 / worst.ratio
        ),
        f"Give tasks of type {worst.type} to other agents than {worst.agent}.",
        effect=worst,
        p=p,
    )


def _recommend_agent(
    inputs: RuleInputs,
    kind: RecommendationKind,
    saved: np.ndarray,
    text: str,
    *,
    effect: AgentEffect,
    p: float,
) -> Verdict:
    """Recommend to move tasks from or to the agent of an effect; ``saved`` are seconds by session."""
    return recommend(
        inputs,
        kind,
        saved,
        text,
        _compare_in_words(effect),
        effort=Effort.LOW,
        name=effect.agent,
        confidence=1 - p,
        needs_trial=True,
    )


def _match_others(type_: str, agent: str) -> Callable[[TaskRun], bool]:
    return lambda run: run.type == type_ and run.agent not in {None, agent}


def _compare_in_words(effect: AgentEffect) -> str:
    kind = f"{effect.type} tasks" if effect.type else "tasks"
    return (
        f"its {kind} take {effect.ratio:.2f} times as long as those of the others "
        f"[{effect.low:.2f}, {effect.high:.2f}], shrunken from {effect.raw_ratio:.2f}"
    )


def advise_agents_to_team_up(inputs: RuleInputs) -> Verdict:
    """Recommend two agents whose joint sessions are shorter for the same work."""
    pairs = find_agent_pairs_with_shorter_sessions(inputs.sessions, inputs.tasks)
    if not pairs:
        return MissingDataReason("no two agents worked together in some sessions and apart in others")
    best = pairs[0]
    if best.p > LEVEL or best.ratio > LEAST_RATIO:
        return "no pair of agents is faster together beyond chance"
    apart = np.array(
        [
            len({task.agent for task in self_tasks} & {*best.agents}) == 1
            for self_tasks in (inputs.tasks.get(run.session, ()) for run in inputs.sessions)
        ]
    )
    return recommend(
        inputs,
        RecommendationKind.PAIRING,
        inputs.spans * apart * (1 - best.ratio),
        f"Let {best.agents[0]} and {best.agents[1]} work in the same sessions.",
        f"together their sessions take {best.ratio:.2f} times as long for the same work "
        f"({best.together} together, {best.apart} apart)",
        effort=Effort.MEDIUM,
        name=" + ".join(best.agents),
        confidence=1 - best.p,
        needs_trial=True,
    )
