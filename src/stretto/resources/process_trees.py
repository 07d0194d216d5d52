"""Forest: the process trees of the agents, read again and again, and what each used in between.

Processor time and bytes of a process that has ended are its parent's from the moment at which the parent
takes note of its end (cutime of proc_pid_stat(5); Linux adds up /proc/PID/io alike). So what a tree used is
what its processes added, and what they inherited less what had been counted of the heirless already. What
nobody inherits is lost: the last seconds of a root, and of a process whose parent was gone before it. Where
the system does not hand on (macOS), so is what ended children used since the reading before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import psutil

from stretto.clock import SECOND


@dataclass(slots=True)
class TreeUsage:
    """What one tree used since the reading before, and holds now."""

    cpu: int = 0
    """Nanoseconds."""
    memory: int = 0
    """Bytes resident, those that processes share counted in each."""
    read: int | None = None
    """Bytes from disk, of the processes that may be looked at; None where none may."""
    written: int | None = None
    processes: int = 0


@dataclass(frozen=True, slots=True)
class _Reading:
    """One process at one instant. What is inherited of ended children stands apart for processor time."""

    parent: int
    cpu: int
    inherited: int
    memory: int
    read: int | None
    written: int | None


_NOTHING = _Reading(0, 0, 0, 0, 0, 0)


@dataclass(slots=True)
class _EndedUsage:
    """What had been counted of processes that ended, by who inherited it."""

    cpu: int = 0
    read: int = 0
    written: int = 0


@dataclass(slots=True)
class ProcessTrees:
    """Trees by their roots. A process belongs to the nearest root at or above it, and so to one tree."""

    _read: dict[psutil.Process, _Reading] = field(default_factory=dict)
    _existed: frozenset[psutil.Process] = frozenset()

    def read_usage(self, roots: Collection[psutil.Process]) -> dict[psutil.Process, TreeUsage]:
        """Read the trees and return what each used since the last look; roots that are gone are left out.

        A tree that was not there at the last look has used nothing yet.
        """
        known, children = _list_processes()
        trees = {root: _collect_tree(root, children, set(roots)) for root in roots if root in known}
        now: dict[psutil.Process, _Reading] = {}
        for members in trees.values():
            for process in members:
                reading = _read_process(process)
                if reading is not None:
                    now[process] = reading
        ended = self._sum_ended(known, now)
        used = {
            root: self._sum_usage(root, members, now, ended) for root, members in trees.items() if root in now
        }
        self._read, self._existed = now, frozenset(known)
        return used

    def _sum_ended(
        self, known: Collection[psutil.Process], now: Mapping[psutil.Process, _Reading]
    ) -> dict[psutil.Process, _EndedUsage]:
        """Return what had been counted of the processes that ended, by their nearest living ancestor."""
        found: dict[psutil.Process, _EndedUsage] = {}
        by_pid = {process.pid: process for process in self._read}
        for process, reading in self._read.items():
            if process in known:
                continue
            heir = by_pid.get(reading.parent)
            while heir is not None and heir not in now:
                heir = by_pid.get(self._read[heir].parent)
            if heir is not None:
                counted = found.setdefault(heir, _EndedUsage())
                counted.cpu += reading.cpu + reading.inherited
                counted.read += reading.read or 0
                counted.written += reading.written or 0
        return found

    def _sum_usage(
        self,
        root: psutil.Process,
        members: Collection[psutil.Process],
        now: Mapping[psutil.Process, _Reading],
        ended: Mapping[psutil.Process, _EndedUsage],
    ) -> TreeUsage:
        used = TreeUsage()
        begins = root not in self._read
        for process in members:
            reading = now.get(process)
            if reading is None:
                continue
            used.processes += 1
            used.memory += reading.memory
            before = self._read.get(process)
            if before is None:
                # One that is older than the last look has come from elsewhere with what it used there.
                before = reading if begins or process in self._existed else _NOTHING
            inherited = ended.get(process, _EndedUsage())
            used.cpu += max(0, reading.cpu - before.cpu)
            used.cpu += max(0, reading.inherited - before.inherited - inherited.cpu)
            used.read = _add_growth(used.read, reading.read, before.read, inherited.read)
            used.written = _add_growth(used.written, reading.written, before.written, inherited.written)
        return used


def _add_growth(so_far: int | None, now: int | None, before: int | None, inherited: int) -> int | None:
    if now is None or before is None:
        return so_far
    return (so_far or 0) + max(0, now - before - inherited)


def _list_processes() -> tuple[set[psutil.Process], dict[int, list[psutil.Process]]]:
    """Return all processes, and the children of each by its pid."""
    known: set[psutil.Process] = set()
    children: dict[int, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        try:
            children.setdefault(process.ppid(), []).append(process)
        except psutil.Error:
            continue
        known.add(process)
    return known, children


def _collect_tree(
    root: psutil.Process, children: Mapping[int, list[psutil.Process]], roots: Collection[psutil.Process]
) -> list[psutil.Process]:
    """Return a root and what is below it, but for other roots and what is below those."""
    found = [root]
    for process in found:
        found += [child for child in children.get(process.pid, ()) if child not in roots]
    return found


def _read_process(process: psutil.Process) -> _Reading | None:
    """Return what a process has used so far, or None where it is gone or nobody may look."""
    try:
        # A pid that was given to another process meanwhile still stands for the old one in psutil's cache.
        if not process.is_running():
            return None
        with process.oneshot():
            times, memory, parent = process.cpu_times(), process.memory_info().rss, process.ppid()
    except psutil.Error:
        return None
    read, written = _read_disk(process)
    return _Reading(
        parent=parent,
        cpu=round((times.user + times.system) * SECOND),
        inherited=round((times.children_user + times.children_system) * SECOND),
        memory=memory,
        read=read,
        written=written,
    )


def _read_disk(process: psutil.Process) -> tuple[int | None, int | None]:
    """Return the bytes read from and written to disk: None where the system does not tell, or not us."""
    try:
        counters = process.io_counters()
    except (psutil.Error, AttributeError, NotImplementedError, OSError, RuntimeError, ValueError):
        return None, None
    return counters.read_bytes, counters.write_bytes
