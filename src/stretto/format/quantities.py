"""Format numbers, durations and instants for people: at most three significant digits and a familiar unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import floor, log10
from typing import Any

from stretto.clock import DAY, HOUR, MINUTE, SECOND

SPACE = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"

_KILO = 1000
_STEPS = ("", "k", "M", "G", "T")


def format_duration(seconds: float) -> str:
    """Return a duration in seconds as text, e.g. ``3.1 s``, ``4 min 5 s``, ``1 h 12 min``, ``134 h``."""
    sign = MINUS if seconds < 0 else ""
    seconds = abs(seconds)
    if seconds == 0:
        return f"0{SPACE}s"
    if seconds < 0.0005:  # noqa: PLR2004  # shorter durations round to 0 ms
        return f"under{SPACE}1{SPACE}ms"
    return sign + _format_magnitude(seconds)


def _format_magnitude(seconds: float) -> str:
    if seconds < 1 and _round_significant(seconds * 1000) < 1000:  # noqa: PLR2004  # ms in a second
        return f"{_format_below_1000(seconds * 1000)}{SPACE}ms"
    if round(seconds, 1) < 60:  # noqa: PLR2004  # s in a minute
        return f"{_format_below_1000(seconds)}{SPACE}s"
    if (amount := int(_round_significant(round(seconds)))) < HOUR // SECOND:
        return _format_two_units(amount, 60, "min", "s")
    if (amount := int(_round_significant(round(seconds / 60)))) < 100 * 60:
        return _format_two_units(amount, 60, "h", "min")
    return f"{int(_round_significant(seconds / 3600)):,}{SPACE}h"


def _format_two_units(amount: int, ratio: int, large: str, small: str) -> str:
    """Return an amount of the small unit in both units: 245 s are ``4 min 5 s``."""
    large_amount, rest = divmod(amount, ratio)
    return f"{large_amount}{SPACE}{large}" + (f"{SPACE}{rest}{SPACE}{small}" if rest else "")


def format_speedup(value: float) -> str:
    """Return a speedup, e.g. ``2.2×``; below 2 with a second decimal, so that 1.04 does not read 1."""
    digits = 2 if abs(value) < 2 else 1  # noqa: PLR2004  # 1.04 and 0.96 must not both read 1
    if abs(value) >= 100:  # noqa: PLR2004  # three digits before the point already
        return f"{int(_round_significant(value)):,}×"
    return f"{_trim_zeros(value, digits)}×"


def format_percent(ratio: float) -> str:
    """Return a ratio as per cent, e.g. ``54 %``. A ratio below 1 is never rounded up to 100 %."""
    value = ratio * 100
    if 99 < value < 100:  # noqa: PLR2004  # see above
        value = min(value, 99.9)
        text = _trim_zeros(value, 1)
    elif abs(value) < 10:  # noqa: PLR2004  # one digit more for small shares
        text = _trim_zeros(value, 1)
    else:
        text = f"{round(_round_significant(value)):,}"
    return f"{text.replace('-', MINUS)}{SPACE}%"


def format_size_of_difference_in_points(difference: float) -> str:
    """Return a difference of two ratios in percentage points, without its sign, e.g. ``6 points``."""
    text = _trim_zeros(abs(difference) * 100, 1 if abs(difference) < 0.1 else 0)  # noqa: PLR2004  # 10 points
    return f"{text} point" + ("" if text == "1" else "s")


def format_count(number: int) -> str:
    """Return a count, e.g. ``87``, ``1.23 k``."""
    value = float(_round_significant(number))
    for step in _STEPS:
        if abs(value) < _KILO or step == _STEPS[-1]:
            break
        value /= _KILO
    text = str(number) if not step else f"{_format_significant(value)}{SPACE}{step}"
    return text.replace("-", MINUS)


def format_count_with_noun(number: int, singular: str, plural: str | None = None) -> str:
    """Return a count with its noun, e.g. ``1 task``, ``3 tasks``; by default the plural adds an s."""
    return f"{format_count(number)}{SPACE}{singular if number == 1 else plural or singular + 's'}"


def format_delivered_tasks(delivered: int, tasks: int) -> str:
    """Return how many tasks were delivered, e.g. ``2 of 3 tasks delivered``, or ``3 tasks`` if all were.

    Both are whole, as in ``1,572 of 1,590``: a few that are missing must not vanish in rounding.
    """
    if delivered == tasks:
        return format_count_with_noun(tasks, "task")
    return f"{delivered:,} of {tasks:,}{SPACE}{'task' if tasks == 1 else 'tasks'} delivered"


def format_bytes(number: float) -> str:
    """Return a size in bytes, e.g. ``1.5 GB``, in powers of 1000."""
    return f"{format_count(round(number))}B" if number >= _KILO else f"{format_count(round(number))}{SPACE}B"


def format_dollars(dollars: float) -> str:
    """Return US dollars, e.g. ``$1.23``. Below 10 cents two significant digits are shown: ``$0.0042``."""
    sign = MINUS if dollars < 0 else ""
    dollars = abs(dollars)
    if dollars and dollars < 0.1:  # noqa: PLR2004  # cents would hide it
        return f"{sign}${_trim_zeros(dollars, 1 - floor(log10(dollars)))}"
    return f"{sign}${dollars:,.2f}"


def format_number(value: float) -> str:
    """Return a number without a unit to three significant digits, e.g. ``72.4``, ``9.2``."""
    return ("" if value >= 0 else MINUS) + _format_significant(abs(_round_significant(value)))


def format_figure(name: str, unit: str, value: float) -> str:
    """Return a figure's value as text, by its unit. Without a unit its name decides, e.g. a ratio."""
    by_unit: dict[str, Callable[[float], str]] = {
        "s": format_duration,
        "By": format_bytes,
        "USD": format_dollars,
        "unixtime": lambda seconds: format_instant(round(seconds * SECOND)),
    }
    if unit in by_unit:
        return by_unit[unit](value)
    if "speedup" in name:
        return format_speedup(value)
    if name.endswith("_ratio"):
        return format_percent(value)
    return format_count(round(value)) if value == round(value) else format_number(value)


