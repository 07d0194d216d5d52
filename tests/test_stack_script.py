"""deploy/stack.sh: finds an engine or says what to do, and prepares what the compose file mounts."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("sh", "dirname", "id", "mkdir", "chmod", "od", "tr", "mv", "grep", "cat", "env", "cp", "rm", "find")
ENGINE = """#!/bin/sh
echo "$*" >> "$TOLD.all"
case "$*" in
  *" stretto receivers "*) exec "$RECEIVERS" "$@";;
  "compose build stretto" | "build stretto") exit 0;;
  *" stretto servers --write /stack/web.yml") echo hash > "$STRETTO_STATE/stack/web.yml"; exit 0;;
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


def test_the_servers_password_is_hashed_before_they_start(tmp_path: Path) -> None:
    """The hash of the token is written by our image once, again after a new token, and never left empty."""
    ended, _ = run(tmp_path, "up", engine="docker")
    assert ended.returncode == 0, ended.stderr
    state = tmp_path / "home/.local/state/stretto"
    web = state / "stack/web.yml"
    told = (tmp_path / "told.all").read_text().splitlines()
    hashing = [line for line in told if "stretto servers --write" in line]
    assert hashing == [
        f"compose run --rm --no-deps -T --volume {state}/stack:/stack stretto servers --write /stack/web.yml"
    ]
    assert told.index(hashing[0]) < next(number for number, line in enumerate(told) if " up " in line)
    assert stat.S_IMODE(web.stat().st_mode) == 0o444

    run(tmp_path, "up", engine="docker")
    assert (tmp_path / "told.all").read_text().count("stretto servers --write") == 1
    os.utime(web, (0, 0))
    web.chmod(0o644)
    run(tmp_path, "up", engine="docker")
    assert (tmp_path / "told.all").read_text().count("stretto servers --write") == 2


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


RECEIVERS = """#!{python}
import os, subprocess, sys
words = sys.argv[1:]
folder, place = words[words.index("--volume") + 1].split(":")
name, _, file = words[words.index("-e") + 1].partition("=")
verb = [word.replace(place, folder) for word in words[words.index("stretto") + 1 :]]
environ = {{name: file.replace(place, folder), "PYTHONPATH": {path!r}, "STRETTO_STATE": "/nonexistent"}}
sys.exit(subprocess.run([sys.executable, "-m", "stretto", *verb], env=environ).returncode)
"""
"""Stands in for compose's run: the service's own verb, on the folder that would be mounted."""


@pytest.fixture
def up(tmp_path: Path) -> Callable[[], tuple[subprocess.CompletedProcess[str], list[str]]]:
    """Starts the stack; gives how that ended, and what the engine was told, a line for each call."""
    verb = tmp_path / "verb"
    verb.write_text(RECEIVERS.format(python=sys.executable, path=str(ROOT / "src")))
    verb.chmod(0o755)

    def start() -> tuple[subprocess.CompletedProcess[str], list[str]]:
        ended, _ = run(tmp_path, "up", engine="docker", RECEIVERS=str(verb))
        return ended, (tmp_path / "told.all").read_text().splitlines()

    return start


def test_receivers_of_yours_are_merged_before_anything_starts(
    tmp_path: Path, up: Callable[[], tuple[subprocess.CompletedProcess[str], list[str]]]
) -> None:
    """Alertmanager's folder holds what ships, what you added and your secrets, and is checked."""
    state = tmp_path / "home/.local/state/stretto"
    (state / "secrets").mkdir(parents=True)
    (state / "secrets" / "slack-url").write_text("https://example.org/")
    (state / "receivers.yml").write_text(
        "receivers:\n  - name: stretto-critical\n    slack_configs:\n"
        "      - {api_url_file: secrets/slack-url, channel: '#agents'}\n"
    )
    ended, told = up()
    assert ended.returncode == 0, ended.stderr
    merged = state / "stack" / "alertmanager"
    [critical] = [
        receiver
        for receiver in yaml.safe_load((merged / "alertmanager.yml").read_text())["receivers"]
        if receiver["name"] == "stretto-critical"
    ]
    assert critical["webhook_configs"][0]["url"] == "http://stretto:9464/api/notifications"
    assert critical["slack_configs"][0]["channel"] == "#agents"
    for path in (merged, *merged.rglob("*")):
        # The server is a user of its own, behind a folder that only you enter.
        assert stat.S_IMODE(path.stat().st_mode) & 0o004, path
    assert (merged / "templates" / "stretto.tmpl").is_file()
    assert (merged / "secrets" / "slack-url").read_text() == "https://example.org/"
    assert f"STRETTO_ALERTMANAGER={merged}" in (tmp_path / "told").read_text().splitlines()
    check = next(number for number, line in enumerate(told) if "amtool alertmanager check-config" in line)
    assert [line for line in told if " up " in line] == told[-1:]
    assert check < len(told) - 1


def test_receivers_with_a_fault_keep_the_stack_from_starting(
    tmp_path: Path, up: Callable[[], tuple[subprocess.CompletedProcess[str], list[str]]]
) -> None:
    """You are told the place, and the engine is not told to start."""
    state = tmp_path / "home/.local/state/stretto"
    state.mkdir(parents=True)
    (state / "receivers.yml").write_text("receivers:\n  - name: stretto-urgent\n    slack_configs: [{}]\n")
    ended, told = up()
    assert ended.returncode == 2
    assert "line 2" in ended.stderr
    assert not [line for line in told if " up " in line]


def test_without_receivers_the_shipped_folder_is_mounted(
    tmp_path: Path, up: Callable[[], tuple[subprocess.CompletedProcess[str], list[str]]]
) -> None:
    """Nothing is merged, nothing more is run, and the compose file's own default holds."""
    ended, told = up()
    assert ended.returncode == 0, ended.stderr
    assert "STRETTO_ALERTMANAGER" not in (tmp_path / "told").read_text()
    assert not [line for line in told if " run " in line and "stretto servers --write" not in line]


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
