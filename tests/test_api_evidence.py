"""The Python API's evidence on results: written files, declared conflicts, tests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

import stretto
from stretto import journal
from stretto.api import written_files
from stretto.cli.session_text import format_session
from stretto.clock import read_wall_clock
from stretto.figures.fanout_conflict_and_test_checks import (
    IntegrationCheck,
    find_conflicts_and_tests,
    measure_completeness,
)
from stretto.figures.fanouts import find_fanouts
from stretto.hook.client.client import hash_repository
from stretto.hook.client.tests_and_written_files import hash_written_paths
from stretto.hook.install.client_copy import ensure_secret
from stretto.model.entities import Session
from stretto.model.entities import TestRun as Run
from stretto.model.event import Event, Outcome
from stretto.sources.otlp.conventions import FILES_LIMIT, get_written_files
from stretto.sources.otlp.receive import OtlpTranslator, Signal
from stretto.summaries.session_json import build_session_document
from stretto.summaries.session_summary import summarise_session
from tests.fakes import store
from tests.scenes import by_description
from tests.test_api_journal_exporter import Journal, conclude_events, journalled

MOMENT = 0.005
"""Seconds that tasks take together once all run: the overlap of tasks must be no hand-over."""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder that the environment names."""
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(written_files, "_state", None)
    written_files._read_key.cache_clear()
    yield tmp_path / "state"
    written_files._read_key.cache_clear()


@pytest.fixture
def written(state: Path) -> Iterator[Journal]:
    """A journal in the state folder."""
    with journalled(state / "journal") as found:
        yield found


def read_by_otlp(written: Journal) -> Session:
    """Return the session that a receiver makes of the same spans."""
    received = OtlpTranslator(journal.encode_event).receive_request(
        Signal.TRACES,
        encode_spans(written.spans.all()).SerializeToString(),
        content_type="application/x-protobuf",
        now=read_wall_clock(),
    )
    lines = [journal.parse_line(line) for line in received.records.split(b"\n") if line]
    return conclude_events([event for event in lines if isinstance(event, Event)])


def read_both(written: Journal) -> Session:
    """Return the session by journal; by OTLP its tasks and calls are the same."""
    own, sent = conclude_events(written.events()), read_by_otlp(written)
    assert (sent.tasks, sent.tool_calls) == (own.tasks, own.tool_calls)
    return own


def check(session: Session) -> IntegrationCheck:
    """Return the evidence on the session's only fan-out."""
    (found,) = find_conflicts_and_tests(find_fanouts(session.tasks), session.tasks, session.tool_calls)
    return found


async def write_files(**paths: tuple[str | Path, ...]) -> None:
    """Run a task for each keyword, side by side; each writes its paths."""
    together = asyncio.Barrier(len(paths))

    async def write(name: str) -> None:
        async with stretto.task("write", id=name) as task:
            await together.wait()
            task.wrote(*paths[name])
            await asyncio.sleep(MOMENT)

    async with stretto.session("release", id="s1"):
        await asyncio.gather(*map(write, paths))


