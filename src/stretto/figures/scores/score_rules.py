"""Define the rules of the scores: weights, targets and scales, by default or from the ``[scores]`` tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import fsum, isfinite
from types import MappingProxyType
from typing import Any

from stretto.errors import ConfigError, make_unknown_key_error
from stretto.figures.scores.composite import NARROW, ScorePart
from stretto.model.score_scales import MOST, SCALES, Scale, Scales
from stretto.model.task_type import DEFAULT_TARGET, to_label_value

Weights = Mapping[str, float]

WEIGHTS: Mapping[str, Weights] = MappingProxyType(
    {
        "efficiency": {"time": 0.30, "resource": 0.30, "quality": 0.25, "workflow": 0.15},
        "agent": {
            "delivery": 0.30,
            "quality": 0.25,
            "collaboration": 0.20,
            "errors": 0.15,
            "response": 0.10,
        },
        "collaboration": {"balance": 0.0, "response": 0.3, "success": 0.3},
        "quality": {
            "judgement": 0.30,
            "completeness": 0.20,
            "consistency": 0.20,
            "depth": 0.10,
            "actionability": 0.10,
            "parity": 0.10,
        },
    }
)
"""The weights of each score's parts; each is used as a share of the sum of its table."""


@dataclass(frozen=True, slots=True)
class ScoreRules:
    """The rules by which scores are computed."""

    weights: Mapping[str, Weights] = field(default_factory=lambda: WEIGHTS)
    scales: Scales = SCALES
    min_coverage: float = NARROW
    """1 less the widest range, as a share of the scale, at which a score is shown as a number."""
    min_parts: int = 2
    """Fewest known parts of a quality score."""
    cohort: int = 5
    """Fewest turns, tasks or judgements for a comparison."""
    answer_seconds: float = 300.0
    """Mean answer time at and above which the response in collaboration is 0."""
    messages: float = 10.0
    """Target number of messages in a session."""
    cpu_low: float = 0.75
    cpu_high: float = 0.85
    """The range of good use: busy share of the machine's processors."""

    @property
    def cpu_target(self) -> tuple[float, float]:
        """The range of good use: least and largest busy share of the machine's processors."""
        return self.cpu_low, self.cpu_high

    def get_weight(self, score: str, part: str) -> float:
        """Return a part's share of a score; over all parts they sum to 1."""
        weights = self.weights[score]
        # An exact sum: shares that are given as 0.2 are printed as 0.2.
        return weights[part] / fsum(weights.values())

    def make_part(
        self, score: str, name: str, value: float | None, count: int, reason: str, *, applies: bool = True
    ) -> ScorePart:
        """Return a part of a score with its weight; ``reason`` is kept only if there is no value.

        ``applies`` is False if, without a value, nobody could have reported it: the part has no weight then.
        """
        known = value is not None
        return ScorePart(
            name, value, self.get_weight(score, name), None if known else reason, count, known or applies
        )


_NUMBERS: dict[str, tuple[float, float]] = {
    "min_coverage": (0.0, 1.0),
    "min_parts": (1, len(WEIGHTS["quality"])),
    "cohort": (1, 1_000_000),
    "answer_seconds": (0.001, 1e7),
    "messages": (1, 1e6),
    "cpu_low": (0.0, 1.0),
    "cpu_high": (0.0, 1.0),
}
"""Key → (smallest, largest) accepted value."""

_WITHOUT_EFFECT = frozenset({"response_seconds"})
"""Keys of configurations of the first release: an agent is now compared with others of its task types."""

_WHOLE = frozenset({"min_parts", "cohort"})


def _get_default_target(_task_type: str) -> float:
    return DEFAULT_TARGET


@dataclass(frozen=True, slots=True)
class Scoring:
    """The rules of the scores, and the target improvement of each task type, as a ratio."""

    rules: ScoreRules = field(default_factory=ScoreRules)
    target: Callable[[str], float] = _get_default_target


