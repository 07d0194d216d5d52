"""The alert receivers: a user's file is merged into Alertmanager's configuration, or its error is located."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from stretto.cli.main import main
from stretto.errors import ConfigError
from stretto.servers.merge_receivers import (
    NAMES,
    ReceiversFile,
    check_receivers,
    merge_receivers,
    read_receivers,
)
from stretto.servers.supervised_server_password import ServerCredentials
from stretto.servers.supervisor import SHIPPED, find_shipped_folder, prepare_alertmanager

EXAMPLE = find_shipped_folder("alertmanager") / "receivers.example.yml"
CONFIGURATION = (find_shipped_folder("alertmanager") / "alertmanager.yml").read_text(encoding="utf-8")
PAGE = yaml.safe_load(CONFIGURATION)["receivers"][0]["webhook_configs"][0]
HOOK = """
receivers:
  - name: stretto-critical
    webhook_configs:
      - url: http://127.0.0.1:1/
"""


def given(folder: Path, text: str) -> ReceiversFile:
    """Return the receivers of a file with this text."""
    path = folder / "receivers.yml"
    path.write_text(text, encoding="utf-8")
    return read_receivers(path)


def by_name(configuration: str) -> dict[str, dict[str, Any]]:
    """The receivers of a configuration."""
    return {receiver["name"]: receiver for receiver in yaml.safe_load(configuration)["receivers"]}


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example as a user copies it, with the files that it names."""
    (tmp_path / "secrets").mkdir()
    for name in ("slack-url", "smtp-password", "pagerduty-key", "webhook-token"):
        (tmp_path / "secrets" / name).write_text("https://example.org/secret", encoding="utf-8")
    return Path(shutil.copy(EXAMPLE, tmp_path / "receivers.yml"))


def test_the_names_are_those_of_the_shipped_receivers() -> None:
    """A file may add to every receiver that a route leads to, and to no other."""
    assert set(by_name(CONFIGURATION)) == set(NAMES)


def test_what_is_added_stands_behind_what_ships(tmp_path: Path) -> None:
    """The page is still notified first; other receivers, routes and inhibitions do not change."""
    found = merge_receivers(CONFIGURATION, given(tmp_path, HOOK))

    before, after = yaml.safe_load(CONFIGURATION), yaml.safe_load(found)
    assert by_name(found)["stretto-critical"]["webhook_configs"] == [PAGE, {"url": "http://127.0.0.1:1/"}]
    del before["receivers"][0], after["receivers"][0]
    assert after == before


def test_the_example_is_whole(example: Path) -> None:
    """Copied with its secrets, the example adds its integrations under every receiver name."""
    found = read_receivers(example)

    assert found.kinds == {
        "stretto-critical": ("slack", "email", "pagerduty", "webhook"),
        "stretto-escalation": ("pagerduty",),
        "stretto-warning": ("slack",),
        "stretto-info": ("slack",),
        "stretto-report": ("email", "slack"),
        "stretto-notice": ("slack",),
        "stretto-watchdog": ("webhook",),
    }
    after = by_name(merge_receivers(CONFIGURATION, found))
    assert after["stretto-warning"]["slack_configs"] == after["stretto-critical"]["slack_configs"]


def test_secrets_are_found_beside_the_file(example: Path, tmp_path: Path) -> None:
    """Relative paths are resolved from the file's folder; absolute paths stay."""
    critical = by_name(merge_receivers(CONFIGURATION, read_receivers(example)))["stretto-critical"]
    folder = tmp_path / "secrets"
    assert critical["slack_configs"][0]["api_url_file"] == str(folder / "slack-url")
    assert critical["webhook_configs"][1]["http_config"]["authorization"]["credentials_file"] == str(
        folder / "webhook-token"
    )
    text = example.read_text(encoding="utf-8").replace("secrets/slack-url", str(folder / "slack-url"))
    assert by_name(merge_receivers(CONFIGURATION, given(tmp_path, text)))["stretto-critical"] == critical


