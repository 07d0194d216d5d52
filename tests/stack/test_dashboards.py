"""Every query of every dashboard, asked of a real Prometheus."""

from __future__ import annotations

import math
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana.board.boards import BOARDS
from grafana.board.panel import Kind, Panel

from tests.dashboards import substituted
from tests.ports import find_free_port
from tests.simulated import DAY, exposition, month
from tests.stack.running import ROOT, Running, require_servers, running, until
from tests.stack.running_prometheus import Prometheus, create_blocks, run_prometheus

pytestmark = pytest.mark.stack

EVERY = 6 * 3_600
"""Seconds between two samples of the simulated past."""

PANELS = [(board, panel) for board in BOARDS for panel in board.panels]
each_panel = pytest.mark.parametrize(
    "panel", [panel for _, panel in PANELS], ids=[f"{board.id}-{panel.title}" for board, panel in PANELS]
)


@pytest.fixture(params=["promtool", "promtool3"])
def promtool(request: pytest.FixtureRequest) -> str:
    """The installed promtool, and the one of Prometheus 3 that STRETTO_PROMTOOL3 names."""
    require_servers()
    named = "promtool" if request.param == "promtool" else os.environ.get("STRETTO_PROMTOOL3")
    if not named:
        pytest.skip("STRETTO_PROMTOOL3 names no promtool of Prometheus 3")
    return named


@contextmanager
def exposed() -> Iterator[str]:
    """Serve the simulated present as Stretto and Alertmanager would, and give the address."""
    began = time.time()

    class Scrape(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            now = time.time()
            text = exposition(now, began - 600)
            if self.path == "/alertmanager":
                text = f'alertmanager_notifications_failed_total{{integration="webhook"}} {now - began}\n'
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Scrape)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def past(folder: Path, until_time: float) -> Path:
    """Return a folder of Prometheus blocks with the simulated month."""
    text, data = folder / "month.om", folder / "data"
    text.write_text("\n".join(month(until_time, EVERY)) + "\n", encoding="utf-8")
    create_blocks(text, data)
    return data


def configuration(folder: Path, target: str, own: str) -> Path:
    """Write what Prometheus runs with: the shipped rules, scraped and evaluated every two seconds."""
    jobs = {
        "stretto": (target, "/metrics"),
        "prometheus": (own, "/metrics"),
        "alertmanager": (target, "/alertmanager"),
    }
    written = {
        "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s"},
        "rule_files": [str(ROOT / "prometheus/rules/*.yml")],
        # Nobody listens there: the counter of dropped notifications exists where there is somebody to notify.
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["127.0.0.1:9"]}]}]},
        "scrape_configs": [
            {"job_name": job, "metrics_path": path, "static_configs": [{"targets": [address]}]}
            for job, (address, path) in jobs.items()
        ],
    }
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(written), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus with a month of backfilled figures, live scrapes and the shipped rules."""
    require_servers()
    folder = tmp_path_factory.mktemp("prometheus")
    own = f"127.0.0.1:{find_free_port()}"
    with exposed() as target:
        data = past(folder, time.time() - DAY / 24)
        # The past is sparse, so that a month fits into a test.
        look_back = f"--query.lookback-delta={2 * EVERY}s"
        with run_prometheus(configuration(folder, target, own), data, own, look_back) as found:
            until("an alert", lambda: found.instant('ALERTS{alertstate="firing",severity="critical"}'))
            until("a rate", lambda: found.instant("rate(stretto_tasks_total[1m])"))
            yield found


def bounds(panel: Panel, number: int) -> tuple[float, float]:
    """Return what the values of a panel's query cannot leave."""
    of = panel.columns[number - len(panel.queries)] if number >= len(panel.queries) else panel
    low = -math.inf if of.low is None else of.low
    return low, math.inf if of.high is None else of.high


