"""Reuse what was concluded of a live session while nothing changed that its turns and tasks depend on.

Most events of a live session are about tool calls inside its agents, and change nothing in turns and tasks.
The session of the last conclusion then stays as it is, but for its times. Whatever is not known to be
harmless concludes the session anew, so that the result always equals a conclusion from all facts.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from stretto.model.conclude_session import get_session_times
from stretto.model.entities import Session
from stretto.model.facts import EntityFacts, SessionFacts, get_text
from stretto.names import fact_fields
from stretto.names.fact_fields import EntityKind, make_stamped_key

_HARMLESS = frozenset(
    {
        EntityKind.HOOKS,
        EntityKind.SAMPLE,
        EntityKind.SCORE,
        EntityKind.MESSAGE,
        EntityKind.CACHE,
        EntityKind.API_COST,
    }
)
"""Kinds of entity that neither turns nor tasks depend on."""

_LIVE_FIELDS = (fact_fields.FIRST, fact_fields.LAST)
"""The fields of the session that change with each event, and that only its times depend on."""

_STOP_PREFIX = make_stamped_key(fact_fields.STOP, 0)[:-1]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The last conclusion of a session, with the facts that it may be reused by."""

    session: Session
    lost: bool
    session_facts: EntityFacts
    """The facts of the session entity without its live fields."""
    read_calls: frozenset[str]
    """The calls that a task refers to, with those above them."""
    reads_starts: bool
    """Whether a turn's outcome may depend on calls of the main agent after an answer."""

    @classmethod
    def of(cls, session: Session, facts: SessionFacts, *, lost: bool) -> Conclusion:
        """Return the conclusion of a session from these facts."""
        has_stops = any(name.startswith(_STOP_PREFIX) for name in facts.session)
        return cls(session, lost, _get_lasting_facts(facts), _find_read_calls(facts), has_stops)

    def reuse(
        self, facts: SessionFacts, changed: AbstractSet[tuple[str, str]], *, lost: bool
    ) -> Session | None:
        """Return the session as it is after these entities changed, or None if it must be concluded anew."""
        if self.lost != lost or not all(self._is_harmless(facts, kind, key) for kind, key in changed):
            return None
        if self.session_facts != _get_lasting_facts(facts):
            return None
        first, last = get_session_times(facts)
        if (first, last) == (self.session.start, self.session.last):
            return self.session
        return replace(self.session, start=first, last=last)

    def _is_harmless(self, facts: SessionFacts, kind: str, key: str) -> bool:
        if kind == EntityKind.SESSION:
            # Its facts are compared; whether its processes are gone depends on the time of its last event.
            return fact_fields.GONE not in facts.session
        if kind == EntityKind.CALL:
            is_read = key in self.read_calls or key in facts.delegating
            return not is_read and not facts.permission_times and not self.reads_starts
        if kind == EntityKind.MODEL:
            return not self.reads_starts
        return kind in _HARMLESS


def _get_lasting_facts(facts: SessionFacts) -> EntityFacts:
    lasting = dict(facts.session)
    for name in _LIVE_FIELDS:
        lasting.pop(name, None)
    return lasting


def _find_read_calls(facts: SessionFacts) -> frozenset[str]:
    """Return the ids that tasks and delegating calls refer to: a task's parent depends on these calls."""
    waiting = {
        id
        for task_facts in facts.tasks.values()
        for name in (fact_fields.PARENT, fact_fields.DELEGATED_BY)
        if (id := get_text(task_facts, name)) is not None
    }
    # A call that starts no agent after all, by a better report, is read, too.
    waiting |= facts.delegating
    waiting |= {
        id
        for call_id in facts.delegating
        if (id := get_text(facts.calls[call_id], fact_fields.AGENT_ID)) is not None
    }
    read: set[str] = set()
    while waiting:
        id = waiting.pop()
        if id not in read:
            read.add(id)
            above = get_text(facts.calls.get(id, {}), fact_fields.AGENT_ID)
            if above is not None:
                waiting.add(above)
    return frozenset(read)
