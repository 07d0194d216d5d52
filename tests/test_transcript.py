"""Transcripts: the events of lines, sessions and agents; no line stops the reading."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from stretto import journal
from stretto.clock import SECOND
from stretto.demo.recorded_sessions import parse_hook_payload
from stretto.errors import SourceError
from stretto.figures.fanouts import find_fanouts
from stretto.model.conclude_session import conclude_session
from stretto.model.entities import Session
from stretto.model.event import Channel, Event, Kind, Outcome
from stretto.model.facts import SessionFacts
from stretto.model.fold import fold_events
from stretto.sources import read_hook_recordings
from stretto.sources.transcript import (
    Checkpoint,
    TranscriptChunk,
    TranscriptFile,
    find_newest_time,
    find_transcripts,
    identify_transcript,
    read_transcript,
    reading,
)
from stretto.sources.transcript.schema import TranscriptLine

RECORDED = Path(__file__).parent / "recorded/transcript"
MAIN = RECORDED / "projects/-home-dev-project/e8cd2941-d5b4-4cbf-9176-9085d5e9a231.jsonl"
START = 1_767_225_600 * SECOND
"""2026-01-01, when the hand-written sessions begin."""
SECRET = "words that stay at home"


def at(second: float) -> str:
    """Return an instant of a hand-written session in a transcript's format."""
    return f"2026-01-01T00:{int(second) // 60:02}:{int(second) % 60:02}.{round(second % 1 * 1000):03}Z"


def when(second: float) -> int:
    """Return the same instant in nanoseconds."""
    return START + round(second * 1000) * 1_000_000


def line(type: str, second: float, **fields: Any) -> dict[str, Any]:
    """Return a line of session s."""
    return {"type": type, "timestamp": at(second), "sessionId": "s", "cwd": "/home/dev/atelier", **fields}


def prompt(second: float, text: str = "do it", **fields: Any) -> dict[str, Any]:
    """Return a prompt's line."""
    return line("user", second, **{"uuid": f"u{second}", "message": {"content": text}, **fields})


def answer(second: float, *blocks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a line of the model: a text unless blocks are given."""
    message = {
        "id": f"m{second}",
        "model": "opus",
        "content": [*blocks] or [{"type": "text", "text": SECRET}],
    }
    extra = {key: fields.pop(key) for key in ("id", "model", "usage", "stop_reason") if key in fields}
    return line("assistant", second, message={**message, **extra}, **fields)


def use(id: str, name: str = "Bash", **order: Any) -> dict[str, Any]:
    """Return the block of a call."""
    return {"type": "tool_use", "id": id, "name": name, "input": {"command": SECRET, **order}}


def result(second: float, id: str, content: Any = SECRET, **fields: Any) -> dict[str, Any]:
    """Return the line of a call's result; ``is_error`` goes into its block."""
    block = {"type": "tool_result", "tool_use_id": id, "content": content}
    if "is_error" in fields:
        block["is_error"] = fields.pop("is_error")
    return line("user", second, message={"content": [block]}, **fields)


def notification(
    task: str, status: str = "completed", summary: str = 'Agent "x" finished', more: str = ""
) -> str:
    """Return the host's notification that a task in the background has ended."""
    return (
        f"<task-notification>\n<task-id>{task}</task-id>\n<tool-use-id>c1</tool-use-id>\n"
        f"<status>{status}</status>\n<summary>{summary}</summary>{more}\n</task-notification>"
    )


def glued(*lines: dict[str, Any]) -> bytes:
    """Return lines in the client's spelling, without newlines between them."""
    return b"".join(json.dumps(each, separators=(",", ":")).encode() for each in lines)


def written(path: Path, lines: Iterable[dict[str, Any] | bytes]) -> Path:
    """Write lines to a file, dictionaries as JSON."""
    data = [item if isinstance(item, bytes) else glued(item) for item in lines]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(item + b"\n" for item in data))
    return path


def read_file(path: Path, **options: Any) -> TranscriptChunk:
    """Return the first read of a file."""
    return read_transcript(identify_transcript(path), **options)


def events_of(tmp_path: Path, *lines: dict[str, Any] | bytes, at_rest: bool = False) -> tuple[Event, ...]:
    """Return the events of a session's lines, none of which may be rejected."""
    chunk = read_file(written(tmp_path / "s.jsonl", lines), at_rest=at_rest)
    assert not chunk.rejects
    return chunk.events


def only(events: Iterable[Event], kind: Kind, id: str | None = None) -> Event:
    """Return the single event of a kind, with an id if it is given."""
    (match,) = (event for event in events if event.kind is kind and id in {None, event.id})
    return match


def kinds(events: Iterable[Event]) -> list[Kind]:
    """Return the kinds of events in their order."""
    return [event.kind for event in events]


def concluded(events: Iterable[Event], *, lost: bool = True) -> Session:
    """Return the session of the events; its tasks' types are their descriptions."""
    event_list = list(events)
    facts = SessionFacts(event_list[0].session)
    fold_events(facts, event_list)
    return conclude_session(facts, lost=lost, classify=lambda description, _: description or "other")


def all_events(root: Path) -> list[Event]:
    """Return the events of all transcripts under a path, none of whose lines may be rejected."""
    all_found: list[Event] = []
    for each in find_transcripts(root):
        chunk = read_transcript(each, at_rest=True)
        assert chunk.ended
        assert not chunk.rejects
        all_found.extend(chunk.events)
    return all_found


# The same session by hooks and by transcript.


@pytest.fixture(scope="module")
def by_hooks() -> Session:
    """Return the recorded session by its hooks."""
    return concluded(
        read_hook_recordings.read_recording(RECORDED / "hooks.jsonl", parse_hook_payload).events, lost=False
    )


@pytest.fixture(scope="module")
def by_transcript() -> Session:
    """Return the same session by its transcripts."""
    return concluded(all_events(RECORDED / "projects"))


def test_tasks_are_those_of_the_hooks(by_hooks: Session, by_transcript: Session) -> None:
    """Tasks agree with the hooks' in identity, agent, description, order, outcome, length and start.

    The size of an agent's last request is in the transcript alone.
    """
    facts_by_source = {
        name: {
            task.id: structs.replace(task, start=None, end=None, seen=True, declared_prompt=None)
            for task in session.tasks
        }
        for name, session in (("hooks", by_hooks), ("transcript", by_transcript))
    }
    assert facts_by_source["transcript"] == facts_by_source["hooks"]
    assert len(facts_by_source["hooks"]) == 3
    for mine, theirs in zip(by_transcript.tasks, by_hooks.tasks, strict=True):
        assert mine.interval is not None
        assert theirs.interval is not None
        assert mine.interval.length == pytest.approx(theirs.interval.length, rel=0.05, abs=60e6)
        assert mine.interval.start == pytest.approx(theirs.interval.start, abs=60e6)


def test_tool_calls_are_those_of_the_hooks(by_hooks: Session, by_transcript: Session) -> None:
    """Calls agree with the hooks' in identity, tool, task, outcome and the time from call to result.

    The gap: hooks carry the execution as the client measured it, transcripts do not. Their length holds
    waiting and hooks too, so it is never the shorter; and what of it is overhead is unknown.
    """
    facts_by_source = {
        name: {call.id: (call.tool, call.task, call.outcome) for call in session.tool_calls}
        for name, session in (("hooks", by_hooks), ("transcript", by_transcript))
    }
    assert facts_by_source["transcript"] == facts_by_source["hooks"]
    assert len(facts_by_source["hooks"]) == 12
    theirs = {call.id: call for call in by_hooks.tool_calls}
    for mine in by_transcript.tool_calls:
        other = theirs[mine.id]
        assert mine.start is not None and mine.end is not None and mine.duration is not None  # noqa: PT018  # one fact
        assert other.start is not None and other.end is not None and other.duration is not None  # noqa: PT018  # same
        if mine.tool != "Agent":
            length = other.end - other.start
            assert mine.end - mine.start == pytest.approx(length, rel=0.05, abs=60e6)
        assert mine.duration >= other.duration
        assert mine.overhead is None


