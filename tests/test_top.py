"""The live view: current activity from a real store, in a real terminal that is restored at the end."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stretto import journal
from stretto.cli.main import main
from stretto.cli.top import format_frame
from stretto.cli.top_data import Frame, FrameReader, build_document
from stretto.clock import MINUTE, SECOND
from stretto.hook.client.client import build_record
from stretto.model.decisions import Decision, DecisionKind
from stretto.model.event import Event, Kind
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict
from stretto.notifications.notification_log import Notification, NotificationLog
from stretto.state.lock import StateLock
from stretto.store.database import SUFFIXES
from stretto.store.decision_rows import append_decisions
from stretto.store.finding_history_and_last_answers import (
    BEGAN,
    FindingChange,
    append_finding_changes,
    make_finding_id,
)
from stretto.summaries.session_json import build_row_document
from tests.ports import reserve_dead_address
from tests.waiting import PATIENCE
from tests.web_served import NOON, Store, Work

PROGRAM = "import sys; from stretto.cli.main import main; sys.exit(main())"


def hook(store: Store, session: str, at: int, **payload: Any) -> None:
    """Append a hook call of a session."""
    record = build_record(json.dumps({"session_id": session, **payload}).encode(), at)
    journal.append_records(journal.get_day_file(store.config.journal, at), record)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A finished session with a parallel execution, and a session with a working and a silent agent."""
    store = Store(tmp_path)
    store.scene("done", NOON - 30 * MINUTE, [Work(1, 11), Work(1, 11)])
    store.scene(
        "open-now",
        NOON - 20 * MINUTE,
        [Work(1, 11), Work(2, None, "build [/x] \x1b[2J it", "builder"), Work(3, None, "test it", "tester")],
        over=False,
    )
    bash = {
        "hook_event_name": "PreToolUse",
        "tool_name": "Bash",
        "agent_id": "agent1",
        "agent_type": "builder",
    }
    hook(store, "open-now", NOON - 12 * SECOND, **bash, tool_use_id="b1", tool_input={"command": "make"})
    used: dict[str, Any] = {"input_tokens": 1000, "output_tokens": 234, "cost_usd": 0.25}
    store.events(
        [
            Event(kind=Kind.MODEL_CALL, session="open-now", time=NOON - MINUTE, id="m1", attributes=used),
        ]
    )
    store.refresh()
    return store


def frame(store: Store, now: int = NOON) -> Frame:
    return FrameReader(store.config).read_frame(now)


def notification(**changed: Any) -> Notification:
    """An alert that fires."""
    standard: dict[str, Any] = {
        "received": NOON, "status": "firing", "alertname": "StrettoSlower", "severity": "warning",
        "summary": "Parallel work is slower", "description": None, "labels": {}, "starts_at": None,
        "ends_at": None, "fingerprint": "f1", "runbook_url": None,
    }  # fmt: skip
    return Notification(**{**standard, **changed})


def test_it_tells_what_each_agent_does_now(store: Store) -> None:
    """The running call with its age, silence without a call, and no finished agent."""
    (session,) = frame(store).sessions
    builder, tester = session.agents

    assert (session.row.id, session.row.running, session.row.tasks) == ("open-now", 2, 3)
    assert session.call is None  # the open calls of the main agent only wait for its agents
    assert builder.call is not None
    assert (builder.call.tool, builder.call.start, builder.stuck_since) == ("Bash", NOON - 12 * SECOND, None)
    assert (tester.call, tester.stuck_since) == (None, NOON - 20 * MINUTE + 3 * SECOND)


def test_a_call_of_the_main_agent_stands_with_the_session(store: Store) -> None:
    """A call of the main agent is shown with the session."""
    read = {"hook_event_name": "PreToolUse", "tool_name": "Read", "tool_use_id": "r1", "tool_input": {}}
    hook(store, "open-now", NOON - 2 * SECOND, **read)
    store.refresh()

    (session,) = frame(store).sessions
    assert session.call is not None
    assert session.call.tool == "Read"


