"""Compute the price of the speed-up: tokens and money that parallel tasks used for each second saved.

By pattern it is speed-up, seconds saved and money side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels
from stretto.figures.sequential_baseline_choice import WORK_BASELINE, Provenance
from stretto.figures.sums_by_dimension import Sums, sum_by, sum_by_dimensions, sum_up
from stretto.figures.window_gain_verdict import (
    BY_WORK,
    HeadlineRule,
    Verdict,
    compare_mixes,
    read_headline_mixes,
)
from stretto.model.call_cost_and_usage_types import DOLLAR
from stretto.names import measures
from stretto.names.measures import Dimension

FEWEST_FANOUTS_OF_PATTERN = 5
"""Parallel executions of a pattern from which it has a speed-up."""

_MIX = (Dimension.PATTERN, Dimension.SIGNATURE)


@dataclass(frozen=True, slots=True)
class _PricedMeasures:
    """The measures of one kind of price."""

    name: str
    used: str
    fanouts: str
    delivered: str
    work: str
    elapsed: str


_TOKENS = _PricedMeasures(
    "tokens",
    measures.TOKEN_COUNT,
    measures.TOKEN_FANOUTS,
    measures.TOKEN_DELIVERED,
    measures.TOKEN_WORK,
    measures.TOKEN_ELAPSED,
)
_COST = _PricedMeasures(
    "cost",
    measures.COST_NANO_USD,
    measures.COST_FANOUTS,
    measures.COST_DELIVERED,
    measures.COST_WORK,
    measures.COST_ELAPSED,
)


@dataclass(slots=True)
class _PricedFanouts:
    """Sums of the fan-outs of a provenance whose use is known. Lengths in ns."""

    used: int = 0
    fanouts: int = 0
    elapsed: int = 0
    sequential: float = 0.0

    @property
    def saved(self) -> float:
        return (self.sequential - self.elapsed) / SECOND


def compute_speedup_price_figures(
    window: str, sums: Sums, verdict: Verdict, rule: HeadlineRule = BY_WORK
) -> Iterator[Figure]:
    """Yield the use of parallel executions, and their use for each second saved.

    The price is by the headline's baseline, and covers its executions with known use, so numerator and
    denominator cover the same executions. Wasted tasks used tokens too, but saved nothing.
    """
    # Example: executions that used 600 tokens and saved 40 s cost 15 tokens for each second saved.
    at: Labels = (("window", window),)
    fanouts = sum_up(sums, measures.FANOUTS)
    for priced, scale, total, price in (
        (_TOKENS, 1.0, "stretto_parallel_tokens", "stretto_saved_second_tokens"),
        (_COST, 1 / DOLLAR, "stretto_parallel_cost_usd", "stretto_saved_second_cost_usd"),
    ):
        everything, headline = _sum_priced(sums, verdict, rule, priced)
        fanouts_with_use = everything.fanouts
        if not fanouts_with_use:
            reason = _explain_absence(priced.name, fanouts)
            yield Figure(total, at, None, 0, reason)
            yield Figure(price, at, None, 0, reason)
            continue
        coverage = fanouts_with_use / fanouts
        yield Figure(total, at, everything.used * scale, fanouts_with_use, coverage=coverage)
        if headline.saved > 0:
            value = headline.used * scale / headline.saved
            yield Figure(price, at, value, headline.fanouts, coverage=headline.fanouts / fanouts)
        else:
            yield Figure(price, at, None, headline.fanouts, "no time was saved")


def compute_speedup_and_cost_by_pattern(window: str, sums: Sums) -> Iterator[Figure]:
    """Yield each pattern's speed-up, its seconds saved and the cost of its parallel executions.

    Speed-up and seconds are as those of the headline, by the tasks' own lengths. Cost is in dollars, of the
    executions that reported that of every task.
    """
    cost, priced = (
        sum_by(sums, measure, Dimension.PATTERN)
        for measure in (measures.COST_NANO_USD, measures.COST_FANOUTS)
    )
    mixes = read_headline_mixes(sums, lambda *_: WORK_BASELINE)
    for pattern, group in groupby(mixes, key=attrgetter("pattern")):
        own = compare_mixes(Provenance.WORK, [*group])
        labels: Labels = (("pattern", pattern), ("window", window))
        if own.fanouts < FEWEST_FANOUTS_OF_PATTERN or own.speedup is None:
            reason = explain_lack_of_fanouts(own.fanouts)
            yield Figure("stretto_pattern_speedup", labels, None, own.fanouts, reason)
        else:
            yield Figure("stretto_pattern_speedup", labels, own.speedup, own.fanouts)
        yield Figure("stretto_pattern_saved_seconds", labels, own.time_saved, own.fanouts)
        known = priced.get(pattern, 0)
        if known:
            dollars = cost.get(pattern, 0) / DOLLAR
            coverage = known / own.fanouts
            yield Figure("stretto_pattern_parallel_cost_usd", labels, dollars, known, coverage=coverage)
        else:
            reason = _explain_absence("cost", own.fanouts)
            yield Figure("stretto_pattern_parallel_cost_usd", labels, None, 0, reason)


def explain_lack_of_fanouts(fanouts: int) -> str:
    """Return why a pattern with so few parallel executions has no speed-up."""
    return f"a speed-up takes {FEWEST_FANOUTS_OF_PATTERN} parallel executions, there are {fanouts}"


def _explain_absence(name: str, fanouts: int) -> str:
    if not fanouts:
        return "nothing ran in parallel"
    return f"no parallel execution reported the {name} of every task"


def _sum_priced(
    sums: Sums, verdict: Verdict, rule: HeadlineRule, priced: _PricedMeasures
) -> tuple[_PricedFanouts, _PricedFanouts]:
    """Return the sums of all executions with known use, and of those that the headline's baseline covers."""
    everything, headline = _PricedFanouts(), _PricedFanouts()
    chosen = verdict.lead.provenance if verdict.lead else None
    used_by_mix, work_by_mix, elapsed_by_mix = (
        sum_by_dimensions(sums, measure, *_MIX) for measure in (priced.used, priced.work, priced.elapsed)
    )
    delivered_by_mix: dict[tuple[str, ...], dict[str, int]] = {}
    for (*key, task_type), count in sum_by_dimensions(
        sums, priced.delivered, *_MIX, Dimension.TASK_TYPE
    ).items():
        delivered_by_mix.setdefault(tuple(key), {})[task_type] = count
    for mix, count in sum_by_dimensions(sums, priced.fanouts, *_MIX).items():
        pattern, signature = mix
        tasks = delivered_by_mix.get(mix, {})
        work = float(work_by_mix.get(mix, 0))
        baseline = rule.find(pattern, signature) if chosen is rule.provenance else WORK_BASELINE
        for paid in (everything, headline) if baseline is not None else (everything,):
            paid.fanouts += count
            paid.used += used_by_mix.get(mix, 0)
            paid.elapsed += elapsed_by_mix.get(mix, 0)
            paid.sequential += baseline.estimate(tasks, work).mean if tasks and baseline else 0.0
    return everything, headline
