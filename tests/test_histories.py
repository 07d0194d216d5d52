"""Histories: every recorded history gives the tasks, calls and tokens of the script that was run."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from stretto.figures.fanouts import find_fanouts
from stretto.model.entities import Session
from stretto.model.event import Event, Kind, Outcome
from stretto.sources.histories.history_reading import HistoryPosition, read_history
from stretto.sources.histories.importable_files import find_files
from tests.histories import (
    HISTORIES,
    conclude_only,
    make_opencode_database,
    read_folder,
    read_once,
    read_whole,
)

NAMES = ("codex-v1", "codex-v2", "copilot", "gemini", "qwen", "pi", "droid", "opencode")


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """The recorded histories, with opencode's tables as the database that they come from."""
    folder = tmp_path / "histories"
    shutil.copytree(HISTORIES, folder)
    for name in ("session", "message", "part"):
        (folder / "opencode" / f"{name}.jsonl").unlink()
    make_opencode_database(HISTORIES / "opencode", folder / "opencode" / "opencode.db")
    return folder


def summarise(session: Session) -> dict[str, object]:
    """Return the facts about a session that its script determines."""
    names = {task.id: task.description or task.agent for task in session.tasks}
    return {
        "source": session.source,
        "project": session.project,
        "turns": [(turn.origin, str(turn.outcome)) for turn in session.turns],
        "tasks": sorted(
            (str(names[task.id]), str(task.agent), str(names.get(task.parent or "", "")), str(task.outcome))
            for task in session.tasks
        ),
        "calls": len(session.tool_calls),
        "failed": sum(call.outcome is Outcome.FAILURE for call in session.tool_calls),
        "by task": sorted(
            Counter(str(names.get(call.task or "", "main")) for call in session.tool_calls).items()
        ),
        "model calls": len(session.model_calls),
        "tokens": [
            sum(getattr(call.tokens, kind) or 0 for call in session.model_calls)
            for kind in ("input", "output", "cache_read")
        ],
    }


def widths(session: Session) -> list[int]:
    """Return the number of tasks of each parallel execution."""
    return [len(fanout.tasks) for fanout in find_fanouts(session.tasks)]


def test_a_codex_rollout_of_multi_agent_v1(world: Path) -> None:
    """Two agents side by side, known by kind; a refused call is none; a failed command is failed."""
    session = conclude_only(read_folder(world / "codex-v1"))
    assert summarise(session) == {
        "source": "codex",
        "project": "project",
        "turns": [("user", "success")],
        "tasks": [("explorer", "explorer", "", "success"), ("worker", "worker", "", "success")],
        "calls": 12,
        "failed": 2,
        "by task": [("explorer", 2), ("main", 8), ("worker", 2)],
        "model calls": 14,
        "tokens": [14 * 123, 14 * 45, 14 * 1000],
    }
    assert widths(session) == [2]
    commands = [call for call in session.tool_calls if call.tool == "Bash" and call.task is None]
    assert [round((call.duration or 0) / 1e9, 2) for call in commands] == [0.87, 1.88, 0.0, 0.0]


def test_a_codex_rollout_of_code_mode(world: Path) -> None:
    """The calls inside a script count, the script does not; a nested agent has its parent and its name."""
    session = conclude_only(read_folder(world / "codex-v2"))
    assert summarise(session) == {
        "source": "codex",
        "project": "project",
        "turns": [("user", "success")],
        "tasks": [
            ("alpha", "default", "", "success"),
            ("beta", "default", "", "success"),
            ("gamma", "default", "beta", "success"),
        ],
        "calls": 15,
        "failed": 2,
        "by task": [("alpha", 2), ("beta", 3), ("gamma", 1), ("main", 9)],
        "model calls": 15,
        "tokens": [15 * 123, 15 * 45, 15 * 1000],
    }
    assert widths(session) == [2]
    assert "exec" not in {call.tool for call in session.tool_calls}
    assert all(task.delegated_by in {call.id for call in session.tool_calls} for task in session.tasks)


