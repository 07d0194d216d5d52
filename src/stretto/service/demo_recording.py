"""Show the bundled recording while the store holds no session of the user."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from stretto.clock import Clock
from stretto.demo import recorded_sessions
from stretto.store import open_session_queries, session_queries
from stretto.store.ingest import Ingest


class DemoRecording:
    """Places the recording in the journal and removes it once the user's first session arrives."""

    def __init__(self, writer: sqlite3.Connection, ingest: Ingest, journal: Path, clock: Clock) -> None:
        self._writer = writer
        self._ingest = ingest
        self._journal = journal
        self._clock = clock
        self._keep = False
        self._is_shown = False

    def use_store(self, writer: sqlite3.Connection, ingest: Ingest) -> None:
        """Continue with another store that was made from the same journal."""
        self._writer = writer
        self._ingest = ingest

    def place_if_needed(self, *, wanted: bool) -> None:
        """Ingest the recording if it is wanted or the store holds nothing else; remove it otherwise.

        A wanted recording stays beside the user's sessions.
        """
        self._keep = wanted
        activity = open_session_queries.read_activity(self._writer)
        has_user_sessions = activity.sessions > activity.recordings
        if activity.recordings:
            self._remove()
        if wanted or not has_user_sessions:
            recorded_sessions.write_demo_recordings(self._journal, self._clock())
            self._is_shown = True
            for _ in self._ingest.catch_up(self._journal, now=self._clock()):
                pass

    def remove_if_replaced(self) -> None:
        """Remove the recording if the store holds a session of the user."""
        # Counting sessions takes longer the more there are, and most services show no recording.
        if not self._is_shown or self._keep:
            return
        activity = open_session_queries.read_activity(self._writer)
        if activity.sessions > activity.recordings:
            self._remove()

    def _remove(self) -> None:
        (self._journal / recorded_sessions.FILE).unlink(missing_ok=True)
        self._ingest.forget_sessions(session_queries.list_recording_ids(self._writer), recorded_sessions.FILE)
        self._is_shown = False
