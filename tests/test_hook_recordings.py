"""Recordings of other agents' hooks say whose they are, and give the tasks and calls of the script."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from stretto.demo.recorded_sessions import parse_hook_payload
from stretto.model.entities import Session
from stretto.sources import read_hook_recordings
from stretto.sources.recognise_agent_by_hook_payloads import recognise_agent
from tests.fakes import ROOT
from tests.histories import conclude_only

CLIENTS = ROOT.parent / "shared" / "data" / "agents-real-clients"

pytestmark = pytest.mark.filterwarnings("error")


def read_session(path: Path) -> Session:
    """Return the session of a recording, read as the agent's that it shows."""
    agent = read_hook_recordings.find_agent(path)
    found = read_hook_recordings.read_recording(path, partial(parse_hook_payload, key=b"k" * 32, agent=agent))
    assert found.rejects == ()
    return conclude_only(event for event in found.events if event.session)


@pytest.mark.parametrize(
    ("payload", "agent"),
    [
        ({"hook_event_name": "PreToolUse", "session_id": "s"}, "claude-code"),
        ({"hook_event_name": "PreToolUse", "turn_id": "t"}, "codex"),
        ({"hook_event_name": "BeforeTool"}, "gemini-cli"),
        ({"hook_event_name": "PreToolUse", "tool_call_id": "c"}, "qwen-code"),
        ({"hook_event_name": "PreToolUse", "parent_agent_id": "p"}, "copilot-cli"),
        ({"hook_event_name": "Stop", "transcript_path": "C:\\u\\.factory\\sessions\\x.jsonl"}, "droid"),
        ({"conversation_id": "c", "generation_id": "g"}, "cursor"),
        ({"stretto_agent": "pi"}, "pi"),
    ],
)
def test_a_payload_shows_its_agent(payload: dict[str, Any], agent: str) -> None:
    """Each agent is recognised by a field or a path that no other has; nothing shown is Claude Code."""
    assert recognise_agent([payload]) == agent


def test_the_majority_decides(tmp_path: Path) -> None:
    """A payload that could be another's does not turn a whole recording."""
    path = tmp_path / "hooks.jsonl"
    payloads = [{"turn_id": "t"}, {"tool_call_id": "x", "turn_id": "t"}, {"turn_id": "u"}]
    path.write_text("".join(json.dumps({"t": 1, "payload": each}) + "\n" for each in payloads))
    assert read_hook_recordings.find_agent(path) == "codex"


corpus = pytest.mark.skipif(not CLIENTS.is_dir(), reason="the recordings are not beside the repository")


def describe(session: Session) -> dict[str, object]:
    """Return what the script determines: tasks with names and parents, calls by task, turns."""
    names = {task.id: task.description or task.agent for task in session.tasks}
    tasks = [task for task in session.tasks if str(task.outcome) != "failure" or task.agent == "generalist"]
    return {
        "tasks": sorted((str(names[task.id]), names.get(task.parent or "")) for task in tasks),
        "calls": len(session.tool_calls),
        "turns": len(session.turns),
    }


@pytest.mark.corpus
@corpus
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("codex/multi_agent_v1-gpt-5.2-codex",
         {"tasks": [("explorer", None), ("worker", None)], "calls": 12, "turns": 1}),
        ("codex/multi_agent_v2-code-mode-gpt-6.2-sol",
         {"tasks": [("alpha", None), ("beta", None), ("gamma", "beta")], "calls": 15, "turns": 1}),
        ("copilot-cli/agents-sync-background",
         {"tasks": [(f"job {name}", None) for name in ("alpha", "beta", "delta", "eps", "zeta")],
          "calls": 18, "turns": 1}),
        ("gemini-cli/three-agents",
         {"tasks": [(name, None) for name in ("codebase_investigator", "generalist", "helper")],
          "calls": 15, "turns": 1}),
        ("qwen-code/agents-foreground-background",
         {"tasks": [("job alpha", None), ("job delta", None)], "calls": 10, "turns": 1}),
    ],
)  # fmt: skip
def test_hooks_of_a_real_client_give_its_script(name: str, expected: dict[str, object]) -> None:
    """By hooks alone: every task with its name and parent, every call once, one turn, one session."""
    shown = describe(read_session(CLIENTS / name / "hooks.jsonl"))
    assert shown == expected
