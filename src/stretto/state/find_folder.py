"""The choice of the state folder, which has all files that Stretto writes, and whether it is safe to use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from stretto.errors import ServiceError

ROOT = 0
"""The user id of the system: a folder of root's, as a container's volume has, is no trap."""


def find_state_folder(environ: Mapping[str, str], home: Path, flag: str | None = None) -> tuple[Path, str]:
    """Return the state folder and where the choice came from.

    The hook client chooses in the same way, with one difference: its default is the folder given at its
    installation, which ``STRETTO_STATE`` in the agent's environment overrides.
    """
    if flag:
        return Path(flag).absolute(), "--state"
    if environ.get("STRETTO_STATE"):
        return Path(environ["STRETTO_STATE"]).absolute(), "STRETTO_STATE"
    if environ.get("XDG_STATE_HOME"):
        return Path(environ["XDG_STATE_HOME"]) / "stretto", "XDG_STATE_HOME"
    return home / ".local" / "state" / "stretto", "default"


def refuse_linked_or_others_folder(folder: Path) -> None:
    """Raise ServiceError if a folder is a symlink, or belongs to another user.

    Whoever owns the folder or the link could put links in the place of files, and so have them overwritten,
    or read what is written. A folder that does not exist yet is fine.
    """
    if folder.is_symlink():
        raise ServiceError(
            "the state folder is a symlink",
            where=str(folder),
            cause="whoever may change the link decides where the data is written",
            hint=f"name the folder itself: --state {os.path.realpath(folder)}, or STRETTO_STATE",
        )
    get_user = getattr(os, "geteuid", None)
    if get_user is None or not folder.exists():
        return
    owner = folder.stat().st_uid
    if owner not in {get_user(), ROOT}:
        raise ServiceError(
            "the state folder belongs to another user",
            where=str(folder),
            cause=f"its owner has the id {owner}, and this process runs as {get_user()}",
            hint="run as its owner, or choose another folder with --state or STRETTO_STATE",
        )
