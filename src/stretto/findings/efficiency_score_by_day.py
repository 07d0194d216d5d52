"""Compute the efficiency score of each day, over all sessions and by pattern, for its trend."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from stretto.clock import DAY, SECOND
from stretto.figures.figure import Figure
from stretto.figures.model_call_cache_and_test_figures import compute_usage_figures
from stretto.figures.parallel_work_against_baselines import build_mixes, sum_parallel_by_type
from stretto.figures.scores.efficiency_dimensions import EfficiencyInputs, compute_efficiency_score
from stretto.figures.scores.look_up_figures_for_scores import PublishedFigures
from stretto.figures.scores.score_rules import WEIGHTS, ScoreRules
from stretto.figures.scores.sums_by_pattern_type_or_agent import SPLIT_BY_PATTERN, split_sums_by
from stretto.figures.sequential_baseline_choice import NOTHING_DECLARED, DeclaredBaselines
from stretto.figures.sums_by_dimension import Sums
from stretto.figures.wall_time_parts import compute_wall_figures
from stretto.model.task_type import DEFAULT_TARGET
from stretto.names import NONE, measures
from stretto.names.measures import Dimension
from stretto.store.fanout_and_baseline_queries import make_baseline_finder
from stretto.store.sum_queries import read_sums_by_slot

SCORE_DAYS = 30
"""Days whose scores are computed. A trend of scores is of these alone, and never of 90 days."""

SCORE_MEASURES = (
    *sorted(SPLIT_BY_PATTERN),
    measures.CALLS,
    measures.MEMORY_EVENNESS,
    measures.MODEL_CALLS,
    measures.PROMPT_TOKENS,
    measures.SAMPLED_SESSIONS,
    measures.SESSIONS,
    measures.SESSION_MACHINE_USE,
    measures.TOKENS,
    measures.WALL,
)
"""The measures that an efficiency score is computed from."""

DayScore = tuple[int, float]
"""The middle of a day (ns), and its efficiency score from 0 to 1."""

_DAY = "day"
"""The window that the figures of a day are labelled with; nobody sees it."""


class ScoreSettings(msgspec.Struct, frozen=True):
    """The configuration that scores depend on, as it is passed to the process of the analyses."""

    rules: ScoreRules = msgspec.field(default_factory=lambda: ScoreRules(weights=dict(WEIGHTS)))
    targets: Mapping[str, float] = {}
    """Target improvement by task type, as a ratio; others have the default."""
    hours: Mapping[str, float] = {}
    """Configured sequential hours by task type."""
    declared: DeclaredBaselines = NOTHING_DECLARED

    def find_target(self, task_type: str) -> float:
        """Return the target improvement of a task type, as a ratio."""
        return self.targets.get(task_type, DEFAULT_TARGET)


def read_efficiency_by_day(
    connection: sqlite3.Connection, instant: int, settings: ScoreSettings
) -> dict[str | None, list[DayScore]]:
    """Return the efficiency scores of each named pattern, and under None of all, by whole day of UTC.

    A day whose score is withheld is left out. Baselines are those that are known at the instant (ns).
    """
    scores: dict[str | None, list[DayScore]] = defaultdict(list)
    find_baseline = make_baseline_finder(connection, settings.hours, settings.declared, now=instant)

    def add_score(pattern: str | None, day: int, sums: Sums, published: Iterable[Figure]) -> None:
        score = compute_efficiency_score(
            EfficiencyInputs(
                sums,
                sum_parallel_by_type(build_mixes(sums, find_baseline)),
                PublishedFigures(published, _DAY),
                settings.find_target,
                settings.rules,
                is_of_pattern=pattern is not None,
            )
        ).score
        if score.value is not None:
            scores[pattern].append((day * DAY + DAY // 2, score.value))

    slots = range(instant // DAY - SCORE_DAYS, instant // DAY)
    for day, sums in sorted(read_sums_by_slot(connection, DAY // SECOND, slots, SCORE_MEASURES).items()):
        add_score(None, day, sums, [*compute_wall_figures(_DAY, sums), *compute_usage_figures(_DAY, sums)])
        for pattern, pattern_sums in split_sums_by(sums, Dimension.PATTERN).items():
            if pattern != NONE:
                add_score(pattern, day, pattern_sums, ())
    return scores
