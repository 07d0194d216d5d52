"""Load the configuration: defaults < preset < file < environment < flags.

An unknown key is an error that names the nearest known key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stretto.config.alert_limit_tables import read_alert_limits
from stretto.config.configuration import LOOPBACK, Config, Setting
from stretto.config.settings_table import (
    DEFAULT_LISTEN,
    KEYED_TABLES,
    LARGEST,
    OTHER_VARIABLES,
    SETTINGS,
    SMALLEST,
    TABLES,
)
from stretto.config.task_type_tables import read_task_types
from stretto.config.test_commands_table import read_test_commands
from stretto.config.workflow_hours_table import read_workflow_hours
from stretto.errors import ConfigError, find_nearest_word, make_unknown_key_error
from stretto.features.feature_settings_file import FILE, read_feature_changes
from stretto.features.feature_switches import (
    PREFIX,
    RETIRED,
    FeatureStates,
    decide_feature_states,
    describe_retired,
)
from stretto.figures.scores.score_rules import parse_score_rules
from stretto.model.configured_token_prices import parse_rates
from stretto.reports.report_parts import parse_report_parts
from stretto.state.find_folder import find_state_folder
from stretto.state.retention_settings import Retention

LEAST_TOKEN_LENGTH = 16
"""Characters: a token is asked for over a network, where a short one can be guessed."""

LEAST_RAW_DAYS = 8
"""The longest window reaches back a week, and every session in a window can be opened."""

REPORT_PARTS = "reports.parts"

HEADLINE_BASELINES = ("work", "configured", "recorded")

# Not str.isdigit: it accepts characters that int() refuses, and numbers of any length.
_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}").fullmatch
_LABEL_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}").fullmatch


def load_config(
    environ: Mapping[str, str],
    home: Path,
    *,
    state: str | None = None,
    listen: str | None = None,
    push: str | None = None,
) -> Config:
    """Return the effective configuration. ``state``, ``listen`` and ``push`` are command line flags.

    The file is ``STRETTO_CONFIG``, else ``config.toml`` in the state folder. Raises ConfigError on an
    unreadable file, an unknown key, a wrong type or a value that cannot be used.
    """
    folder, state_origin = find_state_folder(environ, home, state)
    path = Path(environ.get("STRETTO_CONFIG") or folder / "config.toml")
    file_values = _read_file(path, required=bool(environ.get("STRETTO_CONFIG")))
    settings = [Setting("state", str(folder), state_origin)]
    values: dict[str, Any] = {}
    flags = {"listen": ("--listen", listen), "fleet.push_url": ("--push", push)}
    # Example: idle_minutes is 60 in the file and STRETTO_IDLE_MINUTES is 30: the value is 30, its origin the
    # variable.
    for name, (kind, default, variable) in SETTINGS.items():
        value, origin = default, "default"
        if name in file_values:
            value, origin = file_values[name], str(path)
        if environ.get(variable):
            value, origin = environ[variable], variable
        flag, flag_value = flags.get(name, ("", None))
        if flag_value:
            value, origin = flag_value, flag
        effective = values[name.replace(".", "_")] = _convert_value(name, value, kind, origin)
        settings.append(Setting(name, "set" if name == "token" and effective else effective, origin))
    values["token"] = _read_token(values["token"], values.pop("token_file"))
    if values["headline_baseline"] not in HEADLINE_BASELINES:
        raise ConfigError(
            "headline.baseline must be " + ", ".join(HEADLINE_BASELINES),
            cause=f"it is {values['headline_baseline']!r}",
            hint="measured runs stand beneath the headline: they never cover everything",
        )
    host, port = _parse_address(values.pop("listen"))
    values["receivers"] = _find_receivers_file(values["receivers"], folder)
    public = values.pop("page_public_url")
    values["public_url"] = parse_public_url(public, "page.public_url") if public else None
    hosts = [name.strip() for name in values["hosts"].split(",") if name.strip()]
    # Whoever follows a link asks for the page under that name.
    values["hosts"] = tuple(dict.fromkeys([*hosts, *filter(None, [_get_host(values["public_url"])])]))
    if host not in LOOPBACK and not values["token"]:
        raise ConfigError(
            f"listening on {host} needs a token",
            hint="set STRETTO_TOKEN to a long random text, or STRETTO_TOKEN_FILE, or listen on 127.0.0.1",
        )
    features = _decide_features(file_values.get("features", {}), folder, environ, str(path))
    settings += [
        Setting(f"features.{each.name}", each.value, each.origin) for each in features.states.values()
    ]
    if not features.is_on("resources"):
        values["resources_interval_seconds"] = 0
    retention = _pop_retention(values)
    values["timezone"] = _read_timezone(values["timezone"])
    _check_push_url(values["fleet_push_url"])
    _read_hub_settings(values)
    parts_origin = next(setting.origin for setting in settings if setting.name == REPORT_PARTS)
    values["reports_parts"] = parse_report_parts(values["reports_parts"], REPORT_PARTS, parts_origin)
    for name in ("fleet_team", "fleet_instance"):
        _check_label_value(name.replace("_", "."), values[name])
    types = read_task_types(values["preset"], file_values.get("task_types", {}), str(path))
    rates = parse_rates(file_values.get("prices", {}), str(path))
    return Config(
        state=folder,
        host=host,
        port=port,
        retention=retention,
        task_types=types,
        workflows=read_workflow_hours(file_values.get("workflows", {}), str(path)),
        test_commands=read_test_commands(file_values.get("tests", {}), str(path)),
        rates=rates,
        alert_limits=read_alert_limits(file_values.get("thresholds", {}), str(path)),
        scores=parse_score_rules(file_values.get("scores", {}), str(path)),
        features=features,
        settings=tuple(settings),
        **values,
    )


def _decide_features(
    configured: object, folder: Path, environ: Mapping[str, str], file: str
) -> FeatureStates:
    if not isinstance(configured, dict):
        raise ConfigError("features must be a table", where=file, cause=f"it is {configured!r}")
    changes = read_feature_changes(folder).states
    return decide_feature_states(configured, changes, environ, file=file, changed=str(folder / FILE))


def _pop_retention(values: dict[str, Any]) -> Retention:
    """Remove the retention settings from the values and return them as a value. Raises ConfigError."""
    raw, hourly, daily = (values.pop(f"retention_{name}_days") for name in ("raw", "hourly", "daily"))
    if not LEAST_RAW_DAYS <= raw <= hourly <= daily:
        raise ConfigError(
            f"the days of retention must not fall: raw {raw}, hourly {hourly}, daily {daily}",
            hint=f"at least {LEAST_RAW_DAYS} for raw, as many or more for hourly, as many or more for daily",
        )
    most_bytes = values.pop("retention_megabytes") * 1_000_000
    return Retention(raw, hourly, daily, most_bytes, values.pop("retention_runs_days"))


def _read_timezone(name: str) -> str:
    """Return the name of a time zone if this machine knows it. Raises ConfigError."""
    if name == "UTC":
        return name
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415  # milliseconds, rarely needed

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"timezone {name!r} is unknown here",
            cause=str(error),
            hint='name it as in "Europe/Berlin"; if no zone is known, install the package tzdata',
        ) from error
    return name


def _check_label_value(name: str, value: str | None) -> None:
    """Refuse a text that is unsuited as a label's value in every engine. Raises ConfigError."""
    if value is not None and not _LABEL_VALUE(value):
        raise ConfigError(
            f"{name} must be a short name",
            cause=f"it is {value!r}",
            hint="letters, digits, dots, hyphens and underscores, at most 63",
        )


