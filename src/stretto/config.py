"""Configuration: defaults < preset < file < environment < flags, read once and handed down as values.

Every value remembers where it came from, so that ``stretto config`` and ``doctor`` can say so.
An unknown key is an error that names the nearest known one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stretto.errors import ConfigError, find_nearest, unknown_key
from stretto.figures.scores.score_rules import ScoreRules, Scoring, parse_score_rules
from stretto.model.task_type import TaskType, TaskTypes, normalise_name
from stretto.model.token_prices import Rates, parse_rates
from stretto.state.folder import state_folder
from stretto.state.retention import Retention

if TYPE_CHECKING:
    from stretto.prices import Prices

DEFAULT_LISTEN = "127.0.0.1:9464"
DEFAULT_INTERVAL_SECONDS = 10
"""Between two readings of the agents' processes."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
PRESETS = ("ap",)
LEAST_RAW_DAYS = 8
"""The longest window reaches back a week, and what is in a window can be looked at."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One value as it was settled, and where it came from."""

    name: str
    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be configured."""

    state: Path
    """The one folder that Stretto writes to."""
    host: str
    port: int
    token: str | None
    """Asked of every request where it is set; to listen beyond loopback it must be."""
    hosts: tuple[str, ...]
    """Names beside loopback's that requests may ask for: any other may be a page rebound to this address."""
    descriptions: bool
    """Whether short descriptions of tasks are kept. The hook process reads the variable itself."""
    idle_minutes: int
    """A session that nothing is heard of for longer is over."""
    series_budget: int
    """Most series of derived figures that are exported; what exceeds it is folded into ``other``."""
    retention: Retention
    speak_alerts: bool
    """Whether critical alerts are spoken aloud, where a program that speaks is installed."""
    desktop_alerts: bool
    """Whether critical alerts are raised on the desktop."""
    receivers: Path | None
    """The file that ``stretto.servers.alert_receivers`` reads; None without such a file."""
    prometheus_port: int
    alertmanager_port: int
    stuck_minutes: int
    """A running task that nothing is heard of for longer, and that waits for no tool, is stuck."""
    resources_interval_seconds: int
    """Between two readings of the agents' processes; 0 takes none."""
    preset: str | None
    task_types: TaskTypes
    rates: Mapping[str, Rates]
    scores: ScoreRules
    """Weights, targets and scales of the scores."""
    settings: tuple[Setting, ...]
    """The same values with their origins, in the order of the documentation."""

    @property
    def journal(self) -> Path:
        """The journal's folder."""
        return self.state / "journal"

    @property
    def database(self) -> Path:
        """The store's file."""
        return self.state / "stretto.db"

    @property
    def address(self) -> str:
        """Host and port that the service listens on, as in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The page's address on this machine."""
        return f"http://{self.address}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return self.host in LOOPBACK

    @property
    def fingerprint(self) -> str:
        """A text that changes when stored conclusions would: classification, idle limit, prices, scales."""
        from hashlib import sha256  # noqa: PLC0415  # milliseconds, for who opens the store to write

        from stretto.prices import read_list_version  # noqa: PLC0415  # likewise

        rules = [[t.name, *t.keywords] for t in self.task_types.types]
        prices = [sorted(self.rates.items()), read_list_version()]
        scales = [[scale.name, scale.low, scale.high] for scale in self.scores.scales.known]
        told = json.dumps([rules, self.idle_minutes, prices, scales])
        return sha256(told.encode()).hexdigest()[:16]

    @property
    def prices(self) -> Prices:
        """What model calls cost."""
        from stretto.prices import Prices  # noqa: PLC0415  # milliseconds, for who concludes sessions

        return Prices(self.rates)

    @property
    def scoring(self) -> Scoring:
        """What scores are made by."""
        return Scoring(self.scores, self.task_types.find_target)

    @property
    def hours(self) -> dict[str, float]:
        """Configured sequential hours by task type."""
        return {t.name: t.sequential_hours for t in self.task_types.types if t.sequential_hours is not None}


