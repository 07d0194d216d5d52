"""The simulated month: the same each time, called simulated everywhere, and told to nobody."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from stretto.cli.command_context import CommandContext
from stretto.cli.demo_month_folder import MARK, make_month_context, write_month
from stretto.cli.main import main
from stretto.clock import DAY
from stretto.config.loading import load_config
from stretto.demo.simulated_month import DAYS, SIMULATED, draw_month
from stretto.errors import ServiceError
from stretto.model.event import Event, Kind, Outcome
from tests.scenes import BEGIN, conclude_scene

END = BEGIN + 40 * DAY
MONTH = list(draw_month(END))


def list_sessions(events: list[Event]) -> dict[str, list[Event]]:
    """Return the events of each session."""
    sessions: dict[str, list[Event]] = {}
    for event in events:
        if event.kind is not Kind.DECISION:
            sessions.setdefault(event.session, []).append(event)
    return sessions


def measure_tasks(agent: str, *, first: int, last: int) -> list[float]:
    """Return the lengths (s) of an agent's successful tasks that started between two days before the end."""
    starts = {e.id: e.time for e in MONTH if e.kind is Kind.TASK_START and e.name == agent}
    ends = {e.id: e.time for e in MONTH if e.kind is Kind.TASK_END and e.outcome is Outcome.SUCCESS}
    return [
        (ends[name] - start) / 1e9
        for name, start in starts.items()
        if name in ends and END - first * DAY <= start < END - last * DAY
    ]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_the_same_end_gives_the_same_month() -> None:
    """The drawing is deterministic, fills every day, and ends before its end."""
    assert list(draw_month(END)) == MONTH
    assert list(draw_month(END, seed=2)) != MONTH
    days = Counter((END - events[0].time) // DAY for events in list_sessions(MONTH).values())
    assert sorted(days) == list(range(DAYS))
    assert max(event.time for event in MONTH) < END


def test_every_title_says_that_it_is_simulated() -> None:
    """Session, pattern and project, of which titles are made, carry the word."""
    for session, events in list_sessions(MONTH).items():
        assert SIMULATED in session
        assert SIMULATED in str(events[0].attributes["project"])
        assert SIMULATED in str(events[1].attributes["command"])


def test_sessions_are_whole() -> None:
    """A session concludes with its tasks ended, most of them side by side, and its cost known."""
    for events in list(list_sessions(MONTH).values())[:10]:
        session = conclude_scene(events)
        assert session.outcome is Outcome.SUCCESS
        assert len(session.tasks) in {3, 4, 5, 6}
        assert all(task.end is not None for task in session.tasks)
        assert all(call.tokens is not None for call in session.model_calls)


def test_something_became_slow_and_something_was_done() -> None:
    """Tests are slow between two noted changes, and surveys since the third."""
    slow, after = measure_tasks("tester", first=17, last=9), measure_tasks("tester", first=9, last=0)
    assert mean(slow) > 1.5 * mean(after)
    assert mean(measure_tasks("explorer", first=7, last=0)) > 1.4 * mean(
        measure_tasks("explorer", first=20, last=7)
    )
    noted = [event for event in MONTH if event.kind is Kind.DECISION]
    assert [event.type for event in noted] == ["annotation"] * 5


def test_failing_calls_end_with_the_mirror() -> None:
    """While the site answers badly a third of the fetches fail, later hardly any."""
    fetches = [e for e in MONTH if e.kind is Kind.TOOL_END and e.name == "WebFetch"]
    bad = [e.outcome is Outcome.FAILURE for e in fetches if END - 28 * DAY <= e.time < END - 21 * DAY]
    good = [e.outcome is Outcome.FAILURE for e in fetches if e.time >= END - 20 * DAY]
    assert mean([float(x) for x in bad]) > 0.15
    assert mean([float(x) for x in good]) < 0.05


def make_context(tmp_path: Path, **environ: str) -> CommandContext:
    """Return a context with a state folder below the test's."""
    environment = {"STRETTO_STATE": str(tmp_path / "state"), **environ}
    return CommandContext(
        config=load_config(environment, tmp_path), json=False, environ=environment, home=tmp_path
    )


def test_the_month_is_kept_apart_and_told_to_nobody(tmp_path: Path) -> None:
    """Its folder is another; speech, desktop, receivers, sampling, exporters and a fleet's push are off."""
    context = make_context(
        tmp_path,
        STRETTO_SPEAK_ALERTS="1",
        STRETTO_DESKTOP_ALERTS="1",
        STRETTO_RECEIVERS=str(tmp_path / "receivers.yml"),
        STRETTO_PUSH_URL="http://127.0.0.1:1/api/v1/write",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
    )
    month = make_month_context(dataclasses.replace(context))

    assert month.config.state == tmp_path / f"state-{SIMULATED}"
    assert (month.config.speak_alerts, month.config.desktop_alerts) == (False, False)
    assert month.config.receivers is None
    assert month.config.fleet_push_url is None
    assert month.config.resources_interval_seconds == 0
    assert not [name for name in month.environ if name.startswith("OTEL_")]


def test_a_second_start_makes_the_month_again(tmp_path: Path) -> None:
    """The month ends when it is written; what was there of it goes, and anything else is refused."""
    write_month(tmp_path, END)
    (tmp_path / "stretto.db").write_bytes(b"old")
    write_month(tmp_path, END + DAY)
    assert not (tmp_path / "stretto.db").exists()

    (tmp_path / MARK).unlink()
    with pytest.raises(ServiceError, match="has other data") as caught:
        write_month(tmp_path, END)
    assert "--state" in caught.value.hint
    assert (tmp_path / "journal").exists()


def test_a_month_that_should_receive_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Listening for spans beside a simulated month is wrong use, and nothing is written."""
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))

    assert main(["up", "--demo", "month", "--otlp-ports"]) == 2

    assert "receives and sends nothing" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
