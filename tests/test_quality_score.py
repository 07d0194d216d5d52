from __future__ import annotations

from dataclasses import replace

import pytest

from stretto.clock import SECOND
from stretto.figures.scores.quality_score import (
    QualityTrend,
    average_quality_over_task_types,
    build_quality_parts,
    compute_quality_score,
    compute_quality_trend,
    name_trend_direction,
)
from stretto.figures.scores.score_rules import ScoreRules, parse_score_rules
from stretto.figures.scores.sums_by_pattern_type_or_agent import pick_slice
from stretto.figures.sums_by_dimension import Sums
from stretto.model.event import Outcome
from stretto.names.measures import Dimension
from tests.scenes import Drawing, conflict, delivery, fork_join, frame_drawing
from tests.scored import RULES, sums_of


def parts(sums: Sums, rules: ScoreRules = RULES) -> dict[str, float | None]:
    """Return each part's value."""
    return {part.name: part.value for part in build_quality_parts(sums, rules)}


def test_the_delivery_is_scored_as_on_paper() -> None:
    """Judged 8 and 6 of 10; a complete, b failed with nothing left open, c complete; no file in common."""
    found = compute_quality_score(sums_of(delivery()), RULES)
    assert {part.name: part.value for part in found.parts} == pytest.approx(
        {
            "judgement": 0.8,
            "completeness": (1 + 0.5 + 1) / 3,
            "consistency": 1.0,
            "depth": 0.6,
            "actionability": None,
            "parity": None,
        }
    )
    known = 0.3 * 0.8 + 0.2 * 2.5 / 3 + 0.2 + 0.1 * 0.6
    # Nobody judged actionability; too few tasks ran alone for parity, which then has no weight.
    assert (found.low, found.high) == pytest.approx((known / 0.9, (known + 0.1) / 0.9))
    assert found.value == pytest.approx((known + 0.05) / 0.9)
    assert [part.name for part in found.parts if not part.applies] == ["parity"]


def test_two_of_three_tasks_conflict() -> None:
    """Consistency is the share of tasks that share no file; each of them is complete."""
    found = parts(sums_of(conflict()))
    assert found["consistency"] == pytest.approx(1 / 3)
    assert found["completeness"] == 1


def test_without_a_judgement_there_is_a_range_and_no_number() -> None:
    """That tasks ended well is a fifth of 0.7 of the weight: quality is anything from 2.9 to 10."""
    found = compute_quality_score(sums_of(fork_join()), RULES)
    assert (found.value, found.high) == (None, 1)
    assert found.low == pytest.approx(0.2 / 0.7)
    assert found.coverage == pytest.approx(0.2 / 0.7)
    assert found.reason is not None
    assert found.reason.startswith("between 29% and 100% (judgement: no quality was scored;")


def test_a_score_off_its_scale_is_left_out_with_the_reason() -> None:
    """Eleven of ten is no ten: it is neither clamped nor counted as known."""
    drawing = (
        frame_drawing(Drawing(), 50).task("a", 0, 9, "review").score("quality", 11, 10, of="task", id="a")
    )
    found = {part.name: part for part in build_quality_parts(sums_of(drawing), RULES)}
    assert found["judgement"].value is None
    assert found["judgement"].reason == "1 score(s) outside the scale 0 to 10"


def test_a_scale_without_an_end_makes_no_part() -> None:
    """A count of depth cannot be placed between 0 and 1."""
    rules = parse_score_rules({"depth": {"scale": [0, float("inf")]}}, "")
    assert parts(sums_of(delivery()), rules)["depth"] is None


def by_place(together: tuple[int, int], alone: tuple[int, int]) -> Sums:
    """Return sums of (tasks, seconds in all) side by side and alone."""
    counts = {
        ("p", "review", "worker", place): (tasks, seconds * SECOND)
        for place, (tasks, seconds) in (("parallel", together), ("alone", alone))
    }
    return {
        "placed_tasks": {dims: tasks for dims, (tasks, _) in counts.items()},
        "placed_time": {dims: time for dims, (_, time) in counts.items()},
    }


def test_parity_compares_the_lengths_of_tasks() -> None:
    """90 s on average side by side and 60 s alone; faster than alone is no more than parity."""
    assert parts(by_place((10, 900), (10, 600)))["parity"] == pytest.approx(60 / 90)
    assert parts(by_place((10, 600), (10, 900)))["parity"] == 1


def test_parity_does_not_look_at_success() -> None:
    """The same lengths with failures in place of successes give the same parity."""
    scenes = []
    for outcome in (Outcome.SUCCESS, Outcome.FAILURE):
        drawing = frame_drawing(Drawing(), 900)
        for number in range(5):
            drawing.task(f"a{number}", 100 + 20 * number, 110 + 20 * number, "review")
            drawing.task(f"b{number}", 300, 320, "review", outcome=outcome)
        scenes.append(parts(sums_of(drawing))["parity"])
    assert scenes == pytest.approx([0.5, 0.5])


