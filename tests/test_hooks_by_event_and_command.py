"""How long hooks take, by hook event and by command, from what clients report to the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stretto.clock import SECOND
from stretto.figures.window_work_and_outcome_figures import compute_window_figures
from stretto.model.event import Kind
from stretto.sources.hook_command_names import name_hook_command
from stretto.sources.otlp.receive import Signal
from stretto.store import sum_queries
from tests.fakes import store
from tests.otlp_requests import T0, events_of, log, logs, receive
from tests.scenes import Drawing, at
from tests.test_transcript import answer, line, prompt, when
from tests.test_transcript import events_of as transcript_events
from tests.web_page import read, shown
from tests.web_served import Store


def draw_hooks() -> Drawing:
    """Return Stop hooks timed together and one by one, and one hook of another event by itself."""
    drawing = Drawing().opens().prompt(0)
    hooks: tuple[tuple[float, str, float, str | None], ...] = (
        (5, "Stop", 2, None),
        (5, "Stop", 2, "ruff"),
        (5, "Stop", 1, "stretto"),
        (9, "BeforeTool", 0.5, "ruff"),
    )
    for number, (second, name, length, command) in enumerate(hooks):
        drawing.stroke(
            Kind.HOOKS_RUN,
            second,
            id=f"h{number}",
            name=name,
            duration=round(length * SECOND),
            attributes={} if command is None else {"command": command},
        )
    return drawing.stop(20).ends(20)


def test_hooks_are_counted_by_event_and_by_command(tmp_path: Path) -> None:
    """Two runs by event, since the Stop hooks are one wait; three by command."""
    with store(tmp_path) as opened:
        opened.take(draw_hooks().events)
        sums = sum_queries.read_sums(opened.connection, at(30), 3_600)
    found = {
        (figure.name, *(value for name, value in figure.labels if name != "window")): figure
        for figure in compute_window_figures("1h", sums, {})
        if "hook" in figure.name
    }
    for name, seconds, runs in (
        (("stretto_hook_event_duration_quantile_seconds", "Stop", "p50"), 2, 1),
        (("stretto_hook_event_duration_quantile_seconds", "BeforeTool", "p95"), 0.5, 1),
        (("stretto_hook_command_duration_quantile_seconds", "ruff", "p50"), 0.5, 2),
        (("stretto_hook_command_duration_quantile_seconds", "stretto", "p95"), 1, 1),
        (("stretto_hook_duration_quantile_seconds", "p95"), 2, 2),
    ):
        assert found[name].value == pytest.approx(seconds, rel=0.02)
        assert found[name].count == runs


def test_the_page_of_tools_has_both_tables(tmp_path: Path) -> None:
    """Where nothing is timed by command it says so, and it says so where nothing is timed at all."""
    told = Store(tmp_path / "told")
    told.events(draw_hooks().events)
    with shown(told) as client:
        text = read(client, "/tools?window=all").text
    assert all(word in text for word in ("Hook event", "BeforeTool", "Command", "ruff"))
    untold = Store(tmp_path / "untold")
    untold.events(Drawing().opens().prompt(0).call("c", 1, 2).stop(20).ends(20).events)
    with shown(untold) as client:
        assert "no client timed its hooks" in read(client, "/tools?window=all").text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("/home/me/.claude/hooks/tmux-waiting.sh mark", "tmux-waiting.sh"),
        ("cd ${CLAUDE_PLUGIN_ROOT}/hooks && bun run ./dist/on-stop-test.js", "on-stop-test.js"),
        ("'/usr/bin/python3' -I -S /state/hook/client.py 2>/dev/null || : stretto", "stretto"),
        ("ruff check src/secret", "ruff"),
        ("TOKEN=abc", None),
        ("", None),
        (7, None),
    ],
)
def test_a_command_is_named_without_arguments_and_folders(text: object, name: str | None) -> None:
    """They may say what people work on."""
    assert name_hook_command(text) == name


def test_gemini_times_each_hook() -> None:
    """Its log event comes at the end of a hook; without a length there is nothing to tell."""
    about: dict[str, Any] = {
        "session.id": "talk",
        "hook_event_name": "BeforeTool",
        "hook_name": "sh /etc/secret/look.sh",
    }
    records = [
        log("gemini_cli.hook_call", at=3, duration_ms=500, **about),
        log("gemini_cli.hook_call", at=4, **about),
    ]
    (event,) = events_of(receive(logs(records, service="gemini-cli"), Signal.LOGS).records)
    assert (event.kind, event.session, event.name) == (Kind.HOOKS_RUN, "talk", "BeforeTool")
    assert (event.time, event.duration) == (T0 + 25 * SECOND // 10, SECOND // 2)
    assert event.attributes["command"] == "look.sh"


def test_a_transcript_times_the_hooks_at_the_end_of_an_answer(tmp_path: Path) -> None:
    """Older clients name the commands without their lengths: those are left out."""
    infos = [{"command": "/a/b/lint.sh", "durationMs": 1500}, {"command": "x"}, {"durationMs": 20}]
    ended = line("system", 3, subtype="stop_hook_summary", hookInfos=infos)
    events = transcript_events(tmp_path, prompt(1), answer(2), ended)
    first, second = (event for event in events if event.kind is Kind.HOOKS_RUN)
    assert (first.name, first.time, first.duration) == ("Stop", when(1.5), 3 * SECOND // 2)
    assert first.attributes == {"command": "lint.sh"}
    assert (second.time, second.duration, second.attributes) == (when(2.98), SECOND // 50, {})
