"""Held: one session in the ingest's hands, with what it has added to the sums so far."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from stretto.figures.fanouts import Fanout, SequentialRun, find_fanouts, find_sequential_runs
from stretto.model.conclude import Classify, conclude_session, has_session_ended
from stretto.model.conclude_leaves import conclude_phases
from stretto.model.entities import Phase, Session, Task, ToolCall, Turn
from stretto.model.event import Event, Outcome
from stretto.model.facts import EntityFacts, SessionFacts
from stretto.model.fold import fold_events
from stretto.model.model_call_cost import NewUsage, Price, get_reported_cost
from stretto.model.score_scales import SCALES, Scales
from stretto.names.fields import EntityKind
from stretto.store.contributions.contribution import SessionContext
from stretto.store.contributions.registry import CONTRIBUTIONS
from stretto.store.rollup import Additions
from stretto.store.session_model_calls import ModelCallSums
from stretto.store.session_tool_calls import ToolCallSums

T = TypeVar("T")

Executions = tuple[Sequence[tuple[str | int, ...]], Sequence[tuple[str | int, ...]]]
"""The rows of a session's sequential runs, and of its fan-outs."""

_decode = msgspec.json.Decoder(dict[str, tuple[int, int | str]]).decode


@dataclass(frozen=True, slots=True)
class Rules:
    """What conclusions are made by."""

    classify: Classify
    price: Price = get_reported_cost
    scales: Scales = SCALES


