"""The sums that drawn sessions add, and figures by name, for the tests of scores."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from stretto.figures.figure import Figure
from stretto.figures.scores.score_rules import ScoreRules
from stretto.figures.sequential_baseline_choice import Baseline, choose_baseline
from stretto.figures.sums_by_dimension import Sums
from stretto.model.score_scales import SCALES, Scales
from stretto.store.concluded_session import Rules
from stretto.store.sums_of_one_session import SessionSums, compute_session_sums
from tests.scenes import Drawing, by_description, conclude_scene, fold_scene

RULES = ScoreRules()


def own(drawing: Drawing, scales: Scales = SCALES, without: AbstractSet[str] = frozenset()) -> SessionSums:
    """Return what one drawn session and its phases add, without some contributions."""
    events, rules = drawing.events, Rules(by_description, scales=scales)
    return compute_session_sums(fold_scene(events), conclude_scene(events), rules, without=without)


def sums_of(*drawings: Drawing) -> Sums:
    """Return what drawn sessions add together."""
    found: dict[str, dict[tuple[str | int, ...], int]] = {}
    for drawing in drawings:
        for measure, cells in own(drawing).session.items():
            for dims, value in cells.items():
                own_cells = found.setdefault(measure, {})
                own_cells[dims] = own_cells.get(dims, 0) + value
    return dict(found)


def by_work(pattern: str, signature: str) -> Baseline:
    """Hold parallel tasks against their own work."""
    return choose_baseline(pattern, signature, None, {})


def valued(figures: Iterable[Figure]) -> dict[tuple[str, str], float | None]:
    """Return values by name without the prefix, and labels without the window."""
    found = {}
    for figure in figures:
        labels = ",".join(value for name, value in figure.labels if name != "window")
        found[figure.name.removeprefix("stretto_"), labels] = figure.value
    return found
