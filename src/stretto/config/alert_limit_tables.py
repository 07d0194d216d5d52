"""Read the limits of alerts from the configuration file."""

from __future__ import annotations

import math

from stretto.errors import ConfigError
from stretto.servers.alert_limits import AlertLimits

LARGEST = 1e18


def read_alert_limits(tables: object, where: str) -> AlertLimits:
    """Return the numbers of ``[thresholds]`` by their name and labels. Raises ConfigError.

    Example: ``success_ratio.warning = 0.85`` is ("success_ratio", "warning") → 0.85.
    """
    if not isinstance(tables, dict):
        raise ConfigError("thresholds must be a table", where=where, cause=f"it is {tables!r}")
    limits: dict[tuple[str, ...], float] = {}
    waiting: list[tuple[tuple[str, ...], object]] = [((name,), value) for name, value in tables.items()]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [((*path, name), inner) for name, inner in value.items()]
        elif isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
            raise ConfigError(
                f"thresholds.{'.'.join(path)} must be a number", where=where, cause=f"it is {value!r}",
                hint="in the unit of its name, such as success_ratio.warning = 0.85",
            )  # fmt: skip
        else:
            limits[path] = float(value)
    assert not any(map(math.isnan, limits.values()))  # NaN is not within the largest
    return limits
