from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.figures.baseline_comparison import ParallelWork, build_mixes, sum_parallel_by_type
from stretto.figures.baselines import Provenance
from stretto.figures.figure import Figure
from stretto.figures.scores.efficiency_score import DIMENSIONS, EfficiencyInputs, compute_efficiency_score
from stretto.figures.scores.inputs import PublishedFigures
from stretto.figures.sum_reading import Sums
from stretto.model.event import Outcome
from tests.scenes import Drawing, conflict, delivery, frame_drawing, one_by_one, retried, straggler
from tests.scored import RULES, by_work, sums_of

WINDOW = (("window", "1h"),)


def figure(name: str, value: float, **labels: str) -> Figure:
    """A published figure of the window."""
    return Figure(f"stretto_{name}", (*labels.items(), *WINDOW), value, 1)


def machine(used: float) -> list[Figure]:
    """Return the figures that a sampled machine gives."""
    name = "agents_memory_quantile_bytes"
    return [
        figure("machine_cpu_ratio", used),
        figure(name, 3e9, stat="p50"),
        figure(name, 4e9, stat="p99"),
        figure("window_cache_read_tokens", 800, model="a"),
        figure("window_prompt_tokens", 1_000, model="a"),
        figure("window_prompt_tokens", 1_000, model="b"),
        figure("session_wall_seconds", 50, part="parallel"),
        figure("session_wall_seconds", 10, part="main_tools"),
        figure("session_wall_seconds", 20, part="waiting"),
        figure("session_wall_seconds", 900, part="idle"),
    ]


def shown(sums: Sums, figures: list[Figure] | None = None) -> EfficiencyInputs:
    """Show the sums, and other figures of the same window, with a target of 0.6."""
    parallel = sum_parallel_by_type(build_mixes(sums, by_work))
    return EfficiencyInputs(sums, parallel, PublishedFigures(figures or [], "1h"), lambda _name: 0.6, RULES)


def held(sequential: float, elapsed: int) -> dict[tuple[str, Provenance], ParallelWork]:
    """Return reviews side by side, of such lengths."""
    return {("review", Provenance.WORK): ParallelWork(2, elapsed, elapsed, sequential)}


def parts(given_: EfficiencyInputs, dimension: str) -> dict[str, float | None]:
    """Return the parts of a dimension."""
    return {part.name: part.value for part in compute_efficiency_score(given_).dimensions[dimension].parts}


def test_the_delivery_is_scored_as_on_paper() -> None:
    """Every number of the worked example; resource is withheld, because only 1 of its 4 parts is known."""
    given_ = shown(sums_of(delivery()))
    assert parts(given_, "time") == pytest.approx(
        {"expected": 12 / 60, "improvement": 0, "busy": 100 / 140, "handover": 90 / 100}
    )
    assert parts(given_, "resource") == pytest.approx(
        {"cpu": None, "memory": None, "concurrency": 90 / 120, "cache": None}
    )
    assert parts(given_, "quality") == pytest.approx(
        {"success": 2 / 3, "errors": 5 / 6, "retries": 0.9, "quality": 0.833333}, abs=1e-5
    )
    assert parts(given_, "workflow") == {"phases": 1, "integration": 1, "working": None, "recovery": 1}
    found = compute_efficiency_score(given_)
    assert {name: one.value for name, one in found.dimensions.items()} == pytest.approx(
        {"time": 0.45357, "resource": None, "quality": 0.80833, "workflow": 1}, abs=1e-5
    )
    assert found.score.value == pytest.approx(2 / 3)
    assert found.score.coverage == pytest.approx(0.7)
    assert found.coverage == pytest.approx(0.3 + 0.3 / 4 + 0.25 + 0.15 * 3 / 4)
    assert found.dimensions["resource"].reason == (
        "1 of 4 parts known (cpu: the machine was not sampled; memory: the agents' memory was not sampled;"
        " cache: no source reported tokens)"
    )


