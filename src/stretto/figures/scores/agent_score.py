"""The score of one agent: what it completes, how well, with whom, with how many errors and how fast."""

from __future__ import annotations

from stretto.clock import SECOND
from stretto.figures.quantile_sketch import quantile
from stretto.figures.scores.collaboration_score import collaboration
from stretto.figures.scores.composite import Composite, Part, as_part, weighted
from stretto.figures.scores.quality_score import quality
from stretto.figures.scores.score_rules import ScoreRules
from stretto.figures.scores.slices import AGENT, judged, only, outcomes_over
from stretto.figures.tallies import Sums
from stretto.model.event import Outcome


def agent_score(sums: Sums, agent: str, rules: ScoreRules, own: Sums | None = None) -> Composite:
    """Return an agent's score; response is 1 / (1 + t/τ) for its median task time t.

    ``own`` are the sums of its work, where they are at hand.
    """
    own = only(sums, AGENT, agent) if own is None else own
    ended, over = outcomes_over(own, "work_ends", (Outcome.SUCCESS, Outcome.FAILURE))
    known = judged(own, "work_ends")
    times = {int(dims[1]): n for dims, n in sums.get("agent_time", {}).items() if dims[0] == agent}
    median = quantile(times, 0.5)
    response = None if median is None else 1 / (1 + median / SECOND / rules.response_seconds)
    return weighted(
        [
            _part("completion", rules, ended / over if over else None, over, "no task is over"),
            as_part("quality", quality(own, rules), rules.weight("agent", "quality")),
            as_part(
                "collaboration",
                collaboration(sums, rules, agent),
                rules.weight("agent", "collaboration"),
            ),
            _part("errors", rules, known.share, known.known, "of no task is the outcome known"),
            _part("response", rules, response, sum(times.values()), "of no task is the length known"),
        ],
        min_coverage=rules.min_coverage,
    )


def _part(name: str, rules: ScoreRules, value: float | None, count: int, reason: str) -> Part:
    return Part(name, value, rules.weight("agent", name), None if value is not None else reason, count)
