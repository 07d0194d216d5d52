"""Held: one session in the ingest's hands, with what it has added to the sums so far."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from stretto.figures.parallel import Fanout, SequentialRun, fanouts, sequential_runs
from stretto.model.calls import conclude_call
from stretto.model.conclude import Classify, conclude, session_ended
from stretto.model.conclude_others import conclude_phases
from stretto.model.cost import Price, Used, as_said
from stretto.model.entities import Phase, Session, Task, ToolCall, Turn
from stretto.model.event import Event, Outcome
from stretto.model.facts import Facts, Known
from stretto.model.fold import apply
from stretto.model.scale import SCALES, Scales
from stretto.store.additions.calls import amounts_of_call, of_call
from stretto.store.additions.part import Settling
from stretto.store.additions.parts import PARTS
from stretto.store.model_calls import ModelCalls
from stretto.store.rollup import Addition, Additions, Amount

T = TypeVar("T")

Executions = tuple[Sequence[tuple[str | int, ...]], Sequence[tuple[str | int, ...]]]
"""The rows of a session's sequential runs, and of its fan-outs."""

_decode = msgspec.json.Decoder(dict[str, tuple[int, int | str]]).decode


@dataclass(frozen=True, slots=True)
class Rules:
    """What conclusions are made by."""

    classify: Classify
    price: Price = as_said
    scales: Scales = SCALES


