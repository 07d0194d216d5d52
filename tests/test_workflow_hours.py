"""Whole sessions are compared with their pattern's hours, apart from any parallel speedup."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from msgspec import structs

from stretto.cli.session_text import format_session
from stretto.clock import SECOND
from stretto.figures.figure import Figure
from stretto.figures.sessions_against_configured_hours import (
    NO_TASK,
    build_workflow_document,
    compute_workflow_figures,
    find_workflow_doubt,
    measure_workflow,
)
from stretto.figures.wall_time_parts import WallPart, measure_wall_time
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.model.task_type import TaskTypes
from stretto.names import PREFIX
from stretto.summaries.session_json import build_session_document
from stretto.summaries.session_summary import SessionSummary, summarise_session
from stretto.summaries.snapshot import take_snapshot
from tests.fakes import store
from tests.paper import read_figures
from tests.scenes import Drawing, at, by_description, conclude_scene, fork_join, one_by_one, repaired

NARROW = "\N{NO-BREAK SPACE}"

HOURS = MappingProxyType({"release": 0.1})
NONE_CONFIGURED: MappingProxyType[str, float] = MappingProxyType({})


def in_window(figures: tuple[Figure, ...]) -> dict[str, Figure]:
    """Return the last hour's figures of workflows by name."""
    return {
        figure.name: figure
        for figure in figures
        if figure.name.startswith(f"{PREFIX}workflow_") and dict(figure.labels)["window"] == "1h"
    }


def summarise(folder: Path, drawing: Drawing, workflows: MappingProxyType[str, float]) -> SessionSummary:
    """Return the summary of a drawn session."""
    with store(folder) as opened:
        opened.take(drawing.events)
        summary = summarise_session(
            opened.connection, drawing.session, by_description, {}, workflows=workflows
        )
    assert summary is not None
    return summary


def test_the_scene_has_the_figures_on_paper(tmp_path: Path) -> None:
    """Window and session document give every number of the table in docs/figures.md."""
    paper = read_figures("Whole workflows")["repaired"]
    assert paper["hours"] == HOURS["release"]
    with store(tmp_path / "window") as opened:
        opened.take(repaired().events)
        figures = in_window(
            take_snapshot(opened.connection, at(300), TaskTypes(), {}, workflows=HOURS).figures
        )
    document = build_session_document(summarise(tmp_path / "one", repaired(), HOURS))["workflow"]
    for column, key in (
        ("credited", "credited_seconds"),
        ("elapsed", "elapsed_seconds"),
        ("saved", "saved_seconds"),
        ("speedup", "speedup"),
        ("improvement", "improvement"),
    ):
        assert document[key] == pytest.approx(paper[column], abs=0.005), column
    assert {key: document[key] for key in ("tasks", "retried", "delivered")} == {
        key: paper[key] for key in ("tasks", "retried", "delivered")
    }
    assert document["doubt"] is None
    values = {name: figure.value for name, figure in figures.items()}
    assert values["stretto_workflow_sessions"] == 1
    assert values["stretto_workflow_configured_seconds"] == 360
    assert values["stretto_workflow_credited_seconds"] == pytest.approx(240, abs=0.001)
    assert values["stretto_workflow_elapsed_seconds"] == 110
    assert values["stretto_workflow_saved_seconds"] == pytest.approx(130, abs=0.001)
    assert values["stretto_workflow_delivery_ratio"] == pytest.approx(2 / 3, abs=1e-6)
    assert values["stretto_workflow_speedup_ratio"] == pytest.approx(240 / 110, abs=1e-5)
    assert values["stretto_workflow_improvement_ratio"] == pytest.approx(130 / 240, abs=1e-5)


def test_a_window_adds_up_sessions_and_divides_the_sums(tmp_path: Path) -> None:
    """Two sessions: 240 of 360 s and all 360 s are credited; they took 110 and 120 s."""
    with store(tmp_path) as opened:
        opened.take([*repaired().events, *one_by_one().events])
        figures = in_window(
            take_snapshot(opened.connection, at(300), TaskTypes(), {}, workflows=HOURS).figures
        )
    assert figures["stretto_workflow_sessions"].value == 2
    assert figures["stretto_workflow_credited_seconds"].value == pytest.approx(600, abs=0.001)
    assert figures["stretto_workflow_elapsed_seconds"].value == 230
    assert figures["stretto_workflow_speedup_ratio"].value == pytest.approx(600 / 230, abs=1e-4)
    assert figures["stretto_workflow_speedup_ratio"].coverage == 1


def test_no_figure_of_parallel_work_contains_the_hours(tmp_path: Path) -> None:
    """All other figures are the same with hours for the pattern and without."""
    with store(tmp_path) as opened:
        opened.take(repaired().events)
        without, beside = (
            take_snapshot(opened.connection, at(300), TaskTypes(), {}, workflows=hours)
            for hours in (NONE_CONFIGURED, HOURS)
        )
    others = tuple(figure for figure in beside.figures if not figure.name.startswith(f"{PREFIX}workflow_"))
    assert others == without.figures
    assert beside.verdicts == without.verdicts


def test_a_pattern_without_hours_has_no_figures(tmp_path: Path) -> None:
    """Hours of another pattern, and a session without a pattern, give nothing at all."""
    with store(tmp_path) as opened:
        opened.take([*repaired().events, *fork_join().events])
        taken = take_snapshot(opened.connection, at(300), TaskTypes(), {}, workflows={"other": 1.0})
    assert in_window(taken.figures) == {}


