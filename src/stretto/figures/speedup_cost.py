"""The price of the speed-up: tokens and money that parallel tasks used, for each second that they saved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from stretto.clock import SECOND
from stretto.figures.baselines import FindBaseline, Provenance
from stretto.figures.figure import Figure, Labels
from stretto.figures.tallies import Sums
from stretto.model.model_call_cost import DOLLAR


@dataclass(slots=True)
class _PricedFanouts:
    """Fan-outs of one provenance of which it is known what they used. Lengths in ns."""

    used: int = 0
    fanouts: int = 0
    elapsed: int = 0
    sequential: float = 0.0

    @property
    def saved(self) -> float:
        return (self.sequential - self.elapsed) / SECOND


def compute_price_figures(window: str, sums: Sums, find: FindBaseline) -> Iterator[Figure]:
    """Yield what parallel executions used, and for how many seconds saved.

    The price is that of the executions held against the best provenance there is, and of those only of which
    it is known what they used: numerator and denominator are the same executions.
    """
    at: Labels = (("window", window),)
    fanouts = sum(sums.get("fanouts", {}).values())
    for of, measure, scale, total, price in (
        ("token", "token_count", 1.0, "stretto_parallel_tokens", "stretto_saved_second_tokens"),
        ("cost", "cost_nano_usd", 1 / DOLLAR, "stretto_parallel_cost_usd", "stretto_saved_second_cost_usd"),
    ):
        by_provenance = _sum_priced(sums, find, of, measure)
        known = sum(paid.fanouts for paid in by_provenance.values())
        if not known:
            reason = _explain_absence(of, fanouts)
            yield Figure(total, at, None, 0, reason)
            yield Figure(price, at, None, 0, reason)
            continue
        used = sum(paid.used for paid in by_provenance.values()) * scale
        yield Figure(total, at, used, known, coverage=known / fanouts)
        lead = next(by_provenance[p] for p in Provenance if p in by_provenance)
        if lead.saved > 0:
            value = lead.used * scale / lead.saved
            yield Figure(price, at, value, lead.fanouts, coverage=lead.fanouts / fanouts)
        else:
            yield Figure(price, at, None, lead.fanouts, "no time was saved")


def _explain_absence(of: str, fanouts: int) -> str:
    if not fanouts:
        return "nothing ran in parallel"
    what = "tokens" if of == "token" else "cost"
    return f"no parallel execution told the {what} of every task"


def _sum_priced(sums: Sums, find: FindBaseline, of: str, measure: str) -> dict[Provenance, _PricedFanouts]:
    found: dict[Provenance, _PricedFanouts] = {}
    for mix, count in sums.get(f"{of}_fanouts", {}).items():
        pattern, signature = (str(dim) for dim in mix)
        tasks = {name: each * count for name, each in Counter(signature.split(",")).items()}
        work = float(sums.get(f"{of}_work", {}).get(mix, 0))
        baseline = find(pattern, signature)
        paid = found.setdefault(baseline.provenance, _PricedFanouts())
        paid.fanouts += count
        paid.used += sums.get(measure, {}).get(mix, 0)
        paid.elapsed += sums.get(f"{of}_elapsed", {}).get(mix, 0)
        paid.sequential += baseline.estimate(tasks, work).mean
    return found
