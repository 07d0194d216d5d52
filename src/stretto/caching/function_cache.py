"""The cache of one function: look a call up, compute and store what is missing, invalidate what is stale."""

from __future__ import annotations

import logging
import os
from asyncio import CancelledError
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from time import monotonic, perf_counter
from typing import Any, NamedTuple
from weakref import WeakSet

from stretto.caching.cache_counts import CacheCounts, CacheTally
from stretto.caching.call_keys import CallBinder
from stretto.caching.entries_in_memory import CacheEntry, EntryStore
from stretto.caching.flights import (
    LED,
    AbandonedError,
    Flight,
    FlightTable,
    OverdueError,
    try_to_wait_for_flight,
)
from stretto.caching.policy import CachePolicy, Question
from stretto.caching.task_structure_similarity import SimilarAnswer, compute_similarity, count_traits
from stretto.features.feature_state_in_program import ProgramSwitch
from stretto.figures.cache_figures_and_faults import CacheUse, CacheVerdict, judge_cache

_log = logging.getLogger(__name__)
_MISSING = object()
Calls = Iterable[tuple[tuple[Any, ...], dict[str, Any]]]
"""Arguments and keywords of several calls."""


class _Answer(NamedTuple):
    """A lookup's result: an entry, a flight to wait for, or a flight to lead; without any, compute alone."""

    entry: CacheEntry | None = None
    awaited: Flight | None = None
    led: Flight | None = None
    was_evicted: bool = False
    """Whether the entry was there until it was evicted for want of room."""
    was_refused: bool = False
    """Whether an entry was met and was stale."""
    seconds: float = 0.0
    """How long the lookup took."""


class Ask(NamedTuple):
    """A call with its question."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    question: Question
    started: float
    counts: bool = True
    """Whether it counts as a lookup: warming does not."""
    was_refused: bool = False
    """Whether an earlier try of the same call met a stale entry."""


RUNNING: ContextVar[tuple[tuple[FunctionCache, Hashable], ...]] = ContextVar("stretto_caches", default=())
"""The caches whose functions are being computed by the current work, with the arguments' part of the key."""


