"""Draw a session as Chrome trace events, which ui.perfetto.dev and chrome://tracing open.

Times are microseconds since the first instant of the session. Slices of a track nest or are disjoint, as
the format asks: what overlaps a track's slices moves to a further track of the same name. An entity without
start or end becomes an instant, because a duration is never invented.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from stretto.clock import to_rfc3339
from stretto.model.entities import Session, Task
from stretto.model.event import Outcome
from stretto.names import MAIN_AGENT, UNNAMED_AGENT

PROCESS = 1
"""The number of the only process: a session is drawn as a process, a track as a thread of it."""

PHASES = "phases"

Key = tuple[str, str]
"""(kind, id) of an entity."""


@dataclass(frozen=True, slots=True)
class _Slice:
    """An entity as it is drawn."""

    key: Key
    name: str
    start: int | None
    end: int | None
    outcome: Outcome
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        return self.start is not None and self.end is not None and self.start <= self.end

    @property
    def is_untimed(self) -> bool:
        return self.start is None and self.end is None


def build_trace_document(session: Session) -> dict[str, Any]:
    """Return the trace: phases, the main agent, then a track for each agent and lane, with arrows."""
    groups = _group_slices(session)
    slices = [part for _, members in groups for part in members]
    instants = [time for part in slices for time in (part.start, part.end) if time is not None]
    origin = min([session.start, *instants])
    events: list[dict[str, Any]] = [_describe("process_name", 0, name=f"{session.source} {session.id}")]
    tracks: dict[Key, int] = {}
    last = 0
    for name, members in groups:
        for track in _pack_slices([part for part in members if not part.is_untimed]):
            last += 1
            events += [
                _describe("thread_name", last, name=name),
                _describe("thread_sort_index", last, sort_index=last),
            ]
            tracks |= {part.key: last for part in track}
            events += [_draw_slice(part, last, origin) for part in track]
    events += _draw_arrows(session.tasks, {part.key: part for part in slices}, tracks, origin)
    return {
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {
            "session": session.id,
            "source": session.source,
            "origin": to_rfc3339(origin),
            "outcome": session.outcome.value,
            "untimed": sum(part.is_untimed for part in slices),
        },
    }


def _group_slices(session: Session) -> list[tuple[str, list[_Slice]]]:
    """Return (name, slices) of the phases, the main agent and each lane of each agent."""
    calls: dict[str | None, list[_Slice]] = {}
    for task_id, part in _list_calls(session):
        calls.setdefault(task_id, []).append(part)
    known = {task.id for task in session.tasks}
    main = [
        _Slice(("turn", turn.id), f"turn ({turn.origin})", turn.start, turn.end, turn.outcome)
        for turn in session.turns
    ]
    main += [part for task_id, parts in calls.items() if task_id not in known for part in parts]
    groups = [
        (
            PHASES,
            [
                _Slice(("phase", phase.id), phase.name, phase.start, phase.end, phase.outcome)
                for phase in session.phases
            ],
        ),
        (MAIN_AGENT, main),
    ]
    by_agent: dict[str, list[_Slice]] = {}
    for task in session.tasks:
        by_agent.setdefault(task.agent or UNNAMED_AGENT, []).append(_convert_task(task))
    for agent, tasks in by_agent.items():
        groups += [
            (agent, [*lane, *(part for task in lane for part in calls.get(task.key[1], ()))])
            for lane in _pack_slices(tasks, nested=False)
        ]
    return [(name, members) for name, members in groups if members]


def _list_calls(session: Session) -> Iterator[tuple[str | None, _Slice]]:
    """Yield (task, slice) of each tool call and model call."""
    for call in session.tool_calls:
        yield (
            call.task,
            _Slice(("tool", call.id), call.tool or "tool call", call.start, call.end, call.outcome),
        )
    for request in session.model_calls:
        known = request.start is not None and request.duration is not None
        end = (request.start or 0) + (request.duration or 0) if known else None
        counts = {kind: count for kind, count in request.tokens.to_counts().items() if count is not None}
        details = {"tokens": counts} if counts else {}
        name = request.model or "model call"
        yield request.task, _Slice(("model", request.id), name, request.start, end, request.outcome, details)


def _convert_task(task: Task) -> _Slice:
    details = {"description": task.description, "phase": task.phase}
    return _Slice(
        ("task", task.id),
        task.task_type,
        task.start,
        task.end,
        task.outcome,
        {name: text for name, text in details.items() if text is not None},
    )


def _pack_slices(slices: Iterable[_Slice], *, nested: bool = True) -> list[list[_Slice]]:
    """Return the slices by track, so that those of a track are disjoint or, if ``nested``, inside each other.

    Example: 0-10, 2-4 and 3-12 need two tracks nested, and three disjoint.
    """
    tracks: list[list[_Slice]] = []
    open_ends: list[list[int]] = []
    members = [*slices]
    timed = [part for part in members if part.is_complete]
    loose = [part for part in members if not part.is_complete]
    for part in sorted(timed, key=lambda part: (part.start or 0, -(part.end or 0))):
        start, end = part.start or 0, part.end or 0
        for track, ends in zip(tracks, open_ends, strict=True):
            while ends and ends[-1] <= start:
                ends.pop()
            if not ends or (nested and end <= ends[-1]):
                track.append(part)
                ends.append(end)
                break
        else:
            tracks.append([part])
            open_ends.append([end])
    if loose and not tracks:
        return [loose]
    if loose:
        tracks[0] += loose
    return tracks


def _draw_slice(part: _Slice, track: int, origin: int) -> dict[str, Any]:
    """Return a complete event, or an instant if start or end is unknown."""
    event: dict[str, Any] = {
        "name": part.name,
        "cat": part.key[0],
        "pid": PROCESS,
        "tid": track,
        "args": {"id": part.key[1], "outcome": part.outcome.value, **part.details},
    }
    if part.is_complete:
        start, end = part.start or 0, part.end or 0
        return event | {
            "ph": "X",
            "ts": _to_microseconds(start - origin),
            "dur": _to_microseconds(end - start),
        }
    time = part.start if part.start is not None else part.end
    event["args"]["known"] = "start only" if part.start is not None else "end only"
    return event | {"ph": "i", "s": "t", "ts": _to_microseconds((time or 0) - origin)}


def _draw_arrows(
    tasks: Iterable[Task], slices: dict[Key, _Slice], tracks: dict[Key, int], origin: int
) -> Iterator[dict[str, Any]]:
    """Yield the two ends of an arrow from each delegating call, or parent task, to its task."""
    for number, task in enumerate(tasks, 1):
        target = slices["task", task.id]
        source = slices.get(("tool", task.delegated_by or "")) or slices.get(("task", task.parent or ""))
        if source is None or not source.is_complete or not target.is_complete:
            continue
        # An arrow binds to the slice around its time, and must not point back in time.
        start, begun = source.start or 0, target.start or 0
        if source.key not in tracks or target.key not in tracks or begun < start:
            continue
        arrow = {"name": "delegation", "cat": "delegation", "id": number, "pid": PROCESS}
        leave = min(begun, source.end or 0) if source.key[0] == "task" else start
        yield arrow | {"ph": "s", "tid": tracks[source.key], "ts": _to_microseconds(leave - origin)}
        yield arrow | {
            "ph": "f", "bp": "e", "tid": tracks[target.key], "ts": _to_microseconds(begun - origin)
        }  # fmt: skip


def _describe(what: str, track: int, **values: str | int) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": PROCESS, "tid": track, "args": values}


def _to_microseconds(length: int) -> float:
    return length / 1_000
