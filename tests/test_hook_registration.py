"""Installing, removing and inspecting the hooks in an agent's settings."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from stretto.errors import SettingsError
from stretto.hook.client import client
from stretto.hook.install.agents import CLAUDE_CODE, Scope, find_settings_path
from stretto.hook.install.client_copy import CLIENT_FILES
from stretto.hook.install.handlers import (
    AWAITED,
    EVENTS,
    SINCE,
    TOLERANT,
    InstallPlan,
    Transport,
    build_handlers,
    find_our_handlers,
    get_client_folder,
    is_our_handler,
    parse_version,
    remove_our_handlers,
)
from stretto.hook.install.registration import install_hooks, uninstall_hooks
from stretto.hook.install.status import HooksStatus, read_hooks_status

REGISTERED = {
    "SessionStart", "SessionEnd", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure",
    "PostToolBatch", "PermissionRequest", "PermissionDenied", "Notification", "SubagentStart", "SubagentStop",
    "Stop", "StopFailure", "PreCompact", "PostCompact",
}  # fmt: skip

FOREIGN = """{
    "model": "opus",
    "permissions": { "allow": ["Bash(ls:*)", "Read"], "deny": [] },
    "hooks": {
        "Stop": [
            {
                "hooks": [
                    {
                        "type": "command",
                        "command": "say 'done, by stretto hook/client.sh'"
                    }
                ]
            }
        ],
        "WorktreeCreate": [
            {
                "hooks": []
            }
        ],
        "Notification": []
    },
    "env": {"A": "é"}
}
"""


@pytest.fixture
def plan(tmp_path: Path) -> InstallPlan:
    """Return a plan for a user who has no settings yet."""
    return InstallPlan(
        settings=tmp_path / "home" / ".claude" / "settings.json",
        state=tmp_path / "state",
        interpreter=Path(sys.executable).resolve(),
        version=TOLERANT,
    )


@pytest.fixture
def foreign(plan: InstallPlan) -> InstallPlan:
    """Return the plan of a user with other settings and hooks."""
    plan.settings.parent.mkdir(parents=True)
    plan.settings.write_text(FOREIGN)
    plan.settings.chmod(0o640)
    return plan


def http(plan: InstallPlan) -> InstallPlan:
    """Return the plan with the other transport."""
    return dataclasses.replace(plan, transport=Transport.HTTP)


def hooks(plan: InstallPlan) -> dict[str, Any]:
    """Return the hooks in the settings file."""
    return dict(json.loads(plan.settings.read_bytes()).get("hooks", {}))


def backup(plan: InstallPlan) -> Path:
    """Return the place of the backup."""
    return plan.settings.with_name("settings.json.stretto-backup")


class TestHandlers:
    def test_exactly_the_harmless_hooks_are_registered(self, plan: InstallPlan) -> None:
        """The list is that of the design, without hooks that delay or replace the agent's work."""
        assert set(EVENTS) == set(build_handlers(plan)) == set(build_handlers(http(plan))) == REGISTERED
        assert not {"MessageDisplay", "WorktreeCreate", "Elicitation"} & set(EVENTS)

    def test_a_command_names_the_interpreter_and_the_copy(self, plan: InstallPlan) -> None:
        """A shell command, quoted, isolated, silent, never failing, with the state folder as its argument."""
        odd = dataclasses.replace(plan, state=Path("/srv/it's a state"))
        for handler in build_handlers(odd).values():
            assert handler["type"] == "command"
            assert handler["timeout"] == 5
            assert shlex.split(handler["command"]) == [
                str(plan.interpreter), "-I", "-S", "/srv/it's a state/hook/start.py", "/srv/it's a state",
                "2>/dev/null", "||", ":", "stretto",
            ]  # fmt: skip

    def test_the_agent_waits_only_where_a_figure_would_be_lost(self, plan: InstallPlan) -> None:
        """All hooks are asynchronous except those just before the agent may end."""
        awaited = {event for event, handler in build_handlers(plan).items() if not handler.get("async")}
        assert awaited == AWAITED == {"Stop", "StopFailure", "SubagentStop", "SessionEnd"}

    def test_http_posts_to_the_service(self, plan: InstallPlan) -> None:
        """All but a session's start, which only a command can report, go to the address given."""
        made = build_handlers(dataclasses.replace(http(plan), address="127.0.0.1:7777"))
        assert made.pop("SessionStart") == build_handlers(plan)["SessionStart"]
        assert {json.dumps(handler) for handler in made.values()} == {
            '{"type": "http", "url": "http://127.0.0.1:7777/hooks/claude-code", "timeout": 2}'
        }

    def test_an_old_agent_gets_no_hook_it_does_not_know(self, plan: InstallPlan) -> None:
        """Before 2.1.101 an unknown name invalidates the whole file, so it is not written."""
        for version, missing in [
            (TOLERANT, set()),
            ((2, 1, 240), set()),
            ((2, 1, 100), {"PostToolBatch", "PostToolUseFailure"}),
            ((2, 1, 77), {"PostToolBatch", "PostToolUseFailure", "StopFailure", "PermissionDenied"}),
            ((2, 0, 0), set(SINCE)),
            (None, set(SINCE)),
        ]:
            assert REGISTERED - set(build_handlers(dataclasses.replace(plan, version=version))) == missing
        with pytest.raises(SettingsError, match="command hooks only"):
            build_handlers(dataclasses.replace(http(plan), version=(2, 1, 62)))

    @pytest.mark.parametrize(
        ("text", "version"),
        [
            ("2.1.197 (Claude Code)\n", (2, 1, 197)),
            ("2.1.0-beta.1", (2, 1, 0)),
            ("", None),
            ("Claude Code", None),
            ("2.1", None),
        ],
    )
    def test_the_release_is_read(self, text: str, version: tuple[int, int, int] | None) -> None:
        """As ``claude --version`` prints it."""
        assert parse_version(text) == version

    def test_a_relative_path_is_refused(self, plan: InstallPlan) -> None:
        """Hooks run in any folder: a relative path would dangle."""
        here = Path("here")
        relative = [dataclasses.replace(plan, settings=here), dataclasses.replace(plan, state=here)]
        for wrong in [*relative, dataclasses.replace(plan, interpreter=here)]:
            with pytest.raises(SettingsError, match="relative"):
                install_hooks(wrong)

    @pytest.mark.parametrize(
        ("handler", "expected"),
        [
            ({"type": "command", "command": "/py -I -S /x/hook/start.py /x 2>/dev/null || : stretto"}, True),
            ({"type": "command", "command": "python /home/a/.local/state/stretto/hook/client.py"}, True),
            ({"type": "http", "url": "http://127.0.0.1:1/hooks/claude-code"}, True),
            ({"type": "http", "url": "http://127.0.0.1:1/hooks/claude-code/other"}, False),
            ({"type": "http", "url": 7}, False),
            ({"type": "command", "command": "stretto report"}, False),
            ({"type": "command", "command": "/x/hook/client.py"}, False),
            ({"type": "command"}, False),
            ("stretto/hook/client.py", False),
            (None, False),
        ],
    )
    def test_ours_are_recognised(self, handler: object, expected: bool) -> None:
        """The client's path and the mark, or the service's path, identify our handlers."""
        assert is_our_handler(handler) is expected

    def test_every_handler_made_is_recognised(self, plan: InstallPlan) -> None:
        """Every installed handler can be removed, also from a state folder with any name."""
        for made in (plan, http(plan), dataclasses.replace(plan, state=Path("/data"))):
            assert all(map(is_our_handler, build_handlers(made).values()))

    def test_ours_are_taken_out_of_a_shared_group(self, plan: InstallPlan) -> None:
        """A group that someone has put our handler into keeps the others, its matcher and its place."""
        mine = build_handlers(plan)["Stop"]
        shared = {"matcher": "*", "hooks": [mine, {"type": "command", "command": "x"}]}
        found = {"Stop": [{"hooks": [mine]}, shared, "odd", {"hooks": 7}], "Setup": {"odd": 1}}
        assert find_our_handlers(found) == {"Stop": [mine, mine]}
        left = [{"matcher": "*", "hooks": [{"type": "command", "command": "x"}]}, "odd", {"hooks": 7}]
        assert remove_our_handlers(found, None) == {"Stop": left, "Setup": {"odd": 1}}


