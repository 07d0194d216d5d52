"""Caching: how a program's own caches do, counted in the process and reported now and then.

A report is a span without length, ``cache <name>``, that bears what was counted since the last one. It goes
out when a session ends, every ten seconds while it runs, by ``flush`` and as the program exits, so that
counting itself is an addition under a lock. What is counted outside any session belongs to the one that is
reported next.
"""

from __future__ import annotations

import atexit
import os
from threading import Lock
from time import monotonic, time_ns

from opentelemetry.context import Context

from stretto.api.context import Surroundings, get_context, get_surroundings
from stretto.api.span_block import describe_surroundings, get_tracer, keep_known, title_span, trim_name

REPORT_SECONDS = 10.0
"""How long counts wait for a report while a session runs."""

HITS, MISSES, EVICTIONS, INVALIDATIONS = range(4)

_caches: dict[str, Cache] = {}
_lock = Lock()
_at_exit = False


def cache(name: str) -> Cache:
    """Return what counts for the cache of a name: the same for the same name, in all of the program."""
    called = trim_name(name)
    if called is None:
        raise ValueError("a cache needs a name")
    with _lock:
        found = _caches.get(called)
        if found is None:
            found = _caches[called] = Cache(called)
        return found


class _SessionCounts:
    """What was counted in one session since the last report."""

    __slots__ = ("around", "due", "entries", "numbers")

    def __init__(self, around: Surroundings | None) -> None:
        self.around = around
        self.due = monotonic() + REPORT_SECONDS
        self.numbers = [0, 0, 0, 0]
        self.entries: tuple[float, int] | None = None
        """When the size was last told, and what it was."""


class Cache:
    """Counts what happens in one cache. Its methods may be called from several threads, and cost little."""

    __slots__ = ("_counts", "_lock", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._counts: dict[str | None, _SessionCounts] = {}
        self._lock = Lock()

    def hit(self, count: int = 1) -> None:
        """Count lookups that found an entry."""
        self._add_count(HITS, count)

    def miss(self, count: int = 1) -> None:
        """Count lookups that found none."""
        self._add_count(MISSES, count)

    def evict(self, count: int = 1) -> None:
        """Count entries that had to go to make room."""
        self._add_count(EVICTIONS, count)

    def invalidate(self, count: int = 1) -> None:
        """Count entries that went because they no longer held."""
        self._add_count(INVALIDATIONS, count)

    def size(self, entries: int) -> None:
        """Say how many entries the cache holds now."""
        self._add_count(None, entries)

    def report_counts(self, session: str | None, context: Context, at: int | None = None) -> None:
        """Report what was counted in a session, and outside any, since the last time; ``at`` (ns) or now."""
        with self._lock:
            told = [counts for id in {session, None} if (counts := self._counts.pop(id, None)) is not None]
            if not told:
                return
            around = next((counts.around for counts in told if counts.around is not None), None)
            if around is None and session is None:
                # Nobody's: it waits for a session to come.
                self._counts[None] = told[0]
                return
        numbers = [sum(amounts) for amounts in zip(*(counts.numbers for counts in told), strict=True)]
        newest = max((counts.entries for counts in told if counts.entries is not None), default=None)
        source = around.source if around is not None else None
        told_of = Surroundings(session=session, source=source)
        entries = None if newest is None else newest[1]
        _send_report(self.name, told_of, numbers, entries, context, at=time_ns() if at is None else at)

    def list_sessions(self) -> list[str | None]:
        """Return the sessions in which something was counted since the last report."""
        with self._lock:
            return list(self._counts)

    def forget_counts(self) -> None:
        """Forget what was counted: in the copy of a process it is the parent's to report."""
        self._lock = Lock()
        self._counts = {}

    def _add_count(self, what: int | None, number: int) -> None:
        if get_tracer() is None:
            return
        _report_at_exit()
        context = get_context()
        around = get_surroundings(context)
        session = around.session if around is not None else None
        with self._lock:
            counts = self._counts.get(session)
            if counts is None:
                counts = self._counts[session] = _SessionCounts(around)
            if what is None:
                counts.entries = (monotonic(), number)
            else:
                counts.numbers[what] += number
            due = session is not None and monotonic() >= counts.due
        if due:
            self.report_counts(session, context)


def report_session(session: str | None, context: Context, at: int) -> None:
    """Report what all caches have counted in a session that ends at an instant (ns)."""
    for each in list(_caches.values()):
        each.report_counts(session, context, at)


def report_all() -> None:
    """Report what all caches have counted in whatever session."""
    for each in list(_caches.values()):
        for session in each.list_sessions():
            each.report_counts(session, get_context())


def _send_report(
    name: str, around: Surroundings, numbers: list[int], entries: int | None, context: Context, *, at: int
) -> None:
    found = get_tracer()
    if found is None:
        return
    hits, misses, evictions, invalidations = numbers
    told = keep_known(
        CACHE_NAME=name,
        CACHE_HITS=hits,
        CACHE_MISSES=misses,
        CACHE_EVICTIONS=evictions,
        CACHE_INVALIDATIONS=invalidations,
        CACHE_ENTRIES=entries,
    )
    span = found.start_span(
        title_span("cache", name), context, attributes=describe_surroundings(around) | told, start_time=at
    )
    span.end(at)


def _report_at_exit() -> None:
    # Registered once an SDK is there, so that it runs before the SDK's own end.
    global _at_exit  # noqa: PLW0603  # there is one exit
    if not _at_exit:
        _at_exit = True
        atexit.register(report_all)


def _forget_in_copy() -> None:
    global _lock  # noqa: PLW0603  # another thread of the parent may have held it
    _lock = Lock()
    for each in _caches.values():
        each.forget_counts()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_copy)
