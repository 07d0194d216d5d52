"""The sums of the tool calls of a session, kept call by call: a batch costs only the calls it changes.

A session has many tool calls and few change in a batch. A call with a known end concludes the same until it
has new facts; only the task that it belongs to may change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain

from stretto.model.calls_from_facts import conclude_calls_under_key
from stretto.model.entities import ToolCall
from stretto.model.facts import SessionFacts
from stretto.store.contributions.tool_calls import add_up_tool_calls
from stretto.store.sums_by_time_slot import Additions


@dataclass(slots=True)
class ToolCallSums:
    """The tool calls of a session that are counted in the sums."""

    concluded: dict[str, tuple[ToolCall, ...]] = field(default_factory=dict)
    """By key. A key has several calls if an agent's calls have no ids of their own."""
    repeats: int = 0
    """Calls beyond the first of each key."""
    _open: set[str] = field(default_factory=set)
    """Keys of calls that may conclude differently than before: without an end, or with new facts."""

    def mark_changed(self, keys: Iterable[str]) -> None:
        """Note that calls have new facts."""
        self._open.update(keys)

    def update_sums(
        self,
        facts: SessionFacts,
        change: Additions,
        *,
        closed: bool,
        newly_ended: list[ToolCall],
        reported: set[str],
    ) -> None:
        """Conclude the open calls, add the change of the sums to ``change``, and collect the newly ended."""
        new: list[ToolCall] = []
        still_open: set[str] = set()
        for key in self._open:
            # A call that turned out to be another has no facts under its key any more.
            calls = conclude_calls_under_key(facts, key, closed=closed) if key in facts.calls else ()
            before = self.concluded.pop(key, ())
            if calls:
                self.concluded[key] = calls
            if calls != before:
                new += calls
                if before:
                    # Nearly every call is concluded once, when its end is known.
                    add_up_tool_calls(before, -1, change)
                if len(calls) > 1 or len(before) > 1:
                    self.repeats += max(0, len(calls) - 1) - max(0, len(before) - 1)
            for call in calls:
                if call.end is None:
                    still_open.add(key)
                elif call.id not in reported:
                    reported.add(call.id)
                    newly_ended.append(call)
        self._open = still_open
        add_up_tool_calls(new, 1, change)

    def sum_additions(self) -> Additions:
        """Return all that the calls have added to the sums."""
        total: Additions = Counter()
        add_up_tool_calls(chain.from_iterable(self.concluded.values()), 1, total)
        return total
