"""Sample the process trees of busy sessions: a reading every few seconds, a sample for each minute."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import psutil

from stretto.clock import MINUTE, SECOND, Clock
from stretto.figures.resource_figures import MachineUse, ResourceUse
from stretto.hook.client.client import identify_process
from stretto.model.entities import HostProcesses
from stretto.model.event import Channel, Event, Kind, omit_none
from stretto.resources import machine
from stretto.resources.machine import Machine
from stretto.resources.process_trees import ProcessTrees, TreeUsage

SOURCE = "stretto"
"""The source of samples: Stretto itself, not the sampled agent."""

SAMPLE_LENGTH = MINUTE
"""Nanoseconds that a sample covers, unless the session becomes idle earlier."""

SHORTEST_LOOK = SECOND
"""Processor time (ns) between two readings below which the kernel's ticks are too coarse for a load."""

NOT_REPORTED = "the system does not tell"

CLOCK_SLACK = 2.0
"""Seconds by which a process may seem younger than its first report: boot time is only exact to a second."""


@dataclass(frozen=True, slots=True)
class WatchedSession:
    """A busy session and the processes it may run in."""

    session: str
    start: int
    processes: HostProcesses


@dataclass(slots=True)
class _OpenSample:
    """The sums of the readings since the last sample; None if no reading had the value."""

    start: int
    duration: int = 0
    cpu: int = 0
    cpu_peak: int = 0
    memory: int = 0
    """Sum of bytes times nanoseconds."""
    memory_peak: int = 0
    read: int | None = None
    written: int | None = None
    busy: int | None = None
    available: int | None = None
    busy_share: int | None = None
    available_share: int | None = None
    machine_memory: int | None = None
    machine_memory_available: int | None = None
    service_cpu: int | None = None


@dataclass(slots=True)
class _FollowedSession:
    """A session whose process tree is read."""

    watched: WatchedSession
    root: psutil.Process
    read: bool = False
    """Whether the last reading found its process, so that the next reading gives its use."""
    counted: bool = False
    """Whether its process existed in two readings; a shell that only starts a hook does not."""
    open_sample: _OpenSample | None = None


