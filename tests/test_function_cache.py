from __future__ import annotations

import asyncio
import contextvars
import copy
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from stretto.caching import Level, UncacheableArgumentError, cached, call_part, get_cache
from stretto.caching.policy import CachePolicy
from tests.waiting import PATIENCE


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Counter:
    """Counts the calls of a function by argument, and answers with the number of the call."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __call__(self, argument: Any = None) -> int:
        self.calls.append(argument)
        return len(self.calls)


@pytest.fixture
def compute() -> Counter:
    return Counter()


def wrap(compute: Counter, **options: Any) -> Callable[[Any], int]:
    def function(argument: Any) -> int:
        return compute(argument)

    return cached("test", **options)(function)


def test_a_call_is_computed_once(compute: Counter) -> None:
    """The second call has the first one's result; another argument is computed; both are counted."""
    function = wrap(compute)
    assert [function("a"), function("a"), function("b"), function("a")] == [1, 1, 2, 1]
    counts = get_cache(function).counts
    assert (counts.hits, counts.misses, counts.entries, counts.refused) == (2, 2, 2, 0)
    assert counts.bytes is None
    assert counts.lookup_seconds > 0


def test_saved_seconds_are_those_of_the_computation(compute: Counter) -> None:
    """Each hit saves what the computation of its result took."""
    function: Any = cached("slow")(lambda: (threading.Event().wait(0.05), compute())[1])
    for _ in range(3):
        function()
    assert 0.1 <= get_cache(function).counts.saved_seconds < 2


def test_results_expire(compute: Counter) -> None:
    """A result is answered until its age reaches the limit, then refused and counted."""
    clock = Clock()
    function = wrap(compute, ttl=300, clock=clock)
    function("a")
    clock.now = 299.9
    assert function("a") == 1
    clock.now = 300
    assert function("a") == 2
    counts = get_cache(function).counts
    assert (counts.refused, counts.invalidations) == (1, 1)


def test_the_key_has_task_type_complexity_and_user(compute: Counter) -> None:
    """Each configured part tells calls apart: a constant, or a function of the arguments."""
    user = "ann"
    function: Any = cached("parts", task_type="review", complexity=len, user=lambda _: user)(
        lambda text: compute(text)  # noqa: PLW0108  # a function with a signature
    )
    assert [function("a"), function("a")] == [1, 1]
    user = "bob"
    assert function("a") == 2
    user = "ann"
    assert function("a") == 1


def test_a_key_by_hand(compute: Counter) -> None:
    """With ``key=`` arguments that have no key can be cached, and calls be joined."""
    function = wrap(compute, key=lambda argument: argument["id"])
    assert [function({"id": 1, "noise": object()}), function({"id": 1}), function({"id": 2})] == [1, 1, 2]


def test_an_argument_without_key_is_an_error(compute: Counter) -> None:
    """The error comes before anything is computed and names the way out."""

    class Odd:
        __hash__ = None  # type: ignore[assignment]  # as mutable classes do

    with pytest.raises(UncacheableArgumentError, match="key="):
        wrap(compute)(Odd())
    assert compute.calls == []


def test_another_environment_has_other_results(compute: Counter) -> None:
    """A tool that comes, goes or changes gives another key; back in the former one, its result is valid."""
    tools = {"git": "1"}
    function = wrap(compute, env=lambda: tools)
    results = [function("a")]
    for change in ({"git": "1", "grep": None}, {"git": "2"}, {}, {"git": "1"}):
        tools = change  # type: ignore[assignment]  # versions may be unknown
        results.append(function("a"))
    assert results == [1, 2, 3, 4, 1]


def test_a_result_depends_on_the_tools_it_used(compute: Counter) -> None:
    """With ``uses=`` other tools may come and go; a change of a used tool makes the result stale."""
    tools: dict[str, str | None] = {"git": "1", "grep": "1"}
    function = wrap(compute, env=lambda: tools, uses=lambda _result, _argument: ["git", "jq"])
    assert function("a") == 1
    tools = {"git": "1", "awk": "3"}
    assert function("a") == 1
    tools = {"git": "1", "jq": "1"}
    assert function("a") == 2, "a tool whose absence it relied on has come"
    tools = {"git": "2", "jq": "1"}
    assert function("a") == 3
    assert get_cache(function).counts.refused == 2


