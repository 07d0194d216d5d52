"""Entities: sessions, turns, tasks, calls and their parts, as concluded from facts. Reads as the glossary.

All times are nanoseconds since the epoch, all durations nanoseconds. An unknown value is ``None``, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import msgspec

from stretto.clock import SECOND
from stretto.model.event import Outcome
from stretto.model.interval import Interval, subtract_intervals
from stretto.model.message_kinds import REPORTS
from stretto.model.task_delivery_classes import TaskDelivery, judge_delivery_by_outcome


@dataclass(frozen=True, slots=True)
class TestRun:
    """Tests that a tool call ran; a count is None if the run did not report it."""

    framework: str
    passed: int | None = None
    failed: int | None = None
    skipped: int | None = None
    deselected: int | None = None
    """Tests that exist and were not chosen to run."""
    parts: int | None = None
    """Parts of the run that a cache may answer, such as the packages of Go."""
    parts_cached: int | None = None
    """Those whose result a cache gave."""

    @property
    def selected(self) -> int | None:
        """Tests that were chosen to run; None if it is not reported which were not."""
        if self.passed is None or self.failed is None or self.deselected is None:
            return None
        return self.passed + self.failed + (self.skipped or 0)

    def conclude_outcome(self, of_call: Outcome) -> Outcome:
        """Return the run's outcome: by its tests if they were reported, else that of its call.

        A command can succeed after failed tests (``pytest | tail``), and fail after passed tests.
        """
        if self.failed:
            return Outcome.FAILURE
        return Outcome.SUCCESS if self.passed and self.failed == 0 else of_call


# Calls are Structs, because a session has many and they are made again with every change.
class ToolCall(msgspec.Struct, frozen=True, gc=False):
    """A call of a tool by the main agent (``task`` is None) or inside a task."""

    id: str
    tool: str | None
    task: str | None
    start: int | None
    end: int | None
    duration: int | None
    """Execution without waiting for permission, measured by the source; else end minus start."""
    overhead: int | None
    """Time around the execution that is neither execution nor a person's decision; mostly hooks."""
    outcome: Outcome
    wrote: str | None = None
    """Keyed hashes of the paths of the files it wrote, space-separated, if the source reports them."""
    tests: TestRun | None = None
    new_files: int | None = None
    """How many of the written files did not exist before, if the source reports it."""


class Tokens(msgspec.Struct, frozen=True, gc=False):
    """The tokens of a model call; None if the source does not report them."""

    input: int | None = None
    """Without those read from or written to the cache."""
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    """Those of ``cache_write`` that are kept for an hour; None if the source does not split them."""

    def to_counts(self) -> dict[str, int | None]:
        """Return the counts by token kind, in the order of the fields."""
        return {
            "input": self.input,
            "output": self.output,
            "cache_read": self.cache_read,
            "cache_write": self.cache_write,
        }

    @property
    def prompt(self) -> int:
        """The tokens that the request sent, of the kinds that are reported."""
        return (self.input or 0) + (self.cache_read or 0) + (self.cache_write or 0)


class ModelCall(msgspec.Struct, frozen=True, gc=False):
    """A request to a language model."""

    id: str
    model: str | None
    task: str | None
    start: int | None
    duration: int | None
    outcome: Outcome
    tokens: Tokens = Tokens()
    cost: int | None = None
    """Billionths of a US dollar, as the source reported it; None if it did not."""
    first_token: int | None = None
    """From the request to the first token of the answer."""
    is_lower_bound: bool = False
    """Whether only an unfinished answer was seen: it used at least these tokens."""


@dataclass(frozen=True, slots=True)
class Turn:
    """From a prompt to the end of the answer; ``origin`` is ``user`` or ``host`` (a notification)."""

    id: str
    origin: str
    start: int
    end: int | None
    outcome: Outcome


