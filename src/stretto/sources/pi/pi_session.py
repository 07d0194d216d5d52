"""Pi sessions: the lines that Pi writes of a session, into events.

The first line is ``{"type": "session", "id", "cwd"}``. Later lines hold a message each. All results of a
round of tool calls are written together when the last call has ended, so single ends are unknown. Requests
come with tokens and with the cost by Pi's price list. Pi has no subagents of its own.
"""

from __future__ import annotations

import re

from stretto.model.event import Kind, Outcome, Value, omit_none
from stretto.sources.histories.decoder import HistoryDecoder
from stretto.sources.histories.records import Record, get_object, get_texts, iterate_objects, to_epoch_time
from stretto.sources.transcript.schema import (
    to_count,
    to_cut_name,
    to_id,
    to_time,
)

PI = "pi"

_SHELL = "bash"
_EXIT_CODE = re.compile(r"Command exited with code (\d{1,10})\s*$")

_STOPS = {
    "stop": Outcome.SUCCESS,
    "length": Outcome.FAILURE,
    "error": Outcome.FAILURE,
    "aborted": Outcome.CANCELLED,
}
"""Stop reason of an answer after which the user's turn is over → outcome."""


class PiSessionDecoder(HistoryDecoder):
    """Decodes the lines of one session file."""

    source = PI

    def decode(self, record: Record) -> str | None:
        """Add the events of a line."""
        time = self.check_time(to_time(record.get("timestamp")))
        if isinstance(time, str):
            return time
        if record.get("type") == "session":
            return self._begin_session(record, time)
        session = self.memory.get("session")
        if not session:
            return "no session id"
        message = get_object(record, "message")
        if record.get("type") == "compaction":
            self.add(Kind.COMPACTION_END, session, time)
        elif message.get("role") == "user":
            self._start_turn(message, session, time)
        elif message.get("role") == "assistant":
            self._decode_answer(message, session, time)
        elif message.get("role") == "toolResult":
            self._end_tool(message, session, time)
        return None

    def _begin_session(self, head: Record, time: int) -> str | None:
        session = to_id(head.get("id"))
        if session is None:
            return "no session id"
        folder = head.get("cwd")
        self.memory |= {"session": session, "folder": folder if isinstance(folder, str) else None}
        self.add(Kind.SESSION_START, session, time, attributes=self.describe_folder(folder))
        return None

    def _start_turn(self, message: Record, session: str, time: int) -> None:
        sent = to_epoch_time(message.get("timestamp"))
        # The extension knows the message's own time, but not the id of its line.
        self.memory["turn"] = f"prompt-{sent // 1_000_000}" if sent else None
        self.add(
            Kind.TURN_START,
            session,
            sent or time,
            id=self.memory["turn"],
            type="user",
            attributes={"prompt_length": len(get_texts(message.get("content")))},
        )

    def _decode_answer(self, message: Record, session: str, time: int) -> None:
        self._add_model_call(message, session, time)
        for part in iterate_objects(message.get("content")):
            id = to_id(part.get("id")) if part.get("type") == "toolCall" else None
            if id is not None:
                self.start_call(
                    session,
                    time,
                    id,
                    name=to_cut_name(part.get("name")),
                    order=get_object(part, "arguments"),
                    folder=self.memory.get("folder"),
                )
        outcome = _STOPS.get(str(message.get("stopReason")))
        if outcome is not None:
            self.add(Kind.TURN_END, session, time, id=self.memory.get("turn"), outcome=outcome)

    def _end_tool(self, message: Record, session: str, time: int) -> None:
        id = to_id(message.get("toolCallId"))
        if id is None:
            return
        text = get_texts(message.get("content"))
        failed = message.get("isError") is True
        attributes: dict[str, Value] = {}
        if failed and message.get("toolName") == _SHELL and _EXIT_CODE.search(text):
            attributes["error"] = "exit_code"
        self.end_call(
            session,
            time,
            id,
            name=to_cut_name(message.get("toolName")),
            outcome=Outcome.FAILURE if failed else Outcome.SUCCESS,
            result=text,
            attributes=attributes,
        )

    def _add_model_call(self, message: Record, session: str, time: int) -> None:
        id, usage = to_id(message.get("responseId")), get_object(message, "usage")
        sent = to_epoch_time(message.get("timestamp")) or time
        if id is None or not usage:
            return
        cost = get_object(usage, "cost").get("total")
        self.add(
            Kind.MODEL_CALL,
            session,
            sent,
            id=id,
            name=to_cut_name(message.get("model")),
            duration=max(0, time - sent),
            outcome=Outcome.FAILURE if message.get("stopReason") == "error" else Outcome.SUCCESS,
            attributes=omit_none(
                input_tokens=to_count(usage.get("input")),
                output_tokens=to_count(usage.get("output")),
                cache_read_tokens=to_count(usage.get("cacheRead")),
                cache_write_tokens=to_count(usage.get("cacheWrite")),
                # A model without a list price is reported with a cost of 0.
                cost_usd=float(cost) if isinstance(cost, int | float) and cost > 0 else None,
            ),
        )
