"""The wheel, built and installed in an environment of its own, carries all that the service ships."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ports import find_free_port
from tests.stack.running import PATIENCE, ROOT, until

pytestmark = [pytest.mark.stack, pytest.mark.slow]


def run_pip(python: Path, *arguments: str) -> None:
    """Run pip, and skip if it has no index to ask, unless the run may not skip."""
    ended = subprocess.run(
        [str(python), "-m", "pip", *arguments], capture_output=True, text=True, check=False, timeout=600
    )
    out_of_reach = ("No matching distribution", "Failed to establish", "Temporary failure")
    if any(words in ended.stderr for words in out_of_reach) and not os.environ.get("STRETTO_REQUIRE_SERVERS"):
        pytest.skip("pip has no index within reach")
    assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program ``stretto`` in a clean environment that has the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("wheel")
    # The sources alone: what lies around in a working folder cannot get into the wheel.
    source = folder / "source"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, tracked.stdout.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    run_pip(Path(sys.executable), "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source))
    shutil.rmtree(source)
    [wheel] = folder.glob("stretto-*-py3-none-any.whl")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "clean")], check=True, timeout=120)
    constraints = str(ROOT / "constraints.txt")
    run_pip(folder / "clean/bin/python", "install", "--quiet", "--constraint", constraints, str(wheel))
    return folder / "clean" / "bin" / "stretto"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment that leads to neither the source tree nor the user's own files."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    (tmp_path / "home").mkdir()
    return {**kept, "HOME": str(tmp_path / "home"), "STRETTO_STATE": str(tmp_path / "state")}


@contextmanager
def started(program: Path, environment: dict[str, str], folder: Path, *arguments: str) -> Iterator[str]:
    """Run the service from the wheel until the block ends, and give its address."""
    address = f"127.0.0.1:{find_free_port()}"
    with (folder / "log").open("w") as log:
        service = subprocess.Popen(
            [str(program), "up", "--no-servers", "--history=no", f"--listen={address}", *arguments],
            cwd=folder, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            until("the service to answer", lambda: is_ready(address))
            yield address
        finally:
            service.terminate()
            service.wait(timeout=PATIENCE)


@pytest.fixture
def address(program: Path, environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """A running service from the wheel, by address."""
    with started(program, environment, tmp_path) as address:
        yield address


def is_ready(address: str) -> bool:
    """Return whether the service answers."""
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=5):
            return True
    except OSError:
        return False


def read_text(address: str, path: str) -> str:
    """Return the text at a path."""
    with urllib.request.urlopen(f"http://{address}{path}", timeout=30) as answer:
        return str(answer.read().decode())


def test_the_installed_service_shows_its_recording(address: str) -> None:
    """Page, API, metrics and a runbook page answer, and the page marks the recording."""
    assert "recording" in read_text(address, "/")
    assert '"recording":true' in read_text(address, "/api/sessions").replace(" ", "")
    assert "stretto_verdict_speedup{" in read_text(address, "/metrics")
    assert "StrettoDown" in read_text(address, "/runbook/StrettoDown")


def test_the_installed_service_shows_a_month(
    program: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """The simulated month is made from the wheel alone, with sessions in it."""
    with started(program, environment, tmp_path, "--demo", "month") as address:
        assert "<title>Simulated" in read_text(address, "/")
        assert json.loads(read_text(address, "/api/sessions?window=30d&limit=5"))["sessions"]


def test_a_hook_reaches_the_installed_service(
    program: Path, environment: dict[str, str], address: str, tmp_path: Path
) -> None:
    """``hooks install`` registers commands that run, and their event replaces the recording."""
    subprocess.run([str(program), "hooks", "install"], env=environment, cwd=tmp_path, check=True, timeout=60)
    settings = json.loads((tmp_path / "home/.claude/settings.json").read_text())
    for event in ("SessionStart", "UserPromptSubmit"):
        command = settings["hooks"][event][0]["hooks"][0]["command"]
        payload = json.dumps({"session_id": "wheel-1", "hook_event_name": event, "cwd": str(tmp_path)})
        ended = subprocess.run(
            ["sh", "-c", command], input=payload, env=environment, text=True, check=True, timeout=60
        )
        assert ended.returncode == 0

    until("the session", lambda: "wheel-1" in read_text(address, "/api/sessions"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("export", "prometheus", "out"), "out/rules/alerts.yml"),
        (("export", "grafana", "out"), "out/dashboards/overview.json"),
        (("export", "alertmanager", "out"), "out/templates/stretto.tmpl"),
        (("export", "plugin", "out"), "out/deploy/claude-code-plugin/hooks/hooks.json"),
        (("service", "install", "--manager", "systemd"), "home/.config/systemd/user/stretto.service"),
    ],
    ids=lambda words: " ".join(words[:2]) if isinstance(words, tuple) else "",
)
def test_the_wheel_carries_what_it_writes(
    program: Path, environment: dict[str, str], tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    """Rules, boards, texts, plugin and unit come out of the installed package."""
    subprocess.run([str(program), *arguments], env=environment, cwd=tmp_path, check=True, timeout=60)

    assert (tmp_path / expected).stat().st_size > 100


def test_the_plugin_is_a_marketplace_of_one(
    program: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """The written marketplace names a folder in which the plugin is."""
    subprocess.run([str(program), "export", "plugin", "out"], env=environment, cwd=tmp_path, check=True)
    [plugin] = json.loads((tmp_path / "out/.claude-plugin/marketplace.json").read_text())["plugins"]

    assert (tmp_path / "out" / plugin["source"] / ".claude-plugin" / "plugin.json").is_file()
