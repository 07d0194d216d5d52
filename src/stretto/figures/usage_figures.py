"""The figures of a window about what was used: models, their tokens and cost, caches, and tests as work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels, make_ratio
from stretto.figures.tallies import (
    Cells,
    Sums,
    compute_outcome_figures,
    compute_quantile_figures,
    group_by_first,
)
from stretto.model.model_call_cost import DOLLAR


def compute_usage_figures(window: str, sums: Sums) -> Iterator[Figure]:
    """Yield every windowed figure of ``names.usage``."""
    at: Labels = (("window", window),)
    yield from _compute_model_figures(at, sums)
    yield from _compute_cost_figures(at, sums)
    yield from _compute_cache_figures(at, sums)
    yield from _compute_test_figures(at, sums)


def compute_cache_entry_figures(entries: Mapping[str, int]) -> Iterator[Figure]:
    """Yield how many entries each cache holds, as last told."""
    for cache, count in sorted(entries.items()):
        yield Figure("stretto_cache_entries", (("cache", cache),), count, 1)


def _compute_model_figures(at: Labels, sums: Sums) -> Iterator[Figure]:
    calls = group_by_first(sums.get("model_calls", {}))
    yield from compute_outcome_figures(at, "model", calls, counts="stretto_window_model_calls")
    yield from compute_quantile_figures(
        at, sums.get("model_time", {}), "stretto_model_duration_quantile_seconds", "model"
    )
    yield from compute_quantile_figures(
        at, sums.get("first_token_time", {}), "stretto_first_token_quantile_seconds", "model"
    )
    tokens = sums.get("tokens", {})
    for (model, kind), count in sorted(tokens.items()):
        labels = (("model", str(model)), ("kind", str(kind)), *at)
        yield Figure("stretto_window_tokens", labels, count, count)
    for (model,), prompt in sorted(sums.get("prompt_tokens", {}).items()):
        labels = (("model", str(model)), *at)
        read = tokens.get((model, "cache_read"), 0)
        yield Figure("stretto_window_prompt_tokens", labels, prompt, prompt)
        yield Figure("stretto_window_cache_read_tokens", labels, read, prompt)
        yield make_ratio("stretto_cache_read_ratio", labels, read, prompt, prompt)


def _compute_cost_figures(at: Labels, sums: Sums) -> Iterator[Figure]:
    costs = _sum_by_model(sums.get("cost", {}))
    for model, calls in sorted(_sum_by_model(sums.get("priced_calls", {})).items()):
        labels = (("model", model), *at)
        yield Figure("stretto_window_cost_usd", labels, costs[model] / DOLLAR, calls)
    for (name,), calls in sorted(sums.get("unpriced_calls", {}).items()):
        labels = (("model", str(name)), *at)
        yield Figure("stretto_window_unpriced_model_calls", labels, calls, calls)


def _sum_by_model(cells: Cells) -> Counter[str]:
    found: Counter[str] = Counter()
    for dims, value in cells.items():
        found[str(dims[0])] += value
    return found


def _compute_cache_figures(at: Labels, sums: Sums) -> Iterator[Figure]:
    for cache, lookups in sorted(group_by_first(sums.get("cache_lookups", {})).items()):
        own: Labels = (("cache", cache),)
        both = sum(lookups.values())
        for result, count in sorted(lookups.items()):
            yield Figure("stretto_window_cache_lookups", (*own, ("result", result), *at), count, count)
        yield make_ratio("stretto_cache_hit_ratio", (*own, *at), lookups.get("hit", 0), both, both)
    for (cache_name, reason), count in sorted(sums.get("cache_removals", {}).items()):
        labels = (("cache", str(cache_name)), ("reason", str(reason)), *at)
        yield Figure("stretto_window_cache_removals", labels, count, count)


def _compute_test_figures(at: Labels, sums: Sums) -> Iterator[Figure]:
    runs = group_by_first(sums.get("test_runs", {}))
    yield from compute_outcome_figures(at, "framework", runs, counts="stretto_window_test_runs")
    for (framework, result), count in sorted(sums.get("tests", {}).items()):
        labels = (("framework", str(framework)), ("result", str(result)), *at)
        yield Figure("stretto_window_tests", labels, count, count)
    name = "stretto_test_run_duration_quantile_seconds"
    yield from compute_quantile_figures(at, sums.get("test_run_time", {}), name, "framework")
    tool, test = (sums.get(measure, {}).get((), 0) for measure in ("tool_seconds", "test_seconds"))
    if tool:
        calls = sum(sums.get("calls", {}).values())
        yield Figure("stretto_window_tool_seconds", at, tool / SECOND, calls)
        if test:
            # None seen may as well mean that no source tells what its commands are.
            yield Figure("stretto_window_test_seconds", at, test / SECOND, calls)
            yield make_ratio("stretto_test_time_ratio", at, test, tool, calls)
