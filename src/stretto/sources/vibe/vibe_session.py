"""Vibe sessions: the public state that Mistral Vibe stores of a session, into events.

A session's folder holds its last two *generations*; each has a ``projection-state.json`` with the latest turn
and a ``manifest.json`` that names the *chunks* of its entries: messages and *effects*. An effect is a call as
it really ran: the calls within a program (``run_typescript``) are effects, the program is not. A subagent is
a session of its own. Tokens are known only as a sum over the session, which is not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from stretto.model.event import Kind, Outcome, Value
from stretto.sources.histories.decoder import FileFacts, HistoryDecoder, Memory
from stretto.sources.histories.history_read_result import UNREADABLE, HistoryChunk
from stretto.sources.histories.records import Record, get_object, get_texts, iterate_objects, to_epoch_time
from stretto.sources.transcript.schema import to_cut_name, to_id

VIBE = "vibe"

LONGEST = 1 << 26
"""Most bytes read of a file."""

_CHUNK = re.compile(r"[0-9a-f]{64}")

_GROUP = re.compile(r"^(file_system|self)\.")
"""The groups of the tools that the model also calls without their group: ``bash``, ``wait``."""

_TURN_OUTCOMES = {
    "completed": Outcome.SUCCESS,
    "failed": Outcome.FAILURE,
    "interrupted": Outcome.CANCELLED,
}
_CALL_OUTCOMES = {
    "completed": Outcome.SUCCESS,
    "failed": Outcome.FAILURE,
    "cancelled": Outcome.CANCELLED,
    "skipped": Outcome.CANCELLED,
}


def read_vibe_session(
    path: Path,
    offset: int,
    memory: Memory,
    *,
    latest: int,
    key: bytes = b"",
    test_commands: Sequence[str] = (),
) -> HistoryChunk:
    """Return the events of a generation, whole if its size has changed. Never raises."""
    try:
        size = path.stat().st_size
        if size == offset:
            return HistoryChunk((), (), offset, memory, ended=True)
        state = get_object(_read_json(path))
        entries = _read_entries(path, state)
    except (OSError, ValueError) as error:
        reject = (offset, f"{UNREADABLE}: {type(error).__name__}")
        return HistoryChunk((), (reject,), offset, memory, ended=True)
    try:
        folder = get_object(_read_json(path.parents[2] / "meta.json"), "environment")
    except (OSError, ValueError, IndexError):
        folder = {}
    decoder = VibeSessionDecoder(
        FileFacts(sidecar=folder), {}, latest=latest, key=key, test_commands=test_commands
    )
    reason = decoder.decode_state(get_object(state, "snapshot"), entries)
    rejects = [(0, reason)] if reason else []
    return HistoryChunk(tuple(decoder.events), tuple(rejects), size, memory, ended=True)


def _read_json(path: Path) -> object:
    """Return the value in a file. Raises OSError or ValueError."""
    with path.open("rb") as stream:
        return json.loads(stream.read(LONGEST))


def _read_entries(path: Path, state: Record) -> list[Record]:
    """Return the entries of a generation, those in its chunks first. Raises OSError or ValueError."""
    names = get_object(_read_json(path.with_name("manifest.json")), "projection_state").get("chunks")
    entries: list[Record] = []
    for name in names if isinstance(names, list) else []:
        if isinstance(name, str) and _CHUNK.fullmatch(name):
            entries += iterate_objects(_read_json(path.parents[2] / "chunks" / f"{name}.json"))
    entries += iterate_objects(get_object(state, "snapshot", "history").get("entries"))
    return entries


class VibeSessionDecoder(HistoryDecoder):
    """Decodes the state of one session."""

    source = VIBE

    def decode_state(self, state: Record, entries: list[Record]) -> str | None:
        """Add the events of a session; return the reason if it is unreadable."""
        session = get_object(state, "session")
        id, root = to_id(session.get("id")), to_id(session.get("rootSessionId"))
        begun = self.check_time(to_epoch_time(session.get("createdAt")))
        if id is None or root is None:
            return "no session id"
        if isinstance(begun, str):
            return begun
        task = None if id == root else id
        if task is None:
            self.add(
                Kind.SESSION_START,
                root,
                begun,
                attributes=self.describe_folder(self.facts.sidecar.get("working_directory")),
            )
        else:
            parent = to_id(session.get("parentSessionId"))
            self.add(Kind.TASK_START, root, begun, id=task, parent=None if parent == root else parent)
        for entry in entries:
            self._decode_entry(entry, root, task)
        self._end_turn(get_object(state, "latestTurn"), root, task)
        return None

    def _decode_entry(self, entry: Record, root: str, task: str | None) -> None:
        begun = self.check_time(to_epoch_time(entry.get("createdAt")))
        id = to_id(entry.get("id"))
        if isinstance(begun, str) or id is None:
            return
        if entry.get("type") == "effect":
            self._decode_effect(entry, id, begun, root, task)
        elif entry.get("role") == "user" and entry.get("source") == "turn_start" and task is None:
            self.add(
                Kind.TURN_START,
                root,
                begun,
                id=to_id(entry.get("turnId")),
                type="user",
                attributes={"prompt_length": len(get_texts(entry.get("content")))},
            )

    def _decode_effect(self, entry: Record, id: str, begun: int, root: str, task: str | None) -> None:
        detail, state = get_object(entry, "detail"), get_object(entry, "state")
        name = _GROUP.sub("", to_cut_name(detail.get("toolName")) or "") or None
        order = get_object(detail, "input")
        folder = self.facts.sidecar.get("working_directory")
        self.start_call(root, begun, id, name=name, parent=task, order=order, folder=folder)
        child = to_id(detail.get("childSessionId"))
        if child is not None:
            self.add(
                Kind.TASK_START, root, begun, id=child, parent=task, name=to_cut_name(detail.get("agentName"))
            )
        outcome = _CALL_OUTCOMES.get(str(state.get("status")))
        ended = self.check_time(to_epoch_time(entry.get("updatedAt")))
        if outcome is None or isinstance(ended, str):
            return
        result = get_object(state, "output", "structured_content")
        code = result.get("returncode")
        attributes: dict[str, Value] = {}
        if outcome is Outcome.SUCCESS and get_object(state, "display").get("success") is False:
            outcome = Outcome.FAILURE
        if outcome is Outcome.SUCCESS and isinstance(code, int) and code != 0:
            outcome, attributes = Outcome.FAILURE, {"error": "exit_code"}
        text = "\n".join(str(result.get(stream, "")) for stream in ("stdout", "stderr"))
        self.end_call(root, ended, id, name=name, outcome=outcome, result=text, attributes=attributes)

    def _end_turn(self, turn: Record, root: str, task: str | None) -> None:
        outcome = _TURN_OUTCOMES.get(str(turn.get("status")))
        ended = self.check_time(to_epoch_time(turn.get("completedAt")))
        if outcome is None or isinstance(ended, str):
            return
        if task is None:
            self.add(Kind.TURN_END, root, ended, id=to_id(turn.get("id")), outcome=outcome)
        else:
            self.add(Kind.TASK_END, root, ended, id=task, outcome=outcome)