def test_a_session_without_a_task_lowers_the_coverage(tmp_path: Path) -> None:
    """It has no share of the hours: it is neither credited nor paid for, and the coverage says so."""
    bare = Drawing("bare").opens(pattern="release").call("c", 10, 20).ends(50)
    with store(tmp_path / "both") as opened:
        opened.take([*repaired().events, *bare.events])
        figures = in_window(
            take_snapshot(opened.connection, at(300), TaskTypes(), {}, workflows=HOURS).figures
        )
    assert (figures["stretto_workflow_sessions"].value, figures["stretto_workflow_sessions"].count) == (1, 2)
    assert figures["stretto_workflow_elapsed_seconds"].value == 110
    for name in ("credited_seconds", "saved_seconds", "speedup_ratio"):
        assert figures[f"stretto_workflow_{name}"].coverage == 0.5, name
    with store(tmp_path / "alone") as opened:
        opened.take(bare.events)
        figures = in_window(
            take_snapshot(opened.connection, at(300), TaskTypes(), {}, workflows=HOURS).figures
        )
    assert figures["stretto_workflow_sessions"].value == 0
    credited = figures["stretto_workflow_credited_seconds"]
    assert (credited.value, credited.reason) == (None, NO_TASK)
    summary = summarise(tmp_path / "one", bare, HOURS)
    assert summary.workflow is None
    assert summary.absent["workflow"] == NO_TASK


def test_a_running_session_is_not_judged(tmp_path: Path) -> None:
    """Tasks may still be delivered: absent with the reason, not a low share."""
    running = Drawing("running").opens(pattern="release").prompt(0).task("a", 10, 20, "review")
    summary = summarise(tmp_path, running, HOURS)
    assert build_session_document(summary)["workflow"] is None
    assert summary.absent["workflow"] == "still running"
    assert "workflow" not in summarise(tmp_path / "other", running, NONE_CONFIGURED).absent


def conclude_repaired() -> Session:
    """Return the scene's session."""
    return conclude_scene(repaired().events)


def test_failure_never_raises_the_credit() -> None:
    """Whichever delivered task fails instead, credit falls and time stays."""
    session = conclude_repaired()
    wall = measure_wall_time(session)
    before = measure_workflow(session, wall)
    assert before is not None
    for index, task in enumerate(session.tasks):
        if task.is_wasted:
            continue
        failed = structs.replace(task, outcome=Outcome.FAILURE, judged=None)
        tasks = (*session.tasks[:index], failed, *session.tasks[index + 1 :])
        after = measure_workflow(replace(session, tasks=tasks), wall)
        assert after is not None
        assert after.share < before.share
        assert after.elapsed == before.elapsed


def test_nothing_delivered_is_no_credit_and_no_improvement() -> None:
    """All time is lost; an improvement over no hours is no number."""
    failing = Drawing().opens(pattern="release").task("a", 0, 20, "review", outcome=Outcome.FAILURE).ends(50)
    session = conclude_scene(failing.events)
    run = measure_workflow(session, measure_wall_time(session))
    assert run is not None
    document = build_workflow_document(run, 0.1)
    assert (document["credited_seconds"], document["speedup"], document["saved_seconds"]) == (0, 0, -50)
    assert document["improvement"] is None
    sums: dict[str, dict[Any, int]] = {
        "sessions": {("test", "release", "failure"): 1},
        "workflow_sessions": {("release",): 1},
        "workflow_elapsed": {("release",): 50 * SECOND},
    }
    (improvement,) = (
        figure
        for figure in compute_workflow_figures("1h", sums, HOURS)
        if figure.name == "stretto_workflow_improvement_ratio"
    )
    assert (improvement.value, improvement.reason) == (None, "nothing to divide by")


def test_an_unknown_wall_time_is_no_run() -> None:
    """A session that seems longer than a year has no parts of wall time."""
    session = conclude_repaired()
    empty: dict[WallPart, int] = {}
    assert measure_workflow(session, empty) is None


def test_hours_far_beyond_the_work_are_marked() -> None:
    """Delivered work is 60 s: two thirds of 1.25 h are 50 times as much, which is the most."""
    session = conclude_repaired()
    run = measure_workflow(session, measure_wall_time(session))
    assert run is not None
    assert run.work == 60 * SECOND
    assert find_workflow_doubt(run, 1.24) is None
    assert find_workflow_doubt(run, 2.5) == "the credited hours are 100 times its tasks' own, more than 50"


def test_show_has_the_comparison(tmp_path: Path) -> None:
    """Configured, credited and elapsed time, the tasks by count, and what was left out."""
    text = format_session(summarise(tmp_path, repaired(), HOURS))
    assert "whole workflow release: 2.18× as fast as by hand" in text
    assert (
        "\n  configured 6 min, 2 of 3 tasks delivered: credited 4 min, took 1 min 50 s without idle time and"
        " waits for you, saved 2 min 10 s\n  1 retried task left out of the count\n"
    ) in text.replace(NARROW, " ")
    doubtful = format_session(summarise(tmp_path / "b", repaired(), MappingProxyType({"release": 2.5})))
    assert "  doubtful: the credited hours are 100 times" in doubtful
    assert "whole workflow" not in format_session(summarise(tmp_path / "c", repaired(), NONE_CONFIGURED))
