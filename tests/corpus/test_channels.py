"""Channels: a run of a real client is the same session by hooks, OTLP and history, alone and together.

Each recording is a run of a scripted model, so that the truth is known. A channel that cannot know may leave
out a part; two channels together may neither double anything nor invent parallel work.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from functools import partial
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from tests.fakes import ROOT
from tests.histories import make_opencode_database, read_folder
from tests.otlp_requests import JSON, as_json, events_of, move_home, sessions

from stretto import journal
from stretto.clock import SECOND
from stretto.demo import parse_hook_payload
from stretto.figures.fanouts import find_fanouts
from stretto.model.entities import Session
from stretto.model.event import Event, Kind, Outcome
from stretto.sources.otlp.receive import Receiver, Signal
from stretto.sources.recording import read_recording

CLIENTS = ROOT.parent / "shared" / "data" / "agents-real-clients"

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not CLIENTS.is_dir(), reason=f"the recordings are not here: {CLIENTS}"),
]

LATER = 1_900_000_000 * SECOND


class Truth(NamedTuple):
    """The truth about a run."""

    agents: str
    """The names of the tasks, sorted."""
    widths: tuple[int, ...]
    calls: int
    model_calls: int


TRUTHS = {
    "codex/multi_agent_v1-gpt-5.2-codex": Truth("explorer worker", (2,), 12, 14),
    "codex/multi_agent_v2-code-mode-gpt-6.2-sol": Truth("default default default", (2,), 15, 15),
    "copilot-cli/agents-sync-background": Truth(
        "explore explore general-purpose general-purpose task", (3, 2), 18, 17
    ),
    "gemini-cli/three-agents": Truth("codebase_investigator generalist helper", (3,), 15, 30),
    "opencode/three-agents": Truth("explore general general", (3,), 13, 11),
    "pi/parallel-tools": Truth("", (), 4, 3),
    "qwen-code/agents-foreground-background": Truth("Explore general-purpose", (), 10, 10),
    "droid/tools-and-failed-tasks": Truth("helper worker", (2,), 7, 4),
}

NOT_TOLD: dict[tuple[str, str], dict[str, Any]] = {
    **{(client, "hooks"): {"model_calls": 0} for client in TRUTHS},
    # Its failed calls have no end hook: how long its tasks were is not known.
    ("droid/tools-and-failed-tasks", "hooks"): {"model_calls": 0, "widths": ()},
    # With the times of its hooks the two overlap for less than the doubt about such times.
    ("droid/tools-and-failed-tasks", "hooks history"): {"widths": ()},
}
"""(client, channels) → the parts that those channels cannot know, with what they leave of them."""

GAPS: dict[tuple[str, str], dict[str, Any]] = {
    # The span of one task call is missing, and agents have no spans.
    ("opencode/three-agents", "otlp"): {"agents": "", "widths": (), "calls": 12, "model_calls": 10},
    # One of the client's model calls is not recognised as that of the history.
    ("opencode/three-agents", "otlp history"): {"model_calls": 12},
}
"""(client, channels) → what is told otherwise. The list only shrinks."""


def read_hooks(client: Path) -> list[Event]:
    """Return the events of the recorded hooks; agents without hooks of their own have none."""
    agent = client.parent.name
    if agent in {"opencode", "pi"}:
        return []
    parse = partial(parse_hook_payload, agent=agent, key=b"key")
    events = read_recording(client / "hooks.jsonl", parse).events
    return [event for event in events if event.kind is not Kind.REJECT]


def read_otlp(client: Path) -> list[Event]:
    """Return the events of the recorded requests."""
    path = client / "otlp.jsonl"
    if not path.exists():
        return []
    receiver, events = Receiver(journal.encode_event), list[Event]()
    for line in path.read_text("utf-8").splitlines():
        body = json.loads(line)["body"]
        body = with_hex_ids(json.loads(body) if isinstance(body, str) else body)
        signal = Signal.TRACES if "resourceSpans" in body else Signal.LOGS
        if "resourceMetrics" not in body:
            result = receiver.receive_request(signal, as_json(body), content_type=JSON, now=LATER)
            events += events_of(result.records)
    return events


def with_hex_ids(value: Any) -> Any:
    """Return a request whose ids are hex: those of a protobuf body were recorded as base64."""
    if isinstance(value, list):
        return [with_hex_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: to_hex(item) if key in {"traceId", "spanId", "parentSpanId"} else with_hex_ids(item)
        for key, item in value.items()
    }


def to_hex(id: str) -> str:
    """Return an id in hex."""
    return (
        id if len(id) in {0, 16, 32} and not set(id) - set("0123456789abcdef") else base64.b64decode(id).hex()
    )


def read_client_history(client: Path, scratch: Path) -> list[Event]:
    """Return the events of what the client itself wrote."""
    history = client / "history"
    if not (history / "schema.sql").exists():
        return read_folder(history) if history.exists() else []
    make_opencode_database(history, scratch / "opencode" / "opencode.db")
    return read_folder(scratch / "opencode")


def read_channels(name: str, scratch: Path) -> dict[str, list[Event]]:
    """Return the events of each channel that reports the run."""
    client = CLIENTS / name
    readers: dict[str, Callable[[], list[Event]]] = {
        "hooks": lambda: read_hooks(client),
        "otlp": lambda: read_otlp(client),
        "history": lambda: read_client_history(client, scratch),
    }
    return {channel: events for channel, read in readers.items() if (events := read())}


def conclude(events: Iterable[Event]) -> Session:
    """Return the one session that events are about."""
    events = list(events)
    (session,) = [
        session
        for session in sessions(move_home(events), lost=False).values()
        if session.tasks or session.tool_calls or session.model_calls
    ]
    return session


def find_truth(session: Session) -> Truth:
    """Return what a session says of itself."""
    return Truth(
        agents=" ".join(sorted(task.agent or "?" for task in session.tasks)),
        widths=tuple(fanout.width for fanout in find_fanouts(session.tasks)),
        calls=len(session.tool_calls),
        model_calls=len(session.model_calls),
    )


@pytest.mark.parametrize("name", sorted(TRUTHS))
def test_channels_tell_the_same_story(name: str, tmp_path: Path) -> None:
    """Alone, in pairs and all together: the same agents, calls, model calls and parallel work."""
    channels = read_channels(name, tmp_path)
    assert channels
    for size in range(1, len(channels) + 1):
        for chosen in combinations(channels, size):
            key = (name, " ".join(chosen))
            expected = TRUTHS[name]._replace(**{**NOT_TOLD.get(key, {}), **GAPS.get(key, {})})
            session = conclude(event for channel in chosen for event in channels[channel])
            assert find_truth(session) == expected, key
            assert session.source == name.partition("/")[0], key


@pytest.mark.parametrize("name", sorted(TRUTHS))
def test_channels_may_come_in_any_order(name: str, tmp_path: Path) -> None:
    """All events shuffled and partly doubled give the same session."""
    events = [event for channel in read_channels(name, tmp_path).values() for event in channel]
    expected, random = conclude(events), Random(3)
    for _ in range(5):
        turned = [*events, *random.choices(events, k=20)]
        random.shuffle(turned)
        assert conclude(turned) == expected


@pytest.mark.parametrize("name", sorted(TRUTHS))
def test_no_channel_reverses_an_outcome(name: str, tmp_path: Path) -> None:
    """A call that failed by one channel is no success by another: it failed, or nobody knows."""
    outcomes: dict[str, set[Outcome]] = {}
    channels = read_channels(name, tmp_path)
    for events in channels.values():
        for call in conclude(events).tool_calls:
            outcomes.setdefault(call.id, set()).add(call.outcome)
    contradicting = {id for id, words in outcomes.items() if {Outcome.SUCCESS, Outcome.FAILURE} <= words}

    if name.startswith("codex"):
        # Codex's hooks report that a command ran; its history has the exit code.
        pytest.skip("Codex's hooks do not tell a command's exit code")
    assert contradicting == set()


def test_every_client_has_its_truth() -> None:
    """The table covers all recordings, and each gap is one of a recording."""
    recorded = {path.parent.relative_to(CLIENTS).as_posix() for path in CLIENTS.glob("*/*/scenario.json")}

    assert set(TRUTHS) == recorded
    assert {name for name, _ in GAPS} <= recorded
