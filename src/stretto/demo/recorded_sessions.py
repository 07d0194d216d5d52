"""Demo recordings for an empty store: the same real job with its agents in parallel and in sequence.

They are written to a separate journal file, which is deleted when the first real session arrives.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import msgspec

from stretto import journal
from stretto.clock import MINUTE, SECOND
from stretto.hook.client.client import CLAUDE_CODE, build_record
from stretto.model.event import Event
from stretto.sources.read_hook_recordings import parse_lines, shift_events

FILE = "recording.jsonl"
ENDS = {"sequential": 2 * MINUTE, "fanout": SECOND}
"""Recording → nanoseconds before now at which it ends."""

_decode = msgspec.json.Decoder(Event).decode


def parse_hook_payload(
    payload: bytes,
    now: int,
    key: bytes = b"",
    agent: str = CLAUDE_CODE,
    test_commands: Sequence[str] = (),
) -> Event:
    """Return the event of a hook payload of an agent, as the hook client maps it."""
    return _decode(
        build_record(payload, now, key=key, agent=agent, test_commands=lambda: list(test_commands))
    )


def write_demo_recordings(folder: Path, now: int) -> None:
    """Write the recordings to the journal, shifted in time so that they have just ended."""
    path = folder / FILE
    path.unlink(missing_ok=True)
    for name, age in ENDS.items():
        text = resources.files(__package__).joinpath(f"{name}.jsonl").read_bytes()
        events = parse_lines(text.splitlines(keepends=True), parse_hook_payload).events
        shifted = shift_events(events, now - age)
        journal.append_records(path, b"".join(map(journal.encode_event, shifted)))
