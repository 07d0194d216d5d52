from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.figures.scores.composite import (
    CompositeScore,
    ScorePart,
    cap_score,
    combine_parts,
    to_score_document,
    to_score_part,
)

PARTS = st.lists(
    st.builds(
        lambda value, weight: ScorePart("part", value, weight, None if value is not None else "unknown"),
        st.none() | st.floats(0, 1),
        st.floats(0.01, 10),
    ),
    min_size=1,
    max_size=6,
)


@given(PARTS)
def test_a_range_holds_all_that_the_unknown_parts_can_be(parts: list[ScorePart]) -> None:
    """Low and high are the scores with every unknown part at 0 and at 1, and no number lies outside."""
    found = combine_parts(parts, min_coverage=0)
    if all(part.value is None for part in parts):
        assert (found.value, found.low, found.high, found.coverage) == (None, None, None, 0)
        assert found.reason
        return
    for edge, shown in ((0.0, found.low), (1.0, found.high)):
        filled = [replace(part, value=edge if part.value is None else part.value) for part in parts]
        assert combine_parts(filled).value == pytest.approx(shown)
    assert found.low is not None
    assert found.high is not None
    assert found.value == pytest.approx((found.low + found.high) / 2)
    assert found.coverage == pytest.approx(1 - (found.high - found.low))


@given(PARTS, st.floats(0, 1), st.integers(0, 5))
def test_a_score_rises_with_each_of_its_parts(parts: list[ScorePart], higher: float, index: int) -> None:
    """A part that is better never makes the whole worse."""
    part = parts[index % len(parts)]
    before = combine_parts(parts)
    if part.value is None or before.low is None or before.high is None:
        return
    better = [replace(one, value=max(part.value, higher)) if one is part else one for one in parts]
    after = combine_parts(better)
    assert after.low is not None
    assert after.high is not None
    assert after.low >= before.low - 1e-9
    assert after.high >= before.high - 1e-9


@given(PARTS)
def test_what_does_not_apply_has_no_weight(parts: list[ScorePart]) -> None:
    """A part about which there was nothing to report changes neither score nor range."""
    before = combine_parts(parts)
    after = combine_parts([*parts, ScorePart("more", None, 9.0, "no message", applies=False)])
    assert (after.value, after.low, after.high) == (before.value, before.low, before.high)
    assert combine_parts([ScorePart("more", None, 9.0, "no message", applies=False)]).applies is False


def test_a_number_is_shown_only_where_the_range_is_narrow() -> None:
    """0.8 and 0.6 with three quarters of the weight: from 0.55 to 0.8, a quarter wide; then a hair more."""
    parts = [
        ScorePart("one", 0.8, 0.5),
        ScorePart("two", 0.6, 0.25),
        ScorePart("three", None, 0.25, "silent"),
    ]
    found = combine_parts(parts)
    assert (found.value, found.low, found.high) == pytest.approx((0.675, 0.55, 0.8))
    wider = combine_parts([*parts, ScorePart("four", None, 0.001, "silent too")])
    assert wider.value is None
    assert wider.low == pytest.approx(0.55, abs=0.001)
    assert wider.reason == "between 55% and 80% (three: silent; four: silent too)"
    assert combine_parts(parts, min_parts=3).value is None


def test_a_part_without_weight_is_not_needed() -> None:
    """It is shown, and missing or not changes nothing."""
    parts = [ScorePart("one", 0.5, 1.0), ScorePart("off", None, 0.0, "switched off")]
    assert combine_parts(parts, min_coverage=1.0).value == 0.5
    assert combine_parts([ScorePart("off", 0.9, 0.0)]).reason == "no part has a weight"


def test_a_cap_holds_for_the_range_too() -> None:
    """Of a score from 0.5 to 0.7 and a delivered share of 0.6 the range is 0.5 to 0.6."""
    found = cap_score(CompositeScore(0.6, 0.8, (), low=0.5, high=0.7), 0.6)
    assert (found.value, found.low, found.high) == (0.6, 0.5, 0.6)
    assert cap_score(found, None) == found
    assert cap_score(CompositeScore(None, 0, (), "unknown"), 0.6).high is None


def test_a_composite_document_has_all_parts() -> None:
    """Scores are on their scale, weights are shares, and missing values have reasons."""
    parts = [
        ScorePart("one", 0.5, 3),
        ScorePart("two", None, 1, "silent"),
        ScorePart("x", None, 1, "none", applies=False),
    ]
    found = combine_parts(parts)
    assert to_score_document(found, 10) == {
        "score": 5,
        "low": 3.75,
        "high": 6.25,
        "coverage": 0.75,
        "reason": None,
        "parts": {
            "one": {"score": 5, "low": 5, "high": 5, "weight": 0.75, "applies": True, "reason": None},
            "two": {
                "score": None, "low": None, "high": None, "weight": 0.25, "applies": True, "reason": "silent",
            },
            "x": {"score": None, "low": None, "high": None, "weight": 0, "applies": False, "reason": "none"},
        },
    }  # fmt: skip
    part = to_score_part("whole", found, 0.3)
    assert (part.value, part.low, part.high, part.weight) == (None, 0.375, 0.625, 0.3)
    assert to_score_part("whole", combine_parts(parts[:1]), 0.3) == ScorePart("whole", 0.5, 0.3)
