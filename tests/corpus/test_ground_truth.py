"""Real workflow executions: figures agree with values that these tests compute from the raw runs."""

from __future__ import annotations

import csv
import gzip
import json
import math
import re
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import ROOT, store
from tests.scenes import BEGIN, by_description, conclude_scene

from stretto.clock import SECOND
from stretto.figures.critical_path import compute_slack, find_critical_path, measure_fanout_path_length
from stretto.figures.fanouts import find_fanouts
from stretto.figures.wall_time_parts import WallPart, measure_wall_time
from stretto.figures.work_tree import build_work_tree
from stretto.model.entities import Session
from stretto.model.event import Channel, Event, Kind, Outcome
from stretto.names import MAIN
from stretto.summaries.session_json import build_session_document
from stretto.summaries.session_summary import summarise_session

DATA = ROOT.parent / "shared" / "data"
TRACES = DATA / "exec-openproblems-trace"
INSTANCES = DATA / "exec-wfinstances"

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the recordings are not here: {DATA}"),
]

Run = tuple[str, int, int, bool]
"""(name, start, end in ns, whether it failed)."""

STATED = {
    "2021-03-04": (217, 8, 4_176, 91_420, 62),
    "2022-05-13": (864, 12, 2_503, 133_863, 331),
    "2022-05-15": (1_368, 516, 65_810, 1_318_445, 232),
}
"""What was counted of each trace: tasks, failures, wall seconds, summed seconds, most at once."""


def as_events(runs: list[Run], session: str = "truth") -> list[Event]:
    """Return the events that a program with these tasks would report through the Python API."""
    first, last = min(run[1] for run in runs), max(run[2] for run in runs)
    told = [Event(kind=Kind.SESSION_START, session=session, time=first, channel=Channel.API)]
    for number, (name, start, end, failed) in enumerate(runs):
        outcome = Outcome.FAILURE if failed else Outcome.SUCCESS
        same: dict[str, Any] = {"session": session, "id": f"t{number}", "channel": Channel.API, "name": name}
        told.append(Event(kind=Kind.TASK_START, time=start, type="step", **same))
        told.append(Event(kind=Kind.TASK_END, time=end, outcome=outcome, **same))
    return [*told, Event(kind=Kind.SESSION_END, session=session, time=last, channel=Channel.API)]


def longest_chain(runs: list[Run]) -> int:
    """Return the length (ns) of the chain of last finishers, computed forwards by dynamic programming."""
    order = sorted((run for run in runs if run[2] > run[1]), key=lambda run: (run[2], -run[1]))
    ends = [run[2] for run in order]
    chains: list[int] = []
    # In the order of ends, what had finished before a run began has its chain already.
    for _, start, end, _ in order:
        before = bisect_right(ends, start)
        chains.append(end - start + (chains[before - 1] if before else 0))
    return chains[-1]


def assert_true(session: Session, runs: list[Run]) -> None:
    """Find makespan, work and critical path of a session to be what the runs give by themselves."""
    makespan = max(run[2] for run in runs) - min(run[1] for run in runs)
    work = sum(run[2] - run[1] for run in runs)
    path, parts = find_critical_path(session), measure_wall_time(session)
    assert path is not None
    assert path.elapsed == sum(parts.values()) == makespan
    assert sum(task.interval.length for task in session.tasks if task.interval) == work
    assert sum(path.by_task.values()) == longest_chain(runs)
    assert path.length == sum(path.by_task.values()) + path.by_agent.get(MAIN, 0)
    assert path.length <= path.elapsed
    busy = parts.get(WallPart.PARALLEL, 0) + parts.get(WallPart.SINGLE, 0)
    assert sum(path.by_task.values()) <= busy <= work
    slack = compute_slack(build_work_tree(session)).tasks
    assert all(slack[name] == 0 for name in path.by_task)
    for found in find_fanouts(session.tasks):
        assert measure_fanout_path_length(found) <= found.elapsed <= found.work


# Traces with start and duration.


