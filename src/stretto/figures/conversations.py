"""Sum up who talked to whom in a session, and how soon they were answered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from stretto.clock import SECOND
from stretto.figures.quantile_sketch import pick_quantile
from stretto.model.entities import Message


@dataclass(frozen=True, slots=True)
class Conversation:
    """The messages from an agent to another; a name that is None was not reported."""

    sender: str | None
    receiver: str | None
    messages: int
    answered: int
    """Messages whose answer was seen."""
    median_seconds: float | None
    """Median time until an answer; None if none was seen."""


def list_conversations(messages: Iterable[Message]) -> list[Conversation]:
    """Return the messages by sender and receiver, the most frequent first; reports of tasks are left out."""
    by_pair: dict[tuple[str | None, str | None], list[Message]] = defaultdict(list)
    for message in messages:
        if not message.is_report:
            by_pair[message.sender, message.receiver].append(message)
    conversations = []
    for (sender, receiver), sent in by_pair.items():
        answers = sorted(message.response / SECOND for message in sent if message.response is not None)
        conversations.append(
            Conversation(sender, receiver, len(sent), len(answers), pick_quantile(answers, 0.5))
        )
    return sorted(conversations, key=lambda each: (-each.messages, each.sender or "", each.receiver or ""))
