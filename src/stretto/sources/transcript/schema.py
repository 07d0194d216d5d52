"""The shape of a transcript's lines: bytes → lines, and the gates through which a value may pass.

Claude Code calls its format internal, so nothing is taken for granted: a field of another type is as good as
absent, and a type of line that is not known says nothing. What may be large (prompts, inputs, outputs) is
skipped over, not decoded, unless a few words of it decide what the line is.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec

from stretto.clock import DAY
from stretto.model.event import LATEST

RAW = msgspec.Raw(b"null")
"""A part that is not there."""

ID_LIMIT = 200
NAME_LIMIT = 120
"""Characters of a name or a description."""
NUMBER_LIMIT = 3_650 * DAY
"""No count or measurement is larger: the nanoseconds in ten years."""
GLUED_LIMIT = 64
"""Places in one line at which a lost beginning of an object is looked for."""

Shape = TypeVar("Shape")


class TranscriptLine(msgspec.Struct, rename="camel"):
    """One line, as far as it is looked at. ``Any`` is what a hostile or later writer may put there."""

    type: Any = None
    timestamp: Any = None
    session_id: Any = None
    uuid: Any = None
    parent_uuid: Any = None
    cwd: Any = None
    agent_id: Any = None
    is_sidechain: Any = None
    is_meta: Any = None
    is_compact_summary: Any = None
    is_api_error_message: Any = None
    prompt_id: Any = None
    prompt_source: Any = None
    forked_from: Any = None
    message: msgspec.Raw = RAW
    tool_use_result: msgspec.Raw = RAW
    data: msgspec.Raw = RAW
    parent_tool_use_id: Any = msgspec.field(default=None, name="parentToolUseID")
    operation: Any = None
    content: msgspec.Raw = RAW
    subtype: Any = None
    compact_metadata: msgspec.Raw = RAW
    id: Any = None
    request_ref: Any = None
    request_id: Any = None


class TranscriptMessage(msgspec.Struct):
    """What a user or assistant line carries: the message as the model's interface words it."""

    id: Any = None
    model: Any = None
    stop_reason: Any = None
    usage: msgspec.Raw = RAW
    content: msgspec.Raw = RAW


class ContentBlock(msgspec.Struct):
    """One block of a message's content."""

    type: Any = None
    id: Any = None
    name: Any = None
    tool_use_id: Any = None
    is_error: Any = None
    input: msgspec.Raw = RAW
    content: msgspec.Raw = RAW
    text: msgspec.Raw = RAW


class TokenUsage(msgspec.Struct):
    """Token counts of one request."""

    input_tokens: Any = None
    output_tokens: Any = None
    cache_read_input_tokens: Any = None
    cache_creation_input_tokens: Any = None


class DelegationInput(msgspec.Struct):
    """What a delegating call asks for."""

    subagent_type: Any = None
    description: Any = None
    run_in_background: Any = None


class ToolInput(msgspec.Struct):
    """What a call of a tool that runs commands or writes files is asked to do, as far as it is looked at."""

    command: Any = None
    run_in_background: Any = None
    file_path: Any = None
    notebook_path: Any = None


class ToolResult(msgspec.Struct, rename="camel"):
    """The structured answer of a tool, where it has one."""

    agent_id: Any = None
    agent_type: Any = None
    status: Any = None
    total_duration_ms: Any = None
    total_tool_use_count: Any = None
    duration_ms: Any = None


class ProgressReport(msgspec.Struct, rename="camel"):
    """What a progress line reports; older clients copy a subagent's messages into these."""

    type: Any = None
    agent_id: Any = None
    message: msgspec.Raw = RAW


class TaskStarted(msgspec.Struct):
    """What a queue line says of a task that has just begun."""

    task_id: Any = None
    tool_use_id: Any = None
    task_type: Any = None
    description: Any = None


class CompactionBoundary(msgspec.Struct, rename="camel"):
    """What a compaction's boundary says of it."""

    trigger: Any = None
    duration_ms: Any = None


class AgentSidecar(msgspec.Struct, rename="camel", frozen=True):
    """What ``agent-<id>.meta.json`` says of a subagent beside its transcript."""

    agent_type: Any = None
    tool_use_id: Any = None
    parent_agent_id: Any = None
    description: Any = None


def make_decoder(shape: type[Shape]) -> msgspec.json.Decoder[Shape]:
    """Return the decoder of a shape, to be made once."""
    return msgspec.json.Decoder(shape)


def decode_part(of: msgspec.json.Decoder[Shape], raw: msgspec.Raw | bytes) -> Shape | None:
    """Return a part of a line in its shape, or None where it has another."""
    try:
        return of.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