def test_the_users_own_keys_are_no_paths(tmp_path: Path) -> None:
    """In tables with the user's own keys, a key that ends in _file is left alone."""
    text = HOOK.replace("webhook_configs", "pagerduty_configs").replace(
        "url: http://127.0.0.1:1/", "routing_key: x\n        details: {log_file: agent.log}"
    )
    critical = by_name(merge_receivers(CONFIGURATION, given(tmp_path, text)))["stretto-critical"]
    assert critical["pagerduty_configs"][0]["details"] == {"log_file": "agent.log"}


@pytest.mark.parametrize("scalar", ["012345", "0x1f", "1_000", "'012'", '"é\\n"', "12:30:45", "yes", "~"])
def test_values_reach_alertmanager_as_they_were_written(tmp_path: Path, scalar: str) -> None:
    """A key of digits keeps its zeros: values are not parsed and written again."""
    text = HOOK.replace("webhook_configs", "pagerduty_configs").replace("url: http://127.0.0.1:1/", "{}")
    found = merge_receivers(CONFIGURATION, given(tmp_path, text.format(f"routing_key: {scalar}")))
    [key] = [line for line in found.splitlines() if "routing_key" in line]
    assert key.partition(": ")[2] == scalar


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", None, "with the key 'receivers'"),
        ("- a\n", None, "with the key 'receivers'"),
        ("receivers: [\n", None, "is not YAML"),
        ("a: 1\n---\nb: 1\n", None, "is not YAML"),
        ("{receivers: []}\n", 1, "without braces"),
        ("route:\n  receiver: me\n" + HOOK, 2, "'route' is not known"),
        ("receivers:\n", 1, "must be a list"),
        ("receivers:\n  - 7\n", 2, "a table with a name"),
        (HOOK.replace("critical", "urgent"), 3, "no route leads to 'stretto-urgent'"),
        (HOOK + HOOK.partition("receivers:\n")[2], 6, "occurs twice"),
        (HOOK.replace("_configs", "_config"), 5, "stretto-critical: 'webhook_config' is not known"),
        (HOOK.replace("- url", "url"), 5, "stretto-critical.webhook_configs must be a list of tables"),
        (HOOK.replace("- url: ", "- "), 5, "stretto-critical.webhook_configs must be a list of tables"),
        ("receivers:\n  - name: stretto-info\n", 2, "stretto-info has no integration"),
        (HOOK.replace("url:", "url_file:"), 5, "url_file names a file"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place(tmp_path: Path, text: str, line: int | None, said: str) -> None:
    """The error names the file, the line and the key; no value is guessed."""
    with pytest.raises(ConfigError) as caught:
        given(tmp_path, text)

    assert said in caught.value.to_line()
    place = str(tmp_path / "receivers.yml")
    assert caught.value.where == (place if line is None else f"{place}, line {line}")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A file name that does not exist is an error, not an empty file."""
    with pytest.raises(ConfigError, match="cannot be read"):
        read_receivers(tmp_path / "gone.yml")


def test_a_file_in_a_circle_comes_to_an_end(tmp_path: Path) -> None:
    """YAML allows a table inside itself; Alertmanager may refuse it later."""
    text = HOOK.replace("- url: http://127.0.0.1:1/", "- &me {url: 'http://127.0.0.1:1/', http_config: *me}")
    assert given(tmp_path, text).kinds == {"stretto-critical": ("webhook",)}


def test_without_alertmanagers_tool_nothing_more_is_checked(tmp_path: Path) -> None:
    """The tool is not part of Stretto; without it, Alertmanager itself reports errors."""
    check_receivers(given(tmp_path, HOOK), lambda _: None)
    check_receivers(given(tmp_path, HOOK), lambda _: str(tmp_path / "gone"))


def test_the_tools_complaint_is_passed_on(tmp_path: Path) -> None:
    """The tool's message is part of the error, with the line numbers of the user's file."""
    tool = tmp_path / "amtool"
    tool.write_text(
        '#!/bin/sh\necho "Checking x  FAILED: line $(grep -n url "$2" | head -c1): bad url" >&2; exit 1\n'
    )
    tool.chmod(0o755)
    with pytest.raises(ConfigError) as caught:
        check_receivers(given(tmp_path, HOOK), lambda _: str(tool))
    assert caught.value.cause == "line 5: bad url"
    assert caught.value.where == str(tmp_path / "receivers.yml")


def test_the_embedded_alertmanager_reads_them(example: Path, tmp_path: Path) -> None:
    """The rendered copy has the receivers, the service's address and the templates."""
    addresses = {**SHIPPED, "stretto": "127.0.0.1:19464"}
    # A text of the user's that looks like a shipped address stays what it is.
    text = example.read_text(encoding="utf-8").replace("hooks.example.org/", "stretto:9464/")
    credentials = ServerCredentials(tmp_path, "a long random text")
    server = prepare_alertmanager(
        "alertmanager", addresses, tmp_path / "token", credentials, given(tmp_path, text)
    )

    [path] = [Path(a.partition("=")[2]) for a in server.arguments if a.startswith("--config.file")]
    urls = [hook["url"] for hook in by_name(path.read_text("utf-8"))["stretto-critical"]["webhook_configs"]]
    assert urls == ["http://127.0.0.1:19464/api/notifications", "https://stretto:9464/stretto"]
    assert (path.parent / "templates" / "stretto.tmpl").is_file()
    assert f"--web.external-url=http://{SHIPPED['alertmanager']}" in server.arguments


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder that the environment names, with no Alertmanager's tool on the path."""
    for name in [name for name in os.environ if name.startswith("STRETTO_")]:
        monkeypatch.delenv(name)
    state = tmp_path / "state"
    state.mkdir()
    monkeypatch.setenv("STRETTO_STATE", str(state))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path))
    return state


