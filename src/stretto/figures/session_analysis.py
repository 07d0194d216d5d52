"""Analyse a session: its wall time by part, critical path, slack, efficiency and what-ifs, also as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from stretto.clock import SECOND, to_rfc3339
from stretto.figures.critical_path import (
    CriticalPath,
    PathPiece,
    Slack,
    compute_slack,
    find_critical_path,
    measure_fanout_path_length,
)
from stretto.figures.efficiency_tree import (
    EfficiencyNode,
    EfficiencyTree,
    build_efficiency_tree,
    measure_efficiency,
)
from stretto.figures.elapsed_time_with_faster_task import simulate_fanout_elapsed, simulate_session_elapsed
from stretto.figures.fanouts import Fanout
from stretto.figures.wall_time_parts import WallPart, split_wall_time, sum_wall_parts
from stretto.figures.work_tree import Stretch, WorkerKind, build_work_tree
from stretto.model.entities import Session
from stretto.model.interval import Interval

FASTER_FACTOR = 0.8
"""The what-ifs give tasks of the critical path this share of their time."""

MOST_WHAT_IFS = 10
"""Number of tasks with a what-if: those with the largest parts of the critical path."""

WHAT_IFS_OF_PAGE = 3
"""Those of them that a page shows."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The elapsed time if a task had taken a factor of its time. Lengths are nanoseconds."""

    task: str
    factor: float
    elapsed: int
    """The session's elapsed time as it was."""
    would_be: int
    fanout_elapsed: int | None
    """The elapsed time of the task's fan-out as it was; None if it was in none."""
    fanout_would_be: int | None


@dataclass(frozen=True, slots=True)
class SessionAnalysis:
    """The analysis of a session."""

    wall: Mapping[WallPart, int]
    """Nanoseconds by part; up to the last event while the session runs."""
    path: CriticalPath | None
    """None while the session runs."""
    slack: Slack
    efficiency: EfficiencyTree | None
    """None without a finished fan-out."""
    wall_parts: tuple[tuple[Interval, WallPart], ...]
    """The wall time by start, as intervals with their part."""
    work_tree: Stretch
    fanouts: tuple[Fanout, ...]

    def simulate_what_ifs(self, most: int = MOST_WHAT_IFS) -> Iterator[WhatIf]:
        """Yield the tasks with the largest parts of the path, each at ``FASTER_FACTOR`` of its time."""
        largest = self.path.by_task.most_common(most) if self.path else []
        for task_id, _ in largest:
            what_if = simulate_task_factor(self.work_tree, self.fanouts, task_id, FASTER_FACTOR)
            if what_if is not None:
                yield what_if


def build_session_analysis(session: Session, fanouts: Iterable[Fanout]) -> SessionAnalysis:
    """Return the analysis of a session with these finished fan-outs."""
    root = build_work_tree(session)
    return analyse_work_tree(
        session,
        fanouts,
        root,
        path=find_critical_path(session, root),
        slack=compute_slack(root),
        wall_parts=tuple(split_wall_time(session, root)),
    )


def analyse_work_tree(
    session: Session,
    fanouts: Iterable[Fanout],
    root: Stretch,
    *,
    path: CriticalPath | None,
    slack: Slack,
    wall_parts: tuple[tuple[Interval, WallPart], ...],
) -> SessionAnalysis:
    """Return the analysis of a session of which these were computed already."""
    finished = tuple(fanouts)
    return SessionAnalysis(
        sum_wall_parts(wall_parts),
        path,
        slack,
        build_efficiency_tree(session, finished),
        wall_parts,
        root,
        finished,
    )


def simulate_task_factor(
    root: Stretch, fanouts: Iterable[Fanout], task_id: str, factor: float
) -> WhatIf | None:
    """Return the elapsed times with a task at a factor of its time; None if its length is unknown.

    ``root`` is the session's work tree. Raises ValueError unless the factor is a positive number.
    """
    would_be = simulate_session_elapsed(root, task_id, factor)
    if would_be is None:
        return None
    fanout = next((f for f in fanouts if any(task.id == task_id for task in f.tasks)), None)
    return WhatIf(
        task=task_id,
        factor=factor,
        elapsed=root.length,
        would_be=would_be,
        fanout_elapsed=fanout.elapsed if fanout else None,
        fanout_would_be=simulate_fanout_elapsed(fanout, task_id, factor) if fanout else None,
    )


