"""The engine on ClickHouse: for hundreds to thousands of people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, replace
from datetime import date
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from stretto.errors import EngineError, UsageError
from stretto.hub.access_tokens import TOKEN_COLUMNS, AccessToken, to_access_token
from stretto.hub.engine import FleetScope, Mark, OwnerSum, ReceivedSession, SessionChange, SessionKey
from stretto.hub.engines.clickhouse_tables import (
    SESSION_COLUMNS,
    STATE_TYPES,
    TOKEN_TYPES,
    VERSION,
    find_database,
    list_table_statements,
)
from stretto.hub.engines.token_lookup import TokenLookup
from stretto.hub.released_days_table import StoredRelease
from stretto.hub.session_entries import (
    SLOTS_PER_DAY,
    SessionEntry,
    StoredVersion,
    group_by_tenant,
    make_change,
    make_newer_entries,
)
from stretto.hub.team_experiments_table import StoredExperiment
from stretto.store.sums_by_time_slot import decode_dims

MOST_WAITING = 50
"""Most sessions of a batch that the server gathers with those of other hubs; larger ones are not gathered."""

BATCH = 200
"""Sessions that are forgotten in one statement."""

NO_SLOTS = (1 << 32) - 1, 0
"""First and last slot of a session without sums: they widen no stretch of an index."""

_EPOCH = date(1970, 1, 1).toordinal()

_READING = {"do_not_merge_across_partitions_select_final": 1}
"""A session's day never changes, and so its partition: FINAL compares within partitions only."""

_THESE = (
    "tenant = {tenant:String} AND session IN {sessions:Array(String)}"
    " AND (team, owner, instance, session) IN {keys:Array(Tuple(String, String, String, String))}"
)
"""The condition for sessions of a tenant by their keys. The index is by the session alone."""

Parameters = Mapping[str, Any]


