"""deploy/stack.sh: finds an engine or says what to do, and prepares what the compose file mounts."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("sh", "dirname", "id", "mkdir", "chmod", "od", "tr", "mv", "grep", "cat", "env")
ENGINE = """#!/bin/sh
case "$*" in
  info*) echo "{security}"; exit 0;;
  "compose version") exit {version};;
esac
{{ echo "$*"; env; }} > "$TOLD"
"""


def run(
    folder: Path, *arguments: str, engine: str | None = None, security: str = "[]", **environ: str
) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run the script with nothing but its tools and a stand-in for an engine on the path.

    Returns how it ended, and what the engine was told: its arguments on a line, then its environment.
    """
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    for name in TOOLS:
        if not (tools / name).exists():
            found = next(p / name for p in (Path("/usr/bin"), Path("/bin")) if (p / name).exists())
            (tools / name).symlink_to(found)
    if engine:
        program = tools / engine
        program.write_text(ENGINE.format(security=security, version=0 if engine == "docker" else 1))
        program.chmod(0o755)
    told = folder / "told"
    ended = subprocess.run(
        [str(ROOT / "deploy" / "stack.sh"), *arguments],
        env={"PATH": str(tools), "HOME": str(folder / "home"), "TOLD": str(told), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return ended, told.read_text() if told.exists() else ""


def test_without_an_engine_it_says_what_to_do(tmp_path: Path) -> None:
    """Neither Docker nor Podman: both are named, and what works without them; nothing is made."""
    ended, _ = run(tmp_path, "up")
    assert ended.returncode == 1
    for word in ("Docker", "podman-compose", "make up"):
        assert word in ended.stderr
    assert not (tmp_path / "home").exists()


def test_journal_and_token_are_made_for_you_alone(tmp_path: Path) -> None:
    """The folders are closed to others, the token is long, and the engine learns who you are and where."""
    ended, told = run(tmp_path, "up", engine="docker")
    assert ended.returncode == 0, ended.stderr
    state = tmp_path / "home/.local/state/stretto"
    assert told.splitlines()[0] == "compose up --detach --build"
    for line in (f"STRETTO_STATE={state}", f"STRETTO_UID={os.getuid()}", f"STRETTO_GID={os.getgid()}"):
        assert line in told.splitlines()
    for folder in (state, state / "journal", state / "stack"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    token = state / "stack/token"
    # Readable for the servers' users, behind a folder that only the owner enters.
    assert stat.S_IMODE(token.stat().st_mode) == 0o444
    assert len(token.read_text()) == 64
    int(token.read_text(), 16)
    assert token.read_text() not in ended.stdout + told


def test_a_second_start_keeps_the_token(tmp_path: Path) -> None:
    """Browsers that know it stay signed in."""
    run(tmp_path, "up", engine="docker")
    token = tmp_path / "home/.local/state/stretto/stack/token"
    before = token.read_text()
    run(tmp_path, "up", engine="docker")
    assert token.read_text() == before


def test_the_profile_sends_spans_to_the_collector(tmp_path: Path) -> None:
    """TRACES=1 starts the profile and names the collector; without it no endpoint is set."""
    _, plain = run(tmp_path, "up", engine="docker")
    assert "STRETTO_STACK_OTLP" not in plain
    _, told = run(tmp_path, "up", engine="docker", TRACES="1")
    assert told.splitlines()[0] == "compose --profile traces up --detach --build"
    assert "STRETTO_STACK_OTLP=http://collector:4319" in told.splitlines()


@pytest.mark.parametrize("security", ["[name=seccomp,profile=builtin name=rootless]"])
def test_a_rootless_engine_runs_the_service_as_its_root(tmp_path: Path, security: str) -> None:
    """There root inside is you outside: any other user could not write to your journal."""
    _, told = run(tmp_path, "up", engine="docker", security=security)
    assert {"STRETTO_UID=0", "STRETTO_GID=0"} <= set(told.splitlines())


def test_podman_compose_does_as_well(tmp_path: Path) -> None:
    """Where there is no Docker, podman-compose is called with the same words."""
    ended, told = run(tmp_path, "up", "grafana", engine="podman-compose")
    assert ended.returncode == 0, ended.stderr
    assert told.splitlines()[0] == "up --detach --build grafana"


def test_down_stops_everything_and_keeps_what_was_kept(tmp_path: Path) -> None:
    """Containers of the profile too; volumes only where it is asked for."""
    _, told = run(tmp_path, "down", engine="docker")
    assert told.splitlines()[0] == "compose --profile traces down"
    assert not (tmp_path / "home").exists()


def test_other_commands_reach_compose_with_what_the_file_needs(tmp_path: Path) -> None:
    """Logs and restarts need no variable set by hand; no command at all is wrong use."""
    _, told = run(tmp_path, "logs", "stretto", engine="docker")
    assert told.splitlines()[0] == "compose --profile traces logs stretto"
    assert f"STRETTO_STATE={tmp_path}/home/.local/state/stretto" in told.splitlines()
    ended, _ = run(tmp_path, engine="docker")
    assert ended.returncode == 2
