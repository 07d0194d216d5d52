"""Transcripts of real sessions: nothing raises, and counts agree with counts made without Stretto."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from stretto import journal
from stretto.demo.recorded_sessions import parse_hook_payload
from stretto.features.collection_filter import Collection
from stretto.features.feature_switches import MINIMAL
from stretto.figures.fanouts import find_fanouts
from stretto.model.conclude_session import conclude_session
from stretto.model.entities import Session, Task
from stretto.model.event import Event, Kind, Outcome
from stretto.model.facts import SessionFacts
from stretto.model.fold import fold_events
from stretto.sources import read_hook_recordings
from stretto.sources.transcript import find_transcripts, read_transcript

DATA = Path(__file__).parents[3] / "shared/data"
SCRIPTED = DATA / "claude-code-scripted"
ERK = DATA / "transcripts-erk/sessions"
SPOTTER = DATA / "transcripts-spotter"

SLACK = 60_000_000
"""Nanoseconds by which two tellings of one length may differ, where 5 % of it is less."""

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not DATA.is_dir(), reason="the recorded sessions are not beside the repository"),
]


@dataclass(frozen=True)
class Corpus:
    """A folder of transcripts as Stretto reads it."""

    events: dict[str, list[Event]]
    """By session."""
    rejects: list[tuple[str, int, str]]
    sessions: dict[str, Session]

    @property
    def tasks(self) -> list[Task]:
        """All tasks of all sessions."""
        return [task for session in self.sessions.values() for task in session.tasks]


def conclude_events(events: list[Event], *, lost: bool) -> Session:
    """Return the session of the events; its tasks' types are their descriptions."""
    facts = SessionFacts(events[0].session)
    fold_events(facts, events)
    return conclude_session(facts, lost=lost, classify=lambda description, _: description or "other")


def corpus(folder: Path) -> Corpus:
    """Read every transcript in a folder to its end, as history."""
    events: dict[str, list[Event]] = defaultdict(list)
    rejects = []
    for transcript in find_transcripts(folder):
        chunk = read_transcript(transcript, at_rest=True)
        while True:
            for event in chunk.events:
                events[event.session].append(event)
            rejects += [(transcript.path.name, offset, reason) for offset, reason in chunk.rejects]
            if chunk.ended:
                break
            chunk = read_transcript(transcript, chunk.offset, chunk.checkpoint, at_rest=True)
    return Corpus(
        events, rejects, {id: conclude_events(members, lost=True) for id, members in events.items()}
    )


@pytest.fixture(scope="module")
def erk() -> Corpus:
    """Return 64 sessions with parallel agents, of clients 2.0.67 and 2.1.50 to 2.1.63."""
    return corpus(ERK)


@pytest.fixture(scope="module")
def spotter() -> Corpus:
    """Return long sessions with the files of their agents, of clients 2.1.38 and 2.1.39."""
    return corpus(SPOTTER)


def test_at_level_minimal_a_session_is_five_times_smaller(erk: Corpus, spotter: Corpus) -> None:
    """The journals of both corpora are, and each session has the tasks of the whole record."""
    minimal = Collection(level=MINIMAL)
    for read in (erk, spotter):
        kept = {
            id: [event for event in events if minimal.keep_event(event) is not None]
            for id, events in read.events.items()
        }
        detailed_bytes, minimal_bytes = (
            sum(len(journal.encode_event(event)) for events in each.values() for event in events)
            for each in (read.events, kept)
        )
        assert detailed_bytes >= 5 * minimal_bytes
        for id, session in read.sessions.items():
            tasks = conclude_events(kept[id], lost=True).tasks
            assert [(task.id, task.agent, task.start, task.end) for task in tasks] == [
                (task.id, task.agent, task.start, task.end) for task in session.tasks
            ]


