"""How fast transcripts are read, in MB/s of text, plain and gzipped, beside the same lines through ``json``.

Run ``python tests/bench/bench_transcript.py [--megabytes N] [--floor X] [--json]``. A transcript is made up
in the shape that Claude Code writes: prompts, answers block by block with their usage, tool calls with their
inputs, results with their outputs. The reference is ``json.loads`` of each of the same lines in the same run,
which is the least that a reader in Python's own library does before it has looked at anything. The ways are
run in turn, so that whatever else the machine does falls on all of them alike; the ratios count, the MB/s are
this machine's. With ``--floor`` the exit code is 1 where the plain way is slower than so many references.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stretto.sources.transcript import Checkpoint, TranscriptFile, read_transcript

FLOOR = 0.25
"""Least that plain reading must reach, in references: it decodes as they do, and tells events beside."""
ROUNDS = 5
KEY = b"k" * 32


@dataclass(frozen=True, slots=True)
class Rate:
    """What one way gives: MB of text a second of CPU time, and in references."""

    mb_a_second: float
    ratio: float


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--megabytes", type=int, default=20, help="size of the transcript (20)")
    parser.add_argument("--floor", type=float, default=None, help="fail below so many references")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rates = measure(Path(folder), options.megabytes * 1_000_000)
    if options.json:
        print(
            json.dumps({"floor": FLOOR, "ways": {way: asdict(rate) for way, rate in rates.items()}}, indent=2)
        )
    else:
        for way, rate in rates.items():
            print(f"{way:32}{rate.mb_a_second:9.1f} MB/s{rate.ratio:8.2f} x")
        print(f"floor: plain reading at least {FLOOR:.2f} x the reference")
    return int(options.floor is not None and rates["plain"].ratio < options.floor)


def measure(folder: Path, size: int) -> dict[str, Rate]:
    """Return what each way reaches, the reference first; the folder takes the files."""
    text = made(size)
    plain, packed = folder / "plain.jsonl", folder / "packed.jsonl.gz"
    plain.write_bytes(text)
    packed.write_bytes(gzip.compress(text, 6))
    ways: dict[str, Callable[[], int]] = {
        "json.loads of each line": lambda: by_json(plain),
        "plain": lambda: by_us(plain),
        "gzipped": lambda: by_us(packed),
    }
    expected = text.count(b"\n") // 5 * 3 + 1
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        for way, run in ways.items():
            begun = time.process_time()
            found = run()
            best[way] = min(best.get(way, 1e9), time.process_time() - begun)
            if way != "json.loads of each line" and found < expected:
                raise SystemExit(
                    f"{found} events instead of at least {expected}: the figures would mean nothing"
                )
    reference = best["json.loads of each line"]
    return {way: Rate(len(text) / 1e6 / seconds, reference / seconds) for way, seconds in best.items()}


def by_json(path: Path) -> int:
    """Decode every line."""
    with path.open("rb") as lines:
        return sum(1 for line in lines if json.loads(line))


def by_us(path: Path) -> int:
    """Read a transcript to its end, chunk by chunk; return how many events it gave."""
    offset, carry, events = 0, Checkpoint(), 0
    while True:
        got = read_transcript(TranscriptFile(path, session="s"), offset, carry, key=KEY)
        offset, carry, events = got.offset, got.checkpoint, events + len(got.events)
        if got.ended:
            return events


def made(size: int) -> bytes:
    """Return about so many bytes of a transcript."""
    lines: list[bytes] = []
    length = number = 0
    while length < size:
        for line in turn(number):
            lines.append(json.dumps(line, separators=(",", ":")).encode() + b"\n")
            length += len(lines[-1])
        number += 1
    return b"".join(lines)


def turn(number: int) -> Iterator[dict[str, Any]]:
    """Yield the five lines of a turn: a prompt, an answer in two blocks, a result, a last answer."""
    usage = {"input_tokens": 4, "cache_read_input_tokens": 9_000, "output_tokens": 300}
    call = {"type": "tool_use", "id": f"t{number}", **CALLS[number % len(CALLS)]}
    thought = {"type": "thinking", "thinking": "hmm, " * 200}
    message: dict[str, Any] = {"id": f"m{number}", "model": "opus", "role": "assistant", "usage": usage}
    result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": "line of output\\n" * 120}
    last = {
        "id": f"n{number}",
        "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "done " * 60}],
    }
    yield line("user", number, 0, promptId=f"p{number}", message={"role": "user", "content": "do it " * 20})
    yield line("assistant", number, 1, requestId=f"r{number}", message={**message, "content": [thought]})
    yield line("assistant", number, 2, requestId=f"r{number}", message={**message, "content": [call]})
    yield line(
        "user", number, 3, message={"content": [result]}, toolUseResult={"stdout": "line of output " * 120}
    )
    yield line("assistant", number, 4, requestId=f"q{number}", message={**message, **last})


CALLS: tuple[dict[str, Any], ...] = (
    {
        "name": "Bash",
        "input": {"command": "cd shop && git status --short", "description": "See what changed"},
    },
    {"name": "Read", "input": {"file_path": "/home/dev/shop/a.py"}},
    {
        "name": "Edit",
        "input": {"file_path": "/home/dev/shop/a.py", "old_string": "a" * 300, "new_string": "b" * 300},
    },
    {"name": "Bash", "input": {"command": "uv run pytest -q tests", "description": "Run the tests"}},
)


def line(type: str, number: int, second: int, **fields: Any) -> dict[str, Any]:
    """Return one line in the client's envelope."""
    minute, hour = number % 60, number // 60 % 24
    return {
        "parentUuid": f"u{number}-{second - 1}",
        "isSidechain": False,
        "userType": "external",
        "cwd": "/home/dev/shop",
        "sessionId": "s",
        "version": "2.1.300",
        "gitBranch": "main",
        "type": type,
        "uuid": f"u{number}-{second}",
        "timestamp": f"2026-01-01T{hour:02}:{minute:02}:{second * 10:02}.000Z",
        **fields,
    }


if __name__ == "__main__":
    sys.exit(main())
