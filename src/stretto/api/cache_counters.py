"""Count hits, misses, evictions and invalidations of a program's own caches, and report them regularly.

A report is a span without duration, ``cache <name>``, with the counts since the previous report. Reports are
sent when a session ends, every ten seconds while it runs, by ``flush`` and at the program's exit. So counting
costs only an addition under a lock. Counts outside any session are added to the next session's report.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Sequence
from operator import itemgetter
from threading import Lock
from time import monotonic, time_ns

from opentelemetry.context import Context

from stretto.api.context import Surroundings, get_context, get_surroundings
from stretto.api.span_block import (
    build_attributes,
    get_tracer,
    list_session_and_agent_attributes,
    name_span,
    trim_name,
)
from stretto.clock import SECOND

REPORT_SECONDS = 10.0
"""Longest wait of counts for a report while a session runs."""

HITS, MISSES, EVICTIONS, INVALIDATIONS, REFUSED, EVICTED_MISSES, SAVED, LOOKUP_TIME = range(8)
"""The counts of a cache; the last two are nanoseconds."""

_caches: dict[str, Cache] = {}
_lock = Lock()
_at_exit = False


def cache(name: str) -> Cache:
    """Return the counter for the cache of a name; the same name gives the same counter everywhere."""
    cache_name = trim_name(name)
    if cache_name is None:
        raise ValueError("a cache needs a name")
    with _lock:
        counter = _caches.get(cache_name)
        if counter is None:
            counter = _caches[cache_name] = Cache(cache_name)
        return counter


class _SessionCounts:
    """The counts of a cache in a session since the last report."""

    __slots__ = ("due", "is_timed", "numbers", "size", "surroundings")

    def __init__(self, surroundings: Surroundings | None) -> None:
        self.surroundings = surroundings
        self.due = monotonic() + REPORT_SECONDS
        self.numbers = [0] * 8
        self.is_timed = False
        """Whether lookups are timed and refusals counted: a cache that does neither reports none of it."""
        self.size: tuple[float, int, int | None] | None = None
        """Time, entries and bytes of the last reported size."""


class Cache:
    """Counts the events of a cache. Its methods are fast and can be called from several threads."""

    __slots__ = ("_counts", "_lock", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._counts: dict[str | None, _SessionCounts] = {}
        self._lock = Lock()

    def hit(self, count: int = 1) -> None:
        """Count lookups that found an entry."""
        self._add_counts(((HITS, count),))

    def miss(self, count: int = 1) -> None:
        """Count lookups that found no entry."""
        self._add_counts(((MISSES, count),))

    def evict(self, count: int = 1) -> None:
        """Count entries that were removed to make room."""
        self._add_counts(((EVICTIONS, count),))

    def invalidate(self, count: int = 1) -> None:
        """Count entries that were removed because they were no longer valid."""
        self._add_counts(((INVALIDATIONS, count),))

    def size(self, entries: int, *, bytes: int | None = None) -> None:
        """Record the number of entries that the cache holds now, and their bytes if they are measured."""
        self._add_counts((), size=(entries, bytes))

    def add_lookup(
        self,
        *,
        is_hit: bool,
        is_refused: bool,
        was_evicted: bool,
        saved_seconds: float,
        lookup_seconds: float,
    ) -> None:
        """Count a lookup with its times.

        ``is_refused``: it met a stale entry and did not answer with it. ``was_evicted``: it missed an entry
        that twice the room would still hold. ``saved_seconds``: how long the
        computation of the answer had taken.
        """
        if get_tracer() is None:
            return
        self._add_counts(
            (
                (HITS if is_hit else MISSES, 1),
                (REFUSED, int(is_refused)),
                (EVICTED_MISSES, int(was_evicted)),
                (SAVED, round(saved_seconds * SECOND)),
                (LOOKUP_TIME, round(lookup_seconds * SECOND)),
            ),
            is_timed=True,
        )

    def report_counts(self, session: str | None, context: Context, at: int | None = None) -> None:
        """Report the counts of a session, and those outside any session, at ``at`` (ns) or now."""
        with self._lock:
            reported = [
                counts for id in {session, None} if (counts := self._counts.pop(id, None)) is not None
            ]
            if not reported:
                return
            places = (counts.surroundings for counts in reported if counts.surroundings is not None)
            place = next(places, None)
            if place is None and session is None:
                # The counts belong to no session yet: they wait for the next session.
                self._counts[None] = reported[0]
                return
        surroundings = Surroundings(session=session, source=place.source if place is not None else None)
        _send_report(self.name, surroundings, reported, context, at=time_ns() if at is None else at)

    def list_sessions(self) -> list[str | None]:
        """Return the sessions with counts since the last report."""
        with self._lock:
            return list(self._counts)

    def forget_counts(self) -> None:
        """Forget all counts: after a fork, the parent process reports them."""
        self._lock = Lock()
        self._counts = {}

    def _add_counts(
        self,
        amounts: Sequence[tuple[int, int]],
        *,
        is_timed: bool = False,
        size: tuple[int, int | None] | None = None,
    ) -> None:
        if get_tracer() is None:
            return
        _report_at_exit()
        context = get_context()
        surroundings = get_surroundings(context)
        session = surroundings.session if surroundings is not None else None
        with self._lock:
            counts = self._counts.get(session)
            if counts is None:
                counts = self._counts[session] = _SessionCounts(surroundings)
            for kind, number in amounts:
                counts.numbers[kind] += number
            counts.is_timed |= is_timed
            if size is not None:
                counts.size = (monotonic(), *size)
            due = session is not None and monotonic() >= counts.due
        if due:
            self.report_counts(session, context)


def report_caches_at_session_end(session: str | None, context: Context, at: int) -> None:
    """Report the counts of all caches in a session that ends at ``at`` (ns)."""
    for counter in list(_caches.values()):
        counter.report_counts(session, context, at)


def report_all() -> None:
    """Report the counts of all caches in all sessions."""
    for counter in list(_caches.values()):
        for session in counter.list_sessions():
            counter.report_counts(session, get_context())


def _send_report(
    name: str, surroundings: Surroundings, reported: list[_SessionCounts], context: Context, *, at: int
) -> None:
    tracer = get_tracer()
    if tracer is None:
        return
    numbers = [sum(amounts) for amounts in zip(*(counts.numbers for counts in reported), strict=True)]
    is_timed = any(counts.is_timed for counts in reported)
    sizes = [counts.size for counts in reported if counts.size is not None]
    _, entries, size = max(sizes, key=itemgetter(0), default=(0.0, None, None))
    counts = build_attributes(
        CACHE_NAME=name,
        CACHE_HITS=numbers[HITS],
        CACHE_MISSES=numbers[MISSES],
        CACHE_EVICTIONS=numbers[EVICTIONS],
        CACHE_INVALIDATIONS=numbers[INVALIDATIONS],
        CACHE_ENTRIES=entries,
        CACHE_BYTES=size,
        CACHE_REFUSED=numbers[REFUSED] if is_timed else None,
        CACHE_EVICTED_MISSES=numbers[EVICTED_MISSES] if is_timed else None,
        CACHE_SAVED_SECONDS=numbers[SAVED] / SECOND if is_timed else None,
        CACHE_LOOKUP_SECONDS=numbers[LOOKUP_TIME] / SECOND if is_timed else None,
    )
    attributes = list_session_and_agent_attributes(surroundings) | counts
    span = tracer.start_span(name_span("cache", name), context, attributes=attributes, start_time=at)
    span.end(at)


def _report_at_exit() -> None:
    # Registered after the SDK, so that it runs before the SDK shuts down.
    global _at_exit  # noqa: PLW0603  # a process exits once
    if not _at_exit:
        _at_exit = True
        atexit.register(report_all)


def _forget_after_fork() -> None:
    global _lock  # noqa: PLW0603  # a thread of the parent may have held the lock
    _lock = Lock()
    for counter in _caches.values():
        counter.forget_counts()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
