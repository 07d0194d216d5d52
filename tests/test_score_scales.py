from __future__ import annotations

import pytest

from stretto.model.score_scales import MOST, SCALES, Scale, Scales


@pytest.mark.parametrize(
    ("name", "value", "valid"),
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
def test_a_value_is_valid_within_its_scale(name: str, value: float, valid: bool) -> None:
    """Both ends are valid; without a scale any finite number within the bound is."""
    assert SCALES.is_valid(name, value) is valid


def test_a_share_is_the_position_on_the_scale() -> None:
    """It is from 0 to 1, wherever the scale begins; a count without a limit has none."""
    assert Scale("x", 1, 5).to_share(2) == 0.25
    assert Scale("x", 0, None).to_share(2) is None


def test_a_scale_has_a_text() -> None:
    """The reason for a rejected score contains it."""
    assert [str(Scale("x", 0, 10)), str(Scale("x", 0, None))] == ["0 to 10", "from 0 up"]
    assert Scales().find_scale("quality") is None
