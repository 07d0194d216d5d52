"""Qwen chats: the lines that Qwen Code writes of a session and of each subagent, into events.

The folders are laid out as Claude Code's, but a message has ``parts`` in place of ``content``. Lines with the
subtype ``ui_telemetry`` hold what the client measured: each request with its tokens, each tool call with its
end. Those of subagents stand in the session's file too, so the requests are read there alone.

A call that the client refused before it ran has the execution status ``not_started``.
"""

from __future__ import annotations

import re

from stretto.model.event import Kind, Outcome, Value, omit_none
from stretto.sources.histories.decoder import HistoryDecoder
from stretto.sources.histories.records import Record, get_object, get_texts, iterate_objects
from stretto.sources.transcript.schema import (
    from_milliseconds,
    to_count,
    to_cut_name,
    to_id,
    to_time,
    to_token,
    to_word,
)

QWEN = "qwen-code"

_DELEGATING = "agent"

_MAIN_PROMPT = "########"
"""Marks the prompt ids of the main agent: ``<session>########0``, ``…########0/automatic/6``."""

_TASK_ID = re.compile(r"<task-id>([A-Za-z0-9_:-]{1,120})</task-id>")
_STATUS = re.compile(r"<status>([a-z_]{1,40})</status>")

_AGENT_ENDS = {"failed": Outcome.FAILURE, "cancelled": Outcome.CANCELLED}
"""The status of an agent in its sidecar → outcome, unless the agent's last line tells the end."""