def _check_push_url(url: str | None) -> None:
    """Refuse what is no http(s) address. Raises ConfigError."""
    if url is not None and not url.startswith(("http://", "https://")):
        raise ConfigError(
            "fleet.push_url must be an http:// or https:// address",
            cause=f"it is {url!r}",
            hint="the receiver's remote-write address, such as https://metrics.example.org/api/v1/write",
        )


def describe_unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return a sentence on each ``STRETTO_`` variable that nothing reads."""
    known = [variable for _, _, variable in SETTINGS.values()] + [*OTHER_VARIABLES]
    retired = {PREFIX + name.upper(): name for name in RETIRED}
    sentences = []
    for name in sorted(name for name in environ if name.startswith("STRETTO_") and name not in known):
        if name in retired:
            sentences.append(f"{name}: {describe_retired(retired[name])}")
            continue
        near = find_nearest_word(name, known)
        sentences.append(f"{name} is not known" + (f"; did you mean {near}?" if near else ""))
    return sentences


def _read_file(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        if required:
            raise ConfigError(
                "the configuration file is missing", where=str(path), hint="unset STRETTO_CONFIG"
            ) from None
        return {}
    except OSError as error:
        raise ConfigError(
            "the configuration file cannot be read", where=str(path), cause=str(error)
        ) from error
    file_values = _flatten_tables(_parse_toml(text, path), str(path))
    for key in file_values:
        if key not in SETTINGS and key not in TABLES:
            table, dot, _ = key.rpartition(".")
            siblings = [
                name.removeprefix(table + dot) for name in SETTINGS if name.rpartition(".")[0] == table
            ]
            known = siblings if dot else [*siblings, *KEYED_TABLES, *TABLES]
            raise make_unknown_key_error(key, known, str(path))
    return file_values


def _parse_toml(text: bytes, path: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  # milliseconds, only needed for a file

    try:
        return tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("the configuration file is not TOML", where=str(path), cause=str(error)) from error


def _flatten_tables(file_values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the settings with the keys of a table as ``table.key``."""
    flat: dict[str, Any] = {}
    for key, value in file_values.items():
        if key not in KEYED_TABLES:
            flat[key] = value
        elif isinstance(value, dict):
            flat.update({f"{key}.{name}": inner for name, inner in value.items()})
        else:
            raise ConfigError(f"{key} must be a table", where=where, cause=f"it is {value!r}")
    return flat


