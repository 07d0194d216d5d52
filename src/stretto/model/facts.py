"""Facts: what has been seen of one session, merged so that order and repetition cannot matter.

A fact is a pair (trust, value) under a field's name; of two facts for one field the smaller pair stays, so
the better trusted source wins and equal trust falls to the smaller value (the earlier start, the earlier of
two copies of an end). Fields in LARGEST keep the larger value instead. Taking the smallest of a set is
commutative, associative and idempotent, and so is the whole merge: any order and any repetition of the same
events gives the same facts.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field

from stretto.model.event import Channel

Fact = tuple[int, int | str]
EntityFacts = dict[str, Fact]
"""The facts about one entity, by field."""

RANK: dict[Channel, int] = {Channel.API: 0, Channel.OTLP: 1, Channel.HOOK: 2, Channel.TRANSCRIPT: 3}
"""Lower is better trusted: a program's word and exact spans, then arrival times, then late-written files."""

HEARSAY = 10
"""Added to the trust of what an event says of something that another event knows better."""

TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
"""What a model call used. A transcript tells it again with every block, so the largest word is the last."""

SAMPLED = (
    "cpu",
    "cpu_peak",
    "memory",
    "memory_peak",
    "read",
    "written",
    "machine_busy",
    "machine_available",
    "machine_busy_share",
    "machine_available_share",
    "machine_memory",
    "machine_memory_available",
)
"""What a sample of processes tells, in the order of ``entities.Sample``."""

TESTED = ("tests_passed", "tests_failed")
"""How the tests went that a tool call ran."""

CACHED = ("hits", "misses", "evictions", "invalidations", "entries")
"""What a report on a cache tells."""

LARGEST = frozenset(
    {"last", "opened", "ended", "stopped", "prompted", "running", "said", "processes", *TOKENS}
)

DELEGATING_TOOLS = frozenset({"Agent", "Task"})
"""The tools that start a subagent; the first was called by the second name before Claude Code 2.1.63."""


@dataclass(slots=True)
class SessionFacts:
    """All that is known of one session. Mutable: it is the one accumulator of the fold."""

    id: str
    session: EntityFacts = field(default_factory=dict)
    turns: dict[str, EntityFacts] = field(default_factory=dict)
    tasks: dict[str, EntityFacts] = field(default_factory=dict)
    """By agent id. An agent may run more than once: each start and end is a fact of its own (``start@…``)."""
    calls: dict[str, EntityFacts] = field(default_factory=dict)
    model_calls: dict[str, EntityFacts] = field(default_factory=dict)
    permissions: EntityFacts = field(default_factory=dict)
    """Requests for permission, ``agent id|tool@time`` → time: they carry no call id."""
    leaves: dict[str, dict[str, EntityFacts]] = field(default_factory=dict)
    """The entities that nothing else hangs on, by kind: those of ``OTHERS``."""
    delegating: set[str] = field(default_factory=set)
    """The ids of the calls that start agents: an index, so that concluding tasks does not walk every call."""
    permission_times: dict[str, list[int]] = field(default_factory=dict)
    """An index of ``permissions``: when they were requested, in order, by what for (``asked_for``)."""
    _calls_by_about: dict[str, set[str]] | None = field(default=None, compare=False)
    """Calls by what permission for them is asked for; made when it is first asked for in the session."""

    def get_entity(self, kind: str, key: str) -> EntityFacts:
        """Return the facts about one entity; the kinds are those of ``KINDS``."""
        return self._table(kind).setdefault(key, {})

    def restore_entity(self, kind: str, key: str, known: EntityFacts) -> None:
        """Take an entity's facts as they were kept."""
        if kind == "session":
            self.session = known
        elif kind == "permission":
            self.permissions = known
            self.permission_times = {}
            for name in known:
                about, _, time = name.rpartition("@")
                insort(self.permission_times.setdefault(about, []), int(time))
        else:
            self._table(kind)[key] = known
        if kind == "call":
            self.index_delegating(key, known)

    def index_delegating(self, call_id: str, known: EntityFacts) -> None:
        """Note whether a call delegates, after what is known of it has changed."""
        if is_delegating(known):
            self.delegating.add(call_id)
        else:
            self.delegating.discard(call_id)

    def add_permission_request(self, about: str, time: int, trust: int) -> None:
        """Note a request for permission."""
        name = f"{about}@{time}"
        if name not in self.permissions:
            insort(self.permission_times.setdefault(about, []), time)
        merge_fact(self.permissions, name, trust, time)

    def has_permission_request(self, about: str, start: int, end: int) -> bool:
        """Tell whether permission was requested for something between two instants, both included."""
        times = self.permission_times.get(about)
        return times is not None and bisect_left(times, start) < bisect_right(times, end)

    def iterate_calls_for(self, about: str) -> Iterator[tuple[str, EntityFacts]]:
        """Yield the calls that a request for permission may be for."""
        if self._calls_by_about is None:
            self._calls_by_about = {}
            for call_id, known in self.calls.items():
                self.index_permission_key(call_id, known)
        for call_id in self._calls_by_about.get(about, ()):
            known = self.calls[call_id]
            # What was learned since may have made it another agent's, or another tool's.
            if get_permission_key(known) == about:
                yield call_id, known

    def index_permission_key(self, call_id: str, known: EntityFacts) -> None:
        """Note what permission for a call is asked for, after that has changed."""
        if self._calls_by_about is not None:
            self._calls_by_about.setdefault(get_permission_key(known), set()).add(call_id)

    def _table(self, kind: str) -> dict[str, EntityFacts]:
        if kind == "call":
            return self.calls
        if kind == "turn":
            return self.turns
        if kind == "task":
            return self.tasks
        if kind == "model":
            return self.model_calls
        if kind in LEAF_KINDS:
            return self.leaves.setdefault(kind, {})
        return {"": self.session if kind == "session" else self.permissions}


