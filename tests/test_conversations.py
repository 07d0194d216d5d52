"""Who talked to whom: counts and answer times, worked out by hand."""

from __future__ import annotations

from stretto.clock import SECOND
from stretto.figures.conversations import list_conversations
from stretto.model.entities import Message
from stretto.model.event import Outcome


def make_message(
    number: int, sender: str | None, receiver: str | None, answered: int | None = None
) -> Message:
    """Return a message that was answered after so many seconds."""
    response = None if answered is None else answered * SECOND
    return Message(f"m{number}", sender, receiver, None, number * SECOND, response, Outcome.SUCCESS)


def test_messages_are_summed_up_by_sender_and_receiver() -> None:
    """Lead to worker three times, answered after 2, 4 and never; the worker back once."""
    conversations = list_conversations(
        [
            make_message(1, "lead", "worker", 4),
            make_message(2, "lead", "worker"),
            make_message(3, "worker", "lead"),
            make_message(4, "lead", "worker", 2),
        ]
    )

    assert [
        (each.sender, each.receiver, each.messages, each.answered, each.median_seconds)
        for each in conversations
    ] == [("lead", "worker", 3, 2, 2), ("worker", "lead", 1, 0, None)]


def test_a_report_of_a_task_is_no_conversation() -> None:
    """Progress has nobody who answers; a message without names stays one."""
    report = Message("r", "worker", None, "t", 0, None, Outcome.SUCCESS, type="progress", share=0.5)

    assert list_conversations([report]) == []
    assert [each.sender for each in list_conversations([make_message(1, None, None)])] == [None]