def test_turns_are_those_of_the_hooks(by_hooks: Session, by_transcript: Session) -> None:
    """Turns agree with the hooks' in identity, origin, outcome and edges; so does the project."""
    assert [(turn.id, turn.origin, turn.outcome) for turn in by_transcript.turns] == [
        (turn.id, turn.origin, turn.outcome) for turn in by_hooks.turns
    ]
    for mine, theirs in zip(by_transcript.turns, by_hooks.turns, strict=True):
        assert mine.start == pytest.approx(theirs.start, abs=60e6)
        assert mine.end == pytest.approx(theirs.end, abs=60e6)
    assert by_transcript.project == by_hooks.project == "project"


def test_speedup_is_that_of_the_hooks(by_hooks: Session, by_transcript: Session) -> None:
    """The fan-out has the same width, and its work over elapsed is within 5 %."""
    (mine,), (theirs,) = find_fanouts(by_transcript.tasks), find_fanouts(by_hooks.tasks)
    assert mine.width == theirs.width == 3
    assert mine.work / mine.elapsed == pytest.approx(theirs.work / theirs.elapsed, rel=0.05)


def test_both_together_count_as_one(by_hooks: Session) -> None:
    """Hooks and transcripts merge: the same tasks, calls and turns, with the hooks' durations."""
    hooks = read_hook_recordings.read_recording(RECORDED / "hooks.jsonl", parse_hook_payload).events
    both = concluded([*all_events(RECORDED / "projects"), *hooks], lost=False)
    assert [task.id for task in both.tasks] == [task.id for task in by_hooks.tasks]
    assert {call.id: call.duration for call in both.tool_calls} == {
        call.id: call.duration for call in by_hooks.tool_calls
    }
    assert [turn.id for turn in both.turns] == [turn.id for turn in by_hooks.turns]
    assert both.outcome is by_hooks.outcome


def test_reading_again_changes_nothing() -> None:
    """A session that is imported twice is the same as imported once, by its ids."""
    events = all_events(RECORDED / "projects")
    assert concluded([*events, *events]) == concluded(events)


def test_model_calls_of_the_recording() -> None:
    """Each request counts once, with the script's constant tokens, at the agent that made it."""
    calls = [event for event in all_events(RECORDED / "projects") if event.kind is Kind.MODEL_CALL]
    assert len({call.id for call in calls}) == len(calls) == 12
    assert sum(call.parent is None for call in calls) == 5
    assert all(
        call.attributes
        == {
            "input_tokens": 123,
            "output_tokens": 45,
            "cache_read_tokens": 1000,
            "cache_write_tokens": 10,
            "cache_write_1h_tokens": 0,
            "complete": 1,
        }
        for call in calls
    )


def test_events_pass_the_journal() -> None:
    """The journal accepts every event, with the channel of transcripts."""
    for event in all_events(RECORDED / "projects"):
        assert journal.parse_line(journal.encode_event(event).strip()) == event
        assert event.channel is Channel.TRANSCRIPT


# What single lines say.


def test_session_starts_with_its_first_timed_line(tmp_path: Path) -> None:
    """The first line with a time starts the session, once, in the project of its folder."""
    events = events_of(
        tmp_path,
        {"type": "summary", "summary": SECRET},
        line("attachment", 1),
        prompt(2),
    )
    start = only(events, Kind.SESSION_START)
    assert (start.session, start.time, start.attributes) == ("s", when(1), {"project": "atelier"})


def test_turn_ends_where_the_model_says_so(tmp_path: Path) -> None:
    """A prompt starts a turn with its prompt id; the last answer with a stop reason ends it."""
    session = concluded(
        events_of(
            tmp_path,
            prompt(1, promptId="p"),
            answer(2, stop_reason="end_turn"),
            answer(4, stop_reason="end_turn"),
        )
    )
    (turn,) = session.turns
    assert (turn.id, turn.origin, turn.start, turn.end) == ("p", "user", when(1), when(4))
    assert turn.outcome is Outcome.SUCCESS


def test_turn_without_a_stop_reason_ends_when_the_next_begins(tmp_path: Path) -> None:
    """Without stop reasons, the last answer before the next prompt ends the turn."""
    lines = [
        prompt(1),
        answer(2),
        answer(3, use("c1")),
        result(4, "c1"),
        answer(5),
        prompt(9),
        answer(10, use("c2")),
    ]
    events = events_of(tmp_path, *lines)
    end = only(events, Kind.TURN_END)
    assert (end.id, end.time, end.outcome) == ("u1", when(5), Outcome.SUCCESS)
    session = concluded(events)
    assert [turn.outcome for turn in session.turns] == [Outcome.SUCCESS, Outcome.UNKNOWN]


@pytest.mark.parametrize("subtype", ["turn_duration", "stop_hook_summary"])
def test_client_marks_the_end_of_a_turn(tmp_path: Path, subtype: str) -> None:
    """The client's line after a turn confirms that the last answer ended it, at the answer's time."""
    events = events_of(tmp_path, prompt(1), answer(2), line("system", 3, subtype=subtype))
    assert only(events, Kind.TURN_END).time == when(2)


def test_silence_ends_a_turn_only_at_rest(tmp_path: Path) -> None:
    """The last answer of a file ends the turn only if the file is at rest."""
    assert Kind.TURN_END not in kinds(events_of(tmp_path, prompt(1), answer(2)))
    assert only(events_of(tmp_path, prompt(1), answer(2), at_rest=True), Kind.TURN_END).time == when(2)
    waiting = events_of(tmp_path, prompt(1), answer(2, use("c1")), answer(2), result(3, "c1"), at_rest=True)
    assert Kind.TURN_END not in kinds(waiting)


def test_answer_that_was_cut_off_ends_nothing(tmp_path: Path) -> None:
    """A model that ran out of tokens has not ended its turn."""
    events = events_of(tmp_path, prompt(1), answer(2, stop_reason="max_tokens"), prompt(3), at_rest=True)
    assert Kind.TURN_END not in kinds(events)


def test_rest_is_at_the_end_of_the_file(tmp_path: Path) -> None:
    """If a file at rest is read in several steps, only its last answer ends the turn."""
    path = written(
        tmp_path / "s.jsonl", [prompt(1), answer(2), answer(3, use("c1")), result(4, "c1"), answer(5)]
    )
    chunk = read_file(path, at_rest=True, limit=100)
    events = [*chunk.events]
    while not chunk.ended:
        chunk = read_transcript(
            identify_transcript(path), chunk.offset, chunk.checkpoint, at_rest=True, limit=100
        )
        events += chunk.events
    assert only(events, Kind.TURN_END).time == when(5)


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_newest_time_is_looked_for_before_long_last_lines(tmp_path: Path, suffix: str) -> None:
    """The newest time is that of the last lines, or of lines before where the last are long and have none."""
    undated = {"type": "summary", "summary": "s" * 100_000}
    for lines, newest in (([prompt(1), undated], 1), ([prompt(1), undated, prompt(9), prompt(5)], 9)):
        path = tmp_path / f"s.{suffix}"
        text = written(tmp_path / "plain.jsonl", lines).read_bytes()
        path.write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
        assert find_newest_time(path) == when(newest)
    assert find_newest_time(path, latest=when(4)) == when(1)


def test_interrupted_turn_is_cancelled(tmp_path: Path) -> None:
    """The user's interrupt ends the turn, and is no prompt."""
    text = [{"type": "text", "text": "[Request interrupted by user for tool use]"}]
    events = events_of(tmp_path, prompt(1), answer(2), line("user", 3, message={"content": text}))
    end = only(events, Kind.TURN_END)
    assert (end.time, end.outcome) == (when(3), Outcome.CANCELLED)
    assert kinds(events).count(Kind.TURN_START) == 1


