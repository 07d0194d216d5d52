"""Names beyond the budget: folded into ``other`` before figures are made, and reported."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.clock import SECOND
from stretto.config.loading import load_config
from stretto.exporter.scrape import FigureCollector, create_empty_registry, encode_metrics
from stretto.figures.name_budget import (
    MOST_NAMES,
    WEIGHED_BY,
    choose_name_budget,
    describe_folded_names,
    fold_sums,
    list_cells_that_rank_names,
)
from stretto.figures.sums_by_dimension import Sums, sum_by, sum_up
from stretto.model.task_type import TaskTypes
from stretto.names import MAIN, NONE, OTHER, measures
from stretto.names.measures import MEASURES, Dimension
from stretto.otlp_export.span_sender import NullSender
from stretto.service.service import Service
from stretto.store.database import open_transaction, open_writer
from stretto.store.sums_by_time_slot import Additions, find_slot_number, write_sums
from stretto.store.window_sums import fold_slots, read_window_sums
from stretto.summaries.snapshot import Snapshot, take_snapshot
from tests.scenes import at

NOW = at(400_000)

VALUES: dict[Dimension, Any] = {
    Dimension.BUCKET: 40,
    Dimension.DELIVERY: "delivered",
    Dimension.KIND: "input",
    Dimension.ORIGIN: "reported",
    Dimension.OUTCOME: "success",
    Dimension.PART: "parallel",
    Dimension.PLACE: "parallel",
    Dimension.REASON: "failed",
    Dimension.RESULT: "hit",
    Dimension.DIRECTION: "read",
    Dimension.SUITE: "90",
}
"""A value of each dimension whose values are Stretto's own."""


