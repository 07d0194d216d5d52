"""Schema of a transcript's lines: decode bytes into lines, and check each value before it is used.

Claude Code calls its format internal, so nothing is taken for granted. A field of an unexpected type counts
as absent, and a line of an unknown type is ignored. Large parts (prompts, inputs, outputs) are not decoded
unless a few words of them decide the kind of the line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec

from stretto.clock import DAY, SECOND
from stretto.model.event import LATEST

ABSENT = msgspec.Raw(b"null")
"""Value of an absent part."""

ID_LIMIT = 200
"""Longest id in characters; a longer text is not an id."""
NAME_LIMIT = 120
"""Characters kept of a name or a description."""
NUMBER_LIMIT = 3_650 * DAY
"""Limit of counts and measurements: the nanoseconds in ten years."""
GLUED_LIMIT = 64
"""Attempts to find an object in a damaged line."""

Shape = TypeVar("Shape")


class TranscriptLine(msgspec.Struct, rename="camel"):
    """The fields of a line that are read. ``Any``: a hostile or later writer may put any value there."""

    type: Any = None
    timestamp: Any = None
    session_id: Any = None
    uuid: Any = None
    parent_uuid: Any = None
    cwd: Any = None
    version: Any = None
    git_branch: Any = None
    permission_mode: Any = None
    agent_id: Any = None
    is_sidechain: Any = None
    is_meta: Any = None
    is_compact_summary: Any = None
    is_api_error_message: Any = None
    prompt_id: Any = None
    prompt_source: Any = None
    forked_from: Any = None
    message: msgspec.Raw = ABSENT
    tool_use_result: msgspec.Raw = ABSENT
    data: msgspec.Raw = ABSENT
    parent_tool_use_id: Any = msgspec.field(default=None, name="parentToolUseID")
    operation: Any = None
    content: msgspec.Raw = ABSENT
    subtype: Any = None
    compact_metadata: msgspec.Raw = ABSENT
    hook_infos: msgspec.Raw = ABSENT
    id: Any = None
    request_ref: Any = None
    request_id: Any = None


class _DatedLine(msgspec.Struct):
    """The time of a line alone, read at a third of the cost of the whole line."""

    timestamp: Any = None


class ContentBlock(msgspec.Struct):
    """A block of a message's content."""

    type: Any = None
    id: Any = None
    name: Any = None
    tool_use_id: Any = None
    is_error: Any = None
    input: msgspec.Raw = ABSENT
    content: msgspec.Raw = ABSENT
    text: msgspec.Raw = ABSENT


class TokenUsage(msgspec.Struct):
    """Token counts of a request."""

    input_tokens: Any = None
    output_tokens: Any = None
    cache_read_input_tokens: Any = None
    cache_creation_input_tokens: Any = None
    cache_creation: Any = None
    """The tokens that it wrote to the cache, by how long they are kept."""


Content = list[ContentBlock] | str | None
"""A message's content: blocks, plain text, or None if it has another shape."""


class TranscriptMessage(msgspec.Struct):
    """The message of a user or assistant line, in the format of the model's API."""

    id: Any = None
    model: Any = None
    stop_reason: Any = None
    usage: TokenUsage | None = None
    content: Content = None

    @property
    def blocks(self) -> Sequence[ContentBlock]:
        """The blocks of the content; a content of plain text has none."""
        return self.content if isinstance(self.content, list) else ()


class _MessageParts(msgspec.Struct):
    """A message of which some part has an unexpected shape."""

    id: Any = None
    model: Any = None
    stop_reason: Any = None
    usage: msgspec.Raw = ABSENT
    content: msgspec.Raw = ABSENT


class DelegationInput(msgspec.Struct):
    """The input of a tool call that starts an agent."""

    subagent_type: Any = None
    description: Any = None
    run_in_background: Any = None


class ToolInput(msgspec.Struct):
    """The input of a tool call that runs a command or writes a file; only these fields are read."""

    command: Any = None
    run_in_background: Any = None
    file_path: Any = None
    notebook_path: Any = None
    old_string: Any = None


