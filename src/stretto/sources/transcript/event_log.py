"""Account: what has been told of turns, runs and model calls, so that each is told once and ends in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from stretto.model.event import Channel, Event, Kind, Outcome, Value, omit_none
from stretto.sources.transcript import checkpoint as tables
from stretto.sources.transcript.checkpoint import Checkpoint, RunState, Tokens, TranscriptFile, remember_entry


class LineContext(NamedTuple):
    """Where and when a line stands."""

    session: str
    time: int
    agent: str | None
    """The task it belongs to; None is the main agent, or a helper of the client's."""
    main: bool
    """Whether it is the main agent's own line."""


class EventLog:
    """The state of one file's reading at work, and the events told so far."""

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
        """Return what a later reading of the same file goes on from."""
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
        """Tell whether a session has been told to have started."""
        return session in self._turns

    def start_session(self, context: LineContext, attributes: Mapping[str, Value]) -> None:
        """Tell that a session has started."""
        self.add_event(Kind.SESSION_START, context, attributes=attributes)
        remember_entry(self._turns, context.session, RunState(context.session), tables.OPEN)

    def start_turn(
        self, context: LineContext, id: str | None, origin: str, attributes: Mapping[str, Value]
    ) -> None:
        """Tell that a turn has started; a prompt within the same turn does not end it."""
        if self._turns[context.session].id != id:
            self.end_answered_turn(context.session)
        self.add_event(Kind.TURN_START, context, id=id, type=origin, attributes=attributes)
        self._turns[context.session] = RunState(context.session, id)

    def end_answered_turn(self, session: str) -> None:
        """End a turn whose last answer was not marked as one but is known by now to have been it."""
        answered = self._turns[session].answered
        if answered is not None:
            self.end_turn_or_run(LineContext(session, answered, None, main=True), Outcome.SUCCESS)

    # Runs of agents.

    def start_run(
        self, context: LineContext, *, again: bool = False, delegated_by: str | None = None
    ) -> None:
        """Tell that a context's agent has started, if that is news; ``again``: one that has stopped, too."""
        if context.agent is None:
            return
        run = self._agents.get(context.agent)
        if run is None or (again and run.id is None):
            self._add_run_event(
                Kind.TASK_START, context, {"delegated_by": delegated_by} if delegated_by else {}
            )
            self.mark_running(context.agent, context.session)

    def mark_running(self, agent: str, session: str) -> None:
        """Note that an agent has been told to run."""
        remember_entry(self._agents, agent, RunState(session, agent), tables.OPEN)

    def mark_stopped(self, agent: str, session: str) -> None:
        """Note that an agent has been told to have stopped."""
        remember_entry(self._agents, agent, RunState(session), tables.OPEN)

    # Answers, which end the one or the other.

    def note_answer(self, context: LineContext, at: int | None) -> None:
        """Note when a context's agent last answered without asking for a tool; None takes that back."""
        if context.main:
            turn = self._turns[context.session]
            self._turns[context.session] = RunState(turn.session, turn.id, at)
        elif context.agent is not None:
            run = self._agents.get(context.agent)
            if run is not None and run.id is not None:
                self._agents[context.agent] = RunState(run.session, run.id, at)

    def end_turn_or_run(self, context: LineContext, outcome: Outcome) -> None:
        """Tell that a context's turn, or its agent's run, has ended."""
        if context.main:
            turn = self._turns[context.session]
            if turn.id is not None:
                self.add_event(Kind.TURN_END, context, id=turn.id, outcome=outcome)
            self._turns[context.session] = RunState(turn.session, turn.id)
        elif context.agent is not None:
            self._add_run_event(Kind.TASK_END, context, {}, outcome)
            self.mark_stopped(context.agent, context.session)

    def end_all_answered(self) -> None:
        """Tell what only silence tells: an answer that nothing follows was the end of its turn or its run."""
        for session in list(self._turns):
            self.end_answered_turn(session)
        for agent, run in list(self._agents.items()):
            if run.answered is not None:
                self.end_turn_or_run(
                    LineContext(run.session, run.answered, agent, main=False), Outcome.SUCCESS
                )

    # What single lines leave for later ones.

    def remember_tool(self, id: str, tool: str) -> None:
        """Note which tool a call is of."""
        remember_entry(self._tools, id, tool, tables.OPEN)

    def pop_tool(self, id: str) -> str | None:
        """Return which tool a call was of, and forget it."""
        return self._tools.pop(id, None)

    def remember_work(self, id: str, about: dict[str, str]) -> None:
        """Note what the end of a call will tell of it."""
        remember_entry(self._works, id, about, tables.OPEN)

    def pop_work(self, id: str) -> dict[str, str]:
        """Return what the end of a call tells of it, and forget that."""
        return self._works.pop(id, {})

    def note_request(self, request: str, time: int) -> None:
        """Note when a request to a model was sent."""
        remember_entry(self._requests, request, time, tables.RECENT)

    def get_request_time(self, request: str | None, before: int) -> int:
        """Return when a request was sent, or where that is not known an instant that it was sent before."""
        return before if request is None else min(before, self._requests.get(request, before))

    def merge_usage(self, message: str, tokens: Tokens) -> Tokens | None:
        """Return the largest token counts of a message so far, or None where nothing of that is news."""
        known = self._usage.get(message)
        if known is not None:
            tokens = {name: max(number, known.get(name, 0)) for name, number in (known | tokens).items()}
        if tokens == known:
            return None
        remember_entry(self._usage, message, tokens, tables.RECENT)
        return tokens

    def find_chain_root(self, own: str | None, above: str | None) -> str | None:
        """Return the first line of a line's sidechain, by its own id and that of the line above it."""
        root = self._chains.get(above, above) if above else own
        if own and root:
            remember_entry(self._chains, own, root, tables.RECENT)
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
