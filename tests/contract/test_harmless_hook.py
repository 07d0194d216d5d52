"""Whatever happens to a hook, the agent sees exit code 0 and no output, and the journal stays readable.

Each promise holds for both ways to start the client: as a script, and from its compiled form. The special
reactions of other agents are tested with the command of each agent.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from stretto.hook.client import client
from stretto.hook.install.agents import AGENTS
from stretto.hook.install.client_copy import CLIENT_FILES
from stretto.hook.install.handlers import InstallPlan, build_handlers, get_client_folder, get_command_line
from stretto.hook.install.registration import install_hooks
from stretto.model.event import Event, Kind

PYTHON = Path(sys.executable).resolve()
STOP = b'{"session_id":"s","hook_event_name":"Stop","prompt_id":"p"}'
events = msgspec.json.Decoder(Event)
linux = pytest.mark.skipif(sys.platform != "linux", reason="has no /dev/full, or does not enforce RLIMIT_AS")


@pytest.fixture(params=["client.py", "start.py"])
def script(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return an installed copy of the client, by each of its two ways in."""
    folder = tmp_path / "installed"
    folder.mkdir()
    package = Path(client.__file__).parent
    for name in CLIENT_FILES:
        (folder / name).write_bytes((package / name).read_bytes())
    return folder / str(request.param)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return a state folder that does not exist yet."""
    return tmp_path / "state"


def command(script: Path, state: Path) -> list[str]:
    """Return the words that start the client."""
    return [str(PYTHON), "-I", "-S", str(script), str(state)]


def run(words: list[str], payload: bytes = STOP) -> None:
    """Run a hook with a payload, and hold it to exit code 0 and silence."""
    done = subprocess.run(words, input=payload, env={}, capture_output=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def limited(words: list[str], limit: str) -> list[str]:
    """Return the words that start a program with a resource limit, set in its own process."""
    program = f"import os, resource, sys; {limit}; os.execv(sys.argv[1], sys.argv[1:])"
    return [str(PYTHON), "-I", "-c", program, *words]


def lines(state: Path) -> list[bytes]:
    """Return all lines of the journal."""
    return [
        line for path in sorted(state.glob("journal/*")) for line in path.read_bytes().split(b"\n") if line
    ]


def kinds(state: Path) -> list[tuple[Kind, object]]:
    """Return kind and, of a reject, the reason of each event in the journal."""
    found = [events.decode(line) for line in lines(state)]
    return [(event.kind, event.attributes.get("reason")) for event in found]


def days() -> Iterator[str]:
    """Yield the names of today's and tomorrow's journal: the test may run over midnight."""
    now = dt.datetime.now(dt.UTC)
    for day in (now, now + dt.timedelta(days=1)):
        yield day.strftime("%Y-%m-%d.jsonl")


class TestInput:
    @pytest.mark.parametrize(
        ("payload", "reason"),
        [
            (b"", "empty"),
            (b"\x00\xff garbage \xf0", "not JSON"),
            (b'{"session_id":', "not JSON"),
            (b'{"a":' * 300_000, "too deep"),
            (b"[]", "not an object"),
            (b'{"session_id":"s","hook_event_name":"Tomorrow"}', "unknown event"),
        ],
        ids=lambda value: str(value[:12]),
    )
    def test_unreadable_input_is_reported(
        self, script: Path, state: Path, payload: bytes, reason: str
    ) -> None:
        """Garbage becomes a reject event, and no error."""
        run(command(script, state), payload)
        assert kinds(state) == [(Kind.REJECT, reason)]

    def test_lone_surrogates_are_written(self, script: Path, state: Path) -> None:
        """Text that UTF-8 cannot hold does not make the journal unreadable."""
        run(
            command(script, state),
            b'{"session_id":"\\ud800","hook_event_name":"SessionStart","cwd":"/\\udfff"}',
        )
        assert kinds(state) == [(Kind.SESSION_START, None)]

    def test_fifty_megabytes_are_read(self, script: Path, state: Path) -> None:
        """A huge tool output loses no event, and no part of it is recorded."""
        payload = {"session_id": "s", "hook_event_name": "PostToolUse", "tool_use_id": "t"}
        run(command(script, state), json.dumps({**payload, "tool_response": "x" * 50_000_000}).encode())
        assert kinds(state) == [(Kind.TOOL_END, None)]
        assert len(lines(state)[0]) < 500

    def test_more_than_the_limit_is_drained_and_reported(self, script: Path, state: Path) -> None:
        """Beyond 64 MiB the input is read and dropped, and its size is reported."""
        run(command(script, state), b" " * (client.LIMIT + 5))
        assert kinds(state) == [(Kind.REJECT, "too large")]
        assert events.decode(lines(state)[0]).attributes["bytes"] == client.LIMIT + 5

    def test_a_closed_input_is_reported(self, script: Path, state: Path) -> None:
        """A process without standard input is not an error."""
        run(["/bin/sh", "-c", 'exec "$0" "$@" <&-', *command(script, state)])
        assert kinds(state) == [(Kind.REJECT, "no input")]

    def test_an_input_that_cannot_be_read_is_reported(self, script: Path, state: Path) -> None:
        """A standard input that is open for writing only is not an error."""
        run(["/bin/sh", "-c", 'exec "$0" "$@" 0>/dev/null', *command(script, state)])
        assert kinds(state) == [(Kind.REJECT, "no input")]

    def test_the_agent_can_always_write(self, script: Path) -> None:
        """Even without a journal, the whole input is read: the agent's pipe does not break."""
        process = subprocess.Popen([str(PYTHON), "-I", "-S", str(script)], stdin=subprocess.PIPE, env={})
        assert process.stdin is not None
        process.stdin.write(b"x" * 3_000_000)
        process.stdin.close()
        assert process.wait(60) == 0


