"""Rollouts: the lines that Codex writes of a thread, into events.

A thread is the main agent's or a subagent's, and has a file of its own. Each line is ``{timestamp, type,
payload}``. The first names the thread, its session and, for a subagent, the thread that started it. Codex
0.171 writes an ``item_completed`` for each piece of work, with its start and end in milliseconds. Older
versions write only what the model asked for and got (``function_call``, ``function_call_output``).

In code mode the model asks for a script (``exec``), and the calls inside the script are items with ids of
their own. They are the work. The script is not reported, as Codex's hooks do not report it either.
"""

from __future__ import annotations

from stretto.model.event import Kind, Outcome, Value, omit_none
from stretto.sources.codex.tool_names_and_answers import SCRIPT, decode_object, judge_answer, name_tool
from stretto.sources.histories.decoder import HistoryDecoder
from stretto.sources.histories.records import Record, get_object, get_texts, iterate_objects, to_epoch_time
from stretto.sources.transcript.schema import (
    from_milliseconds,
    to_count,
    to_cut_name,
    to_id,
    to_time,
    to_word,
)

CODEX = "codex"

_ITEM_TOOLS = {
    "CommandExecution": "Bash",
    "FileChange": "apply_patch",
    "McpToolCall": None,
    "DynamicToolCall": None,
    "WebSearch": "web_search",
    "ImageGeneration": "image_generation",
}
"""Kind of item that is a tool call → its tool; None if the item names it."""

_ITEM_OUTCOMES = {
    "completed": Outcome.SUCCESS,
    "failed": Outcome.FAILURE,
    "declined": Outcome.CANCELLED,
    "interrupted": Outcome.CANCELLED,
}


