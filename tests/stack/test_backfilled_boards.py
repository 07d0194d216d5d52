"""Boards over a backfilled past have lines: its steps are the command's, the look-back is the usual one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from grafana.board.boards import BOARDS
from grafana.board.panel import Kind
from grafana.board.query import WEEK
from grafana.board.render import LONGEST_SPAN_MILLISECONDS

from stretto.cli.main import main
from stretto.cli.prometheus_backfill import list_hourly_then_fine_instants
from stretto.clock import DAY, HOUR, MINUTE, SECOND
from stretto.config.loading import load_config
from stretto.exporter.openmetrics_history import generate_openmetrics
from stretto.store.database import open_reader
from stretto.store.declared_baseline_file import load_declared_baselines
from stretto.store.fanout_and_baseline_queries import make_baseline_finder
from stretto.summaries.window_figures import compute_windows
from tests.dashboards import substituted
from tests.ports import find_free_port
from tests.stack.running import require_servers
from tests.stack.running_prometheus import Prometheus, create_blocks, run_prometheus

pytestmark = pytest.mark.stack

DEMO = Path(__file__).parents[2] / "src" / "stretto" / "demo"
END = 1_795_197_600 * SECOND
"""Two hours after the recording, a full hour in UTC."""
ZONE, PAST_HOUR = "Asia/Kolkata", 30 * MINUTE
"""A zone whose full hours are not those of UTC."""

LINES = [
    query.expr
    for board in BOARDS
    for panel in board.panels
    for query in panel.asked
    if panel.kind is Kind.LINES and not query.colour
]
WEEK_AGO = f" offset {WEEK}"
COMPARED = [
    query.expr
    for board in BOARDS
    for panel in board.panels
    for query in panel.asked
    if WEEK_AGO in query.expr
]


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus with its own look-back, and nothing but days in the steps of a real backfill.

    The days are the last, the one a week before it, and those in hours. Each instant has the figures of the
    last: when there are samples is looked at, not their values.
    """
    require_servers()
    folder = tmp_path_factory.mktemp("past")
    state = folder / "state"
    recordings = [str(DEMO / name) for name in ("fanout.jsonl", "sequential.jsonl")]
    assert main(["--state", str(state), "import", *recordings]) == 0
    config = load_config({}, state, state=str(state))
    with closing(open_reader(config.database)) as connection:
        declared = load_declared_baselines(state)
        find = make_baseline_finder(connection, config.hours, declared, now=END)
        rule = config.make_headline_rule(declared)
        figures = compute_windows(connection, END, find, config.scoring, rule).figures
    instants = [
        at
        for at in list_hourly_then_fine_instants(END - 16 * DAY, END + 1, ZONE)
        if (END - at) % (7 * DAY) <= DAY + HOUR or at < END - 14 * DAY
    ]
    text = folder / "past.om"
    lines = generate_openmetrics(((at, figures) for at in instants), "127.0.0.1:9464")
    text.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    create_blocks(text, folder / "data")
    configuration = folder / "prometheus.yml"
    configuration.write_text("scrape_configs: []\n")
    with run_prometheus(configuration, folder / "data", f"127.0.0.1:{find_free_port()}") as found:
        yield found


def test_the_last_days_are_lines_without_a_gap(past: Prometheus) -> None:
    """Each line that ends in a value has one every minute of the day before, and a week before too."""
    drawn = 0
    for expr in LINES:
        ends = past.instant(substituted(expr), END / SECOND)
        found = past.range(substituted(expr), DAY / SECOND, MINUTE / SECOND, END / SECOND)
        assert len(found) == len(ends), expr
        assert all(len(series["values"]) == DAY // MINUTE + 1 for series in found), expr
        drawn += bool(found)
    assert drawn > len(LINES) / 3


@pytest.mark.parametrize("step", [MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR])
def test_older_days_are_lines_that_panels_draw_through(past: Prometheus, step: int) -> None:
    """At each step that Grafana takes, no gap is longer than a panel's line spans or the step itself."""
    # Grafana begins at a full step in the time of its reader.
    end = END - 15 * DAY
    end -= (end + PAST_HOUR) % step
    found = past.range(substituted(LINES[0], window="7d"), DAY / SECOND, step / SECOND, end / SECOND)
    assert found
    for series in found:
        times = [end / SECOND - DAY / SECOND, *(float(at) for at, _ in series["values"]), end / SECOND]
        widest = max(later - earlier for earlier, later in pairwise(times))
        assert widest <= max(LONGEST_SPAN_MILLISECONDS / 1000, step / SECOND)


def test_the_week_before_has_values(past: Prometheus) -> None:
    """What boards compare with the week before has an answer wherever this week has one."""
    answered = 0
    for expr in COMPARED:
        this_week = past.instant(substituted(expr.replace(WEEK_AGO, "")), END / SECOND)
        compared = past.instant(substituted(expr), END / SECOND)
        assert len(compared) == len(this_week), expr
        answered += bool(compared)
    assert answered