def test_a_copilot_event_file(world: Path) -> None:
    """Three agents in the foreground and two behind it; a call that the client invented is left out."""
    session = conclude_only(read_folder(world / "copilot"))
    assert summarise(session) == {
        "source": "copilot-cli",
        "project": "project",
        "turns": [("user", "success")],
        "tasks": [
            ("job alpha", "general-purpose", "", "success"),
            ("job beta", "general-purpose", "", "success"),
            ("job delta", "explore", "", "success"),
            ("job eps", "task", "", "success"),
            ("job zeta", "explore", "", "success"),
        ],
        "calls": 18,
        "failed": 4,
        "by task": [
            ("job alpha", 2),
            ("job beta", 2),
            ("job delta", 1),
            ("job eps", 1),
            ("job zeta", 1),
            ("main", 11),
        ],
        "model calls": 17,
        "tokens": [17 * 123, 17 * 45, 17 * 1000],
    }
    assert widths(session) == [3, 2]
    assert (session.outcome, session.end) == (Outcome.SUCCESS, session.last)
    assert {run.event for run in session.hooks_run} == {"sessionStart", "agentStop"}


def test_a_gemini_chat(world: Path) -> None:
    """Each agent's file gives its run; an agent that ran out of turns failed; a refused call is none."""
    session = conclude_only(read_folder(world / "gemini"))
    assert summarise(session) == {
        "source": "gemini-cli",
        "project": "project",
        "turns": [("user", "success")],
        "tasks": [
            ("codebase_investigator", "codebase_investigator", "", "success"),
            ("generalist", "generalist", "", "failure"),
            ("helper", "helper", "", "success"),
        ],
        "calls": 15,
        "failed": 4,
        "by task": [("codebase_investigator", 2), ("generalist", 2), ("helper", 3), ("main", 8)],
        "model calls": 30,
        "tokens": [30 * 123, 30 * 45, 30 * 1000],
    }
    assert widths(session) == [3]


def test_a_qwen_chat(world: Path) -> None:
    """The user's turn and the notification's, agents in and behind the foreground, and no refused call."""
    session = conclude_only(read_folder(world / "qwen"))
    shown = summarise(session)
    shown["tasks"] = [task for task in shown["tasks"] if task[-1] == "success"]  # type: ignore[attr-defined]  # a list
    assert shown == {
        "source": "qwen-code",
        "project": "project",
        "turns": [("user", "success"), ("host", "success")],
        "tasks": [("job alpha", "general-purpose", "", "success"), ("job delta", "Explore", "", "success")],
        "calls": 10,
        "failed": 4,
        "by task": [("job alpha", 1), ("job delta", 1), ("main", 8)],
        "model calls": 10,
        "tokens": [10 * 123, 10 * 45, 10 * 1000],
    }
    assert session.turns[0].id == f"{session.id}########0"


def test_a_pi_session(world: Path) -> None:
    """Calls side by side, a failed command among them, and tokens."""
    session = conclude_only(read_folder(world / "pi"))
    assert summarise(session) == {
        "source": "pi",
        "project": "project",
        "turns": [("user", "success")],
        "tasks": [],
        "calls": 4,
        "failed": 2,
        "by task": [("main", 4)],
        "model calls": 3,
        "tokens": [369, 135, 3000],
    }


def test_a_droid_session(world: Path) -> None:
    """Calls with their own ends by the hooks' lines; a failed call is failed; the session has ended."""
    session = conclude_only(read_folder(world / "droid"))
    shown = summarise(session)
    assert (shown["calls"], shown["failed"], shown["model calls"]) == (7, 4, 4)
    assert shown["turns"] == [("user", "success")]
    assert [(call.tool, round((call.duration or 0) / 1e9, 1)) for call in session.tool_calls[:2]] == [
        ("Execute", 2.7),
        ("Execute", 5.4),
    ]
    assert session.outcome is Outcome.SUCCESS