class ClickhouseEngine(TokenLookup):
    """Engine and table of tokens. Threads share a client, which has no session at the server."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._database = find_database(url)
        self._where = f"{address.hostname}/{self._database}"
        if not re.fullmatch(r"\w+", self._database, re.ASCII) or not address.hostname:
            raise UsageError(
                "the hub's database is not known",
                where=self._where,
                hint="use clickhouse://USER:PASSWORD@HOST/DATABASE, a database of letters, digits and _",
            )
        self._sessions = f"{self._database}.sessions"
        self._tokens = f"{self._database}.tokens"
        self._releases = f"{self._database}.releases"
        self._forgettings = f"{self._database}.forgettings"
        self._experiments = f"{self._database}.experiments"
        with self._report_errors():
            self._client = clickhouse_connect.get_client(
                host=address.hostname,
                port=address.port,
                username=unquote(address.username or "default"),
                password=unquote(address.password or ""),
                secure=address.scheme == "clickhouses",
                autogenerate_session_id=False,
            )

    def prepare(self) -> None:
        """Create the tables that are missing. Raises EngineError for tables of another version."""
        with self._report_errors():
            for statement in list_table_statements(self._database):
                self._client.command(statement)
            versions = f"{self._database}.versions"
            # Hubs that start together may both write it.
            (version,) = self._fetch(f"SELECT max(version) FROM {versions}", {})[0]  # noqa: S608  # an identifier
            if version == 0:
                self._client.insert(versions, [[VERSION]], column_names=["version"])
        if version not in {0, VERSION}:
            raise EngineError(
                "the hub's database cannot be used",
                where=self._where,
                cause=f"its tables are of version {version}, this program reads version {VERSION}",
                hint="start the version of Stretto that made them, or name an empty database",
            )

    def write_sessions(self, sessions: Sequence[ReceivedSession]) -> None:
        """Store sessions durably before returning; an older or equal revision changes nothing."""
        for tenant, group in group_by_tenant(sessions).items():
            if entries := make_newer_entries(group, self._read_versions(tenant, group)):
                self._insert_rows([_to_row(entry) for entry in entries])

    def _read_versions(
        self, tenant: str, sessions: Sequence[ReceivedSession]
    ) -> dict[SessionKey, StoredVersion]:
        # By the key alone: a copy may name another day than the session is stored under. Other senders'
        # sessions of the same names are few, and whole keys take the server longer to read.
        rows = self._fetch(
            "SELECT team, owner, instance, session, argMax((revision, day, days), version)"  # noqa: S608  # constants
            f" FROM {self._sessions} WHERE tenant = {{tenant:String}}"
            " AND session IN {sessions:Array(String)}"
            " GROUP BY team, owner, instance, session",
            {"tenant": tenant, "sessions": [received.document.session for received in sessions]},
        )
        return {
            SessionKey(*key): StoredVersion(revision, to_day(day), tuple(map(to_day, days)))
            for *key, (revision, day, days) in rows
        }

    def _insert_rows(self, rows: Sequence[Sequence[Any]]) -> None:
        waits = len(rows) <= MOST_WAITING
        with self._report_errors():
            self._client.insert(
                self._sessions,
                rows,
                column_names=[*SESSION_COLUMNS],
                column_type_names=[*SESSION_COLUMNS.values()],
                # The server gathers small batches of all hubs, and answers when they are on its disk.
                settings={"async_insert": int(waits), "wait_for_async_insert": 1},
            )

    def forget_sessions(
        self, scope: FleetScope, *, sessions: Sequence[str] | None = None, project: str | None = None, at: int
    ) -> int:
        """Delete the sessions of a scope (all, some, or a project's); return how many were stored."""
        where, parameters = _select_scope(scope)
        if sessions is not None:
            where += " AND session IN {sessions:Array(String)}"
            parameters["sessions"] = [*sessions]
        if project is not None:
            where += " AND project = {project:String}"
            parameters["project"] = project
        columns = "tenant, team, owner, instance, session, revision, day, days"
        chosen = self._fetch(
            f"SELECT {columns} FROM {self._sessions} FINAL WHERE {where} AND NOT forgotten",  # noqa: S608  # constants
            parameters,
        )
        for start in range(0, len(chosen), BATCH):
            batch = chosen[start : start + BATCH]
            # First of all: a day that is noted in vain is looked at in vain.
            self._note_forgettings(batch, at)
            self._insert_rows([_to_forgotten_row(row, at) for row in batch])
            self._erase_forgotten(batch, max(at, *(row[5] for row in batch)))
        return len(chosen)

    def _note_forgettings(self, rows: Sequence[Sequence[Any]], at: int) -> None:
        noted = {(tenant, day, team, owner) for tenant, team, owner, *_, days in rows for day in days}
        with self._report_errors():
            self._client.insert(
                self._forgettings,
                [[*each, at] for each in sorted(noted)],
                column_names=["tenant", "day", "team", "owner", "at"],
                column_type_names=["String", "Date", "String", "String", "Int64"],
            )

    def list_forgettings(self, tenant: str, day: int) -> list[tuple[str, str, int]]:
        """Return (team, owner, when in ns) of the owners who had sessions of a UTC day forgotten."""
        query = (
            f"SELECT team, owner, at FROM {self._forgettings} FINAL"  # noqa: S608  # an identifier
            " WHERE tenant = {tenant:String} AND day = {day:Date} ORDER BY team, owner"
        )
        return self._fetch(query, {"tenant": tenant, "day": to_date(day)})

    def _erase_forgotten(self, rows: Sequence[Sequence[Any]], revision: int) -> None:
        """Let the server rewrite its files without the forgotten rows, in its own time."""
        with self._report_errors():
            self._client.command(
                f"ALTER TABLE {self._sessions} DELETE WHERE {_THESE}"
                " AND NOT forgotten AND revision <= {revision:UInt64}",
                {
                    **_select_these(rows[0][0], (SessionKey(*row[1:5]) for row in rows)),
                    "revision": revision,
                },
            )

    def read_owner_sums(self, tenant: str, team: str, day: int) -> list[OwnerSum]:
        """Return the sums of a team's UTC day (number of the day) by owner."""
        query = (
            "SELECT owner, measure, dim, sum(toInt128(amount)) AS total FROM"  # noqa: S608  # constants
            f" (SELECT * FROM {self._sessions} FINAL WHERE tenant = {{tenant:String}}"
            " AND team = {team:String} AND last_slot >= {first:Int64} AND first_slot <= {last:Int64})"
            " ARRAY JOIN slots AS slot, measures AS measure, dims AS dim, amounts AS amount"
            " WHERE slot BETWEEN {first:Int64} AND {last:Int64}"
            " GROUP BY owner, measure, dim HAVING total <> 0 ORDER BY owner, measure, dim"
        )
        edges = {"first": day * SLOTS_PER_DAY, "last": (day + 1) * SLOTS_PER_DAY - 1}
        rows = self._fetch(query, {"tenant": tenant, "team": team, **edges})
        return [OwnerSum(owner, measure, decode_dims(dims), value) for owner, measure, dims, value in rows]

    def list_changed_days(self, tenant: str, since: int) -> list[tuple[str, int]]:
        """Return (team, number of the UTC day) of the sums of sessions that changed since a time (ns)."""
        query = (
            f"SELECT DISTINCT team, arrayJoin(days) AS changed FROM {self._sessions} FINAL"  # noqa: S608  # constants
            " WHERE tenant = {tenant:String} AND received >= {since:Int64} ORDER BY team, changed"
        )
        rows = self._fetch(query, {"tenant": tenant, "since": since})
        return [(team, to_day(changed)) for team, changed in rows]

    def list_owners(self, tenant: str, first: int, last: int) -> list[tuple[str, str]]:
        """Return (team, owner) of those who have or had sums on UTC days from ``first`` to ``last``."""
        query = (
            f"SELECT DISTINCT team, owner FROM {self._sessions} FINAL WHERE tenant = {{tenant:String}}"  # noqa: S608  # constants
            " AND arrayExists(each -> each BETWEEN {first:Date} AND {last:Date}, days) ORDER BY team, owner"
        )
        return self._fetch(query, {"tenant": tenant, "first": to_date(first), "last": to_date(last)})

    def list_changes(self, scope: FleetScope, after: Mark, limit: int) -> Iterator[SessionChange]:
        """Yield at most ``limit`` changes after a mark, in the order of their marks."""
        where, parameters = _select_scope(scope)
        # Documents are read of the chosen rows only, not of all that are sorted.
        query = (
            "SELECT team, owner, received, instance, session, forgotten, document"  # noqa: S608  # constants
            f" FROM {self._sessions} FINAL WHERE {where} AND (team, day, owner, instance, session) IN ("
            f"SELECT team, day, owner, instance, session FROM {self._sessions} FINAL WHERE {where}"
            " AND received >= {after:Int64} AND (received, team, owner, instance, session) > ({after:Int64},"
            " {after_team:String}, {after_owner:String}, {after_instance:String}, {after_session:String})"
            " ORDER BY received, team, owner, instance, session LIMIT {limit:UInt32})"
            " ORDER BY received, team, owner, instance, session"
        )
        parameters |= {
            "after": after.received,
            "after_team": after.team,
            "after_owner": after.owner,
            "after_instance": after.instance,
            "after_session": after.session,
            "limit": limit,
        }
        for *row, forgotten, document in self._fetch(query, parameters):
            yield make_change(scope.tenant, row, None if forgotten else document.encode())

    def count_sessions(self, scope: FleetScope) -> int:
        """Return the number of stored sessions of a scope."""
        where, parameters = _select_scope(scope)
        query = f"SELECT count() FROM {self._sessions} FINAL WHERE {where} AND NOT forgotten"  # noqa: S608  # constants
        return int(self._fetch(query, parameters)[0][0])

    def list_heard_of(self, scope: FleetScope) -> list[tuple[str, str, str, int]]:
        """Return (team, owner, instance, when the newest session was received in ns) of each machine."""
        where, parameters = _select_scope(scope)
        query = (
            f"SELECT team, owner, instance, max(received) FROM {self._sessions} FINAL WHERE {where}"  # noqa: S608  # constants
            " AND NOT forgotten GROUP BY team, owner, instance ORDER BY team, owner, instance"
        )
        return self._fetch(query, parameters)

    def delete_before(self, day: int) -> None:
        """Delete sessions of UTC days before ``day`` (its number), and the memory of forgotten ones."""
        with self._report_errors():
            for table in (self._sessions, self._releases, self._forgettings, self._experiments):
                self._client.command(
                    f"ALTER TABLE {table} DELETE WHERE day < {{day:Date}}",
                    {"day": to_date(day)},
                    settings={"mutations_sync": 1},
                )

    def add_token(self, token: AccessToken) -> None:
        """Store a token; a hash that is stored already is left alone."""
        if self.find_token(token.hash) is None:
            self._insert_token(token)

    def _insert_token(self, token: AccessToken) -> None:
        with self._report_errors():
            self._client.insert(
                self._tokens,
                [[*astuple(token), int(token.revoked is not None)]],
                column_names=[*TOKEN_TYPES],
                column_type_names=[*TOKEN_TYPES.values()],
            )

    def _read_tokens(self, column: Literal["hash", "tenant"], wanted: str) -> list[AccessToken]:
        query = (
            f"SELECT {TOKEN_COLUMNS} FROM {self._tokens} FINAL"  # noqa: S608  # constants
            f" WHERE {column} = {{wanted:String}} ORDER BY added, hash"
        )
        return [to_access_token(row) for row in self._fetch(query, {"wanted": wanted})]

    def revoke_token(self, tenant: str, hash: str, at: int) -> bool:
        """Revoke a valid token of a tenant at a time (ns); return whether there was one."""
        token = self.find_token(hash)
        if token is None or token.tenant != tenant or token.revoked is not None:
            return False
        self._insert_token(replace(token, revoked=at))
        return True

    def write_release(self, tenant: str, release: StoredRelease, *, replaces: int | None) -> bool:
        """Store a release durably unless another hub was faster; return whether it was stored."""
        key = {"tenant": tenant, "day": to_date(release.day)}
        state = {"at": release.at, "document": release.document}
        return self._store_state(self._releases, key, state, replaces)

    def list_releases(self, tenant: str, after: int = 0) -> list[StoredRelease]:
        """Return the releases made after a time (ns), in the order in which they were made."""
        query = (
            f"SELECT toUInt16(day), at, document FROM {self._releases} FINAL"  # noqa: S608  # an identifier
            " WHERE tenant = {tenant:String} AND at > {after:Int64} ORDER BY at, day"
        )
        rows = self._fetch(query, {"tenant": tenant, "after": after})
        return [StoredRelease(day, at, _to_bytes(document)) for day, at, document in rows]

    def write_experiment(self, tenant: str, experiment: StoredExperiment, *, replaces: int | None) -> bool:
        """Store a state durably unless another hub was faster; return whether it was stored."""
        key = {"tenant": tenant, "team": experiment.team, "name": experiment.name}
        state = {
            "day": to_date(experiment.day),
            "at": experiment.at,
            "document": experiment.document,
        }
        return self._store_state(self._experiments, key, state, replaces)

    def list_experiments(self, tenant: str) -> list[StoredExperiment]:
        """Return the experiments of a tenant by team and name."""
        query = (
            f"SELECT team, name, toUInt16(day), at, document FROM {self._experiments} FINAL"  # noqa: S608  # an identifier
            " WHERE tenant = {tenant:String} ORDER BY team, name"
        )
        rows = self._fetch(query, {"tenant": tenant})
        return [StoredExperiment(team, name, day, at, _to_bytes(text)) for team, name, day, at, text in rows]

    def list_tenants(self) -> list[str]:
        """Return the tenants that have tokens."""
        rows = self._fetch(f"SELECT DISTINCT tenant FROM {self._tokens} ORDER BY tenant", {})  # noqa: S608  # an identifier
        return [tenant for (tenant,) in rows]

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def _store_state(
        self, table: str, key: Mapping[str, Any], state: Mapping[str, Any], replaces: int | None
    ) -> bool:
        """Store the next state of a key unless another hub was faster; return whether it was stored."""
        where = " AND ".join(f"{column} = {{{column}:{STATE_TYPES[column]}}}" for column in key)
        rows = self._fetch(f"SELECT at FROM {table} FINAL WHERE {where}", key)  # noqa: S608  # constants
        if (rows[0][0] if rows else None) != replaces:
            return False
        row = {**key, **state}
        # Of the inserts with one token the server takes the first: of one state there is one next.
        token = "\0".join(map(str, (*key.values(), replaces)))
        with self._report_errors():
            self._client.insert(
                table,
                [[*row.values()]],
                column_names=[*row],
                column_type_names=[STATE_TYPES[column] for column in row],
                settings={"async_insert": 0, "insert_deduplicate": 1, "insert_deduplication_token": token},
            )
        query = f"SELECT document FROM {table} WHERE {where} AND at = {{at:Int64}}"  # noqa: S608  # constants
        stored = self._fetch(query, {**key, "at": state["at"]})
        return any(_to_bytes(document) == state["document"] for (document,) in stored)

    def _fetch(self, query: str, parameters: Parameters) -> list[tuple[Any, ...]]:
        with self._report_errors():
            return [*map(tuple, self._client.query(query, dict(parameters), settings=_READING).result_rows)]

    @contextmanager
    def _report_errors(self) -> Iterator[None]:
        try:
            yield
        except ClickHouseError as error:
            raise EngineError(
                "the hub's database does not answer",
                where=self._where,
                cause=str(error).partition("\n")[0],
                hint="check that ClickHouse runs and that the user of the URL may create tables",
            ) from error


def to_date(day: int) -> date:
    """Return the date of a number of days since 1970."""
    return date.fromordinal(_EPOCH + day)


def to_day(day: date) -> int:
    """Return the number of days since 1970 of a date."""
    return day.toordinal() - _EPOCH


def _to_row(entry: SessionEntry) -> list[Any]:
    first, last = entry.slots if entry.cells else NO_SLOTS
    slots, measures, dims, amounts = zip(*entry.cells, strict=True) if entry.cells else ((), (), (), ())
    return [
        entry.tenant,
        entry.team,
        entry.owner,
        entry.instance,
        entry.session,
        entry.revision,
        False,
        2 * entry.revision,
        entry.received,
        to_date(entry.day),
        [to_date(day) for day in entry.days],
        entry.project,
        first,
        last,
        slots,
        measures,
        dims,
        amounts,
        entry.document.decode(),
    ]


def _to_forgotten_row(stored: Sequence[Any], at: int) -> list[Any]:
    """Return the row that replaces (tenant, team, owner, instance, session, revision, day, days)."""
    *key, revision, day, days = stored
    revision = max(revision, at)
    return [*key, revision, True, 2 * revision + 1, at, day, days, "", *NO_SLOTS, (), (), (), (), ""]


def _select_these(tenant: str, keys: Iterable[SessionKey]) -> dict[str, Any]:
    """Return the parameters of _THESE."""
    chosen = [astuple(key) for key in keys]
    return {"tenant": tenant, "sessions": [key[-1] for key in chosen], "keys": chosen}


def _select_scope(scope: FleetScope) -> tuple[str, dict[str, Any]]:
    """Return the condition for the sessions of a scope, and its parameters."""
    where, parameters = "tenant = {tenant:String}", dict[str, Any](tenant=scope.tenant)
    for column, names in (("team", scope.teams), ("instance", scope.instances)):
        if names is not None:
            where += f" AND {column} IN {{{column}s:Array(String)}}"
            parameters[f"{column}s"] = [*names]
    if scope.owners is not None:
        where += " AND (team, owner) IN {owners:Array(Tuple(String, String))}"
        parameters["owners"] = [*scope.owners]
    return where, parameters


def _to_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
