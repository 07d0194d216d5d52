"""Imports: recordings and transcripts are imported once, agree, and are offered at the start."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stretto.cli.command_context import CommandContext
from stretto.cli.first_import import import_history
from stretto.cli.ingest_progress import describe_import
from stretto.cli.main import main
from stretto.cli.progress_bar import CounterInLines, show_progress
from stretto.cli.transcript_import import import_transcripts
from stretto.config.loading import load_config
from stretto.service.rebuild_progress_and_store_damage import RebuildState
from stretto.sources import transcript

FANOUT = Path(__file__).parent / "recorded" / "transcript"
SESSION = "e8cd2941-d5b4-4cbf-9176-9085d5e9a231"


@pytest.fixture(autouse=True)
def _own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the test away from the files of the machine's user."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))
    for name in ("XDG_STATE_HOME", "STRETTO_CONFIG", "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return the JSON answer of a command that succeeds."""
    code = main([*arguments, "--json"])
    out, err = capsys.readouterr()
    assert code == 0, err
    return json.loads(out)


def recorded(name: str) -> Path:
    """Return a part of the recorded run: ``hooks`` or ``projects``."""
    return next(path for path in FANOUT.rglob(name))


def story(shown: dict[str, Any]) -> dict[str, Any]:
    """Return the facts that every source must report alike."""
    return {
        "tasks": sorted(
            (task["id"], task["task_type"], task["outcome"], task["tool_calls"]) for task in shown["tasks"]
        ),
        "calls": sorted(
            (call["id"], call["tool"], call["task"], call["outcome"]) for call in shown["tool_calls"]
        ),
        "turns": len(shown["turns"]),
        "fanouts": [(len(fanout["tasks"]), fanout["width"]) for fanout in shown["fanouts"]],
    }


