"""Forgetting: nothing of a session is left in any file, everything of the others stays."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from stretto import journal
from stretto.cli.main import main
from stretto.clock import DAY, read_wall_clock, to_rfc3339
from stretto.errors import UsageError
from stretto.figures.sequential_baseline_choice import DeclaredBaselines, RecordedBaseline
from stretto.journal.compression import compress_file
from stretto.journal.erase import erase_from_file, erase_lines
from stretto.journal.pruned_session_records import KeptRecord, append_kept_records, hash_session_id
from stretto.model.event import Event, Kind
from stretto.reports.report_document import Report
from stretto.reports.report_folder import ReportFolder, make_session_report_id
from stretto.service.forgetting import ForgetRequest
from stretto.state.lock import StateLock
from stretto.store import declared_baseline_file
from tests.trial.service import run_service
from tests.waiting import until
from tests.web_served import Store as WebStore
from tests.web_served import served


def report(state: Path, session: str, project: str = "shop") -> None:
    """Append a session with a description that is nowhere else."""
    now = read_wall_clock()
    events = [
        Event(kind=Kind.SESSION_START, session=session, time=now, attributes={"project": project}),
        Event(kind=Kind.TASK_START, session=session, time=now + 1, id=f"{session}-t", name="a",
              attributes={"description": f"about {session}"}),
        Event(kind=Kind.TASK_END, session=session, time=now + 2, id=f"{session}-t", name="a"),
        Event(kind=Kind.SESSION_END, session=session, time=now + 3),
    ]  # fmt: skip
    path = journal.get_day_file(state / "journal", now)
    journal.append_records(path, b"".join(map(journal.encode_event, events)))


def ask(capsys: pytest.CaptureFixture[str], state: Path, *arguments: str) -> tuple[int, Any]:
    """Run a command and return its exit code and its JSON answer."""
    capsys.readouterr()
    code = main(["--state", str(state), *arguments, "--json"])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else None


def list_ids(capsys: pytest.CaptureFixture[str], state: Path) -> list[str]:
    """Return the ids of the stored sessions."""
    return sorted(row["id"] for row in ask(capsys, state, "sessions")[1]["sessions"])


def find_files_with(state: Path, text: str) -> list[str]:
    """Return the files under the state folder that hold a text."""
    return [
        path.name
        for path in sorted(state.rglob("*"))
        if path.is_file() and text.encode() in path.read_bytes()
    ]


def test_a_session_is_forgotten_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No file holds its id or its words afterwards, the store's free pages included; the other one stays."""
    report(tmp_path, "unwanted-1")
    report(tmp_path, "wanted-1")
    recorded = RecordedBaseline("pin", "unwanted-1", "p", ({"a": [5]},), 1, 1)
    declared_baseline_file.save_declared_baselines(tmp_path, DeclaredBaselines((recorded,), {}))
    ask(capsys, tmp_path, "rebuild")
    assert list_ids(capsys, tmp_path) == ["unwanted-1", "wanted-1"]
    assert "stretto.db" in find_files_with(tmp_path, "unwanted-1")

    code, answer = ask(capsys, tmp_path, "forget", "unwanted")

    assert code == 0
    assert (answer["sessions"], answer["events"], answer["baselines"]) == (["unwanted-1"], 4, ["pin"])
    assert any("transcripts" in sentence for sentence in answer["not_recalled"])
    assert find_files_with(tmp_path, "unwanted-1") == []
    assert list_ids(capsys, tmp_path) == ["wanted-1"]
    assert ask(capsys, tmp_path, "rebuild")[1]["events"] == 4
    assert list_ids(capsys, tmp_path) == ["wanted-1"]


def test_a_project_is_forgotten_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of its sessions go, and none of another project."""
    for number in range(3):
        report(tmp_path, f"secret-{number}", project="secret")
    report(tmp_path, "plain", project="secret-2")
    ask(capsys, tmp_path, "rebuild")

    code, answer = ask(capsys, tmp_path, "forget", "--project", "secret")

    assert code == 0
    assert len(answer["sessions"]) == 3
    assert list_ids(capsys, tmp_path) == ["plain"]
    assert find_files_with(tmp_path, "about secret-") == []


def test_a_pruned_session_is_forgotten_by_its_whole_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kept record, known by a hash, is erased with its time's reports; another session's stays."""
    report(tmp_path, "wanted")
    now = read_wall_clock()
    records = [KeptRecord(session=hash_session_id(name), last=now) for name in ("gone", "other")]
    append_kept_records(tmp_path / "journal", records)
    ask(capsys, tmp_path, "rebuild")
    reports = ReportFolder(tmp_path / "reports")
    today, past = (to_rfc3339(now + days * DAY) for days in (1, -1))
    for kind, end in (("day-2026-11-20", past), ("day-2026-11-21", today)):
        reports.keep_report(Report(kind, "day", "", "", end, "UTC", "", "", "", (), ()), is_to_send=False)
    for name, made in (("gone", past), ("wanted", past), ("later", today)):
        id = make_session_report_id(name)
        kept = Report(id, "session", "", "", "", "UTC", "", made, "", (), ())
        reports.keep_report(kept, is_to_send=False)

    code, answer = ask(capsys, tmp_path, "forget", "gone")

    assert (code, answer["kept_records"], answer["events"], answer["reports"]) == (0, 1, 0, 3)
    assert reports.list_ids() == ["day-2026-11-20", make_session_report_id("wanted")]
    assert find_files_with(tmp_path / "journal", hash_session_id("gone")) == []
    assert find_files_with(tmp_path / "journal", hash_session_id("other")) != []


