"""Process trees: the measured use of real processes, compared with their own reports."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from stretto.clock import SECOND
from stretto.resources.process_trees import ProcessTrees, TreeUsage
from tests.busy_process import Busy, busy_process

TICK = 0.02
"""Seconds: the kernel counts processor time in hundredths, for each process apart."""

hands_on = pytest.mark.skipif(
    sys.platform != "linux", reason="the system does not hand on what ended children used"
)


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Busy]:
    with busy_process(tmp_path) as started:
        yield started


def root(busy: Busy) -> psutil.Process:
    return psutil.Process(busy.pid)


def only(looked: dict[psutil.Process, TreeUsage]) -> TreeUsage:
    (used,) = looked.values()
    return used


def test_a_tree_has_used_nothing_at_its_first_look(busy: Busy) -> None:
    """Use before the first reading is not counted; the memory is known at once."""
    busy.tell("burn 0.1")
    used = only(ProcessTrees().read_usage([root(busy)]))
    assert used.cpu == 0
    assert used.memory > 1_000_000
    assert used.processes == 1


def test_processor_time_is_what_the_process_itself_says(busy: Busy) -> None:
    """Between two looks, to the kernel's own grain; a second look straight after finds no more."""
    forest = ProcessTrees()
    forest.read_usage([root(busy)])
    before = busy.tell("burn 0")
    after = busy.tell("burn 0.3")
    used = only(forest.read_usage([root(busy)]))
    assert used.cpu / SECOND == pytest.approx(after - before, abs=TICK)
    assert only(forest.read_usage([root(busy)])).cpu / SECOND <= TICK


@hands_on
def test_children_that_came_and_went_between_two_looks_count(busy: Busy) -> None:
    """Their parent has inherited their use."""
    forest = ProcessTrees()
    forest.read_usage([root(busy)])
    before, after = busy.tell("burn 0"), busy.tell("run 0.2")
    used = only(forest.read_usage([root(busy)]))
    assert used.cpu / SECOND == pytest.approx(after - before, abs=2 * TICK)
    assert used.cpu > 0.15 * SECOND


@hands_on
def test_a_child_that_ends_is_not_counted_again(busy: Busy) -> None:
    """The use counted during its life is subtracted from its parent's inherited use."""
    forest = ProcessTrees()
    forest.read_usage([root(busy)])
    before = busy.tell("burn 0")
    busy.tell("start")
    busy.tell("below burn 0.3")
    living = only(forest.read_usage([root(busy)]))
    assert living.processes == 2
    assert living.cpu > 0.25 * SECOND
    after = busy.tell("end")
    ended = only(forest.read_usage([root(busy)]))
    assert ended.processes == 1
    assert (living.cpu + ended.cpu) / SECOND == pytest.approx(after - before, abs=3 * TICK)
    assert ended.cpu < 0.15 * SECOND


def test_a_tree_inside_another_is_its_own(busy: Busy) -> None:
    """Each process belongs to the nearest root above it: the sum counts no process twice."""
    inner_pid = int(busy.tell("start"))
    inner = psutil.Process(inner_pid)
    forest = ProcessTrees()
    forest.read_usage([root(busy), inner])
    busy.tell("below burn 0.2")
    used = forest.read_usage([root(busy), inner])
    assert used[inner].cpu > 0.15 * SECOND
    assert used[root(busy)].cpu < 0.1 * SECOND
    assert (used[inner].processes, used[root(busy)].processes) == (1, 1)


@hands_on
def test_a_root_that_ends_inside_another_tree_is_not_counted_again(busy: Busy) -> None:
    """The outer tree inherits only the inner tree's uncounted use."""
    inner = psutil.Process(int(busy.tell("start")))
    forest = ProcessTrees()
    forest.read_usage([root(busy), inner])
    busy.tell("below burn 0.3")
    assert forest.read_usage([root(busy), inner])[inner].cpu > 0.25 * SECOND
    busy.tell("end")
    looked = forest.read_usage([root(busy), inner])
    assert inner not in looked
    assert looked[root(busy)].cpu < 0.15 * SECOND


def test_memory_is_that_of_the_whole_tree_now(busy: Busy) -> None:
    """It grows with allocated memory, and with a new process."""
    forest = ProcessTrees()
    first = only(forest.read_usage([root(busy)])).memory
    busy.tell("hold 30000000")
    held = only(forest.read_usage([root(busy)])).memory
    assert held - first > 25_000_000
    busy.tell("start")
    assert only(forest.read_usage([root(busy)])).memory > held + 1_000_000


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="the system does not tell bytes by process")
def test_bytes_written_are_counted_or_absent(busy: Busy, tmp_path: Path) -> None:
    """The reported bytes are those written since the last reading."""
    forest = ProcessTrees()
    assert only(forest.read_usage([root(busy)])).written == 0
    busy.tell(f"write {tmp_path / 'file'} 1048576")
    used = only(forest.read_usage([root(busy)]))
    assert used.written is not None
    # A folder in memory has no disk under it.
    assert used.written == 0 or 1_048_576 <= used.written < 2_000_000


def test_what_is_gone_is_left_out(busy: Busy) -> None:
    """A root that has ended has no tree, and the others are read all the same."""
    forest, gone = ProcessTrees(), root(busy)
    me = psutil.Process()
    forest.read_usage([gone, me])
    busy.end()
    assert list(forest.read_usage([gone, me])) == [me]


def test_what_may_not_be_looked_at_is_absent(busy: Busy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that may not be read are None, not 0; the other values are known."""

    def denied(process: psutil.Process) -> None:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "io_counters", denied, raising=False)
    forest = ProcessTrees()
    forest.read_usage([root(busy)])
    used = only(forest.read_usage([root(busy)]))
    assert (used.read, used.written) == (None, None)
    assert used.memory > 0
