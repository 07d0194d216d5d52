"""Open a hub's database by its URL."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from stretto.errors import UsageError
from stretto.hub.access_tokens import TokenTable
from stretto.hub.engine import Engine
from stretto.hub.engines.sqlite_engine import SqliteEngine
from stretto.hub.released_days_table import ReleaseTable
from stretto.hub.team_experiments_table import ExperimentTable
from stretto.version import describe_extra_install


class HubDatabase(Engine, TokenTable, ReleaseTable, ExperimentTable, Protocol):
    """The sessions, the tokens, the released days and the experiments, which are in one database."""


def open_engine(url: str) -> HubDatabase:
    """Return the engine of ``postgresql:``, ``clickhouse:``, ``clickhouses:`` (TLS) or ``sqlite:FILE``.

    Nothing is created in the database before ``prepare``.

    Raises UsageError for another URL, and EngineError if the database does not answer.
    """
    scheme = urlsplit(url).scheme
    if scheme == "postgresql":
        return _open_postgresql(url)
    if scheme in {"clickhouse", "clickhouses"}:
        return _open_clickhouse(url)
    if scheme == "sqlite" and (file := url.partition(":")[2]):
        return SqliteEngine(Path(file))
    raise UsageError(
        "the hub's database is not known",
        # A URL may have a password.
        where=f"{scheme}:…" if scheme else "",
        hint="use postgresql://USER:PASSWORD@HOST/DATABASE, clickhouse://… or clickhouses://… likewise,"
        " or sqlite:FILE to try it",
    )


def _open_postgresql(url: str) -> HubDatabase:
    try:
        from stretto.hub.engines.postgresql_engine import PostgresqlEngine  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise _make_missing_error("PostgreSQL", error) from error
    return PostgresqlEngine(url)


def _open_clickhouse(url: str) -> HubDatabase:
    try:
        from stretto.hub.engines.clickhouse_engine import ClickhouseEngine  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise _make_missing_error("ClickHouse", error) from error
    return ClickhouseEngine(url)


def _make_missing_error(database: str, error: ModuleNotFoundError) -> UsageError:
    return UsageError(
        f"the hub cannot talk to {database}",
        cause=f"the package {error.name} is not installed",
        hint=describe_extra_install("hub"),
    )
