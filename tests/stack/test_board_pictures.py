"""Each board drawn from a real Prometheus over the simulated month: what it shows, what is empty and why."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
import yaml
from grafana.board.board import FIRING, Board
from grafana.board.boards import BOARDS
from grafana.board.link import SESSION_FILTERS, list_sessions
from grafana.board.panel import Kind

from stretto.clock import DAY, HOUR, SECOND, read_wall_clock
from stretto.config.loading import load_config
from stretto.exporter.openmetrics_history import At, generate_openmetrics
from stretto.names import NONE, OTHER, Label
from stretto.store.database import open_reader
from stretto.store.declared_baseline_file import load_declared_baselines
from stretto.store.fanout_and_baseline_queries import make_baseline_finder
from stretto.summaries.window_figures import compute_windows
from tests.board_pictures import Series, draw_board
from tests.dashboards import substituted
from tests.ports import find_free_port
from tests.stack.running import ROOT, Running, require_servers, running, until
from tests.stack.running_prometheus import Prometheus, create_blocks, run_prometheus

pytestmark = [pytest.mark.stack, pytest.mark.slow]

STEP = 4 * HOUR
"""Time between two instants of the past: a month fits into a test."""
WINDOW = "7d"
"""The period over which the figures of the pictures are computed."""

PICTURES = ROOT / "docs" / "pictures"
IN_DOCS = {"overview", "trends"}
"""Boards whose pictures the documentation shows."""

LIVE = "counts what ends while the service runs, and every session of the month ended before"
MACHINE = "reads the agents' processes, which the month does not have"
UNSET = "needs a setting that is not made"
EMPTY: dict[str, str] = {
    **dict.fromkeys(
        (
            "Agents by task type", "Cost per hour", "Model time, live p95", "Phase time, live median",
            "Session and turn time by source, live p95", "Tokens by kind", "Tool calls",
            "Task time, live p95", "Tool time, live p95",
        ),
        LIVE,
    ),
    **dict.fromkeys(("Memory left", "Memory over time"), MACHINE),
    **dict.fromkeys(("Forecast of spending", "Spent of the budget", "Whole workflows"), UNSET),
    "Caches": "no program reports a cache",
    "Calls for agents that were refused": "no call for an agent is refused",
    "Effect of experiments": "no experiment is defined",
    "Folded into 'other'": "there are fewer names than the budget holds",
    "Longest open session": "no session is open",
    "Lost notifications": "neither Prometheus nor Alertmanager is scraped by this Prometheus",
    "Promised and realised": "no recommendation promises seconds for these patterns",
    "Promises kept": "no recommendation was applied",
    "Rejected input": "every line of the month can be read",
}  # fmt: skip
"""Panel → why it has no answer over the simulated month."""


def compute_past(state: Path, now: int) -> Iterator[At]:
    """Yield the figures of a store at each step of the month before ``now``."""
    config = load_config({}, state, state=str(state))
    declared = load_declared_baselines(state)
    with closing(open_reader(config.database)) as connection:
        for at in range(now - 30 * DAY, now - HOUR // 4, STEP):
            find = make_baseline_finder(connection, config.hours, declared, now=at)
            rule = config.make_headline_rule(declared)
            yield at, compute_windows(connection, at, find, config.scoring, rule).figures


@dataclass(frozen=True)
class Month:
    """The service that shows the simulated month, and a Prometheus that scrapes it and has its past."""

    service: Running
    prometheus: Prometheus

    def ask_now(self, expr: str) -> Series:
        """Return the series of a panel's query, as they are now."""
        return self.prometheus.instant(substituted(expr, window=WINDOW))

    def ask_range(self, expr: str) -> Series:
        """Return the series of a panel's query over the month."""
        return self.prometheus.range(substituted(expr, window=WINDOW), 30 * 24 * 3_600, STEP / SECOND)


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    """Start the service with its month, and a Prometheus with the past in large steps."""
    require_servers()
    folder = tmp_path_factory.mktemp("month")
    with running(folder / "state", "--demo", "month") as service:
        until("the findings", lambda: service.get("/api/findings")["open"])
        now = read_wall_clock()
        text, data = folder / "month.om", folder / "data"
        lines = generate_openmetrics(compute_past(folder / "state-simulated", now), service.stretto)
        text.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        create_blocks(text, data)
        scrape = {"job_name": "stretto", "static_configs": [{"targets": [service.stretto]}]}
        configuration = folder / "prometheus.yml"
        configuration.write_text(
            yaml.safe_dump(
                {
                    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                    "rule_files": [str(ROOT / "prometheus/rules/*.yml")],
                    "scrape_configs": [scrape],
                }
            )
        )
        # The past is sparse, so that a month fits into a test.
        look_back = f"--query.lookback-delta={2 * STEP // SECOND}s"
        with run_prometheus(configuration, data, f"127.0.0.1:{find_free_port()}", look_back) as found:
            until("the past and the present", lambda: found.instant("stretto_verdict_speedup offset 7d"))
            until("a scrape", lambda: found.instant("stretto:threshold:min_tasks and on () up"))
            until("an alert", lambda: found.instant(substituted(FIRING)))
            until("a rate", lambda: found.instant("rate(stretto_ingest_events[1m])"))
            yield Month(service, found)


def test_what_is_empty_has_a_reason(month: Month) -> None:
    """Every panel has an answer over the month, now or in the past, or a reason in the table."""
    empty = {
        panel.title
        for board in BOARDS
        for panel in board.panels
        if not any(
            month.ask_now(query.expr) or month.ask_range(query.expr)
            for query in panel.asked
            if not query.colour
        )
    }
    unlike = sorted(empty ^ EMPTY.keys())
    assert not unlike, "\n".join(unlike)
    assert all(len(reason.split()) > 3 for reason in EMPTY.values())


@pytest.mark.parametrize("label", SESSION_FILTERS)
def test_a_clicked_value_has_sessions(month: Month, label: Label) -> None:
    """Each value that a board's table links to sessions from filters the service's list to at least one."""
    asked = {
        panel.columns[0].expr
        for board in BOARDS
        for panel in board.panels
        if panel.kind is Kind.TABLE and list_sessions(label) in panel.links
    }
    assert asked
    values = {
        series["metric"][label]
        for expr in asked
        for series in month.ask_now(expr)
        if float(series["value"][1])
    } - {OTHER, NONE}
    assert values
    for value in values:
        chosen = urlencode({SESSION_FILTERS[label]: value, Label.WINDOW: WINDOW})
        assert month.service.get(f"/api/sessions?{chosen}")["sessions"], chosen


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board.id))
def test_each_board_is_drawn(month: Month, board: Board, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """A picture of each board, kept in the folder that --boards names, and two of them in the docs."""
    begun = time.time()
    kept = pytestconfig.getoption("--boards")
    folder = tmp_path if kept is None else pytestconfig.rootpath / kept
    if os.environ.get("STRETTO_PICTURES") == "1" and board.id in IN_DOCS:
        folder = PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"board-{board.id}.png"

    draw_board(board, path, ask_now=month.ask_now, ask_range=month.ask_range)

    assert path.stat().st_size > 20_000
    assert path.stat().st_mtime >= begun - 1
