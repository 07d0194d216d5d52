"""The dialects: the events that the client makes of other agents' payloads, as their vendors document them.

``tests/recorded/dialects`` has a file of payloads for each agent, and beside each payload the complete event
that it must give. A ``pair`` there is a label: equal labels stand for equal hashes, different labels for
different hashes.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.clock import SECOND
from stretto.hook.client import client, dialects
from stretto.hook.client.client import build_record, hash_repository
from stretto.hook.client.dialects import DIALECTS
from stretto.journal import parse_line
from stretto.model.event import Event, Kind, Outcome
from tests.otlp_requests import only_session

DOCUMENTED = sorted((Path(__file__).parent / "recorded" / "dialects").glob("*.jsonl"))
KEY = b"k" * 32
NOW = 1_790_000_000_000_000_000
PYTHON = Path(sys.executable).resolve()


def rows(agent: str) -> list[dict[str, Any]]:
    """Return an agent's documented payloads, each with its arrival ``t`` and the event expected of it."""
    path = next(path for path in DOCUMENTED if path.stem == agent)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def written(agent: str, payload: object, now: int = NOW, key: bytes = KEY) -> dict[str, Any]:
    """Return the members of the event that a payload becomes; the journal must believe it."""
    line = build_record(json.dumps(payload).encode(), now, agent=agent, key=key)
    assert isinstance(parse_line(line), Event), line
    return dict(json.loads(line))


def attributes(agent: str, payload: object, key: bytes = KEY) -> dict[str, Any]:
    """Return the attributes of the event that a payload becomes."""
    return dict(written(agent, payload, key=key).get("attributes", {}))


def texts(value: object) -> Iterator[str]:
    """Yield every string in a value, names of members not included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from texts(member)


def hook_of(payload: dict[str, Any]) -> object:
    """Return the hook that a payload names; Copilot's start of an agent names none."""
    unnamed = "SubagentStart" if "agentName" in payload else None
    return payload.get("hook_event_name", payload.get("hookEventName", unnamed))


def test_every_dialect_is_documented() -> None:
    """Each agent has payloads, and each of its registered hooks occurs in them."""
    assert [path.stem for path in DOCUMENTED] == sorted(DIALECTS)
    for agent, dialect in DIALECTS.items():
        seen = {hook_of(row["payload"]) for row in rows(agent)}
        assert set(dialect.events) <= seen


def test_the_tables_speak_the_common_words() -> None:
    """Each hook translates to a hook that the client knows."""
    assert {hook for dialect in DIALECTS.values() for hook in dialect.events.values()} <= set(client.EVENTS)
    assert dialects.DELEGATING == client.DELEGATING


@pytest.mark.parametrize("agent", sorted(DIALECTS))
def test_documented_payloads_become_exactly_these_events(agent: str) -> None:
    """Each payload gives exactly the event beside it, with no field more or less."""
    labels: dict[str, str] = {}
    for row in rows(agent):
        event = written(agent, row["payload"], row["t"])
        pair = event.get("attributes", {}).get("pair")
        if pair is not None:
            assert len(pair) == 16
            assert int(pair, 16) >= 0
            event["attributes"]["pair"] = labels.setdefault(pair, row["event"]["attributes"]["pair"])
        path = row["event"].get("attributes", {}).get("wrote")
        if path is not None:
            keyed = blake2b(path.encode(), digest_size=8, key=KEY, person=b"path").hexdigest()
            row["event"]["attributes"]["wrote"] = keyed
        told = event.get("attributes", {})
        repository = told.pop("repository", None)
        assert (repository is None) == ("project" not in told)
        # The documented payloads name folders that are no repositories here: each is the project itself.
        folders = {hash_repository(text, KEY) for text in texts(row["payload"])}
        assert repository is None or repository in folders
        assert event == row["event"]
    assert len(set(labels.values())) == len(labels)


