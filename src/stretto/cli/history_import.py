"""Import the histories of other agents than Claude Code: read what is new, append it to the journal."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from stretto import journal
from stretto.cli.import_journal import IMPORTS, ImportedFile, append_events, load_positions, save_positions
from stretto.clock import AHEAD, read_wall_clock
from stretto.config.configuration import Config
from stretto.hook.install.client_copy import ensure_secret
from stretto.sources.histories.formats import HistoryFormat
from stretto.sources.histories.history_chunk import UNREADABLE
from stretto.sources.histories.history_reading import HistoryPosition, read_history

HISTORIES = f"{IMPORTS}histories{journal.SUFFIX}"
"""The journal file of the events of histories."""

POSITIONS = "histories.json"
"""The file in the state folder that holds how far each history was read."""


def import_histories(config: Config, files: Iterable[tuple[Path, HistoryFormat]]) -> list[ImportedFile]:
    """Append the new events of histories since the last import to the journal."""
    reader = HistoryReader(config)
    imported = [reader.read(path, history_format) for path, history_format in files]
    # Saved last: an event that is written twice merges, an event that is never written is lost.
    reader.save_positions()
    return imported


class HistoryReader:
    """Reads histories on from where they were read to, and keeps the positions until they are saved."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._positions = load_positions(config, POSITIONS, HistoryPosition)
        self._key = ensure_secret(config.state)

    def read(self, path: Path, history_format: HistoryFormat) -> ImportedFile:
        """Append the new events of a history to the journal."""
        name = str(path.absolute())
        position = self._positions.get(name, HistoryPosition())
        entry, self._positions[name] = _import_history(
            path, history_format, position, self._config, self._key
        )
        return entry

    def save_positions(self) -> None:
        """Write the positions to the state folder."""
        save_positions(self._config, POSITIONS, self._positions)


def list_read_histories(config: Config) -> frozenset[str]:
    """Return the absolute paths of the histories that were read before."""
    return frozenset(load_positions(config, POSITIONS, HistoryPosition))


def _import_history(
    path: Path, history_format: HistoryFormat, position: HistoryPosition, config: Config, key: bytes
) -> tuple[ImportedFile, HistoryPosition]:
    events = 0
    sessions: set[str] = set()
    rejects: list[tuple[int, str]] = []
    began = bool(position.title)
    while True:
        chunk, position = read_history(
            path, history_format, position, latest=read_wall_clock() + AHEAD, key=key
        )
        # An unreadable file is reported but not counted again at every attempt.
        counted = [reject for reject in chunk.rejects if not reject[1].startswith(UNREADABLE)]
        append_events(config.journal / HISTORIES, chunk.events, counted, config=config)
        events += len(chunk.events)
        sessions.update(event.session for event in chunk.events)
        rejects += chunk.rejects
        if chunk.ended:
            break
    entry = ImportedFile(
        str(path),
        "history",
        events,
        frozenset(sessions),
        tuple(rejects),
        already_known=began and events == 0,
        format=history_format.title,
    )
    return entry, position