class RolloutDecoder(HistoryDecoder):
    """Decodes the lines of one rollout."""

    source = CODEX

    def decode(self, record: Record) -> str | None:
        """Add the events of a line."""
        time = self.check_time(to_time(record.get("timestamp")))
        if isinstance(time, str):
            return time
        payload = get_object(record, "payload")
        if record.get("type") == "session_meta":
            return self._begin_thread(payload, time)
        if not self._session:
            return "no session id"
        if record.get("type") == "event_msg":
            self._decode_message(payload, time)
        elif record.get("type") == "response_item":
            self._decode_response_item(payload, time)
        elif record.get("type") == "turn_context":
            self.memory["model"] = to_cut_name(payload.get("model"))
            self.memory["folder"] = payload.get("cwd") if isinstance(payload.get("cwd"), str) else None
        elif record.get("type") == "token_usage_record":
            self._add_usage_record(payload, time)
        return None

    @property
    def _session(self) -> str:
        return str(self.memory.get("session") or "")

    @property
    def _agent(self) -> str | None:
        """The thread's id if it is a subagent's."""
        agent: str | None = self.memory.get("agent")
        return agent

    # The thread and its turns.

    def _begin_thread(self, meta: Record, time: int) -> str | None:
        thread = to_id(meta.get("id"))
        if thread is None:
            return "no session id"
        if self.memory.get("thread") is not None:
            return None  # a fork carries the first lines of the thread that it came from
        spawn = get_object(meta, "source", "subagent", "thread_spawn")
        parent = to_id(meta.get("parent_thread_id")) or to_id(spawn.get("parent_thread_id"))
        session = to_id(meta.get("session_id")) or parent or thread
        self.memory |= {"thread": thread, "session": session, "agent": thread if parent else None}
        if parent is None:
            self.add(
                Kind.SESSION_START,
                session,
                to_time(meta.get("timestamp")) or time,
                attributes=self.describe_folder(meta.get("cwd")),
            )
            return None
        path = to_cut_name(spawn.get("agent_path")) or ""
        if path:
            self.add(Kind.ALIAS, session, time, id=thread, attributes={"alias": path})
        self.memory["run"] = {
            "name": to_cut_name(spawn.get("agent_role")) or "default",
            "parent": None if parent == session else parent,
            "description": path.rpartition("/")[2] or None,
        }
        return None

    def _decode_message(self, payload: Record, time: int) -> None:
        kind = payload.get("type")
        turn = to_id(payload.get("turn_id"))
        if kind in ("task_started", "turn_started"):
            self._start_turn(turn, time, get_object(payload, "turn_attribution").get("turn_trigger"))
        elif kind == "user_message" and self.memory.get("turn") is None and self._agent is None:
            self._start_turn(None, time, None)
        elif kind in ("task_complete", "turn_complete"):
            outcome = Outcome.FAILURE if payload.get("error") else Outcome.SUCCESS
            self._end_turn(turn, time, outcome, from_milliseconds(payload.get("duration_ms")))
        elif kind == "turn_aborted":
            self._end_turn(turn, time, Outcome.CANCELLED, from_milliseconds(payload.get("duration_ms")))
        elif kind == "token_count":
            self._add_token_count(get_object(payload, "info"), time)
        elif kind == "item_completed" and payload.get("thread_id") in (None, self.memory.get("thread")):
            self._decode_item(get_object(payload, "item"), payload, time)
        elif kind == "context_compacted":
            self.add(Kind.COMPACTION_END, self._session, time, parent=self._agent)

    def _start_turn(self, turn: str | None, time: int, trigger: object) -> None:
        self.memory["turn"] = turn or f"@{time}"
        if self._agent is None:
            word = to_word(trigger) or ""
            is_host = "agent" in word or "notification" in word
            self.add(Kind.TURN_START, self._session, time, id=turn, type="host" if is_host else "user")
        else:
            self._add_run(Kind.TASK_START, time)

    def _end_turn(self, turn: str | None, time: int, outcome: Outcome, duration: int | None) -> None:
        self.memory["turn"] = None
        if self._agent is None:
            self.add(Kind.TURN_END, self._session, time, id=turn, outcome=outcome, duration=duration)
        else:
            self._add_run(Kind.TASK_END, time, outcome)

    def _add_run(self, kind: Kind, time: int, outcome: Outcome | None = None) -> None:
        run = get_object(self.memory.get("run"))
        self.add(
            kind,
            self._session,
            time,
            id=self._agent,
            parent=run.get("parent"),
            name=run.get("name"),
            outcome=outcome,
            attributes=omit_none(description=run.get("description")) if kind is Kind.TASK_START else None,
        )

    # Tool calls by the model's words: what it asked for, and what it got.

    def _decode_response_item(self, item: Record, time: int) -> None:
        kind = item.get("type")
        call = to_id(item.get("call_id"))
        if call is None:
            return
        if kind in ("function_call", "custom_tool_call", "local_shell_call"):
            self._start_requested_call(item, call, time)
        elif kind in ("function_call_output", "custom_tool_call_output") and self.is_open_call(call):
            self._end_answered_call(item, call, time)

    def _start_requested_call(self, item: Record, call: str, time: int) -> None:
        bare_name = to_cut_name(item.get("name")) or (
            "local_shell" if item["type"] == "local_shell_call" else ""
        )
        if bare_name == SCRIPT and item["type"] == "custom_tool_call":
            return
        name = name_tool(to_cut_name(item.get("namespace")), bare_name)
        order = _decode_arguments(item)
        attributes: dict[str, Value] = {}
        if name.endswith("spawn_agent"):
            attributes = omit_none(
                agent=to_cut_name(order.get("agent_type")) or "default",
                description=to_cut_name(order.get("task_name")),
            )
        self.start_call(
            self._session,
            time,
            call,
            name=name or None,
            parent=self._agent,
            order=order,
            folder=self.memory.get("folder"),
            attributes=attributes,
        )

    def _end_answered_call(self, item: Record, call: str, time: int) -> None:
        answer = item.get("output")
        text = answer if isinstance(answer, str) else get_texts(answer)
        started = to_id(self.get_table("started").get(call))
        if started is None and text.startswith('{"agent_id"'):
            started = to_id(decode_object(text).get("agent_id"))
        outcome, duration, attributes = judge_answer(text)
        if started is not None:
            attributes |= {"task": started, "status": "async_launched"}
        self.end_call(
            self._session,
            time,
            call,
            parent=self._agent,
            outcome=outcome,
            duration=duration,
            result=text,
            attributes=attributes,
        )

    # Items: pieces of work with their own start and end.

    def _decode_item(self, item: Record, message: Record, time: int) -> None:
        kind, id = item.get("type"), to_id(item.get("id"))
        ended = to_epoch_time(message.get("completed_at_ms")) or time
        started = to_epoch_time(message.get("started_at_ms")) or ended
        if id is None or not isinstance(kind, str):
            return
        if kind == "SubAgentActivity":
            self._decode_activity(item, id, ended)
        elif kind == "CollabAgentToolCall":
            self._decode_collaboration(item, id, ended)
        elif kind in _ITEM_TOOLS:
            self._decode_work(item, id, started, ended)

    def _decode_work(self, item: Record, id: str, started: int, ended: int) -> None:
        name = _ITEM_TOOLS[item["type"]] or _get_tool_name(item)
        if not self.is_open_call(id):
            self.start_call(
                self._session,
                started,
                id,
                name=name,
                parent=self._agent,
                order={"command": _get_shell_line(item)},
                folder=self.memory.get("folder"),
            )
        outcome = _ITEM_OUTCOMES.get(str(item.get("status")))
        attributes: dict[str, Value] = {}
        if to_count(item.get("exit_code")):
            outcome, attributes = Outcome.FAILURE, {"error": "exit_code"}
        duration = get_object(item, "duration")
        seconds, nanoseconds = to_count(duration.get("secs")), to_count(duration.get("nanos"))
        measured = None if seconds is None or nanoseconds is None else seconds * 10**9 + nanoseconds
        result = item.get("aggregated_output")
        self.end_call(
            self._session,
            ended,
            id,
            name=name,
            parent=self._agent,
            outcome=outcome,
            duration=measured if measured is not None or ended <= started else ended - started,
            result=result if isinstance(result, str) else "",
            attributes=attributes,
        )

    def _decode_activity(self, item: Record, call: str, time: int) -> None:
        """Report a subagent by its parent's words, which are there even if its own rollout is missing."""
        agent = to_id(item.get("agent_thread_id"))
        if agent is None:
            return
        path = to_cut_name(item.get("agent_path")) or ""
        attributes = omit_none(description=path.rpartition("/")[2] or None)
        if item.get("kind") == "started":
            self.remember("started", call, agent)
            attributes["delegated_by"] = call
            self.add(
                Kind.TASK_START, self._session, time, id=agent, parent=self._agent, attributes=attributes
            )
        elif item.get("kind") in ("completed", "interrupted", "failed", "errored"):
            outcome = {"completed": None, "interrupted": Outcome.CANCELLED}.get(
                str(item["kind"]), Outcome.FAILURE
            )
            self.add(Kind.TASK_END, self._session, time, id=agent, parent=self._agent, outcome=outcome)

    def _decode_collaboration(self, item: Record, call: str, ended: int) -> None:
        for agent, state in get_object(item, "agents_states").items():
            if to_id(agent) and isinstance(state, dict) and "errored" in state:
                self.add(Kind.TASK_END, self._session, ended, id=agent, outcome=Outcome.FAILURE)
        if item.get("tool") == "spawn_agent":
            for receiver in iterate_objects(item.get("receiver_agents")):
                if agent_id := to_id(receiver.get("thread_id")):
                    self.remember("started", call, agent_id)

    # Model calls.

    def _add_usage_record(self, payload: Record, time: int) -> None:
        id = to_id(payload.get("response_id"))
        if id is None or payload.get("thread_id") not in (None, self.memory.get("thread")):
            return
        self.memory["has_records"] = True
        self._add_model_call(id, get_object(payload, "usage"), time)

    def _add_token_count(self, info: Record, time: int) -> None:
        """Report a request by the count after it; older clients write no record of their own.

        A count that repeats the total before it is about rate limits, not about a request.
        """
        total = to_count(get_object(info, "total_token_usage").get("total_tokens"))
        if total is None or self.memory.get("has_records") or total == self.memory.get("total"):
            return
        self.memory["total"] = total
        self._add_model_call(f"{self.memory['thread']}#{total}", get_object(info, "last_token_usage"), time)

    def _add_model_call(self, id: str, usage: Record, time: int) -> None:
        cached = to_count(usage.get("cached_input_tokens"))
        written = to_count(usage.get("cache_write_input_tokens"))
        whole = to_count(usage.get("input_tokens"))
        self.add(
            Kind.MODEL_CALL,
            self._session,
            time,
            id=id,
            parent=self._agent,
            name=self.memory.get("model"),
            outcome=Outcome.SUCCESS,
            attributes=omit_none(
                input_tokens=None if whole is None else max(0, whole - (cached or 0) - (written or 0)),
                output_tokens=to_count(usage.get("output_tokens")),
                cache_read_tokens=cached,
                cache_write_tokens=written,
            ),
        )


def _decode_arguments(item: Record) -> Record:
    """Return the input of a call; the arguments of a function are JSON as text."""
    if item["type"] == "local_shell_call":
        return get_object(item, "action")
    arguments = item.get("arguments")
    return decode_object(arguments) if isinstance(arguments, str) else {}


def _get_tool_name(item: Record) -> str | None:
    tool, server = to_cut_name(item.get("tool")), to_cut_name(item.get("server"))
    return to_cut_name(f"mcp__{server}__{tool}") if server and tool else tool


def _get_shell_line(item: Record) -> str | None:
    """Return the line that a command item ran: the last word of ``["/bin/bash", "-lc", "make test"]``."""
    command = item.get("command")
    words = [word for word in command if isinstance(word, str)] if isinstance(command, list) else []
    return words[-1] if words else None
