"""Installing, removing and inspecting the hooks of every agent but Claude Code, which has its own tests."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from stretto.cli.command_line import AGENT_NAMES
from stretto.cli.main import main
from stretto.errors import SettingsError
from stretto.hook.client.dialects import DIALECTS
from stretto.hook.install.agents import AGENTS, CLAUDE_CODE, CodingAgent, Scope, find_settings_path
from stretto.hook.install.client_copy import CLIENT_FILES
from stretto.hook.install.handlers import (
    InstallPlan,
    Transport,
    build_handlers,
    find_our_handlers,
    get_client_folder,
    is_our_handler,
)
from stretto.hook.install.plugin_file import PLUGIN_AGENTS
from stretto.hook.install.registration import install_hooks, uninstall_hooks
from stretto.hook.install.settings_file import find_container, get_backup_path
from stretto.hook.install.status import HooksStatus, read_hooks_status

OTHERS = [agent for agent in AGENTS.values() if agent is not CLAUDE_CODE]

FOREIGN = {
    "codex": """{
  "description": "mine",
  "hooks": {
    "PreToolUse": [
      { "matcher": "^Bash$", "hooks": [ { "type": "command", "command": "check", "timeout": 30 } ] }
    ],
    "Stop": []
  }
}
""",
    "droid": """{
    "Stop": [ {"hooks": [ {"type": "command", "command": "say done"} ]} ],
    "showHookOutput": true,
    "PreToolUse": []
}
""",
    "gemini-cli": """{
\t"theme": "Ayu",
\t"hooks": {
\t\t"AfterTool": [
\t\t\t{
\t\t\t\t"matcher": "write_file",
\t\t\t\t"hooks": [{"type": "command", "name": "format", "command": "fmt"}]
\t\t\t}
\t\t]
\t},
\t"mcpServers": {}
}""",
    "copilot-cli": '{"version":1,"hooks":{"PreToolUse":[{"type":"command","bash":"check"}]}}',
    "qwen-code": """{
  "hooks": { "Stop": [{ "hooks": [{ "type": "command", "command": "say done" }] }] },
  "theme": "x"
}
""",
    "cursor": """{
  "version": 1,
  "hooks": {
    "afterFileEdit": [{ "command": "./fmt.sh" }],
    "stop": [{ "command": "./done.sh", "loop_limit": 3 }]
  }
}
""",
}
"""A settings file of somebody who has hooks already, by agent."""


@pytest.fixture(params=OTHERS, ids=lambda agent: agent.name)
def plan(request: pytest.FixtureRequest, tmp_path: Path) -> InstallPlan:
    """Return a plan for a user of an agent who has no settings yet."""
    agent: CodingAgent = request.param
    places = {"home": tmp_path / "home", "project": tmp_path / "project"}
    return InstallPlan(
        agent=agent,
        settings=find_settings_path(agent, Scope.USER, environ={}, **places),
        state=tmp_path / "state",
        interpreter=Path(sys.executable).resolve(),
    )


@pytest.fixture
def foreign(plan: InstallPlan) -> InstallPlan:
    """Return the plan of a user with other hooks."""
    plan.settings.parent.mkdir(parents=True)
    plan.settings.write_text(FOREIGN[plan.agent.name])
    plan.settings.chmod(0o640)
    return plan


def hooks(plan: InstallPlan) -> dict[str, Any]:
    """Return the member of the settings file that holds the hooks."""
    value = json.loads(plan.settings.read_bytes())
    inside = find_container(plan.agent, plan.settings, value)
    return dict(value[inside] if inside else value)


def line(plan: InstallPlan) -> str:
    """Return the command line that must be registered."""
    start = get_client_folder(plan.state) / "start.py"
    words = [plan.interpreter, "-I", "-S", start, plan.state, plan.agent.name]
    return shlex.join(map(str, words)) + " 2>/dev/null || : stretto"


def test_every_dialect_can_be_installed() -> None:
    """The installer, the dialects and the command line know the same agents and hooks."""
    assert [agent.name for agent in OTHERS] == list(DIALECTS), "an agent needs hook/install and a dialect"
    assert (*AGENTS, *PLUGIN_AGENTS) == AGENT_NAMES, "add the agent to AGENT_NAMES in cli/command_line.py"
    assert {agent.name: set(agent.events) for agent in OTHERS} == {
        name: set(dialect.events) for name, dialect in DIALECTS.items()
    }


class TestHandlers:
    def test_each_agent_gets_its_own_shape(self, plan: InstallPlan) -> None:
        """Members, the unit of the limit and forbidden members are as in each agent's reference."""
        command = line(plan)
        expected: dict[str, dict[str, Any]] = {
            "codex": {"type": "command", "command": command, "timeout": 3},
            "droid": {"type": "command", "command": command, "timeout": 5},
            "gemini-cli": {"type": "command", "name": "stretto", "command": command, "timeout": 5000},
            "copilot-cli": {"type": "command", "bash": command, "timeoutSec": 5},
            "cursor": {"command": command, "timeout": 5},
            "qwen-code": {"type": "command", "command": command, "timeout": 5},
        }
        made = build_handlers(plan)
        assert made == dict.fromkeys(plan.agent.events, expected[plan.agent.name])
        assert all(map(is_our_handler, made.values()))

    def test_hooks_that_hold_up_or_mislead_are_not_registered(self) -> None:
        """Of each agent's hooks, those that run for every request, answer for a person or double a task."""
        registered = {agent.name: set(agent.events) for agent in OTHERS}
        assert (
            not {"PreCompress", "BeforeModel", "AfterModel", "BeforeToolSelection"} & registered["gemini-cli"]
        )
        assert "PermissionRequest" not in registered["copilot-cli"]
        assert "SubagentStop" not in registered["droid"]
        assert not {"beforeShellExecution", "beforeReadFile", "workspaceOpen"} & registered["cursor"]

    def test_http_is_claude_codes(self, plan: InstallPlan) -> None:
        """For other agents HTTP is refused, with the next step, and the settings are unchanged."""
        with pytest.raises(SettingsError, match="HTTP"):
            install_hooks(dataclasses.replace(plan, transport=Transport.HTTP))
        assert not plan.settings.exists()
        assert not plan.state.exists()


