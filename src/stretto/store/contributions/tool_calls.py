"""What a tool call adds to the sums."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from stretto.figures.quantile_sketch import find_bucket
from stretto.model.entities import TestRun, ToolCall
from stretto.model.event import Outcome
from stretto.model.facts import DELEGATING_TOOLS
from stretto.names import NONE
from stretto.store.rollup import Addition, Amount, slot_of


def of_call(call: ToolCall) -> tuple[Addition, ...]:
    """Return what a tool call adds: nothing while it runs."""
    at = call.end if call.end is not None else call.start
    if call.outcome is Outcome.RUNNING or at is None:
        return ()
    tool = call.tool or NONE
    duration = None if call.duration is None or tool in DELEGATING_TOOLS else find_bucket(call.duration)
    overhead = None if call.overhead is None else find_bucket(call.overhead)
    outcome = call.outcome if call.end is not None else None
    return _of_call(slot_of(at), tool, outcome, duration, overhead)


def amounts_of_call(call: ToolCall) -> tuple[Amount, ...]:
    """Return what a tool call adds that is more than counts: its time, and the tests that it ran."""
    at = call.end if call.end is not None else call.start
    if call.outcome is Outcome.RUNNING or at is None:
        return ()
    slot, found = slot_of(at), []
    if call.duration and call.tool not in DELEGATING_TOOLS:
        found.append((_tool_seconds(slot), call.duration))
    if call.tests is not None:
        found += _tests(slot, call, call.tests)
    return tuple(found)


@lru_cache(maxsize=256)
def _tool_seconds(slot: int) -> Addition:
    # Shared by all calls of a slot, as below.
    return (slot, "tool_seconds", ())


def _tests(slot: int, call: ToolCall, tests: TestRun) -> Iterator[Amount]:
    yield (slot, "test_runs", (tests.framework, tests.conclude_outcome(call.outcome).value)), 1
    for result, count in (("passed", tests.passed), ("failed", tests.failed)):
        if count:
            yield (slot, "tests", (tests.framework, result)), count
    if call.duration is not None:
        yield (slot, "test_run_time", (tests.framework, find_bucket(call.duration))), 1
        if call.duration:
            yield (slot, "test_seconds", ()), call.duration


@lru_cache(maxsize=2_048)
def _of_call(
    slot: int, tool: str, outcome: Outcome | None, duration: int | None, overhead: int | None
) -> tuple[Addition, ...]:
    # Calls of one slot resemble each other: those that add the same share one tuple in memory. As time
    # goes on few are enough, and a larger cache was slower: it drives other things out of the processor's.
    added: list[Addition] = [
        (slot, "calls", (tool, (outcome or Outcome.UNKNOWN).value)),
        (slot, "ends_expected", ()),
    ]
    if outcome is not None:
        added.append((slot, "ends_seen", ()))
    if duration is not None:
        added.append((slot, "call_time", (tool, duration)))
    if overhead is not None:
        added.append((slot, "overhead", (overhead,)))
    return tuple(added)
