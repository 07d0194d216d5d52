"""Exported files under a Prometheus that is not ours: another job, another interval, several services."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
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

from stretto import journal
from stretto.clock import MINUTE, read_wall_clock
from tests.dashboards import substituted
from tests.ports import find_free_port
from tests.scenes import BEGIN, Drawing, fork_join, straggler, wasteful
from tests.stack.running import PATIENCE, require_servers, running, until

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
class Prometheus:
    """A Prometheus with exported files, and the services that it scrapes, by name."""

    address: str
    services: Mapping[str, str]

    def get(self, path: str, **fields: str) -> Any:
        """Return the data of an answer of its API."""
        request = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(fields)}"
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["data"]

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Return the series of an instant query."""
        series: list[dict[str, Any]] = self.get("query", query=expr)["result"]
        return series

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


@contextmanager
def scraped(folder: Path, interval: str) -> Iterator[Prometheus]:
    """Run a service for each scene, and a Prometheus that knows nothing but the exported files."""
    require_servers()
    with ExitStack() as stack:
        services = {}
        for name, draw in SCENES.items():
            write_sessions(folder / name, draw)
            service = stack.enter_context(running(folder / name, "--no-servers", "--history=no"))
            services[name] = service.stretto
        out = folder / "out"
        subprocess.run(
            [
                *(sys.executable, "-m", "stretto", "--state", str(folder / "even"), "export", "prometheus"),
                *(str(out), "--job", JOB, "--interval", interval),
            ],
            check=True,
            timeout=60,
        )
        configuration = yaml.safe_load((out / "prometheus.yml").read_text())
        configuration["scrape_configs"][0]["static_configs"] = [{"targets": list(services.values())}]
        (out / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        address = f"127.0.0.1:{find_free_port()}"
        program = shutil.which("prometheus")
        assert program is not None
        log = stack.enter_context((folder / "log").open("w"))
        server = subprocess.Popen(
            [
                program,
                f"--config.file={out / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            found = Prometheus(address, services)
            scraped_services = "count (count by (instance) (stretto_verdict_speedup)) == 3"
            until("all services to be scraped", lambda: found.query(scraped_services))
            until("the rules", lambda: all(rule["health"] != "unknown" for rule in found.list_rules()))
            yield found
        finally:
            server.terminate()
            server.wait(timeout=PATIENCE)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Three services with different sessions under one Prometheus, scraped every three seconds."""
    with scraped(tmp_path_factory.mktemp("three"), "3s") as found:
        yield found


def test_every_recorded_ratio_is_that_of_its_own_service(three: Prometheus) -> None:
    """What a rule computes of a service is what that service says of itself."""
    recorded = "baseline:stretto_verdict_improvement:ratio"
    until("the rule", lambda: len({row["metric"]["instance"] for row in three.query(recorded)}) == 3)
    for expr in (recorded, "stretto_verdict_improvement_ratio"):
        found = {
            (row["metric"]["instance"], row["metric"]["baseline"]): float(row["value"][1])
            for row in three.query(f'{expr}{{window="24h"}}')
        }
        if expr == recorded:
            computed = found
        else:
            assert computed == pytest.approx(found)
    works = {name: computed[address, "work"] for name, address in three.services.items()}
    assert len(set(works.values())) == 3, "the services differ, or nothing could be mixed"


def test_a_board_shows_one_service(three: Prometheus) -> None:
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
        [row] = three.query(substituted(speedup, job=JOB, instance=address))
        [own] = three.query(f'stretto_verdict_speedup{{instance="{address}",baseline="work",window="24h"}}')
        shown[address] = float(row["value"][1])
        assert shown[address] == pytest.approx(float(own["value"][1]))
    assert len({round(value, 3) for value in shown.values()}) == 3


@pytest.mark.parametrize("expr", QUERIES)
def test_no_answer_is_of_another_service(three: Prometheus, expr: str) -> None:
    """Each query is answered, and gives nothing for a service that does not exist."""
    for address in three.services.values():
        three.query(substituted(expr, job=JOB, instance=address))
    elsewhere = three.query(substituted(expr, job=JOB, instance="nowhere"))
    values = [float(row["value"][1]) for row in elsewhere if not row["metric"]]
    constants = [
        row for row in elsewhere if row["metric"].get("__name__", "").startswith("stretto:threshold:")
    ]
    assert len(values) + len(constants) == len(elsewhere)
    assert set(values) <= {0.0, 1.0}


def test_an_alert_is_about_one_service(three: Prometheus) -> None:
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


def test_a_slow_prometheus_is_healthy(tmp_path: Path) -> None:
    """At an interval of a minute every rule is computed, and no alert fires without a cause."""
    with scraped(tmp_path, "60s") as found:
        assert [rule["name"] for rule in found.list_rules() if rule["health"] != "ok"] == []
        causes = {found.services["failing"], found.services["uneven"]}
        for alert in found.get("alerts")["alerts"]:
            labels = alert["labels"]
            # Rules may be computed before the first scrape: until the next time nothing seems to be scraped.
            begins = alert["state"] == "pending" and "instance" not in labels
            cause = labels["alertname"] == "StrettoWatchdog" or labels.get("instance") in causes
            assert begins or cause, labels
        for expr in QUERIES:
            found.query(substituted(expr, job=JOB, instance=found.services["even"]))