@pytest.mark.parametrize(("name", "new_files"), [("qwen", {1}), ("opencode", {1}), ("droid", {None})])
def test_a_written_file_is_new_where_the_history_says_so(
    name: str, new_files: set[int | None], world: Path
) -> None:
    """Qwen Code says it in words, opencode by a flag, Droid not at all."""
    events = [
        event
        for path, history_format in find_files(world / name).histories
        for event in read_history(path, history_format, HistoryPosition(), key=b"k" * 32)[0].events
    ]
    written = [event for event in events if "wrote" in event.attributes]
    assert {event.attributes.get("new_files") for event in written} == new_files


@pytest.mark.parametrize("name", [*NAMES, "vibe"])
def test_a_configured_command_runs_tests_in_every_history(name: str, world: Path) -> None:
    """Every decoder compares the commands of calls with the configured ones."""
    files = find_files(world / name).histories
    frameworks = {
        event.attributes.get("test_framework")
        for path, history_format in files
        for event in read_history(path, history_format, HistoryPosition(), test_commands=("sleep",))[0].events
    }
    assert frameworks - {"pytest"} == {None, "sleep"}


def test_a_vibe_session(world: Path) -> None:
    """The calls in a program count and the program does not; child sessions are tasks of the root session."""
    session = conclude_only(read_folder(world / "vibe"))
    assert summarise(session) == {
        "source": "vibe",
        "project": "work",
        "turns": [("user", "success")],
        "tasks": [("alpha", "alpha", "", "success"), ("beta", "beta", "", "success")],
        "calls": 11,
        "failed": 2,
        "by task": [("alpha", 1), ("beta", 1), ("main", 9)],
        "model calls": 0,
        "tokens": [0, 0, 0],
    }
    assert widths(session) == [2]
    calls = [(call.tool, round((call.duration or 0) / 1e9, 1)) for call in session.tool_calls]
    assert calls[1:3] == [("bash", 1.1), ("bash", 2.1)]
    assert {call.tool for call in session.tool_calls} == {
        "agents.spawn",
        "bash",
        "search_tool_functions",
        "wait",
    }


def test_a_vibe_session_in_any_order_of_its_generations(world: Path) -> None:
    """An earlier generation adds nothing and takes nothing away; one without its chunk is told."""
    events = read_folder(world / "vibe")
    shown = summarise(conclude_only(events))
    assert summarise(conclude_only(reversed(events))) == shown
    paths = sorted(world.glob("vibe/[0-9]*/generations/*/projection-state.json"))
    (last,) = [path for path in paths if path.parent.name == "0000000000000108"]
    latest, _ = read_whole(last)
    assert summarise(conclude_only(latest))["calls"] == 9
    for path in last.parents[2].glob("chunks/*.json"):
        path.unlink()
    assert read_whole(last) == ([], ["cannot be read: FileNotFoundError"])


def test_an_opencode_database(world: Path) -> None:
    """Child sessions are tasks of the root session; a command's exit code decides its outcome."""
    session = conclude_only(read_folder(world / "opencode"))
    assert summarise(session) == {
        "source": "opencode",
        "project": "project",
        "turns": [("user", "success")],
        "tasks": [
            ("job alpha", "general", "", "success"),
            ("job beta", "general", "", "success"),
            ("job delta", "explore", "", "success"),
        ],
        "calls": 13,
        "failed": 5,
        "by task": [("job alpha", 2), ("job beta", 2), ("job delta", 1), ("main", 8)],
        "model calls": 11,
        "tokens": [11 * 123, 11 * 45, 11 * 1000],
    }
    assert widths(session) == [3]


def to_comparable(events: list[Event]) -> list[str]:
    """Return the events as texts without repeats: reading in pieces may report an event twice."""
    return sorted({repr(event) for event in events})


