"""Sessions for the tests of hubs, and the databases that they run on."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from stretto.clock import DAY
from stretto.figures.sums_by_dimension import Sums
from stretto.fleet.session_document import SessionDocument
from stretto.hub.engine import OwnerSum, ReceivedSession
from stretto.hub.engine_opening import HubDatabase, open_engine
from stretto.store.contributions.registry import get_sums_version
from tests.ports import find_free_port
from tests.scenes import BEGIN
from tests.waiting import PATIENCE, until

TODAY = BEGIN // DAY
"""Number of the day of the scenes."""

SLOTS_A_DAY = 288
FIRST_SLOT = TODAY * SLOTS_A_DAY

ENGINES = [
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.stack),
    pytest.param("clickhouse", marks=pytest.mark.stack),
]
"""The databases by the scheme of their URL."""


def make_session(session: str = "s", **rest: Any) -> ReceivedSession:
    """Make a session as a hub receives it; the fields of both classes are known by their names."""
    document: dict[str, Any] = {
        "instance": "laptop",
        "revision": 1,
        "day": TODAY,
        "rules": "r",
        "counted_by": get_sums_version(),
        "last": BEGIN,
        "row": {"project": "p"},
        "sums": ((FIRST_SLOT, "tasks", ("review", "critic", "success"), 1),),
        "rows": {"fanouts": ({"number": 1, "pattern": "fix"},)},
    }
    envelope: dict[str, Any] = {"tenant": "acme", "team": "a", "owner": "ann", "received": BEGIN}
    for name, value in rest.items():
        part = envelope if name in envelope else document
        part[name] = tuple(value) if name == "sums" else value
    return ReceivedSession(document=SessionDocument(session=session, **document), **envelope)


def make_slower_teams(tenant: str, days: int = 21, slower_by: int = 7) -> list[ReceivedSession]:
    """Make a session a day for seven people of red and five of blue, up to the day before TODAY.

    Tasks of red take 1.5 times as long (ten buckets of 4 %) in the last ``slower_by`` days.
    """
    rng = random.Random(1)
    sessions = []
    for team, people in (("red", 7), ("blue", 5)):
        for owner in range(people):
            usual = rng.randrange(400, 500)
            for number in range(days):
                shift = 10 if team == "red" and number >= days - slower_by else 0
                lengths = Counter(usual + shift + rng.randrange(-6, 7) for _ in range(4))
                day = TODAY - days + number
                sums: list[tuple[int, str, tuple[str | int, ...], int]] = [
                    (day * SLOTS_A_DAY, "task_time", ("tests", bucket), count)
                    for bucket, count in sorted(lengths.items())
                ]
                sums.append((day * SLOTS_A_DAY, "tasks", ("tests", "critic", "success"), 4))
                sessions.append(
                    make_session(
                        f"{day}", tenant=tenant, team=team, owner=f"person-{team}-{owner}", day=day, sums=sums
                    )
                )
    return sessions


def add_up(sessions: Iterable[ReceivedSession], first: int = 0, last: int = 1 << 40) -> Sums:
    """Return the sums of sessions in some slots of five minutes, as an engine must."""
    total: Counter[tuple[str, tuple[str | int, ...]]] = Counter()
    for received in sessions:
        for slot, measure, dims, value in received.document.sums:
            if first <= slot <= last:
                total[measure, dims] += value
    sums: dict[str, dict[tuple[str | int, ...], int]] = {}
    for (measure, dims), value in total.items():
        if value:
            sums.setdefault(measure, {})[dims] = value
    return dict(sums)


def read_sums(engine: HubDatabase, tenant: str, *teams: str, around: int = TODAY) -> Sums:
    """Return the sums that an engine has of teams (``a`` without names) in the ten days around a day."""
    return to_sums(
        each
        for team in teams or ("a",)
        for day in range(around - 5, around + 6)
        for each in engine.read_owner_sums(tenant, team, day)
    )


def to_sums(owner_sums: Iterable[OwnerSum]) -> Sums:
    """Return the sums of all owners together."""
    total: Counter[tuple[str, tuple[str | int, ...]]] = Counter()
    for each in owner_sums:
        total[each.measure, each.dims] += each.value
    sums: dict[str, dict[tuple[str | int, ...], int]] = {}
    for (measure, dims), value in total.items():
        sums.setdefault(measure, {})[dims] = value
    return dict(sums)


@contextmanager
def run_engine(scheme: str, folder: Path) -> Iterator[HubDatabase]:
    """Provide a prepared engine on a database of its own, until the block ends."""
    with run_database(scheme, folder) as url, prepare_engine(url) as engine:
        yield engine


@contextmanager
def prepare_engine(url: str) -> Iterator[HubDatabase]:
    """Provide the prepared engine of a running database, until the block ends."""
    engine = open_engine(url)
    try:
        engine.prepare()
        if url.startswith("clickhouse:"):
            # What tests store would be past its retention once the scenes are a year old.
            address = urlsplit(url)
            for table in ("sessions", "releases", "forgettings", "experiments"):
                statement = f"ALTER TABLE {address.path.strip('/')}.{table} REMOVE TTL"
                urlopen(f"http://{address.netloc}/", statement.encode()).close()
        yield engine
    finally:
        engine.close()


@contextmanager
def run_database(scheme: str, folder: Path) -> Iterator[str]:
    """Run a database until the block ends, and provide its URL.

    Skips the test where the database is not installed, unless the run may not skip.
    """
    if scheme == "sqlite":
        yield f"sqlite:{folder / 'hub.sqlite'}"
    else:
        with run_server(scheme, folder) as server:
            yield server.url


@contextmanager
def run_server(scheme: str, folder: Path) -> Iterator[DatabaseServer]:
    """Run a real PostgreSQL or ClickHouse until the block ends. Skips as ``run_database`` does."""
    if reason := find_missing_part(scheme):
        if os.environ.get("STRETTO_REQUIRE_SERVERS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    server = (PostgresqlServer if scheme == "postgresql" else ClickhouseServer)(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        server.remove()


class DatabaseServer(Protocol):
    """A server that can be killed and started again with its data."""

    url: str

    def start(self) -> None:
        """Start it, and wait until it answers."""

    def kill(self) -> None:
        """Stop it at once, whatever it is doing."""

    def remove(self) -> None:
        """Remove its data."""


class PostgresqlServer:
    """A real PostgreSQL with an empty database."""

    def __init__(self, _: Path) -> None:
        programs = find_postgresql()
        assert programs is not None
        self._programs = programs
        self._port = find_free_port()
        self.url = f"postgresql://hub@127.0.0.1:{self._port}/postgres"
        # It does not run as root, and the folders of pytest are root's own.
        self._folder = Path(tempfile.mkdtemp(prefix="stretto-postgresql-"))
        self._started_as: dict[str, Any] = {"cwd": "/"}
        if os.getuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
            self._started_as |= {"user": "postgres", "group": "postgres", "extra_groups": []}
        words = "-U hub -A trust -E UTF8 --no-locale --no-sync --no-instructions"
        subprocess.run(
            [programs / "initdb", "-D", self._folder / "data", *words.split()],
            check=True,
            stdout=subprocess.DEVNULL,
            **self._started_as,
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {
            "port": self._port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "32MB",
            "log_min_messages": "panic",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [self._programs / "postgres", "-D", self._folder / "data", *options],
            stderr=subprocess.DEVNULL,
            **self._started_as,
        )
        # It listens before it is ready.
        ask = f"{self._programs}/pg_isready -q -h 127.0.0.1 -p {self._port}".split()
        assert until(lambda: subprocess.run(ask, check=False).returncode == 0), "PostgreSQL does not start"

    def kill(self) -> None:
        """Stop all of its processes at once: it recovers from its log when it is started again."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(PATIENCE)

    def remove(self) -> None:
        """Remove its data."""
        shutil.rmtree(self._folder)