class TestInstall:
    def test_into_nothing_and_out_again(self, plan: InstallPlan) -> None:
        """The file holds exactly our hooks in the agent's layout; uninstall leaves no trace of it."""
        change = install_hooks(plan)
        assert (change.action, change.agent, change.backup) == ("installed", plan.agent.name, None)
        entry = build_handlers(plan)[plan.agent.events[0]]
        listed = [entry] if plan.agent.flat else [{"hooks": [entry]}]
        inner = dict.fromkeys(plan.agent.events, listed)
        value: dict[str, Any] = inner if plan.agent.name == "droid" else {"hooks": inner}
        if plan.agent.name in {"copilot-cli", "cursor"}:
            value = {"version": 1, **value}
        assert json.loads(plan.settings.read_text()) == value
        for name in CLIENT_FILES:
            assert (get_client_folder(plan.state) / name).exists()
        change = uninstall_hooks(plan.settings, plan.state, plan.agent)
        assert (change.action, change.deleted, set(change.events)) == (
            "removed",
            True,
            set(plan.agent.events),
        )
        assert list(plan.settings.parent.iterdir()) == []

    def test_beside_others_and_out_again(self, foreign: InstallPlan) -> None:
        """Foreign hooks, members, layout and mode stay, and the original bytes come back."""
        original = FOREIGN[foreign.agent.name]
        change = install_hooks(foreign)
        assert change.backup == str(get_backup_path(foreign.settings))
        assert get_backup_path(foreign.settings).read_text() == original
        assert foreign.settings.stat().st_mode & 0o777 == 0o640
        assert set(find_our_handlers(hooks(foreign))) == set(foreign.agent.events)
        was = json.loads(original)
        kept = was if foreign.agent.name == "droid" else was["hooks"]
        for event, listed in kept.items():
            if isinstance(listed, list):
                assert hooks(foreign)[event][: len(listed)] == listed
            else:
                assert hooks(foreign)[event] == listed
        now = json.loads(foreign.settings.read_text())
        assert {name: now[name] for name in was if name not in ("hooks", *foreign.agent.events)} == {
            name: was[name] for name in was if name not in ("hooks", *foreign.agent.events)
        }
        uninstall_hooks(foreign.settings, foreign.state, foreign.agent)
        assert foreign.settings.read_text() == original
        assert [path.name for path in foreign.settings.parent.iterdir()] == [foreign.settings.name]

    def test_twice_changes_nothing(self, foreign: InstallPlan) -> None:
        """A second installation writes no file."""
        install_hooks(foreign)
        files = {path: path.stat().st_mtime_ns for path in foreign.state.parent.rglob("*")}
        change = install_hooks(foreign)
        assert (change.action, change.backup, change.client) == ("unchanged", None, None)
        assert {path: path.stat().st_mtime_ns for path in foreign.state.parent.rglob("*")} == files

    def test_another_interpreter_replaces_ours(self, foreign: InstallPlan) -> None:
        """An update leaves a single handler for each hook, and the backup of the first installation."""
        install_hooks(foreign)
        moved = dataclasses.replace(foreign, interpreter=Path("/opt/python/bin/python3"))
        assert install_hooks(moved).action == "updated"
        assert find_our_handlers(hooks(moved)) == {
            event: [made] for event, made in build_handlers(moved).items()
        }
        uninstall_hooks(moved.settings, moved.state, moved.agent)
        assert moved.settings.read_text() == FOREIGN[moved.agent.name]

    def test_exactly_ours_go_after_an_edit(self, foreign: InstallPlan) -> None:
        """With other changes since, our handlers and the lists made for them go; the rest stays."""
        install_hooks(foreign)
        event = foreign.agent.events[0]
        later = foreign.agent.build_entry({"type": "command", "command": "later"})
        value = json.loads(foreign.settings.read_text())
        inside = find_container(foreign.agent, foreign.settings, value)
        (value[inside] if inside else value)[event].append(later)
        foreign.settings.write_text(json.dumps(value, indent=1))
        change = uninstall_hooks(foreign.settings, foreign.state, foreign.agent)
        assert change.backup == str(get_backup_path(foreign.settings))
        expected = json.loads(FOREIGN[foreign.agent.name])
        (expected[inside] if inside else expected)[event] = [later]
        assert json.loads(foreign.settings.read_text()) == expected

    def test_what_cannot_be_understood_is_not_touched(self, plan: InstallPlan) -> None:
        """Comments too, which some agents read: the error names the file, and the file is unchanged."""
        odd = b'{"Stop": {}}' if plan.agent.name == "droid" else b'{"hooks": []}'
        plan.settings.parent.mkdir(parents=True)
        for content in (b"{", b"[]", b"// mine\n{}", odd):
            plan.settings.write_bytes(content)
            with pytest.raises(SettingsError) as raised:
                install_hooks(plan)
            assert raised.value.where == str(plan.settings)
            assert raised.value.hint
            assert plan.settings.read_bytes() == content
            assert not plan.state.exists()

    def test_the_key_outlives_an_upgrade(self, plan: InstallPlan) -> None:
        """Calls that are under way when the client is renewed still find their other half."""
        install_hooks(plan)
        key = get_client_folder(plan.state) / "key"
        secret = key.read_bytes()
        (get_client_folder(plan.state) / "dialects.py").write_text("# old")
        assert install_hooks(plan).client is not None
        assert key.read_bytes() == secret
        key.unlink()
        assert install_hooks(plan).client is not None
        assert len(key.read_bytes()) == 32
        assert key.read_bytes() != secret


