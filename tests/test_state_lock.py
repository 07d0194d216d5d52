from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stretto.cli.main import main
from stretto.errors import ServiceError
from stretto.state.lock import FILE, LockHolder, StateLock, find_lock_holder

ADDRESS = "127.0.0.1:9464"
HOLD = (
    "import sys, pathlib; from stretto.state.lock import StateLock;"
    " lock = StateLock(pathlib.Path(sys.argv[1]));"
    "lock.acquire(sys.argv[2] or None); print('held', flush=True); sys.stdin.read()"
)


@contextmanager
def held_elsewhere(state: Path, address: str = "") -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the lock until the block ends."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state), address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield child
    finally:
        child.kill()
        child.communicate()


def test_the_holder_is_known_by_its_note(tmp_path: Path) -> None:
    """The note has process and address, as long as the lock is held."""
    lock = StateLock(tmp_path / "state")
    assert find_lock_holder(tmp_path / "state") is None
    lock.acquire(ADDRESS)
    assert find_lock_holder(tmp_path / "state") == LockHolder(os.getpid(), ADDRESS)
    assert stat.S_IMODE((tmp_path / "state" / FILE).stat().st_mode) == 0o600
    lock.release()
    assert find_lock_holder(tmp_path / "state") is None


def test_only_one_holds_it(tmp_path: Path) -> None:
    """A second holder is refused, in the same process too, until the lock is free."""
    with StateLock(tmp_path):
        with pytest.raises(ServiceError, match="another command is writing the store"):
            StateLock(tmp_path).acquire()
        assert find_lock_holder(tmp_path) == LockHolder(os.getpid(), None)
    with StateLock(tmp_path):
        pass


def test_the_error_says_where_the_service_is(tmp_path: Path) -> None:
    """It has process, address and the command that stops it."""
    with held_elsewhere(tmp_path, ADDRESS) as child:
        assert find_lock_holder(tmp_path) == LockHolder(child.pid, ADDRESS)
        with pytest.raises(ServiceError, match="stretto is running already") as told:
            StateLock(tmp_path).acquire()
        assert f"http://{ADDRESS}" in told.value.hint
        assert f"kill {child.pid}" in told.value.hint


def test_the_system_releases_the_lock_of_a_dead_process(tmp_path: Path) -> None:
    """A killed holder leaves its note, which is ignored."""
    with held_elsewhere(tmp_path, ADDRESS):
        pass
    assert json.loads((tmp_path / FILE).read_text(encoding="utf-8"))["address"] == ADDRESS
    assert find_lock_holder(tmp_path) is None
    with StateLock(tmp_path):
        assert find_lock_holder(tmp_path) == LockHolder(os.getpid(), None)


def test_asking_does_not_take_the_lock(tmp_path: Path) -> None:
    """Asking for the holder leaves the lock free."""
    StateLock(tmp_path).release()
    (tmp_path / FILE).touch()
    assert find_lock_holder(tmp_path) is None
    with StateLock(tmp_path):
        pass


@pytest.mark.parametrize(
    "note", [b"", b"{", b"[]", b'{"pid":"x","address":null}', b'{"address":null}', b"\xff"]
)
def test_a_note_that_cannot_be_read_names_nobody(tmp_path: Path, note: bytes) -> None:
    """Whatever the file contains, the answer is None and the lock still works."""
    with StateLock(tmp_path):
        (tmp_path / FILE).write_bytes(note)
        assert find_lock_holder(tmp_path) is None
        with pytest.raises(ServiceError, match="another command"):
            StateLock(tmp_path).acquire()


def test_a_state_folder_behind_a_symlink_is_refused(tmp_path: Path) -> None:
    """Whoever may change the link could redirect the data: the error names the folder to use instead."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(ServiceError, match="symlink") as caught:
        StateLock(tmp_path / "link").acquire()
    assert str(tmp_path / "real") in caught.value.hint
    assert list((tmp_path / "real").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="users have no numbers here")
def test_a_state_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only its owner may use it; a folder of root's, as a container's volume has, is no trap."""
    state = tmp_path / "state"
    state.mkdir()
    owner = state.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner == 0:
        os.chown(state, 4_242, -1)
    with pytest.raises(ServiceError, match="another user"):
        StateLock(state).acquire()
    assert list(state.iterdir()) == []
    monkeypatch.setattr(os, "geteuid", lambda: state.stat().st_uid)
    with StateLock(state):
        pass


def test_a_command_on_a_foreign_folder_ends_with_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``rebuild`` on a linked folder has exit code 3 and says what to do."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert main(["--state", str(tmp_path / "link"), "rebuild"]) == ServiceError.exit_code
    assert "symlink" in capsys.readouterr().err
