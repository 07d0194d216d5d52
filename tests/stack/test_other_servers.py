"""Exported files under a Prometheus that is not ours: another job, another interval, several services."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana.board.boards import BOARDS
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from stretto import journal
from stretto.clock import MINUTE, read_wall_clock
from tests.dashboards import substituted
from tests.ports import find_free_port
from tests.scenes import BEGIN, Drawing, fork_join, straggler, wasteful
from tests.stack.running import PATIENCE, require_servers, running, until
from tests.stack.running_prometheus import Prometheus, run_prometheus

pytestmark = [pytest.mark.stack, pytest.mark.slow]

JOB = "agents"
SESSIONS = 12
"""Sessions of a service: three tasks each are enough traffic for every alert."""
SCENES: Mapping[str, Callable[[str], Drawing]] = {
    "uneven": straggler,
    "failing": wasteful,
    "even": fork_join,
}
QUERIES = [query.expr for board in BOARDS for panel in board.panels for query in panel.asked]


@dataclass(frozen=True)
class ScrapedServices(Prometheus):
    """A Prometheus with exported files, and the services that it scrapes, by name."""

    services: Mapping[str, str]

    def list_rules(self) -> list[dict[str, Any]]:
        """Return every rule with its health."""
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]


def write_sessions(state: Path, draw: Callable[[str], Drawing]) -> None:
    """Write sessions of a scene to the journal of a folder, ended some minutes ago."""
    now = read_wall_clock()
    shift = now - 20 * MINUTE - BEGIN
    events = [
        replace(event, time=event.time + shift)
        for number in range(SESSIONS)
        for event in draw(f"{draw.__name__}-{number}").events
    ]
    lines = b"".join(map(journal.encode_event, events))
    journal.append_records(journal.get_day_file(state / "journal", now), lines)


def write_exports(folder: Path, interval: str, state: Path) -> None:
    """Write configuration and rules for another job and an interval, as the command does."""
    command = [sys.executable, "-m", "stretto", "--state", str(state), "export", "prometheus", str(folder)]
    subprocess.run([*command, "--job", JOB, "--interval", interval], check=True, timeout=PATIENCE)


@contextmanager
def scraped(folder: Path, interval: str) -> Iterator[ScrapedServices]:
    """Run a service for each scene, and a Prometheus that knows nothing but the exported files."""
    require_servers()
    with ExitStack() as stack:
        services = {}
        for name, draw in SCENES.items():
            write_sessions(folder / name, draw)
            service = stack.enter_context(running(folder / name, "--no-servers", "--history=no"))
            services[name] = service.stretto
        out = folder / "out"
        write_exports(out, interval, folder / "even")
        configuration = yaml.safe_load((out / "prometheus.yml").read_text())
        configuration["scrape_configs"][0]["static_configs"] = [{"targets": list(services.values())}]
        (out / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        address = f"127.0.0.1:{find_free_port()}"
        stack.enter_context(run_prometheus(out / "prometheus.yml", folder / "data", address))
        found = ScrapedServices(address, services)
        scraped_services = "count (count by (instance) (stretto_verdict_speedup)) == 3"
        until("all services to be scraped", lambda: found.instant(scraped_services))
        until("the rules", lambda: all(rule["health"] != "unknown" for rule in found.list_rules()))
        yield found


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScrapedServices]:
    """Three services with different sessions under one Prometheus, scraped every three seconds."""
    with scraped(tmp_path_factory.mktemp("three"), "3s") as found:
        yield found


def test_every_recorded_ratio_is_that_of_its_own_service(three: ScrapedServices) -> None:
    """What a rule computes of a service is what that service says of itself."""
    recorded = "baseline:stretto_verdict_improvement:ratio"
    until("the rule", lambda: len({row["metric"]["instance"] for row in three.instant(recorded)}) == 3)
    for expr in (recorded, "stretto_verdict_improvement_ratio"):
        found = {
            (row["metric"]["instance"], row["metric"]["baseline"]): float(row["value"][1])
            for row in three.instant(f'{expr}{{window="24h"}}')
        }
        if expr == recorded:
            computed = found
        else:
            assert computed == pytest.approx(found)
    works = {name: computed[address, "work"] for name, address in three.services.items()}
    assert len(set(works.values())) == 3, "the services differ, or nothing could be mixed"


def test_a_board_shows_one_service(three: ScrapedServices) -> None:
    """The speedup that the overview shows is the chosen service's own, for each of the three."""
    [speedup] = [
        query.expr
        for board in BOARDS
        for panel in board.panels
        for query in panel.asked
        if panel.title == "Speedup"
    ]
    shown = {}
    for address in three.services.values():
        [row] = three.instant(substituted(speedup, job=JOB, instance=address))
        [own] = three.instant(f'stretto_verdict_speedup{{instance="{address}",baseline="work",window="24h"}}')
        shown[address] = float(row["value"][1])
        assert shown[address] == pytest.approx(float(own["value"][1]))
    assert len({round(value, 3) for value in shown.values()}) == 3


