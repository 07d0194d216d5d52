"""What docs/terminal.md shows, drawn by the program itself from the recordings in the package.

Their seconds are stretched to minutes, and the second session is cut off while its agents run.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from stretto import journal
from stretto.cli.session_table import format_session_table
from stretto.cli.session_text import format_session
from stretto.cli.statusline import format_line
from stretto.cli.top import format_frame
from stretto.cli.top_data import FrameReader
from stretto.clock import HOUR, SECOND
from stretto.config.configuration import Config
from stretto.config.loading import load_config
from stretto.demo import recorded_sessions
from stretto.format import quantities
from stretto.model.event import Event
from stretto.sources.read_hook_recordings import read_recording
from stretto.store import session_queries
from stretto.store.database import open_reader, open_writer
from stretto.store.ingest import Ingest
from stretto.store.statusline_query import read_session_brief
from stretto.summaries.session_summary import summarise_session

NOON = 1_795_176_000 * SECOND
"""2026-11-20T12:00:00Z."""

STRETCHED = 60
RUNNING = "5b1e0c77-4f0e-4a55-9d52-3c1f7a8e2d10"
CUT = 1.4
"""Seconds into the recording, when all of its agents run."""

BLOCK = re.compile(r"(<!-- drawn: (\w+) -->\n```\n).*?(\n```\n)", re.DOTALL)


def with_pictures(page: str) -> str:
    """Return a page with each block that is marked as drawn drawn anew."""
    with tempfile.TemporaryDirectory() as folder:
        config = load_config({}, Path(folder), state=folder)
        ended = _fill(config)
        drawn = _drawn(config, ended)
    return BLOCK.sub(lambda found: found[1] + drawn[found[2]].replace(quantities.SPACE, " ") + found[3], page)


def _drawn(config: Config, ended: str) -> dict[str, str]:
    with closing(open_reader(config.database)) as connection:
        seen = summarise_session(connection, ended, config.task_types.classify, config.hours)
        rows = session_queries.list_sessions(connection)
        short_ids = session_queries.shorten_session_ids(connection, (row.id for row in rows))
    if seen is None:
        raise AssertionError("the recording is gone")
    # Beside a running service there is no such problem.
    frame = replace(FrameReader(config).read_frame(NOON), problems=())
    return {
        "statusline": format_line(read_session_brief(config.database, ended)),
        "top": format_frame(frame),
        "sessions": format_session_table(rows, NOON, {}, short_ids).strip("\n"),
        "show": format_session(seen),
    }


def _fill(config: Config) -> str:
    """Make a store of two sessions; return the id of the one that is over."""
    folder = Path(recorded_sessions.__file__).parent
    events = read_recording(folder / "fanout.jsonl", recorded_sessions.parse_hook_payload).events
    first = min(event.time for event in events)
    cut = [event for event in events if event.time - first < CUT * SECOND]
    begun = NOON - round(CUT * STRETCHED * SECOND)
    told = [*_moved(events, first, NOON - HOUR), *_moved(cut, first, begun, session=RUNNING)]
    journal.append_records(
        journal.get_day_file(config.journal, NOON), b"".join(journal.encode_event(event) for event in told)
    )
    with closing(open_writer(config.database)) as connection:
        ingest = Ingest(connection, config.task_types.classify, idle_limit=config.idle_minutes * 60)
        for _ in ingest.catch_up(config.journal):
            pass
    return events[0].session


def _moved(events: Iterable[Event], first: int, to: int, *, session: str | None = None) -> Iterable[Event]:
    for event in events:
        yield structs.replace(
            event,
            session=session or event.session,
            time=to + (event.time - first) * STRETCHED,
            duration=None if event.duration is None else event.duration * STRETCHED,
        )
