"""Gemini chats: the lines that Gemini CLI writes of a session and of each subagent, into events.

The first line names the chat and its kind, ``main`` or ``subagent``. A subagent's file lies in a folder named
after the session, and its own id is the agent's. A line with an id is a message. The message is written again
when its tool calls have ended, all with the time at which the last of them ended: single ends are unknown.
Lines with ``$set`` change the head of the chat. Versions before 0.40 kept a chat as one JSON document.
"""

from __future__ import annotations

import re

from stretto.model.event import Kind, Outcome, Value, omit_none
from stretto.sources.histories.decoder import HistoryDecoder
from stretto.sources.histories.records import Record, get_object, get_texts, iterate_objects
from stretto.sources.transcript.schema import to_count, to_cut_name, to_id, to_time

GEMINI = "gemini-cli"

_DELEGATING = "invoke_agent"
_COMPLETING = "complete_task"
"""The call by which a subagent answers; a call with invalid parameters is refused before it runs."""

_EXIT_CODE = re.compile(r"\nExit Code: (\d{1,10})\n")
_TAIL = 400
"""Characters at the end of a command's result in which Gemini writes the exit code."""

_TERMINATION = re.compile(r"Termination Reason: ([A-Z_]{1,40})")
_TERMINATIONS = {"GOAL": Outcome.SUCCESS, "ABORTED": Outcome.CANCELLED}
"""Why a subagent ended → outcome; any other reason, such as MAX_TURNS, is a failure."""

_OUTCOMES = {"success": Outcome.SUCCESS, "error": Outcome.FAILURE, "cancelled": Outcome.CANCELLED}

_HASH = re.compile(r"[0-9a-f]{64}")