def test_turn_fails_with_the_model(tmp_path: Path) -> None:
    """An error of the model's API ends the turn as a failure and is no model call."""
    events = events_of(
        tmp_path,
        prompt(1),
        answer(2, model="<synthetic>", isApiErrorMessage=True),
        answer(3, model="<synthetic>"),
    )
    assert only(events, Kind.TURN_END).outcome is Outcome.FAILURE
    assert Kind.MODEL_CALL not in kinds(events)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (
            "<command-message>erk:plan is running…</command-message>\n<command-name>/erk:plan</command-name>",
            "erk:plan",
        ),
        ("/review the branch", "review"),
        ("look at /etc", None),
        ("/no such/thing!", "no"),
        ("/äöü", None),
    ],
)
def test_command_of_a_prompt(tmp_path: Path, text: str, command: str | None) -> None:
    """A slash command is kept by its name, and only if the name is a plain word."""
    start = only(events_of(tmp_path, prompt(1, text)), Kind.TURN_START)
    assert start.attributes.get("command") == command
    assert start.attributes["prompt_length"] == len(text)


@pytest.mark.parametrize(
    "fields",
    [
        {
            "message": {
                "content": "<command-name>/clear</command-name>\n<command-message>clear</command-message>"
            }
        },
        {"message": {"content": "<local-command-stdout>cleared</local-command-stdout>"}},
        {"message": {"content": "<bash-input>ls</bash-input>"}},
        {"isMeta": True},
        {"isCompactSummary": True},
        {"isSidechain": True, "agentId": "a1"},
    ],
)
def test_line_of_the_user_that_is_no_prompt(tmp_path: Path, fields: dict[str, Any]) -> None:
    """Client commands, injected texts, summaries and agents' lines start no turn."""
    assert Kind.TURN_START not in kinds(events_of(tmp_path, prompt(1, **fields)))


def test_prompt_of_images_is_a_prompt(tmp_path: Path) -> None:
    """A prompt without text is a prompt of length 0."""
    start = only(events_of(tmp_path, prompt(1, message={"content": [{"type": "image"}]})), Kind.TURN_START)
    assert start.attributes["prompt_length"] == 0


def test_hosts_prompt_is_the_hosts_turn(tmp_path: Path) -> None:
    """A notification starts a turn of the host with the ended task and its status, and no text."""
    text = notification("a1", "failed", more=f"<result><status>completed</status>{SECRET}</result>")
    start = only(events_of(tmp_path, prompt(1, text)), Kind.TURN_START)
    assert start.type == "host"
    assert start.attributes == {
        "project": "atelier",
        "prompt_length": len(text),
        "task": "a1",
        "task_status": "failed",
        "delegated_by": "c1",
    }
    assert only(events_of(tmp_path, prompt(1, promptSource="system")), Kind.TURN_START).type == "host"


def test_agents_answer_says_nothing_of_its_end(tmp_path: Path) -> None:
    """Tags inside the agent's answer are not read as the host's."""
    inside = "<result><status>failed</status><duration_ms>7</duration_ms></result>"
    text = f"<task-notification><task-id>a1</task-id><summary>Agent x</summary>{inside}</task-notification>"
    text = text.replace("</task-n", "<usage><duration_ms>9</duration_ms></usage></task-n")
    end = only(
        events_of(tmp_path, line("queue-operation", 1, operation="enqueue", content=text)), Kind.TASK_END
    )
    assert (end.id, end.outcome, end.duration, end.attributes) == ("a1", None, 9_000_000, {})


def test_shell_command_in_the_background_is_no_task(tmp_path: Path) -> None:
    """Notifications about shell commands have the same wording, but give no task."""
    text = notification("b1", summary='Background command "make" completed (exit code 0)')
    events = events_of(
        tmp_path, line("queue-operation", 1, operation="enqueue", content=text), prompt(2, text)
    )
    assert concluded(events).tasks == ()
    assert only(events, Kind.TURN_START).type == "host"


def test_tool_call_and_its_result(tmp_path: Path) -> None:
    """A call and its result are start and end of the same call, with the tool's name on both."""
    events = events_of(
        tmp_path, prompt(1), answer(2, use("c1"), use("c2", "Read")), result(3, "c2"), result(4, "c1")
    )
    ends = [
        (event.id, event.name, event.time, event.outcome) for event in events if event.kind is Kind.TOOL_END
    ]
    assert ends == [("c2", "Read", when(3), Outcome.SUCCESS), ("c1", "Bash", when(4), Outcome.SUCCESS)]
    assert only(events, Kind.TOOL_START, "c1").name == "Bash"


def test_tests_that_a_command_runs(tmp_path: Path) -> None:
    """The end has the framework and counts, by the call's command and the result's last lines."""
    events = events_of(
        tmp_path,
        prompt(1),
        answer(2, use("c1", command="cd x && pytest -q | tail -3")),
        result(3, "c1", "F..\n1 failed, 2 passed in 0.1s"),
        answer(4, use("c2", command="go test ./...")),
        result(5, "c2", [{"type": "text", "text": "Exit code 1\nFAIL"}], is_error=True),
        answer(6, use("c3", command="pytest")),
        result(7, "c3", "User rejected tool use", is_error=True),
        answer(8, use("c4", command="pytest", run_in_background=True)),
        result(9, "c4", "Command running in background"),
    )
    ends = {event.id: dict(event.attributes) for event in events if event.kind is Kind.TOOL_END}
    counts = {"tests_passed": 2, "tests_failed": 1, "tests_skipped": 0, "tests_deselected": 0}
    assert ends["c1"] == {"test_framework": "pytest", **counts}
    assert ends["c2"] == {"error": "exit_code", "test_framework": "go"}
    assert ends["c3"] == ends["c4"] == {}


def test_configured_commands_run_tests(tmp_path: Path) -> None:
    """A transcript's command is compared with the configured ones."""
    path = written(
        tmp_path / "s.jsonl",
        [prompt(1), answer(2, use("c1", command="acme test -x")), result(3, "c1", "2 passed, 1 failed")],
    )
    end = only(read_file(path, test_commands=("acme test",)).events, Kind.TOOL_END)
    assert end.attributes == {"test_framework": "acme", "tests_passed": 2, "tests_failed": 1}
    assert "test_framework" not in only(read_file(path).events, Kind.TOOL_END).attributes


def test_files_that_calls_write(tmp_path: Path) -> None:
    """With a key, a written path's hash is that of hooks and other tools; failed calls have none."""
    path = written(
        tmp_path / "s.jsonl",
        [
            prompt(1),
            answer(2, use("c1", "Write", file_path="/src/a.py", content=SECRET)),
            result(3, "c1"),
            answer(4, use("c2", "Edit", file_path="a.py"), cwd="/src"),
            result(5, "c2"),
            answer(6, use("c3", "NotebookEdit", notebook_path="/src/n.ipynb")),
            result(7, "c3", is_error=True),
            answer(8, use("c4", "Read", file_path="/src/a.py")),
            result(9, "c4"),
        ],
    )
    key = b"k" * 32
    hashes = {
        event.id: event.attributes.get("wrote")
        for event in read_file(path, key=key).events
        if event.kind is Kind.TOOL_END
    }
    hook = {
        "session_id": "s",
        "hook_event_name": "PostToolUse",
        "tool_name": "Write",
        "tool_use_id": "c1",
        "tool_input": {"file_path": "/src/a.py"},
    }
    by_hook = parse_hook_payload(json.dumps(hook).encode(), 1, key).attributes["wrote"]
    assert hashes == {"c1": by_hook, "c2": by_hook, "c3": None, "c4": None}
    assert all("wrote" not in event.attributes for event in read_file(path).events)


