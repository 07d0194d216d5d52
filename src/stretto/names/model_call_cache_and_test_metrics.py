"""Metrics of model calls, caches and test runs."""

from __future__ import annotations

from stretto.names.labels import Label
from stretto.names.metric import Metric, define_gauge

_O, _W, _STAT = Label.OUTCOME, Label.WINDOW, Label.STAT

USAGE: tuple[Metric, ...] = (
    define_gauge(
        "stretto_window_model_calls", "1", (Label.MODEL, _O, _W), "Model calls in the window, by outcome."
    ),
    define_gauge(
        "stretto_model_duration_quantile_seconds",
        "s",
        (Label.MODEL, _STAT, _W),
        "Time from a model call's request to the end of its answer, within 2 %.",
    ),
    define_gauge(
        "stretto_first_token_quantile_seconds",
        "s",
        (Label.MODEL, _STAT, _W),
        "Time from a model call's request to its first token, if its source reports it, within 2 %.",
    ),
    define_gauge(
        "stretto_context_fill_quantile",
        "1",
        (Label.MODEL, _STAT, _W),
        "Share of the model's context window that prompts filled, where its size is listed, within 2 %.",
    ),
    define_gauge(
        "stretto_window_tokens",
        "1",
        (Label.MODEL, Label.KIND, _W),
        "Tokens that model calls used: input, output, cache_read, cache_write.",
    ),
    define_gauge(
        "stretto_window_prompt_tokens",
        "1",
        (Label.MODEL, _W),
        "Tokens read by model calls that report cache reads: input, cache_read and cache_write.",
    ),
    define_gauge(
        "stretto_window_cache_read_tokens",
        "1",
        (Label.MODEL, _W),
        "Tokens that model calls read from the provider's cache.",
    ),
    define_gauge(
        "stretto_cache_read_ratio",
        "1",
        (Label.MODEL, _W),
        "Tokens read from the provider's cache over all tokens read.",
        "stretto_window_cache_read_tokens",
        "stretto_window_prompt_tokens",
    ),
    define_gauge(
        "stretto_window_cost_usd",
        "USD",
        (Label.MODEL, _W),
        "Cost of model calls: by configured price, else as reported by their source, else by list price.",
    ),
    define_gauge(
        "stretto_window_unpriced_model_calls",
        "1",
        (Label.MODEL, _W),
        "Model calls that used tokens and whose price is not known.",
    ),
    define_gauge(
        "stretto_window_usage_expected",
        "1",
        (_W,),
        "Model calls and tasks of ended sessions that could report their tokens.",
    ),
    define_gauge(
        "stretto_window_usage_reported",
        "1",
        (_W,),
        "Model calls and tasks of ended sessions that reported all their tokens.",
    ),
    define_gauge(
        "stretto_usage_coverage_ratio",
        "1",
        (_W,),
        "Calls and tasks that reported their tokens over those that could; below 1 sums are lower bounds.",
        "stretto_window_usage_reported",
        "stretto_window_usage_expected",
    ),
    define_gauge(
        "stretto_window_tool_call_tasks",
        "1",
        (_W,),
        "Tasks of ended sessions, each of which could report its tool calls.",
    ),
    define_gauge(
        "stretto_window_tool_call_tasks_reported",
        "1",
        (_W,),
        "Tasks of ended sessions of which all tool calls are known.",
    ),
    define_gauge(
        "stretto_tool_call_coverage_ratio",
        "1",
        (_W,),
        "Tasks of which all tool calls are known over all tasks; below 1 tool calls are lower bounds.",
        "stretto_window_tool_call_tasks_reported",
        "stretto_window_tool_call_tasks",
    ),
    define_gauge(
        "stretto_window_cache_lookups",
        "1",
        (Label.CACHE, Label.RESULT, _W),
        "Lookups in a reported cache: hit or miss.",
    ),
    define_gauge(
        "stretto_cache_hit_ratio",
        "1",
        (Label.CACHE, _W),
        "Hits over lookups of a reported cache.",
        "stretto_window_cache_lookups",
        "stretto_window_cache_lookups",
    ),
    define_gauge(
        "stretto_window_cache_removals",
        "1",
        (Label.CACHE, Label.REASON, _W),
        "Entries that left a reported cache: eviction or invalidation.",
    ),
    define_gauge(
        "stretto_window_cache_refusals",
        "1",
        (Label.CACHE, _W),
        "Lookups that met a stale entry of a reported cache and were not answered with it.",
    ),
    define_gauge(
        "stretto_window_cache_evicted_misses",
        "1",
        (Label.CACHE, _W),
        "Lookups that missed an entry which twice the room would still hold.",
    ),
    define_gauge(
        "stretto_window_cache_saved_seconds",
        "s",
        (Label.CACHE, _W),
        "Time that computing the results had taken which a reported cache answered with.",
    ),
    define_gauge(
        "stretto_window_cache_lookup_seconds",
        "s",
        (Label.CACHE, _W),
        "Time that lookups in a reported cache took, without computing and waiting.",
    ),
    define_gauge(
        "stretto_cache_bytes", "By", (Label.CACHE,), "Bytes in a reported cache at its last report."
    ),
    define_gauge(
        "stretto_cache_entries", "1", (Label.CACHE,), "Entries in a reported cache at its last report."
    ),
    define_gauge(
        "stretto_window_test_runs", "1", (Label.FRAMEWORK, _O, _W), "Test runs inside tool calls, by outcome."
    ),
    define_gauge(
        "stretto_window_tests",
        "1",
        (Label.FRAMEWORK, Label.RESULT, _W),
        "Single tests that passed or failed, if the run reports them.",
    ),
    define_gauge(
        "stretto_window_tests_skipped", "1", (Label.FRAMEWORK, _W), "Single tests that were skipped."
    ),
    define_gauge(
        "stretto_window_tests_selected",
        "1",
        (Label.FRAMEWORK, _W),
        "Tests that were chosen to run, of runs that report how many were not.",
    ),
    define_gauge(
        "stretto_window_tests_collected",
        "1",
        (Label.FRAMEWORK, _W),
        "These tests, and those of the same runs that were not chosen.",
    ),
    define_gauge(
        "stretto_test_selection_ratio",
        "1",
        (Label.FRAMEWORK, _W),
        "Share of the tests that were chosen to run.",
        "stretto_window_tests_selected",
        "stretto_window_tests_collected",
    ),
    define_gauge(
        "stretto_window_test_parts",
        "1",
        (Label.FRAMEWORK, _W),
        "Parts of test runs, such as packages, of runners that say which ones a cache answered.",
    ),
    define_gauge(
        "stretto_window_test_parts_cached",
        "1",
        (Label.FRAMEWORK, _W),
        "Those whose result a cache gave.",
    ),
    define_gauge(
        "stretto_test_cache_ratio",
        "1",
        (Label.FRAMEWORK, _W),
        "Share of the parts of test runs whose result a cache gave.",
        "stretto_window_test_parts_cached",
        "stretto_window_test_parts",
    ),
    define_gauge(
        "stretto_window_test_selection_runs",
        "1",
        (Label.FRAMEWORK, _W),
        "Test runs that chose some of their tests, and that full runs of as many tests are known for.",
    ),
    define_gauge(
        "stretto_window_test_selection_seconds", "s", (Label.FRAMEWORK, _W), "Time that these runs took."
    ),
    define_gauge(
        "stretto_window_test_selection_full_seconds",
        "s",
        (Label.FRAMEWORK, _W),
        "Time that as many full runs take, by the mean of those of as many tests.",
    ),
    define_gauge(
        "stretto_window_test_selection_saved_seconds",
        "s",
        (Label.FRAMEWORK, _W),
        "The difference; below 0 where the selections took longer.",
    ),
    define_gauge(
        "stretto_test_selection_saved_ratio",
        "1",
        (Label.FRAMEWORK, _W),
        "Share of the time of full runs that selections of tests saved, below 0 for a loss.",
        "stretto_window_test_selection_saved_seconds",
        "stretto_window_test_selection_full_seconds",
    ),
    define_gauge(
        "stretto_test_run_duration_quantile_seconds",
        "s",
        (Label.FRAMEWORK, _STAT, _W),
        "Wall time of test runs, within 2 %.",
    ),
    define_gauge("stretto_window_test_seconds", "s", (_W,), "Time that tool calls spent running tests."),
    define_gauge("stretto_window_tool_seconds", "s", (_W,), "Execution time of all tool calls."),
    define_gauge(
        "stretto_test_time_ratio",
        "1",
        (_W,),
        "Time spent running tests over the execution time of all tool calls.",
        "stretto_window_test_seconds",
        "stretto_window_tool_seconds",
    ),
)
