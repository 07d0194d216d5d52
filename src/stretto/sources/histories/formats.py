"""Formats: recognise a file of history by its first lines, and name it.

Nothing is read as a format that it was not recognised as. A format without a decoder is recognised too, so
that its files are refused by name, with the reason. A new format is an entry in ``FORMATS``.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, cast

from stretto.sources.codex.rollout import CODEX, RolloutDecoder
from stretto.sources.copilot.event_file import COPILOT, PRODUCER, EventFileDecoder
from stretto.sources.droid.droid_session import DROID, DroidSessionDecoder
from stretto.sources.gemini.gemini_chat import GEMINI, GeminiChatDecoder
from stretto.sources.histories.decoder import HistoryDecoder
from stretto.sources.histories.records import Record, decode_records, get_object
from stretto.sources.opencode.opencode_database import is_opencode_database
from stretto.sources.opencode.opencode_rows import OPENCODE
from stretto.sources.pi.pi_session import PI, PiSessionDecoder
from stretto.sources.qwen.qwen_chat import QWEN, QwenChatDecoder
from stretto.sources.vibe.vibe_session import VIBE
from stretto.sources.workflows.nextflow_trace import NEXTFLOW, is_nextflow_trace

LINES = 20
"""Lines of a file that are looked at."""

HEAD = 1 << 18
"""Most bytes read of them: a first line may hold a whole prompt."""

CLAUDE_CODE = "claude-code"

_CLAUDE_TYPES = frozenset({
    "agent-name", "ai-title", "api-request", "assistant", "attachment", "custom-title",
    "file-history-snapshot", "last-prompt", "mode", "permission-mode", "progress",
    "queue-operation", "summary", "system", "user",
    "worktree-state",
})  # fmt: skip

_WITHOUT_SESSION = frozenset({"summary", "file-history-snapshot"})
"""Types of Claude Code's lines that carry no session id."""

_SQLITE = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True)
class HistoryFormat:
    """A format that a file can be recognised as."""

    title: str
    """The format in words, with its article: ``a Codex rollout``."""
    source: str
    """The product, as in ``Event.source``."""
    is_record: Callable[[Record], bool]
    """Whether a record near the beginning of a file shows the format."""
    decoder: type[HistoryDecoder] | None = None
    """The decoder of its lines; None if another reader reads it, or none does."""
    refusal: str | None = None
    """The reason why it is not read; None if it is read."""


def _has_parts(record: Record) -> bool:
    return isinstance(get_object(record, "message").get("parts"), list)


VIBE_SESSION = HistoryFormat(
    "a Mistral Vibe session",
    VIBE,
    lambda record: "projection_state_version" in record and "snapshot" in record,
)

FORMATS: tuple[HistoryFormat, ...] = (
    HistoryFormat(
        "a Codex rollout",
        CODEX,
        lambda record: record.get("type") == "session_meta" and "id" in get_object(record, "payload"),
        RolloutDecoder,
    ),
    HistoryFormat(
        "a Copilot event file",
        COPILOT,
        lambda record: get_object(record, "data").get("producer") == PRODUCER,
        EventFileDecoder,
    ),
    HistoryFormat(
        "a Gemini chat",
        GEMINI,
        lambda record: "projectHash" in record and "sessionId" in record,
        GeminiChatDecoder,
    ),
    HistoryFormat(
        "a Qwen chat",
        QWEN,
        lambda record: "sessionId" in record and (_has_parts(record) or "systemPayload" in record),
        QwenChatDecoder,
    ),
    HistoryFormat(
        "a Pi session",
        PI,
        lambda record: record.get("type") == "session" and "version" in record and "id" in record,
        PiSessionDecoder,
    ),
    HistoryFormat(
        "a Droid session",
        DROID,
        lambda record: record.get("type") == "session_start" and "id" in record,
        DroidSessionDecoder,
    ),
    HistoryFormat(
        "a Claude Code transcript",
        CLAUDE_CODE,
        lambda record: (
            record.get("type") in _CLAUDE_TYPES
            and (isinstance(record.get("sessionId"), str) or record.get("type") in _WITHOUT_SESSION)
        ),
    ),
    HistoryFormat(
        "a Codex rollout of before September 2025",
        CODEX,
        lambda record: {"id", "timestamp", "instructions"} <= record.keys() and "type" not in record,
        refusal="its lines have no times",
    ),
    VIBE_SESSION,
    HistoryFormat(
        "a Mistral Vibe journal",
        VIBE,
        lambda record: "recovery_journal_record_version" in record,
        refusal="the state of its session is read instead",
    ),
    HistoryFormat(
        "a WfFormat instance",
        "wfformat",
        lambda record: "workflow" in record and "schemaVersion" in record,
        refusal="its tasks have lengths, but no times",
    ),
    HistoryFormat(
        "a Cline history",
        "cline",
        lambda record: record.get("type") in ("say", "ask") and "ts" in record,
        refusal="Cline is not read yet",
    ),
    HistoryFormat(
        "an Amp thread",
        "amp",
        lambda record: str(record.get("id", "")).startswith("T-") and "messages" in record,
        refusal="Amp is not read yet",
    ),
    HistoryFormat(
        "a recording of OTLP requests",
        "",
        lambda record: {"t", "path", "body"} <= record.keys(),
        refusal="OTLP is received at /v1/traces and /v1/logs, not imported",
    ),
    HistoryFormat(
        "a journal of Stretto",
        "",
        lambda record: {"version", "kind", "session", "channel"} <= record.keys(),
        refusal="put it into the journal folder and run 'stretto rebuild'",
    ),
)
"""The formats of JSON lines, in the order in which a record is compared with them."""


