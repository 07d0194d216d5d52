"""Sums of a tool call: outcome, length, and the tests that it ran."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from stretto.figures.quantile_sketch import find_bucket
from stretto.model.entities import TestRun, ToolCall
from stretto.model.event import Outcome
from stretto.model.tool_lengths import has_length, is_reported_check
from stretto.names import NONE, measures
from stretto.store.contributions.contribution import get_counted_time
from stretto.store.rollup import Addition, Additions, Amount, find_slot_number


def make_tool_call_counts(call: ToolCall) -> tuple[Addition, ...]:
    """Return the additions of 1 that a tool call makes: nothing while it runs."""
    at = get_counted_time(call)
    return () if at is None else _make_counts(call, find_slot_number(at))


def add_up_tool_call(call: ToolCall) -> tuple[Amount, ...]:
    """Return the other amounts that a tool call adds: its time, and the tests that it ran."""
    at = get_counted_time(call)
    return () if at is None else _make_amounts(call, find_slot_number(at))


def add_up_tool_calls(
    calls: Iterable[ToolCall], counts: list[Addition], sign: int, amounts: Additions
) -> None:
    """Append the additions of 1 of some calls to ``counts``; add ``sign`` times the others to ``amounts``."""
    for call in calls:
        # Both kinds need the time: a session has many calls, and each is counted here.
        at = get_counted_time(call)
        if at is not None:
            slot = find_slot_number(at)
            counts += _make_counts(call, slot)
            for addition, amount in _make_amounts(call, slot):
                amounts[addition] += sign * amount


def _make_counts(call: ToolCall, slot: int) -> tuple[Addition, ...]:
    duration, overhead = call.duration, call.overhead
    return _share_additions(
        slot,
        call.tool or NONE,
        call.outcome if call.end is not None else None,
        None if duration is None or not has_length(call) else find_bucket(duration),
        None if overhead is None else find_bucket(overhead),
    )


def _make_amounts(call: ToolCall, slot: int) -> tuple[Amount, ...]:
    duration = call.duration
    amounts: tuple[Amount, ...] = ()
    if duration and has_length(call):
        amounts = ((_share_tool_seconds(slot), duration),)
    return amounts if call.tests is None else (*amounts, *_yield_test_amounts(slot, call, call.tests))


@lru_cache(maxsize=256)
def _share_tool_seconds(slot: int) -> Addition:
    # Shared by all calls of a slot, as below.
    return (slot, measures.TOOL_SECONDS, ())


def _yield_test_amounts(slot: int, call: ToolCall, tests: TestRun) -> Iterator[Amount]:
    outcome = tests.conclude_outcome(call.outcome).value
    yield (slot, measures.TEST_RUNS, (tests.framework, outcome)), 1
    for result, count in (("passed", tests.passed), ("failed", tests.failed)):
        if count:
            yield (slot, measures.TESTS, (tests.framework, result)), count
    if call.duration is not None and not is_reported_check(call):
        yield (slot, measures.TEST_RUN_TIME, (tests.framework, find_bucket(call.duration))), 1
        if call.duration:
            yield (slot, measures.TEST_SECONDS, ()), call.duration


@lru_cache(maxsize=2_048)
def _share_additions(
    slot: int, tool: str, outcome: Outcome | None, duration: int | None, overhead: int | None
) -> tuple[Addition, ...]:
    # Calls of one slot resemble each other: those with equal additions share one tuple in memory. A larger
    # cache was slower in measurements, because it displaces other data from the processor's cache.
    added: list[Addition] = [
        (slot, measures.CALLS, (tool, (outcome or Outcome.UNKNOWN).value)),
        (slot, measures.ENDS_EXPECTED, ()),
    ]
    if outcome is not None:
        added.append((slot, measures.ENDS_SEEN, ()))
    if duration is not None:
        added.append((slot, measures.CALL_TIME, (tool, duration)))
    if overhead is not None:
        added.append((slot, measures.OVERHEAD, (overhead,)))
    return tuple(added)
