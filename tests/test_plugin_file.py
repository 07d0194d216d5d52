"""Plugin files: Pi and opencode report by a file of code that is laid down, renewed and removed whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from stretto.cli.main import main
from stretto.errors import SettingsError
from stretto.hook.install.agents import Scope
from stretto.hook.install.handlers import InstallPlan
from stretto.hook.install.plugin_file import (
    PLUGIN_AGENTS,
    PluginAgent,
    build_plugin,
    describe_plugin,
    find_plugin_path,
    install_plugin,
    uninstall_plugin,
)
from stretto.journal import parse_line
from stretto.model.event import Event, Kind

AGENTS = sorted(PLUGIN_AGENTS.values(), key=lambda agent: agent.name)


@pytest.fixture(params=AGENTS, ids=lambda agent: agent.name)
def agent(request: pytest.FixtureRequest) -> PluginAgent:
    found: PluginAgent = request.param
    return found


@pytest.fixture
def path(agent: PluginAgent, tmp_path: Path) -> Path:
    """The file of a user who has none yet."""
    return find_plugin_path(agent, Scope.USER, home=tmp_path / "home", project=tmp_path, environ={})


@pytest.fixture
def plan(path: Path, tmp_path: Path) -> InstallPlan:
    return InstallPlan(settings=path, state=tmp_path / "state", interpreter=Path(sys.executable).resolve())


def test_it_is_installed_once(agent: PluginAgent, path: Path, plan: InstallPlan) -> None:
    """The first installation writes file and client, the second no byte."""
    assert install_plugin(agent, path, plan).action == "installed"
    before = path.read_bytes()
    assert install_plugin(agent, path, plan).action == "unchanged"
    assert path.read_bytes() == before
    assert b"__COMMAND__" not in before
    assert (plan.state / "hook" / "start.py").exists()
    status = describe_plugin(agent, Scope.USER, path)
    assert (status.events, status.dangling) == (agent.events, ())


def test_an_older_file_is_renewed(agent: PluginAgent, path: Path, plan: InstallPlan) -> None:
    """A file of ours with another command is written again."""
    install_plugin(agent, path, plan)
    path.write_bytes(path.read_bytes().replace(b"state", b"other"))
    assert describe_plugin(agent, Scope.USER, path).dangling != ()
    assert install_plugin(agent, path, plan).action == "updated"
    assert path.read_bytes() == build_plugin(agent, plan)


def test_it_is_removed_whole(agent: PluginAgent, path: Path, plan: InstallPlan) -> None:
    """Nothing of ours stays; a second removal changes nothing."""
    install_plugin(agent, path, plan)
    assert uninstall_plugin(agent, path).action == "removed"
    assert not path.exists()
    assert uninstall_plugin(agent, path).action == "unchanged"


def test_a_file_of_somebody_else_is_left_alone(agent: PluginAgent, path: Path, plan: InstallPlan) -> None:
    """Neither installation nor removal touches a file that is not ours."""
    path.parent.mkdir(parents=True)
    path.write_text("export default () => {}\n")
    with pytest.raises(SettingsError, match="another file of this name"):
        install_plugin(agent, path, plan)
    with pytest.raises(SettingsError, match="another file of this name"):
        uninstall_plugin(agent, path)
    assert path.read_text() == "export default () => {}\n"
    assert describe_plugin(agent, Scope.USER, path).events == ()


def test_a_project_has_a_file_of_its_own(agent: PluginAgent, tmp_path: Path) -> None:
    """The project's file lies in the project; there is no local one; a variable moves the user's."""
    places = {"home": tmp_path, "project": tmp_path / "p"}
    assert find_plugin_path(agent, Scope.PROJECT, environ={}, **places) == tmp_path / "p" / agent.project
    moved = find_plugin_path(agent, Scope.USER, environ={agent.variable: "/moved"}, **places)
    assert moved == Path("/moved") / agent.under_variable
    with pytest.raises(SettingsError, match="no local settings"):
        find_plugin_path(agent, Scope.LOCAL, environ={}, **places)


def test_the_command_line_installs_and_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`hooks install`, `status` and `uninstall` treat the file like hooks; HTTP is refused."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("PI_CODING_AGENT_DIR", "XDG_CONFIG_HOME", "STRETTO_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    state = ("--state", str(tmp_path / "state"))
    assert main([*state, "hooks", "install", "--agent", "pi", "--transport", "http"]) == 2
    assert main([*state, "hooks", "install", "--agent", "pi"]) == 0
    capsys.readouterr()
    assert main([*state, "hooks", "status", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["installed"] is True
    assert [scope["settings"] for scope in document["scopes"] if scope["agent"] == "pi"] == [
        str(tmp_path / ".pi/agent/extensions/stretto.ts")
    ]
    assert main([*state, "hooks", "uninstall", "--agent", "pi"]) == 0
    assert not (tmp_path / ".pi/agent/extensions/stretto.ts").exists()


needs_node = pytest.mark.skipif(which("node") is None, reason="there is no node")

DRIVE = """
import {{ Stretto }} from {path}
const events = {events}
const plugin = await Stretto({{ directory: "/home/dev/shop" }})
for (const event of events) {{
  await plugin.event({{ event }})
  await new Promise((resolve) => setTimeout(resolve, 60))
}}
await plugin.event({{ event: null }})
"""


@needs_node
def test_opencode_is_reported_as_it_works(tmp_path: Path) -> None:
    """Events of a run become turn, task and failed call of one session; no content passes."""
    agent = PLUGIN_AGENTS["opencode"]
    plan = InstallPlan(
        settings=tmp_path / "x", state=tmp_path / "state", interpreter=Path(sys.executable).resolve()
    )
    install_plugin(agent, tmp_path / "plugin.mjs", plan)
    tool = {"type": "tool", "sessionID": "child", "callID": "call_1", "tool": "bash"}
    order = {"command": "echo secret"}
    running = {"status": "running", "input": order, "time": {"start": 1}}
    ended = {"status": "completed", "input": order, "output": "secret", "metadata": {"exit": 3},
             "time": {"start": 1, "end": 1500}}  # fmt: skip
    child = {"id": "child", "parentID": "root", "agent": "explore"}
    user = {"id": "msg_1", "role": "user", "sessionID": "root"}
    events = [
        {"type": "session.created", "properties": {"info": {"id": "root"}}},
        {"type": "message.updated", "properties": {"info": user}},
        {"type": "session.created", "properties": {"info": child}},
        *({"type": "message.part.updated", "properties": {"part": {**tool, "state": state}}}
          for state in (running, running, ended)),
        {"type": "session.idle", "properties": {"sessionID": "child"}},
        {"type": "session.idle", "properties": {"sessionID": "root"}},
    ]  # fmt: skip
    drive = tmp_path / "drive.mjs"
    drive.write_text(DRIVE.format(path=json.dumps(str(tmp_path / "plugin.mjs")), events=json.dumps(events)))
    subprocess.run([which("node") or "node", str(drive)], check=True, timeout=60)

    written = b"".join(file.read_bytes() for file in (tmp_path / "state" / "journal").glob("*.jsonl"))
    found = [event for line in written.splitlines() if line and isinstance(event := parse_line(line), Event)]
    assert b"secret" not in written
    assert {(event.kind, event.session, event.id, event.parent) for event in found} == {
        (Kind.SESSION_START, "root", None, None),
        (Kind.TURN_START, "root", "msg_1", None),
        (Kind.TASK_START, "root", "child", None),
        (Kind.TOOL_START, "root", "call_1", "child"),
        (Kind.TOOL_END, "root", "call_1", "child"),
        (Kind.TASK_END, "root", "child", None),
        (Kind.TURN_END, "root", "msg_1", None),
    }
    (end,) = (event for event in found if event.kind is Kind.TOOL_END)
    assert (str(end.outcome), end.attributes["error"], end.duration) == (
        "failure",
        "exit_code",
        1_499_000_000,
    )
    assert {event.source for event in found} == {"opencode"}
