"""``stretto top``: show running agents, verdicts, spending and alerts, refreshed each second.

Without a terminal it prints a single frame.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from stretto.cli.command_context import CommandContext
from stretto.cli.cost_text import format_cost_and_tokens
from stretto.cli.text_tables import render_text
from stretto.cli.top_alerts import draw_alerts, make_single_line
from stretto.cli.top_data import (
    Frame,
    FrameReader,
    OpenSession,
    RunningAgent,
    build_document,
    explain_unreadable,
)
from stretto.clock import SECOND, read_wall_clock
from stretto.errors import StrettoError
from stretto.figures.sequential_baseline_choice import Provenance
from stretto.figures.window_gain_verdict import Verdict
from stretto.findings.finding_sentences import SLOWER_TASKS, describe_left
from stretto.format import quantities
from stretto.model.entities import ToolCall
from stretto.model.process_state import ProcessState
from stretto.summaries.budget_in_words import describe_budget

try:
    import termios
    import tty
except ImportError:  # pragma: no cover  # Windows: Ctrl-C ends it all the same
    termios = None  # type: ignore[assignment]  # the module or its absence

REFRESH_SECONDS = 1.0
QUIT = frozenset(b"qQ\x03\x04")

Wait = Callable[[], bool]
"""Waits for the next refresh; returns False to end the program."""


def run_top(context: CommandContext, options: argparse.Namespace) -> int:  # noqa: ARG001  # every command takes both
    """Show the open sessions until q or Ctrl-C, or once without a terminal."""
    reader = FrameReader(context.config)
    if context.json or not sys.stdout.isatty():
        frame = reader.read_frame(read_wall_clock())
        context.print_answer(build_document(frame), format_frame(frame))
        return 0
    reader.read_frame(read_wall_clock())  # fails before the screen is taken if there is no store
    console = Console(highlight=False, markup=False, emoji=False)
    with _watch_for_end() as wait:
        _show_screen(reader, console, wait)
    return 0


def format_frame(frame: Frame) -> str:
    """Return a frame as plain text."""
    return render_text(draw_frame(frame))


def draw_frame(frame: Frame, trouble: str | None = None) -> RenderableType:
    """Return a frame as Rich renderables. ``trouble`` is the reason why the frame is out of date."""
    parts: list[RenderableType] = [_draw_head(frame)]
    parts += [Text(f"! {make_single_line(trouble)}", style="bold red")] if trouble else []
    parts.append(_draw_windows(frame))
    if frame.are_tasks_slower and any(_is_gain(verdict) for verdict in frame.verdicts.values()):
        parts.append(Text(SLOWER_TASKS, style="yellow"))
    parts += [
        Text(describe_budget(budget), style="yellow" if budget.spent >= budget.budget else "")
        for budget in frame.budgets
    ]
    parts.append(Text())
    parts += draw_alerts(frame.alerts)
    parts += [Text(f"! {make_single_line(problem)}", style="yellow") for problem in frame.problems]
    parts += [Text(frame.switched_off, style="dim")] if frame.switched_off else []
    parts += [Text()] if frame.alerts or frame.problems or frame.switched_off else []
    parts += [_draw_sessions(frame)] if frame.sessions else [Text("no session is open")]
    if frame.not_shown:
        parts.append(
            Text(
                f"and {quantities.format_count_with_noun(frame.not_shown, 'more open session')}", style="dim"
            )
        )
    return Group(*parts)


def _add_key_help(frame: RenderableType) -> RenderableType:
    return Group(frame, Text(), Text("q quits", style="dim"))


def _show_screen(reader: FrameReader, console: Console, wait: Wait) -> None:
    frame = reader.read_frame(read_wall_clock())
    with Live(_add_key_help(draw_frame(frame)), console=console, screen=True, auto_refresh=False) as live:
        while wait():
            trouble = None
            try:
                frame = reader.read_frame(read_wall_clock())
            except (StrettoError, sqlite3.Error) as error:
                # A rebuild removes the store for a while; the last frame stays on the screen.
                trouble = explain_unreadable(error)
            live.update(_add_key_help(draw_frame(frame, trouble)), refresh=True)


def _draw_head(frame: Frame) -> Text:
    activity = frame.activity
    counts = [
        quantities.format_count_with_noun(activity.sessions_open, "open session"),
        f"{activity.sessions_busy} busy",
        f"{quantities.format_count_with_noun(activity.tasks_running, 'agent')} running",
    ]
    head = Text("stretto", style="bold")
    return head.append(f"  {quantities.format_instant(frame.at)}  {', '.join(counts)}", style="not bold")


def _draw_windows(frame: Frame) -> Table:
    table = Table.grid(padding=(0, 2))
    for window, verdict in frame.verdicts.items():
        table.add_row(
            Text(window, style="dim"),
            Text(_format_verdict(verdict)),
            Text(format_cost_and_tokens(frame.spent.get(window))),
        )
    return table


def _is_gain(verdict: Verdict) -> bool:
    lead = verdict.lead
    return lead is not None and lead.speedup is not None and lead.time_saved > 0


def _format_verdict(verdict: Verdict) -> str:
    lead = verdict.lead
    if lead is None:
        return "nothing ran in parallel"
    if lead.speedup is None:
        return "no speedup is known"
    time_saved = quantities.format_duration(abs(lead.time_saved))
    change = "saved" if lead.time_saved >= 0 else "lost"
    fanouts = quantities.format_count_with_noun(lead.fanouts, "parallel execution")
    tasks = quantities.format_delivered_tasks(lead.delivered + lead.taken, lead.tasks)
    notes = [lead.provenance.value, *([] if lead.are_outcomes_reported else ["outcomes not reported"])]
    parts = "".join(
        f"; {part.better.fanouts} {part.better.provenance.value}:"
        f" {quantities.format_speedup(part.better.speedup)}"
        for part in verdict.parts
        if part.better.speedup is not None
    )
    speedup = quantities.format_speedup(lead.speedup)
    return (
        f"{'up to ' if lead.provenance is Provenance.WORK and lead.speedup > 1 else ''}{speedup} as fast,"
        f" {time_saved} {change} over {fanouts}, {tasks} ({', '.join(notes)}){parts}"
    )


def _draw_sessions(frame: Frame) -> Table:
    table = Table.grid(padding=(0, 2))
    for column in ("who", "for", "does", "what"):
        table.add_column(column, no_wrap=True, overflow="ellipsis", ratio=1 if column == "what" else None)
    for session in frame.sessions:
        _add_session(table, session, frame.at)
    return table


def _add_session(table: Table, session: OpenSession, now: int) -> None:
    row = session.row
    running = (
        f"{row.running} of {quantities.format_count_with_noun(row.tasks, 'agent')}"
        if row.tasks
        else "no agents"
    )
    rate = session.tokens_per_minute
    details = (
        row.project,
        row.pattern,
        running,
        "" if row.busy else "idle",
        format_cost_and_tokens(session.spent),
        f"{quantities.format_count(round(rate))} a minute" if rate else "",
    )
    about = ", ".join(filter(None, details))
    does = _draw_activity(session.call, now)
    table.add_row(
        Text(make_single_line(row.id[:8]), style="bold"),
        _draw_age(row.start, now),
        does,
        Text(make_single_line(about)),
    )
    for agent in session.agents:
        task = agent.task
        name = Text(f"  {make_single_line(task.agent or task.task_type)}")
        table.add_row(
            name,
            _draw_age(task.start, now),
            _draw_agent_activity(agent, now),
            Text(make_single_line(task.description or "")),
        )


def _draw_agent_activity(agent: RunningAgent, now: int) -> Text:
    if agent.process is ProcessState.GONE:
        return Text("its process is gone", style="bold red")
    if agent.stuck_since is not None:
        return Text(f"stuck? no event for {_format_age(agent.stuck_since, now)}", style="bold red")
    report = agent.report
    if report is not None and report.share is None:
        return Text(f"blocked: {make_single_line(report.description or '')}", style="bold red")
    activity, expected = _draw_activity(agent.call, now), agent.expected
    if report is not None:
        activity = Text(f"{report.share:.0%} done, ").append_text(activity)
    if expected is None:
        return activity
    if expected.is_overdue:
        return Text(f"overdue: {describe_left(expected)}", style="bold yellow")
    # A bare number would promise an end; without a range there is none.
    return activity if expected.left is None else Text.assemble(activity, f", {describe_left(expected)}")


def _draw_activity(call: ToolCall | None, now: int) -> Text:
    if call is None:
        return Text("no call open", style="dim")
    tool = make_single_line(call.tool or "a tool")
    return Text(tool if call.start is None else f"{tool} for {_format_age(call.start, now)}")


def _draw_age(at: int | None, now: int) -> Text:
    return Text("—" if at is None else _format_age(at, now), style="dim")


def _format_age(at: int, now: int) -> str:
    return quantities.format_duration(max(0, now - at) // SECOND)


@contextmanager
def _watch_for_end() -> Iterator[Wait]:
    """Provide a wait that ends early at q or at a signal to end; meanwhile keys are read unbuffered.

    A signal writes a byte to a pipe instead of raising. An exception while the screen is drawn would leave
    the terminal in that state.
    """
    if termios is None:
        yield _sleep_until_refresh
        return
    woken, wake = os.pipe()

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # the signature of a signal handler
        os.write(wake, b"q")

    handlers = {
        number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        with _read_keys() as keyboard:
            yield lambda: _wait_for_refresh([woken, *keyboard])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(woken)
        os.close(wake)


@contextmanager
def _read_keys() -> Iterator[list[int]]:
    """Provide the descriptor of the keyboard, unbuffered and without echo; empty without a terminal."""
    if not sys.stdin.isatty():
        yield []
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    try:
        tty.setcbreak(keyboard)
        yield [keyboard]
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def _wait_for_refresh(inputs: list[int]) -> bool:
    until = time.monotonic() + REFRESH_SECONDS
    while ready := select.select(inputs, [], [], max(0.0, until - time.monotonic()))[0]:
        for descriptor in ready:
            pressed = os.read(descriptor, 64)
            if not pressed or QUIT & set(pressed):
                return False
    return True


def _sleep_until_refresh() -> bool:
    time.sleep(REFRESH_SECONDS)
    return True