@dataclass(slots=True)
class Ended:
    """What was found to have ended: the news of a batch, for live counters and spans."""

    sessions: list[Session] = field(default_factory=list)
    turns: list[tuple[Session, Turn]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    tool_calls: list[ToolCall] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    used: list[Used] = field(default_factory=list)
    """What model calls used, as it becomes known."""
    fanouts: list[tuple[Session, Fanout]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Settled:
    """A session as it now stands, and by how much the sums change for it."""

    change: Additions
    session: Session
    fanouts: tuple[Fanout, ...]
    sequential_runs: tuple[SequentialRun, ...]


@dataclass(slots=True)
class Held:
    """A session's facts and the additions they have made to the sums.

    ``dirty`` names the entities whose facts are not yet written.
    """

    facts: Facts
    lost: bool = False
    arrived: str = ""
    """The last journal file, in the order of names, that told of it."""
    dirty: set[tuple[str, str]] = field(default_factory=set)
    open_calls: set[str] = field(default_factory=set)
    """Calls that may conclude differently than before: without an end, or touched since."""
    counted_calls: dict[str, tuple[Addition, ...]] = field(default_factory=dict)
    counted_amounts: dict[str, tuple[Amount, ...]] = field(default_factory=dict)
    repeats: dict[str, int] = field(default_factory=dict)
    """Calls beyond the first behind one key, where an agent's calls have no ids."""
    counted: dict[str, Additions] = field(default_factory=dict)
    """What each part (``PARTS``) adds."""
    executions: Executions | None = None
    """The rows of fan-outs and sequential runs as they stand in the store; None where that is not known."""
    open_model_calls: set[str] = field(default_factory=set)
    """Model calls touched since they were last concluded."""
    model_calls: ModelCalls = field(default_factory=ModelCalls)
    ended: dict[str, set[str]] = field(default_factory=dict)
    """The ids of entities already reported as ended, by kind."""

    @property
    def over(self) -> bool:
        """Whether the session was last found to have ended."""
        return bool(self.ended.get("session"))

    @property
    def all_counted(self) -> Additions:
        """All that the session has added to the sums."""
        counted: Additions = Counter()
        for part in self.counted.values():
            counted.update(part)
        for added in self.counted_calls.values():
            counted.update(added)
        for amounts in (*self.counted_amounts.values(), *self.model_calls.counted.values()):
            for addition, amount in amounts:
                counted[addition] += amount
        return counted

    def apply(self, events: Sequence[Event]) -> None:
        """Merge events of this session."""
        touched = apply(self.facts, events)
        self.dirty |= touched
        self.open_calls.update([key for kind, key in touched if kind == "call"])
        self.open_model_calls.update([key for kind, key in touched if kind == "model"])

    def settle(self, rules: Rules, news: Ended) -> Settled:
        """Conclude again: return by how much the sums change, and tell the news of what has ended."""
        session = conclude(self.facts, lost=self.lost, classify=rules.classify, calls=False)
        found = fanouts(session.tasks)
        runs = sequential_runs(session.tasks)
        change = self._settle_calls(news)
        # A recording's calls were not made now, whatever their times say.
        used = [] if session.recording else news.used
        change.update(self.model_calls.settle(self.facts, self.open_model_calls, rules.price, used))
        self.open_model_calls = set()
        self._settle_parts(session, found, runs, rules, change)
        self._report_session(session, found, news)
        return Settled(change, session, found, runs)

    def _settle_parts(
        self,
        session: Session,
        found: tuple[Fanout, ...],
        runs: tuple[SequentialRun, ...],
        rules: Rules,
        change: Additions,
    ) -> None:
        settling = Settling(
            self.facts,
            session,
            found,
            runs,
            closed=self.lost or session_ended(self.facts),
            lost=self.lost,
            classify=rules.classify,
            price=rules.price,
            scales=rules.scales,
        )
        changed = {"session", *(kind for kind, _ in self.dirty)}
        for name, part in PARTS.items():
            if name not in self.counted or part.kinds & changed:
                counted = part.additions(settling)
                change.update(counted)
                change.subtract(self.counted.get(name, {}))
                self.counted[name] = counted

    def _settle_calls(self, news: Ended) -> Additions:
        new: list[Addition] = []
        gone: list[Addition] = []
        change: Additions = Counter()
        closed = self.lost or session_ended(self.facts)
        still_open: set[str] = set()
        for call_id in self.open_calls:
            calls = conclude_call(self.facts, call_id, closed=closed)
            if len(calls) > 1:
                self.repeats[call_id] = len(calls) - 1
            added = tuple(addition for call in calls for addition in of_call(call))
            before = self.counted_calls.get(call_id, ())
            if added != before:
                new += added
                gone += before
                self.counted_calls[call_id] = added
            self._count_amounts(call_id, calls, change)
            for call in calls:
                if call.end is None:
                    still_open.add(call_id)
                else:
                    self._report("call", call.id, news.tool_calls, call)
        self.open_calls = still_open
        change.update(new)
        change.subtract(gone)
        return change

    def _count_amounts(self, call_id: str, calls: Sequence[ToolCall], change: Additions) -> None:
        added = tuple(amount for call in calls for amount in amounts_of_call(call))
        before = self.counted_amounts.get(call_id, ())
        if added != before:
            for addition, amount in added:
                change[addition] += amount
            for addition, amount in before:
                change[addition] -= amount
            self.counted_amounts[call_id] = added

    def _report_session(self, session: Session, found: Iterable[Fanout], news: Ended) -> None:
        for task in session.tasks:
            if task.end is not None:
                self._report("task", task.id, news.tasks, task)
        for turn in session.turns:
            if turn.end is not None:
                self._report("turn", turn.id, news.turns, (session, turn))
        if not session.recording and self.facts.others.get("phase"):
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


def load(connection: sqlite3.Connection, session_id: str, rules: Rules) -> Held:
    """Return a session as last written, or a new one; what it has added so far is worked out again."""
    facts = load_facts(connection, session_id)
    row = connection.execute("SELECT lost, arrived FROM sessions WHERE id = ?", (session_id,)).fetchone()
    held = Held(facts, lost=bool(row and row[0]), arrived=row[1] if row else "")
    if row:
        held.open_calls = set(facts.calls)
        held.open_model_calls = set(facts.model_calls)
        held.settle(rules, Ended())
    return held


def load_facts(connection: sqlite3.Connection, session_id: str) -> Facts:
    """Return what is known of a session; empty where it is unknown."""
    facts = Facts(session_id)
    rows = connection.execute("SELECT kind, id, known FROM facts WHERE session = ?", (session_id,))
    for kind, key, known in rows:
        facts.put(kind, key, _decoded(known))
    return facts


def load_session_facts(connection: sqlite3.Connection, session_id: str) -> Facts:
    """Return what is known of a session itself, without anything that happened in it."""
    facts = Facts(session_id)
    rows = connection.execute("SELECT known FROM facts WHERE session = ? AND kind = 'session'", (session_id,))
    for (known,) in rows:
        facts.session = _decoded(known)
    return facts


def _decoded(known: bytes) -> Known:
    return _decode(known)
