from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from stretto.cli.main import main
from stretto.gates.repeated_command_runs import run_command
from stretto.gates.session_size_classes import SessionLoad, classify_sessions
from stretto.store.database import open_writer
from tests.fakes import store
from tests.scenes import fork_join, one_by_one

SLEEP = "import time; time.sleep({})"
WORK = "sum(range(300_000)); b = bytearray(30_000_000)"
WRAPPED = """
import stretto, time
stretto.configure()
with stretto.session("s"), stretto.phase("build"):
    for _ in range(2):
        with stretto.task("review", type="review", agent="a"):
            time.sleep(0.02)
"""


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))


@pytest.fixture
def timed_runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let each run take the seconds that its command names, and return the commands as they are run."""
    commands: list[str] = []

    def run_at_once(command: Sequence[str], _: object) -> list[float]:
        commands.append(command[0])
        # Runs of a real command differ a little too.
        return [float(command[1]) * (1 + len(commands) % 3 / 100), 0, 0.01, 10_000, 0, 0]

    monkeypatch.setattr("stretto.gates.repeated_command_runs._start_and_wait", run_at_once)
    return commands


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def test_a_run_is_measured() -> None:
    """A run that sleeps takes time and no processor; a run that works takes processor and memory."""
    asleep = run_command(python(SLEEP.format(0.3)), {}, lambda _: {})
    at_work = run_command(python(WORK), {}, lambda _: {"part": 1.0})
    assert asleep.seconds >= 0.3
    assert asleep.cpu_seconds < asleep.seconds
    assert at_work.cpu_seconds > 0
    assert at_work.memory_bytes - asleep.memory_bytes > 20_000_000
    assert dict(at_work.list_amounts())["component part"] == 1


def test_a_command_is_profiled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each amount is a distribution over the runs, on a page and as JSON; components are there too."""
    page = tmp_path / "profile.html"
    command = ["--", sys.executable, "-c", WRAPPED]
    assert main(["profile", "--json", "-n", "3", "--warm-up", "0", "--html", str(page), *command]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["command"] == command[1:]
    runs = document["runs"]
    assert {len(values) for values in runs.values()} == {3}
    # Both tasks of a run sleep 0.02 s, within the phase, which is within the run.
    for task, phase, run in zip(
        runs["component task review"], runs["component phase build"], runs["time"], strict=True
    ):
        assert 0.04 <= task <= phase <= run
    text = page.read_text(encoding="utf-8")
    assert text.count("<circle") == 3 * len(runs)
    assert "component task review" in text
    assert not (tmp_path / "state" / "journal").exists(), "the runs' sessions are not the user's"


@pytest.mark.usefixtures("timed_runs")
def test_profiles_are_saved_and_compared(capsys: pytest.CaptureFixture[str]) -> None:
    """A slower command is a regression against the saved profile; the same command is none."""
    run = ["profile", "-n", "6", "--warm-up", "0", "--"]
    assert main([*run, "first", "0.05"]) == 0
    assert "6 runs" in capsys.readouterr().out
    assert main(["baseline", "save", "quick"]) == 0
    assert main(["baseline", "compare", "quick"]) != 1
    assert main([*run, "first", "0.4"]) == 0
    capsys.readouterr()
    assert main(["baseline", "compare", "quick"]) == 1
    assert "regression       time" in capsys.readouterr().out


def test_two_commands_are_measured_in_turn(timed_runs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """``--versus`` runs both alternately and compares the first with the second."""
    assert main(["profile", "-n", "6", "--versus", "b 0.05", "--", "a", "0.25"]) == 1
    assert "regression       time" in capsys.readouterr().out
    assert len(timed_runs) == 14
    assert {"".join(sorted(timed_runs[n : n + 2])) for n in range(0, 14, 2)} == {"ab"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["profile"], 2, "no command is given"),
        (["profile", "-n", "0", "--", "true"], 2, "at least 1"),
        (["profile", "--", "/no/such/command"], 3, "cannot be run"),
        (["profile", "-n", "1", "--", "false"], 3, "exit code 1"),
        (["baseline", "save", "x"], 3, "there is no profile last"),
        (["baseline", "compare", "x"], 3, "there is no profile x"),
        (["profile", "--sessions"], 3, "no store"),
    ],
)
def test_wrong_use_is_named(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    """A command that fails has no speed; what is missing is named."""
    assert main(arguments) == code
    assert message in capsys.readouterr().err


def test_sessions_are_divided_by_pattern_and_size() -> None:
    """Nine sessions with 1 to 9 tasks are three of each size; few sessions are one class."""
    loads = [SessionLoad("review", tasks, tasks * 10.0, tasks * 20.0) for tasks in range(1, 10)]
    loads += [SessionLoad("rare", 5, 1.0, 1.0)] * 3 + [SessionLoad("idle", 0, 1.0, 0.0)]
    classes = [(each.pattern, each.size, each.sessions, each.tasks) for each in classify_sessions(loads)]
    assert classes == [
        ("rare", "all", 3, (5, 5)),
        ("review", "small", 3, (1, 3)),
        ("review", "medium", 3, (4, 6)),
        ("review", "large", 3, (7, 9)),
    ]
    (same,) = classify_sessions([SessionLoad("same", 2, float(n), 1.0) for n in range(12)])
    assert (same.size, same.sessions) == ("small", 12)
    assert (same.median_seconds, same.p90_seconds) == (5, 10)


def test_stored_sessions_are_shown_by_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The classes of the store's sessions, with the time from the first task to the last."""
    state = tmp_path / "state"
    with store(state) as opened:
        opened.take(fork_join().events)
        opened.take(one_by_one().events)
    with closing(open_writer(state / "stretto.db")):
        assert main(["profile", "--sessions", "--json"]) == 0
    classes = json.loads(capsys.readouterr().out)["classes"]
    assert {each["size"] for each in classes} == {"all"}
    assert sum(each["sessions"] for each in classes) == 2
    assert all(each["median_work_seconds"] > 0 < each["median_seconds"] for each in classes)
