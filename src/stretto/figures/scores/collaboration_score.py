"""Collaboration: how well agents exchanged messages, and how well one agent answered them."""

from __future__ import annotations

from stretto.clock import SECOND
from stretto.figures.scores.composite import Composite, ScorePart, combine_parts
from stretto.figures.scores.score_rules import ScoreRules
from stretto.figures.scores.slices import MICRO, count_judged
from stretto.figures.tallies import Sums


def list_receivers(sums: Sums) -> list[str]:
    """Return the agents that messages went to, sorted."""
    measures = ("messages", "talk_messages")
    return sorted({str(dims[0]) for measure in measures for dims in sums.get(measure, {})})


def compute_collaboration(sums: Sums, rules: ScoreRules, agent: str | None = None) -> Composite:
    """Return how well messages were exchanged: by all, or those to one agent.

    Balance is the smaller over the larger of messages a session and their target, of which an agent's share
    is one over the receivers of the session. Response is 1 - t / limit, at least 0, for a mean answer time
    t. Success is the share of messages that succeeded.
    """
    return combine_parts(
        [
            _score_balance(sums, rules, agent),
            _score_response(sums, rules, agent),
            _score_success(sums, rules, agent),
        ],
        min_coverage=rules.min_coverage,
    )


def _score_balance(sums: Sums, rules: ScoreRules, agent: str | None) -> ScorePart:
    messages = _sum_measure(sums, "talk_messages", agent)
    target = _sum_measure(sums, "talk_share", agent) / MICRO * rules.messages
    value = min(messages, target) / max(messages, target) if messages and target else None
    return _part("balance", rules, value, messages, "no message")


def _score_response(sums: Sums, rules: ScoreRules, agent: str | None) -> ScorePart:
    answers = _sum_measure(sums, "answers", agent)
    if not answers:
        return _part("response", rules, None, 0, "no message with a known answer time")
    mean = _sum_measure(sums, "answer_time", agent) / answers / SECOND
    return _part("response", rules, max(0.0, 1 - mean / rules.answer_seconds), answers, "")


def _score_success(sums: Sums, rules: ScoreRules, agent: str | None) -> ScorePart:
    found = count_judged(sums, "messages", lambda dims: agent is None or dims[0] == agent)
    return _part("success", rules, found.share, found.known, "no message with a known outcome")


def _part(name: str, rules: ScoreRules, value: float | None, count: int, reason: str) -> ScorePart:
    weight = rules.weight("collaboration", name)
    return ScorePart(name, value, weight, None if value is not None else reason, count)


def _sum_measure(sums: Sums, measure: str, agent: str | None) -> int:
    cells = sums.get(measure, {})
    return sum(count for dims, count in cells.items() if agent is None or dims[0] == agent)
