"""Small inputs that once gave wrong answers, each with its right answer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from stretto.cli.main import main
from stretto.clock import HOUR, read_wall_clock
from stretto.figures.session_spending import Spending, sum_spending
from stretto.figures.unreported_model_calls import UsageGaps
from stretto.hook.install.client_copy import KEY_BYTES
from stretto.model.task_type import TaskTypes
from stretto.sources.transcript import find_transcripts, identify_transcript, read_transcript
from stretto.store.database import open_reader
from stretto.summaries.snapshot import take_snapshot
from tests.fakes import dump, store
from tests.scenes import conclude_scene

FAULTS = Path(__file__).parent / "recorded/faults"
DAY_SECONDS = 86_400


@pytest.fixture(autouse=True)
def _own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the test away from the files of the machine's user."""
    for name in [name for name in os.environ if name.startswith("STRETTO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))


def copy_fault(name: str, folder: Path, *, days_old: float = 0) -> Path:
    """Return a copy of a fault's files that were written so many days ago."""
    copy = folder / name
    shutil.copytree(FAULTS / name, copy)
    for file in copy.rglob("*"):
        written = read_wall_clock() / 1e9 - days_old * DAY_SECONDS
        os.utime(file, (written, written))
    return copy


def run(*arguments: str) -> int:
    """Run the command and return its exit code."""
    return main(list(arguments))


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """Run a command with --json and return its answer."""
    capsys.readouterr()
    assert run(*arguments, "--json") == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


@pytest.mark.parametrize("days_old", [0, 3])
def test_a_last_line_without_a_newline_is_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, days_old: float
) -> None:
    """It is a whole object, so its model call counts, and rest is judged by the lines, not by the file."""
    copy = copy_fault("last-line-without-newline", tmp_path, days_old=days_old)
    (file,) = answer(capsys, "import", str(copy))["imported"]
    assert (file["events"], file["left_bytes"]) == (4, 0)
    shown = answer(capsys, "show", "last")
    assert (len(shown["model_calls"]), shown["tokens"]["output"]) == (1, 900)
    assert (shown["outcome"], shown["end"]) == ("success", None)


def test_an_unfinished_last_line_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A line cut in its middle may still be written: it is left for the next import, and so reported."""
    copy = copy_fault("last-line-without-newline", tmp_path)
    (file,) = copy.glob("*.jsonl")
    (stamp,) = {json.loads(line)["timestamp"][:16] for line in file.read_text().splitlines()}
    fresh = datetime.fromtimestamp(read_wall_clock() // 10**9 - 120, UTC).isoformat()[:16]
    whole = file.read_bytes().replace(stamp.encode(), fresh.encode())
    file.write_bytes(whole[:-40])
    (entry,) = answer(capsys, "import", str(copy))["imported"]
    assert entry["left_bytes"] > 0
    run("import", str(copy))
    assert "unfinished last line" in capsys.readouterr().err
    file.write_bytes(whole)
    (entry,) = answer(capsys, "import", str(copy))["imported"]
    assert entry["left_bytes"] == 0
    assert answer(capsys, "show", "last")["tokens"]["output"] == 900


def test_one_bad_file_stops_none_of_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    """The first and the last file are imported, the second is named with its reason; the exit code is 1."""
    folder = FAULTS / "one-bad-file-of-many"
    assert run("import", *(str(folder / f"{name}.jsonl") for name in "abc")) == 1
    told = capsys.readouterr()
    assert "b.jsonl" in told.err
    sessions = answer(capsys, "sessions")["sessions"]
    assert {session["id"][:8] for session in sessions} == {"aaaaaaaa", "22222222"}


def test_a_file_that_is_linked_is_read_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A link to a file is that file: nothing is read a second time."""
    copy = copy_fault("one-bad-file-of-many", tmp_path)
    (tmp_path / "link").symlink_to(copy, target_is_directory=True)
    answer(capsys, "import", str(copy / "a.jsonl"))
    (file,) = answer(capsys, "import", str(tmp_path / "link" / "a.jsonl"))["imported"]
    assert (file["events"], file["already_known"]) == (0, True)


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_copied_lines_count_once(capsys: pytest.CaptureFixture[str], order: str) -> None:
    """Messages, calls and turns that a resumed session copied belong to the session that had them first."""
    folder = FAULTS / "copied-history"
    for letter in order:
        (file,) = folder.glob(f"{letter * 8}*.jsonl")
        answer(capsys, "import", str(file))
    first, second = answer(capsys, "show", "aaaa"), answer(capsys, "show", "bbbb")
    assert [len(shown["model_calls"]) for shown in (first, second)] == [2, 1]
    assert [shown["tokens"]["input"] for shown in (first, second)] == [30, 30]
    assert [shown["tokens"]["output"] for shown in (first, second)] == [300, 300]
    assert [len(shown["turns"]) for shown in (first, second)] == [1, 1]
    assert [len(shown["tool_calls"]) for shown in (first, second)] == [1, 0]
    assert second["start"].startswith("2026-11-20T10:10:00")


def test_copied_lines_stay_the_first_sessions_when_it_is_gone(capsys: pytest.CaptureFixture[str]) -> None:
    """The first session is erased and the store made again: what was copied from it stays uncounted."""
    answer(capsys, "import", str(FAULTS / "copied-history"))
    before = answer(capsys, "show", "bbbb")
    run("forget", "aaaa")
    run("rebuild")
    assert [row["id"][:4] for row in answer(capsys, "sessions")["sessions"]] == ["bbbb"]
    assert answer(capsys, "show", "bbbb") == before


def test_an_unfinished_answer_is_a_lower_bound(capsys: pytest.CaptureFixture[str]) -> None:
    """No line of these messages has a stop reason: their tokens and cost are shown as at least so much."""
    answer(capsys, "import", str(FAULTS / "placeholder-output-tokens"))
    shown = answer(capsys, "show", "last")
    coverage = shown["spending"]["coverage"]
    assert (coverage["tokens_at_least"], coverage["cost_at_least"]) == (True, True)
    assert coverage["lower_bound_calls"] == len(shown["model_calls"]) == 6
    assert coverage["share"] == 0
    run("show", "last")
    text = capsys.readouterr().out
    assert "spent at least $" in text
    assert "6 of 6 calls reported the use of an unfinished answer only" in text


def test_tasks_without_tokens_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """The agents' own files are gone: two of two tasks reported no tokens, and each called 18 tools."""
    answer(capsys, "import", str(FAULTS / "tasks-without-tokens"))
    shown = answer(capsys, "show", "last")
    assert [task["tool_calls"] for task in shown["tasks"]] == [18, 18]
    assert shown["tool_call_count"] == {
        "total": 38, "at_least": False, "seen": 2, "tasks": 2, "partial_tasks": 2,
    }  # fmt: skip
    coverage = shown["spending"]["coverage"]
    assert (coverage["tasks"], coverage["silent_tasks"], coverage["tokens_at_least"]) == (2, 2, True)
    assert (coverage["share"], coverage["model_calls_at_least"]) == (0.25, True)
    run("show", "last")
    text = capsys.readouterr().out.replace("\N{NO-BREAK SPACE}", " ")
    assert "2 of 2 tasks reported no tokens" in text
    assert "at least 3.22 k tokens in at least 2 model calls" in text
    (row,) = answer(capsys, "sessions")["sessions"]
    assert (row["cost_at_least"], row["tool_calls"], row["tool_calls_at_least"]) == (True, 38, False)
    run("sessions")
    assert "≥ $" in capsys.readouterr().out
    assert "38 tool calls (36 of them by the client's count alone)" in text


def test_the_share_that_reported_tokens_is_a_series(tmp_path: Path) -> None:
    """Of two model calls one ended its answer, and two tasks reported nothing: 1 of 4 in their window."""
    folder = FAULTS / "tasks-without-tokens"
    events = [
        event for file in find_transcripts(folder) for event in read_transcript(file, at_rest=True).events
    ]
    now = max(event.time for event in events) + HOUR
    with store(tmp_path) as opened:
        opened.take(events)
        opened.ingest.close_idle_sessions(now + 30 * HOUR)
        figures = take_snapshot(opened.connection, now, TaskTypes(), {}).figures
    values = {figure.name: figure.value for figure in figures if ("window", "24h") in figure.labels}
    assert values["stretto_window_usage_expected"] == 4
    assert values["stretto_window_usage_reported"] == 1
    assert values["stretto_usage_coverage_ratio"] == 0.25
    # The client counted 18 tool calls of each agent, and nobody reported them.
    assert values["stretto_window_tool_call_tasks"] == 2
    assert values["stretto_window_tool_call_tasks_reported"] == 0
    assert values["stretto_tool_call_coverage_ratio"] == 0
    # Sums of the window say that they are too small: a page shows "at least".
    partial = {figure.name for figure in figures if figure.coverage == 0.25}
    assert {"stretto_window_tokens", "stretto_window_model_calls"} <= partial
    assert {figure.name for figure in figures if figure.coverage == 0} == {"stretto_window_tool_calls"}


@pytest.mark.parametrize("fault", ["placeholder-output-tokens", "tasks-without-tokens", "copied-history"])
def test_a_lost_line_never_raises_a_sum(fault: str) -> None:
    """Without any of its lines with usage, a session has no more calls and no more tokens."""
    (first, *_) = sorted((FAULTS / fault).glob("*.jsonl"))
    lines = first.read_bytes().splitlines(keepends=True)
    whole = spend(lines)
    for number, line in enumerate(lines):
        if b'"usage"' not in line:
            continue
        without = spend(lines[:number] + lines[number + 1 :])
        assert all(count <= whole.tokens.get(kind, 0) for kind, count in without.tokens.items())
        assert without.model_calls <= whole.model_calls


def test_coverage_falls_with_a_lost_line_of_a_known_message() -> None:
    """A message has two lines, and only the second ends its answer: without it the first is a lower bound."""
    (path,) = (FAULTS / "last-line-without-newline").glob("*.jsonl")
    prompt, last = path.read_bytes().splitlines()
    complete = last.replace(b'"stop_reason": null', b'"stop_reason": "end_turn"')
    first = last.replace(b'"output_tokens": 900', b'"output_tokens": 1')
    whole = spend([prompt + b"\n", first + b"\n", complete + b"\n"])
    without = spend([prompt + b"\n", first + b"\n"])
    assert (whole.coverage, whole.tokens["output"]) == (1, 900)
    assert (without.coverage, without.tokens["output"]) == (0, 1)


MEASURED = """
import sys
from stretto.cli.main import main
code = main(["--state", sys.argv[1], "import", sys.argv[2], "--json"])
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(code, peak, file=sys.stderr)
"""
"""Imports, and prints the most memory (kB) that it had. ``ru_maxrss`` would include its parent's."""


def write_session(folder: Path, number: int, calls: int = 120) -> None:
    """Write a transcript of so many model calls, which has no end, as transcripts never do."""
    session, day = f"{number:08x}-2121-4111-8111-111111111111", "2026-11-20"
    lines = []
    for call in range(calls):
        second = 36_000 + 20 * call
        clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
        usage = {"input_tokens": 3, "output_tokens": call, "cache_read_input_tokens": 20_000 + call}
        message = {
            "id": f"msg_{number}_{call}", "role": "assistant", "model": "claude-opus-4-6",
            "stop_reason": None, "content": [{"type": "text", "text": "a"}], "usage": usage,
        }  # fmt: skip
        line = {
            "type": "assistant", "uuid": f"{number}-{call}", "sessionId": session, "cwd": "/w/p",
            "timestamp": f"{day}T{clock}.000Z", "requestId": f"r{number}-{call}", "isSidechain": False,
            "message": message,
        }  # fmt: skip
        lines.append(json.dumps(line))
    (folder / f"{session}.jsonl").write_text("\n".join(lines) + "\n")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="read through /proc")
