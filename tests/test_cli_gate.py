from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from stretto.cli.main import main
from tests.fakes import store
from tests.scenes import Drawing
from tests.test_examples import EXAMPLES

CI = Path(__file__).parents[1] / "deploy" / "ci"
BIN = Path(sys.executable).parent


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with ten runs before and after, and a state folder of its own."""
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))
    for variable in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(variable, raising=False)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    for name, slow in (("before", 1.0), ("same", 1.0), ("slower", 1.5)):
        write_runs(work / name, slow, seed=name)
    write_runs(work / "thin", 1.0, seed="thin", count=2)
    return work


def write_runs(place: Path, slow: float, *, seed: str, count: int = 10) -> None:
    place.mkdir()
    rng = Random(seed)
    for number in range(count):
        benchmarks = [
            {"name": name, "stats": {"data": [scale * rng.lognormvariate(0, 0.02)]}}
            for name, scale in (("fast", 0.01), ("slow", slow))
        ]
        (place / f"{number}.json").write_text(json.dumps({"benchmarks": benchmarks}), encoding="utf-8")


def run(*arguments: str) -> int:
    return main(arguments)


def test_the_exit_code_is_the_verdict(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 for the same, 1 for slower, 4 for too few runs; the answer names the test and the missing runs."""
    assert run("gate", "before", "--save", ".stretto/baselines/main.json") == 0
    assert "2 tests saved" in capsys.readouterr().out
    assert run("gate", "same", "--baseline", "main") == 0
    assert capsys.readouterr().out.startswith("no evidence: 2 no evidence")
    assert run("gate", "slower", "--baseline", "main") == 1
    assert "slow: 1." in capsys.readouterr().out
    assert run("gate", "thin", "--baseline", "main", "--json") == 4
    document = json.loads(capsys.readouterr().out)
    assert (document["verdict"], document["baseline"]) == ("too little data", "main")
    assert document["missing_runs"] > 0
    assert (folder / ".stretto/baselines/main.json").exists()


def test_a_name_is_saved_in_the_folder_of_the_service(folder: Path) -> None:
    """Runs replace the baseline of their name, unless they are slower."""
    assert run("gate", "before", "--save", "main") == 0
    path = folder.parent / "state" / "gates" / "main.json"
    first = path.read_bytes()
    assert run("gate", "slower", "--baseline", "main", "--save", "main") == 1
    assert path.read_bytes() == first
    assert run("gate", "same", "--baseline", "main", "--save", "main") == 0
    assert path.read_bytes() != first


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("before",), 2, "name a baseline"),
        (("before", "--baseline", "missing"), 3, "there is no baseline missing"),
        (("nowhere", "--baseline", "main"), 3, "the report does not exist"),
        (("before", "--baseline", "main", "--effect", "5"), 2, "above the threshold"),
        (("session:none", "--baseline", "main"), 3, "no store"),
        (("before", "--baseline", "main", "--since", "7d"), 2, "give pattern:NAME"),
        (("pattern:a", "--baseline", "main", "--since", "2999-01-01"), 2, "lies in the future"),
    ],
)
def test_wrong_use_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, message: str
) -> None:
    """What is missing is named with the next step, and no verdict is given."""
    assert folder.exists()
    run("gate", "before", "--save", "main")
    assert run("gate", *arguments) == code
    assert message in capsys.readouterr().err


def draw_releases(day: int, *, reviews: int, slower: float = 1.0) -> Iterator[Drawing]:
    """Draw ten sessions of a day: reviews of about a minute and one test run of about ten."""
    rng = Random(day)
    for number in range(10):
        start = day * 86_400 + number * 3_600
        drawing = Drawing(f"d{day}n{number}").opens(start, pattern="release").prompt(start)
        lengths = [("tests", 600.0), *(("review", 60.0 * slower) for _ in range(reviews))]
        for index, (kind, seconds) in enumerate(lengths):
            length = seconds * rng.lognormvariate(0, 0.02)
            drawing.task(f"d{day}n{number}t{index}", start + 1, start + 1 + length, kind)
        yield drawing.stop(start + 900).ends(start + 901)


