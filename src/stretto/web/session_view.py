"""Collect the rows and drawings of a session's page from its summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stretto.clock import SECOND
from stretto.figures.critical_path import CriticalPath
from stretto.figures.fanouts import Fanout, SequentialTime
from stretto.figures.unreported_tool_calls import ToolCallGaps
from stretto.format import quantities
from stretto.model.entities import Message, Session, Task, ToolCall
from stretto.model.event import Outcome
from stretto.summaries.session_summary import SessionSummary
from stretto.web.page_terms import PARTS
from stretto.web.session_timeline import Drawing
from stretto.web.timeline_shapes import PathLine

FANOUTS_SHOWN = 40
TOOLS_SHOWN = 40
TASKS_SHOWN = 100
"""Tasks on a page of the table."""

TASKS_UNFOLDED = 20
"""Most tasks of a session whose parts are all open; a longer session is folded, to fit two screens."""

ROWS_SHOWN = 50
"""Rows of any other table."""

LINES = 800
"""Most lines of a drawn critical path."""

FINEST = 0.03
"""Width in percent below which a piece of the critical path is merged with its neighbours."""

Document = Mapping[str, Any]
"""A session's JSON document or a part of it (docs/json.md)."""


@dataclass(frozen=True, slots=True)
class FanoutRow:
    """A fan-out as a row of the page; lengths are in seconds."""

    number: int
    fanout: Fanout
    document: Document
    work: float
    elapsed: float
    sequential: float
    provenance: str
    x: float
    width: float
    """Position and width in the timeline, in percent of the view; 0 wide if outside the view."""

    @property
    def saved(self) -> float:
        """Seconds saved; negative if parallel was slower."""
        return self.sequential - self.elapsed

    @property
    def speedup(self) -> float:
        """Sequential time divided by elapsed time."""
        return self.sequential / self.elapsed


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task as a row of the table; ``since`` is in seconds after the session's start."""

    task: Task
    since: float | None
    calls: int | None
    """Number of tool calls; None if the task's agent was never seen."""
    failed: int
    path: float | None
    """Seconds on the critical path; None if the path is not known."""
    slack: float | None
    spent: Document | None
    """Tokens and cost of its model calls, if known."""
    report: Message | None
    """Its latest report of its progress, or that it is blocked."""


@dataclass(frozen=True, slots=True)
class ToolRow:
    """The calls of a tool in a session; ``seconds`` is None if no call's duration is known."""

    tool: str
    calls: int
    failed: int
    unknown: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Share:
    """A share of a bar; ``x`` and ``width`` in percent of the bar."""

    name: str
    label: str
    word: str
    seconds: float
    x: float
    width: float


def list_fanout_rows(summary: SessionSummary, document: Document, drawing: Drawing) -> list[FanoutRow]:
    """Return a row for each fan-out, by start."""
    pairs = zip(summary.fanouts[:FANOUTS_SHOWN], document["fanouts"], strict=False)
    return [
        _build_fanout_row(number, *compared, entry, drawing)
        for number, (compared, entry) in enumerate(pairs, 1)
    ]


def make_fanout_row(summary: SessionSummary, document: Document, drawing: Drawing, number: int) -> FanoutRow:
    """Return the row of one fan-out; ``number`` counts them from 1, by start."""
    return _build_fanout_row(number, *summary.fanouts[number - 1], document["fanouts"][number - 1], drawing)


def _build_fanout_row(
    number: int, fanout: Fanout, sequential: SequentialTime, document: Document, drawing: Drawing
) -> FanoutRow:
    x, until = max(0.0, drawing.to_percent(fanout.start)), min(100.0, drawing.to_percent(fanout.end))
    return FanoutRow(
        number=number,
        fanout=fanout,
        document=document,
        work=fanout.work / SECOND,
        elapsed=fanout.elapsed / SECOND,
        sequential=sequential.length / SECOND,
        provenance=sequential.provenance.value,
        x=round(x, 3),
        width=round(max(0.0, until - x), 3),
    )


def list_tasks_of_page(session: Session, page: int) -> list[Task]:
    """Return the tasks that a page of the table shows, by start; ``page`` counts from 1."""
    return sort_tasks(session.tasks)[(page - 1) * TASKS_SHOWN : page * TASKS_SHOWN]


def sort_tasks(tasks: Iterable[Task]) -> list[Task]:
    """Return tasks by start; those without a known start come last."""
    return sorted(tasks, key=lambda task: (task.start is None, task.start or 0, task.id))


def make_task_rows(session: Session, document: Document, chosen: Iterable[Task]) -> list[TaskRow]:
    """Return a row for each of some tasks of a session, sorted by start."""
    tasks = sort_tasks(chosen)
    gaps, reports = ToolCallGaps(session), session.latest_reports
    failed = Counter([call.task for call in session.tool_calls if call.outcome is Outcome.FAILURE])
    path = document.get("critical_path")
    by_path = {} if path is None else {row["id"]: row for row in path["tasks"]}
    spending = document.get("spending")
    by_cost = {} if spending is None else {row["task"]: row for row in spending["by_task"]}
    return [
        TaskRow(
            task=task,
            since=None if task.start is None else (task.start - session.start) / SECOND,
            calls=gaps.count_calls(task),
            failed=failed[task.id],
            path=None if path is None else by_path.get(task.id, {}).get("seconds", 0.0),
            slack=by_path.get(task.id, {}).get("slack_seconds"),
            spent=by_cost.get(task.id),
            report=reports.get(task.id),
        )
        for task in tasks
    ]


