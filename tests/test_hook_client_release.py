"""The client's release: asked of the program, else found in what the client wrote; unknown is the oldest."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from stretto.cli.main import main
from stretto.hook.install.claude_code_release import TAIL_BYTES, find_client_release
from stretto.hook.install.handlers import EVENTS, SINCE

BASE = set(EVENTS) - set(SINCE)


def put_program(folder: Path, text: str) -> dict[str, str]:
    """Put a program that prints a release on the path, and return the environment."""
    program = folder / "bin" / "claude"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{text}'\n")
    program.chmod(0o755)
    return {"PATH": str(program.parent)}


def put_transcript(home: Path, name: str, *versions: object, when: int = 1_000_000, before: str = "") -> None:
    """Write a transcript whose lines name releases."""
    path = home / ".claude" / "projects" / "-srv-site" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(before + "".join(json.dumps({"type": "user", "version": v}) + "\n" for v in versions))
    os.utime(path, (when, when))


def test_the_program_on_the_path_is_asked_first(tmp_path: Path) -> None:
    """Its own word counts, whatever older or newer releases wrote."""
    put_transcript(tmp_path, "a", "2.1.190")
    environ = put_program(tmp_path, "2.1.50 (Claude Code)")
    assert find_client_release(environ, tmp_path) == (2, 1, 50)


def test_without_the_program_the_newest_release_that_wrote_counts(tmp_path: Path) -> None:
    """The ends of transcripts and the client's state are read; other members called version are not."""
    put_transcript(tmp_path, "a", "2.0.70", "2.0.76")
    put_transcript(tmp_path, "b", "2.0.71", before='{"toolUseResult":{"version":"9.9.9"}}\n')
    put_transcript(tmp_path, "c", None, 7, "unknown", before="torn")
    assert find_client_release({"PATH": ""}, tmp_path) == (2, 0, 76)
    (tmp_path / ".claude.json").write_text('{"lastReleaseNotesSeen": "2.0.77", "numStartups": 3}')
    assert find_client_release({"PATH": ""}, tmp_path) == (2, 0, 77)


def test_only_the_ends_of_transcripts_are_read(tmp_path: Path) -> None:
    """A long transcript costs a bounded read."""
    put_transcript(
        tmp_path, "a", "2.0.76", before=json.dumps({"version": "2.1.1", "x": "x" * TAIL_BYTES}) + "\n"
    )
    assert find_client_release({"PATH": ""}, tmp_path) == (2, 0, 76)


def test_a_moved_folder_is_looked_into(tmp_path: Path) -> None:
    """CLAUDE_CONFIG_DIR moves transcripts and state."""
    put_transcript(tmp_path / "home", "a", "2.1.9")
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / ".claude.json").write_text('{"lastOnboardingVersion": "2.0.44"}')
    environ = {"PATH": "", "CLAUDE_CONFIG_DIR": str(moved)}
    assert find_client_release(environ, tmp_path / "home") == (2, 0, 44)


@pytest.mark.parametrize("state", ["", "[1]", "{", '{"lastReleaseNotesSeen": 5}'])
def test_without_a_sign_the_release_is_unknown(tmp_path: Path, state: str) -> None:
    """Unreadable state is no release, and no error."""
    (tmp_path / ".claude.json").write_text(state)
    assert find_client_release({"PATH": ""}, tmp_path) is None


@pytest.mark.parametrize(
    ("version", "registered"),
    [(None, BASE), ("2.0.76", BASE | {"PermissionRequest", "SubagentStart"}), ("2.1.197", set(EVENTS))],
)
def test_an_installation_fits_the_release_that_was_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    version: str | None,
    registered: set[str],
) -> None:
    """An old or unknown client gets no hook that it does not know, and doctor asks for none of those."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    if version:
        put_transcript(tmp_path, "a", version)
    arguments = ["--state", str(tmp_path / "state"), "hooks"]
    assert main([*arguments, "install", "--json"]) == 0
    change = json.loads(capsys.readouterr().out)
    settings = json.loads((tmp_path / ".claude" / "settings.json").read_text())

    assert set(settings["hooks"]) == registered == set(change["events"])
    assert ("version of Claude Code is not known" in (change["note"] or "")) is (version is None)
    assert main([*arguments, "status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == []


def test_http_hooks_need_a_known_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A client that may refuse the whole file gets no HTTP hook; the error says what to do."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--state", str(tmp_path / "state"), "hooks", "install", "--transport", "http"]) != 0
    assert "claude" in capsys.readouterr().err
    assert not (tmp_path / ".claude" / "settings.json").exists()


@pytest.mark.parametrize("blank", ["", "\n", "  \n\t", "\ufeff", "\ufeff\n"])
def test_a_blank_settings_file_is_an_empty_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], blank: str
) -> None:
    """An editor that saved an empty file does not keep the hooks out; removal gives the file back."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    # A switch of the test suite is no setting, and the command says so on standard error.
    monkeypatch.delenv("STRETTO_REQUIRE_SERVERS", raising=False)
    path = tmp_path / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_text(blank)
    arguments = ["--state", str(tmp_path / "state"), "hooks"]
    assert main([*arguments, "install"]) == 0
    assert set(json.loads(path.read_text())["hooks"]) == BASE
    assert main([*arguments, "uninstall"]) == 0
    assert path.read_text() == blank
    assert capsys.readouterr().err == ""
