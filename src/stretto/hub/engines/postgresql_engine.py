"""The engine on PostgreSQL 14 or newer: for some ten to two hundred people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from typing import Any, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool

from stretto.errors import EngineError
from stretto.hub.access_tokens import TOKEN_COLUMNS, AccessToken, to_access_token
from stretto.hub.engine import FleetScope, Mark, OwnerSum, ReceivedSession, SessionChange, SessionKey
from stretto.hub.engines.postgresql_tables import (
    EXPERIMENTS,
    SCHEMA,
    SESSION_UPSERT,
    TABLES,
    VERSION,
    write_cell_cleaning,
    write_cell_move,
)
from stretto.hub.engines.token_lookup import TokenLookup
from stretto.hub.released_days_table import StoredRelease
from stretto.hub.session_entries import (
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
from stretto.store.sums_by_time_slot import decode_dims

MOST_CONNECTIONS = 8

PATIENCE = 10
"""Seconds until a database that does not answer is reported."""

_KEPT_ALIVE = {"connect_timeout": PATIENCE, "keepalives_idle": 30, "tcp_user_timeout": 60_000}
"""So that a connection whose other end is gone is noticed: times in seconds, the last in milliseconds."""

_THESE = (
    "tenant = %(tenant)s"
    " AND (team, owner, instance, session) IN (SELECT * FROM"
    " unnest(%(teams)s::text[], %(owners)s::text[], %(instances)s::text[], %(sessions)s::text[]))"
)
"""The condition for sessions of a tenant by their keys."""

Parameters = Mapping[str, Any]


class PostgresqlEngine(TokenLookup):
    """Engine and table of tokens, with a small pool of connections."""

    def __init__(self, url: str) -> None:
        with self._report_errors():
            named = conninfo_to_dict(url)
            self._where = f"{named.get('host', '')}/{named.get('dbname', '')}"
        self._url = url
        self._pool = ConnectionPool(
            url,
            # Poolers between the hub and the database do not all know prepared statements.
            kwargs={"autocommit": True, "prepare_threshold": None, **_KEPT_ALIVE},
            min_size=1,
            max_size=MOST_CONNECTIONS,
            timeout=PATIENCE,
            # A connection that broke while it was idle is replaced before it is used.
            check=ConnectionPool.check_connection,
            open=True,
        )

    def prepare(self) -> None:
        """Create the tables that are missing. Raises EngineError for tables of another version."""
        # A connection of its own reports the cause; the pool reports only that it waited in vain.
        with self._report_errors(), psycopg.connect(self._url, connect_timeout=PATIENCE) as connection:
            # Hubs that start together take turns: CREATE IF NOT EXISTS is not safe against itself.
            self._lock(connection, SCHEMA)
            exists = connection.execute("SELECT 1 WHERE to_regclass(%s) IS NOT NULL", (f"{SCHEMA}.version",))
            if not exists.rowcount:
                connection.execute(TABLES)
            versions = connection.execute(f"SELECT version FROM {SCHEMA}.version").fetchall()  # noqa: S608  # a constant
            version = max(version for (version,) in versions)
            if version == VERSION:
                connection.execute(EXPERIMENTS)
        if version != VERSION:
            raise EngineError(
                "the hub's database cannot be used",
                where=self._where,
                cause=f"its tables are of version {version}, this program reads version {VERSION}",
                hint="start the version of Stretto that made them, or name an empty database",
            )

    def write_sessions(self, sessions: Sequence[ReceivedSession]) -> None:
        """Store sessions durably before returning; an older or equal revision changes nothing."""
        for tenant, group in group_by_tenant(sessions).items():
            with self._change(tenant) as connection:
                stored = _read_versions(connection, tenant, group)
                entries = make_newer_entries(group, stored)
                replaced = _select_these(tenant, [entry.key for entry in entries if entry.key in stored])
                connection.execute(write_cell_move("-", _THESE), replaced)
                with connection.cursor() as cursor:
                    cursor.executemany(SESSION_UPSERT, [*map(_to_row, entries)])
                written = _select_these(tenant, [entry.key for entry in entries])
                connection.execute(write_cell_move("+", _THESE), written)
                connection.execute(write_cell_cleaning(_THESE), replaced)

    def forget_sessions(
        self, scope: FleetScope, *, sessions: Sequence[str] | None = None, project: str | None = None, at: int
    ) -> int:
        """Delete the sessions of a scope (all, some, or a project's); return how many were stored."""
        where, parameters = _select_scope(scope)
        if sessions is not None:
            where += " AND session = ANY(%(sessions)s)"
            parameters["sessions"] = [*sessions]
        if project is not None:
            where += " AND project = %(project)s"
            parameters["project"] = project
        parameters["at"] = at
        with self._change(scope.tenant) as connection:
            connection.execute(
                f"INSERT INTO {SCHEMA}.forgettings AS noted"  # noqa: S608  # constants
                f" SELECT DISTINCT tenant, forgotten, team, owner, %(at)s::bigint FROM {SCHEMA}.sessions,"
                f" unnest(days) AS forgotten WHERE {where} AND document IS NOT NULL"
                " ON CONFLICT (tenant, day, team, owner) DO UPDATE SET at = GREATEST(noted.at, excluded.at)",
                parameters,
            )
            connection.execute(write_cell_move("-", f"{where} AND document IS NOT NULL"), parameters)
            cursor = connection.execute(
                f"UPDATE {SCHEMA}.sessions SET document = NULL, received = %(at)s,"  # noqa: S608  # constants
                " revision = GREATEST(revision, %(at)s), slots = '{}', measures = '{}',"
                f" dims = '{{}}', amounts = '{{}}' WHERE {where} AND document IS NOT NULL",
                parameters,
            )
            connection.execute(write_cell_cleaning(where), parameters)
            return cursor.rowcount

    def list_forgettings(self, tenant: str, day: int) -> list[tuple[str, str, int]]:
        """Return (team, owner, when in ns) of the owners who had sessions of a UTC day forgotten."""
        query = (
            f"SELECT team, owner, at FROM {SCHEMA}.forgettings"  # noqa: S608  # a constant
            " WHERE tenant = %(tenant)s AND day = %(day)s ORDER BY team, owner"
        )
        return self._fetch(query, {"tenant": tenant, "day": day})

    def read_owner_sums(self, tenant: str, team: str, day: int) -> list[OwnerSum]:
        """Return the sums of a team's UTC day (number of the day) by owner."""
        query = (
            f"SELECT owner, measure, dims, SUM(value) FROM {SCHEMA}.cells"  # noqa: S608  # constants
            " WHERE tenant = %(tenant)s AND team = %(team)s AND day = %(day)s"
            " GROUP BY owner, measure, dims HAVING SUM(value) <> 0 ORDER BY owner, measure, dims"
        )
        rows = self._fetch(query, {"tenant": tenant, "team": team, "day": day})
        return [
            OwnerSum(owner, measure, decode_dims(dims), int(value)) for owner, measure, dims, value in rows
        ]

    def list_changed_days(self, tenant: str, since: int) -> list[tuple[str, int]]:
        """Return (team, number of the UTC day) of the sums of sessions that changed since a time (ns)."""
        query = (
            f"SELECT DISTINCT team, unnest(days) AS changed FROM {SCHEMA}.sessions"  # noqa: S608  # constants
            " WHERE tenant = %(tenant)s AND received >= %(since)s ORDER BY team, changed"
        )
        return self._fetch(query, {"tenant": tenant, "since": since})

    def list_owners(self, tenant: str, first: int, last: int) -> list[tuple[str, str]]:
        """Return (team, owner) of those who have or had sums on UTC days from ``first`` to ``last``."""
        query = (
            f"SELECT DISTINCT team, owner FROM {SCHEMA}.sessions WHERE tenant = %(tenant)s"  # noqa: S608  # a constant
            " AND EXISTS (SELECT 1 FROM unnest(days) AS of_sums WHERE of_sums BETWEEN %(first)s AND %(last)s)"
            " ORDER BY team, owner"
        )
        return self._fetch(query, {"tenant": tenant, "first": first, "last": last})

    def list_changes(self, scope: FleetScope, after: Mark, limit: int) -> Iterator[SessionChange]:
        """Yield at most ``limit`` changes after a mark, in the order of their marks."""
        where, parameters = _select_scope(scope)
        query = (
            f"SELECT team, owner, received, instance, session, document FROM {SCHEMA}.sessions"  # noqa: S608  # constants
            f" WHERE {where} AND (received, team, owner, instance, session) > (%(received)s, %(after_team)s,"
            " %(after_owner)s, %(after_instance)s, %(after_session)s)"
            " ORDER BY received, team, owner, instance, session LIMIT %(limit)s"
        )
        marked = {**parameters, **_to_parameters(after), "limit": limit}
        for *row, packed in self._fetch(query, marked):
            yield make_change(scope.tenant, row, None if packed is None else decompress_document(packed))

    def count_sessions(self, scope: FleetScope) -> int:
        """Return the number of stored sessions of a scope."""
        where, parameters = _select_scope(scope)
        query = f"SELECT COUNT(*) FROM {SCHEMA}.sessions WHERE {where} AND document IS NOT NULL"  # noqa: S608  # constants
        return int(self._fetch(query, parameters)[0][0])

    def list_heard_of(self, scope: FleetScope) -> list[tuple[str, str, str, int]]:
        """Return (team, owner, instance, when the newest session was received in ns) of each machine."""
        where, parameters = _select_scope(scope)
        query = (
            f"SELECT team, owner, instance, MAX(received) FROM {SCHEMA}.sessions WHERE {where}"  # noqa: S608  # constants
            " AND document IS NOT NULL GROUP BY team, owner, instance ORDER BY team, owner, instance"
        )
        return self._fetch(query, parameters)

    def delete_before(self, day: int) -> None:
        """Delete sessions of UTC days before ``day`` (its number), and the memory of forgotten ones."""
        query = (
            f"SELECT tenant FROM {SCHEMA}.sessions WHERE day < %(day)s"  # noqa: S608  # constants
            f" UNION SELECT tenant FROM {SCHEMA}.releases WHERE day < %(day)s"
            f" UNION SELECT tenant FROM {SCHEMA}.forgettings WHERE day < %(day)s"
            f" UNION SELECT tenant FROM {SCHEMA}.experiments WHERE day < %(day)s"
        )
        where = "tenant = %(tenant)s AND sessions.day < %(day)s"
        for (tenant,) in self._fetch(query, {"day": day}):
            parameters = {"tenant": tenant, "day": day}
            with self._change(tenant) as connection:
                connection.execute(write_cell_move("-", where), parameters)
                connection.execute(write_cell_cleaning(where), parameters)
                connection.execute(f"DELETE FROM {SCHEMA}.sessions WHERE {where}", parameters)  # noqa: S608  # constants
                for table in ("releases", "forgettings", "experiments"):
                    connection.execute(
                        f"DELETE FROM {SCHEMA}.{table} WHERE tenant = %(tenant)s AND day < %(day)s",  # noqa: S608  # constants
                        parameters,
                    )

    def add_token(self, token: AccessToken) -> None:
        """Store a token; a hash that is stored already is left alone."""
        with self._change(token.tenant) as connection:
            connection.execute(
                f"INSERT INTO {SCHEMA}.tokens ({TOKEN_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"  # noqa: S608  # constants
                " ON CONFLICT DO NOTHING",
                astuple(token),
            )

    def _read_tokens(self, column: Literal["hash", "tenant"], wanted: str) -> list[AccessToken]:
        query = (
            f"SELECT {TOKEN_COLUMNS} FROM {SCHEMA}.tokens WHERE {column} = %(wanted)s ORDER BY added, hash"  # noqa: S608  # constants
        )
        return [to_access_token(row) for row in self._fetch(query, {"wanted": wanted})]

    def revoke_token(self, tenant: str, hash: str, at: int) -> bool:
        """Revoke a valid token of a tenant at a time (ns); return whether there was one."""
        with self._change(tenant) as connection:
            cursor = connection.execute(
                f"UPDATE {SCHEMA}.tokens SET revoked = %s"  # noqa: S608  # a constant
                " WHERE tenant = %s AND hash = %s AND revoked IS NULL",
                (at, tenant, hash),
            )
            return cursor.rowcount > 0

    def write_release(self, tenant: str, release: StoredRelease, *, replaces: int | None) -> bool:
        """Store a release durably unless another hub was faster; return whether it was stored."""
        key = {"tenant": tenant, "day": release.day}
        state = {"at": release.at, "document": release.document}
        return self._store_state("releases", key, state, replaces)

    def list_releases(self, tenant: str, after: int = 0) -> list[StoredRelease]:
        """Return the releases made after a time (ns), in the order in which they were made."""
        query = (
            f"SELECT day, at, document FROM {SCHEMA}.releases"  # noqa: S608  # a constant
            " WHERE tenant = %(tenant)s AND at > %(after)s ORDER BY at, day"
        )
        rows = self._fetch(query, {"tenant": tenant, "after": after})
        return [StoredRelease(*row) for row in rows]

    def write_experiment(self, tenant: str, experiment: StoredExperiment, *, replaces: int | None) -> bool:
        """Store a state durably unless another hub was faster; return whether it was stored."""
        key = {"tenant": tenant, "team": experiment.team, "name": experiment.name}
        state = {"day": experiment.day, "at": experiment.at, "document": experiment.document}
        return self._store_state("experiments", key, state, replaces)

    def _store_state(
        self, table: str, key: Mapping[str, Any], state: Mapping[str, Any], replaces: int | None
    ) -> bool:
        """Store the next state of a key unless another hub was faster; return whether it was stored."""
        row = {**key, **state}
        if replaces is None:
            values = ", ".join(f"%({column})s" for column in row)
            query = (
                f"INSERT INTO {SCHEMA}.{table} ({', '.join(row)}) VALUES ({values}) ON CONFLICT DO NOTHING"  # noqa: S608  # constants
            )
        else:
            changes, where = (
                sep.join(f"{column} = %({column})s" for column in columns)
                for sep, columns in ((", ", state), (" AND ", key))
            )
            query = f"UPDATE {SCHEMA}.{table} SET {changes} WHERE {where} AND at = %(replaces)s"  # noqa: S608  # constants
        with self._change(key["tenant"]) as connection:
            return connection.execute(query, {**row, "replaces": replaces}).rowcount > 0

    def list_experiments(self, tenant: str) -> list[StoredExperiment]:
        """Return the experiments of a tenant by team and name."""
        query = (
            f"SELECT team, name, day, at, document FROM {SCHEMA}.experiments"  # noqa: S608  # a constant
            " WHERE tenant = %(tenant)s ORDER BY team, name"
        )
        return [StoredExperiment(*row) for row in self._fetch(query, {"tenant": tenant})]

    def list_tenants(self) -> list[str]:
        """Return the tenants that have tokens."""
        query = f"SELECT DISTINCT tenant FROM {SCHEMA}.tokens ORDER BY tenant"  # noqa: S608  # a constant
        return [tenant for (tenant,) in self._fetch(query, {})]

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def _fetch(self, query: str, parameters: Parameters) -> list[tuple[Any, ...]]:
        with self._report_errors(), self._pool.connection() as connection:
            return connection.execute(query, parameters).fetchall()

    @contextmanager
    def _change(self, tenant: str) -> Iterator[psycopg.Connection]:
        """Provide a transaction; those of a tenant take turns, so they cannot lock each other out."""
        with self._report_errors(), self._pool.connection() as connection, connection.transaction():
            self._lock(connection, tenant)
            yield connection

    def _lock(self, connection: psycopg.Connection, subject: str) -> None:
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"{SCHEMA} {subject}",))

    @contextmanager
    def _report_errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise EngineError(
                "the hub's database does not answer",
                where=self._where if hasattr(self, "_where") else "",
                cause=str(error).strip().partition("\n")[0],
                hint="check that PostgreSQL runs and that the user of the URL may create tables",
            ) from error


