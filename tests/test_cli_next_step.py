"""What ``stretto`` alone and the end of ``doctor`` name as the next step; options before and after a verb."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from stretto.cli.doctor_results_and_next_step import CheckResult, CheckVerdict, NextStep, choose_next_step
from stretto.cli.main import main

FINE = CheckResult("journal", CheckVerdict.FINE, "1 file(s)")
NOT_RUNNING = CheckResult("service", CheckVerdict.NOTE, "not running", "stretto up")
NOT_INSTALLED = CheckResult("hooks", CheckVerdict.NOTE, "not installed", "stretto hooks install")
NO_RECEIVERS = CheckResult("receivers", CheckVerdict.NOTE, "alerts go to the page only", "add a receiver")
BROKEN = CheckResult("store", CheckVerdict.TROUBLE, "cannot be read", "stretto rebuild")


@pytest.fixture(autouse=True)
def _empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point home and state to empty folders."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))


@pytest.mark.parametrize(
    ("results", "step"),
    [
        ([NOT_RUNNING, BROKEN], NextStep("stretto rebuild", "store: cannot be read")),
        ([NOT_INSTALLED, NOT_RUNNING], NextStep("stretto up", "service: not running")),
        ([FINE, NOT_INSTALLED], NextStep("stretto hooks install", "hooks: not installed")),
        ([FINE, NO_RECEIVERS], NextStep("stretto top", "everything runs")),
    ],
)
def test_the_next_step_repairs_then_adds_then_looks(results: list[CheckResult], step: NextStep) -> None:
    """Trouble comes before missing parts, the service before the hooks, and optional parts never."""
    assert choose_next_step(results) == step


def test_stretto_alone_names_the_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command the program prints its state and the next step, no usage error."""
    assert main([]) == 0
    text = capsys.readouterr().out
    assert "next: stretto up (service: not running)" in text
    assert "stretto --help" in text


def test_doctor_ends_with_the_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    """Its last line is the one thing to do, and its JSON has it too."""
    main(["doctor"])
    assert capsys.readouterr().out.rstrip().endswith("next: stretto up (service: not running)")
    main(["doctor", "--json"])
    assert json.loads(capsys.readouterr().out)["next_step"]["action"] == "stretto up"


@pytest.mark.parametrize("arguments", [["--json", "config"], ["config", "--json"]])
def test_json_stands_before_or_after_the_verb(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """Both orders give the same document."""
    assert main(arguments) == 0
    assert "settings" in json.loads(capsys.readouterr().out)


def test_json_is_refused_where_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    """A command without an answer says so, instead of ignoring the option."""
    with pytest.raises(SystemExit) as stop:
        main(["--json", "up"])
    assert stop.value.code == 2
    assert "no answer as JSON" in capsys.readouterr().err


def test_the_completion_script_is_valid_and_knows_the_verbs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Bash accepts the script, and it completes the verbs and their options."""
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "stretto.bash"
    script.write_text(capsys.readouterr().out, encoding="utf-8")
    subprocess.run(["bash", "-n", str(script)], check=True)
    question = (
        f'source {script}; COMP_WORDS=(stretto ses); COMP_CWORD=1; _shtab_stretto; echo "${{COMPREPLY[*]}}"'
    )
    answer = subprocess.run(["bash", "-c", question], check=True, capture_output=True, text=True)
    assert answer.stdout.split() == ["sessions"]
