"""History watch: follow the histories of agents whose hooks are not installed, while the service runs.

A look costs a few calls of ``stat``: of the folders, to see new files, and of the files written in the last
quarter of an hour. Folders are listed again only if their own time of change has moved.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path

from stretto.cli.history_import import HistoryReader
from stretto.cli.transcript_import import import_transcripts
from stretto.clock import MINUTE, Clock
from stretto.config.configuration import Config
from stretto.errors import StrettoError
from stretto.sources import transcript
from stretto.sources.histories.folders import HistoryFolder
from stretto.sources.histories.formats import CLAUDE_CODE, HistoryFormat, recognise_file
from stretto.sources.histories.importable_files import LINE_SUFFIXES, OTHER_SUFFIXES

INTERVAL = 5.0
"""Seconds between two looks."""

HOT = 15 * MINUTE
"""Nanoseconds after its last change for which a file is looked at each time."""

THOROUGH = 12
"""Looks of which one looks at all files, for a session that goes on after days."""


class HistoryWatch:
    """Looks at the folders at intervals and reads what is new. Reading again after a kill adds nothing."""

    def __init__(self, config: Config, folders: Iterable[HistoryFolder], clock: Clock) -> None:
        self._config = config
        self._reader = HistoryReader(config)
        self._roots = list(folders)
        self._clock = clock
        self._listed: dict[str, int] = {}
        """Folder → time of its last change when it was listed."""
        self._inner: dict[str, list[str]] = {}
        """Folder → the folders in it."""
        self._seen: dict[Path, tuple[int, int]] = {}
        """File → size and time of change when it was last read, or first seen."""
        self._formats: dict[Path, HistoryFormat | None] = {}
        self._looks = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="histories", daemon=True)

    def start(self) -> None:
        """Begin to look; files that are there already count as read unless they were written just now."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=INTERVAL)
        # A look that takes longer goes on with its file until the process ends.
        if not self._thread.is_alive():
            self._reader.close()

    def look(self) -> int:
        """Read what was written since the last look; return the number of events."""
        now = self._clock()
        events = 0
        for root in self._roots:
            for path in self._list_new_files(str(root.path), deep=root.deep):
                self._seen.setdefault(path, (-1, 0))
        is_thorough = self._looks % THOROUGH == 0
        self._looks += 1
        for path, before in list(self._seen.items()):
            if before[0] >= 0 and now - before[1] > HOT and not is_thorough:
                continue
            size_and_time = _get_size_and_time(path)
            if size_and_time is None:
                del self._seen[path]
            elif size_and_time != before:
                self._seen[path] = size_and_time
                if now - size_and_time[1] <= HOT:
                    events += self._read(path)
        return events

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL):
            # A file that cannot be read now is read at a later look.
            try:
                self.look()
            except (OSError, StrettoError):
                continue

    def _list_new_files(self, folder: str, *, deep: bool) -> list[Path]:
        """Return the files of folders that have changed since they were listed, with those below."""
        try:
            changed = os.stat(folder).st_mtime_ns  # noqa: PTH116  # a Path per folder and look costs more
        except OSError:
            return []
        files: list[Path] = []
        if self._listed.get(folder) != changed:
            self._listed[folder] = changed
            inner = []
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            if not deep:
                                continue
                            inner.append(entry.path)
                        elif entry.name.endswith((*LINE_SUFFIXES, *OTHER_SUFFIXES)):
                            files.append(Path(entry.path))
            except OSError:
                return []
            self._inner[folder] = inner
        for path in self._inner.get(folder, []):
            files += self._list_new_files(path, deep=True)
        return files

    def _read(self, path: Path) -> int:
        if self._formats.get(path) is None:
            # A file may be seen before its first line is written.
            self._formats[path] = _recognise_readable(path)
        history_format = self._formats[path]
        if history_format is None:
            return 0
        if history_format.source == CLAUDE_CODE:
            (entry,) = import_transcripts(self._config, [transcript.identify_transcript(path)])
            return entry.events
        return self._reader.read(path, history_format).events


def _recognise_readable(path: Path) -> HistoryFormat | None:
    try:
        history_format = recognise_file(path)
    except OSError:
        return None
    return None if history_format is None or history_format.refusal else history_format


def _get_size_and_time(path: Path) -> tuple[int, int] | None:
    """Return size and time of change of a file, those of a database's log included; None if it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    size, changed = status.st_size, status.st_mtime_ns
    if path.suffix in (".db", ".sqlite"):
        try:
            log = path.with_name(f"{path.name}-wal").stat()
        except OSError:
            return size, changed
        size, changed = size + log.st_size, max(changed, log.st_mtime_ns)
    return size, changed
