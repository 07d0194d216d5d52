"""Measure the databases of a hub: taking documents, and adding up a day of a team and of all teams.

Run it as ``python -m tests.bench.bench_hub [--long] [--json] [ENGINE…]``. The document is that of a drawn
session of 30 tasks with 20 calls each. It is written for 50 machines through each engine, ClickHouse by
HTTP. Then the database multiplies it by itself: sessions of seven days, with ``--long`` 40 million sums in
ClickHouse and 10 million in PostgreSQL. Real PostgreSQL and ClickHouse's real engine run meanwhile.

CPU time counts, that of the databases too. The reference of writing is ``json.loads`` of the same documents,
that of reading a loop in Python over as many sums, both in the same run.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit
from urllib.request import urlopen

import psutil
import psycopg
from tests.fakes import store
from tests.hub_engines import (
    SLOTS_A_DAY,
    TODAY,
    prepare_engine,
    run_database,
)
from tests.scenes import Drawing
from tests.shipped import make_maker

from stretto.clock import DAY
from stretto.fleet.hidden_names import NameRules
from stretto.fleet.session_document import SessionDocument, encode_session_document
from stretto.hub.access_tokens import AccessToken, TokenRole
from stretto.hub.engine import FleetScope, ReceivedSession
from stretto.hub.engine_opening import HubDatabase
from stretto.hub.engines.postgresql_tables import SCHEMA, write_cell_move
from stretto.hub.receive_sessions import SessionReceiver
from stretto.hub.release_due_days import release_due_days
from stretto.names.released_sums_view import RELEASED_SUMS

MACHINES, TEAMS, DAYS = 50, 10, 7
TASKS, CALLS = 30, 20
TYPES = ("review", "architecture", "tests", "security", "docs")
"""Task types are configured words and stay, names of agents are hidden."""
BATCH = 20
"""Documents of a request: a machine that was away for half a day."""
ROUNDS = 3

SHORT = {"sqlite": 0, "postgresql": 3_000, "clickhouse": 10_000}
"""Engine → sessions that the database multiplies the document to."""

LONG_CELLS = {"sqlite": 0, "postgresql": 10_000_000, "clickhouse": 40_000_000}
"""Engine → sums, likewise."""

MOST_BYTES = 3_000
"""Most bytes of the document, compressed."""

MOST_WRITING = 30.0
"""Most CPU time of a document from its decoding until the database has it, in references."""

MOST_READING = {"postgresql": 6.0, "clickhouse": 4.0}
"""Most CPU time of adding up a day of all teams, in references.

It is a query for each team, with sums by owner, as a day is released. Of few sums ClickHouse mostly shows
what each query costs: 2.1 to 2.5 of 3 million sums.
"""


@dataclass(frozen=True, slots=True)
class EngineCost:
    """What an engine took."""

    engine: str
    documents_per_second: float
    """By the clock on the wall."""
    documents_per_cpu_second: float
    writing: float
    """CPU time of a document, in references."""
    sessions: int
    cells: int
    team: float
    """CPU seconds of a day of a team."""
    all_teams: float
    """CPU seconds of a day of all teams."""
    reading: float
    """The same in references."""
    released: float | None
    """CPU seconds of a day of all teams by measure, as readers such as Grafana ask for it; None of SQLite."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds by the clock on the wall, and of CPU in this process and its children."""

    wall: float
    cpu: float


def draw_session() -> Drawing:
    """Draw tasks five at a time over 40 minutes, with the tools and models of a usual day."""
    drawing = Drawing("bench").opens(project="shop").prompt(1, command="release")
    for number in range(TASKS):
        start = 2 + number // 5 * 400
        name, length = f"a{number}", 120 + number * 37 % 200
        drawing.task(name, start, start + length, TYPES[number % 5], agent=f"{TYPES[number % 5]}-agent")
        for call in range(CALLS):
            tool = ("Bash", "Read", "Edit", "Grep", "Write", "Glob")[(number + call) % 6]
            begin, took = start + 1 + call * 5, 0.05 * (1 + (number * 7 + call * 13) % 60)
            drawing.call(f"c{number}-{call}", begin, begin + took, tool=tool, parent=name, took=took)
    return drawing.stop(2_500).ends(2_501)


def make_document(folder: Path) -> SessionDocument:
    """Return the document of the drawn session, as a machine ships it."""
    with store(folder) as opened:
        opened.take(draw_session().events)
        maker = make_maker(names=NameRules(task_types=frozenset(TYPES)))
        document = maker.make_document(opened.connection, "bench")
    assert document is not None
    return document


