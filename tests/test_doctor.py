"""Doctor beside a running service, and its results on the store and the configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stretto.cli.main import main
from stretto.model.event import Event, Kind
from stretto.state.lock import StateLock
from stretto.store.database import open_writer
from stretto.store.ingest import Ingest
from tests.fakes import append
from tests.scenes import by_description
from tests.web_served import Store, served


@pytest.fixture
def examined(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], list[dict[str, Any]]]:
    """Run doctor on the test's state folder and return its results."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def run() -> list[dict[str, Any]]:
        capsys.readouterr()
        main(["--state", str(tmp_path / "state"), "doctor", "--json"])
        results: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["findings"]
        return results

    return run


def of(findings: list[dict[str, Any]], station: str) -> list[tuple[str, str]]:
    return [(row["verdict"], row["found"]) for row in findings if row["station"] == station]


def test_what_the_running_service_finds_wrong_is_trouble(
    tmp_path: Path, examined: Callable[[], list[dict[str, Any]]]
) -> None:
    """Doctor asks the running service for problems that only the service knows, such as dropped spans."""
    store = Store(tmp_path / "store")
    store.refresh()
    backend = store.make_backend(faults=lambda: ["spans are being dropped: nobody answers"])
    with served(backend) as client, StateLock(tmp_path / "state") as lock:
        lock.release()
        lock.acquire(f"{client.base_url.host}:{client.base_url.port}")
        results = of(examined(), "service")
    assert ("trouble", "spans are being dropped: nobody answers") in results
    assert [verdict for verdict, _ in results] == ["fine", "trouble"]


def test_sampling_is_a_station(
    examined: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Doctor shows how often processes are sampled, or which setting disables it."""
    assert of(examined(), "resources") == [("fine", "agents' processes are read every 10 s")]
    monkeypatch.setenv("STRETTO_RESOURCES_INTERVAL_SECONDS", "0")
    assert of(examined(), "resources") == [("note", "off: resources.interval_seconds is 0")]


def test_what_was_set_aside_for_a_fault_of_ours_is_told(
    tmp_path: Path, examined: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that failed internally is shown with the advice to rebuild after an update."""
    append(tmp_path / "state/journal", [Event(kind=Kind.TASK_START, session="s", time=1, id="a", name="x")])

    def fails(*_: object) -> str:
        raise KeyError("unforeseen")

    with monkeypatch.context() as patched:
        patched.setattr("stretto.model.task_type.TaskTypes.classify", fails)
        main(["--state", str(tmp_path / "state"), "rebuild"])
    findings = examined()
    assert [verdict for verdict, _ in of(findings, "rejects")] == ["note"]
    assert "1 × internal" in of(findings, "rejects")[0][1]
    assert any("rebuild" in row["hint"] for row in findings if row["station"] == "rejects")


def test_a_journal_file_that_was_cut_is_told_until_a_rebuild(
    tmp_path: Path, examined: Callable[[], list[dict[str, Any]]]
) -> None:
    """Doctor reports a shortened journal file: only the store still has its events."""
    state = tmp_path / "state"
    append(state / "journal", [Event(kind=Kind.SESSION_START, session="s", time=1)])
    main(["--state", str(state), "rebuild"])
    (state / "journal" / "2026-01-01.jsonl").write_bytes(b"")
    with closing(open_writer(state / "stretto.db")) as connection:
        assert list(Ingest(connection, by_description, idle_limit=60).catch_up(state / "journal")) == []
    assert any("2026-01-01.jsonl became" in text for _, text in of(examined(), "store"))
    main(["--state", str(state), "rebuild"])
    assert not any("became" in text for _, text in of(examined(), "store"))