def lines_of(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield every line of a folder's transcripts, and each message that a progress line copies."""
    for path in sorted([*folder.rglob("*.jsonl"), *folder.rglob("*.jsonl.gz")]):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for text in data.splitlines():
            line = json.loads(text)
            yield line
            if line["type"] == "progress" and line["data"]["type"] == "agent_progress":
                yield {**line["data"]["message"], "sessionId": line["sessionId"]}


def blocks_of(folder: Path, type: str) -> dict[str, dict[str, Any]]:
    """Return the blocks of a type in a folder's messages, by the call they are about."""
    blocks = {}
    for line in lines_of(folder):
        content = line.get("message", {}).get("content") if line["type"] in {"user", "assistant"} else None
        for block in content if isinstance(content, list) else ():
            if block.get("type") == type:
                blocks[block.get("id") or block["tool_use_id"]] = {
                    **block,
                    "result": line.get("toolUseResult"),
                }
    return blocks


def tokens_of(folder: Path) -> Counter[str]:
    """Return the tokens of a folder's messages, by the last line of each message."""
    usage = {}
    for line in lines_of(folder):
        if line["type"] == "assistant" and line["message"]["model"] != "<synthetic>":
            usage[line["sessionId"], line["message"]["id"]] = line["message"]["usage"]
    total: Counter[str] = Counter(calls=len(usage))
    for used in usage.values():
        total["input_tokens"] += used["input_tokens"]
        total["output_tokens"] += used["output_tokens"]
        total["cache_read_tokens"] += used["cache_read_input_tokens"]
        total["cache_write_tokens"] += used["cache_creation_input_tokens"]
    return total


def tokens_of_events(read: Corpus) -> Counter[str]:
    """Return the tokens in the events, by the largest count of each message."""
    usage: dict[tuple[str, str | None], Counter[str]] = defaultdict(Counter)
    for session, events in read.events.items():
        for event in events:
            if event.kind is Kind.MODEL_CALL:
                counts = {
                    name: value
                    for name, value in event.attributes.items()
                    if name.endswith("_tokens") and "_1h_" not in name and isinstance(value, int)
                }
                usage[session, event.id] |= Counter(counts)
    return sum(usage.values(), Counter(calls=len(usage)))


# The same runs by hooks and by transcript.


@pytest.fixture(scope="module", params=["fanout", "sequential", "two-phase", "fanout-background"])
def both(request: pytest.FixtureRequest) -> tuple[Session, Session, Session]:
    """Return a scripted session by its hooks, by its transcripts, and by both together."""
    folder = SCRIPTED / request.param
    hooks = read_hook_recordings.read_recording(folder / "hooks.jsonl", parse_hook_payload).events
    (events,) = corpus(folder / "projects").events.values()
    return (
        conclude_events([*hooks], lost=False),
        conclude_events(events, lost=True),
        conclude_events([*events, *hooks], lost=False),
    )


def test_scripted_tasks_agree(both: tuple[Session, Session, Session]) -> None:
    """Tasks agree in all but edges, and that no transcript is live; in length within 5 % or 60 ms.

    The size of an agent's last request is in the transcript alone.
    """
    by_hooks, by_transcript, _ = both
    mine = {task.id: task for task in by_transcript.tasks}
    theirs = {task.id: task for task in by_hooks.tasks}
    assert {
        id: structs.replace(task, start=None, end=None, seen=True, declared_prompt=None)
        for id, task in mine.items()
    } == {id: structs.replace(task, start=None, end=None) for id, task in theirs.items()}
    for id, task in mine.items():
        interval, other = task.interval, theirs[id].interval
        assert interval is not None
        assert other is not None
        assert interval.length == pytest.approx(other.length, rel=0.05, abs=SLACK)


def test_scripted_calls_agree(both: tuple[Session, Session, Session]) -> None:
    """Calls agree in tool, task and outcome, and in the time from call to result within 5 % or 60 ms.

    Gaps: a transcript does not measure execution, which hooks do, so its length holds hooks and waiting as
    well and overhead is unknown. The line of a call that starts an agent is written while the model still
    speaks: only its result's time is compared, and its task's length above.
    """
    by_hooks, by_transcript, _ = both
    mine = {call.id: call for call in by_transcript.tool_calls}
    theirs = {call.id: call for call in by_hooks.tool_calls}
    assert {id: (call.tool, call.task, call.outcome) for id, call in mine.items()} == {
        id: (call.tool, call.task, call.outcome) for id, call in theirs.items()
    }
    for id, call in mine.items():
        other = theirs[id]
        assert call.end == pytest.approx(other.end, abs=SLACK)
        assert call.overhead is None
        assert call.duration is not None
        assert other.duration is not None
        assert call.duration >= other.duration
        if call.tool != "Agent":
            assert call.end is not None
            assert call.start is not None
            length = (other.end or 0) - (other.start or 0)
            assert call.end - call.start == pytest.approx(length, rel=0.05, abs=SLACK)


def test_scripted_turns_agree(both: tuple[Session, Session, Session]) -> None:
    """Turns agree in identity, origin and outcome, and in their edges within 60 ms.

    No transcript reports that a session has ended. Its last turn ended well, so it has succeeded.
    """
    by_hooks, by_transcript, _ = both
    assert [(turn.id, turn.origin, turn.outcome) for turn in by_transcript.turns] == [
        (turn.id, turn.origin, turn.outcome) for turn in by_hooks.turns
    ]
    for mine, theirs in zip(by_transcript.turns, by_hooks.turns, strict=True):
        assert mine.start == pytest.approx(theirs.start, abs=SLACK)
        assert mine.end == pytest.approx(theirs.end, abs=SLACK)
    assert by_transcript.project == by_hooks.project
    assert (by_transcript.outcome, by_hooks.outcome) == (Outcome.SUCCESS, Outcome.SUCCESS)


def test_scripted_speedup_agrees(both: tuple[Session, Session, Session]) -> None:
    """Fan-outs are the same, and the work over elapsed of each is within 5 %."""
    by_hooks, by_transcript, _ = both
    mine, theirs = find_fanouts(by_transcript.tasks), find_fanouts(by_hooks.tasks)
    assert [fanout.width for fanout in mine] == [fanout.width for fanout in theirs]
    for hooked, other in zip(mine, theirs, strict=True):
        assert hooked.work / hooked.elapsed == pytest.approx(other.work / other.elapsed, rel=0.05)


def test_scripted_tellings_merge(both: tuple[Session, Session, Session]) -> None:
    """Hooks and transcripts together count as a single session, with the hooks' durations."""
    by_hooks, _, merged = both
    assert {task.id: task.outcome for task in merged.tasks} == {
        task.id: task.outcome for task in by_hooks.tasks
    }
    assert {call.id: (call.duration, call.outcome) for call in merged.tool_calls} == {
        call.id: (call.duration, call.outcome) for call in by_hooks.tool_calls
    }
    assert [turn.id for turn in merged.turns] == [turn.id for turn in by_hooks.turns]


# Strangers' sessions.


@pytest.mark.parametrize("folder", ["erk", "spotter"])
def test_everything_is_read(folder: str, request: pytest.FixtureRequest) -> None:
    """No line is rejected, and the journal accepts every event."""
    read: Corpus = request.getfixturevalue(folder)
    assert read.rejects == []
    for events in read.events.values():
        for event in events:
            assert journal.parse_line(journal.encode_event(event).strip()) == event


@pytest.mark.parametrize("folder", ["erk", "spotter"])
def test_every_call_is_found(folder: str, request: pytest.FixtureRequest) -> None:
    """Every call and result in the files is a call of some session, with its result's outcome."""
    read: Corpus = request.getfixturevalue(folder)
    path = {"erk": ERK, "spotter": SPOTTER}[folder]
    uses, results = blocks_of(path, "tool_use"), blocks_of(path, "tool_result")
    calls = {call.id: call for session in read.sessions.values() for call in session.tool_calls}
    assert {id: call.tool for id, call in calls.items()} == {id: use["name"] for id, use in uses.items()}
    assert {id for id, call in calls.items() if call.end is not None} == set(results)
    wrong = {id for id, result in results.items() if result.get("is_error")}
    assert {id for id, call in calls.items() if call.outcome in {Outcome.FAILURE, Outcome.CANCELLED}} == wrong
    rejected = {id for id in wrong if results[id]["result"] == "User rejected tool use"}
    assert rejected <= {id for id, call in calls.items() if call.outcome is Outcome.CANCELLED}


@pytest.mark.parametrize("folder", ["erk", "spotter"])
def test_tokens_are_counted_once(folder: str, request: pytest.FixtureRequest) -> None:
    """Model calls and their tokens are those of an independent count by message."""
    read: Corpus = request.getfixturevalue(folder)
    counted = tokens_of({"erk": ERK, "spotter": SPOTTER}[folder])
    assert tokens_of_events(read) == counted
    assert counted["output_tokens"] > 100_000


def test_erk_tasks(erk: Corpus) -> None:
    """Of 459 delegations 458 are tasks: one was cut off with its session before an agent was known for it."""
    uses = blocks_of(ERK, "tool_use")
    delegating = {id for id, use in uses.items() if use["name"] in {"Task", "Agent"}}
    assert len(delegating) == 459
    without_agent = delegating - {task.delegated_by for task in erk.tasks}
    assert without_agent == {"toolu_01YECvtR2eptpXT1ZnzSiimq"}
    assert not without_agent & set(blocks_of(ERK, "tool_result"))
    assert len(erk.tasks) == 458
    assert Counter(task.end is not None for task in erk.tasks) == {True: 456, False: 2}
    assert all(task.outcome is Outcome.UNKNOWN for task in erk.tasks if task.end is None)


def test_erk_measured_lengths_are_reproduced(erk: Corpus) -> None:
    """The 325 tasks with a length measured by the client have it, within 60 ms."""
    results = blocks_of(ERK, "tool_result")
    measured = {
        id: result["result"]["totalDurationMs"]
        for id, result in results.items()
        if isinstance(result["result"], dict) and "totalDurationMs" in result["result"]
    }
    assert len(measured) == 325
    lengths = {task.delegated_by: task.interval.length for task in erk.tasks if task.interval is not None}
    for id, expected in measured.items():
        assert lengths[id] == pytest.approx(expected * 1_000_000, abs=SLACK)


def test_erk_background_tasks_end_with_their_notification(erk: Corpus) -> None:
    """The 131 notified background agents end when their notification was queued."""
    queued = {}
    for line in lines_of(ERK):
        content = line.get("content") if line["type"] == "queue-operation" else None
        if isinstance(content, str) and content.startswith("<agent-notification>"):
            queued[content.partition("<agent-id>")[2].partition("<")[0]] = line["timestamp"]
    ends = {
        event.id: event.time
        for events in erk.events.values()
        for event in events
        if event.kind is Kind.TASK_END
    }
    tasks = {task.id: task for task in erk.tasks}
    assert len(queued) == 131
    assert queued.keys() <= ends.keys()
    for id in queued:
        task = tasks[id]
        assert task.end == ends[id]
        assert task.outcome is Outcome.SUCCESS
        assert task.start is not None


def test_erk_widest_fanout(erk: Corpus) -> None:
    """Nine agents of a message are a single fan-out; a tenth, launched meanwhile, widens it."""
    widest = max(
        (fanout for s in erk.sessions.values() for fanout in find_fanouts(s.tasks)), key=lambda f: f.width
    )
    starts = sorted(task.start or 0 for task in widest.tasks)
    assert sum(start - starts[0] < 100_000_000 for start in starts) == 9
    assert widest.width == 10
    widths = Counter(fanout.width for s in erk.sessions.values() for fanout in find_fanouts(s.tasks))
    assert {2, 3, 4, 5, 6, 8} < widths.keys()


def test_erk_in_small_pieces(erk: Corpus) -> None:
    """Read in pieces of 64 KiB, the sessions give the same events."""
    events: dict[str, list[Event]] = defaultdict(list)
    for transcript in find_transcripts(ERK):
        if transcript.path.suffix == ".gz":
            continue
        chunk = read_transcript(transcript, limit=1 << 16, at_rest=True)
        while True:
            for event in chunk.events:
                events[event.session].append(event)
            if chunk.ended:
                break
            chunk = read_transcript(transcript, chunk.offset, chunk.checkpoint, limit=1 << 16, at_rest=True)
    assert len(events) == 3
    assert all(erk.events[session] == members for session, members in events.items())


def test_spotter_tasks(spotter: Corpus) -> None:
    """Seven agents ran, one without its session's file; compactions are no tasks, but cost tokens."""
    assert len(spotter.tasks) == 7
    orphan = spotter.sessions["6c2214d7-b87e-4432-8e41-22ba294ea584"]
    (task,) = orphan.tasks
    assert (task.id, task.agent, task.delegated_by) == ("afc096d", None, None)
    assert task.interval is not None
    assert len(orphan.tool_calls) > 0
    assert {call.task for call in orphan.tool_calls} == {"afc096d"}
    compacted = [
        event for events in spotter.events.values() for event in events if event.kind is Kind.COMPACTION_END
    ]
    assert len(compacted) == 5


def test_spotter_notified_shell_commands_are_no_tasks(spotter: Corpus) -> None:
    """The host's turns after background shell commands are turns, and give no tasks."""
    turns = [turn for session in spotter.sessions.values() for turn in session.turns]
    assert Counter(turn.origin for turn in turns) == {"user": 12, "host": 5}
    assert all(task.id.startswith("a") for task in spotter.tasks)
