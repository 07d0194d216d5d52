"""What samples become in the sums and in the figures of a window."""

from __future__ import annotations

from pathlib import Path

import pytest

from stretto.clock import SECOND
from stretto.figures.figure import Figure
from stretto.figures.resource_figures import (
    NOT_SAMPLED,
    MachineUse,
    ResourceUse,
    compute_current_figures,
    compute_resource_figures,
)
from stretto.store import sum_queries
from tests.fakes import store
from tests.scenes import Drawing, at, frame_drawing, sampled


def figures(tmp_path: Path, *drawings: Drawing) -> dict[tuple[str, str], Figure]:
    """Return the figures of the hour after drawings were stored, by name and first label."""
    with store(tmp_path) as opened:
        opened.take(*(drawing.events for drawing in drawings))
        sums = sum_queries.read_sums(opened.connection, at(200), 3_600)
    return {
        (figure.name.removeprefix("stretto_"), figure.labels[0][1]): figure
        for figure in compute_resource_figures("1h", sums)
    }


def test_samples_are_summed_over_a_window(tmp_path: Path) -> None:
    """Processor time, sampled time and bytes add up; the machine's time is that of the session's share."""
    found = figures(tmp_path, sampled())
    wanted = {
        ("window_agents_cpu_seconds", "1h"): 120,
        ("window_sampled_seconds", "1h"): 120,
        ("window_machine_busy_seconds", "1h"): 87,
        ("window_machine_available_seconds", "1h"): 120,
        ("machine_cpu_ratio", "1h"): 87 / 120,
        ("agents_cpu_ratio", "1h"): 120 / 120,
        ("window_agents_io_bytes", "read"): 4_000,
        ("window_agents_io_bytes", "write"): 0,
    }
    assert {key: found[key].value for key in wanted} == wanted


def test_quantiles_are_of_samples_within_two_per_cent(tmp_path: Path) -> None:
    """Of two samples the median is the lower; processors and bytes in their own units."""
    found = figures(tmp_path, sampled())
    assert found["agents_cpu_quantile", "p50"].value == pytest.approx(0.5, rel=0.02)
    assert found["agents_memory_quantile_bytes", "p50"].value == pytest.approx(10**9, rel=0.02)
    three = figures(
        tmp_path / "more", sampled(), frame_drawing(Drawing("c"), 60).sample(0, 60, cpu=240 * SECOND)
    )
    assert three["agents_cpu_quantile", "p50"].value == pytest.approx(1.5, rel=0.02)
    assert three["agents_cpu_quantile", "p99"].value == pytest.approx(4, rel=0.02)


def test_nothing_sampled_is_absent_and_not_zero(tmp_path: Path) -> None:
    """Every figure of a window without samples is withheld with its reason, or not there at all."""
    found = figures(tmp_path, frame_drawing(Drawing(), 60))
    assert {figure.value for figure in found.values()} == {None}
    assert found["window_agents_cpu_seconds", "1h"].reason == NOT_SAMPLED
    assert ("window_agents_io_bytes", "read") not in found
    assert ("agents_cpu_quantile", "p50") not in found


def test_a_value_missing_from_a_sample_is_not_zero(tmp_path: Path) -> None:
    """A system that reports only memory has only figures of memory."""
    found = figures(tmp_path, frame_drawing(Drawing(), 60).sample(0, 60, memory=5))
    assert found["window_sampled_seconds", "1h"].value == 60
    assert found["agents_memory_quantile_bytes", "p50"].value is not None
    for name in ("window_agents_cpu_seconds", "window_machine_busy_seconds", "machine_cpu_ratio"):
        assert found[name, "1h"].value is None


def test_an_idle_tree_used_nothing_and_that_is_a_figure(tmp_path: Path) -> None:
    """0 seconds of processor time were measured, so 0 they are."""
    found = figures(tmp_path, frame_drawing(Drawing(), 60).sample(0, 60, cpu=0))
    assert found["window_agents_cpu_seconds", "1h"].value == 0
    assert found["agents_cpu_quantile", "p50"].value == pytest.approx(0, abs=1e-5)


def test_current_use_has_a_value_or_a_reason() -> None:
    """Each by itself; seconds of the system are seconds."""
    found = {
        figure.name: figure
        for figure in compute_current_figures(ResourceUse(memory=7, sessions=2, reason="because"))
    }
    assert found["stretto_agents_memory_bytes"].value == 7
    assert found["stretto_agents_cpu"].value is None
    assert found["stretto_agents_cpu"].reason == "because"
    assert found["stretto_machine_memory_available_bytes"].value is None
    machine = MachineUse(cpu=0.5, waiting=3 * SECOND, cores=(SECOND, 2 * SECOND), received=5, sent=4)
    known = [
        (figure.name.removeprefix("stretto_"), *dict(figure.labels).values(), figure.value)
        for figure in compute_current_figures(ResourceUse(machine=machine))
        if figure.value is not None
    ]
    assert known == [
        ("machine_cpu", 0.5),
        ("machine_waiting_seconds", 3),
        ("machine_core_busy_seconds", "0", 1),
        ("machine_core_busy_seconds", "1", 2),
        ("machine_network_bytes", "received", 5),
        ("machine_network_bytes", "sent", 4),
    ]
