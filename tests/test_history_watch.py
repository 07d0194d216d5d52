"""The history watch: histories of agents without hooks are followed while the service runs."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stretto import journal
from stretto.cli.command_context import CommandContext
from stretto.cli.first_import import (
    has_stored_import_consent,
    import_history,
    list_histories_of_agents_without_hooks,
)
from stretto.cli.follow_agent_histories import HOT, THOROUGH, HistoryWatch
from stretto.cli.history_import import HISTORIES as JOURNAL_FILE
from stretto.cli.main import main
from stretto.clock import read_wall_clock
from stretto.config.configuration import Config
from stretto.config.loading import load_config
from stretto.hook.install.check_and_grant_codex_trust import list_untrusted
from stretto.model.event import Event
from stretto.sources.histories.folders import HistoryFolder, list_history_folders
from tests.histories import HISTORIES, make_opencode_database


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandContext:
    """An empty home folder and state."""
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))
    for name in ("STRETTO_CONFIG", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "state").mkdir()
    (tmp_path / "home").mkdir()
    config = load_config(os.environ, tmp_path / "home")
    return CommandContext(config=config, json=False, environ={}, home=tmp_path / "home")


def read_journal(config: Config) -> list[Event]:
    """Return the events of histories in the journal."""
    return list(_iterate_journal(config))


def _iterate_journal(config: Config) -> Iterator[Event]:
    path = config.journal / JOURNAL_FILE
    for line in path.read_bytes().splitlines() if path.exists() else []:
        if line:
            event = journal.parse_line(line)
            assert isinstance(event, Event)
            yield event


def write_now(path: Path, content: bytes) -> None:
    """Write a file as an agent does at this moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(content)


def watch_of(context: CommandContext) -> HistoryWatch:
    """Return a watch of all folders in the home."""
    return HistoryWatch(context.config, list_history_folders(context.home, {}), read_wall_clock)


def test_a_growing_file_is_followed(context: CommandContext) -> None:
    """New lines of a new file are in the journal after the next look, each once."""
    (source,) = (HISTORIES / "pi").rglob("*.jsonl")
    lines = source.read_bytes().splitlines(keepends=True)
    folder = context.home / ".pi" / "agent" / "sessions"
    folder.mkdir(parents=True)
    watch = watch_of(context)
    assert watch.look() == 0
    write_now(folder / "--p--" / source.name, b"".join(lines[:4]))
    first = watch.look()
    assert first > 0
    assert watch.look() == 0
    write_now(folder / "--p--" / source.name, b"".join(lines[4:]))
    second = watch.look()
    watch.close()
    events = read_journal(context.config)
    assert len(events) == first + second
    assert {event.source for event in events} == {"pi"}
    assert watch_of(context).look() == 0, "the saved positions were not read"


def test_an_old_file_is_left_to_the_import(context: CommandContext) -> None:
    """A file that nobody has written to for a quarter of an hour is not read by the watch."""
    (source,) = (HISTORIES / "pi").rglob("*.jsonl")
    target = context.home / ".pi" / "agent" / "sessions" / source.name
    target.parent.mkdir(parents=True)
    shutil.copy(source, target)
    old = read_wall_clock() - HOT - 60 * 10**9
    os.utime(target, ns=(old, old))
    assert watch_of(context).look() == 0
    assert read_journal(context.config) == []


def test_a_session_that_goes_on_after_days_is_followed(context: CommandContext) -> None:
    """A file that was old is read once it grows, at a thorough look at the latest."""
    (source,) = (HISTORIES / "pi").rglob("*.jsonl")
    lines = source.read_bytes().splitlines(keepends=True)
    target = context.home / ".pi" / "agent" / "sessions" / source.name
    write_now(target, b"".join(lines[:4]))
    old = read_wall_clock() - 3 * HOT
    os.utime(target, ns=(old, old))
    watch = watch_of(context)
    assert watch.look() == 0
    write_now(target, b"".join(lines[4:]))
    assert sum(watch.look() for _ in range(THOROUGH)) > 0


def test_a_database_is_followed(context: CommandContext) -> None:
    """Rows that opencode has written since the last look are read."""
    path = context.home / ".local" / "share" / "opencode" / "opencode.db"
    make_opencode_database(HISTORIES / "opencode", path, until=1795987970300)
    watch = watch_of(context)
    first = watch.look()
    make_opencode_database(HISTORIES / "opencode", path)
    second = watch.look()
    assert first > 0
    assert second > 0


