"""Nextflow traces: the table that ``nextflow run -with-trace`` writes, a row for each task that ended.

``submit`` is a time without a zone, read as UTC. ``duration`` is the wait in the queue and the run,
``realtime`` the run alone, both as texts (``7m 8s``). A task ran for ``realtime`` until ``submit`` plus
``duration``. A retry is a row of its own. A cached task did not run. A trace has no id of its execution: the
hash of its first task stands for it.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from stretto.model.event import Channel, Event, Kind, Outcome, omit_none
from stretto.sources.histories.decoder import Memory
from stretto.sources.histories.history_read_result import UNREADABLE, HistoryChunk
from stretto.sources.transcript.schema import to_cut_name, to_id, to_time

NEXTFLOW = "nextflow"

COLUMNS = frozenset({"hash", "name", "status", "submit", "duration", "realtime"})
"""The columns that are read."""

LONGEST = 1 << 28
"""Most bytes of a trace."""

_OUTCOMES = {"COMPLETED": Outcome.SUCCESS, "FAILED": Outcome.FAILURE, "ABORTED": Outcome.CANCELLED}

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")
_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9}

Row = dict[str, str]


def is_nextflow_trace(head: bytes) -> bool:
    """Return whether the first line of a file names the columns of a trace."""
    names = head.partition(b"\n")[0].decode("utf-8", "replace").strip().split("\t")
    return COLUMNS.issubset(names)


def parse_duration(text: str) -> int | None:
    """Return the nanoseconds of a duration: ``1h 2m 3.5s``, ``13ms``, ``0ms``; None for any other text."""
    words = text.split()
    parts = [_PART.fullmatch(word) for word in words]
    if not words or not all(parts):
        return None
    return sum(round(float(part[1]) * _UNITS[part[2]]) for part in parts if part)


def read_nextflow_trace(path: Path, offset: int, memory: Memory, *, latest: int) -> HistoryChunk:
    """Return the events of a trace, whole if its size has changed. Never raises."""
    try:
        size = path.stat().st_size
        if size == offset:
            return HistoryChunk((), (), offset, memory, ended=True)
        with path.open("rb") as stream:
            text = stream.read(LONGEST).decode("utf-8", "replace")
    except OSError as error:
        reject = (offset, f"{UNREADABLE}: {type(error).__name__}")
        return HistoryChunk((), (reject,), offset, memory, ended=True)
    events, rejects = translate_rows(list(csv.DictReader(io.StringIO(text), delimiter="\t")), latest)
    return HistoryChunk(tuple(events), tuple(rejects), size, memory, ended=True)


def translate_rows(rows: list[Row], latest: int) -> tuple[list[Event], list[tuple[int, str]]]:
    """Return the events of a trace's rows, and number and reason of each row that cannot be read.

    Example: submitted at 12:00:00 with a duration of 60 s and a realtime of 20 s, a task ran from 12:00:40 to
    12:01:00.
    """
    first = next((row["hash"] for row in rows if to_id(row.get("hash"))), None)
    session = f"{NEXTFLOW}-{first.replace('/', '')}" if first else ""
    events: list[Event] = []
    rejects: list[tuple[int, str]] = []
    for number, row in enumerate(rows, 2):
        if row.get("status") == "CACHED":
            continue
        try:
            events += _translate_row(row, session, latest)
        except ValueError as error:
            rejects.append((number, str(error)))
    if events:
        start, end = (pick(event.time for event in events) for pick in (min, max))
        edges = ((Kind.SESSION_START, start), (Kind.SESSION_END, end))
        events += [_make_event(kind, session, time) for kind, time in edges]
    return events, rejects


def _translate_row(row: Row, session: str, latest: int) -> list[Event]:
    """Return start and end of a task. Raises ValueError with the reason if the row cannot be read."""
    submitted = to_time((row.get("submit") or "").replace(" ", "T"))
    whole, ran = (parse_duration(row.get(name) or "") for name in ("duration", "realtime"))
    if submitted is None:
        raise ValueError("no time")
    if submitted > latest:
        raise ValueError("time in the future")
    task = to_id(row.get("hash"))
    if task is None or whole is None:
        raise ValueError("no duration" if task else "no id")
    end = submitted + whole
    start = end - min(ran if ran is not None else whole, whole)
    name = to_cut_name(row.get("name")) or ""
    process = name.partition(" (")[0]
    outcome = _OUTCOMES.get(row.get("status") or "", Outcome.UNKNOWN)
    return [
        _make_event(Kind.TASK_START, session, start, task, name=process, description=name or None),
        _make_event(Kind.TASK_END, session, end, task, name=process, outcome=outcome),
    ]


def _make_event(
    kind: Kind,
    session: str,
    time: int,
    id: str | None = None,
    *,
    name: str | None = None,
    outcome: Outcome | None = None,
    description: str | None = None,
) -> Event:
    return Event(
        kind=kind,
        session=session,
        time=time,
        source=NEXTFLOW,
        channel=Channel.TRANSCRIPT,
        id=id,
        name=name,
        outcome=outcome,
        attributes=omit_none(description=description),
    )
