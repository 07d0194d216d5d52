"""The files for servers that run already: another job, another address, another interval."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stretto.cli.export_options import EXPORT_KINDS
from stretto.cli.main import main
from stretto.servers.export_files import BUILDERS

URL = "https://stretto.example.org"
WAIT = re.compile(r"(?:for|keep_firing_for): (\d+)([smh])")


@pytest.fixture(autouse=True)
def _empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point home and state to empty folders."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))


def write(folder: Path, *words: str) -> dict[str, str]:
    """Run an export for another job, address and interval; return its files by relative path.

    Further words come last: of an option that is given twice, the last value counts.
    """
    options = ["--job", "agents", "--url", URL, "--interval", "60s"]
    assert main([*words[:2], str(folder), *options, *words[2:]]) == 0
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in files}


def list_alerts(text: str) -> list[dict[str, Any]]:
    """Return the alerting rules of a rules file."""
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"] if "alert" in rule]


def test_the_command_line_offers_each_kind() -> None:
    """The parser repeats the kinds, so that it need not import what builds them."""
    assert EXPORT_KINDS.keys() == BUILDERS.keys()


@pytest.mark.parametrize("kind", EXPORT_KINDS)
def test_no_file_names_the_default_address_or_job(kind: str, tmp_path: Path) -> None:
    """Every link leads to the public address, and every selector of the job to the given job."""
    files = write(tmp_path / kind, "export", kind)
    assert files
    for name, text in files.items():
        assert "9464" not in text, name
        assert 'job="stretto"' not in text.replace("\\", ""), name
    assert any(URL in text for text in files.values()) or kind == "operator"


def test_the_down_alert_looks_at_the_job(tmp_path: Path) -> None:
    """StrettoDown would fire for ever if it looked for a job that the configuration does not have."""
    files = write(tmp_path, "export", "prometheus")
    [down] = [rule for rule in list_alerts(files["rules/alerts.yml"]) if rule["alert"] == "StrettoDown"]
    assert 'up{job="agents"}' in down["expr"]
    configuration = yaml.safe_load(files["prometheus.yml"])
    assert [job["job_name"] for job in configuration["scrape_configs"]] == ["agents"]
    assert configuration["scrape_configs"][0]["static_configs"] == [{"targets": ["stretto.example.org:443"]}]


@pytest.mark.parametrize("interval", [15, 30, 60])
def test_no_alert_waits_for_less_than_two_scrapes(tmp_path: Path, interval: int) -> None:
    """At 60 s between scrapes a wait of 15 s would alarm on a single sample."""
    files = write(tmp_path, "export", "prometheus", "--interval", f"{interval}s")
    waits = [
        int(number) * {"s": 1, "m": 60, "h": 3600}[unit]
        for text in files.values()
        for number, unit in WAIT.findall(text)
    ]
    assert min(waits) == 2 * interval
    assert 300 in waits


def test_a_mixin_has_each_rule_once(tmp_path: Path) -> None:
    """Alerts and recording rules together are the shipped rules, and each imported board exists."""
    files = write(tmp_path / "mixin", "export", "mixin")
    plain = write(tmp_path / "plain", "export", "prometheus")
    groups = [
        group["name"] for name in ("alerts.json", "rules.json") for group in json.loads(files[name])["groups"]
    ]
    shipped = [
        group["name"]
        for name, text in plain.items()
        if name.startswith("rules/")
        for group in yaml.safe_load(text)["groups"]
    ]
    assert sorted(groups) == sorted(shipped)
    assert set(re.findall(r"import '([^']+)'", files["mixin.libsonnet"])) == files.keys() - {
        "mixin.libsonnet"
    }


def test_grafana_loads_every_board(tmp_path: Path) -> None:
    """The provisioning file names a folder, and no board is renewed or drawn finer than it is scraped."""
    files = write(tmp_path, "export", "grafana")
    assert yaml.safe_load(files["provisioning/stretto.yml"])["providers"][0]["type"] == "file"
    boards = [json.loads(text) for name, text in files.items() if name.startswith("dashboards/")]
    assert len(boards) >= 8
    assert {board["refresh"] for board in boards} == {"60s"}
    panels = [panel for board in boards for panel in board["panels"] if panel["type"] != "row"]
    steps = [part["interval"] for panel in panels for part in (panel, *panel["targets"])]
    assert len(steps) > 2 * len(panels)
    assert set(steps) == {"60s"}


def test_operator_objects_carry_the_namespace(tmp_path: Path) -> None:
    """Each object is of the operator's API, named as Kubernetes allows, in the given namespace."""
    files = write(tmp_path, "export", "operator", "--namespace", "observability")
    objects = [
        document
        for name in ("service-monitor.yml", "prometheus-rules.yml")
        for document in yaml.safe_load_all(files[name])
    ]
    assert {entry["kind"] for entry in objects} == {"ServiceMonitor", "PrometheusRule"}
    for entry in objects:
        assert entry["metadata"]["namespace"] == "observability"
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", entry["metadata"]["name"])


def test_the_token_is_sent_only_where_one_is_named(tmp_path: Path) -> None:
    """Without a token file no server is told to read one: Alertmanager would fail on a missing file."""
    assert "credentials_file" not in write(tmp_path / "a", "export", "alertmanager")["alertmanager.yml"]
    text = write(tmp_path / "b", "export", "alertmanager", "--token-file", "/etc/token")["alertmanager.yml"]
    receivers = yaml.safe_load(text)["receivers"]
    assert all(
        webhook["http_config"]["authorization"]["credentials_file"] == "/etc/token"
        for receiver in receivers
        for webhook in receiver.get("webhook_configs", ())
    )


def test_a_changed_file_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that somebody edited stays, the message names it, and --replace writes it anew."""
    write(tmp_path, "export", "prometheus")
    edited = tmp_path / "rules" / "alerts.yml"
    edited.write_text("edited", encoding="utf-8")
    command = ["export", "prometheus", str(tmp_path), "--job", "agents", "--url", URL, "--interval", "60s"]
    assert main(command) == 2
    assert str(edited) in capsys.readouterr().err
    assert edited.read_text("utf-8") == "edited"
    assert main([*command, "--replace"]) == 0
    assert edited.read_text("utf-8") != "edited"


@pytest.mark.parametrize(
    ("option", "value"),
    [("--job", "a b"), ("--url", "stretto"), ("--interval", "0"), ("--interval", "10m"), ("--namespace", "")],
)
def test_a_wrong_option_is_refused_by_name(
    option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written, and the message names the option."""
    assert main(["export", "prometheus", str(tmp_path / "new"), option, value]) == 2
    assert option in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_the_public_address_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --url the links lead to the configured public address."""
    monkeypatch.setenv("STRETTO_PUBLIC_URL", "https://public.example.org")
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))

    assert main(["export", "prometheus", str(tmp_path / "out")]) == 0

    assert "https://public.example.org/runbook/" in (tmp_path / "out/rules/alerts.yml").read_text()
