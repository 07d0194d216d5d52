"""Hook payloads recorded by other projects: nothing raises, nothing is lost, and the counts agree."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stretto.hook.client.client import EVENTS, build_record
from stretto.journal import parse_line
from stretto.model.conclude_session import conclude_session
from stretto.model.event import Event, Kind, Outcome
from stretto.model.facts import SessionFacts
from stretto.model.fold import fold_events

DATA = Path(__file__).parents[3] / "shared/data"
CODEX = DATA / "hooks-gptme-codex/logs"
CLAUDE_CODE = {"hooks-green-button": 223, "hooks-agentic-framework": 3_597}
"""Folders of Claude Code's payloads and the records in each, by its README."""
CODEX_RECORDS = Counter(
    PreToolUse=17, UserPromptSubmit=4, SessionStart=3, Stop=2, SubagentStart=2, SubagentStop=2, PreCompact=1
)
"""Codex's payloads by hook, by the README."""
START = 1_782_700_000_000_000_000

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not DATA.is_dir(), reason="the recorded payloads are not beside the repository"),
]


def payloads(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the hook payloads in the JSON arrays below a folder, without transcripts."""
    for path in sorted([*folder.rglob("*.json"), *folder.rglob("*.json.gz")]):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        found = json.loads(data)
        for item in found if isinstance(found, list) else []:
            if isinstance(item, dict) and "hook_event_name" in item:
                yield item


def event_of(payload: dict[str, Any], time: int, agent: str) -> Event:
    """Return the event that a payload becomes, as the journal reads it."""
    event = parse_line(build_record(json.dumps(payload).encode(), time, agent=agent, key=b"k" * 32))
    assert isinstance(event, Event), event
    return event


class TestCodex:
    @pytest.fixture
    def recorded(self) -> list[dict[str, Any]]:
        """Return the payloads in a possible order of arrival; the files have no order across hooks."""
        order = ["SessionStart", "UserPromptSubmit", "SubagentStart", "PreToolUse", "PreCompact"]
        order += ["SubagentStop", "Stop"]
        return sorted(payloads(CODEX), key=lambda payload: order.index(payload["hook_event_name"]))

    @pytest.fixture
    def events(self, recorded: list[dict[str, Any]]) -> list[Event]:
        """Return the events of the payloads, a second apart."""
        return [event_of(payload, START + n * 10**9, "codex") for n, payload in enumerate(recorded)]

    def test_every_payload_becomes_an_event(
        self, recorded: list[dict[str, Any]], events: list[Event]
    ) -> None:
        """All 31 are read; the two prompts for agents start their runs and are no turns."""
        assert Counter(payload["hook_event_name"] for payload in recorded) == CODEX_RECORDS
        assert Counter(event.kind for event in events) == {
            Kind.SESSION_START: 3,
            Kind.TURN_START: 2,
            Kind.TASK_START: 2 + 2,
            Kind.TOOL_START: 17,
            Kind.COMPACTION_START: 1,
            Kind.TASK_END: 2,
            Kind.TURN_END: 2,
        }
        assert {event.source for event in events} == {"codex"}

    def test_ids_are_the_payloads_own(self, recorded: list[dict[str, Any]], events: list[Event]) -> None:
        """Session, call, agent and turn are those of the payload, and the caller is the agent it names."""
        for payload, event in zip(recorded, events, strict=True):
            assert event.session == payload["session_id"]
            if event.kind is Kind.TOOL_START:
                assert (event.id, event.name) == (payload["tool_use_id"], payload["tool_name"])
                assert event.parent == payload.get("agent_id")
            elif event.kind in {Kind.TASK_START, Kind.TASK_END}:
                # Both agents were started by the main thread, whose rollout their stops point to.
                assert (event.id, event.name, event.parent) == (payload["agent_id"], "explorer", None)
            elif event.kind in {Kind.TURN_START, Kind.TURN_END}:
                assert event.id == payload["turn_id"]

    def test_nothing_of_the_content_passes(self, recorded: list[dict[str, Any]], events: list[Event]) -> None:
        """No command, prompt, answer or path of the recording is in an event."""
        checked = 0
        for payload, event in zip(recorded, events, strict=True):
            texts = [payload.get(name) for name in ("prompt", "last_assistant_message", "transcript_path")]
            texts += [payload["cwd"], *map(str, dict(payload.get("tool_input") or {}).values())]
            for text in filter(None, texts):
                checked += 1
                assert text not in repr(event)
        assert checked > 50

    def test_the_sessions_are_concluded(self, events: list[Event]) -> None:
        """Two sessions, two turns, two agents whose calls are theirs; without ends no call has a length."""
        sessions = []
        for session in sorted({event.session for event in events}):
            facts = SessionFacts(session)
            fold_events(facts, [event for event in events if event.session == session])
            sessions.append(conclude_session(facts, lost=True, classify=lambda *_: "other"))
        work, other = sessions
        assert [len(session.turns) for session in sessions] == [1, 1]
        assert [turn.outcome for session in sessions for turn in session.turns] == [Outcome.SUCCESS] * 2
        assert [(task.agent, task.interval is not None) for task in work.tasks] == [("explorer", True)] * 2
        assert (other.tasks, other.tool_calls) == ((), ())
        inside = Counter(call.task for call in work.tool_calls)
        assert sum(inside.values()) == 17
        assert {task.id for task in work.tasks} == set(inside) - {None}
        assert {(call.duration, call.outcome) for call in work.tool_calls} == {(None, Outcome.UNKNOWN)}


@pytest.mark.parametrize("folder", CLAUDE_CODE)
def test_claude_codes_payloads_are_all_read(folder: str) -> None:
    """A record of a known hook is an event; any other is a reject with a reason."""
    found = list(payloads(DATA / folder))
    assert len(found) == CLAUDE_CODE[folder]
    for number, payload in enumerate(found):
        event = event_of(payload, START + number, "claude-code")
        if payload["hook_event_name"] in EVENTS:
            assert (event.kind, event.session) == (
                EVENTS[payload["hook_event_name"]][0],
                payload["session_id"],
            )
        else:
            assert (event.kind, event.attributes["reason"]) == (Kind.REJECT, "unknown event")
