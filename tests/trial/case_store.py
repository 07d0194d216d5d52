"""The store is damaged, deleted, replaced or of another version: all sessions come back from the journal."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from stretto import journal
from stretto.clock import read_wall_clock
from stretto.hook.client.client import build_record
from stretto.store.database import SUFFIXES, open_writer
from stretto.store.database_schema import VERSION
from tests.fakes import ROOT
from tests.trial.case import Row, Scope, run_stretto
from tests.trial.service import RunningService, run_service, wait_until

OLD = ROOT / "tests/recorded/store-9b835fb"
HEAL_SECONDS = 60.0


def run(scope: Scope) -> Iterator[Row]:
    """Spoil the store under a running service and before a start; then migrate the recorded store."""
    state, count = scope.folder / "state", scope.count(200, 30)
    sessions = {f"s{number}" for number in range(count)}
    for name in sorted(sessions):
        report_session(state, name)
    ways: dict[str, Callable[[Path], None]] = {
        "damaged": _damage,
        "deleted": _delete,
        "replaced": _replace,
        "cut to nothing": lambda path: os.truncate(path, 0),
    }
    with run_service(state, "--no-servers") as service:
        wait_until(lambda: list_sessions(service) == sessions, HEAL_SECONDS)
        for name, spoil in ways.items():
            spoil(state / "stretto.db")
            sessions.add(f"after {name}")
            report_session(state, f"after {name}")
            wait_until(lambda: list_sessions(service) == sessions, HEAL_SECONDS)
            ready = wait_until(lambda: service.get("/readyz").startswith(b"ready"), HEAL_SECONDS)
            lost = len(sessions - list_sessions(service)) + len(service.failed_paths) + (not ready)
            yield Row(f"the store is {name} under the service", len(sessions), lost)
    starts: dict[str, Callable[[Path], None]] = {
        "of a newer version": _make_newer,
        "no database": _write_noise,
        "damaged": _damage,
    }
    for name, spoil in starts.items():
        spoil(state / "stretto.db")
        with run_service(state, "--no-servers") as service:
            wait_until(lambda: list_sessions(service) == sessions, HEAL_SECONDS)
            yield Row(
                f"a start on a store that is {name}", len(sessions), len(sessions - list_sessions(service))
            )
    yield _migrate(scope.folder / "old")


def report_session(state: Path, name: str, calls: int = 5) -> None:
    """Append a short session to the journal, as hooks do."""
    now = read_wall_clock()
    hooks = [("SessionStart", {"source": "startup"})]
    for call in range(calls):
        about = {"tool_name": "Read", "tool_use_id": f"{name}-{call}"}
        hooks += [("PreToolUse", about), ("PostToolUse", about)]
    hooks.append(("SessionEnd", {"reason": "other"}))
    for hook, fields in hooks:
        payload = json.dumps({"session_id": name, "hook_event_name": hook, **fields}).encode()
        journal.append_records(journal.get_day_file(state / "journal", now), build_record(payload, now))


def list_sessions(service: RunningService) -> set[str]:
    """Return the sessions that the service lists, without its recording; none while it refuses."""
    answer = json.loads(service.get("/api/sessions?limit=500"))
    return {row["id"] for row in answer.get("sessions", []) if not row["recording"]}


def _damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xa5" * path.stat().st_size)
    for suffix in SUFFIXES[1:]:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _delete(path: Path) -> None:
    for suffix in SUFFIXES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _replace(path: Path) -> None:
    other = path.with_name("other.db")
    open_writer(other).close()
    other.replace(path)


def _write_noise(path: Path) -> None:
    path.write_bytes(b"no database" * 1_000)


def _make_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")


def _migrate(state: Path) -> Row:
    """Rebuild the recorded store of commit 9b835fb and count the kept sums that are missing or different."""
    shutil.copytree(OLD / "journal", state / "journal")
    (state / "stretto.db").write_bytes(gzip.decompress((OLD / "stretto.db.gz").read_bytes()))
    before = _read_kept(state)
    done = run_stretto(state, "rebuild")
    return Row(
        "kept sums of a store of 9b835fb", len(before), len(before - _read_kept(state)) + done.returncode
    )


def _read_kept(state: Path) -> set[tuple[object, ...]]:
    with closing(sqlite3.connect(state / "stretto.db")) as connection:
        query = "SELECT width, slot, measure, dims, value FROM rollup WHERE kept > 0"
        return set(connection.execute(query))
