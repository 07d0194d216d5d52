"""Classify a line by the client's fixed wordings: user or host prompt, cancelled call, ended agent.

The wordings are those of clients 2.0.67 to 2.1.329. Only tags, ids and durations are read from a text; the
text itself is never kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from stretto.hook.client.client import find_outcome_of_bad_result
from stretto.model.event import Outcome, Value, omit_none
from stretto.sources.transcript.schema import (
    TEXT,
    Content,
    decode_content,
    decode_part,
    from_milliseconds,
    to_token,
)

INTERRUPT = "[Request interrupted by user"
"""Beginning of the line that the client writes when the user stops the agent."""

_NO_PROMPT = ("<local-command-", "<command-name>", "<bash-input>", "<bash-stdout>", "<bash-stderr>")
"""Beginnings of user lines that the model does not answer: the client's own commands and their output.

A command that is sent to the model begins with ``<command-message>``.
"""

_NOTIFICATIONS = ("<task-notification>", "<agent-notification>")

_DURATION = re.compile(r"<duration_ms>([0-9]{1,12})</duration_ms>")

_MILLISECOND = 1_000_000

_STATUS = {
    "completed": Outcome.SUCCESS,
    "failed": Outcome.FAILURE,
    "killed": Outcome.CANCELLED,
    "stopped": Outcome.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class TaskNotice:
    """The host's notification that a task in the background has ended."""

    task: str | None
    """The agent's id; None if the task was something else, such as a shell command."""
    status: str | None
    delegated_by: str | None
    duration: int | None
    """Nanoseconds; only newer clients report it."""

    @property
    def outcome(self) -> Outcome | None:
        """The task's outcome, or None for an unknown status."""
        return _STATUS.get(self.status or "")

    @property
    def attributes(self) -> dict[str, Value]:
        """The notification's attributes, under the names that the hook client uses for it."""
        if not self.task:
            return {}
        return omit_none(
            task=self.task,
            task_status=self.status,
            delegated_by=self.delegated_by,
            task_duration_ms=None if self.duration is None else self.duration // _MILLISECOND,
        )


def get_content_text(content: Content) -> str | None:
    """Return a message's text: the plain content, or its first block of text; None if it has no text."""
    if isinstance(content, str):
        return content
    for block in content or ():
        if block.type == "text":
            return decode_part(TEXT, block.text)
    return None


def is_answered_by_model(text: str) -> bool:
    """Return whether the model answers a line of the user."""
    return not text.startswith((*_NO_PROMPT, INTERRUPT))


def is_notification(text: str) -> bool:
    """Return whether a prompt is the host's notification about a task in the background."""
    return text.startswith(_NOTIFICATIONS)


def find_command(text: str) -> str | None:
    """Return the slash command that a prompt calls, without its slash."""
    command = text.partition(" ")[0] if text.startswith("/") else _find_tag_text(text[:1000], "command-name")
    return to_token(command.strip().removeprefix("/")) if command else None


def parse_notice(text: str) -> TaskNotice | None:
    """Return the content of a notification, or None if the text is not a notification."""
    if not is_notification(text):
        return None
    head = text.partition("<result>")[0]  # the agent's answer follows, which may contain any tag
    tail = text.rpartition("</result>")[2]
    agent = to_token(_find_tag_text(head, "agent-id"))
    task = to_token(_find_tag_text(head, "task-id"))
    if (_find_tag_text(head, "summary") or "").startswith("Agent "):
        agent = agent or task
    duration = _DURATION.search(tail)
    return TaskNotice(
        task=agent,
        status=to_token(_find_tag_text(head, "status")),
        delegated_by=to_token(_find_tag_text(head, "tool-use-id")),
        duration=from_milliseconds(int(duration[1])) if duration else None,
    )


def classify_failure(content: msgspec.Raw) -> tuple[Outcome, dict[str, Value]]:
    """Return outcome and attributes of a call whose result is an error; its text is never kept."""
    text = get_content_text(decode_content(content)) or ""
    word = find_outcome_of_bad_result(text)
    if word in ("cancelled", "denied"):
        return Outcome.CANCELLED, {"status": word} if word == "denied" else {}
    return Outcome.FAILURE, {"error": "exit_code"} if text.startswith("Exit code ") else {}


def _find_tag_text(text: str, tag: str) -> str | None:
    start = text.find(f"<{tag}>")
    end = text.find(f"</{tag}>", start)
    return text[start + len(tag) + 2 : end] if -1 < start < end else None
