"""Context: what every verb is handed, so that none of them reads the environment."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stretto.config.configuration import Config


@dataclass(frozen=True, slots=True)
class CommandContext:
    """The settled configuration, the way to answer, and the world outside."""

    config: Config
    json: bool
    environ: Mapping[str, str]
    home: Path

    def print_answer(self, document: Any, text: str) -> None:
        """Print the answer: the document where JSON was parse_options for, else the text."""
        print(json.dumps(document, indent=2, ensure_ascii=False) if self.json else replace_controls(text))

    def print_note(self, text: str) -> None:
        """Print talk, which is not part of the answer."""
        print(text, file=sys.stderr)


def replace_controls(text: str) -> str:
    """Return text with names and words of others in it without what a terminal would obey."""
    return text if text.isprintable() else "".join(_replace_control(sign) for sign in text)


def _replace_control(sign: str) -> str:
    return sign if sign.isprintable() or sign in "\n\N{NO-BREAK SPACE}" else " "