class TestJournal:
    def test_a_file_in_place_of_the_state(self, script: Path, state: Path) -> None:
        """If the folder cannot be created, the event is lost and the agent is not disturbed."""
        state.write_text("in the way")
        run(command(script, state))
        assert state.read_text() == "in the way"

    def test_a_file_in_place_of_the_journal(self, script: Path, state: Path) -> None:
        """The same holds for the journal's folder."""
        state.mkdir()
        (state / "journal").write_text("in the way")
        run(command(script, state))
        assert (state / "journal").read_text() == "in the way"

    def test_a_link_to_nowhere_in_place_of_the_state(self, script: Path, state: Path) -> None:
        """A dangling link cannot be made a folder."""
        state.symlink_to(state.parent / "missing" / "folder")
        run(command(script, state))
        assert not state.exists()

    @linux
    def test_a_full_disk(self, script: Path, state: Path) -> None:
        """A write that fails on a full disk is not an error."""
        (state / "journal").mkdir(parents=True)
        for day in days():
            (state / "journal" / day).symlink_to("/dev/full")
        run(command(script, state))
        assert Path("/dev/full").is_char_device()

    def test_a_pipe_in_place_of_the_journal(self, script: Path, state: Path) -> None:
        """A pipe without a reader does not block the hook."""
        (state / "journal").mkdir(parents=True)
        for day in days():
            os.mkfifo(state / "journal" / day)
        run(command(script, state))

    def test_a_pipe_whose_reader_goes_away(self, script: Path, state: Path) -> None:
        """SIGPIPE does not end the hook with an error."""
        (state / "journal").mkdir(parents=True)
        ends = []
        for day in days():
            os.mkfifo(state / "journal" / day)
            ends.append(os.open(state / "journal" / day, os.O_RDONLY | os.O_NONBLOCK))
        process = subprocess.Popen(
            command(script, state), stdin=subprocess.PIPE, stderr=subprocess.PIPE, env={}
        )
        for end in ends:
            os.close(end)
        assert process.communicate(STOP, timeout=60)[1] == b""
        assert process.returncode == 0

    def test_a_file_size_limit_tears_one_line_only(self, script: Path, state: Path) -> None:
        """A record cut off by the limit leaves a torn line; those before and after it read."""
        run(command(script, state))
        (file,) = state.glob("journal/*")
        size = file.stat().st_size + 20
        run(limited(command(script, state), f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"))
        assert file.stat().st_size == size
        run(limited(command(script, state), f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"))
        assert file.stat().st_size == size
        run(command(script, state))
        first, torn, last = lines(state)
        assert [events.decode(line).kind for line in (first, last)] == [Kind.TURN_END, Kind.TURN_END]
        with pytest.raises(msgspec.DecodeError):
            events.decode(torn)

    @linux
    def test_too_little_memory(self, script: Path, state: Path) -> None:
        """A payload that does not fit into memory is reported, and no error."""
        limit = "resource.setrlimit(resource.RLIMIT_AS, (160_000_000, 160_000_000))"
        many = b'"y", ' * 8_000_000
        payload = b'{"session_id": "s", "hook_event_name": "Stop", "x": [%b"y"]}' % many
        run(limited(command(script, state), limit), payload)
        assert kinds(state) == [(Kind.REJECT, "out of memory")]

    def test_no_file_descriptors(self, script: Path, state: Path) -> None:
        """A process that may open no file loses its event and disturbs no agent."""
        limit = "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))"
        words = limited(command(script, state), limit)
        done = subprocess.run(
            ["/bin/sh", "-c", '"$0" "$@" 2>/dev/null || :', *words], input=STOP, check=False, env={}
        )
        assert done.returncode == 0
        assert lines(state) == []


class TestSignals:
    @pytest.fixture
    def waiting(self, script: Path, state: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Yield a client that is reading: it has taken more of its input than any pipe holds."""
        ours, theirs = socket.socketpair()
        process = subprocess.Popen(
            command(script, state),
            stdin=theirs.fileno(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={},
        )
        theirs.close()
        with ours, process:
            ours.sendall(b" " * 4_000_000)
            yield process

    def test_an_interrupted_hook_is_silent(self, waiting: subprocess.Popen[bytes]) -> None:
        """Ctrl-C in the agent's terminal reaches its hooks too, which print nothing."""
        waiting.send_signal(signal.SIGINT)
        assert waiting.communicate(timeout=60) == (b"", b"")
        assert waiting.returncode == 0

    def test_a_hook_killed_half_way_leaves_the_others(
        self, waiting: subprocess.Popen[bytes], script: Path, state: Path
    ) -> None:
        """After ``kill -9`` in the middle, the events before and after it are all there is."""
        run(command(script, state))
        waiting.kill()
        assert waiting.wait(60) == -signal.SIGKILL
        run(command(script, state))
        assert kinds(state) == [(Kind.TURN_END, None)] * 2


def test_hooks_at_the_same_moment_lose_nothing(script: Path, state: Path) -> None:
    """Twenty-four hooks started together, with no folder there yet, give twenty-four whole lines."""
    count = 24
    processes = [
        subprocess.Popen(command(script, state), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={})
        for _ in range(count)
    ]
    for number, process in enumerate(processes):
        assert process.stdin is not None
        process.stdin.write(json.dumps({"session_id": f"s{number}", "hook_event_name": "Stop"}).encode())
    for process in processes:
        assert process.communicate(timeout=120)[0] == b""
    assert {events.decode(line).session for line in lines(state)} == {f"s{number}" for number in range(count)}
    assert len(lines(state)) == count


class TestCommand:
    """The command line in the settings, run by a shell as the agent runs it."""

    @pytest.fixture
    def plan(self, tmp_path: Path) -> InstallPlan:
        """Return an installed plan in a folder whose name needs quoting."""
        home = tmp_path / "some one's home"
        plan = InstallPlan(settings=home / "settings.json", state=home / "state", interpreter=PYTHON)
        install_hooks(plan)
        return plan

    @staticmethod
    def shell(plan: InstallPlan) -> None:
        run(["/bin/sh", "-c", build_handlers(plan)["Stop"]["command"]])

    def test_it_reports(self, plan: InstallPlan) -> None:
        """An installed command writes its event."""
        self.shell(plan)
        assert kinds(plan.state) == [(Kind.TURN_END, None)]

    def test_it_does_not_block_when_the_client_is_gone(self, plan: InstallPlan) -> None:
        """Python ends with 2 for a missing script, which an agent takes for an order: not so here."""
        (get_client_folder(plan.state) / "start.py").unlink()
        bare = subprocess.run(
            [PYTHON, get_client_folder(plan.state) / "start.py"], capture_output=True, check=False
        )
        assert bare.returncode == 2
        self.shell(plan)

    def test_it_does_not_fail_when_the_interpreter_is_gone(self, plan: InstallPlan) -> None:
        """A removed interpreter costs events, not the agent's peace."""
        gone = InstallPlan(settings=plan.settings, state=plan.state, interpreter=plan.state / "no" / "python")
        self.shell(gone)
        assert lines(plan.state) == []


@pytest.mark.parametrize("agent", [name for name in AGENTS if name != client.CLAUDE_CODE])
class TestEveryAgent:
    """The same for the other agents, whose dialects are loaded: by the command line as it is registered.

    For some of them more is at stake than a notice: Copilot refuses a tool for any code but 0, Gemini CLI for
    most codes that come with words, Codex fails on output that it does not know.
    """

    @pytest.fixture
    def plan(self, tmp_path: Path, agent: str) -> InstallPlan:
        """Return an installed plan in a folder whose name needs quoting."""
        home = tmp_path / "some one's home"
        settings = home / "settings.json"
        plan = InstallPlan(agent=AGENTS[agent], settings=settings, state=home / "state", interpreter=PYTHON)
        install_hooks(plan)
        return plan

    @staticmethod
    def words(plan: InstallPlan) -> list[str]:
        """Return the words that run a hook as the agent does."""
        (line,) = {get_command_line(handler) for handler in build_handlers(plan).values()}
        return ["/bin/sh", "-c", line]

    @staticmethod
    def payload(plan: InstallPlan) -> bytes:
        """Return a payload of the last registered hook, with fields that any agent may send."""
        named = {"session_id": "s", "conversation_id": "s", "hook_event_name": plan.agent.events[-1]}
        return json.dumps({**named, "tool_input": {"x": ["y", 1]}, "timestamp": "soon"}).encode()

    def test_it_reports(self, plan: InstallPlan) -> None:
        """An installed command writes its event, under the agent's name."""
        run(self.words(plan), self.payload(plan))
        (event,) = [events.decode(line) for line in lines(plan.state)]
        assert event.kind is not Kind.REJECT
        assert event.source == plan.agent.name

    @pytest.mark.parametrize(
        "payload",
        [
            b"",
            b"\x00\xff garbage \xf0",
            b'{"a":' * 300_000,
            b"[]",
            b'{"session_id":"s","hook_event_name":"Tomorrow"}',
            b" " * (client.LIMIT + 5),
        ],
        ids=["empty", "garbage", "deep", "array", "unknown", "huge"],
    )
    def test_unreadable_input_is_reported(self, plan: InstallPlan, payload: bytes) -> None:
        """Garbage becomes a reject event of that agent, and no error."""
        run(self.words(plan), payload)
        (event,) = [events.decode(line) for line in lines(plan.state)]
        assert (event.kind, event.source) == (Kind.REJECT, plan.agent.name)
        assert event.attributes["reason"] in set(client.REASONS) - {"internal"}

    @pytest.mark.parametrize(
        "gone", ["start.py", "client.py", "dialects.py", "tests_and_written_files.py", "key"]
    )
    @pytest.mark.parametrize("left", [None, b"def (", b"\x00\xff"])
    def test_a_copy_that_is_gone_or_broken(self, plan: InstallPlan, gone: str, left: bytes | None) -> None:
        """If any file of the copy is missing or damaged, the agent does not notice."""
        path = get_client_folder(plan.state) / gone
        path.unlink()
        if left is not None:
            path.write_bytes(left)
        run(self.words(plan), self.payload(plan))
        run(self.words(plan), self.payload(plan))

    def test_nowhere_to_write(self, plan: InstallPlan) -> None:
        """A file in place of the journal loses events, not the agent's peace."""
        (plan.state / "journal").write_text("in the way")
        run(self.words(plan), self.payload(plan))
        assert (plan.state / "journal").read_text() == "in the way"

    def test_the_interpreter_is_gone(self, plan: InstallPlan) -> None:
        """As after an upgrade of the machine."""
        gone = InstallPlan(
            agent=plan.agent, settings=plan.settings, state=plan.state, interpreter=plan.state / "python"
        )
        run(self.words(gone), self.payload(plan))
        assert lines(plan.state) == []

    def test_hooks_at_the_same_moment_lose_nothing(self, plan: InstallPlan) -> None:
        """Eight hooks started together, before anything is compiled, give eight whole events."""
        processes = [
            subprocess.Popen(self.words(plan), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={})
            for _ in range(8)
        ]
        for process in processes:
            assert process.communicate(self.payload(plan), timeout=120)[0] == b""
            assert process.returncode == 0
        assert [kind for kind, _ in kinds(plan.state)].count(Kind.REJECT) == 0
        assert len(lines(plan.state)) == 8
