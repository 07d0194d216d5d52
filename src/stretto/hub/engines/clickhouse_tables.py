"""The tables of a hub in ClickHouse.

A session is one row, its sums are arrays in it. A newer revision is a further row of the same key: merges
keep the row of the highest version, and queries ask for it with FINAL. Sums of a materialised view would
double with each copy that arrives. The row of a forgotten session has a higher version than a copy of the
same revision. ClickHouse takes it for a row like others, since readers of changes must see it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from stretto.hub.engine import DAYS_KEPT
from stretto.hub.enough_people_release_rule import COHORT
from stretto.names.released_sums_view import DIMENSION_COLUMNS, RELEASED_SUMS

VERSION = 2

DEFAULT_DATABASE = "stretto"

SESSION_COLUMNS = {
    "tenant": "LowCardinality(String)",
    "team": "LowCardinality(String)",
    "owner": "LowCardinality(String)",
    "instance": "LowCardinality(String)",
    "session": "String",
    "revision": "UInt64",
    "forgotten": "Bool",
    "version": "UInt64",
    "received": "Int64",
    "day": "Date",
    "days": "Array(Date)",
    "project": "LowCardinality(String)",
    "first_slot": "UInt32",
    "last_slot": "UInt32",
    "slots": "Array(UInt32)",
    "measures": "Array(LowCardinality(String))",
    "dims": "Array(LowCardinality(String))",
    "amounts": "Array(Int64)",
    "document": "String",
}
"""Columns of a session, in the order of its rows."""

_CODECS = {
    "slots": "CODEC(Delta, ZSTD(3))",
    "amounts": "CODEC(T64, ZSTD(3))",
    "document": "CODEC(ZSTD(3))",
}

TOKEN_TYPES = {
    "hash": "String",
    "tenant": "String",
    "team": "String",
    "owner": "String",
    "role": "String",
    "opted_in": "Bool",
    "added": "Int64",
    "revoked": "Nullable(Int64)",
    "version": "UInt8",
}
"""Columns of a token. The row of a revoked one has the higher version."""

STATE_TYPES = {
    "tenant": "String",
    "team": "String",
    "name": "String",
    "day": "Date",
    "at": "Int64",
    "document": "String",
}
"""Columns of releases and experiments, of which one state takes the place of another."""

_INSERTS_REMEMBERED = 10_000
"""So many inserts later a hub that was slower than another is still refused."""


def find_database(url: str) -> str:
    """Return the database that a URL names, or the usual one."""
    return urlsplit(url).path.strip("/") or DEFAULT_DATABASE


def list_table_statements(database: str) -> list[str]:
    """Return the statements that create what is missing of a database."""
    columns = ", ".join(f"{name} {type} {_CODECS.get(name, '')}" for name, type in SESSION_COLUMNS.items())
    token_columns = ", ".join(f"{name} {type}" for name, type in TOKEN_TYPES.items())
    # The indexes skip what a window, a reader of changes or the look-up of a key does not touch.
    sessions = f"""
    CREATE TABLE IF NOT EXISTS {database}.sessions ({columns},
      INDEX by_first_slot first_slot TYPE minmax, INDEX by_last_slot last_slot TYPE minmax,
      INDEX by_received received TYPE minmax, INDEX by_session session TYPE bloom_filter(0.001))
    ENGINE = ReplacingMergeTree(version) PARTITION BY toYYYYMM(day)
    ORDER BY (tenant, team, day, owner, instance, session) TTL day + INTERVAL {DAYS_KEPT} DAY
    """
    tokens = f"""
    CREATE TABLE IF NOT EXISTS {database}.tokens ({token_columns})
    ENGINE = ReplacingMergeTree(version) ORDER BY hash
    """
    releases = f"""
    CREATE TABLE IF NOT EXISTS {database}.releases
      (tenant String, day Date, at Int64, document String CODEC(ZSTD(3)))
    ENGINE = ReplacingMergeTree(at) ORDER BY (tenant, day) TTL day + INTERVAL {DAYS_KEPT} DAY
    """
    # The days of forgotten sessions; of two rows of a day and an owner the later stays.
    forgettings = f"""
    CREATE TABLE IF NOT EXISTS {database}.forgettings
      (tenant String, day Date, team String, owner String, at Int64)
    ENGINE = ReplacingMergeTree(at) ORDER BY (tenant, day, team, owner) TTL day + INTERVAL {DAYS_KEPT} DAY
    """
    experiments = f"""
    CREATE TABLE IF NOT EXISTS {database}.experiments
      (tenant String, team String, name String, day Date, at Int64, document String CODEC(ZSTD(3)))
    ENGINE = ReplacingMergeTree(at) ORDER BY (tenant, team, name) TTL day + INTERVAL {DAYS_KEPT} DAY
    """
    # What readers such as Grafana see of their tenant. It does not show which sums are of few people.
    dimensions = ", ".join(
        # As text: of a number, a bucket, there is no string.
        f"trim(BOTH '\"' FROM JSONExtractRaw(cell, 'dims', {place})) AS {column}"
        for place, column in enumerate(DIMENSION_COLUMNS, 1)
    )
    released_sums = f"""
    CREATE VIEW IF NOT EXISTS {database}.{RELEASED_SUMS} AS
    SELECT tenant, day, pair.1 AS team, JSONExtractString(cell, 'measure') AS measure,
      {dimensions}, JSONExtractFloat(cell, 'value') AS value,
      greatest(JSONExtractUInt(cell, 'people'), {COHORT}) AS people
    FROM (SELECT tenant, day, arrayJoin(JSONExtractKeysAndValuesRaw(document, 'groups')) AS pair
      FROM {database}.releases FINAL)
    ARRAY JOIN JSONExtractArrayRaw(pair.2) AS cell
    """  # noqa: S608  # an identifier
    # No statement compares and writes. Instead an insert with the token of an earlier one does nothing, and
    # the engine takes the state that a row replaces as the token.
    remember = [
        f"ALTER TABLE {database}.{table} MODIFY SETTING"
        f" non_replicated_deduplication_window = {_INSERTS_REMEMBERED}"
        for table in ("releases", "experiments")
    ]
    columns = "(version UInt32) ENGINE = MergeTree ORDER BY version"
    versions = f"CREATE TABLE IF NOT EXISTS {database}.versions {columns}"
    return [
        f"CREATE DATABASE IF NOT EXISTS {database}",
        sessions,
        tokens,
        releases,
        forgettings,
        experiments,
        *remember,
        released_sums,
        versions,
    ]
