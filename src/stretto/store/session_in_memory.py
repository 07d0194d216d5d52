"""The state of a session in memory: its facts, and the additions that they have made to the sums so far."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from stretto.figures.fanouts import Executions, Fanout, SequentialRun, find_executions
from stretto.model.conclude import conclude_session, get_session_times, is_session_over
from stretto.model.conclude_calls import find_unfinished_answers
from stretto.model.conclude_leaves import conclude_phases
from stretto.model.conclude_tasks import Classify
from stretto.model.entities import Phase, Session, Task, ToolCall, Turn
from stretto.model.event import Event, Outcome
from stretto.model.facts import ENTITY_KINDS, SessionFacts
from stretto.model.fold import fold_events
from stretto.model.join import find_changed_entities, join_facts
from stretto.model.match_unnamed_reports import merge_entity_facts
from stretto.model.priced_usage import NewUsage, Price, get_reported_cost
from stretto.model.score_scales import SCALES, Scales
from stretto.model.task_memory import TaskMemory
from stretto.names.fact_fields import EntityKind
from stretto.store.contributions.contribution import SessionContext
from stretto.store.contributions.parts import PartSums, add_difference
from stretto.store.contributions.registry import CONTRIBUTIONS
from stretto.store.model_call_sums import ModelCallSums
from stretto.store.reused_conclusion import Conclusion
from stretto.store.rollup import Additions
from stretto.store.run_rows import NO_RUNS, RunRows
from stretto.store.stored_facts import FactsForm, find_facts_form, load_all_facts
from stretto.store.tool_call_sums import ToolCallSums

T = TypeVar("T")

ExecutionRows = tuple[Sequence[tuple[str | int | None, ...]], Sequence[tuple[str | int | None, ...]]]
"""The stored rows of a session's sequential runs, and those of its fan-outs."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The configured rules that sessions are concluded by."""

    classify: Classify
    price: Price = get_reported_cost
    scales: Scales = SCALES