class GeminiChatDecoder(HistoryDecoder):
    """Decodes the lines of one chat: a session's or a subagent's."""

    source = GEMINI

    def decode(self, record: Record) -> str | None:
        """Add the events of a line."""
        if "projectHash" in record and "sessionId" in record:
            return self._begin_chat(record)
        if "$set" in record:
            return None
        if not self.memory.get("session"):
            return "no session id"
        time = self.check_time(to_time(record.get("timestamp")))
        if isinstance(time, str):
            return time
        self.memory["last"] = max(time, self.memory.get("last") or 0)
        if record.get("type") == "gemini":
            self._decode_answer(record, time)
        elif record.get("type") == "user":
            self._decode_prompt(record, time)
        return None

    def finish(self) -> None:
        """Report the end of a turn or agent whose last message asks for no tool."""
        answered = self.memory.get("answered")
        if answered is not None:
            self._end_answered(answered)

    @property
    def _session(self) -> str:
        return str(self.memory["session"])

    @property
    def _agent(self) -> str | None:
        agent: str | None = self.memory.get("agent")
        return agent

    def _begin_chat(self, head: Record) -> str | None:
        chat, time = to_id(head.get("sessionId")), to_time(head.get("startTime"))
        if chat is None:
            return "no session id"
        if time is None or time > self.latest:
            return "no time"
        if self.memory.get("session"):
            return None  # a resumed session writes its head again
        if head.get("kind") == "subagent":
            session = to_id(self.facts.folders[0]) if self.facts.folders else None
            self.memory |= {"session": session or chat, "agent": chat}
            self.add(Kind.TASK_START, self._session, time, id=chat)
        else:
            self.memory |= {"session": chat, "agent": None}
            self.add(Kind.SESSION_START, chat, time, attributes=self._describe_project(head))
        for message in iterate_objects(head.get("messages")):
            self.decode(message)
        return None

    def _describe_project(self, head: Record) -> dict[str, Value]:
        directories = head.get("directories")
        if isinstance(directories, list) and directories:
            return self.describe_folder(directories[0])
        folder = self.facts.folders[1] if len(self.facts.folders) > 1 else ""
        return {} if _HASH.fullmatch(folder) else omit_none(project=to_cut_name(folder))

    def _decode_prompt(self, message: Record, time: int) -> None:
        content = message.get("content")
        if any("functionResponse" in part for part in iterate_objects(content)):
            return
        text = get_texts(content)
        if self._agent is not None or not text or text.startswith("<session_context>"):
            return
        self.finish()
        self.memory |= {"turn": to_id(message.get("id")), "answered": None}
        self.add(
            Kind.TURN_START,
            self._session,
            time,
            id=self.memory["turn"],
            type="user",
            attributes={"prompt_length": len(text)},
        )

    def _decode_answer(self, message: Record, time: int) -> None:
        self._add_model_call(message, time)
        calls = list(iterate_objects(message.get("toolCalls")))
        for call in calls:
            self._add_call(call, time)
        self.memory["answered"] = None if calls or not get_texts(message.get("content")) else time

    def _end_answered(self, time: int) -> None:
        if self._agent is None:
            self.add(Kind.TURN_END, self._session, time, id=self.memory.get("turn"), outcome=Outcome.SUCCESS)
        self.memory["answered"] = None

    def _add_call(self, call: Record, time: int) -> None:
        id, name = to_id(call.get("id")), to_cut_name(call.get("name"))
        ended = to_time(call.get("timestamp"))
        if id is None or ended is None:
            return
        order = get_object(call, "args")
        attributes: dict[str, Value] = {}
        if name == _DELEGATING:
            name, attributes = "Agent", omit_none(agent=to_cut_name(order.get("agent_name")))
        self.start_call(
            self._session, time, id, name=name, parent=self._agent, order=order, attributes=attributes
        )
        text = _get_result_text(call)
        outcome = _OUTCOMES.get(str(call.get("status")))
        result: dict[str, Value] = {}
        if name == "Agent":
            outcome = self._end_run(call, text, ended, outcome, result)
        elif name == _COMPLETING:
            if outcome is Outcome.FAILURE:
                outcome, result = Outcome.CANCELLED, {"status": "not_started"}
            elif self._agent is not None:
                self.add(Kind.TASK_END, self._session, ended, id=self._agent, outcome=outcome)
        elif (code := _EXIT_CODE.search(f"{text[-_TAIL:]}\n")) and int(code[1]):
            outcome, result = Outcome.FAILURE, {"error": "exit_code"}
        self.end_call(
            self._session,
            ended,
            id,
            parent=self._agent,
            outcome=outcome,
            result=text,
            attributes=result,
        )

    def _end_run(
        self, call: Record, text: str, ended: int, outcome: Outcome | None, result: dict[str, Value]
    ) -> Outcome | None:
        """Name the agent that a call started, with the outcome that the answer gives; return the outcome."""
        reason = _TERMINATION.search(text[:_TAIL])
        if reason:
            outcome = _TERMINATIONS.get(reason[1], Outcome.FAILURE)
        elif text.startswith("Subagent '") and "' failed" in text[:_TAIL]:
            outcome = Outcome.FAILURE
        agent = to_id(call.get("agentId"))
        if agent is not None:
            result["task"] = agent
            self.add(
                Kind.TASK_END,
                self._session,
                ended,
                id=agent,
                parent=self._agent,
                name=to_cut_name(get_object(call, "args").get("agent_name")),
                outcome=outcome,
                attributes={"delegated_by": str(call["id"])},
            )
        return outcome

    def _add_model_call(self, message: Record, time: int) -> None:
        id, tokens = to_id(message.get("id")), get_object(message, "tokens")
        if id is None or not tokens or id in self.get_table("counted"):
            return
        self.remember("counted", id, 1)
        cached, whole = to_count(tokens.get("cached")), to_count(tokens.get("input"))
        answer, thoughts = to_count(tokens.get("output")), to_count(tokens.get("thoughts"))
        self.add(
            Kind.MODEL_CALL,
            self._session,
            time,
            id=id,
            parent=self._agent,
            name=to_cut_name(message.get("model")),
            outcome=Outcome.SUCCESS,
            attributes=omit_none(
                input_tokens=None if whole is None else max(0, whole - (cached or 0)),
                output_tokens=None if answer is None else answer + (thoughts or 0),
                cache_read_tokens=cached,
            ),
        )


def _get_result_text(call: Record) -> str:
    for part in iterate_objects(call.get("result")):
        response = get_object(part, "functionResponse", "response")
        for field in ("output", "error"):
            if isinstance(response.get(field), str):
                return str(response[field])
    return ""
