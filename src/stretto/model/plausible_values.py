"""Plausible values: read an event's attributes as facts and drop values that cannot be true.

The bounds keep sums within 64 bits: an absurd count must not overflow the figures of everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stretto.model.calls_from_facts import LONGEST_ACTIVITY
from stretto.model.event import Event, Value
from stretto.model.facts import EntityFacts, merge_fact

MAX_COUNT = 10**12
"""Tokens, tests or look-ups in a report; a larger count is dropped."""

MAX_AMOUNT = 10**15
"""Bytes or nanoseconds in a sample: a petabyte, or twelve days of processor time."""

Touched = tuple[tuple[str, str], ...]
"""The entities that an event may have changed: (kind of ``facts.ENTITY_KINDS``, id)."""


def read_text(attributes: Mapping[str, Value], name: str) -> str | None:
    """Return an attribute if it is a text that is not empty, else None."""
    value = attributes.get(name)
    return value if isinstance(value, str) and value else None


def read_plausible_count(event: Event, name: str, most: int = MAX_COUNT) -> int | None:
    """Return an attribute if it is a whole number from 0 to ``most``, else None."""
    count = event.attributes.get(name)
    return count if type(count) is int and 0 <= count <= most else None


def merge_plausible_counts(
    entity_facts: EntityFacts, event: Event, names: Iterable[str], rank: int, *, most: int = MAX_COUNT
) -> None:
    """Merge the plausible counts among an event's attributes, under fields of the same names."""
    attributes = event.attributes
    # As ``read_plausible_count`` does: a call less for each of the names, of which most events have few.
    for name in names:
        count = attributes.get(name)
        if type(count) is int and 0 <= count <= most:
            merge_fact(entity_facts, name, rank, count)


def merge_plausible_duration(entity_facts: EntityFacts, name: str, event: Event, rank: int) -> None:
    """Merge an event's duration unless it is implausibly long."""
    if event.duration is not None and event.duration <= LONGEST_ACTIVITY:
        merge_fact(entity_facts, name, rank, event.duration)
