"""Own sums: what one session, or one phase of it, adds to the sums, so that it is scored as a window is."""

from __future__ import annotations

from dataclasses import dataclass, replace

from stretto.figures.fanouts import find_fanouts, find_sequential_runs
from stretto.figures.sum_reading import Sums
from stretto.model.entities import Phase, Session, Task, ToolCall
from stretto.model.event import Outcome
from stretto.model.facts import EntityFacts, SessionFacts, get_number, get_text
from stretto.model.interval import Interval
from stretto.names import fields
from stretto.names.fields import EntityKind
from stretto.store.contributions.contribution import SessionContext
from stretto.store.contributions.registry import CONTRIBUTIONS
from stretto.store.contributions.tool_calls import add_up_tool_call, count_tool_call
from stretto.store.session_state import Rules


@dataclass(frozen=True, slots=True)
class SessionSums:
    """The sums of a session and of its phases."""

    session: Sums
    phases: tuple[tuple[Phase, Sums], ...]


def compute_session_sums(facts: SessionFacts, session: Session, rules: Rules) -> SessionSums:
    """Return the sums of a session, concluded whole from these facts, and of each of its phases."""
    phases = tuple(
        (phase, _compute_sums(*_restrict_to_phase(facts, session, phase), session, rules))
        for phase in session.phases
    )
    return SessionSums(_compute_sums(facts, session, session, rules), phases)


def _compute_sums(facts: SessionFacts, session: Session, around: Session, rules: Rules) -> Sums:
    """Return the sums of a session, or of a phase of the one around it, whose calls tell how it went on."""
    closed = session.outcome is not Outcome.RUNNING
    settling = SessionContext(
        facts,
        session,
        find_fanouts(session.tasks),
        find_sequential_runs(session.tasks),
        closed=closed,
        lost=closed and session.end is None,
        classify=rules.classify,
        price=rules.price,
        scales=rules.scales,
        whole_session=replace(
            session,
            tool_calls=around.tool_calls,
            model_calls=around.model_calls,
            permissions=around.permissions,
            hooks_run=around.hooks_run,
        ),
    )
    found: dict[str, dict[tuple[str | int, ...], int]] = {}
    for part in CONTRIBUTIONS.values():
        for (_, measure, dims), value in part.compute(settling).items():
            cells = found.setdefault(measure, {})
            cells[dims] = cells.get(dims, 0) + value
    for call in session.tool_calls:
        for _, measure, dims in count_tool_call(call):
            cells = found.setdefault(measure, {})
            cells[dims] = cells.get(dims, 0) + 1
        for (_, measure, dims), amount in add_up_tool_call(call):
            cells = found.setdefault(measure, {})
            cells[dims] = cells.get(dims, 0) + amount
    return dict(found)


def _restrict_to_phase(facts: SessionFacts, session: Session, phase: Phase) -> tuple[SessionFacts, Session]:
    """Return what of a session belongs to a phase: what says so, else what began while it went on.

    Where several phases have one name, the clock tells their tasks apart as well.
    """
    alone = sum(other.name == phase.name for other in session.phases) == 1
    end = phase.end if phase.end is not None else session.last + 1
    during = None if phase.start is None else Interval(phase.start, end)
    tasks = tuple(task for task in session.tasks if _is_task_of(task, phase, during, alone=alone))
    ids = {task.id for task in tasks}
    calls = tuple(call for call in session.tool_calls if _is_call_of(call, ids, during))
    others = {
        EntityKind.PHASE: {
            key: known for key, known in facts.leaves.get(EntityKind.PHASE, {}).items() if key == phase.id
        },
        EntityKind.SCORE: {
            key: known
            for key, known in facts.leaves.get(EntityKind.SCORE, {}).items()
            if (get_text(known, fields.OF), get_text(known, fields.OF_ID))
            in {(EntityKind.PHASE, phase.id), *((EntityKind.TASK, id) for id in ids)}
        },
        EntityKind.MESSAGE: {
            key: known
            for key, known in facts.leaves.get(EntityKind.MESSAGE, {}).items()
            if _is_in_interval(known, during)
        },
    }
    own = replace(
        session, turns=(), tasks=tasks, tool_calls=calls, phases=(phase,), start=phase.start or session.start
    )
    return replace(facts, leaves=others), own


def _is_task_of(task: Task, phase: Phase, during: Interval | None, *, alone: bool) -> bool:
    named = task.phase == phase.name
    if task.phase is not None and not named:
        return False
    if (named and alone) or during is None or task.start is None:
        return named
    return during.start <= task.start < during.end


def _is_call_of(call: ToolCall, tasks: set[str], during: Interval | None) -> bool:
    if call.task is not None:
        return call.task in tasks
    return during is not None and call.start is not None and during.start <= call.start < during.end


def _is_in_interval(known: EntityFacts, during: Interval | None) -> bool:
    time = get_number(known, fields.TIME)
    return during is not None and time is not None and during.start <= time < during.end
