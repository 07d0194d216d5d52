"""Take the snapshot of a store by the rules of the configuration, for service, commands and hub alike."""

from __future__ import annotations

import sqlite3

from stretto.config.configuration import Config
from stretto.figures.sequential_baseline_choice import DeclaredBaselines
from stretto.summaries.snapshot import LiveState, Snapshot, take_snapshot


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
