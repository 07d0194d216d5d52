"""Compare like with like in series that pool task types: level the types, describe a change of the mix."""

from __future__ import annotations

import numpy as np

from stretto.analysis.series_of_run_values import Series

FEWEST_OF_STRATUM = 10
"""Fewest values of a task type that has a level; rarer types are left out of a pooled series."""


def level_strata(series: Series) -> Series:
    """Return a pooled series whose types have the same median: a change of their mix leaves it flat.

    Example: types of 10 s and 100 s become values around their common level, whatever the share of each.
    A series of a single type is returned as it is.
    """
    if series.strata is None or not len(series.values):
        return series
    sizes = np.bincount(series.strata, minlength=len(series.stratum_names))
    medians = np.array(
        [
            np.median(series.values[series.strata == number]) if size else 0.0
            for number, size in enumerate(sizes)
        ]
    )
    kept = sizes[series.strata] >= FEWEST_OF_STRATUM
    levelled = series.values - medians[series.strata] + float(np.median(series.values))
    return series.select_values(kept, levelled)


def describe_mix_change(series: Series, since: int) -> str:
    """Return the type whose share of the runs changed most since an instant (ns), as text.

    Example: ``docs from 10 % to 50 % of the runs``.
    """
    assert series.strata is not None
    after = series.times >= since
    counts = [
        np.bincount(series.strata[chosen], minlength=len(series.stratum_names)) / max(1, int(chosen.sum()))
        for chosen in (~after, after)
    ]
    most = int(np.argmax(np.abs(counts[1] - counts[0])))
    type_ = series.stratum_names[most].rpartition("/")[2]
    return f"{type_} from {counts[0][most]:.0%} to {counts[1][most]:.0%} of the runs".replace("%", " %")
