"""Sum up who talked to whom in a session or in the sessions of a pattern, and how soon they were answered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from stretto.clock import SECOND
from stretto.figures.quantile_sketch import compute_quantile, pick_quantile
from stretto.figures.sums_by_dimension import Sums, read_quantile_sketch, sum_by_dimensions
from stretto.model.entities import Message
from stretto.names import NONE, measures
from stretto.names.measures import Dimension


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
    return sorted(conversations, key=_get_order)


def sum_conversations(sums: Sums, pattern: str) -> list[Conversation]:
    """Return the messages of a pattern's sessions by sender and receiver, the most frequent first."""
    counts = sum_by_dimensions(
        sums, measures.CONVERSATIONS, Dimension.PATTERN, Dimension.SENDER, Dimension.AGENT
    )
    conversations = []
    for (of, sender, receiver), messages in counts.items():
        if of == pattern:
            pair = {"pattern": of, "sender": sender, "agent": receiver}
            sketch = read_quantile_sketch(sums, measures.CONVERSATION_TIME, **pair)
            median = compute_quantile(sketch, 0.5)
            conversations.append(
                Conversation(
                    None if sender == NONE else sender,
                    None if receiver == NONE else receiver,
                    messages,
                    sum(sketch.values()),
                    None if median is None else median / SECOND,
                )
            )
    return sorted(conversations, key=_get_order)


def _get_order(conversation: Conversation) -> tuple[int, str, str]:
    return -conversation.messages, conversation.sender or "", conversation.receiver or ""
