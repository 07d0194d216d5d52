"""Keep baselines of gates by name: a file each, in the service's folder."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from stretto.gates.benchmark_measurements import MeasurementError, Measurements, from_document, write_baseline

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
SUFFIX = ".json"
MOST_BASELINES = 1_000
"""Most names of a folder: whoever may send baselines could fill the disk with new names."""


class BaselineFolder:
    """The baselines of a folder. Several processes may read and write; the last writer of a name counts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_path(self, name: str) -> Path:
        """Return the file of a name; a slash in it becomes an underscore. Raises MeasurementError."""
        plain = name.replace(os.sep, "_")
        if not _NAME.fullmatch(plain):
            raise MeasurementError(
                f"{name!r} is no name of a baseline",
                hint="use letters, digits, dots, hyphens and underscores, such as main or release-1.2",
            )
        return self._folder / f"{plain}{SUFFIX}"

    def list_names(self) -> list[str]:
        """Return the names that have a baseline."""
        return sorted(path.stem for path in self._folder.glob(f"*{SUFFIX}") if _NAME.fullmatch(path.stem))

    def read_baseline(self, name: str) -> Measurements | None:
        """Return the baseline of a name, or None. Raises MeasurementError if it cannot be read."""
        path = self.find_path(name)
        try:
            return from_document(json.loads(path.read_text(encoding="utf-8")), str(path))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise MeasurementError(
                "the baseline cannot be read", where=str(path), cause=str(error), hint="save it again"
            ) from error

    def write_baseline(self, name: str, measurements: Measurements) -> None:
        """Keep a baseline under a name, whole or not at all. Raises MeasurementError, and OSError."""
        path = self.find_path(name)
        if not path.exists() and len(self.list_names()) >= MOST_BASELINES:
            raise MeasurementError(
                f"there are {MOST_BASELINES} baselines already",
                where=str(self._folder),
                hint="save under a name that exists, or delete files there: a build needs no new name",
            )
        write_baseline(path, measurements)
