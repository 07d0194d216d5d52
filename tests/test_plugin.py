"""The Claude Code plugin: packaged as that agent reads it, and harmless in every state of the machine."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from stretto import __version__
from stretto.cli.command_line import build_parser
from stretto.cli.operation_verbs import OPERATION_HELP
from stretto.hook.client.tests_and_written_files import hash_written_paths
from stretto.hook.install.client_copy import ensure_secret
from stretto.hook.install.handlers import AWAITED, EVENTS, is_our_handler

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = ROOT / "deploy" / "claude-code-plugin"
PAYLOAD = {"session_id": "s1", "tool_name": "Bash", "tool_use_id": "t1", "agent_id": "a1", "prompt": "secret"}


def loaded(path: Path) -> Any:
    """Return a JSON file's content."""
    return json.loads(path.read_text(encoding="utf-8"))


HOOKS: dict[str, Any] = loaded(PLUGIN / "hooks" / "hooks.json")["hooks"]


def run(
    event: str, state: Path, environ: Mapping[str, str] | None = None, *, payload: bytes = b""
) -> list[dict[str, Any]]:
    """Run an event's hook through the shell, require success and silence, and return the journal."""
    [[handler]] = [group["hooks"] for group in HOOKS[event]]
    ended = subprocess.run(
        ["/bin/sh", "-c", handler["command"]],
        input=payload or json.dumps({**PAYLOAD, "hook_event_name": event}).encode(),
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(state),
            "STRETTO_STATE": str(state),
            "STRETTO_PYTHON": sys.executable,
            "CLAUDE_PLUGIN_ROOT": str(PLUGIN),
            **(environ or {}),
        },
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
    files = sorted((state / "journal").glob("*.jsonl")) if (state / "journal").is_dir() else []
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines() if line]
    return [json.loads(line) for line in lines]


def test_the_hooks_are_those_of_the_installer() -> None:
    """Every hook that the installer registers and no other; the agent waits for those alone that it must."""
    assert tuple(HOOKS) == EVENTS
    for event, groups in HOOKS.items():
        [handler] = [handler for group in groups for handler in group["hooks"]]
        assert handler.get("async", False) is (event not in AWAITED)
        assert 0 < handler["timeout"] <= 5
        assert is_our_handler(handler)


@pytest.mark.parametrize("event", EVENTS)
def test_each_hook_appends_one_event(tmp_path: Path, event: str) -> None:
    """A hook run as the agent runs it appends a line that is not a reject, without the payload's text."""
    (tmp_path / "journal").mkdir()
    [line] = run(event, tmp_path)
    assert line["kind"] != "reject"
    assert line["session"] == "s1"
    assert "secret" not in json.dumps(line)


def test_without_a_journal_nothing_is_written(tmp_path: Path) -> None:
    """On a machine without Stretto, the hook creates no file and no folder."""
    assert run("PreToolUse", tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_the_journal_is_found_by_the_usual_variables(tmp_path: Path) -> None:
    """STRETTO_STATE wins over XDG_STATE_HOME, and that over the home folder, as in the service."""
    for name in ("named", "xdg/stretto", ".local/state/stretto"):
        (tmp_path / name / "journal").mkdir(parents=True)
    home = {"HOME": str(tmp_path)}
    xdg = {**home, "XDG_STATE_HOME": str(tmp_path / "xdg")}
    assert len(run("Stop", tmp_path / "named", xdg)) == 1
    assert len(run("Stop", tmp_path / "xdg/stretto", {**xdg, "STRETTO_STATE": ""})) == 1
    run("Stop", tmp_path, {**home, "STRETTO_STATE": "", "XDG_STATE_HOME": ""})
    assert len(list((tmp_path / ".local/state/stretto/journal").iterdir())) == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"STRETTO_PYTHON": "/nowhere/python3"},
        {"PATH": "/nowhere", "STRETTO_PYTHON": ""},
        {"CLAUDE_PLUGIN_ROOT": "/nowhere"},
    ],
    ids=["no interpreter", "no python3", "no plugin folder"],
)
def test_what_is_missing_harms_nobody(tmp_path: Path, broken: dict[str, str]) -> None:
    """Without Python or the plugin's files, the hook exits with 0 and prints nothing."""
    (tmp_path / "journal").mkdir()
    assert run("PreToolUse", tmp_path, broken) == []


def test_input_that_is_none_shows_as_a_gap(tmp_path: Path) -> None:
    """Unreadable input becomes a reject in the journal, and the agent does not notice."""
    (tmp_path / "journal").mkdir()
    [line] = run("PreToolUse", tmp_path, payload=b"not json")
    assert line["kind"] == "reject"


