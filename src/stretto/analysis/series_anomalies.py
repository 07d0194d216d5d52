"""Score how odd each value of an evenly sampled series is: its level, and its level at this time of day.

The score is the larger of two distances in standard deviations: from the last values, and from the same time
of earlier days. A score counts once: after a high one, lower ones are held back for a while, so that one
incident is one alarm.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from stretto.analysis.series_of_run_values import Floats

LEVEL_WINDOW = 6_400
"""Values before that make up the usual level."""

FEWEST_VALUES_BEFORE = 30

SLOTS_OF_DAY = 24

QUIET_VALUES = 300
"""Values after an alarm in which only a higher score is another alarm."""


def score_oddness(seconds: Floats, values: Floats) -> Floats:
    """Return for each value a score from 0 (usual) to 1 (odd), by what came before it only."""
    level = measure_distance_from_earlier_level(values, LEVEL_WINDOW)
    slots = (np.floor(seconds / 3600) % SLOTS_OF_DAY).astype(np.intp)
    by_time = np.zeros(len(values))
    for slot in range(SLOTS_OF_DAY):
        chosen = np.flatnonzero(slots == slot)
        by_time[chosen] = measure_distance_from_earlier_level(
            values[chosen], max(1, LEVEL_WINDOW // SLOTS_OF_DAY)
        )
    distance = np.maximum(level, by_time)
    # Twice the normal tail, on a scale of logarithms: 1e-10 and less is 1.
    tail = -special.log_ndtr(-distance) / math.log(10)
    return silence_scores_after_higher_scores(np.clip(tail / 10, 0.0, 1.0), QUIET_VALUES)


def measure_distance_from_earlier_level(values: Floats, window: int) -> Floats:
    """Return the distance of each value from the mean of those before, in standard deviations of these."""
    count = len(values)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    squares = np.concatenate([[0.0], np.cumsum(values**2)])
    ends = np.arange(count)
    begins = np.maximum(0, ends - window)
    sizes = ends - begins
    safe = np.maximum(1, sizes)
    means = (sums[ends] - sums[begins]) / safe
    variances = np.maximum(0.0, (squares[ends] - squares[begins]) / safe - means**2)
    scales = np.maximum(np.sqrt(variances), 1e-9 * np.maximum(1.0, np.abs(means)))
    distance = np.abs(values - means) / scales
    distance[sizes < FEWEST_VALUES_BEFORE] = 0.0
    return np.asarray(distance, dtype=np.float64)


def silence_scores_after_higher_scores(scores: Floats, quiet: int) -> Floats:
    """Return the scores, of which those that follow a higher one within ``quiet`` values become 0."""
    kept = np.zeros(len(scores))
    last, last_score = -quiet - 1, 0.0
    for number in find_positive_scores(scores):
        score = float(scores[number])
        if number - last > quiet or score > last_score:
            kept[number] = score
            last, last_score = int(number), score
    return kept


def find_positive_scores(scores: Floats) -> NDArray[np.intp]:
    """Return the positions of the scores above 0."""
    return np.flatnonzero(scores > 0)
