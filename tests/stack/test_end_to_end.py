"""From a real hook to a real alert: every part of the way is the one that ships."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from stretto import journal
from stretto.clock import SECOND
from tests.stack.running import PATIENCE, ROOT, Running, require_servers, running, until
from tests.test_api_journal_exporter import conclude_events

pytestmark = pytest.mark.stack

CLIENT = ROOT / "src" / "stretto" / "hook" / "client" / "start.py"
FANOUT = ROOT / "src" / "stretto" / "demo" / "fanout.jsonl"
ALERT = "StrettoParallelFailures"
OVERLAP = 1.0
"""Seconds; beyond the doubt of 0.5 s about the times of hooks, within which nothing counts as parallel."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service that has seen the recorded run through real hook processes; the tests come in any order."""
    require_servers()
    with running(tmp_path_factory.mktemp("state")) as found:
        assert all(row["recording"] for row in found.get("/api/sessions")["sessions"])
        _replay(FANOUT, found.state)
        until("the run to be taken in", lambda: not any(_recordings(found)))
        yield found


def test_a_recorded_run_through_real_hooks_reads_back_from_prometheus(service: Running) -> None:
    """Hook processes fed a recorded run in its rhythm give, in Prometheus, the figures of that run.

    A hook's time is that of its process, which a busy machine starts late: the lengths are those of the times
    in the journal, the counts those of the recording.
    """
    own = 'window="24h",task_type=~"architecture|prd|test_strategy"'
    intervals = _read_task_intervals(service.state)
    assert len(intervals) == 3
    work = sum(end - start for start, end in intervals)
    # All three ran at the same time.
    assert max(start for start, _ in intervals) < min(end for _, end in intervals)
    elapsed = max(end for _, end in intervals) - min(start for start, _ in intervals)
    expected = {
        f"sum(stretto_parallel_sequential_seconds{{{own}}})": work / SECOND,
        f"sum(stretto_parallel_elapsed_seconds{{{own}}})": elapsed / SECOND,
        'sum(stretto_window_tool_calls{window="24h",tool=~"Bash|Write"})': 9,
        'sum(stretto_tool_calls_total{tool=~"Bash|Write"})': 9,
        'stretto_window_fanouts{window="24h",pattern="none"}': 1,
    }

    def read_values() -> dict[str, float | None]:
        return {query: service.value(query) for query in expected}

    until(
        f"the figures in Prometheus, {expected}",
        lambda: read_values() == pytest.approx(expected, rel=1e-6),
        describe=read_values,
    )


def test_the_recording_left_with_the_first_own_session(service: Running) -> None:
    """The recording that an empty store shows is gone once there is a session of one's own."""
    assert not any(_recordings(service))
    assert not (service.state / "journal" / "recording.jsonl").exists()


def test_a_failing_run_alerts_and_resolves(service: Running) -> None:
    """Failing parallel tasks bring a notification, and success takes it back.

    That it comes within a minute follows from the intervals that ship: tests/test_rules.py adds them up.
    """
    _run(service, [f"failing-{number}" for number in range(4)], tasks=3, fails=True)

    fired = until("the alert at the webhook", lambda: _newest(service, "firing"))
    assert fired["severity"] == "critical"
    assert fired["runbook_url"].endswith(f"/runbook/{ALERT}")
    assert "Meaning" in service.text(f"/runbook/{ALERT}")
    assert ALERT in service.text("/")

    _run(service, [f"working-{number}" for number in range(60)], tasks=5, fails=False)
    until("the alert to be resolved", lambda: _newest(service, "resolved"))


