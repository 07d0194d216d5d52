"""Reading: read the new part of a recognised history, whatever its form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from stretto.model.event import LATEST
from stretto.sources.histories.decoder import Memory
from stretto.sources.histories.formats import NEXTFLOW_TRACE, OPENCODE_DATABASE, VIBE_SESSION, HistoryFormat
from stretto.sources.histories.history_read_result import HistoryChunk
from stretto.sources.histories.line_files import read_line_file
from stretto.sources.opencode.opencode_database import read_opencode_database
from stretto.sources.vibe.vibe_session import read_vibe_session
from stretto.sources.workflows.nextflow_trace import read_nextflow_trace


class HistoryPosition(msgspec.Struct, frozen=True):
    """How far a history has been read, with the state that continues the next read; kept as JSON."""

    title: str = ""
    """The title of the format that it was read as."""
    offset: int = 0
    memory: Memory = msgspec.field(default_factory=dict)


def read_history(
    path: Path,
    history_format: HistoryFormat,
    position: HistoryPosition,
    *,
    latest: int = LATEST,
    key: bytes = b"",
    test_commands: Sequence[str] = (),
) -> tuple[HistoryChunk, HistoryPosition]:
    """Return the events of the next part of a history, and the position behind it. Never raises.

    ``latest``: a later time (ns) is rejected. ``key``: the installation's secret for the hashes of written
    paths. ``test_commands``: the configured ones. A file that was read as another format before is read
    from its beginning.
    """
    if position.title != history_format.title:
        position = HistoryPosition(history_format.title)
    if history_format is OPENCODE_DATABASE:
        chunk = read_opencode_database(
            path, position.memory, latest=latest, key=key, test_commands=test_commands
        )
    elif history_format is NEXTFLOW_TRACE:
        chunk = read_nextflow_trace(path, position.offset, position.memory, latest=latest)
    elif history_format is VIBE_SESSION:
        chunk = read_vibe_session(
            path, position.offset, position.memory, latest=latest, key=key, test_commands=test_commands
        )
    elif history_format.decoder is not None:
        chunk = read_line_file(
            path,
            history_format.decoder,
            position.offset,
            position.memory,
            latest=latest,
            key=key,
            test_commands=test_commands,
        )
    else:
        raise ValueError(f"{history_format.title} has no reader here")
    return chunk, HistoryPosition(history_format.title, chunk.offset, chunk.memory)
