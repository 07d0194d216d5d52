"""The tables of a hub in PostgreSQL, and the statements that keep its sums by day.

A session's row has its sums as arrays. Beside them ``cells`` has the sums of all sessions by day and machine:
releasing a day would else unpack every session. They are moved in the transaction of the session: down by the
old row's sums, up by the new row's.
"""

from __future__ import annotations

from stretto.hub.enough_people_release_rule import COHORT
from stretto.hub.session_entries import SLOTS_PER_DAY
from stretto.names.released_sums_view import DIMENSION_COLUMNS, RELEASED_SUMS
from stretto.store.sums_by_time_slot import SLOTS

VERSION = 2

SCHEMA = "stretto"
"""The schema of the tables, so that a database may have other tables too."""

_DIMENSIONS = ", ".join(
    f"COALESCE(cell -> 'dims' ->> {place}, '') AS {column}" for place, column in enumerate(DIMENSION_COLUMNS)
)

# Names are compared by their bytes, as the other engines do.
TABLES = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE TABLE {SCHEMA}.version (version integer NOT NULL);
INSERT INTO {SCHEMA}.version VALUES ({VERSION});
CREATE TABLE {SCHEMA}.sessions (
  tenant text COLLATE "C" NOT NULL, instance text COLLATE "C" NOT NULL, session text COLLATE "C" NOT NULL,
  revision bigint NOT NULL, team text COLLATE "C" NOT NULL, owner text COLLATE "C" NOT NULL,
  received bigint NOT NULL, day bigint NOT NULL, days bigint[] NOT NULL, project text COLLATE "C" NOT NULL,
  slots bigint[] NOT NULL, measures text[] NOT NULL, dims text[] NOT NULL, amounts bigint[] NOT NULL,
  document bytea, -- NULL once it is forgotten
  PRIMARY KEY (tenant, team, owner, instance, session)
);
ALTER TABLE {SCHEMA}.sessions ALTER document SET STORAGE EXTERNAL; -- is compressed already
CREATE INDEX sessions_by_received ON {SCHEMA}.sessions (tenant, received, team, owner, instance, session);
CREATE INDEX sessions_by_day ON {SCHEMA}.sessions (day);
CREATE TABLE {SCHEMA}.cells (
  tenant text COLLATE "C" NOT NULL, team text COLLATE "C" NOT NULL, day bigint NOT NULL,
  owner text COLLATE "C" NOT NULL, instance text COLLATE "C" NOT NULL,
  cell bytea NOT NULL, -- hash of measure and dims, which may be too long for a key
  measure text COLLATE "C" NOT NULL, dims text COLLATE "C" NOT NULL,
  value numeric NOT NULL, -- of any number of documents
  PRIMARY KEY (tenant, team, day, owner, instance, cell)
) WITH (fillfactor = 80);
CREATE TABLE {SCHEMA}.forgettings ( -- the days of forgotten sessions
  tenant text COLLATE "C" NOT NULL, day bigint NOT NULL, team text COLLATE "C" NOT NULL,
  owner text COLLATE "C" NOT NULL, at bigint NOT NULL, PRIMARY KEY (tenant, day, team, owner)
);
CREATE TABLE {SCHEMA}.tokens (
  hash text COLLATE "C" PRIMARY KEY, tenant text COLLATE "C" NOT NULL, team text COLLATE "C" NOT NULL,
  owner text COLLATE "C" NOT NULL, role text NOT NULL, opted_in boolean NOT NULL, added bigint NOT NULL,
  revoked bigint
);
CREATE TABLE {SCHEMA}.releases (
  tenant text COLLATE "C" NOT NULL, day bigint NOT NULL, at bigint NOT NULL, document bytea NOT NULL,
  PRIMARY KEY (tenant, day)
);
-- What readers such as Grafana see of their tenant. It does not show which sums are of few people.
CREATE VIEW {SCHEMA}.{RELEASED_SUMS} AS
  SELECT tenant, to_timestamp(day * {SLOTS[2]}) AS day, team.key AS team, cell ->> 'measure' AS measure,
    {_DIMENSIONS}, (cell ->> 'value')::numeric AS value,
    GREATEST((cell ->> 'people')::bigint, {COHORT}) AS people
  FROM {SCHEMA}.releases, jsonb_each(convert_from(document, 'UTF8')::jsonb -> 'groups') AS team,
    jsonb_array_elements(team.value) AS cell;
"""  # noqa: S608  # constants

EXPERIMENTS = f"""
CREATE TABLE IF NOT EXISTS {SCHEMA}.experiments (
  tenant text COLLATE "C" NOT NULL, team text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL,
  day bigint NOT NULL, at bigint NOT NULL, document bytea NOT NULL, PRIMARY KEY (tenant, team, name)
)
"""
"""A table that databases of this version may lack: it came later, and nothing else changed with it."""

UNPACKED = (
    f"{SCHEMA}.sessions CROSS JOIN LATERAL unnest(slots, sessions.measures, sessions.dims, amounts)"
    " AS unpacked (slot, measure, dims, amount)"
)
"""The sums of sessions as rows."""


def write_cell_move(sign: str, where: str) -> str:
    """Return the statement that adds (``+``) or takes away (``-``) the sums of some sessions by day.

    A sum that is missing is 0, so one that became 0 may be deleted although sessions still share it.
    """
    return f"""
    INSERT INTO {SCHEMA}.cells AS stored (tenant, team, day, owner, instance, cell, measure, dims, value)
    SELECT tenant, team, slot / {SLOTS_PER_DAY}, owner, instance,
      substring(sha256(convert_to(measure || unpacked.dims, 'UTF8')) FOR 16), measure, unpacked.dims,
      {sign}SUM(amount)
    FROM {UNPACKED} WHERE {where} GROUP BY 1, 2, 3, 4, 5, 7, 8
    ON CONFLICT (tenant, team, day, owner, instance, cell) DO UPDATE SET value = stored.value + excluded.value
    """  # noqa: S608  # constants


def write_cell_cleaning(where: str) -> str:
    """Return the statement that deletes the sums of 0 on the days and machines of some sessions."""
    return f"""
    DELETE FROM {SCHEMA}.cells WHERE value = 0 AND (tenant, team, day, owner, instance) IN
      (SELECT tenant, team, unnest(days), owner, instance FROM {SCHEMA}.sessions WHERE {where})
    """  # noqa: S608  # constants


SESSION_UPSERT = f"""
INSERT INTO {SCHEMA}.sessions AS stored (tenant, instance, session, revision, team, owner, received, day,
  days, project, slots, measures, dims, amounts, document)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s,
  %s::bigint[], %s::text[], %s::text[], %s::bigint[], %s)
ON CONFLICT (tenant, team, owner, instance, session) DO UPDATE SET revision = excluded.revision,
  received = excluded.received, days = excluded.days, project = excluded.project,
  slots = excluded.slots, measures = excluded.measures, dims = excluded.dims, amounts = excluded.amounts,
  document = excluded.document
WHERE excluded.revision > stored.revision
"""  # noqa: S608  # constants