def test_a_transcript_tells_the_story_of_the_hooks(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Hooks, the transcript and both together give the same tasks, calls, turns and parallel executions."""
    answer(capsys, "--state", str(tmp_path / "hooks"), "import", str(recorded("hooks.jsonl")))
    answer(capsys, "--state", str(tmp_path / "transcript"), "import", str(recorded("projects")))
    answer(capsys, "--state", str(tmp_path / "both"), "import", str(recorded("projects")))
    answer(capsys, "--state", str(tmp_path / "both"), "import", str(recorded("hooks.jsonl")))

    by = {
        name: answer(capsys, "--state", str(tmp_path / name), "show", SESSION)
        for name in ("hooks", "transcript", "both")
    }

    assert story(by["transcript"]) == story(by["hooks"]) == story(by["both"])
    assert by["both"]["fanouts"][0]["speedup"] == by["hooks"]["fanouts"][0]["speedup"]
    assert by["transcript"]["fanouts"][0]["speedup"] == pytest.approx(
        by["hooks"]["fanouts"][0]["speedup"], rel=0.05
    )


def test_a_transcript_adds_what_hooks_do_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    """The transcript adds tokens, once a message; with hooks alone they are absent with a reason."""
    answer(capsys, "import", str(recorded("hooks.jsonl")))
    alone = answer(capsys, "show", SESSION)
    assert alone["tokens"] is None
    assert "model_calls" in alone["absent"]

    answer(capsys, "import", str(recorded("projects")))

    document = answer(capsys, "show", SESSION)
    assert len(document["model_calls"]) == len({call["id"] for call in document["model_calls"]})
    assert document["tokens"]["output"] == sum(call["tokens"]["output"] for call in document["model_calls"])
    assert document["tokens"]["output"] > 0
    assert "model_calls" not in document["absent"]


def test_a_second_import_reads_on(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A longer transcript gives only its new events; an unchanged transcript is already known."""
    projects = tmp_path / "projects"
    shutil.copytree(recorded("projects"), projects)
    main_file = next(path for path in projects.rglob("*.jsonl") if "subagents" not in path.parts)
    content = main_file.read_bytes()
    cut = content[: len(content) // 2].rfind(b"\n") + 1
    main_file.write_bytes(content[:cut])

    first = answer(capsys, "import", str(projects))["imported"]
    main_file.write_bytes(content)
    second = answer(capsys, "import", str(projects))["imported"]
    third = answer(capsys, "import", str(projects))["imported"]

    assert all(entry["events"] for entry in first)
    assert [Path(entry["file"]) for entry in second if entry["events"]] == [main_file]
    assert all(entry["already_known"] for entry in third)
    assert len(answer(capsys, "show", SESSION)["tool_calls"]) == 12


def test_history_never_lands_in_this_hour(capsys: pytest.CaptureFixture[str]) -> None:
    """Imported sessions are listed at the time they ran, not at the time of the import."""
    answer(capsys, "import", str(recorded("projects")))

    (row,) = answer(capsys, "sessions")["sessions"]

    assert row["start"].startswith("2026-11-20T15:46:27")


class Terminal(io.StringIO):
    """A terminal that keeps what is shown on it."""

    def isatty(self) -> bool:
        """Return that it is one."""
        return True


def test_progress_is_shown_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr("sys.stderr", terminal)
        with show_progress(3, "Codex") as progress_bar:
            assert list(progress_bar("abc")) == ["a", "b", "c"]
        assert ("Codex" in terminal.getvalue() and "3/3" in terminal.getvalue()) is shown


def test_a_folder_with_nothing_in_it_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """An import without input gives exit code 3 and names the accepted files."""
    assert main(["import", str(tmp_path)]) == 3
    err = capsys.readouterr().err
    assert "no hooks.jsonl, no transcript and no history" in err
    assert "~/.claude/projects" in err


COLOUR = re.compile(r"\x1b\[[\d;]*3[\d;]*m")
"""The sequence by which a terminal is asked for a colour of ink."""


@pytest.mark.parametrize("is_coloured", [True, False])
def test_no_color_reaches_a_command(monkeypatch: pytest.MonkeyPatch, is_coloured: bool) -> None:
    """The bar of an import has colours on a terminal, and none where NO_COLOR is set."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not is_coloured:
        monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)

    assert main(["import", str(recorded("projects"))]) == 0

    assert "files" in terminal.getvalue()
    assert bool(COLOUR.search(terminal.getvalue())) is is_coloured


class TestHistory:
    """Earlier sessions of the user, offered at the first start."""

    @pytest.fixture
    def context(self, tmp_path: Path) -> CommandContext:
        """A home folder with an earlier session of Claude Code."""
        shutil.copytree(recorded("projects"), tmp_path / "home" / ".claude" / "projects")
        (tmp_path / "state").mkdir()
        config = load_config(os.environ, tmp_path / "home")
        return CommandContext(config=config, json=False, environ={}, home=tmp_path / "home")

    def test_it_is_asked_for_once(self, context: CommandContext) -> None:
        """The answer is remembered; a yes starts the import."""
        asked: list[str] = []

        def ask(question: str) -> str:
            asked.append(question)
            return ""

        assert import_history(context, "ask", ask)[0].startswith("1 session(s) imported")
        assert import_history(context, "ask", ask) == []
        assert len(asked) == 1
        assert "1 earlier session(s)" in asked[0]
        assert (context.config.journal / "import-transcripts.jsonl").exists()

    def test_offer_and_result_give_one_number(self, context: CommandContext) -> None:
        """Files of agents, empty files and files without a dated line are not counted as sessions."""
        project = context.home / ".claude" / "projects" / "-home-dev-old"
        old = Path(__file__).parent / "recorded" / "claude-code" / "client-2.0.76" / "projects"
        shutil.copytree(next(old.iterdir()), project)
        (project / "11111111-1111-4111-8111-111111111111.jsonl").touch()
        summary = {"type": "summary", "summary": "text", "leafUuid": "u1"}
        (project / "22222222-2222-4222-8222-222222222222.jsonl").write_text(json.dumps(summary) + "\n")
        assert len(list(project.glob("agent-*.jsonl"))) == 4
        asked: list[str] = []

        def ask(question: str) -> str:
            asked.append(question)
            return "yes"

        imported = import_history(context, "ask", ask)

        assert asked[0].startswith("2 earlier session(s) in ")
        assert imported[0].startswith("2 session(s) imported from ")
        assert import_history(context, "ask", lambda _: pytest.fail("asked again")) == []

    def test_no_is_an_answer(self, context: CommandContext) -> None:
        """After a no nothing is read, now and at the next start."""
        assert import_history(context, "ask", lambda _: "n") == []
        assert import_history(context, "ask", lambda _: pytest.fail("asked again")) == []
        assert not context.config.journal.exists()

    def test_without_a_terminal_it_is_only_mentioned(self, context: CommandContext) -> None:
        """A start without a terminal imports nothing and shows the command."""
        assert "stretto import" in import_history(context, "ask", None)[0]
        assert not context.config.journal.exists()

    def test_the_flag_needs_no_answer(self, context: CommandContext) -> None:
        """--history yes imports, --history no does not even look."""
        assert import_history(context, "no", None) == []
        assert import_history(context, "yes", None)[0].startswith("1 session(s) imported")

    def test_what_was_imported_by_command_is_not_offered(self, context: CommandContext) -> None:
        """A start after ``stretto import`` offers only newer sessions."""
        root = context.home / ".claude" / "projects"
        import_transcripts(context.config, transcript.find_transcripts(root))
        assert import_history(context, "ask", lambda _: pytest.fail("asked for what is there")) == []
        session = next(root.glob("*/*.jsonl"))
        shutil.copy(session, session.with_name("later.jsonl"))
        assert import_history(context, "ask", None)[0].startswith("1 earlier session(s)")


def test_an_import_without_a_terminal_counts_its_files_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """A line now and then says how many of the files were read; a log shows it too."""
    ticks = iter(range(1_000))
    counter = CounterInLines(5, "Claude Code", clock=lambda: float(next(ticks)))
    assert list(counter("abcde")) == [*"abcde"]
    assert capsys.readouterr().err.splitlines() == ["Claude Code: 2 of 5 read", "Claude Code: 4 of 5 read"]


def test_a_service_keeps_nothing_in_memory_that_draws_on_a_terminal() -> None:
    """The modules of ``stretto up`` load no rich, which a service without a terminal never uses."""
    program = "import stretto.cli.main, stretto.cli.up, sys; print('rich' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def test_an_import_says_how_much_is_stored() -> None:
    """It says how much of the imported events the store has."""
    assert describe_import(RebuildState("", read_bytes=500_000, all_bytes=2_000_000)) == (
        "25 % of 2.0 MB of events are stored"
    )
    assert describe_import(RebuildState("")) == "100 % of 0.0 MB of events are stored"