_SWITCH = {"0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}


def _convert_value(name: str, value: object, kind: type, origin: str) -> object:
    if value is None:
        return None
    if kind is int and isinstance(value, str) and _WHOLE_NUMBER(value.strip()):
        value = int(value)
    if kind is bool and isinstance(value, str):
        value = _SWITCH.get(value.strip().lower(), value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        wanted = {int: "a whole number", bool: "true or false"}.get(kind, "a text")
        raise ConfigError(f"{name} must be {wanted}", where=origin, cause=f"it is {value!r}")
    least = SMALLEST.get(name, 1)
    if kind is int and isinstance(value, int) and not least <= value <= LARGEST[name]:
        wanted = f"from {least} to {LARGEST[name]}"
        raise ConfigError(f"{name} must be {wanted}", where=origin, cause=f"it is {value}")
    return value


def _read_token(token: str | None, path: str | None) -> str | None:
    """Return the token, or the token in a file, which is how containers receive secrets."""
    if not path:
        return _check_token(token, "STRETTO_TOKEN or the key token") if token else token
    if token:
        raise ConfigError(
            "token and token_file are both set", cause="they may differ", hint="unset one of them"
        )
    try:
        file_token = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("the token cannot be read", where=path, cause=str(error)) from error
    if not file_token:
        raise ConfigError("the token's file is empty", where=path, hint="put a long random text into it")
    return _check_token(file_token, path)


def _check_token(token: str, where: str) -> str:
    if len(token) < LEAST_TOKEN_LENGTH:
        raise ConfigError(
            f"the token has fewer than {LEAST_TOKEN_LENGTH} characters",
            where=where,
            hint="make one with: python3 -c 'import secrets; print(secrets.token_hex(32))'",
        )
    return token


def _find_receivers_file(name: str | None, folder: Path) -> Path | None:
    """Return the named file, even if it is missing: its reader reports that. Without a name, the default."""
    default = folder / "receivers.yml"
    return Path(name) if name else default if default.exists() else None


def parse_public_url(url: str, name: str) -> str:
    """Return an address without a slash at its end. Raises ConfigError, which names ``name``, for another."""
    parts = urlsplit(url)
    if parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment):
        return url.rstrip("/")
    raise ConfigError(
        f"{name} must be an address", cause=f"it is {url!r}", hint="for example https://stretto.example.org"
    )


def _read_hub_settings(values: dict[str, Any]) -> None:
    """Replace the texts about the hub by an address and lists of names. Raises ConfigError."""
    for name in ("fleet_shown_projects", "fleet_shown_names", "fleet_shown_labels"):
        values[name] = tuple(word.strip() for word in values[name].split(",") if word.strip())
    url = values["fleet_hub_url"]
    values["fleet_hub_url"] = parse_public_url(url, "fleet.hub_url") if url else None


def _get_host(url: str | None) -> str | None:
    return None if url is None else urlsplit(url).hostname


def _parse_address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if not host or not _WHOLE_NUMBER(port) or not 0 < int(port) < 1 << 16:
        raise ConfigError(
            "listen must be HOST:PORT", cause=f"it is {listen!r}", hint=f"for example {DEFAULT_LISTEN}"
        )
    return host, int(port)
