"""The drift of a resource over the hours of the soak: a leak is seen, a level that wavers is none."""

from __future__ import annotations

import random

from tests.soak.__main__ import estimate_drift


def test_a_constant_does_not_grow() -> None:
    """The interval of a level that never changes is 0 alone."""
    drift = estimate_drift("threads", [7.0] * 19)
    assert (drift.mean, drift.low, drift.high) == (0, 0, 0)
    assert not drift.grows


def test_a_single_step_does_not_grow() -> None:
    """A pool that opens one more descriptor once is no leak."""
    assert not estimate_drift("descriptors", [20.0] * 9 + [21.0] * 10).grows


def test_a_saw_does_not_grow() -> None:
    """A log that is filled and cut back has an interval around 0."""
    assert not estimate_drift("log_bytes", [float(hour % 5) * 8e6 for hour in range(19)]).grows


def test_a_leak_below_its_noise_is_seen() -> None:
    """A megabyte an hour under noise of half a megabyte is growth."""
    draw = random.Random(7)  # a fixed course, no secret
    leak = [100e6 + hour * 1e6 + draw.gauss(0, 0.5e6) for hour in range(19)]
    drift = estimate_drift("resident_bytes", leak)
    assert drift.grows
    assert 0.5e6 < drift.mean < 1.5e6
