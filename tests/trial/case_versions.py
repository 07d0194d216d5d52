"""Lines and stores of other versions: what this version understands is stored, the rest is set aside."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing

from stretto import journal
from stretto.clock import read_wall_clock
from stretto.model.event import Event, Kind
from tests.trial.case import Row, Scope, run_stretto
from tests.trial.service import run_service

FOREIGN = (
    b'{"version":2,"kind":"session.start","session":"x","time":1}',
    b'{"version":1,"kind":"session.teleport","session":"x","time":1}',
    b'{"version":1,"kind":"session.start","session":"x","time":-1}',
    b'{"version":1,"kind":"session.start","session":"x","time":9999999999999999999999}',
    b'{"version":"1","kind":7,"session":[],"time":null}',
    b"not JSON at all",
    b"\x00\xff\xfe",
    b"[" * 100_000,
)


def run(scope: Scope) -> Iterator[Row]:
    """Mix foreign lines with our own, then let stores of other versions lie in the way."""
    state = scope.folder / "state"
    count = scope.count(1_000, 100)
    now = read_wall_clock()
    path = journal.get_day_file(state / "journal", now)
    for number in range(count):
        own = Event(kind=Kind.SESSION_START, session=f"own-{number}", time=now)
        foreign = b"\n" + FOREIGN[number % len(FOREIGN)] + b"\n"
        journal.append_records(path, foreign + journal.encode_event(own))
    run_stretto(state, "rebuild")
    stored, rejects = _count(scope)
    yield Row("versions: lines of ours", count, abs(count - stored))
    yield Row("versions: foreign lines set aside", count, abs(count - rejects))

    for version in (1, 99):
        with closing(sqlite3.connect(state / "stretto.db", isolation_level=None)) as store:
            store.execute(f"PRAGMA user_version = {version}")
        with run_service(state, "--no-servers") as service:
            listed = json.loads(service.get("/api/sessions?limit=100"))["sessions"]
        lost = count - _count(scope)[0] + (len(listed) != min(count, 100))
        yield Row(f"versions: a store of version {version}", count, lost)


def _count(scope: Scope) -> tuple[int, int]:
    """Return the stored sessions of ours, and the lines set aside."""
    with closing(sqlite3.connect(scope.folder / "state" / "stretto.db")) as store:
        (stored,) = store.execute("SELECT COUNT(*) FROM sessions WHERE id LIKE 'own-%'").fetchone()
        (rejects,) = store.execute("SELECT COUNT(*) FROM rejects").fetchone()
    return stored, rejects