def test_another_version_makes_results_stale(compute: Counter) -> None:
    """The version can be a function of the arguments, such as a file's time of change."""
    versions = {"a": 1, "b": 1}
    function = wrap(compute, version=lambda argument: versions[argument])
    assert [function("a"), function("b")] == [1, 2]
    versions["a"] = 2
    assert [function("a"), function("b"), function("a")] == [3, 2, 3]


def test_a_version_that_changes_during_the_computation_is_not_answered(compute: Counter) -> None:
    """The result has the version from before its computation, so the new version asks again."""
    version = 1

    def function(_: str) -> int:
        nonlocal version
        version = 2
        return compute()

    wrapped = cached("race", version=lambda _: version)(function)
    assert [wrapped("a"), wrapped("a"), wrapped("a")] == [1, 2, 2]


def test_fallen_confidence_makes_a_result_stale(compute: Counter) -> None:
    """Confidence may fall with age or by a judge; a result that starts below the limit is not kept."""
    clock = Clock()
    function = wrap(compute, confidence=lambda _, age: 1 - age / 100, min_confidence=0.7, clock=clock)
    function("a")
    clock.now = 30
    assert function("a") == 1
    clock.now = 31
    assert function("a") == 2
    assert get_cache(function).judge("a", confidence=0.8)
    assert function("a") == 2
    assert get_cache(function).judge("a", confidence=0.69)
    assert function("a") == 3
    assert not get_cache(function).judge("unknown", confidence=0)
    doubtful: Any = wrap(compute, confidence=lambda _, __: 0.1)
    assert [doubtful("a"), doubtful("a")] == [4, 5]
    assert get_cache(doubtful).counts.entries == 0