# With a dictionary, so that what is asked for again with each event of a live session is kept.
class Task(msgspec.Struct, frozen=True, dict=True):
    """A delegated piece of work, done by an agent."""

    id: str
    task_type: str
    agent: str | None
    description: str | None
    parent: str | None
    """The task that delegated it; None is the main agent."""
    delegated_by: str | None
    """The tool call that started it, if known."""
    start: int | None
    end: int | None
    outcome: Outcome
    phase: str | None = None
    """The name of the phase it belongs to, if an orchestrator declared it."""
    seen: bool = True
    """Whether its agent's start was reported live; if not, perhaps only the call that started it is known."""
    declared_tool_calls: int | None = None
    """How many tools its agent called, as the client counted."""
    declared_prompt: int | None = None
    """How many tokens its agent's last request to a model sent, as the client counted."""
    waits: tuple[Interval, ...] = ()
    """When it only waited for a person: disjoint, by start, within its interval."""
    has_open_wait: bool = False
    """Whether it also waited for a person until an unknown time."""
    wrote: str | None = None
    """Keyed hashes of files it wrote, space-separated, as the orchestrator declared; calls have their own."""
    conflicts: bool | None = None
    """Whether its result conflicts with another task's, as the orchestrator declared; None if it did not."""
    doubt: int = 0
    """Nanoseconds by which start and end may be wrong, because hooks are stamped late."""
    judged: TaskDelivery | None = None
    """Its class, if other entities of the session changed it (``delivered_and_wasted_tasks``)."""

    @property
    def own_delivery(self) -> TaskDelivery | None:
        """Its class by its own outcome and end alone; None while it runs."""
        return judge_delivery_by_outcome(self.outcome, self.end)

    @cached_property
    def delivery(self) -> TaskDelivery | None:
        """Its class: delivered, taken as delivered or wasted; None while it runs."""
        return self.judged or self.own_delivery

    @cached_property
    def is_wasted(self) -> bool:
        """Whether it is over and delivered nothing."""
        delivery = self.delivery
        return delivery is not None and delivery.is_wasted

    @cached_property
    def interval(self) -> Interval | None:
        """From its start to its end, or None while one of them is unknown."""
        return _make_interval(self.start, self.end)

    @property
    def busy(self) -> tuple[Interval, ...]:
        """Its interval without the waits for a person; empty while start or end is unknown."""
        interval = self.interval
        if interval is None:
            return ()
        return subtract_intervals(interval, self.waits) if self.waits else (interval,)

    @cached_property
    def length(self) -> int | None:
        """Nanoseconds in which it worked, without waits for a person; None while start or end is unknown."""
        if self.start is None or self.end is None:
            return None
        # Nearly no task waits for a person, and figures ask for lengths all the time.
        return sum(part.length for part in self.busy) if self.waits else max(0, self.end - self.start)

    @property
    def waited(self) -> int:
        """Nanoseconds in which it is known to have waited for a person."""
        return sum(wait.length for wait in self.waits)


