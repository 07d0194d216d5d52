from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from stretto.clock import read_wall_clock
from stretto.model.event import Event
from stretto.resources.sampler import Sampler, WatchedSession
from stretto.resources.sampler_thread import SamplerThread
from tests.busy_process import busy_process
from tests.waiting import PATIENCE


def test_it_reads_in_a_thread_of_its_own_until_it_is_closed(tmp_path: Path) -> None:
    """Closing passes on incomplete samples, and the thread's processor time is reported."""
    kept: list[Event] = []
    asked = threading.Semaphore(0)
    with busy_process(tmp_path) as busy:
        one = WatchedSession("s", 0, busy.found)

        def watched() -> list[WatchedSession]:
            asked.release()
            return [one]

        sampling = SamplerThread(Sampler(read_wall_clock), watched, kept.extend, interval=0.01)
        assert sampling.cpu_seconds == 0
        sampling.start()
        for _ in range(4):
            assert asked.acquire(timeout=PATIENCE)
        sampling.close()
    (sample,) = kept
    assert sample.session == "s"
    assert (sample.duration or 0) > 0
    assert (sampling.cpu_seconds or 0) > 0
    assert sampling.error is None
    assert sampling.use.memory


def test_a_short_session_is_read_at_its_start_and_at_its_end(tmp_path: Path) -> None:
    """Woken twice, it reads twice: the interval of an hour plays no part."""
    kept: list[Event] = []
    asked = threading.Semaphore(0)
    busy_now: list[WatchedSession] = []

    def watched() -> list[WatchedSession]:
        current = busy_now[:]
        asked.release()
        return current

    with busy_process(tmp_path) as busy:
        sampling = SamplerThread(Sampler(read_wall_clock), watched, kept.extend, interval=3600)
        sampling.start()
        assert asked.acquire(timeout=30)
        for sessions in ([WatchedSession("s", 0, busy.found)], []):
            busy_now[:] = sessions
            sampling.wake()
            assert asked.acquire(timeout=30)
        sampling.close()
    (sample,) = kept
    assert sample.session == "s"
    assert sample.attributes["memory"] > 1_000_000  # type: ignore[operator]  # a number


def test_switched_off_it_does_nothing_and_says_so() -> None:
    """No thread, no figures, and a reason instead of them."""

    def never() -> list[WatchedSession]:
        raise AssertionError("asked although it is off")

    sampling = SamplerThread(Sampler(read_wall_clock), never, lambda _: None, interval=0)
    sampling.start()
    sampling.close()
    assert sampling.cpu_seconds is None
    assert sampling.use.reason == "sampling is switched off"


def test_a_fault_is_told_and_survived(caplog: pytest.LogCaptureFixture) -> None:
    """The thread continues; the log has a repeated error once."""
    called = threading.Semaphore(0)
    broken = True

    def watched() -> Sequence[WatchedSession]:
        called.release()
        if broken:
            raise OSError("the store is gone")
        return []

    sampling = SamplerThread(Sampler(read_wall_clock), watched, lambda _: None, interval=0.01)
    sampling.start()
    for _ in range(3):
        assert called.acquire(timeout=PATIENCE)
    assert "the store is gone" in (sampling.error or "")
    broken = False
    for _ in range(3):
        assert called.acquire(timeout=PATIENCE)
    sampling.close()
    assert sampling.error is None
    assert len([record for record in caplog.records if "could not be sampled" in record.message]) == 1