@pytest.mark.parametrize("confidence", [lambda _, __: float("nan"), lambda _, age: 1 / age])
def test_a_confidence_that_cannot_be_computed_refuses_the_result(
    compute: Counter, confidence: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The call is answered by computing, and the fault is logged once."""
    function = wrap(compute, confidence=confidence, clock=Clock())
    with caplog.at_level(logging.WARNING):
        assert [function("a"), function("a"), function("a")] == [1, 2, 3]
    assert len(caplog.records) <= 1


def test_entries_are_removed_by_hand(compute: Counter) -> None:
    """One call with all its users, a tag, or all; the count is returned and reported."""
    user = "ann"
    function = wrap(compute, user=lambda _: user, tags=lambda _result, argument: [argument[0]])
    for user in ("ann", "bob"):  # noqa: B007  # read by the cache
        for argument in ("a1", "a2", "b1"):
            function(argument)
    cache = get_cache(function)
    assert cache.invalidate("a1") == 2
    assert cache.invalidate_tag("a") == 2
    assert cache.invalidate_tag("z") == 0
    assert cache.invalidate_all() == 2
    assert (cache.counts.invalidations, cache.counts.entries) == (6, 0)


def test_what_is_invalidated_while_it_is_computed_is_not_kept(compute: Counter) -> None:
    """A result that was read before the invalidation must not outlive it; unrelated ones are kept."""
    function: Callable[[Any], int]

    def body(argument: str) -> int:
        if argument == "a":
            get_cache(function).invalidate("a")
        if argument == "b":
            get_cache(function).invalidate("other")
        return compute(argument)

    function = cached("invalidated")(body)
    assert [function("a"), function("a"), function("b"), function("b")] == [1, 2, 3, 3]


def test_exceptions_are_passed_on_and_not_cached(compute: Counter) -> None:
    """The next call computes again."""

    def fail(argument: Any) -> int:
        compute(argument)
        raise KeyError(argument)

    function: Any = cached("failing")(fail)
    for _ in range(3):
        with pytest.raises(KeyError, match="a"):
            function("a")
    assert len(compute.calls) == 3
    assert get_cache(function).counts.misses == 3


@pytest.mark.parametrize("fault", [StopIteration, TimeoutError, KeyboardInterrupt])
def test_any_exception_keeps_its_class(fault: type[BaseException]) -> None:
    """Exceptions that Python's own machinery uses are passed on as they are."""

    def fail() -> None:
        raise fault

    with pytest.raises(fault):
        cached("failing")(fail)()


def test_bytes_are_bounded() -> None:
    """Results are measured by their pickle or by ``size=``, and the least recently used leave."""
    function: Any = cached("sized", max_bytes=100, size=len)(lambda number: "x" * number)
    for number in (40, 50, 60):
        function(number)
    counts = get_cache(function).counts
    assert (counts.entries, counts.bytes, counts.evictions) == (1, 60, 2)
    pickled: Any = cached("pickled", max_bytes=10_000)(lambda number: "x" * number)
    for number in (100, 5_000, 20_000):
        pickled(number)
    counts = get_cache(pickled).counts
    assert counts.entries == 2
    assert counts.bytes is not None
    assert 5_100 < counts.bytes < 10_000


def test_a_result_that_cannot_be_measured_is_not_kept(
    compute: Counter, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller has the result all the same, and the log says once why it is not kept."""
    function: Any = cached("sized", max_bytes=1_000)(lambda _: [compute(), threading.Lock()])
    with caplog.at_level(logging.WARNING):
        function("a")
        function("a")
    assert len(compute.calls) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "cache sized: a result could not be stored; further faults are not logged"
    ]


def test_callers_can_be_given_copies() -> None:
    """With ``copy=`` no caller changes another's result, not even the first."""
    function: Any = cached("copies", copy=copy.deepcopy)(lambda: {"items": [1]})
    for _ in range(3):
        result = function()
        assert result == {"items": [1]}
        result["items"].append(2)


def test_parts_outlive_the_whole(compute: Counter) -> None:
    """When the whole is stale its part comes from its level, until that is stale too."""
    clock, prompt, grammar = Clock(), 1, 1
    parsing = Level("parsing", CachePolicy(ttl=1_000, version=lambda *_: grammar))
    parsed: list[str] = []

    def parse(text: str) -> list[str]:
        parsed.append(text)
        return text.split()

    def summarise(text: str) -> tuple[int, int]:
        return compute(text), len(call_part(parsing, parse, text))

    wrap_report = cached("report", ttl=300, levels=[parsing], version=lambda _: prompt, clock=clock)
    function = wrap_report(summarise)
    assert function("a b") == (1, 2)
    prompt = 2
    assert function("a b") == (2, 2)
    clock.now = 400
    assert function("a b") == (3, 2)
    assert parsed == ["a b"]
    grammar = 2
    clock.now = 800
    function("a b")
    assert parsed == ["a b"] * 2
    assert call_part(parsing, parse, "outside") == ["outside"], "outside of the whole it is just called"
    cache = get_cache(function)
    assert cache.parts[parsing].counts.hits == 2
    assert cache.parts[parsing].name == "report.parsing"
    assert cache.invalidate_all() == 2


def test_a_part_can_be_a_coroutine(compute: Counter) -> None:
    """Parts of coroutines are awaited and kept alike."""
    level = Level("part")

    async def part(argument: str) -> int:
        await asyncio.sleep(0)
        return compute(argument)

    @cached("whole", levels=[level], ttl=0)
    async def whole(argument: str) -> int:
        return await call_part(level, part, argument)

    async def main() -> list[int]:
        return [await whole("a"), await whole("a"), await whole("b")]

    assert asyncio.run(main()) == [1, 1, 2]


def test_similar_calls_answer_only_when_asked(compute: Counter) -> None:
    """The most similar valid result comes with its similarity; below the limit there is none."""
    user = "ann"
    function = wrap(compute, traits=lambda argument: argument.split(), user=lambda _: user)
    function("read read test")
    function("write")
    cache = get_cache(function)
    similar = cache.find_similar("read test", least=0.6)
    assert similar is not None
    assert (similar.value, similar.is_exact) == (1, False)
    assert similar.similarity == pytest.approx(2 / 3)
    assert cache.find_similar("read test", least=0.7) is None
    exact = cache.find_similar("write")
    assert exact is not None
    assert (exact.value, exact.similarity, exact.is_exact) == (2, 1.0, True)
    assert function("test read read") == 3, "a plain call is never answered by a similar one"
    user = "bob"
    assert cache.find_similar("write") is None, "another user's result is no answer"
    with pytest.raises(ValueError, match="traits="):
        get_cache(wrap(compute)).find_similar("a")


def test_warming_computes_what_is_missing(compute: Counter, caplog: pytest.LogCaptureFixture) -> None:
    """A call that fails is logged and left out; warming counts neither hits nor misses."""

    def function(argument: str) -> int:
        if argument == "bad":
            raise ValueError(argument)
        return compute(argument)

    wrapped = cached("warmed")(function)
    wrapped("a")
    with caplog.at_level(logging.WARNING):
        assert get_cache(wrapped).warm([("a",), ("bad",), ("b",), ("c",)]) == 2
    assert "could not be warmed" in caplog.text
    assert [wrapped("b"), wrapped("c")] == [2, 3]
    assert get_cache(wrapped).counts.misses == 1
    with pytest.raises(ValueError, match="frequent="):
        get_cache(wrapped).warm()


def test_a_coroutine_function_is_warmed(compute: Counter) -> None:
    """Its results are there before the first call."""

    @cached("warmed")
    async def function(argument: str) -> int:
        return compute(argument)

    async def main() -> tuple[int, int]:
        return await get_cache(function).warm_coroutine([("a",), ("b",)]), await function("b")

    assert asyncio.run(main()) == (2, 2)


def test_switched_off_it_computes_each_call(compute: Counter) -> None:
    """Nothing is looked up or stored; switched on again, entries are checked as ever."""
    clock = Clock()
    function = wrap(compute, clock=clock)
    function("a")
    cache = get_cache(function)
    cache.is_allowed = False
    assert [function("a"), function("a")] == [2, 3]
    cache.is_allowed = True
    assert function("a") == 1
    clock.now = 300
    assert function("a") == 4
    assert cache.counts.misses == 2


def test_switched_off_at_import_it_is_the_function_itself() -> None:
    """With the variable set, the decorator returns the very function; its empty cache can still be asked."""
    code = (
        "from stretto.caching import cached, get_cache\n"
        "def f(x): return x\n"
        "g = cached('c')(f)\n"
        "assert g is f and g(1) == 1 and get_cache(g).invalidate_all() == 0\n"
    )
    for value, code_expected in (("0", 0), ("off", 0), ("1", 1)):
        variables = {**os.environ, "STRETTO_FEATURES_CACHING": value}
        run = subprocess.run([sys.executable, "-c", code], env=variables, check=False, capture_output=True)
        assert run.returncode == code_expected, run.stderr.decode()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max": -1}, "max must not be below 0"), ({"max_bytes": -1}, "max_bytes"),
        ({"ttl": float("nan")}, "ttl"), ({"ttl": "5m"}, "ttl must be a number; it is '5m'"),
        ({"max": None}, "max must be a number"), ({"min_confidence": 70}, "min_confidence must be 0 to 1"),
        ({"uses": lambda _: []}, "give env= too"), ({"env": "git"}, "it is 'git'"),
        ({"env": iter(["git"])}, "env= is read more than once"), ({"tags": iter("a")}, "tags= is read more"),
    ],
)  # fmt: skip
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    """A bound that is none, or tools without an environment, is an error where the function is wrapped."""
    with pytest.raises((ValueError, TypeError), match=message):
        cached("wrong", **options)


