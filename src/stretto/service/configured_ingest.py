"""Create the store's writer with the rules of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stretto.store.ingest import Ingest

if TYPE_CHECKING:
    import sqlite3

    from stretto.config.configuration import Config


def create_ingest(config: Config, connection: sqlite3.Connection) -> Ingest:
    """Return the writer of a store that is open for writing."""
    return Ingest(
        connection,
        config.task_types.classify,
        idle_limit=config.idle_minutes * 60,
        price=config.prices.compute_cost,
        scales=config.scores.scales,
    )
