"""Open a hub's database by its URL."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from stretto.errors import UsageError
from stretto.hub.access_tokens import TokenTable
from stretto.hub.engine import Engine
from stretto.hub.engines.sqlite_engine import SqliteEngine


class HubDatabase(Engine, TokenTable, Protocol):
    """The sessions and the tokens, which are in one database."""


def open_engine(url: str) -> HubDatabase:
    """Return the engine of ``sqlite:FILE``; nothing is created in its tables before ``prepare``.

    Raises UsageError for another URL, and EngineError if the database does not answer.
    """
    scheme = urlsplit(url).scheme
    if scheme == "sqlite" and (file := url.partition(":")[2]):
        return SqliteEngine(Path(file))
    raise UsageError(
        "the hub's database is not known",
        # A URL may have a password.
        where=f"{scheme}:…" if scheme else "",
        hint="use sqlite:FILE",
    )
