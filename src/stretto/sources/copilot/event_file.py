"""Event files: the lines that Copilot CLI writes of a session, into events.

``~/.copilot/session-state/<session>/events.jsonl`` holds a line ``{type, data, id, timestamp, agentId?}`` for
each event of the session and all its agents. ``agentId`` is absent on lines of the main agent.

Two of its figures are not read. ``totalToolCalls`` and ``totalTokens`` of an agent include those of nested
agents. The client also writes calls of ``read_agent`` that no model asked for, known by ids that are UUIDs.
"""

from __future__ import annotations

import re

from stretto.model.event import Kind, Outcome, Value, omit_none
from stretto.sources.histories.decoder import HistoryDecoder
from stretto.sources.histories.records import Record, get_object, get_texts
from stretto.sources.transcript.schema import (
    from_milliseconds,
    to_count,
    to_cut_name,
    to_id,
    to_time,
    to_word,
)

COPILOT = "copilot-cli"

PRODUCER = "copilot-agent"
"""The producer in the first line of each file."""

_TASK_TOOL = "task"

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")

_CANCELLED = frozenset({"aborted", "cancelled", "canceled", "denied", "rejected", "user_abort"})
"""Codes of the error of a call that ran nothing, or was stopped."""


class EventFileDecoder(HistoryDecoder):
    """Decodes the lines of one event file."""

    source = COPILOT

    def decode(self, record: Record) -> str | None:
        """Add the events of a line."""
        time = self.check_time(to_time(record.get("timestamp")))
        if isinstance(time, str):
            return time
        data, kind = get_object(record, "data"), record.get("type")
        agent = to_id(record.get("agentId"))
        if kind in ("session.start", "session.resume"):
            return self._begin_session(data, time)
        if not self.memory.get("session"):
            return "no session id"
        if isinstance(kind, str):
            self._decode_by_kind(kind, data, time, agent)
        return None

    @property
    def _session(self) -> str:
        return str(self.memory["session"])

    def _begin_session(self, data: Record, time: int) -> str | None:
        session = to_id(data.get("sessionId")) or to_id(self.memory.get("session"))
        if session is None:
            return "no session id"
        self.memory["session"] = session
        folder = get_object(data, "context").get("cwd") or self.memory.get("folder")
        self.memory["folder"] = folder if isinstance(folder, str) else None
        self.add(Kind.SESSION_START, session, time, attributes=self.describe_folder(folder))
        return None

    def _decode_by_kind(self, kind: str, data: Record, time: int, agent: str | None) -> None:
        if kind == "tool.execution_start":
            self._start_tool(data, time, agent)
        elif kind == "tool.execution_complete":
            self._end_tool(data, time, agent)
        elif kind.startswith("subagent."):
            self._decode_agent(kind, data, time, agent)
        elif kind == "session.usage_record":
            self._add_model_call(get_object(data, "usage"), time, agent)
        elif kind in ("hook.start", "hook.end"):
            self._time_hook(kind, data, time, agent)
        elif kind == "session.shutdown":
            self.add(Kind.SESSION_END, self._session, time)
        elif agent is None:
            self._decode_turn(kind, data, time)

    # The turns of the main agent.

    def _decode_turn(self, kind: str, data: Record, time: int) -> None:
        if kind == "user.message":
            turn = to_id(data.get("interactionId"))
            self.memory |= {"turn": turn, "answered": False}
            self.add(
                Kind.TURN_START,
                self._session,
                time,
                id=turn,
                type="user",
                attributes={"prompt_length": len(get_texts(data.get("content")))},
            )
        elif kind == "assistant.message":
            self.memory["answered"] = not data.get("toolRequests")
        elif kind == "assistant.turn_end" and self.memory.get("answered"):
            # A notification may send the agent on. Then a later end follows, and the last end counts.
            self._end_turn(time, Outcome.SUCCESS)
        elif kind == "abort":
            self._end_turn(time, Outcome.CANCELLED)
        elif kind == "session.error":
            self._end_turn(time, Outcome.FAILURE)
        elif kind == "session.compaction_complete":
            self.add(Kind.COMPACTION_END, self._session, time)

    def _end_turn(self, time: int, outcome: Outcome) -> None:
        self.add(Kind.TURN_END, self._session, time, id=self.memory.get("turn"), outcome=outcome)

    # Agents.

    def _decode_agent(self, kind: str, data: Record, time: int, agent: str | None) -> None:
        call = to_id(data.get("toolCallId"))
        name = to_cut_name(data.get("agentType")) or to_cut_name(data.get("agentName"))
        if agent is None:
            return
        if kind == "subagent.started":
            if call is not None:
                self.remember("agents", call, agent)
            self.add(
                Kind.TASK_START,
                self._session,
                time,
                id=agent,
                parent=self._get_caller(call),
                name=name,
                attributes=omit_none(
                    delegated_by=call, description=to_cut_name(data.get("agentDescription"))
                ),
            )
        elif kind in ("subagent.completed", "subagent.failed"):
            outcome = Outcome.FAILURE if kind == "subagent.failed" else Outcome.SUCCESS
            if data.get("cancelled") is True:
                outcome = Outcome.CANCELLED
            self.add(
                Kind.TASK_END,
                self._session,
                time,
                id=agent,
                parent=self._get_caller(call),
                duration=from_milliseconds(data.get("durationMs")),
                outcome=outcome,
                attributes=omit_none(delegated_by=call),
            )

    def _get_caller(self, call: str | None) -> str | None:
        """Return the agent that made a delegating call; None is the main agent."""
        caller: str | None = self.get_table("callers").get(call or "")
        return caller

    # Tool calls.

    def _start_tool(self, data: Record, time: int, agent: str | None) -> None:
        call, tool = to_id(data.get("toolCallId")), to_cut_name(data.get("toolName"))
        if call is None or (tool == "read_agent" and _UUID.fullmatch(call)):
            return
        order = get_object(data, "arguments")
        attributes: dict[str, Value] = {}
        if tool == _TASK_TOOL:
            tool = "Agent"
            if agent is not None:
                self.remember("callers", call, agent)
            if order.get("mode") == "background":
                self.remember("background", call, True)
            attributes = omit_none(
                agent=to_cut_name(order.get("agent_type")),
                description=to_cut_name(order.get("description")),
                background=order.get("mode") == "background",
            )
        self.start_call(
            self._session,
            time,
            call,
            name=tool,
            parent=agent,
            order=order,
            folder=self.memory.get("folder"),
            attributes=attributes,
        )

    def _end_tool(self, data: Record, time: int, agent: str | None) -> None:
        call = to_id(data.get("toolCallId"))
        if call is None or not self.is_open_call(call):
            return
        outcome = Outcome.SUCCESS if data.get("success") is True else Outcome.FAILURE
        attributes: dict[str, Value] = {}
        if to_count(get_object(data, "shellExecution").get("exitCode")):
            outcome, attributes = Outcome.FAILURE, {"error": "exit_code"}
        code = to_word(get_object(data, "error").get("code"))
        if outcome is Outcome.FAILURE and code in _CANCELLED:
            outcome = Outcome.CANCELLED
            attributes = {"status": "denied"} if code in ("denied", "rejected") else {}
        started = to_id(self.get_table("agents").get(call))
        if started is not None:
            attributes["task"] = started
        if self.get_table("background").pop(call, None):
            attributes["status"] = "async_launched"
        result = get_object(data, "result").get("content")
        self.end_call(
            self._session,
            time,
            call,
            parent=agent,
            outcome=outcome,
            result=result if isinstance(result, str) else "",
            attributes=attributes,
        )

    # Model calls and hooks.

    def _add_model_call(self, usage: Record, time: int, agent: str | None) -> None:
        id = to_id(usage.get("apiCallId"))
        if id is None:
            return
        duration = from_milliseconds(usage.get("duration"))
        cached, written = to_count(usage.get("cacheReadTokens")), to_count(usage.get("cacheWriteTokens"))
        whole = to_count(usage.get("inputTokens"))
        first_token = usage.get("timeToFirstTokenMs")
        self.add(
            Kind.MODEL_CALL,
            self._session,
            max(1, time - (duration or 0)),
            id=id,
            parent=agent,
            name=to_cut_name(usage.get("model")),
            duration=duration,
            outcome=Outcome.SUCCESS,
            attributes=omit_none(
                input_tokens=None if whole is None else max(0, whole - (cached or 0) - (written or 0)),
                output_tokens=to_count(usage.get("outputTokens")),
                cache_read_tokens=cached,
                cache_write_tokens=written,
                first_token_ms=first_token if isinstance(first_token, int | float) else None,
            ),
        )

    def _time_hook(self, kind: str, data: Record, time: int, agent: str | None) -> None:
        run = to_id(data.get("hookInvocationId"))
        if run is None:
            return
        if kind == "hook.start":
            self.remember("hooks", run, time)
            return
        start = self.get_table("hooks").pop(run, None)
        if isinstance(start, int):
            self.add(
                Kind.HOOKS_RUN,
                self._session,
                start,
                id=run,
                parent=agent,
                name=to_cut_name(data.get("hookType")),
                duration=max(0, time - start),
            )