@each_panel
def test_every_query_answers_with_plausible_values(prometheus: Prometheus, panel: Panel) -> None:
    """Of a month with every metric in it, each query gives series, and no value leaves its panel's range."""
    for number, query in enumerate(panel.asked):
        expr = substituted(query.expr)
        found = prometheus.instant(expr)
        assert found, f"no answer: {expr}"
        values = [float(series["value"][1]) for series in found]
        if panel.kind in {Kind.LINES, Kind.STATES}:
            months = prometheus.range(expr, 30 * DAY, EVERY)
            assert months, f"no answer over a month: {expr}"
            values += [float(value) for series in months for _, value in series["values"]]
        low, high = bounds(panel, number)
        for value in values:
            assert math.isfinite(value), f"{value}: {expr}"
            # Sums of floats reach a bound from either side.
            assert low - 1e-9 <= value <= high + 1e-9, f"{value} is not within {low} to {high}: {expr}"


def test_promtool_accepts_every_query(promtool: str, tmp_path: Path) -> None:
    """As rules, all queries of all panels are valid, and no two rules are the same."""
    exprs = [substituted(query.expr) for _, panel in PANELS for query in panel.asked]
    rules = [{"record": f"panel:query:{number}", "expr": expr} for number, expr in enumerate(exprs)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    ended = subprocess.run(
        [promtool, "check", "rules", str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{len(rules)} rules found" in ended.stdout


@each_panel
def test_legends_tell_series_apart(prometheus: Prometheus, panel: Panel) -> None:
    """Two lines of a panel, or two rows of a table, never have the same name."""
    seen: list[str] = []
    for query in panel.asked:
        for series in prometheus.instant(substituted(query.expr)):
            told = query.legend + "".join(
                f" {value}" for name, value in series["metric"].items() if f"{{{{{name}}}}}" in query.legend
            )
            if panel.kind is Kind.TABLE:
                told = f"{query.legend} {sorted((n, series['metric'].get(n)) for n in map(str, panel.keys))}"
                assert set(series["metric"]) <= set(map(str, panel.keys)), "a column that no header names"
            seen.append(told)
    assert len(seen) == len(set(seen)), seen


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board.id))
def test_variables_have_values(prometheus: Prometheus, board: Any) -> None:
    """What a board can be narrowed by is found in Prometheus, and narrowing to one value leaves an answer."""
    for variable in board.variables:
        if not variable.values_from:
            continue
        found = prometheus.instant(f"count by ({variable.label}) (stretto_{variable.values_from})")
        values = {series["metric"][variable.label] for series in found}
        assert values
        asked = [
            query.expr
            for panel in board.panels
            for query in panel.asked
            if f"${variable.label}" in query.expr
        ]
        assert asked
        for expr in asked:
            assert prometheus.instant(substituted(expr, **{variable.label: min(values)})), expr


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The real service, showing the recording that an empty store begins with."""
    require_servers()
    with running(tmp_path_factory.mktemp("state")) as found:
        until("figures in Prometheus", lambda: found.query('stretto_speedup_ratio{window="24h"}'))
        yield found


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board.id))
def test_the_real_service_answers_the_boards(service: Running, board: Any) -> None:
    """With the shipped configuration no query is refused, and what is known of one recorded run is shown."""
    answers = {
        panel.title: [service.query(substituted(query.expr)) for query in panel.asked]
        for panel in board.panels
    }
    shown = {title for title, found in answers.items() if all(found)}
    assert shown >= SHOWN[board.id], SHOWN[board.id] - shown


SHOWN: dict[str, set[str]] = {
    "overview": {"Verdict", "Time saved", "Speedup", "Task success", "Alerts firing", "Active sessions"},
    "parallelism": {"Speedup of parallel work", "Delivered", "Efficiency and its factors", "Width"},
    "agents": {"Agents at work", "Tasks of agents", "Errors of agents", "Errors by agent"},
    "patterns": {"Parallel executions by pattern"},
    "tools": {"Tool time, p95", "Tool failures"},
    "quality": {"Success by task type"},
    "trends": set(),
    "advice": {"Open findings"},
    "itself": {"Service", "Capture completeness", "Age of the newest event", "Age of the figures", "Version"},
}
"""Board → panels that one recorded run fills, the least of them."""