def test_whether_a_written_file_is_new(tmp_path: Path) -> None:
    """Write's answer says it, an edit needs a file; a call that failed wrote nothing."""
    path = written(
        tmp_path / "s.jsonl",
        [
            prompt(1),
            answer(2, use("c1", "Write", file_path="/src/a.py", content=SECRET)),
            result(3, "c1", toolUseResult={"type": "create", "filePath": "/src/a.py"}),
            answer(4, use("c2", "Write", file_path="/src/a.py", content=SECRET)),
            result(5, "c2", toolUseResult={"type": "update", "filePath": "/src/a.py"}),
            answer(6, use("c3", "Edit", file_path="/src/a.py", old_string="a", new_string="b")),
            result(7, "c3", toolUseResult={"type": "create"}),
            answer(8, use("c4", "Write", file_path="/src/b.py")),
            result(9, "c4", is_error=True, toolUseResult={"type": "create"}),
            answer(10, use("c5", "Edit", file_path="/src/c.py", old_string="", new_string="b")),
            result(11, "c5"),
        ],
    )
    found = {
        event.id: event.attributes.get("new_files")
        for event in read_file(path, key=b"k" * 32).events
        if event.kind is Kind.TOOL_END
    }
    assert found == {"c1": 1, "c2": 0, "c3": 0, "c4": None, "c5": None}


def test_what_a_call_is_asked_lasts_from_one_read_to_the_next(tmp_path: Path) -> None:
    """A call's end in a later read still has the facts of the call's input."""
    path = written(tmp_path / "s.jsonl", [prompt(1), answer(2, use("c1", command="pytest"))])
    first = read_file(path)
    with path.open("ab") as file:
        file.write(glued(result(3, "c1", "2 passed in 0.1s")) + b"\n")
    events = read_file(path, offset=first.offset, checkpoint=first.checkpoint).events
    assert only(events, Kind.TOOL_END).attributes["test_framework"] == "pytest"


@pytest.mark.parametrize(
    ("content", "outcome", "attributes"),
    [
        ("Exit code 2\nls: no", Outcome.FAILURE, {"error": "exit_code"}),
        ("<tool_use_error>File does not exist.</tool_use_error>", Outcome.FAILURE, {}),
        (
            "The user doesn't want to proceed with this tool use. The tool use was rejected",
            Outcome.CANCELLED,
            {},
        ),
        ("<tool_use_error>Sibling tool call errored</tool_use_error>", Outcome.CANCELLED, {}),
        ("[Request interrupted by user for tool use]", Outcome.CANCELLED, {}),
        ([{"type": "text", "text": "User rejected tool use"}], Outcome.CANCELLED, {}),
        ("PreToolUse:Bash hook error: [x]: no", Outcome.CANCELLED, {"status": "denied"}),
        ("Permission to use Bash with command ls has been denied.", Outcome.CANCELLED, {"status": "denied"}),
        ("This command requires approval", Outcome.CANCELLED, {"status": "denied"}),
        (
            "This Bash command contains multiple operations. The following parts require approval: rm x",
            Outcome.CANCELLED,
            {"status": "denied"},
        ),
        ("Permission to use it was given, and then it broke", Outcome.FAILURE, {}),
        (None, Outcome.FAILURE, {}),
    ],
)
def test_result_that_is_an_error(
    tmp_path: Path, content: Any, outcome: Outcome, attributes: dict[str, str]
) -> None:
    """An error is a failure, unless its wording shows that the call was cancelled or denied."""
    events = events_of(tmp_path, answer(1, use("c1")), result(2, "c1", content, is_error=True))
    end = only(events, Kind.TOOL_END)
    assert (end.outcome, end.attributes) == (outcome, attributes)


def test_duration_only_where_it_was_measured(tmp_path: Path) -> None:
    """A tool's own measurement is its duration; fields of MCP tools are not read."""
    events = events_of(
        tmp_path,
        answer(1, use("c1", "Glob"), use("c2", "mcp__x__y"), use("c3")),
        result(2, "c1", toolUseResult={"durationMs": 12.5}),
        result(3, "c2", toolUseResult={"durationMs": 12.5, "agentId": "a1", "totalDurationMs": 1}),
        result(4, "c3", toolUseResult="text"),
    )
    assert [event.duration for event in events if event.kind is Kind.TOOL_END] == [12_500_000, None, None]
    assert Kind.TASK_START not in kinds(events)


def test_two_results_on_a_line_share_no_answer(tmp_path: Path) -> None:
    """A structured answer is used only if its line has a single result."""
    blocks = [{"type": "tool_result", "tool_use_id": id} for id in ("c1", "c2")]
    both = line("user", 2, message={"content": blocks}, toolUseResult={"durationMs": 5, "agentId": "a1"})
    ends = [event for event in events_of(tmp_path, both) if event.kind is Kind.TOOL_END]
    assert [(event.id, event.duration, event.attributes) for event in ends] == [
        ("c1", None, {}),
        ("c2", None, {}),
    ]


def test_message_counts_once(tmp_path: Path) -> None:
    """The lines of a message repeat its usage: it is a single call, with the largest counts."""
    usage = {
        "input_tokens": 3,
        "output_tokens": 1,
        "cache_read_input_tokens": 7,
        "cache_creation_input_tokens": 5,
    }
    events = events_of(
        tmp_path,
        answer(1, id="m", usage=usage),
        answer(2, id="m", usage=usage),
        answer(3, id="m", usage={**usage, "output_tokens": 40}),
        answer(4, id="m", usage=None),
    )
    calls = [event for event in events if event.kind is Kind.MODEL_CALL]
    assert [(call.time, call.attributes["output_tokens"]) for call in calls] == [(when(1), 1), (when(3), 40)]
    assert {call.id for call in calls} == {"m"}
    assert calls[0].attributes == {
        "input_tokens": 3,
        "output_tokens": 1,
        "cache_read_tokens": 7,
        "cache_write_tokens": 5,
        "complete": 0,
    }


def test_cache_writes_are_split_by_how_long_they_are_kept(tmp_path: Path) -> None:
    """The client counts those of an hour apart; they are part of all cache writes."""
    creation = {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3}
    usage = {"input_tokens": 1, "cache_creation_input_tokens": 5, "cache_creation": creation}
    call = only(events_of(tmp_path, answer(1, id="m", usage=usage, stop_reason="end_turn")), Kind.MODEL_CALL)
    assert call.attributes == {
        "input_tokens": 1,
        "cache_write_tokens": 5,
        "cache_write_1h_tokens": 3,
        "complete": 1,
    }


def test_a_later_line_completes_a_message(tmp_path: Path) -> None:
    """The first line has no stop reason, the second has: the answer is complete, with the same tokens."""
    usage = {"input_tokens": 3, "output_tokens": 9}
    events = events_of(
        tmp_path, answer(1, id="m", usage=usage), answer(2, id="m", usage=usage, stop_reason="end_turn")
    )
    calls = [event for event in events if event.kind is Kind.MODEL_CALL]
    assert [call.attributes["complete"] for call in calls] == [0, 1]
    (call,) = concluded(events).model_calls
    assert (call.tokens.output, call.is_lower_bound) == (9, False)
    (unfinished,) = concluded(calls[:1]).model_calls
    assert unfinished.is_lower_bound


def test_model_call_starts_when_it_was_sent(tmp_path: Path) -> None:
    """A call's time is when it was sent, if the client writes it; else that of its first block."""
    events = events_of(
        tmp_path,
        line("api-request", 1, id="r"),
        answer(3, id="m", requestRef="r"),
        answer(4, id="n", requestRef="q"),
    )
    assert [event.time for event in events if event.kind is Kind.MODEL_CALL] == [when(1), when(4)]