def _read_versions(
    connection: psycopg.Connection, tenant: str, sessions: Iterable[ReceivedSession]
) -> dict[SessionKey, StoredVersion]:
    rows = connection.execute(
        f"SELECT team, owner, instance, session, revision, day, days FROM {SCHEMA}.sessions WHERE {_THESE}",  # noqa: S608  # constants
        _select_these(tenant, [find_session_key(received) for received in sessions]),
    )
    return {SessionKey(*key): StoredVersion(revision, day, tuple(days)) for *key, revision, day, days in rows}


def _select_these(tenant: str, keys: Sequence[SessionKey]) -> dict[str, Any]:
    """Return the parameters of _THESE."""
    return {
        "tenant": tenant,
        "teams": [key.team for key in keys],
        "owners": [key.owner for key in keys],
        "instances": [key.instance for key in keys],
        "sessions": [key.session for key in keys],
    }


def _to_row(entry: SessionEntry) -> tuple[Any, ...]:
    columns = (map(str, column) for column in zip(*entry.cells, strict=True))
    return (
        entry.tenant,
        entry.instance,
        entry.session,
        entry.revision,
        entry.team,
        entry.owner,
        entry.received,
        entry.day,
        [*entry.days],
        entry.project,
        *(map(_quote_array, columns) if entry.cells else ["{}"] * 4),
        compress_document(entry.document),
    )


