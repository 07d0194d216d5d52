from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.figures.figure import Figure
from stretto.figures.parallel_work_against_baselines import ParallelWork, build_mixes, sum_parallel_by_type
from stretto.figures.scores.agent_score import compute_agent_score
from stretto.figures.scores.composite import CompositeScore
from stretto.figures.scores.efficiency_dimensions import (
    DIMENSIONS,
    EfficiencyInputs,
    compute_efficiency_score,
)
from stretto.figures.scores.look_up_figures_for_scores import PublishedFigures
from stretto.figures.sequential_baseline_choice import Provenance
from stretto.figures.sums_by_dimension import Sums
from stretto.model.event import Outcome
from tests.scenes import Drawing, conflict, delivery, frame_drawing, one_by_one, retried, straggler
from tests.scored import RULES, by_work, sums_of

WINDOW = (("window", "1h"),)


def figure(name: str, value: float, **labels: str) -> Figure:
    """A published figure of the window."""
    return Figure(f"stretto_{name}", (*labels.items(), *WINDOW), value, 1)


def machine(used: float, evenness: float = 0.75) -> Sums:
    """Return the sums of a session with enough samples."""
    return {
        "session_machine_use": {(round(used * 100),): 1},
        "sampled_sessions": {(): 1},
        "memory_evenness": {(): round(evenness * 1_000_000)},
    }


