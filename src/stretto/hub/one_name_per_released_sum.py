"""Fold the names of released sums: a sum keeps one name, and that under the name it is released as."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from stretto.figures.work_signature import build_signature_without_identity
from stretto.hub.engine import OwnerSum
from stretto.names import OTHER
from stretto.names.measures import MEASURES, Dimension, Dims

NAMES = (
    Dimension.SCORE, Dimension.TASK_TYPE, Dimension.PATTERN, Dimension.AGENT, Dimension.TOOL, Dimension.MODEL,
    Dimension.PHASE, Dimension.CACHE, Dimension.SOURCE, Dimension.FRAMEWORK, Dimension.SIGNATURE,
    Dimension.SENDER, Dimension.EVENT, Dimension.COMMAND,
)  # fmt: skip
"""The dimensions whose values can stand for few people. A cell keeps the first that it has.

With two of them, the difference of two measures could show a group of one person.
"""

_UNNAMED = {Dimension.SIGNATURE: build_signature_without_identity([OTHER])}
"""Dimension → what its values are folded to, if that is not ``other``."""


def fold_sums(
    sums: Sequence[OwnerSum], shown: Mapping[str, Mapping[str, str]]
) -> Iterable[tuple[OwnerSum, Dims, str]]:
    """Yield each sum that is not withheld, with its folded dimensions and the part of its group."""
    folders: dict[str, Callable[[Dims], Dims | None]] = {}
    for each in sums:
        if each.measure not in MEASURES:
            continue
        fold = folders.get(each.measure)
        if fold is None:
            fold = folders[each.measure] = _make_folder(each.measure, shown)
        dims = fold(each.dims)
        if dims is not None:
            named = find_kept_name(each)
            part = "" if named is None else f"{named[0]}:{shown[named[0]][named[1]]}"
            yield each, dims, part


def find_kept_name(each: OwnerSum) -> tuple[Dimension, str] | None:
    """Return the dimension whose name a cell keeps, and the name; None for a cell without names."""
    measure = MEASURES.get(each.measure)
    dimension = None if measure is None else _find_kept_dimension(measure.dimensions)
    if measure is None or dimension is None:
        return None
    return dimension, str(each.dims[measure.find_dimension_index(dimension)])


def _find_kept_dimension(dimensions: Iterable[Dimension]) -> Dimension | None:
    """Return the dimension whose names a measure keeps, if they are of enough people.

    Measures of parallel work are read together by pattern and signature, so both are folded in all of them.
    """
    present = frozenset(dimensions)
    if Dimension.SIGNATURE in present:
        present &= {Dimension.TASK_TYPE}
    return next((dimension for dimension in NAMES if dimension in present), None)


def _make_folder(
    measure: str, replacements: Mapping[str, Mapping[str, str]]
) -> Callable[[Dims], Dims | None]:
    """Return the function that folds the names of a measure; it returns None for a cell that is withheld."""
    dimensions = MEASURES[measure].dimensions
    kept = _find_kept_dimension(dimensions)
    names = {} if kept is None else replacements.get(kept, {})
    dropped = {
        place: _UNNAMED.get(dimension, OTHER)
        for place, dimension in enumerate(dimensions)
        if dimension in NAMES and dimension is not kept
    }

    def fold(dims: Dims) -> Dims | None:
        folded = list(dims)
        for place, name in dropped.items():
            folded[place] = name
        if kept is not None:
            place = dimensions.index(kept)
            shown = names.get(str(dims[place]))
            if shown is None:
                return None
            folded[place] = shown
        return tuple(folded)

    return fold
