"""The state of a session in memory: its facts, and the additions that they have made to the sums so far."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from stretto.figures.fanouts import (
    NO_EXECUTIONS,
    Executions,
    find_executions,
    join_executions,
)
from stretto.model.calls_from_facts import find_model_calls_completed_by_delegations
from stretto.model.conclude_session import conclude_session, get_session_times, is_session_over
from stretto.model.entities import Session, Task
from stretto.model.event import Event, Outcome
from stretto.model.facts import ENTITY_KINDS, EntityFacts, SessionFacts
from stretto.model.fold import fold_events
from stretto.model.join_channel_reports import find_changed_entities, join_facts
from stretto.model.match_reports_across_channels import merge_entity_facts
from stretto.model.phases_messages_and_scores_from_facts import conclude_phases
from stretto.model.unchanged_task_memory import TaskMemory
from stretto.names.fact_fields import EntityKind
from stretto.store.concluded_session import ConcludedSession, NewlyEnded, Rules
from stretto.store.contributions.contribution import SessionContext
from stretto.store.contributions.remembered_additions import ContributionSums
from stretto.store.incremental_model_call_sums import ModelCallSums
from stretto.store.incremental_tool_call_sums import ToolCallSums
from stretto.store.packed_session import pack_session_if_long
from stretto.store.reused_conclusion import Conclusion
from stretto.store.run_rows import NO_RUNS, RunRows
from stretto.store.session_search import NO_WORDS
from stretto.store.session_task_counts import TaskCounts
from stretto.store.settled_part import SettledPart
from stretto.store.settled_tasks import find_settled_tasks
from stretto.store.stored_facts import FactsForm, find_facts_form, load_all_facts
from stretto.store.sums_by_time_slot import Additions
from stretto.store.write_execution_rows import NO_ROWS, ExecutionRows

T = TypeVar("T")

# Looking up a member takes four times as long as a name, and every changed entity is asked.
_CALL, _MODEL = EntityKind.CALL, EntityKind.MODEL

SETTLES_AT = 32
"""Tasks that are not settled, from which on some are: each costs some 15 µs with every event of a task."""

KEEPS_OPEN = 12
"""Tasks that stay open: it costs most to conclude all of them again, after a late report about one."""


@dataclass(slots=True)
class SessionState:
    """A session's facts and the additions that they have made to the sums."""

    facts: SessionFacts
    joined: SessionFacts | None = None
    """The facts with all ids joined, as last concluded; ``facts`` itself if there is nothing to join."""
    lost: bool = False
    arrived: str = ""
    """The last journal file, in the order of names, that has an event of the session."""
    changed_entities: set[tuple[str, str]] = field(default_factory=set)
    """(kind, key) of the entities whose facts are not yet written."""
    facts_form: FactsForm = FactsForm.NONE
    """How the facts are stored now."""
    joined_entities: set[str] = field(default_factory=set)
    """The kinds of entity that the last join changed."""
    tool_calls: ToolCallSums = field(default_factory=ToolCallSums)
    model_calls: ModelCallSums = field(default_factory=ModelCallSums)
    changed_model_calls: set[str] = field(default_factory=set)
    """Model calls with new facts since they were last concluded."""
    contributions: ContributionSums = field(default_factory=ContributionSums)
    """What everything but the calls has added."""
    conclusion: Conclusion | None = None
    """What was last concluded, if it may be reused."""
    task_memory: TaskMemory = field(default_factory=TaskMemory)
    """The tasks that were last concluded."""
    settled: SettledPart | None = None
    """The part of the session that events about later work leave as it is."""
    settles_at: int = SETTLES_AT
    """With so many tasks that are not settled, it is tried to settle some."""
    keeps_open: int = KEEPS_OPEN
    """The last so many tasks are not settled: reports about them may still come."""
    rest_tasks: tuple[Task, ...] = ()
    """The tasks that are not settled, as last concluded."""
    rest: Executions = NO_EXECUTIONS
    """Their executions."""
    rest_follows: SettledPart | None = None
    """The settled part that these executions were found beside."""
    executions: ExecutionRows | None = NO_ROWS
    """The stored rows of fan-outs and sequential runs. None if unknown."""
    written: ConcludedSession | None = None
    """The state whose executions were last written."""
    task_counts: TaskCounts | None = None
    """The counts of the tasks of ``written``."""
    run_rows: RunRows | None = NO_RUNS
    """The stored rows of what the session leaves. None if unknown."""
    words: tuple[int, str] | None = NO_WORDS
    """Start (ns) and words of the session as they are stored for searches. None if unknown."""
    reported_ends: dict[str, set[str]] = field(default_factory=dict)
    """The ids of entities already reported as ended, by kind."""

    @property
    def call_count(self) -> int:
        """The number of tool calls."""
        return len((self.joined or self.facts).calls) + self.tool_calls.repeats

    @property
    def over(self) -> bool:
        """Whether the session had ended when it was last concluded."""
        return bool(self.reported_ends.get("session"))

    def sum_additions(self) -> Additions:
        """Return all that the session has added to the sums."""
        total = self.tool_calls.sum_additions()
        total.update(self.contributions.sum_additions())
        total.update(self.model_calls.sum_additions())
        return total

    def pack_if_long(self) -> bytes | None:
        """Return the session as last concluded, packed, if it is over and long (``packed_session``)."""
        context = self.contributions.context
        return None if context is None else pack_session_if_long(context, self.contributions)

    def apply_events(self, events: Sequence[Event]) -> None:
        """Merge events of this session into its facts."""
        changed = fold_events(self.facts, events)
        self.changed_entities |= changed
        calls = [key for kind, key in changed if kind == _CALL]
        self.tool_calls.mark_changed(calls)
        self.changed_model_calls.update([key for kind, key in changed if kind == _MODEL])
        self._mark_completed_answers(self.facts, calls)

    def absorb_facts(self, facts: SessionFacts) -> None:
        """Merge the facts of another session, which turned out to be a part of this one."""
        for kind in ENTITY_KINDS:
            merged: dict[str, EntityFacts] = {}
            for key, entity_facts in facts.get_table(kind).items():
                if entity_facts:
                    merged[key] = self.facts.get_entity(kind, key)
                    merge_entity_facts(merged[key], entity_facts)
                    self.changed_entities.add((kind, key))
            if merged:
                self.facts.restore_entities(kind, merged)
        self.tool_calls.mark_changed(facts.calls)
        self.changed_model_calls.update(facts.model_calls)

    def update_sums(
        self, rules: Rules, change: Additions, newly_ended: NewlyEnded, *, idle_before: int | None = None
    ) -> ConcludedSession:
        """Conclude the session, add the change of its sums to ``change``, and collect what newly ended.

        A session that is not over and whose last event is before ``idle_before`` (ns) is lost.
        """
        facts = self._join_facts()
        if idle_before is not None and not is_session_over(facts, lost=self.lost):
            self.lost = get_session_times(facts)[1] < idle_before
        session = self._conclude_session(facts, rules)
        closed = is_session_over(facts, lost=self.lost)
        self.tool_calls.update_sums(
            facts,
            change,
            closed=closed,
            newly_ended=newly_ended.tool_calls,
            reported=self.reported_ends.setdefault("call", set()),
        )
        # Model calls of a recording are not made now, whatever their times are.
        new_usage = [] if session.recording else newly_ended.used
        self.model_calls.update_sums(facts, self.changed_model_calls, rules.price, change, new_usage)
        self.changed_model_calls = set()
        before = self.contributions.context
        reported_tasks = () if before is None else before.session.tasks
        context = self._make_context(facts, session, rules, closed=closed)
        changed = {kind for kind, _ in self.changed_entities} | self.joined_entities
        self.contributions.update(context, self._make_rest_context(context), changed, change)
        # Tasks and turns that were reused have been reported.
        if session.tasks is not reported_tasks or before is None or before.session.turns is not session.turns:
            self._report_tasks_and_turns(session, newly_ended)
        self._report_other_ends(session, newly_ended)
        if len(self.rest_tasks) >= self.settles_at:
            self._settle_tasks(context, change)
        return ConcludedSession(
            session, context.fanouts, context.sequential_runs, self.settled, self.rest_tasks, self.rest
        )

    def _conclude_session(self, facts: SessionFacts, rules: Rules) -> Session:
        """Conclude turns and tasks, or reuse the last conclusion if nothing changed that they depend on."""
        # Joined facts come out anew with each join: which of them changed is not known by entity.
        if facts is not self.facts:
            self._unsettle_tasks()
            self.conclusion, self.task_memory = None, TaskMemory()
            session = conclude_session(facts, lost=self.lost, classify=rules.classify, calls=False)
            self.rest_tasks = session.tasks
            return session
        self.task_memory.forget(self.changed_entities)
        if self.settled is not None and self.settled.tasks.are_touched(
            facts, self.changed_entities, lost=self.lost
        ):
            self._unsettle_tasks()
        if self.conclusion is not None:
            reused = self.conclusion.reuse(facts, self.changed_entities, lost=self.lost)
            if reused is not None:
                return reused
        concluded = self._conclude_rest(facts, rules) or self._conclude_all(facts, rules)
        self.conclusion = Conclusion.of(*concluded, lost=self.lost)
        return concluded[0]

    def _conclude_rest(self, facts: SessionFacts, rules: Rules) -> tuple[Session, SessionFacts] | None:
        """Return the session and the facts that it was concluded from, without those of settled tasks.

        None if no tasks are settled, or if these facts leave them no longer as they are.
        """
        settled = self.settled
        if settled is None:
            return None
        settled.note_changes(facts, self.changed_entities)
        rest_facts = settled.leave_out(facts)
        rest = conclude_session(
            rest_facts, lost=self.lost, classify=rules.classify, calls=False, memory=self.task_memory
        )
        if not settled.is_apart_from(rest):
            self._unsettle_tasks()
            return None
        before = self.conclusion
        if before is not None and rest.tasks is self.rest_tasks:
            return replace(rest, tasks=before.session.tasks), rest_facts
        self.rest_tasks = rest.tasks
        return replace(rest, tasks=settled.tasks.join(rest.tasks)), rest_facts

    def _conclude_all(self, facts: SessionFacts, rules: Rules) -> tuple[Session, SessionFacts]:
        session = conclude_session(
            facts, lost=self.lost, classify=rules.classify, calls=False, memory=self.task_memory
        )
        self.rest_tasks = session.tasks
        return session, facts

    def _settle_tasks(self, context: SessionContext, change: Additions) -> None:
        """Settle the tasks that events about later work leave as they are."""
        facts, session = context.facts, context.session
        self.settles_at = len(self.rest_tasks) + SETTLES_AT - KEEPS_OPEN
        if facts is not self.facts or context.closed:
            return
        most = len(session.tasks) - self.keeps_open
        tasks = find_settled_tasks(facts, session, self.task_memory, most=most)
        if tasks is None or (self.settled is not None and not tasks.go_on_from(self.settled.tasks)):
            return
        self.settled = SettledPart.of(facts, session, tasks, self.settled)
        self.rest_tasks = tasks.list_others(session.tasks)
        self.rest = find_executions(self.rest_tasks, self.rest.fanouts, earlier=self.settled.executions)
        self.rest_follows = self.settled
        self.settles_at = len(self.rest_tasks) + SETTLES_AT - KEEPS_OPEN
        newly_settled = replace(
            context,
            session=replace(session, tasks=self.settled.newly_settled),
            fanouts=self.settled.newly_found.fanouts,
            # The next task may go on with the last series, so it counts with the rest.
            sequential_runs=self.settled.newly_found.list_ended_runs(),
            known_lone_tasks=self.settled.newly_found.lone_tasks,
        )
        self.contributions.settle(newly_settled, self._make_rest_context(context), change)

    def _unsettle_tasks(self) -> None:
        """Let all tasks be concluded from all facts again."""
        if self.settled is not None:
            self.settled, self.conclusion = None, None
            self.contributions.unsettle()

    def _join_facts(self) -> SessionFacts:
        """Join the facts again if they changed, and mark the calls that come out otherwise than before."""
        before = self.joined
        self.joined_entities = set()
        if before is not None and before is not self.facts and not self.changed_entities:
            return before
        self.joined = join_facts(self.facts)
        if self.joined is not self.facts:
            changed = find_changed_entities(before, self.joined)
            self.joined_entities = {kind for kind, _ in changed}
            calls = [key for kind, key in changed if kind == _CALL]
            self.tool_calls.mark_changed(calls)
            self.changed_model_calls |= {key for kind, key in changed if kind == _MODEL}
            self._mark_completed_answers(self.joined, calls)
        return self.joined

    def _mark_completed_answers(self, facts: SessionFacts, calls: Iterable[str]) -> None:
        """Note model calls that an answer may complete (``find_model_calls_completed_by_delegations``)."""
        delegating = [key for key in calls if key in facts.delegating]
        if delegating:
            self.changed_model_calls |= find_model_calls_completed_by_delegations(facts, delegating)

    def _make_context(
        self, facts: SessionFacts, session: Session, rules: Rules, *, closed: bool
    ) -> SessionContext:
        before = self.contributions.context
        known = None if self.rest_follows is not self.settled else before
        if known is not None and known.session.tasks == session.tasks:
            executions = known.fanouts, known.sequential_runs, known.lone_tasks
        else:
            earlier = NO_EXECUTIONS if self.settled is None else self.settled.executions
            fanouts = self.rest.fanouts if known is not None or before is None else before.fanouts
            self.rest = find_executions(self.rest_tasks, fanouts, earlier=earlier)
            self.rest_follows = self.settled
            whole = self.rest if self.settled is None else join_executions(earlier, self.rest)
            executions = whole.fanouts, whole.sequential_runs, whole.lone_tasks
        return SessionContext(
            facts,
            session,
            *executions[:2],
            closed=closed,
            lost=self.lost,
            classify=rules.classify,
            price=rules.price,
            scales=rules.scales,
            concluded=self.tool_calls.concluded,
            known_lone_tasks=executions[2],
            settled=None if self.settled is None else (self.settled.recoveries, self.rest_tasks),
        )

    def _make_rest_context(self, context: SessionContext) -> SessionContext:
        """Return the context without the settled tasks."""
        if self.settled is None:
            return context
        return replace(
            context,
            session=replace(context.session, tasks=self.rest_tasks),
            fanouts=self.rest.fanouts,
            sequential_runs=self.rest.sequential_runs,
            known_lone_tasks=self.rest.lone_tasks,
        )

    def _report_other_ends(self, session: Session, newly_ended: NewlyEnded) -> None:
        if not session.recording and self.facts.leaves.get(EntityKind.PHASE):
            for phase in conclude_phases(self.facts, closed=False):
                if phase.end is not None:
                    self._report_end("phase", phase.id, newly_ended.phases, phase)
        for fanout in self.rest.fanouts:
            self._report_end("fanout", fanout.tasks[0].id, newly_ended.fanouts, (session, fanout))
        if session.outcome is Outcome.RUNNING:
            # A resumed session ends a second time, and is reported a second time.
            self.reported_ends.pop("session", None)
        else:
            self._report_end("session", "", newly_ended.sessions, session)

    def _report_tasks_and_turns(self, session: Session, newly_ended: NewlyEnded) -> None:
        for task in self.rest_tasks:
            if task.end is not None:
                self._report_end("task", task.id, newly_ended.tasks, task)
        for turn in session.turns:
            if turn.end is not None:
                self._report_end("turn", turn.id, newly_ended.turns, (session, turn))

    def _report_end(self, kind: str, key: str, newly_ended: list[T], item: T) -> None:
        reported = self.reported_ends.setdefault(kind, set())
        if key not in reported:
            reported.add(key)
            newly_ended.append(item)


def load_session_state(connection: sqlite3.Connection, session_id: str, rules: Rules) -> SessionState:
    """Return the state of a stored session, its additions computed again, or that of a new session."""
    row = connection.execute("SELECT lost, arrived FROM sessions WHERE id = ?", (session_id,)).fetchone()
    if row is None:
        return SessionState(SessionFacts(session_id))
    facts = load_all_facts(connection, session_id)
    state = SessionState(facts, lost=bool(row[0]), arrived=row[1])
    state.facts_form = find_facts_form(connection, session_id)
    state.executions, state.run_rows, state.words = None, None, None
    state.tool_calls.mark_changed(facts.calls)
    state.changed_model_calls = set(facts.model_calls)
    state.update_sums(rules, Counter(), NewlyEnded())
    return state