def test_tasks_that_wrote_the_same_file_conflict(
    written: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However they spell its path; the third wrote another file. By OTLP the finding is the same."""
    monkeypatch.chdir(tmp_path)
    asyncio.run(write_files(a=("src/../a.py", "only.py"), b=(tmp_path / "a.py",), c=("c.py",)))
    found = check(read_both(written))
    assert found.conflicting == {"a", "b"}
    assert (found.writes_known, found.integrated) == (True, False)


def test_a_session_belongs_to_the_repository_of_its_working_folder(
    written: Journal, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a project, the repository above the folder, with the hash that hooks report; else as named."""
    (tmp_path / "shop/.git").mkdir(parents=True)
    (tmp_path / "shop/src").mkdir()
    monkeypatch.chdir(tmp_path / "shop/src")
    repository = hash_repository(f"{tmp_path}/shop", ensure_secret(state))
    with stretto.session(id="s1"), stretto.task("write", id="a"):
        pass
    session = read_both(written)
    assert (session.project, session.repository) == ("shop", repository)


def test_a_file_of_the_api_is_the_file_of_a_hook(written: Journal, state: Path) -> None:
    """Both record the same keyed hash, and nothing of the path."""
    asyncio.run(write_files(a=("/repo/secret-plan.py",), b=()))
    by_hook = hash_written_paths("Edit", {"file_path": "/repo/secret-plan.py"}, None, ensure_secret(state))
    session = read_both(written)
    assert {task.id: task.wrote for task in session.tasks} == {"a": by_hook, "b": None}
    assert "secret-plan" not in repr(written.events())
    assert not check(session).conflicting


def test_threads_can_write_in_a_task(written: Journal) -> None:
    """No file is lost when threads add files to the same task at once."""
    with stretto.session(id="s1"), stretto.task("write", id="a") as task, ThreadPoolExecutor(8) as pool:
        list(pool.map(task.wrote, [f"/repo/{number}" for number in range(100)]))
    (found,) = read_both(written).tasks
    assert len((found.wrote or "").split()) == 100


def test_an_agent_that_runs_again_does_not_conflict_with_itself(written: Journal) -> None:
    """Each run has the files that it wrote, though both have the same id."""
    with stretto.session(id="s1"):
        for paths in (("/repo/a",), ("/repo/b", "/repo/c")):
            with stretto.task("write", id="again") as task:
                task.wrote(*paths)
                sleep(MOMENT)
            sleep(MOMENT)
    first, second = (set((task.wrote or "").split()) for task in read_both(written).tasks)
    assert (len(first), len(second), first & second) == (1, 2, set())


def test_a_declared_conflict_is_a_conflict_of_the_parallel_execution(written: Journal) -> None:
    """It counts beside written files; a parallel execution without any declaration is not checked."""
    together = asyncio.Barrier(2)

    async def run(name: str, found: bool | None) -> None:
        async with stretto.task("plan", id=name) as task:
            await together.wait()
            await asyncio.sleep(MOMENT)
            if found is not None:
                task.conflict(found=found)

    async def orchestrate() -> None:
        async with stretto.session(id="s1"):
            await asyncio.gather(run("a", found=True), run("b", None))
            await asyncio.sleep(MOMENT)
            await asyncio.gather(run("c", found=False), run("d", None))
            await asyncio.sleep(MOMENT)
            await asyncio.gather(run("e", None), run("f", None))

    asyncio.run(orchestrate())
    session = read_both(written)
    checks = find_conflicts_and_tests(find_fanouts(session.tasks), session.tasks, session.tool_calls)
    found = [(check.checked, set(check.conflicting), check.integrated) for check in checks]
    assert found == [(True, {"a"}, False), (True, set(), True), (False, set(), True)]


def test_a_call_reports_its_tests_and_files(written: Journal) -> None:
    """Counts decide, whatever the call's outcome; without counts the call's outcome is the tests'."""
    with stretto.session(id="s1"):
        with stretto.tool_call("shell", id="counted") as call:
            call.tests("pytest", passed=10, failed=2)
        with stretto.tool_call("cargo", id="uncounted") as call:
            call.tests()
            call.wrote("/repo/a")
        with stretto.tool_call("shell", id="plain"):
            pass
    calls = {call.id: call for call in read_both(written).tool_calls}
    assert calls["counted"].tests == Run("pytest", 10, 2)
    assert calls["uncounted"].tests == Run("cargo")
    assert calls["uncounted"].wrote is not None
    assert (calls["plain"].tests, calls["plain"].wrote) == (None, None)
    verdicts = [run.conclude_outcome(Outcome.SUCCESS) for call in calls.values() if (run := call.tests)]
    assert sorted(verdicts) == [Outcome.FAILURE, Outcome.SUCCESS]


def test_tests_after_tasks_decide_whether_they_fit(written: Journal) -> None:
    """The first tests after a parallel execution are its tests, as with hooks."""
    together = asyncio.Barrier(2)

    async def run(name: str) -> None:
        async with stretto.task("write", id=name) as task:
            await together.wait()
            await asyncio.sleep(MOMENT)
            task.wrote(f"/repo/{name}")

    async def orchestrate() -> None:
        async with stretto.session(id="s1"):
            await asyncio.gather(run("a"), run("b"))
            with stretto.tool_call("shell") as call:
                call.tests("pytest", passed=3, failed=1)

    asyncio.run(orchestrate())
    found = check(read_both(written))
    assert (found.conflicting, found.tests_passed, found.integrated) == (frozenset(), False, False)


def test_a_gate_after_tasks_decides_whether_they_fit(written: Journal) -> None:
    """Of a session it is a check of the tasks before it; the call itself succeeded."""

    async def orchestrate() -> None:
        async with stretto.session(id="s1") as session, stretto.phase("build"):
            together = asyncio.Barrier(2)
            for passed in (True, False):
                await asyncio.gather(_rest("a", together), _rest("b", together))
                session.gate("contracts", passed)
                await asyncio.sleep(MOMENT)

    asyncio.run(orchestrate())
    session = read_both(written)
    checks = find_conflicts_and_tests(find_fanouts(session.tasks), session.tasks, session.tool_calls)
    assert [(check.tests_passed, check.integrated) for check in checks] == [(True, True), (False, False)]
    assert [(call.tool, call.task, call.outcome) for call in session.tool_calls] == [
        ("gate", None, Outcome.SUCCESS)
    ] * 2
    assert [call.tests for call in session.tool_calls] == [Run("contracts", 1, 0), Run("contracts", 0, 1)]


def test_a_gate_of_a_task_is_a_part_of_its_completeness(written: Journal) -> None:
    """It belongs to the task, from any thread; an inner block and what follows stay where they were."""
    with stretto.session(id="s1"), ThreadPoolExecutor(1) as pool:
        with stretto.task("write", id="a") as task:
            pool.submit(task.gate, "lint", False).result()
            with stretto.task("part", id="b"):
                task.gate("lint", False)
        task.gate("lint", True)
        with stretto.task("later", id="c"):
            pass
    session = read_both(written)
    assert [call.task for call in session.tool_calls] == ["a", "a"]
    assert {task.id: task.parent for task in session.tasks} == {"a": None, "b": "a", "c": None}
    calls = session.tool_calls
    complete = measure_completeness(session.tasks, {"a"}, (), calls)
    assert complete == {"a": pytest.approx(2 / 3), "b": 1, "c": 1}


async def _rest(name: str, together: asyncio.Barrier) -> None:
    async with stretto.task("write", id=name):
        await together.wait()
        await asyncio.sleep(MOMENT)


def test_the_session_counts_its_conflicts(written: Journal, tmp_path: Path) -> None:
    """The session's document counts them, when its events come in halves and its session is over."""
    asyncio.run(write_files(a=("/repo/a.py",), b=("/repo/a.py",), c=("/repo/c.py",)))
    events = written.events()
    with store(tmp_path) as opened:
        for part in (events[::2], events[1::2]):
            opened.take(part)
        summary = summarise_session(opened.connection, "s1", by_description, {})
    assert summary is not None
    kpis = build_session_document(summary)["kpis"]
    assert (kpis["conflicts"], kpis["integration_success"]["ratio"]) == (1, 0)


def test_without_an_sdk_the_verbs_do_nothing(state: Path) -> None:
    """An unconfigured program runs as before, and no key is made."""
    with stretto.session(), stretto.task("write") as task, stretto.tool_call("shell") as call:
        task.wrote("/repo/a")
        task.conflict()
        task.gate("lint", False)
        call.wrote("/repo/a")
        call.tests("pytest", passed=1, failed=0)
    assert not state.exists()


def test_words_after_the_end_and_words_that_cannot_be_right_are_left_out(
    written: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """A task that is over is as it was; what is no path and no count is named in the log."""
    with caplog.at_level(logging.WARNING), stretto.session(id="s1"):
        with stretto.task("write", id="a") as task, stretto.tool_call("shell") as call:
            task.wrote(7)  # type: ignore[arg-type]  # wrong on purpose
            call.tests("pytest", passed=-1, failed=2)
        task.wrote("/repo/a")
        task.conflict()
        call.tests("cargo")
    session = read_both(written)
    assert (session.tasks[0].wrote, session.tasks[0].conflicts) == (None, None)
    assert session.tool_calls[0].tests == Run("pytest", None, 2)
    assert "not int" in caplog.text
    assert "not -1" in caplog.text


def test_without_a_key_no_file_is_recorded(
    written: Journal, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the state folder cannot have a key, the log names the folder once, and the program goes on."""
    (state / "hook").parent.mkdir(parents=True, exist_ok=True)
    (state / "hook").write_text("a file is in the way")
    with caplog.at_level(logging.WARNING), stretto.session(id="s1"), stretto.task("write") as task:
        task.wrote("/repo/a")
        task.wrote("/repo/b")
    assert read_both(written).tasks[0].wrote is None
    assert caplog.text.count("no key can be made") == 1


def test_only_hashes_are_read_from_spans() -> None:
    """A sender that puts paths in place of hashes gives none; more files than the limit are cut."""
    hash = "00112233aabbccdd"
    assert get_written_files({"stretto.wrote": f"/home/me/a.py {hash}"}) == [hash]
    assert get_written_files({"stretto.wrote": "/home/me/a.py"}) is None
    assert get_written_files({"stretto.wrote": 7}) is None
    many = get_written_files({"stretto.wrote": " ".join(f"{n:016x}" for n in range(FILES_LIMIT + 9))})
    assert len(many or ()) == FILES_LIMIT


def test_a_task_reports_its_progress_and_what_blocks_it(written: Journal) -> None:
    """Messages of the task without a receiver, in their order, by journal and by OTLP alike."""
    with stretto.session(), stretto.task("plan", agent="planner") as task:
        task.progress(0.25)
        task.blocked("waits for the schema")
        task.progress(1)
    session = read_both(written)
    reports = [
        (message.type, message.share, message.description, message.receiver, message.task)
        for message in session.messages
    ]
    assert reports == [
        ("progress", 0.25, None, None, task.id),
        ("blocked", None, "waits for the schema", None, task.id),
        ("progress", 1, None, None, task.id),
    ]
    assert all(message.is_report for message in session.messages)
    assert read_by_otlp(written).messages == session.messages


def test_a_phase_reports_its_progress_and_what_blocks_it(written: Journal, tmp_path: Path) -> None:
    """Each report is about the phase with its id, also below a task, by journal and by OTLP alike."""
    phases = []
    with stretto.session(id="s1"), stretto.task("plan", agent="planner"):
        for share in (0.25, 0.75):
            with stretto.phase("review") as phase:
                phase.progress(share)
            phases.append(phase.id or "")
        with stretto.phase("release") as phase:
            phase.progress(0.5)
            phase.blocked("waits for a licence")
        phases.append(phase.id or "")
    session = read_both(written)
    reports = session.latest_phase_reports
    assert [(reports[id].share, reports[id].description) for id in phases] == [
        (0.25, None), (0.75, None), (None, "waits for a licence"),
    ]  # fmt: skip
    assert session.latest_reports == {}
    assert read_by_otlp(written).messages == session.messages
    with store(tmp_path) as opened:
        opened.take(written.events())
        summary = summarise_session(opened.connection, "s1", by_description, {})
    assert summary is not None
    assert "success, blocked: waits for a licence" in format_session(summary)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_off_its_scale_is_left_out(
    written: Journal, caplog: pytest.LogCaptureFixture, share: float
) -> None:
    """The log says so; the task goes on."""
    with caplog.at_level(logging.WARNING), stretto.session(), stretto.task("plan") as task:
        task.progress(share)
    assert "it must be from 0 to 1" in caplog.text
    assert conclude_events(written.events()).messages == ()
