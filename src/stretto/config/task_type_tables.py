"""Read the task types of the presets and of the configuration file."""

from __future__ import annotations

from typing import Any

from stretto.errors import ConfigError, unknown_key
from stretto.model.task_type import TaskType, TaskTypes, normalise_name

PRESETS = ("ap",)

_TYPE_KEYS: dict[str, type | tuple[type, ...]] = {
    "keywords": list,
    "sequential_hours": (int, float),
    "parallel_target_hours": (int, float),
    "target_improvement": (int, float),
}


def read_task_types(preset: str | None, given: object, where: str) -> TaskTypes:
    if preset is not None and preset not in PRESETS:
        raise unknown_key(preset, PRESETS, "preset")
    if not isinstance(given, dict):
        raise ConfigError("task_types must be a table", where=where)
    merged: dict[str, dict[str, Any]] = {}
    for origin, table in (
        ("default preset", _preset("default")),
        (f"preset {preset}", _preset(preset) if preset else {}),
        (where, given),
    ):
        for name, fields in table.items():
            merged.setdefault(normalise_name(name), {}).update(_type_fields(name, fields, origin))
    if "" in merged:
        raise ConfigError("a task type needs a letter or a digit in its name", where=where)
    own = dict.fromkeys(normalise_name(name) for name in given)
    # The user's types are tried first: they were written to win.
    order = [*own, *(name for name in merged if name not in own)]
    return TaskTypes(
        tuple(
            TaskType(name=name, **{**merged[name], "keywords": tuple(merged[name].get("keywords", ()))})
            for name in order
        )
    )


def _type_fields(name: str, fields: object, where: str) -> dict[str, Any]:
    if not isinstance(fields, dict):
        raise ConfigError(f"task_types.{name} must be a table", where=where)
    for key, value in fields.items():
        if key not in _TYPE_KEYS:
            raise unknown_key(f"task_types.{name}.{key}", list(_TYPE_KEYS), where)
        usable = isinstance(value, _TYPE_KEYS[key]) and not isinstance(value, bool)
        if key == "keywords":
            usable = usable and all(isinstance(word, str) and word for word in value)
        elif usable:
            usable = 0 < value <= (1 if key == "target_improvement" else 1e6)
        if not usable:
            raise ConfigError(
                f"task_types.{name}.{key} cannot be used", where=where, cause=f"it is {value!r}",
                hint="keywords: a list of texts; hours: above 0; target_improvement: above 0, up to 1",
            )  # fmt: skip
    return fields


def _preset(name: str) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  # as below
    from importlib import resources  # noqa: PLC0415  # milliseconds, for who names a preset

    text = resources.files("stretto").joinpath("presets", f"{name}.toml").read_text(encoding="utf-8")
    types: dict[str, Any] = tomllib.loads(text)["task_types"]
    return types