@dataclass(slots=True)
class Sampler:
    """Reads the process trees of busy sessions; for use in a single thread.

    Sessions that share a process cannot be separated. Their tree belongs to the session that began first, for
    as long as that session is busy. A session inside another session's tree has its own tree, and the outer
    session the rest. So the sum over sessions counts no process twice.
    """

    clock: Clock
    """The wall clock that dates the samples."""
    host: str | None = None
    """The boot and pid namespace of this process: processes reported from elsewhere cannot be read."""
    ticking: Callable[[], int] = time.monotonic_ns
    """The monotonic clock that measures durations, in nanoseconds: the wall clock may be changed."""
    service_cpu: Callable[[], int | None] = lambda: None
    """Processor time of the service so far, in nanoseconds; None if it is not to be reported."""
    use: ResourceUse = field(default_factory=ResourceUse)
    """The use in the last reading."""
    _trees: ProcessTrees = field(default_factory=ProcessTrees)
    _sessions: dict[str, _FollowedSession] = field(default_factory=dict)
    _ended: dict[str, HostProcesses] = field(default_factory=dict)
    """Sessions whose process has ended → their processes: an ended process's parents are not the agent."""
    _machine: Machine | None = None
    _load_since: Machine | None = None
    """The reading from which the machine's load is counted."""
    _last_tick: int = 0
    _last_service_cpu: int | None = None

    def take_reading(self, watched: Iterable[WatchedSession]) -> list[Event]:
        """Take a reading of the busy sessions and return the complete samples.

        A session that is no longer busy is read a last time and then dropped.
        """
        busy = {session.session: session for session in watched}
        over = self._sessions.keys() - busy.keys()
        samples = self._follow_sessions(busy)
        now = machine.read()
        machine_use = self._measure_machine(now)
        if self._sessions:
            self._read_trees(now, machine_use)
        else:
            self._trees, self._machine, self._last_service_cpu = ProcessTrees(), None, None
            reason = "no busy session's process is known on this machine" if busy else "no session is busy"
            self.use = ResourceUse(machine=machine_use, reason=reason, machine_reason=NOT_REPORTED)
        for id in list(self._sessions):
            open_sample = self._sessions[id].open_sample
            if id in over:
                samples += self._drop_session(id)
            elif open_sample is not None and open_sample.duration >= SAMPLE_LENGTH:
                samples += self._complete_sample(id)
        return samples

    def finish(self) -> list[Event]:
        """Return the incomplete samples, and drop all sessions."""
        return [event for id in list(self._sessions) for event in self._drop_session(id)]

    def _follow_sessions(self, busy: Mapping[str, WatchedSession]) -> list[Event]:
        """Find the processes of new sessions, and of sessions that continue in another process."""
        samples: list[Event] = []
        for id, processes in list(self._ended.items()):
            if id not in busy or busy[id].processes != processes:
                del self._ended[id]
        for id, session in busy.items():
            followed = self._sessions.get(id)
            if followed is not None:
                if self._has_stayed(followed, session):
                    continue
                samples += self._drop_session(id)
            root = None if id in self._ended else locate_nearest_process(session.processes, self.host)
            if root is not None:
                self._sessions[id] = _FollowedSession(session, root)
        return samples

    def _has_stayed(self, followed: _FollowedSession, session: WatchedSession) -> bool:
        """Return whether a session runs in the same process as before; note a session whose process ended."""
        same = followed.watched.processes == session.processes
        followed.watched = session
        if not followed.root.is_running():
            if same and followed.counted:
                self._ended[session.session] = session.processes
            return False
        return same or locate_nearest_process(session.processes, self.host) in {followed.root, None}

    def _measure_machine(self, now: Machine) -> MachineUse:
        """Return the machine's use, with its load since the last reading that was long enough ago."""
        before, load = self._load_since, self.use.machine.cpu
        if before is None:
            self._load_since = now
        elif now.busy is not None and now.available is not None and before.busy is not None:
            available = now.available - (before.available or 0)
            if available >= SHORTEST_LOOK and now.cores:
                load = max(0, now.busy - before.busy) / available * len(now.cores)
                self._load_since = now
        return MachineUse(load, now.memory_available, now.waiting, now.cores, now.received, now.sent)

    def _read_trees(self, machine_now: Machine, machine_use: MachineUse) -> None:
        """Read all trees and add their use to the open samples.

        Example: 10 s after the last reading, a session's tree has used 3 s of processor time. Its open sample
        grows by 10 s of duration and 3 s of processor time, and its peak is at least 0.3 processors.
        """
        # Of several sessions with the same process, the session that began first owns it.
        owners: dict[psutil.Process, str] = {}
        for id, session in sorted(self._sessions.items(), key=lambda item: (item[1].watched.start, item[0])):
            owners.setdefault(session.root, id)
        tick, machine_before = self.ticking(), self._machine
        service, service_before = self.service_cpu(), self._last_service_cpu
        usage = self._trees.read_usage(owners)
        elapsed = max(1, tick - self._last_tick)
        # A tree's first reading is only a starting point.
        counted = {
            root: self._sessions[id]
            for root, id in owners.items()
            if root in usage and self._sessions[id].read
        }
        for root, session in counted.items():
            session.counted = True
            if session.open_sample is None:
                session.open_sample = _OpenSample(self.clock() - elapsed)
            _add_reading(session.open_sample, usage[root], elapsed)
            if machine_before is not None:
                _add_machine(session.open_sample, machine_before, machine_now, len(counted))
            if service is not None and service_before is not None:
                share = max(0, service - service_before) // len(counted)
                session.open_sample.service_cpu = _add_optional(session.open_sample.service_cpu, share)
        for session in self._sessions.values():
            session.read = session.root in usage
        self.use = ResourceUse(
            cpu=sum(usage[root].cpu for root in counted) / elapsed if counted else None,
            memory=sum(tree.memory for tree in usage.values()) if usage else None,
            machine=machine_use,
            sessions=len(usage),
            reason="counting begins with the first reading"
            if usage
            else "the sessions' processes have ended",
            machine_reason=NOT_REPORTED,
        )
        self._machine, self._last_tick, self._last_service_cpu = machine_now, tick, service

    def _drop_session(self, id: str) -> list[Event]:
        samples = self._complete_sample(id)
        del self._sessions[id]
        return samples

    def _complete_sample(self, id: str) -> list[Event]:
        """Return the session's open sample as an event, if it has any reading, and close it."""
        session = self._sessions[id]
        open_sample, session.open_sample = session.open_sample, None
        if open_sample is None or not open_sample.duration:
            return []
        return [_build_sample(id, open_sample)]


