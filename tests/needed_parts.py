"""The suite with every optional part off, but for the parts without which a test has nothing to test.

``SWITCHED_OFF_SUITE=1`` turns this on. The defaults are then off and the level is minimal, for this process
and the programs that it starts. Before each test the parts of its row are switched on again.
"""

from __future__ import annotations

import os
from collections.abc import Collection, MutableMapping

from stretto.features.feature_switches import (
    DEFAULT_STATES,
    DETAILED,
    FEATURES,
    LEVEL,
    LEVEL_VARIABLE,
    MINIMAL,
    FeatureState,
)

IS_SWITCHED_OFF = os.environ.get("SWITCHED_OFF_SUITE") == "1"

ALL = frozenset({*FEATURES, LEVEL})

PAGES = frozenset({"dashboards"})
CALLS = frozenset({LEVEL, "executions"})
EVENTS = frozenset({LEVEL, "executions", "agents", "tests"})
"""Everything that a recorded session has."""
CACHES = frozenset({"caching", "warming", "similar_answers"})
HUB_ANALYSES = frozenset({"analysis_changes", "analysis_experiments"})
"""Those of teams."""
REPORTED_CACHES = frozenset({LEVEL, "caching", "caches"})

NEEDED: dict[str, frozenset[str]] = {
    "test_advice_from_journal_to_verdict": ALL,
    "test_api_cache_counters": REPORTED_CACHES,
    "test_budget::test_budgets_stand_where_people_look": PAGES,
    "test_cache_findings": PAGES | {"analysis_caches"},
    "test_calls_of_latest_sessions::test_the_page_of_a_tool_lists_its_calls_with_links": PAGES,
    "test_calls_of_latest_sessions::test_the_page_of_a_tool_reads_its_calls_once": PAGES,
    "test_cli": EVENTS,
    "test_cli_profile": EVENTS,
    "test_cli_report": PAGES | {"reports"},
    "test_collection_levels": ALL,
    "test_config": ALL,
    "test_conversations::test_the_network_of_a_pattern_is_drawn_over_a_window": PAGES,
    "test_conversations::test_the_page_of_a_pattern_says_who_talked_to_whom": PAGES,
    "test_doctor": frozenset({"resources"}),
    "test_examples": REPORTED_CACHES | EVENTS,
    "test_failed_tasks_by_kind::test_the_page_of_agents_lists_them": PAGES,
    "test_failing_operation_doors": ALL,
    "test_faults": EVENTS,
    "test_features": ALL,
    "test_findings_surfaces": ALL,
    "test_function_cache": CACHES,
    "test_history_watch": CALLS,
    "test_hooks_by_event_and_command::test_the_page_of_tools_has_both_tables": PAGES,
    "test_hub_app": PAGES,
    "test_hub_app::test_leads_learn_what_got_worse_and_nothing_of_a_person": HUB_ANALYSES,
    "test_import_command": EVENTS,
    "test_latest_notifications": PAGES,
    "test_machine_limits::test_the_activity_draws_the_machine_below_the_agents": PAGES,
    "test_machine_limits::test_the_activity_says_why_the_machine_is_not_judged": PAGES | {"resources"},
    "test_mcp": ALL,
    "test_openapi": ALL,
    "test_operation_doors": ALL,
    "test_operation_options": ALL,
    "test_operations": ALL,
    "test_otlp_python_api": ALL,
    "test_packed_session::test_the_page_of_a_packed_session_is_that_of_its_facts": PAGES,
    "test_parallel_notices": frozenset({"alerting"}),
    "test_plugin_file": EVENTS,
    "test_promises::test_every_path_is_served": PAGES,
    "test_runs_around_finding": PAGES,
    "test_scrape": ALL,
    "test_service::test_a_busy_agent_is_sampled_into_the_journal": frozenset({LEVEL, "resources"}),
    "test_session_conflicts": PAGES,
    "test_session_finder": PAGES,
    "test_store_healing": ALL,
    "test_switched_off": ALL,
    "test_team_experiments": PAGES | HUB_ANALYSES,
    "test_top": ALL,
    "test_verdict_surfaces": PAGES,
    "test_warm_up_calls": CACHES,
    "test_web_activity": PAGES,
    "test_web_alerts": PAGES,
    "test_web_app": PAGES,
    "test_web_comparisons": PAGES,
    "test_web_compression": PAGES,
    "test_web_dimension_views": PAGES,
    "test_web_exports": PAGES,
    "test_web_guard": PAGES,
    "test_web_pages": PAGES,
    "test_web_run_pages": PAGES,
    "test_web_session_view": PAGES,
    "test_web_trend_chart": PAGES,
    "test_web_windows": PAGES,
}
"""Module, or module and test → the parts that it needs; ``level`` is the level ``detailed``."""


def find_needed_parts(module: str, test: str) -> frozenset[str]:
    """Return the parts that a test needs; ``test`` is its name without parameters."""
    return NEEDED.get(module, frozenset()) | NEEDED.get(f"{module}::{test}", frozenset())


def switch_off_all_but(parts: Collection[str], environ: MutableMapping[str, str]) -> None:
    """Switch every part but ``parts`` off, for this process and by the environment for others."""
    states = DEFAULT_STATES.states
    assert isinstance(states, MutableMapping)
    for name, feature in FEATURES.items():
        states[name] = FeatureState(name, name in parts, "default")
        _set_variable(environ, feature.variable, None if name in parts else "off")
    level = DETAILED if LEVEL in parts else MINIMAL
    states[LEVEL] = FeatureState(LEVEL, level, "default")
    _set_variable(environ, LEVEL_VARIABLE, None if level == DETAILED else level)


def _set_variable(environ: MutableMapping[str, str], name: str, value: str | None) -> None:
    # A variable that says "on" would win over the places that a test sets.
    if value is None:
        environ.pop(name, None)
    else:
        environ[name] = value