class FunctionCache:
    """The results of a function. Its methods can be called from all threads and event loops."""

    def __init__(
        self, name: str, function: Callable[..., Any], policy: CachePolicy,
        *, clock: Callable[[], float] = monotonic,
    ) -> None:  # fmt: skip
        self.name = name
        self.policy = policy
        self.parts: dict[object, FunctionCache] = {}
        """Level → the cache of its results."""
        self._function = function
        self._binder = CallBinder(function)
        self._clock = clock
        self._lock = Lock()
        self._store = EntryStore(policy.max, policy.max_bytes, policy.ttl)
        self._flights = FlightTable()
        self._tally = CacheTally(name)
        self._measures = policy.size is not None or policy.max_bytes is not None
        self._switch = ProgramSwitch("caching", name, clock=clock)
        self._warming = ProgramSwitch("warming", name, clock=clock)
        self._similar_answers = ProgramSwitch("similar_answers", name, clock=clock)
        self.is_allowed = True
        """Set it to False to switch this cache off by hand."""
        self._has_warned = False
        self._computed = 0
        _all_caches.add(self)

    @property
    def is_switched_on(self) -> bool:
        """Whether calls look into the cache. Entries stay meanwhile, and are checked as ever afterwards."""
        return self.is_allowed and self._switch.is_on()

    # Calls.

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the function's result, cached or computed. Raises what the function raises."""
        started = perf_counter()
        return self.run(Ask(self._function, args, kwargs, self._ask(args, kwargs), started))

    async def call_coroutine(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the coroutine function's result, cached or computed. Raises what it raises."""
        started = perf_counter()
        ask = Ask(self._function, args, kwargs, self._ask(args, kwargs), started)
        return await self.run_coroutine(ask)

    def run(self, ask: Ask) -> Any:
        """Return the result of a call whose question is known."""
        while True:
            answer = self._look_up(ask)
            if answer.entry is not None:
                return self._hand_out(answer.entry.value)
            if answer.awaited is None:
                with self._lead(ask, answer.led) as landing:
                    landing.append(ask.function(*ask.args, **ask.kwargs))
                return landing[0]
            try:
                with self._count_vain_wait(ask, answer):
                    value, seconds = answer.awaited.await_landing(self.policy.patience)
            except AbandonedError:
                ask = ask._replace(started=perf_counter(), was_refused=answer.was_refused)
                continue
            except OverdueError:
                return ask.function(*ask.args, **ask.kwargs)
            self._count_lookup(ask, answer, saved_seconds=seconds)
            return self._hand_out(value)

    async def run_coroutine(self, ask: Ask) -> Any:
        """Return the result of a coroutine function's call whose question is known."""
        while True:
            answer = self._look_up(ask)
            if answer.entry is not None:
                return self._hand_out(answer.entry.value)
            if answer.awaited is None:
                with self._lead(ask, answer.led) as landing:
                    landing.append(await ask.function(*ask.args, **ask.kwargs))
                return landing[0]
            try:
                with self._count_vain_wait(ask, answer):
                    value, seconds = await answer.awaited.await_landing_in_loop(self.policy.patience)
            except AbandonedError:
                ask = ask._replace(started=perf_counter(), was_refused=answer.was_refused)
                continue
            except OverdueError:
                return await ask.function(*ask.args, **ask.kwargs)
            self._count_lookup(ask, answer, saved_seconds=seconds)
            return self._hand_out(value)

    # What a program may ask for.

    def invalidate(self, *args: Any, **kwargs: Any) -> int:
        """Remove the entries of a call, for every user and environment; return how many."""
        base = self._ask(args, kwargs).key[0]
        return self._invalidate(lambda key, _: key[0] == base, lambda flight: flight[0][0] == base)

    def invalidate_tag(self, tag: Hashable) -> int:
        """Remove the entries with a tag; return how many."""
        # The tags of a computation under way are not known yet.
        return self._invalidate(lambda _, entry: tag in entry.tags, lambda _: True)

    def invalidate_all(self) -> int:
        """Remove all entries, those of the levels too; return how many."""
        count = self._invalidate(lambda _, __: True, lambda _: True)
        return count + sum(part.invalidate_all() for part in self.parts.values())

    def judge(self, *args: Any, confidence: float, **kwargs: Any) -> bool:
        """Lower the confidence in a call's stored result; return whether there is one."""
        question = self._ask(args, kwargs)
        with self._lock:
            entry = self._store.read_entry(question.key)
            if entry is None:
                return False
            entry.confidence = min(entry.confidence, confidence)
            return True

    def find_similar(self, *args: Any, least: float = 0.8, **kwargs: Any) -> SimilarAnswer | None:
        """Return the valid result of the most similar call, or None below a similarity of ``least``.

        User, task type, complexity, version and environment must be the same. Nothing is computed. None too
        while ``similar_answers`` is switched off. Raises ValueError if the cache does not know of what its
        calls consist.
        """
        policy, now = self.policy, self._clock()
        if policy.traits is None:
            raise ValueError(f"cache {self.name} has no traits=, so no two calls are similar")
        if not (self.is_switched_on and self._similar_answers.is_on()):
            return None
        question = self._ask(args, kwargs)
        traits = count_traits(policy.traits(*args, **kwargs))
        best: SimilarAnswer | None = None
        for key, entry in self._list_valid(question, now):
            if key[1:] != question.key[1:]:
                continue
            similarity = compute_similarity(traits, entry.traits)
            is_exact = key == question.key
            rank = (similarity, is_exact)
            if similarity >= least and (best is None or rank > (best.similarity, best.is_exact)):
                best = SimilarAnswer(self._hand_out(entry.value), similarity, is_exact, now - entry.stored)
        return best

    def warm(self, calls: Iterable[tuple[Any, ...]] | None = None, *, limit: int | None = None) -> int:
        """Compute the missing results of calls, by default the most frequent; return how many are new.

        ``calls`` are tuples of arguments. A call that fails is logged and left out. While ``warming`` or the
        cache is switched off, nothing is computed.
        """
        before = self._computed
        for args, kwargs in self._list_calls(calls, limit):
            try:
                self.run(Ask(self._function, args, kwargs, self._ask(args, kwargs), 0.0, counts=False))
            except Exception:  # noqa: BLE001  # whatever a call raises, the next is warmed
                _log.warning("cache %s: a call could not be warmed", self.name, exc_info=True)
        return self._computed - before

    async def warm_coroutine(
        self, calls: Iterable[tuple[Any, ...]] | None = None, *, limit: int | None = None
    ) -> int:
        """Compute the missing results of a coroutine function's calls; like ``warm``."""
        before = self._computed
        for args, kwargs in self._list_calls(calls, limit):
            try:
                ask = Ask(self._function, args, kwargs, self._ask(args, kwargs), 0.0, counts=False)
                await self.run_coroutine(ask)
            except Exception:  # noqa: BLE001  # whatever a call raises, the next is warmed
                _log.warning("cache %s: a call could not be warmed", self.name, exc_info=True)
        return self._computed - before

    @property
    def counts(self) -> CacheCounts:
        """A copy of the counts now."""
        with self._lock:
            expired = self._store.remove_expired(self._clock())
        self._tally.add_removals(invalidations=expired)
        with self._lock:
            return self._tally.copy_counts(*self._measure_store())

    def find_faults(self) -> list[CacheVerdict]:
        """Return whether the cache is useless or too small, with the evidence; nothing for few lookups."""
        counts = self.counts
        return judge_cache(
            CacheUse(
                hits=counts.hits,
                misses=counts.misses,
                evicted_misses=counts.evicted_misses,
                saved_seconds=counts.saved_seconds,
                lookup_seconds=counts.lookup_seconds,
            )
        )

    # How it works.

    def _ask(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Question:
        return self.policy.ask(self._binder, args, kwargs)

    def _look_up(self, ask: Ask) -> _Answer:
        """Return the answer to a call, counted unless it has to wait for another caller first.

        An entry is checked outside of the lock, because the check may call functions of the program.
        """
        question, was_refused = ask.question, ask.was_refused
        while True:
            with self._lock:
                entry = self._store.read_entry(question.key)
                answer = self._join_or_lead(question) if entry is None else _Answer(entry)
            if entry is None or self._find_fault(entry, question) is None:
                break
            was_refused = True
            with self._lock:
                if self._store.read_entry(question.key) is entry:
                    self._store.remove_entry(question.key)
            self._tally.add_removals(invalidations=1)
        answer = answer._replace(was_refused=was_refused, seconds=perf_counter() - ask.started)
        if answer.awaited is None:
            self._count_lookup(ask, answer, saved_seconds=None if entry is None else entry.seconds)
        return answer

    def _join_or_lead(self, question: Question) -> _Answer:
        flight = self._flights.get_flight(question.flight)
        if flight is None:
            opened = self._flights.open_flight(question.flight)
            return _Answer(led=opened, was_evicted=self._store.was_evicted(question.key))
        return _Answer(awaited=flight) if try_to_wait_for_flight(flight) else _Answer()

    def _find_fault(self, entry: CacheEntry, question: Question) -> str | None:
        now = self._clock()
        if self._store.is_expired(entry, now):
            return "age"
        try:
            return self.policy.find_fault(entry, question, now)
        except Exception:  # noqa: BLE001  # a fault of the program's judge must not fail its call
            self._warn("its confidence could not be computed")
            return "confidence"

    @contextmanager
    def _lead(self, ask: Ask, flight: Flight | None) -> Iterator[list[Any]]:
        """Store the result that the block puts into the list, and hand it to those who wait.

        Without a flight the block computes for itself alone. An exception is passed to those who wait and is
        not stored; after a cancellation one of them computes.
        """
        landing: list[Any] = []
        running = RUNNING.set((*RUNNING.get(), (self, ask.question.key[0])))
        led = LED.set(LED.get() if flight is None else (*LED.get(), flight))
        started = perf_counter()
        try:
            yield landing
        except BaseException as error:
            is_shared = isinstance(error, Exception) and not isinstance(error, CancelledError)
            self._fail(ask, flight, error if is_shared else AbandonedError())
            raise
        finally:
            LED.reset(led)
            RUNNING.reset(running)
        self._land(ask, flight, landing[0], perf_counter() - started)

    def _fail(self, ask: Ask, flight: Flight | None, error: BaseException) -> None:
        if flight is not None:
            with self._lock:
                self._flights.close_flight(ask.question.flight, flight)
            flight.future.set_exception(error)

    def _land(self, ask: Ask, flight: Flight | None, value: Any, seconds: float) -> None:
        entry, shared = None, value
        try:
            shared = self._hand_out(value)
            entry = self.policy.make_entry(
                ask.question, shared, ask.args, ask.kwargs, now=self._clock(), seconds=seconds
            )
        except Exception:  # noqa: BLE001  # the result is there, though it cannot be kept
            self._warn("a result could not be stored")
        if flight is None:
            return
        evicted = expired = 0
        with self._lock:
            self._computed += 1
            self._flights.close_flight(ask.question.flight, flight)
            if flight.is_kept and entry is not None:
                expired = self._store.remove_expired(entry.stored)
                evicted = self._store.write_entry(ask.question.key, entry)
        flight.future.set_result((shared, seconds))
        self._tally.add_removals(evictions=evicted, invalidations=expired)
        self._report_size()

    def _invalidate(
        self, is_chosen: Callable[[Any, CacheEntry], bool], is_disowned: Callable[[Any], bool]
    ) -> int:
        with self._lock:
            # A computation under way may have read what is invalid now.
            self._flights.disown_where(is_disowned)
            expired = self._store.remove_expired(self._clock())
            count = self._store.remove_where(is_chosen)
        if count or expired:
            self._tally.add_removals(invalidations=count + expired)
            self._report_size()
        return count

    def _list_valid(self, question: Question, now: float) -> list[tuple[Any, CacheEntry]]:
        with self._lock:
            entries = self._store.list_entries()
        return [
            (key, entry)
            for key, entry in entries
            if not self._store.is_expired(entry, now) and self._find_fault(entry, question) is None
        ]

    def _list_calls(self, calls: Iterable[tuple[Any, ...]] | None, limit: int | None) -> Calls:
        if not (self.is_switched_on and self._warming.is_on()):
            return []
        if calls is not None:
            return [(tuple(args), {}) for args in calls][:limit]
        if self.policy.frequent is None:
            raise ValueError(f"cache {self.name} has no frequent=: name the calls to warm it with")
        return self.policy.frequent.list_calls(limit or self.policy.max)

    def _hand_out(self, value: Any) -> Any:
        return value if self.policy.copy is None else self.policy.copy(value)

    @contextmanager
    def _count_vain_wait(self, ask: Ask, answer: _Answer) -> Iterator[None]:
        """Count a miss if the wait for another caller ends without a result and the call is not repeated.

        A wait that is cancelled or interrupted ends so, too.
        """
        try:
            yield
        except AbandonedError:
            raise
        except BaseException:
            self._count_lookup(ask, answer, saved_seconds=None)
            raise

    def _count_lookup(self, ask: Ask, answer: _Answer, *, saved_seconds: float | None) -> None:
        if not ask.counts:
            return
        self._tally.add_lookup(
            saved_seconds=saved_seconds,
            is_refused=answer.was_refused,
            was_evicted=answer.was_evicted,
            lookup_seconds=answer.seconds,
        )
        if self.policy.frequent is not None:
            self.policy.frequent.note_call(ask.args, dict(ask.kwargs))

    def _measure_store(self) -> tuple[int, int | None]:
        return len(self._store), self._store.bytes if self._measures else None

    def _report_size(self) -> None:
        self._tally.report_size(*self._measure_store())

    def _warn(self, text: str) -> None:
        """Log the first fault of a function that the policy names; the call itself goes on."""
        if not self._has_warned:
            self._has_warned = True
            _log.warning("cache %s: %s; further faults are not logged", self.name, text, exc_info=True)

    def renew_after_fork(self) -> None:
        """Forget locks and computations of the parent's other threads, which do not exist here."""
        self._lock = Lock()
        self._flights = FlightTable()
        self._tally.renew_after_fork()


_all_caches: WeakSet[FunctionCache] = WeakSet()


def _renew_all() -> None:
    for cache in list(_all_caches):
        cache.renew_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