@dataclass(slots=True)
class NewlyEnded:
    """What was found to have ended: the news of a batch, for live counters and spans."""

    sessions: list[Session] = field(default_factory=list)
    turns: list[tuple[Session, Turn]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    tool_calls: list[ToolCall] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    used: list[NewUsage] = field(default_factory=list)
    """What model calls used, as it becomes known."""
    fanouts: list[tuple[Session, Fanout]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SettledSession:
    """A session as it now stands, with its executions."""

    session: Session
    fanouts: tuple[Fanout, ...]
    sequential_runs: tuple[SequentialRun, ...]


@dataclass(slots=True)
class SessionState:
    """A session's facts and the additions they have made to the sums.

    ``dirty`` names the entities whose facts are not yet written.
    """

    facts: SessionFacts
    lost: bool = False
    arrived: str = ""
    """The last journal file, in the order of names, that told of it."""
    dirty: set[tuple[str, str]] = field(default_factory=set)
    tool_calls: ToolCallSums = field(default_factory=ToolCallSums)
    model_calls: ModelCallSums = field(default_factory=ModelCallSums)
    open_model_calls: set[str] = field(default_factory=set)
    """Model calls touched since they were last concluded."""
    counted: dict[str, Additions] = field(default_factory=dict)
    """What each part (``CONTRIBUTIONS``) adds."""
    settled: SessionContext | None = None
    """The session as it was when the parts were counted."""
    executions: Executions | None = None
    """The rows of fan-outs and sequential runs as they stand in the store; None where that is not known."""
    ended: dict[str, set[str]] = field(default_factory=dict)
    """The ids of entities already reported as ended, by kind."""

    @property
    def over(self) -> bool:
        """Whether the session was last found to have ended."""
        return bool(self.ended.get("session"))

    @property
    def all_counted(self) -> Additions:
        """All that the session has added to the sums."""
        counted = self.tool_calls.additions()
        for part in self.counted.values():
            counted.update(part)
        for amounts in self.model_calls.counted.values():
            for addition, amount in amounts:
                counted[addition] += amount
        return counted

    def apply(self, events: Sequence[Event]) -> None:
        """Merge events of this session."""
        touched = fold_events(self.facts, events)
        self.dirty |= touched
        self.tool_calls.touch([key for kind, key in touched if kind == EntityKind.CALL])
        self.open_model_calls.update([key for kind, key in touched if kind == EntityKind.MODEL])

    def settle(self, rules: Rules, change: Additions, news: NewlyEnded) -> SettledSession:
        """Conclude again: add by how much the sums change, and tell the news of what has ended."""
        session = conclude_session(self.facts, lost=self.lost, classify=rules.classify, calls=False)
        closed = self.lost or has_session_ended(self.facts)
        reported = self.ended.setdefault("call", set())
        self.tool_calls.settle(self.facts, change, closed=closed, news=news.tool_calls, reported=reported)
        # A recording's calls were not made now, whatever their times say.
        used = [] if session.recording else news.used
        self.model_calls.settle(self.facts, self.open_model_calls, rules.price, change, used)
        self.open_model_calls = set()
        settling = self._settling(session, rules, closed=closed)
        self._settle_parts(settling, change)
        self._report_session(session, settling.fanouts, news)
        return SettledSession(session, settling.fanouts, settling.sequential_runs)

    def _settling(self, session: Session, rules: Rules, *, closed: bool) -> SessionContext:
        before = self.settled
        if before is not None and before.session.tasks == session.tasks:
            executions = before.fanouts, before.sequential_runs
        else:
            executions = find_fanouts(session.tasks), find_sequential_runs(session.tasks)
        return SessionContext(
            self.facts,
            session,
            *executions,
            closed=closed,
            lost=self.lost,
            classify=rules.classify,
            price=rules.price,
            scales=rules.scales,
            concluded=self.tool_calls.concluded,
        )

    def _settle_parts(self, settling: SessionContext, change: Additions) -> None:
        """Count again the parts that read what has changed, and add to ``change`` by how much they did."""
        changed = {kind for kind, _ in self.dirty}
        if self.settled is not None:
            changed |= settling.find_changes(self.settled)
        for name, part in CONTRIBUTIONS.items():
            if self.settled is None or not part.reads.isdisjoint(changed):
                before, counted = self.counted.pop(name, None), part.compute(settling)
                if counted:
                    self.counted[name] = counted
                if counted != before:
                    _add_signed(change, counted, 1)
                    _add_signed(change, before, -1)
        self.settled = settling

    def _report_session(self, session: Session, found: Iterable[Fanout], news: NewlyEnded) -> None:
        for task in session.tasks:
            if task.end is not None:
                self._report("task", task.id, news.tasks, task)
        for turn in session.turns:
            if turn.end is not None:
                self._report("turn", turn.id, news.turns, (session, turn))
        if not session.recording and self.facts.leaves.get(EntityKind.PHASE):
            for phase in conclude_phases(self.facts, closed=False):
                if phase.end is not None:
                    self._report("phase", phase.id, news.phases, phase)
        for fanout in found:
            self._report("fanout", fanout.tasks[0].id, news.fanouts, (session, fanout))
        if session.outcome is Outcome.RUNNING:
            # A session can be resumed, and then ends again.
            self.ended.pop("session", None)
        else:
            self._report("session", "", news.sessions, session)

    def _report(self, kind: str, key: str, news: list[T], item: T) -> None:
        reported = self.ended.setdefault(kind, set())
        if key not in reported:
            reported.add(key)
            news.append(item)


def load_session_state(connection: sqlite3.Connection, session_id: str, rules: Rules) -> SessionState:
    """Return a session as last written, or a new one; what it has added so far is worked out again."""
    facts = load_facts(connection, session_id)
    row = connection.execute("SELECT lost, arrived FROM sessions WHERE id = ?", (session_id,)).fetchone()
    held = SessionState(facts, lost=bool(row and row[0]), arrived=row[1] if row else "")
    if row:
        held.tool_calls.touch(facts.calls)
        held.open_model_calls = set(facts.model_calls)
        held.settle(rules, Counter(), NewlyEnded())
    return held


def load_facts(connection: sqlite3.Connection, session_id: str) -> SessionFacts:
    """Return what is known of a session; empty where it is unknown."""
    facts = SessionFacts(session_id)
    rows = connection.execute("SELECT kind, id, known FROM facts WHERE session = ?", (session_id,))
    for kind, key, known in rows:
        facts.restore_entity(kind, key, _decode_facts(known))
    return facts


def load_session_facts(connection: sqlite3.Connection, session_id: str) -> SessionFacts:
    """Return what is known of a session itself, without anything that happened in it."""
    facts = SessionFacts(session_id)
    rows = connection.execute("SELECT known FROM facts WHERE session = ? AND kind = 'session'", (session_id,))
    for (known,) in rows:
        facts.session = _decode_facts(known)
    return facts


def _decode_facts(known: bytes) -> EntityFacts:
    return _decode(known)


def _add_signed(change: Additions, counted: Additions | None, sign: int) -> None:
    for addition, value in (counted or {}).items():
        change[addition] = change.get(addition, 0) + sign * value