@pytest.mark.parametrize("agent", sorted(DIALECTS))
def test_nothing_of_the_content_passes(agent: str) -> None:
    """Prompts, inputs, outputs, paths, messages and addresses of a documented payload do not pass."""
    checked = 0
    for row in rows(agent):
        payload = row["payload"]
        line = json.dumps(written(agent, payload, row["t"]))
        order = dict(payload.get("tool_input") or {})
        allowed = {str(order.pop(key, "")) for key in ("subagent_type", "agent_type", "agent_name", "mode")}
        allowed |= {str(order.pop("description", "")), str(payload.get("tool_name"))}
        # The outcome, and what an agent's answer repeats of its order.
        allowed |= {"rate_limit", "success", "general-purpose", "Explore", "job alpha", "job delta"}
        allowed.add(str(payload.get("tool_result", {}).get("result_type")))
        secret = [order, payload.get("prompt"), payload.get("task"), payload.get("last_assistant_message")]
        secret += [payload.get(name) for name in ("tool_response", "tool_result", "tool_output", "error")]
        secret += [payload.get(name) for name in ("message", "error_message", "user_email", "details")]
        secret += [payload.get(name) for name in ("cwd", "workspace_roots", "transcript_path", "edits")]
        for text in texts(secret):
            if len(text) > 4 and text not in allowed:
                checked += 1
                assert json.dumps(text)[1:-1] not in line
    assert checked > 10


@pytest.mark.parametrize("agent", sorted(DIALECTS))
def test_only_what_is_allowed_can_pass(agent: str) -> None:
    """If all free texts of a payload are secrets, the event of any hook contains no secret."""
    content = {"prompt": "a secret", "command": "a secret", "text_result_for_llm": "a secret"}
    order = {**content, "description": "a secret", "agent_type": "a secret", "agent_name": "a secret"}
    for hook in DIALECTS[agent].events:
        for tool in ("Bash", "Agent", "Task", "task", "invoke_agent", "collaborationspawn_agent", "Execute"):
            payload: dict[str, Any] = {
                "session_id": "s",
                "hook_event_name": hook,
                "tool_name": tool,
                "tool_input": {**order, "subagent_type": "a secret", "run_in_background": "a secret"},
                "tool_response": {**content, "agent_id": "a secret", "error": "a secret"},
                "tool_result": {"result_type": "a secret", **content},
                "tool_output": "a secret",
                "workspace_roots": ["/secret/shop"],
                "transcript_path": "/secret/rollout-a secret.jsonl",
                "timestamp": "a secret",
                **dict.fromkeys(("prompt", "task", "message", "error", "error_message"), "a secret"),
                **dict.fromkeys(
                    ("failure_type", "status", "user_email", "last_assistant_message"), "a secret"
                ),
            }
            for response in (payload["tool_response"], "a secret", '{"agent_id":"a secret"}'):
                body = json.dumps({**payload, "tool_response": response}).encode()
                line = build_record(body, NOW, agent=agent, key=KEY, describe=False)
                left = {**json.loads(line)}
                delegates = tool in client.DELEGATING or tool.endswith("spawn_agent")
                if delegates or DIALECTS[agent].tools.get(tool) in client.DELEGATING:
                    # What kind of agent a delegation asks for is a name, and passes as in Claude Code.
                    left.get("attributes", {}).pop("agent", None)
                assert "secret" not in json.dumps(left)