def test_numbers_of_other_libraries_are_numbers() -> None:
    """A bound may be a whole number or a fraction of any type that Python counts among the numbers."""
    assert CachePolicy(max=np.int64(5), ttl=np.float32(0.5), patience=Fraction(1, 2)).max == 5  # type: ignore[arg-type]  # NumPy's


def test_what_cannot_be_cached_is_refused(compute: Counter) -> None:
    """A missing name, an unknown option, a class and a generator are errors where they are written."""
    with pytest.raises(TypeError, match="give a name first"):
        cached(compute)  # type: ignore[arg-type]  # the mistake
    with pytest.raises(TypeError, match="tll"):
        cached("typo", tll=3)
    with pytest.raises(TypeError, match="a class cannot be cached"):
        cached("class")(Counter)

    def generate() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="used up"):
        cached("generator")(generate)
    with pytest.raises(TypeError, match="is not cached"):
        get_cache(generate)


def test_methods_are_cached_by_their_object(compute: Counter) -> None:
    """Two objects of a class do not share results."""

    class Agent:
        @cached("agent")
        def ask(self, question: str) -> int:
            return compute(question)

    some, other = Agent(), Agent()
    assert [some.ask("a"), other.ask("a"), some.ask("a")] == [1, 2, 1]


def test_a_function_that_calls_itself_does_not_wait_for_itself(compute: Counter) -> None:
    """Other arguments use the cache; the same arguments are computed without it."""

    @cached("fibonacci")
    def fibonacci(number: int) -> int:
        compute(number)
        return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)

    assert fibonacci(30) == 832_040
    assert len(compute.calls) == 31

    depth = 0

    @cached("itself")
    def itself(argument: str) -> int:
        nonlocal depth
        depth += 1
        return depth if depth == 3 else itself(argument)

    assert itself("a") == 3