class TestVersion:
    @pytest.fixture(params=["cursor", "copilot-cli"])
    def plan(self, request: pytest.FixtureRequest, tmp_path: Path) -> InstallPlan:
        """Return a plan for an agent whose settings have a version."""
        settings = tmp_path / "home" / "hooks.json"
        settings.parent.mkdir()
        python = Path(sys.executable)
        return InstallPlan(
            agent=AGENTS[request.param], settings=settings, state=tmp_path / "state", interpreter=python
        )

    def test_hooks_without_a_version_are_not_brought_to_life(self, plan: InstallPlan) -> None:
        """The agent ignores such a file; adding the version would activate unknown hooks."""
        original = '{"hooks": {"stop": [{"command": "rm -r old"}]}}'
        plan.settings.write_text(original)
        with pytest.raises(SettingsError, match="no version"):
            install_hooks(plan)
        assert plan.settings.read_text() == original
        assert not plan.state.exists()

    def test_an_empty_file_gets_one_and_loses_it_again(self, plan: InstallPlan) -> None:
        """This also holds if the file was changed in between and the backup is not restored."""
        plan.settings.write_text('{"$schema": "x"}')
        install_hooks(plan)
        value = json.loads(plan.settings.read_text())
        assert value["version"] == 1
        plan.settings.write_text(json.dumps({**value, "more": 1}))
        uninstall_hooks(plan.settings, plan.state, plan.agent)
        assert json.loads(plan.settings.read_text()) == {"$schema": "x", "more": 1}


