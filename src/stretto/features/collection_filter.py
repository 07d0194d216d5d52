"""Drop what is not to be collected, before it reaches the journal.

The hook client does the same for hooks by the words of ``to_hook_line``; this is for all other sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from msgspec.structs import replace

from stretto.features.feature_switches import DETAILED, MINIMAL, FeatureStates
from stretto.hook.client.client import DELEGATING, TEST_ATTRIBUTES
from stretto.model.event import Event, Kind
from stretto.model.span_tree import SpanRole

_CALLS = frozenset({Kind.TOOL_START, Kind.TOOL_END, Kind.BATCH_END})
"""A call of a tool; one that starts an agent is part of its task, and is kept at every level."""

_CALL_ROLES = frozenset({SpanRole.TOOL, SpanRole.MODEL})

_DETAILS = frozenset({Kind.MODEL_CALL, Kind.HOOKS_RUN, Kind.SAMPLE, Kind.API_COST})
"""What only the level ``detailed`` has, beside the calls."""

_ACCOMPANYING = frozenset(
    {
        Kind.PERMISSION_REQUEST, Kind.NOTIFICATION, Kind.COMPACTION_START, Kind.COMPACTION_END,
        Kind.PHASE_START, Kind.PHASE_END, Kind.MESSAGE, Kind.CACHE_REPORT,
    }
)  # fmt: skip
"""What the level ``minimal`` leaves out of ``standard``."""


@dataclass(frozen=True)
class Collection:
    """The parts that are not collected, and the level."""

    off: frozenset[str] = frozenset()
    level: str = DETAILED

    @cached_property
    def dropped_roles(self) -> frozenset[SpanRole]:
        """Roles of spans that are written only if they link a kept span with those above it."""
        roles = _CALL_ROLES if self.level != DETAILED or "executions" in self.off else frozenset()
        return roles | {SpanRole.PHASE, SpanRole.LINK} if self.level == MINIMAL else roles

    def keep_event(self, event: Event) -> Event | None:
        """Return the event without what is not collected, or None if nothing of it is.

        A span is never dropped here: whether it links others is known to those who select spans by
        ``dropped_roles``.
        """
        if not self._dropped_kinds and not self.off:
            return event
        if event.kind in self._dropped_kinds and not (event.kind in _CALLS and _delegates(event)):
            return None
        return self._strip_event(event) if self.off else event

    def to_hook_line(self) -> str:
        """Return the words that the hook client reads: the level, then what is off; empty for everything."""
        hooked = sorted(self.off & {"executions", "agents", "tests"})
        return "" if not hooked and self.level == DETAILED else " ".join([self.level, *hooked])

    @cached_property
    def _dropped_kinds(self) -> frozenset[Kind]:
        kinds: set[Kind] = set()
        if self.level != DETAILED:
            kinds |= _CALLS | _DETAILS
        if self.level == MINIMAL:
            kinds |= _ACCOMPANYING
        if "executions" in self.off:
            kinds |= _CALLS | {Kind.MODEL_CALL}
        if "caches" in self.off:
            kinds.add(Kind.CACHE_REPORT)
        if "resources" in self.off:
            kinds.add(Kind.SAMPLE)
        return frozenset(kinds)

    def _strip_event(self, event: Event) -> Event:
        dropped: tuple[str, ...] = TEST_ATTRIBUTES if "tests" in self.off else ()
        if "agents" in self.off:
            dropped = (*dropped, "agent", "sender")
            role = event.attributes.get("role") if event.kind is Kind.SPAN else None
            if event.kind in _NAME_AGENTS or role in _TASK_ROLES:
                event = replace(event, name=None)
        if any(name in event.attributes for name in dropped):
            kept = {name: value for name, value in event.attributes.items() if name not in dropped}
            event = replace(event, attributes=kept)
        return event


_NAME_AGENTS = frozenset({Kind.TASK_START, Kind.TASK_END, Kind.MESSAGE})
"""Kinds of events whose name is that of an agent."""

_TASK_ROLES = frozenset({SpanRole.TASK, SpanRole.UNIT, SpanRole.RUN, SpanRole.AGENT, SpanRole.CHAIN})
"""Roles of spans whose name is that of an agent."""


def _delegates(event: Event) -> bool:
    """Return whether a call starts an agent, by the rule of the hook client."""
    return event.name in DELEGATING or bool(event.attributes.get("task") or event.attributes.get("agent"))


EVERYTHING = Collection()


def decide_collection(states: FeatureStates) -> Collection:
    """Return what is collected under the states of the switches."""
    return Collection(frozenset(states.list_off()), states.level)
