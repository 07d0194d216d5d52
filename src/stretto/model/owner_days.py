"""What an owner's machines did on a day, by task type: the input of comparisons among a team's people."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec


class OwnerWork(msgspec.Struct, frozen=True, array_like=True):
    """Tasks of one type by one owner on one UTC day."""

    tasks: int
    """Those with a length."""
    log_length: float
    """Mean of the natural logarithms of their lengths in ns; 0 without any."""
    failures: int
    judged: int
    """Those that succeeded or failed."""


@dataclass(frozen=True, slots=True)
class OwnerDay:
    """The work of an owner on a day that was released."""

    day: int
    """Number of the UTC day."""
    group: str
    """The team, or the pool of teams, with which the day was released."""
    owner: str
    type: str
    is_shown: bool
    """Whether the day was released under this type alone; else the type is one of several in a sum."""
    work: OwnerWork
