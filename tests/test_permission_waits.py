from __future__ import annotations

from hypothesis import given

from stretto.model.entities import PermissionRequest, Session, ToolCall
from stretto.model.event import Outcome
from stretto.model.interval import Interval
from stretto.model.permission_waits import AskedCall, find_asked_calls
from tests.schedules import call, session, sessions_at_random, task


def request(time: int, tool: str = "Bash", agent: str | None = None) -> PermissionRequest:
    """Return a request for permission."""
    return PermissionRequest(time, agent, tool)


def test_a_request_waits_until_its_call_executes() -> None:
    """The execution was measured as the last 4 of the call, so the person took 5."""
    found = find_asked_calls(session(tool_calls=(call("c", 5, 15, 4),), permissions=(request(6),)))
    assert found == {"c": AskedCall(6, is_measured=True, wait=Interval(6, 11))}


def test_without_a_measured_execution_the_wait_is_unknown() -> None:
    """The request is reported without a waiting time."""
    found = find_asked_calls(session(tool_calls=(call("c", 5, 15),), permissions=(request(6),)))
    assert found == {"c": AskedCall(6, is_measured=False, wait=None)}


def test_two_requests_are_two_calls() -> None:
    """Each request belongs to the call that executed next and has no request yet."""
    calls = (call("a", 5, 30, 10), call("b", 5, 15, 4), call("c", 5, 40, 2))
    found = find_asked_calls(session(tool_calls=calls, permissions=(request(6), request(7))))
    assert {name: one.wait for name, one in found.items()} == {"b": Interval(6, 11), "a": Interval(7, 20)}


def test_a_request_is_only_about_that_tool_of_that_agent_while_it_is_open() -> None:
    """Another tool, another agent, a call not begun, executing already or without an end: none of them."""
    calls = (
        call("tool", 0, 30, 5, tool="Read"),
        call("agent", 0, 30, 5, task="a"),
        call("later", 11, 30, 5),
        call("executing", 0, 14, 5),
        ToolCall("lost", "Bash", None, 0, None, None, None, Outcome.UNKNOWN),
    )
    assert find_asked_calls(session(tool_calls=calls, permissions=(request(10),))) == {}


def test_an_agent_is_asked_about_in_any_of_its_runs() -> None:
    """A request names the agent, a call the run."""
    tasks = (task("a", 0, 10), task("a/2", 20, 50))
    drawn = session(
        tasks=tasks, tool_calls=(call("c", 25, 40, 5, task="a/2"),), permissions=(request(30, agent="a"),)
    )
    assert find_asked_calls(drawn)["c"].wait == Interval(30, 35)


def test_without_requests_nothing_was_asked() -> None:
    """Most sessions have none."""
    assert find_asked_calls(session(tool_calls=(call("c", 5, 15, 4),))) == {}


@given(sessions_at_random())
def test_what_was_waited_lies_between_the_edges_of_a_call(drawn: Session) -> None:
    """The waiting ends when the call executes; there are at most as many waits as requests."""
    found = find_asked_calls(drawn)
    calls = {one.id: one for one in drawn.tool_calls}
    assert len(found) <= len(drawn.permissions)
    for name, one in found.items():
        start, end = calls[name].start or 0, calls[name].end or 0
        assert start <= one.time <= end
        if one.wait is not None:
            assert (one.wait.start, one.wait.end) == (one.time, end - (calls[name].duration or 0))
