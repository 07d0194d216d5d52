"""Find the hub that this machine is enrolled at: its address, the machine's token and the tenant's key."""

from __future__ import annotations

from pathlib import Path

import msgspec

from stretto.config.configuration import Config
from stretto.errors import ConfigError
from stretto.fleet.hub_exchange import LEAST_KEY_BYTES, Enrolment, decode_enrolment

ENROLMENT_FILE = "hub.json"
"""The file in the state folder by which the machine was enrolled."""

JOIN_HINT = "get an enrolment file from the hub's administrator: stretto fleet join FILE"


def find_hub_settings(config: Config) -> Enrolment | None:
    """Return the hub's address with token and key: as configured, else as enrolled; None without a hub.

    Raises ConfigError if something of it is missing or cannot be used.
    """
    path = config.state / ENROLMENT_FILE
    enrolled = read_enrolment(path) if path.exists() else None
    if config.fleet_hub_url is None:
        return enrolled
    token, key = (None, None) if enrolled is None else (enrolled.token, enrolled.key)
    key_file = config.fleet_hub_key_file
    return Enrolment(
        hub_url=config.fleet_hub_url,
        token=_read_part(config.fleet_hub_token_file, token, "fleet.hub_token_file"),
        key=_check_key(_read_part(key_file, key, "fleet.hub_key_file"), key_file or str(path)),
    )


def read_enrolment(path: Path) -> Enrolment:
    """Return what an enrolment file has. Raises ConfigError."""
    try:
        enrolment = decode_enrolment(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            "the enrolment file cannot be read", where=str(path), cause=str(error), hint=JOIN_HINT
        ) from error
    _check_key(enrolment.key, str(path))
    return enrolment


def _read_part(file: str | None, enrolled: str | None, setting: str) -> str:
    """Return the text of a configured file, else the enrolled one. Raises ConfigError without either."""
    if file is None:
        if enrolled:
            return enrolled
        raise ConfigError(
            "fleet.hub_url needs a token and a key", cause=f"{setting} is not set", hint=JOIN_HINT
        )
    try:
        text = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{setting} cannot be read", where=file, cause=str(error)) from error
    if not text:
        raise ConfigError(f"{setting} names an empty file", where=file)
    return text


def _check_key(key: str, where: str) -> str:
    """Return a key in hexadecimal digits. Raises ConfigError."""
    try:
        is_long_enough = len(bytes.fromhex(key)) >= LEAST_KEY_BYTES
    except ValueError:
        is_long_enough = False
    if not is_long_enough:
        raise ConfigError(
            "the tenant's key cannot be used",
            where=where,
            cause=f"it is not {2 * LEAST_KEY_BYTES} hexadecimal digits or more",
            hint="it is the same on all machines of the tenant: ask the hub's administrator",
        )
    return key
