"""Compute an agent's score from delivery, quality, collaboration, tool errors and response time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from stretto.figures.quantile_sketch import compute_quantile
from stretto.figures.scores.composite import (
    CompositeScore,
    ScorePart,
    cap_score,
    combine_parts,
    limit_count,
    to_score_part,
)
from stretto.figures.scores.message_exchange_score import compute_collaboration_score
from stretto.figures.scores.quality_score import compute_quality_score
from stretto.figures.scores.score_rules import ScoreRules
from stretto.figures.scores.sums_by_pattern_type_or_agent import (
    compute_delivered_share,
    count_succeeded_and_failed,
    pick_slice,
)
from stretto.figures.sums_by_dimension import (
    Sums,
    collect_quantile_sketches,
    read_quantile_sketch,
    sum_by,
    sum_up,
)
from stretto.names import measures
from stretto.names.measures import Dimension

Sketches = Mapping[str, Mapping[int, int]]
"""Task type → the sketch of the lengths of its tasks."""


def compute_agent_score(
    sums: Sums,
    agent: str,
    rules: ScoreRules,
    agent_sums: Sums | None = None,
    usual_times: Sketches | None = None,
) -> CompositeScore:
    """Return an agent's score, at most its delivered share.

    ``agent_sums`` are the sums of its work, and ``usual_times`` the lengths of all tasks by type
    (``collect_usual_times``), if the caller has them already.
    """
    usual_times = collect_usual_times(sums) if usual_times is None else usual_times
    agent_sums = pick_slice(sums, Dimension.AGENT, agent) if agent_sums is None else agent_sums
    delivered, all_tasks = compute_delivered_share(agent_sums), sum_up(agent_sums, measures.WORK_ENDS)
    score = combine_parts(
        [
            rules.make_part("agent", "delivery", delivered, all_tasks, "no task is over", applies=False),
            to_score_part(
                "quality", compute_quality_score(agent_sums, rules), rules.get_weight("agent", "quality")
            ),
            to_score_part(
                "collaboration",
                compute_collaboration_score(agent_sums, rules, agent),
                rules.get_weight("agent", "collaboration"),
            ),
            _score_tool_errors(agent_sums, rules),
            _score_response(agent_sums, usual_times, rules),
        ],
        min_coverage=rules.min_coverage,
    )
    return cap_score(limit_count(score, all_tasks), delivered)


def collect_usual_times(sums: Sums) -> Sketches:
    """Return the lengths of the tasks of all agents, by task type."""
    return collect_quantile_sketches(sums, measures.TASK_TIME, Dimension.TASK_TYPE)


def _score_tool_errors(agent_sums: Sums, rules: ScoreRules) -> ScorePart:
    """Return the share of the agent's tool calls that did not fail."""
    calls = count_succeeded_and_failed(agent_sums, measures.AGENT_CALLS)
    called = sum_up(agent_sums, measures.AGENT_CALLS) > 0
    reason = "no tool call of its tasks has a known outcome"
    return rules.make_part("agent", "errors", calls.share, calls.known, reason, applies=called)


def _score_response(agent_sums: Sums, usual_times: Sketches, rules: ScoreRules) -> ScorePart:
    """Divide the median length of tasks like the agent's, by whatever agent, by that of its tasks, at most 1.

    Tasks like the agent's are those of its task types, in its mixture of them. Example: the agent did 3
    reviews and a plan; a review takes 60 s by the median of all agents, a plan 300 s, and its median task
    100 s: 60 / 100 = 0.6.
    """
    times = read_quantile_sketch(agent_sums, measures.AGENT_TIME)
    median = compute_quantile(times, 0.5)
    usual = compute_quantile(_mix_usual_times(agent_sums, usual_times), 0.5)
    value = None if median is None or usual is None else min(1.0, usual / median)
    return rules.make_part("agent", "response", value, sum(times.values()), "no task has a known length")


def _mix_usual_times(agent_sums: Sums, usual_times: Sketches) -> Counter[int]:
    """Return the lengths of tasks of all agents, each type in as many parts as the agent has tasks of it.

    Counts are scaled to millionths, since a sketch counts in whole numbers.
    """
    mixed: Counter[int] = Counter()
    for task_type, tasks in sum_by(agent_sums, measures.WORK_ENDS, Dimension.TASK_TYPE).items():
        usual = usual_times.get(task_type, {})
        total = sum(usual.values())
        for bucket, count in usual.items():
            mixed[bucket] += round(1_000_000 * tasks * count / total)
    return mixed
