"""The service is killed again and again while agents report: every acknowledged event is in the store."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from stretto import journal
from stretto.clock import read_wall_clock
from stretto.hook.client.client import build_record
from stretto.store import session_queries
from stretto.store.database import open_reader
from tests.ports import find_free_port
from tests.trial.case import Row, Scope, clear_environment, run_stretto

ROUND_SECONDS = 1.2
"""Longest life of a service; half of the kills come while it starts."""


class Reporter:
    """An agent that reports tool calls without pause, in sessions of ten calls, until it is stopped."""

    def __init__(self, folder: Path, name: str) -> None:
        self.sessions: dict[str, int] = {}
        """Session → its acknowledged tool calls."""
        self._folder = folder
        self._name = name
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._report)
        self._thread.start()

    def stop(self) -> None:
        """Finish the session and end."""
        self._stopping.set()
        self._thread.join()

    def _report(self) -> None:
        number = 0
        while not self._stopping.is_set():
            number += 1
            session = f"{self._name}-{number}"
            self.sessions[session] = 0
            self._append(session, "SessionStart", source="startup")
            for call in range(10):
                about = {"tool_name": "Read", "tool_use_id": f"{session}-{call}"}
                self._append(session, "PreToolUse", **about)
                self._append(session, "PostToolUse", **about)
                self.sessions[session] += 1
                self._stopping.wait(0.002)
            self._append(session, "SessionEnd", reason="other")

    def _append(self, session: str, hook: str, **fields: str) -> None:
        now = read_wall_clock()
        payload = json.dumps({"session_id": session, "hook_event_name": hook, **fields})
        journal.append_records(journal.get_day_file(self._folder, now), build_record(payload.encode(), now))


def run(scope: Scope) -> Iterator[Row]:
    """Kill the service at random moments, then compare its store with what was acknowledged and a rebuild."""
    kills = scope.count(300, 12)
    state = scope.folder / "state"
    dice = random.Random(20_261_130)  # moments of kills, no secret
    reporters = [Reporter(state / "journal", name) for name in ("one", "two")]
    try:
        for _ in range(kills):
            _run_and_kill(state, dice.uniform(0, ROUND_SECONDS))
    finally:
        for reporter in reporters:
            reporter.stop()
    acknowledged = {name: calls for reporter in reporters for name, calls in reporter.sessions.items()}
    # The store after the kills, brought up to date, and the store that a rebuild makes.
    for test, command in (("kills of the service", ()), ("the same, after a rebuild", ("rebuild",))):
        if command:
            run_stretto(state, *command)
        else:
            _run_and_stop(state)
        stored = _count_calls(state, acknowledged)
        lost = sum(max(0, calls - stored.get(name, 0)) for name, calls in acknowledged.items())
        surplus = sum(max(0, stored.get(name, 0) - calls) for name, calls in acknowledged.items())
        yield Row(
            test, sum(acknowledged.values()), lost + surplus, f"{kills} kills, {len(acknowledged)} sessions"
        )


def _start(state: Path) -> subprocess.Popen[bytes]:
    address = f"127.0.0.1:{find_free_port()}"
    return subprocess.Popen(
        [sys.executable, "-m", "stretto", "--state", str(state), "up", "--no-servers", "--listen", address],
        env=clear_environment(state),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _run_and_kill(state: Path, seconds: float) -> None:
    process = _start(state)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()


def _run_and_stop(state: Path) -> None:
    """Run the service until its store is up to date."""
    process = _start(state)
    deadline = time.monotonic() + 120
    try:
        while time.monotonic() < deadline:
            time.sleep(0.5)
            answer = run_stretto(state, "doctor", "--json")
            found = [
                row["found"] for row in json.loads(answer.stdout)["findings"] if row["station"] == "store"
            ]
            if any("up to date" in text for text in found):
                return
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _count_calls(state: Path, sessions: dict[str, int]) -> dict[str, int]:
    """Return the tool calls of each session, read from the store as a reader of it does."""
    counts = {}
    with closing(open_reader(state / "stretto.db")) as connection:
        for name in sessions:
            session = session_queries.read_session(connection, name, lambda *_: "other")
            counts[name] = len(session.tool_calls) if session else 0
    return counts