def list_sessions(document: SessionDocument, count: int) -> list[ReceivedSession]:
    """Return sessions with the document's content at other times, a batch of each machine after the other."""
    return [
        ReceivedSession(
            tenant="acme",
            team=f"team {number // BATCH % TEAMS}",
            owner=f"owner {number // BATCH % MACHINES}",
            received=number,
            document=replace(
                document,
                instance=f"machine {number // BATCH % MACHINES}",
                session=f"{number:032x}",
                day=TODAY,
                sums=tuple((slot + number % 250, *rest) for slot, *rest in document.sums),  # type: ignore[misc]  # the rest of a sum
            ),
        )
        for number in range(count)
    ]


@contextmanager
def spend() -> Iterator[Callable[[], Spent]]:
    """Provide what was spent since the start of the block."""
    wall, cpu = time.monotonic(), count_cpu()
    yield lambda: Spent(time.monotonic() - wall, count_cpu() - cpu)


def count_cpu() -> float:
    """Return the CPU time of this process and of its children, which are the databases."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    times = [process.cpu_times() for process in processes]
    return sum(each.user + each.system for each in times) + sum(
        each.children_user + each.children_system for each in times[1:]
    )


def measure_writing(engine: HubDatabase, sessions: Sequence[ReceivedSession]) -> tuple[float, float, float]:
    """Return documents a second and a CPU second, and the CPU time of a document in references."""
    lines = [encode_session_document(session.document) for session in sessions]
    with spend() as get_spent:
        for line in lines:
            json.loads(line)
    reference = get_spent().cpu
    receiver, now = SessionReceiver(engine), (TODAY + 1) * DAY
    with spend() as get_spent:
        for start in range(0, len(sessions), BATCH):
            token = make_token(sessions[start])
            answer = receiver.receive_request(b"\n".join(lines[start : start + BATCH]), "", token, now)
            assert not answer.refused, answer.refused[0]
    spent = get_spent()
    return len(sessions) / spent.wall, len(sessions) / spent.cpu, spent.cpu / reference


def make_token(session: ReceivedSession) -> AccessToken:
    """Return the token of a session's machine."""
    return AccessToken(
        hash="", tenant=session.tenant, team=session.team, owner=session.owner, role=TokenRole.ME, added=0
    )


def multiply(url: str, sessions: int) -> None:
    """Let the database copy the first session to so many, over seven days."""
    address = urlsplit(url)
    if address.scheme == "postgresql":
        with psycopg.connect(url) as connection:
            connection.execute(POSTGRESQL_COPIES, {"sessions": sessions})
            connection.execute(write_cell_move("+", "revision = 2"))
    elif address.scheme == "clickhouse":
        statement = CLICKHOUSE_COPIES.format(database=address.path.strip("/"), sessions=sessions)
        urlopen(f"http://{address.netloc}/", statement.encode()).close()


POSTGRESQL_COPIES = f"""
INSERT INTO stretto.sessions
SELECT tenant, 'machine ' || mod(n, {MACHINES}), 'copy ' || n, 2, 'team ' || mod(n, {TEAMS}),
  'owner ' || mod(n, {MACHINES}), n, day + mod(n, {DAYS}), ARRAY[day + mod(n, {DAYS})], project,
  (SELECT array_agg(slot + moved) FROM unnest(slots) AS slot), measures, dims, amounts, document
FROM stretto.sessions, generate_series(1, %(sessions)s) AS n,
  LATERAL (SELECT mod(n, {DAYS}) * {SLOTS_A_DAY} + mod(n, 280) AS moved) AS moves
WHERE session = repeat('0', 32)
"""

CLICKHOUSE_COPIES = f"""
INSERT INTO {{database}}.sessions
SELECT tenant, concat('team ', toString(n % {TEAMS})), concat('owner ', toString(n % {MACHINES})),
  concat('machine ', toString(n % {MACHINES})), concat('copy ', toString(n)), 2, false, 4, n,
  day + n % {DAYS}, [day + n % {DAYS}], project, first_slot + moved, last_slot + moved,
  arrayMap(slot -> slot + moved, slots), measures, dims, amounts, ''
FROM (
  SELECT number AS n, n % {DAYS} * {SLOTS_A_DAY} + n % 280 AS moved FROM numbers({{sessions}})
) AS copies
CROSS JOIN (SELECT * FROM {{database}}.sessions WHERE session = repeat('0', 32)) AS first
"""  # constants


