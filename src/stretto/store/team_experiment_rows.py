"""The experiments of a team, as findings. Only the store of a team's scope at a hub has them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from stretto.model.findings import Finding
from stretto.store.database import has_table, open_transaction

_TABLE = "CREATE TABLE IF NOT EXISTS team_experiments (number INTEGER PRIMARY KEY, finding BLOB NOT NULL)"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Finding).decode


def replace_team_experiments(connection: sqlite3.Connection, findings: Iterable[Finding]) -> bool:
    """Put findings in place of the earlier ones; return whether that is a change."""
    rows = [(number, _encode(finding)) for number, finding in enumerate(findings)]
    with open_transaction(connection):
        connection.execute(_TABLE)
        before = connection.execute("SELECT number, finding FROM team_experiments ORDER BY number").fetchall()
        if before == rows:
            return False
        connection.execute("DELETE FROM team_experiments")
        connection.executemany("INSERT INTO team_experiments VALUES (?, ?)", rows)
    return True


def read_team_experiments(connection: sqlite3.Connection) -> list[Finding] | None:
    """Return the findings; None if the store is not that of a team."""
    if not has_table(connection, "team_experiments"):
        return None
    rows = connection.execute("SELECT finding FROM team_experiments ORDER BY number")
    return [_decode(finding) for (finding,) in rows]
