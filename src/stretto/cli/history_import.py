"""Import the histories of other agents than Claude Code: read what is new, append it to the journal."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from stretto import journal
from stretto.cli.append_imported_events import IMPORTS, ImportedFile, append_events
from stretto.cli.import_positions import ImportPositions
from stretto.clock import AHEAD, read_wall_clock
from stretto.config.configuration import Config
from stretto.hook.install.client_copy import ensure_secret
from stretto.sources.histories.formats import HistoryFormat
from stretto.sources.histories.history_read_result import UNREADABLE
from stretto.sources.histories.history_reading import HistoryPosition, read_history

HISTORIES = f"{IMPORTS}histories{journal.SUFFIX}"
"""The journal file of the events of histories."""

POSITIONS = "histories"
"""The kind of the positions of histories."""


def import_histories(config: Config, files: Iterable[tuple[Path, HistoryFormat]]) -> list[ImportedFile]:
    """Append the new events of histories since the last import to the journal."""
    with closing(HistoryReader(config)) as reader:
        return [reader.read(path, history_format) for path, history_format in files]


class HistoryReader:
    """Reads histories on from where they were read to."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._positions = ImportPositions(config.state, POSITIONS, HistoryPosition)
        self._key = ensure_secret(config.state)

    def read(self, path: Path, history_format: HistoryFormat) -> ImportedFile:
        """Append the new events of a history to the journal."""
        name = str(path.absolute())
        before = self._positions.get(name) or HistoryPosition()
        entry, position = _import_history(path, history_format, before, self._config, self._key)
        if position != before:
            # After the events: an event that is written twice merges, one that is never written is lost.
            self._positions.put(name, position)
        return entry

    def close(self) -> None:
        """Close the table of positions."""
        self._positions.close()


def list_imported_history_paths(config: Config) -> frozenset[str]:
    """Return the absolute paths of the histories that were read before."""
    with closing(ImportPositions(config.state, POSITIONS, HistoryPosition)) as positions:
        return positions.list_files()


def _import_history(
    path: Path, history_format: HistoryFormat, position: HistoryPosition, config: Config, key: bytes
) -> tuple[ImportedFile, HistoryPosition]:
    events = 0
    sessions: set[str] = set()
    rejects: list[tuple[int, str]] = []
    began = bool(position.title)
    while True:
        chunk, position = read_history(
            path,
            history_format,
            position,
            latest=read_wall_clock() + AHEAD,
            key=key,
            test_commands=config.test_commands,
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
