"""Parts of a contribution: amounts that depend on one task or fan-out of a session, not on all of them.

A live session with thousands of tasks changes one of them with an event. The other parts are not added up
again, and only the difference goes into the sums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from stretto.store.sums_by_time_slot import Additions


# A Struct, because a session has several for each of its tasks.
class Part(msgspec.Struct, frozen=True):
    """A part of a contribution."""

    key: str
    """Tells it from the other parts of the same contribution and session."""
    inputs: tuple[Any, ...]
    """All that its amounts depend on. Equal inputs give equal amounts."""
    add_up: Callable[..., None]
    """Adds its amounts, given these additions and then the inputs."""


def add_up_parts(parts: Iterable[Part]) -> Additions:
    """Return all that the parts add."""
    added: Additions = Counter()
    for part in parts:
        part.add_up(added, *part.inputs)
    return added


@dataclass(slots=True)
class PartSums:
    """The additions of a contribution, part by part.

    A part is kept, not its amounts: most parts never change, and those of one that does are computed again.
    """

    _parts: dict[str, Part] = field(default_factory=dict)
    """The parts that are added, by key."""

    def update_sums(self, parts: Iterable[Part], change: Additions) -> None:
        """Add up the parts whose inputs have changed, and add the difference to ``change``."""
        before, self._parts = self._parts, {}
        for part in parts:
            key = part.key
            while key in self._parts:
                # Contradictory events may give two tasks the same id.
                key += "+"
            known = before.get(key)
            if known is not None and known.inputs == part.inputs:
                self._parts[key] = before.pop(key)
                continue
            self._parts[key] = part
            part.add_up(change, *part.inputs)
        if before:
            # What is left has changed or is gone.
            change.subtract(add_up_parts(before.values()))

    def take_over(self, parts: Iterable[Part], sums: PartSums, change: Additions) -> None:
        """Take these parts over from other sums; a part that these do not have is added to ``change``."""
        for part in parts:
            known = sums._parts.get(part.key)  # of the same class
            if known is not None and known.inputs == part.inputs and part.key not in self._parts:
                self._parts[part.key] = sums._parts.pop(part.key)
                continue
            key = part.key
            while key in self._parts:
                key += "+"
            self._parts[key] = part
            part.add_up(change, *part.inputs)

    def take_all(self, sums: PartSums) -> None:
        """Take all parts over from other sums."""
        for key, part in sums._parts.items():
            while key in self._parts:
                key += "+"  # noqa: PLW2901  # a key that is free
            self._parts[key] = part
        sums._parts = {}

    def sum_additions(self) -> Additions:
        """Return all that the parts have added."""
        return add_up_parts(self._parts.values())
