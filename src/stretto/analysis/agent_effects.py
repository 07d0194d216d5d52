"""Compare agents on the same task types: whose tasks are shorter beyond chance, shrunken towards the rest.

The best of many agents is the best partly by luck and falls back later. So each agent's mean is drawn towards
the mean of all by as much as chance explains the differences, and it counts as better only after a correction
for the number of agents.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from stretto.analysis.session_holdups import find_median_length_by_type
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun

FEWEST_TASKS = 5
"""Fewest sessions with tasks of an agent that are compared."""
LEVEL = 0.05
DISTINCT = 2


@dataclass(frozen=True, slots=True)
class AgentEffect:
    """How an agent's tasks compare with those of the others, of the same types."""

    agent: str
    type: str | None
    """None over all types."""
    sessions: int
    ratio: float
    """Length / length of the others, shrunken towards 1."""
    low: float
    high: float
    raw_ratio: float
    """Not shrunken."""
    p: float
    """That it is shorter, corrected for the number of agents."""
    p_longer: float
    """That it is longer, corrected likewise."""


def rank_agents(tasks: Sequence[TaskRun], type_: str | None = None) -> list[AgentEffect]:
    """Return the agents' effects, the shortest first; those with few tasks are left out.

    With a type only its tasks count; without, each agent's tasks are compared within their types. A session
    counts once per agent.
    """
    logs = [
        (run.agent, run.session, run.type, math.log(run.length))
        for run in tasks
        if run.agent and run.length and run.is_delivered and type_ in {None, run.type}
    ]
    values = _average_by_session(logs)
    known = {agent: group for agent, group in values.items() if len(group) >= FEWEST_TASKS}
    if len(known) < DISTINCT:
        return []
    names = sorted(known)
    means = np.array([float(np.mean(known[name])) for name in names])
    freedom = sum(len(group) - 1 for group in known.values())
    pooled = sum(float(np.var(known[name])) * len(known[name]) for name in names) / freedom
    if pooled <= 0:
        return []
    errors = np.array([pooled / len(known[name]) for name in names])
    center = float(np.average(means, weights=1 / errors))
    # Variance between agents beyond chance (DerSimonian and Laird, 1986).
    weights = 1 / errors
    excess = float((weights * (means - center) ** 2).sum()) - (len(names) - 1)
    between = max(0.0, excess / float(weights.sum() - (weights**2).sum() / weights.sum()))
    effects = []
    for place, name in enumerate(names):
        others = np.delete(np.arange(len(names)), place)
        other = float(np.average(means[others], weights=weights[others]))
        difference = float(means[place]) - other
        error = math.sqrt(float(errors[place]) + 1 / float(weights[others].sum()))
        keep = between / (between + float(errors[place]))
        half = math.sqrt(keep) * error * -float(special.stdtrit(freedom, LEVEL / 2))
        p = float(special.stdtr(freedom, difference / error)) if error else 1.0
        effects.append(
            AgentEffect(
                agent=name,
                type=type_,
                sessions=len(known[name]),
                ratio=math.exp(keep * difference),
                low=math.exp(keep * difference - half),
                high=math.exp(keep * difference + half),
                raw_ratio=math.exp(difference),
                p=min(1.0, p * len(names)),
                p_longer=min(1.0, (1 - p) * len(names)),
            )
        )
    return sorted(effects, key=lambda effect: (effect.ratio, effect.raw_ratio))


@dataclass(frozen=True, slots=True)
class PairEffect:
    """How sessions in which two agents both worked compare with those in which only one of them did."""

    agents: tuple[str, str]
    together: int
    apart: int
    ratio: float
    """Session length per usual work, together / apart, shrunken by half its error."""
    low: float
    high: float
    p: float
    """Adjusted for the number of pairs."""


def find_agent_pairs_with_shorter_sessions(
    sessions: Sequence[SessionRun], tasks: Mapping[str, Sequence[TaskRun]]
) -> list[PairEffect]:
    """Return the pairs of agents whose joint sessions are shorter for the same work, the shortest first."""
    usual = find_median_length_by_type(itertools.chain.from_iterable(tasks.values()))
    rows: list[tuple[set[str], float]] = []
    for run in sessions:
        group = [task for task in tasks.get(run.session, ()) if task.length and task.is_delivered]
        work = sum(usual.get(task.type, 0.0) for task in group)
        elapsed = run.elapsed or sum(task.length or 0 for task in group)
        if work and elapsed:
            rows.append(({task.agent for task in group if task.agent}, math.log(elapsed / work)))
    agents = sorted({agent for names, _ in rows for agent in names})
    found: list[tuple[tuple[str, str], list[float], list[float], float]] = []
    for pair in itertools.combinations(agents, 2):
        together = [value for names, value in rows if names.issuperset(pair)]
        apart = [value for names, value in rows if len(names.intersection(pair)) == 1]
        if min(len(together), len(apart)) >= FEWEST_TASKS and np.ptp([*together, *apart]) > 0:
            p = float(stats.ttest_ind(together, apart, equal_var=False).pvalue)
            found.append((pair, together, apart, 1.0 if math.isnan(p) else p))
    if not found:
        return []
    adjusted = stats.false_discovery_control([p for *_, p in found])
    effects = []
    for (pair, together, apart, _), p in zip(found, adjusted, strict=True):
        difference = float(np.mean(together) - np.mean(apart))
        error = math.sqrt(np.var(together, ddof=1) / len(together) + np.var(apart, ddof=1) / len(apart))
        shrunken = difference * difference**2 / (difference**2 + error**2) if difference else 0.0
        effects.append(
            PairEffect(
                pair, len(together), len(apart), math.exp(shrunken), math.exp(shrunken - 1.96 * error),
                math.exp(shrunken + 1.96 * error), float(p),
            )
        )  # fmt: skip
    return sorted(effects, key=lambda effect: effect.ratio)


def _average_by_session(logs: Sequence[tuple[str, str, str, float]]) -> dict[str, list[float]]:
    """Return by agent the mean of each of its sessions, each task less the level of its type.

    The level of a type is the mean over agents of their means, so that who ran it most does not set it.
    """
    by_type: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for agent, _, type_, value in logs:
        by_type[type_][agent].append(value)
    shared = {
        type_: float(np.mean([np.mean(group) for group in agents.values()]))
        for type_, agents in by_type.items()
        if len(agents) >= DISTINCT
    }
    sessions: dict[tuple[str, str], list[float]] = defaultdict(list)
    for agent, session, type_, value in logs:
        if type_ in shared:
            sessions[agent, session].append(value - shared[type_])
    averages: dict[str, list[float]] = defaultdict(list)
    for (agent, _), group in sessions.items():
        averages[agent].append(float(np.mean(group)))
    return averages
