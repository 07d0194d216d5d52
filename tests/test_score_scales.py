from __future__ import annotations

import pytest

from stretto.model.score_scales import MOST, SCALES, Scale, Scales


@pytest.mark.parametrize(
    ("name", "value", "held"),
    [
        ("quality", 0, True),
        ("quality", 10, True),
        ("quality", 10.01, False),
        ("quality", -0.01, False),
        ("security_findings", 0, True),
        ("security_findings", 5_000, True),
        ("security_findings", -1, False),
        ("anything", -7.5, True),
        ("anything", MOST, True),
        ("anything", MOST + 1, False),
        ("anything", float("inf"), False),
        ("quality", float("nan"), False),
    ],
)
def test_a_value_is_held_by_its_scale(name: str, value: float, held: bool) -> None:
    """Both ends belong to it; without a scale any number that sums can hold will do."""
    assert SCALES.is_valid(name, value) is held


def test_a_share_is_how_far_up_the_scale_a_value_lies() -> None:
    """From 0 to 1, wherever the scale begins; a count without end has none."""
    assert Scale("x", 1, 5).to_share(2) == 0.25
    assert Scale("x", 0, None).to_share(2) is None


def test_a_scale_says_what_it_is() -> None:
    """For the reason why a score was left out."""
    assert [str(Scale("x", 0, 10)), str(Scale("x", 0, None))] == ["0 to 10", "from 0 up"]
    assert Scales().find_scale("quality") is None