@pytest.mark.parametrize("expr", QUERIES)
def test_no_answer_is_of_another_service(three: ScrapedServices, expr: str) -> None:
    """Each query is answered, and gives nothing for a service that does not exist."""
    for address in three.services.values():
        three.instant(substituted(expr, job=JOB, instance=address))
    elsewhere = three.instant(substituted(expr, job=JOB, instance="nowhere"))
    values = [float(row["value"][1]) for row in elsewhere if not row["metric"]]
    constants = [
        row for row in elsewhere if row["metric"].get("__name__", "").startswith("stretto:threshold:")
    ]
    assert len(values) + len(constants) == len(elsewhere)
    assert set(values) <= {0.0, 1.0}


def test_an_alert_is_about_one_service(three: ScrapedServices) -> None:
    """Failures of one service fire for it alone, and the text has its own numbers."""
    failing = three.services["failing"]

    def find_alerts() -> list[dict[str, Any]]:
        return [
            alert
            for alert in three.get("alerts")["alerts"]
            if alert["labels"]["alertname"] == "StrettoParallelFailures" and alert["state"] == "firing"
        ]

    [alert] = until("the alert", find_alerts)
    assert alert["labels"]["instance"] == failing
    assert alert["labels"]["job"] == JOB
    assert f"{SESSIONS} of {3 * SESSIONS} " in alert["annotations"]["description"]
    others = {
        (other["labels"]["alertname"], other["labels"].get("instance"))
        for other in three.get("alerts")["alerts"]
        if other["labels"]["alertname"].startswith(("StrettoParallel", "StrettoSuccess", "StrettoAgentErr"))
    }
    assert {instance for _, instance in others} == {failing}


STEPS = 12
"""Scrapes of a history, more than the longest wait of an alert."""
MISSED = 5
"""The scrape of that history which fails."""
FIRING = 'ALERTS{alertstate="firing",alertname!="StrettoWatchdog"'


def write_history(metrics: str, instance: str, scraped: float, interval: int) -> list[dict[str, str]]:
    """Return what an instance exposes as series of promtool: at each scrape as it is, but for a missed one.

    ``scraped`` is the time of the exposition; the history begins there, at promtool's time 0.
    """
    series = []
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            labels = {**sample.labels, "job": JOB, "instance": instance}
            joined = ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items())
            value, growth = sample.value, 0
            if sample.name.endswith("_timestamp_seconds"):
                value -= scraped
            if sample.name == "stretto_snapshot_timestamp_seconds":
                growth = interval
            after = value + (MISSED + 1) * growth
            series.append(
                {
                    "series": f"{sample.name}{{{joined}}}",
                    "values": f"{value:f}+{growth}x{MISSED - 1} stale {after:f}+{growth}x{STEPS - MISSED}",
                }
            )
    return series


@pytest.mark.parametrize("interval", [15, 30, 60])
def test_no_alert_fires_without_a_cause(three: ScrapedServices, tmp_path: Path, interval: int) -> None:
    """At each interval failures raise an alert, and a good service none, though a scrape of it is missed."""
    write_exports(tmp_path, f"{interval}s", tmp_path / "even")
    series = []
    for name, address in three.services.items():
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=PATIENCE) as answer:
            series += write_history(answer.read().decode(), name, time.time(), interval)
        up = f'up{{job="{JOB}",instance="{name}"}}'
        series.append({"series": up, "values": f"1x{MISSED - 1} 0 1x{STEPS - MISSED}"})
    series.append({"series": f'up{{job="{JOB}",instance="gone"}}', "values": f"1x{MISSED - 1} 0x{STEPS}"})
    fired = {
        'instance="even"': [],
        'alertname="StrettoParallelFailures"': ["failing"],
        'alertname="StrettoDown"': ["gone"],
    }
    rules = sorted((tmp_path / "rules").glob("*.yml"))
    groups = [group["name"] for path in rules for group in yaml.safe_load(path.read_text())["groups"]]
    written = {
        "rule_files": [str(path) for path in rules],
        # Prometheus looks more often than it scrapes: a missed scrape stays until the next.
        "evaluation_interval": f"{interval // 3}s",
        "group_eval_order": sorted(groups, key=lambda name: "alerts" in name),
        "tests": [
            {
                "interval": f"{interval}s",
                "input_series": series,
                "promql_expr_test": [
                    {
                        "expr": f"max by (instance) (max_over_time({FIRING},{chosen}}}[1h]))",
                        "eval_time": f"{STEPS * interval}s",
                        "exp_samples": [
                            {"labels": f'{{instance="{name}"}}', "value": 1} for name in instances
                        ],
                    }
                    for chosen, instances in fired.items()
                ],
            }
        ],
    }
    (tmp_path / "history.yml").write_text(yaml.safe_dump(written), encoding="utf-8")

    checked = subprocess.run(
        ["promtool", "test", "rules", str(tmp_path / "history.yml")],
        capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_slow_prometheus_is_healthy(tmp_path: Path) -> None:
    """At an interval of a minute every rule is computed, and every query of the boards is answered."""
    with scraped(tmp_path, "60s") as found:
        assert [rule["name"] for rule in found.list_rules() if rule["health"] != "ok"] == []
        for expr in QUERIES:
            found.instant(substituted(expr, job=JOB, instance=found.services["even"]))
