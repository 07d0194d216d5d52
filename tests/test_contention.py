from __future__ import annotations

from dataclasses import replace

import pytest

from stretto.clock import SECOND
from stretto.figures.fanouts import Fanout, SequentialTime, estimate_sequential_time, find_fanouts
from stretto.figures.machine_contention import detect_contention, measure_session_machine_use
from stretto.figures.sequential_baseline_choice import MeasuredRuns, choose_baseline
from stretto.model.entities import Sample
from tests.scenes import at, conclude_scene, sampled

SESSION = conclude_scene(sampled().events)
SAMPLES = SESSION.samples
TARGET = (0.75, 0.85)
(FANOUT,) = find_fanouts(SESSION.tasks)
BY_WORK = estimate_sequential_time(FANOUT, choose_baseline("", FANOUT.signature, None, {}))


def measured(seconds: float) -> SequentialTime:
    """Return the fan-out's baseline from a sequential run in which its three tasks took so long together."""
    run = {"review": (round(seconds * SECOND / 3),) * 3}
    return estimate_sequential_time(FANOUT, choose_baseline("", FANOUT.signature, MeasuredRuns((run,)), {}))


def test_a_session_s_use_is_that_of_its_samples() -> None:
    """Sums, peaks, means weighted by time; of two values p50 is the smaller and p95 the larger."""
    use = measure_session_machine_use(SAMPLES, TARGET)
    assert use is not None
    assert (use.samples, use.sampled_seconds, use.cpu_seconds) == (2, 120, 120)
    assert (use.cpu_mean, use.cpu_peak, use.cpu_p50, use.cpu_p95) == (1.0, 3.0, 0.5, 1.5)
    assert (use.memory_mean_bytes, use.memory_peak_bytes) == (2e9, 3 * 10**9 + 1)
    assert (use.memory_p50_bytes, use.memory_p95_bytes) == (10**9, 3 * 10**9)
    assert (use.read_bytes, use.written_bytes) == (4_000, 0)
    assert use.machine_cpu_ratio == 174 / 240
    assert use.agents_cpu_ratio == 120 / 240
    assert use.machine_memory_available_bytes == 10**9
    assert (use.cpu_target, use.cpu_standing) == (TARGET, "below")


def test_values_missing_from_all_samples_are_absent() -> None:
    """Without samples there is no use; a sample without values adds none."""
    assert measure_session_machine_use([], TARGET) is None
    use = measure_session_machine_use([Sample(at(0), 10 * SECOND)], TARGET)
    assert use is not None
    assert (use.samples, use.sampled_seconds) == (1, 10)
    assert {
        use.cpu_seconds, use.cpu_mean, use.cpu_peak, use.memory_mean_bytes, use.memory_peak_bytes,
        use.read_bytes, use.machine_cpu_ratio, use.machine_memory_available_bytes, use.cpu_standing,
    } == {None}  # fmt: skip


@pytest.mark.parametrize(
    ("busy", "where"), [(0.74, "below"), (0.75, "within"), (0.85, "within"), (0.86, "above")]
)
def test_the_target_is_a_range(busy: float, where: str) -> None:
    """From 75 to 85 per cent, both included."""
    told = Sample(at(0), SECOND, machine_busy=round(busy * SECOND), machine_available=SECOND)
    use = measure_session_machine_use([told], TARGET)
    assert use is not None
    assert use.cpu_standing == where


def test_a_saturated_machine_is_contention() -> None:
    """Nine tenths of the processors were busy while the fan-out ran; later samples do not matter."""
    found = detect_contention(FANOUT, BY_WORK, SAMPLES)
    assert found.contended is True
    assert found.machine_cpu_ratio == 114 / 120
    assert found.machine_memory_available_ratio == 1 / 8
    assert found.slowdown is None
    assert found.reason == "95% of the machine's processors were busy"


def test_little_memory_is_contention() -> None:
    """Less than a tenth free at the worst reading."""
    little = replace(SAMPLES[0], machine_memory_available=10**8, machine_busy=0)
    found = detect_contention(FANOUT, BY_WORK, [little])
    assert found.contended is True
    assert "memory was free" in found.reason


def test_a_machine_with_room_is_none() -> None:
    """Then the reason for slow tasks lies elsewhere."""
    free = replace(SAMPLES[0], machine_busy=60 * SECOND)
    found = detect_contention(FANOUT, measured(50), [free])
    assert found.contended is False
    assert "to spare" in found.reason
    assert found.slowdown == pytest.approx(90 / 50)


def test_tasks_that_were_no_slower_for_it_did_not_contend() -> None:
    """Sequential runs show whether the busy machine slowed the tasks."""
    assert detect_contention(FANOUT, measured(60), SAMPLES).contended is True
    unharmed = detect_contention(FANOUT, measured(88), SAMPLES)
    assert unharmed.contended is False
    assert "1.02 times" in unharmed.reason
    configured = estimate_sequential_time(
        FANOUT, choose_baseline("", FANOUT.signature, None, {"review": 0.01})
    )
    assert detect_contention(FANOUT, configured, SAMPLES).slowdown is None


@pytest.mark.parametrize(
    "samples",
    [[], [SAMPLES[1]], [replace(SAMPLES[0], start=at(30))], [replace(SAMPLES[0], duration=0)]],
    ids=["none", "afterwards", "its last third", "empty"],
)
def test_what_was_not_sampled_is_not_known(samples: list[Sample]) -> None:
    """Samples must cover half of the fan-out to speak of it."""
    found = detect_contention(FANOUT, BY_WORK, samples)
    assert found.contended is None
    assert "not sampled" in found.reason


def test_a_system_without_machine_values_is_unknown() -> None:
    """Samples without values of the machine leave contention unknown."""
    silent = [Sample(at(0), 60 * SECOND, cpu=SECOND)]
    found = detect_contention(FANOUT, BY_WORK, silent)
    assert found.contended is None
    assert "does not report" in found.reason


def test_the_scene_is_as_drawn() -> None:
    """The tests above rest on a single fan-out of three tasks from 10 to 40 s."""
    assert isinstance(FANOUT, Fanout)
    assert (FANOUT.start, FANOUT.end, FANOUT.work) == (at(10), at(40), 90 * SECOND)
