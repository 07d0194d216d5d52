"""Copies: find the entities that two sessions' transcripts share, because a client copied earlier lines.

Some clients continue a session under a new id and copy its lines into the new file, with the same ids of
messages, calls and prompts. Both files then begin with the same line. Each shared entity belongs to the
session with the smallest (first event, id) among those that have it. The other sessions get events that name
it as a copy.
"""

from __future__ import annotations

from collections.abc import Iterable

from stretto.model.event import Channel, Event, Kind
from stretto.names.fact_fields import EntityKind

_IDS = 200
"""Ids in an event; keeps a line of the journal short."""

_ENTITY_KINDS = {
    Kind.TURN_START: EntityKind.TURN,
    Kind.TURN_END: EntityKind.TURN,
    Kind.TASK_START: EntityKind.TASK,
    Kind.TASK_END: EntityKind.TASK,
    Kind.TOOL_START: EntityKind.CALL,
    Kind.TOOL_END: EntityKind.CALL,
    Kind.MODEL_CALL: EntityKind.MODEL,
}

SharedEntity = tuple[str, str]
"""(kind, id) of an entity."""


class Owners:
    """The owner of each entity that the transcripts read so far hold."""

    def __init__(self) -> None:
        self._sessions: dict[SharedEntity, str] = {}

    def claim_entities(self, events: Iterable[Event]) -> list[Event]:
        """Give a transcript's entities to its sessions; return events that name those of other sessions.

        Call it for the transcript of the owner first. Example: ``aaaa`` holds message m1, and ``bbbb`` holds
        m1 and m2. The second call returns an event of session ``bbbb`` that names m1.
        """
        copied: dict[tuple[str, str], list[str]] = {}
        own: dict[str, int] = {}
        """Session → time of its first event about an entity of its own."""
        latest: dict[str, int] = {}
        seen: set[tuple[str, SharedEntity]] = set()
        for event in events:
            kind = _ENTITY_KINDS.get(event.kind)
            if kind is None or event.id is None:
                continue
            owner = self._sessions.setdefault((kind, event.id), event.session)
            latest[event.session] = max(event.time, latest.get(event.session, 0))
            if owner == event.session:
                own[event.session] = min(event.time, own.get(event.session, event.time))
            elif (event.session, (kind, event.id)) not in seen:
                seen.add((event.session, (kind, event.id)))
                copied.setdefault((event.session, kind), []).append(event.id)
        return [
            Event(
                kind=Kind.COPY,
                session=session,
                time=own.get(session, latest[session]),
                channel=Channel.TRANSCRIPT,
                attributes={"of": kind, "ids": ids[first : first + _IDS]},
            )
            for (session, kind), ids in sorted(copied.items())
            for first in range(0, len(ids), _IDS)
        ]
