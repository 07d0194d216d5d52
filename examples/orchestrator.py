"""A small orchestrator that works offline: three personas review a release side by side, then it is tested.

Run ``python examples/orchestrator.py``, with the service (``make up``) started before or after: the session
is on the page, with its phases, its parallel tasks, a task that failed and its second attempt, and scores.
The personas do not think: they sleep, as one does that waits for a model, and count primes, as one does that
works.
"""

# ruff: noqa: INP001, T201  # a script by itself, which prints where to look

from __future__ import annotations

import argparse
import asyncio

import stretto


class FlakyTestError(Exception):
    """The first attempt at the integration tests fails."""


async def main(pace: float) -> None:
    """Run the whole release review; ``pace`` stretches or shrinks all waiting."""
    with stretto.session("release review", pattern="release-review") as session:
        with stretto.phase("analysis") as analysis:
            async with asyncio.TaskGroup() as group:
                group.create_task(review("architect", "architecture", 1.2 * pace, quality=9.2))
                group.create_task(review("security", "security", 1.6 * pace, quality=8.7))
                group.create_task(review("writer", "documentation", 0.9 * pace, quality=8.1))
            analysis.score("coverage", 80, of=100, by="lead")
        with stretto.phase("testing"):
            async with asyncio.TaskGroup() as group:
                group.create_task(run_tests("unit tests", 0.7 * pace))
                group.create_task(with_second_attempt("integration tests", 0.5 * pace))
        session.score("quality", 8.9, of=10, by="lead")
    print(f"session {session.id}: look at the page, or run: stretto show {session.id}")


async def review(persona: str, subject: str, seconds: float, *, quality: float) -> None:
    """Review one side of the release: ask the model, read a little, write to the lead."""
    with stretto.task(f"review the {subject}", type=subject, agent=persona) as task:
        await ask_model(1200, seconds * 0.5)
        await asyncio.to_thread(read_files, 20_000)
        await ask_model(400, seconds * 0.5)
        stretto.message("lead").sent()
        task.score("quality", quality, of=10, by="lead")


async def with_second_attempt(suite: str, seconds: float) -> None:
    """Run a suite, and once more where it fails: each attempt is a task of its own."""
    try:
        await run_tests(suite, seconds, fails=True)
    except FlakyTestError:
        await run_tests(suite, seconds)


async def run_tests(suite: str, seconds: float, *, fails: bool = False) -> None:
    """Run a suite of tests; the exception that ends it marks the task and goes on to the caller."""
    with stretto.task(f"run the {suite}", type="testing", agent="tester"), stretto.tool_call("pytest"):
        await asyncio.sleep(seconds)
        if fails:
            raise FlakyTestError(suite)


async def ask_model(tokens: int, seconds: float) -> None:
    """Wait as if for a language model, and report tokens and cost as if it had answered."""
    with stretto.model_call("pretend-large", provider="nobody") as call:
        await asyncio.sleep(seconds)
        call.tokens(input=tokens // 4, output=tokens, cache_read=tokens * 3)
        call.cost_usd(tokens / 100_000)


@stretto.tool_call("read_files")
def read_files(limit: int) -> int:
    """Count primes in a thread: the call finds its task there, because ``asyncio`` carries the context."""
    primes = (
        all(number % divisor for divisor in range(2, int(number**0.5) + 1)) for number in range(2, limit)
    )
    return sum(primes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pace", type=float, default=1.0, help="stretch all waiting (1.0: about 3 seconds)")
    options = parser.parse_args()
    stretto.configure(service="orchestrator")
    asyncio.run(main(options.pace))
