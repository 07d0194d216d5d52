"""Read the agents' process trees repeatedly, and compute the resources that each tree used in between.

When a process ends, the system adds its processor time and disk bytes to its parent, once the parent notices
the end (cutime of proc_pid_stat(5); Linux sums /proc/PID/io in the same way). So a tree's use has two parts:
the increase of its processes, and the inherited use, less the part already counted for ended processes. Use
that nobody inherits is lost: the last seconds of a root, and of a process whose parent ended first. On a
system without this inheritance (macOS), the use of ended children since the last reading is lost too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import psutil

from stretto.clock import SECOND


@dataclass(slots=True)
class TreeUsage:
    """The resources that a tree used since the last reading, and the memory it holds now."""

    cpu: int = 0
    """Nanoseconds of processor time."""
    memory: int = 0
    """Resident bytes; memory shared by processes counts for each of them."""
    read: int | None = None
    """Bytes read from disk by the processes that may be inspected; None if none may be inspected."""
    written: int | None = None
    processes: int = 0


@dataclass(frozen=True, slots=True)
class _ProcessReading:
    """A process at an instant; processor time inherited from ended children is kept apart."""

    parent: int
    cpu: int
    inherited: int
    memory: int
    read: int | None
    written: int | None


_NOTHING = _ProcessReading(0, 0, 0, 0, 0, 0)


@dataclass(slots=True)
class _EndedUsage:
    """The use already counted for ended processes, which their heir has inherited."""

    cpu: int = 0
    read: int = 0
    written: int = 0


@dataclass(slots=True)
class ProcessTrees:
    """The process trees of some roots. Each process belongs only to the tree of its nearest root."""

    _read: dict[psutil.Process, _ProcessReading] = field(default_factory=dict)
    _existed: frozenset[psutil.Process] = frozenset()

    def read_usage(self, roots: Collection[psutil.Process]) -> dict[psutil.Process, TreeUsage]:
        """Read the trees and return their use since the last reading; roots that have ended are left out.

        A tree that is read for the first time has used nothing yet. Example: at the last reading the root had
        5 s, now it has 6 s, and inherited 3 s from an ended child of which 2 s were counted: 1 + (3 - 2) = 2
        s.
        """
        running, children = _list_processes()
        trees = {root: _collect_tree(root, children, set(roots)) for root in roots if root in running}
        now: dict[psutil.Process, _ProcessReading] = {}
        for members in trees.values():
            for process in members:
                reading = _read_process(process)
                if reading is not None:
                    now[process] = reading
        ended = self._sum_ended(running, now)
        used = {
            root: self._sum_usage(root, members, now, ended) for root, members in trees.items() if root in now
        }
        self._read, self._existed = now, frozenset(running)
        return used

    def _sum_ended(
        self, running: Collection[psutil.Process], now: Mapping[psutil.Process, _ProcessReading]
    ) -> dict[psutil.Process, _EndedUsage]:
        """Return the use already counted for ended processes, by their nearest living ancestor."""
        ended: dict[psutil.Process, _EndedUsage] = {}
        by_pid = {process.pid: process for process in self._read}
        for process, reading in self._read.items():
            if process in running:
                continue
            heir = by_pid.get(reading.parent)
            while heir is not None and heir not in now:
                heir = by_pid.get(self._read[heir].parent)
            if heir is not None:
                counted = ended.setdefault(heir, _EndedUsage())
                counted.cpu += reading.cpu + reading.inherited
                counted.read += reading.read or 0
                counted.written += reading.written or 0
        return ended

    def _sum_usage(
        self,
        root: psutil.Process,
        members: Collection[psutil.Process],
        now: Mapping[psutil.Process, _ProcessReading],
        ended: Mapping[psutil.Process, _EndedUsage],
    ) -> TreeUsage:
        usage = TreeUsage()
        begins = root not in self._read
        for process in members:
            reading = now.get(process)
            if reading is None:
                continue
            usage.processes += 1
            usage.memory += reading.memory
            before = self._read.get(process)
            if before is None:
                # A process older than the last reading has moved into this tree; its earlier use is not ours.
                before = reading if begins or process in self._existed else _NOTHING
            inherited = ended.get(process, _EndedUsage())
            usage.cpu += max(0, reading.cpu - before.cpu)
            usage.cpu += max(0, reading.inherited - before.inherited - inherited.cpu)
            usage.read = _add_growth(usage.read, reading.read, before.read, inherited.read)
            usage.written = _add_growth(usage.written, reading.written, before.written, inherited.written)
        return usage


def _add_growth(so_far: int | None, now: int | None, before: int | None, inherited: int) -> int | None:
    if now is None or before is None:
        return so_far
    return (so_far or 0) + max(0, now - before - inherited)


def _list_processes() -> tuple[set[psutil.Process], dict[int, list[psutil.Process]]]:
    """Return all processes, and the children of each process by its pid."""
    running: set[psutil.Process] = set()
    children: dict[int, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        try:
            children.setdefault(process.ppid(), []).append(process)
        except psutil.Error:
            continue
        running.add(process)
    return running, children


def _collect_tree(
    root: psutil.Process, children: Mapping[int, list[psutil.Process]], roots: Collection[psutil.Process]
) -> list[psutil.Process]:
    """Return a root and the processes below it, without other roots and the processes below those."""
    members = [root]
    for process in members:
        members += [child for child in children.get(process.pid, ()) if child not in roots]
    return members


def _read_process(process: psutil.Process) -> _ProcessReading | None:
    """Return the use of a process so far, or None if it has ended or may not be inspected."""
    try:
        # psutil's cache may still map a reused pid to the old process.
        if not process.is_running():
            return None
        with process.oneshot():
            times, memory, parent = process.cpu_times(), process.memory_info().rss, process.ppid()
    except psutil.Error:
        return None
    read, written = _read_disk(process)
    return _ProcessReading(
        parent=parent,
        cpu=round((times.user + times.system) * SECOND),
        inherited=round((times.children_user + times.children_system) * SECOND),
        memory=memory,
        read=read,
        written=written,
    )


def _read_disk(process: psutil.Process) -> tuple[int | None, int | None]:
    """Return the bytes read from and written to disk; None if the system does not report them to us."""
    try:
        counters = process.io_counters()
    except (psutil.Error, AttributeError, NotImplementedError, OSError, RuntimeError, ValueError):
        return None, None
    return counters.read_bytes, counters.write_bytes
