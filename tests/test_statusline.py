"""The status line: a line about the agent's session, without errors, and always exit code 0."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from stretto.cli.statusline import BEHIND, NO_DATA, LineOptions, format_line, parse_options
from stretto.clock import MINUTE, SECOND
from stretto.store.statusline_query import SessionBrief
from tests.waiting import PATIENCE
from tests.web_served import NOON, Store, Work

PROGRAM = "import sys; from stretto.cli.main import main; sys.exit(main())"


def status_line(
    folder: Path, message: bytes, *words: str, stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    """Run the real command on a state folder."""
    environ = {**os.environ, "STRETTO_STATE": str(folder / "state"), "HOME": str(folder), "LC_ALL": "C"}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "statusline", *words],
        input=message, stdout=stdout, stderr=subprocess.PIPE, env=environ, check=False, timeout=60,
    )  # fmt: skip


def message_for(session: str) -> bytes:
    """Return the part of the agent's message that the command reads."""
    return json.dumps({"session_id": session, "cwd": "/srv/site", "cost": {"total_cost_usd": 0.1}}).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A state folder with a session whose parallel execution has ended."""
    store = Store(tmp_path)
    store.scene("done", NOON - 600 * SECOND, [Work(1, 11), Work(1, 11), Work(1, 11)])
    store.refresh()
    return tmp_path


def test_it_tells_of_the_agents_session(folder: Path) -> None:
    """A message gives exactly one line, in UTF-8 under any locale."""
    done = status_line(folder, message_for("done"))

    assert done.returncode == 0
    assert (
        done.stdout.decode()
        == "stretto: 3 agents, none running · 1 parallel execution 3× · 20 s saved by work\n"
    )
    assert done.stderr == b""


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"session_id": null}',
        b'{"session_id": ["a"]}',
        b"\xff\xfe",
        message_for("x"),
    ],
    ids=repr,
)
def test_what_is_not_known_is_calm(folder: Path, message: bytes) -> None:
    """A missing or foreign message or an unknown session gives the same line, no traceback, exit code 0."""
    done = status_line(folder, message)

    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, NO_DATA + "\n", b"")


def test_a_damaged_store_and_a_broken_configuration_are_calm(folder: Path) -> None:
    """Warnings and tracebacks never appear in the status line."""
    (folder / "state" / "config.toml").write_text("nonsense = [")
    (folder / "state" / "stretto.db").write_bytes(b"no database" * 1000)

    done = status_line(folder, message_for("done"))

    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, NO_DATA + "\n", b"")


def test_nobody_who_reads_is_no_trouble(folder: Path) -> None:
    """A closed output gives exit code 0 and no error text."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = status_line(folder, message_for("done"), stdout=writing)
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (0, b"")


def test_it_does_not_wait_for_a_terminal(folder: Path) -> None:
    """Typed by a person, it answers at once instead of waiting for a message."""
    controller, other = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, "--state", str(folder / "state"), "statusline"],
            stdin=other, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
    finally:
        os.close(controller)
        os.close(other)

    assert (done.returncode, done.stdout.decode()) == (0, NO_DATA + "\n")


def test_the_line_that_was_there_before_comes_first(folder: Path) -> None:
    """The chained command gets the same message, and its lines come first."""
    command = f'''{sys.executable} -c "import json; print(json.loads(input())['cwd']); print('main')"'''

    done = status_line(folder, message_for("done"), "--chain", command)

    first, second, line = done.stdout.decode().splitlines()
    assert (done.returncode, first, second) == (0, "/srv/site", "main")
    assert line.startswith("stretto: 3 agents")


@pytest.mark.parametrize(
    "command", ["exit 3", "no-such-command-anywhere", "echo trouble >&2; false", "exec cat >&-"]
)
def test_a_chained_command_that_fails_costs_its_line_alone(folder: Path, command: str) -> None:
    """A failing chained command does not suppress the line, and its errors are not shown."""
    done = status_line(folder, message_for("done"), f"--chain={command}")

    assert (done.returncode, done.stderr) == (0, b"")
    assert [text.partition(":")[0] for text in done.stdout.decode().splitlines()] == ["stretto"]


def test_a_chained_command_that_hangs_is_ended_with_what_it_started(folder: Path, tmp_path: Path) -> None:
    """After the time limit the whole process group is killed, so that processes do not pile up."""
    kept = tmp_path / "pid"

    done = status_line(
        folder, message_for("done"), "--chain", f"sleep 600 & echo $! > {kept}; echo late; wait"
    )

    assert done.returncode == 0
    assert [text.partition(":")[0] for text in done.stdout.decode().splitlines()] == ["stretto"]
    try:
        watched = os.pidfd_open(int(kept.read_text()))
    except ProcessLookupError:
        return  # gone already, which is what was asked
    try:
        assert select.select([watched], [], [], PATIENCE)[0], "it still sleeps"
    finally:
        os.close(watched)


@pytest.mark.parametrize(
    ("session_brief", "text"),
    [
        (None, NO_DATA),
        (SessionBrief(0, 0, 0, 0, 0, 0), "stretto: no agents yet"),
        (
            SessionBrief(1, 1, 0, 0, 0, 0),
            "stretto: 1 of 1 agent running · no parallel execution finished yet",
        ),
        (
            SessionBrief(7, 3, 2, 10 * MINUTE, 4 * MINUTE, 4 * MINUTE),
            "stretto: 3 of 7 agents running · 2 parallel executions 2.5× · 6 min saved by work",
        ),
    ],
)
def test_each_state_has_its_line(session_brief: SessionBrief | None, text: str) -> None:
    """Unknown figures are left out of the line; a store behind the journal is marked."""
    assert format_line(session_brief) == text
    assert format_line(session_brief, behind=True) == f"{text} · {BEHIND}"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["statusline"], LineOptions()),
        (["--state", "/s", "statusline", "--chain", "a b"], LineOptions("/s", "a b")),
        (["--state=/s", "statusline", "--chain=x=y"], LineOptions("/s", "x=y")),
        (["statusline", "-h"], None),
        (["statusline", "--chain"], None),
        (["statusline", "statusline"], None),
        (["show", "statusline"], None),
        (["--chain", "x", "statusline"], None),
        ([], None),
    ],
)
def test_the_short_way_takes_only_what_it_understands(words: list[str], expected: LineOptions | None) -> None:
    """Help and mistyped options are left to the full parser."""
    assert parse_options(words) == expected
