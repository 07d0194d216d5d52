"""Find the bottleneck: the agent with the largest share of the critical paths, and since when it has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stretto.figures.figure import Figure
from stretto.names import OTHER

ByHour = Mapping[int, Mapping[str, int]]
"""Begin of an hour (ns since the epoch) → agent → nanoseconds on the critical paths that ended in it."""


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """The agent with the most time on the critical paths of a window's sessions."""

    agent: str
    seconds: float
    """On the critical paths."""
    share: float
    """Of all critical paths of the window, in (0, 1]."""
    since: int | None
    """Start of the unbroken series of newest hours in which it had the largest share (ns).

    Hours in which no session ended are skipped. None if another agent leads the newest hour."""


def find_bottlenecks_by_window(figures: Iterable[Figure], by_hour: ByHour) -> dict[str, Bottleneck]:
    """Return the bottleneck of each window in which a session ended, from the figures of the windows."""
    windows: dict[str, dict[str, float]] = {}
    for figure in figures:
        if figure.name == "stretto_critical_path_agent_seconds" and figure.value:
            labels = dict(figure.labels)
            windows.setdefault(labels["window"], {})[labels["agent"]] = figure.value
    by_window = {}
    for window, agents in windows.items():
        # Names beyond the budget are together the agent "other", which is no bottleneck that can be named.
        named = {agent: seconds for agent, seconds in agents.items() if agent != OTHER}
        agent = _find_largest(named or agents)
        seconds = agents[agent]
        by_window[window] = Bottleneck(
            agent, seconds, seconds / sum(agents.values()), _find_since(agent, by_hour)
        )
    return by_window


def _find_since(agent: str, by_hour: ByHour) -> int | None:
    since = None
    for hour in sorted(by_hour, reverse=True):
        if _find_largest(by_hour[hour]) != agent:
            break
        since = hour
    return since


def _find_largest(agents: Mapping[str, float]) -> str:
    """Return the agent with the most time; of equal agents the first by name."""
    return min(agents, key=lambda agent: (-agents[agent], agent))
