"""What work takes of the machine: processors, disk, idle time, cores, and sessions that keep memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from stretto.cli.operation_text import format_envelope
from stretto.clock import SECOND
from stretto.errors import ServiceError
from stretto.figures.figure import Figure
from stretto.operations.figure_lookup import FigureTable
from stretto.operations.machine_and_memory_rows import NO_CORE_READ, describe_machine, list_memory_leaks
from stretto.operations.measure_finished_runs import NOT_SAMPLED
from stretto.store.run_queries import read_session_runs
from tests.fakes import store
from tests.operated import NOW, PATTERN, SINCE, OperatedStore, make_operated
from tests.scenes import Drawing

GIGABYTE = 10**9


def draw_sampled(name: str, minutes: int, memory: Callable[[int], int]) -> Drawing:
    """Draw a session with a sample a minute: half a processor in use, a quarter of the machine busy."""
    end = SINCE + 60 * minutes
    drawing = Drawing(name).opens(SINCE, pattern=PATTERN).task(f"{name}-a", SINCE, end, "review")
    for minute in range(minutes):
        drawing.sample(
            SINCE + 60 * minute,
            60,
            cpu=30 * SECOND,
            cpu_peak=1,
            memory=memory(minute),
            memory_peak=2 * GIGABYTE,
            read=1_000,
            written=500,
            machine_busy=60 * SECOND,
            machine_available=240 * SECOND,
            machine_busy_share=30 * SECOND,
            machine_available_share=120 * SECOND,
            machine_memory=8 * GIGABYTE,
            machine_memory_available=GIGABYTE,
        )
    return drawing.stop(end).ends(end)


def waver(minute: int) -> int:
    """Return some bytes that differ from minute to minute without a drift."""
    return minute * 7_919 % 13 * GIGABYTE // 1_000


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> OperatedStore:
    """Return a store with five sampled sessions: one leaks, one is short."""
    folder = tmp_path_factory.mktemp("sampled")
    with store(folder / "state") as opened:
        for name in "abc":
            opened.take(draw_sampled(name, 40, lambda minute: GIGABYTE + waver(minute)).events)
        opened.take(draw_sampled("short", 5, waver).events)
        leak = draw_sampled("leak", 40, lambda minute: GIGABYTE + waver(minute) + minute * 20_000_000)
        opened.take(leak.events)
    return make_operated(folder)


def test_work_has_disk_idle_share_and_leaks(sampled: OperatedStore) -> None:
    """165 minutes with 1,000 bytes read in each, three quarters idle, and one of four long sessions leaks."""
    envelope = sampled.make_runner().run_operation("resource-efficiency")
    assert envelope["status"] == "success"
    data = envelope["result"]["performance_data"]
    machine, leaks = data["machine"], data["memory_leaks"]
    assert (machine["disk_read_bytes"]["value"], machine["disk_written_bytes"]["value"]) == (165_000, 82_500)
    assert machine["idle_share"]["value"] == pytest.approx(0.75)
    assert (machine["core_busy_seconds"], machine["absent"]) == (None, {"core_busy_seconds": NO_CORE_READ})
    assert [row["session"] for row in leaks["sessions"]] == ["leak", "a", "b", "c"]
    assert (leaks["suspected"], leaks["absent"]) == (1, {})
    assert leaks["sessions"][0]["low_bytes_per_hour"] > GIGABYTE
    page = " ".join(format_envelope(envelope).replace("\N{NO-BREAK SPACE}", " ").split())
    assert "disk read 165 kB" in page
    assert "idle share 75 %" in page
    assert "suspected 1 sessions" in page


def test_leaks_have_their_reason_where_no_session_can_be_judged(sampled: OperatedStore) -> None:
    """Nothing was sampled, the sessions are too short, or a team's store has no session's course."""
    sources = sampled.make_runner().sources
    with sources.connect() as connection:
        runs = [*read_session_runs(connection, 0, NOW + 1)]
    few = [run for run in runs if run.session == "short"]
    assert list_memory_leaks([], sources.session)["absent"] == {"suspected": NOT_SAMPLED}
    assert "none has half an hour" in list_memory_leaks(few, sources.session)["absent"]["suspected"]
    unsampled = [replace(run, cpu_seconds=None) for run in runs]
    assert list_memory_leaks(unsampled, sources.session)["sessions"] == []

    def refuse_session(_: str) -> None:
        raise ServiceError("a team's store has no course of a session")

    refused = list_memory_leaks(runs, refuse_session)
    assert (refused["sessions"], refused["suspected"]) == ([], None)
    assert "no course" in refused["absent"]["suspected"]


def test_each_core_has_its_busy_time() -> None:
    """As the running service reads it."""
    figures = FigureTable(
        [
            Figure("stretto_machine_core_busy_seconds", (("core", str(core)),), 10.0 * core, 1)
            for core in (0, 1)
        ]
    )
    machine = describe_machine(figures, "24h")
    assert machine["core_busy_seconds"] == {"0": 0, "1": 10}
    assert machine["absent"] == {}
    assert machine["idle_share"]["value"] is None
