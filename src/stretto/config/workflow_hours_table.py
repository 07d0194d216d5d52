"""Read the hours of whole workflows from the configuration file."""

from __future__ import annotations

from stretto.errors import ConfigError, make_unknown_key_error

MOST_HOURS = 1e6

_KEY = "sequential_hours"


def read_workflow_hours(tables: object, where: str) -> dict[str, float]:
    """Return the hours of each ``[workflows.<pattern>]`` table by pattern. Raises ConfigError."""
    if not isinstance(tables, dict):
        raise ConfigError("workflows must be a table", where=where, cause=f"it is {tables!r}")
    hours: dict[str, float] = {}
    for pattern, fields in tables.items():
        name = f"workflows.{pattern}"
        if not pattern.strip():
            raise ConfigError("a workflow needs the name of its pattern", where=where)
        if not isinstance(fields, dict):
            raise ConfigError(
                f"{name} must be a table", where=where, cause=f"it is {fields!r}",
                hint=f"write [workflows.'{pattern}'] and below it {_KEY} = 6",
            )  # fmt: skip
        for key in fields:
            if key != _KEY:
                raise make_unknown_key_error(f"{name}.{key}", [f"{name}.{_KEY}"], where)
        value = fields.get(_KEY)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= MOST_HOURS:
            cause = "it is missing" if value is None else f"it is {value!r}"
            raise ConfigError(
                f"{name}.{_KEY} cannot be used", where=where, cause=cause,
                hint="the hours that the whole workflow takes by hand, above 0",
            )  # fmt: skip
        hours[pattern] = float(value)
    return hours
