"""The sampler over real processes, with a simulated clock."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from stretto.clock import SECOND, read_wall_clock
from stretto.journal import encode_event, parse_line
from stretto.model.entities import HostProcesses
from stretto.model.event import Event, Kind
from stretto.resources import machine
from stretto.resources.sampler import Sampler, WatchedSession, locate_nearest_process
from tests.busy_process import Busy, busy_process
from tests.scenes import BEGIN, at


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Busy]:
    with busy_process(tmp_path) as started:
        yield started


@dataclass(slots=True)
class Rounds:
    """A sampler whose readings seem ten seconds apart, however fast the test runs."""

    passed: int = 0
    samples: list[Event] = field(default_factory=list)
    sampler: Sampler = field(init=False)

    def __post_init__(self) -> None:
        self.sampler = Sampler(
            clock=lambda: BEGIN + self.passed * SECOND, ticking=lambda: self.passed * SECOND
        )

    def look(self, *watched: WatchedSession, times: int = 1) -> list[Event]:
        """Take readings and return the samples they complete."""
        found = []
        for _ in range(times):
            found += self.sampler.take_reading(watched)
            self.passed += 10
        self.samples += found
        return found


def watched(busy: Busy, session: str = "s", start: int = 0) -> WatchedSession:
    return WatchedSession(session, start, busy.found)


def cpu(event: Event) -> float:
    value = event.attributes["cpu"]
    assert isinstance(value, int)
    return value / SECOND


def test_a_minute_of_readings_is_one_sample(busy: Busy) -> None:
    """A sample has its start, duration and use; the next sample begins at its end."""
    rounds, one = Rounds(), watched(busy)
    assert rounds.look(one, times=6) == []
    before, after = busy.tell("burn 0"), busy.tell("burn 0.4")
    (sample,) = rounds.look(one)
    assert (sample.kind, sample.session, sample.time, sample.duration) == (
        Kind.SAMPLE, "s", at(0), 60 * SECOND,
    )  # fmt: skip
    assert cpu(sample) == pytest.approx(after - before, abs=0.05)
    assert sample.attributes["cpu_peak"] == pytest.approx(sample.attributes["cpu"] / 10, abs=SECOND / 100)  # type: ignore[operator]  # numbers
    (following,) = rounds.look(one, times=6)
    assert (following.time, following.duration) == (at(60), 60 * SECOND)
    assert cpu(following) < 0.1


def test_a_sample_is_an_event_that_the_journal_believes(busy: Busy) -> None:
    """Its values are whole numbers within bounds, never text."""
    rounds, one = Rounds(), watched(busy)
    (sample,) = rounds.look(one, times=7)
    assert parse_line(encode_event(sample).strip()) == sample
    assert all(type(value) is int for value in sample.attributes.values())
    assert sample.attributes["memory"] > 1_000_000  # type: ignore[operator]  # a number
    assert sample.attributes["machine_available"] == sample.attributes["machine_available_share"]


def test_a_session_that_falls_silent_is_read_once_more(busy: Busy) -> None:
    """Its last, shorter sample has its use up to then; afterwards no reading is taken."""
    rounds, one = Rounds(), watched(busy)
    rounds.look(one, times=2)
    busy.tell("burn 0.2")
    (sample,) = rounds.look()
    assert sample.duration == 20 * SECOND
    assert cpu(sample) > 0.15
    assert rounds.look(times=2) == []
    assert rounds.sampler.use.cpu is None
    assert rounds.sampler.use.reason == "no session is busy"
    assert rounds.sampler.finish() == []


def test_the_end_hands_over_what_is_not_complete(busy: Busy) -> None:
    """A service that stops loses no reading."""
    rounds = Rounds()
    rounds.look(watched(busy), times=3)
    (sample,) = rounds.sampler.finish()
    assert sample.duration == 20 * SECOND
    assert rounds.sampler.finish() == []


def test_sessions_of_one_process_are_not_counted_twice(busy: Busy) -> None:
    """The tree belongs to the session that began first, and to the other once the first is idle."""
    rounds = Rounds()
    first, second = watched(busy, "first", 1), watched(busy, "second", 2)
    rounds.look(second, first, times=2)
    busy.tell("burn 0.2")
    (ended,) = rounds.look(second)
    assert ended.session == "first"
    assert cpu(ended) > 0.15
    busy.tell("burn 0.1")
    rounds.look(second)
    (rest,) = rounds.sampler.finish()
    assert rest.session == "second"
    assert (rest.time, rest.duration) == (at(20), 10 * SECOND)
    assert 0.05 < cpu(rest) < 0.2


def test_the_services_own_use_is_shared_among_those_sampled(busy: Busy, tmp_path: Path) -> None:
    """What the service uses from one reading to the next is charged once, however many sessions run."""
    (tmp_path / "other").mkdir()
    with busy_process(tmp_path / "other") as other:
        rounds = Rounds()
        used = iter((100, 500, 700, 900, 1_000))
        rounds.sampler.service_cpu = lambda: next(used)
        both = watched(busy, "a"), watched(other, "b")
        rounds.look(*both, times=2)
        rounds.look(both[0], times=2)
    # The first reading has nothing before it; at the third, b is read a last time.
    ends = {event.session: event.attributes["service_cpu"] for event in rounds.samples}
    (last,) = rounds.sampler.finish()
    assert ends == {"b": 300}
    assert last.attributes["service_cpu"] == 500


def test_the_machine_is_shared_among_those_sampled(busy: Busy, tmp_path: Path) -> None:
    """The sessions' shares of the machine's time sum to the machine's time."""
    (tmp_path / "other").mkdir()
    with busy_process(tmp_path / "other") as other:
        rounds = Rounds()
        rounds.look(watched(busy, "a"), watched(other, "b"), times=2)
        busy.tell("burn 0.1")
        rounds.look(watched(busy, "a"), watched(other, "b"))
        a, b = rounds.sampler.finish()
    assert a.attributes["machine_available"] == b.attributes["machine_available"]
    shares = [event.attributes["machine_available_share"] for event in (a, b)]
    assert sum(shares) == pytest.approx(a.attributes["machine_available"], abs=10)  # type: ignore[arg-type]  # numbers
    assert rounds.sampler.use.sessions == 2


