"""Healing: a store that is damaged, deleted, replaced or of another version is made again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from stretto import journal
from stretto.cli.ingest_progress import IngestProgress
from stretto.cli.main import main
from stretto.cli.up import _build_backend
from stretto.clock import DAY, read_wall_clock
from stretto.config.configuration import Config
from stretto.errors import StoreError
from stretto.journal.pruned_session_records import is_kept_file
from stretto.service import store_update_worker as service_worker
from stretto.service.rebuild_progress_and_store_damage import RebuildState, find_damage
from stretto.service.service import Service
from stretto.state.lock import StateLock
from stretto.store.database import SUFFIXES, open_writer
from stretto.store.database_schema import VERSION
from tests.fakes import list_latest
from tests.test_service import configured, report, started, whole_session
from tests.waiting import until
from tests.web_served import served

Spoil = Callable[[Path], None]


@contextmanager
def running(config: Config) -> Iterator[tuple[Service, httpx.Client]]:
    """Provide a service with three sessions, and a client of its HTTP server."""
    for name in ("one", "two", "three"):
        report(config, name, *whole_session(name))
    with started(config) as service:
        backend = _build_backend(config, service, service.list_problems)
        with served(backend) as client:
            yield service, client


def ids(service: Service) -> set[str]:
    """Return the sessions that the service lists; none while its store cannot be read."""
    try:
        return {row.id for row in list_latest(service, 10)}
    except StoreError:
        return set()


def is_whole(service: Service, *sessions: str) -> bool:
    """Return whether the service is ready again and lists exactly these sessions."""
    return service.find_unready_reason() is None and ids(service) == set(sessions)


def damage_pages(path: Path) -> None:
    """Overwrite every page of the store with noise."""
    with path.open("r+b") as file:
        file.write(b"\xa5" * path.stat().st_size)
    path.with_name(path.name + "-wal").unlink(missing_ok=True)
    path.with_name(path.name + "-shm").unlink(missing_ok=True)


def delete(path: Path) -> None:
    """Delete the store with its log."""
    for suffix in SUFFIXES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def replace(path: Path) -> None:
    """Put an empty store of the same version in the place of the store."""
    other = path.with_name("other.db")
    open_writer(other).close()
    other.replace(path)


def garble_rows(path: Path) -> None:
    """Change bytes inside the rows of facts, which SQLite cannot notice."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE facts SET known = X'7B22'")
        connection.execute("UPDATE packed_facts SET known = X'7B22'")
        connection.commit()


