from __future__ import annotations

from dataclasses import replace

import pytest

from stretto.figures.scores.quality_score import (
    QualityTrend,
    build_quality_parts,
    compute_overall_quality,
    compute_quality_score,
    compute_quality_trend,
    name_trend_direction,
)
from stretto.figures.scores.score_rules import ScoreRules, parse_score_rules
from stretto.figures.scores.slices import pick_slice
from stretto.figures.sum_reading import Sums
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
    assert found.value == pytest.approx((0.3 * 0.8 + 0.2 * 2.5 / 3 + 0.2 + 0.1 * 0.6) / 0.8)
    assert found.coverage == pytest.approx(0.8)


def test_two_of_three_tasks_conflict() -> None:
    """Consistency is the share of tasks that share no file; each of them is complete."""
    found = parts(sums_of(conflict()))
    assert found["consistency"] == pytest.approx(1 / 3)
    assert found["completeness"] == 1


def test_one_known_part_is_too_little() -> None:
    """That tasks ended well is no quality yet; how many parts are asked for is configured."""
    sums = sums_of(fork_join())
    found = compute_quality_score(sums, RULES)
    assert found.value is None
    assert found.coverage == pytest.approx(0.2)
    assert found.reason is not None
    assert found.reason.startswith("1 of 6 parts known (judgement: no quality was scored;")
    assert compute_quality_score(sums, replace(RULES, min_parts=1)).value == 1


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
    """Return sums of (succeeded, failed) tasks side by side and alone."""
    ends: dict[tuple[str | int, ...], int] = {}
    for place, counts in (("parallel", together), ("alone", alone)):
        for outcome, count in zip((Outcome.SUCCESS, Outcome.FAILURE), counts, strict=True):
            ends["p", "review", "worker", place, outcome.value] = count
    return {"work_ends": ends}


def test_parity_holds_tasks_side_by_side_against_tasks_alone() -> None:
    """6 of 10 against 9 of 10; better than alone is no more than parity."""
    assert parts(by_place((6, 4), (9, 1)))["parity"] == pytest.approx(0.6 / 0.9)
    assert parts(by_place((9, 1), (6, 4)))["parity"] == 1
    assert parts(by_place((0, 10), (9, 1)))["parity"] == 0


def test_parity_takes_a_cohort_on_both_sides() -> None:
    """Four tasks of a kind are too few, and without a success alone there is no parity."""
    assert parts(by_place((4, 0), (9, 1)))["parity"] is None
    assert parts(by_place((9, 1), (4, 0)))["parity"] is None
    assert parts(by_place((9, 1), (0, 10)))["parity"] is None
    assert parts(by_place((4, 0), (4, 0)), replace(RULES, cohort=4))["parity"] == 1


def test_parity_of_judged_quality_counts_as_much_as_that_of_success() -> None:
    """Judged 6 side by side and 8 alone, with the same success: (1 + 0.75) / 2."""
    places: Sums = {
        "score_count": {("quality", "p", "review", "worker", place): 5 for place in ("parallel", "alone")},
        "score_sum": {
            ("quality", "p", "review", "worker", "parallel"): 30_000_000,
            ("quality", "p", "review", "worker", "alone"): 40_000_000,
        },
    }
    assert parts({**by_place((5, 0), (5, 0)), **places})["parity"] == pytest.approx(0.875)
    assert parts(places)["parity"] == pytest.approx(0.75)


def test_the_overall_quality_weighs_types_by_their_tasks() -> None:
    """Three reviews and three implementations of different quality, and a type without any."""
    sums = sums_of(delivery(), conflict(), frame_drawing(Drawing("x").task("x", 0, 9, "testing"), 10))
    values = [
        compute_quality_score(pick_slice(sums, Dimension.TASK_TYPE, name), RULES).value
        for name in ("review", "implementation")
    ]
    assert compute_quality_score(pick_slice(sums, Dimension.TASK_TYPE, "testing"), RULES).value is None
    assert None not in values
    found = compute_overall_quality(sums, RULES)
    assert found is not None
    assert found[0] == pytest.approx(sum(v for v in values if v is not None) / 2)
    assert found[1] == 6
    assert compute_overall_quality({}, RULES) is None


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