class TestDroid:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Return Droid's folder in the home."""
        folder = tmp_path / ".factory"
        folder.mkdir()
        return folder

    @staticmethod
    def chosen(folder: Path) -> str:
        """Return the file that would be changed."""
        home = folder.parent
        return find_settings_path(AGENTS["droid"], Scope.USER, home=home, project=home / "p", environ={}).name

    def test_the_older_file_is_kept_in_force(self, folder: Path) -> None:
        """Hooks that Droid reads from settings.json stay active: no hooks.json is created."""
        assert self.chosen(folder) == "hooks.json"
        (folder / "settings.json").write_text('{"model": "x"}')
        assert self.chosen(folder) == "hooks.json"
        (folder / "settings.json").write_text('{"hooks": {"Stop": []}}')
        assert self.chosen(folder) == "settings.json"
        (folder / "hooks.json").write_text("{}")
        assert self.chosen(folder) == "hooks.json"

    def test_settings_are_never_taken_for_hooks(self, folder: Path) -> None:
        """If hooks in the older file have an unknown shape, no file is created."""
        settings = folder / "settings.json"
        settings.write_text('{"hooks": [], "model": "x"}')
        assert self.chosen(folder) == "settings.json"
        python = Path(sys.executable)
        plan = InstallPlan(
            agent=AGENTS["droid"], settings=settings, state=folder / "state", interpreter=python
        )
        with pytest.raises(SettingsError, match="shape"):
            install_hooks(plan)

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("settings.json", '{"hooks": {"Stop": []}, "model": "x"}'),
            ("hooks.json", '{"hooks": {"Stop": []}}'),
        ],
    )
    def test_the_files_own_layout_is_followed(self, folder: Path, name: str, content: str) -> None:
        """If a member holds the hooks, ours are added there and removed without a trace."""
        settings = folder / name
        settings.write_text(content)
        plan = InstallPlan(
            agent=AGENTS["droid"], settings=settings, state=folder / "state", interpreter=Path(sys.executable)
        )
        install_hooks(plan)
        value = json.loads(settings.read_text())
        assert set(find_our_handlers(value["hooks"])) == set(plan.agent.events)
        assert set(value) == set(json.loads(content))
        uninstall_hooks(settings, plan.state, plan.agent)
        assert settings.read_text() == content


@pytest.mark.parametrize(
    ("agent", "scope", "environ", "expected"),
    [
        ("codex", "user", {}, "/home/a/.codex/hooks.json"),
        ("codex", "user", {"CODEX_HOME": "/cx"}, "/cx/hooks.json"),
        ("codex", "project", {"CODEX_HOME": "/cx"}, "/srv/shop/.codex/hooks.json"),
        ("droid", "user", {}, "/home/a/.factory/hooks.json"),
        ("droid", "project", {}, "/srv/shop/.factory/hooks.json"),
        ("gemini-cli", "user", {}, "/home/a/.gemini/settings.json"),
        ("gemini-cli", "user", {"GEMINI_CLI_HOME": "/g"}, "/g/.gemini/settings.json"),
        ("gemini-cli", "project", {}, "/srv/shop/.gemini/settings.json"),
        ("copilot-cli", "user", {}, "/home/a/.copilot/hooks/stretto.json"),
        ("copilot-cli", "user", {"COPILOT_HOME": "/cp"}, "/cp/hooks/stretto.json"),
        ("copilot-cli", "project", {}, "/srv/shop/.github/hooks/stretto.json"),
        ("cursor", "user", {}, "/home/a/.cursor/hooks.json"),
        ("cursor", "project", {}, "/srv/shop/.cursor/hooks.json"),
    ],
)
def test_the_places(agent: str, scope: str, environ: dict[str, str], expected: str) -> None:
    """Each agent's file for the user, moved by its own variable, and for a project."""
    home, project = Path("/home/a"), Path("/srv/shop")
    found = find_settings_path(AGENTS[agent], Scope(scope), home=home, project=project, environ=environ)
    assert found == Path(expected)


