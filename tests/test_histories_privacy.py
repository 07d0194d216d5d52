"""Privacy of histories: nothing that a person, a model or a tool wrote comes out of a history of any form."""

from __future__ import annotations

import json
import shutil
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stretto.cli.main import main
from tests.histories import HISTORIES, make_opencode_database

KEY = "sk-ant-api03-" + "Zq9" * 12
SECRET = "the plan is to buy the island"

CONTENT = frozenset({
    "aggregated_output", "args", "arguments", "content", "error", "input", "last_agent_message", "llmContent",
    "message_text", "output", "patch", "prompt", "reasoning", "response", "result", "resultDisplay", "stderr",
    "stdout", "summary", "taskPrompt", "text", "transformedContent", "parsed_cmd", "command", "changes",
})  # fmt: skip
"""Members that hold what somebody wrote; other members are names, ids, times and numbers."""

ALLOWED = frozenset({
    "agent_name", "agent_type", "await", "description", "mode", "name", "run_in_background", "subagent_type",
    "task_name",
})  # fmt: skip
"""Members of a delegating call's input that are kept: the agent and the name of its task."""


def plant(value: Any, *, inside: bool = False) -> Any:
    """Return a value with a secret in the place of all content, and a key in each description."""
    if isinstance(value, dict):
        return {name: _plant_member(name, member, inside=inside) for name, member in value.items()}
    if isinstance(value, list):
        return [plant(item, inside=inside) for item in value]
    return f"{SECRET} {KEY} {value}" if inside and isinstance(value, str) else value


def _plant_member(name: str, member: Any, *, inside: bool) -> Any:
    if name == "arguments" and isinstance(member, str):
        return json.dumps(plant(json.loads(member), inside=True))
    if name in ("description", "agentDescription") and isinstance(member, str):
        return f"{member} {KEY}"
    if inside and name in ALLOWED:
        return member
    if name in ("type", "id", "callID", "tool", "status", "kind") and isinstance(member, str):
        return member
    return plant(member, inside=inside or name in CONTENT)


def plant_file(path: Path) -> None:
    """Plant secrets in each line of a file."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps(plant(line)) + "\n" for line in lines), encoding="utf-8")


def plant_database(path: Path) -> None:
    """Plant secrets in the data of each row."""
    with closing(sqlite3.connect(path)) as connection:
        for table in ("message", "part"):
            for id, data in connection.execute(f"SELECT id, data FROM {table}").fetchall():
                changed = json.dumps(plant(json.loads(data)))
                connection.execute(f"UPDATE {table} SET data = ? WHERE id = ?", (changed, id))
        connection.commit()


@pytest.mark.parametrize("name", sorted(path.name for path in HISTORIES.iterdir()))
def test_no_content_of_a_history_is_kept(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither journal nor store holds a prompt, an input, an output, an answer or a key in a description."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))
    folder = tmp_path / "history" / name
    if name == "opencode":
        plant_database(make_opencode_database(HISTORIES / name, folder / "opencode.db"))
    else:
        shutil.copytree(HISTORIES / name, folder)
        for path in (*folder.rglob("*.jsonl"), *folder.rglob("chunks/*.json")):
            plant_file(path)
    assert main(["import", str(folder), "--json"]) == 0
    (entry, *_) = json.loads(capsys.readouterr().out)["imported"]
    assert entry["events"] > 0
    state = tmp_path / "state"
    kept = {path: path.read_bytes() for path in state.rglob("*") if path.is_file()}
    with closing(sqlite3.connect(state / "imports.db")) as positions:
        kept[state / "imports.db"] = b"".join(
            zlib.decompress(packed) for (packed,) in positions.execute("SELECT position FROM positions")
        )
    assert state / "journal" / "import-histories.jsonl" in kept
    for path, content in kept.items():
        # The table of positions names folders that are read; nothing else holds a path.
        paths = () if path.name == "imports.db" else (b"/home/dev",)
        for forbidden in (SECRET.encode(), KEY.encode(), *paths):
            at = content.find(forbidden)
            assert at < 0, content[max(0, at - 200) : at + 80]
