"""Answer a program whether a part is on, at most once a second from the places that decide it.

OpenFeature decides if the program has set a provider: flag ``stretto.caching`` or, for a single cache,
``stretto.caching.NAME``. Without a provider, or with an error, the places of ``feature_switches`` do. A
program is never stopped by a switch: what cannot be read counts as not set.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from stretto.errors import StrettoError
from stretto.features.ask_open_feature_provider import ask_open_feature
from stretto.features.collection_filter import Collection
from stretto.features.feature_settings_file import FILE, read_feature_changes
from stretto.features.feature_switches import (
    DEFAULT_STATES,
    FEATURES,
    LEVEL,
    LEVEL_VARIABLE,
    parse_feature_value,
)
from stretto.state.find_folder import find_state_folder

SECONDS_BETWEEN_LOOKS = 1.0


class ProgramSwitch:
    """Whether a part is on for a program."""

    __slots__ = ("_clock", "_environ", "_flags", "_is_on", "_name", "_next_look")

    def __init__(
        self,
        name: str,
        part: str | None = None,
        *,
        clock: Callable[[], float] = monotonic,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self._flags = [f"stretto.{name}.{part}"] if part else []
        self._flags.append(f"stretto.{name}")
        self._clock = clock
        self._environ = os.environ if environ is None else environ
        self._next_look = float("-inf")
        self._is_on = True

    def is_on(self) -> bool:
        """Return the state, looked up when the last look is a second old."""
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + SECONDS_BETWEEN_LOOKS
            self._is_on = self._look()
        return self._is_on

    def _look(self) -> bool:
        state = is_part_on_for_program(self._name, self._environ)
        for flag in reversed(self._flags):
            state = ask_open_feature(flag, default=state)
        return state


def is_part_on_for_program(name: str, environ: Mapping[str, str]) -> bool:
    """Return the state that environment, ``stretto features`` and the configuration give; on by default."""
    return _find_state(name, FEATURES[name].variable, environ) is True


def find_program_collection(environ: Mapping[str, str]) -> Collection:
    """Return what a program's own events leave out."""
    names = [feature.name for feature in FEATURES.values() if feature.group == "collection"]
    return Collection(
        frozenset(name for name in names if not is_part_on_for_program(name, environ)),
        str(_find_state(LEVEL, LEVEL_VARIABLE, environ)),
    )


def _find_state(name: str, variable: str, environ: Mapping[str, str]) -> bool | str:
    """Return the state of a switch or the level by the place that wins."""
    folder, _ = find_state_folder(environ, Path.home(), None)
    for value, origin in (
        (environ.get(variable) or None, "environment"),
        (_read_change(folder, name), FILE),
        (_read_configured(folder, environ, name), "config.toml"),
    ):
        if value is not None:
            try:
                return parse_feature_value(name, value, origin)
            except StrettoError:
                continue
    return DEFAULT_STATES.states[name].value


def _read_change(folder: Path, name: str) -> Any:
    try:
        return read_feature_changes(folder).states.get(name)
    except StrettoError:
        return None


def _read_configured(folder: Path, environ: Mapping[str, str], name: str) -> Any:
    path = Path(environ.get("STRETTO_CONFIG") or folder / "config.toml")
    try:
        features = tomllib.loads(path.read_text(encoding="utf-8")).get("features")
    except (OSError, ValueError):
        return None
    return features.get(name) if isinstance(features, dict) else None
