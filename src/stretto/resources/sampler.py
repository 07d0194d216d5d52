"""Sampler: readings of the agents' process trees every few seconds, made into one sample a minute each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import psutil

from stretto.clock import MINUTE, SECOND, Clock
from stretto.figures.resource_figures import ResourceUse
from stretto.hook.client.client import identify_process as spelled
from stretto.model.entities import Processes
from stretto.model.event import Channel, Event, Kind, omit_none
from stretto.resources import machine
from stretto.resources.machine import Machine
from stretto.resources.process_trees import ProcessTrees, TreeUsage

SOURCE = "stretto"
"""The source of samples: what is sampled does not tell them itself."""

STRETCH = MINUTE
"""How long a stretch one sample covers, unless the session falls silent before."""

CLOCK_SLACK = 2.0
"""Seconds by which a process may seem younger than what it told: the boot's time is known to a second."""


@dataclass(frozen=True, slots=True)
class WatchedSession:
    """A busy session and where it may be found."""

    session: str
    start: int
    processes: Processes


@dataclass(slots=True)
class _Stretch:
    """What was found since the last sample; None where no reading told."""

    start: int
    duration: int = 0
    cpu: int = 0
    cpu_peak: int = 0
    memory: int = 0
    """Bytes times nanoseconds."""
    memory_peak: int = 0
    read: int | None = None
    written: int | None = None
    busy: int | None = None
    available: int | None = None
    busy_share: int | None = None
    available_share: int | None = None
    machine_memory: int | None = None
    machine_memory_available: int | None = None


@dataclass(slots=True)
class _FollowedSession:
    """A session that is followed."""

    watched: WatchedSession
    root: psutil.Process
    read: bool = False
    """Whether the last reading found it, so that the next can tell what was used since."""
    counted: bool = False
    """Whether it lasted from one reading to the next, which a shell that only starts a hook does not."""
    stretch: _Stretch | None = None


@dataclass(slots=True)
class Sampler:
    """Follows the process trees of busy sessions; one thread's.

    Sessions that share a process cannot be told apart: the tree is given to the one that began first, for as
    long as it is busy. A session inside another's tree has its own, and the other has the rest. So the sum
    over sessions counts no process twice.
    """

    clock: Clock
    """Dates the samples."""
    ticking: Callable[[], int] = time.monotonic_ns
    """Measures their length, in nanoseconds: the wall clock may be set."""
    use: ResourceUse = field(default_factory=ResourceUse)
    """What was found last."""
    _forest: ProcessTrees = field(default_factory=ProcessTrees)
    _sessions: dict[str, _FollowedSession] = field(default_factory=dict)
    _gone: dict[str, Processes] = field(default_factory=dict)
    """Sessions whose process has ended, by what told of it: its parents are not the agent."""
    _machine: Machine | None = None
    _looked: int = 0

    def take_reading(self, watched: Iterable[WatchedSession]) -> list[Event]:
        """Take one reading of the sessions that are busy now and return the samples that are complete.

        A session that is no longer among them is read once more and let go.
        """
        busy = {one.session: one for one in watched}
        over = self._sessions.keys() - busy.keys()
        samples = self._follow_sessions(busy)
        if self._sessions:
            self._read_trees()
        else:
            self._forest, self._machine = ProcessTrees(), None
            reason = "no busy session's process is known on this machine" if busy else "no session is busy"
            self.use = ResourceUse(machine_memory_available=machine.read().memory_available, reason=reason)
        for id in list(self._sessions):
            stretch = self._sessions[id].stretch
            if id in over:
                samples += self._unfollow_session(id)
            elif stretch is not None and stretch.duration >= STRETCH:
                samples += self._complete_sample(id)
        return samples

    def finish(self) -> list[Event]:
        """Return samples of what is not complete, and follow nothing any more."""
        return [event for id in list(self._sessions) for event in self._unfollow_session(id)]

    def _follow_sessions(self, busy: Mapping[str, WatchedSession]) -> list[Event]:
        """Find the processes of sessions that are new, and of those that went on in another process."""
        samples: list[Event] = []
        for id, told in list(self._gone.items()):
            if id not in busy or busy[id].processes != told:
                del self._gone[id]
        for id, one in busy.items():
            followed = self._sessions.get(id)
            if followed is not None:
                if self._has_stayed(followed, one):
                    continue
                samples += self._unfollow_session(id)
            root = None if id in self._gone else locate_process(one.processes)
            if root is not None:
                self._sessions[id] = _FollowedSession(one, root)
        return samples

    def _has_stayed(self, followed: _FollowedSession, one: WatchedSession) -> bool:
        """Tell whether a session runs where it ran before, and take note where that process has ended."""
        same = followed.watched.processes == one.processes
        followed.watched = one
        if not followed.root.is_running():
            if same and followed.counted:
                self._gone[one.session] = one.processes
            return False
        return same or locate_process(one.processes) in {followed.root, None}

    def _read_trees(self) -> None:
        # The session that began first has the process.
        owners: dict[psutil.Process, str] = {}
        for id, session in sorted(self._sessions.items(), key=lambda item: (item[1].watched.start, item[0])):
            owners.setdefault(session.root, id)
        tick, around, before = self.ticking(), machine.read(), self._machine
        used = self._forest.read_usage(owners)
        elapsed = max(1, tick - self._looked)
        # A tree's first reading is where it is counted from.
        counted = {
            root: self._sessions[id]
            for root, id in owners.items()
            if root in used and self._sessions[id].read
        }
        for root, session in counted.items():
            session.counted = True
            if session.stretch is None:
                session.stretch = _Stretch(self.clock() - elapsed)
            _add_reading(session.stretch, used[root], elapsed)
            if before is not None:
                _add_machine(session.stretch, before, around, len(counted))
        for session in self._sessions.values():
            session.read = session.root in used
        self.use = ResourceUse(
            cpu=sum(used[root].cpu for root in counted) / elapsed if counted else None,
            memory=sum(tree.memory for tree in used.values()) if used else None,
            machine_memory_available=around.memory_available,
            sessions=len(used),
            reason="counting begins with the first reading" if used else "the sessions' processes have ended",
        )
        self._machine, self._looked = around, tick

    def _unfollow_session(self, id: str) -> list[Event]:
        samples = self._complete_sample(id)
        del self._sessions[id]
        return samples

    def _complete_sample(self, id: str) -> list[Event]:
        """Return the sample of a session's stretch, where it has one, and begin the next."""
        session = self._sessions[id]
        stretch, session.stretch = session.stretch, None
        if stretch is None or not stretch.duration:
            return []
        return [_build_sample(id, stretch)]


