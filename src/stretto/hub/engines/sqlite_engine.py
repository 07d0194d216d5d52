"""The engine on a file of SQLite, to try a hub without a database server.

Its sums are rows, and every question reads those of all sessions in its time. That is enough for a handful of
machines.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any, Literal

import msgspec

from stretto.errors import EngineError
from stretto.hub.access_tokens import TOKEN_COLUMNS, AccessToken, to_access_token
from stretto.hub.engine import FleetScope, Mark, OwnerSum, ReceivedSession, SessionChange, SessionKey
from stretto.hub.engines.token_lookup import TokenLookup
from stretto.hub.released_days_table import StoredRelease
from stretto.hub.session_entries import (
    SLOTS_PER_DAY,
    SessionEntry,
    StoredVersion,
    compress_document,
    decompress_document,
    find_session_key,
    group_by_tenant,
    make_change,
    make_newer_entries,
)
from stretto.hub.team_experiments_table import StoredExperiment
from stretto.store.database import BUSY_MS, STORE_ERRORS, open_transaction
from stretto.store.sums_by_time_slot import decode_dims

VERSION = 2

_TABLES = f"""
CREATE TABLE sessions (
  number INTEGER PRIMARY KEY, tenant TEXT NOT NULL, instance TEXT NOT NULL, session TEXT NOT NULL,
  revision INTEGER NOT NULL, team TEXT NOT NULL, owner TEXT NOT NULL, received INTEGER NOT NULL,
  day INTEGER NOT NULL, days TEXT NOT NULL, -- JSON array
  project TEXT NOT NULL,
  document BLOB, -- NULL once it is forgotten
  UNIQUE (tenant, team, owner, instance, session)
);
CREATE INDEX sessions_by_received ON sessions (tenant, received, team, owner, instance, session);

CREATE TABLE cells (
  number INTEGER NOT NULL, slot INTEGER NOT NULL, measure TEXT NOT NULL, dims TEXT NOT NULL,
  value INTEGER NOT NULL, PRIMARY KEY (number, slot, measure, dims)
) WITHOUT ROWID;
CREATE INDEX cells_by_slot ON cells (slot);

-- The days of forgotten sessions.
CREATE TABLE forgettings (
  tenant TEXT NOT NULL, day INTEGER NOT NULL, team TEXT NOT NULL, owner TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (tenant, day, team, owner)
) WITHOUT ROWID;

CREATE TABLE tokens (
  hash TEXT PRIMARY KEY, tenant TEXT NOT NULL, team TEXT NOT NULL, owner TEXT NOT NULL, role TEXT NOT NULL,
  opted_in INTEGER NOT NULL, added INTEGER NOT NULL, revoked INTEGER
);

