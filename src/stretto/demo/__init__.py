"""The recording that an empty store shows: one real job, its agents in parallel and one by one.

It is kept in a journal file of its own, so that it can go without a trace when the first own session arrives.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import msgspec

from stretto import journal
from stretto.clock import MINUTE, SECOND
from stretto.hook.client.client import build_record
from stretto.model.event import Event
from stretto.sources.recording import parse_lines, shift_events

FILE = "recording.jsonl"
ENDS = {"sequential": 2 * MINUTE, "fanout": SECOND}
"""Each recording and how long before now it ends."""

_decode = msgspec.json.Decoder(Event).decode


def parse_payload(payload: bytes, now: int, key: bytes = b"") -> Event:
    """Return the event of a hook payload, by the hook client's own mapping."""
    return _decode(build_record(payload, now, key=key))


def write_recordings(folder: Path, now: int) -> None:
    """Write the recordings to the journal, moved so that they have just ended."""
    path = folder / FILE
    path.unlink(missing_ok=True)
    for name, before in ENDS.items():
        text = resources.files(__package__).joinpath(f"{name}.jsonl").read_bytes()
        events = parse_lines(text.splitlines(keepends=True), parse_payload).events
        journal.append_records(path, b"".join(journal.encode_event(event) for event in shift_events(events, now - before)))
