"""What a session that is over adds of how its results fit together: it takes the session's calls to know."""

from __future__ import annotations

from collections import Counter

from stretto.figures.result_integration import check_integration, measure_completeness
from stretto.figures.scores.slices import CONFLICT, FAILED, FINE, INTEGRATED, MICRO
from stretto.names import NONE
from stretto.store.contributions.contribution import Settling
from stretto.store.contributions.task_outcomes import over_at
from stretto.store.rollup import Additions, slot_of


def of_checks(settling: Settling) -> Additions:
    """Return what the checked fan-outs and the tasks whose end is known add, once the session is over."""
    added: Additions = Counter()
    session = settling.session
    if not settling.over or not session.tasks:
        return added
    calls = settling.whole.tool_calls
    pattern = session.pattern or NONE
    for check in check_integration(settling.fanouts, session.tasks, calls):
        if check.checked:
            result = CONFLICT if check.conflicting else INTEGRATED if check.integrated else FAILED
            added[slot_of(check.fanout.end), "checked", (pattern, result)] += 1
        if check.writes_known:
            for task in check.fanout.tasks:
                said = CONFLICT if task.id in check.conflicting else FINE
                work = (pattern, task.task_type, task.agent or NONE)
                added[slot_of(task.end or check.fanout.end), "consistent", (*work, said)] += 1
    complete = measure_completeness(
        session.tasks,
        seen={call.task for call in calls if call.task is not None},
        left_open=[call.task for call in calls if call.task is not None and call.end is None],
        tests=calls,
    )
    for task in session.tasks:
        at = over_at(task)
        if at is not None and task.id in complete:
            work = (pattern, task.task_type, task.agent or NONE)
            added[slot_of(at), "complete", work] += round(complete[task.id] * MICRO)
            added[slot_of(at), "complete_tasks", work] += 1
    return added
