"""The schema of the store. All times are integer nanoseconds since the epoch, all lengths in nanoseconds.

``facts`` and ``packed_facts`` are the state of the fold; everything else is concluded from it. The store is
a view of the journal: a change of schema raises VERSION, and the store is built anew from the journal. Rows
with ``kept`` above 0 come from the kept records of pruned sessions, and name a session by its hash. If such a
session is resumed and pruned again, ``kept`` numbers its runs and fan-outs by pruning: 1, 2, and so on.

Kept records have a row's values by column, and outlive this schema. A new column of ``KEPT_TABLES`` therefore
needs a default. Columns of a key stand first: before SQLite 3.42, ``quick_check`` takes
a NOT NULL column before a key column of a table WITHOUT ROWID for damage.
"""

from __future__ import annotations

import sqlite3

VERSION = 20

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- How far each journal file has been read; moves in the transaction that stores what was read.
-- identity tells whether the file is still the one that was read (journal.file_identity).
CREATE TABLE journal (
  file TEXT PRIMARY KEY, offset INTEGER NOT NULL, events INTEGER NOT NULL, identity TEXT NOT NULL
) WITHOUT ROWID;

-- How each journal file looked when its identity was last compared, and its position after the rewriting by a
-- prune that is under way. Not concluded from anything, so not part of a rebuild.
CREATE TABLE file_looks (
  file TEXT PRIMARY KEY, mark TEXT NOT NULL, moved_offset INTEGER, moved_events INTEGER, moved_identity TEXT
) WITHOUT ROWID;

CREATE TABLE rejects (
  file TEXT NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (file, offset)
) WITHOUT ROWID;

-- While a session runs; the facts of sessions that are over are packed (stored_facts).
CREATE TABLE facts (
  session TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, known BLOB NOT NULL,
  PRIMARY KEY (session, kind, id)
) WITHOUT ROWID;

-- concluded: a long session as it was concluded from them (packed_session).
CREATE TABLE packed_facts (session TEXT PRIMARY KEY, known BLOB NOT NULL, concluded BLOB);

