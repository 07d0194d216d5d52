"""Sums of a whole session, once it is over: its critical path, slack, wall time and workflow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from stretto.figures.sessions_against_configured_hours import MILLION, measure_workflow
from stretto.figures.wall_time_parts import WallPart
from stretto.model.entities import Session
from stretto.names import measures
from stretto.store.contributions.contribution import SessionContext
from stretto.store.sums_by_time_slot import Additions, find_slot_number


def add_up_whole_session(context: SessionContext) -> Additions:
    """Return the sums of a session that is over; nothing while it runs, since it takes all of its calls."""
    added: Additions = Counter()
    if not context.over:
        return added
    session = context.whole
    slot = find_slot_number(session.last if session.end is None else session.end)
    wall = context.wall_time
    for part, length in wall.items():
        added[slot, measures.WALL, (part.value,)] = length
    _add_workflow(added, slot, session, wall)
    path = context.critical_path
    if path is not None:
        added[slot, measures.CRITICAL_PATH, ()] = path.length
        for measure, lengths in (
            (measures.CRITICAL_PATH_AGENT, path.by_agent),
            (measures.CRITICAL_PATH_TASK_TYPE, path.by_task_type),
            (measures.CRITICAL_PATH_TOOL, path.by_tool),
        ):
            for name, length in lengths.items():
                added[slot, measure, (name,)] = length
        slack = context.slack
        for measure, sessions_measure, least_slack in (
            (measures.SLACK_AGENT, measures.SLACK_AGENT_SESSIONS, slack.agents),
            (measures.SLACK_TASK_TYPE, measures.SLACK_TASK_TYPE_SESSIONS, slack.task_types),
            (measures.SLACK_TOOL, measures.SLACK_TOOL_SESSIONS, slack.tools),
        ):
            for name, length in least_slack.items():
                if length:
                    added[slot, measure, (name,)] = length
                added[slot, sessions_measure, (name,)] = 1
    return added


def _add_workflow(added: Additions, slot: int, session: Session, wall: Mapping[WallPart, int]) -> None:
    run = measure_workflow(session, wall)
    if session.pattern is None or run is None:
        return
    added[slot, measures.WORKFLOW_SESSIONS, (session.pattern,)] = 1
    if run.delivered:
        added[slot, measures.WORKFLOW_SHARE, (session.pattern,)] = round(run.share * MILLION)
    if run.elapsed:
        added[slot, measures.WORKFLOW_ELAPSED, (session.pattern,)] = run.elapsed
