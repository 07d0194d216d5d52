"""The Python API beyond blocks: work that is over, types of messages, labels of sessions."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import stretto
from stretto.clock import SECOND, read_wall_clock
from stretto.figures.machine_contention import measure_session_machine_use
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
    stretto.record_resources(start=BEGIN, seconds=1, cpu_seconds=1)


def test_resources_that_somebody_else_measured_count_like_readings(tmp_path: Path) -> None:
    """Two stretches of work elsewhere: 40 s of processor time in 60 s, then 10 s in 20 s, at most 3 GB."""
    with journalled(tmp_path) as written:
        with stretto.session("release", id="s1"), stretto.task("build", agent="builder"):
            stretto.record_resources(
                start=BEGIN, seconds=60, cpu_seconds=40.0, memory_bytes=10**9, memory_peak_bytes=3 * 10**9,
                read_bytes=7, written_bytes=0,
            )  # fmt: skip
            stretto.record_resources(start=BEGIN + 60.5, seconds=20, cpu_seconds=10)
        session = conclude_events(written.events())
    first, second = session.samples
    assert (first.start, first.duration) == (BEGIN * SECOND, 60 * SECOND)
    assert (first.cpu, first.memory, first.memory_peak) == (40 * SECOND, 10**9, 3 * 10**9)
    assert (first.read, first.written) == (7, 0)
    assert (second.start, second.cpu, second.memory) == (
        (BEGIN + 60) * SECOND + SECOND // 2,
        10 * SECOND,
        None,
    )
    use = measure_session_machine_use(session.samples, (0.75, 0.85))
    assert use is not None
    assert (use.sampled_seconds, use.cpu_seconds, use.memory_peak_bytes) == (80, 50, 3 * 10**9)
    assert len(session.tasks) == 1
    assert session.start >= (BEGIN + 600) * SECOND


@pytest.mark.parametrize(
    "wrong",
    [
        {"seconds": 0, "cpu_seconds": 1},
        {"seconds": float("nan"), "cpu_seconds": 1},
        {"seconds": 1},
        {"seconds": 1, "cpu_seconds": -1},
        {"seconds": 1, "memory_bytes": float("inf")},
        {"seconds": 1, "memory_bytes": 1.5},
    ],
)
def test_resources_that_cannot_be_right_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: dict[str, float]
) -> None:
    """They are named in the log, as is a record outside of any session."""
    with journalled(tmp_path) as written, caplog.at_level(logging.WARNING):
        with stretto.session("release", id="s1"):
            stretto.record_resources(start=BEGIN, **wrong)  # type: ignore[arg-type]  # wrong on purpose
        stretto.record_resources(start=BEGIN, seconds=1, cpu_seconds=1)
        assert conclude_events(written.events()).samples == ()
    assert len([line for line in caplog.messages if "resources was left out" in line]) == 2


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
