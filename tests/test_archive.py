"""Backups: one archive while others write, merged back without losing or doubling anything."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from stretto import journal
from stretto.cli.main import main
from stretto.clock import DAY
from stretto.journal import backup_archive
from stretto.state.lock import StateLock
from stretto.store.prune import prune_history
from tests.fakes import append, store
from tests.scenes import BEGIN, one_by_one, straggler
from tests.test_pruned_session_records import KEPT, LATER, NOW, RETENTION, late
from tests.test_service import configured, report, whole_session
from tests.test_store_healing import is_whole, running
from tests.waiting import until

FIRST = "2026-01-01.jsonl"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give a state folder with a pruned session, a stored session, a baseline and settings."""
    folder = tmp_path / "state"
    with store(folder) as opened:
        opened.take(straggler().events, file=FIRST)
        opened.take(late("late"), one_by_one().events, file=LATER)
        for _ in prune_history(opened.connection, opened.ingest, opened.folder, RETENTION, NOW):
            pass
    (folder / "baselines.json").write_text('{"version":1}')
    (folder / "config.toml").write_text("idle_minutes = 30\n")
    return folder


def run(capsys: pytest.CaptureFixture[str], state: Path, *words: str) -> dict[str, Any]:
    """Run a command and return its answer."""
    assert main(["--state", str(state), *words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    return document


def read_lines(folder: Path) -> dict[str, set[bytes]]:
    """Return the lines of each journal file."""
    return {
        file: {line for line in (folder / file).read_bytes().split(b"\n") if line}
        for file in journal.list_file_sizes(folder)
        if file != "recording.jsonl"
    }


def test_a_backup_restored_elsewhere_gives_the_same(
    capsys: pytest.CaptureFixture[str], state: Path, tmp_path: Path
) -> None:
    """Events, kept records, baselines and configuration come back; the file is its owner's alone."""
    saved = tmp_path / "saved.tar.gz"
    written = run(capsys, state, "backup", str(saved))
    assert set(written["files"]) >= {f"journal/{KEPT}", f"journal/{LATER}", "state/config.toml"}
    assert saved.stat().st_mode & 0o777 == 0o600
    before = run(capsys, state, "rebuild")["sessions"]

    other = tmp_path / "other"
    restored = run(capsys, other, "restore", str(saved))

    assert restored["sessions"] == before == 2
    assert restored["set_aside"] == []
    assert read_lines(other / "journal") == read_lines(state / "journal")
    for name in ("baselines.json", "config.toml"):
        assert (other / name).read_bytes() == (state / name).read_bytes()
        assert (other / name).stat().st_mode & 0o777 == 0o600


def test_what_came_after_the_backup_stays(
    capsys: pytest.CaptureFixture[str], state: Path, tmp_path: Path
) -> None:
    """Lines and files from after the backup stay, lost lines return, and a second restore adds nothing."""
    saved = tmp_path / "saved.tar.gz"
    run(capsys, state, "backup", str(saved))
    before = read_lines(state / "journal")
    append(state / "journal", late("newer"), "2026-02-21.jsonl")
    text = (state / "journal" / LATER).read_bytes()
    (state / "journal" / LATER).write_bytes(text[len(text) // 2 :])
    (state / "journal" / KEPT).unlink()
    (state / "config.toml").write_text("idle_minutes = 60\n")

    restored = run(capsys, state, "restore", str(saved))

    after = read_lines(state / "journal")
    assert after.pop("2026-02-21.jsonl")
    assert {file: lines >= before[file] for file, lines in after.items()} == dict.fromkeys(before, True)
    assert restored["sessions"] == 3
    assert [Path(path).read_text() for path in restored["set_aside"]] == ["idle_minutes = 60\n"]
    assert (state / "config.toml").read_text() == "idle_minutes = 30\n"
    again = run(capsys, state, "restore", str(saved))
    assert (again["lines"], again["set_aside"], again["sessions"]) == (0, [], 3)


def test_a_backup_taken_while_hooks_write_and_a_prune_runs_is_whole(tmp_path: Path) -> None:
    """Every event written before the backup is in it, as a line or in a kept record, and no line is cut."""
    with store(tmp_path) as opened:
        for number in range(20):
            opened.take(straggler(f"old-{number}").events, file=FIRST)
        stopping = threading.Event()

        def write() -> None:
            while not stopping.wait(0.01):
                append(opened.folder, late("writer"), LATER)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for number in range(5):
                target = tmp_path / f"{number}.tar.gz"
                if number == 2:
                    list(opened.ingest.catch_up(opened.folder))
                    for _ in prune_history(
                        opened.connection, opened.ingest, opened.folder, RETENTION, BEGIN + 51 * DAY
                    ):
                        pass
                backup_archive.write_archive(target, opened.folder, {}, now=NOW, leave_out=frozenset())
        finally:
            stopping.set()
            thread.join()
        for number in range(5):
            other = tmp_path / f"restored-{number}"
            backup_archive.restore_archive(
                tmp_path / f"{number}.tar.gz", other / "journal", {}, stamp="x", keep_present=frozenset()
            )
            with store(other) as restored:
                list(restored.ingest.catch_up(restored.folder))
                rows = restored.rows()
                ids = {row[0] for row in rows["sessions"]}
                assert len(ids - {"writer"}) + len(rows["pruned"]) == 20
                assert rows["rejects"] == []


def test_backup_and_restore_work_beside_the_running_service(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A journal file that was lost comes back into the running service, with what came after the backup."""
    config = configured(tmp_path)
    saved = tmp_path / "saved.tar.gz"
    with running(config) as (service, client):
        assert until(lambda: is_whole(service, "one", "two", "three"))
        lock = StateLock(config.state)
        lock.acquire(f"{client.base_url.host}:{client.base_url.port}")
        try:
            run(capsys, config.state, "backup", str(saved))
            for file in journal.list_file_sizes(config.journal):
                (config.journal / file).unlink()
            report(config, "four", *whole_session("four"))
            restored = run(capsys, config.state, "restore", str(saved))
        finally:
            lock.release()
        assert restored["sessions"] == 4
        assert is_whole(service, "one", "two", "three", "four")


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda path: path.write_bytes(b"no archive" * 100), "not a whole backup"),
        (lambda path: path.write_bytes(path.read_bytes()[:-200]), "not a whole backup"),
        (lambda path: add_member(path, "../outside"), "unknown file"),
        (lambda path: add_member(path, "journal/../../x.jsonl"), "unknown file"),
        (lambda path: write_manifest(path, {"format": 99}), "newer version"),
        (lambda path: write_manifest(path, {}), "newer version"),
    ],
)
def test_anything_else_is_refused_before_a_file_changes(
    capsys: pytest.CaptureFixture[str], state: Path, tmp_path: Path, spoil: Any, problem: str
) -> None:
    """Damaged, cut, foreign and newer archives and paths out of the folder are errors; nothing is written."""
    saved = tmp_path / "saved.tar.gz"
    run(capsys, state, "backup", str(saved))
    spoil(saved)
    other = tmp_path / "other"
    assert main(["--state", str(other), "restore", str(saved)]) == 3
    assert problem in capsys.readouterr().err
    assert not other.exists()


def add_member(path: Path, name: str) -> None:
    """Write an archive with a member more."""
    with tarfile.open(path, "w:gz") as target:
        for member, data in (("manifest.json", b'{"format":1}'), (name, b"x")):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            target.addfile(info, io.BytesIO(data))


def write_manifest(path: Path, manifest: dict[str, Any]) -> None:
    """Write an archive that has a manifest only."""
    with tarfile.open(path, "w:gz") as target:
        data = json.dumps(manifest).encode()
        info = tarfile.TarInfo("manifest.json")
        info.size = len(data)
        target.addfile(info, io.BytesIO(data))


def test_a_backup_overwrites_nothing(capsys: pytest.CaptureFixture[str], state: Path, tmp_path: Path) -> None:
    """An existing file is a wrong use; a missing archive is an error of the environment."""
    (tmp_path / "there").touch()
    assert main(["--state", str(state), "backup", str(tmp_path / "there")]) == 2
    assert main(["--state", str(state), "restore", str(tmp_path / "nowhere")]) == 3
    assert "nowhere" in capsys.readouterr().err
