"""What a hook costs: the whole client process against the bare interpreter.

Run ``python tests/bench/bench_hook.py [--rounds N] [--json]``. The ways are run in turn, so that whatever
else the machine does falls on all of them alike; the ratios count, the milliseconds are this machine's. The
exit code is 1 if a way that agents use takes more processor time than the budget allows, each in its
quietest run, which other work on the machine hardly touches.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOOK = ROOT / "src" / "stretto" / "hook" / "client"
RECORDING = ROOT / "src" / "stretto" / "demo" / "fanout.jsonl"
DIALECT = ROOT / "tests" / "recorded" / "dialects" / "gemini-cli.jsonl"
BUDGET = 1.25
"""Most that the client may cost, in bare interpreters."""
TESTING = "hook client, end of a test run"
"""It loads what knows a test run and reads its summary."""
WRITING = "hook client, end of a written file"
"""It loads the same and makes a hash of the path."""
MINIMAL = "hook client, start of a turn at level minimal"
"""It also reads what is not collected, from a file that is there."""
BARE = "bare interpreter"
INSTALLED = "hook client, as installed"
TRANSLATING = "hook client for Gemini CLI, with a hash"
"""The dearest of the dialects: it loads the table and makes a hash of the call's input."""

STARTING = "hook client, start of a turn"
"""Once a turn it also asks which process the agent is."""

JUDGED = (INSTALLED, STARTING, MINIMAL, TRANSLATING, TESTING, WRITING)
"""The ways that agents use, without the shell that some start the client by."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one way costs, in milliseconds, and in bare interpreters."""

    wall_median_ms: float
    wall_min_ms: float
    cpu_min_ms: float
    wall_median_ratio: float
    wall_min_ratio: float
    cpu_min_ratio: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=60, help="runs of each way (60)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        costs = measure(Path(folder), options.rounds)
    if options.json:
        figures = {way: asdict(cost) for way, cost in costs.items()}
        print(json.dumps({"budget": BUDGET, "rounds": options.rounds, "ways": figures}, indent=2))
    else:
        print(table(costs))
    over = [f"{way}: {costs[way].cpu_min_ratio:.2f}" for way in JUDGED if costs[way].cpu_min_ratio > BUDGET]
    if over:
        raise SystemExit(f"over the budget of {BUDGET}, in processor time: {', '.join(over)}")


def measure(folder: Path, rounds: int) -> dict[str, Cost]:
    """Return the cost of each way; the folder takes the client's copy and its journal."""
    for name in ("client.py", "dialects.py", "tests_and_written_files.py", "start.py"):
        (folder / name).write_bytes((HOOK / name).read_bytes())
    (folder / "key").write_bytes(b"k" * 32)
    python = [str(Path(sys.executable).resolve()), "-I", "-S"]
    installed = [*python, str(folder / "start.py"), str(folder / "state")]
    ways = {
        BARE: [*python, "-c", "pass"],
        INSTALLED: installed,
        "the same by /bin/sh, as an agent does": [
            "/bin/sh",
            "-c",
            f"{shlex.join(installed)} 2>/dev/null || :",
        ],
        "hook client, compiled at each start": [*python, str(folder / "client.py"), str(folder / "state")],
        STARTING: installed,
        TRANSLATING: [*installed, "gemini-cli"],
        TESTING: installed,
        WRITING: installed,
        MINIMAL: [*python, str(folder / "start.py"), str(folder / "minimal")],
    }
    (folder / "minimal" / "hook").mkdir(parents=True)
    (folder / "minimal" / "hook" / "collect").write_text("minimal tests", encoding="ascii")
    payloads = dict.fromkeys(ways, recorded(RECORDING, "PreToolUse"))
    # At this level the call of a tool would be dropped: a turn is written, with the level read before.
    payloads[MINIMAL] = payloads[STARTING] = recorded(RECORDING, "UserPromptSubmit")
    payloads[TRANSLATING] = recorded(DIALECT, "BeforeTool")
    payloads[TESTING] = ended("Bash", {"command": "cd shop && uv run pytest -q"}, PYTEST)
    payloads[WRITING] = ended("Write", {"file_path": "/home/dev/shop/a.py", "content": "x" * 20_000}, "")
    for way, words in ways.items():
        timed(words, payloads[way])  # fills the caches of the disk and of the compiler
    runs: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, words in ways.items():
            runs[way].append(timed(words, payloads[way]))
    written = sum(path.read_bytes().count(b'"kind":') for path in folder.glob("*/journal/*"))
    expected = (len(ways) - 1) * (rounds + 1)
    if written != expected:
        raise SystemExit(f"{written} events written instead of {expected}: the figures would mean nothing")
    wall = {way: sorted(seconds for seconds, _ in found) for way, found in runs.items()}
    cpu = {way: min(seconds for _, seconds in found) for way, found in runs.items()}
    return {
        way: Cost(
            wall_median_ms=1000 * statistics.median(wall[way]),
            wall_min_ms=1000 * wall[way][0],
            cpu_min_ms=1000 * cpu[way],
            wall_median_ratio=statistics.median(wall[way]) / statistics.median(wall[BARE]),
            wall_min_ratio=wall[way][0] / wall[BARE][0],
            cpu_min_ratio=cpu[way] / cpu[BARE],
        )
        for way in ways
    }


