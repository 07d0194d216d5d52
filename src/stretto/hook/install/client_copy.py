"""Copy the hook client to the state folder, where the hooks start it.

Running sessions keep the commands they started with. So the copy survives an upgrade, a removed environment
and ``uninstall_hooks``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from stretto.errors import SettingsError
from stretto.hook.client import client
from stretto.hook.install.handlers import get_client_folder
from stretto.hook.install.settings_file import read_file, remove_file, write_file

CLIENT_FILES = ("client.py", "dialects.py", "tests_and_written_files.py", "start.py")
KEY_FILE = "key"
COLLECT_FILE = "collect"
TEST_COMMANDS_FILE = "test_commands"
KEY_BYTES = 32
"""Random bytes of the installation's secret. A copy is complete only with it; an upgrade keeps it."""
_PACKAGE = Path(client.__file__).parent


def copy_client(state: Path) -> bool:
    """Update the client's copy; return whether it was out of date. Raises SettingsError."""
    if check_client_copy(state) == "current":
        return False
    folder = get_client_folder(state)
    for path in (state, folder):
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                "The state folder cannot be created", where=str(path), cause=str(error)
            ) from error
    for name in CLIENT_FILES:
        write_file(folder / name, (_PACKAGE / name).read_bytes())
    if not _has_key(state):
        _make_key(state)
    # Python compares a file's size and time in seconds; two copies within a second can have both equal.
    for compiled in (folder / "__pycache__").glob("*.pyc"):
        remove_file(compiled)
    return True


def ensure_secret(state: Path) -> bytes:
    """Return the installation's secret, created if missing; empty if it cannot be created."""
    path = get_client_folder(state) / KEY_FILE
    try:
        if not _has_key(state):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_key(state)
        return read_file(path) or b""
    except (OSError, SettingsError):
        return b""


def read_secret_or_empty(state: Path) -> bytes:
    """Return the installation's secret, empty if there is none."""
    try:
        return read_file(get_client_folder(state) / KEY_FILE) or b""
    except (OSError, SettingsError):
        return b""


def _make_key(state: Path) -> None:
    """Write the secret, unless another process makes it at the same time: its key then stays.

    Raises SettingsError.
    """
    path = get_client_folder(state) / KEY_FILE
    made = path.with_name(f"{KEY_FILE}.{os.getpid()}")
    key = os.urandom(KEY_BYTES)
    write_file(made, key, mode=0o600)
    try:
        os.link(made, path)
    except OSError:
        # Another process was first, the key is damaged, or the file system has no links.
        if not _has_key(state):
            write_file(path, key, mode=0o600)
    finally:
        remove_file(made)


def write_collection_words(state: Path, line: str) -> None:
    """Write the words by which the hook client knows what is not collected; no file for everything.

    A fault is left to the hooks: they then collect everything.
    """
    _write_for_hooks(get_client_folder(state) / COLLECT_FILE, line)


def write_test_commands(state: Path, commands: Sequence[str]) -> None:
    """Write the configured test commands, a line each, for the hook client; no file without any.

    A fault is left to the hooks: they then know the built-in ones only.
    """
    _write_for_hooks(get_client_folder(state) / TEST_COMMANDS_FILE, "\n".join(commands))


def _write_for_hooks(path: Path, text: str) -> None:
    try:
        if not text:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(path, text.encode())
    except (OSError, SettingsError):
        return


def check_client_copy(state: Path) -> str:
    """Return the state of the copy: ``current``, ``outdated`` or ``absent``."""
    copies = [read_file(get_client_folder(state) / name) for name in CLIENT_FILES]
    if copies == [(_PACKAGE / name).read_bytes() for name in CLIENT_FILES] and _has_key(state):
        return "current"
    # Every release had start.py, so without it there is no copy at all.
    return "absent" if copies[CLIENT_FILES.index("start.py")] is None else "outdated"


def _has_key(state: Path) -> bool:
    return len(read_file(get_client_folder(state) / KEY_FILE) or b"") == KEY_BYTES