class TestInstall:
    def test_into_nothing(self, plan: InstallPlan) -> None:
        """The file is created, the client is copied privately, and no backup is needed."""
        change = install_hooks(plan)
        assert (change.action, change.backup, change.transport) == ("installed", None, "command")
        assert change.client == str(get_client_folder(plan.state))
        assert hooks(plan) == {
            event: [{"hooks": [handler]}] for event, handler in build_handlers(plan).items()
        }
        assert plan.settings.read_text().endswith("}\n")
        for name in CLIENT_FILES:
            copied = get_client_folder(plan.state) / name
            assert copied.read_bytes() == Path(client.__file__).with_name(name).read_bytes()
        assert {path.stat().st_mode & 0o777 for path in (plan.state, get_client_folder(plan.state))} == {
            0o700
        }
        key = get_client_folder(plan.state) / "key"
        assert (len(key.read_bytes()), key.stat().st_mode & 0o777) == (32, 0o600)

    def test_beside_others(self, foreign: InstallPlan) -> None:
        """Foreign hooks, order, layout and mode are kept; the previous file is backed up."""
        change = install_hooks(foreign)
        assert change.action == "installed"
        assert change.backup == str(backup(foreign))
        assert backup(foreign).read_text() == FOREIGN
        assert {path.stat().st_mode & 0o777 for path in (foreign.settings, backup(foreign))} == {0o640}
        text = foreign.settings.read_text()
        assert text.startswith(FOREIGN[: FOREIGN.index('"hooks"')])
        assert text.endswith(FOREIGN[FOREIGN.index(',\n    "env"') :])
        found = hooks(foreign)
        assert list(found)[:3] == ["Stop", "WorktreeCreate", "Notification"]
        original = json.loads(FOREIGN)["hooks"]
        assert found["Stop"] == [*original["Stop"], {"hooks": [build_handlers(foreign)["Stop"]]}]
        assert found["WorktreeCreate"] == original["WorktreeCreate"]

    def test_twice_changes_nothing(self, foreign: InstallPlan) -> None:
        """A second installation writes no file."""
        install_hooks(foreign)
        files = {path: path.stat().st_mtime_ns for path in foreign.state.parent.rglob("*")}
        change = install_hooks(foreign)
        assert (change.action, change.backup, change.client) == ("unchanged", None, None)
        assert {path: path.stat().st_mtime_ns for path in foreign.state.parent.rglob("*")} == files

    def test_it_leaves_our_place_among_others(self, foreign: InstallPlan) -> None:
        """If another tool has added hooks after ours, a second installation changes nothing."""
        install_hooks(foreign)
        value = json.loads(foreign.settings.read_text())
        value["hooks"]["Stop"].append({"hooks": [{"type": "command", "command": "later"}]})
        foreign.settings.write_text(json.dumps(value))
        assert install_hooks(foreign).action == "unchanged"

    def test_another_transport_replaces_ours(self, foreign: InstallPlan) -> None:
        """From command to HTTP and back: never both, and the backup stays that from before the first."""
        install_hooks(foreign)
        once = foreign.settings.read_bytes()
        change = install_hooks(http(foreign))
        assert (change.action, change.transport, change.backup) == ("updated", "http", None)
        assert find_our_handlers(hooks(foreign)) == {
            event: [made] for event, made in build_handlers(http(foreign)).items()
        }
        assert backup(foreign).read_text() == FOREIGN
        install_hooks(foreign)
        assert foreign.settings.read_bytes() == once

    def test_an_older_agent_loses_the_hooks_it_does_not_know(self, plan: InstallPlan) -> None:
        """Installing for an older release takes the newer hooks out again."""
        install_hooks(plan)
        old = dataclasses.replace(plan, version=(2, 0, 50))
        install_hooks(old)
        assert set(hooks(plan)) == set(build_handlers(old)) < REGISTERED

    def test_an_edit_in_between_is_backed_up(self, foreign: InstallPlan) -> None:
        """An update backs up the user's later changes."""
        install_hooks(foreign)
        edited = foreign.settings.read_text().replace("opus", "sonnet")
        foreign.settings.write_text(edited)
        change = install_hooks(http(foreign))
        assert change.backup is not None
        assert backup(foreign).read_text() == edited

    def test_an_outdated_client_is_replaced(self, plan: InstallPlan) -> None:
        """An upgrade brings the copy up to date, and its compiled form with it."""
        install_hooks(plan)
        compiled = get_client_folder(plan.state) / "__pycache__" / "client.cpython-311.pyc"
        compiled.parent.mkdir()
        compiled.write_bytes(b"old")
        (get_client_folder(plan.state) / "client.py").write_text("# old")
        change = install_hooks(plan)
        assert (change.action, change.client) == ("unchanged", str(get_client_folder(plan.state)))
        assert not compiled.exists()
        assert install_hooks(plan).client is None

    def test_a_link_is_followed(self, foreign: InstallPlan) -> None:
        """Settings behind a symbolic link are changed in the linked file."""
        target = foreign.settings.parent / "dotfiles" / "claude.json"
        target.parent.mkdir()
        foreign.settings.rename(target)
        foreign.settings.symlink_to(target)
        install_hooks(foreign)
        assert foreign.settings.is_symlink()
        assert set(hooks(foreign)) >= REGISTERED
        uninstall_hooks(foreign.settings, foreign.state)
        assert foreign.settings.is_symlink()
        assert target.read_text() == FOREIGN

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"{", "not valid JSON"),
            (b"x", "not valid JSON"),
            (b'{"a": 1,}', "not valid JSON"),
            (b"\xff\xfe{}", "not valid JSON"),
            (b"[" * 100_000, "not valid JSON"),
            (b"[]", "not a JSON object"),
            (b'{"hooks": []}', "shape"),
            (b'{"hooks": {"Stop": {}}}', "shape"),
        ],
        ids=lambda value: str(value[:12]),
    )
    def test_what_cannot_be_understood_is_not_touched(
        self, plan: InstallPlan, content: bytes, why: str
    ) -> None:
        """The error names the problem and the file; neither settings nor state folder change."""
        plan.settings.parent.mkdir(parents=True)
        plan.settings.write_bytes(content)
        with pytest.raises(SettingsError, match=why) as raised:
            install_hooks(plan)
        assert raised.value.where == str(plan.settings)
        assert raised.value.hint
        with pytest.raises(SettingsError, match=why):
            uninstall_hooks(plan.settings, plan.state)
        assert plan.settings.read_bytes() == content
        assert [path.name for path in plan.settings.parent.iterdir()] == ["settings.json"]
        assert not plan.state.exists()

    def test_a_byte_order_mark_stays(self, plan: InstallPlan) -> None:
        """Some editors write a byte order mark; the file is accepted."""
        plan.settings.parent.mkdir(parents=True)
        original = b'\xef\xbb\xbf{\r\n  "model": "x"\r\n}'
        plan.settings.write_bytes(original)
        install_hooks(plan)
        assert plan.settings.read_bytes().startswith(original[:-3])
        assert b"\n" not in plan.settings.read_bytes().replace(b"\r\n", b"")
        uninstall_hooks(plan.settings, plan.state)
        assert plan.settings.read_bytes() == original

    def test_settings_that_cannot_be_read_are_an_error(self, plan: InstallPlan) -> None:
        """A folder in the file's place ends in a sentence, not in a traceback."""
        plan.settings.mkdir(parents=True)
        with pytest.raises(SettingsError, match="cannot be read"):
            install_hooks(plan)

    def test_without_a_place_for_the_client_nothing_is_registered(self, foreign: InstallPlan) -> None:
        """Hooks are never registered for a client that could not be written."""
        foreign.state.write_text("in the way")
        with pytest.raises(SettingsError):
            install_hooks(foreign)
        assert foreign.settings.read_text() == FOREIGN


