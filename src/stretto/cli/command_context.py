"""The context of a command: configuration, environment and output, passed to every command."""

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
    """The configuration, the output format, the environment and the home folder."""

    config: Config
    json: bool
    environ: Mapping[str, str]
    home: Path

    def print_answer(self, document: Any, text: str) -> None:
        """Print the answer: the document as JSON with ``--json``, else the text."""
        print(json.dumps(document, indent=2, ensure_ascii=False) if self.json else replace_controls(text))

    def print_note(self, text: str) -> None:
        """Print a note to standard error: it is not part of the answer."""
        print(text, file=sys.stderr)


def replace_controls(text: str) -> str:
    """Replace terminal control characters in untrusted text by spaces."""
    return text if text.isprintable() else "".join(_replace_control(sign) for sign in text)


def _replace_control(sign: str) -> str:
    return sign if sign.isprintable() or sign in "\n\N{NO-BREAK SPACE}" else " "