def test_tokens_that_are_none_are_absent(tmp_path: Path) -> None:
    """Values that are not counts are absent, never 0."""
    usage = {"input_tokens": -1, "output_tokens": "x", "cache_read_input_tokens": True}
    assert only(events_of(tmp_path, answer(1, usage=usage)), Kind.MODEL_CALL).attributes == {}


def test_compaction(tmp_path: Path) -> None:
    """The boundary of a compaction is its end."""
    metadata = {"trigger": "auto", "preTokens": 1, "durationMs": 1500}
    events = events_of(tmp_path, line("system", 1, subtype="compact_boundary", compactMetadata=metadata))
    end = only(events, Kind.COMPACTION_END)
    assert (end.type, end.duration) == ("auto", 1_500_000_000)


# Delegation.


def test_agent_that_is_waited_for(tmp_path: Path) -> None:
    """The result of a waiting call gives the task's end and length, and so its start."""
    events = events_of(
        tmp_path,
        answer(1, use("c1", "Task", subagent_type="reviewer", description="look " * 40, prompt=SECRET)),
        result(
            9,
            "c1",
            toolUseResult={
                "status": "completed",
                "agentId": "a1",
                "totalDurationMs": 5000,
                "totalToolUseCount": 3,
            },
        ),
    )
    assert only(events, Kind.TOOL_END).attributes == {
        "task": "a1",
        "status": "completed",
        "task_duration_ms": 5000,
        "task_tool_calls": 3,
    }
    assert only(events, Kind.TASK_END).duration == 5 * SECOND
    (task,) = concluded(events).tasks
    assert (task.id, task.agent, task.start, task.end) == ("a1", "reviewer", when(4), when(9))
    assert (task.outcome, task.delegated_by, len(task.description or "")) == (Outcome.SUCCESS, "c1", 120)


def test_agent_in_the_background(tmp_path: Path) -> None:
    """A launched agent starts when its call returns, and ends when the host queues its notification."""
    text = notification("a1", "killed", more="<usage><duration_ms>6100</duration_ms></usage>")
    events = events_of(
        tmp_path,
        prompt(1),
        answer(2, use("c1", "Agent", run_in_background=True)),
        result(5, "c1", toolUseResult={"status": "async_launched", "agentId": "a1"}),
        answer(6, stop_reason="end_turn"),
        line("queue-operation", 11, operation="enqueue", content=text),
    )
    end = only(events, Kind.TASK_END)
    assert (end.duration, end.outcome) == (6_100_000_000, Outcome.CANCELLED)
    (task,) = concluded(events).tasks
    assert (task.start, task.end, task.delegated_by) == (when(5), when(11), "c1")


def test_agent_that_is_known_only_to_have_started(tmp_path: Path) -> None:
    """A queue line about an agent gives its start and call; about a shell command, no task."""

    def begun(task: str, type: str) -> str:
        return json.dumps({"task_id": task, "tool_use_id": "c1", "description": SECRET, "task_type": type})

    events = events_of(
        tmp_path,
        answer(1, use("c1", "Task")),
        line("queue-operation", 2, operation="enqueue", content=begun("a1", "local_agent")),
        line("queue-operation", 3, operation="enqueue", content=begun("b1", "local_bash")),
    )
    (task,) = concluded(events).tasks
    assert (task.id, task.start, task.end, task.outcome) == ("a1", when(2), None, Outcome.UNKNOWN)


def test_progress_lines_tell_what_an_agent_does(tmp_path: Path) -> None:
    """Older clients copy an agent's messages into progress lines: start, calls and tokens."""
    events = events_of(
        tmp_path,
        answer(1, use("c1", "Task")),
        progress(2.1, 2, prompt(2)),
        progress(3.1, 3, answer(3, use("c2"), id="inner", usage={"output_tokens": 4})),
        progress(4.1, 4, result(4, "c2", is_error=True)),
        line("progress", 5, data={"type": "bash_progress", "output": SECRET}),
    )
    start = only(events, Kind.TASK_START)
    assert (start.id, start.time, start.attributes) == ("a1", when(2), {"delegated_by": "c1"})
    end = only(events, Kind.TOOL_END, "c2")
    assert (end.parent, end.time, end.outcome) == ("a1", when(4), Outcome.FAILURE)
    assert only(events, Kind.MODEL_CALL, "inner").parent == "a1"
    assert Kind.TURN_START not in kinds(events)


def progress(second: float, copied_at: float, message: dict[str, Any]) -> dict[str, Any]:
    """Return the progress line that copies a message of agent a1."""
    copied = {"type": message["type"], "timestamp": at(copied_at), "message": message["message"]}
    data = {"type": "agent_progress", "agentId": "a1", "message": copied}
    return line("progress", second, data=data, parentToolUseID="c1")


@pytest.mark.parametrize(
    "stop",
    [
        result(4, "c1", toolUseResult={"status": "completed", "agentId": "a1", "totalDurationMs": 2000}),
        line("queue-operation", 4, operation="enqueue", content=notification("a1")),
    ],
)
def test_progress_of_an_agent_that_runs_again(tmp_path: Path, stop: dict[str, Any]) -> None:
    """A stopped agent that gets a prompt starts its second run."""
    events = events_of(
        tmp_path, answer(1, use("c1", "Task")), progress(2, 2, prompt(2)), stop, progress(7, 7, prompt(7))
    )
    tasks = concluded(events, lost=False).tasks
    assert [(task.start, task.end) for task in tasks] == [(when(2), when(4)), (when(7), None)]


def agent_file(tmp_path: Path, *lines: dict[str, Any], agent: str = "a1", **sidecar: Any) -> Path:
    """Write the transcript of an agent of session s, with its sidecar if its content is given."""
    path = tmp_path / f"s/subagents/agent-{agent}.jsonl"
    if sidecar:
        path.parent.mkdir(parents=True)
        path.with_suffix(".meta.json").write_text(json.dumps(sidecar))
    return written(path, ({**each, "isSidechain": True, "agentId": agent} for each in lines))


def test_agents_own_file(tmp_path: Path) -> None:
    """An agent's file gives its run, from first line to answer; its sidecar gives its name and parent."""
    path = agent_file(
        tmp_path,
        prompt(1),
        answer(2, use("c2")),
        result(3, "c2"),
        answer(4, stop_reason="end_turn"),
        agentType="reviewer",
        toolUseId="c1",
        parentAgentId="a0",
        description="d" * 500,
    )
    events = read_file(path).events
    assert kinds(events)[0] is Kind.TASK_START
    start, end = only(events, Kind.TASK_START), only(events, Kind.TASK_END)
    assert (start.id, start.name, start.parent, start.time) == ("a1", "reviewer", "a0", when(1))
    assert start.attributes == {"delegated_by": "c1", "description": "d" * 120}
    assert (end.id, end.time, end.outcome) == ("a1", when(4), Outcome.SUCCESS)
    assert only(events, Kind.TOOL_START).parent == "a1"
    assert Kind.SESSION_START not in kinds(events)


def test_agent_without_its_session(tmp_path: Path) -> None:
    """An agent's file without its session's gives a session with a task, ended by silence."""
    path = agent_file(tmp_path, prompt(1), answer(2, use("c2")), result(3, "c2"), answer(4))
    (task,) = concluded(read_file(path, at_rest=True).events).tasks
    assert (task.id, task.start, task.end) == ("a1", when(1), when(4))
    (running,) = concluded(read_file(path).events, lost=False).tasks
    assert (running.end, running.outcome) == (None, Outcome.RUNNING)


def test_agent_that_is_asked_again_runs_again(tmp_path: Path) -> None:
    """A prompt to a stopped agent starts a second run; a prompt to a running agent does not."""
    path = agent_file(
        tmp_path,
        prompt(1),
        prompt(2),
        answer(3, stop_reason="end_turn"),
        prompt(7),
        answer(9, stop_reason="end_turn"),
    )
    tasks = concluded(read_file(path).events).tasks
    assert [(task.start, task.end) for task in tasks] == [(when(1), when(3)), (when(7), when(9))]