def test_the_manifest_is_what_the_agent_asks_for() -> None:
    """It has a name in kebab-case, this release's version, and components at their default paths."""
    manifest = loaded(PLUGIN / ".claude-plugin" / "plugin.json")
    known = {"name", "version", "description", "author", "homepage", "repository", "license", "keywords"}
    assert set(manifest) <= known
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", manifest["name"])
    assert manifest["version"] == __version__
    assert manifest["license"] == "Apache-2.0"
    assert manifest["author"]["name"]
    assert [path.name for path in (PLUGIN / ".claude-plugin").iterdir()] == ["plugin.json"]


def test_the_marketplace_leads_to_the_plugin() -> None:
    """It is at the top of the repository, where agents look for it, and names the plugin's folder."""
    market = loaded(ROOT / ".claude-plugin" / "marketplace.json")
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", market["name"])
    assert market["owner"]["name"]
    [entry] = market["plugins"]
    assert entry["source"].startswith("./")
    manifest = loaded(ROOT / entry["source"] / ".claude-plugin" / "plugin.json")
    assert entry["name"] == manifest["name"]
    assert f"/plugin install {entry['name']}@{market['name']}" in (PLUGIN / "README.md").read_text()


def read_slash_command() -> tuple[dict[str, str], str]:
    """Return the front matter and the body of the slash command."""
    text = (PLUGIN / "commands" / "performance-monitor.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    return yaml.safe_load(front), body


def fill_command_line(body: str, operation: str, workflow: str | None, options: str | None) -> list[str]:
    """Return the words of the command that the slash command runs, by the second rule of its file.

    The arguments take their places. WORKFLOW, and ``--options`` with its value, are left out without any.
    """
    (template,) = re.findall(r"`stretto (OPERATION [^`]+)`", body)
    rule = " ".join(body.split())
    assert "Leave out WORKFLOW if there is none, and `--options` with its value if there are none." in rule
    if workflow is None:
        template = template.replace(" WORKFLOW", "")
    if options is None:
        template = template.replace(" --options 'OPTIONS'", "")
    places = {"OPERATION": operation, "WORKFLOW": workflow or "", "OPTIONS": options or ""}
    return [places.get(word, word) for word in shlex.split(template)]


def test_the_command_calls_verbs_that_exist() -> None:
    """Its front matter is YAML; each operation is allowed, listed, and accepted as it is run."""
    settings, body = read_slash_command()
    assert settings["description"]
    allowed = re.findall(r"Bash\(stretto ([\w-]+):\*\)", settings["allowed-tools"])
    assert allowed == [*OPERATION_HELP, "doctor"]
    assert dict(re.findall(r"^\| `([\w-]+)` \| (.+) \|$", body, re.MULTILINE)) == OPERATION_HELP
    for call in re.findall(r"`(?:docker exec stretto )?stretto ([a-z][^`]+)`", body):
        build_parser().parse_args(call.split())
        assert call.split()[0] in allowed
    for name in OPERATION_HELP:
        options = build_parser().parse_args(fill_command_line(body, name, "last", '{"a": 1}'))
        assert (options.operation, options.workflow, options.options, options.json) == (
            name, "last", '{"a": 1}', True,
        )  # fmt: skip
    assert fill_command_line(body, "trends", None, None) == ["trends", "--json"]
    assert fill_command_line(body, "trends", "last", None) == ["trends", "last", "--json"]


def test_the_plugin_brings_the_server_of_tools() -> None:
    """It starts the command that serves MCP, which reads nothing but the folder that the hooks write to."""
    servers = loaded(PLUGIN / ".mcp.json")["mcpServers"]
    assert servers == {"stretto": {"type": "stdio", "command": "stretto", "args": ["mcp"]}}
    assert build_parser().parse_args(servers["stretto"]["args"]).run == "mcp_command:serve_mcp"


def test_a_written_file_has_the_hash_that_the_service_gives_it(tmp_path: Path) -> None:
    """The plugin brings no secret: that of the state folder makes the same hash of the same path."""
    (tmp_path / "journal").mkdir()
    payload = {**PAYLOAD, "hook_event_name": "PostToolUse", "tool_name": "Write"} | {
        "tool_input": {"file_path": "/src/a.py"}
    }
    (bare,) = run("PostToolUse", tmp_path, payload=json.dumps(payload).encode())
    assert "wrote" not in bare.get("attributes", {})
    key = ensure_secret(tmp_path)
    _, event = run("PostToolUse", tmp_path, payload=json.dumps(payload).encode())
    assert event["attributes"]["wrote"] == hash_written_paths("Write", {"file_path": "/src/a.py"}, None, key)
