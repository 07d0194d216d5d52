"""The Python API beyond blocks: work that is over, types of messages, labels of sessions."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import stretto
from stretto.clock import SECOND, read_wall_clock
from stretto.model.event import Outcome
from stretto.model.interval import Interval
from tests.test_api_journal_exporter import conclude_events, journalled

BEGIN = read_wall_clock() // SECOND - 600
"""Seconds since the epoch, ten minutes ago."""


def test_work_that_is_over_is_recorded_as_it_was(tmp_path: Path) -> None:
    """Times, outcome, type and agent are those given; the tasks are a part of the session around the call."""
    with journalled(tmp_path) as written:
        with stretto.session("release", id="s1"):
            stretto.record("review a", start=BEGIN, seconds=30, type="review", agent="critic")
            stretto.record("test a", start=BEGIN + 5, seconds=1.5, outcome="failure", id="t1")
        session = conclude_events(written.events())
    first, second = session.tasks
    assert (first.task_type, first.agent, first.outcome) == ("review", "critic", Outcome.SUCCESS)
    assert first.interval == Interval(BEGIN * SECOND, (BEGIN + 30) * SECOND)
    assert (second.id, second.outcome) == ("t1", Outcome.FAILURE)
    assert second.interval is not None
    assert second.interval.length == 1.5 * SECOND


def test_what_follows_a_record_is_not_below_it(tmp_path: Path) -> None:
    """A recorded task is over: a later block is a task of the session, not of the recorded one."""
    with journalled(tmp_path) as written:
        with stretto.session("release", id="s1"):
            stretto.record("review a", start=BEGIN, seconds=30, id="over")
            with stretto.task("review b", id="later"):
                pass
        session = conclude_events(written.events())
    assert {task.id: task.parent for task in session.tasks} == {"over": None, "later": None}


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": BEGIN, "seconds": -1},
        {"start": float("nan"), "seconds": 1},
        {"start": BEGIN, "seconds": float("inf")},
        {"start": 0, "seconds": 1},
        {"start": BEGIN, "seconds": 1, "outcome": "splendid"},
        {"start": BEGIN, "seconds": 1, "outcome": "running"},
    ],
)
def test_a_record_that_cannot_be_right_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: dict[str, float | str]
) -> None:
    """It is named in the log, and the program goes on."""
    with journalled(tmp_path) as written, caplog.at_level(logging.WARNING):
        with stretto.session("release", id="s1"):
            stretto.record("review a", **wrong)  # type: ignore[arg-type]  # wrong on purpose
        assert conclude_events(written.events()).tasks == ()
    assert "was left out" in caplog.text


def test_without_an_sdk_a_record_does_nothing() -> None:
    """An unconfigured program runs as before."""
    stretto.record("review a", start=BEGIN, seconds=1)


def test_messages_have_types(tmp_path: Path) -> None:
    """A type is kept as given; a message without is of no type."""
    with journalled(tmp_path) as written:
        with stretto.session("release", id="s1"):
            stretto.message("lead", sender="critic", type="handover").sent()
            stretto.message("lead", sender="critic").sent()
        session = conclude_events(written.events())
    assert sorted(str(message.type) for message in session.messages) == ["None", "handover"]


def test_a_session_has_labels(tmp_path: Path) -> None:
    """Keys and values; signs that separate labels become blanks, empty ones are left out."""
    labels = {"arm": "B", "team": "core, platform", "empty": "", "a=b": "c"}
    with journalled(tmp_path) as written:
        with stretto.session("release", id="s1", pattern="fan-out", labels=labels):
            pass
        session = conclude_events(written.events())
    assert session.labels == (("a b", "c"), ("arm", "B"), ("team", "core  platform"))
    assert session.pattern == "fan-out"
