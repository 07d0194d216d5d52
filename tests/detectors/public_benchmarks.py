"""The table's rows on public data: TCPD, NAB, M4, WfInstances. Missing folders are left out."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stretto.analysis.change_points import find_change_points
from stretto.analysis.forecast import forecast_values
from stretto.analysis.hourly_forecast import forecast_hours
from stretto.analysis.series_anomalies import score_oddness
from tests.detectors.nab_scores import detect_by_window, read_files, score_detector
from tests.detectors.recorded_executions import RECORDINGS, measure_recordings
from tests.detectors.rows import Row, make_exact

Floats = NDArray[np.float64]
MARGIN = 5
M4_KINDS = {"Hourly": (24, 48, 0.60), "Weekly": (1, 13, 0.94)}
"""Name → period, horizon, largest overall weighted average."""


FOLDERS = ("bench-tcpd", "bench-nab", "bench-m4-hourly", RECORDINGS)
"""The folders whose rows the page has; others of NAB and M4 beside them are read, too."""


def measure_benchmarks(*, data: Path, long: bool) -> Iterator[Row]:
    """Yield the rows of every benchmark whose folder is there; recorded executions only in the long form."""
    if (data / "bench-tcpd").is_dir():
        yield from measure_change_points(data / "bench-tcpd")
    for folder in sorted(data.glob("bench-nab*")):
        yield from measure_anomalies(folder)
    for folder in sorted(data.glob("bench-m4*")):
        yield from measure_m4(folder)
    if long and (data / RECORDINGS).is_dir():
        yield from measure_recordings(data / RECORDINGS)


def list_missing_data(data: Path) -> list[str]:
    """Return the folders that the page has rows of and that are not there."""
    return [name for name in FOLDERS if not (data / name).is_dir()]


def measure_change_points(folder: Path) -> Iterator[Row]:
    """Yield F1 and cover over the univariate series without gaps of the Turing Change Point Dataset."""
    annotations = json.loads((folder / "annotations.json").read_text())
    scores = []
    for path in sorted(folder.glob("datasets/*/*.json")):
        series = json.loads(path.read_text())["series"]
        if len(series) != 1 or None in series[0]["raw"] or path.stem not in annotations:
            continue
        values = np.array(series[0]["raw"], dtype=np.float64)
        points = find_change_points(values, least_step=0.0)
        marked = annotations[path.stem]
        scores.append((score_points(marked, points), score_cover(marked, points, len(values))))
    f1, cover = np.mean(scores, axis=0)
    yield make_exact("A", "TCPD: F1", float(f1), at_least=0.72, cases=f"{len(scores)} series")
    yield make_exact("A", "TCPD: cover", float(cover), at_least=0.70, cases=f"{len(scores)} series")


def score_points(annotations: Mapping[str, Sequence[int]], points: Sequence[int]) -> float:
    """Return F1 with a margin of five, as the benchmark defines it: the start counts as a point."""
    marked = {name: {0, *several} for name, several in annotations.items()}
    predicted = {0, *points}
    precision = len(match_points(set.union(*marked.values()), predicted)) / len(predicted)
    recall = float(
        np.mean([len(match_points(several, predicted)) / len(several) for several in marked.values()])
    )
    return 2 * precision * recall / (precision + recall)


def match_points(marked: set[int], predicted: set[int]) -> set[int]:
    """Return the marked points that have a predicted one of their own within the margin."""
    left = set(predicted)
    matched = set()
    for point in sorted(marked):
        near = sorted((abs(point - other), other) for other in left if abs(point - other) <= MARGIN)
        if near:
            left.remove(near[0][1])
            matched.add(point)
    return matched


def score_cover(annotations: Mapping[str, Sequence[int]], points: Sequence[int], count: int) -> float:
    """Return the mean overlap of annotated segments with the best predicted one, by length."""
    predicted = split_range(points, count)
    covers = []
    for several in annotations.values():
        segments = split_range(several, count)
        best = [max(len(each & other) / len(each | other) for other in predicted) for each in segments]
        covers.append(sum(len(each) * cover for each, cover in zip(segments, best, strict=True)) / count)
    return float(np.mean(covers))


def split_range(points: Sequence[int], count: int) -> list[set[int]]:
    """Return the positions of each segment."""
    edges = [0, *sorted({point for point in points if 0 < point < count}), count]
    return [set(range(left, right)) for left, right in itertools.pairwise(edges)]


def measure_anomalies(folder: Path) -> Iterator[Row]:
    """Yield the standard score on NAB's files beside that of its windowed Gaussian on the same files.

    Any of the benchmark's files will do, as many as the folder has, beside its labels.
    """
    files = list(read_files(folder))
    if not files:
        return
    score, _ = score_detector(files, lambda file: score_oddness(file.seconds, file.values))
    reference, _ = score_detector(files, detect_by_window)
    yield make_exact(
        "C", f"{folder.name}: standard score (windowed Gaussian {reference:.1f}, + 6)", score,
        at_least=reference + 6, cases=f"{len(files)} files",
    )  # fmt: skip


def measure_m4(folder: Path) -> Iterator[Row]:
    """Yield the overall weighted average of each kind of M4 series that the folder has."""
    for kind, (period, horizon, most) in M4_KINDS.items():
        train, test = (sorted(folder.rglob(f"{kind}-{part}.csv*")) for part in ("train", "test"))
        if train and test:
            pairs = list(zip(read_series(train[0]), read_series(test[0]), strict=True))
            value = score_owa(pairs, period, horizon, forecast_by_kind(kind))
            yield make_exact(
                "D", f"M4 {kind.lower()}: OWA", value, at_most=most, cases=f"{len(pairs)} series"
            )


def forecast_by_kind(kind: str) -> Callable[[Floats, int], Floats]:
    """Return the forecast that the product makes of such series."""

    def forecast(values: Floats, horizon: int) -> Floats:
        if kind == "Hourly":
            made = forecast_hours(values, horizon)
        else:
            made = forecast_values(values, horizon, period=1)
        assert made is not None
        return made.means

    return forecast


def read_series(path: Path) -> list[Floats]:
    """Return the series of a file of the competition: a row each, ragged, after a header."""
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    return [
        np.array([float(cell) for cell in row[1:] if cell not in {"", "NA"}], dtype=np.float64)
        for row in list(csv.reader(text.splitlines()))[1:]
    ]


def score_owa(
    pairs: Sequence[tuple[Floats, Floats]],
    period: int,
    horizon: int,
    forecast: Callable[[Floats, int], Floats],
) -> float:
    """Return the mean of sMAPE and MASE, each as a ratio to that of the competition's Naïve 2."""
    totals = np.zeros((2, 2))
    for values, actual in pairs:
        scale = float(np.mean(np.abs(values[period:] - values[:-period])))
        made = (forecast(values, horizon), repeat_last(values, period, horizon))
        for row, predicted in enumerate(made):
            error = np.abs(actual - predicted)
            totals[row] += (
                200 * float(np.mean(error / (np.abs(actual) + np.abs(predicted)))),
                float(np.mean(error)) / scale,
            )
    return float(np.mean(totals[0] / totals[1]))


def repeat_last(values: Floats, period: int, horizon: int) -> Floats:
    """Return Naïve 2: the last value, times the season of a classical decomposition if there is a season."""
    if period == 1 or not has_season(values, period):
        return np.full(horizon, values[-1])
    weights = np.array([0.5, *np.ones(period - 1), 0.5]) / period
    trend = np.convolve(values, weights, "valid")
    first = period // 2
    ratios = values[first : first + len(trend)] / trend
    positions = (np.arange(len(trend)) + first) % period
    season = np.array([ratios[positions == position].mean() for position in range(period)])
    season /= season.mean()
    count = len(values)
    last = values[-1] / season[(count - 1) % period]
    return np.asarray(last * season[(count + np.arange(horizon)) % period])


def has_season(values: Floats, period: int) -> bool:
    """Return the competition's test: the autocorrelation at one period is beyond its 90 % limit."""
    centred = values - values.mean()
    square_sum = float(centred @ centred)
    likeness = [float(centred[lag:] @ centred[:-lag]) / square_sum for lag in range(1, period + 1)]
    limit = 1.645 * np.sqrt((1 + 2 * float(np.sum(np.square(likeness[:-1])))) / len(values))
    return bool(abs(likeness[-1]) > limit)