def reported() -> list[Figure]:
    """Return figures of tokens and wall time."""
    return [
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
    """Every number of the worked example; the range is 0.50 to 0.77, too wide for a number."""
    given_ = shown(sums_of(delivery()))
    assert parts(given_, "time") == pytest.approx(
        {"expected": 12 / 60, "improvement": 0, "busy": 100 / 140, "handover": 90 / 100}
    )
    assert parts(given_, "resource") == pytest.approx(
        {"cpu": None, "memory": None, "concurrency": 90 / 120, "cache": None}
    )
    assert parts(given_, "quality") == pytest.approx(
        {"success": 2 / 3, "errors": 5 / 6, "retries": 0.9, "quality": None}
    )
    assert parts(given_, "workflow") == {"phases": 1, "integration": 1, "working": None, "recovery": 1}
    found = compute_efficiency_score(given_)
    ranges = {name: (one.low, one.high) for name, one in found.dimensions.items()}
    assert ranges["time"] == pytest.approx((0.45357, 0.45357), abs=1e-5)
    assert ranges["resource"] == pytest.approx((0.1875, 0.9375))
    assert ranges["quality"] == pytest.approx((0.78519, 0.81296), abs=1e-5)
    assert ranges["workflow"] == pytest.approx((0.75, 1))
    assert found.score.value is None
    assert (found.score.low, found.score.high) == pytest.approx((0.50112, 2 / 3), abs=1e-5)
    assert found.score.coverage == pytest.approx(1 - (0.77056 - 0.50112), abs=1e-5)
    assert found.dimensions["resource"].reason == (
        "between 19% and 94% (cpu: no session has five samples of the machine; memory: no session has five"
        " samples of its memory; cache: no source reported tokens)"
    )


def test_what_others_publish_completes_the_score() -> None:
    """Machine at 0.6 of 0.75, 3 of 4 GB, 800 of 2000 tokens from the cache; 60 s of work, 20 of waiting."""
    found = shown({**sums_of(delivery()), **machine(0.6)}, reported())
    assert parts(found, "resource") == pytest.approx(
        {"cpu": 0.8, "memory": 0.75, "concurrency": 0.75, "cache": 0.4}
    )
    assert parts(found, "workflow")["working"] == pytest.approx(0.75)
    score = compute_efficiency_score(found).score
    assert score.coverage == pytest.approx(1 - 0.25 * 0.02778, abs=1e-5)
    assert score.value is not None


def test_a_machine_and_a_memory_count_by_session() -> None:
    """The machine at 80 and at 38 %: 1 and 0.507. Fewer than five samples of a session count for nothing."""
    sums: Sums = {**machine(0.8), "session_machine_use": {(80,): 1, (38,): 1}}
    assert parts(shown(sums), "resource")["cpu"] == pytest.approx((1 + 0.38 / 0.75) / 2)

    def sampled(count: int) -> Drawing:
        drawing = frame_drawing(Drawing(), 9)
        for second in range(count):
            memory = 10 if second < 4 else 40
            drawing.sample(second, 1, memory=memory, memory_peak=memory, machine_busy=8, machine_available=10)
        return drawing

    assert parts(shown(sums_of(sampled(5))), "resource")["memory"] == pytest.approx(16 / 40)
    assert parts(shown(sums_of(sampled(5))), "resource")["cpu"] == 1
    few = parts(shown(sums_of(sampled(4))), "resource")
    assert (few["memory"], few["cpu"]) == (None, None)


@pytest.mark.parametrize(("used", "value"), [(0, 0), (0.375, 0.5), (0.75, 1), (0.8, 1), (0.85, 1), (1, 0)])
def test_a_machine_is_well_used_between_its_targets(used: float, value: float) -> None:
    """Idle and saturated are both 0, and 0 is known."""
    assert parts(shown(machine(used)), "resource")["cpu"] == pytest.approx(value, abs=0.01)


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
    assert parts(shown(sums_of(straggler())), "workflow")["recovery"] == 1
    assert parts(shown({}), "workflow")["recovery"] is None


def test_a_conflict_is_no_integration() -> None:
    """One fan-out was checked, and its results did not fit."""
    assert parts(shown(sums_of(conflict())), "workflow")["integration"] == 0


def test_nothing_known_is_withheld_everywhere() -> None:
    """In an empty window no part is 0 or invented, and each has a reason."""
    found = compute_efficiency_score(shown({}))
    assert (found.score.value, found.score.low, found.score.coverage) == (None, None, 0)
    for one in found.dimensions.values():
        assert one.value is None
        assert all(part.value is None and part.reason for part in one.parts)


def test_tasks_one_after_another_have_no_parallel_parts() -> None:
    """Nothing ran in parallel: of the time dimension only the busy share of the single agent applies."""
    found = compute_efficiency_score(shown(sums_of(one_by_one()))).dimensions["time"]
    assert [part.name for part in found.parts if part.applies] == ["busy"]
    assert found.value == pytest.approx(100 / 120)


def test_by_pattern_only_what_is_known_by_pattern_counts() -> None:
    """Machine, tokens and wall time do not exist by pattern: they have no weight there."""
    found = compute_efficiency_score(replace(shown(sums_of(delivery())), is_of_pattern=True)).dimensions
    left_out = {part.name for one in found.values() for part in one.parts if not part.applies}
    assert left_out == {"cpu", "memory", "cache", "working"}
    assert found["resource"].value == pytest.approx(90 / 120)


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
    sums = {**sums_of(drawing.stop(110).ends(120)), **machine(used)}
    found = compute_efficiency_score(shown(sums, reported()))
    assert set(found.dimensions) == set(DIMENSIONS)
    for one in (found.score, *found.dimensions.values()):
        assert one.value is None or 0 <= one.value <= 1
        assert (one.value is None) == (one.reason is not None)
        assert (one.low is None) == (one.high is None)
        assert one.low is None or 0 <= one.low <= (one.high or 0) <= 1
        for part in one.parts:
            assert part.value is None or 0 <= part.value <= 1
            assert (part.value is None) == (part.reason is not None)


def test_a_session_whose_tasks_all_failed_scores_nothing() -> None:
    """Whatever its phases and its machine did, the score is capped at the delivered share."""
    failed = Drawing("failed")
    for name in "ab":
        failed.task(name, 1, 10, name, outcome=Outcome.FAILURE)
    sums = {**sums_of(frame_drawing(failed, 20)), **machine(0.8)}
    found = compute_efficiency_score(shown(sums, reported()))
    assert (found.score.value or 0, found.score.high) == (0, 0)


OUTCOMES = (Outcome.SUCCESS, Outcome.CANCELLED, Outcome.UNKNOWN)


@settings(max_examples=25)
@given(
    tasks=st.lists(
        st.tuples(st.integers(0, 20), st.integers(1, 40), st.sampled_from(OUTCOMES)), min_size=2, max_size=5
    ),
    failing=st.sets(st.integers(0, 4)),
)
def test_failing_never_raises_a_score(tasks: list[tuple[int, int, Outcome]], failing: set[int]) -> None:
    """Tasks of a turn fail instead: neither number nor range rises; an absent number is the lowest."""

    def score(fails: set[int]) -> list[CompositeScore]:
        drawing = Drawing().opens().prompt(0)
        for number, (start, length, outcome) in enumerate(tasks):
            drawing.order(f"call-{number}", start, f"job {number}").run(f"t{number}", start, start + length)
            end = start + length
            drawing.answer(
                f"call-{number}", end, f"t{number}", outcome=Outcome.FAILURE if number in fails else outcome
            )
        sums = {**sums_of(drawing.stop(110).ends(120)), **machine(0.8)}
        agent = compute_agent_score(sums, "worker", RULES)
        return [agent, compute_efficiency_score(shown(sums, reported())).score]

    for before, after in zip(score(set()), score(failing), strict=True):
        for name in ("value", "low", "high"):
            old, new = getattr(before, name), getattr(after, name)
            assert (-1 if new is None else new) <= (-1 if old is None else old) + 1e-9