def build_analysis_document(
    analysis: SessionAnalysis, tasks: AbstractSet[str] | None = None
) -> dict[str, Any]:
    """Return the analysis as keys of the session's JSON document.

    For a page with these ``tasks`` the rows of other tasks, the pieces of the path and most of the what-ifs
    are left out.
    """
    return {
        "wall_time": {part.value: length / SECOND for part, length in analysis.wall.items()},
        "critical_path": None
        if analysis.path is None
        else {
            **_build_path(analysis.path, analysis, tasks),
            **({"pieces": [_build_piece(piece) for piece in analysis.path.pieces]} if tasks is None else {}),
        },
        "efficiency": None
        if analysis.efficiency is None
        else {
            **_build_node(analysis.efficiency.session),
            "phases": {name: _build_node(node) for name, node in analysis.efficiency.phases.items()},
        },
    }


def build_added_fanout_keys(fanout: Fanout) -> dict[str, Any]:
    """Return the keys that the analysis adds to a fan-out's JSON document."""
    return {
        "critical_path_seconds": measure_fanout_path_length(fanout) / SECOND,
        "lost_seconds": _build_lost(measure_efficiency(fanout)),
    }


def build_what_if_document(what_if: WhatIf) -> dict[str, Any]:
    """Return a what-if as JSON."""
    return {
        "task": what_if.task,
        "factor": what_if.factor,
        "elapsed_seconds": what_if.elapsed / SECOND,
        "would_be_seconds": what_if.would_be / SECOND,
        "fanout_elapsed_seconds": _to_seconds(what_if.fanout_elapsed),
        "fanout_would_be_seconds": _to_seconds(what_if.fanout_would_be),
    }


def _build_path(
    path: CriticalPath, analysis: SessionAnalysis, tasks: AbstractSet[str] | None
) -> dict[str, Any]:
    slack = analysis.slack
    task_lengths, task_slack = path.by_task, slack.tasks
    if tasks is not None:
        task_lengths = Counter({id: length for id, length in task_lengths.items() if id in tasks})
        task_slack = {id: length for id, length in task_slack.items() if id in tasks}
    what_ifs = analysis.simulate_what_ifs(MOST_WHAT_IFS if tasks is None else WHAT_IFS_OF_PAGE)
    return {
        "seconds": path.length / SECOND,
        "elapsed_seconds": path.elapsed / SECOND,
        "agents": _build_shares(path, "agent", path.by_agent, slack.agents),
        "task_types": _build_shares(path, "task_type", path.by_task_type, slack.task_types),
        "tools": _build_shares(path, "tool", path.by_tool, slack.tools),
        "tasks": _build_shares(path, "id", task_lengths, task_slack),
        "faster": [build_what_if_document(what_if) for what_if in what_ifs],
    }


def _build_shares(
    path: CriticalPath, key: str, lengths: Mapping[str, int], slack: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Return rows for all on the path, the longest first, then for all beside it, the least slack first."""
    not_on_path = sorted((length, name) for name, length in slack.items() if name not in lengths)
    path_length = path.length
    return [
        {
            key: name,
            "seconds": length / SECOND,
            "share": length / path_length,
            "slack_seconds": _to_seconds(slack.get(name)),
        }
        for name, length in sorted(lengths.items(), key=lambda item: (-item[1], item[0]))
    ] + [
        {key: name, "seconds": 0.0, "share": 0.0, "slack_seconds": length / SECOND}
        for length, name in not_on_path
    ]


def _build_piece(piece: PathPiece) -> dict[str, Any]:
    return {
        "start": to_rfc3339(piece.start),
        "seconds": piece.length / SECOND,
        "agent": piece.agent,
        "task": piece.task.id if piece.task else None,
        "tool": piece.name if piece.worker is WorkerKind.TOOL else None,
        "model": piece.name if piece.worker is WorkerKind.MODEL else None,
    }


def _build_node(node: EfficiencyNode) -> dict[str, Any]:
    factors = {factor.value: share for factor, share in node.factors.items()}
    return {
        "fanouts": node.fanouts,
        "elapsed_seconds": node.elapsed / SECOND,
        "tasks": node.tasks,
        "delivered": node.delivered,
        "work_seconds": node.work / SECOND,
        "delivered_work_seconds": node.delivered_work / SECOND,
        "capacity_seconds": node.capacity / SECOND,
        "efficiency": node.efficiency,
        **factors,
        "lost_seconds": _build_lost(node),
    }


def _build_lost(node: EfficiencyNode) -> dict[str, float]:
    return {factor.value: length / SECOND for factor, length in node.lost.items()}


def _to_seconds(length: int | None) -> float | None:
    return None if length is None else length / SECOND
