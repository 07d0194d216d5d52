from __future__ import annotations

import os
from collections import namedtuple

import psutil
import pytest

from stretto.clock import SECOND
from stretto.resources import machine

Times = namedtuple("Times", "user nice system idle iowait guest")  # noqa: PYI024  # psutil's own shape
Traffic = namedtuple("Traffic", "bytes_sent bytes_recv")  # noqa: PYI024  # likewise


def test_the_machine_has_processors_and_memory() -> None:
    """Busy time is a part of the available time, and free memory a part of all memory."""
    now = machine.read()
    assert now.busy is not None
    assert now.available is not None
    assert 0 < now.busy <= now.available
    assert now.available / SECOND >= (os.cpu_count() or 1) * 0.5
    assert now.memory is not None
    assert now.memory_available is not None
    assert 0 < now.memory_available <= now.memory


def test_waiting_for_a_disk_is_not_busy_and_a_guest_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle and waiting for input are free; the guest's time is part of its host's user time."""
    times = [Times(4, 1, 2, 30, 3, 2), Times(1, 0, 0, 39, 0, 0)]
    monkeypatch.setattr(psutil, "cpu_times", lambda **_: times)
    now = machine.read()
    assert (now.busy, now.available, now.waiting) == (8 * SECOND, 80 * SECOND, 3 * SECOND)
    assert now.cores == (7 * SECOND, SECOND)


def test_traffic_of_the_machine_with_itself_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes of all interfaces are summed but for the loopback's."""
    traffic = {"lo": Traffic(1_000, 1_000), "eth0": Traffic(20, 3), "wlan0": Traffic(5, 4)}
    monkeypatch.setattr(psutil, "net_io_counters", lambda **_: traffic)
    now = machine.read()
    assert (now.sent, now.received) == (25, 7)


def test_a_machine_that_tells_nothing_but_zeros_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some sandboxes do: absent, not idle."""
    monkeypatch.setattr(psutil, "cpu_times", lambda **_: [Times(0, 0, 0, 0, 0, 0)])
    now = machine.read()
    assert (now.busy, now.available) == (None, None)


def test_what_may_not_be_read_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without these files is not an error."""

    def refused(**_: bool) -> None:
        raise PermissionError("/proc/stat")

    monkeypatch.setattr(psutil, "cpu_times", refused)
    monkeypatch.setattr(psutil, "virtual_memory", refused)
    monkeypatch.setattr(psutil, "net_io_counters", refused)
    assert machine.read() == machine.Machine(None, None, None, None)
