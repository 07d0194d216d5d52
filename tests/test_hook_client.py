"""The hook client: the values it reads from a payload, and its behaviour as a process."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.hook.client import client
from stretto.hook.client.client import build_record
from stretto.journal import LONGEST_DURATION, LONGEST_LIST, LONGEST_TEXT, parse_line
from stretto.model.event import Event, Kind, Outcome

ROOT = Path(__file__).parents[1]
RECORDINGS = sorted([*ROOT.glob("tests/recorded/*.jsonl"), *ROOT.glob("src/stretto/demo/*.jsonl")])
NOW = 1_795_189_587_579_659_434
PYTHON = Path(sys.executable).resolve()
CLIENT = Path(client.__file__)
START = CLIENT.with_name("start.py")
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def decoded(line: bytes) -> Event:
    """Return the event of a record, as the journal reads and believes it."""
    event = parse_line(line)
    assert isinstance(event, Event), event
    return event


def payloads() -> list[tuple[int, dict[str, Any]]]:
    """Return every recorded payload with the time it came."""
    lines = [json.loads(line) for path in RECORDINGS for line in path.read_text().splitlines()]
    return [(line["t"], line["payload"]) for line in lines if "payload" in line]


PAYLOADS = payloads()


def event_of(payload: dict[str, Any], **options: Any) -> Event:
    """Return the event of a payload of session s, through the journal's line."""
    return decoded(build_record(json.dumps({"session_id": "s", **payload}).encode(), NOW, **options))