def list_tool_rows(session: Session) -> list[ToolRow]:
    """Return a row for each tool of a session, the most called first."""
    by_tool: dict[str, list[ToolCall]] = {}
    for call in session.tool_calls:
        by_tool.setdefault(call.tool or "unnamed", []).append(call)
    rows = [_build_tool_row(tool, calls) for tool, calls in by_tool.items()]
    return sorted(rows, key=lambda row: (-row.calls, row.tool))


def _build_tool_row(tool: str, calls: Sequence[ToolCall]) -> ToolRow:
    lengths = [call.duration for call in calls if call.duration is not None]
    return ToolRow(
        tool=tool,
        calls=len(calls),
        failed=_count_failed(calls),
        unknown=sum(call.duration is None for call in calls),
        seconds=sum(lengths) / SECOND if lengths else None,
    )


def _count_failed(calls: Iterable[ToolCall]) -> int:
    return sum(call.outcome is Outcome.FAILURE for call in calls)


def split_wall_time(document: Document) -> list[Share]:
    """Return the shares of the wall time, in order of precedence; none if the wall time is unknown."""
    seconds: Mapping[str, float] = document.get("wall_time") or {}
    return lay_out_shares([(name, *PARTS[name], seconds[name]) for name in PARTS if seconds.get(name)])


def list_capacity_shares(node: Document) -> list[Share]:
    """Return the shares of a capacity: delivered work, and the time lost to each factor."""
    lost = node["lost_seconds"]
    return lay_out_shares(
        [
            ("work", "Delivered work", "delivered_work", node["delivered_work_seconds"]),
            ("load_balance", "Lost to load balance", "lost_load_balance", lost["load_balance"]),
            ("concurrency", "Lost to concurrency", "lost_concurrency", lost["concurrency"]),
            ("delivery", "Lost to failure", "lost_delivery", lost["delivery"]),
        ]
    )


def lay_out_shares(parts: Iterable[tuple[str, str, str, float]]) -> list[Share]:
    """Return parts (name, label, defining word, seconds) as shares of a bar, side by side."""
    listed = list(parts)
    total = sum(seconds for *_, seconds in listed) or 1.0
    laid_out, at = [], 0.0
    for name, label, word, seconds in listed:
        width = 100 * seconds / total
        laid_out.append(Share(name, label, word, seconds, round(at, 3), round(width, 3)))
        at += width
    return laid_out


def name_task(task: Task) -> str:
    """Return the name of a task for people."""
    return task.description or task.agent or task.task_type


def describe_score_parts(score: Document) -> list[str]:
    """Return a line for each part of a score: its score or range and its weight, or why it has neither."""
    return [f"{name.replace('_', ' ')}: {_describe_part(part)}" for name, part in score["parts"].items()]


def _describe_part(part: Document) -> str:
    reason = part["reason"] or "not known"
    if not part["applies"]:
        return f"does not count, {reason}"
    weight = f"weight {quantities.format_number(part['weight'])}"
    shown = quantities.format_score_range(part)
    return f"{shown}, {weight}" if shown else f"anything from nothing to all, {weight}: {reason}"


def draw_path(critical_path: CriticalPath | None, drawing: Drawing) -> list[PathLine]:
    """Return the visible critical path as lines from lane to lane, with tiny pieces merged.

    Example, in a view of 100 s: 10 s in the main lane, 20 s in lane 2 and 0.001 s in lane 3 give a line in
    the main lane, a step to lane 2 and a line there; the last piece (0.001 %) is merged into that line.
    """
    if critical_path is None:
        return []
    lane_of = drawing.map_lanes()
    pieces: list[tuple[float, float, int]] = []
    for piece in critical_path.pieces:
        x1 = max(0.0, drawing.to_percent(piece.start))
        x2 = min(100.0, drawing.to_percent(piece.end))
        lane = lane_of.get(None if piece.task is None else piece.task.id)
        if x2 <= x1 or lane is None:
            continue
        if pieces and (pieces[-1][2] == lane or x2 - x1 < FINEST) and x1 - pieces[-1][1] < FINEST:
            pieces[-1] = (pieces[-1][0], x2, pieces[-1][2])
        else:
            pieces.append((x1, x2, lane))
    lines: list[PathLine] = []
    last: tuple[float, float, int] | None = None
    for x1, x2, lane in pieces[:LINES]:
        if last is not None and last[2] != lane and x1 - last[1] < FINEST:
            lines.append(PathLine(round(x1, 3), round(x1, 3), last[2], lane))
        lines.append(PathLine(round(x1, 3), round(x2, 3), lane, lane))
        last = (x1, x2, lane)
    return lines


def compute_zooms(drawing: Drawing) -> dict[str, tuple[float, float] | None]:
    """Return the views that the timeline links to, in seconds since the session's start.

    ``in`` and ``out`` halve and double the view; ``earlier`` and ``later`` move it by half its length. A link
    that leads nowhere is None.
    """
    extent, view = drawing.extent, drawing.view
    half = view.length // 2
    middle = view.start + half

    def stretch(start: int, end: int) -> tuple[float, float]:
        return drawing.to_seconds(max(start, extent.start)), drawing.to_seconds(min(end, extent.end))

    return {
        "in": stretch(middle - half // 2, middle + half // 2) if view.length > SECOND // 1_000 else None,
        "out": stretch(view.start - half, view.end + half) if drawing.zoomed else None,
        "earlier": stretch(view.start - half, view.end - half) if view.start > extent.start else None,
        "later": stretch(view.start + half, view.end + half) if view.end < extent.end else None,
    }
