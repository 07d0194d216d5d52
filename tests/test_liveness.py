"""Sessions whose processes are gone: the looks, the event, and its effect in a running service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from stretto.clock import SECOND, read_wall_clock
from stretto.hook.client.client import identify_boot_and_pid_namespace, identify_process
from stretto.model.entities import HostProcesses
from stretto.model.event import Channel, Event, Kind, Outcome
from stretto.model.process_state import ProcessState, find_process_state
from stretto.resources.lost_session_detection import LivenessWatch, SessionWithProcesses, is_process_running
from stretto.service import store_update_worker
from tests.busy_process import busy_process
from tests.fakes import append, list_latest, rebuilt, store
from tests.scenes import Drawing, at, conclude_scene
from tests.test_service import configured, started
from tests.waiting import until

HERE = "boot/1"
NAMES = ("12:8100", "7:4200")
ON_LINUX = pytest.mark.skipif(
    identify_boot_and_pid_namespace() is None, reason="the place of a pid is read through /proc"
)


def session(
    *, last: int = 0, host: str | None = HERE, names: tuple[str, ...] = NAMES
) -> SessionWithProcesses:
    return SessionWithProcesses("s", last, HostProcesses(0, names, host))


def gone(second: float, *names: str) -> Event:
    return Event(
        kind=Kind.PROCESSES_GONE,
        session="s",
        time=at(second),
        source="stretto",
        channel=Channel.API,
        attributes={"processes": [*(names or NAMES)]},
    )


def killed() -> Drawing:
    """Draw a session that is killed at 40 s: in a turn, with a task and an open call."""
    drawing = Drawing("s").opens(processes=[*NAMES], host=HERE).prompt(1)
    return drawing.order("x", 2, "review").run("a", 3).call("a-1", 40, parent="a")


def test_two_looks_in_a_row_five_seconds_apart() -> None:
    """A process that is back, or an event of the session, begins the count anew; a result comes once."""
    alive = {"7:4200"}
    watch = LivenessWatch(HERE, alive.__contains__)

    def look(second: float, last: int = 0) -> bool:
        return bool(watch.find_gone([session(last=last)], round(second * SECOND)))

    assert not look(0)
    alive.clear()
    assert not look(10)
    assert not look(14.9)
    alive.add("12:8100")
    assert not look(15)
    alive.clear()
    assert not look(20)
    assert not look(25, last=1)
    assert look(30, last=1)
    assert not look(40, last=1)
    assert not look(41, last=2)
    assert look(46, last=2)


@pytest.mark.parametrize(
    ("processes", "state"),
    [
        (None, ProcessState.UNKNOWN),
        (HostProcesses(0, NAMES), ProcessState.UNKNOWN),
        (HostProcesses(0, NAMES, "boot/2"), ProcessState.UNKNOWN),
        (HostProcesses(0, ("12", "7:4200"), HERE), ProcessState.UNKNOWN),
        (HostProcesses(0, ("12:x",), HERE), ProcessState.UNKNOWN),
        (HostProcesses(0, NAMES, HERE), ProcessState.GONE),
        (HostProcesses(0, ("1:1", *NAMES), HERE), ProcessState.ALIVE),
    ],
)
def test_a_pid_proves_nothing_elsewhere(processes: HostProcesses | None, state: ProcessState) -> None:
    """Another boot, another namespace, an old line without a place, a pid without its start: unknown."""
    assert find_process_state(processes, HERE, {"1:1"}.__contains__) is state


@ON_LINUX
def test_a_zombie_is_gone() -> None:
    """A killed process that nobody has waited for still has an entry in the table of processes."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = identify_process(child.pid)
    assert is_process_running(name)
    assert not is_process_running(name + "0")
    child.kill()
    assert until(lambda: not is_process_running(name))
    assert Path(f"/proc/{child.pid}").exists()
    child.communicate()
    assert not is_process_running(name)


