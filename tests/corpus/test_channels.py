"""Channels: a run of a real client is the same session by hooks, OTLP and history, alone and together.

Each recording is a run of a scripted model, so that the truth is known. A channel that cannot know may leave
out a part; two channels together may neither double anything nor invent parallel work.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
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
from stretto.demo.recorded_sessions import parse_hook_payload
from stretto.figures.fanouts import Fanout, find_fanouts
from stretto.model.entities import Session
from stretto.model.event import Event, Kind, Outcome
from stretto.sources.otlp.receive import OtlpTranslator, Signal
from stretto.sources.read_hook_recordings import read_recording

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
    input_tokens: int | None
    """With those read from the cache: a channel that does not know the cache counts them as input."""
    output_tokens: int | None
    nested: str = ""
    """The tasks below another task, as ``child<parent``."""


TRUTHS = {
    "codex/multi_agent_v1-gpt-5.2-codex": Truth("explorer worker", (2,), 12, 14, 15_722, 630),
    "codex/multi_agent_v2-code-mode-gpt-6.2-sol": Truth(
        "default default default", (2,), 15, 15, 16_845, 675, "gamma<beta"
    ),
    "copilot-cli/agents-sync-background": Truth(
        "explore explore general-purpose general-purpose task", (3, 2), 18, 17, 19_091, 765
    ),
    "gemini-cli/three-agents": Truth("codebase_investigator generalist helper", (3,), 15, 30, 33_690, 1_350),
    "opencode/three-agents": Truth("explore general general", (3,), 13, 11, 12_353, 495),
    "pi/parallel-tools": Truth("", (), 4, 3, 3_369, 135),
    "qwen-code/agents-foreground-background": Truth("Explore general-purpose", (), 10, 10, 11_230, 450),
    "droid/tools-and-failed-tasks": Truth("helper worker", (2,), 7, 4, None, None),
}

NO_MODELS = {"model_calls": 0, "input_tokens": None, "output_tokens": None}

NOT_TOLD: dict[tuple[str, str], dict[str, Any]] = {
    **{(client, "hooks"): NO_MODELS for client in TRUTHS},
    # Its spans leave out the tokens of thoughts.
    **{
        ("gemini-cli/three-agents", channels): {"output_tokens": 1_200} for channels in ("otlp", "hooks otlp")
    },
    # Its failed calls have no end hook: how long its tasks were is not known.
    ("droid/tools-and-failed-tasks", "hooks"): {**NO_MODELS, "widths": ()},
    # With the times of its hooks the two overlap for less than the doubt about such times.
    ("droid/tools-and-failed-tasks", "hooks history"): {"widths": ()},
}
"""(client, channels) → the parts that those channels cannot know, with what they leave of them."""

GAPS: dict[tuple[str, str], dict[str, Any]] = {
    # The span of one task call is missing, and agents have no spans.
    ("opencode/three-agents", "otlp"): {
        "agents": "",
        "widths": (),
        "calls": 12,
        "model_calls": 10,
        "input_tokens": 11_230,
        "output_tokens": 450,
    },
}
"""(client, channels) → what is told otherwise. The list only shrinks."""

EDGE = 0.6
"""Seconds by which the edges of a task may differ from those that the client's history has."""

LATE_EDGES: dict[tuple[str, str], float] = {
    # The hooks of a busy machine start up to 0.8 s late; no other channel with a better rank knows the start.
    ("codex/multi_agent_v2-code-mode-gpt-6.2-sol", "hooks"): 0.8,
    ("codex/multi_agent_v2-code-mode-gpt-6.2-sol", "hooks history"): 0.8,
    # Its stop hooks run before the client is done with the agent.
    ("copilot-cli/agents-sync-background", "hooks"): 2.5,
    # The call of the agent is asked for, and begins after the hooks of its round.
    ("droid/tools-and-failed-tasks", "hooks"): 1.0,
    ("droid/tools-and-failed-tasks", "hooks history"): 1.0,
    # The call's hook comes before the agent starts, and the history has the end of the whole round.
    ("gemini-cli/three-agents", "hooks"): 1.4,
    ("gemini-cli/three-agents", "otlp"): 0.8,
    ("gemini-cli/three-agents", "hooks otlp"): 0.8,
    ("gemini-cli/three-agents", "otlp history"): 0.8,
    ("gemini-cli/three-agents", "hooks otlp history"): 0.8,
}
"""(client, channels) → the seconds by which an edge differs, with the cause. The list only shrinks."""


OTHER_SPEEDUPS = frozenset(
    {
        # Two of its agents ran for a few seconds, and its hooks call each 1 s or more before it starts.
        ("gemini-cli/three-agents", "hooks"),
    }
)
"""(client, channels) by which a speed-up differs, with the cause. The list only shrinks."""


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
    return receive_all(list_requests(client))


def list_requests(client: Path) -> list[dict[str, Any]]:
    """Return the bodies of the recorded requests."""
    path = client / "otlp.jsonl"
    if not path.exists():
        return []
    bodies = [json.loads(line)["body"] for line in path.read_text("utf-8").splitlines()]
    return [with_hex_ids(json.loads(body) if isinstance(body, str) else body) for body in bodies]