def test_copies_of_projects_beside_a_database_are_not_walked(context: CommandContext) -> None:
    """Neither offer nor watch looks into the snapshots of projects that opencode keeps in its folder."""
    folder = context.home / ".local" / "share" / "opencode"
    make_opencode_database(HISTORIES / "opencode", folder / "opencode.db")
    (source,) = (HISTORIES / "pi").rglob("*.jsonl")
    write_now(folder / "snapshot" / source.name, source.read_bytes())
    watch = watch_of(context)
    watch.look()
    watch.close()
    assert {event.source for event in read_journal(context.config)} == {"opencode"}
    (line,) = import_history(context, "ask", None) or ["nothing is left to offer"]
    assert "nothing" in line


def test_a_folder_of_a_moved_agent_is_found(tmp_path: Path) -> None:
    """The agent's own variable moves the folder that is looked at."""
    (tmp_path / "moved" / "sessions").mkdir(parents=True)
    (tmp_path / "data" / "kilo").mkdir(parents=True)
    folders = list_history_folders(
        tmp_path, {"CODEX_HOME": str(tmp_path / "moved"), "XDG_DATA_HOME": str(tmp_path / "data")}
    )
    assert folders == [
        HistoryFolder("codex", "Codex", tmp_path / "moved" / "sessions"),
        HistoryFolder("kilo", "Kilo", tmp_path / "data" / "kilo", deep=False),
    ]


class TestOffer:
    """Histories of other agents, offered at the first start."""

    def test_agents_are_offered_with_counts_and_cost(self, context: CommandContext) -> None:
        """One question names each agent's files, their size and the time; a yes imports and is remembered."""
        shutil.copytree(HISTORIES / "codex-v1", context.home / ".codex")
        shutil.copytree(HISTORIES / "pi", context.home / ".pi" / "agent")
        asked: list[str] = []

        def ask(question: str) -> str:
            asked.append(question)
            return "y"

        lines = import_history(context, "ask", ask)
        assert len(asked) == 1
        assert f"3 earlier file(s) in {context.home}/.codex/sessions" in asked[0]
        assert "1 MB, about 1 s" in asked[0]
        assert [line.partition(" from ")[0] for line in lines] == ["1 session(s) imported"] * 2
        assert has_stored_import_consent(context)
        assert import_history(context, "ask", ask) == []
        assert len(asked) == 1

    def test_an_agent_that_came_later_is_asked_about(self, context: CommandContext) -> None:
        """An answer about one agent is none about the next."""
        shutil.copytree(HISTORIES / "pi", context.home / ".pi" / "agent")
        assert import_history(context, "ask", lambda _: "n") == []
        shutil.copytree(HISTORIES / "codex-v1", context.home / ".codex")
        asked: list[str] = []

        def ask(question: str) -> str:
            asked.append(question)
            return "n"

        assert import_history(context, "ask", ask) == []
        assert "codex" in asked[0]
        assert "pi/agent" not in asked[0]
        assert not has_stored_import_consent(context)


HOOKED = ("claude-code", "copilot-cli", "gemini-cli", "qwen-code", "droid", "pi", "opencode")


def install_hooks(context: CommandContext, monkeypatch: pytest.MonkeyPatch, agent: str, *more: str) -> None:
    """Install an agent's hooks in the home of the test."""
    monkeypatch.setenv("HOME", str(context.home))
    project = context.home / "project"
    project.mkdir(exist_ok=True)
    monkeypatch.chdir(project)
    assert main(["hooks", "install", "--agent", agent, *more]) == 0


def list_sources(context: CommandContext) -> set[str]:
    """Return the agents whose histories are followed."""
    return {folder.source for folder in list_histories_of_agents_without_hooks(context, "yes")}


@pytest.mark.parametrize("agent", HOOKED)
def test_an_agent_with_hooks_is_not_followed(
    context: CommandContext, monkeypatch: pytest.MonkeyPatch, agent: str
) -> None:
    before = list_sources(context)
    install_hooks(context, monkeypatch, agent)
    assert before - list_sources(context) == {agent}
    assert list_histories_of_agents_without_hooks(context, "no") == []


def test_hooks_that_codex_does_not_trust_leave_it_followed(
    context: CommandContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_hooks(context, monkeypatch, "codex")
    assert "codex" in list_sources(context)
    settings = context.home / ".codex" / "hooks.json"
    config = settings.with_name("config.toml")
    events = list_untrusted(settings, config)
    names = [re.sub(r"(?<!^)(?=[A-Z])", "_", event).lower() for event in events]
    config.write_text(
        "".join(f'[hooks.state."{settings}:{name}:0:0"]\ntrusted_hash = "sha256:x"\n' for name in names)
    )
    assert "codex" not in list_sources(context)


def test_hooks_of_one_project_leave_the_agent_followed(
    context: CommandContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_hooks(context, monkeypatch, "claude-code", "--scope", "project")
    assert "claude-code" in list_sources(context)