def _quote_array(texts: Iterable[str]) -> str:
    """Return an array as PostgreSQL writes it: psycopg takes ten times as long for hundreds of texts."""
    quoted = "\0".join(texts).replace("\\", "\\\\").replace('"', '\\"')
    return '{"' + quoted.replace("\0", '","') + '"}'


def _to_parameters(mark: Mark) -> dict[str, str | int]:
    return {
        "received": mark.received,
        "after_team": mark.team,
        "after_owner": mark.owner,
        "after_instance": mark.instance,
        "after_session": mark.session,
    }


def _select_scope(scope: FleetScope) -> tuple[str, dict[str, Any]]:
    """Return the condition for the sessions of a scope, and its parameters."""
    where, parameters = "tenant = %(tenant)s", dict[str, Any](tenant=scope.tenant)
    for column, names in (("team", scope.teams), ("instance", scope.instances)):
        if names is not None:
            where += f" AND {column} = ANY(%({column}s)s)"
            parameters[f"{column}s"] = [*names]
    if scope.owners is not None:
        where += " AND (team, owner) IN (SELECT * FROM unnest(%(owner_teams)s::text[], %(owners)s::text[]))"
        parameters["owner_teams"] = [team for team, _ in scope.owners]
        parameters["owners"] = [owner for _, owner in scope.owners]
    return where, parameters
