"""Find the calls that a person was asked about, and how long the agent waited for the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heappop, heappush

from stretto.model.entities import PermissionRequest, Session, ToolCall
from stretto.model.interval import Interval


@dataclass(frozen=True, slots=True)
class AskedCall:
    """A tool call that needed a person's permission."""

    time: int
    """When permission was requested, in nanoseconds since the epoch."""
    is_measured: bool
    """Whether its execution was measured without the waiting."""
    wait: Interval | None
    """From the request to the execution; None if the start of the execution is unknown."""


def find_asked_calls(session: Session) -> Mapping[str, AskedCall]:
    """Return the calls that needed a person's permission, by call id.

    A request names agent and tool, but no call. It is matched with the call of that tool by that agent that
    was open at the time and executed next. Each call has at most a single request.
    """
    if not session.permissions:
        return {}
    agents = {task.id for task in session.tasks}
    requests: dict[tuple[str | None, str | None], list[PermissionRequest]] = {}
    for request in session.permissions:
        requests.setdefault((request.task, request.tool), []).append(request)
    calls: dict[tuple[str | None, str | None], list[ToolCall]] = {}
    for call in session.tool_calls:
        key = _get_agent_id(call.task, agents), call.tool
        if key in requests:
            calls.setdefault(key, []).append(call)
    asked: dict[str, AskedCall] = {}
    for key, calls_of_key in calls.items():
        asked.update(index_asked_calls_by_id(requests[key], calls_of_key))
    return asked


def index_asked_calls_by_id(requests: list[PermissionRequest], calls: list[ToolCall]) -> dict[str, AskedCall]:
    """Return the calls, of one tool by one agent, that a person was asked about, by call id."""
    asked: dict[str, AskedCall] = {}
    upcoming = sorted(
        ((call.start, number) for number, call in enumerate(calls) if call.start is not None), reverse=True
    )
    # A heap of open calls by execution start; by end if that start is unknown. Example: of calls open at 5 s
    # that execute at 7 s and 9 s, the first is matched with a request at 6 s, the second with that at 8 s.
    open_calls: list[tuple[int, int]] = []
    for request in sorted(requests, key=lambda request: request.time):
        while upcoming and upcoming[-1][0] <= request.time:
            _, number = upcoming.pop()
            call = calls[number]
            if call.end is not None and call.duration is not None:
                heappush(open_calls, (call.end - call.duration if _is_measured(call) else call.end, number))
        while open_calls and open_calls[0][0] < request.time:
            heappop(open_calls)
        if open_calls:
            execution_start, number = heappop(open_calls)
            call = calls[number]
            is_measured = _is_measured(call)
            wait = Interval(request.time, execution_start) if is_measured else None
            asked[call.id] = AskedCall(request.time, is_measured, wait)
    return asked


def _is_measured(call: ToolCall) -> bool:
    """Return whether the call's duration was measured, that is, differs from its end less its start."""
    if call.start is None or call.end is None or call.duration is None:
        return False
    return call.end - call.start != call.duration


def _get_agent_id(task_id: str | None, agents: set[str]) -> str | None:
    """Return the agent of a run's task id: requests do not distinguish the runs of an agent."""
    if task_id is None:
        return None
    agent, _, number = task_id.rpartition("/")
    return agent if number.isdigit() and agent in agents else task_id