def measure_reading(engine: HubDatabase, document: SessionDocument) -> tuple[float, float, float, int]:
    """Return the CPU time of a day of a team, of all in seconds and in references, and how many sessions.

    The sums are by owner: a hub reads those of each team to release a day.
    """
    teams = [f"team {number}" for number in range(TEAMS)]
    times: dict[int, list[Spent]] = {1: [], TEAMS: []}
    for _ in range(ROUNDS):
        for count, spent in times.items():
            with spend() as get_spent:
                for team in teams[:count]:
                    assert engine.read_owner_sums("acme", team, TODAY + 3)
            spent.append(get_spent())
    sessions = engine.count_sessions(FleetScope(tenant="acme"))
    sums: Counter[object] = Counter()
    loops = max(1, sessions // DAYS)
    with spend() as get_spent:
        for _ in range(loops):
            for slot, measure, dims, value in document.sums:
                if slot >= 0:
                    sums[measure, dims] += value
    reference = get_spent().cpu
    assert sums
    return (
        median(spent.cpu for spent in times[1]),
        median(spent.cpu for spent in times[TEAMS]),
        median(spent.cpu for spent in times[TEAMS]) / reference,
        sessions,
    )


def measure_released(url: str, engine: HubDatabase) -> float | None:
    """Release the day of what was written; return the CPU time of its sums of all teams by measure."""
    address = urlsplit(url)
    if address.scheme == "sqlite":
        return None
    release_due_days(engine, "acme", lambda: (TODAY + 2) * DAY)
    database = address.path.strip("/") if address.scheme == "clickhouse" else SCHEMA
    query = f"SELECT measure, dim_1, dim_2, SUM(value) FROM {database}.{RELEASED_SUMS} GROUP BY 1, 2, 3"
    spent = []
    for _ in range(ROUNDS):
        with spend() as get_spent:
            if address.scheme == "clickhouse":
                assert urlopen(f"http://{address.netloc}/", query.encode()).read()
            else:
                with psycopg.connect(url) as connection:
                    assert connection.execute(query).fetchall()
        spent.append(get_spent().cpu)
    return median(spent)


def measure_engine(scheme: str, document: SessionDocument, folder: Path, *, is_long: bool) -> EngineCost:
    """Return what an engine took."""
    with run_database(scheme, folder) as url, prepare_engine(url) as engine:
        rates = measure_writing(engine, list_sessions(document, 1_000 if is_long else 500))
        released = measure_released(url, engine)
        multiply(url, LONG_CELLS[scheme] // len(document.sums) if is_long else SHORT[scheme])
        team, all_teams, reading, sessions = measure_reading(engine, document)
    cells = sessions * len(document.sums)
    return EngineCost(scheme, *rates, sessions, cells, team, all_teams, reading, released)


def run_bench() -> int:
    """Print what each engine took; 1 if one is above its budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="*", default=["postgresql", "clickhouse"])
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stretto-bench-") as name:
        folder = Path(name)
        document = make_document(folder)
        size = len(gzip.compress(encode_session_document(document)))
        costs = [measure_engine(scheme, document, folder, is_long=options.long) for scheme in options.engines]
    if options.json:
        print(json.dumps({"bytes": size, "cells": len(document.sums), "engines": [*map(asdict, costs)]}))
    else:
        print(
            f"a session of {TASKS} tasks: {len(document.sums)} sums, {size:,} bytes (at most {MOST_BYTES:,})"
        )
        for cost in costs:
            print(f"{cost.engine}: {cost.documents_per_second:,.0f} documents a second,", end=" ")
            print(f"{cost.documents_per_cpu_second:,.0f} a second of CPU,", end=" ")
            print(f"{cost.writing:.1f} × json.loads (at most {MOST_WRITING:.0f});")
            print(
                f"  of {cost.cells / 1e6:.1f} million sums a day of a team {cost.team * 1e3:.0f} ms,", end=" "
            )
            print(f"of all {cost.all_teams * 1e3:.0f} ms of CPU,", end=" ")
            print(f"{cost.reading:.2f} × a loop (at most {MOST_READING.get(cost.engine, 0)})")
            if cost.released is not None:
                print(f"  a released day of all teams {cost.released * 1e3:.0f} ms of CPU")
    is_over = size > MOST_BYTES or any(
        cost.writing > MOST_WRITING or cost.reading > MOST_READING.get(cost.engine, cost.reading)
        for cost in costs
    )
    return int(is_over)


if __name__ == "__main__":
    sys.exit(run_bench())
