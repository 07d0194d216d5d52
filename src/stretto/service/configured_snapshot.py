"""Take snapshots and score days by the rules of the configuration, for service, commands and hub alike."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from stretto.config.configuration import Config
from stretto.figures.sequential_baseline_choice import DeclaredBaselines
from stretto.findings.efficiency_score_by_day import ScoreSettings
from stretto.summaries.snapshot import LiveState, Snapshot, take_snapshot


def make_score_settings(config: Config, declared: DeclaredBaselines) -> ScoreSettings:
    """Return the rules and baselines by which the process of the analyses scores days."""
    rules = config.scores
    return ScoreSettings(
        # Plain tables, which can be passed as JSON.
        rules=replace(rules, weights={score: dict(parts) for score, parts in rules.weights.items()}),
        targets={each.name: each.target for each in config.task_types.types},
        hours=config.hours,
        declared=declared,
    )


def take_configured_snapshot(
    connection: sqlite3.Connection,
    config: Config,
    at: int,
    declared: DeclaredBaselines,
    live: LiveState | None = None,
) -> Snapshot:
    """Return the figures at an instant (ns), from a single transaction."""
    return take_snapshot(
        connection,
        at,
        config.task_types,
        config.hours,
        declared=declared,
        scoring=config.scoring,
        live=live,
        rule=config.make_headline_rule(declared),
        workflows=config.workflows,
    )