def test_a_task_that_runs_too_long_is_overdue_and_others_say_when_they_end(tmp_path: Path) -> None:
    """After twenty like it: one in its tenth minute is late, one that just began has a range for its end."""
    store = Store(tmp_path)
    for number in range(10):
        works = [Work(1, 11 + number), Work(1, 21 + number)]
        store.scene(f"done{number}", NOON - (60 + number) * MINUTE, works)
    store.scene("late", NOON - 10 * MINUTE, [Work(0, None)], over=False)
    store.scene("young", NOON - 5 * SECOND, [Work(0, None)], over=False)
    store.refresh()
    current = frame(store)
    lines = format_frame(current).replace("\N{NO-BREAK SPACE}", " ").splitlines()
    young, late = (line for line in lines if line.startswith("  architect"))
    assert "no call open, 14 s more (6 s to 22 s), by 20 like it" in young
    assert "overdue: longer than 1 min 24 s, beyond 99 % of its kind (rule of thumb)" in late
    expected = {each["id"]: each["agents"][0]["expected"] for each in build_document(current)["sessions"]}
    ranges = {
        id: [each[f"left_{name}seconds"] for name in ("", "low_", "high_")] for id, each in expected.items()
    }
    assert {id: each["overdue"] for id, each in expected.items()} == {"late": True, "young": False}
    assert ranges["late"] == [None] * 3
    low, middle, high = ranges["young"][1], ranges["young"][0], ranges["young"][2]
    assert (round(low), round(middle), round(high)) == (6, 14, 22)
    assert expected["late"]["expectation"].startswith("longer than")


def test_verdicts_and_spending_stand_by_window(store: Store) -> None:
    """Each window shows its verdict and the cost of its model calls."""
    current = frame(store)

    lead = current.verdicts["1h"].lead
    assert lead is not None
    assert lead.speedup == pytest.approx(2)
    assert lead.fanouts == 1
    spent = current.spent["1h"]
    assert (spent.cost, spent.model_calls, sum(spent.tokens.values())) == (250_000_000, 1, 1234)
    assert current.sessions[0].spent is not None
    assert current.sessions[0].spent.cost == 250_000_000


def test_a_kept_look_sees_what_has_happened_since(store: Store) -> None:
    """The next frame lacks the ended call, and equals the frame of a fresh reader."""
    reader = FrameReader(store.config, stopwatch=lambda: 0)
    reader.read_frame(NOON)
    end = {"hook_event_name": "PostToolUse", "tool_name": "Bash", "agent_id": "agent1", "tool_use_id": "b1"}
    hook(store, "open-now", NOON + SECOND, **end, tool_input={}, tool_response={})
    store.scene("late", NOON + SECOND, [Work(0, None)], over=False)
    store.refresh()

    later = reader.read_frame(NOON + 11 * SECOND)

    assert later == frame(store, NOON + 11 * SECOND)
    assert {session.row.id: [a.call for a in session.agents] for session in later.sessions} == {
        "late": [None], "open-now": [None, None],
    }  # fmt: skip


def test_a_session_that_takes_long_is_looked_at_more_seldom(store: Store) -> None:
    """A session that took a second to conclude is concluded again ten seconds later at the earliest."""
    stopwatch = iter(second * SECOND for second in (0, 1, 10, 11, 12))
    reader = FrameReader(store.config, stopwatch=lambda: next(stopwatch))
    end = {"hook_event_name": "PostToolUse", "tool_name": "Bash", "agent_id": "agent1", "tool_use_id": "b1"}

    def tool() -> str | None:
        call = reader.read_frame(NOON).sessions[0].agents[0].call
        return None if call is None else call.tool

    assert tool() == "Bash"
    hook(store, "open-now", NOON + SECOND, **end, tool_input={}, tool_response={})
    store.refresh()
    assert tool() == "Bash"
    assert tool() is None


def test_tokens_of_a_minute_are_those_of_late(store: Store) -> None:
    """The rate covers the last five minutes; without reported tokens there is no rate."""
    assert frame(store).sessions[0].tokens_per_minute == pytest.approx(1234 / 5)
    assert frame(store, NOON + 10 * MINUTE).sessions[0].tokens_per_minute == 0
    assert "247 a minute" in format_frame(frame(store)).replace("\N{NO-BREAK SPACE}", " ")
    store.scene("untold", NOON - MINUTE, [Work(1, None)], over=False)
    store.refresh()
    rates = {session.row.id: session.tokens_per_minute for session in frame(store).sessions}
    assert rates["untold"] is None


def test_the_rate_of_a_young_session_is_over_its_own_life(store: Store) -> None:
    """600 tokens in a session of two minutes are 300 a minute."""
    store.scene("young", NOON - 2 * MINUTE, [Work(1, None)], over=False)
    used = {"input_tokens": 600}
    store.events([Event(kind=Kind.MODEL_CALL, session="young", time=NOON - MINUTE, id="m2", attributes=used)])
    store.refresh()

    rates = {session.row.id: session.tokens_per_minute for session in frame(store).sessions}
    assert rates["young"] == pytest.approx(300)


