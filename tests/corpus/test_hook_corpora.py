"""Foreign recordings of hooks: no record is lost, and every figure is within its bounds."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.exposed import assert_sound, exposing
from tests.fakes import ROOT, rebuilt, store
from tests.scenes import BEGIN, by_description

from stretto import journal
from stretto.clock import SECOND
from stretto.config.loading import load_config
from stretto.figures.fanouts import find_fanouts
from stretto.hook.client.client import build_record
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.store import session_queries
from stretto.summaries import snapshot
from stretto.summaries.session_json import build_session_document
from stretto.summaries.session_summary import summarise_session

DATA = ROOT.parent / "shared" / "data"
CORPORA = ("hooks-agentic-framework", "hooks-crypto", "hooks-gptme-codex", "hooks-green-button")

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the recordings are not here: {DATA}"),
]


def payloads(corpus: str) -> Iterator[Any]:
    """Yield every record of every JSON array in a corpus, hook calls or not."""
    for path in sorted((DATA / corpus).rglob("*")):
        if path.name.endswith((".json", ".json.gz")):
            text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            told = json.loads(text)
            if isinstance(told, list):
                yield from told


def assert_plausible(session: Session) -> None:
    """Assert that every length, ratio and edge of a session is within its bounds."""
    edges = [(task.start, task.end) for task in session.tasks]
    edges += [(call.start, call.end) for call in session.tool_calls]
    edges += [(turn.start, turn.end) for turn in session.turns]
    assert all(start is None or end is None or start <= end for start, end in edges)
    assert all((call.duration or 0) >= 0 and (call.overhead or 0) >= 0 for call in session.tool_calls)
    for found in find_fanouts(session.tasks):
        assert 0 < found.efficiency <= 1
        assert math.isclose(found.efficiency, found.load_balance * found.concurrency)
        assert found.elapsed < found.work <= found.capacity
        assert math.isclose(sum(found.shares), found.elapsed)


@pytest.mark.parametrize("corpus", CORPORA)
def test_foreign_recordings_lose_nothing(corpus: str, tmp_path: Path) -> None:
    """Each record is an event or a reject with a reason; each call and agent named in one is an entity."""
    folder = tmp_path / "journal"
    told = list(payloads(corpus))
    assert len(told) > 30
    now = BEGIN
    records = []
    for number, payload in enumerate(told):
        now = BEGIN + number * SECOND
        records.append(build_record(json.dumps(payload).encode(), now))
    journal.append_records(folder / "2026-01-01.jsonl", b"".join(records))
    with store(tmp_path) as opened:
        list(opened.ingest.catch_up(folder))
        opened.ingest.close_idle_sessions(now + 10 * 3_600 * SECOND)
        taken = snapshot.take_snapshot(opened.connection, now, load_config({}, tmp_path).task_types, {})
        assert taken.events + sum(taken.rejects.values()) == len(told)
        assert all(reason.startswith("payload: ") for reason in taken.rejects)
        calls, agents = named(told)
        stored_calls, stored_agents = set(), set()
        for row in session_queries.list_sessions(opened.connection, limit=1_000):
            seen = summarise_session(opened.connection, row.id, by_description, {})
            assert seen is not None
            assert seen.session.outcome is not Outcome.RUNNING
            assert_plausible(seen.session)
            json.dumps(build_session_document(seen), allow_nan=False)
            stored_calls |= {(row.id, call.id) for call in seen.session.tool_calls}
            stored_agents |= {(row.id, task.id) for task in seen.session.tasks}
            assert not any(task.outcome is Outcome.RUNNING for task in seen.session.tasks)
            assert not any(call.outcome is Outcome.RUNNING for call in seen.session.tool_calls)
        assert stored_calls == calls
        assert agents <= stored_agents
        assert_sound(exposing(("snapshot", taken.figures)))
        later = now + 10 * 3_600 * SECOND
        assert opened.rows() == rebuilt(folder, tmp_path / "anew.db", now=later)


def named(told: list[Any]) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Return (session, tool call) and (session, agent) of every hook call that starts or ends one.

    An agent that only ends, and without a kind, is one that the client ran for itself.
    """
    calls, agents = set(), set()
    for payload in told:
        session, hook = payload.get("session_id"), payload.get("hook_event_name")
        if hook in {"PreToolUse", "PostToolUse", "PostToolUseFailure", "PermissionDenied"}:
            call_id = payload.get("tool_use_id")
            if session and call_id:
                calls.add((session, call_id))
        is_named = hook == "SubagentStart" or (hook == "SubagentStop" and payload.get("agent_type"))
        if is_named and session and payload.get("agent_id"):
            agents.add((session, payload["agent_id"]))
    return calls, agents