def test_interrupted_agent_is_cancelled(tmp_path: Path) -> None:
    """The user's interrupt is also in the agent's file, and ends its run."""
    path = agent_file(tmp_path, prompt(1), prompt(2, "[Request interrupted by user]"))
    end = only(read_file(path).events, Kind.TASK_END)
    assert (end.id, end.time, end.outcome) == ("a1", when(2), Outcome.CANCELLED)


def test_helper_of_the_client_is_no_task(tmp_path: Path) -> None:
    """An agent that the client runs for itself makes no task, but its tokens count for the session."""
    path = agent_file(tmp_path, prompt(1), answer(2, usage={"output_tokens": 9}), agent="acompact-e1f845")
    events = read_file(path, at_rest=True).events
    assert kinds(events) == [Kind.MODEL_CALL]
    assert events[0].parent is None
    named = agent_file(tmp_path / "named", prompt(1), agent="areviewer-e1f845", toolUseId="c1")
    assert only(read_file(named).events, Kind.TASK_START).id == "areviewer-e1f845"


def test_sidechain_in_the_main_file(tmp_path: Path) -> None:
    """Old clients keep agents' lines without ids in the main file: each chain of lines is an agent."""

    def chained(uuid: str, above: str | None, message: dict[str, Any]) -> dict[str, Any]:
        return {**message, "isSidechain": True, "uuid": uuid, "parentUuid": above}

    events = events_of(
        tmp_path,
        prompt(1),
        answer(2, use("c1", "Task", description="left")),
        answer(2.5, use("c2", "Task", description="right")),
        chained("l1", None, prompt(3)),
        chained("r1", None, prompt(3.5)),
        chained("l2", "l1", answer(4, use("c3"))),
        chained("r2", "r1", answer(5, use("c4"))),
        chained("l3", "l2", result(6, "c3")),
        chained("l4", "l3", answer(6.5, use("c6"))),
        result(8, "c1", toolUseResult={"totalDurationMs": 5500, "content": SECRET}),
        result(9, "c2", toolUseResult={"totalDurationMs": 6000, "content": SECRET}),
        chained("x2", "elsewhere", answer(7, use("c5"))),
    )
    session = concluded(events)
    assert [(task.id, task.description, task.end) for task in session.tasks] == [
        ("l1", "left", when(8)),
        ("r1", "right", when(9)),
    ]
    assert {call.id: call.task for call in session.tool_calls} == {
        "c1": None,
        "c2": None,
        "c3": "l1",
        "c4": "r1",
        "c5": "elsewhere",
        "c6": "l1",
    }
    assert len(session.turns) == 1


def test_branch_is_not_counted_twice(tmp_path: Path) -> None:
    """Lines that a forked session copied count only in their original session."""
    copied: dict[str, Any] = {"forkedFrom": {"sessionId": "other", "messageUuid": "u"}}
    events = events_of(tmp_path, prompt(1, **copied), answer(2, use("c1"), **copied), prompt(9))
    assert only(events, Kind.SESSION_START).time == when(9)
    assert Kind.TOOL_START not in kinds(events)


# What is wrong with files.


def rejects_of(tmp_path: Path, *lines: dict[str, Any] | bytes) -> tuple[list[Kind], list[tuple[int, str]]]:
    """Return the kinds of the events of lines, without the session's start, and the rejects."""
    chunk = read_file(written(tmp_path / "s.jsonl", lines), at_rest=True)
    return [kind for kind in kinds(chunk.events) if kind is not Kind.SESSION_START], [*chunk.rejects]


def test_glued_lines_are_both_found(tmp_path: Path) -> None:
    """Two objects on one line are two lines."""
    read_kinds, rejects = rejects_of(tmp_path, glued(answer(1, use("c1")), result(2, "c1")))
    assert read_kinds == [Kind.MODEL_CALL, Kind.TOOL_START, Kind.TOOL_END]
    assert rejects == []


def test_line_after_a_torn_one_is_found(tmp_path: Path) -> None:
    """Half a line is rejected; a complete line after it is read; objects inside the half are not."""
    inner = prompt(1)
    del inner["sessionId"]
    torn = glued(answer(1, inner, use("c1"), id="cut"))[:-30]
    read_kinds, rejects = rejects_of(tmp_path, prompt(0), torn + glued(result(2, "c1")))
    assert read_kinds == [Kind.TURN_START, Kind.TOOL_END]
    assert rejects == [(len(glued(prompt(0))) + 1, "not JSON")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"not JSON at all", "not JSON"),
        (b'{"type":"user"', "not JSON"),
        (b"[1]", "not an object"),
        (b'"text"', "not an object"),
        (b"7 8", "not an object"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too deep"),
        (b"\0" * 64, "not JSON"),
        (glued({**prompt(1), "message": "text"}), "unexpected shape"),
        (glued({**answer(1), "message": 7}), "unexpected shape"),
        (glued({**prompt(1), "timestamp": None}), "no time"),
        (glued({**prompt(1), "timestamp": "yesterday"}), "no time"),
        (glued({**prompt(1), "timestamp": "9999-12-31T23:59:59Z"}), "no time"),
    ],
)
def test_unreadable_line_is_set_aside(tmp_path: Path, data: bytes, reason: str) -> None:
    """An unreadable line is rejected with offset and reason; its neighbours are read."""
    read_kinds, rejects = rejects_of(tmp_path, prompt(0), data, answer(3, stop_reason="end_turn"))
    assert read_kinds == [Kind.TURN_START, Kind.MODEL_CALL, Kind.TURN_END]
    assert rejects == [(len(glued(prompt(0))) + 1, reason)]


def test_line_from_the_future_is_set_aside(tmp_path: Path) -> None:
    """A line after the caller's latest time is rejected: it would keep its session open."""
    lines = (prompt(0), prompt(50), answer(3, stop_reason="end_turn"))
    chunk = read_file(written(tmp_path / "s.jsonl", lines), latest=when(49))
    assert kinds(chunk.events) == [Kind.SESSION_START, Kind.TURN_START, Kind.MODEL_CALL, Kind.TURN_END]
    assert chunk.rejects == ((len(glued(prompt(0))) + 1, "time in the future"),)
    assert read_file(tmp_path / "s.jsonl", latest=when(50)).rejects == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"  \t\r",
        b'{"type":"file-history-snapshot","snapshot":{}}',
        b'{"type":"summary","summary":"x"}',
        b'{"type":"tomorrow\'s type","sessionId":7,"message":[]}',
        b'{"type":7}',
        b"{}",
        glued(line("progress", 1, data=7)),
        glued(line("progress", 1, data={"type": "agent_progress", "agentId": "a", "message": 7})),
        glued(line("queue-operation", 1, operation="enqueue", content=[1])),
        glued(line("queue-operation", 1, operation="enqueue", content='{"task_id":')),
        glued(line("system", 1, subtype="turn_duration")),
        glued(prompt(1, message={"content": 7})),
        glued(answer(1, {"type": "tool_use", "id": 7}, {"type": 7}, id=7)),
        glued(result(1, "")),
    ],
)
def test_line_that_says_nothing_is_passed_over(tmp_path: Path, data: bytes) -> None:
    """Unknown types, lines without a time and odd parts are ignored, without a reject."""
    assert rejects_of(tmp_path, data) == ([], [])


@pytest.mark.parametrize(
    "data",
    [
        glued(prompt(1, "\ud83d cut in half")),
        glued(prompt(1, "x")).replace(b'"x"', b'"\xff\xfe"'),
        glued(prompt(1, "x")).replace(b'"x"', b'"a\x01b"'),
        glued(prompt(1, extra=1)).replace(b"1}", b"NaN}"),
        b"\xef\xbb\xbf" + glued(prompt(1)),
        b"\0\0" + glued(prompt(1)) + b"\r",
    ],
)
def test_badly_written_line_is_read(tmp_path: Path, data: bytes) -> None:
    """Half surrogates, stray bytes, control characters, NaN, a byte order mark and padding cost nothing."""
    assert rejects_of(tmp_path, data) == ([Kind.TURN_START], [])