def locate_nearest_process(processes: HostProcesses, host: str | None = None) -> psutil.Process | None:
    """Return the nearest of the reported processes that still runs, or None if all have ended.

    None too if they were reported from another place than ``host``, whose pids are other processes here.
    """
    if None not in (processes.host, host) and processes.host != host:
        return None
    for name in processes.names:
        pid, _, started = name.partition(":")
        if not pid.isascii() or not pid.isdigit() or (started and identify_process(int(pid)) != name):
            continue
        try:
            process = psutil.Process(int(pid))
            if process.create_time() <= processes.reported_at / SECOND + CLOCK_SLACK:
                return process
        except (psutil.Error, OverflowError):
            continue
    return None


def _add_reading(open_sample: _OpenSample, usage: TreeUsage, elapsed: int) -> None:
    open_sample.duration += elapsed
    open_sample.cpu += usage.cpu
    open_sample.cpu_peak = max(open_sample.cpu_peak, usage.cpu * SECOND // elapsed)
    open_sample.memory += usage.memory * elapsed
    open_sample.memory_peak = max(open_sample.memory_peak, usage.memory)
    open_sample.read = _add_optional(open_sample.read, usage.read)
    open_sample.written = _add_optional(open_sample.written, usage.written)


def _add_machine(open_sample: _OpenSample, before: Machine, now: Machine, sessions: int) -> None:
    if now.memory_available is not None:
        least = open_sample.machine_memory_available
        open_sample.machine_memory = now.memory
        open_sample.machine_memory_available = (
            now.memory_available if least is None else min(now.memory_available, least)
        )
    if before.busy is None or before.available is None or now.busy is None or now.available is None:
        return
    available = max(0, now.available - before.available)
    # The kernel's idle time may decrease by a tick between two readings.
    busy = min(available, max(0, now.busy - before.busy))
    open_sample.busy, open_sample.available = (
        _add_optional(open_sample.busy, busy),
        _add_optional(open_sample.available, available),
    )
    open_sample.busy_share = _add_optional(open_sample.busy_share, busy // sessions)
    open_sample.available_share = _add_optional(open_sample.available_share, available // sessions)


def _add_optional(so_far: int | None, more: int | None) -> int | None:
    return so_far if more is None else (so_far or 0) + more


def _build_sample(session: str, open_sample: _OpenSample) -> Event:
    return Event(
        kind=Kind.SAMPLE,
        session=session,
        time=open_sample.start,
        duration=open_sample.duration,
        source=SOURCE,
        channel=Channel.API,
        attributes=omit_none(
            cpu=open_sample.cpu,
            cpu_peak=open_sample.cpu_peak,
            memory=open_sample.memory // open_sample.duration,
            memory_peak=open_sample.memory_peak,
            read=open_sample.read,
            written=open_sample.written,
            machine_busy=open_sample.busy,
            machine_available=open_sample.available,
            machine_busy_share=open_sample.busy_share,
            machine_available_share=open_sample.available_share,
            machine_memory=open_sample.machine_memory,
            machine_memory_available=open_sample.machine_memory_available,
            service_cpu=open_sample.service_cpu,
        ),
    )
