"""Caching over many random operations: equal to the reference, never stale, bounded."""

from __future__ import annotations

import asyncio
import bisect
import itertools
import random
import threading
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cachetools
import pytest

from stretto.caching import cached, get_cache
from tests.shown.scale import choose_scale
from tests.shown.test_gates import bound_rate

pytestmark = pytest.mark.shown


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Reference:
    """The same bounds by the reference library alone: an LRU cache with an age, and sizes by value."""

    def __init__(self, clock: Clock, max: int, max_bytes: int | None, ttl: float) -> None:
        most = max if max_bytes is None else max_bytes
        size = None if max_bytes is None else len
        self.cache: Any = cachetools.TTLCache(most, ttl, timer=clock, getsizeof=size)
        self.computed = 0

    def call(self, key: int, compute: Callable[[int], str]) -> str:
        try:
            return str(self.cache[key])
        except KeyError:
            self.computed += 1
            value = compute(key)
            if self.cache.getsizeof(value) <= self.cache.maxsize:
                self.cache[key] = value
            return value


@pytest.mark.parametrize(("max_bytes", "ttl"), [(None, 300.0), (None, 1e9), (4_000, 300.0)])
def test_random_operations_equal_the_reference(max_bytes: int | None, ttl: float) -> None:
    """Calls, removals and passing time: the same results, the same number of computations, the same size."""
    rounds = choose_scale(50_000, 1_000_000)
    rng, clock = random.Random(20261120), Clock()
    values: dict[int, int] = {}

    def compute(key: int) -> str:
        values[key] = values.get(key, 0) + 1
        return f"{key}.{values[key]}".ljust(key % 60)

    ours: list[int] = []

    def body(key: int) -> str:
        ours.append(key)
        return f"{key}.{values[key]}".ljust(key % 60)

    entries = 10**6 if max_bytes else 500
    size = len if max_bytes else None
    function: Any = cached("ours", max=entries, max_bytes=max_bytes, ttl=ttl, size=size, clock=clock)(body)
    reference = Reference(clock, entries, max_bytes, ttl)
    cache = get_cache(function)
    weights = [1 / (rank + 1) for rank in range(2_000)]
    keys = rng.choices(range(2_000), weights, k=rounds)
    for key in keys:
        draw = rng.random()
        if draw < 0.02:
            assert cache.invalidate(key) == (reference.cache.pop(key, None) is not None)
        else:
            expected = reference.call(key, compute)
            assert function(key) == expected
        if draw < 0.2:
            clock.now += rng.random() * 10
    assert len(ours) == reference.computed
    assert cache.counts.entries == len(reference.cache)
    if max_bytes:
        assert cache.counts.bytes == reference.cache.currsize <= max_bytes


def test_no_answer_is_stale_and_the_valid_ones_are_kept() -> None:
    """Environments, versions and confidences change; every answer is checked by an oracle.

    An answer is stale if a tool that it used, its version or its confidence has changed since. A recomputed
    result that was still valid counts as lost.
    """
    changes = choose_scale(2_000, 10_000)
    rng, clock = random.Random(7), Clock()
    tools: dict[str, str | None] = {f"tool{number}": "1" for number in range(12)}
    versions, trust = dict.fromkeys(range(200), 0), dict.fromkeys(range(200), 1.0)
    uses = {key: [f"tool{number}" for number in rng.sample(range(16), 3)] for key in range(200)}
    state_of: dict[int, Any] = {}
    computed: list[int] = []

    def describe(key: int) -> Any:
        return versions[key], tuple(tools.get(tool, "none") for tool in uses[key])

    def body(key: int) -> tuple[int, Any]:
        computed.append(key)
        trust[key] = 1.0
        return key, describe(key)

    function: Any = cached(
        "valid",
        ttl=None,
        env=lambda: tools,
        uses=lambda _result, key: uses[key],
        version=lambda key: versions[key],
        confidence=lambda result, _: trust[result[0]],
        min_confidence=0.5,
        clock=clock,
    )(body)
    stale = lost = kept = changed = 0
    while changed < changes:
        kind, key = rng.randrange(5), rng.randrange(200)
        tool, version = f"tool{rng.randrange(16)}", str(rng.randrange(3))
        if kind == 0:
            changed += tools.get(tool) != version
            tools[tool] = version
        elif kind == 1:
            changed += tool in tools
            tools.pop(tool, None)
        elif kind == 2:
            changed += 1
            versions[key] += 1
        elif kind == 3:
            changed += 1
            trust[key] = rng.random()
        for asked in (key, *rng.choices(range(200), k=4)):
            was_valid = state_of.get(asked) == describe(asked) and trust[asked] >= 0.5
            before = len(computed)
            answer = function(asked)
            stale += answer != (asked, describe(asked)) or trust[asked] < 0.5
            lost += was_valid and len(computed) > before
            kept += was_valid and len(computed) == before
            state_of[asked] = describe(asked)
    assert stale == 0
    assert kept > changes
    assert bound_rate(kept, kept + lost, upper=False) >= 0.95


