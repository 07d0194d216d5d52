"""Facts: the merged reports about a session, independent of their order and repetition.

A fact is a pair (rank, value) under a field's name. Of two facts for one field the smaller pair is kept: the
better ranked channel wins, and equal ranks keep the smaller value, such as the earlier start. Fields in
``fact_fields.LARGEST`` keep the larger value instead. Taking the minimum is commutative, associative and
idempotent, and so is the whole merge: any order and any repetition of the same events gives the same facts.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from stretto.model.event import Channel
from stretto.names import fact_fields
from stretto.names.fact_fields import EntityKind, list_stamped_facts, make_stamped_key, parse_stamped_key

Fact = tuple[int, int | str]
EntityFacts = dict[str, Fact]
"""The facts about an entity, by field (``names.fields``)."""

StampedFacts = Mapping[str, Sequence[tuple[int, Fact]]]
"""The stamped facts about an entity, by field: each instant with its fact (``group_stamped_facts``)."""

RANK: dict[Channel, int] = {Channel.API: 0, Channel.OTLP: 1, Channel.HOOK: 2, Channel.TRANSCRIPT: 3}
"""The rank of each channel, 0 is best: declared and exact, then arrival times, then files written late."""

HEARSAY = 10
"""Added to the rank of a fact that an event reports about something which other events know better."""

HOST_PREFIX = "host@"
"""Begins the word of the field ``processes`` that names the boot and pid namespace of the pids."""

DELEGATING_TOOLS = frozenset({"Agent", "Task"})
"""The tools that start a subagent; Claude Code before 2.1.63 called ``Agent`` by the name ``Task``."""

GATE_TOOL = "gate"
"""The tool whose calls are checks that an orchestrator reports: they ran a test and have no length."""

LEAF_KINDS = (
    EntityKind.PHASE,
    EntityKind.MESSAGE,
    EntityKind.SCORE,
    EntityKind.HOOKS,
    EntityKind.SAMPLE,
    EntityKind.LABEL,
    EntityKind.CACHE,
    EntityKind.API_COST,
)
"""The kinds of entity that no other entity refers to."""

ENTITY_KINDS = (
    EntityKind.SESSION,
    EntityKind.PERMISSION,
    EntityKind.TURN,
    EntityKind.TASK,
    EntityKind.CALL,
    EntityKind.MODEL,
    *LEAF_KINDS,
    EntityKind.SPAN,
    EntityKind.ALIAS,
)
"""All kinds. Session and permission have a single entry each, under the key ``""``."""

_LARGEST = fact_fields.LARGEST

_SINGLE_KINDS = frozenset({EntityKind.SESSION, EntityKind.PERMISSION})

_TABLES = {
    EntityKind.CALL: "calls",
    EntityKind.TURN: "turns",
    EntityKind.TASK: "tasks",
    EntityKind.MODEL: "model_calls",
    EntityKind.SPAN: "spans",
    EntityKind.ALIAS: "aliases",
}
"""Kind → the attribute of ``SessionFacts`` that holds its entities."""


@dataclass(slots=True)
class SessionFacts:
    """All facts about a session. Mutable: the fold accumulates events in it."""

    id: str
    session: EntityFacts = field(default_factory=dict)
    turns: dict[str, EntityFacts] = field(default_factory=dict)
    tasks: dict[str, EntityFacts] = field(default_factory=dict)
    """By agent id. An agent may run more than once, so starts and ends are stamped fields (``start@…``)."""
    calls: dict[str, EntityFacts] = field(default_factory=dict)
    model_calls: dict[str, EntityFacts] = field(default_factory=dict)
    permissions: EntityFacts = field(default_factory=dict)
    """Permission requests, ``agent id|tool@time`` → end of the wait if it was measured, else time: they carry
    no call id."""
    leaves: dict[str, dict[str, EntityFacts]] = field(default_factory=dict)
    """The entities of ``LEAF_KINDS``, by kind and id."""
    spans: dict[str, EntityFacts] = field(default_factory=dict)
    """By span id. ``join_channel_reports.join_facts`` makes turns, tasks and calls of them."""
    aliases: dict[str, EntityFacts] = field(default_factory=dict)
    """By alias: a channel's id of an entity that has another id in every other channel."""
    places: dict[str, str | None] = field(default_factory=dict, compare=False)
    """Span id → the entity that it stands for or lies in, None: the main agent. Filled by ``join_facts``."""
    delegating: set[str] = field(default_factory=set)
    """The ids of the calls that start agents. An index: tasks are concluded without a walk over all calls."""
    is_joined: bool = field(default=False, compare=False)
    """Whether these are joined facts already (``join_channel_reports.join_facts``)."""
    reports_other_agents: bool = field(default=False, compare=False)
    """Whether these are a part of a session's facts, and agents outside of it have reported their starts."""
    unnamed_calls: set[str] = field(default_factory=set)
    """The keys of calls whose source knows no id. An index for ``match_reports_across_channels``."""
    copied: set[tuple[str, str]] = field(default_factory=set)
    """An index: (kind, key) of the entities that belong to another session. ``join_facts`` drops them."""
    permission_times: dict[str, list[int]] = field(default_factory=dict)
    """An index of ``permissions``: sorted request times by permission key (``make_permission_key``)."""
    _calls_by_permission: dict[str, set[str]] | None = field(default=None, compare=False)
    """Call ids by permission key; built when the session's first permission request arrives."""

    def get_entity(self, kind: str, key: str) -> EntityFacts:
        """Return the facts about an entity, new and empty if there are none; ``kind``: ``ENTITY_KINDS``."""
        return self.get_table(kind).setdefault(key, {})

    def restore_entities(self, kind: str, entities: dict[str, EntityFacts]) -> None:
        """Put back facts about entities of a kind, by key, as the store returned them."""
        if kind == EntityKind.SESSION:
            self.session = entities[""]
            return
        if kind == EntityKind.PERMISSION:
            self.permissions = entities[""]
            self.permission_times = {}
            for name in self.permissions:
                permission_key, time = parse_stamped_key(name)
                insort(self.permission_times.setdefault(permission_key, []), time)
            return
        self.get_table(kind).update(entities)
        self.copied.update([(kind, key) for key, known in entities.items() if fact_fields.COPIED in known])
        if kind == EntityKind.CALL:
            self.delegating.difference_update(entities)
            self.delegating.update(
                [
                    key
                    for key, known in entities.items()
                    # ``is_delegating_call``, without two calls for each of thousands.
                    if fact_fields.TASK in known
                    or (fact_fields.TOOL in known and known[fact_fields.TOOL][1] in DELEGATING_TOOLS)
                ]
            )
            self.unnamed_calls.update(
                [key for key, known in entities.items() if fact_fields.STAMP in "".join(known)]
            )

    def index_delegating(self, call_id: str, call_facts: EntityFacts) -> None:
        """Update the index ``delegating`` after a call's facts changed."""
        if is_delegating_call(call_facts):
            self.delegating.add(call_id)
        else:
            self.delegating.discard(call_id)

    def add_permission_request(
        self, permission_key: str, time: int, rank: int, *, wait: int | None = None
    ) -> None:
        """Merge a permission request; ``wait`` is the length of the wait (ns) if it was measured."""
        name = make_stamped_key(permission_key, time)
        if name not in self.permissions:
            insort(self.permission_times.setdefault(permission_key, []), time)
        merge_fact(self.permissions, name, rank, time + (wait or 0))

    def has_permission_request(self, permission_key: str, start: int, end: int) -> bool:
        """Return whether a permission was requested between two instants, both included."""
        times = self.permission_times.get(permission_key)
        return times is not None and bisect_left(times, start) < bisect_right(times, end)

    def iterate_calls_for(self, permission_key: str) -> Iterator[tuple[str, EntityFacts]]:
        """Yield the calls to which a permission request may belong."""
        if self._calls_by_permission is None:
            self._calls_by_permission = {}
            for call_id, call_facts in self.calls.items():
                self.index_permission_key(call_id, call_facts)
        for call_id in self._calls_by_permission.get(permission_key, ()):
            call_facts = self.calls[call_id]
            # A later event may have moved the call to another agent or tool.
            if make_permission_key_of_call(call_facts) == permission_key:
                yield call_id, call_facts

    def index_permission_key(self, call_id: str, call_facts: EntityFacts) -> None:
        """Update the index of calls by permission key after a call's facts changed.

        There is none before the session's first permission request.
        """
        if self._calls_by_permission is not None:
            self._calls_by_permission.setdefault(make_permission_key_of_call(call_facts), set()).add(call_id)

    def get_table(self, kind: str) -> dict[str, EntityFacts]:
        """Return the entities of a kind by key; ``kind``: ``ENTITY_KINDS``."""
        if kind in LEAF_KINDS:
            return self.leaves.setdefault(kind, {})
        if kind in _SINGLE_KINDS:
            return {"": self.session if kind == EntityKind.SESSION else self.permissions}
        table: dict[str, EntityFacts] = getattr(self, _TABLES[kind])
        return table


