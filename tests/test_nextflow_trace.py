"""Nextflow traces: each row is a task that ran for its realtime until its end; so is each retry."""

from __future__ import annotations

from pathlib import Path

import pytest

from stretto.figures.fanouts import find_fanouts
from stretto.model.event import Outcome
from stretto.sources.histories.importable_files import find_files
from stretto.sources.workflows.nextflow_trace import parse_duration
from tests.fakes import ROOT
from tests.histories import conclude_only, read_whole

TRACE = """task_id\thash\tnative_id\tname\tstatus\texit\tsubmit\tduration\trealtime
1\taa/000001\t11\talign (s1)\tCOMPLETED\t0\t2026-01-05 10:00:00.000\t60s\t20s
2\taa/000002\t12\talign (s2)\tFAILED\t1\t2026-01-05 10:00:00.000\t50s\t30s
3\taa/000003\t13\talign (s2)\tCOMPLETED\t0\t2026-01-05 10:00:50.000\t1m 10s\t1m 5.5s
4\taa/000004\t14\tlist\tCACHED\t0\t2026-01-05 10:00:00.000\t1s\t1s
5\taa/000005\t15\tbroken\tCOMPLETED\t0\t-\t1s\t1s
"""

DATA = ROOT.parent / "shared" / "data"


def test_a_trace_is_a_session_of_tasks(tmp_path: Path) -> None:
    """The wait in the queue is no work; a failed task and its retry are two; a cached task is none."""
    path = tmp_path / "trace.txt"
    path.write_text(TRACE, encoding="utf-8")
    events, reasons = read_whole(path)
    session = conclude_only(events)
    assert reasons == ["no time"]
    assert (session.id, session.source) == ("nextflow-aa000001", "nextflow")
    lengths = [round(((task.end or 0) - (task.start or 0)) / 1e9, 1) for task in session.tasks]
    assert lengths == [30.0, 20.0, 65.5]
    assert [task.outcome for task in session.tasks] == [
        Outcome.FAILURE,
        Outcome.SUCCESS,
        Outcome.SUCCESS,
    ]
    assert {task.agent for task in session.tasks} == {"align"}


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("13ms", 13_000_000),
        ("7m 8s", 428 * 10**9),
        ("1h 2m 3.5s", 3723_500_000_000),
        ("-", None),
        ("468 B", None),
    ],
)
def test_durations_are_texts(text: str, nanoseconds: int | None) -> None:
    """Days to milliseconds, joined by spaces; an amount of bytes is none."""
    assert parse_duration(text) == nanoseconds


def test_an_instance_without_times_is_refused_by_name(tmp_path: Path) -> None:
    """WfFormat gives lengths and a graph; when a task ran is not in it, and is not made up."""
    path = tmp_path / "instance.json"
    path.write_text('{\n  "name": "x",\n  "schemaVersion": "1.5",\n  "workflow": {}\n}\n')
    found = find_files(path)
    assert found.histories == []
    assert found.refused == [(path, "a WfFormat instance: its tasks have lengths, but no times")]


@pytest.mark.corpus
@pytest.mark.skipif(not DATA.is_dir(), reason="the recordings are not beside the repository")
@pytest.mark.parametrize(
    ("name", "tasks", "failed"),
    [
        ("execution_trace_2021-03-04_04f4180b3c6", 217, 8),
        ("execution_trace_2022-05-13_6aeccdcfdc7", 864, 12),
        ("execution_trace_2022-05-15_ba9d01fe046", 1368, 516),
    ],
)
def test_real_executions_give_their_tasks(name: str, tasks: int, failed: int) -> None:
    """Numbers of tasks and failures by the README of the recorded traces; work is at least elapsed."""
    session = conclude_only(read_whole(DATA / "exec-openproblems-trace" / f"{name}.tsv")[0])
    assert len(session.tasks) == tasks
    assert sum(task.outcome is Outcome.FAILURE for task in session.tasks) == failed
    for fanout in find_fanouts(session.tasks):
        assert fanout.work >= fanout.elapsed
