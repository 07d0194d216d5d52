"""The copy of the client that hooks start, in the state folder.

Sessions keep the commands they started with, so these must outlive an upgrade, a removed environment and
``uninstall``, which leaves the copy where it is.
"""

from __future__ import annotations

import os
from pathlib import Path

from stretto.errors import SettingsError
from stretto.hook.client import client
from stretto.hook.install.handlers import get_client_folder
from stretto.hook.install.settings_file import read_file, remove_file, write_file

CLIENT_FILES = ("client.py", "dialects.py", "tool_results.py", "start.py")
KEY_FILE = "key"
KEY_BYTES = 32
"""Random bytes of the installation's secret; no copy is complete without it, no upgrade changes it."""
_PACKAGE = Path(client.__file__).parent


def copy_client(state: Path) -> bool:
    """Bring the client's copy up to date; return whether it was not. Raises SettingsError."""
    if check_client_copy(state) == "current":
        return False
    folder = get_client_folder(state)
    for needed in (state, folder):
        try:
            needed.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                "The state folder cannot be made", where=str(needed), cause=str(error)
            ) from error
    for name in CLIENT_FILES:
        write_file(folder / name, (_PACKAGE / name).read_bytes())
    if not _has_key(state):
        write_file(folder / KEY_FILE, os.urandom(KEY_BYTES), mode=0o600)
    # The interpreter compares seconds and size, which a copy within one second of the last can keep.
    for compiled in (folder / "__pycache__").glob("*.pyc"):
        remove_file(compiled)
    return True


def ensure_secret(state: Path) -> bytes:
    """Return the installation's secret, made where there is none yet; empty where it cannot be made."""
    path = get_client_folder(state) / KEY_FILE
    try:
        if not _has_key(state):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(path, os.urandom(KEY_BYTES), mode=0o600)
        return read_file(path) or b""
    except (OSError, SettingsError):
        return b""


def check_client_copy(state: Path) -> str:
    """Return how the copy is: ``current``, ``outdated`` or ``absent``."""
    copies = [read_file(get_client_folder(state) / name) for name in CLIENT_FILES]
    if copies == [(_PACKAGE / name).read_bytes() for name in CLIENT_FILES] and _has_key(state):
        return "current"
    # Releases with fewer files had the script that hooks start, so without it there is no copy at all.
    return "absent" if copies[CLIENT_FILES.index("start.py")] is None else "outdated"


def _has_key(state: Path) -> bool:
    return len(read_file(get_client_folder(state) / KEY_FILE) or b"") == KEY_BYTES
