"""Keep documents within their limits: the rest of the names is added up, the shortest rows are left out.

Sums merge by addition, so totals, ratios and quantiles stay exact; only the split by name or by time is
coarser. The document states how much of it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from stretto.figures.name_budget import choose_name_budget
from stretto.fleet.session_document import MOST_BYTES, MOST_CELLS, SessionDocument, encode_session_document
from stretto.journal.pruned_session_records import KeptRow, KeptSum
from stretto.store.sums_by_time_slot import SLOTS, Additions

NAME_BUDGETS = (100, 50, 20, 10, 5, 2, 0)
"""Numbers of names of a kind that keep sums of their own, tried one after another."""

MOST_FINE_CELLS = 500
"""Most sums that a document has by slots of five minutes: so many are some kilobytes."""

CELLS = "cells"
"""The key of the number of folded sums, beside the tables of rows."""


def coarsen_cells(additions: Additions, most: int = MOST_CELLS) -> tuple[Additions, int]:
    """Return at most about ``most`` sums, and how many fewer they are than before.

    More than ``MOST_FINE_CELLS`` are by the hour, so that windows of a day or longer stay the same. Then
    names are folded, those with the fewest observations first; then hours become days.
    """
    narrow, *wider = SLOTS
    limited = additions if len(additions) <= MOST_FINE_CELLS else _widen_slots(additions, wider[0] // narrow)
    by_hour = limited
    for names in NAME_BUDGETS:
        if len(limited) <= most:
            break
        limited = _fold_names(by_hour, names)
    if len(limited) > most:
        limited = _widen_slots(limited, wider[1] // narrow)
    return limited, len(additions) - len(limited)


def limit_rows(document: SessionDocument, most: int = MOST_BYTES) -> SessionDocument:
    """Return a document of at most ``most`` bytes, if need be without the shorter half of its rows.

    If that does not suffice, the shorter half of the rest is left out too, and so on.
    """
    while len(encode_session_document(document)) > most and any(document.rows.values()):
        table = max(document.rows, key=lambda name: len(document.rows[name]))
        rows = _select_longest(document.rows[table])
        left_out = Counter(document.left_out)
        left_out[table] += len(document.rows[table]) - len(rows)
        document = replace(document, rows={**document.rows, table: rows}, left_out=dict(left_out))
    return document


def list_kept_sums(additions: Mapping[tuple[int, str, tuple[str | int, ...]], int]) -> tuple[KeptSum, ...]:
    """Return the sums of a document, in an order that depends on them alone."""
    return tuple((*cell, value) for cell, value in sorted(additions.items(), key=repr) if value)


def _fold_names(additions: Additions, most_names: int) -> Additions:
    cells = ((measure, dims, value) for (_, measure, dims), value in additions.items())
    budget = choose_name_budget(cells, most_names, most_names)
    if budget is None:
        return additions
    folders = {measure: budget.make_folder(measure) for _, measure, _ in additions}
    folded: Additions = Counter()
    for (slot, measure, dims), value in additions.items():
        fold = folders[measure]
        folded[slot, measure, dims if fold is None else fold(dims)] += value
    return folded


def _widen_slots(additions: Additions, factor: int) -> Additions:
    """Return the sums of each ``factor`` slots in the first of them."""
    widened: Additions = Counter()
    for (slot, measure, dims), value in additions.items():
        widened[slot // factor * factor, measure, dims] += value
    return widened


def _select_longest(rows: Iterable[KeptRow]) -> tuple[KeptRow, ...]:
    """Return the longer half of some rows, in their order."""
    ordered = list(rows)
    ranked = sorted(range(len(ordered)), key=lambda number: (-_get_length(ordered[number]), number))
    chosen = {*ranked[: len(ordered) // 2]}
    return tuple(row for number, row in enumerate(ordered) if number in chosen)


def _get_length(row: KeptRow) -> int:
    length = row.get("length") or row.get("elapsed") or 0
    return length if isinstance(length, int) else 0
