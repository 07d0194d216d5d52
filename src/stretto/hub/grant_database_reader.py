"""The SQL by which an administrator lets a user of the database, such as Grafana's, read one tenant's days.

The user gets a schema (PostgreSQL) or database (ClickHouse) of the user's own name, with a single view in it.
It has the released sums of the tenant. No other table and no other tenant can be read. Both servers look
there first, so that the same query, ``SELECT … FROM released_sums``, answers each reader about his tenant.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from stretto.errors import UsageError
from stretto.hub.engines import clickhouse_tables, postgresql_tables
from stretto.names.released_sums_view import READER_COLUMNS, RELEASED_SUMS

MOST_SECONDS = 30
"""A query of a reader may take so long: a panel of years must not keep machines waiting."""


def write_reader_statements(url: str, *, tenant: str, user: str, password: str) -> str:
    """Return the statements for the database of a URL.

    Raises UsageError for a database without users, and for a user's name that is no plain identifier.
    """
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", user):
        raise UsageError(f"{user!r} cannot be the name of a reader", hint="use letters, digits and _")
    if user in {postgresql_tables.SCHEMA, clickhouse_tables.find_database(url)}:
        raise UsageError(f"{user!r} is the hub's own name in the database", hint="choose another name")
    scheme = urlsplit(url).scheme
    if scheme == "postgresql":
        statements = _list_for_postgresql(tenant, user, password)
    elif scheme in {"clickhouse", "clickhouses"}:
        statements = _list_for_clickhouse(clickhouse_tables.find_database(url), tenant, user, password)
    else:
        raise UsageError(
            "this database has no users",
            hint="readers need postgresql://… or clickhouse://… (--database URL)",
        )
    return "".join(f"{statement};\n" for statement in statements)


def _list_for_postgresql(tenant: str, user: str, password: str) -> list[str]:
    # Without the barrier, a function of the reader's could see the rows of others before they are left out.
    view = f"CREATE VIEW {user}.{RELEASED_SUMS} WITH (security_barrier) AS"
    return [
        f"CREATE ROLE {user} LOGIN PASSWORD {_quote(password)} CONNECTION LIMIT 20",
        f"ALTER ROLE {user} SET statement_timeout = '{MOST_SECONDS}s'",
        f"CREATE SCHEMA {user}",
        f"{view} {_select(postgresql_tables.SCHEMA, _quote(tenant))}",
        f"GRANT USAGE ON SCHEMA {user} TO {user}",
        f"GRANT SELECT ON {user}.{RELEASED_SUMS} TO {user}",
    ]


def _list_for_clickhouse(database: str, tenant: str, user: str, password: str) -> list[str]:
    tenant, password = (_quote(text.replace("\\", "\\\\")) for text in (tenant, password))
    # The view reads with the rights of who makes it, so that the reader needs none to its tables.
    view = f"CREATE VIEW {user}.{RELEASED_SUMS} DEFINER = CURRENT_USER SQL SECURITY DEFINER AS"
    settings = f"readonly = 2, max_execution_time = {MOST_SECONDS}"
    return [
        f"CREATE DATABASE {user}",
        f"{view} {_select(database, tenant)}",
        f"CREATE USER {user} IDENTIFIED BY {password} DEFAULT DATABASE {user} SETTINGS {settings}",
        f"GRANT SELECT ON {user}.{RELEASED_SUMS} TO {user}",
    ]


def _select(schema: str, tenant: str) -> str:
    columns = ", ".join(READER_COLUMNS)
    return f"SELECT {columns} FROM {schema}.{RELEASED_SUMS} WHERE tenant = {tenant}"  # noqa: S608  # quoted above


def _quote(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
