"""The configuration of the programs that carry a machine's series to a team's engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from stretto.cli.fleet_options import FLEET_PROGRAMS
from stretto.cli.main import main
from stretto.fleet.identity import MachineIdentity
from stretto.fleet.scrape_and_push_configurations import BUILDERS, FleetSettings, build_scrape_job
from stretto.servers.push_agent import find_agent_flag

TO = "https://metrics.example.org/api/v1/write"
SETTINGS = FleetSettings(
    identity=MachineIdentity("payments", "9f3c00112233"),
    url="http://127.0.0.1:9464",
    to=TO,
    service_token_file="/etc/stretto/token",
    token_file="/etc/stretto/receiver",
    tenant="shop",
)


@pytest.fixture(autouse=True)
def _empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point home and state to empty folders."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("STRETTO_TEAM", "payments")


def build(program: str) -> Any:
    """Return a program's configuration as values."""
    return yaml.safe_load(BUILDERS[program](SETTINGS))


def test_the_command_line_offers_each_program() -> None:
    """The parser repeats the programs, so that it need not import what builds them."""
    assert tuple(BUILDERS) == FLEET_PROGRAMS


def test_the_scrape_sets_team_and_instance_itself() -> None:
    """By relabelling: an external label would leave the scrape address, which every laptop shares."""
    job = build_scrape_job(SETTINGS)
    assert {rule["target_label"]: rule["replacement"] for rule in job["relabel_configs"]} == {
        "instance": "9f3c00112233",
        "team": "payments",
    }
    assert job["params"] == {"profile": ["fleet"]}
    assert job["static_configs"] == [{"targets": ["127.0.0.1:9464"]}]
    assert job["authorization"] == {"credentials_file": "/etc/stretto/token"}


def test_every_program_scrapes_the_same_job() -> None:
    """The four configurations differ in where the series go, not in which they are."""
    job = build_scrape_job(SETTINGS)
    assert build("prometheus")["scrape_configs"] == [job]
    assert build("agent")["scrape_configs"] == [job]
    assert build("vmagent")["scrape_configs"] == [job]
    assert build("collector")["receivers"]["prometheus"]["config"]["scrape_configs"] == [job]


def test_the_agent_sends_stretto_s_series_alone() -> None:
    """With the receiver's token and tenant, and nothing but our series and ``up``."""
    [write] = build("agent")["remote_write"]
    assert write["url"] == TO
    assert write["authorization"] == {"credentials_file": "/etc/stretto/receiver"}
    assert write["headers"] == {"X-Scope-OrgID": "shop"}
    assert write["write_relabel_configs"][0]["regex"] == "up|stretto_.*"


def test_vmagent_is_called_with_address_token_and_tenant() -> None:
    """Its configuration has no place for them, so the command stands above it."""
    command = BUILDERS["vmagent"](SETTINGS).splitlines()[0]
    assert f"-remoteWrite.url={TO}" in command
    assert "-remoteWrite.bearerTokenFile=/etc/stretto/receiver" in command
    assert "X-Scope-OrgID: shop" in command


def test_a_collector_sends_by_the_protocol_of_the_address() -> None:
    """An address that ends in ``/v1/metrics`` takes OTLP, any other remote write; every part is used."""
    by_write = build("collector")
    assert by_write["service"]["pipelines"]["metrics"]["exporters"] == ["prometheusremotewrite"]
    assert by_write["exporters"]["prometheusremotewrite"]["endpoint"] == TO
    assert by_write["service"]["extensions"] == list(by_write["extensions"])
    otlp = "https://collector.example.org/v1/metrics"
    settings = FleetSettings(SETTINGS.identity, SETTINGS.url, otlp)
    by_otlp = yaml.safe_load(BUILDERS["collector"](settings))
    assert by_otlp["exporters"] == {"otlphttp": {"metrics_endpoint": otlp}}
    assert "extensions" not in by_otlp


def test_the_command_prints_or_writes_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``stretto fleet config agent --to URL`` prints what ``--output`` writes, readable for its owner."""
    assert main(["fleet", "config", "agent", "--to", TO]) == 0
    printed = capsys.readouterr().out
    path = tmp_path / "agent.yml"
    words = ["fleet", "config", "agent", "--to", TO, "--output", str(path)]
    assert main(words) == 0
    assert path.read_text() == printed
    assert path.stat().st_mode & 0o077 == 0
    assert main(words) == 2
    assert main([*words, "--replace"]) == 0


def test_a_sender_needs_an_address_and_a_team_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without ``--to`` nothing can be sent; without a team the machine is in no team's figures."""
    assert main(["fleet", "config", "vmagent"]) == 2
    assert "--to https://" in capsys.readouterr().err
    assert main(["fleet", "config", "agent", "--to", "metrics.example.org"]) == 2
    assert "--to must be an address" in capsys.readouterr().err
    monkeypatch.delenv("STRETTO_TEAM")
    assert main(["fleet", "config", "prometheus"]) == 0
    answer = capsys.readouterr()
    assert "no team is set" in answer.err
    assert "target_label: team" not in answer.out


def test_the_identity_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """``stretto fleet identity`` names team, machine and rules, the same at each call."""
    answers = []
    for _ in range(2):
        assert main(["fleet", "identity", "--json"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1]
    assert answers[0]["team"] == "payments"
    assert len(answers[0]["instance"]) == 12
    assert len(answers[0]["rules"]) == 16


def test_the_rules_of_teams_are_written(tmp_path: Path) -> None:
    """``stretto export fleet DIR`` writes rules and the operator's object with the same groups."""
    address = "https://stretto.example.org"
    assert main(["export", "fleet", str(tmp_path), "--url", address]) == 0
    groups = [
        group
        for path in sorted((tmp_path / "rules/fleet").glob("*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
    ]
    rule = yaml.safe_load((tmp_path / "fleet-rules.yml").read_text())
    assert rule["kind"] == "PrometheusRule"
    assert rule["spec"]["groups"] == groups
    assert f"{address}/runbook/StrettoFleetSilent" in str(groups)


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("      --agent                Run Prometheus in 'Agent mode'.", "--agent"),
        ("      --[no-]agent           Run Prometheus in 'Agent mode'.", "--agent"),
        ("  --enable-feature= ...  agent, exemplar-storage", "--enable-feature=agent"),
    ],
)
def test_the_agent_mode_has_a_flag_by_version(text: str, flag: str) -> None:
    """Prometheus 3 has a flag for it, Prometheus 2 a feature."""
    assert find_agent_flag(text) == flag