_KEYS: dict[str, tuple[type, object, str]] = {
    "listen": (str, DEFAULT_LISTEN, "STRETTO_LISTEN"),
    "token": (str, None, "STRETTO_TOKEN"),
    "token_file": (str, None, "STRETTO_TOKEN_FILE"),
    "hosts": (str, "", "STRETTO_HOSTS"),
    "preset": (str, None, "STRETTO_PRESET"),
    "descriptions": (bool, True, "STRETTO_DESCRIPTIONS"),
    "idle_minutes": (int, 240, "STRETTO_IDLE_MINUTES"),
    "series_budget": (int, 5_000, "STRETTO_SERIES_BUDGET"),
    "retention_raw_days": (int, 30, "STRETTO_RETENTION_RAW_DAYS"),
    "retention_hourly_days": (int, 90, "STRETTO_RETENTION_HOURLY_DAYS"),
    "retention_daily_days": (int, 365, "STRETTO_RETENTION_DAILY_DAYS"),
    "retention_megabytes": (int, 4_096, "STRETTO_RETENTION_MEGABYTES"),
    "speak_alerts": (bool, False, "STRETTO_SPEAK_ALERTS"),
    "desktop_alerts": (bool, False, "STRETTO_DESKTOP_ALERTS"),
    "receivers": (str, None, "STRETTO_RECEIVERS"),
    "prometheus_port": (int, 9090, "STRETTO_PROMETHEUS_PORT"),
    "alertmanager_port": (int, 9093, "STRETTO_ALERTMANAGER_PORT"),
    "stuck_minutes": (int, 10, "STRETTO_STUCK_MINUTES"),
    "resources.interval_seconds": (int, DEFAULT_INTERVAL_SECONDS, "STRETTO_RESOURCES_INTERVAL_SECONDS"),
}
"""Key in the file → (type, default, environment variable). What stands before a dot is the key's table."""

_KEYED_TABLES = frozenset(name.partition(".")[0] for name in _KEYS if "." in name)

_SMALLEST = {"resources.interval_seconds": 0}

_TABLES = ("task_types", "prices", "scores")
"""Tables in the file."""

_OTHER_VARIABLES = (
    "STRETTO_STATE", "STRETTO_CONFIG", "STRETTO_DISABLED", "STRETTO_CONTEXT",
    "STRETTO_UID", "STRETTO_GID", "STRETTO_PYTHON", "STRETTO_STACK_OTLP",
)  # fmt: skip
"""Variables that are no settings: where these are, those of the Python API, those of the stack's files."""

_LARGEST = {
    "stuck_minutes": 525_600,
    "resources.interval_seconds": 3_600,
    "idle_minutes": 525_600,
    "series_budget": 1_000_000,
    "retention_raw_days": 3_650,
    "retention_hourly_days": 3_650,
    "retention_daily_days": 3_650,
    "retention_megabytes": 100_000_000,
    "prometheus_port": 65_535,
    "alertmanager_port": 65_535,
}
"""Numbers beyond which a setting is a slip: a year, an hour, what no server takes in, the last port."""

# Not str.isdigit: that takes signs that int() refuses, and numbers without end.
_WHOLE = re.compile(r"[0-9]{1,18}").fullmatch

_TYPE_KEYS: dict[str, type | tuple[type, ...]] = {
    "keywords": list,
    "sequential_hours": (int, float),
    "parallel_target_hours": (int, float),
    "target_improvement": (int, float),
}


def load(
    environ: Mapping[str, str], home: Path, *, state: str | None = None, listen: str | None = None
) -> Config:
    """Settle the configuration. ``state`` and ``listen`` are flags.

    The file is ``STRETTO_CONFIG``, else ``config.toml`` in the state folder. Raises ConfigError on an
    unreadable file, an unknown key, a wrong type or a value that cannot be used.
    """
    folder, state_origin = state_folder(environ, home, state)
    path = Path(environ.get("STRETTO_CONFIG") or folder / "config.toml")
    given = _read(path, needed=bool(environ.get("STRETTO_CONFIG")))
    settings = [Setting("state", str(folder), state_origin)]
    values: dict[str, Any] = {}
    for name, (kind, default, variable) in _KEYS.items():
        value, origin = default, "default"
        if name in given:
            value, origin = given[name], str(path)
        if environ.get(variable):
            value, origin = environ[variable], variable
        if name == "listen" and listen:
            value, origin = listen, "--listen"
        settled = values[name.replace(".", "_")] = _typed(name, value, kind, origin)
        settings.append(Setting(name, "set" if name == "token" and settled else settled, origin))
    values["token"] = _token(values["token"], values.pop("token_file"))
    host, port = _address(values.pop("listen"))
    values["receivers"] = _receivers(values["receivers"], folder)
    values["hosts"] = tuple(name.strip() for name in values["hosts"].split(",") if name.strip())
    if host not in LOOPBACK and not values["token"]:
        raise ConfigError(
            f"listening on {host} needs a token",
            hint="set STRETTO_TOKEN to a long random text, or STRETTO_TOKEN_FILE, or listen on 127.0.0.1",
        )
    retention = _retention(values)
    types = _task_types(values["preset"], given.get("task_types", {}), str(path))
    rates = parse_rates(given.get("prices", {}), str(path))
    return Config(
        state=folder,
        host=host,
        port=port,
        retention=retention,
        task_types=types,
        rates=rates,
        scores=parse_score_rules(given.get("scores", {}), str(path)),
        settings=tuple(settings),
        **values,
    )