CREATE TABLE releases (
  tenant TEXT NOT NULL, day INTEGER NOT NULL, at INTEGER NOT NULL, document BLOB NOT NULL,
  PRIMARY KEY (tenant, day)
) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
"""

_EXPERIMENTS = """
CREATE TABLE IF NOT EXISTS experiments (
  tenant TEXT NOT NULL, team TEXT NOT NULL, name TEXT NOT NULL, day INTEGER NOT NULL, at INTEGER NOT NULL,
  document BLOB NOT NULL, PRIMARY KEY (tenant, team, name)
) WITHOUT ROWID
"""
"""A table that files of this version may lack: it came later, and nothing else changed with it."""

_encode = msgspec.json.Encoder().encode
_decode_days = msgspec.json.Decoder(tuple[int, ...]).decode


class SqliteEngine(TokenLookup):
    """Engine and table of tokens in a file. Threads take turns at one connection."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()
        with self._report_errors():
            path.touch(mode=0o600)
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def prepare(self) -> None:
        """Create the tables of an empty file. Raises EngineError for a file of another version."""
        with self._turn, self._report_errors():
            # What was acknowledged must outlast a power cut: its sender does not send it again.
            self._connection.executescript(
                f"PRAGMA busy_timeout = {BUSY_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
            )
            with open_transaction(self._connection):
                (version,) = self._connection.execute("PRAGMA user_version").fetchone()
                if version == 0:
                    for statement in _TABLES.split(";\n"):
                        self._connection.execute(statement)
                if version in {0, VERSION}:
                    self._connection.execute(_EXPERIMENTS)
        if version not in {0, VERSION}:
            raise EngineError(
                "the hub's database cannot be used",
                where=str(self._path),
                cause=f"its tables are of version {version}, this program reads version {VERSION}",
                hint="start the version of Stretto that made them, or name an empty database",
            )

    def write_sessions(self, sessions: Sequence[ReceivedSession]) -> None:
        """Store sessions durably before returning; an older or equal revision changes nothing."""
        with self._change():
            for tenant, group in group_by_tenant(sessions).items():
                for entry in make_newer_entries(group, self._read_versions(tenant, group)):
                    self._write_entry(entry)

    def _read_versions(
        self, tenant: str, sessions: Sequence[ReceivedSession]
    ) -> dict[SessionKey, StoredVersion]:
        keys = _encode([astuple(find_session_key(received)) for received in sessions])
        rows = self._connection.execute(
            "SELECT team, owner, instance, session, revision, day, days FROM json_each(?) AS wanted"
            " JOIN sessions ON tenant = ? AND team = wanted.value ->> 0 AND owner = wanted.value ->> 1"
            " AND instance = wanted.value ->> 2 AND session = wanted.value ->> 3",
            (keys.decode(), tenant),
        )
        return {
            SessionKey(*key): StoredVersion(revision, day, _decode_days(days))
            for *key, revision, day, days in rows
        }

    def _write_entry(self, entry: SessionEntry) -> None:
        (number,) = self._connection.execute(
            "INSERT INTO sessions (tenant, instance, session, revision, team, owner, received, day, days,"
            " project, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (tenant, team, owner, instance, session) DO UPDATE SET"
            " revision = excluded.revision, received = excluded.received, days = excluded.days,"
            " project = excluded.project, document = excluded.document RETURNING number",
            (
                entry.tenant,
                entry.instance,
                entry.session,
                entry.revision,
                entry.team,
                entry.owner,
                entry.received,
                entry.day,
                _encode(entry.days).decode(),
                entry.project,
                compress_document(entry.document),
            ),
        ).fetchone()
        self._connection.execute("DELETE FROM cells WHERE number = ?", (number,))
        self._connection.executemany(
            "INSERT INTO cells VALUES (?, ?, ?, ?, ?)", ((number, *cell) for cell in entry.cells)
        )

    def forget_sessions(
        self, scope: FleetScope, *, sessions: Sequence[str] | None = None, project: str | None = None, at: int
    ) -> int:
        """Delete the sessions of a scope (all, some, or a project's); return how many were stored."""
        where, parameters = _select_scope(scope)
        if sessions is not None:
            where += " AND session IN (SELECT value FROM json_each(?))"
            parameters.append(_encode(sessions).decode())
        if project is not None:
            where += " AND project = ?"
            parameters.append(project)
        chosen = f"FROM sessions WHERE {where} AND document IS NOT NULL"
        chosen_days = chosen.replace("FROM sessions", "FROM sessions, json_each(days) AS forgotten")
        with self._change():
            self._connection.execute(
                "INSERT INTO forgettings"
                f" SELECT DISTINCT tenant, forgotten.value, team, owner, ? {chosen_days}"
                " ON CONFLICT DO UPDATE SET at = MAX(at, excluded.at)",
                (at, *parameters),
            )
            self._connection.execute(
                f"DELETE FROM cells WHERE number IN (SELECT number {chosen})",  # noqa: S608  # constants
                parameters,
            )
            cursor = self._connection.execute(
                "UPDATE sessions SET document = NULL, received = ?, revision = MAX(revision, ?)"  # noqa: S608  # constants
                f" WHERE number IN (SELECT number {chosen})",
                (at, at, *parameters),
            )
            return cursor.rowcount

    def list_forgettings(self, tenant: str, day: int) -> list[tuple[str, str, int]]:
        """Return (team, owner, when in ns) of the owners who had sessions of a UTC day forgotten."""
        query = "SELECT team, owner, at FROM forgettings WHERE tenant = ? AND day = ? ORDER BY team, owner"
        return self._fetch(query, (tenant, day))

    def read_owner_sums(self, tenant: str, team: str, day: int) -> list[OwnerSum]:
        """Return the sums of a team's UTC day (number of the day) by owner."""
        # Halves of 32 bits are added up apart: SQLite refuses a sum of more than 64 bits.
        query = (
            "SELECT owner, measure, dims, SUM(value >> 32), SUM(value & 0xFFFFFFFF)"
            " FROM sessions JOIN cells USING (number) WHERE tenant = ? AND team = ? AND slot BETWEEN ? AND ?"
            " GROUP BY owner, measure, dims ORDER BY owner, measure, dims"
        )
        edges = day * SLOTS_PER_DAY, (day + 1) * SLOTS_PER_DAY - 1
        return [
            OwnerSum(owner, measure, decode_dims(dims), value)
            for owner, measure, dims, high, low in self._fetch(query, (tenant, team, *edges))
            if (value := (high << 32) + low)
        ]

    def list_changed_days(self, tenant: str, since: int) -> list[tuple[str, int]]:
        """Return (team, number of the UTC day) of the sums of sessions that changed since a time (ns)."""
        query = (
            "SELECT DISTINCT team, day_of_sums.value FROM sessions, json_each(days) AS day_of_sums"
            " WHERE tenant = ? AND received >= ? ORDER BY team, day_of_sums.value"
        )
        return self._fetch(query, (tenant, since))

    def list_owners(self, tenant: str, first: int, last: int) -> list[tuple[str, str]]:
        """Return (team, owner) of those who have or had sums on UTC days from ``first`` to ``last``."""
        query = (
            "SELECT DISTINCT team, owner FROM sessions, json_each(days) AS day_of_sums"
            " WHERE tenant = ? AND day_of_sums.value BETWEEN ? AND ? ORDER BY team, owner"
        )
        return self._fetch(query, (tenant, first, last))

    def list_changes(self, scope: FleetScope, after: Mark, limit: int) -> Iterator[SessionChange]:
        """Yield at most ``limit`` changes after a mark, in the order of their marks."""
        where, parameters = _select_scope(scope)
        query = (
            f"SELECT team, owner, received, instance, session, document FROM sessions WHERE {where}"  # noqa: S608  # constants
            " AND (received, team, owner, instance, session) > (?, ?, ?, ?, ?)"
            " ORDER BY received, team, owner, instance, session LIMIT ?"
        )
        marked = (*parameters, *astuple(after), limit)
        for *row, packed in self._fetch(query, marked):
            yield make_change(scope.tenant, row, None if packed is None else decompress_document(packed))

    def count_sessions(self, scope: FleetScope) -> int:
        """Return the number of stored sessions of a scope."""
        where, parameters = _select_scope(scope)
        query = f"SELECT COUNT(*) FROM sessions WHERE {where} AND document IS NOT NULL"  # noqa: S608  # constants
        return int(self._fetch(query, parameters)[0][0])

    def list_heard_of(self, scope: FleetScope) -> list[tuple[str, str, str, int]]:
        """Return (team, owner, instance, when the newest session was received in ns) of each machine."""
        where, parameters = _select_scope(scope)
        query = (
            f"SELECT team, owner, instance, MAX(received) FROM sessions WHERE {where}"  # noqa: S608  # constants
            " AND document IS NOT NULL GROUP BY team, owner, instance ORDER BY team, owner, instance"
        )
        return self._fetch(query, parameters)

    def delete_before(self, day: int) -> None:
        """Delete sessions of UTC days before ``day`` (its number), and the memory of forgotten ones."""
        with self._change():
            self._connection.execute(
                "DELETE FROM cells WHERE number IN (SELECT number FROM sessions WHERE day < ?)", (day,)
            )
            self._connection.execute("DELETE FROM sessions WHERE day < ?", (day,))
            self._connection.execute("DELETE FROM releases WHERE day < ?", (day,))
            self._connection.execute("DELETE FROM forgettings WHERE day < ?", (day,))
            self._connection.execute("DELETE FROM experiments WHERE day < ?", (day,))

    def add_token(self, token: AccessToken) -> None:
        """Store a token; a hash that is stored already is left alone."""
        with self._change():
            self._connection.execute(
                "INSERT OR IGNORE INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?)", astuple(token)
            )

    def _read_tokens(self, column: Literal["hash", "tenant"], wanted: str) -> list[AccessToken]:
        query = f"SELECT {TOKEN_COLUMNS} FROM tokens WHERE {column} = ? ORDER BY added, hash"  # noqa: S608  # constants
        return [to_access_token(row) for row in self._fetch(query, (wanted,))]

    def revoke_token(self, tenant: str, hash: str, at: int) -> bool:
        """Revoke a valid token of a tenant at a time (ns); return whether there was one."""
        with self._change():
            cursor = self._connection.execute(
                "UPDATE tokens SET revoked = ? WHERE tenant = ? AND hash = ? AND revoked IS NULL",
                (at, tenant, hash),
            )
            return cursor.rowcount > 0

    def write_release(self, tenant: str, release: StoredRelease, *, replaces: int | None) -> bool:
        """Store a release durably unless another hub was faster; return whether it was stored."""
        key = {"tenant": tenant, "day": release.day}
        return self._store_state("releases", key, (release.at, release.document), replaces)

    def list_releases(self, tenant: str, after: int = 0) -> list[StoredRelease]:
        """Return the releases made after a time (ns), in the order in which they were made."""
        query = "SELECT day, at, document FROM releases WHERE tenant = ? AND at > ? ORDER BY at, day"
        return [StoredRelease(*row) for row in self._fetch(query, (tenant, after))]

    def write_experiment(self, tenant: str, experiment: StoredExperiment, *, replaces: int | None) -> bool:
        """Store a state durably unless another hub was faster; return whether it was stored."""
        key = {"tenant": tenant, "team": experiment.team, "name": experiment.name}
        state = experiment.day, experiment.at, experiment.document
        return self._store_state("experiments", key, state, replaces)

    def _store_state(
        self, table: str, key: Mapping[str, Any], state: Sequence[Any], replaces: int | None
    ) -> bool:
        """Store the next state of a key unless another hub was faster; return whether it was stored."""
        where, values = " AND ".join(f"{column} = ?" for column in key), [*key.values()]
        with self._change():
            row = self._connection.execute(f"SELECT at FROM {table} WHERE {where}", values).fetchone()  # noqa: S608  # constants
            if (None if row is None else row[0]) != replaces:
                return False
            places = ", ".join("?" for _ in (*values, *state))
            self._connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({places})", (*values, *state))  # noqa: S608  # constants
            return True

    def list_experiments(self, tenant: str) -> list[StoredExperiment]:
        """Return the experiments of a tenant by team and name."""
        query = "SELECT team, name, day, at, document FROM experiments WHERE tenant = ? ORDER BY team, name"
        return [StoredExperiment(*row) for row in self._fetch(query, (tenant,))]

    def list_tenants(self) -> list[str]:
        """Return the tenants that have tokens."""
        rows = self._fetch("SELECT DISTINCT tenant FROM tokens ORDER BY tenant", ())
        return [tenant for (tenant,) in rows]

    def close(self) -> None:
        """Close the connection."""
        with self._turn:
            self._connection.close()

    def _fetch(self, query: str, parameters: Sequence[str | int]) -> list[tuple[Any, ...]]:
        with self._turn, self._report_errors():
            return self._connection.execute(query, parameters).fetchall()

    @contextmanager
    def _change(self) -> Iterator[None]:
        with self._turn, self._report_errors(), open_transaction(self._connection):
            yield

    @contextmanager
    def _report_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, *STORE_ERRORS) as error:
            raise EngineError(
                "the hub's database does not answer",
                where=str(self._path),
                cause=str(error),
                hint="check the file's folder: its permissions and the space on its disk",
            ) from error


def _select_scope(scope: FleetScope) -> tuple[str, list[str | int]]:
    """Return the condition for the sessions of a scope, and its parameters."""
    where, parameters = "tenant = ?", [scope.tenant]
    for columns, value, names in (
        ("team", "value", scope.teams),
        ("(team, owner)", "value ->> 0, value ->> 1", scope.owners),
        ("instance", "value", scope.instances),
    ):
        if names is not None:
            where += f" AND {columns} IN (SELECT {value} FROM json_each(?))"  # noqa: S608  # constants
            parameters.append(_encode(names).decode())
    return where, [*parameters]
