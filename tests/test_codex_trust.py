"""Codex's trust: hooks that it will not run are counted, and trusted on request, ours alone."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from stretto.cli.main import main
from stretto.errors import SettingsError
from stretto.hook.install import check_and_grant_codex_trust
from stretto.hook.install.check_and_grant_codex_trust import list_untrusted, trust_hooks

OURS = {"type": "command", "command": "python3 -I -S /s/hook/start.py /s codex 2>/dev/null || : stretto"}
THEIRS = {"type": "command", "command": "notify"}

CODEX = """#!{python}
import json, sys
config = {config!r}
hooks = {hooks!r}
for line in sys.stdin:
    request = json.loads(line)
    result = {{}}
    if request["method"] == "hooks/list":
        result = {{"data": [{{"hooks": hooks}}]}}
    if request["method"] == "config/batchWrite":
        if {refuses!r}:
            print(json.dumps({{"id": request["id"], "error": {{"message": "read-only"}}}}), flush=True)
            continue
        (edit,) = request["params"]["edits"]
        with open(config, "a") as file:
            for key, value in edit["value"].items():
                file.write("[hooks.state." + json.dumps(key) + "]\\n")
                file.write('trusted_hash = "' + value["trusted_hash"] + '"\\n')
    print(json.dumps({{"method": "noise"}}), flush=True)
    print(json.dumps({{"id": request["id"], "result": result}}), flush=True)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Hooks of ours beside another tool's, which stands first."""
    path = tmp_path / "hooks.json"
    groups = {"PreToolUse": [{"hooks": [THEIRS]}, {"hooks": [THEIRS, OURS]}], "Stop": [{"hooks": [OURS]}]}
    path.write_text(json.dumps({"hooks": groups}))
    return path


def write_codex(settings: Path, *, refuses: bool = False, lists: bool = True) -> str:
    """Write a program that answers as ``codex app-server`` does, and return its path."""
    hooks = [
        {"key": f"{settings}:{place}", "currentHash": f"sha256:{number}", "command": handler["command"]}
        for number, (place, handler) in enumerate(
            [("pre_tool_use:0:0", THEIRS), ("pre_tool_use:1:1", OURS), ("stop:0:0", OURS)]
        )
    ]
    program = settings.with_name("codex")
    program.write_text(
        CODEX.format(
            python=sys.executable,
            config=str(settings.with_name("config.toml")),
            hooks=hooks if lists else [],
            refuses=refuses,
        )
    )
    program.chmod(0o755)
    return str(program)


def test_hooks_without_trust_are_listed(settings: Path) -> None:
    """Each of ours counts by its place among the handlers; another tool's does not."""
    config = settings.with_name("config.toml")
    assert list_untrusted(settings, config) == ("PreToolUse", "Stop")
    config.write_text(f'[hooks.state."{settings}:stop:0:0"]\ntrusted_hash = "sha256:x"\n')
    assert list_untrusted(settings, config) == ("PreToolUse",)
    config.write_text("not = [toml")
    assert list_untrusted(settings, config) == ("PreToolUse", "Stop")


def test_trust_is_given_to_ours_alone(settings: Path) -> None:
    """Codex writes the hashes that it computed itself; the other tool's hook stays as it was."""
    assert trust_hooks(settings, write_codex(settings), dict(os.environ), settings.parent) == 2
    written = settings.with_name("config.toml").read_text()
    assert list_untrusted(settings, settings.with_name("config.toml")) == ()
    assert "pre_tool_use:0:0" not in written
    assert "sha256:1" in written


def test_a_refusal_says_why(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal, a list without our hooks, silence and a missing program each have their own words."""
    with pytest.raises(SettingsError, match="refused"):
        trust_hooks(settings, write_codex(settings, refuses=True), dict(os.environ), settings.parent)
    with pytest.raises(SettingsError, match="does not list"):
        trust_hooks(settings, write_codex(settings, lists=False), dict(os.environ), settings.parent)
    with pytest.raises(SettingsError, match="cannot be started"):
        trust_hooks(settings, "/absent/codex", dict(os.environ), settings.parent)
    monkeypatch.setattr(check_and_grant_codex_trust, "SECONDS", 0.2)
    silent = settings.with_name("silent")
    silent.write_text("#!/bin/sh\nexec sleep 5\n")
    silent.chmod(0o755)
    with pytest.raises(SettingsError, match="did not answer"):
        trust_hooks(settings, str(silent), dict(os.environ), settings.parent)


def test_status_and_doctor_count_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Installed is not trusted: status and doctor say how many hooks Codex will not run, and what to do."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("CODEX_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(["hooks", "install", "--agent", "codex"]) == 0
    capsys.readouterr()
    main(["hooks", "status"])
    assert "does not trust 12 of 12 hooks" in capsys.readouterr().out
    main(["doctor"])
    assert "/hooks in Codex" in capsys.readouterr().out
    assert main(["hooks", "install", "--agent", "droid", "--trust"]) == 2
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert main(["hooks", "install", "--agent", "codex", "--trust"]) == 2
