"""The kinds of options of operations: each reads a JSON value, or refuses it with a reason."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from stretto.clock import DAY, HOUR, MINUTE, SECOND
from stretto.errors import find_nearest_word

_UNITS: Mapping[str, int] = {
    "s": SECOND, "min": MINUTE, "h": HOUR, "d": DAY, "days": DAY, "day": DAY, "weeks": 7 * DAY,
    "week": 7 * DAY, "months": 30 * DAY, "month": 30 * DAY,
}  # fmt: skip
_SPAN = re.compile(r"(\d{1,6})_?(s|min|h|d|days?|weeks?|months?)")
_SHARE = re.compile(r">?\s*(\d{1,3}(?:\.\d{1,3})?)\s*%")

MOST_ITEMS = 20
"""Most items of a list."""

MOST_CHARACTERS = 200
"""Longest item of a list of names."""


class OptionValueError(ValueError):
    """A value is not of its option's kind; the text says which values are."""


class OptionKind(Protocol):
    """Reads the values of an option."""

    def read_value(self, value: object) -> Any:
        """Return the value as the operation uses it. Raises OptionValueError."""

    def to_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the values."""


@dataclass(frozen=True, slots=True)
class Switch:
    """True or false."""

    def read_value(self, value: object) -> bool:
        """Return the value. Raises OptionValueError."""
        if not isinstance(value, bool):
            raise OptionValueError("must be true or false")
        return value

    def to_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the values."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice:
    """A word of a list."""

    words: tuple[str, ...]

    def read_value(self, value: object) -> str:
        """Return the word. Raises OptionValueError, with the nearest word."""
        if not isinstance(value, str) or value not in self.words:
            raise OptionValueError(refuse_word(value, self.words))
        return value

    def to_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the values."""
        return {"enum": [*self.words]}


@dataclass(frozen=True, slots=True)
class Choices:
    """Some words of a list."""

    words: tuple[str, ...]

    def read_value(self, value: object) -> tuple[str, ...]:
        """Return the words, each once. Raises OptionValueError."""
        items = _read_items(value)
        for item in items:
            if item not in self.words:
                raise OptionValueError(refuse_word(item, self.words))
        return tuple(dict.fromkeys(items))

    def to_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the values."""
        return {"type": "array", "items": {"enum": [*self.words]}, "minItems": 1, "maxItems": MOST_ITEMS}


@dataclass(frozen=True, slots=True)
class Names:
    """A list of names."""

    def read_value(self, value: object) -> tuple[str, ...]:
        """Return the names, each once. Raises OptionValueError."""
        return tuple(dict.fromkeys(_read_items(value)))

    def to_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the values."""
        item = {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS}
        return {"type": "array", "items": item, "minItems": 1, "maxItems": MOST_ITEMS}


@dataclass(frozen=True, slots=True)
class Number:
    """A number within limits."""

    low: float
    high: float

    def read_value(self, value: object) -> float:
        """Return the number. Raises OptionValueError."""
        # A comparison with NaN is false, so NaN is refused, too.
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not self.low <= value <= self.high
        ):
            raise OptionValueError(f"must be a number from {self.low:g} to {self.high:g}")
        return float(value)

    def to_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the values."""
        return {"type": "number", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A length of time such as ``5s``, ``24h``, ``30_days`` or ``3_months``; a month has 30 days. In ns."""

    shortest: int
    longest: int

    def read_value(self, value: object) -> int:
        """Return nanoseconds. Raises OptionValueError."""
        match = _SPAN.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise OptionValueError("must be a length of time such as '5s', '24h' or '30_days'")
        length = int(match[1]) * _UNITS[match[2]]
        if not self.shortest <= length <= self.longest:
            raise OptionValueError(f"must be from {name_span(self.shortest)} to {name_span(self.longest)}")
        return length

    def to_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the values; the limits stand in the text."""
        text = f"from {name_span(self.shortest)} to {name_span(self.longest)}"
        return {"type": "string", "pattern": f"^{_SPAN.pattern}$", "description": text}


@dataclass(frozen=True, slots=True)
class LeastShare:
    """A share above a limit such as ``>10%``."""

    def read_value(self, value: object) -> float:
        """Return the limit as a ratio. Raises OptionValueError."""
        match = _SHARE.fullmatch(value) if isinstance(value, str) else None
        if match is None or float(match[1]) > 100:  # noqa: PLR2004  # per cent
            raise OptionValueError("must be a share such as '>10%'")
        return float(match[1]) / 100

    def to_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the values."""
        return {"type": "string", "pattern": f"^{_SHARE.pattern}$"}


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """A date such as ``2026-11-20``, in the configured time zone."""

    def read_value(self, value: object) -> date:
        """Return the date. Raises OptionValueError."""
        try:
            return date.fromisoformat(value if isinstance(value, str) else "")
        except ValueError:
            raise OptionValueError("must be a date such as '2026-11-20'") from None

    def to_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the values."""
        return {"type": "string", "format": "date"}


def name_span(length: int) -> str:
    """Return a length of time (ns) as an option spells it: ``5s``, ``24h``, ``30_days``."""
    for unit, size in (("_days", DAY), ("h", HOUR), ("min", MINUTE)):
        if length >= 2 * size and length % size == 0:
            return f"{length // size}{unit}"
    return f"{length // SECOND}s"


def refuse_word(value: object, words: Sequence[str]) -> str:
    """Return why a value is not among words, with the nearest of them if there is one."""
    nearest = find_nearest_word(value, words) if isinstance(value, str) else None
    meant = f"; did you mean {nearest!r}?" if nearest else ""
    return f"{value!r} is none of {', '.join(map(repr, words))}{meant}"[:400]


def _read_items(value: object) -> list[str]:
    items = list(value) if isinstance(value, list | tuple) else []
    if not 1 <= len(items) <= MOST_ITEMS:
        raise OptionValueError(f"must be a list of 1 to {MOST_ITEMS} texts")
    for item in items:
        if not isinstance(item, str) or not 1 <= len(item) <= MOST_CHARACTERS:
            raise OptionValueError(f"must hold texts of 1 to {MOST_CHARACTERS} characters")
    return items
