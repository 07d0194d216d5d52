"""Sessions for the tests of hubs, and the databases that they run on."""

from __future__ import annotations

import os
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
from typing import Any, NoReturn
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from stretto.clock import DAY
from stretto.figures.sum_reading import Sums
from stretto.fleet.session_document import SessionDocument
from stretto.hub.engine import ReceivedSession
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
            # The sessions of tests would be past their retention once the scenes are a year old.
            address = urlsplit(url)
            statement = f"ALTER TABLE {address.path.strip('/')}.sessions REMOVE TTL"
            urlopen(f"http://{address.netloc}/", statement.encode()).close()
        yield engine
    finally:
        engine.close()


@contextmanager
def run_database(scheme: str, folder: Path) -> Iterator[str]:
    """Run a database until the block ends, and provide its URL."""
    if scheme == "postgresql":
        with run_postgresql() as url:
            yield url
    elif scheme == "clickhouse":
        with run_clickhouse(folder) as url:
            yield url
    else:
        yield f"sqlite:{folder / 'hub.sqlite'}"


@contextmanager
def run_postgresql() -> Iterator[str]:
    """Run a real PostgreSQL until the block ends, and provide the URL of an empty database."""
    programs = find_postgresql()
    # PostgreSQL does not run as root, and the folders of pytest are root's own.
    runs_as: dict[str, Any] = (
        {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    )
    folder = Path(tempfile.mkdtemp(prefix="stretto-postgresql-"))
    if runs_as:
        shutil.chown(folder, "postgres", "postgres")
    port = find_free_port()
    server = None
    try:
        words = "-U hub -A trust -E UTF8 --no-locale --no-sync --no-instructions"
        subprocess.run(
            [programs / "initdb", "-D", folder / "data", *words.split()],
            check=True,
            cwd="/",
            stdout=subprocess.DEVNULL,
            **runs_as,
        )
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "32MB",
            "log_min_messages": "fatal",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        server = subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", *options],
            cwd="/",
            stderr=subprocess.DEVNULL,
            **runs_as,
        )
        url = f"postgresql://hub@127.0.0.1:{port}/postgres"
        # It listens before it is ready.
        ask = f"{programs}/pg_isready -q -h 127.0.0.1 -p {port}".split()
        assert until(lambda: subprocess.run(ask, check=False).returncode == 0), "PostgreSQL does not start"
        yield url
    finally:
        if server is not None:
            # Clients are disconnected at once; a smart stop would wait for them.
            server.send_signal(signal.SIGINT)
            server.wait(PATIENCE)
        shutil.rmtree(folder)


@contextmanager
def run_clickhouse(folder: Path) -> Iterator[str]:
    """Run ClickHouse's engine behind its HTTP interface until the block ends, and provide its URL."""
    if find_spec("chdb") is None:
        skip_unless_required("chdb is not installed: make engines")
    port = find_free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.clickhouse_over_http", str(port), str(folder / "clickhouse")],
        cwd=Path(__file__).parents[1],
    )
    try:
        assert until(lambda: can_connect(port)), "ClickHouse does not start"
        yield f"clickhouse://127.0.0.1:{port}/stretto_tests"
    finally:
        server.kill()
        server.wait(PATIENCE)


def find_postgresql() -> Path:
    """Return the folder of PostgreSQL's programs; skip without them, unless the run may not skip."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if initdb := shutil.which("initdb"):
        folders.append(Path(initdb).parent)
    if not folders:
        skip_unless_required("PostgreSQL is not installed: make engines")
    return folders[0]


def skip_unless_required(reason: str) -> NoReturn:
    """Skip the test, or fail where the run may not skip."""
    if os.environ.get("STRETTO_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def can_connect(port: int) -> bool:
    """Return whether a server listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