OPENCODE_DATABASE = HistoryFormat("an opencode database", OPENCODE, lambda _: False)

NEXTFLOW_TRACE = HistoryFormat("a Nextflow trace", NEXTFLOW, lambda _: False)

OPENCLAW = HistoryFormat(
    "an openclaw session", "openclaw", lambda _: False, refusal="openclaw is not read yet"
)
"""openclaw writes Pi's form: only the folder shows the difference."""


def recognise_file(path: Path) -> HistoryFormat | None:
    """Return the format of a file, by its first lines or its tables; None for an unknown format.

    Raises OSError if the file cannot be read.
    """
    try:
        with _open_file(path) as stream:
            # Nearly always the first line is enough; a whole head of each of thousands of files is not.
            head = stream.readline(HEAD)
            if not _is_telling(head):
                head += stream.read(HEAD)
    except (EOFError, zlib.error) as error:
        raise OSError(str(error)) from error
    if head.startswith(_SQLITE):
        return OPENCODE_DATABASE if is_opencode_database(path) else None
    if is_nextflow_trace(head):
        return NEXTFLOW_TRACE
    found = recognise_lines(head)
    if found is not None and found.source == PI and ".openclaw" in path.parts:
        return OPENCLAW
    return found


def _is_telling(line: bytes) -> bool:
    """Return whether a first line shows a format by itself."""
    return line.startswith(_SQLITE) or is_nextflow_trace(line) or recognise_lines(line) is not None


def recognise_lines(head: bytes) -> HistoryFormat | None:
    """Return the format whose record is the first to be recognised among the first lines."""
    for line in islice(head.split(b"\n"), LINES):
        stripped = line.strip(b"\xef\xbb\xbf \t\r")
        if not stripped.startswith((b"{", b"[")):
            continue
        for record in _decode_head(stripped):
            for candidate in FORMATS:
                if candidate.is_record(record):
                    return candidate
    whole = head.strip(b"\xef\xbb\xbf \t\r\n")
    if whole.startswith((b"[\n", b"[\r")):
        records = _decode_head(whole)
    else:
        records = [_read_outline(whole)] if whole.startswith((b"{\n", b"{\r")) else []
    return next((entry for record in records for entry in FORMATS if entry.is_record(record)), None)


_MEMBER = re.compile(rb'^(?: {1,4}|\t)"([A-Za-z_]{1,40})":\s*(?:"([^"\\]{0,200})")?', re.MULTILINE)
"""A member of the outermost object of an indented document: its name, and its value if that is a text."""


def _read_outline(document: bytes) -> Record:
    r"""Return the members of an indented document's outermost object, as far as its beginning shows them.

    A member that is no text is an empty object. Example: ``{\n  "sessionId": "s1",\n  "messages": [``.
    """
    members = _MEMBER.findall(document)
    return {name.decode(): value.decode("utf-8", "replace") if value else {} for name, value in members}


def _decode_head(text: bytes) -> list[Record]:
    """Return the objects that a text begins with; those of a list, if the text is a list."""
    records, _ = decode_records(text.lstrip(b"[ \t\r\n") if text.startswith(b"[") else text)
    return records[:LINES]


def _open_file(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")