class TestUninstall:
    def test_the_original_bytes_come_back(self, foreign: InstallPlan) -> None:
        """Installation and removal restore every byte and leave no backup."""
        install_hooks(foreign)
        change = uninstall_hooks(foreign.settings, foreign.state)
        assert (change.action, change.backup, change.deleted) == ("removed", None, False)
        assert set(change.events) == REGISTERED
        assert foreign.settings.read_text() == FOREIGN
        assert [path.name for path in foreign.settings.parent.iterdir()] == ["settings.json"]

    @pytest.mark.parametrize(
        "content", ["{}", '{"hooks":{},"a":[1]}', '{ "hooks": {"Stop": []}}\n', '{\n\t"a": 1}']
    )
    def test_odd_layouts_come_back(self, plan: InstallPlan, content: str) -> None:
        """Also after a change of transport, and with containers that were empty before."""
        plan.settings.parent.mkdir(parents=True)
        plan.settings.write_text(content)
        install_hooks(plan)
        install_hooks(http(plan))
        uninstall_hooks(plan.settings, plan.state)
        assert plan.settings.read_text() == content

    def test_a_file_of_our_own_making_goes(self, plan: InstallPlan) -> None:
        """A file that we created is removed; the client's copy stays for running sessions."""
        install_hooks(plan)
        change = uninstall_hooks(plan.settings, plan.state)
        assert (change.action, change.deleted) == ("removed", True)
        assert list(plan.settings.parent.iterdir()) == []
        assert (get_client_folder(plan.state) / "start.py").exists()

    def test_a_file_of_our_own_making_stays_once_it_holds_more(self, plan: InstallPlan) -> None:
        """The user's later additions are kept."""
        install_hooks(plan)
        value = json.loads(plan.settings.read_text())
        plan.settings.write_text(json.dumps({**value, "model": "opus"}))
        change = uninstall_hooks(plan.settings, plan.state)
        assert not change.deleted
        assert json.loads(plan.settings.read_text()) == {"model": "opus"}

    def test_exactly_ours_go_after_an_edit(self, foreign: InstallPlan) -> None:
        """With other changes since, our handlers and the lists made for them go; the rest stays."""
        install_hooks(foreign)
        value = json.loads(foreign.settings.read_text())
        value["model"] = "sonnet"
        value["hooks"]["PreToolUse"].append({"hooks": [{"type": "command", "command": "later"}]})
        edited = json.dumps(value, indent=4, ensure_ascii=False)
        foreign.settings.write_text(edited)
        change = uninstall_hooks(foreign.settings, foreign.state)
        assert change.backup == str(backup(foreign))
        assert backup(foreign).read_text() == edited
        expected = json.loads(FOREIGN.replace("opus", "sonnet"))
        expected["hooks"]["PreToolUse"] = [{"hooks": [{"type": "command", "command": "later"}]}]
        assert json.loads(foreign.settings.read_text()) == expected

    def test_an_empty_place_for_hooks_stays_after_an_edit(self, plan: InstallPlan) -> None:
        """A member that existed before the installation still exists afterwards, even if empty."""
        plan.settings.parent.mkdir(parents=True)
        plan.settings.write_text('{"hooks": {}}')
        install_hooks(plan)
        value = json.loads(plan.settings.read_text())
        plan.settings.write_text(json.dumps({**value, "model": "opus"}))
        uninstall_hooks(plan.settings, plan.state)
        assert json.loads(plan.settings.read_text()) == {"hooks": {}, "model": "opus"}

    def test_without_a_receipt_ours_still_go(self, foreign: InstallPlan) -> None:
        """Also from a damaged state folder; only that a list had been empty before is not known then."""
        install_hooks(foreign)
        (get_client_folder(foreign.state) / "installed.json").write_text('{"x": ')
        assert uninstall_hooks(foreign.settings, foreign.state).action == "removed"
        assert find_our_handlers(hooks(foreign)) == {}
        expected = json.loads(FOREIGN)
        del expected["hooks"]["Notification"]
        assert json.loads(foreign.settings.read_text()) == expected

    def test_a_backup_that_holds_ours_is_not_put_back(self, foreign: InstallPlan) -> None:
        """After an update without a receipt, removal still removes the hooks of both installations."""
        install_hooks(foreign)
        (get_client_folder(foreign.state) / "installed.json").unlink()
        install_hooks(http(foreign))
        assert find_our_handlers(json.loads(backup(foreign).read_text())["hooks"])
        uninstall_hooks(foreign.settings, foreign.state)
        assert find_our_handlers(hooks(foreign)) == {}
        assert hooks(foreign)["Stop"] == json.loads(FOREIGN)["hooks"]["Stop"]

    def test_nothing_to_remove_changes_nothing(self, foreign: InstallPlan, tmp_path: Path) -> None:
        """Settings without our hooks, or missing settings, stay as they are."""
        assert uninstall_hooks(foreign.settings, foreign.state).action == "unchanged"
        assert foreign.settings.read_text() == FOREIGN
        assert uninstall_hooks(tmp_path / "none.json", foreign.state).action == "unchanged"
        assert not foreign.state.exists()

    def test_a_second_round_is_exact_too(self, foreign: InstallPlan) -> None:
        """An installation after a removal starts from the present settings."""
        install_hooks(foreign)
        uninstall_hooks(foreign.settings, foreign.state)
        changed = FOREIGN.replace("opus", "haiku")
        foreign.settings.write_text(changed)
        install_hooks(foreign)
        uninstall_hooks(foreign.settings, foreign.state)
        assert foreign.settings.read_text() == changed