class QwenChatDecoder(HistoryDecoder):
    """Decodes the lines of one chat: a session's or a subagent's."""

    source = QWEN

    def decode(self, record: Record) -> str | None:
        """Add the events of a line."""
        time = self.check_time(to_time(record.get("timestamp")))
        session = to_id(record.get("sessionId"))
        if isinstance(time, str):
            return time
        if session is None:
            return "no session id"
        agent = to_id(record.get("agentId"))
        self._begin(record, session, time, agent)
        kind = record.get("type")
        if kind == "assistant":
            self._decode_answer(record, session, time, agent)
        elif kind == "tool_result":
            self._decode_result(record, session, time, agent)
        elif kind == "user" and agent is None:
            self._hold_prompt(record, time)
        elif record.get("subtype") == "ui_telemetry":
            self._decode_telemetry(get_object(record, "systemPayload", "uiEvent"), session, time)
        elif record.get("subtype") == "chat_compression":
            self.add(Kind.COMPACTION_END, session, time, parent=agent)
        return None

    def finish(self) -> None:
        """Report the prompt of a chat without telemetry, and the end of an agent that failed."""
        if not self.memory.get("telemetry"):
            self._start_held_turn(None)
        status, agent = self.facts.sidecar.get("status"), self.memory.get("agent")
        ended = to_time(self.facts.sidecar.get("lastUpdatedAt"))
        if agent and ended and status in _AGENT_ENDS:
            self.add(Kind.TASK_END, self.memory["session"], ended, id=agent, outcome=_AGENT_ENDS[status])

    def _begin(self, record: Record, session: str, time: int, agent: str | None) -> None:
        if self.memory.get("session") == session:
            return
        self.memory |= {"session": session, "agent": agent}
        if agent is None:
            self.add(
                Kind.SESSION_START,
                session,
                time,
                attributes=self.describe_folder(record.get("cwd")),
            )
            return
        name = to_cut_name(record.get("agentName")) or to_cut_name(self.facts.sidecar.get("agentType"))
        call = to_id(self.facts.sidecar.get("toolUseId"))
        if call is None and name and agent.startswith(f"{name}-"):
            call = agent.removeprefix(f"{name}-")
        self.add(
            Kind.TASK_START,
            session,
            time,
            id=agent,
            parent=to_id(self.facts.sidecar.get("parentAgentId")),
            name=name,
            attributes=omit_none(
                delegated_by=call, description=to_cut_name(self.facts.sidecar.get("description"))
            ),
        )

    # Turns. The prompt's line has no prompt id: the first record of the turn that has it names the turn.

    def _hold_prompt(self, record: Record, time: int) -> None:
        parts = get_object(record, "message").get("parts")
        text = get_texts(parts)
        if record.get("subtype") not in (None, "notification") or not text:
            return
        self._start_held_turn(None)
        notice = _TASK_ID.search(text) if record.get("subtype") == "notification" else None
        status = _STATUS.search(text)
        attributes: dict[str, Value] = {"prompt_length": len(text)}
        if notice:
            attributes |= {"task": notice[1]} | ({"task_status": status[1]} if status else {})
        self.memory["prompt"] = {
            "time": time,
            "line": to_id(record.get("uuid")),
            "type": "host" if record.get("subtype") == "notification" else "user",
            "attributes": attributes,
        }

    def _start_held_turn(self, turn: str | None) -> None:
        prompt = self.memory.pop("prompt", None)
        if prompt is None:
            return
        self.memory["turn"] = turn or prompt["line"]
        self.add(
            Kind.TURN_START,
            self.memory["session"],
            prompt["time"],
            id=self.memory["turn"],
            type=prompt["type"],
            attributes=prompt["attributes"],
        )

    # The model's answers and the calls in them.

    def _decode_answer(self, record: Record, session: str, time: int, agent: str | None) -> None:
        parts = list(iterate_objects(get_object(record, "message").get("parts")))
        calls = [get_object(part, "functionCall") for part in parts if "functionCall" in part]
        for call in calls:
            self._start_tool(call, session, time, agent, record.get("cwd"))
        if calls or not parts:
            return
        if agent is not None:
            self.add(Kind.TASK_END, session, time, id=agent, outcome=Outcome.SUCCESS)
        else:
            self._start_held_turn(None)
            self.add(Kind.TURN_END, session, time, id=self.memory.get("turn"), outcome=Outcome.SUCCESS)

    def _start_tool(self, call: Record, session: str, time: int, agent: str | None, folder: object) -> None:
        id, name = to_id(call.get("id")), to_cut_name(call.get("name"))
        if id is None:
            return
        order = get_object(call, "args")
        attributes: dict[str, Value] = {}
        if name == _DELEGATING:
            name = "Agent"
            attributes = omit_none(
                agent=to_cut_name(order.get("subagent_type")),
                description=to_cut_name(order.get("description")),
            )
        self.start_call(
            session, time, id, name=name, parent=agent, order=order, folder=folder, attributes=attributes
        )

    def _decode_result(self, record: Record, session: str, time: int, agent: str | None) -> None:
        result = get_object(record, "toolCallResult")
        for part in iterate_objects(get_object(record, "message").get("parts")):
            response = get_object(part, "functionResponse")
            id = to_id(response.get("id"))
            if id is None or not self.is_open_call(id):
                continue
            display = get_object(result, "resultDisplay")
            answer = get_object(response, "response")
            status = result.get("status") or ("error" if "error" in answer else "success")
            outcome, attributes = _judge_call(result.get("executionStatus"), status)
            if display.get("executionMode") == "background":
                attributes["status"] = "async_launched"
            text = answer.get("output")
            self.end_call(
                session,
                time,
                id,
                parent=agent,
                outcome=outcome,
                result=text if isinstance(text, str) else "",
                attributes=attributes,
            )

    # What the client measured.

    def _decode_telemetry(self, measured: Record, session: str, time: int) -> None:
        self.memory["telemetry"] = True
        prompt = to_id(measured.get("prompt_id")) or ""
        agent = to_id(measured.get("subagent_id")) or _find_agent(prompt, session)
        if agent is None and _MAIN_PROMPT in prompt:
            self._start_held_turn(prompt)
        name = measured.get("event.name")
        if name == "qwen-code.api_response":
            self._add_model_call(measured, session, time, agent)
        elif name == "qwen-code.tool_call":
            self._end_measured_call(measured, session, time, agent)

    def _end_measured_call(self, measured: Record, session: str, time: int, agent: str | None) -> None:
        id, tool = to_id(measured.get("call_id")), to_cut_name(measured.get("function_name"))
        if id is None:
            return
        outcome, attributes = _judge_call(measured.get("execution_status"), measured.get("status"))
        if measured.get("error_type") == "shell_execute_error":
            attributes["error"] = "exit_code"
        self.add(
            Kind.TOOL_END,
            session,
            time,
            id=id,
            parent=agent,
            name="Agent" if tool == _DELEGATING else tool,
            duration=from_milliseconds(measured.get("duration_ms")),
            outcome=outcome,
            attributes=attributes,
        )

    def _add_model_call(self, measured: Record, session: str, time: int, agent: str | None) -> None:
        id = to_id(measured.get("response_id"))
        if id is None:
            return
        duration = from_milliseconds(measured.get("duration_ms"))
        cached = to_count(measured.get("cached_content_token_count"))
        whole = to_count(measured.get("input_token_count"))
        first_token = measured.get("ttft_ms")
        self.add(
            Kind.MODEL_CALL,
            session,
            max(1, time - (duration or 0)),
            id=id,
            parent=agent,
            name=to_cut_name(measured.get("model")),
            duration=duration,
            outcome=Outcome.SUCCESS,
            attributes=omit_none(
                input_tokens=None if whole is None else max(0, whole - (cached or 0)),
                output_tokens=to_count(measured.get("output_token_count")),
                cache_read_tokens=cached,
                first_token_ms=first_token if isinstance(first_token, int | float) else None,
            ),
        )


def _judge_call(execution: object, status: object) -> tuple[Outcome, dict[str, Value]]:
    """Return outcome and attributes of a call by its execution status, or by its status in older versions."""
    word = to_word(execution) or to_word(status)
    if word == "not_started":
        return Outcome.CANCELLED, {"status": "not_started"}
    if word in ("cancelled", "interrupted"):
        return Outcome.CANCELLED, {}
    return (Outcome.SUCCESS if word == "success" else Outcome.FAILURE), {}


def _find_agent(prompt: str, session: str) -> str | None:
    """Return the agent in a prompt id; None for the main agent.

    Example: ``Explore-call_1`` of ``S1#Explore-call_1#0``.
    """
    if not prompt.startswith(f"{session}#") or prompt.startswith(f"{session}{_MAIN_PROMPT}"):
        return None
    return to_token(prompt.removeprefix(f"{session}#").partition("#")[0])