@pytest.mark.parametrize("agent", OTHERS, ids=lambda agent: agent.name)
def test_only_claude_code_has_local_settings(agent: CodingAgent) -> None:
    """Elsewhere the scope is refused."""
    with pytest.raises(SettingsError, match="no local settings"):
        find_settings_path(agent, Scope.LOCAL, home=Path("/h"), project=Path("/p"), environ={})


class TestStatus:
    @staticmethod
    def status(plan: InstallPlan, *more: tuple[str, Path]) -> HooksStatus:
        """Return the status of Claude Code's file, the plan's and others of its agent."""
        files = [(plan.agent, scope, path) for scope, path in (("user", plan.settings), *more)]
        claude = plan.state.parent / "claude.json"
        return read_hooks_status([(CLAUDE_CODE, "user", claude), *files], plan.state)

    def test_installed(self, plan: InstallPlan) -> None:
        """The agent's file lists its hooks; Claude Code's file lists no hooks."""
        install_hooks(plan)
        found = self.status(plan)
        claude, mine = found.scopes
        assert (found.installed, found.client, found.doubled, found.switched_off) == (True, "current", (), ())
        assert (claude.label, claude.events) == ("user", ())
        assert (mine.label, mine.events) == (f"{plan.agent.name} user", plan.agent.events)
        assert (mine.missing, mine.transports, mine.dangling) == ((), ("command",), ())

    def test_what_is_wrong_is_told(self, plan: InstallPlan) -> None:
        """A missing hook and a removed interpreter are reported."""
        gone = plan.state / "gone" / "python"
        install_hooks(dataclasses.replace(plan, interpreter=gone))
        value = json.loads(plan.settings.read_text())
        inside = find_container(plan.agent, plan.settings, value)
        del (value[inside] if inside else value)[plan.agent.events[1]]
        plan.settings.write_text(json.dumps(value))
        mine = self.status(plan).scopes[1]
        assert mine.missing == (plan.agent.events[1],)
        assert mine.dangling == (str(gone),)

    def test_a_file_with_comments_is_no_trouble_without_hooks_of_ours(self, plan: InstallPlan) -> None:
        """It is not ours to complain of, unless our hooks are in it."""
        install_hooks(plan)
        text = plan.settings.read_text()
        plan.settings.write_text("// mine\n{}")
        assert [scope.agent for scope in self.status(plan).scopes] == ["claude-code"]
        plan.settings.write_text("// mine\n" + text)
        assert "not valid JSON" in str(self.status(plan).scopes[1].problem)

    def test_two_files_report_twice_where_the_agent_runs_both(self, plan: InstallPlan) -> None:
        """Codex and Copilot run the same handler once for each file; the others run it once."""
        install_hooks(plan)
        project = dataclasses.replace(plan, settings=plan.settings.with_name("project.json"))
        if plan.agent.name == "droid":
            project.settings.write_text("{}")
        install_hooks(project)
        found = self.status(plan, ("project", project.settings))
        name = plan.agent.name
        twice = (f"handlers in {name} user and {name} project settings",)
        assert found.doubled == (twice if name in {"codex", "copilot-cli"} else ())
        install_hooks(dataclasses.replace(project, interpreter=Path("/opt/python3")))
        assert len(self.status(plan, ("project", project.settings)).doubled) == 1

    def test_one_file_for_two_scopes_reports_once(self, plan: InstallPlan) -> None:
        """In the home the user's file is the project's too."""
        install_hooks(plan)
        found = self.status(plan, ("project", plan.settings))
        assert found.doubled == ()
        assert [scope.scope for scope in found.scopes if scope.events] == ["user"]

    @pytest.mark.parametrize(
        ("agent", "switch", "shown"),
        [
            ("droid", {"hooksDisabled": True}, "hooksDisabled"),
            ("gemini-cli", {"hooksConfig": {"enabled": False}}, "hooksConfig.enabled"),
            ("copilot-cli", {"disableAllHooks": True, "version": 1}, "disableAllHooks"),
            ("gemini-cli", {"hooksConfig": {"enabled": True}}, None),
            ("gemini-cli", {"hooksConfig": 7}, None),
            ("cursor", {"disableAllHooks": True, "version": 1}, None),
        ],
    )
    def test_switches_are_told(
        self, tmp_path: Path, agent: str, switch: dict[str, Any], shown: str | None
    ) -> None:
        """Each agent's own way to keep hooks from running, and only for an agent that has ours."""
        settings = tmp_path / "settings.json"
        settings.write_text(json.dumps(switch))
        plan = InstallPlan(
            agent=AGENTS[agent], settings=settings, state=tmp_path / "state", interpreter=Path(sys.executable)
        )
        assert self.status(plan).switched_off == ()
        install_hooks(plan)
        assert self.status(plan).switched_off == ((f"{shown} in {settings}",) if shown else ())


