"""Values of Claude Code's telemetry: read ids, outcomes, usage and requests from attributes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from stretto.hook.client.client import DELEGATING, WORKING
from stretto.hook.client.tests_and_written_files import find_framework, hash_written_paths
from stretto.model.event import Kind, Outcome, Value, omit_none
from stretto.sources.otlp.plain_records import (
    Attributes,
    Span,
    get_class_name,
    get_count,
    get_id,
    get_text,
)
from stretto.sources.transcript.schema import to_cut_name, to_version

DENIED = {"kind": Kind.TOOL_END, "outcome": Outcome.CANCELLED, "attributes": {"status": "denied"}}
"""The fields of a denied call's end."""

_BUILT_IN = ("agent:builtin:", "agent.builtin.")


def get_call_id(tool: Span) -> str:
    """Return the id of a call, or of its span if an old client does not send it."""
    return get_id(tool.attributes, "tool_use_id") or tool.id


def get_version(attributes: Attributes) -> str | None:
    """Return the client's version."""
    return to_version(get_text(attributes, "app.version", "service.version"))


def get_agent_id(attributes: Attributes) -> str | None:
    """Return the id of the agent that an item is about; none is the main agent."""
    return get_id(attributes, "agent_id")


def get_request_id(attributes: Attributes) -> str | None:
    """Return the provider's id of a request to the model."""
    return get_id(attributes, "request_id")


def get_tool_name(attributes: Attributes) -> str | None:
    """Return the tool's name."""
    return get_text(attributes, "tool_name")


def get_outcome(attributes: Attributes, *, failed: bool) -> Outcome:
    """Return the outcome by the span's status and the attribute ``success``."""
    success = attributes.get("success")
    return Outcome.FAILURE if failed or success is False or success == "false" else Outcome.SUCCESS


def get_error_class(attributes: Attributes) -> str | None:
    """Return the class of an error; never its message."""
    return get_class_name(attributes, "error_type", "error_class", "error.type", "error")


def is_by_person(attributes: Attributes) -> bool:
    """Return whether a person decided."""
    return str(attributes.get("source", "")).startswith("user")


def is_rejected(attributes: Attributes) -> bool:
    """Return whether a call was refused."""
    return attributes.get("decision") == "reject"


@dataclass(frozen=True, slots=True)
class CallWork:
    """Finds what a call worked on: the tests that it ran, the file that it wrote."""

    key: bytes = b""
    """The installation's secret for the hashes of written paths; without it there are none."""
    test_commands: Sequence[str] = ()
    """The configured test commands."""

    def find_work(self, attributes: Attributes, *, has_succeeded: bool = True) -> dict[str, Value]:
        """Return the test framework a call ran and the hash of the file it wrote, if its input was sent."""
        tool = get_tool_name(attributes)
        if tool not in WORKING:
            return {}
        tool_input = {
            **_decode_object(attributes, "tool_input"),
            **_decode_object(attributes, "tool_parameters"),
        }
        command = (
            attributes.get("full_command") or tool_input.get("full_command") or tool_input.get("command")
        )
        path = attributes.get("file_path") or tool_input.get("file_path") or tool_input.get("notebook_path")
        return omit_none(
            test_framework=find_framework(tool, {**tool_input, "command": command}, self.test_commands),
            wrote=hash_written_paths(tool, {"file_path": path}, None, self.key) if has_succeeded else None,
        )


def find_requested_agent_and_description(attributes: Attributes) -> dict[str, Value]:
    """Return the kind of agent that a delegating call asks for and the description of its task."""
    if get_tool_name(attributes) not in DELEGATING:
        return {}
    tool_input = _decode_object(attributes, "tool_input")
    return omit_none(
        agent=get_text(attributes, "subagent_type") or to_cut_name(tool_input.get("subagent_type")),
        description=to_cut_name(tool_input.get("description")),
    )


def _decode_object(attributes: Attributes, name: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(str(attributes.get(name, "{}")))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return _read_short_values(str(attributes.get(name, "")))
    return value if isinstance(value, dict) else {}


def _read_short_values(cut: str) -> dict[str, Any]:
    """Return the short values at the beginning of an object's text that the client has cut.

    Example: ``{"description":"Review","prompt":"Read all …`` gives the description.
    """
    values: dict[str, Any] = {}
    for name, text in _SHORT_VALUE.findall(cut):
        values.setdefault(name, msgspec.json.decode(text))
    return values


_SHORT_VALUE = re.compile(r'[{,]"(description|subagent_type)":("[^"\\\x00-\x1f]{0,400}")')
"""A value without escapes: the quotes of a name inside a longer text are escaped, so it does not match."""


def find_built_in_agent(attributes: Attributes) -> str | None:
    """Return the agent's name by the sender of a request, which names only the client's built-in agents."""
    sender = get_text(attributes, "query_source", "query_source_safe") or ""
    for prefix in _BUILT_IN:
        if sender.startswith(prefix):
            return sender.removeprefix(prefix) or None
    return None


def get_usage(attributes: Attributes) -> dict[str, int | None]:
    """Return the tokens of a request to the model."""
    return {
        "input_tokens": get_count(attributes, "input_tokens"),
        "output_tokens": get_count(attributes, "output_tokens"),
        "cache_read_tokens": get_count(attributes, "cache_read_tokens"),
        "cache_write_tokens": get_count(attributes, "cache_creation_tokens"),
    }
