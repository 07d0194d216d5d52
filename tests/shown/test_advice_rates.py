"""Every promised rate of the answers that advise holds, by its interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.detectors.advice_rates import MEASURES
from tests.detectors.rows import Row
from tests.shown.scale import choose_scale

pytestmark = pytest.mark.shown


@pytest.mark.parametrize(("measure", "short", "long"), MEASURES.values(), ids=MEASURES)
def test_the_promised_rates_hold(measure: Callable[[int], Iterator[Row]], short: int, long: int) -> None:
    """Each rate of the answer lies within its limits, as far as its 95 % interval allows to tell."""
    rows = [*measure(choose_scale(short, long))]
    assert rows
    failing = [row.to_row() for row in rows if not row.holds]
    assert failing == []
