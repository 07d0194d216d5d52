"""Keep a receipt of each installation, so that a settings file can be restored exactly."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from stretto.hook.install.handlers import get_client_folder
from stretto.hook.install.settings_file import write_file


@dataclass(frozen=True, slots=True)
class Receipt:
    """A settings file before and after an installation."""

    created: bool
    """Whether the installation created the file."""
    containers: frozenset[str]
    """The members that the installation added: ``hooks``, hooks by name, ``version``."""
    original: str | None
    """Digest of the file before the installation; the backup must have the same."""
    written: str
    """Digest of the file after the installation."""

    def merge_earlier(self, earlier: Receipt) -> Receipt:
        """Return this receipt with the original state that an earlier installation recorded."""
        containers = self.containers | earlier.containers
        return replace(self, created=earlier.created, containers=containers, original=earlier.original)

    @staticmethod
    def load(state: Path, settings: Path) -> Receipt | None:
        """Return the receipt of a settings file, or None; without it, removal is less exact."""
        entry: Any = _read_receipts(state).get(str(settings))
        try:
            containers = frozenset(map(str, entry["containers"]))
            return Receipt(entry["created"] is True, containers, entry["original"], entry["written"])
        except (KeyError, TypeError):
            return None

    def save(self, state: Path, settings: Path) -> None:
        """Store the receipt of a settings file. Raises SettingsError."""
        receipt = {**asdict(self), "containers": sorted(self.containers)}
        write_file(
            _get_ledger_path(state), json.dumps({**_read_receipts(state), str(settings): receipt}).encode()
        )

    @staticmethod
    def drop(state: Path, settings: Path) -> None:
        """Delete the receipt of a settings file. Raises SettingsError."""
        receipts = _read_receipts(state)
        if receipts.pop(str(settings), None) is not None:
            write_file(_get_ledger_path(state), json.dumps(receipts).encode())


def _get_ledger_path(state: Path) -> Path:
    return get_client_folder(state) / "installed.json"


def _read_receipts(state: Path) -> dict[str, Any]:
    try:
        receipts = json.loads(_get_ledger_path(state).read_bytes())
    except (OSError, ValueError):
        return {}
    return receipts if isinstance(receipts, dict) else {}