def test_a_gain_is_no_praise_while_tasks_got_slower_until_a_person_settles_it(store: Store) -> None:
    """A regression of lengths stands under the verdicts; rejected by a person it is silent."""
    evidence = FindingEvidence(n=40, effect=1.5, low=1.3, high=1.7)
    slower = Finding("task_length", {"type": "tests"}, FindingVerdict.REGRESSION, evidence)
    id = make_finding_id(slower.kind, slower.subject)
    note = "Tasks got slower, so part of that is no gain."
    assert note not in format_frame(frame(store))
    change = FindingChange(id, NOON - 10 * MINUTE, BEGAN, "changes", slower)
    append_finding_changes(store.config.journal, [change])
    store.refresh()
    assert note in format_frame(frame(store))
    append_decisions(store.config.journal, [Decision("d1", NOON - MINUTE, DecisionKind.REJECTED, id)])
    store.refresh()
    assert note not in format_frame(frame(store))


def test_alerts_that_fire_are_shown_and_their_file_is_left_alone(store: Store) -> None:
    """Firing alerts are sorted by severity, resolved alerts are left out, and the file is not changed."""
    path = store.config.state / "notifications.jsonl"
    NotificationLog(path).add_notifications(
        [
            notification(),
            notification(fingerprint="f2", alertname="StrettoDown", severity="critical"),
            notification(fingerprint="f3"),
            notification(fingerprint="f3", status="resolved", received=NOON + 1),
        ]
    )
    with path.open("ab") as file:
        file.write(b"torn\n" * 3000)
    before = path.read_bytes(), path.stat().st_mtime_ns

    assert [alert.alertname for alert in frame(store).alerts] == ["StrettoDown", "StrettoSlower"]
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_alerts_of_a_rule_stand_together_with_subject_and_value(store: Store) -> None:
    """A line for the rule, three of its alerts by their descriptions, and how many more there are."""
    slow = [
        notification(
            alertname="StrettoSlowTools", summary="A tool takes too long.", fingerprint=f"s{number}",
            description=f"Calls of tool-{number} take\n{number} min.",
        )
        for number in range(1, 6)
    ]  # fmt: skip
    NotificationLog(store.config.state / "notifications.jsonl").add_notifications(
        [*slow, notification(fingerprint="d", alertname="StrettoDown", severity="critical")]
    )
    lines = format_frame(frame(store)).splitlines()
    first = lines.index("! critical  StrettoDown  Parallel work is slower")
    assert lines[first + 1] == "! warning  StrettoSlowTools ×5  A tool takes too long."
    shown = lines[first + 2 : first + 5]
    assert all(line.startswith("    Calls of tool-") and line.endswith(" min.") for line in shown)
    assert lines[first + 5] == "    and 2 more"


def test_problems_say_that_nobody_follows(store: Store) -> None:
    """A missing service and rejected input are shown as problems."""
    store.garble()
    store.refresh()

    assert frame(store).problems == (
        "the figures are not updated: no service is running, start it with 'stretto up'",
        "1 part(s) of the input were set aside: 'stretto doctor' shows why",
    )


def test_a_service_that_does_not_answer_is_a_problem(store: Store) -> None:
    """A service that holds the lock but does not answer is a problem."""
    lock = StateLock(store.config.state)
    with reserve_dead_address() as address:
        lock.acquire(address)
        try:
            assert frame(store).problems == (f"the service at {address} does not answer",)
        finally:
            lock.release()


def test_the_text_is_readable_and_harmless(store: Store) -> None:
    """Markup in a description is shown as text, and terminal control characters are not printed."""
    text = format_frame(frame(store)).replace("\N{NO-BREAK SPACE}", " ")

    assert "\x1b" not in text
    lines = text.splitlines()
    assert lines[0] == "stretto  2026-11-20 12:00:00 UTC  1 open session, 1 busy, 2 agents running"
    assert lines[1].split("  ", 1)[0] == "1h"
    assert "up to 2× as fast, 10 s saved over 1 parallel execution, 2 tasks (work)" in lines[1]
    assert "at least $0.25, at least 1.23 k tokens" in lines[1]
    (builder,) = (line for line in lines if "builder" in line)
    assert "Bash for 12 s" in builder
    assert "build [/x]" in builder
    (tester,) = (line for line in lines if "tester" in line)
    assert "stuck? no event for 20 min" in tester


