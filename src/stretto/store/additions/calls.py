"""What a tool call adds to the sums."""

from __future__ import annotations

from functools import lru_cache

from stretto.figures.sketch import bucket
from stretto.model.entities import ToolCall
from stretto.model.event import Outcome
from stretto.model.facts import DELEGATES
from stretto.names import NONE
from stretto.store.rollup import Addition, slot_of


def of_call(call: ToolCall) -> tuple[Addition, ...]:
    """Return what a tool call adds: nothing while it runs."""
    at = call.end if call.end is not None else call.start
    if call.outcome is Outcome.RUNNING or at is None:
        return ()
    tool = call.tool or NONE
    duration = None if call.duration is None or tool in DELEGATES else bucket(call.duration)
    overhead = None if call.overhead is None else bucket(call.overhead)
    outcome = call.outcome if call.end is not None else None
    return _of_call(slot_of(at), tool, outcome, duration, overhead)


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
