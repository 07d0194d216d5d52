"""The status line in Claude Code's settings: registered over another, taken out, and the other back."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from stretto.errors import SettingsError
from stretto.hook.install.agents import CLAUDE_CODE
from stretto.hook.install.handlers import InstallPlan
from stretto.hook.install.registration import install_hooks, uninstall_hooks
from stretto.hook.install.status import read_hooks_status
from stretto.hook.install.statusline_setting import (
    STATUS_LINE_MEMBER,
    get_chained_command,
    get_program,
    is_our_status_line,
    register_status_line,
    restore_status_line,
)

PROGRAM = ("/opt/my tools/bin/stretto",)
STATE = Path("/home/dev/state")
OWN = {"type": "command", "command": "~/.claude/line.sh 'a b' | head -1", "padding": 0}


@pytest.fixture
def plan(tmp_path: Path) -> InstallPlan:
    """A plan with the status line, for a user who has no settings yet."""
    return InstallPlan(
        settings=tmp_path / ".claude" / "settings.json",
        state=tmp_path / "state",
        interpreter=Path(sys.executable).resolve(),
        program=PROGRAM,
    )


def written(plan: InstallPlan, value: dict[str, Any]) -> bytes:
    """Write settings in an unusual layout and return their bytes."""
    plan.settings.parent.mkdir(parents=True)
    data = json.dumps(value, indent=7).replace("\n", "\r\n").encode()
    plan.settings.write_bytes(data)
    return data


def shown(plan: InstallPlan) -> Any:
    """Return the status line in the settings."""
    return json.loads(plan.settings.read_text(encoding="utf-8")).get(STATUS_LINE_MEMBER)


def test_an_absent_line_becomes_ours() -> None:
    """A command line with the state folder in it."""
    found = register_status_line(None, PROGRAM, STATE)

    assert found["type"] == "command"
    assert shlex.split(found["command"]) == [*PROGRAM, "--state", str(STATE), "statusline"]
    assert is_our_status_line(found)
    assert (get_program(found), get_chained_command(found), restore_status_line(found)) == (
        PROGRAM[0],
        "",
        None,
    )


def test_another_line_is_chained_whole() -> None:
    """Its command is quoted in ours, its other members are kept, and removal restores it."""
    found = register_status_line(OWN, PROGRAM, STATE)

    assert found["padding"] == 0
    assert get_chained_command(found) == OWN["command"]
    assert restore_status_line(found) == OWN
    assert register_status_line(found, PROGRAM, STATE) == found


@pytest.mark.parametrize(
    ("command", "ours"),
    [
        ("/x/bin/stretto statusline", True),
        ("/x/bin/python -P -m stretto statusline --chain 'a b'", True),
        ("C:/x/stretto.exe statusline", True),
        ("stretto --state /x/y statusline", True),
        ("/x/other statusline --for stretto", False),
        ("/x/other --state /srv/stretto statusline", False),
        ("echo stretto", False),
        ("stretto statusline 'not ended", False),
        ("", False),
    ],
)
def test_ours_is_known_by_program_and_verb(command: str, ours: bool) -> None:
    """Our status line is recognised in every release's form."""
    assert is_our_status_line({"type": "command", "command": command}) is ours


@pytest.mark.parametrize("value", [None, [], "x", {"command": None}, {"command": 5}])
def test_what_is_no_line_is_not_ours(value: object) -> None:
    """Foreign shapes are left as they are."""
    assert not is_our_status_line(value)
    assert restore_status_line(value) == value


@pytest.mark.parametrize("value", [[], "x", {"type": "command"}, {"command": ""}])
def test_what_cannot_be_chained_is_refused(plan: InstallPlan, value: object) -> None:
    """The settings stay untouched."""
    before = written(plan, {STATUS_LINE_MEMBER: value})

    with pytest.raises(SettingsError, match="not a command"):
        install_hooks(plan)

    assert plan.settings.read_bytes() == before


