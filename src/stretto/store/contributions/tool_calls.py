"""Sums of a tool call: outcome, length, and the tests that it ran."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from stretto.figures.quantile_sketch import find_bucket
from stretto.figures.selected_test_gain import to_suite_step
from stretto.model.entities import TestRun, ToolCall
from stretto.model.event import Outcome
from stretto.model.tools_with_length import is_orchestrator_check, takes_time_of_its_own
from stretto.names import NONE, measures
from stretto.store.contributions.contribution import find_counted_slot
from stretto.store.sums_by_time_slot import Additions, Amount

_SUITE_MEASURES = {
    False: (measures.FULL_TEST_RUNS, measures.FULL_TEST_SECONDS),
    True: (measures.SELECTED_TEST_RUNS, measures.SELECTED_TEST_SECONDS),
}
"""Whether a run left tests out → the measures of its number and its time."""


def add_up_tool_calls(calls: Iterable[ToolCall], sign: int, sums: Additions) -> None:
    """Add ``sign`` times all that some calls add to ``sums``; a running call adds nothing."""
    # A session has many calls, and those of a slot resemble each other: they are counted by the little that
    # an addition depends on, and each addition is then made once.
    outcomes: defaultdict[tuple[int, str, Outcome | None], int] = defaultdict(int)
    lengths: defaultdict[tuple[int, str, int], int] = defaultdict(int)
    overheads: defaultdict[tuple[int, int], int] = defaultdict(int)
    seconds: defaultdict[int, int] = defaultdict(int)
    for call in calls:
        slot = find_counted_slot(call)
        if slot is None:
            continue
        tool, duration, overhead = call.tool or NONE, call.duration, call.overhead
        outcomes[slot, tool, call.outcome if call.end is not None else None] += 1
        if duration is not None and takes_time_of_its_own(call):
            lengths[slot, tool, find_bucket(duration)] += 1
            if duration:
                seconds[slot] += duration
        if overhead is not None:
            overheads[slot, find_bucket(overhead)] += 1
        if call.tests is not None:
            for addition, amount in _yield_test_amounts(slot, call, call.tests):
                sums[addition] += sign * amount
    _add_counts(outcomes, lengths, overheads, sign, sums)
    for slot, duration in seconds.items():
        sums[slot, measures.TOOL_SECONDS, ()] += sign * duration


def _add_counts(
    outcomes: Mapping[tuple[int, str, Outcome | None], int],
    lengths: Mapping[tuple[int, str, int], int],
    overheads: Mapping[tuple[int, int], int],
    sign: int,
    sums: Additions,
) -> None:
    """Add calls by outcome, None for an end that is missing, and by the buckets of length and overhead."""
    for (slot, tool, outcome), count in outcomes.items():
        sums[slot, measures.CALLS, (tool, (outcome or Outcome.UNKNOWN).value)] += sign * count
        sums[slot, measures.ENDS_EXPECTED, ()] += sign * count
        if outcome is not None:
            sums[slot, measures.ENDS_SEEN, ()] += sign * count
    for (slot, tool, bucket), count in lengths.items():
        sums[slot, measures.CALL_TIME, (tool, bucket)] += sign * count
    for (slot, bucket), count in overheads.items():
        sums[slot, measures.OVERHEAD, (bucket,)] += sign * count


def _yield_test_amounts(slot: int, call: ToolCall, tests: TestRun) -> Iterator[Amount]:
    outcome = tests.conclude_outcome(call.outcome).value
    yield (slot, measures.TEST_RUNS, (tests.framework, outcome)), 1
    for result, count in (("passed", tests.passed), ("failed", tests.failed)):
        if count:
            yield (slot, measures.TESTS, (tests.framework, result)), count
    if tests.skipped:
        yield (slot, measures.TESTS_SKIPPED, (tests.framework,)), tests.skipped
    if tests.selected is not None and tests.selected + (tests.deselected or 0):
        yield (slot, measures.TESTS_SELECTED, (tests.framework,)), tests.selected
        yield (
            (slot, measures.TESTS_COLLECTED, (tests.framework,)),
            tests.selected + (tests.deselected or 0),
        )
    if tests.parts:
        yield (slot, measures.TEST_PARTS, (tests.framework,)), tests.parts
        if tests.parts_cached:
            yield (slot, measures.TEST_PARTS_CACHED, (tests.framework,)), tests.parts_cached
    if call.duration is not None and not is_orchestrator_check(call):
        yield (slot, measures.TEST_RUN_TIME, (tests.framework, find_bucket(call.duration))), 1
        if tests.selected and tests.deselected is not None:
            runs, seconds = _SUITE_MEASURES[tests.deselected > 0]
            suite = (tests.framework, to_suite_step(tests.selected + tests.deselected))
            yield (slot, runs, suite), 1
            yield (slot, seconds, suite), call.duration
        if call.duration:
            yield (slot, measures.TEST_SECONDS, ()), call.duration