def attributes_of(payload: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Return the attributes of a payload's event."""
    return dict(event_of(payload, **options).attributes)


def rejected(payload: bytes) -> tuple[str, object]:
    """Return the reason and name of the reject event that input must give."""
    event = decoded(build_record(payload, NOW))
    assert event.kind is Kind.REJECT
    assert event.session == ""
    assert event.attributes["reason"] in client.REASONS
    assert event.attributes["bytes"] == len(payload)
    return str(event.attributes["reason"]), event.name


class TestRecord:
    def test_the_recordings_are_there(self) -> None:
        """The tests over recordings run over all four of them."""
        assert {path.stem for path in RECORDINGS} >= {
            "fanout",
            "sequential",
            "two-phase",
            "fanout-background",
        }
        assert len(PAYLOADS) > 150

    @pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
    def test_every_recorded_payload_becomes_an_event(self, path: Path) -> None:
        """Each recorded payload gives a framed line that is an event with its time and session."""
        for line in path.read_text().splitlines():
            recorded = json.loads(line)
            written = build_record(json.dumps(recorded["payload"]).encode(), recorded["t"])
            assert written.startswith(b"\n{")
            assert written.endswith(b"}\n")
            assert written.count(b"\n") == 2
            event = decoded(written)
            assert event.kind is not Kind.REJECT
            assert (event.time, event.session) == (recorded["t"], recorded["payload"]["session_id"])
            assert set(json.loads(written)) <= set(Event.__struct_fields__)

    def test_a_session_start_gives_model_reason_and_project(self) -> None:
        """SessionStart carries the model, why it started, and the folder's name but not its path."""
        event = event_of(
            {"hook_event_name": "SessionStart", "source": "resume", "model": "m-1", "cwd": "/home/a/shop"}
        )
        assert (event.kind, event.id, event.type, event.outcome) == (Kind.SESSION_START, None, None, None)
        assert event.attributes == {"model": "m-1", "reason": "resume", "project": "shop"}

    @pytest.mark.parametrize(
        ("cwd", "project"),
        [
            ("/home/a/shop/", "shop"),
            (r"C:\Users\a\shop", "shop"),
            ("C:\\", None),
            ("/", None),
            ("", None),
            (7, None),
            ("/srv/" + "x" * 300, "x" * 120),
        ],
    )
    def test_project_is_the_last_component(self, cwd: object, project: str | None) -> None:
        """POSIX and Windows paths give a project; roots, drives and other types do not."""
        assert attributes_of({"hook_event_name": "SessionStart", "cwd": cwd}).get("project") == project

    def test_repositories_of_one_name_have_hashes_of_their_own(self) -> None:
        """A session's start hashes the repository's path with the installation's key, if there is one."""
        payload = {"hook_event_name": "SessionStart", "session_id": "s"}
        hashes = [
            decoded(build_record(json.dumps({**payload, "cwd": cwd}).encode(), NOW, key=b"key")).attributes[
                "repository"
            ]
            for cwd in ("/home/a/shop", "/home/b/shop", "/home/a/shop/.worktrees/1/src")
        ]
        assert hashes[0] == hashes[2] != hashes[1]
        assert "repository" not in attributes_of({"hook_event_name": "SessionStart", "cwd": "/home/a/shop"})

    def test_a_worktree_belongs_to_its_repository(self, tmp_path: Path) -> None:
        """By the folder's name or by its file .git; below it, the repository is the project and no folder."""
        (tmp_path / "shop/.git").mkdir(parents=True)
        (tmp_path / "shop/src").mkdir()
        (tmp_path / "feature/deep").mkdir(parents=True)
        (tmp_path / "feature/.git").write_text(f"gitdir: {tmp_path}/shop/.git/worktrees/feature\n")
        (tmp_path / "shop/lib").mkdir()
        (tmp_path / "shop/lib/.git").write_text("gitdir: ../.git/modules/lib\n")
        expected = {
            "shop": ("shop", None),
            "shop/src": ("shop", None),
            "feature/deep": ("shop", "feature"),
            "shop/lib": ("lib", None),
            "gone/.worktrees/1/src": ("gone", "1"),
            "gone/.claude/worktrees/x": ("gone", "x"),
            "nowhere/else": ("else", None),
        }
        assert {name: client.find_project(f"{tmp_path}/{name}")[:2] for name in expected} == expected
        assert client.find_project(r"C:\shop\.worktrees\1") == ("shop", "1", "C:/shop")
        assert client.find_project("a\0b")[1] is None

    def test_project_and_trace_context_only_at_the_start_of_session_and_turn(self) -> None:
        """No other event repeats them."""
        for hook, (kind, *_) in client.EVENTS.items():
            attributes = attributes_of({"hook_event_name": hook, "cwd": "/a/b"}, traceparent=TRACEPARENT)
            expected = kind in {"session.start", "turn.start"}
            assert ("project" in attributes, "traceparent" in attributes) == (expected, expected)

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "00",
            TRACEPARENT.upper(),
            TRACEPARENT + "-extra",
            "ff" + TRACEPARENT[2:],
            TRACEPARENT.replace("b7ad6b7169203331", "0" * 16),
            TRACEPARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
            TRACEPARENT.replace("0af7", "0ag7"),
        ],
    )
    def test_a_bad_trace_context_is_absent(self, value: str) -> None:
        """A context that is invalid by W3C Trace Context is not passed on."""
        assert "traceparent" not in attributes_of({"hook_event_name": "SessionStart"}, traceparent=value)

    def test_a_session_end_gives_its_reason(self) -> None:
        """SessionEnd gives the reason."""
        event = event_of({"hook_event_name": "SessionEnd", "reason": "logout"})
        assert (event.kind, event.attributes) == (Kind.SESSION_END, {"reason": "logout"})

    def test_a_prompt_gives_a_turn_and_its_length(self) -> None:
        """UserPromptSubmit opens a user's turn with the prompt's length, not the prompt."""
        event = event_of({"hook_event_name": "UserPromptSubmit", "prompt_id": "p", "prompt": "make it fast"})
        assert (event.kind, event.id, event.type) == (Kind.TURN_START, "p", "user")
        assert event.attributes == {"prompt_length": 12}

    @pytest.mark.parametrize(
        ("prompt", "command"),
        [
            ("/review", "review"),
            ("/plugin:deep-review the diff", "plugin:deep-review"),
            ("/run_all\nnow", "run_all"),
            ("/home/dev/secret is the folder", None),
            ("/ no name", None),
            ("/", None),
            ("/--", None),
            ("/naïve", None),
            ("/" + "a" * 120, "a" * 120),
            ("/" + "a" * 121, None),
            ("see /review", None),
        ],
    )
    def test_a_slash_command_is_named(self, prompt: str, command: str | None) -> None:
        """Only the name of a slash command is recorded, never a path that looks like a command."""
        attributes = attributes_of({"hook_event_name": "UserPromptSubmit", "prompt": prompt})
        assert attributes == {"prompt_length": len(prompt)} | ({"command": command} if command else {})

    def test_a_notification_is_the_hosts_turn(self) -> None:
        """The host's prompt names the task, how it ended and the call that started it, and no text of it."""
        prompt = (
            "<task-notification>\n<task-id>a1</task-id>\n<tool-use-id>toolu_1</tool-use-id>\n"
            "<status>completed</status>\n<summary>Agent finished</summary>\n<result>all <b>good</b></result>"
        )
        event = event_of({"hook_event_name": "UserPromptSubmit", "prompt": prompt})
        assert event.type == "host"
        assert event.attributes == {
            "prompt_length": len(prompt),
            "task": "a1",
            "task_status": "completed",
            "delegated_by": "toolu_1",
        }

    @pytest.mark.parametrize(
        "prompt",
        [
            "<task-notification>",
            "<task-notification><task-id></task-id>",
            "<task-notification><task-id>open",
            "<task-notification></task-id><task-id>",
            "<task-notification><task-id>two words</task-id><status>it is; done</status>",
            "<task-notification><result><task-id>a1</task-id><status>ok</status></result>",
        ],
    )
    def test_nothing_leaks_from_a_strange_notification(self, prompt: str) -> None:
        """A tag that is missing, open, empty, full of text or inside the answer gives no attribute."""
        attributes = attributes_of({"hook_event_name": "UserPromptSubmit", "prompt": prompt})
        assert attributes == {"prompt_length": len(prompt)}

    def test_a_tool_call_starts(self) -> None:
        """PreToolUse gives id, tool and task, but nothing of the tool's input."""
        event = event_of(
            {
                "hook_event_name": "PreToolUse",
                "tool_name": "Bash",
                "tool_use_id": "t",
                "agent_id": "a",
                "agent_type": "architect",
                "tool_input": {"command": "cat /etc/passwd", "description": "look"},
            }
        )
        assert (event.kind, event.id, event.parent, event.name) == (Kind.TOOL_START, "t", "a", "Bash")
        assert event.attributes == {}

    def test_an_agent_type_alone_is_the_main_thread(self) -> None:
        """A session started as an agent has a type and no id: it has no parent."""
        event = event_of({"hook_event_name": "PreToolUse", "agent_type": "architect", "tool_use_id": "t"})
        assert event.parent is None

    @pytest.mark.parametrize("tool", ["Agent", "Task"])
    def test_a_delegation_is_described(self, tool: str) -> None:
        """The Agent tool, under both of its names, gives agent, description (cut) and background."""
        payload = {
            "hook_event_name": "PreToolUse",
            "tool_name": tool,
            "tool_input": {
                "subagent_type": "architect",
                "description": "d" * 130,
                "run_in_background": True,
                "prompt": "the secret plan",
            },
        }
        expected = {"agent": "architect", "description": "d" * 120, "background": True}
        assert attributes_of(payload) == expected
        assert attributes_of(payload, describe=False) == {"agent": "architect", "background": True}

    def test_a_tool_call_ends(self) -> None:
        """PostToolUse carries the execution time in nanoseconds, also from a fraction of a millisecond."""
        payload = {"hook_event_name": "PostToolUse", "tool_name": "Read", "tool_use_id": "t"}
        event = event_of({**payload, "duration_ms": 12, "tool_response": {"stdout": "secret", "status": "x"}})
        assert (event.kind, event.outcome, event.duration) == (Kind.TOOL_END, Outcome.SUCCESS, 12_000_000)
        assert event.attributes == {}
        assert event_of({**payload, "duration_ms": 0.25}).duration == 250_000
        assert event_of({**payload, "duration_ms": 0}).duration == 0
        assert event_of({**payload, "duration_ms": 315_359_999_999}).duration == 315_359_999_999_000_000

    @pytest.mark.parametrize(
        "value", [-1, True, "12", None, 315_360_000_000, 1e300, float("nan"), float("inf"), [1]]
    )
    def test_a_duration_that_measures_nothing_is_absent(self, value: object) -> None:
        """Negative, absurd and wrongly typed durations are left out, never 0."""
        assert event_of({"hook_event_name": "PostToolUse", "duration_ms": value}).duration is None

    def test_a_delegation_that_was_waited_for_names_its_task(self) -> None:
        """The Agent tool's answer links the call to the task and gives the task's own figures."""
        response = {
            "agentId": "a1",
            "status": "completed",
            "totalDurationMs": 1241,
            "totalToolUseCount": 3,
            "content": [{"type": "text", "text": "secret"}],
        }
        event = event_of({"hook_event_name": "PostToolUse", "tool_name": "Agent", "tool_response": response})
        assert event.attributes == {
            "task": "a1",
            "status": "completed",
            "task_duration_ms": 1241,
            "task_tool_calls": 3,
        }

    @pytest.mark.parametrize(
        ("tool", "response"),
        [
            ("mcp__crm__find", {"agentId": "agent-7", "status": "active"}),
            ("Agent", {"status": "completed"}),
            ("Agent", {"agentId": "two words"}),
            ("Agent", {"agentId": 7}),
            ("Agent", ["agentId"]),
            ("Agent", "agentId"),
        ],
    )
    def test_what_is_no_answer_of_a_delegation_adds_nothing(self, tool: str, response: object) -> None:
        """Other vendors' tools and other shapes give no task."""
        payload = {"hook_event_name": "PostToolUse", "tool_name": tool, "tool_response": response}
        assert attributes_of(payload) == {}

    def test_a_free_text_status_stays_out(self) -> None:
        """A status is an enumeration's word or absent."""
        response = {"agentId": "a1", "status": "Done, see notes"}
        payload = {"hook_event_name": "PostToolUse", "tool_name": "Agent", "tool_response": response}
        assert attributes_of(payload) == {"task": "a1"}

    @pytest.mark.parametrize(
        ("fields", "outcome", "attributes"),
        [
            ({"error": "Exit code 2\nls: secret"}, Outcome.FAILURE, {"error": "exit_code"}),
            ({"error": "EISDIR: secret"}, Outcome.FAILURE, {}),
            ({"error": 7}, Outcome.FAILURE, {}),
            ({"is_interrupt": False}, Outcome.FAILURE, {}),
            ({"is_interrupt": True, "error": "secret"}, Outcome.CANCELLED, {"error": "interrupt"}),
        ],
    )
    def test_a_failing_call_gives_its_class(
        self, fields: dict[str, Any], outcome: Outcome, attributes: dict[str, Any]
    ) -> None:
        """A failure and an interruption differ; at most the class of the error's text is recorded."""
        event = event_of({"hook_event_name": "PostToolUseFailure", "duration_ms": 3, **fields})
        assert (event.kind, event.outcome, event.duration) == (Kind.TOOL_END, outcome, 3_000_000)
        assert event.attributes == attributes

    def test_a_denied_call_is_cancelled(self) -> None:
        """PermissionDenied ends the call it belongs to."""
        event = event_of({"hook_event_name": "PermissionDenied", "tool_use_id": "t", "reason": "secret"})
        assert (event.kind, event.id, event.outcome) == (Kind.TOOL_END, "t", Outcome.CANCELLED)
        assert event.attributes == {"status": "denied"}

    def test_a_batch_names_its_calls(self) -> None:
        """PostToolBatch lists the ids it has, and no more than a line can take."""
        calls = [{"tool_use_id": "t1"}, {"tool_use_id": 7}, "x", {}, {"tool_use_id": "t2"}]
        event = event_of({"hook_event_name": "PostToolBatch", "agent_id": "a", "tool_calls": calls})
        assert (event.kind, event.parent, event.attributes) == (Kind.BATCH_END, "a", {"ids": ["t1", "t2"]})
        many = [{"tool_use_id": f"t{n}"} for n in range(1000)]
        ids = attributes_of({"hook_event_name": "PostToolBatch", "tool_calls": many})["ids"]
        assert ids == [f"t{n}" for n in range(client.LIST_LIMIT)]

    def test_a_batch_says_which_of_its_calls_went_wrong(self) -> None:
        """A call that was denied or had a bad input runs no other hook; of its text only the kind is kept."""
        texts = {
            "t1": "<tool_use_error>InputValidationError: SECRET</tool_use_error>",
            "t2": "This command requires approval",
            "t3": "<tool_use_error>Sibling tool call errored</tool_use_error>",
            "t4": "Permission to use Bash with command SECRET has been denied.",
            "t5": "SECRET output",
            "t6": [{"type": "text", "text": "<tool_use_error>an agent's words"}],
        }
        calls = [
            {"tool_use_id": id, "tool_name": "Bash", "tool_response": text} for id, text in texts.items()
        ]
        attributes = attributes_of({"hook_event_name": "PostToolBatch", "tool_calls": calls})
        assert attributes["results"] == [
            "failure t1 Bash",
            "denied t2 Bash",
            "cancelled t3 Bash",
            "denied t4 Bash",
        ]

    def test_a_permission_request_names_tool_and_task(self) -> None:
        """PermissionRequest has no id."""
        event = event_of({"hook_event_name": "PermissionRequest", "agent_id": "a", "tool_name": "Bash"})
        assert (event.kind, event.parent, event.name) == (Kind.PERMISSION_REQUEST, "a", "Bash")

    @pytest.mark.parametrize(
        ("hook", "field", "kind"),
        [
            ("Notification", "notification_type", Kind.NOTIFICATION),
            ("PreCompact", "trigger", Kind.COMPACTION_START),
            ("PostCompact", "trigger", Kind.COMPACTION_END),
        ],
    )
    def test_notifications_and_compactions_have_a_type(self, hook: str, field: str, kind: Kind) -> None:
        """Their type passes; messages, instructions and summaries do not."""
        event = event_of({"hook_event_name": hook, field: "auto", "message": "m", "compact_summary": "c"})
        assert (event.kind, event.type, event.attributes) == (kind, "auto", {})

    def test_a_task_starts_and_ends(self) -> None:
        """SubagentStart and SubagentStop have the agent's id; the stop lists the running subagents."""
        named = {"agent_id": "a1", "agent_type": "architect"}
        start = event_of({"hook_event_name": "SubagentStart", **named})
        assert (start.kind, start.id, start.parent, start.name) == (Kind.TASK_START, "a1", None, "architect")
        tasks = [
            {"id": "a2", "type": "subagent", "status": "running", "description": "secret"},
            {"id": "a3", "type": "subagent", "status": "completed"},
            {"id": "b1", "type": "shell", "status": "running", "command": "secret"},
            {"type": "subagent", "status": "running"},
            "a4",
        ]
        end = event_of({"hook_event_name": "SubagentStop", **named, "background_tasks": tasks})
        assert (end.kind, end.id, end.parent, end.outcome) == (Kind.TASK_END, "a1", None, Outcome.SUCCESS)
        assert end.attributes == {"running": ["a2"]}

    def test_a_turn_ends(self) -> None:
        """Stop ends the prompt's turn, has no parent, and an empty list differs from a missing list."""
        stop = {"hook_event_name": "Stop", "prompt_id": "p", "last_assistant_message": "secret"}
        event = event_of({**stop, "background_tasks": [], "agent_id": "a"})
        assert (event.kind, event.id, event.parent) == (Kind.TURN_END, "p", None)
        assert (event.outcome, event.attributes) == (Outcome.SUCCESS, {"running": []})
        assert attributes_of(stop) == {}

    @pytest.mark.parametrize(
        ("error", "attributes"),
        [("rate_limit", {"error": "rate_limit"}), ("No, because", {}), ("E42", {}), ("x" * 60, {}), (7, {})],
    )
    def test_a_turn_fails(self, error: object, attributes: dict[str, Any]) -> None:
        """StopFailure gives the error if it is a single word."""
        event = event_of({"hook_event_name": "StopFailure", "prompt_id": "p", "error": error})
        assert (event.kind, event.id, event.outcome) == (Kind.TURN_END, "p", Outcome.FAILURE)
        assert event.attributes == attributes

    def test_the_table_speaks_the_models_words(self) -> None:
        """Each kind and outcome that the client writes is in the model."""
        assert {kind for kind, *_ in client.EVENTS.values()} <= set(Kind)
        assert {outcome for _, outcome, *_ in client.EVENTS.values()} - {None} <= set(Outcome)
        assert set(client.REFINED) <= set(client.EVENTS)

    def test_the_limits_are_within_the_journals(self) -> None:
        """The journal's reader accepts every value that the client records."""
        assert client.NAME_LIMIT <= client.ID_LIMIT <= LONGEST_TEXT
        assert client.LIST_LIMIT <= LONGEST_LIST
        assert client.NUMBER_LIMIT <= LONGEST_DURATION

    def test_ids_are_whole_or_absent_and_names_are_cut(self) -> None:
        """An id beyond its limit is absent; a name beyond its limit is shortened."""
        payload = {"hook_event_name": "PreToolUse", "tool_use_id": "t" * 201, "tool_name": "n" * 130}
        event = event_of(payload)
        assert (event.id, event.name) == (None, "n" * 120)
        assert event_of({**payload, "tool_use_id": "t" * 200}).id == "t" * 200

    def test_control_characters_of_names_do_not_reach_the_journal(self) -> None:
        """A terminal's escape, a line end or a mark that reverses text is a blank; other letters stay."""
        event = event_of(
            {
                "hook_event_name": "PreToolUse",
                "tool_name": "Ba\x1b[31m\u202esh é",
                "tool_use_id": "t",
                "cwd": "/a",
            }
        )
        assert event.name == "Ba [31m sh é"

    def test_lone_surrogates_do_not_reach_the_journal(self) -> None:
        r"""``\ud800`` in a name is replaced, a pair is kept."""
        written = build_record(
            b'{"session_id":"s","hook_event_name":"PreToolUse","tool_name":"a\\ud800\\ud83d\\ude00"}', NOW
        )
        assert decoded(written).name == "a?\N{GRINNING FACE}"

    def test_stray_bytes_cost_no_event(self) -> None:
        """Invalid UTF-8, a bare control character or NaN in a tool's output do not lose the event."""
        payload = b'{"session_id":"s","hook_event_name":"Stop","x":"\xff\x01\n","y":[NaN],"prompt_id":"p"}'
        assert decoded(build_record(payload, NOW)).id == "p"
        assert decoded(build_record(b"\xef\xbb\xbf \r\n" + payload + b"\n\n", NOW)).id == "p"


