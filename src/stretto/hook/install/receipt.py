"""Receipts: what an install keeps about a settings file so that it can be undone exactly."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from stretto.hook.install.handlers import get_client_folder
from stretto.hook.install.settings_file import write_file


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was there before an install, and what it has left."""

    created: bool
    """There was no such file."""
    containers: frozenset[str]
    """The members that were not there: ``hooks``, hooks by name, ``version``."""
    original: str | None
    """Digest of the file as it was, which the backup must have."""
    written: str
    """Digest of the file as the install left it."""

    def merge_earlier(self, earlier: Receipt) -> Receipt:
        """Return the receipt of an install over an earlier one: what was there was there before both."""
        containers = self.containers | earlier.containers
        return replace(self, created=earlier.created, containers=containers, original=earlier.original)

    @staticmethod
    def load(state: Path, settings: Path) -> Receipt | None:
        """Return the receipt of a settings file, if it can be read: without it the undoing is less exact."""
        found: Any = _read_receipts(state).get(str(settings))
        try:
            containers = frozenset(map(str, found["containers"]))
            return Receipt(found["created"] is True, containers, found["original"], found["written"])
        except (KeyError, TypeError):
            return None

    def save(self, state: Path, settings: Path) -> None:
        """Keep the receipt of a settings file. Raises SettingsError."""
        receipt = {**asdict(self), "containers": sorted(self.containers)}
        write_file(
            _get_ledger_path(state), json.dumps({**_read_receipts(state), str(settings): receipt}).encode()
        )

    @staticmethod
    def drop(state: Path, settings: Path) -> None:
        """Forget a settings file. Raises SettingsError."""
        receipts = _read_receipts(state)
        if receipts.pop(str(settings), None) is not None:
            write_file(_get_ledger_path(state), json.dumps(receipts).encode())


def _get_ledger_path(state: Path) -> Path:
    return get_client_folder(state) / "installed.json"


def _read_receipts(state: Path) -> dict[str, Any]:
    try:
        found = json.loads(_get_ledger_path(state).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
