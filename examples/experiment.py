"""An experiment on an orchestrator: whether caching its plans shortens a run, and by how much.

Run ``python examples/experiment.py`` with the extras ``stretto[analysis,caching,features]``. It defines the
experiment, lets a provider of OpenFeature assign each run to an arm, and prints the verdict with its
interval.
"""

# ruff: noqa: INP001, T201  # a script by itself, which prints what it did

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
from uuid import uuid4

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

import stretto
from stretto.caching import cached, get_cache
from stretto.features.choose_experiment_arm import choose_arm

NAME = "cached-plans"
USUAL, NEW = "A", "B"
FILES = ("api.py", "store.py", "page.html")
pace = 1.0


@cached("plans", ttl=None)
async def plan_review(file: str) -> str:
    """Ask the model how to review a file: a quarter of the whole, which the new way caches."""
    with stretto.model_call("pretend-large", provider="nobody") as call:
        await asyncio.sleep(0.1 * pace)
        call.tokens(input=900, output=150)
    return f"plan of {file}"


async def review(file: str) -> None:
    """Review a file by its plan."""
    with stretto.task(f"review {file}", type="review", agent="reviewer"):
        await plan_review(file)
        with stretto.tool_call("lint"):
            await asyncio.sleep(0.3 * pace)


async def run_once(run: str) -> str:
    """Review all files side by side in the arm that the provider assigns; return the arm."""
    arm = choose_arm(NAME, usual=USUAL, session=run)
    get_cache(plan_review).is_allowed = arm == NEW
    with stretto.session(f"review {run}", id=run, pattern="review", labels={"arm": arm}):
        await asyncio.gather(*(review(file) for file in FILES))
    return arm


def make_provider() -> InMemoryProvider:
    """Return a provider that assigns runs in turn: any flag service can take its place."""
    assigned: dict[str, str] = {}

    def assign(flag: InMemoryFlag[str], context: EvaluationContext) -> FlagResolutionDetails[str]:
        key = context.targeting_key or ""
        variant = assigned.setdefault(key, (USUAL, NEW)[len(assigned) % 2])
        return FlagResolutionDetails(flag.variants[variant], variant=variant)

    variants = {USUAL: USUAL, NEW: NEW}
    return InMemoryProvider(
        {f"stretto.experiments.{NAME}": InMemoryFlag(USUAL, variants, context_evaluator=assign)}
    )


def call_stretto(*arguments: str) -> None:
    """Run a command of Stretto and let it print."""
    subprocess.run([sys.executable, "-m", "stretto", *arguments], env=os.environ, check=True)  # noqa: S603  # ours


async def main(runs: int) -> None:
    """Run both arms in turn; a first run warms the cache and belongs to neither."""
    await asyncio.gather(*(plan_review(file) for file in FILES))
    api.set_provider(make_provider())
    arms = [await run_once(uuid4().hex) for _ in range(runs)]
    print(f"{arms.count(USUAL)} runs without the cache, {arms.count(NEW)} with it")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pace", type=float, default=1.0, help="stretch all waiting (1.0: about 6 s)")
    parser.add_argument("--runs", type=int, default=14, help="runs of both arms together (14)")
    options = parser.parse_args()
    pace = options.pace
    # A quarter less is looked for; from run to run the time scatters by a tenth.
    plan = ("--metric", "elapsed_seconds", "--arms", f"{USUAL},{NEW}", "--mde", "1.25", "--spread", "0.1")
    call_stretto("experiment", "define", NAME, *plan)
    stretto.configure(service="experiment")
    asyncio.run(main(options.runs))
    stretto.flush()
    call_stretto("experiment", "conclude", NAME)