class TestPairs:
    """The hash that replaces a missing id shared by the start and end of a call."""

    CALL: ClassVar[dict[str, Any]] = {
        "session_id": "s",
        "hook_event_name": "PreToolUse",
        "tool_name": "Execute",
        "tool_input": {"command": "ls", "deep": [{"a": 1, "b": None}]},
    }

    @classmethod
    def pair(cls, key: bytes = KEY, **changed: Any) -> object:
        """Return the hash of the call with some members changed."""
        return attributes("droid", {**cls.CALL, **changed}, key).get("pair")

    def test_a_call_and_its_end_share_it(self) -> None:
        """The same session, tool and input give the same hash, in any order of members."""
        turned = {"deep": [{"b": None, "a": 1}], "command": "ls"}
        assert self.pair() == self.pair(hook_event_name="PostToolUse", tool_input=turned, tool_response="x")

    @pytest.mark.parametrize(
        "changed",
        [
            {"session_id": "t"},
            {"tool_name": "Read"},
            {"tool_input": {"command": "ls"}},
            {"tool_input": {"command": "ls", "deep": [{"a": "1", "b": None}]}},
            {"tool_input": {"command": "ls", "deep": [{"a": 1}, {"b": None}]}},
            {"tool_input": "{'command': 'ls'}"},
            {"tool_input": None},
        ],
    )
    def test_another_call_has_another(self, changed: dict[str, Any]) -> None:
        """A difference in session, tool or input gives another hash, even a difference of type only."""
        assert self.pair() != self.pair(**changed)

    def test_it_is_of_no_use_to_others(self) -> None:
        """It depends on the installation's secret; without a secret there is no hash."""
        assert self.pair() != self.pair(key=b"j" * 32)
        assert self.pair(key=b"") is None

    def test_an_id_of_the_agents_own_goes_first(self) -> None:
        """A release that brings ids needs no hash."""
        event = written("droid", {**self.CALL, "tool_use_id": "t"})
        assert (event["id"], event.get("attributes")) == ("t", None)

    def test_it_comes_with_calls_only(self) -> None:
        """Other hooks have no hash, and neither do agents with call ids."""
        for agent, dialect in DIALECTS.items():
            for hook, common in dialect.events.items():
                event = written(agent, {**self.CALL, "hook_event_name": hook})
                expected = dialect.paired and common in dialects.CALLS
                assert ("pair" in event.get("attributes", {})) is expected

    def test_an_input_that_utf8_cannot_hold_has_one(self) -> None:
        """A lone surrogate, which JSON can spell, does not cost the call its other half."""
        assert self.pair(tool_input="\ud800") not in (None, self.pair(tool_input="?"))

    def test_every_interpreter_makes_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An interpreter without the small hash module loads the large module."""
        usual = self.pair()
        monkeypatch.setitem(sys.modules, "_blake2", None)
        assert self.pair() == usual

    def test_an_input_too_deep_has_none(self) -> None:
        """The event is kept even if its input is too deep to be hashed."""
        deep = b'{"session_id":"s","hook_event_name":"PreToolUse","tool_name":"x","tool_input":'
        line = build_record(deep + b"[" * 500 + b"]" * 500 + b"}", NOW, agent="droid", key=KEY)
        event = parse_line(line)
        assert isinstance(event, Event)
        assert (event.kind, event.name, event.attributes) == (Kind.TOOL_START, "x", {})


class TestTime:
    """The agent's timestamp, if it has a plausible timestamp."""

    @staticmethod
    def time(stamp: object, now: int = NOW) -> int:
        """Return the time of the event of a payload with this stamp."""
        payload = {"session_id": "s", "hook_event_name": "Stop", "timestamp": stamp}
        event = written("copilot-cli", payload, now)
        assert event["kind"] == "turn.end"
        return int(event["time"])

    @given(st.integers(0, 2**32 * 1000), st.integers(0, dialects.LONGEST_DELAY - 1))
    def test_a_stamp_before_the_arrival_is_the_time(self, sent: int, way: int) -> None:
        """ISO 8601 in UTC, as JavaScript writes it, and milliseconds since the epoch, exactly."""
        moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=sent)
        text = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{sent % 1000:03}Z"
        time = sent * 1_000_000
        for stamp in (text, sent):
            assert dialects.translate_payload("x", {"timestamp": stamp}, time + way, b"")[2]["time"] == time

    @pytest.mark.parametrize(
        "stamp",
        ["2026-09-21T14:13:20Z", "2026-09-21T14:13:20.000000000Z", "2026-09-21T14:13:20.Z", NOW // 1_000_000],
    )
    def test_other_spellings_of_now(self, stamp: object) -> None:
        """With or without a fraction."""
        assert self.time(stamp, NOW + 5) == NOW

    @pytest.mark.parametrize(
        "stamp",
        [
            "2026-09-21T14:13:21.000Z",
            "2026-09-21T13:13:20.000Z",
            "2026-09-21T14:13:20.000",
            "2026-09-21T14:13:20+00:00",
            "2026-09-21 14:13:20Z",
            "2026-09-21T14:13Z",
            "2026-09-21T14:13:2Z",
            "2026-9-21T14:13:20.00Z",
            "2026-09-21T14:13:10.0000000010Z",
            "2026-09-21T14:13:10,000Z",
            "2026-09-21T14:13:-2.000Z",
            "\uff12\uff10\uff12\uff16-09-21T14:13:20.000Z",
            "--T::--T::Z",
            "",
            "Z",
            NOW // 1_000_000 + 1,
            0,
            -1,
            10**400,
            float(NOW // 1_000_000),
            True,
            None,
            ["2026-09-21T14:13:20.000Z"],
        ],
    )
    def test_a_stamp_that_cannot_be_right_is_left(self, stamp: object) -> None:
        """Later than the arrival, a quarter of an hour before it or more, or no stamp: the arrival counts."""
        assert self.time(stamp) == NOW


class TestAgents:
    def test_an_agent_with_the_common_shape_needs_no_table(self) -> None:
        """VS Code and Qwen Code are read as Claude Code is, under their own name."""
        payload = {
            "session_id": "s",
            "hook_event_name": "PostToolUse",
            "tool_name": "run_shell_command",
            "tool_use_id": "toolu_1",
            "duration_ms": 5231,
            "timestamp": "2026-09-21T14:13:19.990Z",
            "tool_input": {"command": "ls"},
        }
        assert written("qwen-code", payload) == {
            "version": 1,
            "kind": "tool.end",
            "session": "s",
            "time": NOW - 10_000_000,
            "source": "qwen-code",
            "channel": "hook",
            "id": "toolu_1",
            "duration": 5_231_000_000,
            "name": "run_shell_command",
            "outcome": "success",
        }

    def test_claude_code_is_read_as_before(self) -> None:
        """Fields that only other dialects read change nothing: no timestamp, no pair, no turn."""
        payload = {"session_id": "s", "hook_event_name": "PreToolUse", "tool_name": "Bash"}
        more = {"timestamp": "2026-09-21T14:13:19.990Z", "tool_input": {"command": "ls"}, "turn_id": "t"}
        assert written("claude-code", {**payload, **more}) == written("claude-code", payload)
        assert written("claude-code", payload)["source"] == "claude-code"

    @pytest.mark.parametrize("agent", sorted(DIALECTS))
    @pytest.mark.parametrize(
        ("payload", "reason"),
        [({}, "no session id"), ([], "not an object"), ({"session_id": "s"}, "unknown event")],
    )
    def test_a_reject_names_the_agent(self, agent: str, payload: object, reason: str) -> None:
        """A payload without an event is counted for its agent."""
        event = written(agent, payload)
        assert (event["kind"], event["source"]) == ("reject", agent)
        assert event["attributes"]["reason"] == reason

    def test_another_agents_hook_is_unknown(self) -> None:
        """A name that means something elsewhere only is not taken for it."""
        event = written("gemini-cli", {"session_id": "s", "hook_event_name": "PreToolUse"})
        assert (event["kind"], event["name"]) == ("reject", "PreToolUse")

    @pytest.mark.parametrize(
        ("path", "parent"),
        [
            ("/x/rollout-2026-09-21T12-28-41-019f12ec-906c-7182-bdb9-99c0e6f44347.jsonl", True),
            (r"C:\x\rollout-2026-09-21T12-28-41-019f12ec-906c-7182-bdb9-99c0e6f44347.jsonl", True),
            ("/x/rollout-2026-09-21T12-28-41-session.jsonl", False),
            ("/x/019f12ec-906c-7182-bdb9-99c0e6f44347.jsonl", False),
            ("/x/rollout-.jsonl", False),
            (None, False),
            (7, False),
        ],
    )
    def test_codex_names_the_parent_by_its_rollout(self, path: object, parent: bool) -> None:
        """An agent's stop has the path of its parent's rollout; another path gives no parent."""
        payload = {
            "session_id": "s",
            "hook_event_name": "SubagentStop",
            "agent_id": "a",
            "transcript_path": path,
        }
        found = written("codex", payload).get("parent")
        assert found == ("019f12ec-906c-7182-bdb9-99c0e6f44347" if parent else None)

    @pytest.mark.parametrize(
        "order", [{"run_in_background": True}, {"is_background": True}, {"mode": "background"}]
    )
    def test_a_delegation_left_in_the_background_is_told(self, order: dict[str, Any]) -> None:
        """The call's end is not the agent's end, and its status has Claude Code's word for that."""
        payload = {"session_id": "s", "tool_name": "Task", "tool_use_id": "t", "tool_input": order}
        start = attributes("cursor", {**payload, "hook_event_name": "preToolUse"})
        end = attributes("cursor", {**payload, "hook_event_name": "postToolUse"})
        assert (start, end) == ({"background": True}, {"status": "async_launched"})
        other = {**payload, "tool_name": "Shell"}
        assert attributes("cursor", {**other, "hook_event_name": "postToolUse"}) == {}


words = st.text(alphabet="ab/<>-_: \n\x00é\ud800", max_size=12)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | words | st.sampled_from(["x" * 200, "y" * 201])
)
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(words, scalars, max_size=3)
EVERYTHING = [(agent, row["payload"]) for agent in DIALECTS for row in rows(agent)]
FIELDS = sorted({name for _, payload in EVERYTHING for name in payload})


@settings(max_examples=120)
@given(st.sampled_from(EVERYTHING), st.sampled_from([*sorted(DIALECTS), "other"]), st.data())
def test_mutated_payloads_give_an_event(
    documented: tuple[str, dict[str, Any]], agent: str, data: st.DataObject
) -> None:
    """Any payload with replaced members, read as any agent's, gives a single event line."""
    changed = data.draw(st.dictionaries(st.sampled_from(FIELDS), values, max_size=5))
    line = build_record(json.dumps({**documented[1], **changed}).encode(), NOW, agent=agent, key=KEY)
    assert line.count(b"\n") == 2
    event = parse_line(line)
    assert isinstance(event, Event), event
    assert event.attributes.get("reason") != "internal"
    assert event.source == agent
    assert event.outcome in {None, *Outcome}


@pytest.mark.parametrize("agent", [*sorted(DIALECTS), "claude-code"])
@pytest.mark.parametrize("tool", [[], ["Task"], {}, {"name": "Task"}, 7, True, None])
def test_a_tool_name_that_is_no_text_costs_only_that_field(agent: str, tool: object) -> None:
    """The event keeps its kind, its session and its other fields; only the name is absent."""
    payloads = (
        [row["payload"] for row in rows(agent)]
        if agent in DIALECTS
        else [{"hook_event_name": "PreToolUse", "session_id": "s", "tool_use_id": "t", "tool_name": "Read"}]
    )
    for payload in [payload for payload in payloads if "tool_name" in payload]:
        named = parse_line(build_record(json.dumps(payload).encode(), NOW, agent=agent, key=KEY))
        line = build_record(json.dumps({**payload, "tool_name": tool}).encode(), NOW, agent=agent, key=KEY)
        unnamed = parse_line(line)
        assert isinstance(named, Event)
        assert isinstance(unnamed, Event), unnamed
        assert (unnamed.session, unnamed.time, unnamed.source) == (named.session, named.time, named.source)
        assert unnamed.kind is not Kind.REJECT or named.kind is Kind.REJECT


class TestFolder:
    """The copied folder, with and without the files beside the client."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Return a copy of the client, with a key."""
        folder = tmp_path / "hook"
        folder.mkdir()
        for name in ("client.py", "dialects.py", "tests_and_written_files.py", "start.py"):
            (folder / name).write_bytes(Path(client.__file__).with_name(name).read_bytes())
        (folder / "key").write_bytes(KEY)
        return folder

    @staticmethod
    def run(folder: Path, *, script: str = "start.py", agent: str = "gemini-cli") -> dict[str, Any]:
        """Run a hook of that copy and return the event that it adds."""
        state = folder.parent / "state"
        payload = {
            "session_id": "s",
            "hook_event_name": "BeforeTool",
            "tool_name": "read_file",
            "tool_input": {"file_path": "a"},
        }
        before = [path.read_bytes() for path in state.glob("journal/*")]
        done = subprocess.run(
            [PYTHON, "-I", "-S", folder / script, state, agent],
            input=json.dumps(payload).encode(),
            env={},
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        added = b"".join(path.read_bytes() for path in state.glob("journal/*"))[len(b"".join(before)) :]
        event = dict(json.loads(added))
        expected = attributes("gemini-cli", payload).get("pair")
        assert event.get("attributes", {}).get("pair") in (expected, None)
        return event

    @pytest.mark.parametrize("script", ["start.py", "client.py"])
    def test_both_ways_in_read_dialect_and_key(self, folder: Path, script: str) -> None:
        """From the compiled form and as a script, the first time and the second."""
        for _ in range(2):
            event = self.run(folder, script=script)
            assert (event["kind"], event["source"]) == ("tool.start", "gemini-cli")
            assert len(event["attributes"]["pair"]) == 16

    @pytest.mark.parametrize("damaged", [b"", b"\x00" * 16, b"nonsense"])
    def test_a_damaged_cache_costs_no_event(self, folder: Path, damaged: bytes) -> None:
        """Client and dialects are read from source if their compiled forms are damaged."""
        self.run(folder)
        for compiled in (folder / "__pycache__").iterdir():
            compiled.write_bytes(compiled.read_bytes()[:16] + damaged)
        assert self.run(folder)["kind"] == "tool.start"

    def test_without_a_key_calls_have_no_pair(self, folder: Path) -> None:
        """The event is kept without the pair that would make it a call."""
        (folder / "key").unlink()
        assert "attributes" not in self.run(folder)

    def test_without_the_dialects_a_gap_shows(self, folder: Path) -> None:
        """A missing or damaged file becomes a reject event, so that the gap is visible."""
        (folder / "dialects.py").write_text("def (")
        assert self.run(folder)["attributes"]["reason"] == "internal"
        (folder / "dialects.py").unlink()
        assert self.run(folder)["attributes"]["reason"] == "internal"

    def test_claude_code_needs_neither(self, folder: Path) -> None:
        """Claude Code's hooks load the same files as before."""
        (folder / "dialects.py").unlink()
        (folder / "key").unlink()
        event = self.run(folder, agent="claude-code")
        assert (event["kind"], event["attributes"]["reason"]) == ("reject", "unknown event")

    def test_a_name_that_is_none_is_other(self, folder: Path) -> None:
        """The agent in the settings is used only if it looks like a name."""
        assert self.run(folder, agent="no name\n")["source"] == "other"

    def test_it_loads_next_to_nothing(self, folder: Path) -> None:
        """Beyond the client it loads the dialects and, for a call without an id, a hash module."""
        shown = "import sys; print(*sorted(sys.modules))"
        bare = subprocess.check_output([PYTHON, "-I", "-S", "-c", shown], env={}).split()
        program = (
            f"import sys; sys.path.insert(0, {str(folder)!r}); import client; "
            'client.build_record(b\'{"session_id":"s","hook_event_name":"BeforeTool"}\', 1, '
            f"agent='gemini-cli', key=b'k'); {shown}"
        )
        loaded = subprocess.check_output([PYTHON, "-I", "-S", "-B", "-c", program], env={}).split()
        assert set(loaded) - set(bare) <= {b"client", b"dialects", b"_json", b"_blake2"}


def stamp(second: int) -> str:
    """Return the agent's stamp of a second before the hooks of a test arrive."""
    moment = dt.datetime.fromtimestamp(NOW / SECOND - 60 + second, dt.UTC)
    return moment.isoformat().replace("+00:00", "Z")


class TestAgentsInAgents:
    """Copilot's and Codex's agents that start agents: each in the session it belongs to, below its parent."""

    @staticmethod
    def send(agent: str, payload: object, folder: Path) -> dict[str, Any]:
        """Return the event of a payload; the client may keep notes in the folder."""
        line = build_record(json.dumps(payload).encode(), NOW, agent=agent, key=KEY, folder=str(folder))
        assert isinstance(parse_line(line), Event), line
        return dict(json.loads(line))

    def test_a_nested_agent_of_copilot_works_in_the_root_session(self, tmp_path: Path) -> None:
        """A nested agent's start shows its session by a path; its calls, which do not, are found by it."""
        child = {"agent_id": "inner", "agent_type": "explore", "parent_agent_id": "outer"}
        started = self.send(
            "copilot-cli",
            {"sessionId": "x", "agentName": "explore", **child,
             "transcriptPath": "/home/dev/.copilot/session-state/root/events.jsonl"},
            tmp_path,
        )  # fmt: skip
        call = {"session_id": "inner", **child, "hook_event_name": "PreToolUse", "tool_name": "Bash"}
        called = self.send("copilot-cli", call, tmp_path)
        assert (started["kind"], started["session"], started["parent"]) == ("task.start", "root", "outer")
        assert (called["kind"], called["session"], called["parent"]) == ("tool.start", "root", "inner")

    def test_an_agent_of_copilots_main_agent_needs_no_note(self, tmp_path: Path) -> None:
        """Its parent is the session; nothing is written."""
        call = {
            "session_id": "child", "agent_id": "child", "parent_agent_id": "root",
            "hook_event_name": "PreToolUse", "tool_name": "Read",
        }  # fmt: skip
        event = self.send("copilot-cli", call, tmp_path / "absent")
        assert (event["session"], event["parent"], event["name"]) == ("root", "child", "view")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("stops", [False, True])
    def test_an_agent_of_copilot_ends_with_its_error_unless_it_stops(
        self, tmp_path: Path, stops: bool
    ) -> None:
        """A failed agent runs no stop hook: its error ends it. One that gets over an error stops later."""
        child = {"agent_id": "child", "agent_type": "explore", "parent_agent_id": "root"}
        payloads: list[dict[str, Any]] = [
            {"session_id": "root", **child, "hook_event_name": "SubagentStart", "timestamp": stamp(0)},
            {"session_id": "child", **child, "hook_event_name": "ErrorOccurred", "timestamp": stamp(5),
             "error": {"message": "SECRET"}, "recoverable": True},
            {"session_id": "root", "hook_event_name": "ErrorOccurred", "timestamp": stamp(6)},
        ]  # fmt: skip
        if stops:
            payloads.append(
                {"session_id": "root", **child, "hook_event_name": "SubagentStop", "timestamp": stamp(9),
                 "stop_reason": "end_turn"}
            )  # fmt: skip
        lines = [
            build_record(json.dumps(each).encode(), NOW, agent="copilot-cli", key=KEY, folder=str(tmp_path))
            for each in payloads
        ]
        assert b"SECRET" not in b"".join(lines)
        events = [event for line in lines if isinstance(event := parse_line(line), Event)]
        (task,) = only_session(events).tasks
        assert task.outcome is (Outcome.SUCCESS if stops else Outcome.FAILURE)
        assert task.interval is not None
        assert task.interval.length == (9 if stops else 5) * SECOND

    def test_notes_do_not_grow_for_ever(self, tmp_path: Path) -> None:
        """A full file of notes begins anew."""
        notes = tmp_path / dialects.NOTES
        notes.write_bytes(b"x" * (dialects.NOTES_LIMIT + 1))
        dialects._add_note(str(tmp_path), "a b\n")
        assert notes.read_bytes() == b"a b\n"

    @pytest.mark.parametrize("spacing", [(",", ":"), (", ", ": ")])
    def test_an_agent_of_codex_is_named_by_its_rollout(
        self, tmp_path: Path, spacing: tuple[str, str]
    ) -> None:
        """The first line of the agent's rollout gives its path, its name and its parent."""
        rollout = tmp_path / "rollout-child.jsonl"
        head = {"payload": {"parent_thread_id": "beta", "source": {"agent_path": "/root/beta/gamma"}}}
        rollout.write_text(json.dumps(head, separators=spacing) + '\n{"agent_path": "/later"}\n')
        event = written(
            "codex",
            {"session_id": "s", "hook_event_name": "SubagentStart", "agent_id": "gamma-id",
             "agent_type": "default", "transcript_path": str(rollout)},
        )  # fmt: skip
        assert event["parent"] == "beta"
        assert event["attributes"] == {"alias": "/root/beta/gamma", "description": "gamma"}

    @pytest.mark.parametrize("path", [None, "", "/absent/rollout.jsonl", "/etc/passwd", 7])
    def test_without_a_rollout_nothing_is_claimed(self, path: object) -> None:
        """No file, and no file of another kind, is read."""
        payload = {"session_id": "s", "hook_event_name": "SubagentStart", "agent_id": "a"}
        event = written("codex", {**payload, "transcript_path": path})
        assert "attributes" not in event
