"""The store's writer as the configuration wants it, for the verbs that take a journal in themselves."""

from __future__ import annotations

import sqlite3

from stretto.config import Config
from stretto.store.ingest import Ingest


def ingest_by(config: Config, connection: sqlite3.Connection) -> Ingest:
    """Return the writer of a store that is opened for writing."""
    return Ingest(
        connection,
        config.task_types.classify,
        idle_limit=config.idle_minutes * 60,
        price=config.prices.cost_of,
        scales=config.scores.scales,
    )
