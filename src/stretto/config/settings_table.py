"""Every setting: its key in the file, type, default, environment variable and limits."""

from __future__ import annotations

from stretto.features.feature_switches import FEATURES, LEVEL_VARIABLE

DEFAULT_LISTEN = "127.0.0.1:9464"
DEFAULT_INTERVAL_SECONDS = 10
"""Time between two readings of the agents' processes."""

SETTINGS: dict[str, tuple[type, object, str]] = {
    "listen": (str, DEFAULT_LISTEN, "STRETTO_LISTEN"),
    "token": (str, None, "STRETTO_TOKEN"),
    "token_file": (str, None, "STRETTO_TOKEN_FILE"),
    "hosts": (str, "", "STRETTO_HOSTS"),
    "preset": (str, None, "STRETTO_PRESET"),
    "descriptions": (bool, True, "STRETTO_DESCRIPTIONS"),
    "timezone": (str, "UTC", "STRETTO_TIMEZONE"),
    "idle_minutes": (int, 240, "STRETTO_IDLE_MINUTES"),
    "series_budget": (int, 5_000, "STRETTO_SERIES_BUDGET"),
    "retention_raw_days": (int, 30, "STRETTO_RETENTION_RAW_DAYS"),
    "retention_hourly_days": (int, 90, "STRETTO_RETENTION_HOURLY_DAYS"),
    "retention_daily_days": (int, 365, "STRETTO_RETENTION_DAILY_DAYS"),
    "retention_runs_days": (int, 365, "STRETTO_RETENTION_RUNS_DAYS"),
    "retention_megabytes": (int, 4_096, "STRETTO_RETENTION_MEGABYTES"),
    "speak_alerts": (bool, False, "STRETTO_SPEAK_ALERTS"),
    "desktop_alerts": (bool, False, "STRETTO_DESKTOP_ALERTS"),
    "receivers": (str, None, "STRETTO_RECEIVERS"),
    "alertmanager_url": (str, None, "STRETTO_ALERTMANAGER_URL"),
    "prometheus_port": (int, 9090, "STRETTO_PROMETHEUS_PORT"),
    "alertmanager_port": (int, 9093, "STRETTO_ALERTMANAGER_PORT"),
    "stuck_minutes": (int, 10, "STRETTO_STUCK_MINUTES"),
    "page.public_url": (str, None, "STRETTO_PUBLIC_URL"),
    "headline.baseline": (str, "work", "STRETTO_HEADLINE_BASELINE"),
    "headline.covers_percent": (int, 100, "STRETTO_HEADLINE_COVERS_PERCENT"),
    "fleet.team": (str, None, "STRETTO_TEAM"),
    "fleet.instance": (str, None, "STRETTO_INSTANCE"),
    "fleet.push_url": (str, None, "STRETTO_PUSH_URL"),
    "fleet.push_token_file": (str, None, "STRETTO_PUSH_TOKEN_FILE"),
    "fleet.push_interval_seconds": (int, 60, "STRETTO_PUSH_INTERVAL_SECONDS"),
    "fleet.hub_url": (str, None, "STRETTO_HUB_URL"),
    "fleet.hub_token_file": (str, None, "STRETTO_HUB_TOKEN_FILE"),
    "fleet.hub_key_file": (str, None, "STRETTO_HUB_KEY_FILE"),
    "fleet.shown_projects": (str, "", "STRETTO_SHOWN_PROJECTS"),
    "fleet.shown_names": (str, "", "STRETTO_SHOWN_NAMES"),
    "fleet.shown_labels": (str, "", "STRETTO_SHOWN_LABELS"),
    "budget.dollars_per_day": (int, 0, "STRETTO_BUDGET_DOLLARS_PER_DAY"),
    "budget.dollars_per_month": (int, 0, "STRETTO_BUDGET_DOLLARS_PER_MONTH"),
    "reports.parts": (str, "", "STRETTO_REPORTS_PARTS"),
    "resources.interval_seconds": (int, DEFAULT_INTERVAL_SECONDS, "STRETTO_RESOURCES_INTERVAL_SECONDS"),
}
"""Key in the file → (type, default, environment variable). A key ``table.name`` is in that TOML table."""

KEYED_TABLES = frozenset(name.partition(".")[0] for name in SETTINGS if "." in name)

SMALLEST = {"resources.interval_seconds": 0, "budget.dollars_per_day": 0, "budget.dollars_per_month": 0}

TABLES = ("task_types", "workflows", "prices", "scores", "features", "thresholds", "tests")
"""Further tables in the file, each with a separate reader."""

OTHER_VARIABLES = (
    *(feature.variable for feature in FEATURES.values()), LEVEL_VARIABLE,
    "STRETTO_STATE", "STRETTO_CONFIG", "STRETTO_DISABLED", "STRETTO_CONTEXT",
    "STRETTO_PATTERN", "STRETTO_LABELS", "STRETTO_UID", "STRETTO_GID", "STRETTO_PYTHON", "STRETTO_STACK_OTLP",
    "STRETTO_HUB_DATABASE",
)  # fmt: skip
"""Known variables that are no settings: switches, locations, those of the Python API and the containers."""

LARGEST = {
    "stuck_minutes": 525_600,
    "resources.interval_seconds": 3_600,
    "fleet.push_interval_seconds": 300,
    "budget.dollars_per_day": 1_000_000,
    "budget.dollars_per_month": 30_000_000,
    "headline.covers_percent": 100,
    "idle_minutes": 525_600,
    "series_budget": 1_000_000,
    "retention_raw_days": 3_650,
    "retention_hourly_days": 3_650,
    "retention_daily_days": 3_650,
    "retention_runs_days": 3_650,
    "retention_megabytes": 100_000_000,
    "prometheus_port": 65_535,
    "alertmanager_port": 65_535,
}
"""Largest accepted value: a year, an hour, all of it, more series than a server accepts, the last port."""
