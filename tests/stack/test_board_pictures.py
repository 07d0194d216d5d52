"""Each board drawn from a real Prometheus over the simulated month: what it shows, what is empty and why."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import yaml
from grafana.board.board import Board
from grafana.board.boards import BOARDS

from stretto.clock import DAY, HOUR, SECOND, read_wall_clock
from stretto.config.loading import load_config
from stretto.exporter.openmetrics_history import At, generate_openmetrics
from stretto.store.database import open_reader
from stretto.store.declared_baseline_file import load_declared_baselines
from stretto.store.fanout_and_baseline_queries import make_baseline_finder
from stretto.summaries.window_figures import compute_windows
from tests.board_pictures import Series, draw_board
from tests.dashboards import substituted
from tests.ports import find_free_port
from tests.stack.running import PATIENCE, ROOT, require_servers, running, until
from tests.stack.test_dashboards import Prometheus

pytestmark = [pytest.mark.stack, pytest.mark.slow]

STEP = 4 * HOUR
"""Time between two instants of the past: a month fits into a test."""

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
    "Alerts over time": "rules run for seconds only, and its steps are hours apart",
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


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus with the simulated month behind it, which scrapes the service that shows it."""
    require_servers()
    folder = tmp_path_factory.mktemp("month")
    programs = {name: shutil.which(name) for name in ("prometheus", "promtool")}
    with ExitStack() as stack:
        service = stack.enter_context(running(folder / "state", "--demo", "month"))
        until("the findings", lambda: service.get("/api/findings")["open"])
        now = read_wall_clock()
        text, data = folder / "month.om", folder / "data"
        lines = generate_openmetrics(compute_past(folder / "state-simulated", now), service.stretto)
        text.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        subprocess.run(
            [
                *(str(programs["promtool"]), "tsdb", "create-blocks-from", "--max-block-duration=744h"),
                *("openmetrics", str(text), str(data)),
            ],
            check=True,
            capture_output=True,
            timeout=PATIENCE,
        )
        scrape = {"job_name": "stretto", "static_configs": [{"targets": [service.stretto]}]}
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ROOT / "prometheus/rules/*.yml")],
            "scrape_configs": [scrape],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        address = f"127.0.0.1:{find_free_port()}"
        log = stack.enter_context((folder / "log").open("w"))
        server = subprocess.Popen(
            [
                str(programs["prometheus"]),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={data}",
                "--storage.tsdb.retention.time=60d",
                f"--web.listen-address={address}",
                # The past is sparse, so that a month fits into a test.
                f"--query.lookback-delta={2 * STEP // SECOND}s",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            found = Prometheus(address)
            until("Prometheus to be ready", found.is_ready)
            until("the past and the present", lambda: found.instant("stretto_verdict_speedup offset 7d"))
            until("a scrape", lambda: found.instant("stretto:threshold:min_tasks and on () up"))
            until("a rate", lambda: found.instant("rate(stretto_ingest_events[1m])"))
            yield found
        finally:
            server.terminate()
            server.wait(timeout=PATIENCE)


def ask_now(month: Prometheus, expr: str) -> Series:
    return month.instant(substituted(expr, window="7d"))


def ask_range(month: Prometheus, expr: str) -> Series:
    return month.range(substituted(expr, window="7d"), 30 * 24 * 3_600, STEP / SECOND)


def test_what_is_empty_has_a_reason(month: Prometheus) -> None:
    """Every panel has an answer over the month, now or in the past, or a reason in the table."""
    empty = {
        panel.title
        for board in BOARDS
        for panel in board.panels
        if not any(
            ask_now(month, query.expr) or ask_range(month, query.expr)
            for query in panel.asked
            if not query.colour
        )
    }
    unlike = sorted(empty ^ EMPTY.keys())
    assert not unlike, "\n".join(unlike)
    assert all(len(reason.split()) > 3 for reason in EMPTY.values())


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board.id))
def test_each_board_is_drawn(month: Prometheus, board: Board, tmp_path: Path) -> None:
    """A picture of each board, kept in the folder that STRETTO_BOARDS names and two of them in the docs."""
    begun = time.time()
    folder = Path(os.environ.get("STRETTO_BOARDS") or tmp_path)
    if os.environ.get("STRETTO_PICTURES") == "1" and board.id in IN_DOCS:
        folder = PICTURES
    path = folder / f"board-{board.id}.png"

    draw_board(
        board,
        path,
        ask_now=lambda expr: ask_now(month, expr),
        ask_range=lambda expr: ask_range(month, expr),
    )

    assert path.stat().st_size > 20_000
    assert path.stat().st_mtime >= begun - 1
