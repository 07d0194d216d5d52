"""Every promised rate of the answers that advise holds, by its interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.detectors.advice_rates import (
    measure_capacity,
    measure_comparison,
    measure_conditions,
    measure_experiments,
    measure_holdups,
    measure_predictor,
    measure_recommendations,
)
from tests.detectors.rows import Row
from tests.shown.scale import choose_scale

pytestmark = pytest.mark.shown


@pytest.mark.parametrize(
    ("measure", "short", "long"),
    [
        (measure_capacity, 10, 100),
        (measure_comparison, 300, 2_000),
        (measure_experiments, 1_500, 10_000),
        (measure_holdups, 6, 20),
        (measure_recommendations, 15, 100),
        (measure_conditions, 40, 200),
        (measure_predictor, 8, 40),
    ],
)
def test_the_promised_rates_hold(measure: Callable[[int], Iterator[Row]], short: int, long: int) -> None:
    """Each rate of the answer lies within its limits, as far as its 95 % interval allows to tell."""
    rows = [*measure(choose_scale(short, long))]
    assert rows
    failing = [row.to_row() for row in rows if not row.holds]
    assert failing == []
