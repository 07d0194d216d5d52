"""Fold names beyond a budget into ``other`` before figures are made, so that figures stay bounded.

Names of agents, tools, patterns and the like come from outside, and each makes a set of figures. Of each kind
the names with the most observations keep sums of their own; the sums of the rest are added up as ``other``.
Sums merge by addition, so totals, ratios and quantiles of ``other`` are exact.

Example: with a budget of two names, 5 calls of ``Bash``, 3 of ``Read`` and one each of ``x`` and ``y`` become
5 of ``Bash``, 3 of ``Read`` and 2 of ``other``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from stretto.figures.sums_by_dimension import Sums
from stretto.figures.work_signature import build_signature_without_identity, list_signature_task_types
from stretto.names import MAIN, NONE, OTHER, measures
from stretto.names.measures import MEASURES, Dimension, Dims

MOST_NAMES = 100
"""Most names of a kind that keep sums of their own in a window."""

MOST_SIGNATURES = 300
"""Most identities of parallel work, and most mixes of task types, that keep sums of their own."""

NEVER_FOLDED = frozenset({MAIN, NONE, OTHER, ""})
"""Names that Stretto itself gives."""

WEIGHED_BY: dict[Dimension, tuple[str, ...]] = {
    Dimension.AGENT: (measures.WORK_ENDS, measures.MESSAGES, measures.TALK_MESSAGES),
    Dimension.TASK_TYPE: (measures.WORK_ENDS, measures.VERDICT_TASKS),
    Dimension.PATTERN: (measures.SESSIONS, measures.WORK_ENDS, measures.VERDICT_FANOUTS),
    Dimension.TOOL: (measures.CALLS,),
    Dimension.MODEL: (measures.MODEL_CALLS,),
    Dimension.PHASE: (measures.PHASES,),
    Dimension.SCORE: (measures.SCORE_COUNT, measures.SCORE_OUTSIDE),
    Dimension.CACHE: (measures.CACHE_LOOKUPS,),
    Dimension.FRAMEWORK: (measures.TEST_RUNS,),
    Dimension.EVENT: (measures.HOOK_EVENT_TIME,),
    Dimension.COMMAND: (measures.HOOK_COMMAND_TIME,),
    Dimension.SENDER: (measures.CONVERSATIONS,),
    Dimension.SOURCE: (measures.SESSIONS,),
    Dimension.SIGNATURE: (measures.VERDICT_TASKS,),
}
"""The dimensions whose values come from outside, and the counts by which their values are ranked."""

WEIGHING_MEASURES = tuple(sorted({measure for names in WEIGHED_BY.values() for measure in names}))

FoldDims = Callable[[Dims], Dims]


@dataclass(frozen=True, slots=True)
class NameBudget:
    """The names that keep sums of their own. A dimension that is missing keeps all of its names."""

    kept: Mapping[Dimension, frozenset[str]]
    kept_mixes: frozenset[str]
    """The mixes of task types that keep sums of their own where the identity of the work is dropped."""
    names_in_other: Mapping[str, int]
    """Number of folded names by dimension."""

    _signatures: dict[tuple[str, bool], str] = field(default_factory=dict, repr=False, compare=False)
    """(signature, whether its pattern keeps its name) → what it is folded to."""

    def make_folder(self, measure: str) -> FoldDims | None:
        """Return the function that folds the dimensions of a measure, or None if it has nothing to fold."""
        known = MEASURES.get(measure)
        if known is None:
            # From a machine of a newer version: it is kept for the version that reads it.
            return None
        dimensions = known.dimensions
        names = {
            place: dict[str | int, str]({name: name for name in self.kept[dimension]})
            for place, dimension in enumerate(dimensions)
            if dimension in self.kept and dimension is not Dimension.SIGNATURE
        }
        places = tuple(names.items())
        if Dimension.SIGNATURE in dimensions and self.kept:
            return self._make_signature_folder(places, dimensions)
        if not places:
            return None
        if len(dimensions) == 1:
            ((_, only),) = places
            return lambda dims: (only.get(dims[0], OTHER),)

        def fold(dims: Dims) -> Dims:
            folded = list(dims)
            for place, kept in places:
                folded[place] = kept.get(dims[place], OTHER)
            return tuple(folded)

        return fold

    def _make_signature_folder(
        self, places: tuple[tuple[int, dict[str | int, str]], ...], dimensions: tuple[Dimension, ...]
    ) -> FoldDims:
        """Return a function that drops identities too: beyond the budget, and of folded patterns."""
        at, pattern_at = dimensions.index(Dimension.SIGNATURE), dimensions.index(Dimension.PATTERN)
        signatures = self._signatures

        def fold(dims: Dims) -> Dims:
            folded = list(dims)
            for place, kept in places:
                folded[place] = kept.get(dims[place], OTHER)
            key = str(dims[at]), folded[pattern_at] == dims[pattern_at]
            signature = signatures.get(key)
            if signature is None:
                signature = signatures[key] = self._fold_signature(*key)
            folded[at] = signature
            return tuple(folded)

        return fold

    def _fold_signature(self, signature: str, pattern_is_kept: bool) -> str:  # a cache's key
        """Return the signature, or without its identity, or with as many tasks of the type ``other``."""
        signatures, types = self.kept.get(Dimension.SIGNATURE), self.kept.get(Dimension.TASK_TYPE)
        names = list_signature_task_types(signature)
        if types is not None and not types.issuperset(names):
            names = [name if name in types else OTHER for name in names]
        elif pattern_is_kept and (signatures is None or signature in signatures):
            return signature
        mix = build_signature_without_identity(names)
        if signatures is None or mix in signatures or mix in self.kept_mixes:
            return mix
        return build_signature_without_identity([OTHER] * len(names))


def choose_name_budget(
    cells: Iterable[tuple[str, Dims, int]],
    most_names: int = MOST_NAMES,
    most_signatures: int = MOST_SIGNATURES,
) -> NameBudget | None:
    """Return the budget for some sums, given as (measure, dimensions, sum); None if nothing is to be folded.

    Sums of other measures than ``WEIGHING_MEASURES`` are ignored.
    """
    weights: dict[Dimension, dict[str, int]] = {dimension: {} for dimension in WEIGHED_BY}
    for measure, dims, value in cells:
        for dimension, place in _WEIGHED_PLACES.get(measure, ()):
            names, name = weights[dimension], str(dims[place])
            names[name] = names.get(name, 0) + value
    kept: dict[Dimension, frozenset[str]] = {}
    folded: dict[str, int] = {}
    kept_mixes: frozenset[str] = frozenset()
    for dimension, names in weights.items():
        most = most_signatures if dimension is Dimension.SIGNATURE else most_names
        outside = [name for name in names if name not in NEVER_FOLDED]
        if len(outside) <= most:
            continue
        # Ties by name, so that two readings of one store keep the same names.
        outside.sort(key=lambda name: (-names[name], name))
        kept[dimension] = NEVER_FOLDED.union(outside[:most])
        folded[dimension.value] = len(outside) - most
        if dimension is Dimension.SIGNATURE:
            kept_mixes = _choose_mixes({name: names[name] for name in outside[most:]}, most)
    return NameBudget(kept, kept_mixes, folded) if kept else None


def fold_sums(sums: Sums, budget: NameBudget | None) -> Sums:
    """Return the sums with the names beyond the budget added up as ``other``."""
    if budget is None:
        return sums
    return {measure: _fold_cells(cells, budget.make_folder(measure)) for measure, cells in sums.items()}


def describe_folded_names(folded: Mapping[str, int]) -> str | None:
    """Return a sentence on the names that were folded, or None if none were."""
    if not folded:
        return None
    kinds = ", ".join(f"{count:,} of {dimension}" for dimension, count in sorted(folded.items()))
    return (
        f"more names than figures are made for: {kinds} are added up as '{OTHER}' (a window keeps the"
        f" {MOST_NAMES} with the most observations); look for ids or dates in these names"
    )


def list_cells_that_rank_names(sums: Sums) -> Iterable[tuple[str, Dims, int]]:
    """Yield (measure, dimensions, sum) of the measures that names are ranked by."""
    for measure in WEIGHING_MEASURES:
        for dims, value in sums.get(measure, {}).items():
            yield measure, dims, value


def _fold_cells(cells: Mapping[Dims, int], fold: FoldDims | None) -> Mapping[Dims, int]:
    if fold is None:
        return cells
    total: dict[Dims, int] = {}
    for dims, value in cells.items():
        key = fold(dims)
        total[key] = total.get(key, 0) + value
    return total


def _choose_mixes(signatures: Mapping[str, int], most: int) -> frozenset[str]:
    mixes: Counter[str] = Counter()
    for signature, weight in signatures.items():
        mixes[build_signature_without_identity(list_signature_task_types(signature))] += weight
    ranked = sorted(mixes, key=lambda mix: (-mixes[mix], mix))
    return frozenset(ranked[:most])


_WEIGHED_PLACES = {
    measure: tuple(
        (dimension, MEASURES[measure].find_dimension_index(dimension))
        for dimension, names in WEIGHED_BY.items()
        if measure in names
    )
    for measure in WEIGHING_MEASURES
}
"""Measure → (dimension that it ranks, place of that dimension)."""
