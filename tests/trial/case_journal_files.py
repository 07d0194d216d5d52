"""Journal files are deleted, cut, replaced and compressed under the service: no session of them is lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from stretto import journal
from stretto.clock import read_wall_clock
from stretto.journal.compression import compress_file
from tests.trial.case import Row, Scope, run_stretto
from tests.trial.case_store import list_sessions, report_session
from tests.trial.service import run_service, wait_until

SECONDS = 30.0


def run(scope: Scope) -> Iterator[Row]:
    """Change today's file in each way, report more, and look for every session of the file as it is now."""
    ways: dict[str, Callable[[Path], None]] = {
        "deleted": lambda path: path.unlink(),
        "cut to half": _cut_to_half,
        "emptied": lambda path: os.truncate(path, 0),
        "compressed": _compress,
        "replaced by a copy": _copy,
    }
    rounds = scope.count(10, 1)
    for name, change in ways.items():
        state = scope.folder / name.replace(" ", "-")
        tried = lost = 0
        with run_service(state, "--no-servers") as service:
            for number in range(rounds):
                report_session(state, f"old-{number}")
                wait_until(lambda number=number: f"old-{number}" in list_sessions(service), SECONDS)  # type: ignore[misc]  # bound at once
                change(journal.get_day_file(state / "journal", read_wall_clock()))
                fresh = {f"new-{number}-{part}" for part in range(6)}
                for session in sorted(fresh):
                    report_session(state, session, calls=12)
                wait_until(lambda fresh=fresh: fresh <= list_sessions(service), SECONDS)  # type: ignore[misc]  # bound at once
                tried, lost = tried + len(fresh), lost + len(fresh - list_sessions(service))
            before = list_sessions(service)
        yield Row(f"today's journal file is {name}", tried, lost)
        if name in {"compressed", "replaced by a copy"}:
            run_stretto(state, "rebuild")
            with run_service(state, "--no-servers") as service:
                wait_until(lambda before=before: before <= list_sessions(service), SECONDS)  # type: ignore[misc]  # bound at once
                yield Row("the same, after a rebuild", len(before), len(before - list_sessions(service)))


def _cut_to_half(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _compress(path: Path) -> None:
    compress_file(path.parent, path.name)


def _copy(path: Path) -> None:
    other = path.with_suffix(".copy")
    other.write_bytes(path.read_bytes())
    other.replace(path)