def is_copied_back(path: Path) -> bool:
    """Copy all pages of the log into the store; return whether nobody was in the way."""
    with closing(sqlite3.connect(path)) as connection:
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def cut(path: Path) -> None:
    """Cut the store to nothing."""
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [damage_pages, delete, replace, cut, garble_rows])
def test_a_store_spoilt_under_the_running_service_is_made_again(tmp_path: Path, spoil: Spoil) -> None:
    """Its sessions come back from the journal, those that end meanwhile too; no answer is a 500."""
    config = configured(tmp_path)
    with running(config) as (service, client):
        assert until(lambda: is_whole(service, "one", "two", "three"))
        assert until(lambda: is_copied_back(config.database))
        spoil(config.database)
        report(config, "four", *whole_session("four"))
        codes = set()

        def ask() -> bool:
            for path in ("/", "/sessions", "/sessions/one", "/api/trends", "/metrics", "/readyz"):
                codes.add(client.get(path).status_code)
            return service.health.rebuild is not None and is_whole(service, "one", "two", "three", "four")

        assert until(ask)
        assert codes <= {200, 404, 503}
        # The fault is forgotten when the round that healed the store has ended.
        assert until(lambda: service.list_problems() == [])
        assert client.get("/readyz").status_code == 200
    with closing(sqlite3.connect(config.database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_while_the_store_is_made_again_everybody_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not ready, a problem with the progress, a page with the last figures, 503 where the store is needed."""
    config = configured(tmp_path)
    with running(config) as (service, client):
        assert until(lambda: is_whole(service, "one", "two", "three"))
        state = RebuildState("a test", read_bytes=450_000, all_bytes=1_000_000)
        service.health.rebuild = state
        service.worker.reader.suspend(state.describe_progress)  # type: ignore[union-attr]  # set by the service
        sentence = "the store is being made again from the journal: 45 % of 1.0 MB (a test)"
        assert service.list_problems() == [sentence]
        ready = client.get("/readyz")
        assert (ready.status_code, ready.text) == (503, f"not ready: {sentence}\n")
        page = client.get("/")
        assert page.status_code == 200
        assert sentence in page.text
        refused = client.get("/api/sessions")
        assert refused.status_code == 503
        assert sentence in refused.text
        assert client.get("/sessions").status_code == 503
        assert client.get("/metrics").status_code == 200
        monkeypatch.setattr(service.health, "rebuild", None)


def test_rebuild_works_through_the_running_service(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service makes its store again and goes on; the command prints the counts of the rebuild."""
    config = configured(tmp_path)
    with running(config) as (service, client):
        assert until(lambda: is_whole(service, "one", "two", "three"))
        with closing(sqlite3.connect(config.database)) as connection:
            connection.execute("DELETE FROM sessions WHERE id = 'two'")
            connection.commit()
        address = f"{client.base_url.host}:{client.base_url.port}"
        lock = StateLock(config.state)
        lock.acquire(address)
        try:
            assert main(["--state", str(config.state), "rebuild"]) == 0
        finally:
            lock.release()
        assert "events of 3 sessions" in capsys.readouterr().out
        assert is_whole(service, "one", "two", "three")
        assert not (config.state / "aside").exists()


def test_rebuild_says_when_the_service_does_not_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service that has just died is an error with exit code 3, not a traceback."""
    config = configured(tmp_path)
    with StateLock(config.state) as lock:
        lock.release()
        lock.acquire("127.0.0.1:9")
        assert main(["--state", str(config.state), "rebuild"]) == 3
    assert "did not make the store again" in capsys.readouterr().err


@pytest.mark.parametrize("spoil", ["newer", "foreign", "damaged"])
def test_a_service_starts_on_a_store_that_it_cannot_use(tmp_path: Path, spoil: str) -> None:
    """After a downgrade, or with a damaged store, it starts, and has moved the old file aside."""
    config = configured(tmp_path)
    with running(config) as (service, _):
        assert until(lambda: is_whole(service, "one", "two", "three"))
    with closing(sqlite3.connect(config.database)) as connection:
        if spoil == "newer":
            connection.execute(f"PRAGMA user_version = {VERSION + 1}")
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'facts'").fetchone()[0]
    if spoil == "foreign":
        config.database.write_bytes(b"no database" * 1000)
    if spoil == "damaged":
        data = bytearray(config.database.read_bytes())
        data[4096 : page * 4096] = b"\xff" * (page * 4096 - 4096)
        config.database.write_bytes(data)
    with started(config) as service:
        assert until(lambda: is_whole(service, "one", "two", "three"))
        assert len([*(config.state / "aside").iterdir()]) == 1


def test_a_store_that_is_damaged_again_and_again_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After several rebuilds in minutes the disk is at fault: a problem says so, and the loop ends."""
    monkeypatch.setattr(service_worker, "MOST_DAMAGES", 2)
    config = configured(tmp_path)
    with running(config) as (service, _):
        for count in range(3):
            assert until(lambda: is_whole(service, "one", "two", "three"))
            delete(config.database)
            if count < 2:
                assert until(config.database.exists)
        assert until(lambda: any("again and again" in problem for problem in service.list_problems()))


def test_a_lock_or_a_full_disk_is_not_damage() -> None:
    """Only SQLite's codes for a spoilt file count."""
    assert find_damage(OSError("gone")) is None
    assert find_damage(sqlite3.OperationalError("database is locked")) is None
    spoilt = sqlite3.DatabaseError("database disk image is malformed")
    spoilt.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    assert find_damage(spoilt) == "the store is damaged: database disk image is malformed"


def test_progress_is_printed_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short rebuild prints nothing; a long one a line each two seconds, none at the end."""
    now = 100.0
    monkeypatch.setattr("stretto.cli.rebuild.time.monotonic", lambda: now)
    lines: list[str] = []
    progress = IngestProgress(lines.append)
    for seconds, share in ((1.0, 10), (1.5, 30), (0.4, 40), (1.7, 60)):
        now += seconds
        progress(RebuildState("test", read_bytes=share, all_bytes=100))
    progress(RebuildState("test", finished=True, read_bytes=100, all_bytes=100))
    assert [line.split(": ")[1].split(" of")[0] for line in lines] == ["30 %", "60 %"]


def test_a_command_on_a_damaged_store_is_an_error_with_a_hint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback: exit code 3, and the advice to rebuild."""
    config = configured(tmp_path)
    report(config, "one", *whole_session("one"), at=read_wall_clock())
    assert main(["--state", str(config.state), "rebuild"]) == 0
    data = config.database.read_bytes()
    config.database.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    assert main(["--state", str(config.state), "sessions"]) == 3
    assert "stretto rebuild" in capsys.readouterr().err


def test_pruning_looks_at_once_after_a_start(tmp_path: Path) -> None:
    """A session past its retention goes within the first rounds, not an hour later; its record stays."""
    config = configured(tmp_path)
    report(config, "old", *whole_session("old"), at=read_wall_clock() - 40 * DAY)
    report(config, "new", *whole_session("new"))
    with started(config) as service:
        assert until(lambda: is_whole(service, "new"))
        kept = [file for file in journal.list_file_sizes(config.journal) if is_kept_file(file)]
        assert len(kept) == 1
