"""Keep what ``stretto features`` has set, in a small file with the states before each change.

A damaged file is an error for commands, which can be mended by hand; it never stops a hook or a program.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stretto.errors import ConfigError

FILE = "features.json"
MOST_CHANGES = 50
"""Changes that can be taken back."""


@dataclass(frozen=True, slots=True)
class FeatureChanges:
    """The states that are set now, and those before each change, the latest last."""

    states: Mapping[str, Any]
    before: tuple[Mapping[str, Any], ...] = ()

    def set_states(self, changes: Mapping[str, Any]) -> FeatureChanges:
        """Return the changes after one more; None as a value leaves the decision to the other places."""
        states = {name: value for name, value in {**self.states, **changes}.items() if value is not None}
        return FeatureChanges(states, (*self.before, self.states)[-MOST_CHANGES:])

    def take_back(self) -> FeatureChanges | None:
        """Return the changes as they were before the last, or None if there was none."""
        return FeatureChanges(self.before[-1], self.before[:-1]) if self.before else None


def read_feature_changes(folder: Path) -> FeatureChanges:
    """Return what is set in a state folder. Raises ConfigError for a damaged file."""
    path = folder / FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        states, before = document["states"], document["before"]
        if not isinstance(states, dict) or not all(isinstance(each, dict) for each in before):
            raise TypeError("states must be tables")  # noqa: TRY301  # the same error as for other damage
        return FeatureChanges(states, tuple(before))
    except (FileNotFoundError, NotADirectoryError):
        # Whoever writes to a state folder that is none says so better.
        return FeatureChanges({})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            "the file of switches cannot be read",
            where=str(path),
            cause=str(error),
            hint="remove it to start anew",
        ) from error


def write_feature_changes(folder: Path, changes: FeatureChanges) -> None:
    """Write what is set, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / FILE
    new = path.with_name(FILE + ".new")
    document = {"states": changes.states, "before": changes.before}
    new.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    new.replace(path)