def is_delegating_call(call_facts: EntityFacts) -> bool:
    """Return whether a call starts an agent."""
    return get_text(call_facts, fact_fields.TOOL) in DELEGATING_TOOLS or fact_fields.TASK in call_facts


def merge_fact(entity_facts: EntityFacts, name: str, rank: int, value: int | str) -> None:
    """Merge a fact into an entity's. All values of a field have the same type."""
    if name in _LARGEST:
        # The largest value wins whatever its rank: a rank of 0 keeps the result independent of the order.
        new = (0, value)
        if name not in entity_facts or new > entity_facts[name]:
            entity_facts[name] = new
    else:
        new = (rank, value)
        if name not in entity_facts or new < entity_facts[name]:
            entity_facts[name] = new


def get_number(entity_facts: EntityFacts, name: str) -> int | None:
    """Return a field's value if it is a number, else None."""
    if name in entity_facts:
        value = entity_facts[name][1]
        return value if isinstance(value, int) else None
    return None


def get_text(entity_facts: EntityFacts, name: str) -> str | None:
    """Return a field's value if it is a text, else None."""
    if name in entity_facts:
        value = entity_facts[name][1]
        return value if isinstance(value, str) else None
    return None


def find_enclosing_task(facts: SessionFacts, parent: str | None) -> str | None:
    """Return the nearest task at or above an id, or None for the main agent.

    The walk passes from a span to its entity, from a call to the agent that made it, and ends at a turn,
    which is the main agent's, as the session's own id is. An unknown id is returned unchanged: the event
    about it may still come.
    """
    visited: set[str] = set()
    while parent is not None and parent not in facts.tasks:
        if parent in facts.turns or parent in visited or parent == facts.id:
            return None
        if parent in facts.places:
            visited.add(parent)
            parent = facts.places[parent]
            continue
        if parent not in facts.calls:
            return parent
        visited.add(parent)
        parent = get_text(facts.calls[parent], fact_fields.AGENT_ID)
    return parent


