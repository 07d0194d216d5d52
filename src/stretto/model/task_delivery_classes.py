"""The classes of a task that is over (delivered, taken as delivered, wasted), and why work was wasted."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from stretto.model.event import Outcome


class Delivery(StrEnum):
    """What became of a task that is over. Every such task has exactly one of these classes."""

    DELIVERED = "delivered"
    """A source reported its success."""
    TAKEN = "taken"
    """Its end was seen, no source reported its outcome, and nothing cut it off: taken as delivered."""
    WASTED = "wasted"


class WasteReason(StrEnum):
    """Why a task was wasted. The first reason in this order that fits is used."""

    RETRIED = "retried"
    """A later task of the same parent delivered the same work."""
    FAILED = "failed"
    CANCELLED_BY_PERSON = "cancelled_by_person"
    """Cancelled, or cut off, with a turn that a person interrupted."""
    CANCELLED_BY_PROGRAM = "cancelled_by_program"
    LOST = "lost"
    """It is over, and its end was never seen."""


CANCELLED = frozenset({WasteReason.CANCELLED_BY_PERSON, WasteReason.CANCELLED_BY_PROGRAM})
"""Reasons that may be intended: racing agents and stopping the losers is a way of working."""


class TaskDelivery(NamedTuple):
    """The class of a task, with the reason if it was wasted."""

    delivery: Delivery
    reason: WasteReason | None = None

    @property
    def is_wasted(self) -> bool:
        """Whether the task delivered nothing."""
        return self.delivery is Delivery.WASTED


_BY_OUTCOME = {
    Outcome.SUCCESS: TaskDelivery(Delivery.DELIVERED),
    Outcome.FAILURE: TaskDelivery(Delivery.WASTED, WasteReason.FAILED),
    Outcome.CANCELLED: TaskDelivery(Delivery.WASTED, WasteReason.CANCELLED_BY_PROGRAM),
}
_TAKEN = TaskDelivery(Delivery.TAKEN)
_LOST = TaskDelivery(Delivery.WASTED, WasteReason.LOST)


def judge_delivery_by_outcome(outcome: Outcome, end: int | None) -> TaskDelivery | None:
    """Return the class of a task by its own outcome and end alone; None while it runs."""
    if outcome is Outcome.RUNNING:
        return None
    return _BY_OUTCOME.get(outcome) or (_LOST if end is None else _TAKEN)
