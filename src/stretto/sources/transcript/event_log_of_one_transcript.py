"""Event log: collect the events of one transcript, and report each start, end and model call once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from stretto.model.event import Channel, Event, Kind, Outcome, Value, omit_none
from stretto.sources.transcript import reading_state as tables
from stretto.sources.transcript.reading_state import (
    Checkpoint,
    RunState,
    Tokens,
    TranscriptFile,
    remember_entry,
)


class LineContext(NamedTuple):
    """The session, time and agent of a line."""

    session: str
    time: int
    agent: str | None
    """The agent whose task the line belongs to; None for the main agent and for the client's helpers."""
    main: bool
    """Whether the main agent wrote the line."""


class EventLog:
    """The events of a read, and the state behind its checkpoint while lines are added."""

    def __init__(self, transcript: TranscriptFile, checkpoint: Checkpoint) -> None:
        self.events: list[Event] = []
        self._file = transcript
        self._turns = dict(checkpoint.turns)
        self._agents = dict(checkpoint.agents)
        self._tools = dict(checkpoint.tools)
        self._works = dict(checkpoint.works)
        self._usage = dict(checkpoint.usage)
        self._requests = dict(checkpoint.requests)
        self._chains = dict(checkpoint.chains)

    def make_checkpoint(self) -> Checkpoint:
        """Return the state from which a later read of the same file continues."""
        return Checkpoint(
            self._turns,
            self._agents,
            self._tools,
            self._works,
            self._usage,
            self._requests,
            self._chains,
        )

    def add_event(
        self,
        kind: Kind,
        context: LineContext,
        *,
        id: str | None = None,
        name: str | None = None,
        type: str | None = None,
        duration: int | None = None,
        outcome: Outcome | None = None,
        attributes: Mapping[str, Value] | None = None,
    ) -> None:
        """Add an event."""
        self.events.append(
            Event(
                kind=kind,
                session=context.session,
                time=context.time,
                channel=Channel.TRANSCRIPT,
                id=id,
                parent=context.agent,
                duration=duration,
                name=name,
                type=type,
                outcome=outcome,
                attributes=attributes or {},
            )
        )

    # Sessions and turns.

    def has_session(self, session: str) -> bool:
        """Return whether a session's start has been reported."""
        return session in self._turns

    def start_session(self, context: LineContext, attributes: Mapping[str, Value]) -> None:
        """Report a session's start."""
        self.add_event(Kind.SESSION_START, context, attributes=attributes)
        remember_entry(self._turns, context.session, RunState(context.session), tables.OPEN)

    def start_turn(
        self, context: LineContext, id: str | None, origin: str, attributes: Mapping[str, Value]
    ) -> None:
        """Report a turn's start; end the turn before unless the prompt belongs to the same turn."""
        if self._turns[context.session].id != id:
            self.end_answered_turn(context.session)
        self.add_event(Kind.TURN_START, context, id=id, type=origin, attributes=attributes)
        self._turns[context.session] = RunState(context.session, id)

    def end_answered_turn(self, session: str) -> None:
        """End a session's turn at its last answer, if the answer did not say by itself that it was the last.

        Example: an answer at 12 s, then a prompt with a new id at 40 s. The turn ended at 12 s.
        """
        answered = self._turns[session].answered
        if answered is not None:
            self.end_turn_or_run(LineContext(session, answered, None, main=True), Outcome.SUCCESS)

    # Runs of agents.

    def start_run(
        self, context: LineContext, *, again: bool = False, delegated_by: str | None = None
    ) -> None:
        """Report the start of a line's agent, once; with ``again`` also for an agent that has stopped."""
        if context.agent is None:
            return
        run = self._agents.get(context.agent)
        if run is None or (again and run.id is None):
            self._add_run_event(
                Kind.TASK_START, context, {"delegated_by": delegated_by} if delegated_by else {}
            )
            self.mark_running(context.agent, context.session)

    def mark_running(self, agent: str, session: str) -> None:
        """Remember that an agent's start has been reported."""
        remember_entry(self._agents, agent, RunState(session, agent), tables.OPEN)

    def mark_stopped(self, agent: str, session: str) -> None:
        """Remember that an agent's end has been reported."""
        remember_entry(self._agents, agent, RunState(session), tables.OPEN)

    # Answers, which end a turn or an agent's run.

    def note_answer(self, context: LineContext, time: int | None) -> None:
        """Remember when a line's agent answered without a tool call; None withdraws the last answer."""
        if context.main:
            turn = self._turns[context.session]
            self._turns[context.session] = RunState(turn.session, turn.id, time)
        elif context.agent is not None:
            run = self._agents.get(context.agent)
            if run is not None and run.id is not None:
                self._agents[context.agent] = RunState(run.session, run.id, time)

    def end_turn_or_run(self, context: LineContext, outcome: Outcome) -> None:
        """Report the end of the main agent's turn, or of another agent's run."""
        if context.main:
            turn = self._turns[context.session]
            if turn.id is not None:
                self.add_event(Kind.TURN_END, context, id=turn.id, outcome=outcome)
            self._turns[context.session] = RunState(turn.session, turn.id)
        elif context.agent is not None:
            self._add_run_event(Kind.TASK_END, context, {}, outcome)
            self.mark_stopped(context.agent, context.session)

    def end_all_answered(self) -> None:
        """End every turn and run whose last line is an answer, since the file is at rest."""
        for session in list(self._turns):
            self.end_answered_turn(session)
        for agent, run in list(self._agents.items()):
            if run.answered is not None:
                self.end_turn_or_run(
                    LineContext(run.session, run.answered, agent, main=False), Outcome.SUCCESS
                )

    # Facts that one line leaves for a later line.

    def remember_tool(self, id: str, tool: str) -> None:
        """Remember the tool of a call until its result comes."""
        remember_entry(self._tools, id, tool, tables.OPEN)

    def pop_tool(self, id: str) -> str | None:
        """Return and forget the tool of a call."""
        return self._tools.pop(id, None)

    def remember_work(self, id: str, work: dict[str, str | int]) -> None:
        """Remember the test framework or the written file of a call until its result comes."""
        remember_entry(self._works, id, work, tables.OPEN)

    def pop_work(self, id: str) -> dict[str, str | int]:
        """Return and forget the test framework or the written file of a call."""
        return self._works.pop(id, {})

    def note_request(self, request: str, time: int) -> None:
        """Remember when a request to a model was sent."""
        remember_entry(self._requests, request, time, tables.RECENT)

    def get_request_time(self, request: str | None, before: int) -> int:
        """Return when a request was sent; if unknown, ``before``, a time at which it was already sent."""
        return before if request is None else min(before, self._requests.get(request, before))

    def merge_usage(self, message: str, tokens: Tokens) -> Tokens | None:
        """Return the largest token counts of a message so far, or None if they have not grown.

        Example: 10 output tokens on the message's first line and 40 on its second give 10, then 40. A third
        line with 40 gives None.
        """
        previous = self._usage.get(message)
        if tokens == previous:
            return None
        if previous is not None:
            tokens = {
                name: max(number, previous.get(name, 0)) for name, number in (previous | tokens).items()
            }
        if tokens == previous:
            return None
        remember_entry(self._usage, message, tokens, tables.RECENT)
        return tokens

    def find_chain_root(self, line_id: str | None, parent_id: str | None) -> str | None:
        """Return the id of the first line in a line's sidechain, from the ids of the line and its parent."""
        root = self._chains.get(parent_id, parent_id) if parent_id else line_id
        if line_id and root:
            remember_entry(self._chains, line_id, root, tables.RECENT)
        return root

    def _add_run_event(
        self,
        kind: Kind,
        context: LineContext,
        attributes: dict[str, Value],
        outcome: Outcome | None = None,
    ) -> None:
        file, name, parent = self._file, None, None
        if context.agent == file.agent:
            name, parent = file.agent_type, file.parent
            attributes = attributes | omit_none(delegated_by=file.delegated_by, description=file.description)
        parent_context = context._replace(agent=parent)
        self.add_event(
            kind, parent_context, id=context.agent, name=name, outcome=outcome, attributes=attributes
        )
