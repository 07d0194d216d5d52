"""Read the task types of the presets and of the configuration file."""

from __future__ import annotations

from typing import Any

from stretto.errors import ConfigError, make_unknown_key_error
from stretto.model.task_type import TaskType, TaskTypes, to_label_value

PRESETS = ("ap",)

_TYPE_KEYS: dict[str, type | tuple[type, ...]] = {
    "keywords": list,
    "sequential_hours": (int, float),
    "parallel_target_hours": (int, float),
    "target_improvement": (int, float),
}


def read_task_types(preset: str | None, user_types: object, where: str) -> TaskTypes:
    """Return the default preset's task types, overridden by ``preset`` and then by the user's.

    ``where`` names the user's file in errors. Raises ConfigError.
    """
    if preset is not None and preset not in PRESETS:
        raise make_unknown_key_error(preset, PRESETS, "preset")
    if not isinstance(user_types, dict):
        raise ConfigError("task_types must be a table", where=where)
    # Example: a type with only a new target of 0.6 in the file keeps the keywords of the preset.
    merged: dict[str, dict[str, Any]] = {}
    for origin, table in (
        ("default preset", _load_preset("default")),
        (f"preset {preset}", _load_preset(preset) if preset else {}),
        (where, user_types),
    ):
        for name, fields in table.items():
            merged.setdefault(to_label_value(name), {}).update(_check_type_fields(name, fields, origin))
    for name, fields in merged.items():
        sequential, target = (fields.get(key) for key in ("sequential_hours", "parallel_target_hours"))
        if sequential is not None and target is not None and target >= sequential:
            raise ConfigError(
                f"task_types.{name}.parallel_target_hours is no target", where=where,
                cause=f"{target:g} h in parallel is not less than {sequential:g} h one after another",
                hint="give fewer hours, or only one of the two",
            )  # fmt: skip
    if "" in merged:
        raise ConfigError("a task type needs a letter or a digit in its name", where=where)
    user_names = dict.fromkeys(to_label_value(name) for name in user_types)
    # The user's types are matched first, so that they win over a preset's.
    order = [*user_names, *(name for name in merged if name not in user_names)]
    return TaskTypes(
        tuple(
            TaskType(name=name, **{**merged[name], "keywords": tuple(merged[name].get("keywords", ()))})
            for name in order
        )
    )


def _check_type_fields(name: str, fields: object, where: str) -> dict[str, Any]:
    if not isinstance(fields, dict):
        raise ConfigError(f"task_types.{name} must be a table", where=where)
    for key, value in fields.items():
        if key not in _TYPE_KEYS:
            raise make_unknown_key_error(f"task_types.{name}.{key}", list(_TYPE_KEYS), where)
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


def _load_preset(name: str) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  # as below
    from importlib import resources  # noqa: PLC0415  # milliseconds, only needed for presets

    text = resources.files("stretto").joinpath("presets", f"{name}.toml").read_text(encoding="utf-8")
    types: dict[str, Any] = tomllib.loads(text)["task_types"]
    return types