class TestReject:
    @pytest.mark.parametrize(
        ("payload", "reason"),
        [
            (b"", "empty"),
            (b" \n\t", "empty"),
            (b"hello", "not JSON"),
            (b"{", "not JSON"),
            (b'{"session_id":"s"} trailing', "not JSON"),
            (b'{"a":' + b"9" * 5000 + b"}", "not JSON"),
            (b"\x00\xff\xfe", "not JSON"),
            (b"[]", "not an object"),
            (b"7", "not an object"),
            (b"null", "not an object"),
            (b"{}", "no session id"),
            (b'{"session_id":"","hook_event_name":"Stop"}', "no session id"),
            (b'{"session_id":7,"hook_event_name":"Stop"}', "no session id"),
            (b'{"session_id":"' + b"s" * 201 + b'","hook_event_name":"Stop"}', "no session id"),
            (b"[" * 200_000, "too deep"),
            (b'{"a":' * 200_000, "too deep"),
        ],
        ids=lambda value: str(value[:20]),
    )
    def test_input_that_is_no_event_is_reported(self, payload: bytes, reason: str) -> None:
        """It becomes a reject event with its reason and size, so that the loss is visible."""
        assert rejected(payload) == (reason, None)

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("PreModelSwitch", "PreModelSwitch"),
            ("two words", None),
            ("Stop7", None),
            ("A" * 41, None),
            ("", None),
            (7, None),
            (["Stop"], None),
            (None, None),
        ],
    )
    def test_an_unknown_hook_is_counted_by_name(self, name: object, shown: str | None) -> None:
        """A hook of a later release is named, as far as it looks like a hook's name."""
        payload = json.dumps({"session_id": "s", "hook_event_name": name}).encode()
        assert rejected(payload) == ("unknown event", shown)

    def test_a_payload_beyond_the_limit_is_not_parsed(self) -> None:
        """64 MiB is the limit."""
        assert rejected(b" " * (client.LIMIT + 1)) == ("too large", None)

    def test_a_fault_of_our_own_is_reported(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An unforeseen exception, and memory that does not suffice, become reject events too."""

        def fail(error: Exception) -> Any:
            def parsed(_: bytes) -> Any:
                raise error

            return parsed

        monkeypatch.setattr(client, "_parse_payload", fail(ZeroDivisionError()))
        assert rejected(b"{}") == ("internal", None)
        monkeypatch.setattr(client, "_parse_payload", fail(MemoryError()))
        assert rejected(b"{}") == ("out of memory", None)


class TestPrivacy:
    @staticmethod
    def texts(value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for member in value.values():
                yield from TestPrivacy.texts(member)
        elif isinstance(value, list):
            for member in value:
                yield from TestPrivacy.texts(member)

    @pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
    def test_no_content_of_a_recorded_payload_appears(self, path: Path) -> None:
        """No prompt, tool input, tool output, path or message of a recording is in the journal's line."""
        checked = 0
        for line in path.read_text().splitlines():
            payload = json.loads(line)["payload"]
            written = build_record(json.dumps(payload).encode(), NOW).decode()
            strings = list(self.texts(json.loads(written)))
            assert max(map(len, strings)) <= client.NAME_LIMIT
            delegation = payload.get("tool_name") in client.DELEGATING
            order = dict(payload.get("tool_input") or {})
            allowed = (
                {str(order.pop(key, "")) for key in ("description", "subagent_type")} if delegation else set()
            )
            response = payload.get("tool_response")
            if isinstance(response, dict):
                allowed |= {str(response.get(key)) for key in ("agentId", "status")}
            forbidden = [
                payload.get(key) for key in ("prompt", "last_assistant_message", "error", "tool_calls")
            ]
            forbidden += [payload.get(key) for key in ("transcript_path", "agent_transcript_path", "cwd")]
            ids = {call["tool_use_id"] for call in payload.get("tool_calls") or []}
            for text in self.texts([*forbidden, order, response]):
                if text and text not in allowed | ids | {payload.get("tool_name")}:
                    checked += 1
                    assert text not in strings
                    assert len(text) < 6 or json.dumps(text)[1:-1] not in written
        assert checked > 50

    def test_only_what_is_allowed_can_pass(self) -> None:
        """If all free texts of a payload are secrets, the event contains no secret."""
        content: dict[str, Any] = {"prompt": "a secret", "command": "a secret", "content": ["a secret"]}
        for hook in client.EVENTS:
            payload: dict[str, Any] = {
                "hook_event_name": hook,
                "cwd": "/secret/shop",
                "transcript_path": "/secret/x.jsonl",
                "prompt": "a secret",
                "message": "a secret",
                "title": "a secret",
                "error": "a secret",
                "error_details": "a secret",
                "last_assistant_message": "a secret",
                "custom_instructions": "a secret",
                "compact_summary": "a secret",
                "tool_name": "Bash",
                "tool_input": {**content, "description": "a secret", "subagent_type": "a secret"},
                "tool_response": {**content, "status": "a secret", "agentId": "a secret"},
                "tool_calls": [{"tool_use_id": "t", "tool_input": content, "tool_response": "a secret"}],
                "background_tasks": [{"id": "a", "type": "subagent", "status": "running", **content}],
            }
            assert b"secret" not in build_record(json.dumps({"session_id": "s", **payload}).encode(), NOW)


words = st.text(alphabet="ab/<>-_: \n\x00\u00e9\ud800", max_size=12)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | words | st.sampled_from(["x" * 200, "y" * 201])
)
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(words, scalars, max_size=3)
members = st.sampled_from(["agentId", "status", "id", "type", "tool_use_id", "description", "subagent_type"])
nested = st.dictionaries(members, values, max_size=4)
mutations = values | nested | st.lists(nested, max_size=3)


