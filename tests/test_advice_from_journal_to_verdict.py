"""A service's own advice, from the journal to the verdict about it, with everything in between that is asked.

The service is the real one, with its worker, its analyses in their process and its pages. Three things are
driven: the events in its journal, its clock, and what a person does at its doors. Only the two analyses that
this is about are on, which saves the processor time of the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from stretto.cli.up import _build_backend
from stretto.clock import DAY, HOUR
from stretto.format.rfc3339 import to_exact_rfc3339
from tests.advised_month import (
    AGENT,
    PATTERN,
    SESSIONS_A_DAY,
    advising,
    draw_even_days,
    draw_uneven_days,
    write_events_by_day,
)
from tests.fakes import list_latest
from tests.run_makers import BEGIN
from tests.waiting import until
from tests.web_served import served

UNEVEN_DAYS, EVEN_DAYS = 28, 9

FOLLOWED = BEGIN + UNEVEN_DAYS * DAY - HOUR
"""When the advice is applied, in the evening of the last uneven day (ns)."""

RAISED = FOLLOWED - HOUR
"""When it is raised and accepted."""

JUDGED = BEGIN + (UNEVEN_DAYS + EVEN_DAYS) * DAY

BLANK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Story:
    """What the service said on the two days."""

    client: httpx.Client
    advised: dict[str, Any]
    """The finding as it was raised."""
    document: dict[str, Any]
    """All findings after the verdict."""

    @property
    def effect(self) -> dict[str, Any]:
        """The verdict about the advice."""
        (answers,) = [each["answers"] for each in self.document["analyses"] if each["name"] == "effects"]
        (answer,) = answers
        return dict(answer)

    @property
    def advice(self) -> dict[str, Any]:
        """The advice after the verdict, wherever it is listed."""
        listed: list[dict[str, Any]] = [*self.document["open"], *self.document["settled"]]
        (found,) = [each for each in listed if each["id"] == self.advised["id"]]
        return found


def list_advice(client: httpx.Client) -> list[dict[str, Any]]:
    """Return the open advice about the agent."""
    return [
        each
        for each in client.get("/api/findings").json()["open"]
        if each["kind"] == "recommendation_unbalanced_agents"
    ]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A service that advised after 28 days, was followed by two doors, and judges nine days later."""
    state = tmp_path_factory.mktemp("advised")
    now = [RAISED]
    write_events_by_day(state / "journal", draw_uneven_days(UNEVEN_DAYS))
    with (
        advising(state, lambda: now[0]) as service,
        served(_build_backend(service.config, service, service.list_problems)) as client,
    ):
        assert until(lambda: bool(list_advice(client)))
        (advised,) = list_advice(client)
        accepted = {"kind": "accepted", "finding": advised["id"], "text": "from tomorrow on"}
        assert client.post("/api/decisions", json=accepted).status_code == 200
        now[0] = FOLLOWED
        applied = {"kind": "applied", "finding": advised["id"], "text": "four tasks moved"}
        assert client.post("/api/decisions", data=applied).status_code == 303
        write_events_by_day(state / "journal", draw_even_days(UNEVEN_DAYS, EVEN_DAYS))
        last = f"{PATTERN}-{(UNEVEN_DAYS + EVEN_DAYS) * SESSIONS_A_DAY - 1}"
        assert until(lambda: [row.id for row in list_latest(service, 1)] == [last])
        now[0] = JUDGED

        def is_judged() -> bool:
            document = client.get("/api/findings").json()
            ages = {each["name"]: each["at"] for each in document["analyses"]}
            changed = Story(client, advised, document).advice["last_change"]
            return {ages["effects"], changed} == {to_exact_rfc3339(JUDGED)}

        assert until(is_judged)
        yield Story(client, advised, client.get("/api/findings").json())


def test_the_service_raises_the_advice_by_itself(story: Story) -> None:
    """It names the agent that has too much to do, and promises seconds with an interval above nothing."""
    advised = story.advised
    assert advised["subject"] == {"pattern": PATTERN, "name": AGENT}
    assert advised["sentence"] == f"Move tasks from {AGENT} to the other agents."
    assert advised["first_seen"] == to_exact_rfc3339(RAISED)
    assert advised["evidence"]["n"] == UNEVEN_DAYS * SESSIONS_A_DAY
    assert 0 < advised["evidence"]["low"] < advised["evidence"]["effect"] < advised["evidence"]["high"]


def test_decisions_through_the_doors_are_of_the_clock_of_the_service(story: Story) -> None:
    """Accepted by a program, and an hour later applied by the form of the page."""
    assert [(each["kind"], each["text"], each["time"]) for each in story.advice["decisions"]] == [
        ("accepted", "from tomorrow on", to_exact_rfc3339(RAISED)),
        ("applied", "four tasks moved", to_exact_rfc3339(FOLLOWED)),
    ]


def test_a_week_later_it_says_that_the_advice_helped_as_promised(story: Story) -> None:
    """An improvement with an interval above nothing, inside of what was promised when it was applied."""
    effect, promised = story.effect, story.advised["evidence"]
    evidence = effect["evidence"]
    assert (effect["kind"], effect["subject"]) == ("effect_unbalanced_agents", story.advised["subject"])
    assert effect["verdict"] == "improvement"
    assert effect["since"] == to_exact_rfc3339(FOLLOWED)
    assert 0 < evidence["low"] < evidence["effect"] < evidence["high"]
    assert promised["low"] <= evidence["effect"] <= promised["high"]
    assert effect["details"]["within_promise"] == "yes"
    assert effect["details"]["promised"] == promised["effect"]
    assert (effect["details"]["before"], effect["details"]["after"]) == (56, 14)


def test_the_pages_and_the_series_say_so(story: Story) -> None:
    """The verdict is a sentence of both pages; the series have the realised seconds and their ratio."""
    sentence = story.effect["sentence"]
    assert sentence.endswith("as promised.")
    for path in ("/findings", f"/findings/{story.advised['id']}"):
        assert sentence.replace(BLANK, " ") in story.client.get(path).text.replace(BLANK, " ")
    metrics = story.client.get("/metrics").text
    promised, realised = story.advised["evidence"]["effect"], story.effect["evidence"]["effect"]
    series = 'stretto_recommendation_seconds{kind="unbalanced_agents",state="realised"}'
    assert f"{series} {realised}\n" in metrics
    assert f"stretto_recommendation_calibration_ratio {realised / promised}\n" in metrics


def test_feedback_counts_that_it_helped_wherever_its_kind_is_advised(story: Story) -> None:
    """Advice of the kind says that one was accepted and helped, in its document and on the page."""
    counted = "Of its kind: 1 accepted, 1 helped."
    assert story.advice["sentence"].endswith(counted)
    assert (story.advice["details"]["accepted"], story.advice["details"]["helped"]) == (1, 1)
    assert counted in story.client.get("/findings").text
