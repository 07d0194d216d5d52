"""The units by which systemd and launchd run the service."""

from __future__ import annotations

import json
import os
import plistlib
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from stretto.cli.main import main
from stretto.servers.service_units import make_launchd_unit, make_systemd_unit
from stretto.servers.supervisor import find_shipped_folder

SHIPPED = (find_shipped_folder("units") / "stretto.service").read_text(encoding="utf-8")
ODD = ["/opt/my tools/stretto", "--state", '/home/a"b/100%/$x\\y', "up"]


@pytest.fixture(autouse=True)
def _own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the test away from the files of the machine's user."""
    for name in [name for name in os.environ if name.startswith("STRETTO_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))


def test_the_unit_is_the_shipped_one_with_another_command(tmp_path: Path) -> None:
    """Restarts and confinement stay as they ship; the command's words are quoted as systemd reads them."""
    unit = make_systemd_unit(SHIPPED, ODD, tmp_path)

    assert unit.path == tmp_path / "systemd" / "user" / "stretto.service"
    added = set(unit.text.splitlines()) - set(SHIPPED.splitlines())
    assert added == {r'ExecStart="/opt/my tools/stretto" --state "/home/a\"b/100%%/$$x\\y" up'}
    assert "NoNewPrivileges=yes" in unit.text


def test_a_unit_without_a_command_is_refused(tmp_path: Path) -> None:
    """A shipped unit whose command line is not found is not written half right."""
    with pytest.raises(ValueError, match="no command line"):
        make_systemd_unit("[Service]\n", ODD, tmp_path)


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """The check that systemd has for units finds nothing in the written one."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    program = tmp_path / "my tools" / "stretto"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = make_systemd_unit(SHIPPED, [str(program), "up"], tmp_path)
    unit.path.parent.mkdir(parents=True)
    unit.path.write_text(unit.text, encoding="utf-8")

    checked = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(unit.path)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (checked.returncode, checked.stderr) == (0, "")


def test_launchd_gets_a_job_that_starts_again(tmp_path: Path) -> None:
    """The job is a property list with the words of the command, kept alive after failures alone."""
    unit = make_launchd_unit(ODD, tmp_path, tmp_path / "log", "/opt/homebrew/bin:/usr/bin")
    job = plistlib.loads(unit.text.encode())

    assert job["ProgramArguments"] == ODD
    assert job["KeepAlive"] == {"SuccessfulExit": False}
    assert job["Umask"] == 0o077
    assert job["EnvironmentVariables"]["PATH"].startswith("/opt/homebrew/bin")
    assert job["Label"] == unit.path.stem


@pytest.mark.parametrize("manager", ["systemd", "launchd"])
def test_the_command_writes_and_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], manager: str
) -> None:
    """It writes one file for the present state folder and names the commands that start and stop it."""
    assert main(["service", "install", "--manager", manager, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)

    text = Path(answer["file"]).read_text()
    assert str(tmp_path / "state") in text
    assert "--history=no" in text
    assert answer["manager"] == manager
    assert shlex.split(answer["start"])[0] in {"systemctl", "launchctl"}
    assert "disable" in answer["stop"] or "bootout" in answer["stop"]


def test_an_edited_unit_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run changes nothing; a unit that differs is replaced only on demand."""
    arguments = ["service", "install", "--manager", "systemd"]
    assert main(arguments) == 0
    assert main(arguments) == 0
    unit = tmp_path / "home" / ".config" / "systemd" / "user" / "stretto.service"
    unit.write_text("edited")

    assert main(arguments) == 2
    assert unit.read_text() == "edited"
    assert "--replace" in capsys.readouterr().err
    assert main([*arguments, "--replace"]) == 0
    assert "ExecStart=" in unit.read_text()


def test_settings_that_the_service_will_lack_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A variable of this terminal is not one of the service, and the note says where it belongs."""
    monkeypatch.setenv("STRETTO_STUCK_MINUTES", "7")

    assert main(["service", "install", "--manager", "systemd"]) == 0

    assert "STRETTO_STUCK_MINUTES is set here and not in the unit" in capsys.readouterr().err
