"""Files are cut, replaced, damaged and deleted: what is in the journal afterwards is in the store, too."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from stretto import journal
from stretto.clock import read_wall_clock
from stretto.hook.client.client import build_record
from tests.trial.case import Row, Scope
from tests.trial.service import RunningService, run_service, wait_until

PATIENCE = 30.0

MOST_LISTS = 50
"""Lists of a hundred sessions that are asked for."""


def run(scope: Scope) -> Iterator[Row]:
    """Do each to a running service first, then between two runs."""
    count = scope.count(100, 20)
    state = scope.folder / "state"
    with run_service(state, "--no-servers") as service:
        kept = _report(state, "first", count)
        yield _await("files: before", service, kept)

        for suffix in ("", "-wal", "-shm"):
            (state / f"stretto.db{suffix}").unlink(missing_ok=True)
        kept |= _report(state, "after-deletion", count)
        yield _await("files: store deleted while running", service, kept)

        (state / "stretto.db").write_bytes(random.Random(1).randbytes(200_000))  # damage, no secret
        kept |= _report(state, "after-damage", count)
        yield _await("files: store overwritten while running", service, kept)

        path = _get_day_file(state)
        half = path.read_bytes()[: path.stat().st_size // 2]
        path.write_bytes(half)
        new = _report(state, "after-cut", count)
        yield _await("files: journal cut and grown again", service, new)

        path.unlink()
        _report(state, "after-journal-deletion", count)
        yield _await("files: journal deleted while running", service, _list_written(state))

        other = path.with_name("other.part")
        other.write_bytes(_make_records("replaced", count) * 2)
        other.replace(path)
        yield _await("files: journal replaced", service, {f"replaced-{n}" for n in range(count)})

    kept = _list_written(state)
    damage = bytearray((state / "stretto.db").read_bytes())
    dice = random.Random(2)  # damage, no secret
    for _ in range(200):
        damage[dice.randrange(100, len(damage))] ^= 0xFF
    (state / "stretto.db").write_bytes(bytes(damage))
    with suppress(FileNotFoundError):
        (state / "stretto.db-wal").unlink()
    with run_service(state, "--no-servers") as service:
        yield _await("files: store damaged between two runs", service, kept)

    (state / "stretto.db").write_bytes(b"")
    with run_service(state, "--no-servers") as service:
        yield _await("files: store emptied between two runs", service, kept)


def _get_day_file(state: Path) -> Path:
    return journal.get_day_file(state / "journal", read_wall_clock())


def _report(state: Path, name: str, count: int) -> set[str]:
    """Append sessions as hooks do, and return their ids."""
    journal.append_records(_get_day_file(state), _make_records(name, count))
    return {f"{name}-{number}" for number in range(count)}


def _make_records(name: str, count: int) -> bytes:
    lines = []
    now = read_wall_clock()
    for number in range(count):
        about = {"session_id": f"{name}-{number}", "tool_name": "Read", "tool_use_id": "t"}
        lines += [
            build_record(json.dumps({**about, "hook_event_name": hook}).encode(), now)
            for hook in ("SessionStart", "PreToolUse", "PostToolUse", "SessionEnd")
        ]
    return b"".join(lines)


def _list_written(state: Path) -> set[str]:
    """Return the sessions that the journal has now."""
    folder = state / "journal"
    batches = [journal.read_batch(folder, file, 0, limit=1 << 24) for file in journal.list_file_sizes(folder)]
    return {event.session for batch in batches for event in batch.events}


def _await(test: str, service: RunningService, expected: set[str]) -> Row:
    """Wait until the service lists the sessions, and return how many it never did."""

    def list_missing() -> set[str]:
        listed: set[str] = set()
        after = ""
        for _ in range(MOST_LISTS):
            answer = json.loads(service.get(f"/api/sessions?limit=100{after}"))
            rows = answer.get("sessions", [])
            listed |= {row["id"] for row in rows}
            following = answer.get("next")
            if not rows or not following:
                break
            after = f"&after={quote(following)}"
        return expected - listed

    missing = expected

    def is_complete() -> bool:
        nonlocal missing
        try:
            missing = list_missing()
        except (ValueError, AttributeError):
            return False
        return not missing

    wait_until(is_complete, PATIENCE)
    return Row(test, len(expected), len(missing), ", ".join(sorted(missing)[:3]))
