"""Remember which calls were the most frequent of the last days, to warm a cache with them.

Arguments can be private, so nothing is remembered unless a program asks for it and names the file. The file
is readable by its user only. Only calls whose arguments are JSON values are remembered.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Lock
from time import time
from typing import Any

DAY = 86_400
_PLAIN = (str, int, float, bool, type(None))


class FrequentCalls:
    """Counts of calls by day, in a file."""

    def __init__(
        self, path: str | Path, *, days: int = 7, most: int = 1_000, clock: Callable[[], float] = time
    ) -> None:
        self._path = Path(path)
        self._days = days
        self._most = most
        self._clock = clock
        self._lock = Lock()
        self._counts: Counter[str] = Counter()

    def note_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Count a call. Of too many different ones the rarest are forgotten."""
        try:
            call = json.dumps([_check_plain([*args]), _check_plain(kwargs)], ensure_ascii=False)
        except (TypeError, ValueError, RecursionError):
            return
        with self._lock:
            self._counts[call] += 1
            if len(self._counts) > 10 * self._most:
                self._counts = Counter(dict(self._counts.most_common(5 * self._most)))

    def list_calls(self, limit: int | None = None) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        """Return arguments and keywords of the calls of the last days, the most frequent first."""
        with self._lock:
            total = Counter(self._counts)
        for counts in self._read_days().values():
            total.update(counts)
        calls = [json.loads(call) for call, _ in total.most_common(limit or self._most)]
        return [(tuple(args), kwargs) for args, kwargs in calls]

    def save(self) -> None:
        """Add what was counted since the last time to the file; days too old leave it."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        days = self._read_days()
        today = int(self._clock() // DAY)
        days[today] = Counter(dict((days.get(today, Counter()) + counts).most_common(self._most)))
        text = json.dumps({str(day): days[day] for day in sorted(days)}, ensure_ascii=False)
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A new file takes the old one's place at once, so that no reader sees half of it.
        with NamedTemporaryFile("w", dir=self._path.parent, delete=False, encoding="utf-8") as new:
            new.write(text)
        os.replace(new.name, self._path)  # noqa: PTH105  # a name, not a path

    def _read_days(self) -> dict[int, Counter[str]]:
        """Return the counts of the last days; a damaged file counts as empty, since it only saves time."""
        first = int(self._clock() // DAY) - self._days + 1
        try:
            days = json.loads(self._path.read_text(encoding="utf-8"))
            return {
                int(day): Counter({call: int(count) for call, count in counts.items() if json.loads(call)})
                for day, counts in days.items()
                if int(day) >= first
            }
        except (OSError, ValueError, AttributeError, TypeError):
            return {}


def _check_plain(value: Any) -> Any:
    """Return a value that JSON gives back unchanged. Raises TypeError for any other."""
    if type(value) is dict and all(isinstance(key, str) for key in value):
        return {key: _check_plain(inner) for key, inner in value.items()}
    if type(value) is list:
        return [_check_plain(inner) for inner in value]
    if type(value) in _PLAIN:
        return value
    raise TypeError(type(value).__qualname__)