def test_a_killed_session_is_closed_at_its_last_sign_of_life() -> None:
    """Its turn, its task and its call have the outcome unknown and no invented end."""
    concluded = conclude_scene([*killed().events, gone(55)])
    assert (concluded.outcome, concluded.end, concluded.last) == (Outcome.UNKNOWN, None, at(40))
    assert [(turn.outcome, turn.end) for turn in concluded.turns] == [(Outcome.UNKNOWN, None)]
    assert [(task.outcome, task.end) for task in concluded.tasks] == [(Outcome.UNKNOWN, None)]
    assert {call.outcome for call in concluded.tool_calls} == {Outcome.UNKNOWN}


def test_an_answer_that_was_complete_is_finished() -> None:
    """Somebody closed the terminal after the last answer: nothing was cut off."""
    drawing = Drawing("s").opens(processes=[*NAMES], host=HERE).prompt(1).stop(30)
    concluded = conclude_scene([*drawing.events, gone(55)])
    assert (concluded.outcome, concluded.end) == (Outcome.SUCCESS, None)


@pytest.mark.parametrize(
    "later",
    [
        Drawing("s").call("a-1", None, 60, parent="a").events,
        Drawing("s").prompt(56).events,
        # The hook of the new process began before the look, and its line came after it.
        Drawing("s").opens(54, processes=["90:1"], host=HERE).events,
    ],
)
def test_a_later_word_opens_it_again(later: list[Event]) -> None:
    """In any order of the lines."""
    events = [*killed().events, gone(55), *later]
    assert conclude_scene(events).outcome is Outcome.RUNNING
    assert conclude_scene([*reversed(events)]).outcome is Outcome.RUNNING


def test_words_from_before_leave_it_closed() -> None:
    """Spans of a killed program that arrive late, a sample, a judgement, a look at other processes."""
    late = [*Drawing("s").model("m", 20, parent="a").sample(56, 10, cpu=1).score("quality", 57, 5).events]
    assert conclude_scene([*killed().events, gone(55), *late]).outcome is Outcome.UNKNOWN
    assert conclude_scene([*killed().events, gone(55, "1:1")]).outcome is Outcome.RUNNING


def test_every_order_gives_the_same_store(tmp_path: Path) -> None:
    """The event is in the journal, so a rebuild closes the same sessions."""
    events = [*killed().events, gone(55)]
    with store(tmp_path) as opened:
        for event in events:
            opened.take([event])
        rows = opened.rows()
        assert [row[8] for row in rows["sessions"]] == ["unknown"]
        assert rows == rebuilt(opened.folder, tmp_path / "again.db", now=at(60))


def test_a_session_of_a_program_is_busy_while_it_is_open(tmp_path: Path) -> None:
    """It has no turns; an agent's session without a turn is not busy."""
    opening = [replace(event, channel=Channel.API) for event in Drawing("program").opens().events]
    with store(tmp_path) as opened:
        opened.take(opening, Drawing("agent").opens().events)
        busy = dict(opened.connection.execute("SELECT id, busy FROM sessions"))
        assert busy == {"program": 1, "agent": 0}
        ending = [replace(event, channel=Channel.API) for event in Drawing("program").ends(9).events]
        opened.take(ending)
        assert opened.connection.execute("SELECT SUM(busy) FROM sessions").fetchone() == (0,)


@ON_LINUX
def test_a_killed_agent_does_not_run_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service sees that the process is gone, writes it down and closes the session."""
    monkeypatch.setattr(store_update_worker, "LIVENESS_SECONDS", 0.05)
    config = configured(tmp_path, STRETTO_RESOURCES_INTERVAL_SECONDS="0")
    now = read_wall_clock()
    with busy_process(tmp_path) as agent, started(config) as service:
        service.worker._processes.liveness.pause = 1
        found = agent.found
        opening = Event(
            kind=Kind.TURN_START,
            session="s",
            id="p",
            type="user",
            time=now,
            attributes={"processes": [*found.names], "host": found.host or ""},
        )
        append(config.journal, [opening], "2026-01-01.jsonl")
        assert until(lambda: [row.busy for row in list_latest(service, 9)] == [True])
        os.kill(agent.pid, signal.SIGKILL)
        agent.kill()
        assert until(lambda: [row.outcome for row in list_latest(service, 9)] == [Outcome.UNKNOWN])
        (row,) = list_latest(service, 9)
        assert (row.end, row.last) == (None, now)
