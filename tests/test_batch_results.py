"""Results in the end of a batch: calls of which no other hook runs have their outcome."""

from __future__ import annotations

from stretto.model.event import Event, Kind, Outcome
from tests.scenes import at, conclude_scene


def event(kind: Kind, second: float, **values: object) -> Event:
    """Return a hook's event."""
    return Event(kind=kind, session="s", time=at(second), **values)  # type: ignore[arg-type]


def test_denied_and_rejected_calls_have_their_outcome_and_no_invented_length() -> None:
    """A denied call began and has no end; a call with a bad input is known by the batch alone."""
    batch = event(
        Kind.BATCH_END,
        9,
        parent="a",
        attributes={"ids": ["t1", "t2"], "results": ["denied t1 Bash", "failure t2 Read"]},
    )
    begun = event(Kind.TOOL_START, 1, id="t1", name="Bash", parent="a")
    agent = event(Kind.TASK_START, 0, id="a", name="worker")
    calls = {call.id: call for call in conclude_scene([agent, begun, batch]).tool_calls}

    denied, rejected = calls["t1"], calls["t2"]
    assert (denied.outcome, denied.start, denied.end, denied.duration) == (
        Outcome.CANCELLED,
        at(1),
        None,
        None,
    )
    assert (rejected.outcome, rejected.tool, rejected.task) == (Outcome.FAILURE, "Read", "a")
    assert (rejected.start, rejected.end, rejected.duration) == (None, at(9), None)


def test_a_call_that_ran_is_judged_by_its_end() -> None:
    """The output of a good call may be any text: its own hook is believed before the batch."""
    batch = event(Kind.BATCH_END, 9, attributes={"ids": ["t1"], "results": ["failure t1 Bash"]})
    ran = [
        event(Kind.TOOL_START, 1, id="t1", name="Bash"),
        event(Kind.TOOL_END, 2, id="t1", name="Bash", outcome=Outcome.SUCCESS),
    ]

    for events in ([*ran, batch], [batch, *ran]):
        (call,) = conclude_scene(events).tool_calls
        assert (call.outcome, call.duration) == (Outcome.SUCCESS, 1_000_000_000)