def receive_all(requests: Iterable[dict[str, Any]], *, restart_at: int = -1) -> list[Event]:
    """Return the events of requests; the receiver may be restarted before one of them."""
    receiver, events = OtlpTranslator(journal.encode_event), list[Event]()
    for number, body in enumerate(requests):
        if number == restart_at:
            receiver = OtlpTranslator(journal.encode_event)
            receiver.recall_sessions(events)
        signal = Signal.TRACES if "resourceSpans" in body else Signal.LOGS
        if "resourceMetrics" not in body:
            result = receiver.receive_request(signal, as_json(body), content_type=JSON, now=LATER)
            events += events_of(result.records)
    return events


def split_request(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a request for each span and log record of a request."""
    for resources, scopes, items in (
        ("resourceSpans", "scopeSpans", "spans"),
        ("resourceLogs", "scopeLogs", "logRecords"),
    ):
        for resource in body.get(resources, []):
            for scope in resource[scopes]:
                for item in scope.get(items, []):
                    yield {resources: [{**resource, scopes: [{**scope, items: [item]}]}]}


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
        input_tokens=_sum_known(
            tokens for call in session.model_calls for tokens in (call.tokens.input, call.tokens.cache_read)
        ),
        output_tokens=_sum_known(call.tokens.output for call in session.model_calls),
        nested=" ".join(sorted(_list_nested(session))),
    )


def _sum_known(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _list_nested(session: Session) -> Iterator[str]:
    names = {task.id: task.description or task.agent for task in session.tasks}
    for task in session.tasks:
        if task.parent is not None:
            yield f"{names[task.id]}<{names.get(task.parent)}"


@pytest.mark.parametrize("name", sorted(TRUTHS))
def test_channels_tell_the_same_story(name: str, tmp_path: Path) -> None:
    """Alone, in pairs and all together: the same agents, parents, calls, tokens and parallel work."""
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
def test_edges_of_tasks_agree(name: str, tmp_path: Path) -> None:
    """Starts and ends of tasks are those of the client's history, but for what the table explains."""
    channels = read_channels(name, tmp_path)
    reference = _list_edges(conclude(channels["history"]))
    for size in range(1, len(channels) + 1):
        for chosen in combinations(channels, size):
            key = (name, " ".join(chosen))
            edges = _list_edges(conclude(event for channel in chosen for event in channels[channel]))
            if key in GAPS:
                continue
            differences = [
                abs(mine - its) / SECOND
                for pair, reference_pair in zip(edges, reference, strict=True)
                for mine, its in zip(pair, reference_pair, strict=True)
                if mine is not None and its is not None
            ]
            worst = max(differences, default=0)
            assert worst <= LATE_EDGES.get(key, EDGE), key
            assert key not in LATE_EDGES or worst > EDGE, f"this edge is exact now: {key}"


@pytest.mark.parametrize("name", sorted(TRUTHS))
def test_speedups_agree(name: str, tmp_path: Path) -> None:
    """Each parallel execution is as fast by every set of channels: to 5 %, or 0.3 s of its length."""
    channels = read_channels(name, tmp_path)
    reference = find_fanouts(conclude(channels["history"]).tasks)
    for size in range(1, len(channels) + 1):
        for chosen in combinations(channels, size):
            key = (name, " ".join(chosen))
            if key in GAPS or "widths" in NOT_TOLD.get(key, {}):
                continue
            fanouts = find_fanouts(conclude(event for channel in chosen for event in channels[channel]).tasks)
            assert len(fanouts) == len(reference), key
            agree = all(map(_are_as_fast, fanouts, reference))
            assert agree == (key not in OTHER_SPEEDUPS), key


def _are_as_fast(fanout: Fanout, reference: Fanout) -> bool:
    speedup, expected = (each.delivered_work / each.elapsed for each in (fanout, reference))
    return abs(speedup - expected) <= expected * max(0.05, 0.3 * SECOND / reference.elapsed)


def _list_edges(session: Session) -> list[tuple[int | None, int | None]]:
    tasks = sorted(session.tasks, key=lambda task: (task.agent or "", task.start or 0))
    return [(task.start, task.end) for task in tasks]


@pytest.mark.parametrize("name", sorted(TRUTHS))
def test_channels_may_come_in_any_order(name: str, tmp_path: Path) -> None:
    """All events shuffled and partly doubled give the same session."""
    events = [event for channel in read_channels(name, tmp_path).values() for event in channel]
    expected, random = conclude(events), Random(3)
    for _ in range(5):
        turned = [*events, *random.choices(events, k=20)]
        random.shuffle(turned)
        assert conclude(turned) == expected


ONE_BY_ONE = sorted(name for name in TRUTHS if name.partition("/")[0] not in {"droid", "pi"})

FIRST_SPAN_NAMES_IT = {"opencode/three-agents"}
"""The clients whose agents each name a session of their own: the first span that arrives names the run."""


@pytest.mark.parametrize("way", ["in order", "reversed", "restarted"])
@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_telemetry_may_come_one_by_one(name: str, way: str) -> None:
    """One span or log event a request, in either direction or with a restart, gives the same session."""
    requests = list_requests(CLIENTS / name)
    single = [each for request in requests for each in split_request(request)]
    expected = conclude(receive_all(requests))
    if way == "reversed":
        single.reverse()
    session = conclude(receive_all(single, restart_at=len(single) // 2 if way == "restarted" else -1))

    if name in FIRST_SPAN_NAMES_IT and way == "reversed":
        assert find_truth(session) == find_truth(expected)
    else:
        assert session == expected


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
