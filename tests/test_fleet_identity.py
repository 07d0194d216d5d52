"""The name of a machine in its team."""

from __future__ import annotations

from pathlib import Path

import pytest

from stretto.config.loading import load_config
from stretto.errors import ConfigError
from stretto.fleet.identity import LENGTH, identify_machine


def test_a_name_that_was_not_chosen_differs_by_installation_and_host_and_shows_neither() -> None:
    """Two state folders of a host, and one folder restored on another host, are three machines."""
    names = {
        identify_machine(None, None, secret=secret, host=host).instance
        for secret, host in ((b"a" * 32, "anna-laptop"), (b"b" * 32, "anna-laptop"), (b"a" * 32, "ci-7"))
    }
    assert len(names) == 3
    assert all(len(name) == LENGTH and "anna" not in name for name in names)
    again = identify_machine(None, None, secret=b"a" * 32, host="ci-7")
    assert again.instance in names


def test_a_chosen_name_is_used() -> None:
    """Team and name are those of the configuration."""
    identity = identify_machine("payments", "runner-3", secret=b"", host="x")
    assert (identity.team, identity.instance) == ("payments", "runner-3")


@pytest.mark.parametrize("name", ["two words", "", "-x", "a" * 64, 'q"', "µ"])
def test_a_name_that_no_engine_takes_as_a_label_is_refused(tmp_path: Path, name: str) -> None:
    """A quote or a space in a label's value breaks queries; an empty variable counts as unset."""
    for variable in ("STRETTO_TEAM", "STRETTO_INSTANCE"):
        if not name:
            assert load_config({variable: name}, tmp_path).fleet_team is None
            continue
        with pytest.raises(ConfigError, match="must be a short name"):
            load_config({variable: name}, tmp_path)


def test_a_push_address_is_a_web_address(tmp_path: Path) -> None:
    """The flag wins over the variable, and what is no address is refused."""
    environ = {"STRETTO_PUSH_URL": "https://a.example.org/api/v1/write"}
    assert load_config(environ, tmp_path).fleet_push_url == "https://a.example.org/api/v1/write"
    pushed = load_config(environ, tmp_path, push="http://b.example.org/w").fleet_push_url
    assert pushed == "http://b.example.org/w"
    with pytest.raises(ConfigError, match="push_url"):
        load_config({}, tmp_path, push="b.example.org:9090")
