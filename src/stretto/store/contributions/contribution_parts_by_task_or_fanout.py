"""Parts of a contribution: amounts that depend on one task or fan-out of a session, not on all of them.

A live session with thousands of tasks changes one of them with an event. The amounts of the other parts are
kept, and only the difference goes into the sums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
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


def add_difference(change: Additions, now: Additions | None, before: Additions | None) -> None:
    """Add to a change what one set of additions adds beyond an earlier one."""
    for addition, value in (now or {}).items():
        change[addition] = change.get(addition, 0) + value
    for addition, value in (before or {}).items():
        change[addition] = change.get(addition, 0) - value


@dataclass(slots=True)
class PartSums:
    """The additions of a contribution, part by part."""

    _parts: dict[str, tuple[tuple[Any, ...], Additions]] = field(default_factory=dict)
    """The inputs and the additions of each part, by its key."""

    def update_sums(self, parts: Iterable[Part], change: Additions) -> None:
        """Add up the parts whose inputs have changed, and add the difference to ``change``."""
        before, self._parts = self._parts, {}
        for part in parts:
            key = part.key
            while key in self._parts:
                # Contradictory events may give two tasks the same id.
                key += "+"
            known = before.pop(key, None)
            if known is not None and known[0] == part.inputs:
                self._parts[key] = known
                continue
            additions: Additions = Counter()
            part.add_up(additions, *part.inputs)
            self._parts[key] = part.inputs, additions
            add_difference(change, additions, None if known is None else known[1])
        for _, additions in before.values():
            add_difference(change, None, additions)

    def take_over(self, parts: Iterable[Part], sums: PartSums, change: Additions) -> None:
        """Take these parts over from other sums; a part that these do not have is added to ``change``."""
        for part in parts:
            known = sums._parts.get(part.key)  # of the same class
            if known is not None and known[0] == part.inputs and part.key not in self._parts:
                self._parts[part.key] = sums._parts.pop(part.key)
                continue
            key = part.key
            while key in self._parts:
                key += "+"
            additions = add_up_parts((part,))
            self._parts[key] = part.inputs, additions
            add_difference(change, additions, None)

    def take_all(self, sums: PartSums) -> None:
        """Take all parts over from other sums."""
        for key, known in sums._parts.items():
            while key in self._parts:
                key += "+"  # noqa: PLW2901  # a key that is free
            self._parts[key] = known
        sums._parts = {}

    def iterate_additions(self) -> Iterator[Additions]:
        """Yield the additions of each part."""
        return (additions for _, additions in self._parts.values())
