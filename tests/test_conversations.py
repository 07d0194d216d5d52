"""Who talked to whom: counts and answer times, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from stretto.clock import DAY, SECOND
from stretto.figures.messages_between_agents import list_conversations, sum_conversations
from stretto.model.entities import Message
from stretto.model.event import Outcome
from stretto.store import queries
from tests.fakes import store
from tests.scenes import BEGIN, orchestrated
from tests.web_page import read, shown
from tests.web_served import Store


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


def test_a_pattern_has_the_messages_of_all_its_sessions(tmp_path: Path) -> None:
    """Two sessions with two messages each, answered after 1 and 2 s; another pattern has none of them."""
    with store(tmp_path) as opened:
        for name in ("first", "second"):
            opened.take(orchestrated(name).events)
        sums = queries.read_sums(opened.connection, BEGIN + DAY, 2 * DAY // SECOND)

    ((sender, receiver, messages, answered, median),) = (
        (each.sender, each.receiver, each.messages, each.answered, each.median_seconds)
        for each in sum_conversations(sums, "fan-out")
    )
    assert (sender, receiver, messages, answered) == ("lead", "left", 4, 4)
    assert median == pytest.approx(1, rel=0.02)
    assert sum_conversations(sums, "other") == []


def test_the_page_of_a_pattern_says_who_talked_to_whom(tmp_path: Path) -> None:
    """In the window that is asked for, beside the pattern's runs."""
    made = Store(tmp_path)
    made.events(orchestrated().events)
    with shown(made) as client:
        of_day = read(client, "/patterns/fan-out?from=2026-01-01&to=2026-01-01").text
        later = read(client, "/patterns/fan-out?from=2026-01-03&to=2026-01-04").text

    assert "Who talked to whom" in of_day
    assert "lead left 2 2 1" in of_day
    assert "Who talked to whom" not in later