def test_two_computations_that_need_each_other_both_end() -> None:
    """Each of two threads leads a call that the other's computation asks for: one of them computes alone."""
    started = threading.Barrier(2, timeout=PATIENCE)

    @cached("crossed")
    def crossed(name: str, inner: bool) -> str:
        if inner:
            return name
        started.wait()
        other = {"a": "b", "b": "a"}[name]
        return name + crossed(other, inner=True) + cross_again(other)

    @cached("crossed again")
    def cross_again(name: str) -> str:
        return name.upper() + crossed(name, inner=True)

    with ThreadPoolExecutor(2) as pool:
        results = [*pool.map(lambda name: crossed(name, inner=False), "ab")]
    assert results == ["abBb", "baAa"]


def test_a_true_circle_of_waits_is_refused() -> None:
    """Leader of a waits for b, and leader of b asks for a: the second computes a for itself."""
    both = threading.Barrier(2, timeout=PATIENCE)
    depth: contextvars.ContextVar[int] = contextvars.ContextVar("depth", default=0)

    @cached("circle")
    def circle(name: str) -> str:
        if depth.get() > 0:
            return name
        depth.set(1)
        both.wait()
        try:
            return name + circle("b" if name == "a" else "a")
        finally:
            depth.set(0)

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(circle, name) for name in "ab"]
        results = sorted(future.result(timeout=PATIENCE) for future in futures)
    assert results in (["ab", "ba"], ["ab", "bab"], ["aba", "ba"])


def test_a_cancelled_leader_hands_over(compute: Counter) -> None:
    """When the coroutine that computes is cancelled, one of those who wait computes instead."""
    release = asyncio.Event()

    @cached("cancelled")
    async def function() -> int:
        number = compute()
        if number == 1:
            await release.wait()
        return number

    async def main() -> list[Any]:
        leader = asyncio.create_task(function())
        await asyncio.sleep(0)
        waiters = [asyncio.create_task(function()) for _ in range(5)]
        await asyncio.sleep(0)
        leader.cancel()
        return await asyncio.gather(leader, *waiters, return_exceptions=True)

    cancelled, *results = asyncio.run(main())
    assert isinstance(cancelled, asyncio.CancelledError)
    assert results == [2] * 5
    counts = get_cache(function).counts
    assert (counts.misses, counts.hits) == (2, 4), "each call counts once"


