"""Numbers and instants in words: at most three significant digits, a unit a person thinks in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from math import floor, log10

from stretto.clock import DAY, HOUR, MINUTE, SECOND

SPACE = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"

_KILO = 1000
_STEPS = ("", "k", "M", "G", "T")


def length(seconds: float) -> str:
    """Return a length of time, e.g. ``3.1 s``, ``4 min 5 s``, ``1 h 12 min``, ``134 h``."""
    sign = MINUS if seconds < 0 else ""
    seconds = abs(seconds)
    if seconds == 0:
        return f"0{SPACE}s"
    if seconds < 0.0005:  # noqa: PLR2004  # half of what is shown as 1 ms
        return f"under{SPACE}1{SPACE}ms"
    return sign + _length(seconds)


def _length(seconds: float) -> str:
    if _rounded(seconds * 1000) < 1000:  # noqa: PLR2004  # ms in a second
        return f"{_plain(seconds * 1000)}{SPACE}ms"
    if round(seconds, 1) < 60:  # noqa: PLR2004  # s in a minute
        return f"{_plain(seconds)}{SPACE}s"
    if (whole := int(_rounded(round(seconds)))) < HOUR // SECOND:
        return _two(whole, 60, "min", "s")
    if (whole := int(_rounded(round(seconds / 60)))) < 100 * 60:
        return _two(whole, 60, "h", "min")
    return f"{int(_rounded(seconds / 3600)):,}{SPACE}h"


def _two(whole: int, of: int, large: str, small: str) -> str:
    many, rest = divmod(whole, of)
    return f"{many}{SPACE}{large}" + (f"{SPACE}{rest}{SPACE}{small}" if rest else "")


def times(value: float) -> str:
    """Return how many times as fast, e.g. ``2.2×``; close to 1 with one more digit."""
    digits = 2 if abs(value) < 2 else 1  # noqa: PLR2004  # 1.04 and 0.96 must not both read 1
    if abs(value) >= 100:  # noqa: PLR2004  # three digits before the point already
        return f"{int(_rounded(value)):,}×"
    return f"{_trimmed(value, digits)}×"


def percent(ratio: float) -> str:
    """Return a ratio as per cent, e.g. ``54 %``; what is not all is never rounded up to 100."""
    value = ratio * 100
    if 99 < value < 100:  # noqa: PLR2004  # see above
        value = min(value, 99.9)
        text = _trimmed(value, 1)
    elif abs(value) < 10:  # noqa: PLR2004  # one digit more for small shares
        text = _trimmed(value, 1)
    else:
        text = f"{round(_rounded(value)):,}"
    return f"{text.replace('-', MINUS)}{SPACE}%"


def points(difference: float) -> str:
    """Return a difference of two ratios in percentage points, without its sign, e.g. ``6 points``."""
    text = _trimmed(abs(difference) * 100, 1 if abs(difference) < 0.1 else 0)  # noqa: PLR2004  # 10 points
    return f"{text} point" + ("" if text == "1" else "s")


def count(number: int) -> str:
    """Return a count, e.g. ``87``, ``1.23 k``."""
    value = float(_rounded(number))
    for step in _STEPS:
        if abs(value) < _KILO or step == _STEPS[-1]:
            break
        value /= _KILO
    text = str(number) if not step else f"{_significant(value)}{SPACE}{step}"
    return text.replace("-", MINUS)


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun, e.g. ``1 task``, ``3 tasks``."""
    return f"{count(number)}{SPACE}{one if number == 1 else many or one + 's'}"


def size(number: float) -> str:
    """Return a size in bytes, e.g. ``1.5 GB``, in powers of 1000."""
    return f"{count(round(number))}B" if number >= _KILO else f"{count(round(number))}{SPACE}B"


def money(dollars: float) -> str:
    """Return an amount of US dollars, e.g. ``$1.23``; a small one to two digits that tell, ``$0.0042``."""
    sign = MINUS if dollars < 0 else ""
    dollars = abs(dollars)
    if dollars and dollars < 0.1:  # noqa: PLR2004  # cents would hide it
        return f"{sign}${_trimmed(dollars, 1 - floor(log10(dollars)))}"
    return f"{sign}${dollars:,.2f}"


def plain(value: float) -> str:
    """Return a number of no unit to three significant digits, e.g. ``72.4``, ``9.2``."""
    return ("" if value >= 0 else MINUS) + _significant(abs(_rounded(value)))


def in_unit(name: str, unit: str, value: float) -> str:
    """Return a figure's value in words, by its unit and by what its name says that a number of no unit is."""
    by_unit: dict[str, Callable[[float], str]] = {
        "s": length,
        "By": size,
        "USD": money,
        "unixtime": lambda seconds: moment(round(seconds * SECOND)),
    }
    if unit in by_unit:
        return by_unit[unit](value)
    if "speedup" in name:
        return times(value)
    if name.endswith("_ratio"):
        return percent(value)
    return count(round(value)) if value == round(value) else plain(value)


def ago(now: int, at: int) -> str:
    """Return how long ago an instant was, both in nanoseconds, in one unit."""
    past = now - at
    if past < SECOND:
        return "just now"
    for unit, word, most in ((SECOND, "s", MINUTE), (MINUTE, "min", HOUR), (HOUR, "h", 2 * DAY)):
        if past < most:
            return f"{past // unit}{SPACE}{word} ago"
    return f"{count(past // DAY)}{SPACE}days ago"


def moment(at: int) -> str:
    """Return an instant to the second, e.g. ``2026-11-20 16:49:25 UTC``."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _plain(value: float) -> str:
    """Return a positive number below 1000: one decimal below 100, none above."""
    return _trimmed(value, 1 if value < 99.95 else 0)  # noqa: PLR2004  # 99.95 reads 100


def _significant(value: float) -> str:
    if value == 0:
        return "0"
    return _trimmed(value, max(0, 2 - floor(log10(abs(value)))))


def _trimmed(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if digits else text


def _rounded(value: float) -> float:
    """Return a number to three significant digits."""
    return 0 if value == 0 else round(value, 2 - floor(log10(abs(value))))
