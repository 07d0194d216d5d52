"""An orchestrator that caches its plans: they are made again when a tool comes or goes, and not before.

Run ``python examples/cached_orchestrator.py`` with the extra ``stretto[caching]``. Three rounds review the
same files. The second round takes its plans from the cache. Before the third a tool is removed, so that the
plans which use it are made again. ``--no-cache`` switches the cache off, to compare.
"""

# ruff: noqa: INP001, T201  # a script by itself, which prints what it did

from __future__ import annotations

import argparse
import asyncio
from time import perf_counter

import stretto
from stretto.caching import cached, get_cache

FILES = {"api.py": "lint", "store.py": "lint", "page.html": "browser", "readme.md": "spelling"}
"""File → the tool that its review uses."""

tools = {"lint": "2.1", "browser": "131", "spelling": "1.0"}
pace = 1.0


@cached("plans", ttl=3_600, env=lambda: tools, uses=lambda plan, _file: [plan["tool"]])
async def plan_review(file: str) -> dict[str, str]:
    """Ask the model how to review a file: the slow part, which is cached."""
    with stretto.model_call("pretend-large", provider="nobody") as call:
        await asyncio.sleep(0.2 * pace)
        call.tokens(input=900, output=150)
    tool = FILES[file] if FILES[file] in tools else "reading"
    return {"file": file, "tool": tool}


async def review(file: str) -> str:
    """Review a file by its plan."""
    with stretto.task(f"review {file}", type="review", agent="reviewer"):
        plan = await plan_review(file)
        with stretto.tool_call(plan["tool"]):
            await asyncio.sleep(0.05 * pace)
        return plan["tool"]


async def run_round(number: int) -> list[str]:
    """Review all files side by side and return the tools that were used."""
    begun = perf_counter()
    with stretto.session(f"review round {number}", pattern="cached-review"):
        used = await asyncio.gather(*(review(file) for file in FILES))
    print(f"round {number}: {perf_counter() - begun:.2f} s, by {', '.join(used)}")
    return used


async def main() -> None:
    """Run three rounds and print the cache's counts."""
    await run_round(1)
    await run_round(2)
    del tools["browser"]
    await run_round(3)
    counts = get_cache(plan_review).counts
    print(f"plans: {counts.hits} from the cache, {counts.misses} made, {counts.refused} stale ones refused")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pace", type=float, default=1.0, help="stretch all waiting (1.0: about a second)")
    parser.add_argument("--no-cache", action="store_true", help="switch the cache off")
    options = parser.parse_args()
    pace = options.pace
    get_cache(plan_review).is_allowed = not options.no_cache
    stretto.configure(service="cached-orchestrator")
    asyncio.run(main())
