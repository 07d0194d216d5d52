"""What a session adds once it is over and can be seen whole: its critical path and its wall time."""

from __future__ import annotations

from collections import Counter

from stretto.figures.critical_path import compute_slack, find_critical_path
from stretto.figures.wall_time import measure_wall_time
from stretto.figures.work_tree import build_work_tree
from stretto.store.contributions.contribution import Settling
from stretto.store.rollup import Additions, slot_of


def of_whole(settling: Settling) -> Additions:
    """Return what the session adds; nothing while it runs, so that no call is concluded batch by batch."""
    added: Additions = Counter()
    if not settling.over:
        return added
    session = settling.whole
    root = build_work_tree(session)
    slot = slot_of(session.last if session.end is None else session.end)
    for part, length in measure_wall_time(session, root).items():
        added[slot, "wall", (part.value,)] = length
    path = find_critical_path(session, root)
    if path is not None:
        added[slot, "critical_path", ()] = path.length
        for label, lengths in (
            ("agent", path.sum_by_agent()),
            ("task_type", path.sum_by_task_type()),
            ("tool", path.sum_by_tool()),
        ):
            for value, length in lengths.items():
                added[slot, f"critical_path_{label}", (value,)] = length
        slack = compute_slack(root)
        for label, least in (
            ("agent", slack.agents),
            ("task_type", slack.task_types),
            ("tool", slack.tools),
        ):
            for value, length in least.items():
                if length:
                    added[slot, f"slack_{label}", (value,)] = length
                added[slot, f"slack_{label}_sessions", (value,)] = 1
    return added
