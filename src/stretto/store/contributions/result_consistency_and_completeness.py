"""Sums of result checks: whether the results of parallel tasks fit together, and how complete tasks are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from stretto.figures.fanout_conflict_and_test_checks import (
    IntegrationCheck,
    find_phase_of_task,
    measure_completeness,
)
from stretto.figures.scores.sums_by_pattern_type_or_agent import CONFLICT, FAILED, FINE, INTEGRATED, MICRO
from stretto.model.entities import Phase
from stretto.model.event import Outcome
from stretto.model.phases_messages_and_scores_from_facts import conclude_phases
from stretto.names import NONE, measures
from stretto.store.contributions.contribution import SessionContext, find_counted_slot
from stretto.store.sums_by_time_slot import Additions, find_slot_number


def add_up_fanout_checks_and_known_ends(context: SessionContext) -> Additions:
    """Return the sums of checked fan-outs, of tasks with a known end and of their calls.

    Nothing while the session runs.
    """
    added: Additions = Counter()
    session = context.session
    if not context.over or not session.tasks:
        return added
    calls = context.whole.tool_calls
    pattern = session.pattern or NONE
    phases = conclude_phases(context.facts, closed=context.closed)
    for check in context.integration_checks:
        if check.checked:
            result = CONFLICT if check.conflicting else INTEGRATED if check.integrated else FAILED
            added[find_slot_number(check.fanout.end), measures.CHECKED, (pattern, result)] += 1
            for phase in _list_phases(check, phases):
                added[find_slot_number(check.fanout.end), measures.CHECKED_IN_PHASE, (phase, result)] += 1
        if check.writes_known:
            for task in check.fanout.tasks:
                result = CONFLICT if task.id in check.conflicting else FINE
                dims = (pattern, task.task_type, task.agent or NONE, result)
                added[find_slot_number(task.end or check.fanout.end), measures.CONSISTENT, dims] += 1
    complete = measure_completeness(
        session.tasks,
        calls_known={call.task for call in calls if call.task is not None},
        left_open=[call.task for call in calls if call.task is not None and call.end is None],
        tests=calls,
    )
    agents = {task.id: task.agent or NONE for task in session.tasks}
    # Counted in one go: a session has many calls, and few distinct keys.
    calls_of_agents = Counter(
        [
            (called_in, agents[call.task], call.outcome if call.end is not None else None)
            for call in calls
            if call.task in agents and (called_in := find_counted_slot(call)) is not None
        ]
    )
    for (slot, agent, outcome), count in calls_of_agents.items():
        of_agent = (agent, (outcome or Outcome.UNKNOWN).value)
        added[slot, measures.AGENT_CALLS, of_agent] += count
    for task in session.tasks:
        counted_in = find_counted_slot(task)
        if counted_in is not None and task.id in complete:
            work = (pattern, task.task_type, task.agent or NONE)
            added[counted_in, measures.COMPLETE, work] += round(complete[task.id] * MICRO)
            added[counted_in, measures.COMPLETE_TASKS, work] += 1
    return added


def _list_phases(check: IntegrationCheck, phases: Sequence[Phase]) -> set[str]:
    """Return the phases that the conflicting tasks of a fan-out worked in; without a conflict those of all.

    A session without phases has none. Example: of tasks in ``build`` those in conflict give ``build``.
    """
    tasks = [task for task in check.fanout.tasks if not check.conflicting or task.id in check.conflicting]
    names = {find_phase_of_task(task, phases) for task in tasks}
    return set() if names == {None} and not phases else {name or NONE for name in names}