LINE: Final = make_decoder(TranscriptLine)
MESSAGE: Final = make_decoder(TranscriptMessage)
BLOCKS: Final = make_decoder(list[ContentBlock])
USAGE: Final = make_decoder(TokenUsage)
ORDER: Final = make_decoder(DelegationInput)
WORK: Final = make_decoder(ToolInput)
RESULT: Final = make_decoder(ToolResult)
PROGRESS: Final = make_decoder(ProgressReport)
STARTED: Final = make_decoder(TaskStarted)
COMPACTION: Final = make_decoder(CompactionBoundary)
SIDECAR: Final = make_decoder(AgentSidecar)
TEXT: Final = make_decoder(str)


# One line of the file.


def parse_line(data: bytes) -> tuple[list[TranscriptLine], str | None]:
    """Return the lines that stand on one line of the file and, where some of it is unreadable, why.

    Usually that is one. A writer that was cut short leaves half a line to which the next one is glued, and
    two writers at once may glue two whole ones: every whole object is found. Never raises.
    """
    try:
        if not data.isascii():
            data.decode()  # a part that is skipped over would otherwise fail only where it is needed
        return [LINE.decode(data)], None
    except msgspec.ValidationError:
        return [], "not an object"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _recover_objects(data)
    except RecursionError:
        return [], "too deep"


_JSON = json.JSONDecoder(strict=False, parse_constant=lambda _: None)
_BEGINNING = re.compile(
    r'\{"(?:(?:parentUuid|isSidechain|sessionId)":'
    r'|type": ?"(?:user|assistant|progress|system|queue-operation|attachment)")'
)
"""How lines begin; what stands inside a line may begin so too, but has no session id."""


def _recover_objects(data: bytes) -> tuple[list[TranscriptLine], str | None]:
    text = data.decode("utf-8", "replace").strip("\ufeff\0 \t\r\n")
    found: list[TranscriptLine] = []
    reason = None if text else "not JSON"
    position = attempts = 0
    while position < len(text) and attempts < GLUED_LIMIT:
        attempts += 1
        try:
            value, position = _JSON.raw_decode(text, position)
        except json.JSONDecodeError:
            reason = "not JSON"
            following = _BEGINNING.search(text, position + 1)
            position = following.start() if following else len(text)
            continue
        except RecursionError:
            return found, "too deep"
        if not isinstance(value, dict) or (reason and "sessionId" not in value):
            reason = reason or "not an object"
            continue
        # Written anew without what the fast decoder refuses: half a surrogate pair, a control character.
        clean = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
        line = decode_part(LINE, clean)
        if line is not None:
            found.append(line)
        while position < len(text) and text[position] in "\0 \t\r":
            position += 1
    return found, reason


# What may be taken, by shape. A value of another shape is as good as absent.


def to_name(value: object) -> str | None:
    """Return a name or a description, cut to size."""
    return value[:NAME_LIMIT] if isinstance(value, str) and value else None


def to_id(value: object) -> str | None:
    """Return an id, or None for what is none: an id cut to size would be another one."""
    return value if isinstance(value, str) and 0 < len(value) <= ID_LIMIT else None


_TOKEN = re.compile(r"[A-Za-z0-9_:-]{1,120}")


def to_token(value: object) -> str | None:
    """Return a short string only if letters, digits and ``-_:`` make it up: the gate out of free text."""
    return value if isinstance(value, str) and _TOKEN.fullmatch(value) else None


_WORD = re.compile(r"[a-z_]{1,40}")


def to_word(value: object) -> str | None:
    """Return a word of small letters and underscores, as a member of an enumeration is written."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def to_count(value: object) -> int | None:
    """Return a whole number that counts or measures something."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < NUMBER_LIMIT:
        return None
    return round(value)


def from_milliseconds(value: object) -> int | None:
    """Return the nanoseconds in a length given in milliseconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < NUMBER_LIMIT:
        return None
    return to_count(value * 1_000_000)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_time(value: object) -> int | None:
    """Return a timestamp (ISO 8601; UTC where it does not say) in nanoseconds since the epoch."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        time = (moment - _EPOCH) // _MICROSECOND * 1000
    except (ValueError, OverflowError):
        return None
    return time if 0 < time < LATEST else None


def get_last_component(path: object) -> str | None:
    """Return the last component of a POSIX or Windows path; the root and a drive have none."""
    if not isinstance(path, str):
        return None
    last = path.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return None if last.endswith(":") else to_name(last)
