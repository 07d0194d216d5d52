"""Make corpora of transcripts, in the shape Claude Code writes: sessions with two agents side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.bench_transcript import turn

AGENTS = 2
MARK = "session-mark"
"""Stands in the made text where the session's own id belongs."""


def write_corpus(folder: Path, sessions: int, bytes_a_session: int) -> int:
    """Write the transcripts of so many sessions; return the bytes written.

    All sessions have the same lines with ids of their own: half of the bytes are the main agent's.
    """
    project = folder / "-home-dev-shop"
    project.mkdir(parents=True)
    main = _join(_make_main_lines(bytes_a_session // 2))
    agents = [_join(_make_agent_lines(n, bytes_a_session // 2 // AGENTS)) for n in range(AGENTS)]
    written = 0
    for number in range(sessions):
        session = f"{number:08x}-0000-4000-8000-000000000000"
        inner = project / session / "subagents"
        inner.mkdir(parents=True)
        files = {project / f"{session}.jsonl": main} | {
            inner / f"agent-{_name_agent(n, session)}.jsonl": text for n, text in enumerate(agents)
        }
        for path, text in files.items():
            content = text.replace(MARK.encode(), session.encode())
            path.write_bytes(content)
            written += len(content)
    return written


def _name_agent(number: int, session: str) -> str:
    return f"a{number}{session}"


def _make_main_lines(size: int) -> Iterator[dict[str, Any]]:
    lines = list(_repeat_turns(size))
    asked, answered = lines[0], lines[4]
    calls = [
        {"type": "tool_use", "id": f"agent-call-{n}", "name": "Agent", "input": {"subagent_type": "reviewer"}}
        for n in range(AGENTS)
    ]
    message = {"id": "delegating", "model": "opus", "role": "assistant", "content": calls}
    yield asked
    yield {**asked, "type": "assistant", "uuid": "delegating", "message": message}
    for n in range(AGENTS):
        result = {"type": "tool_result", "tool_use_id": f"agent-call-{n}", "content": "done"}
        yield {
            **answered,
            "type": "user",
            "uuid": f"delegated-{n}",
            "message": {"role": "user", "content": [result]},
            "toolUseResult": {"agentId": f"a{n}{MARK}", "status": "completed", "totalDurationMs": 30_000},
        }
    yield from lines[1:]


def _make_agent_lines(number: int, size: int) -> Iterator[dict[str, Any]]:
    for line in _repeat_turns(size):
        yield {**line, "isSidechain": True, "agentId": f"a{number}{MARK}"}


def _repeat_turns(size: int) -> Iterator[dict[str, Any]]:
    length = number = 0
    while length < size:
        for line in turn(number):
            yield {**line, "sessionId": MARK, "uuid": f"{MARK}-{line['uuid']}"}
            length += len(json.dumps(line, separators=(",", ":"))) + 1
        number += 1


def _join(lines: Iterator[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
