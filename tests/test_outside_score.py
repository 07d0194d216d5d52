"""Judgements: valid and invalid scores from outside, and their targets."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from stretto.model.event import Channel, Event, Kind
from stretto.model.score_scales import SCALES, build_scale_document
from stretto.sources.outside_score import parse_judgement
from stretto.store import find_work_that_a_score_judges as judged
from stretto.store import session_queries
from tests.fakes import Store, store
from tests.scenes import Drawing, at, by_description, frame_drawing, orchestrated
from tests.scored import sums_of

GOOD: dict[str, Any] = {"session": "s", "name": "quality", "value": 8.5, "by": "lead"}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"value": math.nan}, "'value' must be a finite number"),
        ({"value": -math.inf}, "'value' must be a finite number"),
        ({"value": 10**400}, "'value' must be a finite number"),
        ({"value": True}, "'value' must be a finite number"),
        ({"value": "8"}, "'value' must be a finite number"),
        ({"value": None}, "'value' must be a finite number"),
        ({"name": None}, "'name' is missing: name the quality that is scored"),
        ({"name": " "}, "'name' must be a text of 1 to 120 characters"),
        ({"name": "x" * 121}, "'name' must be a text of 1 to 120 characters"),
        ({"by": 7}, "'by' must be a text of 1 to 120 characters"),
        ({"session": "x" * 201}, "'session' must be a text of 1 to 200 characters"),
        ({"session": None}, "name a session, a task or a phase"),
        ({"task": "t", "phase": "p"}, "name a task or a phase, not both"),
        ({"scale": 10}, "'scale' is not known; a score has by, name, of, phase, session, task, value"),
    ],
)
def test_an_invalid_score_is_explained(changed: dict[str, Any], problem: str) -> None:
    """Each fault has a sentence; the same object without the fault is a score."""
    assert parse_judgement({**GOOD, **changed}) == problem
    assert not isinstance(parse_judgement(GOOD), str)


@pytest.mark.parametrize("item", [None, 7, "quality", [], [GOOD]])
def test_only_an_object_is_a_score(item: object) -> None:
    """Any other JSON value gives a sentence, not an exception."""
    assert parse_judgement(item) == "a score must be an object"


@pytest.mark.parametrize("value", [0, -3, 10**6, 0.1])
def test_any_finite_number_is_a_score(value: float) -> None:
    """The scale is not known here, so no value is cut."""
    judgement = parse_judgement({**GOOD, "value": value})
    assert not isinstance(judgement, str)
    assert judgement.value == value


def make_score(opened: Store, **item: Any) -> Event | str:
    """Return the event of a score, or the sentence about its fault."""
    (receipt,) = judged.read_scores(
        opened.connection, [{"name": "quality", "value": 1, **item}], at(1_000), SCALES
    )
    return receipt.event or receipt.problem or ""


def get_target(event: Event | str) -> tuple[str, str | None, Any]:
    """Return a score's session, the id of its target and the kind of target."""
    assert isinstance(event, Event), event
    return event.session, event.id, event.attributes["of"]


def test_the_target_of_a_score_is_found(tmp_path: Path) -> None:
    """By session, by the id of a task or phase, by an agent's later run, by the call that started a task."""
    with store(tmp_path) as opened:
        opened.take(
            orchestrated().events, frame_drawing(Drawing("other"), 50).task("a", 1, 20, "review").events
        )
        assert get_target(make_score(opened, session="other")) == ("other", "other", "session")
        assert get_target(make_score(opened, session="latest")) == ("other", "other", "session")
        assert get_target(make_score(opened, task="right")) == ("orchestrated", "right", "task")
        assert get_target(make_score(opened, task="right/2")) == ("orchestrated", "right/2", "task")
        assert get_target(make_score(opened, task="call-a")) == ("other", "call-a", "task")
        assert get_target(make_score(opened, phase="phase-report")) == (
            "orchestrated",
            "phase-report",
            "phase",
        )
        assert make_score(opened, session="nobody") == "there is no session 'nobody'"
        assert make_score(opened, task="nobody") == "there is no task 'nobody'"
        assert make_score(opened, task="right", session="other") == "there is no task 'right'"
        assert make_score(opened, phase="right") == "there is no phase 'right'"


def test_an_id_in_several_sessions_needs_its_session(tmp_path: Path) -> None:
    """Ids are unique within a session only."""
    with store(tmp_path) as opened:
        for number in range(5):
            opened.take(Drawing(f"s{number}").opens(number).run("a", 10, 20).events)
        problem = make_score(opened, task="a")
        assert isinstance(problem, str)
        assert problem.startswith("task 'a' is in several sessions (s")
        assert problem.endswith(" …): name the session, too")
        assert get_target(make_score(opened, task="a", session="s3")) == ("s3", "a", "task")