def test_a_cancelled_waiter_disturbs_nobody(compute: Counter) -> None:
    """The leader and the other waiters have their result."""

    @cached("cancelled")
    async def function() -> int:
        number = compute()
        await asyncio.sleep(0.02)
        return number

    async def main() -> list[Any]:
        tasks = [asyncio.create_task(function()) for _ in range(4)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second, cancelled, fourth = asyncio.run(main())
    assert (first, second, fourth) == (1, 1, 1)
    assert isinstance(cancelled, asyncio.CancelledError)


def test_a_waiter_that_is_cancelled_counts_once() -> None:
    """Its call got nothing from the cache: it is a miss, as the leader's is, and the other waiter's a hit."""
    release = asyncio.Event()

    @cached("cancelled while waiting")
    async def function() -> None:
        await release.wait()

    async def main() -> None:
        tasks = [asyncio.create_task(function()) for _ in range(3)]
        # The first turn starts all three; the second cancels one that waits already.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks[2].cancel()
        release.set()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    counts = get_cache(function).counts
    assert (counts.misses, counts.hits) == (2, 1)


def test_who_waits_for_another_caller_saves_the_computation(compute: Counter) -> None:
    """A cache whose calls all come at once saves the work of all but one, and is not useless."""

    @cached("at once")
    async def function() -> int:
        await asyncio.sleep(0.05)
        return compute()

    async def main() -> list[int]:
        return await asyncio.gather(*(function() for _ in range(300)))

    assert asyncio.run(main()) == [1] * 300
    counts = get_cache(function).counts
    assert (counts.misses, counts.hits) == (1, 299)
    assert counts.saved_seconds >= 299 * 0.04
    assert get_cache(function).find_faults() == []


def test_the_waiters_share_the_leaders_exception() -> None:
    """A failing computation is not repeated by each caller that waited for it, and answers nobody."""
    calls = 0

    @cached("failing")
    async def function() -> None:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.01)
        raise ValueError("no")

    async def main() -> list[Any]:
        return await asyncio.gather(*(function() for _ in range(10)), return_exceptions=True)

    results = asyncio.run(main())
    assert all(isinstance(result, ValueError) for result in results)
    assert calls == 1
    assert (get_cache(function).counts.misses, get_cache(function).counts.hits) == (10, 0)


def test_patience_ends(compute: Counter) -> None:
    """A caller that has waited long enough computes for itself, which is a miss."""
    release = threading.Event()

    def function() -> int:
        number = compute()
        if number == 1:
            release.wait(PATIENCE)
        return number

    wrapped = cached("slow", patience=0.05)(function)
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(wrapped)
        while not compute.calls:
            pass
        assert pool.submit(wrapped).result(timeout=PATIENCE) == 2
        release.set()
        assert leader.result(timeout=PATIENCE) == 1
    assert (get_cache(wrapped).counts.misses, get_cache(wrapped).counts.hits) == (2, 0)


def test_a_forked_process_waits_for_no_thread_of_its_parent() -> None:
    """A computation that ran in another thread of the parent is done again in the child."""
    code = (
        "import os, threading\n"
        "from stretto.caching import cached\n"
        "child = False\n"
        "inside, never = threading.Event(), threading.Event()\n"
        "@cached('c', patience=1e6)\n"
        "def f():\n"
        "    if not child: inside.set(); never.wait()\n"
        "    return 7\n"
        "threading.Thread(target=f, daemon=True).start()\n"
        "inside.wait()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    child = True\n"
        "    os._exit(0 if f() == 7 else 1)\n"
        "os._exit(0 if os.waitpid(pid, 0)[1] == 0 else 1)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=PATIENCE)
    assert run.returncode == 0, run.stderr.decode()


def test_a_cache_that_is_too_small_says_so() -> None:
    """A loop over 300 keys in room for 200 misses always; twice the room would hit, and the advice holds."""
    for room, faults in ((200, ["too small"]), (400, [])):
        function: Any = cached("loop", max=room)(lambda key: threading.Event().wait(0.0002) or key)
        for _ in range(3):
            for key in range(300):
                function(key)
        assert [
            verdict.fault for verdict in get_cache(function).find_faults() if verdict.fault != "useless"
        ] == faults


def test_a_cache_of_calls_that_never_come_again_is_useless() -> None:
    """It took time for lookups and saved none; room would not help."""
    function: Any = cached("once", max=100)(lambda key: key)
    for key in range(1_000):
        function(key)
    (verdict,) = get_cache(function).find_faults()
    assert verdict.fault == "useless"