class ToolResult(msgspec.Struct, rename="camel"):
    """The structured result of a tool call, if the tool gives one."""

    agent_id: Any = None
    agent_type: Any = None
    status: Any = None
    total_duration_ms: Any = None
    total_tool_use_count: Any = None
    duration_ms: Any = None
    type: Any = None
    usage: msgspec.Raw = ABSENT
    """The use of an agent's last request to its model, not of its whole run."""


class ProgressReport(msgspec.Struct, rename="camel"):
    """The data of a progress line; older clients copy a subagent's messages into it."""

    type: Any = None
    agent_id: Any = None
    message: msgspec.Raw = ABSENT


class TaskStarted(msgspec.Struct):
    """The content of a queue line about a task that has just started."""

    task_id: Any = None
    tool_use_id: Any = None
    task_type: Any = None
    description: Any = None


class StopHook(msgspec.Struct, rename="camel"):
    """A hook that ran at the end of an answer; newer clients time each."""

    command: Any = None
    duration_ms: Any = None


class CompactionBoundary(msgspec.Struct, rename="camel"):
    """The metadata of a compaction."""

    trigger: Any = None
    duration_ms: Any = None


class AgentSidecar(msgspec.Struct, rename="camel", frozen=True):
    """The content of ``agent-<id>.meta.json``, the file beside a subagent's transcript."""

    agent_type: Any = None
    tool_use_id: Any = None
    parent_agent_id: Any = None
    description: Any = None


def make_decoder(shape: type[Shape]) -> msgspec.json.Decoder[Shape]:
    """Return the decoder of a shape; each is made once, at import."""
    return msgspec.json.Decoder(shape)


def decode_part(decoder: msgspec.json.Decoder[Shape], raw: msgspec.Raw | bytes) -> Shape | None:
    """Return a part of a line in the decoder's shape, or None if it has another shape."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


LINE: Final = make_decoder(TranscriptLine)
_DATED_LINE: Final = make_decoder(_DatedLine)
_MESSAGE: Final = make_decoder(TranscriptMessage)
_MESSAGE_PARTS: Final = make_decoder(_MessageParts)
_CONTENT: Final[msgspec.json.Decoder[Content]] = msgspec.json.Decoder(Content)
USAGE: Final = make_decoder(TokenUsage)
DELEGATION: Final = make_decoder(DelegationInput)
TOOL_INPUT: Final = make_decoder(ToolInput)
TOOL_RESULT: Final = make_decoder(ToolResult)
PROGRESS: Final = make_decoder(ProgressReport)
TASK_STARTED: Final = make_decoder(TaskStarted)
STOP_HOOKS: Final = make_decoder(list[StopHook])
COMPACTION: Final = make_decoder(CompactionBoundary)
SIDECAR: Final = make_decoder(AgentSidecar)
TEXT: Final = make_decoder(str)


def decode_message(raw: msgspec.Raw) -> TranscriptMessage | None:
    """Return the message of a line, parts of an unexpected shape absent; None if it is not an object."""
    message = decode_part(_MESSAGE, raw)
    if message is not None:
        return message
    parts = decode_part(_MESSAGE_PARTS, raw)
    if parts is None:
        return None
    usage, content = decode_part(USAGE, parts.usage), decode_content(parts.content)
    return TranscriptMessage(parts.id, parts.model, parts.stop_reason, usage, content)


def decode_content(raw: msgspec.Raw) -> Content:
    """Return the content of a message or of a tool's result."""
    return decode_part(_CONTENT, raw)


# Lines of the file.


def decode_line(data: bytes) -> tuple[list[TranscriptLine], str | None]:
    """Return the objects on a line of the file, and a reason if part of the line is unreadable.

    A sound line holds a single object. A writer that was cut short leaves half an object before the next
    line's; two writers at once may put two objects on a line. Every complete object is found. Example:
    ``{"type":"us{"type":"user","sessionId":"s"}`` gives the second object and the reason "not JSON". Never
    raises.
    """
    try:
        if not data.isascii():
            data.decode()  # checks the undecoded parts too, which would otherwise fail later
        return [LINE.decode(data)], None
    except msgspec.ValidationError:
        return [], "not an object"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _recover_objects(data)
    except RecursionError:
        return [], "too deep"


