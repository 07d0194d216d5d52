from __future__ import annotations

import json

import pytest

from stretto.clock import SECOND
from stretto.figures.fanouts import find_fanouts
from stretto.figures.session_analysis import (
    WhatIf,
    build_analysis_document,
    build_session_analysis,
    build_what_if_document,
    simulate_task_factor,
)
from stretto.figures.work_tree import build_work_tree
from stretto.model.event import Outcome
from tests.scenes import conclude_scene, idle_tail, nested, straggler
from tests.schedules import call, session, task


def test_the_structure_of_the_straggler() -> None:
    """The whole analysis as JSON: the path, the slack beside it, and the what-ifs."""
    drawn = conclude_scene(straggler().events)
    told = json.loads(
        json.dumps(
            build_analysis_document(build_session_analysis(drawn, find_fanouts(drawn.tasks))), allow_nan=False
        )
    )
    assert told["wall_time"] == {"parallel": 30, "single": 30}
    path = told["critical_path"]
    assert (path["seconds"], path["elapsed_seconds"]) == (60, 60)
    assert path["agents"] == [
        {"agent": "worker", "seconds": 55, "share": pytest.approx(55 / 60), "slack_seconds": 0},
        {"agent": "main", "seconds": 5, "share": pytest.approx(5 / 60), "slack_seconds": None},
    ]
    assert path["task_types"] == [
        {"task_type": "test_strategy", "seconds": 55, "share": pytest.approx(55 / 60), "slack_seconds": 0},
        {"task_type": "prd", "seconds": 0, "share": 0, "slack_seconds": 30},
        {"task_type": "architecture", "seconds": 0, "share": 0, "slack_seconds": 40},
    ]
    assert [(one["id"], one["slack_seconds"]) for one in path["tasks"]] == [
        ("straggler-c", 0),
        ("straggler-b", 30),
        ("straggler-a", 40),
    ]
    assert path["faster"] == [
        {
            "task": "straggler-c",
            "factor": 0.8,
            "elapsed_seconds": 60,
            "would_be_seconds": 49,
            "fanout_elapsed_seconds": 60,
            "fanout_would_be_seconds": 49,
        }
    ]
    assert path["pieces"] == [
        {
            "start": "2026-01-01T00:00:00.000000Z",
            "seconds": 5,
            "agent": "main",
            "task": None,
            "tool": None,
            "model": None,
        },
        {
            "start": "2026-01-01T00:00:05.000000Z",
            "seconds": 55,
            "agent": "worker",
            "task": "straggler-c",
            "tool": None,
            "model": None,
        },
    ]
    node = told["efficiency"]
    assert (node["fanouts"], node["work_seconds"], node["capacity_seconds"]) == (1, 105, 180)
    assert node["lost_seconds"] == {"load_balance": 60, "concurrency": 15, "delivery": 0}
    assert node["phases"]["none"]["efficiency"] == node["efficiency"] == pytest.approx(105 / 180)


def test_tools_and_models_are_named_in_the_pieces() -> None:
    """The idle tail: a model call, then a call of Bash."""
    drawn = conclude_scene(idle_tail().events)
    told = build_analysis_document(build_session_analysis(drawn, ()))
    pieces = told["critical_path"]["pieces"]
    assert [(one["tool"], one["model"]) for one in pieces[:3]] == [
        (None, "opus"),
        (None, None),
        ("Bash", None),
    ]
    assert told["efficiency"] is None
    assert told["critical_path"]["faster"] == []


def test_a_running_session_has_wall_time_and_no_path() -> None:
    """What decides its end is still to come."""
    running = session(30, end=None, outcome=Outcome.RUNNING, tool_calls=(call("c", 5, 10),))
    told = build_analysis_document(build_session_analysis(running, ()))
    assert told["critical_path"] is None
    assert told["wall_time"] == {"main_tools": 5 / SECOND, "unknown": 25 / SECOND}


def test_only_the_foremost_tasks_are_tried() -> None:
    """A session of many tasks is not simulated for each of them."""
    drawn = session(60, tasks=tuple(task(str(n), 4 * n, 4 * n + 3) for n in range(14)))
    assert len([*build_session_analysis(drawn, ()).simulate_what_ifs()]) == 10


def test_a_task_is_tried_in_its_fanout_and_in_the_session() -> None:
    """Nested: `right` at half its time ends before `left`; `outer` is in no fan-out."""
    drawn = conclude_scene(nested().events)
    root, found = build_work_tree(drawn), find_fanouts(drawn.tasks)
    tried = simulate_task_factor(root, found, "right", 0.5)
    assert tried == WhatIf("right", 0.5, 110 * SECOND, 100 * SECOND, 40 * SECOND, 30 * SECOND)
    outer = simulate_task_factor(root, found, "outer", 0.5)
    assert outer is not None
    assert build_what_if_document(outer)["fanout_would_be_seconds"] is None
    assert simulate_task_factor(root, found, "nobody", 0.5) is None
