"""The entities, as concluded from what was seen: reads top to bottom as the glossary.

All times are nanoseconds since the epoch, all lengths nanoseconds. What is not known is ``None``, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from stretto.clock import SECOND
from stretto.model.event import Outcome
from stretto.model.interval import Interval


@dataclass(frozen=True, slots=True)
class TestRun:
    """Tests that a tool call ran; the counts are None where the run does not tell them."""

    framework: str
    passed: int | None = None
    failed: int | None = None

    def conclude_outcome(self, of_call: Outcome) -> Outcome:
        """Return how the run ended: by its tests where it tells of them, else as its call did.

        A command can end well after failed tests (``pytest | tail``), and badly after good ones.
        """
        if self.failed:
            return Outcome.FAILURE
        return Outcome.SUCCESS if self.passed and self.failed == 0 else of_call


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool by the main agent (``task`` is None) or inside a task."""

    id: str
    tool: str | None
    task: str | None
    start: int | None
    end: int | None
    duration: int | None
    """Execution as the source measured it, without waiting for permission; else end less start; else None."""
    overhead: int | None
    """Time around the execution that is neither execution nor a person's decision: hooks, mostly."""
    outcome: Outcome
    wrote: str | None = None
    """Keyed hashes of the paths of the files it wrote, space-separated, where the source tells."""
    tests: TestRun | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a model call used; None where the source does not say."""

    input: int | None = None
    """Without what was read from or written to the cache."""
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None

    def to_counts(self) -> dict[str, int | None]:
        """Return the counts by the names of the fields, in their order."""
        return {
            "input": self.input,
            "output": self.output,
            "cache_read": self.cache_read,
            "cache_write": self.cache_write,
        }


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One request to a language model."""

    id: str
    model: str | None
    task: str | None
    start: int | None
    duration: int | None
    outcome: Outcome
    tokens: Tokens = Tokens()
    cost: int | None = None
    """Billionths of a US dollar, as the source says it; None where it does not."""
    first_token: int | None = None
    """From the request to the first token of the answer."""


@dataclass(frozen=True, slots=True)
class Turn:
    """From a prompt to the answer's end; ``origin`` is ``user`` or ``host`` (a notification)."""

    id: str
    origin: str
    start: int
    end: int | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Task:
    """One delegated piece of work, done by an agent."""

    id: str
    task_type: str
    agent: str | None
    description: str | None
    parent: str | None
    """The task that delegated it; None is the main agent."""
    delegated_by: str | None
    """The tool call that started it, where known."""
    start: int | None
    end: int | None
    outcome: Outcome
    phase: str | None = None
    """The name of the phase it belongs to, where an orchestrator says so."""
    seen: bool = True
    """Whether its agent was seen to start, live; else perhaps only the call that started it is known."""

    @property
    def interval(self) -> Interval | None:
        """The stretch it ran, or None while either edge is unknown."""
        return _interval(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Phase:
    """A named stage of a session, given by the orchestrator."""

    id: str
    name: str
    start: int | None
    end: int | None
    outcome: Outcome

    @property
    def interval(self) -> Interval | None:
        """The stretch it took, or None while either edge is unknown."""
        return _interval(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Message:
    """One communication between agents."""

    id: str
    sender: str | None
    receiver: str | None
    task: str | None
    """The task that sent it; None is the main agent."""
    time: int
    response: int | None
    """How long the answer took."""
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Score:
    """A judgement from outside; the newest word of one judge on one thing."""

    of: str
    """``session``, ``phase`` or ``task``."""
    of_id: str
    name: str
    """What is judged: quality, satisfaction, coverage …"""
    value: float
    by: str | None
    time: int


@dataclass(frozen=True, slots=True)
class HooksRun:
    """Hooks that the agent waited for, as it measured them itself."""

    id: str
    event: str | None
    task: str | None
    start: int
    duration: int


@dataclass(frozen=True, slots=True)
class PermissionRequest:
    """A moment at which an agent began to wait for a person's leave to use a tool."""

    time: int
    task: str | None
    tool: str | None


@dataclass(frozen=True, slots=True)
class Sample:
    """What a session's process tree, and the machine around it, used for a while; None where untold."""

    start: int
    duration: int
    cpu: int | None = None
    """Nanoseconds of processor time of the tree."""
    cpu_peak: int | None = None
    """The most that the tree used between two readings, in nanoseconds of processor time per second."""
    memory: int | None = None
    """Bytes resident, the mean over the stretch."""
    memory_peak: int | None = None
    """Bytes resident at the reading that found the most."""
    read: int | None = None
    """Bytes read from disk."""
    written: int | None = None
    """Bytes written to disk."""
    machine_busy: int | None = None
    """Nanoseconds of processor time that the whole machine was busy."""
    machine_available: int | None = None
    """Nanoseconds of processor time that the machine had: cores times duration."""
    machine_busy_share: int | None = None
    """This session's share of ``machine_busy``: each instant divided equally among the sessions sampled."""
    machine_available_share: int | None = None
    machine_memory: int | None = None
    """Bytes of memory that the machine has."""
    machine_memory_available: int | None = None
    """Bytes that were free for use at the reading that found the fewest."""

    @property
    def cpu_use(self) -> int | None:
        """Nanoseconds of processor time per second; None where untold."""
        return None if self.cpu is None or not self.duration else self.cpu * SECOND // self.duration


@dataclass(frozen=True, slots=True)
class CacheReport:
    """What happened in a cache since its last report; None where untold. ``entries`` is what is in it now."""

    name: str
    time: int
    hits: int | None
    misses: int | None
    evictions: int | None
    invalidations: int | None
    entries: int | None


class Processes(NamedTuple):
    """Processes that a session may run in, the nearest to what told of them first."""

    reported_at: int
    names: tuple[str, ...]
    """Each ``pid:started`` in clock ticks since the boot, or ``pid`` where no more is known."""


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a coding agent or orchestrator, from start to end."""

    id: str
    source: str
    project: str | None
    pattern: str | None
    traceparent: str | None
    """The W3C context of whoever started the agent, where the agent passes it on."""
    recording: bool
    """True for the recording that an empty store shows; it is nobody's own session."""
    start: int
    end: int | None
    last: int
    """When the session was last heard of."""
    outcome: Outcome
    turns: tuple[Turn, ...]
    tasks: tuple[Task, ...]
    tool_calls: tuple[ToolCall, ...]
    model_calls: tuple[ModelCall, ...]
    phases: tuple[Phase, ...] = ()
    messages: tuple[Message, ...] = ()
    scores: tuple[Score, ...] = ()
    hooks_run: tuple[HooksRun, ...] = ()
    permissions: tuple[PermissionRequest, ...] = ()
    samples: tuple[Sample, ...] = ()
    cache_reports: tuple[CacheReport, ...] = ()
    ends: tuple[int, ...] = ()
    """Every time at which it was told to end: one that is resumed has ended before."""
    processes: Processes | None = None
    """Where it may be found on this machine, as last told."""


def _interval(start: int | None, end: int | None) -> Interval | None:
    return None if start is None or end is None else Interval(start, end)