def test_a_recording_is_nobodys_to_judge(tmp_path: Path) -> None:
    """A recording is deleted with the user's first session; a judgement would bring it back."""
    with store(tmp_path) as opened:
        opened.take(Drawing("r").opens(recording=True).run("a", 1, 2).events)
        assert make_score(opened, session="latest") == "there is no session yet"
        assert make_score(opened, session="r") == "'r' is a recording, not a session of yours"
        assert make_score(opened, task="a") == "there is no task 'a'"


def test_one_bad_score_loses_no_other(tmp_path: Path) -> None:
    """Each score has its own answer; judge and time are kept; a judge's later score replaces the earlier."""
    with store(tmp_path) as opened:
        opened.take(orchestrated().events)
        items = [
            {"task": "left", "name": "quality", "value": 9, "by": "lead"},
            {"task": "nobody", "name": "quality", "value": 1},
            7,
            {"task": "left", "name": "quality", "value": 3, "by": "lead"},
            {"task": "left", "name": "quality", "value": 5, "by": "me@example.org"},
        ]
        receipts = judged.read_scores(opened.connection, items, at(1_000), SCALES)
        assert [receipt.event is not None for receipt in receipts] == [True, False, False, True, True]
        events = [receipt.event for receipt in receipts if receipt.event is not None]
        assert {(event.kind, event.channel, event.source) for event in events} == {
            (Kind.SCORE, Channel.API, "claude-code")
        }
        opened.take(events)
        session = session_queries.read_session(opened.connection, "orchestrated", by_description)
        assert session is not None
        assert [(s.value, s.by, s.time) for s in session.scores if s.of_id == "left"] == [
            (3, "lead", at(1_000) + 3),
            (5, "[redacted]", at(1_000) + 4),
        ]


@pytest.mark.parametrize(
    ("item", "answer"),
    [
        ({"value": 9.2}, (9.2, [0, 10])),
        ({"value": 92, "of": 100}, (9.2, [0, 10])),
        ({"name": "charm", "value": 3, "of": 5}, (3, [0, 5])),
        ({"name": "charm", "value": -3}, (-3, None)),
        ({"value": 92}, "quality 92 is outside the scale 0 to 10: name its top with 'of'"),
        ({"value": 101, "of": 100}, "quality 101 is outside the scale 0 to 100"),
        ({"value": 1, "of": 0}, "quality 1 is on no scale: 'of' must be above 0"),
        (
            {"value": 1, "of": "ten"},
            "'of' must be a finite number: the top of the scale that the value is on",
        ),
        (
            {"name": "security_findings", "value": 1, "of": 5},
            "security_findings 1 is a count without an end: leave out 'of'",
        ),
    ],
)
def test_a_score_is_answered_with_its_scale(tmp_path: Path, item: dict[str, Any], answer: object) -> None:
    """The value on the scale of its name, and that scale; off it, the reason."""
    with store(tmp_path) as opened:
        opened.take(orchestrated().events)
        given = {"session": "orchestrated", "name": "quality", **item}
        (receipt,) = judged.read_scores(opened.connection, [given], at(1_000), SCALES)
        if receipt.placed is None:
            assert receipt.problem == answer
            return
        assert (receipt.placed.value, build_scale_document(receipt.placed.scale)) == answer
        assert receipt.event is not None
        opened.take([receipt.event])
        session = session_queries.read_session(opened.connection, "orchestrated", by_description)
        assert session is not None
        kept = next(score for score in session.scores if score.time == receipt.event.time)
        assert SCALES.place_score(kept.name, kept.value, kept.out_of) == receipt.placed


def test_judges_of_one_thing_are_not_added_up() -> None:
    """Two judges give a task 6 and 8: it counts once, with 7. Another task's score counts beside it."""
    drawing = frame_drawing(Drawing(), 90).task("a", 0, 9, "review").task("b", 20, 29, "review")
    for by, value in (("lead", 6), ("customer", 8)):
        drawing.stroke(
            Kind.SCORE, 30, id="a", name="quality", attributes={"value": value, "of": "task", "by": by}
        )
    drawing.stroke(
        Kind.SCORE, 30, id="b", name="quality", attributes={"value": 40, "of": "task", "out_of": 50}
    )
    sums = sums_of(drawing)
    assert sum(sums["score_count"].values()) == 2
    assert sum(sums["score_sum"].values()) == (7 + 8) * 1_000_000
