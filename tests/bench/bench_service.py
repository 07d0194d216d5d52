"""Measure the processor time of a running service while hooks arrive, beside commit 9b835fb or a reference.

``python -m tests.bench.bench_service [--calls N] [--seconds S] [--yardstick PATH]``. A store with N calls
is made once, then a real service runs on a copy of it. Hooks of one live session are posted at 0, 1, 5 and 20
a second, and the service's processor time is read from the system: it must follow the pace of the snapshots,
not the number of hooks. At the end of each stage the last event must be a figure, and how long that took is
printed. The yardstick is a work tree of commit 9b835fb (``git worktree add PATH 9b835fb``), which is measured
in the same run, in turns. Without it the reference is a snapshot a hook, as that commit took: the measured
time of a snapshot of this store times the hooks.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from tests.bench import bench_store
from tests.ports import find_free_port
from tests.stack.running import ROOT
from tests.trial.service import RunningService, wait_until

from stretto import journal
from stretto.clock import SECOND, read_wall_clock
from stretto.config.loading import load_config
from stretto.store.database import open_writer
from stretto.summaries.snapshot import take_snapshot

RATES = (0, 1, 5, 20)
BUDGET = 0.2
"""Most of the yardstick's processor time at 20 hooks a second."""
LIMIT = 0.4
"""Beyond this the bench fails: a shared machine makes single runs differ."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The processor time of a service at a rate of hooks."""

    tree: str
    hooks_per_second: int
    cpu_ms_per_second: float
    shown_after: float | None
    """Seconds from the last hook until the snapshot counts its event; None without hooks."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=20_000, help="tool calls stored (20000)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each rate (5)")
    parser.add_argument("--yardstick", type=Path, help="a work tree of commit 9b835fb")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    trees = {"this": ROOT} | ({"9b835fb": options.yardstick.resolve()} if options.yardstick else {})
    stages: list[Stage] = []
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        write_history(top / "history", options.calls)
        snapshot_seconds = measure_snapshot(top / "history", top / "snapshot")
        for name, tree in trees.items():
            state = top / name
            shutil.copytree(top / "history", state / "journal")
            with run_tree(tree, state) as service:
                stages += [
                    measure_stage(name, service, rate, options.seconds, state / "journal") for rate in RATES
                ]
    ratio = compare(stages, snapshot_seconds)
    if options.json:
        document = {"snapshot_ms": snapshot_seconds * 1000, "stages": [asdict(stage) for stage in stages]}
        print(json.dumps({**document, "ratio_at_20": ratio, "budget": BUDGET}))
    else:
        print(
            f"{options.calls:,} tool calls stored; a snapshot takes {snapshot_seconds * 1000:.0f} ms of CPU"
        )
        for stage in stages:
            shown = "" if stage.shown_after is None else f", last event shown after {stage.shown_after:.2f} s"
            print(
                f"{stage.tree:>8} {stage.hooks_per_second:3} hooks/s:"
                f" {stage.cpu_ms_per_second:6.1f} ms of CPU a second{shown}"
            )
        beside = "9b835fb" if options.yardstick else "a snapshot a hook"
        print(f"at 20 hooks/s: {ratio:.2f} × {beside}; the budget is {BUDGET} ×")
    return int(ratio > LIMIT)


def compare(stages: list[Stage], snapshot_seconds: float) -> float:
    """Return the processor time at 20 hooks a second over that of the yardstick, or of a snapshot a hook."""
    measured = {(stage.tree, stage.hooks_per_second): stage.cpu_ms_per_second for stage in stages}
    most = max(RATES)
    reference = measured.get(("9b835fb", most), most * snapshot_seconds * 1000)
    return round(measured["this", most] / reference, 3)


def write_history(folder: Path, calls: int) -> None:
    """Write a journal with so many tool calls in sessions of a hundred, the last of them a minute ago."""
    folder.mkdir()
    sessions = calls // bench_store.CALLS
    last = bench_store.BEGIN + bench_store.EVERY * (sessions - 1) + bench_store.LASTS
    shift = read_wall_clock() - 60 * SECOND - last
    bench_store.write_journal(folder, "history.jsonl", range(sessions))
    path = folder / "history.jsonl"
    moved = re.sub(rb'"time":(\d+)', lambda found: b'"time":%d' % (int(found[1]) + shift), path.read_bytes())
    path.unlink()
    by_day: dict[str, list[bytes]] = {}
    for line in moved.split(b"\n"):
        if line:
            at = int(line.split(b'"time":', 1)[1].split(b",", 1)[0])
            by_day.setdefault(journal.get_day_file(folder, at).name, []).append(b"\n" + line + b"\n")
    for name, lines in by_day.items():
        (folder / name).write_bytes(b"".join(lines))


def measure_snapshot(history: Path, state: Path) -> float:
    """Return the CPU seconds of a snapshot over this history."""
    shutil.copytree(history, state / "journal")
    subprocess.run(
        [sys.executable, "-m", "stretto", "--state", str(state), "rebuild"], check=True, capture_output=True
    )
    config = load_config({}, state, state=str(state))
    connection = open_writer(config.database)
    seconds = []
    for _ in range(5):
        started = time.process_time()
        take_snapshot(connection, read_wall_clock(), config.task_types, config.hours)
        seconds.append(time.process_time() - started)
    connection.close()
    return min(seconds)


@contextmanager
def run_tree(tree: Path, state: Path) -> Iterator[RunningService]:
    """Run the service of a work tree on a state folder."""
    address = f"127.0.0.1:{find_free_port()}"
    log = state / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "stretto", "--state", str(state), "up", "--listen", address),
                *("--no-servers", "--history", "no"),
            ],
            env={**os.environ, "PYTHONPATH": str(tree / "src"), "HOME": str(state)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    service = RunningService(process, state, address, log)
    try:
        if not wait_until(lambda: service.get("/readyz").startswith(b"ready"), 300):
            raise RuntimeError(log.read_text(errors="replace")[-500:])
        yield service
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def measure_stage(tree: str, service: RunningService, rate: int, seconds: float, folder: Path) -> Stage:
    """Post hooks at a rate, and return the processor time of the service meanwhile."""
    process = psutil.Process(service.process.pid)
    session = f"{tree}-{rate}"
    time.sleep(1.0)  # what the stage before left is ingested and shown
    before = count_events(service)
    used, began = sum(process.cpu_times()[:2]), time.monotonic()
    hooks = int(rate * seconds)
    for number in range(hooks):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        service.post("/hooks/claude-code", make_payload(session, number))
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    took = sum(process.cpu_times()[:2]) - used
    elapsed = time.monotonic() - began
    shown = None
    if hooks:
        service.post("/hooks/claude-code", make_payload(session, hooks))
        last = time.monotonic()
        while count_events(service) < before + hooks + 1:
            if time.monotonic() - last > 60:  # a minute
                raise RuntimeError(f"the last of {hooks} hooks is not shown in {folder}")
            time.sleep(0.02)
        shown = time.monotonic() - last
    return Stage(tree, rate, round(took / elapsed * 1000, 1), None if shown is None else round(shown, 2))


def count_events(service: RunningService) -> int:
    """Return the events that the last snapshot counts."""
    return int(json.loads(service.get("/api/snapshot"))["events"])


def make_payload(session: str, number: int) -> bytes:
    """Return a hook: a call of a tool begins or ends; the first opens the session."""
    name = "PreToolUse" if number % 2 else "PostToolUse"
    payload = {"hook_event_name": name, "tool_name": "Bash", "tool_use_id": f"toolu_{number // 2}"}
    if number == 0:
        payload = {"hook_event_name": "SessionStart", "source": "startup"}
    return json.dumps({"session_id": session, "cwd": "/srv/bench", **payload}).encode()


if __name__ == "__main__":
    sys.exit(main())
