"""Hooks against hostile payloads and hostile folders: they exit with 0, print nothing and harm nobody."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stretto import journal
from stretto.clock import read_wall_clock
from stretto.hook.client import client
from stretto.model.event import Event
from tests.trial.case import NotTriedError, Row, Scope, mount_tmpfs

HOOKS = tuple(client.EVENTS)
CLIENT = Path(client.__file__)
SECONDS = 30

PAYLOAD = {"session_id": "s", "hook_event_name": "PreToolUse", "tool_name": "Read", "tool_use_id": "t"}


def run(scope: Scope) -> Iterator[Row]:
    """Send mutated payloads through the reader, then whole hook processes into folders that fail."""
    yield _try_payloads(scope.count(100_000, 5_000))
    count = scope.count(100, 8)
    body = json.dumps(PAYLOAD).encode()
    state = scope.folder / "free"
    harmed = sum(_harms(state, _mutate(random.Random(number))) for number in range(count))  # no secret
    yield Row("hook processes, hostile payloads", count, harmed)

    blocked = scope.folder / "blocked"
    blocked.write_text("a file where the folder should be")
    yield Row("hook processes, folder is a file", count, sum(_harms(blocked, body) for _ in range(count)))
    fifo = scope.folder / "fifo" / "journal"
    fifo.mkdir(parents=True)
    os.mkfifo(journal.get_day_file(fifo, read_wall_clock()))
    yield Row(
        "hook processes, journal is a pipe", count, sum(_harms(fifo.parent, body) for _ in range(count))
    )
    yield from _try_full_disk(scope, count, body)
    yield from _try_read_only(scope, count, body)


def _try_payloads(count: int) -> Row:
    """Return how many mutated payloads gave anything but a single valid line."""
    bad = 0
    for number in range(count):
        line = client.build_record(_mutate(random.Random(number)), read_wall_clock())  # no secret
        bad += line.count(b"\n") != 2 or not isinstance(journal.parse_line(line), Event)  # both ends
    return Row("hostile payloads", count, bad)


def _mutate(dice: random.Random) -> bytes:
    """Return a payload with members replaced, bytes cut or noise in place of it all."""
    values: list[Any] = [
        None, True, -1, 10**400, float("nan"), "", "\x00", "\ud800", "x" * 10_000, [], ["Task"], {},
        {"a": []}, "../../etc/passwd", "\u202e", [[[[]]]],
    ]  # fmt: skip
    payload: dict[str, Any] = {**PAYLOAD, "hook_event_name": dice.choice(HOOKS)}
    names = (
        *PAYLOAD,
        "tool_input",
        "tool_response",
        "cwd",
        "prompt",
        "agent_id",
        "duration_ms",
        "tool_calls",
    )
    for _ in range(dice.randint(1, 6)):
        payload[dice.choice(names)] = dice.choice(values)
    body = json.dumps(payload).encode()
    kind = dice.random()
    if kind < 0.1:  # a tenth is cut
        return body[: dice.randint(0, len(body))]
    if kind < 0.2:  # a tenth is noise
        return dice.randbytes(dice.randint(0, 300))
    return b"[" * 100_000 if kind < 0.21 else body  # a hundredth is deep


def _harms(state: Path, payload: bytes, environ: dict[str, str] | None = None) -> bool:
    """Run a hook and return whether it failed, printed or hung."""
    command = [sys.executable, "-I", "-S", str(CLIENT), *([] if environ else [str(state)])]
    try:
        done = subprocess.run(
            command, input=payload, env=environ or {}, capture_output=True, check=False, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return True
    return (done.returncode, done.stdout, done.stderr) != (0, b"", b"")


def _try_full_disk(scope: Scope, count: int, body: bytes) -> Iterator[Row]:
    """Fill a small disk with hooks; when there is room again, what was written is whole and hooks go on."""
    try:
        with mount_tmpfs(scope.folder / "disk", "256k") as disk:
            state = disk / "state"
            harmed = sum(_harms(state, body) for _ in range(count))
            (disk / "ballast").write_bytes(b"")
            with (disk / "ballast").open("ab", buffering=0) as ballast:
                try:
                    while ballast.write(b"x" * 4096):
                        pass
                except OSError:
                    pass
            for _ in range(count):
                harmed += _harms(state, body)
            (disk / "ballast").unlink()
            harmed += sum(_harms(state, body) for _ in range(count))
            yield Row("hook processes, full disk", 3 * count, harmed)
            events = torn = 0
            for file in journal.list_file_sizes(state / "journal"):
                batch = journal.read_batch(state / "journal", file, 0, closed=True)
                events, torn = events + len(batch.events), torn + len(batch.rejects)
            # What the full disk refused was never acknowledged; before and after it everything must be there.
            yield Row(
                "events around a full disk", 2 * count, max(0, 2 * count - events), f"{torn} torn line(s)"
            )
    except NotTriedError as error:
        yield Row("hook processes, full disk", 0, 0, f"not tried: {error}")


def _try_read_only(scope: Scope, count: int, body: bytes) -> Iterator[Row]:
    """Run hooks in a home that cannot be written."""
    try:
        with mount_tmpfs(scope.folder / "home", "64k") as home:
            remounted = subprocess.run(
                ["mount", "-o", "remount,ro", str(home)], capture_output=True, text=True, check=False
            )
            if remounted.returncode:
                yield Row("hook processes, read-only home", 0, 0, f"not tried: {remounted.stderr.strip()}")
                return
            environ = {"HOME": str(home)}
            harmed = sum(_harms(home, body, environ) for _ in range(count))
            yield Row("hook processes, read-only home", count, harmed)
    except NotTriedError as error:
        yield Row("hook processes, read-only home", 0, 0, f"not tried: {error}")