def test_a_session_whose_process_ends_is_not_looked_for_among_its_parents(busy: Busy) -> None:
    """The parent is the user's shell: sampling stops until the session reports a new process."""
    rounds = Rounds()
    me = psutil.Process()
    with_parent = WatchedSession("s", 0, HostProcesses(read_wall_clock(), (*busy.found.names, str(me.pid))))
    rounds.look(with_parent, times=3)
    busy.end()
    (sample,) = rounds.look(with_parent)
    assert sample.duration == 20 * SECOND
    assert rounds.look(with_parent, times=8) == []
    assert rounds.sampler.use.memory is None
    told_again = WatchedSession("s", 0, HostProcesses(read_wall_clock(), (str(me.pid),)))
    (sample,) = rounds.look(told_again, times=7)
    assert sample.duration == 60 * SECOND


def test_a_shell_that_is_gone_by_the_second_reading_gives_way(busy: Busy, tmp_path: Path) -> None:
    """A hook's shell may live a little longer than the hook: the agent is above it."""
    (tmp_path / "shell").mkdir()
    rounds = Rounds()
    with busy_process(tmp_path / "shell") as shell:
        one = WatchedSession(
            "s", 0, HostProcesses(read_wall_clock(), (*shell.found.names, *busy.found.names))
        )
        rounds.look(one)
    assert rounds.look(one, times=1) == []
    busy.tell("burn 0.2")
    rounds.look(one)
    (sample,) = rounds.sampler.finish()
    assert cpu(sample) > 0.15


def test_now_is_what_the_last_reading_found(busy: Busy) -> None:
    """Processor use needs two readings, memory a single reading; without readings there is a reason."""
    rounds, one = Rounds(), watched(busy)
    assert rounds.sampler.use.reason
    rounds.look(one)
    assert rounds.sampler.use.cpu is None
    assert (rounds.sampler.use.memory or 0) > 1_000_000
    busy.tell("burn 0.3")
    rounds.look(one)
    assert rounds.sampler.use.cpu == pytest.approx(0.03, abs=0.01)
    assert (rounds.sampler.use.machine.memory_available or 0) > 0
    assert sum(rounds.sampler.use.machine.cores) > 0
    rounds.look(WatchedSession("elsewhere", 0, HostProcesses(read_wall_clock(), ("1:1",))), times=2)
    assert "known" in rounds.sampler.use.reason


def test_the_machines_load_is_counted_between_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 20 s on two cores 15 s were busy: 1.5 processors; a reading right after does not change it."""
    rounds = Rounds()
    readings = iter((100, 115, 115.1, 125.1))
    ends = iter((200, 220, 220.2, 240.2))
    monkeypatch.setattr(machine, "read", lambda: make_machine(next(readings), next(ends)))
    loads = []
    for _ in range(4):
        rounds.look()
        loads.append(rounds.sampler.use.machine.cpu)
    assert loads == [None, 1.5, 1.5, pytest.approx(1.0)]


def make_machine(busy: float, available: float) -> machine.Machine:
    """Return a reading of two cores, in seconds."""
    half = round(busy / 2 * SECOND)
    return machine.Machine(round(busy * SECOND), round(available * SECOND), None, None, cores=(half, half))


class TestLocated:
    def test_the_nearest_that_lives_is_taken(self, busy: Busy) -> None:
        """Ended processes are skipped."""
        gone = subprocess.Popen([sys.executable, "-c", "pass"])
        gone.wait()
        names = (str(gone.pid), *busy.found.names)
        assert locate_nearest_process(HostProcesses(read_wall_clock(), names)) == psutil.Process(busy.pid)
        assert locate_nearest_process(HostProcesses(read_wall_clock(), (str(gone.pid),))) is None

    @pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="a start is told through /proc")
    def test_another_process_with_the_same_pid_is_not_it(self, busy: Busy) -> None:
        """The start time distinguishes the two processes."""
        assert locate_nearest_process(HostProcesses(read_wall_clock(), (f"{busy.pid}:17",))) is None

    def test_what_is_younger_than_what_it_told_is_not_it(self, busy: Busy) -> None:
        """Without a start, the time does, so that no pid of an earlier boot is taken for it."""
        assert (
            locate_nearest_process(HostProcesses(read_wall_clock() - 3_600 * SECOND, (str(busy.pid),)))
            is None
        )
        assert locate_nearest_process(HostProcesses(read_wall_clock(), (str(busy.pid),))) == psutil.Process(
            busy.pid
        )

    @pytest.mark.parametrize("name", ["", "x", "-1", ":", "7:x", "²", "9" * 30, "1.5"])
    def test_what_is_no_process_is_none(self, name: str) -> None:
        """Invalid texts, for example from another machine's journal, give no process."""
        assert locate_nearest_process(HostProcesses(read_wall_clock(), (name,))) is None


def test_a_process_of_another_place_is_not_read(busy: Busy) -> None:
    """Its pid is another process here; a report without a place, as older clients make it, is read on."""
    assert locate_nearest_process(busy.found, busy.found.host) is not None
    assert locate_nearest_process(busy.found._replace(host=None), "boot/1") is not None
    assert locate_nearest_process(busy.found, "boot/1") is None