def test_sessions_id_comes_from_the_line(tmp_path: Path) -> None:
    """A session is opened by an id in a line alone; a file may hold two sessions, and its name opens none."""
    path = written(
        tmp_path / "copied.jsonl",
        [prompt(1), prompt(2, sessionId="t"), answer(3, stop_reason="end_turn"), prompt(4, sessionId=None)],
    )
    chunk = read_file(path)
    events = chunk.events
    assert [event.session for event in events if event.kind is Kind.SESSION_START] == ["s", "t"]
    assert [reason for _, reason in chunk.rejects] == ["no session id"]
    assert (only(events, Kind.TURN_END).session, only(events, Kind.TURN_END).id) == ("s", "u1")


def test_file_without_a_name(tmp_path: Path) -> None:
    """A file called just .jsonl is read by its lines' ids; a line without an id is rejected."""
    path = written(tmp_path / ".jsonl", [prompt(1), {**prompt(2), "sessionId": ""}])
    (transcript,) = find_transcripts(tmp_path)
    assert transcript.session is None
    chunk = read_file(path)
    assert {event.session for event in chunk.events} == {"s"}
    assert [reason for _, reason in chunk.rejects] == ["no session id"]


def test_times_may_run_backwards(tmp_path: Path) -> None:
    """Lines are in the order of writing, which need not be that of time; both orders give the same."""
    lines = [prompt(1), answer(2, use("c1")), result(3, "c1"), answer(4, stop_reason="end_turn")]
    forwards = concluded(events_of(tmp_path, *lines))
    swapped = concluded(events_of(tmp_path, lines[0], lines[2], lines[1], lines[3]))
    assert swapped.tool_calls == forwards.tool_calls
    assert swapped.turns == forwards.turns


def test_last_line_without_a_newline_is_read_once_it_is_whole(tmp_path: Path) -> None:
    """Half a line is left for the next read; a whole line is read, and its newline adds nothing later."""
    path = written(tmp_path / "s.jsonl", [prompt(1)])
    last = glued(answer(2, stop_reason="end_turn"))
    with path.open("ab") as stream:
        stream.write(last[:-30])
    first = read_file(path)
    assert kinds(first.events) == [Kind.SESSION_START, Kind.TURN_START]
    with path.open("ab") as stream:
        stream.write(last[-30:])
    second = read_transcript(identify_transcript(path), first.offset, first.checkpoint)
    assert kinds(second.events) == [Kind.MODEL_CALL, Kind.TURN_END]
    assert second.offset == path.stat().st_size
    with path.open("ab") as stream:
        stream.write(b"\n")
    assert read_transcript(identify_transcript(path), second.offset, second.checkpoint).events == ()


def test_half_a_last_line_is_set_aside_at_rest(tmp_path: Path) -> None:
    """Nobody will finish it: it is read to its end and reported as unreadable."""
    path = written(tmp_path / "s.jsonl", [prompt(1)])
    with path.open("ab") as stream:
        stream.write(glued(answer(2, stop_reason="end_turn"))[:-30])
    read = read_file(path, at_rest=True)
    assert read.offset == path.stat().st_size
    assert [reason for _, reason in read.rejects] == ["not JSON"]


def test_compressed_file_is_whole(tmp_path: Path) -> None:
    """A compressed transcript gives the same events and its last line; offsets count content bytes."""
    data = MAIN.read_bytes()
    (tmp_path / "s.jsonl.gz").write_bytes(gzip.compress(data.rstrip(b"\n")))
    chunk = read_file(tmp_path / "s.jsonl.gz")
    assert chunk.events == read_file(MAIN).events
    assert chunk.offset == len(data.rstrip(b"\n"))
    assert (
        read_transcript(identify_transcript(tmp_path / "s.jsonl.gz"), chunk.offset, chunk.checkpoint).events
        == ()
    )


def test_broken_files_are_set_aside(tmp_path: Path) -> None:
    """A file that is missing, not a file, or badly compressed becomes a reject; nothing is raised."""
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(MAIN.read_bytes())[:-200])
    plain = tmp_path / "plain.jsonl.gz"
    plain.write_bytes(b"{}\n")
    reasons = {
        path.name: [reason for _, reason in read_file(path).rejects]
        for path in (tmp_path / "gone.jsonl", tmp_path, cut, plain)
    }
    assert reasons == {
        "gone.jsonl": ["cannot be read: FileNotFoundError"],
        tmp_path.name: ["cannot be read: IsADirectoryError"],
        "cut.jsonl.gz": ["cannot be read: EOFError"],
        "plain.jsonl.gz": ["cannot be read: BadGzipFile"],
    }


def test_shortened_file_is_read_again(tmp_path: Path) -> None:
    """A file that is shorter than the offset is another file, and read from its beginning."""
    path = written(tmp_path / "s.jsonl", [prompt(1), answer(2)])
    before = read_file(path)
    written(path, [prompt(5)])
    again = read_transcript(identify_transcript(path), before.offset, before.checkpoint)
    assert [(event.kind, event.time) for event in again.events] == [
        (Kind.SESSION_START, when(5)),
        (Kind.TURN_START, when(5)),
    ]


def test_fifty_megabytes_in_a_line(tmp_path: Path) -> None:
    """A huge result is skipped; the other facts of its line are read."""
    path = written(
        tmp_path / "s.jsonl",
        [answer(1, use("c1")), result(2, "c1", "x" * 50_000_000), answer(3, stop_reason="end_turn")],
    )
    events: list[Event] = []
    chunk = read_file(path)
    while True:
        events.extend(chunk.events)
        if chunk.ended:
            break
        chunk = read_transcript(identify_transcript(path), chunk.offset, chunk.checkpoint)
    assert chunk.offset == path.stat().st_size
    assert only(events, Kind.TOOL_END).time == when(2)


