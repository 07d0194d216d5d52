"""``stretto hub``: tokens by the command line, and a hub that a machine ships to."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from stretto.cli.hub import name_store_folder
from stretto.cli.hub_options import COMPARED_METRICS, HUB_ROLES
from stretto.cli.main import main
from stretto.fleet.session_document import encode_session_document
from stretto.fleet.team_experiment_messages import TEAM_METRICS
from stretto.hub.access_tokens import TokenRole
from tests.ports import find_free_port
from tests.test_hub_app import draw, make_documents
from tests.waiting import until


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take variables of the machine away, and put the state into the test's folder."""
    monkeypatch.delenv("STRETTO_REQUIRE_SERVERS", raising=False)
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("STRETTO_HUB_DATABASE", f"sqlite:{tmp_path}/hub.sqlite")


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    """Run a command of the hub and return its answer."""
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_a_token_is_shown_once_listed_by_its_hash_and_revoked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All machines of a tenant get one key for names; the list has no token."""
    key = ["--key-file", str(tmp_path / "key")]
    ann = ask(capsys, "hub", "add-token", "--tenant", "acme", "--team", "red", "--owner", "ann", *key)
    ben = ask(capsys, "hub", "add-token", "--tenant", "acme", "--team", "red", "--owner", "ben", *key)
    assert ann["token"] != ben["token"]
    assert ann["key"] == ben["key"]
    assert (tmp_path / "key").stat().st_mode & 0o77 == 0
    of_lead = ["--tenant", "acme", "--team", "*", "--owner", "lea", "--role", "lead"]
    lead = ask(capsys, "hub", "add-token", *of_lead)
    assert lead.keys() == {"token"}
    tokens = ask(capsys, "hub", "list-tokens", "--tenant", "acme")["tokens"]
    assert isinstance(tokens, list)
    assert [(each["owner"], each["role"], each["revoked"]) for each in tokens] == [
        ("ann", "me", None),
        ("ben", "me", None),
        ("lea", "lead", None),
    ]
    assert not any(str(given["token"]) in json.dumps(tokens) for given in (ann, ben, lead))
    ask(capsys, "hub", "revoke-token", "--tenant", "acme", tokens[0]["id"])
    assert main(["hub", "revoke-token", "--tenant", "acme", tokens[0]["id"]]) == 2
    assert "0 valid tokens" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["serve", "--listen", "0.0.0.0:9465"], "--behind-proxy"),
        (["serve", "--listen", "127.example.org:9465"], "--behind-proxy"),
        (["serve", "--listen", "nowhere"], "HOST:PORT"),
        (["add-token", "--tenant", "t", "--team", "*", "--owner", "o"], "--role lead"),
        (["list-tokens", "--tenant", "t", "--database", "mysql://h"], "postgresql://"),
    ],
)
def test_what_cannot_work_is_refused_with_the_next_step(
    words: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing listens in the clear, and no token is made that means nothing."""
    assert main(["hub", *words]) == 2
    assert hint in capsys.readouterr().err


def test_without_a_database_the_command_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A URL with a password need not be on the command line."""
    monkeypatch.delenv("STRETTO_HUB_DATABASE")
    assert main(["hub", "list-tokens", "--tenant", "t"]) == 2
    assert "STRETTO_HUB_DATABASE" in capsys.readouterr().err


def test_stores_of_another_database_are_in_another_folder() -> None:
    """Where one was read to means nothing in the other; a new password is the same database."""
    urls = [
        "postgresql://u:old@h/a",
        "postgresql://u:old@h/b",
        "sqlite:a",
        "sqlite:b",
        "clickhouse://u:old@h/a",
    ]
    assert len({name_store_folder(url) for url in urls}) == len(urls)
    assert name_store_folder(urls[0]) == name_store_folder("postgresql://u:new@h/a")


def test_a_key_file_without_a_key_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A short or torn key would make names easy to guess."""
    (tmp_path / "key").write_text("abcd\n", encoding="utf-8")
    words = ["add-token", "--tenant", "t", "--team", "a", "--owner", "o", "--key-file", str(tmp_path / "key")]
    assert main(["hub", *words]) == 2
    assert "16 bytes" in capsys.readouterr().err


def test_the_sql_for_a_reader_is_printed_and_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the tenant and the password of the file; a missing or empty file is named."""
    words = ["hub", "reader-sql", "--tenant", "acme", "--user", "grafana", "--password-file"]
    url = ["--database", "postgresql://nowhere.example.org/d"]
    (tmp_path / "password").write_text("secret\n", encoding="utf-8")
    sql = str(ask(capsys, *words, str(tmp_path / "password"), *url)["sql"])
    assert "PASSWORD 'secret'" in sql
    assert "WHERE tenant = 'acme'" in sql
    (tmp_path / "password").write_text("\n", encoding="utf-8")
    for file in ("password", "missing"):
        assert main([*words, str(tmp_path / file), *url]) == 2
        assert file in capsys.readouterr().err


def test_roles_and_metrics_of_the_command_line_are_those_of_the_hub() -> None:
    """The parser repeats them, so that only the hub imports its rooms."""
    assert tuple(role.value for role in TokenRole) == HUB_ROLES
    assert COMPARED_METRICS == TEAM_METRICS


def test_a_hub_stores_what_a_machine_ships_and_stops_by_a_signal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real process: document in, page out, an end with code 0."""
    token = ask(capsys, "hub", "add-token", "--tenant", "acme", "--team", "red", "--owner", "ann")["token"]
    (document,) = make_documents(tmp_path / "edge", "laptop", [draw(0)])
    address = f"127.0.0.1:{find_free_port()}"
    scraped = f"127.0.0.1:{find_free_port()}"
    hub = subprocess.Popen(
        [sys.executable, "-m", "stretto", "hub", "serve", "--listen", address, "--metrics-listen", scraped],
        stderr=subprocess.PIPE,
        text=True,
    )

    def send(path: str, body: bytes | None = None) -> bytes:
        headers = {"Authorization": f"Bearer {token}"}
        with urlopen(Request(f"http://{address}{path}", body, headers)) as response:
            return bytes(response.read())

    def answers() -> bool:
        try:
            return send("/healthz") == b"ok\n"
        except HTTPError:
            raise
        except OSError:
            return False

    try:
        assert until(answers)
        answer = json.loads(send("/v1/sessions", encode_session_document(document)))
        assert answer["stored"] == [document.session]
        listed = json.loads(send("/api/sessions"))["sessions"]
        assert [row["id"] for row in listed] == [f"{document.session}.laptop"]
        with urlopen(f"http://{scraped}/metrics") as response:
            assert b"\nstretto_hub_stored_documents_total 1.0\n" in response.read()
    finally:
        hub.send_signal(signal.SIGTERM)
        _, errors = hub.communicate(timeout=60)
    assert hub.returncode == 0, errors
    assert "SIGTERM was received" in errors
