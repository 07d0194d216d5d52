"""The history of findings and the last good answer of each analysis.

A finding that begins, changes or ends is a kept record of the journal: it outlives the sessions that it is
about. So is the forecast of each day. The answers of analyses are rows of the store alone: the next round
works them out again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from stretto.journal.pruned_session_records import KeptRecord, KeptRow, append_kept_records, hash_session_id
from stretto.model.findings import Finding, FindingVerdict
from stretto.store.database import bound_instant

BEGAN, CHANGED, ENDED = "began", "changed", "ended"
"""What happened to a finding."""

ISSUED = "issued"
"""A forecast as it was given on a day: kept to be judged by what came, and no finding of the history."""

_RECORD = "findings"
"""The name under which records of findings are noted as added."""

_COLUMNS = dict.fromkeys(("id", "time", "state", "analysis", "document")).keys()

_encode = msgspec.json.Encoder(order="deterministic").encode
_decode_finding = msgspec.json.Decoder(Finding).decode


@dataclass(frozen=True, slots=True)
class FindingChange:
    """A finding as it was when something happened to it."""

    id: str
    time: int
    state: str
    """``BEGAN``, ``CHANGED`` or ``ENDED``; ``ISSUED`` of a forecast."""
    analysis: str
    """The analysis that answers about it."""
    finding: Finding


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """A finding with its history: when it was first seen, and since when it is no longer."""

    id: str
    analysis: str
    finding: Finding
    first_seen: int
    last_change: int
    ended: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still holds, by the last good answer."""
        return self.ended is None


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """The last good answer of an analysis."""

    kind: str
    at: int | None = None
    """The instant (ns) that it is about; None if there was none yet."""
    seconds: float | None = None
    """CPU seconds that it took."""
    findings: tuple[Finding, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further values of the answer, such as a forecast."""
    failed_at: int | None = None
    """When it failed since (ns); None if the last attempt was good."""
    error: str | None = None
    unlisted: Mapping[FindingVerdict, int] = field(default_factory=dict)
    """Checks that are no finding, by verdict."""
    shortened: str = ""
    """Of how many days it is and why, if the whole history was too much."""

    @property
    def checks(self) -> int:
        """All checks that the answer rests on."""
        return len(self.findings) + sum(self.unlisted.values())


class _Answer(msgspec.Struct):
    """The document of an analysis's answer."""

    findings: tuple[Finding, ...] = ()
    extra: dict[str, Any] = {}
    unlisted: dict[FindingVerdict, int] = {}
    shortened: str = ""


_decode_answer = msgspec.json.Decoder(_Answer).decode


def make_finding_id(kind: str, subject: Mapping[str, str]) -> str:
    """Return the short id of a finding: the same for the same question about the same subject."""
    return sha256(_encode([kind, subject])).hexdigest()[:10]


def append_finding_changes(folder: Path, changes: Sequence[FindingChange]) -> None:
    """Append the changes of findings to the journal, one record for each instant. Raises OSError."""
    times = sorted({change.time for change in changes})
    append_kept_records(
        folder,
        [
            KeptRecord(
                session=hash_session_id(_RECORD),
                last=time,
                findings=tuple(_make_row(change) for change in changes if change.time == time),
            )
            for time in times
        ],
    )


def store_finding_changes(connection: sqlite3.Connection, changes: Iterable[FindingChange]) -> None:
    """Store changes of findings in a store that no journal is read into."""
    write_finding_changes(connection, map(_make_row, changes))


def write_finding_changes(connection: sqlite3.Connection, rows: Iterable[KeptRow]) -> None:
    """Store the changes of a record; a row that lacks something is left out."""
    connection.executemany(
        "INSERT OR REPLACE INTO finding_history (id, time, state, analysis, document) VALUES (?, ?, ?, ?, ?)",
        [tuple(row[name] for name in _COLUMNS) for row in rows if row.keys() >= _COLUMNS],
    )


def read_finding_history(connection: sqlite3.Connection, *, at: int | None = None) -> list[StoredFinding]:
    """Return every finding of the history as known at ``at`` (ns), the latest change first.

    A finding that ended and began again is there once, from its last beginning.
    """
    found: dict[str, StoredFinding] = {}
    for id, time, state, analysis, document in connection.execute(
        "SELECT id, time, state, analysis, document FROM finding_history WHERE time <= ? AND state != ?"
        " ORDER BY time",
        (bound_instant(at), ISSUED),
    ):
        before = found.get(id)
        first = time if before is None or state == BEGAN else before.first_seen
        found[id] = StoredFinding(
            id, analysis, _decode_finding(document), first, time, ended=time if state == ENDED else None
        )
    return sorted(found.values(), key=lambda finding: (-finding.last_change, finding.id))


def read_first_kept_time(connection: sqlite3.Connection) -> int | None:
    """Return when (ns) the first finding of the history was kept; None if it is empty."""
    first: int | None = connection.execute(
        "SELECT min(time) FROM finding_history WHERE state != ?", (ISSUED,)
    ).fetchone()[0]
    return first


def read_finding_as_of(connection: sqlite3.Connection, id: str, at: int) -> Finding | None:
    """Return a finding as it was at an instant (ns), also if it had ended by then.

    Before its first record it is as that has it. None if there is no record of it.
    """
    row = connection.execute(
        "SELECT document FROM finding_history WHERE id = ?"
        " ORDER BY time <= ? DESC, CASE WHEN time <= ? THEN -time ELSE time END LIMIT 1",
        (id, at, at),
    ).fetchone()
    return None if row is None else _decode_finding(row[0])


def read_issued_forecasts(
    connection: sqlite3.Connection, since: int, *, at: int | None = None
) -> list[FindingChange]:
    """Return the forecasts that were given from ``since`` (ns) on, as known at ``at`` (ns), by time."""
    rows = connection.execute(
        "SELECT id, time, state, analysis, document FROM finding_history"
        " WHERE state = ? AND time >= ? AND time <= ? ORDER BY time, id",
        (ISSUED, since, bound_instant(at)),
    )
    return [
        FindingChange(id, time, state, analysis, _decode_finding(document))
        for id, time, state, analysis, document in rows
    ]


def write_analysis_result(connection: sqlite3.Connection, result: AnalysisResult) -> None:
    """Store the answer of an analysis; one that failed keeps the last good answer."""
    if result.failed_at is not None:
        connection.execute(
            "INSERT INTO analysis_results (kind, failed_at, error) VALUES (?, ?, ?) ON CONFLICT (kind)"
            " DO UPDATE SET failed_at = excluded.failed_at, error = excluded.error",
            (result.kind, result.failed_at, result.error),
        )
        return
    answer = _Answer(result.findings, dict(result.extra), dict(result.unlisted), result.shortened)
    document = _encode(answer).decode()
    connection.execute(
        "INSERT OR REPLACE INTO analysis_results (kind, at, seconds, document) VALUES (?, ?, ?, ?)",
        (result.kind, result.at, result.seconds, document),
    )


def read_analysis_results(connection: sqlite3.Connection) -> dict[str, AnalysisResult]:
    """Return the last good answers by kind of analysis."""
    rows = connection.execute(
        "SELECT kind, at, seconds, document, failed_at, error FROM analysis_results ORDER BY kind"
    )
    results = {}
    for kind, at, seconds, document, failed_at, error in rows:
        answer = _decode_answer(document) if document else _Answer()
        results[kind] = AnalysisResult(
            kind, at, seconds, answer.findings, answer.extra, failed_at, error, answer.unlisted,
            answer.shortened,
        )  # fmt: skip
    return results


def _make_row(change: FindingChange) -> KeptRow:
    return {
        "id": change.id,
        "time": change.time,
        "state": change.state,
        "analysis": change.analysis,
        "document": _encode(change.finding).decode(),
    }