def recorded(recording: Path, hook: str) -> bytes:
    """Return the first recorded payload of a hook, as the agent wrote it."""
    for line in recording.read_text(encoding="utf-8").splitlines():
        payload = json.loads(line)["payload"]
        if payload["hook_event_name"] == hook:
            return json.dumps(payload, separators=(",", ":")).encode()
    raise SystemExit(f"no {hook} in {recording}")


PYTEST = "tests/test_a.py ..........\n" * 600 + "==== 2 failed, 6000 passed in 12.34s ====\n"
"""What a run of tests leaves, about 18 kB."""


def ended(tool: str, order: dict[str, str], output: str) -> bytes:
    """Return the payload at the end of a call."""
    payload = {
        "session_id": "s",
        "hook_event_name": "PostToolUse",
        "tool_name": tool,
        "tool_use_id": "t",
        "tool_input": order,
        "tool_response": {"stdout": output, "stderr": "", "interrupted": False},
    }
    return json.dumps(payload, separators=(",", ":")).encode()


def timed(words: list[str], payload: bytes) -> tuple[float, float]:
    """Run a process with the payload on standard input; return wall and CPU seconds, children included."""
    reading, writing = os.pipe()
    os.write(writing, payload)
    os.close(writing)
    started = time.perf_counter()
    process = os.posix_spawn(words[0], words, {}, file_actions=[(os.POSIX_SPAWN_DUP2, reading, 0)])
    _, status, used = os.wait4(process, 0)
    wall = time.perf_counter() - started
    os.close(reading)
    if status != 0:
        raise SystemExit(f"{shlex.join(words)} ended with status {status}")
    return wall, used.ru_utime + used.ru_stime


def table(costs: dict[str, Cost]) -> str:
    """Return the figures as text, ratios beside the budget."""
    lines = [f"{'':40}{'wall median':>18}{'wall min':>18}{'CPU min':>18}"]
    for way, cost in costs.items():
        pairs = (
            (cost.wall_median_ms, cost.wall_median_ratio),
            (cost.wall_min_ms, cost.wall_min_ratio),
            (cost.cpu_min_ms, cost.cpu_min_ratio),
        )
        lines.append(f"{way:40}" + "".join(f"{ms:8.2f} ms {ratio:5.2f} x" for ms, ratio in pairs))
    dearest = max(JUDGED, key=lambda way: costs[way].cpu_min_ratio)
    lines.append(f"budget: {dearest}, CPU min: {costs[dearest].cpu_min_ratio:.2f} of at most {BUDGET:.2f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