def test_what_is_unclear_erases_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown id, an ambiguous beginning, nothing or two things named: an answer, and no byte changes."""
    report(tmp_path, "a-1")
    report(tmp_path, "a-2")
    ask(capsys, tmp_path, "rebuild")
    before = {path.name: path.read_bytes() for path in (tmp_path / "journal").iterdir()}
    assert ask(capsys, tmp_path, "forget", "b")[0] == 1
    for arguments in (["a"], [], ["a-1", "--project", "shop"]):
        assert ask(capsys, tmp_path, "forget", *arguments)[0] == UsageError.exit_code
    with StateLock(tmp_path) as lock:
        lock.release()
        lock.acquire("127.0.0.1:1")
        assert ask(capsys, tmp_path, "forget", "a-1")[0] == 3
    assert {path.name: path.read_bytes() for path in (tmp_path / "journal").iterdir()} == before


def test_lines_appended_meanwhile_stay(tmp_path: Path) -> None:
    """While lines are erased, an agent's hook appends: each of its lines is whole afterwards."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"session":"x"}\n' * 20_000)
    stopping = threading.Event()
    appended = 0

    def append() -> None:
        nonlocal appended
        while not stopping.is_set():
            journal.append_records(path, b'\n{"session":"y"}\n')
            appended += 1

    writer = threading.Thread(target=append)
    writer.start()
    erased = erase_lines(path, lambda line: b'"x"' in line)
    stopping.set()
    writer.join()

    lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    assert erased == 20_000
    assert lines == [b'{"session":"y"}'] * appended


def test_a_compressed_file_is_rewritten(tmp_path: Path) -> None:
    """Its erased lines are blanks, every other line keeps its place; without any it stays as it is."""
    lines = [b'{"session":"%s","n":%d}\n' % (name, number) for number in range(50) for name in (b"x", b"y")]
    (tmp_path / "a.jsonl").write_bytes(b"".join(lines))
    assert compress_file(tmp_path, "a.jsonl")
    (tmp_path / "a.jsonl").write_bytes(lines[0] + lines[1])
    untouched = (tmp_path / "a.jsonl.gz").stat().st_mtime_ns
    assert erase_from_file(tmp_path, "a.jsonl", lambda _: False) == 0
    assert (tmp_path / "a.jsonl.gz").stat().st_mtime_ns == untouched

    assert erase_from_file(tmp_path, "a.jsonl", lambda line: b'"x"' in line) == 51

    with journal.open_content(tmp_path, "a.jsonl") as content:
        left = content.read()
    assert len(left) == sum(map(len, [*lines, lines[0], lines[1]]))
    assert [line for line in left.split(b"\n") if line.strip()] == [
        line.rstrip() for line in [*lines, lines[1]] if b'"y"' in line
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "a.jsonl.gz"]


def test_a_damaged_compressed_file_is_left_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be rewritten is not recalled, and the rest is forgotten."""
    report(tmp_path, "gone")
    ask(capsys, tmp_path, "rebuild")
    damaged = tmp_path / "journal" / "2020-01-01.jsonl.gz"
    damaged.write_bytes(b"\x1f\x8b\x08\x00" + os.urandom(50))
    content = damaged.read_bytes()

    code, answer = ask(capsys, tmp_path, "forget", "gone")

    assert (code, answer["events"]) == (0, 4)
    assert any(
        "2020-01-01.jsonl in the journal cannot be rewritten" in text for text in answer["not_recalled"]
    )
    assert damaged.read_bytes() == content


def test_a_running_service_forgets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It erases, makes its store again and compacts it, while hooks go on; what is unclear is refused."""
    state = tmp_path / "state"
    for session in ("unwanted-1", "wanted-1", "wanted-2"):
        report(state, session)
    with run_service(state, "--no-servers") as service:
        assert ask(capsys, state, "forget", "nobody")[0] == 1
        assert ask(capsys, state, "forget", "wanted")[0] == UsageError.exit_code
        assert "unwanted-1" in service.get("/api/sessions").decode()

        code, answer = ask(capsys, state, "forget", "unwanted")

        assert (code, answer["sessions"], answer["events"]) == (0, ["unwanted-1"], 4)
        assert find_files_with(state, "unwanted-1") == []
        stored = {session["id"] for session in json.loads(service.get("/api/sessions"))["sessions"]}
        assert stored == {"wanted-1", "wanted-2"}
        report(state, "later-1")
        assert until(lambda: "later-1" in service.get("/api/sessions").decode())
        assert json.loads(service.get("/api/problems")) == {"problems": []}


def test_a_request_to_forget_names_one_thing(tmp_path: Path) -> None:
    """The route refuses what names nothing or two things, is no JSON, or comes while another is under way."""
    asked: list[tuple[str | None, str | None]] = []
    document: dict[str, str] = {"state": "none"}

    def request(session: str | None, project: str | None) -> None:
        ForgetRequest(session, project)
        asked.append((session, project))

    backend = WebStore(tmp_path).make_backend(request_forget=request, forget_document=lambda: document)
    with served(backend) as client:
        for body in (b"{", b"[]", b"{}", b'{"session":"a","project":"b"}', b'{"session":5}'):
            assert client.post("/api/forget", content=body).status_code == 400
        assert client.post("/api/forget", json={"project": "shop"}).status_code == 202
        assert (
            client.post("/api/forget", json={"project": "x"}, headers={"Origin": "http://a"}).status_code
            == 403
        )
        document["state"] = "running"
        assert client.post("/api/forget", json={"project": "shop"}).status_code == 409
        assert client.get("/api/forget").json() == {"state": "running"}
    assert asked == [(None, "shop")]