@dataclass(frozen=True, slots=True)
class Phase:
    """A named stage of a session, declared by the orchestrator."""

    id: str
    name: str
    start: int | None
    end: int | None
    outcome: Outcome

    @property
    def interval(self) -> Interval | None:
        """The interval of the phase, or None while start or end is unknown."""
        return _make_interval(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Message:
    """A communication between agents."""

    id: str
    sender: str | None
    receiver: str | None
    task: str | None
    """The task that sent it; None is the main agent."""
    time: int
    response: int | None
    """Time until the answer."""
    outcome: Outcome
    type: str | None = None
    """Its kind, as the orchestrator declared it."""
    share: float | None = None
    """How much of its work the task or phase has done, from 0 to 1, in a report of progress."""
    description: str | None = None
    """Why the task or phase cannot go on, in a report that it is blocked."""
    phase: str | None = None
    """The id of the phase that it reports on; None in a report of a task."""

    @property
    def is_report(self) -> bool:
        """Whether it is a report of a task or phase about itself, without a receiver who answers."""
        return self.type in REPORTS and self.receiver is None


@dataclass(frozen=True, slots=True)
class Score:
    """A judgement from outside: the latest by a judge on an entity and criterion."""

    of: str
    """The kind of the judged entity: ``session``, ``phase`` or ``task``."""
    of_id: str
    name: str
    """The criterion: quality, satisfaction, coverage …"""
    value: float
    by: str | None
    time: int
    out_of: float | None = None
    """The top of the scale on which the value was given, if it was named; it begins at 0."""


@dataclass(frozen=True, slots=True)
class HooksRun:
    """Hooks that the agent waited for, timed by the agent itself."""

    id: str
    event: str | None
    task: str | None
    start: int
    duration: int
    command: str | None = None
    """The name of the only command that ran; None for all hooks of an event together."""


@dataclass(frozen=True, slots=True)
class PermissionRequest:
    """The instant at which an agent began to wait for a person's permission to use a tool."""

    time: int
    task: str | None
    tool: str | None


@dataclass(frozen=True, slots=True)
class Sample:
    """Resource use of a session's process tree and its machine over an interval; None if not measured."""

    start: int
    duration: int
    cpu: int | None = None
    """Nanoseconds of processor time of the tree."""
    cpu_peak: int | None = None
    """The highest use between two readings, in nanoseconds of processor time per second."""
    memory: int | None = None
    """Bytes resident, the mean over the interval."""
    memory_peak: int | None = None
    """Bytes resident at the highest reading."""
    read: int | None = None
    """Bytes read from disk."""
    written: int | None = None
    """Bytes written to disk."""
    machine_busy: int | None = None
    """Nanoseconds of processor time used on the machine."""
    machine_available: int | None = None
    """Nanoseconds of processor time that the machine had: cores times duration."""
    machine_busy_share: int | None = None
    """This session's share of ``machine_busy``: each instant is divided equally among sampled sessions."""
    machine_available_share: int | None = None
    machine_memory: int | None = None
    """Bytes of memory of the machine."""
    machine_memory_available: int | None = None
    """Bytes available at the lowest reading."""
    service_cpu: int | None = None
    """This session's share of the processor time of Stretto's service, in nanoseconds: each instant is
    divided equally among sampled sessions."""

    @property
    def cpu_use(self) -> int | None:
        """Nanoseconds of processor time per second; None if not measured."""
        return None if self.cpu is None or not self.duration else self.cpu * SECOND // self.duration


@dataclass(frozen=True, slots=True)
class CacheCountsSinceReport:
    """Counts of a cache since its last report; None if not reported. Entries and bytes are those now."""

    name: str
    time: int
    hits: int | None
    misses: int | None
    evictions: int | None
    invalidations: int | None
    entries: int | None
    refused: int | None = None
    """Look-ups that met a stale entry and were not answered with it."""
    evicted_misses: int | None = None
    """Look-ups that missed an entry which twice the room would still hold."""
    saved: int | None = None
    """Nanoseconds that computing the answered results had taken."""
    lookup_time: int | None = None
    """Nanoseconds that the look-ups took."""
    bytes: int | None = None


class HostProcesses(NamedTuple):
    """Processes in which a session may run, the nearest to the reporting hook first."""

    reported_at: int
    names: tuple[str, ...]
    """Each ``pid:started`` with the start in clock ticks since boot, or ``pid`` if the start is unknown."""
    host: str | None = None
    """The boot and the pid namespace in which the pids are valid; None if they were not reported."""


PATTERN_LABEL = "pattern"
"""The key of the label that names a session's pattern."""


MOST_LABELS = 8
"""Labels of a session beside its pattern; further ones, in the order of their keys, are left out."""


@dataclass(frozen=True, slots=True)
class Session:
    """A run of a coding agent or orchestrator, from start to end."""

    id: str
    source: str
    project: str | None
    pattern: str | None
    traceparent: str | None
    """The W3C trace context that started the agent, if the agent passes it on."""
    recording: bool
    """True for the recording that an empty store shows: it is not a session of this machine."""
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
    cache_reports: tuple[CacheCountsSinceReport, ...] = ()
    ends: tuple[int, ...] = ()
    """Every reported end: a resumed session has ended before."""
    worktree: str | None = None
    """The worktree of the project's repository in which it began, if in any."""
    repository: str | None = None
    """A keyed hash of the path of the project's repository: another one may have the same name."""
    processes: HostProcesses | None = None
    """The processes in which it runs on this machine, as last reported."""
    is_partial: bool = False
    """Whether it ran before anything reported it: its hooks were installed later."""
    opened_by_program: bool = False
    """Whether a program opened it through the Python API: it is at work from its start to its end."""
    labels: tuple[tuple[str, str], ...] = ()
    """(key, value) of each label, by key."""
    covariates: tuple[tuple[str, str], ...] = ()
    """(name, value) of each circumstance that is known: ``fact_fields.COVARIATES``."""

    @property
    def latest_reports(self) -> dict[str | None, Message]:
        """The latest report of each task about itself: of its progress, or that it is blocked."""
        return {
            message.task: message for message in self.messages if message.is_report and message.phase is None
        }

    @property
    def latest_phase_reports(self) -> dict[str, Message]:
        """The latest report on each phase, by its id."""
        return {
            message.phase: message
            for message in self.messages
            if message.is_report and message.phase is not None
        }


def _make_interval(start: int | None, end: int | None) -> Interval | None:
    return None if start is None or end is None else Interval(start, end)
