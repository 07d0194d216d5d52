"""Write drawn runs as the events that hooks would have reported: the way from a generator to a journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from stretto.clock import SECOND
from stretto.model.event import Event, Kind
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from stretto.names.fact_fields import PHASE
from tests.scenes import BEGIN, Drawing

AGENT = "worker"
"""The agent of tasks that name none."""

MAIN_PARTS = ("model", "main_tools", "hooks", "nothing", "waiting")
"""Parts of wall time that a session spends outside of its tasks, in the order in which they are drawn."""


def draw_tasks_as_events(tasks: Iterable[TaskRun]) -> Iterator[Event]:
    """Yield the events of the sessions of some tasks, session by session."""
    for session, group in group_by_session(tasks).items():
        begin, end = group[0].start, max(run.start + (run.length or 0) for run in group) + SECOND
        drawing = Drawing(session).opens(_to_second(begin), **_name_pattern(group[0].pattern))
        drawing.prompt(_to_second(begin))
        _draw_tasks(drawing, group)
        yield from drawing.stop(_to_second(end)).ends(_to_second(end) + 1).events


def draw_sessions_as_events(sessions: Iterable[SessionRun], tasks: Iterable[TaskRun]) -> Iterator[Event]:
    """Yield the events of sessions with their tasks, phases and the other parts of their wall time.

    Half of each part lies before the tasks and half after them.
    """
    by_session = group_by_session(tasks)
    for run in sessions:
        yield from _draw_session(run, by_session.get(run.session, ())).events


def group_by_session(tasks: Iterable[TaskRun]) -> dict[str, list[TaskRun]]:
    """Return the tasks of each session, by start."""
    groups: dict[str, list[TaskRun]] = {}
    for run in sorted(tasks, key=lambda run: run.start):
        groups.setdefault(run.session, []).append(run)
    return groups


def _draw_session(run: SessionRun, tasks: Sequence[TaskRun]) -> Drawing:
    drawing = Drawing(run.session)
    drawing.opens(_to_second(run.start), **_name_pattern(run.pattern), **run.covariates)
    for name, value in run.labels.items():
        drawing.stroke(Kind.LABEL, _to_second(run.start), name=name, attributes={"value": value})
    drawing.prompt(_to_second(run.start), "p1")
    _draw_half_of_parts(drawing, run, _to_second(run.start), 1)
    _draw_tasks(drawing, tasks)
    if run.conflicts is not None:
        _draw_writes(drawing, tasks, run.conflicts)
    for phase in dict.fromkeys(task.phase for task in tasks if task.phase):
        inside = [task for task in tasks if task.phase == phase]
        drawing.staged(
            phase,
            _to_second(inside[0].start),
            _to_second(max(task.start + (task.length or 0) for task in inside)),
        )
    over = max((task.start + (task.length or 0) for task in tasks), default=run.start)
    end = max(_draw_half_of_parts(drawing, run, _to_second(over), 2), _to_second(run.end))
    return drawing.stop(end, "p3" if "waiting" in run.wall_parts else "p1", outcome=run.outcome).ends(end)


def _draw_half_of_parts(drawing: Drawing, run: SessionRun, second: float, half: int) -> float:
    """Draw the parts of wall time from a second on; return the second at which the last one is over."""
    for part in MAIN_PARTS:
        length = run.wall_parts.get(part, 0) / SECOND / 2
        if not length:
            continue
        name, end = f"{run.session}-{part}-{half}", second + length
        if part == "model":
            drawing.model(name, second, took=length)
        elif part == "main_tools":
            drawing.call(name, second, end, took=length)
        elif part == "hooks":
            drawing.stroke(
                Kind.HOOKS_RUN, second, id=name, name="PreToolUse", duration=round(length * SECOND)
            )
        elif part == "nothing":
            drawing.call(name, second, end, tool="TaskOutput", took=length)
        else:
            drawing.stop(second, f"p{half}").prompt(end, f"p{half + 1}")
        second = end
    return second


def _draw_tasks(drawing: Drawing, tasks: Iterable[TaskRun]) -> None:
    for run in tasks:
        start, end = _to_second(run.start), _to_second(run.start + (run.length or 0))
        call, agent = f"call-{run.task}", run.agent or AGENT
        phase = {PHASE: run.phase} if run.phase else {}
        drawing.order(call, start, run.type, agent=agent)
        drawing.stroke(Kind.TASK_START, start, id=run.task, name=agent, attributes=phase)
        drawing.run(run.task, None, end, agent=agent).answer(call, end, run.task, outcome=run.outcome)
        if run.tool_time is not None:
            took = run.tool_time / SECOND
            drawing.call(f"{run.task}-tool", start, start + took, parent=run.task, took=took)


def _draw_writes(drawing: Drawing, tasks: Iterable[TaskRun], conflicts: int) -> None:
    """Let each task write a file as it ends; each two of the first ``conflicts`` tasks write the same."""
    for place, run in enumerate(tasks):
        file = f"shared-{place // 2}" if place < conflicts else f"file-{place}"
        end = _to_second(run.start + (run.length or 0))
        drawing.call(f"{run.task}-write", end, end, tool="Write", parent=run.task, took=0, wrote=file)


def _to_second(time: int) -> float:
    """Return an instant (ns) as a second of the scenes' clock."""
    return (time - BEGIN) / SECOND


def _name_pattern(pattern: str | None) -> dict[str, str]:
    return {} if pattern is None else {"pattern": pattern}
