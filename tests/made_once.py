"""Folders that take seconds to make, made by one worker of a run and copied by the others."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def copy_made_once(factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], None]) -> Path:
    """Return a folder for this worker alone, whose content ``fill`` makes once in a run.

    Without workers the folder is filled itself: outside of it there is no place that only this run has.
    """
    folder = factory.mktemp(name)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        fill(folder)
        return folder
    of_run = factory.getbasetemp().parent
    original, draft = of_run / f"{name}-original", of_run / f"{name}-draft"
    with (of_run / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not original.exists():
            # Another worker's attempt failed half-way.
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            fill(draft)
            draft.rename(original)
    shutil.copytree(original, folder, dirs_exist_ok=True)
    return folder
