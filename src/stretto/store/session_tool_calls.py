"""Tool calls of one held session: concluded as they change, and counted one by one.

A session has many of them and few change in a batch. Once a call's end is known it concludes the same until
an event touches it again, but for the task that it belongs to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from stretto.model.conclude_calls import conclude_call
from stretto.model.entities import ToolCall
from stretto.model.facts import SessionFacts
from stretto.store.contributions.tool_calls import add_up_tool_call, count_tool_call
from stretto.store.rollup import Addition, Additions


@dataclass(slots=True)
class ToolCallSums:
    """The tool calls of one session as they stand in the sums."""

    concluded: dict[str, tuple[ToolCall, ...]] = field(default_factory=dict)
    """By key; several where an agent's calls have no ids and share one."""
    repeats: int = 0
    """Calls beyond the first behind one key."""
    _open: set[str] = field(default_factory=set)
    """Calls that may conclude differently than before: without an end, or touched since."""

    def touch(self, keys: Iterable[str]) -> None:
        """Note that what is known of some calls has changed."""
        self._open.update(keys)

    def settle(
        self,
        facts: SessionFacts,
        change: Additions,
        *,
        closed: bool,
        news: list[ToolCall],
        reported: set[str],
    ) -> None:
        """Conclude again what may have changed; add by how much the sums do, and tell the news of ends."""
        new: list[Addition] = []
        gone: list[Addition] = []
        still_open: set[str] = set()
        for key in self._open:
            calls = conclude_call(facts, key, closed=closed)
            before = self.concluded.get(key, ())
            if calls != before:
                self.concluded[key] = calls
                self.repeats += len(calls) - (len(before) or 1)
                _add_calls(calls, 1, new, change)
                if before:
                    _add_calls(before, -1, gone, change)
            for call in calls:
                if call.end is None:
                    still_open.add(key)
                elif call.id not in reported:
                    reported.add(call.id)
                    news.append(call)
        self._open = still_open
        change.update(new)
        change.subtract(gone)

    def additions(self) -> Additions:
        """Return all that the calls have added to the sums."""
        added: list[Addition] = []
        counted: Additions = Counter()
        for calls in self.concluded.values():
            _add_calls(calls, 1, added, counted)
        counted.update(added)
        return counted


def _add_calls(calls: Iterable[ToolCall], sign: int, counts: list[Addition], amounts: Additions) -> None:
    """Add what calls add: what is counted once to ``counts``, more than that to ``amounts``, by its sign."""
    for call in calls:
        counts += count_tool_call(call)
        for addition, amount in add_up_tool_call(call):
            amounts[addition] += sign * amount
