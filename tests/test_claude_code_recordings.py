"""Runs of the real Claude Code without a network: hooks, telemetry and transcripts tell the same story.

``compaction``: a prompt, ``/compact`` by a second process, a prompt by a third. ``background-session``:
``claude --bg``, then ``claude stop``. ``named-agents``: two agents with names and agent teams switched on,
which outside of a terminal are ordinary agents in the background. ``client-2.0.76``: an old client, whose
"Warmup" agents are no tasks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stretto import journal
from stretto.clock import SECOND
from stretto.demo.recorded_sessions import parse_hook_payload
from stretto.figures.fanouts import find_fanouts
from stretto.model.entities import Session
from stretto.model.event import Event, Outcome
from stretto.sources.otlp.receive import OtlpTranslator, Signal
from stretto.sources.read_hook_recordings import read_recording
from stretto.sources.transcript.reading import find_transcripts, read_transcript
from tests.fakes import ROOT
from tests.otlp_requests import JSON, as_json, events_of, only_session

RECORDED = ROOT / "tests" / "recorded" / "claude-code"
LATER = 1_900_000_000 * SECOND


class Truth(NamedTuple):
    """What happened in a run."""

    tasks: str
    """Kind of each agent, by start."""
    widths: tuple[int, ...]
    prompts: int
    """Prompts of the user and the host; without commands such as ``/compact``."""
    calls: str
    """Tool and outcome of each call, sorted."""


TRUTHS = {
    "compaction": Truth("", (), 2, "Bash+"),
    "background-session": Truth("", (), 1, "Agent/ Agent/ Bash+ Bash- Read-"),
    "named-agents": Truth(
        "general-purpose general-purpose", (2,), 3, "Agent+ Agent+ Bash+ Bash- TeamCreate-"
    ),
    "client-2.0.76": Truth("Explore general-purpose", (2,), 1, "Bash+ Bash+ Bash- Bash- Read- Task+ Task+"),
}

MARKS = {Outcome.SUCCESS: "+", Outcome.FAILURE: "-", Outcome.CANCELLED: "/", Outcome.UNKNOWN: "?"}

NOT_TOLD: dict[tuple[str, str], dict[str, Any]] = {
    # A call with an invalid input never ran: telemetry does not report it.
    ("background-session", "otlp"): {"calls": "Agent/ Agent/ Bash+ Read-"},
    ("named-agents", "otlp"): {"calls": "Agent+ Agent+ Bash+ Bash-"},
    # Telemetry reports the command, too, which is no prompt to the agent.
    ("compaction", "otlp"): {"prompts": 3},
    ("compaction", "hooks otlp"): {"prompts": 3},
    ("compaction", "otlp history"): {"prompts": 3},
    ("compaction", "hooks otlp history"): {"prompts": 3},
    # The old client calls no hook for a call that failed, and its telemetry names neither agents nor turns.
    ("client-2.0.76", "hooks"): {"calls": "Bash+ Bash+ Bash? Task+ Task+"},
    ("client-2.0.76", "otlp"): {"tasks": "? ?", "prompts": 0, "calls": "Bash+ Bash+ Bash- Task+ Task+"},
    ("client-2.0.76", "hooks otlp"): {"calls": "Bash+ Bash+ Bash- Task+ Task+"},
}
"""(run, channels) → the parts that those channels do not report."""


def read_hooks(run: Path) -> list[Event]:
    """Return the events of the hooks."""
    parse = partial(parse_hook_payload, agent="claude-code", key=b"key")
    return [*read_recording(run / "hooks.jsonl", parse).events]


def read_telemetry(run: Path) -> list[Event]:
    """Return the events of the spans and log events."""
    receiver, events = OtlpTranslator(journal.encode_event), list[Event]()
    for line in (run / "otlp.jsonl").read_text("utf-8").splitlines():
        request = json.loads(line)
        body = request.get("body", request)
        if "resourceMetrics" in body:
            continue
        signal = Signal.TRACES if "resourceSpans" in body else Signal.LOGS
        result = receiver.receive_request(signal, as_json(body), content_type=JSON, now=LATER)
        events += events_of(result.records)
    return events


def read_history(run: Path) -> list[Event]:
    """Return the events of the transcripts."""
    transcripts = find_transcripts(run / "projects")
    return [event for each in transcripts for event in read_transcript(each, at_rest=True).events]


CHANNELS: dict[str, Callable[[Path], list[Event]]] = {
    "hooks": read_hooks,
    "otlp": read_telemetry,
    "history": read_history,
}


def find_truth(session: Session) -> Truth:
    """Return what a session says of itself."""
    return Truth(
        tasks=" ".join(task.agent or "?" for task in session.tasks),
        widths=tuple(fanout.width for fanout in find_fanouts(session.tasks)),
        prompts=len(session.turns),
        calls=" ".join(sorted(f"{call.tool}{MARKS[call.outcome]}" for call in session.tool_calls)),
    )


@pytest.mark.parametrize("name", sorted(TRUTHS))
def test_each_set_of_channels_tells_the_same_story(name: str) -> None:
    """Alone, in pairs and all together: one session, no task or call too many, none with another outcome."""
    channels = {channel: read(RECORDED / name) for channel, read in CHANNELS.items()}
    for size in range(1, len(channels) + 1):
        for chosen in combinations(channels, size):
            key = (name, " ".join(chosen))
            session = only_session([event for channel in chosen for event in channels[channel]])
            assert find_truth(session) == TRUTHS[name]._replace(**NOT_TOLD.get(key, {})), key


@pytest.mark.parametrize("name", ["background-session", "named-agents", "compaction"])
def test_the_end_is_that_of_the_hooks(name: str) -> None:
    """A session in the background ends when it is stopped, a resumed one with its last process."""
    session = only_session(read_hooks(RECORDED / name))

    assert session.end == session.last
    assert session.outcome is Outcome.SUCCESS
    assert len(session.ends) == (3 if name == "compaction" else 1)
