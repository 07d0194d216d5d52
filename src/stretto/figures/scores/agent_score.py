"""Compute an agent's score from delivery, quality, collaboration, errors and response time."""

from __future__ import annotations

from stretto.clock import SECOND
from stretto.figures.quantile_sketch import compute_quantile
from stretto.figures.scores.composite import CompositeScore, cap_score, combine_parts, to_score_part
from stretto.figures.scores.message_exchange_score import compute_collaboration_score
from stretto.figures.scores.quality_score import compute_quality_score
from stretto.figures.scores.score_rules import ScoreRules
from stretto.figures.scores.slices import compute_delivered_share, count_succeeded_and_failed, pick_slice
from stretto.figures.sum_reading import Sums, read_quantile_sketch, sum_up
from stretto.names import measures
from stretto.names.measures import Dimension


def compute_agent_score(
    sums: Sums, agent: str, rules: ScoreRules, agent_sums: Sums | None = None
) -> CompositeScore:
    """Return an agent's score, at most its delivered share.

    Response is 1 / (1 + t/τ) for its median task time t.

    ``agent_sums`` are the sums of its work, if they were split already. Example: with τ = 300 s, a median of
    300 s gives a response of 0.5.
    """
    agent_sums = pick_slice(sums, Dimension.AGENT, agent) if agent_sums is None else agent_sums
    delivered, all_tasks = compute_delivered_share(agent_sums), sum_up(agent_sums, measures.WORK_ENDS)
    judged = count_succeeded_and_failed(agent_sums, measures.WORK_ENDS)
    times = read_quantile_sketch(agent_sums, measures.AGENT_TIME, agent=agent)
    median = compute_quantile(times, 0.5)
    response = None if median is None else 1 / (1 + median / SECOND / rules.response_seconds)
    score = combine_parts(
        [
            rules.make_part("agent", "delivery", delivered, all_tasks, "no task is over"),
            to_score_part(
                "quality", compute_quality_score(agent_sums, rules), rules.get_weight("agent", "quality")
            ),
            to_score_part(
                "collaboration",
                compute_collaboration_score(agent_sums, rules, agent),
                rules.get_weight("agent", "collaboration"),
            ),
            rules.make_part("agent", "errors", judged.share, judged.known, "no task has a known outcome"),
            rules.make_part("agent", "response", response, sum(times.values()), "no task has a known length"),
        ],
        min_coverage=rules.min_coverage,
    )
    return cap_score(score, delivered)