def test_memory_of_a_first_import_does_not_grow_with_history(tmp_path: Path) -> None:
    """Four times as many sessions take at most 20 MB more, and both less than 150 MB."""
    used = []
    for count in (100, 400):
        folder = tmp_path / f"p{count}"
        folder.mkdir()
        for number in range(count):
            write_session(folder, number)
        words = [sys.executable, "-c", MEASURED, str(tmp_path / f"s{count}"), str(folder)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        code, kilobytes = done.stderr.split()[-2:]
        assert code == "0"
        assert done.stdout.count('"events": 12') == count
        used.append(int(kilobytes) / 1024)
    assert used[1] < 150
    assert used[1] - used[0] < 20


def spend(lines: list[bytes]) -> Spending:
    """Return the use of the session that some lines of a transcript report."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.jsonl"
        path.write_bytes(b"".join(lines))
        events = read_transcript(identify_transcript(path), at_rest=True).events
    session = conclude_scene(events, lost=True)
    return sum_spending(((call, None) for call in session.model_calls), UsageGaps(session)).total


def test_worktrees_are_one_project(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A repository and two worktrees of it, by folder and by file: one project, the worktree beside it."""
    copy = copy_fault("worktree-projects", tmp_path)
    (tmp_path / "dev/shop/.git").mkdir(parents=True)
    (tmp_path / "dev/shop-feature").mkdir()
    git = f"gitdir: {tmp_path}/dev/shop/.git/worktrees/shop-feature"
    (tmp_path / "dev/shop-feature/.git").write_text(git)
    for file in copy.glob("*.jsonl"):
        file.write_text(file.read_text().replace("/home/dev", f"{tmp_path}/dev"))
    answer(capsys, "import", str(copy))
    ids = [session["id"] for session in answer(capsys, "sessions")["sessions"]]
    shown = [answer(capsys, "show", id) for id in sorted(ids)]
    assert [(session["project"], session["worktree"]) for session in shown] == [
        ("shop", None),
        ("shop", "1"),
        ("shop", "shop-feature"),
    ]
    assert len({session["repository"] for session in shown}) == 1


def test_two_repositories_of_one_name_stay_apart(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Two folders called shop are one name and two repositories: each is found by its own."""
    copy = copy_fault("worktree-projects", tmp_path)
    file, *_ = sorted(copy.glob("*.jsonl"))
    text = file.read_text().replace("/home/dev", f"{tmp_path}/a")
    file.write_text(text)
    other = file.name.replace("cccccccc", "dddddddd")
    (copy / other).write_text(text.replace("cccccccc", "dddddddd").replace(f"{tmp_path}/a", f"{tmp_path}/b"))
    answer(capsys, "import", str(file), str(copy / other))
    rows = answer(capsys, "sessions", "--project", "shop")["sessions"]
    assert len({row["repository"] for row in rows}) == len(rows) == 2
    for row in rows:
        (found,) = answer(capsys, "sessions", "--repository", row["repository"])["sessions"]
        assert found["id"] == row["id"]
    assert run("forget", "--project", "shop") != 0
    assert "2 repositories are called 'shop'" in capsys.readouterr().err
    run("forget", "--project", rows[0]["repository"])
    assert [row["id"] for row in answer(capsys, "sessions")["sessions"]] == [rows[1]["id"]]


@pytest.mark.parametrize(
    "fault",
    ["copied-history", "last-line-without-newline", "placeholder-output-tokens", "tasks-without-tokens"],
)
def test_fresh_and_old_files_give_the_same_store(tmp_path: Path, fault: str) -> None:
    """Whether a file was just cloned or written days ago: every row of the store is the same."""
    stores = []
    for days_old in (0, 3):
        (tmp_path / f"{days_old}").mkdir()
        copy = copy_fault(fault, tmp_path / f"{days_old}", days_old=days_old)
        state = tmp_path / f"state{days_old}"
        (state / "hook").mkdir(parents=True)
        (state / "hook/key").write_bytes(b"k" * KEY_BYTES)
        assert run("--state", str(state), "import", str(copy)) == 0
        with closing(open_reader(state / "stretto.db")) as connection:
            stores.append(dump(connection))
    assert stores[0] == stores[1]
    assert stores[0]["sessions"]