def format_age(now: int, at: int) -> str:
    """Return how long before ``now`` the instant ``at`` was (both ns), e.g. ``4 min ago``."""
    age = now - at
    if age < SECOND:
        return "just now"
    for unit, symbol, below in ((SECOND, "s", MINUTE), (MINUTE, "min", HOUR), (HOUR, "h", 2 * DAY)):
        if age < below:
            return f"{age // unit}{SPACE}{symbol} ago"
    return f"{format_count(age // DAY)}{SPACE}days ago"


def format_instant(at: int) -> str:
    """Return an instant to the second, e.g. ``2026-11-20 16:49:25 UTC``."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def format_short_instant(at: int) -> str:
    """Return an instant to the minute without its year, e.g. ``29 Nov 16:17``, in UTC."""
    moment = datetime.fromtimestamp(at // SECOND, UTC)
    return f"{moment.day} {moment:%b %H:%M}"


def _format_below_1000(value: float) -> str:
    """Return a positive number below 1000: with a decimal below 100, without above."""
    return _trim_zeros(value, 1 if value < 99.95 else 0)  # noqa: PLR2004  # 99.95 reads 100


def _format_significant(value: float) -> str:
    if value == 0:
        return "0"
    return _trim_zeros(value, max(0, 2 - floor(log10(abs(value)))))


def _trim_zeros(value: float, digits: int) -> str:
    if digits == 1:
        # Durations: a page of a large session has thousands.
        return f"{value:.1f}".removesuffix(".0")
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if digits else text


def _round_significant(value: float) -> float:
    """Return a number to three significant digits."""
    if isinstance(value, int) and -_KILO < value < _KILO:
        return value
    return 0 if value == 0 else round(value, 2 - floor(log10(abs(value))))


def format_score_range(score: Mapping[str, Any], digits: int | None = None) -> str:
    """Return a score with its range: ``71 [66–76]``, ``[29–84]`` if it is withheld, ``71`` without a range.

    Without ``digits`` a score up to 10 has one.
    """
    value, low, high = score["score"], score["low"], score["high"]
    if digits is None:
        digits = 0 if max(value or 0, high or 0) > 10 else 1  # noqa: PLR2004  quality is from 0 to 10
    number = "" if value is None else f"{value:.{digits}f}"
    if low is None or high is None or low == high:
        return number
    bounds = f"[{low:.{digits}f}–{high:.{digits}f}]"
    return f"{number} {bounds}".strip()
