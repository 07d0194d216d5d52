"""Summarise a session of a store by the rules of the configuration, for service and commands alike."""

from __future__ import annotations

import sqlite3

from stretto.config.configuration import Config
from stretto.figures.sequential_baseline_choice import DeclaredBaselines
from stretto.summaries.session_summary import SessionSummary, summarise_session


def summarise_configured_session(
    connection: sqlite3.Connection, config: Config, id: str, declared: DeclaredBaselines, now: int
) -> SessionSummary | None:
    """Return the summary of a session at an instant (ns), or None if it is unknown."""
    return summarise_session(
        connection,
        id,
        config.task_types.classify,
        config.hours,
        config.prices.compute_cost,
        declared=declared,
        scoring=config.scoring,
        workflows=config.workflows,
        now=now,
    )
