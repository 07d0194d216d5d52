"""Formats: a file is named by its first lines; a format that is not read is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stretto.cli.main import main
from stretto.sources.histories.formats import recognise_file
from stretto.sources.histories.importable_files import UNRECOGNISED, find_files
from stretto.sources.read_hook_recordings import find_agent, is_recording

CLAUDE = {"type": "user", "sessionId": "s", "message": {"role": "user", "content": "x"}}
QWEN = {"type": "user", "sessionId": "s", "message": {"role": "user", "parts": [{"text": "x"}]}}


@pytest.mark.parametrize(
    ("lines", "title"),
    [
        ([{"type": "session_meta", "payload": {"id": "t"}}], "a Codex rollout"),
        ([{"type": "session.start", "data": {"producer": "copilot-agent"}}], "a Copilot event file"),
        ([{"sessionId": "s", "projectHash": "h", "kind": "main"}], "a Gemini chat"),
        ([QWEN], "a Qwen chat"),
        ([CLAUDE], "a Claude Code transcript"),
        ([{"type": "summary", "leafUuid": "u"}, CLAUDE], "a Claude Code transcript"),
        ([{"type": "session", "version": 3, "id": "s"}], "a Pi session"),
        ([{"type": "session_start", "id": "s"}], "a Droid session"),
        ([{"id": "x", "timestamp": "2025-06-01T00:00:00Z", "instructions": None}],
         "a Codex rollout of before September 2025"),
        ([{"type": "say", "ts": 1}], "a Cline history"),
        ([{"recovery_journal_record_version": 1, "sequence": 1, "type": "command_reserved"}],
         "a Mistral Vibe journal"),
        ([{"t": 1, "path": "/v1/traces", "body": {}}], "a recording of OTLP requests"),
        ([{"version": 1, "kind": "turn.end", "session": "s", "channel": "hook"}], "a journal of Stretto"),
    ],
)  # fmt: skip
def test_a_file_is_named_by_its_first_lines(
    lines: list[dict[str, object]], title: str, tmp_path: Path
) -> None:
    """The first line that shows a format decides, wherever the file lies and whatever it is called."""
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    found = recognise_file(path)
    assert found is not None
    assert found.title == title


@pytest.mark.parametrize(
    ("name", "text", "title"),
    [
        ("T-1.json", {"id": "T-1", "v": 1, "messages": []}, "an Amp thread"),
        ("ui_messages.json", [{"ts": 1, "type": "say"}], "a Cline history"),
        ("session.json", {"sessionId": "s", "projectHash": "h", "messages": []}, "a Gemini chat"),
        (
            "projection-state.json",
            {"projection_state_version": 1, "session_id": "s", "snapshot": {}},
            "a Mistral Vibe session",
        ),
        ("x.json", {"name": "n", "schemaVersion": "1.5", "workflow": {"tasks": []}}, "a WfFormat instance"),
    ],
)
@pytest.mark.parametrize("indent", [None, 1, 2, 4])
def test_a_document_is_named_too(
    name: str, text: object, title: str, indent: int | None, tmp_path: Path
) -> None:
    """A file that is one JSON document, on a line or indented, is recognised by its members."""
    path = tmp_path / name
    path.write_text(json.dumps(text, indent=indent), encoding="utf-8")
    found = recognise_file(path)
    assert found is not None
    assert found.title == title


def test_openclaw_is_known_by_its_folder(tmp_path: Path) -> None:
    """Openclaw writes Pi's form; its sessions are refused by its own name."""
    path = tmp_path / ".openclaw" / "agents" / "x.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"type": "session", "version": 3, "id": "s"}\n', encoding="utf-8")
    assert find_files(path).refused == [(path, "an openclaw session: openclaw is not read yet")]


def test_what_cannot_be_read_is_named_and_the_rest_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a folder each file counts by itself; foreign ones are listed once for each reason."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"level": "info"}\n', encoding="utf-8")
    (folder / "b.jsonl").write_text('{"level": "warn"}\n', encoding="utf-8")
    (folder / "c.jsonl").write_text('{"type": "say", "ts": 1}\n', encoding="utf-8")
    head = {"type": "session", "version": 3, "id": "s", "timestamp": "2026-01-02T03:04:05Z", "cwd": "/w/p"}
    (folder / "d.jsonl").write_text(json.dumps(head) + "\n", encoding="utf-8")
    assert main(["import", str(folder), "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert [entry["format"] for entry in document["imported"]] == ["a Pi session"]
    assert [Path(entry["file"]).name for entry in document["refused"]] == ["a.jsonl", "b.jsonl", "c.jsonl"]
    assert f"2 file(s) passed over: {UNRECOGNISED}" in err
    assert main(["import", str(folder / "c.jsonl")]) == 3
    assert "a Cline history: Cline is not read yet" in capsys.readouterr().err


def test_a_recording_with_half_a_surrogate_pair_is_one(tmp_path: Path) -> None:
    """A hook's payload may end in half a character; the line is read, and its agent recognised."""
    path = tmp_path / "hooks.jsonl"
    path.write_bytes(b'{"t": 1, "payload": {"session_id": "s", "turn_id": "t", "prompt": "x \\ud83d"}}\n')
    assert is_recording(path)
    assert find_agent(path) == "codex"
