"""Asking: which calls a person was asked about, and how long an agent waited for the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heappop, heappush

from stretto.model.entities import PermissionRequest, Session, ToolCall
from stretto.model.interval import Interval


@dataclass(frozen=True, slots=True)
class AskedCall:
    """A call that permission was asked for."""

    time: int
    """When, in nanoseconds since the epoch."""
    measured: bool
    """Whether its execution was measured apart from the waiting."""
    waited: Interval | None
    """From the request to the execution; None where the execution's beginning is not known."""


def find_asked_calls(session: Session) -> Mapping[str, AskedCall]:
    """Return the calls that permission was asked for, by their ids.

    A request names agent and tool, but no call. It belongs to the call of that tool by that agent that was
    open then and began to execute next, and each call to one request.
    """
    if not session.permissions:
        return {}
    agents = {task.id for task in session.tasks}
    requests: dict[tuple[str | None, str | None], list[PermissionRequest]] = {}
    for request in session.permissions:
        requests.setdefault((request.task, request.tool), []).append(request)
    calls: dict[tuple[str | None, str | None], list[ToolCall]] = {}
    for call in session.tool_calls:
        about = _get_agent_id(call.task, agents), call.tool
        if about in requests:
            calls.setdefault(about, []).append(call)
    found: dict[str, AskedCall] = {}
    for about, own in calls.items():
        found.update(_match_requests(requests[about], own))
    return found


def _match_requests(requests: list[PermissionRequest], calls: list[ToolCall]) -> dict[str, AskedCall]:
    found: dict[str, AskedCall] = {}
    coming = sorted(
        ((call.start, number) for number, call in enumerate(calls) if call.start is not None), reverse=True
    )
    # Open calls by when each begins to execute; without such a time, by when it ends.
    waiting: list[tuple[int, int]] = []
    for request in sorted(requests, key=lambda request: request.time):
        while coming and coming[-1][0] <= request.time:
            _, number = coming.pop()
            call = calls[number]
            if call.end is not None and call.duration is not None:
                heappush(waiting, (call.end - call.duration if _is_measured(call) else call.end, number))
        while waiting and waiting[0][0] < request.time:
            heappop(waiting)
        if waiting:
            begins, number = heappop(waiting)
            call = calls[number]
            measured = _is_measured(call)
            waited = Interval(request.time, begins) if measured else None
            found[call.id] = AskedCall(request.time, measured, waited)
    return found


def _is_measured(call: ToolCall) -> bool:
    """Tell whether a call's length is not just its end less its start."""
    if call.start is None or call.end is None or call.duration is None:
        return False
    return call.end - call.start != call.duration


def _get_agent_id(task_id: str | None, agents: set[str]) -> str | None:
    """Return the agent whose run a call was made in: requests do not tell runs apart."""
    if task_id is None:
        return None
    agent, _, number = task_id.rpartition("/")
    return agent if number.isdigit() and agent in agents else task_id
