"""Every surface shows the same verdict, on a store of mixed baselines: nothing is computed twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from grafana.board import change
from prometheus_client.parser import text_string_to_metric_families

from stretto.cli.top import format_frame
from stretto.cli.top_data import FrameReader
from stretto.clock import HOUR
from stretto.format import quantities
from stretto.store.statusline_query import read_session_brief
from tests.web_page import ARCHITECTURE, ONE_BY_ONE, TESTS, read, shown
from tests.web_served import NOON, Store, Work


def fill_mixed(store: Store) -> None:
    """Add an execution with a measured baseline, and another without."""
    store.scene("one-by-one", NOON - 3 * HOUR, ONE_BY_ONE)
    store.scene("together", NOON - 2 * HOUR, (ARCHITECTURE, TESTS))
    store.scene(
        "other", NOON - HOUR, (Work(0, 8, "research"), Work(0, 8, "research"), Work(1, 8, "research"))
    )


def test_all_surfaces_show_one_verdict(tmp_path: Path) -> None:
    """Page, JSON, series, trends, weeks and terminal: 35 s saved in 38 s, 1.92 times as fast."""
    store = Store(tmp_path)
    fill_mixed(store)
    with shown(store) as client:
        page = read(client).text
        document = client.get("/api/snapshot").json()
        trends = client.get("/api/trends").json()
        exposition = client.get("/metrics").text
    speedup = 1 + 35 / 38

    lead = document["verdicts"]["24h"]["lead"]
    assert (lead["baseline"], lead["speedup"]) == ("work", pytest.approx(speedup))
    assert (lead["time_saved_seconds"], lead["elapsed_seconds"]) == (pytest.approx(35), pytest.approx(38))

    series = {
        (sample.name, sample.labels["baseline"]): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
        if family.name.startswith("stretto_verdict") and sample.labels["window"] == "24h"
    }
    saved, elapsed = (series[f"stretto_verdict_{name}_seconds", "work"] for name in ("saved", "elapsed"))
    assert series["stretto_verdict_speedup", "work"] == pytest.approx(speedup)
    assert 1 + saved / elapsed == pytest.approx(speedup)

    (today,) = (day for day in trends["days"] if day["tasks"])
    assert today["lead"] == lead
    now = {figure["name"]: figure["now"] for figure in document["change"]["figures"]}
    assert (now["speedup"], now["time_saved_seconds"]) == (lead["speedup"], lead["time_saved_seconds"])
    assert (now["fanouts"], document["change"]["baseline"]) == (2, "work")

    text = quantities.format_speedup(speedup)
    assert f"Together up to {text} as fast as one after another" in page
    assert "35 s saved in the last 24 h: 5 tasks, 2 parallel executions." in page
    frame = FrameReader(store.config).read_frame(NOON)
    assert frame.verdicts["24h"].speedup == pytest.approx(speedup)
    terminal = format_frame(frame).replace("\N{NO-BREAK SPACE}", " ")
    assert f"up to {text} as fast, 35 s saved over 2 parallel executions, 5 tasks (work)" in terminal


def test_grafana_reads_the_series_of_the_verdict() -> None:
    """Speed-up, improvement and time saved are made of the headline's series and of nothing else."""
    for expression in (change.compute_speedup(), change.compute_improvement(), change.compute_time_saved()):
        assert "stretto_verdict_saved_seconds" in expression
        assert "stretto_time_saved_seconds" not in expression


def test_the_status_line_agrees_with_the_headline_of_its_session(tmp_path: Path) -> None:
    """A session alone in its store has the same speed-up on both."""
    store = Store(tmp_path)
    store.scene("together", NOON - HOUR, (ARCHITECTURE, TESTS))
    snapshot = store.refresh()
    brief = read_session_brief(store.config.database, "together")
    assert brief is not None
    assert brief.speedup == snapshot.verdicts["24h"].speedup == pytest.approx(50 / 30)
