"""Build the JSON document of a snapshot's scores: every part, its weight, the coverage and the reasons."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stretto.figures.figure import Figure
from stretto.figures.scores.quality_score import name_trend_direction
from stretto.figures.scores.score_rules import ScoreRules
from stretto.names import WINDOWS

NamedFigures = dict[tuple[str, ...], Figure]


def build_scores_document(
    figures: Iterable[Figure], rules: ScoreRules, windows: Iterable[str] = WINDOWS
) -> dict[str, Any]:
    """Return the efficiency score and the quality of each task type by window.

    Coverage is 1 less the width of a score's range. For an efficiency score it is the weighted mean of its
    dimensions' coverage: its range is narrower where it is capped.
    """
    score_figures = [f for f in figures if f.name.startswith(("stretto_efficiency_", "stretto_quality_"))]
    return {
        window: {
            "efficiency": _build_efficiency(
                _index_figures(score_figures, window, "stretto_efficiency_"), rules
            ),
            "quality": _build_quality(_index_figures(score_figures, window, "stretto_quality_"), rules),
        }
        for window in windows
    }


def _index_figures(figures: Iterable[Figure], window: str, prefix: str) -> NamedFigures:
    """Return the window's figures by (name without the prefix, values of the labels except the window)."""
    indexed = {}
    for figure in figures:
        labels = dict(figure.labels)
        if figure.name.startswith(prefix) and labels.pop("window", None) == window:
            indexed[(figure.name.removeprefix(prefix), *labels.values())] = figure
    return indexed


def _build_efficiency(named: NamedFigures, rules: ScoreRules) -> dict[str, Any]:
    dimensions = {}
    coverage_sum = weight_sum = 0.0
    for dimension in rules.weights["efficiency"]:
        weight = rules.get_weight("efficiency", dimension)
        parts = {key[2]: f for key, f in named.items() if key[:2] == ("part_score", dimension)}
        figure = named.get(("dimension_score", dimension))
        coverage = _get_coverage(figure, 100)
        if figure is not None and figure.low is not None:
            coverage_sum, weight_sum = coverage_sum + weight * coverage, weight_sum + weight
        dimensions[dimension] = {
            **_to_score(figure),
            "weight": weight,
            "coverage": coverage,
            "parts": {part: _to_score(figure) for part, figure in parts.items()},
        }
    coverage = coverage_sum / weight_sum if weight_sum else 0.0
    return {**_to_score(named.get(("score",))), "coverage": coverage, "dimensions": dimensions}


def _build_quality(named: NamedFigures, rules: ScoreRules) -> dict[str, Any]:
    # Example: a quality from 5 to 7 of 10 has a coverage of 0.8.
    by_task_type = {}
    for key, figure in named.items():
        if key[0] != "score":
            continue
        task_type = key[1]
        parts = {part_key[2]: f for part_key, f in named.items() if part_key[:2] == ("part_score", task_type)}
        current, rate, volatility = (
            named.get((name, task_type)) for name in ("current", "rate_per_day", "volatility")
        )
        direction = None if rate is None or rate.value is None else name_trend_direction(rate.value)
        by_task_type[task_type] = {
            **_to_score(figure),
            "coverage": _get_coverage(figure, 10),
            "parts": {
                part: {**_to_score(f), "weight": rules.get_weight("quality", part)}
                for part, f in parts.items()
            },
            "trend": {
                "current": None if current is None else current.value,
                "direction": direction,
                "rate_per_day": None if rate is None else rate.value,
                "volatility": None if volatility is None else volatility.value,
                "days": 0 if rate is None else rate.count,
                "reason": None if rate is None else rate.reason,
            },
        }
    return by_task_type


def _get_coverage(figure: Figure | None, scale: float) -> float:
    if figure is None or figure.low is None or figure.high is None:
        return 0.0
    return 1 - (figure.high - figure.low) / scale


def _to_score(figure: Figure | None) -> dict[str, Any]:
    if figure is None:
        return {"score": None, "low": None, "high": None, "reason": "nothing is known about it"}
    return {"score": figure.value, "low": figure.low, "high": figure.high, "reason": figure.reason}
