"""Choose the two periods of a comparison, the same for the page and the API, and compare them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stretto.clock import DAY, HOUR, to_rfc3339
from stretto.summaries.snapshot import Snapshot
from stretto.summaries.snapshot_of_any_window import (
    find_latest_end_of_earlier_window,
    find_window_before,
    measure_window,
)
from stretto.summaries.time_window import TimeWindow, make_bounded_window, make_named_window
from stretto.web.backend import Backend
from stretto.web.period_comparison import PeriodComparison, build_comparison_document, compare_periods
from stretto.web.window_parameters import (
    BEFORE_PARAMETERS,
    WINDOW_PARAMETERS,
    QueryError,
    parse_instant,
    parse_window,
)

PERIOD_PARAMETERS = (*WINDOW_PARAMETERS, *BEFORE_PARAMETERS)

PERIOD = "7d"
"""The period that is compared with the one before, unless another is asked for."""


@dataclass(frozen=True, slots=True)
class PeriodChoice:
    """A period and an earlier one."""

    window: TimeWindow
    before: TimeWindow
    is_chosen: bool
    """Whether the earlier one was asked for; otherwise it is the time of the same length right before."""
    are_alike: bool
    """Whether both have the same length within an hour."""


def parse_periods(parameters: Mapping[str, str], now: int) -> PeriodChoice:
    """Return the periods of a request: a window, and the time before it unless another one is chosen.

    Raises QueryError for a bound that is none, for one of two bounds, and for periods that overlap.
    """
    window = parse_window(parameters, now) or make_named_window(PERIOD, now)
    length = measure_window(window, now)
    if length is None:
        raise QueryError("the window must have a beginning that is over, to have a time before it")
    given = {name: parameters[name] for name in BEFORE_PARAMETERS if parameters.get(name)}
    if given:
        before = _parse_before(given, find_latest_end_of_earlier_window(window, now))
        return PeriodChoice(window, before, True, abs((measure_window(before, now) or 0) - length) <= HOUR)
    right_before = find_window_before(window, now)
    if right_before is None:
        raise QueryError("from is so early that nothing of this length lies before it")
    return PeriodChoice(window, right_before, False, True)


def _parse_before(given: Mapping[str, str], latest: int | None) -> TimeWindow:
    if len(given) < len(BEFORE_PARAMETERS):
        raise QueryError("before_from and before_to must be given together")
    start, end = parse_instant(given, "before_from", 0), parse_instant(given, "before_to", DAY)
    if start is None or end is None or end <= start:
        raise QueryError("before_to must be later than before_from")
    if latest is not None and end > latest:
        raise QueryError(f"before_to must end before the other period begins, by {to_rfc3339(latest)[:19]}Z")
    return make_bounded_window(start, end)


@dataclass(frozen=True, slots=True)
class ComparedPeriods:
    """Two periods side by side, with the snapshots that they were read from."""

    comparison: PeriodComparison
    now: Snapshot
    before: Snapshot


def compare_requested_periods(backend: Backend, choice: PeriodChoice) -> ComparedPeriods | None:
    """Return the comparison; None before the first snapshot. Raises StoreError for an unreadable store."""
    latest = backend.snapshot()
    if latest is None:
        return None
    now, before = (backend.windowed_snapshot(latest, window) for window in (choice.window, choice.before))
    return ComparedPeriods(
        compare_periods((now, choice.window.name), (before, choice.before.name)), now, before
    )


def build_periods_document(choice: PeriodChoice, comparison: PeriodComparison) -> dict[str, Any]:
    """Return the comparison as JSON; lengths are seconds, and what is not known is null."""
    periods = {"now": choice.window, "before": choice.before}
    return {
        **{
            name: {
                "window": window.name,
                "start": None if window.start is None else to_rfc3339(window.start),
                "end": None if window.end is None else to_rfc3339(window.end),
            }
            for name, window in periods.items()
        },
        **build_comparison_document(comparison),
    }