class TestAnything:
    @given(st.binary(max_size=400))
    def test_random_bytes_give_a_reject(self, payload: bytes) -> None:
        """Any bytes give a single event line."""
        written = build_record(payload, NOW)
        assert written.count(b"\n") == 2
        assert decoded(written).kind is Kind.REJECT

    @settings(max_examples=100)
    @given(st.sampled_from(PAYLOADS), st.sampled_from(sorted(client.EVENTS)), st.data())
    def test_mutated_payloads_give_an_event(
        self, recorded: tuple[int, dict[str, Any]], hook: str, data: st.DataObject
    ) -> None:
        """A payload with some members replaced by any values still gives a single event line."""
        payload = {**recorded[1], "hook_event_name": hook}
        keys = sorted({*payload, "agent_id", "tool_calls", "background_tasks", "trigger", "is_interrupt"})
        payload |= data.draw(st.dictionaries(st.sampled_from(keys), mutations, max_size=5))
        written = build_record(json.dumps(payload).encode(), NOW, describe=data.draw(st.booleans()))
        assert written.count(b"\n") == 2
        event = decoded(written)
        assert bool(event.session) == (event.kind is not Kind.REJECT)

    @settings(max_examples=60)
    @given(st.sampled_from(PAYLOADS), st.data())
    def test_damaged_text_gives_an_event(
        self, recorded: tuple[int, dict[str, Any]], data: st.DataObject
    ) -> None:
        """A payload's text with bytes removed and inserted still gives a single event line."""
        text = json.dumps(recorded[1]).encode()
        start = data.draw(st.integers(0, len(text)))
        stop = data.draw(st.integers(start, len(text)))
        written = build_record(text[:start] + data.draw(st.binary(max_size=20)) + text[stop:], NOW)
        assert written.count(b"\n") == 2
        decoded(written)


