"""Context: what every verb is handed, so that none of them reads the environment."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stretto.config import Config


@dataclass(frozen=True, slots=True)
class Context:
    """The settled configuration, the way to answer, and the world outside."""

    config: Config
    json: bool
    environ: Mapping[str, str]
    home: Path

    def answer(self, document: Any, text: str) -> None:
        """Print the answer: the document where JSON was asked for, else the text."""
        print(json.dumps(document, indent=2, ensure_ascii=False) if self.json else text)

    def say(self, text: str) -> None:
        """Print talk, which is not part of the answer."""
        print(text, file=sys.stderr)
