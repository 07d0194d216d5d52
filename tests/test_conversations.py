"""Who talked to whom: counts and answer times, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from stretto.clock import DAY, SECOND
from stretto.figures.messages_between_agents import Conversation, list_conversations, sum_conversations
from stretto.model.entities import Message
from stretto.model.event import Outcome
from stretto.store import sum_queries
from stretto.web.collaboration_network import MOST_AGENTS, draw_network
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
        sums = sum_queries.read_sums(opened.connection, BEGIN + DAY, 2 * DAY // SECOND)

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


def test_the_network_of_a_pattern_is_drawn_over_a_window(tmp_path: Path) -> None:
    """Two sessions of two days: each day has one's messages, both days have all; the session has its own."""
    made = Store(tmp_path)
    made.events(orchestrated("first").events)
    made.events([replace(event, session="second", time=event.time + DAY) for event in orchestrated().events])
    with shown(made) as client:
        drawings = {
            path: read(client, path)
            for path in (
                "/patterns/fan-out?from=2026-01-01&to=2026-01-01",
                "/patterns/fan-out?from=2026-01-01&to=2026-01-02",
                "/patterns/fan-out?from=2026-01-03&to=2026-01-04",
                "/sessions/second",
            )
        }
        both = "/patterns/fan-out?from=2026-01-01&to=2026-01-02"
        figures = [each.get("class") for each in drawings[both].attributes("figure")]
        number = figures.index("timeline network") + 1
        svg = client.get(f"{both}&format=svg&number={number}")

    found = []
    for page in drawings.values():
        arcs = [text for text in page.explanations if text.startswith("lead to left")]
        found.append([text.replace("\N{NO-BREAK SPACE}", " ") for text in arcs])
        labels = [each.get("aria-label") or "" for each in page.attributes("svg")]
        assert any(label.startswith("Who talked to whom: 2") for label in labels) is bool(arcs)
    two, four = ([f"lead to left: {n} messages, {n} answered after 1 s in the median"] for n in (2, 4))
    assert found == [two, four, [], two]
    assert svg.status_code == 200
    assert "lead to left" in svg.text


TALK = (
    Conversation("lead", "worker", 9, 4, 2.5),
    Conversation("worker", "lead", 1, 0, None),
    Conversation("worker", "worker", 3, 3, 1.0),
    Conversation(None, "critic", 2, 2, 1.0),
)


def test_agents_stand_below_each_other_and_arcs_are_as_thick_as_their_messages() -> None:
    """The worker has 16 messages sent or received, the lead 10; what is not reported comes last."""
    network = draw_network(TALK)
    assert network is not None

    assert [(each.name, each.y, each.radius, each.is_reached) for each in network.agents] == [
        ("worker", 38, 9.0, True),
        ("lead", 72, 7.1, True),
        ("critic", 106, 4.6, True),
        ("not reported", 140, 4.6, False),
    ]
    assert network.agents[0].about == "worker: 4 sent, 12 received"
    assert [(each.width, each.is_answered) for each in network.arcs] == [
        (6.0, True), (3.0, True), (2.5, True), (2.0, False),
    ]  # fmt: skip
    assert network.arcs[0].path == "M10 67A56 12 0 0 0 10 43"
    assert network.arcs[3].path == "M10 33A66 22 0 0 1 10 77"
    assert network.arcs[3].about == "worker to lead: 1\N{NO-BREAK SPACE}message, no answer was seen"
    assert (network.height, network.left_out) == (24 + 4 * 34, 0)


def test_only_the_agents_with_the_most_messages_are_drawn() -> None:
    """A pair of which one is left out is not drawn; without any conversation nothing is."""
    pairs = [Conversation("lead", f"w{number:02}", 100 - number, 0, None) for number in range(30)]
    network = draw_network(pairs)
    assert network is not None

    assert (len(network.agents), len(network.arcs), network.left_out) == (MOST_AGENTS, MOST_AGENTS - 1, 11)
    assert draw_network([]) is None