def write_names(connection: sqlite3.Connection, names: int, sessions: int) -> None:
    """Store sums of every measure, as so many sessions with so many names of each kind would leave them."""
    change: Additions = Counter()
    for number in range(sessions):
        slot = find_slot_number(NOW - (number * 300_000 // sessions) * SECOND)
        name = number % names
        for measure in MEASURES.values():
            dims = tuple(
                VALUES.get(dimension)
                or (f"review,review#{name}" if dimension is Dimension.SIGNATURE else f"{dimension}-{name:05}")
                for dimension in measure.dimensions
            )
            change[slot, measure.name, dims] += 2
    with open_transaction(connection):
        write_sums(connection, change)


def take(connection: sqlite3.Connection) -> Snapshot:
    """Return the snapshot of a store."""
    return take_snapshot(connection, NOW, TaskTypes(), {})


def scrape(snapshot: Snapshot) -> bytes:
    """Return the first scrape of a snapshot."""
    registry = create_empty_registry()
    registry.register(FigureCollector({"snapshot": lambda: snapshot.figures}, 5_000))
    return encode_metrics(registry, "text/plain").body


def measure_cost(connection: sqlite3.Connection) -> tuple[float, float, Snapshot]:
    """Return the least CPU seconds of a snapshot and of its scrape, of two each."""
    snapshots, scrapes = [], []
    for _ in range(2):
        started = time.process_time()
        snapshot = take(connection)
        snapshots.append(time.process_time() - started)
        started = time.process_time()
        scrape(snapshot)
        scrapes.append(time.process_time() - started)
    return min(snapshots), min(scrapes), snapshot


def compare_cost(folder: Path, names: int, sessions: int) -> None:
    """Check that snapshot and scrape cost at most ten times as much with so many names as with 100."""
    costs = []
    for count in (100, names):
        connection = open_writer(folder / f"{count}.db")
        try:
            write_names(connection, count, sessions)
            costs.append(measure_cost(connection))
        finally:
            connection.close()
    (few_snapshot, few_scrape, few), (many_snapshot, many_scrape, many) = costs
    assert not few.folded_names
    assert many.folded_names[Dimension.AGENT] == names - MOST_NAMES
    assert len(many.figures) <= 2 * len(few.figures)
    assert many_snapshot <= 10 * few_snapshot
    assert many_scrape <= 10 * few_scrape


def test_many_names_cost_little_more_than_a_hundred(tmp_path: Path) -> None:
    """400 names of each kind make few more figures than 100, at less than ten times the cost."""
    compare_cost(tmp_path, 400, 400)


@pytest.mark.slow
def test_ten_thousand_names_cost_at_most_ten_times_as_much(tmp_path: Path) -> None:
    """Snapshot and scrape of 10,000 names of each kind cost at most ten times those of 100."""
    compare_cost(tmp_path, 10_000, 10_000)


def sums_of(**by_measure: Any) -> Sums:
    """Return sums; the keywords are stored names of measures."""
    return by_measure


def fold(sums: Sums, most: int) -> Sums:
    """Return the sums within a budget of so many names and signatures."""
    return fold_sums(sums, choose_name_budget(list_cells_that_rank_names(sums), most, most))


def test_the_most_observed_names_keep_their_sums() -> None:
    """The rest are added up as ``other``; ties go by name, and Stretto's own names are never folded."""
    calls = {("Bash", "success"): 5, ("Read", "success"): 3, ("x", "failure"): 1, ("a", "success"): 1}
    folded = fold(sums_of(calls=calls, call_time={("x", 7): 1, ("Read", 7): 2}), 3)
    assert sum_by(folded, measures.CALLS, Dimension.TOOL) == {"Bash": 5, "Read": 3, "a": 1, OTHER: 1}
    assert folded["call_time"] == {(OTHER, 7): 1, ("Read", 7): 2}
    own = {(name, "success"): 1 for name in (MAIN, NONE, OTHER)}
    few = sums_of(calls={**own, ("Bash", "success"): 2, ("Read", "success"): 1})
    assert fold(few, 1)["calls"] == {**own, ("Bash", "success"): 2, (OTHER, "success"): 2}


def test_within_the_budget_nothing_is_folded() -> None:
    """As many names as the budget allows keep their sums, and nothing is reported."""
    sums = sums_of(calls={(f"tool{number}", "success"): 1 for number in range(5)})
    assert choose_name_budget(list_cells_that_rank_names(sums), 5) is None
    assert fold(sums, 5) is sums
    assert describe_folded_names({}) is None


def test_sums_of_a_newer_version_are_left_as_they_are() -> None:
    """A machine that is newer than its hub takes no page away, however many names there are."""
    sums = sums_of(calls={(f"tool{number}", "success"): 1 for number in range(5)})
    newer: Sums = {**sums, "measure of the future": {("x", "y", 3): 7}}
    folded = fold(newer, 2)
    assert folded["measure of the future"] == {("x", "y", 3): 7}
    assert folded["calls"] == fold(sums, 2)["calls"]


def test_parallel_work_of_folded_patterns_has_no_identity() -> None:
    """Its task types stay in the signature for baselines by type; only its measured runs are lost."""
    tasks = {
        ("release", "prd,review#1", "review", "delivered"): 9,
        ("rare", "prd,review#2", "review", "delivered"): 1,
    }
    fanouts = {("release", "prd,review#1"): 9, ("rare", "prd,review#2"): 1}
    folded = fold(sums_of(verdict_tasks=tasks, verdict_fanouts=fanouts), 1)
    assert folded["verdict_fanouts"] == {("release", "prd,review#1"): 9, (OTHER, "prd,review"): 1}


def test_endless_mixes_of_task_types_keep_their_number_of_tasks() -> None:
    """A mix beyond the budget becomes as many tasks of the type ``other``."""
    fanouts = {("p", ",".join([f"t{number}"] * number)): 1 for number in range(1, 9)}
    tasks = {(*key, key[1].split(",")[0], "delivered"): 10 - len(key[1]) for key in fanouts}
    folded = fold(sums_of(verdict_fanouts=fanouts, verdict_tasks=tasks), 3)
    signatures = sum_by(folded, measures.VERDICT_FANOUTS, Dimension.SIGNATURE)
    assert sorted(len(signature.split(",")) for signature in signatures) == [*range(1, 9)]
    assert ",".join([OTHER] * 8) in signatures


@settings(max_examples=20)
@given(data=st.data())
def test_folding_keeps_every_total(data: st.DataObject) -> None:
    """Whatever the names and the budget: totals stay, and no dimension has more names than the budget."""
    names = st.sampled_from([f"n{number}" for number in range(12)])
    sums: dict[str, dict[tuple[str | int, ...], int]] = {}
    for measure in (measures.TASKS, measures.WORK_ENDS, measures.CALLS, measures.SCORE_SUM):
        dimensions = MEASURES[measure].dimensions
        cell = st.tuples(*(names if d in WEIGHED_BY else st.just(VALUES.get(d, "x")) for d in dimensions))
        sums[measure] = data.draw(st.dictionaries(cell, st.integers(1, 9), max_size=15))
    most = data.draw(st.integers(1, 12))
    folded = fold(sums, most)
    for measure in sums:
        assert sum_up(folded, measure) == sum_up(sums, measure)
    for measure, dimension in ((measures.WORK_ENDS, Dimension.AGENT), (measures.CALLS, Dimension.TOOL)):
        assert len(sum_by(folded, measure, dimension).keys() - {OTHER}) <= most


def test_a_large_window_is_folded_while_it_is_read(tmp_path: Path) -> None:
    """Reading row by row gives the same sums and the same folded names as reading all and folding then."""
    connection = open_writer(tmp_path / "stretto.db")
    try:
        write_names(connection, 150, 300)
        for window, tools in ((86_400, 87), (604_800, 150)):
            at_once, by_row = (
                read_window_sums(connection, NOW, window, most_names=7, most_signatures=5, most_cells=most)
                for most in (10**9, 0)
            )
            assert at_once == by_row
            assert at_once.names_in_other[Dimension.TOOL] == tools - 7
    finally:
        connection.close()


def test_days_are_folded_by_the_names_of_all_days() -> None:
    """A name that is kept on one day is kept on all, so that days can be compared."""
    days: dict[int, Sums] = {
        day: sums_of(
            calls={(f"tool{day}-{number}", "success"): 1 for number in range(60)} | {("Bash", "x"): 9}
        )
        for day in (1, 2)
    }
    folded = fold_slots(days)
    assert all(("Bash", "x") in sums["calls"] for sums in folded.values())
    kept = {dims for sums in folded.values() for dims in sums["calls"]}
    assert len({name for name, _ in kept} - {OTHER}) == MOST_NAMES


def test_folded_names_are_a_problem_and_a_series(tmp_path: Path) -> None:
    """The service names the kinds and numbers, and exports them by label."""
    config = load_config({}, tmp_path, state=str(tmp_path / "state"))
    connection = open_writer(config.database)
    write_names(connection, 120, 120)
    connection.close()
    service = Service(config, version="1", clock=lambda: NOW, sender=NullSender())
    try:
        service.worker.snapshot = take(service.worker.writer)
        problems = [problem for problem in service.list_problems() if "added up as 'other'" in problem]
        assert len(problems) == 1
        assert "20 of agent" in problems[0]
        figures = {(figure.name, figure.labels): figure.value for figure in service.list_own_figures()}
        assert figures["stretto_names_folded", (("label", "agent"),)] == 20
    finally:
        service.stop()


def test_the_crowd_of_other_agents_is_no_bottleneck(tmp_path: Path) -> None:
    """Rare agents may have the most time together; the bottleneck is a single agent all the same."""
    connection = open_writer(tmp_path / "stretto.db")
    try:
        write_names(connection, 300, 300)
        snapshot = take(connection)
        assert snapshot.folded_names[Dimension.AGENT] == 200
        assert {bottleneck.agent for bottleneck in snapshot.bottlenecks.values()} == {"agent-00000"}
    finally:
        connection.close()
