"""The command line: answers on standard output, notes on standard error, documented JSON, exit codes."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stretto.cli.command_line import OUTCOMES
from stretto.cli.main import main
from stretto.cli.statusline import LineOptions, parse_options
from stretto.model.event import Outcome
from stretto.state.lock import StateLock
from stretto.store.database import open_writer
from stretto.store.finding_history_and_last_answers import AnalysisResult, write_analysis_result
from tests.fakes import append
from tests.scenes import Drawing, frame_drawing

RECORDED = Path(__file__).parent / "recorded"
DEMO = Path(__file__).parents[1] / "src" / "stretto" / "demo"

SESSION_KEYS = {
    "phases",
    "messages",
    "scores",
    "hooks_run",
    "id", "source", "project", "pattern", "recording", "start", "end", "last", "elapsed_seconds", "outcome",
    "turns", "tasks", "tool_calls", "tool_call_count", "model_calls", "tokens", "spending", "fanouts",
    "absent", "labels",
    "wall_time", "critical_path", "efficiency",
    "resources", "kpis", "worktree", "repository", "workflow",
}  # fmt: skip
TASK_KEYS = {"phase",
    "id", "task_type", "agent", "description", "parent", "start", "end", "seconds", "outcome", "tool_calls",
    "delivery", "waste_reason", "waited_seconds", "open_wait", "progress", "blocked",
}  # fmt: skip
FANOUT_KEYS = {"id", "synthesis_seconds", "not_measured", "doubt", "work_speedup",
    "tasks", "parent", "start", "end", "width", "work_seconds", "elapsed_seconds", "sequential_seconds",
    "baseline", "speedup", "improvement", "time_saved_seconds", "efficiency", "load_balance", "concurrency",
    "conflicts", "critical_path_seconds", "lost_seconds", "delivered", "delivered_work_seconds", "delivery",
    "reason", "expected_improvement", "contention", "confidence", "waited_seconds", "open_wait",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the test away from the files of the machine's user."""
    ours = [name for name in os.environ if name.startswith("STRETTO_")]
    for name in ("XDG_STATE_HOME", "CLAUDE_CONFIG_DIR", *ours):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return the exit code, standard output and standard error of a command."""
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return the JSON answer of a command that succeeds."""
    code, out, err = run(capsys, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_import_and_show_give_the_documented_session(capsys: pytest.CaptureFixture[str]) -> None:
    """A recording imported by path shows as one document with all its documented fields."""
    taken = answer(capsys, "import", str(DEMO / "fanout.jsonl"))["imported"]
    assert taken == [
        {
            "file": str(DEMO / "fanout.jsonl"),
            "kind": "recording",
            "format": None,
            "events": 42,
            "sessions": 1,
            "rejects": [],
            "already_known": False,
            "left_bytes": 0,
        }
    ]

    shown = answer(capsys, "show", "e8cd2941")

    assert shown.keys() == SESSION_KEYS
    assert shown["id"] == "e8cd2941-d5b4-4cbf-9176-9085d5e9a231"
    assert shown["elapsed_seconds"] == pytest.approx(4.054, abs=0.001)
    assert all(task.keys() == TASK_KEYS for task in shown["tasks"])
    assert [task["task_type"] for task in shown["tasks"]] == ["architecture", "prd", "test_strategy"]
    assert [task["tool_calls"] for task in shown["tasks"]] == [1, 1, 3]
    assert len(shown["tool_calls"]) == 12
    assert {call["task"] for call in shown["tool_calls"]} == {None, *(task["id"] for task in shown["tasks"])}
    (fanout,) = shown["fanouts"]
    assert fanout.keys() == FANOUT_KEYS
    assert fanout["baseline"] == "work"
    assert shown == answer(capsys, "show", "last")


def test_a_single_sequential_run_is_no_measured_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    """The same tasks ran one after another once, without a pattern: it stays work, with the reason."""
    answer(capsys, "import", str(DEMO / "fanout.jsonl"), str(DEMO / "sequential.jsonl"))

    (fanout,) = answer(capsys, "show", "e8cd2941")["fanouts"]

    assert (fanout["baseline"], fanout["not_measured"]) == ("work", "its session follows no named pattern")


def test_the_preset_is_the_configured_baseline(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the preset's hours, an execution without a measured run is compared with 6 + 5 + 4 hours."""
    monkeypatch.setenv("STRETTO_PRESET", "ap")
    answer(capsys, "import", str(DEMO / "fanout.jsonl"))

    (fanout,) = answer(capsys, "show", "last")["fanouts"]

    assert (fanout["baseline"], fanout["sequential_seconds"]) == ("configured", 15 * 3600)


def test_importing_twice_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """The second import of a recording says that it is known and adds no event."""
    answer(capsys, "import", str(DEMO / "fanout.jsonl"))
    first = answer(capsys, "sessions")
    again = answer(capsys, "import", str(DEMO / "fanout.jsonl"))["imported"][0]

    assert again["already_known"] is True
    assert answer(capsys, "sessions") == first


def test_a_folder_of_recordings_is_imported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Every hooks.jsonl under a folder is imported."""
    for name in ("two-phase", "fanout-background"):
        (tmp_path / "recordings" / name).mkdir(parents=True)
        shutil.copy(RECORDED / f"{name}.jsonl", tmp_path / "recordings" / name / "hooks.jsonl")

    taken = answer(capsys, "import", str(tmp_path / "recordings"))["imported"]

    assert sorted(entry["events"] for entry in taken) == [45, 47]
    latest, earlier = (row["id"] for row in answer(capsys, "sessions")["sessions"])
    # The session that was held up comes first when the list is sorted by findings.
    holdup = {"kind": "hooks", "name": "", "seconds": 60.0, "share": 0.5, "cause": None}
    with closing(open_writer(tmp_path / "state/stretto.db")) as connection:
        extra = {"sessions": {earlier: [holdup]}}
        write_analysis_result(connection, AnalysisResult("holdups", 1, 0.1, extra=extra))
    sorted_rows = answer(capsys, "sessions", "--sort", "finding")["sessions"]
    assert [row["id"] for row in sorted_rows] == [earlier, latest]


def test_bad_lines_are_set_aside_and_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Only a broken line is lost; it is named by number, counted, and shown by doctor."""
    lines = (DEMO / "fanout.jsonl").read_bytes().splitlines(keepends=True)
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(b"".join([*lines[:3], b"nonsense\n", b'{"t": "late", "payload": {}}\n', *lines[3:]]))

    code, out, err = run(capsys, "import", str(broken), "--json")

    taken = json.loads(out)["imported"][0]
    assert code == 0
    assert taken["events"] == 42
    assert [reject["line"] for reject in taken["rejects"]] == [4, 5]
    assert f"{broken}:4:" in err
    doctor = json.loads(run(capsys, "doctor", "--json")[1])["findings"]
    assert any(f["station"] == "rejects" and "2 ×" in f["found"] for f in doctor)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["sessions"], 3, "there is no store yet"),
        (["show", "x"], 3, "there is no store yet"),
        (["import", "/nowhere"], 3, "/nowhere"),
        (["sessions", "--limit", "0"], 2, "--limit"),
        (["hooks", "install"], 0, ""),
    ],
)
def test_exit_codes_in_an_empty_world(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    """An empty state gives a sentence with a remedy, never a traceback."""
    exit_code, _, err = run(capsys, *arguments)

    assert exit_code == code
    assert message in err
    assert "Traceback" not in err


def test_an_unknown_session_is_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown session gives exit code 1 and a hint how to list sessions."""
    answer(capsys, "import", str(DEMO / "fanout.jsonl"))

    code, _, err = run(capsys, "show", "nobody")

    assert code == 1
    assert "stretto sessions" in err


def test_a_beginning_of_several_sessions_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    """An ambiguous beginning shows nothing rather than a guess."""
    answer(capsys, "import", str(DEMO / "fanout.jsonl"), str(DEMO / "sequential.jsonl"))

    code, _, err = run(capsys, "show", "")

    assert code == 1
    assert "30dd1895" in err
    assert "e8cd2941" in err


def test_rebuild_gives_the_same_answers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A rebuilt store, even in place of a file that is not a database, answers exactly as before."""
    answer(capsys, "import", str(DEMO / "fanout.jsonl"), str(DEMO / "sequential.jsonl"))
    before = answer(capsys, "sessions"), answer(capsys, "show", "e8cd2941")

    assert answer(capsys, "rebuild")["sessions"] == 2
    assert (answer(capsys, "sessions"), answer(capsys, "show", "e8cd2941")) == before

    database = tmp_path / "state" / "stretto.db"
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    database.write_bytes(b"this is no database" * 100)
    assert answer(capsys, "rebuild")["sessions"] == 2
    assert (answer(capsys, "sessions"), answer(capsys, "show", "e8cd2941")) == before


def test_rebuild_leaves_a_held_store_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """While another process holds the state, rebuild refuses with 3."""
    answer(capsys, "import", str(DEMO / "fanout.jsonl"))
    with StateLock(tmp_path / "state"):
        code, _, err = run(capsys, "rebuild")

    assert code == 3
    assert "another command" in err


def test_config_shows_origins(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Each setting is shown with its origin; a token is never printed."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "config.toml").write_text(
        'token = "hush-hush-hush-hush"\nidle_minutes = 5\n', encoding="utf-8"
    )

    code, out, _ = run(capsys, "config", "--json")

    settings = {s["name"]: s for s in json.loads(out)["settings"]}
    assert code == 0
    assert settings["idle_minutes"]["value"] == 5
    assert settings["idle_minutes"]["origin"].endswith("config.toml")
    assert settings["state"]["origin"] == "STRETTO_STATE"
    assert "hush-hush" not in out
    assert "hush-hush" not in run(capsys, "config")[1]


def test_a_wrong_key_names_the_nearest(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A misspelt setting stops every command with 2 and the name that was probably meant."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "config.toml").write_text("idel_minutes = 5\n", encoding="utf-8")

    code, _, err = run(capsys, "sessions")

    assert code == 2
    assert "'idle_minutes'" in err


def test_hooks_install_status_uninstall(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Install, status and uninstall work; afterwards the settings are the same byte for byte."""
    settings = tmp_path / "home" / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True)
    foreign = '{"Stop": [{"hooks": [{"type": "command", "command": "true"}]}]}'
    original = f'{{\n    "model": "x",\n    "hooks": {foreign}\n}}\n'
    settings.write_text(original, encoding="utf-8")

    assert answer(capsys, "hooks", "install")["action"] == "installed"
    assert answer(capsys, "hooks", "install")["action"] == "unchanged"
    status = answer(capsys, "hooks", "status")
    assert status["installed"] is True
    assert status["problems"] == []
    assert answer(capsys, "hooks", "uninstall")["action"] == "removed"

    assert settings.read_text(encoding="utf-8") == original
    assert answer(capsys, "hooks", "status")["installed"] is False


def test_broken_settings_are_a_finding(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Unreadable settings give exit code 1 and are named; missing hooks are not a fault."""
    assert run(capsys, "hooks", "status")[0] == 0
    settings = tmp_path / "home" / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"hooks": ', encoding="utf-8")

    code, out, _ = run(capsys, "hooks", "status")

    assert code == 1
    assert str(settings) in out


def test_a_variable_that_nobody_reads_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt STRETTO_ variable gives a warning on standard error; the command still answers."""
    monkeypatch.setenv("STRETTO_IDLE_MINUTE", "5")
    monkeypatch.setenv("STRETTO_CONTEXT", "{}")

    code, out, err = run(capsys, "config", "--json")

    assert code == 0
    assert json.loads(out)["settings"]
    assert err == "stretto: STRETTO_IDLE_MINUTE is not known; did you mean STRETTO_IDLE_MINUTES?\n"


def test_doctor_walks_every_station(capsys: pytest.CaptureFixture[str]) -> None:
    """Doctor names each station from configuration to spans, with a hint for each missing part."""
    code, out, _ = run(capsys, "doctor", "--json")

    findings = json.loads(out)["findings"]
    stations = [f["station"] for f in findings]
    for station in (
        "configuration",
        "hooks",
        "journal",
        "store",
        "service",
        "resources",
        "prometheus",
        "alertmanager",
        "receivers",
        "spans",
    ):
        assert station in stations
    assert code == 0, out
    assert next(f for f in findings if f["station"] == "hooks")["hint"] == "stretto hooks install"


def test_doctor_notes_the_plugin(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The plugin alone is fine; beside hooks in the settings it gives a harmless note."""

    def hooks() -> dict[str, Any]:
        results = json.loads(run(capsys, "doctor", "--json")[1])["findings"]
        return next(f for f in results if f["station"] == "hooks")

    settings = tmp_path / "home" / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text('{"enabledPlugins": {"stretto@stretto": true}}', encoding="utf-8")
    assert hooks() == {
        "station": "hooks", "verdict": "fine", "found": "hooks by the plugin stretto@stretto", "hint": "",
    }  # fmt: skip

    answer(capsys, "hooks", "install")
    both = hooks()
    assert both["verdict"] == "note"
    assert "harmless" in both["hint"]
    assert "stretto@stretto" in both["hint"]


def test_doctor_finds_a_broken_store(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A store of another version is trouble: exit code 1 and a remedy."""
    answer(capsys, "import", str(DEMO / "fanout.jsonl"))
    with sqlite3.connect(tmp_path / "state" / "stretto.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()

    code, out, _ = run(capsys, "doctor")

    assert code == 1
    assert "stretto rebuild" in out


def test_the_text_answers_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json a person reads the verdict, the baseline's provenance and the absent figures."""
    answer(capsys, "import", str(DEMO / "fanout.jsonl"))

    out = run(capsys, "show", "last")[1]

    assert "2.17× as fast as one after another (baseline: work)" in out
    assert "efficiency 72% = load balance 74% × concurrency 98%" in out
    assert "absent: model_calls" in out
    assert "e8cd2941" in run(capsys, "sessions")[1]


def test_show_says_where_the_time_went(capsys: pytest.CaptureFixture[str]) -> None:
    """A person reads the efficiency tree, the critical path and wall time that adds up, a line each."""
    answer(capsys, "import", str(DEMO / "fanout.jsonl"))
    shown = answer(capsys, "show", "last")

    out = run(capsys, "show", "last")[1]

    assert "  efficiency 72% = load balance 74% × concurrency 98% × delivery 100% (3 of 3 tasks); " in out
    assert "all parallel executions" not in out
    assert re.search(r"^critical path \S+\ss of 4\.1\ss$", out, re.MULTILINE)
    assert re.search(r"^  agents: \S+ \S+\ss \(\d+%\)", out, re.MULTILINE)
    assert re.search(r"^  a fifth faster: \S+ would save \d+\sms$", out, re.MULTILINE)
    assert re.search(r"^wall time 4\.1\ss: parallel ", out, re.MULTILINE)
    assert sum(shown["wall_time"].values()) == pytest.approx(shown["elapsed_seconds"])


def test_the_status_line_is_installed_and_taken_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It is installed over an existing line, shown by status, and removed with the hooks."""
    settings = tmp_path / "home" / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"statusLine": {"type": "command", "command": "date"}}')
    before = settings.read_bytes()

    code, out, _ = run(capsys, "hooks", "install", "--statusline")

    assert (code, "--chain date" in out) == (0, True)
    command = shlex.split(json.loads(settings.read_bytes())["statusLine"]["command"])
    assert shutil.which(command[0])
    assert parse_options(command[1:] if command[1] != "-P" else command[4:]) == LineOptions(
        str(tmp_path / "state"), "date"
    )
    assert "user: the status line, below that of: date" in run(capsys, "hooks", "status")[1]
    answer(capsys, "hooks", "uninstall")
    assert settings.read_bytes() == before
    assert run(capsys, "hooks", "install", "--statusline", "--agent", "codex")[0] == 2


def test_what_if_works_elapsed_time_out_again(capsys: pytest.CaptureFixture[str]) -> None:
    """A task is named by the beginning of its id; the answer has the new times of session and execution."""
    answer(capsys, "import", str(DEMO / "fanout.jsonl"))
    first = answer(capsys, "show", "last")["critical_path"]["faster"][0]
    name = first["task"]

    what_if = answer(capsys, "show", "last", "--what-if", f"{name[:-1]}=0.8")["what_if"]
    text = run(capsys, "show", "last", "--what-if", f"{name}=0.8")[1]

    assert what_if == first
    assert what_if["would_be_seconds"] < what_if["elapsed_seconds"]
    assert f"what if: with task {name} at 0.8 of its time, the session " in text
    assert "its parallel execution " in text


@pytest.mark.parametrize(
    ("expression", "message"),
    [("nobody=0.8", "is not a task"), ("a=0.8", "several tasks"), ("{task}=soon", "not a positive"),
     ("{task}=0", "not a positive"), ("0.8", "is not a task")],
)  # fmt: skip
def test_a_what_if_that_cannot_be_worked_out_says_why(
    capsys: pytest.CaptureFixture[str], expression: str, message: str
) -> None:
    """Wrong use gives exit code 2, the mistake and the accepted values."""
    answer(capsys, "import", str(DEMO / "fanout.jsonl"))
    task = answer(capsys, "show", "last")["tasks"][0]["id"]

    code, _, err = run(capsys, "show", "last", "--what-if", expression.format(task=task))

    assert code == 2
    assert message in err


def test_nothing_is_written_outside_the_state_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Import, show, doctor and rebuild write only to the state folder."""
    before = {path for path in tmp_path.rglob("*") if "state" not in path.parts}
    for arguments in (
        ["import", str(DEMO / "fanout.jsonl")],
        ["show", "last"],
        ["doctor"],
        ["rebuild"],
        ["config"],
    ):
        run(capsys, *arguments)

    assert {path for path in tmp_path.rglob("*") if "state" not in path.parts} == before


def test_http_hooks_and_a_token_exclude_each_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installing HTTP hooks beside a token is refused with a remedy, since they could not send the token."""
    monkeypatch.setenv("STRETTO_TOKEN", "a long random text")

    code, _, err = run(capsys, "hooks", "install", "--transport", "http")

    assert code == 2
    assert "--transport command" in err


def test_a_state_folder_that_cannot_be_made_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file in the folder's place ends with 3 and names it; no traceback."""
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "file" / "state"))
    monkeypatch.setenv("STRETTO_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").write_text("", encoding="utf-8")

    code, _, err = run(capsys, "import", str(DEMO / "fanout.jsonl"))

    assert code == 3
    assert str(tmp_path / "file") in err


def test_what_is_no_transcript_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A text file imports nothing and leaves no mark."""
    (tmp_path / "notes.md").write_text("# Notes\n\nof no session\n", encoding="utf-8")

    code, _, err = run(capsys, "import", str(tmp_path / "notes.md"))

    assert code == 3
    assert "nothing to import" in err
    assert not (tmp_path / "state" / "journal").exists()


def test_words_of_others_cannot_steer_the_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Terminal escapes in names and descriptions are spaces in every text answer."""
    drawing = frame_drawing(Drawing("s\x1b[2J").task("a", 0, 10, "review \x1b]0;title\x07 \u202e"), 20)
    append(tmp_path / "state" / "journal", drawing.events)
    answer(capsys, "rebuild")

    for words in (["sessions"], ["show", "last"], ["top"]):
        out = run(capsys, *words)[1]
        assert all(sign.isprintable() or sign in "\n\N{NO-BREAK SPACE}" for sign in out), words


def test_sessions_can_be_picked(capsys: pytest.CaptureFixture[str]) -> None:
    """By project, pattern, outcome and time; filters combine, and an empty list gives a sentence."""
    answer(capsys, "import", str(DEMO / "fanout.jsonl"), str(RECORDED / "two-phase.jsonl"))
    every = answer(capsys, "sessions")["sessions"]
    first, second = every
    assert first["last"] > second["last"]

    def picked(*words: str) -> list[str]:
        return [row["id"] for row in answer(capsys, "sessions", *words)["sessions"]]

    for key in ("project", "pattern", "outcome"):
        values = {row[key] for row in every} - {None}
        for value in values:
            assert picked(f"--{key}", value) == [row["id"] for row in every if row[key] == value], key
    assert picked("--project", "no-such") == []
    assert picked("--since", first["last"]) == [first["id"]]
    assert picked("--since", second["last"], "--limit", "1") == [first["id"]]
    assert picked("--since", second["last"][:10], "--outcome", first["outcome"], "--project", "no-such") == []
    assert picked("--until", first["start"]) == [second["id"]]
    assert picked("--since", "36500d") == [first["id"], second["id"]]
    assert run(capsys, "sessions", "--pattern", "no-such")[1] == "no session matches these filters\n"
    assert picked("--since", "9999-12-31") == []
    assert picked("--since", "0001-01-01") == [first["id"], second["id"]]
    code, out, err = run(capsys, "sessions", "--since", "yesterday")
    assert (code, out) == (2, "")
    assert "'yesterday' is not a time" in err


def test_a_listed_session_is_shown_by_its_short_id(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The title stands first, on one line with the id; a narrow terminal lacks columns and says which."""
    answer(capsys, "import", str(DEMO / "fanout.jsonl"), str(RECORDED / "two-phase.jsonl"))
    (first, *_) = answer(capsys, "sessions")["sessions"]
    heading, _, row = run(capsys, "sessions", "--limit", "1")[1].strip().splitlines()
    title, id = re.split(r" {3,}", row.strip())[:2]
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    narrow = run(capsys, "sessions", "--limit", "1")[1]

    assert heading.split()[:2] == ["session", "id"]
    assert title.startswith("claude-code · project ·")
    assert (len(id), first["id"][:8]) == (8, id)
    assert answer(capsys, "show", id)["id"] == first["id"]
    assert max(map(len, narrow.splitlines())) <= 90
    assert title in narrow
    assert "not shown in 90 columns: calls, parallel, cost" in narrow


def test_the_parser_knows_every_outcome() -> None:
    """The names repeated in the parser for speed equal those of the model."""
    assert set(OUTCOMES) == {outcome.value for outcome in Outcome}


def test_a_description_is_never_taken_for_an_order(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Brackets and colons in a task's description are shown unchanged."""
    lines = (DEMO / "fanout.jsonl").read_text(encoding="utf-8").replace("prd draft", "[/draft] :bug: of it")
    (tmp_path / "changed.jsonl").write_text(lines, encoding="utf-8")
    answer(capsys, "import", str(tmp_path / "changed.jsonl"))

    code, out, _ = run(capsys, "show", "last")

    assert code == 0
    assert "[/draft] :bug: of it" in out


def test_show_tells_the_kpis_and_why_some_are_withheld(capsys: pytest.CaptureFixture[str]) -> None:
    """The same numbers as in the document, a line of outcomes, one of scores, and reasons once each."""
    answer(capsys, "import", str(DEMO / "fanout.jsonl"))
    kpis = answer(capsys, "show", "last")["kpis"]

    lines = run(capsys, "show", "last")[1].splitlines()

    (outcomes,) = (line for line in lines if line.startswith("outcomes: "))
    assert "success 100% of 3" in outcomes
    assert "recovery" not in outcomes
    (scores,) = (line for line in lines if line.startswith("scores: "))
    efficiency = kpis["efficiency"]
    assert efficiency["score"] is None
    assert f"efficiency [{efficiency['low']:.0f}–{efficiency['high']:.0f}]/100" in scores
    assert "  withheld: phase success, integration success: nothing to divide by" in lines


def test_json_lines_of_another_kind_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Foreign JSON objects are refused, not imported as a transcript without events."""
    (tmp_path / "log.jsonl").write_text('{"level": "info"}\n{"level": "warn"}\n', encoding="utf-8")

    code, out, err = run(capsys, "import", str(tmp_path / "log.jsonl"))

    assert code == 3
    assert out == ""
    assert "not recognised" in err
    assert not (tmp_path / "state" / "journal").exists()