def test_sessions_are_judged_by_task_type(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sessions of a day against those of the day before: slower reviews fail, another mix is called so."""
    days = (
        draw_releases(0, reviews=6),
        draw_releases(1, reviews=6, slower=1.5),
        draw_releases(2, reviews=1),
    )
    with store(folder.parent / "state") as opened:
        for day in days[:1]:
            opened.take([event for drawing in day for event in drawing.events])
        assert run("gate", "pattern:release", "--save", "releases") == 0
        opened.take([event for drawing in days[1] for event in drawing.events])
        capsys.readouterr()
        assert run("gate", "pattern:release", "--since", "2026-01-02", "--baseline", "releases") == 1
        printed = capsys.readouterr().out
        assert "regression       review: 1.4" in printed or "regression       review: 1.5" in printed
        assert "10 and 10 runs" in printed
        opened.take([event for drawing in days[2] for event in drawing.events])
        assert run("gate", "pattern:release", "--since", "2026-01-03", "--baseline", "releases") == 0
        assert "because the mix changed" in capsys.readouterr().out
    assert run("gate", "session:d2n0", "--baseline", "releases") == 4, "one run is too little"


def test_another_machine_is_refused_unless_calibrated(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A baseline of another processor gives no verdict; with both reference loops times are scaled."""
    run("gate", "before", "--calibrate", "--save", "main.json")
    saved = json.loads((folder / "main.json").read_text())
    assert saved["reference_seconds"] > 0
    (folder / "main.json").write_text(json.dumps({**saved, "machine": "another"}))
    assert run("gate", "same", "--baseline", "main.json") == 3
    assert "another machine" in capsys.readouterr().err
    assert run(
        "gate", "same", "--baseline", "main.json", "--calibrate", "--effect", "400", "--threshold", "300"
    ) in {0, 4}
    assert "by the reference loop" in capsys.readouterr().out


def test_the_command_for_a_regression_runs_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It reads the verdict; the repeated job does not run it again; without a regression it does not run."""
    run("gate", "before", "--save", "main")
    command = "sh -c 'cat >> said.json; echo >> said.json; test $STRETTO_GATE_VERDICT = regression'"
    options = ("--baseline", "main", "--on-regression", command)
    assert run("gate", "same", *options) == 0
    assert not (folder / "said.json").exists()
    assert run("gate", "slower", *options) == 1
    assert run("gate", "slower", *options) == 1
    (line,) = (folder / "said.json").read_text().splitlines()
    assert json.loads(line)["verdict"] == "regression"
    assert "not again" in capsys.readouterr().err
    assert run("gate", "slower", "--baseline", "main", "--on-regression", "/no/such/command") == 1
    assert run("gate", "slower", "--baseline", "main", "--on-regression", "sh -c 'exit 3'") == 1
    noted = capsys.readouterr().err
    assert "could not be run" in noted
    assert "ended with 3" in noted


def test_github_sees_annotations_and_a_summary(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GitHub runner annotations and summary are written without an option; JUnit where asked."""
    run("gate", "before", "--save", "main")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    assert run("gate", "slower", "--baseline", "main", "--junit", "gate.xml") == 1
    assert "::error title=regression%3A slow::1." in capsys.readouterr().err
    assert "| slow | regression |" in (folder / "summary.md").read_text()
    assert 'failures="1"' in (folder / "gate.xml").read_text()


def run_shell(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a step as a runner does: bash without start files, which stops at the first error."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def run_action(folder: Path, **inputs: str) -> tuple[int, str, str]:
    """Run the GitHub Action's steps; return exit code, printed text and the step's output."""
    action: dict[str, Any] = yaml.safe_load((CI / "github" / "action.yml").read_text())
    values = {name: str(spec.get("default", "")) for name, spec in action["inputs"].items()} | inputs
    output = folder / "output.txt"
    output.write_text("")
    printed = ""
    for step in action["runs"]["steps"]:
        assert step["shell"] == "bash"
        variables = {
            name: values[text.removeprefix("${{ inputs.").removesuffix(" }}")]
            for name, text in step["env"].items()
        }
        done = run_shell(
            step["run"], folder, **variables, GITHUB_ACTIONS="true", GITHUB_OUTPUT=str(output),
            GITHUB_STEP_SUMMARY=str(folder / "summary.md"),
        )  # fmt: skip
        printed += done.stdout + done.stderr
        if done.returncode:
            return done.returncode, printed, output.read_text()
    return 0, printed, output.read_text()


def test_the_github_action_runs_as_a_runner_would(folder: Path) -> None:
    """Slower fails the job, the same passes, and too little data warns or fails as chosen."""
    run("gate", "before", "--save", ".stretto/baselines/main.json")
    code, printed, output = run_action(folder, reports="same", baseline="main")
    assert (code, output) == (0, "verdict=0\n"), printed
    code, printed, output = run_action(
        folder, reports="slower", baseline="main", **{"on-regression": "touch rolled-back"}
    )
    assert (code, output) == (1, "verdict=1\n"), printed
    assert "::error" in printed
    assert (folder / "rolled-back").exists()
    assert "regression" in (folder / "summary.md").read_text()
    assert run_action(folder, reports="thin", baseline="main")[0] == 0
    code, printed, output = run_action(folder, reports="thin", baseline="main", **{"too-little-data": "fail"})
    assert (code, output) == (4, "verdict=4\n"), printed


def test_a_runner_without_stretto_installs_it(tmp_path: Path) -> None:
    """The action from the repository that it is in or from what is named, GitLab's job from what is named."""
    (tmp_path / "bash").symlink_to(shutil.which("bash") or "")
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o700)
    action = yaml.safe_load((CI / "github" / "action.yml").read_text())["runs"]["steps"][0]["run"]
    (job,) = read_gitlab_job()[1]["before_script"]

    def install(script: str, package: str) -> subprocess.CompletedProcess[str]:
        variables = {"PATH": str(tmp_path), "PACKAGE": package, "GITHUB_ACTION_PATH": str(CI / "github")}
        return run_shell(script, tmp_path, **variables)

    *words, source = install(action, "").stdout.split()
    assert words == ["-m", "pip", "install", "--quiet"]
    assert (Path(source) / "pyproject.toml").resolve() == CI.parents[1] / "pyproject.toml"
    assert install(action, "stretto==1").stdout.split()[-1] == "stretto==1"
    assert install(job, "stretto==1").stdout.split()[-1] == "stretto==1"
    nothing = install(job, "")
    assert nothing.returncode != 0
    assert "name what pip installs" in nothing.stderr


def read_gitlab_job() -> tuple[str, dict[str, Any]]:
    """Return the script of GitLab's job, and the job."""
    job = yaml.safe_load((CI / "gitlab.yml").read_text())[".stretto-gate"]
    return "\n".join([*job["before_script"], *job["script"]]), job


def test_the_gitlab_job_runs_as_a_runner_would(folder: Path) -> None:
    """The script's exit code is the verdict, 4 is allowed to fail, and the report is an artifact."""
    run("gate", "before", "--save", ".stretto/baselines/main.json")
    script, job = read_gitlab_job()
    for reports, code in (("same", 0), ("slower", 1), ("thin", 4)):
        done = run_shell(script, folder, **job["variables"] | {"REPORTS": reports})
        assert done.returncode == code, done.stderr
        assert (folder / job["artifacts"]["reports"]["junit"]).exists()
    assert job["allow_failure"]["exit_codes"] == [4]


@pytest.mark.slow
def test_the_example_of_a_gate_does_as_it_says(tmp_path: Path) -> None:
    """The unchanged program passes, the slower one is stopped and the rollback runs."""
    script = f"bash {EXAMPLES / 'gate_in_ci.sh'}"
    done = run_shell(script, tmp_path, STRETTO_STATE=str(tmp_path / "state"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "slower program: exit code 1" in done.stdout