def test_the_verb_says_where_alerts_go(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file it names the example and the path; with a file, the integrations of each receiver."""
    assert main(["receivers"]) == 0
    out = capsys.readouterr().out
    assert str(EXAMPLE) in out
    assert str(at_home / "receivers.yml") in out

    (at_home / "receivers.yml").write_text(HOOK, encoding="utf-8")
    assert main(["receivers", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(at_home / "receivers.yml"),
        "receivers": {
            "stretto-escalation": [], "stretto-critical": ["webhook"], "stretto-warning": [],
            "stretto-info": [], "stretto-watchdog": [], "stretto-report": [], "stretto-notice": [],
        },
    }  # fmt: skip


@pytest.mark.parametrize("text", [None, HOOK])
def test_the_verb_writes_the_configuration(at_home: Path, tmp_path: Path, text: str | None) -> None:
    """For containers: without a file the shipped configuration, byte for byte; else the merged one."""
    if text:
        (at_home / "receivers.yml").write_text(text, encoding="utf-8")
    assert main(["receivers", "--write", str(tmp_path / "alertmanager.yml")]) == 0
    written = (tmp_path / "alertmanager.yml").read_text(encoding="utf-8")
    assert (written == CONFIGURATION) == (text is None)
    assert len(by_name(written)["stretto-critical"]["webhook_configs"]) == (2 if text else 1)


@pytest.mark.usefixtures("at_home")
def test_another_place_is_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """STRETTO_RECEIVERS comes before the state folder's file, and must exist."""
    monkeypatch.setenv("STRETTO_RECEIVERS", str(tmp_path / "mine.yml"))
    assert main(["receivers"]) == 2
    assert str(tmp_path / "mine.yml") in capsys.readouterr().err
    (tmp_path / "mine.yml").write_text(HOOK, encoding="utf-8")
    assert main(["receivers"]) == 0


@pytest.mark.parametrize(
    ("text", "verdict", "said"),
    [
        (None, "note", "lost while the service is down"),
        (HOOK.replace("critical", "warning"), "note", "StrettoDown reaches nobody"),
        (HOOK, "fine", "stretto-critical: webhook"),
        (HOOK.replace("critical", "urgent"), "trouble", "line 3"),
    ],
)
def test_doctor_says_whether_anyone_hears_that_stretto_is_down(
    at_home: Path, capsys: pytest.CaptureFixture[str], text: str | None, verdict: str, said: str
) -> None:
    """Without a way out for critical alerts there is a note with the cure; a bad file is trouble."""
    if text:
        (at_home / "receivers.yml").write_text(text, encoding="utf-8")
    main(["doctor", "--json"])
    [found] = [f for f in json.loads(capsys.readouterr().out)["findings"] if f["station"] == "receivers"]
    assert found["verdict"] == verdict
    assert said in found["found"]
    assert (verdict == "note") == ("receivers.yml" in found["hint"])