@dataclass(slots=True)
class NewlyEnded:
    """The entities that ended with a batch, for live counters and spans."""

    sessions: list[Session] = field(default_factory=list)
    turns: list[tuple[Session, Turn]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    tool_calls: list[ToolCall] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    used: list[NewUsage] = field(default_factory=list)
    """Newly reported usage of model calls."""
    fanouts: list[tuple[Session, Fanout]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SettledSession:
    """A session as concluded from all facts so far, with its executions."""

    session: Session
    fanouts: tuple[Fanout, ...]
    sequential_runs: tuple[SequentialRun, ...]

    def has_same_tasks(self, other: SettledSession) -> bool:
        """Return whether the tasks and their executions are the very ones of an earlier state."""
        return self.session.tasks is other.session.tasks and self.fanouts is other.fanouts

    def has_same_executions(self, other: SettledSession) -> bool:
        """Return whether the executions are those of an earlier state of the session, and filed alike."""
        now, then = self.session, other.session
        return (
            self.fanouts is other.fanouts
            and self.sequential_runs is other.sequential_runs
            and (now.project, now.pattern) == (then.project, then.pattern)
        )


@dataclass(frozen=True, slots=True)
class TaskColumns:
    """The columns of a session's row in the list that depend on its tasks alone."""

    running: int
    failed: int
    delivered: int
    delivered_work: int | None
    """Nanoseconds; None without fan-outs, as ``elapsed``."""
    elapsed: int | None
    agents: str
    """The agents' names as ``session_finder.encode_items`` writes them."""


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
    additions: dict[str, Additions] = field(default_factory=dict)
    """The additions of each contribution without parts, by its name in ``CONTRIBUTIONS``."""
    part_sums: dict[str, PartSums] = field(default_factory=dict)
    """Those of each contribution that consists of parts."""
    last_context: SessionContext | None = None
    """The context that the additions were computed from."""
    conclusion: Conclusion | None = None
    """What was last concluded, if it may be reused."""
    task_memory: TaskMemory = field(default_factory=TaskMemory)
    """The tasks that were last concluded."""
    executions: ExecutionRows | None = None
    """The stored rows of fan-outs and sequential runs. None if unknown."""
    written: SettledSession | None = None
    """The state whose executions were last written."""
    task_columns: TaskColumns | None = None
    """The columns that were last made of the tasks of ``written``."""
    run_rows: RunRows | None = NO_RUNS
    """The stored rows of what the session leaves. None if unknown."""
    words: tuple[int, str] | None = None
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
        for additions in self.additions.values():
            total.update(additions)
        for sums in self.part_sums.values():
            total.update(sums.sum_additions())
        total.update(self.model_calls.sum_additions())
        return total

    def apply_events(self, events: Sequence[Event]) -> None:
        """Merge events of this session into its facts."""
        changed = fold_events(self.facts, events)
        self.changed_entities |= changed
        self.tool_calls.mark_changed([key for kind, key in changed if kind == EntityKind.CALL])
        self.changed_model_calls.update([key for kind, key in changed if kind == EntityKind.MODEL])
        self._mark_completed_answers(self.facts, changed)

    def absorb_facts(self, facts: SessionFacts) -> None:
        """Merge the facts of another session, which turned out to be a part of this one."""
        for kind in ENTITY_KINDS:
            for key, entity_facts in facts.get_table(kind).items():
                if not entity_facts:
                    continue
                merged = self.facts.get_entity(kind, key)
                merge_entity_facts(merged, entity_facts)
                self.facts.restore_entity(kind, key, merged)
                self.changed_entities.add((kind, key))
        self.tool_calls.mark_changed(facts.calls)
        self.changed_model_calls.update(facts.model_calls)

    def update_sums(
        self, rules: Rules, change: Additions, newly_ended: NewlyEnded, *, idle_before: int | None = None
    ) -> SettledSession:
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
        before = None if self.last_context is None else self.last_context.session
        context = self._make_context(facts, session, rules, closed=closed)
        self._update_contributions(context, change)
        # Tasks and turns that were reused have been reported.
        if before is None or before.tasks is not session.tasks or before.turns is not session.turns:
            self._report_tasks_and_turns(session, newly_ended)
        self._report_other_ends(session, context.fanouts, newly_ended)
        return SettledSession(session, context.fanouts, context.sequential_runs)

    def _conclude_session(self, facts: SessionFacts, rules: Rules) -> Session:
        """Conclude turns and tasks, or reuse the last conclusion if nothing changed that they depend on."""
        # Joined facts come out anew with each join: which of them changed is not known by entity.
        if facts is not self.facts:
            self.conclusion, self.task_memory = None, TaskMemory()
            return conclude_session(facts, lost=self.lost, classify=rules.classify, calls=False)
        self.task_memory.forget(self.changed_entities)
        if self.conclusion is not None:
            session = self.conclusion.reuse(facts, self.changed_entities, lost=self.lost)
            if session is not None:
                return session
        session = conclude_session(
            facts, lost=self.lost, classify=rules.classify, calls=False, memory=self.task_memory
        )
        self.conclusion = Conclusion.of(session, facts, lost=self.lost)
        return session

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
            self.tool_calls.mark_changed([key for kind, key in changed if kind == EntityKind.CALL])
            self.changed_model_calls |= {key for kind, key in changed if kind == EntityKind.MODEL}
            self._mark_completed_answers(self.joined, changed)
        return self.joined

    def _mark_completed_answers(self, facts: SessionFacts, changed: Iterable[tuple[str, str]]) -> None:
        """Note the model calls whose use a changed call may complete (``find_unfinished_answers``)."""
        for kind, key in changed:
            if kind == EntityKind.CALL and key in facts.delegating:
                self.changed_model_calls |= find_unfinished_answers(facts, key)

    def _make_context(
        self, facts: SessionFacts, session: Session, rules: Rules, *, closed: bool
    ) -> SessionContext:
        before = self.last_context
        tasks = session.tasks
        if before is not None and (before.session.tasks is tasks or before.session.tasks == tasks):
            executions = Executions(before.fanouts, before.sequential_runs, before.lone_tasks)
        else:
            executions = find_executions(tasks, () if before is None else before.fanouts)
        return SessionContext(
            facts,
            session,
            executions.fanouts,
            executions.sequential_runs,
            closed=closed,
            lost=self.lost,
            classify=rules.classify,
            price=rules.price,
            scales=rules.scales,
            concluded=self.tool_calls.concluded,
            known_lone_tasks=executions.lone_tasks,
        )

    def _update_contributions(self, context: SessionContext, change: Additions) -> None:
        """Compute the contributions again whose inputs have changed, and add the difference to ``change``."""
        changed = {kind for kind, _ in self.changed_entities} | self.joined_entities
        if self.last_context is not None:
            changed |= context.find_changes(self.last_context)
        for name, contribution in CONTRIBUTIONS.items():
            if self.last_context is None or not contribution.reads.isdisjoint(changed):
                if contribution.list_parts is not None:
                    sums = self.part_sums.setdefault(name, PartSums())
                    sums.update_sums(contribution.list_parts(context), change)
                    continue
                before, additions = self.additions.pop(name, None), contribution.compute(context)
                if additions:
                    self.additions[name] = additions
                if additions != before:
                    add_difference(change, additions, before)
        self.last_context = context

    def _report_other_ends(
        self, session: Session, fanouts: Iterable[Fanout], newly_ended: NewlyEnded
    ) -> None:
        if not session.recording and self.facts.leaves.get(EntityKind.PHASE):
            for phase in conclude_phases(self.facts, closed=False):
                if phase.end is not None:
                    self._report_end("phase", phase.id, newly_ended.phases, phase)
        for fanout in fanouts:
            self._report_end("fanout", fanout.tasks[0].id, newly_ended.fanouts, (session, fanout))
        if session.outcome is Outcome.RUNNING:
            # A resumed session ends a second time, and is reported a second time.
            self.reported_ends.pop("session", None)
        else:
            self._report_end("session", "", newly_ended.sessions, session)

    def _report_tasks_and_turns(self, session: Session, newly_ended: NewlyEnded) -> None:
        for task in session.tasks:
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
    facts = load_all_facts(connection, session_id)
    row = connection.execute("SELECT lost, arrived FROM sessions WHERE id = ?", (session_id,)).fetchone()
    state = SessionState(facts, lost=bool(row and row[0]), arrived=row[1] if row else "")
    if row:
        state.facts_form = find_facts_form(connection, session_id)
        state.run_rows = None
        state.tool_calls.mark_changed(facts.calls)
        state.changed_model_calls = set(facts.model_calls)
        state.update_sums(rules, Counter(), NewlyEnded())
    return state
