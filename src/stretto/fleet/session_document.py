"""The document of a finished session that a machine ships to a team's hub.

It has the session's row, its sums by slot of time, and the rows that analyses read: numbers and names. It
has no prompts, paths, commands or descriptions. Session, project and names that are not the product's are
hashes with a key of the tenant, so that two machines' projects are the same project, and nobody outside of
the tenant can guess a name by trying.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from stretto.journal.pruned_session_records import KeptRow, KeptSum

VERSION = 1
"""The version of a document. A hub reads this and the version before."""

MOST_BYTES = 256 * 1024
"""Most bytes of an encoded document, before compression."""

MOST_CELLS = 2_000
"""Most sums in a document; the smallest beyond it are added up under the name ``other``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDocument:
    """A session as its machine concluded it. A later revision replaces an earlier one as a whole."""

    v: int = VERSION
    instance: str
    """The machine's name in its team."""
    session: str
    """Hash of the session's id."""
    revision: int
    """Grows with each change of the session; at least the time (ns) of its last event."""
    day: int
    """Number of the UTC day of the session's end when it was first shipped. It never changes afterwards."""
    rules: str
    """Fingerprint of task types, prices and scales: sums of other rules do not mean the same."""
    counted_by: str
    """The version of the sums."""
    last: int
    """Time (ns) of its last event."""
    row: KeptRow
    """The session's row in lists, by column, without empty columns."""
    sums: tuple[KeptSum, ...] = ()
    """(number of the slot of five minutes, measure, values of its dimensions, sum)."""
    rows: Mapping[str, tuple[KeptRow, ...]]
    """Table → its rows by column: parallel executions, sequential runs, runs of the session and its tasks."""


_decode = msgspec.json.Decoder(SessionDocument).decode
_encode = msgspec.json.Encoder().encode


def encode_session_document(document: SessionDocument) -> bytes:
    """Return the document as a line of JSON, without its newline."""
    return _encode(document)


def decode_session_document(line: bytes) -> SessionDocument:
    """Return the document of a line of JSON; unknown fields are ignored.

    Raises msgspec.DecodeError, or its ValidationError, for a line that is not a document.
    """
    return _decode(line)