def test_parity_takes_a_cohort_on_both_sides() -> None:
    """Four tasks of a kind are too few."""
    assert parts(by_place((4, 4), (9, 9)))["parity"] is None
    assert parts(by_place((9, 9), (4, 4)))["parity"] is None
    assert parts(by_place((4, 4), (4, 4)), replace(RULES, cohort=4))["parity"] == 1


def test_parity_of_judged_quality_counts_as_much_as_that_of_lengths() -> None:
    """Judged 6 side by side and 8 alone, with the same lengths: (1 + 0.75) / 2."""
    places: Sums = {
        "score_count": {("quality", "p", "review", "worker", place): 5 for place in ("parallel", "alone")},
        "score_sum": {
            ("quality", "p", "review", "worker", "parallel"): 30_000_000,
            ("quality", "p", "review", "worker", "alone"): 40_000_000,
        },
    }
    assert parts({**by_place((5, 5), (5, 5)), **places})["parity"] == pytest.approx(0.875)
    assert parts(places)["parity"] == pytest.approx(0.75)


def test_the_overall_quality_weighs_types_by_their_tasks() -> None:
    """Three reviews, three implementations and a test, each type with its range."""
    sums = sums_of(delivery(), conflict(), frame_drawing(Drawing("x").task("x", 0, 9, "testing"), 10))
    scores = {
        name: compute_quality_score(pick_slice(sums, Dimension.TASK_TYPE, name), RULES)
        for name in ("review", "implementation", "testing")
    }
    found = average_quality_over_task_types(sums, RULES)
    weights = {"review": 3, "implementation": 3, "testing": 1}
    for edge in ("low", "high"):
        mean = sum(weight * getattr(scores[name], edge) for name, weight in weights.items()) / 7
        assert getattr(found, edge) == pytest.approx(mean)
    assert average_quality_over_task_types({}, RULES).applies is False


def day(quality_score: float, complete: float, *, consistent: bool = False) -> Sums:
    """Return the sums of a day with a single task."""
    work = ("p", "review", "worker")
    found: dict[str, dict[tuple[str | int, ...], int]] = {
        "score_count": {("quality", *work, "alone"): 1},
        "score_sum": {("quality", *work, "alone"): round(quality_score * 1_000_000)},
        "complete": {work: round(complete * 1_000_000)},
        "complete_tasks": {work: 1},
    }
    if consistent:
        found["consistent"] = {(*work, "conflict"): 1}
    return dict(found)


def test_a_trend_is_the_line_through_the_days() -> None:
    """Judged 4, 6, 8 with all complete: 3 of 5 weights move by 2 a day, so quality does by 1.2."""
    found = compute_quality_trend({10: day(4, 1), 11: day(6, 1), 12: day(8, 1)}, RULES)
    assert isinstance(found, QualityTrend)
    assert found.current == pytest.approx(8.8)
    assert found.rate_per_day == pytest.approx(1.2)
    assert found.days == 3
    assert found.volatility == pytest.approx(1.2 * (2 / 3) ** 0.5)
    assert name_trend_direction(found.rate_per_day) == "rising"


def test_days_without_work_do_not_count_but_keep_their_distance() -> None:
    """A weekend between makes the line flatter, not shorter."""
    found = compute_quality_trend({10: day(4, 1), 11: day(6, 1), 20: day(8, 1), 21: {}}, RULES)
    assert isinstance(found, QualityTrend)
    assert found.days == 3
    assert 0 < found.rate_per_day < 1.2


def test_a_part_that_only_some_days_know_moves_no_trend() -> None:
    """The same work, with a conflict seen on a single day: the line is flat."""
    found = compute_quality_trend({10: day(5, 1), 11: day(5, 1, consistent=True), 12: day(5, 1)}, RULES)
    assert isinstance(found, QualityTrend)
    assert [found.rate_per_day, found.volatility] == pytest.approx([0, 0])
    assert name_trend_direction(found.rate_per_day) == "steady"


def test_a_missing_trend_has_a_reason() -> None:
    """Too few days, or too few parts that all days know."""
    assert (
        compute_quality_trend({10: day(4, 1), 11: day(6, 1)}, RULES)
        == "a trend takes 3 days with a quality, there are 2"
    )
    completed = {number: {k: v for k, v in day(4, 1).items() if "score" not in k} for number in (1, 2, 3)}
    found = compute_quality_trend(completed, RULES)
    assert found == "fewer than 2 parts of quality are known on each of 3 days"
    assert name_trend_direction(-0.2) == "falling"
