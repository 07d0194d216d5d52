"""Account: what has been told of turns, runs and model calls, so that each is told once and ends in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from stretto.model.event import Channel, Event, Kind, Outcome, Value, present
from stretto.sources.transcript import checkpoint as kept
from stretto.sources.transcript.checkpoint import Carry, Doing, Tokens, Transcript, remember


class Place(NamedTuple):
    """Where and when a line stands."""

    session: str
    time: int
    agent: str | None
    """The task it belongs to; None is the main agent, or a helper of the client's."""
    main: bool
    """Whether it is the main agent's own line."""


class Account:
    """The state of one file's reading at work, and the events told so far."""

    def __init__(self, transcript: Transcript, carry: Carry) -> None:
        self.events: list[Event] = []
        self._file = transcript
        self._turns = dict(carry.turns)
        self._agents = dict(carry.agents)
        self._tools = dict(carry.tools)
        self._works = dict(carry.works)
        self._usage = dict(carry.usage)
        self._requests = dict(carry.requests)
        self._chains = dict(carry.chains)

    def carry(self) -> Carry:
        """Return what a later reading of the same file goes on from."""
        return Carry(
            self._turns,
            self._agents,
            self._tools,
            self._works,
            self._usage,
            self._requests,
            self._chains,
        )

    def tell(
        self,
        kind: Kind,
        place: Place,
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
                session=place.session,
                time=place.time,
                channel=Channel.TRANSCRIPT,
                id=id,
                parent=place.agent,
                duration=duration,
                name=name,
                type=type,
                outcome=outcome,
                attributes=attributes or {},
            )
        )

    # Sessions and turns.

    def opened(self, session: str) -> bool:
        """Tell whether a session has been told to have started."""
        return session in self._turns

    def open(self, place: Place, attributes: Mapping[str, Value]) -> None:
        """Tell that a session has started."""
        self.tell(Kind.SESSION_START, place, attributes=attributes)
        remember(self._turns, place.session, Doing(place.session), kept.OPEN)

    def turn(self, place: Place, id: str | None, origin: str, attributes: Mapping[str, Value]) -> None:
        """Tell that a turn has started; a prompt within the same turn does not end it."""
        if self._turns[place.session].id != id:
            self.settle(place.session)
        self.tell(Kind.TURN_START, place, id=id, type=origin, attributes=attributes)
        self._turns[place.session] = Doing(place.session, id)

    def settle(self, session: str) -> None:
        """End a turn whose last answer was not marked as one but is known by now to have been it."""
        answered = self._turns[session].answered
        if answered is not None:
            self.end(Place(session, answered, None, main=True), Outcome.SUCCESS)

    # Runs of agents.

    def begin(self, place: Place, *, again: bool = False, delegated_by: str | None = None) -> None:
        """Tell that a place's agent has started, if that is news; ``again``: one that has stopped, too."""
        if place.agent is None:
            return
        run = self._agents.get(place.agent)
        if run is None or (again and run.id is None):
            self._mark(Kind.TASK_START, place, {"delegated_by": delegated_by} if delegated_by else {})
            self.runs(place.agent, place.session)

    def runs(self, agent: str, session: str) -> None:
        """Note that an agent has been told to run."""
        remember(self._agents, agent, Doing(session, agent), kept.OPEN)

    def stopped(self, agent: str, session: str) -> None:
        """Note that an agent has been told to have stopped."""
        remember(self._agents, agent, Doing(session), kept.OPEN)

    # Answers, which end the one or the other.

    def answered(self, place: Place, at: int | None) -> None:
        """Note when a place's agent last answered without asking for a tool; None takes that back."""
        if place.main:
            turn = self._turns[place.session]
            self._turns[place.session] = Doing(turn.session, turn.id, at)
        elif place.agent is not None:
            run = self._agents.get(place.agent)
            if run is not None and run.id is not None:
                self._agents[place.agent] = Doing(run.session, run.id, at)

    def end(self, place: Place, outcome: Outcome) -> None:
        """Tell that a place's turn, or its agent's run, has ended."""
        if place.main:
            turn = self._turns[place.session]
            if turn.id is not None:
                self.tell(Kind.TURN_END, place, id=turn.id, outcome=outcome)
            self._turns[place.session] = Doing(turn.session, turn.id)
        elif place.agent is not None:
            self._mark(Kind.TASK_END, place, {}, outcome)
            self.stopped(place.agent, place.session)

    def rest(self) -> None:
        """Tell what only silence tells: an answer that nothing follows was the end of its turn or its run."""
        for session in list(self._turns):
            self.settle(session)
        for agent, run in list(self._agents.items()):
            if run.answered is not None:
                self.end(Place(run.session, run.answered, agent, main=False), Outcome.SUCCESS)

    # What single lines leave for later ones.

    def calls(self, id: str, tool: str) -> None:
        """Note which tool a call is of."""
        remember(self._tools, id, tool, kept.OPEN)

    def called(self, id: str) -> str | None:
        """Return which tool a call was of, and forget it."""
        return self._tools.pop(id, None)

    def works(self, id: str, about: dict[str, str]) -> None:
        """Note what the end of a call will tell of it."""
        remember(self._works, id, about, kept.OPEN)

    def worked(self, id: str) -> dict[str, str]:
        """Return what the end of a call tells of it, and forget that."""
        return self._works.pop(id, {})

    def sends(self, request: str, time: int) -> None:
        """Note when a request to a model was sent."""
        remember(self._requests, request, time, kept.RECENT)

    def sent(self, request: str | None, before: int) -> int:
        """Return when a request was sent, or where that is not known an instant that it was sent before."""
        return before if request is None else min(before, self._requests.get(request, before))

    def counts(self, message: str, tokens: Tokens) -> Tokens | None:
        """Return the largest token counts of a message so far, or None where nothing of that is news."""
        known = self._usage.get(message)
        if known is not None:
            tokens = {name: max(number, known.get(name, 0)) for name, number in (known | tokens).items()}
        if tokens == known:
            return None
        remember(self._usage, message, tokens, kept.RECENT)
        return tokens

    def chain(self, own: str | None, above: str | None) -> str | None:
        """Return the first line of a line's sidechain, by its own id and that of the line above it."""
        root = self._chains.get(above, above) if above else own
        if own and root:
            remember(self._chains, own, root, kept.RECENT)
        return root

    def _mark(
        self,
        kind: Kind,
        place: Place,
        attributes: dict[str, Value],
        outcome: Outcome | None = None,
    ) -> None:
        file, name, parent = self._file, None, None
        if place.agent == file.agent:
            name, parent = file.agent_type, file.parent
            attributes = attributes | present(delegated_by=file.delegated_by, description=file.description)
        place_of_parent = place._replace(agent=parent)
        self.tell(kind, place_of_parent, id=place.agent, name=name, outcome=outcome, attributes=attributes)
