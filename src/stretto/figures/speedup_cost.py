"""Compute the price of the speed-up: tokens and money that parallel tasks used for each second saved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stretto.clock import SECOND
from stretto.figures.baselines import FindBaseline, Provenance
from stretto.figures.figure import Figure, Labels
from stretto.figures.sum_reading import Sums, group_by, sum_up
from stretto.model.model_call_cost import DOLLAR
from stretto.names import measures
from stretto.names.measures import Dimension

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


def compute_price_figures(window: str, sums: Sums, find_baseline: FindBaseline) -> Iterator[Figure]:
    """Yield the use of parallel executions, and their use for each second saved.

    The price covers the executions with the best provenance and with known use, so numerator and denominator
    cover the same executions. Wasted tasks used tokens too, but saved nothing.
    """
    # Example: executions that used 600 tokens and saved 40 s cost 15 tokens for each second saved.
    at: Labels = (("window", window),)
    fanouts = sum_up(sums, measures.FANOUTS)
    for priced, scale, total, price in (
        (_TOKENS, 1.0, "stretto_parallel_tokens", "stretto_saved_second_tokens"),
        (_COST, 1 / DOLLAR, "stretto_parallel_cost_usd", "stretto_saved_second_cost_usd"),
    ):
        by_provenance = _sum_priced(sums, find_baseline, priced)
        fanouts_with_use = sum(paid.fanouts for paid in by_provenance.values())
        if not fanouts_with_use:
            reason = _explain_absence(priced.name, fanouts)
            yield Figure(total, at, None, 0, reason)
            yield Figure(price, at, None, 0, reason)
            continue
        used = sum(paid.used for paid in by_provenance.values()) * scale
        yield Figure(total, at, used, fanouts_with_use, coverage=fanouts_with_use / fanouts)
        lead = next(by_provenance[p] for p in Provenance if p in by_provenance)
        if lead.saved > 0:
            value = lead.used * scale / lead.saved
            yield Figure(price, at, value, lead.fanouts, coverage=lead.fanouts / fanouts)
        else:
            yield Figure(price, at, None, lead.fanouts, "no time was saved")


def _explain_absence(name: str, fanouts: int) -> str:
    if not fanouts:
        return "nothing ran in parallel"
    return f"no parallel execution reported the {name} of every task"


def _sum_priced(
    sums: Sums, find_baseline: FindBaseline, priced: _PricedMeasures
) -> dict[Provenance, _PricedFanouts]:
    by_provenance: dict[Provenance, _PricedFanouts] = {}
    used_by_mix, work_by_mix, elapsed_by_mix = (
        group_by(sums, measure, *_MIX) for measure in (priced.used, priced.work, priced.elapsed)
    )
    delivered_by_mix: dict[tuple[str, ...], dict[str, int]] = {}
    for (*key, task_type), count in group_by(sums, priced.delivered, *_MIX, Dimension.TASK_TYPE).items():
        delivered_by_mix.setdefault(tuple(key), {})[task_type] = count
    for mix, count in group_by(sums, priced.fanouts, *_MIX).items():
        pattern, signature = mix
        tasks = delivered_by_mix.get(mix, {})
        work = float(work_by_mix.get(mix, 0))
        baseline = find_baseline(pattern, signature)
        paid = by_provenance.setdefault(baseline.provenance, _PricedFanouts())
        paid.fanouts += count
        paid.used += used_by_mix.get(mix, 0)
        paid.elapsed += elapsed_by_mix.get(mix, 0)
        paid.sequential += baseline.estimate(tasks, work).mean if tasks else 0.0
    return by_provenance