def test_line_beyond_all_bounds_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line beyond the limit is skipped to its end; without an end it waits."""
    monkeypatch.setattr(reading, "LINE_LIMIT", 2_000)
    long = glued(prompt(2, "x" * 9_000))
    path = written(tmp_path / "s.jsonl", [prompt(1), long, prompt(3)])
    events: list[Event] = []
    rejects: list[tuple[int, str]] = []
    offset, carry = 0, Checkpoint()
    for _ in range(100):
        chunk = read_transcript(identify_transcript(path), offset, carry, limit=500)
        offset, carry = chunk.offset, chunk.checkpoint
        events.extend(chunk.events)
        rejects.extend(chunk.rejects)
        if chunk.ended and offset == path.stat().st_size:
            break
    assert [event.time for event in events if event.kind is Kind.TURN_START] == [when(1), when(3)]
    assert rejects == [(len(glued(prompt(1))) + 1, "too long")]
    (tmp_path / "endless.jsonl").write_bytes(long)
    endless = read_file(tmp_path / "endless.jsonl", limit=500)
    assert (endless.offset, endless.events, endless.ended) == (0, (), True)
    assert [
        reason for _, reason in read_file(tmp_path / "endless.jsonl", limit=500, at_rest=True).rejects
    ] == ["too long"]


def test_nothing_of_the_content_is_kept(tmp_path: Path) -> None:
    """Prompts, inputs, outputs, answers and paths never reach an event; short descriptions do."""
    lines = [
        prompt(1, f"{SECRET} /secret", cwd=f"/{SECRET}/atelier"),
        answer(2, use("c1", "Agent", subagent_type="reviewer", description="short", prompt=SECRET)),
        result(
            3,
            "c1",
            SECRET,
            is_error=True,
            toolUseResult={"agentId": SECRET, "status": SECRET, "content": SECRET},
        ),
        answer(4, use("c2"), {"type": "thinking", "thinking": SECRET}),
        result(5, "c2", f"Exit code 1\n{SECRET}", is_error=True),
        prompt(
            6, notification("a1", status=SECRET, summary=f"Agent {SECRET}", more=f"<result>{SECRET}</result>")
        ),
        line("queue-operation", 7, operation="enqueue", content=SECRET),
        line("system", 8, subtype="compact_boundary", compactMetadata={"trigger": SECRET}, content=SECRET),
        line("progress", 9, data={"type": "agent_progress", "agentId": SECRET, "message": prompt(9, SECRET)}),
        line("attachment", 9, attachment={"content": SECRET}),
    ]
    events = events_of(tmp_path, *lines, at_rest=True)
    assert kinds(events).count(Kind.TOOL_END) == kinds(events).count(Kind.TURN_START) == 2
    assert SECRET not in b"".join(journal.encode_event(event) for event in events).decode()


# Finding files.


def test_files_of_a_tree(tmp_path: Path) -> None:
    """All transcripts of a tree are found, each session's before its agents', with session and agent."""
    for name in (
        "p1/s1.jsonl",
        "p1/s1/subagents/agent-a1.jsonl",
        "p1/s1/subagents/workflows/w/agent-a2.jsonl",
        "p1/s1/subagents/workflows/w/journal.jsonl",
        "p1/s1/tool-results/r.txt",
        "p1/agent-5271c147.jsonl",
        "p2/s2.jsonl.gz",
        "p2/s3/subagents/agent-a3.jsonl.gz",
    ):
        written(tmp_path / name, [])
    assert [
        (transcript.path.name, transcript.session, transcript.agent)
        for transcript in find_transcripts(tmp_path)
    ] == [
        ("agent-5271c147.jsonl", None, "5271c147"),
        ("s1.jsonl", "s1", None),
        ("agent-a1.jsonl", "s1", "a1"),
        ("agent-a2.jsonl", "s1", "a2"),
        ("s2.jsonl.gz", "s2", None),
        ("agent-a3.jsonl.gz", "s3", "a3"),
    ]


def test_files_of_a_session(tmp_path: Path) -> None:
    """A session's file or folder also gives its agents' files; an agent's file comes alone."""
    agent = agent_file(tmp_path, prompt(1), agentType="reviewer", toolUseId="c1")
    main = written(tmp_path / "s.jsonl", [prompt(1)])
    both = [main, agent]
    assert [transcript.path for transcript in find_transcripts(main)] == both
    assert [transcript.path for transcript in find_transcripts(tmp_path / "s")] == both
    assert list(find_transcripts(agent)) == [
        TranscriptFile(agent, session="s", agent="a1", agent_type="reviewer", delegated_by="c1")
    ]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"agentType":7,"toolUseId":[]}'])
def test_sidecar_that_says_nothing(tmp_path: Path, data: bytes) -> None:
    """An agent with an unreadable sidecar has no name."""
    path = agent_file(tmp_path, prompt(1))
    path.with_suffix(".meta.json").write_bytes(data)
    assert identify_transcript(path) == TranscriptFile(path, session="s", agent="a1")


def test_no_transcripts_is_an_error(tmp_path: Path) -> None:
    """A path without transcripts gives an error that says so."""
    with pytest.raises(SourceError, match="no such file or folder"):
        list(find_transcripts(tmp_path / "gone"))
    with pytest.raises(SourceError, match=r"no \.jsonl file in the folder"):
        list(find_transcripts(tmp_path))


# Whatever the bytes.

TRANSCRIPTS = sorted(RECORDED.rglob("projects/**/*.jsonl"))
QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def piecewise(growing: TranscriptFile, data: bytes, cuts: Iterable[int], limit: int) -> list[Event]:
    """Return the events of a file that is written in pieces and read after each, its state kept as JSON."""
    events: list[Event] = []
    offset, carry = 0, Checkpoint()
    for cut in (*sorted(cuts), len(data)):
        growing.path.write_bytes(data[:cut])
        while True:
            chunk = read_transcript(growing, offset, carry, limit=limit)
            events.extend(chunk.events)
            offset, carry = (
                chunk.offset,
                msgspec.json.decode(msgspec.json.encode(chunk.checkpoint), type=Checkpoint),
            )
            if chunk.ended:
                break
    return events


@QUIET
@given(st.data())
def test_reading_in_pieces_is_reading_whole(tmp_path: Path, data: st.DataObject) -> None:
    """A file that grows in any pieces gives the same events in the same order as a single read."""
    source = data.draw(st.sampled_from(TRANSCRIPTS))
    content = source.read_bytes()
    cuts = data.draw(st.lists(st.integers(0, len(content)), max_size=6))
    limit = data.draw(st.integers(1, 5_000))
    growing = replace(identify_transcript(source), path=tmp_path / source.name)
    assert (
        tuple(piecewise(growing, content, cuts, limit)) == read_transcript(identify_transcript(source)).events
    )


@QUIET
@given(st.data())
def test_mutated_lines_never_raise(tmp_path: Path, data: st.DataObject) -> None:
    """For any damage, reading gives events that the journal accepts, and rejects inside the file."""
    content = bytearray(data.draw(st.sampled_from(TRANSCRIPTS)).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        start = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 40))
        content[start : start + length] = data.draw(
            st.binary(max_size=12)
            | st.sampled_from(
                [
                    b'"',
                    b"{",
                    b"}",
                    b"[",
                    b"\n",
                    b"null",
                    b"\\ud800",
                    b"1e999",
                    b'{"type":"user","sessionId":"x"}',
                ]
            )
        )
    path = tmp_path / "s.jsonl"
    path.write_bytes(content)
    chunk = read_file(path, at_rest=True)
    assert chunk.offset == len(content)
    assert all(0 <= offset < len(content) for offset, _ in chunk.rejects)
    for event in chunk.events:
        assert journal.parse_line(journal.encode_event(event).strip()) == event


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PLACES = st.sampled_from([field.encode_name for field in msgspec.structs.fields(TranscriptLine)])


@QUIET
@given(st.lists(st.tuples(st.integers(0, 60), PLACES, JSON), max_size=10))
def test_fields_of_any_shape_never_raise(tmp_path: Path, changes: list[tuple[int, str, Any]]) -> None:
    """With any value in a field, the line is read without it or rejected; its events are valid."""
    lines = [json.loads(text) for path in TRANSCRIPTS for text in path.read_text().splitlines()]
    for index, place, value in changes:
        lines[index % len(lines)][place] = value
    chunk = read_file(written(tmp_path / "s.jsonl", lines), at_rest=True)
    for event in chunk.events:
        assert journal.parse_line(journal.encode_event(event).strip()) == event


@pytest.mark.parametrize("text", ["Warmup", "Look around"])
def test_a_warm_up_of_an_old_client_is_no_task(tmp_path: Path, text: str) -> None:
    """Clients 2.0 start agents only to fill the cache: their tokens count, and there is no task."""
    written(tmp_path / "s1.jsonl", [prompt(1, sessionId="s1"), answer(2, sessionId="s1")])
    lines = [prompt(0, text, sessionId="s1", agentId="a1", isSidechain=True)]
    usage = {"input_tokens": 5, "output_tokens": 7}
    spoken = answer(1, {"type": "text", "text": "ok"}, sessionId="s1", agentId="a1", isSidechain=True)
    spoken["message"] |= {"id": "m1", "model": "haiku", "usage": usage}
    written(tmp_path / "agent-a1.jsonl", [*lines, spoken])
    session = concluded(all_events(tmp_path))

    assert [task.id for task in session.tasks] == ([] if text == "Warmup" else ["a1"])
    tasks = [call.task for call in session.model_calls if call.id == "m1"]
    assert tasks == [None if text == "Warmup" else "a1"]