def locate_process(processes: Processes) -> psutil.Process | None:
    """Return the nearest of the processes that is the one that was meant, or None where all are gone."""
    for name in processes.names:
        pid, _, started = name.partition(":")
        if not pid.isascii() or not pid.isdigit() or (started and spelled(int(pid)) != name):
            continue
        try:
            process = psutil.Process(int(pid))
            if process.create_time() <= processes.reported_at / SECOND + CLOCK_SLACK:
                return process
        except (psutil.Error, OverflowError):
            continue
    return None


def _add_reading(stretch: _Stretch, used: TreeUsage, elapsed: int) -> None:
    stretch.duration += elapsed
    stretch.cpu += used.cpu
    stretch.cpu_peak = max(stretch.cpu_peak, used.cpu * SECOND // elapsed)
    stretch.memory += used.memory * elapsed
    stretch.memory_peak = max(stretch.memory_peak, used.memory)
    stretch.read = _add_known(stretch.read, used.read)
    stretch.written = _add_known(stretch.written, used.written)


def _add_machine(stretch: _Stretch, before: Machine, now: Machine, sessions: int) -> None:
    if now.memory_available is not None:
        least = stretch.machine_memory_available
        stretch.machine_memory = now.memory
        stretch.machine_memory_available = (
            now.memory_available if least is None else min(now.memory_available, least)
        )
    if before.busy is None or before.available is None or now.busy is None or now.available is None:
        return
    available = max(0, now.available - before.available)
    # The kernel's count of idle time may fall by a tick between two readings.
    busy = min(available, max(0, now.busy - before.busy))
    stretch.busy, stretch.available = _add_known(stretch.busy, busy), _add_known(stretch.available, available)
    stretch.busy_share = _add_known(stretch.busy_share, busy // sessions)
    stretch.available_share = _add_known(stretch.available_share, available // sessions)


def _add_known(so_far: int | None, more: int | None) -> int | None:
    return so_far if more is None else (so_far or 0) + more


def _build_sample(session: str, stretch: _Stretch) -> Event:
    return Event(
        kind=Kind.SAMPLE,
        session=session,
        time=stretch.start,
        duration=stretch.duration,
        source=SOURCE,
        channel=Channel.API,
        attributes=omit_none(
            cpu=stretch.cpu,
            cpu_peak=stretch.cpu_peak,
            memory=stretch.memory // stretch.duration,
            memory_peak=stretch.memory_peak,
            read=stretch.read,
            written=stretch.written,
            machine_busy=stretch.busy,
            machine_available=stretch.available,
            machine_busy_share=stretch.busy_share,
            machine_available_share=stretch.available_share,
            machine_memory=stretch.machine_memory,
            machine_memory_available=stretch.machine_memory_available,
        ),
    )