class TestStatus:
    @staticmethod
    def files(plan: InstallPlan) -> dict[str, Path]:
        root = plan.settings.parent
        return {"user": plan.settings, "project": root / "p.json", "managed": root / "managed.json"}

    @classmethod
    def status(cls, plan: InstallPlan) -> HooksStatus:
        """Return the status of Claude Code's three files."""
        files = [(CLAUDE_CODE, scope, path) for scope, path in cls.files(plan).items()]
        return read_hooks_status(files, plan.state)

    def test_before_anything(self, plan: InstallPlan) -> None:
        """Without an installation the status is still an answer that dumps as JSON."""
        found = self.status(plan)
        assert (found.installed, found.client, found.switched_off, found.doubled) == (False, "absent", (), ())
        assert [(scope.scope, scope.exists) for scope in found.scopes] == [
            ("user", False), ("project", False), ("managed", False),
        ]  # fmt: skip
        assert json.loads(json.dumps(dataclasses.asdict(found)))["client"] == "absent"

    def test_installed(self, plan: InstallPlan) -> None:
        """The scope lists its hooks and transport; no hook is missing, no file dangling."""
        install_hooks(plan)
        found = self.status(plan)
        assert (found.installed, found.client) == (True, "current")
        scope = found.scopes[0]
        assert (set(scope.events), scope.missing, scope.transports) == (REGISTERED, (), ("command",))
        assert scope.dangling == ()
        install_hooks(http(plan))
        assert self.status(plan).scopes[0].transports == ("command", "http")

    def test_what_is_wrong_is_told(self, plan: InstallPlan) -> None:
        """Missing hooks, an outdated copy and a removed interpreter are reported."""
        gone = plan.state / "gone" / "python"
        install_hooks(dataclasses.replace(plan, interpreter=gone, version=(2, 1, 77)))
        (get_client_folder(plan.state) / "client.py").write_text("# old")
        (get_client_folder(plan.state) / "start.py").write_text("# old")
        found = self.status(plan)
        assert found.client == "outdated"
        assert found.scopes[0].dangling == (str(gone),)
        assert "StopFailure" in found.scopes[0].missing
        (get_client_folder(plan.state) / "start.py").unlink()
        found = self.status(plan)
        assert found.client == "absent"
        assert found.scopes[0].dangling == (str(gone), str(get_client_folder(plan.state) / "start.py"))

    def test_switches_are_told(self, plan: InstallPlan) -> None:
        """Disabled hooks are reported, in whatever file the switch is."""
        install_hooks(plan)
        files = self.files(plan)
        files["project"].write_text('{"disableAllHooks": true, "allowManagedHooksOnly": false}')
        files["managed"].write_text('{"allowManagedHooksOnly": true}')
        assert self.status(plan).switched_off == (
            f"disableAllHooks in {files['project']}",
            f"allowManagedHooksOnly in {files['managed']}",
        )

    def test_a_broken_file_is_told(self, plan: InstallPlan) -> None:
        """It is the answer for its scope; the others are still read."""
        install_hooks(plan)
        files = self.files(plan)
        files["project"].write_text("{")
        found = self.status(plan)
        assert found.scopes[0].problem is None
        assert "not valid JSON" in str(found.scopes[1].problem)
        assert found.installed

    def test_double_registration_is_told(self, plan: InstallPlan) -> None:
        """Different handlers in two files, or a plugin and settings, are reported; equal handlers are not."""
        install_hooks(plan)
        files = self.files(plan)
        project = dataclasses.replace(plan, settings=files["project"])
        install_hooks(project)
        assert self.status(plan).doubled == ()
        install_hooks(http(project))
        files["managed"].write_text(
            '{"enabledPlugins": {"stretto@tools": true, "stretto@off": false, "other@x": true}}'
        )
        assert self.status(plan).doubled == (
            "different handlers in user and project settings",
            "plugin stretto@tools beside the settings",
        )
        assert self.status(plan).plugins == ("stretto@tools",)


def test_the_scopes_files() -> None:
    """User settings follow CLAUDE_CONFIG_DIR; project and local settings are in the project."""
    places = {"home": Path("/home/a"), "project": Path("/srv/shop")}
    moved = {"CLAUDE_CONFIG_DIR": "/cfg"}
    for scope, environ, expected in [
        (Scope.USER, {}, "/home/a/.claude/settings.json"),
        (Scope.USER, moved, "/cfg/settings.json"),
        (Scope.PROJECT, moved, "/srv/shop/.claude/settings.json"),
        (Scope.LOCAL, moved, "/srv/shop/.claude/settings.local.json"),
    ]:
        assert find_settings_path(CLAUDE_CODE, scope, environ=environ, **places) == Path(expected)
