"""Build the KPIs of a session or phase as JSON, with parts, coverage and the reasons for missing values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from stretto.figures.figure import Figure, Labels, make_ratio
from stretto.figures.parallel_work_against_baselines import build_mixes, sum_parallel_by_type
from stretto.figures.scores.agent_score import compute_agent_score
from stretto.figures.scores.composite import to_score_document
from stretto.figures.scores.efficiency_dimensions import (
    EfficiencyInputs,
    EfficiencyScore,
    compute_efficiency_score,
)
from stretto.figures.scores.look_up_figures_for_scores import PublishedFigures
from stretto.figures.scores.message_exchange_score import compute_collaboration_score
from stretto.figures.scores.quality_score import average_quality_over_task_types, compute_quality_score
from stretto.figures.scores.score_rules import Scoring
from stretto.figures.scores.sums_by_pattern_type_or_agent import (
    CONFLICT,
    INTEGRATED,
    PARALLEL,
    compute_recovery,
    count_succeeded_and_failed,
    count_with_outcomes,
    split_sums_by,
)
from stretto.figures.sequential_baseline_choice import FindBaseline
from stretto.figures.sums_by_dimension import Sums, sum_up
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.names import NONE, measures
from stretto.names.measures import Dimension

WINDOW = "session"
"""The value of the window label in the figures of a single session."""


def build_kpis_document(
    sums: Sums, published: Iterable[Figure], scoring: Scoring, find_baseline: FindBaseline
) -> dict[str, Any]:
    """Return the KPIs of a session's or phase's sums; ``published`` are its other figures."""
    # Example: two successes and a failure give "success": {"ratio": 0.667, "count": 3, "reason": null}.
    rules = scoring.rules
    parallel = sum_parallel_by_type(build_mixes(sums, find_baseline))
    efficiency = compute_efficiency_score(
        EfficiencyInputs(sums, parallel, PublishedFigures(published, WINDOW), scoring.target, rules)
    )
    return {
        **{name: _to_ratio_document(figure) for name, figure in _compute_ratios(sums)},
        "conflicts": sum_up(sums, measures.CHECKED, result=CONFLICT)
        if sum_up(sums, measures.CHECKED)
        else None,
        "overall_quality": to_score_document(average_quality_over_task_types(sums, rules), 10),
        "quality": {
            task_type: to_score_document(compute_quality_score(slice_sums, rules), 10)
            for task_type, slice_sums in split_sums_by(sums, Dimension.TASK_TYPE).items()
        },
        "collaboration": to_score_document(compute_collaboration_score(sums, rules)),
        "agents": {
            agent: to_score_document(compute_agent_score(sums, agent, rules, slice_sums))
            for agent, slice_sums in split_sums_by(sums, Dimension.AGENT).items()
            if agent != NONE
        },
        "efficiency": _build_efficiency_document(efficiency),
    }


def _build_efficiency_document(efficiency: EfficiencyScore) -> dict[str, Any]:
    whole = to_score_document(efficiency.score)
    parts = {
        name: {
            **to_score_document(composite),
            **{key: whole["parts"][name][key] for key in ("weight", "applies")},
        }
        for name, composite in efficiency.dimensions.items()
    }
    return {**whole, "parts": parts}


def compute_session_prompt_cache_figures(session: Session) -> Iterator[Figure]:
    """Yield the figures of a session's prompt cache, if they were reported."""
    at: Labels = (("window", WINDOW),)
    # A source that does not report the cache must not count as prompts that read nothing from it.
    tokens_with_cache = [call.tokens for call in session.model_calls if call.tokens.cache_read is not None]
    read = sum(tokens.cache_read or 0 for tokens in tokens_with_cache)
    prompt = sum((tokens.input or 0) + (tokens.cache_write or 0) for tokens in tokens_with_cache) + read
    if prompt:
        yield Figure("stretto_window_cache_read_tokens", at, read, len(tokens_with_cache))
        yield Figure("stretto_window_prompt_tokens", at, prompt, len(tokens_with_cache))


def _compute_ratios(sums: Sums) -> Iterator[tuple[str, Figure]]:
    ended, all_tasks = count_with_outcomes(sums, measures.WORK_ENDS, (Outcome.SUCCESS, Outcome.FAILURE))
    judged, phases = (
        count_succeeded_and_failed(sums, measures.WORK_ENDS),
        count_succeeded_and_failed(sums, measures.PATTERN_PHASES),
    )
    recovery, failures = compute_recovery(sums)
    reason = "no task is over" if recovery is None else None
    yield "recovery", Figure("recovery", (), recovery, failures, reason)
    for name, count, total in (
        ("completion", ended, all_tasks),
        ("success", judged.succeeded, judged.known),
        ("retry", sum_up(sums, measures.RETRY_ENDS), all_tasks),
        ("phase_success", phases.succeeded, phases.known),
        (
            "integration_success",
            sum_up(sums, measures.CHECKED, result=INTEGRATED),
            sum_up(sums, measures.CHECKED),
        ),
        ("adoption", sum_up(sums, measures.TURNS, place=PARALLEL), sum_up(sums, measures.TURNS)),
    ):
        yield name, make_ratio(name, (), count, total, total)


def _to_ratio_document(figure: Figure) -> dict[str, Any]:
    return {"ratio": figure.value, "count": figure.count, "reason": figure.reason}
