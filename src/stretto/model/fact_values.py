"""Learning: what an event tells of itself → facts; what cannot be true is not learned.

The bounds keep sums inside 64 bits, whoever tells whatever: of one absurd count no other figure may suffer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stretto.model.conclude_calls import LONGEST_ACTIVITY
from stretto.model.event import Event, Value
from stretto.model.facts import EntityFacts, merge_fact

MAX_COUNT = 10**12
"""Tokens, tests or look-ups; nothing that is told at once counts as many."""

MAX_AMOUNT = 10**15
"""Bytes or nanoseconds: a petabyte, and twelve days of processor time in one sample."""

Touched = tuple[tuple[str, str], ...]
"""The entities that an event may have changed: (kind of ``facts.KINDS``, id)."""


def read_text(attributes: Mapping[str, Value], name: str) -> str | None:
    """Return the text under a name, or None where there is none."""
    value = attributes.get(name)
    return value if isinstance(value, str) and value else None


def read_count(event: Event, name: str, most: int = MAX_COUNT) -> int | None:
    """Return the count under a name, or None where there is none that can be true."""
    count = event.attributes.get(name)
    return count if type(count) is int and 0 <= count <= most else None


def merge_counts(
    known: EntityFacts, event: Event, names: Iterable[str], trust: int, *, most: int = MAX_COUNT
) -> None:
    """Merge the counts under these names into an entity's facts."""
    for name in names:
        count = read_count(event, name, most)
        if count is not None:
            merge_fact(known, name, trust, count)


def merge_duration(known: EntityFacts, name: str, event: Event, trust: int) -> None:
    """Merge an event's duration into an entity's facts, where it can be true."""
    if event.duration is not None and event.duration <= LONGEST_ACTIVITY:
        merge_fact(known, name, trust, event.duration)
