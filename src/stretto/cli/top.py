"""``stretto top``: what goes on now, drawn anew each second until q or Ctrl-C, or once where nobody looks."""

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

from stretto.cli.command_context import Context
from stretto.cli.cost_text import spent_text
from stretto.cli.text_tables import WIDTH
from stretto.cli.top_data import Agent, Frame, Look, OpenSession, document, unreadable
from stretto.clock import SECOND, read_wall_clock
from stretto.errors import StrettoError
from stretto.figures.verdict import Verdict
from stretto.format import quantities
from stretto.model.entities import ToolCall

try:
    import termios
    import tty
except ImportError:  # pragma: no cover  # Windows: Ctrl-C ends it all the same
    termios = None  # type: ignore[assignment]  # the module or its absence

REFRESH_SECONDS = 1.0
QUIT = frozenset(b"qQ\x03\x04")

Wait = Callable[[], bool]
"""Waits for the next refresh; returns whether to go on."""


def top(context: Context, options: argparse.Namespace) -> int:  # noqa: ARG001  # every verb takes both
    """Show what goes on now."""
    look = Look(context.config)
    if context.json or not sys.stdout.isatty():
        frame = look.frame(read_wall_clock())
        context.answer(document(frame), as_text(frame))
        return 0
    look.frame(read_wall_clock())  # without a store there is nothing to draw, and the screen is left alone
    console = Console(highlight=False, markup=False, emoji=False)
    with _waiting() as wait:
        _draw(look, console, wait)
    return 0


def as_text(frame: Frame) -> str:
    """Return one frame as plain text."""
    console = Console(
        width=WIDTH, no_color=True, highlight=False, force_terminal=False, markup=False, emoji=False
    )
    with console.capture() as capture:
        console.print(drawn(frame))
    return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines())


def drawn(frame: Frame, trouble: str | None = None) -> RenderableType:
    """Return a frame to draw; ``trouble`` is why it is not of this moment."""
    parts: list[RenderableType] = [_head(frame)]
    parts += [Text(f"! {_plain(trouble)}", style="bold red")] if trouble else []
    parts += [_windows(frame), Text()]
    for alert in frame.alerts:
        said = alert.summary or alert.description or ""
        text = f"! {alert.severity or 'alert'}  {alert.alertname or 'unnamed'}  {said}"
        parts.append(Text(_plain(text), style="red" if alert.severity == "critical" else "yellow"))
    parts += [Text(f"! {_plain(problem)}", style="yellow") for problem in frame.problems]
    parts += [Text()] if frame.alerts or frame.problems else []
    parts += [_sessions(frame)] if frame.sessions else [Text("no session is open")]
    if frame.not_shown:
        parts.append(
            Text(f"and {quantities.format_count_of(frame.not_shown, 'more open session')}", style="dim")
        )
    return Group(*parts)


def _with_keys(frame: RenderableType) -> RenderableType:
    return Group(frame, Text(), Text("q quits", style="dim"))


def _draw(look: Look, console: Console, wait: Wait) -> None:
    frame = look.frame(read_wall_clock())
    with Live(_with_keys(drawn(frame)), console=console, screen=True, auto_refresh=False) as live:
        while wait():
            trouble = None
            try:
                frame = look.frame(read_wall_clock())
            except (StrettoError, sqlite3.Error) as error:
                # A rebuild takes the store away for a while; what was last seen stays on the screen.
                trouble = unreadable(error)
            live.update(_with_keys(drawn(frame, trouble)), refresh=True)


def _head(frame: Frame) -> Text:
    now = frame.activity
    told = [
        quantities.format_count_of(now.sessions_open, "open session"),
        f"{now.sessions_busy} busy",
        f"{quantities.format_count_of(now.tasks_running, 'agent')} running",
    ]
    head = Text("stretto", style="bold")
    return head.append(f"  {quantities.format_instant(frame.at)}  {', '.join(told)}", style="not bold")


