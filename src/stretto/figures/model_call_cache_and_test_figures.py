"""Compute a window's figures of use: model calls with tokens and cost, caches, and time spent on tests."""

from __future__ import annotations

from collections.abc import Iterator

from stretto.clock import SECOND
from stretto.figures.cache_figures_and_faults import compute_cache_figures
from stretto.figures.figure import Figure, Labels, make_ratio
from stretto.figures.outcome_and_quantile_figures import compute_outcome_figures, compute_quantile_figures
from stretto.figures.scores.sums_by_pattern_type_or_agent import MICRO
from stretto.figures.selected_test_gain import compute_selection_gain_figures
from stretto.figures.sums_by_dimension import Sums, sum_by, sum_by_dimensions, sum_in_table, sum_up
from stretto.figures.usage_reporting_coverage import (
    compute_coverage_figures,
    compute_incomplete_usage_coverage,
)
from stretto.model.call_cost_and_usage_types import DOLLAR
from stretto.names import measures
from stretto.names.measures import Dimension


def compute_usage_figures(window: str, sums: Sums) -> Iterator[Figure]:
    """Yield every windowed figure of ``names.usage``."""
    at: Labels = (("window", window),)
    yield from _compute_model_figures(at, sums)
    yield from _compute_cost_figures(at, sums)
    yield from compute_coverage_figures(at, sums)
    yield from compute_cache_figures(at, sums)
    yield from _compute_test_figures(at, sums)


def _compute_model_figures(at: Labels, sums: Sums) -> Iterator[Figure]:
    calls = sum_in_table(sums, measures.MODEL_CALLS, Dimension.MODEL, Dimension.OUTCOME)
    coverage = compute_incomplete_usage_coverage(sums)
    yield from compute_outcome_figures(
        at, "model", calls, counts="stretto_window_model_calls", coverage=coverage
    )
    yield from compute_quantile_figures(
        at, sums, measures.MODEL_TIME, "stretto_model_duration_quantile_seconds", Dimension.MODEL
    )
    yield from compute_quantile_figures(
        at, sums, measures.FIRST_TOKEN_TIME, "stretto_first_token_quantile_seconds", Dimension.MODEL
    )
    yield from compute_quantile_figures(
        at, sums, measures.CONTEXT_FILL, "stretto_context_fill_quantile", Dimension.MODEL, unit=MICRO
    )
    tokens = sum_by_dimensions(sums, measures.TOKENS, Dimension.MODEL, Dimension.KIND)
    for (model, kind), count in sorted(tokens.items()):
        labels = (("model", model), ("kind", kind), *at)
        yield Figure("stretto_window_tokens", labels, count, count, coverage=coverage)
    for model, prompt in sorted(sum_by(sums, measures.PROMPT_TOKENS, Dimension.MODEL).items()):
        labels = (("model", model), *at)
        read = tokens.get((model, "cache_read"), 0)
        yield Figure("stretto_window_prompt_tokens", labels, prompt, prompt, coverage=coverage)
        yield Figure("stretto_window_cache_read_tokens", labels, read, prompt, coverage=coverage)
        yield make_ratio("stretto_cache_read_ratio", labels, read, prompt, prompt)


def _compute_cost_figures(at: Labels, sums: Sums) -> Iterator[Figure]:
    costs = sum_by(sums, measures.COST, Dimension.MODEL)
    for model, calls in sorted(sum_by(sums, measures.PRICED_CALLS, Dimension.MODEL).items()):
        labels = (("model", model), *at)
        cost = costs.get(model, 0) / DOLLAR
        yield Figure(
            "stretto_window_cost_usd", labels, cost, calls, coverage=compute_incomplete_usage_coverage(sums)
        )
    for model, calls in sorted(sum_by(sums, measures.UNPRICED_CALLS, Dimension.MODEL).items()):
        labels = (("model", model), *at)
        yield Figure("stretto_window_unpriced_model_calls", labels, calls, calls)


def _compute_test_figures(at: Labels, sums: Sums) -> Iterator[Figure]:
    runs = sum_in_table(sums, measures.TEST_RUNS, Dimension.FRAMEWORK, Dimension.OUTCOME)
    yield from compute_outcome_figures(at, "framework", runs, counts="stretto_window_test_runs")
    tests = sum_by_dimensions(sums, measures.TESTS, Dimension.FRAMEWORK, Dimension.RESULT)
    for (framework, result), count in sorted(tests.items()):
        labels = (("framework", framework), ("result", result), *at)
        yield Figure("stretto_window_tests", labels, count, count)
    for framework, count in sorted(sum_by(sums, measures.TESTS_SKIPPED, Dimension.FRAMEWORK).items()):
        yield Figure("stretto_window_tests_skipped", (("framework", framework), *at), count, count)
    selected = sum_by(sums, measures.TESTS_SELECTED, Dimension.FRAMEWORK)
    for framework, count in sorted(sum_by(sums, measures.TESTS_COLLECTED, Dimension.FRAMEWORK).items()):
        labels = (("framework", framework), *at)
        chosen = selected.get(framework, 0)
        yield Figure("stretto_window_tests_selected", labels, chosen, count)
        yield Figure("stretto_window_tests_collected", labels, count, count)
        yield make_ratio("stretto_test_selection_ratio", labels, chosen, count, count)
    cached = sum_by(sums, measures.TEST_PARTS_CACHED, Dimension.FRAMEWORK)
    for framework, count in sorted(sum_by(sums, measures.TEST_PARTS, Dimension.FRAMEWORK).items()):
        labels = (("framework", framework), *at)
        answered = cached.get(framework, 0)
        yield Figure("stretto_window_test_parts", labels, count, count)
        yield Figure("stretto_window_test_parts_cached", labels, answered, count)
        yield make_ratio("stretto_test_cache_ratio", labels, answered, count, count)
    yield from compute_selection_gain_figures(at, sums)
    name = "stretto_test_run_duration_quantile_seconds"
    yield from compute_quantile_figures(at, sums, measures.TEST_RUN_TIME, name, Dimension.FRAMEWORK)
    tool, test = sum_up(sums, measures.TOOL_SECONDS), sum_up(sums, measures.TEST_SECONDS)
    if tool:
        calls = sum_up(sums, measures.CALLS)
        yield Figure("stretto_window_tool_seconds", at, tool / SECOND, calls)
        if test:
            # Without any test time it is unknown whether sources report their commands at all.
            yield Figure("stretto_window_test_seconds", at, test / SECOND, calls)
            yield make_ratio("stretto_test_time_ratio", at, test, tool, calls)
