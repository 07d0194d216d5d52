"""The choice of the state folder, which has all files that Stretto writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


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