def _windows(frame: Frame) -> Table:
    table = Table.grid(padding=(0, 2))
    for window, found in frame.verdicts.items():
        table.add_row(
            Text(window, style="dim"), Text(_verdict(found)), Text(spent_text(frame.spent.get(window)))
        )
    return table


def _verdict(found: Verdict) -> str:
    lead = found.lead
    if lead is None:
        return "nothing ran in parallel"
    if lead.speedup is None:
        return "no speedup can be told"
    moved = quantities.format_duration(abs(lead.time_saved))
    word = "saved" if lead.time_saved >= 0 else "lost"
    over = quantities.format_count_of(lead.fanouts, "fan-out")
    rest = f"; {quantities.format_count_of(found.fanouts - lead.fanouts, 'other')}" if found.parts[1:] else ""
    return f"{quantities.format_speedup(lead.speedup)} as fast, {moved} {word} over {over} ({lead.provenance.value}){rest}"


def _sessions(frame: Frame) -> Table:
    table = Table.grid(padding=(0, 2))
    for column in ("who", "for", "does", "what"):
        table.add_column(column, no_wrap=True, overflow="ellipsis", ratio=1 if column == "what" else None)
    for session in frame.sessions:
        _add_session(table, session, frame.at)
    return table


def _add_session(table: Table, session: OpenSession, now: int) -> None:
    row = session.row
    running = (
        f"{row.running} of {quantities.format_count_of(row.tasks, 'agent')}" if row.tasks else "no agents"
    )
    rate = session.tokens_per_minute
    told = (
        row.project,
        row.pattern,
        running,
        "" if row.busy else "idle",
        spent_text(session.spent),
        f"{quantities.format_count(round(rate))} a minute" if rate else "",
    )
    about = ", ".join(filter(None, told))
    does = _doing(session.call, now)
    table.add_row(Text(_plain(row.id[:8]), style="bold"), _since(row.start, now), does, Text(_plain(about)))
    for agent in session.agents:
        task = agent.task
        name = Text(f"  {_plain(task.agent or task.task_type)}")
        table.add_row(
            name, _since(task.start, now), _agent_doing(agent, now), Text(_plain(task.description or ""))
        )


def _agent_doing(agent: Agent, now: int) -> Text:
    if agent.stuck_since is not None:
        return Text(f"stuck? silent for {_length(agent.stuck_since, now)}", style="bold red")
    return _doing(agent.call, now)


def _doing(call: ToolCall | None, now: int) -> Text:
    if call is None:
        return Text("no call open", style="dim")
    tool = _plain(call.tool or "a tool")
    return Text(tool if call.start is None else f"{tool} for {_length(call.start, now)}")


def _since(at: int | None, now: int) -> Text:
    return Text("—" if at is None else _length(at, now), style="dim")


def _length(at: int, now: int) -> str:
    return quantities.format_duration(max(0, now - at) // SECOND)


def _plain(text: str) -> str:
    """Return a text without what a terminal would take for an order."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


@contextmanager
def _waiting() -> Iterator[Wait]:
    """Give a wait that ends early at q and at a signal to end; the terminal reads keys one by one until then.

    A signal is a byte in a pipe and no exception: one that struck while the screen is taken or drawn would
    leave the terminal as it is then.
    """
    if termios is None:
        yield _sleep
        return
    woken, wake = os.pipe()

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # what a handler is called with
        os.write(wake, b"q")

    handlers = {
        number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        with _keys() as keyboard:
            yield lambda: _goes_on([woken, *keyboard])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(woken)
        os.close(wake)


@contextmanager
def _keys() -> Iterator[list[int]]:
    """Give what keys are read from, one by one and without an echo; nothing where nobody types."""
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


def _goes_on(inputs: list[int]) -> bool:
    until = time.monotonic() + REFRESH_SECONDS
    while ready := select.select(inputs, [], [], max(0.0, until - time.monotonic()))[0]:
        for descriptor in ready:
            pressed = os.read(descriptor, 64)
            if not pressed or QUIT & set(pressed):
                return False
    return True


def _sleep() -> bool:
    time.sleep(REFRESH_SECONDS)
    return True