def run(
    payload: bytes, *arguments: object, script: Path = CLIENT, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the client as a hook does, with only this environment."""
    command = [str(PYTHON), "-I", "-S", str(script), *map(str, arguments)]
    done = subprocess.run(
        command, input=payload, env=environment or {}, capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    return done


def journal(state: Path) -> list[Event]:
    """Return all events of a state folder's journal; each line must be an event."""
    lines = [
        line
        for path in sorted(state.glob("journal/*.jsonl"))
        for line in path.read_bytes().split(b"\n")
        if line
    ]
    return [decoded(line) for line in lines]


STOP = b'{"session_id":"s","hook_event_name":"Stop","prompt_id":"p"}'


class TestProcess:
    def test_it_appends_to_the_day_of_the_event(self, tmp_path: Path) -> None:
        """Two hooks give two events in a private file, named by the UTC day of their time."""
        state = tmp_path / "deep" / "state"
        run(STOP, state)
        run(STOP, state)
        first, second = journal(state)
        assert first.time < second.time
        (file,) = state.glob("journal/*")
        assert file.name == dt.datetime.fromtimestamp(first.time / 1e9, dt.UTC).strftime("%Y-%m-%d.jsonl")
        assert file.stat().st_mode & 0o777 == 0o600
        assert {folder.stat().st_mode & 0o777 for folder in (state, state / "journal")} == {0o700}

    def test_a_new_day_file_is_private_whatever_the_umask(self, tmp_path: Path) -> None:
        """A session with umask 0 lets nobody else read the file or enter the folders."""
        command = [str(PYTHON), "-I", "-S", str(CLIENT), str(tmp_path / "state")]
        subprocess.run(command, input=STOP, env={}, check=True, timeout=60, umask=0)
        (file,) = tmp_path.glob("state/journal/*")
        assert file.stat().st_mode & 0o777 == 0o600
        assert {path.stat().st_mode & 0o777 for path in file.parents[:2]} == {0o700}

    @pytest.mark.skipif(sys.platform != "linux", reason="limits address space by setrlimit")
    def test_endless_input_needs_bounded_memory(self, tmp_path: Path) -> None:
        """Input beyond the limit is read to its end and dropped, in less memory than it takes."""
        import resource  # noqa: PLC0415  # Unix alone has it

        size = 4 * client.LIMIT
        command = [str(PYTHON), "-I", "-S", str(CLIENT), str(tmp_path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env={})
        resource.prlimit(process.pid, resource.RLIMIT_AS, (2 * client.LIMIT, 2 * client.LIMIT))
        assert process.stdin is not None
        with process.stdin as stdin:
            for _ in range(size // client.CHUNK):
                stdin.write(b" " * client.CHUNK)
        assert process.wait(timeout=60) == 0
        (event,) = journal(tmp_path)
        assert event.attributes["reason"] == "too large"
        assert event.attributes["bytes"] == size

    def test_it_writes_what_record_returns(self, tmp_path: Path) -> None:
        """The process writes the bytes that the HTTP endpoint gets from the same payload and time."""
        _, payload = next(item for item in PAYLOADS if item[1].get("tool_name") == "Agent")
        body = json.dumps(payload).encode()
        run(body, tmp_path)
        (file,) = tmp_path.glob("journal/*")
        assert file.read_bytes() == build_record(body, journal(tmp_path)[0].time)

    def test_the_state_is_found(self, tmp_path: Path) -> None:
        """STRETTO_STATE wins over the argument, that over XDG_STATE_HOME, that over HOME."""
        named, given, xdg, home = (tmp_path / name for name in ("näme d", "given", "xdg", "home"))
        everything = {"STRETTO_STATE": str(named), "XDG_STATE_HOME": str(xdg), "HOME": str(home)}
        run(STOP, given, environment=everything)
        assert len(journal(named)) == 1
        run(STOP, given, environment={**everything, "STRETTO_STATE": ""})
        assert len(journal(given)) == 1
        run(STOP, environment={"XDG_STATE_HOME": str(xdg), "HOME": str(home)})
        assert len(journal(xdg / "stretto")) == 1
        run(STOP, environment={"HOME": str(home)})
        assert len(journal(home / ".local/state/stretto")) == 1

    def test_without_a_home_it_does_nothing(self, tmp_path: Path) -> None:
        """A missing place for the journal is not an error."""
        run(STOP)
        assert list(tmp_path.iterdir()) == []

    def test_the_environment_reaches_the_event(self, tmp_path: Path) -> None:
        """TRACEPARENT is noted at the start of a session; STRETTO_DESCRIPTIONS=0 silences descriptions."""
        order = {"subagent_type": "architect", "description": "review"}
        start = {
            "session_id": "s",
            "hook_event_name": "PreToolUse",
            "tool_name": "Agent",
            "tool_input": order,
        }
        environment = {"TRACEPARENT": TRACEPARENT, "STRETTO_DESCRIPTIONS": "0"}
        run(
            json.dumps({**start, "hook_event_name": "SessionStart"}).encode(),
            tmp_path,
            environment=environment,
        )
        run(json.dumps(start).encode(), tmp_path, environment=environment)
        first, second = journal(tmp_path)
        assert first.attributes["traceparent"] == TRACEPARENT
        assert set(first.attributes) - {"host"} == {"traceparent", "processes"}
        assert second.attributes == {"agent": "architect"}

    @pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found through /proc")
    @pytest.mark.parametrize("hook", ["SessionStart", "UserPromptSubmit", "Stop"])
    def test_the_agent_is_named_behind_its_shells(self, tmp_path: Path, hook: str) -> None:
        """At the start of a session or turn: the shell that runs the hook, and the shell's parent."""
        payload = json.dumps({"session_id": "s", "hook_event_name": hook}).encode()
        # Two commands, so that the shell cannot become the interpreter.
        words = ["/bin/sh", "-c", f"{PYTHON} -I -S {START} {tmp_path}; :"]
        shell = subprocess.Popen(words, stdin=subprocess.PIPE, env={})
        own = client.identify_process(os.getpid())
        shell.communicate(payload)
        (event,) = journal(tmp_path)
        if hook == "Stop":
            assert event.attributes == {}
            return
        told = event.attributes["processes"]
        assert isinstance(told, list)
        assert [name.partition(":")[0] for name in told[:1]] == [str(shell.pid)]
        assert told[1:2] == [own]
        assert len(told) == 2
        assert event.attributes["host"] == client.identify_boot_and_pid_namespace()

    @pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="read through /proc")
    def test_the_place_of_a_pid_is_its_boot_and_namespace(self) -> None:
        """Another boot or another container gives another place."""
        boot, _, namespace = (client.identify_boot_and_pid_namespace() or "").partition("/")
        assert boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert str(Path("/proc/self/ns/pid").readlink()) == f"pid:[{namespace}]"

    def test_a_process_is_spelled_the_same_by_whoever_asks(self) -> None:
        """Pid and start distinguish processes with the same pid; an ended process has no start."""
        pid, _, started = client.identify_process(os.getpid()).partition(":")
        assert pid == str(os.getpid())
        if Path("/proc/self/stat").exists():
            since_boot = psutil.Process().create_time() - psutil.boot_time()
            assert int(started) / os.sysconf("SC_CLK_TCK") == pytest.approx(since_boot, abs=0.02)
        gone = subprocess.Popen(["true"])
        gone.wait()
        assert client.identify_process(gone.pid) == str(gone.pid)

    def test_a_torn_line_does_not_swallow_the_next(self, tmp_path: Path) -> None:
        """An unfinished line of an earlier writer ends at the next record."""
        run(STOP, tmp_path)
        (file,) = tmp_path.glob("journal/*")
        file.write_bytes(file.read_bytes() + b'\n{"version":1,"kind":"to')
        run(STOP, tmp_path)
        lines = [line for line in file.read_bytes().split(b"\n") if line]
        assert len(lines) == 3
        assert [decoded(line).kind for line in (lines[0], lines[2])] == [Kind.TURN_END, Kind.TURN_END]

    def test_it_loads_next_to_nothing(self, tmp_path: Path) -> None:
        """Beyond the bare interpreter it loads the JSON accelerator, and no package."""
        shown = "import sys; print(*sorted(sys.modules))"
        bare = subprocess.check_output([PYTHON, "-I", "-S", "-c", shown], env={}).split()
        loading = f"import sys; sys.path.insert(0, {str(CLIENT.parent)!r}); import client; {shown}"
        loaded = subprocess.check_output([PYTHON, "-I", "-S", "-B", "-c", loading], env={}).split()
        assert set(loaded) - set(bare) <= {b"client", b"_json"}
        assert not {b"json", b"re", b"os", b"site", b"typing", b"pathlib"} & set(loaded)
        run(STOP, tmp_path)

    def test_both_decoders_give_the_same_bytes(self, tmp_path: Path) -> None:
        """Without the accelerator the package json gives the same records, also for strange text."""
        strange = [{"session_id": "é\ud800", "hook_event_name": "Stop", "x": "\u2028\x7f"}, {}, []]
        bodies = [json.dumps(payload) for _, payload in PAYLOADS] + [json.dumps(value) for value in strange]
        bodies += ["{", '{"session_id":"s","hook_event_name":"Stop","y":NaN,"x":"\x01"}', "[" * 100_000]
        source = tmp_path / "bodies.json"
        source.write_text(json.dumps(bodies))
        program = (
            "import sys\n"
            "if sys.argv[2] == 'slow': sys.modules['_json'] = None\n"
            f"sys.path.insert(0, {str(CLIENT.parent)!r})\n"
            "import client, json\n"
            "assert ('_json' in client.scan.__class__.__module__) == (sys.argv[2] == 'fast'), client.scan\n"
            "for body in json.load(open(sys.argv[1])):\n"
            f"    sys.stdout.write(client.build_record(body.encode(), {NOW}).decode())\n"
        )
        fast, slow = (
            subprocess.check_output([PYTHON, "-I", "-S", "-B", "-c", program, source, way])
            for way in ("fast", "slow")
        )
        assert fast == slow
        assert fast == b"".join(build_record(body.encode(), NOW) for body in bodies)

    def test_the_compiled_start_gives_the_same_event(self, tmp_path: Path) -> None:
        """``start.py`` gives the same event and keeps a cache; a damaged cache costs no event."""
        folder = tmp_path / "hook"
        folder.mkdir()
        for source in (CLIENT, START):
            (folder / source.name).write_bytes(source.read_bytes())
        run(STOP, tmp_path, script=folder / "start.py")
        (compiled,) = (folder / "__pycache__").iterdir()
        good = compiled.read_bytes()
        for damaged in (
            b"",
            b"\x00" * 16,
            good[: len(good) // 2],
            good[:16] + b"nonsense",
            b"\x00\x00\x00\x00" + good[4:],
        ):
            compiled.write_bytes(damaged)
            run(STOP, tmp_path, script=folder / "start.py")
        assert [event.kind for event in journal(tmp_path)] == [Kind.TURN_END] * 6

    def test_the_compiled_start_is_silent_without_its_client(self, tmp_path: Path) -> None:
        """A missing or broken client is not an error for the agent."""
        start = tmp_path / "start.py"
        start.write_bytes(START.read_bytes())
        run(STOP, tmp_path, script=start)
        (tmp_path / "client.py").write_text("def (")
        run(STOP, tmp_path, script=start)
        assert journal(tmp_path) == []
