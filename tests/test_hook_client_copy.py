from __future__ import annotations

import os
from pathlib import Path

import pytest

from stretto.hook.install import client_copy
from stretto.hook.install.client_copy import KEY_BYTES, check_client_copy, copy_client, ensure_secret
from stretto.hook.install.handlers import get_client_folder


def test_the_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    """The first caller creates it, readable for the owner only; a later installation keeps it."""
    made = ensure_secret(tmp_path)
    assert len(made) == KEY_BYTES
    assert ensure_secret(tmp_path) == made
    assert (tmp_path / "hook" / "key").stat().st_mode & 0o777 == 0o600
    assert check_client_copy(tmp_path) == "absent"
    copy_client(tmp_path)
    assert ensure_secret(tmp_path) == made


def test_a_secret_that_is_cut_short_is_made_anew(tmp_path: Path) -> None:
    """Half a key is not a key."""
    ensure_secret(tmp_path)
    (tmp_path / "hook" / "key").write_bytes(b"half")
    assert len(ensure_secret(tmp_path)) == KEY_BYTES


def test_where_none_can_be_made_there_is_none(tmp_path: Path) -> None:
    """Without a secret no path is hashed, and no call fails."""
    (tmp_path / "hook").write_text("a file in the folder's place")
    assert ensure_secret(tmp_path) == b""


def test_two_processes_that_make_the_secret_at_once_have_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key that lies there first stays, so that both hash a path to the same text."""
    folder = get_client_folder(tmp_path)
    first = b"f" * KEY_BYTES

    def let_other_process_be_first(size: int) -> bytes:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / client_copy.KEY_FILE).write_bytes(first)
        return b"s" * size

    monkeypatch.setattr(os, "urandom", let_other_process_be_first)
    assert ensure_secret(tmp_path) == first
    assert [path.name for path in folder.iterdir()] == [client_copy.KEY_FILE]