def test_json_is_the_document_of_one_frame(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """The keys are those that docs/json.md names, and the document is JSON through and through."""
    built = build_document(frame(store))
    assert main(["--state", str(store.config.state), "top", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)

    assert json.loads(json.dumps(built)) == built
    assert printed.keys() == built.keys() == {
        "at", "activity", "verdicts", "spending", "budgets", "sessions", "alerts", "problems", "switched_off",
        "are_tasks_slower",
    }  # fmt: skip
    agent = built["sessions"][0]["agents"][0]
    assert agent["call"] == {"id": "b1", "tool": "Bash", "start": "2026-11-20T11:59:48.000000Z"}
    assert agent.keys() == {
        "task", "task_type", "agent", "description", "start", "call", "stuck_since", "process", "progress",
        "blocked", "expected",
    }  # fmt: skip
    assert built["spending"]["1h"]["cost_usd"] == 0.25
    page = (Path(__file__).parents[1] / "docs" / "json.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith("| `top --json`"))
    listed = build_row_document(frame(store).sessions[0].row)  # as in another row of that page
    live_keys = [key for key in built["sessions"][0] if key not in listed]
    assert [key for key in (*built, *live_keys, *agent) if f"`{key}" not in row] == []


def test_without_a_terminal_it_prints_one_frame(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe gets the text once, without terminal control sequences."""
    assert main(["--state", str(store.config.state), "top"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("stretto  ")
    assert "\x1b" not in out


def test_without_a_store_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a store the exit code is 3, with a remedy."""
    assert main(["--state", str(tmp_path), "top"]) == 3
    assert "stretto up" in capsys.readouterr().err


@contextmanager
def in_terminal(store: Store) -> Iterator[tuple[int, int, subprocess.Popen[bytes]]]:
    """Run the live view in a pseudo-terminal; return this end, the terminal and the process."""
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (40, 120))
    environ = {**os.environ, "TERM": "xterm-256color", "HOME": str(store.folder)}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "--state", str(store.config.state), "top"],
        stdin=terminal, stdout=terminal, stderr=terminal, env=environ, start_new_session=True,
    )  # fmt: skip
    try:
        yield controller, terminal, process
    finally:
        process.kill()
        process.wait()
        os.close(controller)
        os.close(terminal)


def until(controller: int, text: bytes) -> bytes:
    """Return the terminal's output up to a text."""
    seen = b""
    while text not in seen:
        assert select.select([controller], [], [], PATIENCE)[0], f"{text!r} never came after {seen!r}"
        seen += os.read(controller, 65_536)
    return seen


SHOWN, HIDDEN = b"\x1b[?1049h", b"\x1b[?1049l"
"""Control sequences that enter and leave the terminal's alternate screen."""


@pytest.mark.parametrize("end", ["q", "SIGINT", "SIGTERM"])
def test_the_terminal_is_left_as_it_was(store: Store, end: str) -> None:
    """Every way to end it gives exit code 0 and restores the screen, the cursor and the keyboard mode."""
    with in_terminal(store) as (controller, terminal, process):
        before = termios.tcgetattr(terminal)
        seen = until(controller, b"q quits")
        assert SHOWN in seen
        assert b"builder" in seen
        if end == "q":
            os.write(controller, b"q")
        else:
            process.send_signal(getattr(signal, end))
        left = until(controller, HIDDEN)
        if b"\x1b[?25h" not in left:
            until(controller, b"\x1b[?25h")

        assert process.wait(PATIENCE) == 0
        assert termios.tcgetattr(terminal) == before


def test_other_keys_change_nothing_and_the_view_goes_on(store: Store) -> None:
    """Another key has no effect; the store is read again, and a missing store is reported and survived."""
    with in_terminal(store) as (controller, _, process):
        until(controller, b"q quits")
        os.write(controller, b"x")
        kept = {suffix: store.config.database.with_name("stretto.db" + suffix) for suffix in SUFFIXES}
        away = store.config.database.with_name("away.db")
        kept[""].rename(away)
        until(controller, b"there is no store yet")
        away.rename(kept[""])
        seen = until(controller, b"q quits")
        while b"no store yet" in seen:
            seen = until(controller, b"q quits")
        os.write(controller, b"q")
        until(controller, HIDDEN)
        assert process.wait(PATIENCE) == 0
