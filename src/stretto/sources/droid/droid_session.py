"""Droid sessions: the lines that Factory's Droid writes of a session, into events.

The first line is ``session_start`` with the session's id. Messages have the blocks of Anthropic's API. Each
hook that ran has a line with its start and end. All results of a round of tool calls are written together
when the last has ended. A call's own end is the start of its PostToolUse hooks, which only successes have.
A subagent has a session file of its own. Tokens are not in the file.
"""

from __future__ import annotations

import re

from stretto.model.event import Kind, Outcome, Value, omit_none
from stretto.sources.histories.decoder import HistoryDecoder
from stretto.sources.histories.records import Record, get_object, get_texts, iterate_objects, to_epoch_time
from stretto.sources.transcript.schema import (
    to_cut_name,
    to_id,
    to_time,
)

DROID = "droid"

_EXIT_CODE = re.compile(r"\[Process exited with code (\d{1,10})\]\s*$")

_OUTCOMES = {"completed": Outcome.SUCCESS, "cancelled": Outcome.CANCELLED, "aborted": Outcome.CANCELLED}
"""Reason of a turn's end → outcome; any other reason is a failure."""

_MESSAGE_IDS = ("openaiMessageId", "anthropicMessageId", "messageId")


class DroidSessionDecoder(HistoryDecoder):
    """Decodes the lines of one session file."""

    source = DROID

    def decode(self, record: Record) -> str | None:
        """Add the events of a line."""
        kind = record.get("type")
        if kind == "session_start":
            return self._begin_session(record)
        if not self.memory.get("session"):
            return "no session id"
        if kind == "agent_turn_outcome":
            self._end_turn(record)
        if kind != "message":
            return None
        time = self.check_time(to_time(record.get("timestamp")))
        if isinstance(time, str):
            return time
        self._start_announced_session(time)
        self.memory["last"] = time
        self._decode_message(record, get_object(record, "message"), time)
        return None

    @property
    def _session(self) -> str:
        return str(self.memory["session"])

    def _begin_session(self, head: Record) -> str | None:
        session = to_id(head.get("id"))
        if session is None:
            return "no session id"
        folder = head.get("cwd")
        self.memory |= {
            "session": session,
            "folder": folder if isinstance(folder, str) else None,
            "announced": True,
        }
        return None

    def _start_announced_session(self, time: int) -> None:
        """Report the session's start with the time of the first message: its own line has no time."""
        if self.memory.pop("announced", False):
            self.add(
                Kind.SESSION_START,
                self._session,
                time,
                attributes=self.describe_folder(self.memory.get("folder")),
            )

    def _end_turn(self, record: Record) -> None:
        ended = self.memory.get("last")
        if isinstance(ended, int):
            outcome = _OUTCOMES.get(str(record.get("reason")), Outcome.FAILURE)
            self.add(Kind.TURN_END, self._session, ended, id=to_id(record.get("turnId")), outcome=outcome)

    def _decode_message(self, record: Record, message: Record, time: int) -> None:
        if isinstance(message.get("hookEventName"), str):
            self._decode_hook(record, message, time)
        elif message.get("role") == "assistant":
            self._decode_answer(message, time)
        elif message.get("role") == "user":
            blocks = list(iterate_objects(message.get("content")))
            results = [block for block in blocks if block.get("type") == "tool_result"]
            for block in results:
                self._end_tool(block, time)
            if not results and message.get("visibility") in (None, "both"):
                self._start_turn(record, message, time)

    def _start_turn(self, record: Record, message: Record, time: int) -> None:
        text = get_texts(message.get("content"))
        if text and not text.startswith("<system-"):
            self.add(
                Kind.TURN_START,
                self._session,
                time,
                id=to_id(record.get("id")),
                type="user",
                attributes={"prompt_length": len(text)},
            )

    def _decode_hook(self, record: Record, message: Record, time: int) -> None:
        name = to_cut_name(message.get("hookEventName"))
        start, end = (to_epoch_time(message.get(field)) for field in ("hookStartTime", "hookEndTime"))
        run, call = to_id(record.get("id")), to_id(message.get("hookToolCallId"))
        if run and start and end:
            self.add(Kind.HOOKS_RUN, self._session, start, id=run, name=name, duration=max(0, end - start))
        if name == "PostToolUse" and call is not None and start:
            self.remember("ended", call, start)
        elif name == "SessionEnd":
            self.add(Kind.SESSION_END, self._session, start or time)

    def _decode_answer(self, message: Record, time: int) -> None:
        for block in iterate_objects(message.get("content")):
            id = to_id(block.get("id")) if block.get("type") == "tool_use" else None
            if id is not None:
                self._start_tool(block, id, time)
        request = next((id for field in _MESSAGE_IDS if (id := to_id(message.get(field)))), None)
        if request is not None:
            model = to_cut_name(message.get("modelId"))
            self.add(Kind.MODEL_CALL, self._session, time, id=request, name=model, outcome=Outcome.SUCCESS)

    def _start_tool(self, block: Record, id: str, time: int) -> None:
        name, order = to_cut_name(block.get("name")), get_object(block, "input")
        attributes: dict[str, Value] = {}
        if name == "Task":
            # A task that is not awaited goes on after its call has returned.
            self.remember("background", id, order.get("await") is not True)
            attributes = omit_none(
                agent=to_cut_name(order.get("subagent_type")),
                description=to_cut_name(order.get("description")),
                background=order.get("await") is not True,
            )
        self.start_call(
            self._session,
            time,
            id,
            name=name,
            order=order,
            folder=self.memory.get("folder"),
            attributes=attributes,
        )

    def _end_tool(self, block: Record, time: int) -> None:
        id = to_id(block.get("tool_use_id"))
        if id is None:
            return
        text = get_texts(block.get("content"))
        code = _EXIT_CODE.search(text)
        failed = block.get("is_error") is True or (code is not None and int(code[1]) > 0)
        attributes: dict[str, Value] = {"error": "exit_code"} if code and int(code[1]) else {}
        if self.get_table("background").pop(id, False) and not failed:
            attributes["status"] = "async_launched"
        ended = self.get_table("ended").pop(id, time)
        self.end_call(
            self._session,
            ended,
            id,
            outcome=Outcome.FAILURE if failed else Outcome.SUCCESS,
            result=text,
            attributes=attributes,
        )
