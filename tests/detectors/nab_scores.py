"""Score a detector on files of the Numenta Anomaly Benchmark by the benchmark's rules.

An early alarm inside a labelled window counts up to 1, a missed window -1, an alarm outside up to -.11. The
threshold is the best over all files, as the benchmark chooses it. A silent detector has 0, a perfect one 100.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

FALSE_ALARM_WEIGHT = 0.11
PROBATION = 0.15
LONGEST_PROBATION = 5_000
STEEPNESS = 5.0


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A series with the windows in which something was wrong, as first and last position."""

    name: str
    seconds: Floats
    values: Floats
    windows: tuple[tuple[int, int], ...]


def read_files(folder: Path) -> Iterator[LabelledFile]:
    """Yield every labelled file of the benchmark that is there."""
    labels = json.loads((folder / "labels/combined_windows.json").read_text())
    for name, windows in sorted(labels.items()):
        path = folder / "data" / name
        packed = path.with_name(path.name + ".gz")
        if not path.exists() and not packed.exists():
            continue
        text = path.read_text() if path.exists() else gzip.decompress(packed.read_bytes()).decode()
        rows = [row for row in list(csv.reader(text.splitlines()))[1:] if row]
        seconds = np.array([read_stamp(row[0]) for row in rows])
        inside = (
            np.flatnonzero((seconds >= read_stamp(begin)) & (seconds <= read_stamp(end)))
            for begin, end in windows
        )
        edges = tuple((int(places[0]), int(places[-1])) for places in inside if len(places))
        yield LabelledFile(name, seconds, np.array([float(row[1]) for row in rows]), edges)


def read_stamp(text: str) -> float:
    """Return a time of the benchmark, which has no zone, in seconds. Example: ``2014-04-11 00:00:00``."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def weigh_position(position: float) -> float:
    """Return the value of an alarm: near 1 at the beginning of a window, 0 at its end, -1 far behind it."""
    return -1.0 if position > 3 else 2 / (1 + math.exp(STEEPNESS * position)) - 1


def weigh_positions(file: LabelledFile) -> tuple[Floats, NDArray[np.intp]]:
    """Return the value of an alarm at each position, and the window it is in (-1 if none)."""
    count = len(file.values)
    weights = np.full(count, -FALSE_ALARM_WEIGHT)
    windows = np.full(count, -1, dtype=np.intp)
    for number, (left, right) in enumerate(file.windows):
        width = right - left + 1
        for position in range(left, right + 1):
            weights[position] = weigh_position(-(right - position + 1) / width) / weigh_position(-1.0)
            windows[position] = number
        end = file.windows[number + 1][0] if number + 1 < len(file.windows) else count
        for position in range(right + 1, end):
            weights[position] = FALSE_ALARM_WEIGHT * weigh_position((position - right) / (width - 1))
    return weights, windows


def score_detector(
    files: list[LabelledFile], detect: Callable[[LabelledFile], Floats]
) -> tuple[float, float]:
    """Return (standard score, threshold) of a detector over some files together."""
    scores, weights, windows = [], [], []
    offset = 0
    for file in files:
        weight, window = weigh_positions(file)
        first = math.floor(PROBATION * min(len(file.values), LONGEST_PROBATION))
        scores.append(detect(file)[first:])
        weights.append(weight[first:])
        windows.append(np.where(window >= 0, window + offset, -1)[first:])
        offset += len(file.windows)
    return find_best_threshold(
        np.concatenate(scores), np.concatenate(weights), np.concatenate(windows), offset
    )


def find_best_threshold(
    scores: Floats, weights: Floats, windows: NDArray[np.intp], count: int
) -> tuple[float, float]:
    """Return the best normalised score over all thresholds, and the threshold.

    Lowering the threshold adds alarms: outside windows each counts, inside only the best of its window.
    """
    order = np.argsort(-scores, kind="stable")
    best_of: dict[int, float] = {}
    total, best, best_threshold = -float(count), -float(count), math.inf
    ordered = scores[order]
    for number, position in enumerate(order.tolist()):
        window = int(windows[position])
        if window < 0:
            total += weights[position]
        else:
            before = best_of.get(window)
            now = max(float(weights[position]), -math.inf if before is None else before)
            total += now + 1.0 if before is None else now - before
            best_of[window] = now
        is_last = number + 1 == len(ordered) or ordered[number + 1] < ordered[number]
        if is_last and total > best:
            best, best_threshold = total, float(ordered[number])
    return 100 * (best + count) / (2 * count), best_threshold


def detect_by_window(file: LabelledFile, window: int = 6_400, step: int = 100) -> Floats:
    """Return the scores of the benchmark's windowed Gaussian: the normal tail by the values before."""
    scores = np.zeros(len(file.values))
    kept: list[float] = []
    waiting: list[float] = []
    mean, spread = 0.0, 1.0
    for number, value in enumerate(file.values.tolist()):
        if kept:
            scores[number] = 1 - 0.5 * special.erfc(abs(value - mean) / spread / 1.4142)
        if len(kept) < window:
            kept.append(value)
        else:
            waiting.append(value)
            if len(waiting) < step:
                continue
            kept = kept[step:] + waiting
            waiting = []
        sample = np.array(kept)
        mean, spread = float(sample.mean()), float(sample.std()) or 1e-6
    return scores