A_USER = (
    "<password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>"
)
EVERYTHING = "<access_management>1</access_management>"
"""Of a user in a file of ClickHouse's."""


class ClickhouseServer:
    """ClickHouse's engine behind its HTTP interface."""

    def __init__(self, folder: Path) -> None:
        self._port = find_free_port()
        self._folder = folder / "clickhouse"
        self._settings = folder / "clickhouse.xml"
        self.url = f"clickhouse://127.0.0.1:{self._port}/stretto_tests"
        self.set_rights(EVERYTHING)

    def set_rights(self, rights: str) -> None:
        """Let the user of requests have some rights from the next start on; ``hub`` always has all.

        The library has no SQL of users, so they stand in a file.
        """
        users = f"<default>{A_USER}{rights}</default><hub>{A_USER}{EVERYTHING}</hub>"
        self._settings.write_text(
            "<clickhouse><profiles><default/></profiles><quotas><default/></quotas>"
            f"<users>{users}</users><users_config>{self._settings}</users_config></clickhouse>",
            encoding="utf-8",
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.clickhouse_over_http"),
                *(str(self._port), str(self._folder), str(self._settings)),
            ],
            cwd=Path(__file__).parents[1],
        )
        assert until(lambda: can_connect(self._port)), "ClickHouse does not start"

    def kill(self) -> None:
        """Stop it at once."""
        self._process.kill()
        self._process.wait(PATIENCE)

    def remove(self) -> None:
        """Leave its data to pytest."""


def find_postgresql() -> Path | None:
    """Return the folder of PostgreSQL's programs, or None without them."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if initdb := shutil.which("initdb"):
        folders.append(Path(initdb).parent)
    return folders[0] if folders else None


def find_missing_part(scheme: str) -> str | None:
    """Return why a database cannot run here, or None if it can."""
    if scheme == "postgresql" and find_postgresql() is None:
        return "PostgreSQL is not installed: make engines"
    if scheme == "clickhouse" and find_spec("chdb") is None:
        return "chdb is not installed: make engines"
    return None


def can_connect(port: int) -> bool:
    """Return whether a server listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
