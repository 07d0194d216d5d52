"""opencode rows: the rows of opencode's tables of sessions, messages and parts, into events.

A session with a parent is a subagent's; the root session is the run. A message is a request to a model, or a
prompt. A part of type ``tool`` is a tool call, with its start and end in milliseconds and, for a command, the
exit code. A call of ``task`` names the session of the agent that it started.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stretto.model.event import Kind, Outcome, Value, omit_none
from stretto.sources.histories.decoder import FileFacts, HistoryDecoder, Memory
from stretto.sources.histories.records import Record, get_object, to_epoch_time
from stretto.sources.transcript.schema import to_count, to_cut_name, to_id

OPENCODE = "opencode"
KILO = "kilo"
"""A fork of opencode with the same tables."""

_GOES_ON = ("tool-calls", "unknown")
"""Finish reasons of an answer that is not the last."""

_ABORTED = ("Tool execution aborted", "The user rejected", "The user has rejected", "The user dismissed")
"""Beginnings of the error of a call that was stopped or refused."""


@dataclass(frozen=True, slots=True)
class OpencodeSession:
    """The facts about a session that all its rows need."""

    id: str
    parent: str | None
    root: str
    agent: str | None
    title: str | None
    folder: str | None

    @property
    def task(self) -> str | None:
        """The id of the subagent whose session it is; None for the root session."""
        return None if self.parent is None else self.id


def list_opencode_sessions(rows: Mapping[str, Record]) -> dict[str, OpencodeSession]:
    """Return the sessions by id, each with its root; ``rows`` are those of the table ``session``.

    A session whose parent was deleted is its own root. Example: c → b → a: the root of all three is a.
    """
    sessions: dict[str, OpencodeSession] = {}
    for id, row in rows.items():
        root, seen = id, {id}
        while (parent := to_id(rows[root].get("parent_id"))) in rows and parent not in seen:
            assert parent is not None
            root = parent
            seen.add(parent)
        folder = row.get("directory")
        parent_id = to_id(row.get("parent_id"))
        sessions[id] = OpencodeSession(
            id=id,
            parent=parent_id if parent_id in rows else None,
            root=root,
            agent=to_cut_name(row.get("agent")),
            title=to_cut_name((to_cut_name(row.get("title")) or "").partition(" (@")[0]),
            folder=folder if isinstance(folder, str) else None,
        )
    return sessions


class OpencodeDecoder(HistoryDecoder):
    """Decodes the rows of one database. A row is ``{"table", "id", "session_id", "data", …}``."""

    source = OPENCODE

    def __init__(
        self,
        facts: FileFacts,
        memory: Memory,
        *,
        sessions: Mapping[str, OpencodeSession],
        product: str = OPENCODE,
        latest: int,
        key: bytes = b"",
        test_commands: Sequence[str] = (),
    ) -> None:
        super().__init__(facts, memory, latest=latest, key=key, test_commands=test_commands)
        self.source = product  # type: ignore[misc]  # a class variable for all other formats
        self._sessions = sessions

    def decode(self, record: Record) -> str | None:
        """Add the events of a row."""
        session = self._sessions.get(str(record.get("session_id")))
        if session is None:
            return "no session id"
        created = self.check_time(to_epoch_time(record.get("time_created")))
        if isinstance(created, str):
            return created
        data = get_object(record, "data")
        if record.get("table") == "session":
            self._start_session(session, created)
        elif record.get("table") == "message" and (id := to_id(record.get("id"))):
            self._decode_message(session, id, data, created)
        elif record.get("table") == "part" and data.get("type") == "tool":
            self._decode_call(session, data)
        return None

    def _start_session(self, session: OpencodeSession, time: int) -> None:
        if session.parent is None:
            self.add(Kind.SESSION_START, session.root, time, attributes=self.describe_folder(session.folder))
        else:
            self._start_run(session, time)

    def _start_run(self, session: OpencodeSession, time: int) -> None:
        self.add(
            Kind.TASK_START,
            session.root,
            time,
            id=session.id,
            parent=None if session.parent == session.root else session.parent,
            name=session.agent,
            attributes=omit_none(description=session.title),
        )

    def _decode_message(self, session: OpencodeSession, id: str, data: Record, created: int) -> None:
        times = get_object(data, "time")
        created = to_epoch_time(times.get("created")) or created
        if data.get("role") == "user":
            if session.parent is None:
                self.add(Kind.TURN_START, session.root, created, id=id, type="user")
            else:
                self._start_run(session, created)
            return
        completed = to_epoch_time(times.get("completed"))
        if data.get("role") != "assistant" or completed is None:
            return
        self._add_model_call(session, id, data, created)
        outcome = _judge_answer(data)
        if outcome is None:
            return
        if session.parent is None:
            turn = to_id(data.get("parentID"))
            self.add(Kind.TURN_END, session.root, completed, id=turn, outcome=outcome)
        else:
            self.add(Kind.TASK_END, session.root, completed, id=session.id, outcome=outcome)

    def _add_model_call(self, session: OpencodeSession, id: str, data: Record, created: int) -> None:
        tokens, cache = get_object(data, "tokens"), get_object(data, "tokens", "cache")
        answer, thoughts = to_count(tokens.get("output")), to_count(tokens.get("reasoning"))
        cost = data.get("cost")
        self.add(
            Kind.MODEL_CALL,
            session.root,
            created,
            id=id,
            parent=session.task,
            name=to_cut_name(data.get("modelID")),
            outcome=Outcome.FAILURE if data.get("error") else Outcome.SUCCESS,
            attributes=omit_none(
                input_tokens=to_count(tokens.get("input")),
                output_tokens=None if answer is None else answer + (thoughts or 0),
                cache_read_tokens=to_count(cache.get("read")),
                cache_write_tokens=to_count(cache.get("write")),
                # A model without a list price, or behind a subscription, is written with a cost of 0.
                cost_usd=float(cost) if isinstance(cost, int | float) and cost > 0 else None,
            ),
        )

    def _decode_call(self, session: OpencodeSession, data: Record) -> None:
        id, tool = to_id(data.get("callID")), to_cut_name(data.get("tool"))
        state = get_object(data, "state")
        times, metadata = get_object(state, "time"), get_object(state, "metadata")
        start, end = to_epoch_time(times.get("start")), to_epoch_time(times.get("end"))
        if id is None or start is None:
            return  # pending: the model is still writing the call
        order = get_object(state, "input")
        attributes: dict[str, Value] = {}
        if tool == "task":
            tool = "Agent"
            attributes = omit_none(
                agent=to_cut_name(order.get("subagent_type")),
                description=to_cut_name(order.get("description")),
            )
        self.start_call(
            session.root,
            start,
            id,
            name=tool,
            parent=session.task,
            order=order,
            folder=session.folder,
            attributes=attributes,
        )
        if end is None or state.get("status") not in ("completed", "error"):
            return
        outcome, result = _judge_call(state, metadata)
        if isinstance(metadata.get("exists"), bool):
            result["new_files"] = int(not metadata["exists"])
        text = state.get("output")
        text = text if isinstance(text, str) else ""
        if tool == "Agent" and (agent := to_id(metadata.get("sessionId"))):
            result["task"] = agent
            if text.startswith(f'<task id="{agent}" state="running"'):
                result["status"] = "async_launched"
        self.end_call(
            session.root,
            end,
            id,
            name=tool,
            parent=session.task,
            outcome=outcome,
            duration=max(0, end - start),
            result=text,
            attributes=result,
        )


def _judge_answer(data: Record) -> Outcome | None:
    """Return the outcome of the turn or run that an answer ends; None if it goes on."""
    error = get_object(data, "error")
    if error:
        return Outcome.CANCELLED if error.get("name") == "MessageAbortedError" else Outcome.FAILURE
    finish = data.get("finish")
    if not isinstance(finish, str) or finish in _GOES_ON:
        return None
    return Outcome.SUCCESS if finish == "stop" else Outcome.FAILURE


def _judge_call(state: Record, metadata: Record) -> tuple[Outcome, dict[str, Value]]:
    if state.get("status") == "error":
        stopped = str(state.get("error") or "").startswith(_ABORTED) or metadata.get("interrupted") is True
        return (Outcome.CANCELLED if stopped else Outcome.FAILURE), {}
    if to_count(metadata.get("exit")):
        return Outcome.FAILURE, {"error": "exit_code"}
    return Outcome.SUCCESS, {}
