"""The servers' credentials: made once, private, hashed for the servers, and refused if they are weak."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import bcrypt
import pytest
import yaml

from stretto.cli.main import main
from stretto.errors import ServiceError
from stretto.servers.supervised_server_password import (
    LONGEST_LENGTH,
    USER,
    ensure_credentials,
    make_web_configuration,
    read_credentials,
)
from stretto.servers.supervisor import NO_ORIGIN, SHIPPED, prepare_alertmanager, prepare_prometheus


def test_credentials_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    """The first start makes password, hash and client file (0600); a second start changes none of them."""
    folder = tmp_path / "servers"
    credentials = ensure_credentials(folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = ensure_credentials(folder)

    assert again == credentials == read_credentials(folder)
    assert files == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(files) == {"password", "web.yml", "http.yml"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert len(credentials.password) == 64
    assert ensure_credentials(tmp_path / "other").password != credentials.password


def test_the_servers_get_a_hash_and_never_the_password(tmp_path: Path) -> None:
    """The web configuration has the user with a bcrypt hash of the password, and nothing else."""
    credentials = ensure_credentials(tmp_path)
    web = yaml.safe_load(credentials.web_file.read_text())

    (user,) = web["basic_auth_users"]
    assert user == USER
    assert bcrypt.checkpw(credentials.password.encode(), web["basic_auth_users"][user].encode())
    assert credentials.password not in credentials.web_file.read_text()


def test_a_changed_password_changes_the_hash(tmp_path: Path) -> None:
    """A password that a person put into the file is hashed anew at the next start."""
    ensure_credentials(tmp_path)
    (tmp_path / "password").write_text("correct horse battery\n")
    credentials = ensure_credentials(tmp_path)

    assert credentials.password == "correct horse battery"
    hashed = yaml.safe_load(credentials.web_file.read_text())["basic_auth_users"][USER]
    assert bcrypt.checkpw(b"correct horse battery", hashed.encode())


@pytest.mark.parametrize("password", ["short", "x" * (LONGEST_LENGTH + 1)])
def test_a_password_that_protects_nothing_is_refused(tmp_path: Path, password: str) -> None:
    """A short password, or one whose end bcrypt would ignore, is an error that names the file."""
    (tmp_path / "password").write_text(password)
    with pytest.raises(ServiceError) as caught:
        ensure_credentials(tmp_path)
    assert caught.value.where == str(tmp_path / "password")
    assert password not in caught.value.to_line()


def test_both_servers_are_started_behind_the_credentials(tmp_path: Path) -> None:
    """Both get the hash's file, and Prometheus an origin that no web page has."""
    credentials = ensure_credentials(tmp_path)
    token = tmp_path / "token"
    prometheus = prepare_prometheus("prometheus", SHIPPED, token, credentials)
    alertmanager = prepare_alertmanager("alertmanager", SHIPPED, token, credentials)

    for server in (prometheus, alertmanager):
        assert f"--web.config.file={tmp_path / 'web.yml'}" in server.arguments
    assert f"--web.cors.origin={NO_ORIGIN}" in prometheus.arguments
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_file()} == {0o600}


def test_servers_prints_address_user_and_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``stretto servers`` names the password's file and never the password."""
    assert main(["--state", str(tmp_path), "servers"]) == 0
    assert "no password yet" in capsys.readouterr().out
    credentials = ensure_credentials(tmp_path / "servers")
    assert main(["--state", str(tmp_path), "servers", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)

    assert answer == {
        "servers": {"prometheus": None, "alertmanager": None},
        "user": USER,
        "password_file": str(credentials.password_file),
        "client_file": str(credentials.client_file),
    }
    assert main(["--state", str(tmp_path), "servers"]) == 0
    out = capsys.readouterr().out
    assert str(credentials.password_file) in out
    assert credentials.password not in out


def test_containers_get_the_token_as_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``stretto servers --write`` writes the hash of the token; without a usable token it writes nothing."""
    path = tmp_path / "web.yml"
    assert main(["--state", str(tmp_path), "servers", "--write", str(path)]) != 0
    assert "no token is set" in capsys.readouterr().err
    assert not path.exists()
    token = "0123456789abcdef" * 4
    monkeypatch.setenv("STRETTO_TOKEN", token)
    assert main(["--state", str(tmp_path), "servers", "--write", str(path)]) == 0
    hashed = yaml.safe_load(path.read_text())["basic_auth_users"][USER]
    assert bcrypt.checkpw(token.encode(), hashed.encode())
    assert token not in make_web_configuration(token) + capsys.readouterr().out
