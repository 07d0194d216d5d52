from __future__ import annotations

import math

import pytest
from hypothesis import given

from stretto.clock import SECOND
from stretto.figures.critical_path import measure_fanout_path_length
from stretto.figures.efficiency_tree import (
    EfficiencyNode,
    Factor,
    build_efficiency_tree,
    compute_efficiency_figures,
    measure_efficiency,
)
from stretto.figures.fanouts import find_fanouts
from stretto.figures.sums_by_dimension import Sums
from stretto.model.entities import Phase, Task
from stretto.model.event import Outcome
from stretto.names import NONE
from tests.paper import SCENES, read_figures
from tests.scenes import conclude_scene
from tests.schedules import session, task, tasks_at_random


def phase(name: str, start: int, end: int) -> Phase:
    """Return a phase that succeeded."""
    return Phase(name, name, start, end, Outcome.SUCCESS)


@pytest.mark.parametrize("scene", read_figures("Efficiency, level by level"))
def test_a_scene_has_the_figures_in_the_docs(scene: str) -> None:
    """Work, capacity, the loss of each factor and the fan-out's path equal the numbers in the docs."""
    (found,) = find_fanouts(conclude_scene(SCENES[scene]().events).tasks)
    node = measure_efficiency(found)
    computed = {
        "work": node.work,
        "delivered work": node.delivered_work,
        "capacity": node.capacity,
        **{factor.value: lost for factor, lost in node.lost.items()},
        "critical path": measure_fanout_path_length(found),
    }
    written = read_figures("Efficiency, level by level")[scene]
    assert {name: length / SECOND for name, length in computed.items()} == written


def test_every_scene_with_a_fanout_is_on_paper() -> None:
    """The table leaves none out."""
    having = {name for name, draw in SCENES.items() if find_fanouts(conclude_scene(draw().events).tasks)}
    assert read_figures("Efficiency, level by level").keys() == having


def test_a_session_and_its_phases_are_sums_of_fanouts() -> None:
    """A fan-out has its phase from its tasks, another by time, and a third has none."""
    named = [Task(name, "t", None, None, None, None, 0, 10, Outcome.SUCCESS, "plan") for name in "ab"]
    tasks = (*named, task("c", 20, 40), task("d", 30, 40), task("e", 50, 60), task("f", 50, 60))
    phases = (phase("build", 15, 45), phase("whole", 0, 48), phase("other", 0, 12))
    drawn = session(tasks=tasks, phases=phases)
    tree = build_efficiency_tree(drawn, find_fanouts(tasks))
    assert tree is not None
    assert tree.phases == {
        "plan": EfficiencyNode(1, 10, 20, 20, 20, 20, 2, 2),
        "build": EfficiencyNode(1, 20, 30, 40, 40, 30, 2, 2),
        NONE: EfficiencyNode(1, 10, 20, 20, 20, 20, 2, 2),
    }
    assert tree.session == EfficiencyNode(3, 40, 70, 80, 80, 70, 6, 6)
    assert tree.session.factors == {
        Factor.LOAD_BALANCE: 70 / 80,
        Factor.CONCURRENCY: 1,
        Factor.DELIVERY: 1,
    }


def test_tasks_of_two_phases_are_of_none() -> None:
    """A fan-out across phases belongs to neither, unless a phase encloses it."""
    tasks = [
        Task(name, "t", None, None, None, None, 0, 10, Outcome.SUCCESS, own)
        for name, own in (("a", "x"), ("b", "y"))
    ]
    tree = build_efficiency_tree(session(tasks=tuple(tasks)), find_fanouts(tasks))
    assert tree is not None
    assert tree.phases.keys() == {NONE}


def test_without_a_fanout_there_is_no_tree() -> None:
    """Nothing ran side by side: no efficiency, not efficiency 0."""
    assert build_efficiency_tree(session(), ()) is None


def test_each_factors_loss_is_a_figure_by_pattern() -> None:
    """Lane time in seconds from the window's sums; a window without a fan-out has none."""
    key = ("release",)
    sums: Sums = {
        "fanouts": {key: 2},
        "pattern_elapsed": {key: 90 * SECOND},
        "pattern_work": {key: 195 * SECOND},
        "pattern_delivered_work": {key: 156 * SECOND},
        "pattern_tasks": {key: 6},
        "pattern_delivered": {key: 5},
        "empty_in_balance": {key: 7 * SECOND},
        "empty_in_concurrency": {key: 2 * SECOND},
        "longest_lane": {key: 255 * SECOND},
        "capacity": {key: 270 * SECOND},
    }
    found = {
        (f.name, dict(f.labels).get("factor")): (f.value, f.count)
        for f in compute_efficiency_figures("1h", sums)
    }
    assert found == {
        ("stretto_window_fanouts", None): (2, 2),
        ("stretto_pattern_elapsed_seconds", None): (90, 2),
        ("stretto_pattern_work_seconds", None): (195, 2),
        ("stretto_pattern_delivered_work_seconds", None): (156, 2),
        ("stretto_pattern_capacity_seconds", None): (270, 2),
        ("stretto_pattern_longest_lane_seconds", None): (255, 2),
        ("stretto_pattern_tasks", None): (6, 6),
        ("stretto_pattern_delivered_tasks", None): (5, 6),
        ("stretto_parallel_efficiency_ratio", None): (156 / 270, 2),
        ("stretto_load_balance_ratio", None): (195 / 255, 2),
        ("stretto_concurrency_ratio", None): (255 / 270, 2),
        ("stretto_delivery_ratio", None): (0.8, 2),
        ("stretto_efficiency_lost_seconds", "load_balance"): (53, 2),
        ("stretto_efficiency_lost_seconds", "concurrency"): (13, 2),
        ("stretto_efficiency_lost_seconds", "delivery"): (48, 2),
    }
    assert list(compute_efficiency_figures("1h", {})) == []


@given(tasks_at_random())
def test_factors_multiply_to_the_whole_on_every_level(tasks: tuple[Task, ...]) -> None:
    """Delivered work and the losses sum to the capacity, to the nanosecond."""
    found = find_fanouts(tasks)
    tree = build_efficiency_tree(session(tasks=tasks, phases=(phase("first", 0, 30),)), found)
    nodes = [measure_efficiency(one) for one in found]
    if tree is not None:
        nodes += [tree.session, *tree.phases.values()]
        assert (
            sum(node.lost[Factor.CONCURRENCY] for node in tree.phases.values())
            == tree.session.lost[Factor.CONCURRENCY]
        )
    for node in nodes:
        assert math.isclose(node.efficiency, math.prod(node.factors.values()))
        assert all(0 <= factor <= 1 for factor in node.factors.values())
        assert all(share > 0 for factor, share in node.factors.items() if factor is not Factor.DELIVERY)
        assert all(lost >= 0 for lost in node.lost.values())
        assert node.delivered_work + sum(node.lost.values()) == node.capacity