def split_repeated_calls(call_id: str, call_facts: EntityFacts) -> list[tuple[str, EntityFacts]]:
    """Return the calls under a key of ``calls``: usually a single call, else all that share tool and input.

    Some agents' hooks carry no call id. Their starts and ends share a key made of tool and input, which a
    repeated call shares too. An end belongs to the newest start before it that has no end yet. A call whose
    end never came therefore does not take the end of a later call. Identical calls side by side get the same
    total length either way.

    Example: start@10, start@20, end@25, end@40 are the calls ``x`` [10, 40] and ``x/2`` [20, 25].
    """
    # Nearly every call has an id, and joining the names is the cheapest test for a stamp.
    if fact_fields.STAMP not in "".join(call_facts):
        return [(call_id, call_facts)]
    starts, ends = (
        list_stamped_facts(call_facts, fact_fields.START),
        list_stamped_facts(call_facts, fact_fields.END),
    )
    marks = sorted([(time, False) for time, _ in starts] + [(time, True) for time, _ in ends])
    if not marks:
        return [(call_id, call_facts)]
    shared = {name: fact for name, fact in call_facts.items() if fact_fields.STAMP not in name}
    calls: list[EntityFacts] = []
    without_end: list[EntityFacts] = []
    for time, is_end in marks:
        if not is_end:
            start = call_facts[make_stamped_key(fact_fields.START, time)]
            calls.append({**shared, fact_fields.START: start})
            without_end.append(calls[-1])
            continue
        if not without_end:
            calls.append(dict(shared))
            without_end.append(calls[-1])
        rank, outcome = call_facts[make_stamped_key(fact_fields.END, time)]
        ended_call = without_end.pop()
        for name in fact_fields.TEST_COUNTS:
            count = call_facts.get(make_stamped_key(name, time))
            if count is not None:
                ended_call[name] = count
        ended_call[fact_fields.END] = (rank, time)
        ended_call[fact_fields.OUTCOME] = (rank, outcome)
    return [(call_id if n == 1 else f"{call_id}/{n}", call) for n, call in enumerate(calls, 1)]


def make_permission_key(agent_id: str | None, tool: str | None) -> str:
    """Return the key of a permission request, ``agent id|tool``: it names no call."""
    return f"{agent_id or ''}|{tool or ''}"


def make_permission_key_of_call(call_facts: EntityFacts) -> str:
    """Return the key of the permission requests that may belong to a call."""
    return make_permission_key(
        get_text(call_facts, fact_fields.AGENT_ID), get_text(call_facts, fact_fields.TOOL)
    )