@pytest.mark.parametrize("name", [name for name in NAMES if name != "opencode"])
def test_reading_a_growing_file_gives_the_same(name: str, world: Path, tmp_path: Path) -> None:
    """A file read line by line, with the position kept as JSON between, gives the session of one read."""
    grown: list[Event] = []
    for path, _ in find_files(world / name).histories:
        target = tmp_path / "grown" / path.relative_to(world / name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if (sidecar := path.with_name(f"{path.stem}.meta.json")).exists():
            shutil.copy(sidecar, target.parent)
        lines = path.read_bytes().splitlines(keepends=True)
        position = HistoryPosition()
        for number, line in enumerate(lines, 1):
            with target.open("ab") as file:
                file.write(line[: len(line) // 2])
            if number > 1:
                chunk, position = read_once(target, position)
                grown += chunk.events
            with target.open("ab") as file:
                file.write(line[len(line) // 2 :])
            chunk, position = read_once(target, position)
            assert chunk.rejects == ()
            grown += chunk.events
    assert summarise(conclude_only(grown)) == summarise(conclude_only(read_folder(world / name)))


def test_a_growing_database_gives_the_same(world: Path, tmp_path: Path) -> None:
    """Rows that were written between two reads are read once, and nothing else again."""
    path = make_opencode_database(
        HISTORIES / "opencode", tmp_path / "grown" / "opencode.db", until=1795987970300
    )
    first, position = read_once(path, HistoryPosition())
    make_opencode_database(HISTORIES / "opencode", path)
    second, position = read_once(path, position)
    third, _ = read_once(path, position)

    whole = read_folder(world / "opencode")
    assert third.events == ()
    assert summarise(conclude_only([*first.events, *second.events])) == summarise(conclude_only(whole))


def test_a_database_is_never_written(world: Path) -> None:
    """Reading leaves opencode's database byte for byte as it was, and no file beside it."""
    path = world / "opencode" / "opencode.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    before, files = path.read_bytes(), sorted(path.parent.iterdir())
    events, reasons = read_whole(path)
    assert events
    assert reasons == []
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == files


def test_kilo_has_a_name_of_its_own(tmp_path: Path) -> None:
    """Kilo's database has opencode's tables; its sessions are Kilo's."""
    path = make_opencode_database(HISTORIES / "opencode", tmp_path / "kilo" / "kilo.db")
    events, _ = read_whole(path)
    assert {event.source for event in events} == {"kilo"}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "opencode"])
def test_no_session_without_an_id_in_the_lines(name: str, world: Path, tmp_path: Path) -> None:
    """A file whose first lines are lost opens no session, unless each line names it."""
    for path, history_format in find_files(world / name).histories:
        lines = path.read_bytes().splitlines(keepends=True)
        cut = tmp_path / path.name
        cut.write_bytes(b"".join(lines[1:]))
        events, _ = _read_as(cut, history_format)
        assert not any(event.kind is Kind.SESSION_START for event in events) or name == "qwen"


def _read_as(path: Path, history_format: object) -> tuple[list[Event], list[str]]:
    from stretto.sources.histories.history_reading import read_history  # noqa: PLC0415  # for this reader alone

    chunk, _ = read_history(path, history_format, HistoryPosition())  # type: ignore[arg-type]  # from the finder
    return list(chunk.events), [reason for _, reason in chunk.rejects]


def test_a_damaged_line_costs_no_other(world: Path, tmp_path: Path) -> None:
    """A line cut short, half a surrogate pair and a line of another program lose nothing else."""
    (path,) = (world / "pi").rglob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b"MAINJOB please", b"half \\ud83d pair")
    damaged = tmp_path / "damaged.jsonl"
    damaged.write_bytes(b"".join([*lines[:2], b'{"type":"mess', *lines[2:4], b"[1]\nnot JSON\n", *lines[4:]]))
    events, reasons = read_whole(damaged)
    assert sorted(set(reasons)) == ["not JSON"]
    assert summarise(conclude_only(events)) == summarise(conclude_only(read_folder(world / "pi")))


def test_a_compressed_history_is_read(world: Path, tmp_path: Path) -> None:
    """A rollout compressed by gzip gives the same events."""
    path = next((world / "codex-v1").rglob("*.jsonl"))
    packed = tmp_path / f"{path.name}.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_whole(packed) == read_whole(path)


def test_an_older_codex_rollout_is_read_by_its_pairs(tmp_path: Path) -> None:
    """Before items, a call is what the model asked for and got; a request is known by the count after it."""
    session = "0199a213-81c0-7800-8aa1-bbab2a035a53"
    lines: list[dict[str, object]] = [
        {
            "type": "session_meta",
            "payload": {"id": session, "timestamp": "2025-10-02T08:00:00Z", "cwd": "/w/p"},
        },
        {"type": "turn_context", "payload": {"cwd": "/w/p", "model": "gpt-5-codex"}},
        {"type": "event_msg", "payload": {"type": "user_message", "message": "go"}},
        _make_request("call_1", "shell", {"command": ["bash", "-lc", "false"]}),
        {"type": "event_msg", "payload": _make_count(1000, 400, 50)},
        {"type": "event_msg", "payload": _make_count(1000, 400, 50)},
        _make_answer(
            "call_1", json.dumps({"output": "", "metadata": {"exit_code": 1, "duration_seconds": 0.4}})
        ),
        _make_request("call_2", "shell", {"command": ["bash", "-lc", "true"]}),
        _make_answer("call_2", "Exit code: 0\nWall time: 0.1 seconds\nOutput:\n"),
    ]
    path = tmp_path / "rollout-2025-10-02T08-00-00-x.jsonl"
    stamped = [
        {"timestamp": f"2025-10-02T08:00:{second:02}.000Z", **line} for second, line in enumerate(lines)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in stamped), encoding="utf-8")

    events, reasons = read_whole(path)
    session_found = conclude_only(events)
    assert reasons == []
    assert session_found.id == session
    assert [(call.id, call.tool, str(call.outcome), call.duration) for call in session_found.tool_calls] == [
        ("call_1", "Bash", "failure", 400_000_000),
        ("call_2", "Bash", "success", 1_000_000_000),
    ]
    (model_call,) = session_found.model_calls
    assert (model_call.tokens.input, model_call.tokens.cache_read, model_call.tokens.output) == (600, 400, 50)


def _make_request(call: str, name: str, order: dict[str, object]) -> dict[str, object]:
    payload = {"type": "function_call", "name": name, "arguments": json.dumps(order), "call_id": call}
    return {"type": "response_item", "payload": payload}


def _make_answer(call: str, output: str) -> dict[str, object]:
    return {
        "type": "response_item",
        "payload": {"type": "function_call_output", "call_id": call, "output": output},
    }


def _make_count(whole: int, cached: int, answer: int) -> dict[str, object]:
    usage = {
        "input_tokens": whole,
        "cached_input_tokens": cached,
        "output_tokens": answer,
        "total_tokens": whole + answer,
    }
    return {"type": "token_count", "info": {"total_token_usage": usage, "last_token_usage": usage}}


def test_a_codex_agent_that_failed_has_failed(tmp_path: Path) -> None:
    """Codex calls no hook for an agent that failed; its rollout tells the error."""
    head = {
        "id": "child",
        "session_id": "root",
        "parent_thread_id": "root",
        "source": {"subagent": {"thread_spawn": {"agent_path": "/root/alpha", "agent_role": "worker"}}},
    }
    lines = [
        {"type": "session_meta", "payload": head},
        {"type": "event_msg", "payload": {"type": "task_started", "turn_id": "t"}},
        {
            "type": "event_msg",
            "payload": {"type": "task_complete", "turn_id": "t", "error": {"message": "x"}},
        },
    ]
    path = tmp_path / "rollout-x.jsonl"
    stamped = [{"timestamp": f"2026-10-02T08:00:{second:02}Z", **line} for second, line in enumerate(lines)]
    path.write_text("".join(json.dumps(line) + "\n" for line in stamped), encoding="utf-8")
    (task,) = conclude_only(read_whole(path)[0]).tasks
    assert (task.id, task.description, task.agent, task.outcome) == (
        "child",
        "alpha",
        "worker",
        Outcome.FAILURE,
    )