def test_what_others_publish_completes_the_score() -> None:
    """Machine at 0.6 of 0.75, 3 of 4 GB, 800 of 2000 tokens from the cache; 60 s of work, 20 of waiting."""
    found = shown(sums_of(delivery()), machine(0.6))
    assert parts(found, "resource") == pytest.approx(
        {"cpu": 0.8, "memory": 0.75, "concurrency": 0.75, "cache": 0.4}
    )
    assert parts(found, "workflow")["working"] == pytest.approx(0.75)
    assert compute_efficiency_score(found).coverage == pytest.approx(1)


@pytest.mark.parametrize(("used", "value"), [(0, 0), (0.375, 0.5), (0.75, 1), (0.8, 1), (0.85, 1), (1, 0)])
def test_a_machine_is_well_used_between_its_targets(used: float, value: float) -> None:
    """Idle and saturated are both 0, and 0 is known."""
    assert parts(shown({}, machine(used)), "resource")["cpu"] == pytest.approx(value, abs=1e-9)


def test_slower_than_one_after_another_is_zero_and_never_less() -> None:
    """Parallel work that cost time saved nothing."""
    slow = replace(shown({}), parallel=held(60, 90))
    found = parts(slow, "time")
    assert found["improvement"] == 0
    assert found["expected"] == pytest.approx(24 / 90)


def test_better_than_the_target_is_one_and_never_more() -> None:
    """Ten times as fast, at a target of 2.5 times."""
    fast = replace(shown({}), parallel=held(100, 10))
    found = parts(fast, "time")
    assert (found["improvement"], found["expected"]) == (1, 1)


def test_a_failure_tried_again_in_vain_counts_once() -> None:
    """Two failures of a task, recovered by the third try: a single failure, recovered."""
    assert parts(shown(sums_of(retried())), "workflow")["recovery"] == 1
    assert parts(shown(sums_of(straggler())), "workflow")["recovery"] is None


def test_a_conflict_is_no_integration() -> None:
    """One fan-out was checked, and its results did not fit."""
    assert parts(shown(sums_of(conflict())), "workflow")["integration"] == 0


def test_nothing_known_is_withheld_everywhere() -> None:
    """In an empty window no part is 0 or invented, and each has a reason."""
    found = compute_efficiency_score(shown({}))
    assert (found.score.value, found.coverage) == (None, 0)
    for one in found.dimensions.values():
        assert one.value is None
        assert all(part.value is None and part.reason for part in one.parts)


def test_tasks_one_after_another_have_no_parallel_parts() -> None:
    """Of the time dimension only the busy share of the single agent is known: 1 of 4 parts."""
    found = compute_efficiency_score(shown(sums_of(one_by_one())))
    assert found.dimensions["time"].value is None
    assert parts(shown(sums_of(one_by_one())), "time")["busy"] == pytest.approx(100 / 120)


@given(
    tasks=st.lists(
        st.tuples(st.integers(0, 60), st.integers(1, 40), st.sampled_from(["review", "plan"]), st.booleans()),
        max_size=6,
    ),
    used=st.floats(0, 1),
)
def test_every_score_lies_between_nothing_and_everything(
    tasks: list[tuple[int, int, str, bool]], used: float
) -> None:
    """Whatever is drawn: parts, dimensions and the score are from 0 to 1, or withheld with a reason."""
    drawing = Drawing().opens().prompt(0)
    for number, (start, length, about, _) in enumerate(tasks):
        drawing.task(f"t{number}", start, start + length, about)
    found = compute_efficiency_score(shown(sums_of(drawing.stop(110).ends(120)), machine(used)))
    assert set(found.dimensions) == set(DIMENSIONS)
    for one in (found.score, *found.dimensions.values()):
        assert one.value is None or 0 <= one.value <= 1
        assert (one.value is None) == (one.reason is not None)
        for part in one.parts:
            assert part.value is None or 0 <= part.value <= 1
            assert (part.value is None) == (part.reason is not None)
    assert 0 <= found.coverage <= 1 + 1e-9


def test_a_session_whose_tasks_all_failed_scores_nothing() -> None:
    """Whatever its phases and its machine did, the score is capped at the delivered share."""
    failed = Drawing("failed")
    for name in "ab":
        failed.task(name, 1, 10, name, outcome=Outcome.FAILURE)
    found = compute_efficiency_score(shown(sums_of(frame_drawing(failed, 20)), machine(0.8)))
    assert found.score.value == 0
