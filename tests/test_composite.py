from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.figures.scores.composite import ScorePart, combine_parts, to_score_document, to_score_part

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
def test_a_score_lies_between_its_smallest_and_largest_part(parts: list[ScorePart]) -> None:
    """Score and coverage are from 0 to 1; a score is withheld exactly if no part is known."""
    found = combine_parts(parts)
    known = [part.value for part in parts if part.value is not None]
    assert 0 <= found.coverage <= 1 + 1e-9
    if known:
        assert found.value is not None
        assert min(known) - 1e-9 <= found.value <= max(known) + 1e-9
        assert found.reason is None
    else:
        assert (found.value, found.coverage) == (None, 0)
        assert found.reason


@given(PARTS, st.floats(0, 1), st.integers(0, 5))
def test_a_score_rises_with_each_of_its_parts(parts: list[ScorePart], higher: float, index: int) -> None:
    """A part that is better never makes the whole worse."""
    part = parts[index % len(parts)]
    before = combine_parts(parts).value
    if part.value is None or before is None:
        return
    better = [replace(one, value=max(part.value, higher)) if one is part else one for one in parts]
    after = combine_parts(better).value
    assert after is not None
    assert after >= before - 1e-9


@given(PARTS)
def test_an_unknown_part_is_not_a_zero(parts: list[ScorePart]) -> None:
    """It neither lifts nor lowers the score; it lowers the coverage."""
    before = combine_parts(parts)
    after = combine_parts([*parts, ScorePart("more", None, 1.0, "unknown")])
    if before.value is not None:
        assert after.value == pytest.approx(before.value)
        assert after.coverage < before.coverage


def test_too_little_is_withheld_with_what_is_missing() -> None:
    """By the share of the weight, and by the number of parts."""
    parts = [ScorePart("one", 0.5, 0.4), ScorePart("two", None, 0.6, "nobody looked")]
    found = combine_parts(parts, min_coverage=0.5)
    assert (found.value, found.coverage) == (None, 0.4)
    assert found.reason == "1 of 2 parts known (two: nobody looked)"
    assert combine_parts(parts, min_coverage=0.4).value == 0.5
    assert combine_parts(parts, min_parts=2).value is None


def test_a_part_without_weight_is_not_needed() -> None:
    """It is shown, and missing or not changes nothing."""
    parts = [ScorePart("one", 0.5, 1.0), ScorePart("off", None, 0.0, "switched off")]
    assert combine_parts(parts, min_coverage=1.0).value == 0.5
    assert combine_parts([ScorePart("off", 0.9, 0.0)]).reason == "no part has a weight"


def test_a_composite_document_has_all_parts() -> None:
    """Scores are on their scale, weights are shares, and missing values have reasons."""
    found = combine_parts([ScorePart("one", 0.5, 3), ScorePart("two", None, 1, "nobody looked")])
    assert to_score_document(found, 10) == {
        "score": 5,
        "coverage": 0.75,
        "reason": None,
        "parts": {
            "one": {"score": 5, "weight": 0.75, "reason": None},
            "two": {"score": None, "weight": 0.25, "reason": "nobody looked"},
        },
    }
    assert to_score_part("whole", found, 0.3) == ScorePart("whole", 0.5, 0.3, None, 0)
