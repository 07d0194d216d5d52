"""The sums of a session, or of a phase of it, so that it can be scored in the same way as a window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from stretto.figures.fanouts import find_executions
from stretto.figures.sums_by_dimension import Sums
from stretto.model.entities import Phase, Session, Task, ToolCall
from stretto.model.event import Outcome
from stretto.model.facts import EntityFacts, SessionFacts, get_number, get_text
from stretto.model.interval import Interval
from stretto.names import fact_fields
from stretto.names.fact_fields import EntityKind
from stretto.store.concluded_session import Rules
from stretto.store.contributions.contribution import SessionContext
from stretto.store.contributions.registry import CONTRIBUTIONS
from stretto.store.contributions.tool_calls import add_up_tool_calls
from stretto.store.sums_by_time_slot import Additions, sum_by_measure


@dataclass(frozen=True, slots=True)
class SessionSums:
    """The sums of a session and of its phases."""

    session: Sums
    phases: tuple[tuple[Phase, Sums], ...]
    context: SessionContext
    """What the sums of the session were computed from: its executions, work tree and wall time with it."""


def compute_session_sums(
    facts: SessionFacts,
    session: Session,
    rules: Rules,
    *,
    without: AbstractSet[str] = frozenset(),
    known: Sums | None = None,
) -> SessionSums:
    """Return the sums of a wholly concluded session and of each of its phases.

    ``without`` are the contributions that are left out, such as ``NOT_SCORED``. ``known`` are these sums of a
    session without phases, if the store has them.
    """
    phases = tuple(
        (phase, _compute_sums(_make_context(*_select_phase(facts, session, phase), session, rules), without))
        for phase in session.phases
    )
    context = _make_context(facts, session, session, rules)
    return SessionSums(_compute_sums(context, without) if known is None else known, phases, context)


def _make_context(
    facts: SessionFacts, session: Session, whole_session: Session, rules: Rules
) -> SessionContext:
    """Return the context of a session, or of the part of it that is a phase (``whole_session``)."""
    closed = session.outcome is not Outcome.RUNNING
    executions = find_executions(session.tasks)
    return SessionContext(
        facts,
        session,
        executions.fanouts,
        executions.sequential_runs,
        closed=closed,
        lost=closed and session.end is None,
        classify=rules.classify,
        price=rules.price,
        scales=rules.scales,
        whole_session=replace(
            session,
            tool_calls=whole_session.tool_calls,
            model_calls=whole_session.model_calls,
            permissions=whole_session.permissions,
            hooks_run=whole_session.hooks_run,
        ),
        known_lone_tasks=executions.lone_tasks,
    )


def _compute_sums(context: SessionContext, without: AbstractSet[str]) -> Sums:
    contributions = (contribution for name, contribution in CONTRIBUTIONS.items() if name not in without)
    of_calls: Additions = Counter()
    add_up_tool_calls(context.session.tool_calls, 1, of_calls)
    return sum_by_measure((*(contribution.compute(context) for contribution in contributions), of_calls))


def _select_phase(facts: SessionFacts, session: Session, phase: Phase) -> tuple[SessionFacts, Session]:
    """Return the part of a session that belongs to a phase, and its facts.

    Entities that name the phase belong to it, else those that began during it. If several phases have the
    same name, a task must name the phase and begin during it.
    """
    is_only_one = sum(other.name == phase.name for other in session.phases) == 1
    end = phase.end if phase.end is not None else session.last + 1
    during = None if phase.start is None else Interval(phase.start, end)
    tasks = tuple(task for task in session.tasks if _is_task_of(task, phase, during, is_only_one=is_only_one))
    ids = {task.id for task in tasks}
    calls = tuple(call for call in session.tool_calls if _is_call_of(call, ids, during))
    leaves = {
        EntityKind.PHASE: {
            key: entity_facts
            for key, entity_facts in facts.leaves.get(EntityKind.PHASE, {}).items()
            if key == phase.id
        },
        EntityKind.SCORE: {
            key: entity_facts
            for key, entity_facts in facts.leaves.get(EntityKind.SCORE, {}).items()
            if (get_text(entity_facts, fact_fields.OF), get_text(entity_facts, fact_fields.OF_ID))
            in {(EntityKind.PHASE, phase.id), *((EntityKind.TASK, id) for id in ids)}
        },
        EntityKind.MESSAGE: {
            key: entity_facts
            for key, entity_facts in facts.leaves.get(EntityKind.MESSAGE, {}).items()
            if _is_in_interval(entity_facts, during)
        },
    }
    part = replace(
        session, turns=(), tasks=tasks, tool_calls=calls, phases=(phase,), start=phase.start or session.start
    )
    return replace(facts, leaves=leaves), part


def _is_task_of(task: Task, phase: Phase, during: Interval | None, *, is_only_one: bool) -> bool:
    names_phase = task.phase == phase.name
    if task.phase is not None and not names_phase:
        return False
    if (names_phase and is_only_one) or during is None or task.start is None:
        return names_phase
    return during.start <= task.start < during.end


def _is_call_of(call: ToolCall, tasks: set[str], during: Interval | None) -> bool:
    if call.task is not None:
        return call.task in tasks
    return during is not None and call.start is not None and during.start <= call.start < during.end


def _is_in_interval(entity_facts: EntityFacts, during: Interval | None) -> bool:
    time = get_number(entity_facts, fact_fields.TIME)
    return during is not None and time is not None and during.start <= time < during.end