def test_a_second_service_says_that_one_is_running(service: Running) -> None:
    """A second ``up`` on the same state ends at once, says where the first one is, and harms nothing."""
    second = subprocess.run(
        [sys.executable, "-m", "stretto", "--state", str(service.state), "up"],
        env={**os.environ, "STRETTO_LISTEN": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )

    assert second.returncode == 3
    assert "running already" in second.stderr
    assert service.stretto in second.stderr
    assert service.text("/healthz")


def test_doctor_finds_every_station_in_order(service: Running) -> None:
    """With everything up, doctor walks from hook to Alertmanager and finds no trouble."""
    until("the first scrape", lambda: service.query('up{job="stretto"} == 1'))
    answer = subprocess.run(
        [sys.executable, "-m", "stretto", "--state", str(service.state), "doctor", "--json"],
        env={**os.environ, "HOME": str(service.state / "home"), "STRETTO_LISTEN": service.stretto},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )

    findings = {f["station"]: f for f in json.loads(answer.stdout)["findings"]}
    assert answer.returncode == 0, answer.stdout
    for station in ("journal", "store", "service", "prometheus", "alertmanager"):
        assert findings[station]["verdict"] == "fine", findings[station]


def test_everything_that_was_started_is_stopped(tmp_path: Path) -> None:
    """After Ctrl-C no server is left, and a killed service's servers are stopped by the next one."""
    require_servers()
    with running(tmp_path) as first:
        until("Prometheus", lambda: first.query("up") is not None)
        left = psutil.Process(first.process.pid).children(recursive=True)
        assert len(left) >= 2
        first.process.kill()
        first.process.wait()
        assert any(child.is_running() for child in left)
        # The context manager expects a service that ended well: start the next one on the same state for it.
        with running(tmp_path) as second:
            _, alive = psutil.wait_procs(left, timeout=PATIENCE)
            assert not alive
            mine = psutil.Process(second.process.pid).children(recursive=True)
        _, alive = psutil.wait_procs(mine, timeout=PATIENCE)
        assert not alive
        first.process.returncode = 0


def _read_task_intervals(state: Path) -> list[tuple[int, int]]:
    """Return start and end of the recorded run's tasks by the events that its hooks wrote."""
    payload = json.loads(FANOUT.read_text(encoding="utf-8").splitlines()[0])["payload"]
    folder = state / "journal"
    events = [
        event
        for name in journal.list_file_sizes(folder)
        for event in journal.read_batch(folder, name, 0).events
        if event.session == payload["session_id"]
    ]
    return [(task.start or 0, task.end or 0) for task in conclude_events(events).tasks]


def _recordings(service: Running) -> list[bool]:
    return [bool(row["recording"]) for row in service.get("/api/sessions")["sessions"]]


def _newest(service: Running, status: str) -> dict[str, Any] | None:
    for note in service.get("/api/notifications")["notifications"]:
        if note["alertname"] == ALERT:
            return note if note["status"] == status else None
    return None


def _replay(recording: Path, state: Path) -> None:
    """Start a hook process for each recorded call, as far apart as they were recorded."""
    lines = [json.loads(line) for line in recording.read_text(encoding="utf-8").splitlines()]
    began, first = time.monotonic(), lines[0]["t"]
    hooks = []
    for line in lines:
        wait = (line["t"] - first) / 1e9 - (time.monotonic() - began)
        if wait > 0:
            time.sleep(wait)  # the recorded rhythm is the input
        hook = subprocess.Popen([sys.executable, "-I", "-S", str(CLIENT), str(state)], stdin=subprocess.PIPE)
        assert hook.stdin is not None
        hook.stdin.write(json.dumps(line["payload"]).encode())
        hook.stdin.close()
        hooks.append(hook)
    assert [hook.wait(timeout=PATIENCE) for hook in hooks] == [0] * len(lines)


def _run(service: Running, sessions: list[str], *, tasks: int, fails: bool) -> None:
    """Report sessions over HTTP, side by side, whose agents overlap and all fail, or all succeed."""
    for session in sessions:
        _begin(service, session, tasks)
    time.sleep(OVERLAP)  # hooks are timed when they arrive: agents that overlap take this long
    for session in sessions:
        _end(service, session, tasks, fails=fails)


def _begin(service: Running, session: str, tasks: int) -> None:
    _hook(service, session, "SessionStart", source="startup")
    _hook(service, session, "UserPromptSubmit", prompt="/made-up", prompt_id=f"{session}-prompt")
    for id in _task_ids(session, tasks):
        call = {"tool_name": "Agent", "tool_use_id": f"call-{id}"}
        _hook(service, session, "PreToolUse", **call, tool_input={"subagent_type": "worker"})
        _hook(service, session, "SubagentStart", agent_id=id, agent_type="worker")


def _end(service: Running, session: str, tasks: int, *, fails: bool) -> None:
    for id in _task_ids(session, tasks):
        call = {"tool_name": "Agent", "tool_use_id": f"call-{id}"}
        _hook(service, session, "SubagentStop", agent_id=id, agent_type="worker")
        if fails:
            _hook(service, session, "PostToolUseFailure", **call, error="it broke")
        else:
            _hook(service, session, "PostToolUse", **call, tool_response={"agentId": id})
    _hook(service, session, "Stop", prompt_id=f"{session}-prompt")
    _hook(service, session, "SessionEnd", reason="other")


def _task_ids(session: str, tasks: int) -> list[str]:
    return [f"{session}-{number}" for number in range(tasks)]


def _hook(service: Running, session: str, event: str, **fields: Any) -> None:
    payload = {"session_id": session, "cwd": "/home/dev/project", "hook_event_name": event, **fields}
    assert service.post("/hooks/claude-code", json.dumps(payload).encode()) == 204