class TestCommandLine:
    @pytest.fixture(autouse=True)
    def world(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Point home, state and project below the test's own folder."""
        for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME", "COPILOT_HOME", "XDG_STATE_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))
        (tmp_path / "project").mkdir()
        monkeypatch.chdir(tmp_path / "project")

    @staticmethod
    def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
        """Run a verb that must succeed and return its JSON."""
        assert main(["hooks", *arguments, "--json"]) == 0
        return dict(json.loads(capsys.readouterr().out))

    @pytest.mark.parametrize("agent", [agent.name for agent in OTHERS])
    def test_install_status_uninstall(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, agent: str
    ) -> None:
        """The verbs connect an agent, report it and undo it, without touching Claude Code's settings."""
        change = self.answer(capsys, "install", "--agent", agent)
        assert (change["action"], change["agent"]) == ("installed", agent)
        assert Path(change["settings"]).is_relative_to(tmp_path / "home")
        assert not (tmp_path / "home" / ".claude").exists()
        found = self.answer(capsys, "status")
        # What Codex does not trust yet is told apart from everything else.
        problems = [problem for problem in found["problems"] if "does not trust" not in problem]
        assert (found["installed"], problems) == (True, [])
        assert len(found["problems"]) == (1 if agent == "codex" else 0)
        assert [scope["agent"] for scope in found["scopes"] if scope["events"]] == [agent]
        assert main(["hooks", "status"]) == 0
        assert f"hooks installed ({agent} user)" in capsys.readouterr().out
        assert self.answer(capsys, "uninstall", "--agent", agent)["action"] == "removed"
        assert self.answer(capsys, "status")["installed"] is False

    def test_the_remedy_names_the_agent(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The command that status proposes can be typed as printed."""
        change = self.answer(capsys, "install", "--agent", "codex")
        path = Path(change["settings"])
        value = json.loads(path.read_text())
        del value["hooks"]["Stop"]
        path.write_text(json.dumps(value))
        untrusted, problem = self.answer(capsys, "status")["problems"]
        assert untrusted.endswith("or stretto hooks install --agent codex --scope user --trust")
        assert problem == "codex user lacks Stop: stretto hooks install --agent codex --scope user"

    def test_what_else_has_to_be_done_is_said(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Codex runs only trusted hooks: this is printed once, not again without a change."""
        assert main(["hooks", "install", "--agent", "codex"]) == 0
        assert "start it and type /hooks" in capsys.readouterr().out
        assert main(["hooks", "install", "--agent", "codex"]) == 0
        assert "start it and type /hooks" not in capsys.readouterr().out

    def test_claude_code_is_the_default(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """Without ``--agent`` the command behaves as before."""
        change = self.answer(capsys, "install")
        assert change["settings"] == str(tmp_path / "home" / ".claude" / "settings.json")

    def test_an_unknown_agent_is_wrong_use(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Exit code 2, with the names that are known."""
        with pytest.raises(SystemExit) as raised:
            main(["hooks", "install", "--agent", "emacs"])
        assert raised.value.code == 2
        assert "gemini-cli" in capsys.readouterr().err