def traced(path: Path) -> list[Run]:
    """Return the runs of an execution trace."""
    found = []
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            submitted = datetime.strptime(row["submit"], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
            start = int(submitted.timestamp()) * SECOND + submitted.microsecond * 1_000
            end = start + round(spoken_seconds(row["duration"]) * SECOND)
            found.append((row["name"], start, end, row["status"] == "FAILED"))
    return found


def spoken_seconds(text: str) -> float:
    """Return a duration such as ``1h 7m 8s``, ``13.9s`` or ``468ms`` in seconds."""
    sizes = {"d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 0.001}
    parts = re.findall(r"([\d.]+)(ms|[dhms])", text)
    assert parts, text
    return sum(float(amount) * sizes[unit] for amount, unit in parts)


@pytest.mark.parametrize("day", STATED)
def test_a_trace_of_a_workflow_is_measured_as_its_rows_say(day: str) -> None:
    """Tasks, failures, makespan, work, width and critical path of hundreds of overlapping tasks."""
    (path,) = TRACES.glob(f"execution_trace_{day}_*.tsv")
    runs = traced(path)
    session = conclude_scene(as_events(runs))
    assert_true(session, runs)
    tasks, failures, wall, summed, at_once = STATED[day]
    assert (len(session.tasks), sum(t.outcome is Outcome.FAILURE for t in session.tasks)) == (tasks, failures)
    assert build_work_tree(session).length / SECOND == pytest.approx(wall, abs=1)
    assert sum(t.interval.length for t in session.tasks if t.interval) / SECOND == pytest.approx(
        summed, abs=1
    )
    assert max(found.width for found in find_fanouts(session.tasks)) == at_once


def test_a_trace_through_the_store_gives_the_same_document(tmp_path: Path) -> None:
    """Journal and store give the same path and wall time, and the parts add up."""
    (path,) = TRACES.glob("execution_trace_2022-05-15_*.tsv")
    runs = traced(path)
    with store(tmp_path) as opened:
        opened.take(as_events(runs))
        found = summarise_session(opened.connection, "truth", by_description, {})
    assert found is not None
    told = build_session_document(found)
    makespan = (max(run[2] for run in runs) - min(run[1] for run in runs)) / SECOND
    assert math.isclose(sum(told["wall_time"].values()), makespan, rel_tol=1e-6)
    on_path = sum(task["seconds"] for task in told["critical_path"]["tasks"])
    assert math.isclose(on_path, longest_chain(runs) / SECOND, rel_tol=1e-6)
    node = told["efficiency"]
    assert math.isclose(node["efficiency"], node["load_balance"] * node["concurrency"] * node["delivery"])
    lost = sum(node["lost_seconds"].values())
    assert math.isclose(node["delivered_work_seconds"] + lost, node["capacity_seconds"], rel_tol=1e-6)


# Workflows with a graph and runtimes, but no starts: run here, each task as soon as it can be.


def instance(file: str) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Return an execution's runtimes (ns) and parents by task."""
    path = INSTANCES / file
    packed = path.with_name(path.name + ".gz")
    data = path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes())
    workflow = json.loads(data)["workflow"]
    runtimes = {
        task["id"]: round(task["runtimeInSeconds"] * SECOND) for task in workflow["execution"]["tasks"]
    }
    parents = {task["id"]: task["parents"] for task in workflow["specification"]["tasks"]}
    return runtimes, parents


def scheduled(runtimes: dict[str, int], parents: dict[str, list[str]], lanes: int) -> list[Run]:
    """Run a workflow on a number of lanes: a ready task takes the first free lane."""
    waiting = {name: len(parents[name]) for name in runtimes}
    children: dict[str, list[str]] = {}
    for name in runtimes:
        for parent in parents[name]:
            children.setdefault(parent, []).append(name)
    ready = sorted(name for name, count in waiting.items() if not count)
    running: list[tuple[int, str]] = []
    runs, now = [], BEGIN
    while ready or running:
        while ready and len(running) < lanes:
            name = ready.pop(0)
            runs.append((name, now, now + runtimes[name], False))
            heappush(running, (now + runtimes[name], name))
        now, name = heappop(running)
        for child in children.get(name, ()):
            waiting[child] -= 1
            if not waiting[child]:
                ready.append(child)
    assert len(runs) == len(runtimes)
    return runs


def longest_path(runtimes: dict[str, int], parents: dict[str, list[str]]) -> int:
    """Return the longest chain of runtimes (ns) through a graph."""
    lengths: dict[str, int] = {}
    pending = list(runtimes)
    while pending:
        name = pending.pop()
        missing = [parent for parent in parents[name] if parent not in lengths]
        if missing:
            pending += [name, *missing]
        else:
            lengths[name] = runtimes[name] + max((lengths[parent] for parent in parents[name]), default=0)
    return max(lengths.values())


def instances() -> Iterator[dict[str, str]]:
    """Yield the rows of the executions' table."""
    if INSTANCES.is_dir():
        with (INSTANCES / "manifest.tsv").open(encoding="utf-8", newline="") as lines:
            yield from csv.DictReader(lines, delimiter="\t")


@pytest.mark.parametrize("row", list(instances()), ids=lambda row: Path(row["file"]).stem)
def test_a_workflow_takes_its_longest_path_and_on_few_lanes_longer(row: dict[str, str]) -> None:
    """With a lane for every task elapsed is T∞ of the graph; with four it is between that and the work."""
    runtimes, parents = instance(row["file"])
    assert len(runtimes) == int(row["tasks"])
    longest = longest_path(runtimes, parents)
    assert longest / SECOND == pytest.approx(float(row["critical_path_s"]), rel=1e-6, abs=1e-2)
    for lanes in (len(runtimes), 4):
        runs = scheduled(runtimes, parents, lanes)
        session = conclude_scene(as_events(runs))
        assert_true(session, runs)
        path = find_critical_path(session)
        assert path is not None
        # Each task began when another finished or at once: nobody but tasks is on the path.
        assert sum(path.by_task.values()) == path.length == path.elapsed
        assert longest <= path.length <= sum(runtimes.values())
        if lanes == len(runtimes):
            assert path.length == longest
        else:
            assert all(found.width <= lanes for found in find_fanouts(session.tasks))
