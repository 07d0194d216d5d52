"""The compose file as the tests read it: variables filled in, YAML's merges done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docker-compose.yml"

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\}")


def compose(**environ: str) -> dict[str, Any]:
    """Return the file's content with its variables taken from ``environ``.

    The forms ``${NAME:-default}`` and ``${NAME:?complaint}`` are those of the Compose Specification's
    interpolation. Raises KeyError with the complaint where a needed variable is not given.
    """
    content: dict[str, Any] = _filled(yaml.safe_load(FILE.read_text(encoding="utf-8")), environ)
    return content


def _filled(value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, environ) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, environ) for inner in value]
    return _VARIABLE.sub(lambda found: _value(found, environ), value) if isinstance(value, str) else value


def _value(found: re.Match[str], environ: Mapping[str, str]) -> str:
    given = environ.get(found["name"])
    if given:
        return given
    if found["kind"] == "?":
        raise KeyError(found["text"])
    return found["text"] or ""