LEAF_KINDS = ("phase", "message", "score", "hooks", "sample", "cache")

ENTITY_KINDS = ("session", "permission", "turn", "task", "call", "model", *LEAF_KINDS)
"""The kinds of entity that facts are kept for; session and permissions have one entry each, under ``""``."""


def is_delegating(known: EntityFacts) -> bool:
    """Tell whether a call is one that starts an agent."""
    return get_text(known, "tool") in DELEGATING_TOOLS or "task" in known


def merge_fact(known: EntityFacts, name: str, trust: int, value: int | str) -> None:
    """Merge one fact into an entity's. A field always holds values of one type."""
    # What keeps its largest value ignores trust, which must then not differ with the order of arrival either.
    largest = name in LARGEST
    new = (0 if largest else trust, value)
    old = known.get(name)
    if old is None or (new > old if largest else new < old):
        known[name] = new


def get_number(known: EntityFacts, name: str) -> int | None:
    """Return the number known under a name."""
    fact = known.get(name)
    return fact[1] if fact is not None and isinstance(fact[1], int) else None


def get_text(known: EntityFacts, name: str) -> str | None:
    """Return the text known under a name."""
    fact = known.get(name)
    return fact[1] if fact is not None and isinstance(fact[1], str) else None


def find_nearest_task(facts: SessionFacts, parent: str | None) -> str | None:
    """Return the nearest task at or above an id; a call is passed, a turn is the main agent's.

    An id that nothing is known of stays: the event that bears it may still come.
    """
    passed: set[str] = set()
    while parent is not None and parent not in facts.tasks:
        if parent in facts.turns or parent in passed:
            return None
        if parent not in facts.calls:
            return parent
        passed.add(parent)
        parent = get_text(facts.calls[parent], "agent_id")
    return parent


def split_repeated_calls(call_id: str, known: EntityFacts) -> list[tuple[str, EntityFacts]]:
    """Return the calls that stand behind a key of ``calls``: the one, or all that share a pair.

    Where an agent's hooks carry no call id, start and end are paired by what was called with what input,
    which a repeated call shares. An end belongs to the newest start before it that has none yet: a call whose
    end never came then does not borrow that of a later one, and of calls just alike that run side by side the
    lengths add up to the same either way.
    """
    # Nearly every call has an id; looking through the names in one go costs least.
    if "@" not in "".join(known):
        return [(call_id, known)]
    marks = sorted(
        (int(name.partition("@")[2]), name.startswith("end@"))
        for name in known
        if name.startswith(("start@", "end@"))
    )
    if not marks:
        return [(call_id, known)]
    shared = {name: fact for name, fact in known.items() if "@" not in name}
    calls: list[EntityFacts] = []
    without_end: list[EntityFacts] = []
    for time, is_end in marks:
        if not is_end:
            calls.append({**shared, "start": known[f"start@{time}"]})
            without_end.append(calls[-1])
            continue
        if not without_end:
            calls.append(dict(shared))
            without_end.append(calls[-1])
        trust, outcome = known[f"end@{time}"]
        tested = {name: known[f"{name}@{time}"] for name in TESTED if f"{name}@{time}" in known}
        without_end.pop().update(tested, end=(trust, time), outcome=(trust, outcome))
    return [(call_id if n == 1 else f"{call_id}/{n}", call) for n, call in enumerate(calls, 1)]


def make_permission_key(agent_id: str | None, tool: str | None) -> str:
    """Return what a permission request names: agent and tool, but no call."""
    return f"{agent_id or ''}|{tool or ''}"


def get_permission_key(known: EntityFacts) -> str:
    """Return what a permission request for a call names."""
    return make_permission_key(get_text(known, "agent_id"), get_text(known, "tool"))