def _retention(values: dict[str, Any]) -> Retention:
    """Return the retention, its settings taken out of the values. Raises ConfigError."""
    raw, hourly, daily = (values.pop(f"retention_{name}_days") for name in ("raw", "hourly", "daily"))
    if not LEAST_RAW_DAYS <= raw <= hourly <= daily:
        raise ConfigError(
            f"the days of retention must not fall: raw {raw}, hourly {hourly}, daily {daily}",
            hint=f"at least {LEAST_RAW_DAYS} for raw, as many or more for hourly, as many or more for daily",
        )
    return Retention(raw, hourly, daily, values.pop("retention_megabytes") * 1_000_000)


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return a sentence on each variable that looks like one of Stretto's and is read by nothing."""
    known = [variable for _, _, variable in _KEYS.values()] + [*_OTHER_VARIABLES]
    found = []
    for name in sorted(name for name in environ if name.startswith("STRETTO_") and name not in known):
        near = find_nearest(name, known)
        found.append(f"{name} is not known" + (f"; did you mean {near}?" if near else ""))
    return found


def _read(path: Path, *, needed: bool) -> dict[str, Any]:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        if needed:
            raise ConfigError(
                "the configuration file is missing", where=str(path), hint="unset STRETTO_CONFIG"
            ) from None
        return {}
    except OSError as error:
        raise ConfigError(
            "the configuration file cannot be read", where=str(path), cause=str(error)
        ) from error
    given = _flat(_parsed(text, path), str(path))
    for key in given:
        if key not in _KEYS and key not in _TABLES:
            table, dot, _ = key.rpartition(".")
            beside = [name.removeprefix(table + dot) for name in _KEYS if name.rpartition(".")[0] == table]
            raise unknown_key(key, beside if dot else [*beside, *_KEYED_TABLES, *_TABLES], str(path))
    return given


def _parsed(text: bytes, path: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  # milliseconds, for who has a file

    try:
        return tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("the configuration file is not TOML", where=str(path), cause=str(error)) from error


def _flat(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the settings with those of a table named ``table.key``."""
    flat: dict[str, Any] = {}
    for key, value in given.items():
        if key not in _KEYED_TABLES:
            flat[key] = value
        elif isinstance(value, dict):
            flat.update({f"{key}.{name}": inner for name, inner in value.items()})
        else:
            raise ConfigError(f"{key} must be a table", where=where, cause=f"it is {value!r}")
    return flat


_SWITCH = {"0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}


def _typed(name: str, value: object, kind: type, origin: str) -> object:
    if value is None:
        return None
    if kind is int and isinstance(value, str) and _WHOLE(value.strip()):
        value = int(value)
    if kind is bool and isinstance(value, str):
        value = _SWITCH.get(value.strip().lower(), value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        wanted = {int: "a whole number", bool: "true or false"}.get(kind, "a text")
        raise ConfigError(f"{name} must be {wanted}", where=origin, cause=f"it is {value!r}")
    least = _SMALLEST.get(name, 1)
    if kind is int and isinstance(value, int) and not least <= value <= _LARGEST[name]:
        wanted = f"from {least} to {_LARGEST[name]}"
        raise ConfigError(f"{name} must be {wanted}", where=origin, cause=f"it is {value}")
    return value


def _token(token: str | None, path: str | None) -> str | None:
    """Return the token that is set, or the one in a file, as containers are handed their secrets."""
    if not path:
        return token
    if token:
        raise ConfigError(
            "token and token_file are both set", cause="they may differ", hint="unset one of them"
        )
    try:
        read = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("the token cannot be read", where=path, cause=str(error)) from error
    if not read:
        raise ConfigError("the token's file is empty", where=path, hint="put a long random text into it")
    return read


def _receivers(named: str | None, folder: Path) -> Path | None:
    """Return the file that is named, even where it is missing: who reads it will say so."""
    default = folder / "receivers.yml"
    return Path(named) if named else default if default.exists() else None


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if not host or not _WHOLE(port) or not 0 < int(port) < 1 << 16:
        raise ConfigError(
            "listen must be HOST:PORT", cause=f"it is {listen!r}", hint=f"for example {DEFAULT_LISTEN}"
        )
    return host, int(port)


def _task_types(preset: str | None, given: object, where: str) -> TaskTypes:
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