def parse_score_rules(tables: object, where: str) -> ScoreRules:
    """Return the default rules, changed by a file's ``[scores]`` tables.

    ``[scores.weights.<score>]`` has weights; every other table has the ``scale`` of the score it is named
    after. Raises ConfigError for a value that cannot be used.
    """
    # Example: {"cohort": 3, "satisfaction": {"scale": [0, 10]}} changes a number and a scale.
    table = _check_table(tables, "scores", where)
    numbers: dict[str, Any] = {}
    weights: Mapping[str, Weights] = WEIGHTS
    scales = {scale.name: scale for scale in SCALES.scales}
    for key, value in table.items():
        if key == "weights":
            weights = _parse_weights(value, where)
        elif isinstance(value, dict):
            scale = _parse_scale(key, value, where)
            scales[scale.name] = scale
        elif key in _WITHOUT_EFFECT:
            continue
        elif key in _NUMBERS:
            numbers[key] = _check_number(
                f"scores.{key}", value, *_NUMBERS[key], whole=key in _WHOLE, where=where
            )
        else:
            raise make_unknown_key_error(f"scores.{key}", [*_NUMBERS, "weights"], where)
    rules = ScoreRules(weights=weights, scales=Scales(tuple(scales.values())), **numbers)
    if not 0 < rules.cpu_low <= rules.cpu_high < 1:
        raise ConfigError(
            "scores.cpu_low and scores.cpu_high cannot be used",
            where=where,
            cause=f"they are {rules.cpu_low:g} and {rules.cpu_high:g}",
            hint="shares between 0 and 1, the lower one first: 0.75 and 0.85",
        )
    return rules


def build_rules_document(rules: ScoreRules) -> dict[str, Any]:
    """Return the rules as JSON, weights as shares of their sum."""
    return {
        **{name: getattr(rules, name) for name in _NUMBERS},
        "weights": {
            score: {part: rules.get_weight(score, part) for part in parts}
            for score, parts in rules.weights.items()
        },
        "scales": {scale.name: [scale.low, scale.high] for scale in rules.scales.scales},
    }


_RENAMED = {("agent", "completion"): "delivery"}
"""(Score, part) of configurations of the first release → the part's name."""


def _parse_weights(tables: object, where: str) -> Mapping[str, Weights]:
    weights_by_score: dict[str, Weights] = dict(WEIGHTS)
    for score, value in _check_table(tables, "scores.weights", where).items():
        if score not in WEIGHTS:
            raise make_unknown_key_error(f"scores.weights.{score}", WEIGHTS, where)
        parts = _check_table(value, f"scores.weights.{score}", where)
        changed: dict[str, float] = {}
        for key, weight in parts.items():
            part = _RENAMED.get((score, key), key)
            name = f"scores.weights.{score}.{key}"
            if part not in WEIGHTS[score]:
                raise make_unknown_key_error(name, WEIGHTS[score], where)
            changed[part] = _check_number(name, weight, 0, 1e6, whole=False, where=where)
        weights_by_score[score] = {**WEIGHTS[score], **changed}
        if not any(weights_by_score[score].values()):
            raise ConfigError(
                f"scores.weights.{score} has no part with a weight", where=where, hint="leave one above 0"
            )
    return weights_by_score


def _parse_scale(name: str, table: Mapping[str, object], where: str) -> Scale:
    label = f"scores.{name}"
    for key in table:
        if key != "scale":
            raise make_unknown_key_error(f"{label}.{key}", ["scale"], where)
    scale = table.get("scale")
    is_pair = isinstance(scale, list) and len(scale) == 2 and all(_is_number(edge) for edge in scale)  # noqa: PLR2004  # low and high
    low, high = scale if is_pair and isinstance(scale, list) else (0.0, 0.0)
    is_endless = high == float("inf")
    is_in_range = (
        isfinite(low) and abs(low) <= MOST and (is_endless or (isfinite(high) and abs(high) <= MOST))
    )
    if not is_pair or not is_in_range or not low < high or not to_label_value(name):
        raise ConfigError(
            f"{label}.scale cannot be used",
            where=where,
            cause=f"it is {scale!r}",
            hint="the lowest and the highest value, for example [0, 10]; [0, inf] for a count",
        )
    return Scale(to_label_value(name), float(low), None if is_endless else float(high))


def _check_number(name: str, value: object, low: float, high: float, *, whole: bool, where: str) -> float:
    is_usable = _is_number(value) and (isinstance(value, int) or not whole)
    if not is_usable or not isinstance(value, int | float) or not low <= value <= high:
        kind = "a whole number" if whole else "a number"
        raise ConfigError(
            f"{name} must be {kind} from {low:g} to {high:g}", where=where, cause=f"it is {value!r}"
        )
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_table(value: object, name: str, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ConfigError(f"{name} must be a table", where=where, cause=f"it is {value!r}")
    return value