def list_times(data: bytes) -> list[int]:
    """Return the times (ns) of the objects on a line of the file, as ``decode_line`` finds them."""
    dated = decode_part(_DATED_LINE, data)
    lines = decode_line(data)[0] if dated is None else [dated]
    return [time for line in lines if (time := to_time(line.timestamp)) is not None]


def is_whole_object(data: bytes) -> bool:
    """Return whether bytes are a whole line: a single sound object."""
    lines, reason = decode_line(data)
    return reason is None and len(lines) == 1


_JSON = json.JSONDecoder(strict=False, parse_constant=lambda _: None)
_BEGINNING = re.compile(
    r'\{"(?:(?:parentUuid|isSidechain|sessionId)":'
    r'|type": ?"(?:user|assistant|progress|system|queue-operation|attachment)")'
)
"""Beginnings of lines. Objects inside a line may begin alike, but they have no session id."""


def _recover_objects(data: bytes) -> tuple[list[TranscriptLine], str | None]:
    text = data.decode("utf-8", "replace").strip("\ufeff\0 \t\r\n")
    lines: list[TranscriptLine] = []
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
            return lines, "too deep"
        if not isinstance(value, dict) or (reason and "sessionId" not in value):
            reason = reason or "not an object"
            continue
        # Encoded again without the characters that the fast decoder refuses: lone surrogates, control codes.
        clean = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
        line = decode_part(LINE, clean)
        if line is not None:
            lines.append(line)
        while position < len(text) and text[position] in "\0 \t\r":
            position += 1
    return lines, reason


# Checks of single values. A value of another type or form counts as absent.


def to_cut_name(value: object) -> str | None:
    """Return a name or a description, cut to ``NAME_LIMIT``."""
    return value[:NAME_LIMIT] if isinstance(value, str) and value else None


def to_id(value: object) -> str | None:
    """Return an id, or None for any other value. Ids are never cut: the rest would be another id."""
    return value if isinstance(value, str) and 0 < len(value) <= ID_LIMIT else None


_TOKEN = re.compile(r"[A-Za-z0-9_:-]{1,120}")


_VERSION = re.compile(r"[0-9][A-Za-z0-9.+-]{0,39}")


def to_version(value: object) -> str | None:
    """Return a version number, or None for any other value."""
    return value if isinstance(value, str) and _VERSION.fullmatch(value) else None


def to_token(value: object) -> str | None:
    """Return a short text of letters, digits and ``-_:`` alone; None keeps free text out."""
    return value if isinstance(value, str) and _TOKEN.fullmatch(value) else None


_WORD = re.compile(r"[a-z_]{1,40}")


def to_word(value: object) -> str | None:
    """Return a word of small letters and underscores, such as a status; None for any other value."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def to_count(value: object) -> int | None:
    """Return a count as a whole number, or None for a value that is not a count."""
    if value.__class__ is not int and (isinstance(value, bool) or not isinstance(value, (int, float))):
        return None
    return round(value) if 0 <= value < NUMBER_LIMIT else None


def from_milliseconds(value: object) -> int | None:
    """Return a duration in nanoseconds from its milliseconds, or None if it is not a duration."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < NUMBER_LIMIT:
        return None
    return to_count(value * 1_000_000)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_time(value: object) -> int | None:
    """Return the nanoseconds since the epoch of an ISO 8601 timestamp; without an offset it is UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        since = moment - _EPOCH
        time = since.days * DAY + since.seconds * SECOND + since.microseconds * 1_000
    except (ValueError, OverflowError):
        return None
    return time if 0 < time < LATEST else None


def get_last_component(path: object) -> str | None:
    """Return the last component of a POSIX or Windows path; None for the root and for a drive."""
    if not isinstance(path, str):
        return None
    last = path.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return None if last.endswith(":") else to_cut_name(last)