def test_install_and_uninstall_leave_no_trace(plan: InstallPlan) -> None:
    """Without settings before, there are no settings afterwards."""
    change = install_hooks(plan)

    assert change.status_line == shown(plan)["command"]
    assert install_hooks(plan).action == "unchanged"
    assert uninstall_hooks(plan.settings, plan.state).deleted
    assert not plan.settings.exists()


def test_the_settings_get_their_bytes_back(plan: InstallPlan) -> None:
    """Hooks and line can be installed together or one after the other."""
    before = written(plan, {STATUS_LINE_MEMBER: OWN, "model": "opus"})
    for first in (plan, dataclasses.replace(plan, program=())):
        install_hooks(first)
        install_hooks(plan)
        assert get_chained_command(shown(plan)) == OWN["command"]
        assert (plan.settings.with_name("settings.json.stretto-backup")).read_bytes() == before

        change = uninstall_hooks(plan.settings, plan.state)

        assert (change.action, change.status_line) == ("removed", OWN["command"])
        assert plan.settings.read_bytes() == before


def test_a_later_change_of_the_settings_stays(plan: InstallPlan) -> None:
    """Later edits are kept, and the former status line is still restored."""
    written(plan, {STATUS_LINE_MEMBER: OWN, "model": "opus"})
    install_hooks(plan)
    edited = plan.settings.read_text(encoding="utf-8").replace("opus", "sonnet")
    plan.settings.write_text(edited, encoding="utf-8")

    uninstall_hooks(plan.settings, plan.state)

    assert json.loads(plan.settings.read_text(encoding="utf-8")) == {
        STATUS_LINE_MEMBER: OWN,
        "model": "sonnet",
    }


def test_only_the_line_is_left_to_uninstall(plan: InstallPlan) -> None:
    """Hooks that somebody took out by hand do not keep the line in, and other hooks are not laid out anew."""
    written(
        plan,
        {
            "hooks": {"Stop": []},
            STATUS_LINE_MEMBER: register_status_line(None, PROGRAM, plan.state),
            "model": "opus",
        },
    )

    change = uninstall_hooks(plan.settings, plan.state)

    assert (change.action, change.events, change.status_line) == ("removed", (), None)
    text = plan.settings.read_bytes()
    assert json.loads(text) == {"hooks": {"Stop": []}, "model": "opus"}
    assert text.startswith(b'{\r\n       "hooks": {\r\n              "Stop": []')


def test_an_install_without_the_line_leaves_it(plan: InstallPlan) -> None:
    """Updating the hooks keeps the status line."""
    install_hooks(plan)
    line = shown(plan)

    change = install_hooks(dataclasses.replace(plan, program=(), address="127.0.0.1:1"))

    assert change.status_line is None
    assert shown(plan) == line


def test_a_new_program_replaces_the_old(plan: InstallPlan) -> None:
    """After a move of the environment the same command mends the line, and chains no line of ours."""
    written(plan, {STATUS_LINE_MEMBER: OWN})
    install_hooks(plan)

    change = install_hooks(dataclasses.replace(plan, program=("/new/stretto",)))

    assert change.action == "updated"
    assert get_program(shown(plan)) == "/new/stretto"
    assert get_chained_command(shown(plan)) == OWN["command"]


def test_the_status_tells_of_the_line(plan: InstallPlan) -> None:
    """It reports the registration, the chained command and a removed program."""
    written(plan, {STATUS_LINE_MEMBER: OWN})
    files = [(CLAUDE_CODE, "user", plan.settings)]
    (before,) = read_hooks_status(files, plan.state).scopes
    assert (before.status_line, before.chained, before.dangling) == (False, None, ())

    install_hooks(plan)

    (found,) = read_hooks_status(files, plan.state).scopes
    assert (found.status_line, found.chained) == (True, OWN["command"])
    assert found.dangling == (PROGRAM[0],)