-- Traces that turned out to be part of a session with another name.
CREATE TABLE session_homes (trace TEXT PRIMARY KEY, session TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE sessions (
  id TEXT PRIMARY KEY, source TEXT NOT NULL, project TEXT, pattern TEXT, recording INTEGER NOT NULL,
  start INTEGER NOT NULL, "end" INTEGER, last INTEGER NOT NULL, outcome TEXT NOT NULL, lost INTEGER NOT NULL,
  busy INTEGER NOT NULL, turns INTEGER NOT NULL, tasks INTEGER NOT NULL, running INTEGER NOT NULL,
  tool_calls INTEGER NOT NULL, fanouts INTEGER NOT NULL,
  worktree TEXT, failures INTEGER NOT NULL, delivered INTEGER NOT NULL, -- numbers of tasks
  delivered_work INTEGER, parallel_elapsed INTEGER, dollars REAL,
  agents TEXT NOT NULL, labels TEXT NOT NULL, -- JSON arrays; a label is key=value
  types TEXT NOT NULL, -- JSON array of task types
  tools TEXT NOT NULL, models TEXT NOT NULL, -- JSON arrays; empty while it runs
  word_row INTEGER NOT NULL, -- the row of its words in session_words
  arrived TEXT NOT NULL, -- the last journal file, in the order of names, that told of it
  repository TEXT,
  usage_coverage REAL, -- the share of its calls and tasks that reported their tokens
  calls_at_least INTEGER NOT NULL -- whether of some task not even the number of tool calls is known
) WITHOUT ROWID;
CREATE INDEX sessions_by_last ON sessions (last);
-- The orders that people ask for most; every other order reads the whole table.
CREATE INDEX sessions_by_speedup ON sessions (delivered_work * 1.0 / parallel_elapsed DESC, id);
CREATE INDEX sessions_by_start ON sessions (start DESC, id);
CREATE INDEX sessions_by_dollars ON sessions (dollars DESC, id);
CREATE INDEX sessions_open ON sessions (outcome) WHERE outcome = 'running';

-- The words by which a session is found, under its word_row: full-text tables have numbers as their only key.
CREATE VIRTUAL TABLE session_words USING fts5(session UNINDEXED, words, detail=none, prefix='2 3');

CREATE TABLE sequential_runs (
  session TEXT NOT NULL, number INTEGER NOT NULL, kept INTEGER NOT NULL DEFAULT 0, pattern TEXT NOT NULL,
  signature TEXT NOT NULL, "end" INTEGER NOT NULL, lengths TEXT NOT NULL,
  project TEXT, repository TEXT, workers TEXT NOT NULL DEFAULT '[]', -- JSON: agent and task type of each task
  PRIMARY KEY (session, number, kept)
) WITHOUT ROWID;
CREATE INDEX sequential_runs_by_signature ON sequential_runs (pattern, signature, "end");

-- Finished fan-outs, to find the best ones and what each is held against.
CREATE TABLE fanouts (
  session TEXT NOT NULL, number INTEGER NOT NULL, kept INTEGER NOT NULL DEFAULT 0, pattern TEXT NOT NULL,
  signature TEXT NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, width INTEGER NOT NULL,
  work INTEGER NOT NULL, elapsed INTEGER NOT NULL, longest_lane INTEGER NOT NULL,
  delivered INTEGER NOT NULL DEFAULT 0, -- whether a source reported the success of every task
  project TEXT, repository TEXT, workers TEXT NOT NULL DEFAULT '[]',
  delivered_work INTEGER NOT NULL DEFAULT 0, -- the rest as the headline counts it
  paid INTEGER NOT NULL DEFAULT 0, counted INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (session, number, kept)
) WITHOUT ROWID;
-- Only these can be records: failing early would be the fastest of all.
CREATE INDEX fanouts_by_speedup ON fanouts (pattern, work * 1.0 / elapsed DESC, "end") WHERE delivered = 1;
CREATE INDEX fanouts_by_signature ON fanouts (pattern, signature, "end");

-- Finished sessions and their tasks, as the analyses read them (model.finished_runs). Maps are JSON objects,
-- NULL if they are empty.
CREATE TABLE session_runs (
  session TEXT NOT NULL, number INTEGER NOT NULL, kept INTEGER NOT NULL DEFAULT 0,
  start INTEGER NOT NULL, "end" INTEGER NOT NULL, outcome TEXT NOT NULL, pattern TEXT, project TEXT,
  repository TEXT, worktree TEXT, source TEXT, labels TEXT, task_types TEXT, work INTEGER NOT NULL DEFAULT 0,
  delivered_work INTEGER NOT NULL DEFAULT 0, elapsed INTEGER, capacity INTEGER, longest_lane INTEGER,
  width INTEGER NOT NULL DEFAULT 0, wall_parts TEXT, path_by_agent TEXT, tokens INTEGER, dollars REAL,
  usage_coverage REAL, retries INTEGER NOT NULL DEFAULT 0, conflicts INTEGER, tests_passed INTEGER,
  tests_failed INTEGER, cpu_seconds REAL, memory_mean REAL, memory_peak REAL, score_sums TEXT,
  covariates TEXT,
  PRIMARY KEY (session, number, kept)
) WITHOUT ROWID;
CREATE INDEX session_runs_by_end ON session_runs ("end");

CREATE TABLE task_runs (
  session TEXT NOT NULL, number INTEGER NOT NULL, kept INTEGER NOT NULL DEFAULT 0,
  task TEXT NOT NULL, start INTEGER NOT NULL, length INTEGER, outcome TEXT NOT NULL, type TEXT NOT NULL,
  agent TEXT, phase TEXT, model TEXT, pattern TEXT, project TEXT, concurrency REAL NOT NULL DEFAULT 1,
  tokens INTEGER, dollars REAL, tool_time INTEGER, covariates TEXT,
  PRIMARY KEY (session, number, kept)
) WITHOUT ROWID;
CREATE INDEX task_runs_by_start ON task_runs (start);

-- What people and programs decided (model.decisions). details is a JSON object.
CREATE TABLE decisions (
  id TEXT PRIMARY KEY, time INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT, text TEXT NOT NULL,
  details TEXT NOT NULL
) WITHOUT ROWID;

-- Each change of a finding: it began, its numbers changed, it ended. A forecast as it was given on a day is
-- issued. From kept records.
CREATE TABLE finding_history (
  id TEXT NOT NULL, time INTEGER NOT NULL, state TEXT NOT NULL, analysis TEXT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (id, time)
) WITHOUT ROWID;

-- The last good answer of each analysis, and when and why it failed since. Not concluded from anything in the
-- journal alone, so not part of a rebuild: the next round works it out again.
CREATE TABLE analysis_results (
  kind TEXT PRIMARY KEY, at INTEGER, seconds REAL, document TEXT, failed_at INTEGER, error TEXT
) WITHOUT ROWID;

-- How full each cache was when a session last told of it.
CREATE TABLE cache_entries (
  session TEXT NOT NULL, cache TEXT NOT NULL, time INTEGER NOT NULL, entries INTEGER NOT NULL, bytes INTEGER,
  PRIMARY KEY (session, cache)
) WITHOUT ROWID;
CREATE INDEX cache_entries_by_time ON cache_entries (time);

-- Sums by slot of time. dims is a JSON array of label values; value is a count, nanoseconds
-- or billionths of a dollar.
CREATE TABLE rollup (
  width INTEGER NOT NULL, slot INTEGER NOT NULL, measure TEXT NOT NULL, dims TEXT NOT NULL,
  kept INTEGER NOT NULL DEFAULT 0, value INTEGER NOT NULL,
  PRIMARY KEY (width, slot, measure, dims, kept)
) WITHOUT ROWID;

-- Kept records that were added above, by hash of the session and time of its last event: a record is added
-- once, and events up to that time are ignored.
CREATE TABLE pruned (session TEXT NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (session, last)) WITHOUT ROWID;

-- Sessions whose spans have been handed to the sender; not concluded from anything, so not part of a rebuild.
CREATE TABLE emitted (session TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;

-- Sessions that changed since the hub last answered about them (shipped_sessions): mark is random, tried the
-- highest revision that may be at the hub without an answer, tried_day the UTC day that it was sent under.
-- Below it the hub's last answers: the revision of
-- its document, the UTC day that the session was first shipped under, a digest of the document, and why it
-- was refused. Both are not part of a rebuild.
CREATE TABLE unshipped (
  session TEXT PRIMARY KEY, mark INTEGER NOT NULL, tried INTEGER NOT NULL DEFAULT 0, tried_day INTEGER
) WITHOUT ROWID;
CREATE TABLE shipped (
  session TEXT PRIMARY KEY, revision INTEGER NOT NULL, day INTEGER NOT NULL, digest TEXT NOT NULL,
  at INTEGER NOT NULL, refusal TEXT
) WITHOUT ROWID;
"""

CONCLUDED = (
    "journal", "rejects", "facts", "packed_facts", "sessions", "sequential_runs", "fanouts", "cache_entries",
    "rollup", "pruned", "session_homes", "session_runs", "task_runs", "session_words",
    "decisions", "finding_history",
)  # fmt: skip
"""The tables that a rebuild makes anew. Their rows must then equal those of incremental ingest."""

EXECUTIONS = ("sequential_runs", "fanouts")
"""The tables of a session's sequential runs and parallel executions."""


RUN_TIMES = {"session_runs": "end", "task_runs": "start"}
"""The tables of what analyses read of finished sessions and their tasks, each with the column of its time."""

KEPT_TABLES = (*EXECUTIONS, *RUN_TIMES)
"""The tables whose rows a pruned session leaves."""


def create_tables(connection: sqlite3.Connection) -> None:
    """Create the tables if the database is empty."""
    if is_database_empty(connection):
        connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")


def is_database_empty(connection: sqlite3.Connection) -> bool:
    """Return whether the database has no tables yet."""
    return _read_version(connection) == 0


def find_version_problem(connection: sqlite3.Connection) -> str | None:
    """Return why this program cannot use the database, or None if it can."""
    version = _read_version(connection)
    if version in {0, VERSION}:
        return None
    return f"its schema is version {version}, this program reads version {VERSION}"


def _read_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
