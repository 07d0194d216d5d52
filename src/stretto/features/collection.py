"""Drop what is not to be collected, before it reaches the journal.

The hook client does the same for hooks by the words of ``to_hook_line``; this is for all other sources.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from stretto.features.feature_table import LEVELS, FeatureStates
from stretto.model.event import Event, Kind

TEST_ATTRIBUTES = ("test_framework", "tests_passed", "tests_failed")


@dataclass(frozen=True, slots=True)
class Collection:
    """The parts that are not collected, and the level."""

    off: frozenset[str] = frozenset()
    level: str = LEVELS[-1]

    def keep_event(self, event: Event) -> Event | None:
        """Return the event without what is not collected, or None if nothing of it is."""
        off = self.off
        if not off:
            return event
        if event.kind is Kind.CACHE_REPORT and "caches" in off:
            return None
        if event.kind is Kind.SAMPLE and "resources" in off:
            return None
        role = event.attributes.get("role") if event.kind is Kind.SPAN else None
        if (event.kind is Kind.MODEL_CALL or role == "model") and "executions" in off:
            return None
        dropped = TEST_ATTRIBUTES if "tests" in off else ()
        if "agents" in off:
            dropped = (*dropped, "agent")
            if event.kind in {Kind.TASK_START, Kind.TASK_END} or role == "task":
                event = replace(event, name=None)
        if any(name in event.attributes for name in dropped):
            kept = {name: value for name, value in event.attributes.items() if name not in dropped}
            event = replace(event, attributes=kept)
        return event

    def to_hook_line(self) -> str:
        """Return the words that the hook client reads: the level, then what is off; empty for everything."""
        hooked = sorted(self.off & {"executions", "agents", "tests"})
        return "" if not hooked and self.level == LEVELS[-1] else " ".join([self.level, *hooked])


EVERYTHING = Collection()


def decide_collection(states: FeatureStates) -> Collection:
    """Return what is collected under the states of the switches."""
    return Collection(frozenset(states.list_off()), states.level)