def test_threads_share_one_computation() -> None:
    """Sixteen threads that ask for the same keys at the same time compute each key once."""
    for _ in range(choose_scale(5, 50)):
        computed: list[int] = []
        start = threading.Barrier(16)

        @cached("threads")
        def function(key: int) -> int:
            computed.append(key)  # noqa: B023  # called within the round
            time.sleep(0.001)
            return key

        def ask(seed: int) -> list[int]:
            keys = random.Random(seed).sample(range(40), 40)
            start.wait()  # noqa: B023  # called within the round
            return [function(key) for key in keys]

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(ask, range(16)))
        assert sorted(computed) == list(range(40))
        counts = get_cache(function).counts
        assert (counts.misses, counts.hits) == (40, 16 * 40 - 40)


def test_coroutines_share_one_computation() -> None:
    """A thousand coroutines compute each of ten keys once; exceptions are shared by those who wait only."""
    computed: list[int] = []

    @cached("coroutines")
    async def function(key: int) -> int:
        computed.append(key)
        await asyncio.sleep(0.01)
        if key == 9:
            raise ValueError(key)
        return key

    async def main() -> list[Any]:
        return await asyncio.gather(
            *(function(number % 10) for number in range(1_000)), return_exceptions=True
        )

    results = asyncio.run(main())
    assert sorted(computed) == list(range(10))
    assert sum(isinstance(result, ValueError) for result in results) == 100
    assert results[:9] == list(range(9))
    asyncio.run(main())
    assert sorted(computed) == [*range(9), 9, 9], "the exception was not cached, the results were"


def test_loops_in_several_threads_share_one_computation() -> None:
    """Event loops of different threads wait for the same computation."""
    computed: list[int] = []

    @cached("loops")
    async def function(key: int) -> int:
        computed.append(key)
        await asyncio.sleep(0.05)
        return key

    async def main() -> list[int]:
        return await asyncio.gather(*(function(key) for key in range(20)))

    with ThreadPoolExecutor(4) as pool:
        results = [*pool.map(lambda _: asyncio.run(main()), range(4))]
    assert results == [list(range(20))] * 4
    assert sorted(computed) == list(range(20))


@pytest.mark.parametrize("bytes_each", [8, 1_000])
def test_memory_stays_within_the_bound(bytes_each: int) -> None:
    """However many keys are asked, the traced memory stays within the configured bytes."""
    keys, limit = choose_scale(40_000, 1_000_000), 4_000_000
    function: Any = cached("bounded", max=10**7, max_bytes=limit, ttl=None)(
        lambda key: b"%0*d" % (bytes_each, key)
    )
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for key in range(keys):
            function(key)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    counts = get_cache(function).counts
    assert counts.bytes is not None
    assert 0.9 * limit < counts.bytes <= limit
    assert after - before <= 1.1 * limit
    assert counts.evictions == keys - counts.entries > 0


def test_the_hit_rate_on_a_zipf_trace() -> None:
    """10,000 keys of exponent 1.1 at 1,000 entries: as many hits as a plain LRU cache, .78 of the lookups."""
    rng = random.Random(1)
    cumulated = [*itertools.accumulate(1 / rank**1.1 for rank in range(1, 10_001))]
    trace = [
        bisect.bisect(cumulated, rng.random() * cumulated[-1]) for _ in range(choose_scale(60_000, 500_000))
    ]
    function: Any = cached("zipf", max=1_000)(lambda key: key)
    plain: cachetools.LRUCache[int, int] = cachetools.LRUCache(1_000)
    hits = 0
    for key in trace:
        function(key)
        hits += key in plain
        plain[key] = plain.get(key, key)
    counts = get_cache(function).counts
    assert counts.hits == hits
    assert bound_rate(counts.hits, len(trace), upper=False) >= 0.75


def test_switched_off_it_costs_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Off by hand or by the switch, a cache adds at most a microsecond, in the quietest of many measurements.

    That holds of functions and of coroutine functions.
    """

    def plain(key: int) -> int:
        return key

    async def plain_coroutine(key: int) -> int:
        return key

    by_hand: Any = cached("off")(plain)
    get_cache(by_hand).is_allowed = False
    coroutine_by_hand: Any = cached("off too")(plain_coroutine)
    get_cache(coroutine_by_hand).is_allowed = False
    by_switch: Any = cached("switched off")(plain)
    coroutine_by_switch: Any = cached("switched off too")(plain_coroutine)
    monkeypatch.setenv("STRETTO_FEATURES_CACHING", "off")

    def measure(call: Callable[[int], int]) -> float:
        begun = time.perf_counter()
        for _ in range(10_000):
            call(1)
        return (time.perf_counter() - begun) / 10_000

    async def measure_awaited(call: Callable[[int], Awaitable[int]]) -> float:
        begun = time.perf_counter()
        for _ in range(10_000):
            await call(1)
        return (time.perf_counter() - begun) / 10_000

    async def measure_rounds() -> list[tuple[float, ...]]:
        return [
            (
                *map(measure, (plain, by_hand, by_switch)),
                await measure_awaited(plain_coroutine),
                await measure_awaited(coroutine_by_hand),
                await measure_awaited(coroutine_by_switch),
            )
            for _ in range(choose_scale(20, 100))
        ]

    bare, *off, bare_coroutine, off_by_hand, off_by_switch = map(
        min, zip(*asyncio.run(measure_rounds()), strict=True)
    )
    assert max(off) - bare <= 1e-6
    assert max(off_by_hand, off_by_switch) - bare_coroutine <= 1e-6
    for wrapped in (by_hand, by_switch, coroutine_by_hand, coroutine_by_switch):
        assert get_cache(wrapped).counts.misses == 0, "nothing was looked up"
