"""The committed dashboards are fresh, complete and readable, and query only existing series.

They keep the rules of Grafana's own dashboard linter. A board shows one service at a time.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml
from grafana.board.board import COLUMNS, Board
from grafana.board.boards import BOARDS
from grafana.board.build import DASHBOARDS, find_stale, render_files
from grafana.board.limit import BEYOND_NONE, COLOURS, LEVEL, read_limits
from grafana.board.link import SESSION_FILTERS
from grafana.board.panel import Kind, Panel, Query, Unit
from grafana.board.unused import UNUSED
from grafana.board.variable import DATASOURCE_UID, VARIABLES
from tests.dashboards import BUILT_IN, substituted
from tests.every import for_each
from tests.promql_labels import labels_of, nodes, series_in
from tests.promql_units import MIXED, unit_of
from tests.test_rules import KNOWN, RULES

from stretto.names import LIVE, METRICS, MetricKind
from stretto.web.session_list_parameters import PARAMETERS

FILES = sorted(DASHBOARDS.glob("*.json"))
LOADED: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in FILES}
PANELS = [(board.id, panel) for board in BOARDS for panel in board.panels]
QUERIES = [(panel, query) for _, panel in PANELS for query in panel.asked]
MEASURED = [
    (query, of.unit)
    for _, panel in PANELS
    for query, of in zip(panel.asked, [panel] * len(panel.queries) + list(panel.columns), strict=True)
]
"""Each query with the unit that its values are shown in."""

each_file = for_each(LOADED)
each_panel = for_each(PANELS, lambda on_board: f"{on_board[0]}, {on_board[1].title}")
each_query = for_each(QUERIES, lambda asked: f"{asked[0].title}, {asked[1].legend}")

COUNTED = {0.0, 1.0, BEYOND_NONE}
"""Steps that are no limits: none of something, a single one, any at all."""

UNITS: dict[Unit, set[str]] = {
    Unit.RATIO: {"1"},
    Unit.TIMES: {"1"},
    Unit.PLAIN: {"1"},
    Unit.COUNT: {"1", MIXED},
    Unit.SECONDS: {"s"},
    Unit.BYTES: {"By"},
    Unit.MONEY: {"USD"},
    Unit.PER_SECOND: {"1/s"},
}
"""Unit of a panel → what its queries may give. Rows of one table differ where their names say the unit."""


def drawn(name: str) -> list[dict[str, Any]]:
    """Return the panels of a file that are not headings."""
    return [panel for panel in LOADED[name]["panels"] if panel["type"] != "row"]


def urls(name: str) -> Iterator[str]:
    """Yield every address that a file links to."""
    text = json.dumps(LOADED[name])
    yield from (
        found.encode().decode("unicode_escape") for found in re.findall(r'"url": "((?:[^"\\]|\\.)*)"', text)
    )


def test_dashboards_are_what_the_builder_writes() -> None:
    """No file was changed by hand, forgotten, or left over: make dashboards changes nothing."""
    assert [path.name for path in find_stale(render_files())] == [], "run make dashboards"


def test_the_builder_takes_names_only() -> None:
    """Of the program it knows the table of names and the errors: dashboards cannot depend on how it works."""
    for path in (DASHBOARDS.parent / "board").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                ours = {name for name in names if name.partition(".")[0] == "stretto"}
                allowed = {name for name in ours if name.split(".")[1] in {"names", "errors"}}
                assert ours == allowed, path.name


def test_a_stale_file_is_found(tmp_path: Path) -> None:
    """A changed, a missing and a left-over file are each found."""
    wanted = {tmp_path / "same.json": "a", tmp_path / "changed.json": "b", tmp_path / "missing.json": "c"}
    for name in ("same", "changed", "left-over"):
        (tmp_path / f"{name}.json").write_text("a")

    assert {path.stem for path in find_stale(wanted, tmp_path)} == {"changed", "missing", "left-over"}


def test_every_metric_is_on_a_board_or_says_why_not() -> None:
    """Each name of the table is read by a panel, or stands in the table of unused ones with its reason."""
    read = {name for _, query in QUERIES for name in series_in(promql.parse(substituted(query.expr)))}
    on_board = {
        name for name in METRICS if read & {name, *(f"{name}_{part}" for part in ("bucket", "sum", "count"))}
    }
    assert on_board.isdisjoint(UNUSED), "on a board now: remove it from grafana/board/unused.py"
    step = "draw the metric in a module of grafana/board, or give the reason in grafana/board/unused.py"
    assert set(METRICS) - on_board == set(UNUSED), step
    assert all(len(reason.split()) > 5 for reason in UNUSED.values())


def test_every_alert_s_figure_can_be_seen() -> None:
    """Every series that an alert reads, directly or through a rule, is on a board."""
    recorded = {rule.name: series_in(rule.expr) for rule in RULES if "record" in rule.written}
    shown = {name for _, query in QUERIES for name in series_in(promql.parse(substituted(query.expr)))}
    for rule in RULES:
        if "alert" in rule.written:
            asked = set(series_in(rule.expr))
            while asked & recorded.keys():
                asked = {inner for name in asked for inner in recorded.get(name, {name})}
            assert asked <= shown, f"{rule.name} reads {asked - shown}: draw them in grafana/board"


@each_file
def test_a_dashboard_can_be_provisioned(name: str) -> None:
    """Its uid comes from its file, and it carries nothing that belongs to one Grafana or one moment."""
    board = LOADED[name]
    assert board["uid"] == f"stretto-{name}"
    assert board["title"].startswith("Stretto / ")
    assert board["description"].endswith("?")
    assert board["tags"] == ["stretto"]
    assert board["schemaVersion"] >= 39
    assert not {"id", "version", "gnetId", "iteration"} & board.keys()
    assert re.fullmatch(r"now-\d+[hd]", board["time"]["from"])
    assert board["time"]["to"] == "now"


MOST_BOARDS, MOST_PANELS = 9, 20
SCREEN = 24
"""Rows of the grid on a screen of 1080 lines: 38 pixels each, below Grafana's own head."""


def test_boards_are_few_and_short() -> None:
    """A person finds the board and the panel: nine boards of twenty panels at most."""
    assert len(BOARDS) <= MOST_BOARDS
    assert {board.id: len(board.panels) for board in BOARDS if len(board.panels) > MOST_PANELS} == {}


def test_the_overview_fits_a_screen() -> None:
    """The first board answers without scrolling."""
    assert max(at["gridPos"]["y"] + at["gridPos"]["h"] for at in LOADED["overview"]["panels"]) <= SCREEN


OTHERS = ("stretto:threshold:", "prometheus_", "alertmanager_", "ALERTS")
"""Beginnings of series that are the same for every service: limits, the servers beside it, alerts."""


@each_query
def test_every_query_is_about_one_service(asked: tuple[Panel, Query]) -> None:
    """Each series is of the chosen job and instance: nothing is summed or averaged across services."""
    for selector in nodes(parse_with_variables(asked[1].expr), promql.VectorSelector):
        if selector.name and not selector.name.startswith(OTHERS):
            chosen = {(matcher.name, matcher.value) for matcher in selector.matchers.matchers}
            assert {("job", "VARIABLE_job"), ("instance", "VARIABLE_instance")} <= chosen, selector.name


def parse_with_variables(expr: str) -> promql.Expr:
    """Return a query parsed with the names of its variables as values."""
    return promql.parse(
        re.sub(r"\$\{?(\w+)\}?", lambda found: BUILT_IN.get(found[1], f"VARIABLE_{found[1]}"), expr)
    )


def list_chosen(expr: promql.Expr) -> set[str]:
    """Return the labels of an expression that are chosen by a variable."""
    selectors = nodes(expr, promql.VectorSelector)
    return {m.name for s in selectors for m in s.matchers.matchers if "VARIABLE_" in m.value}


@each_query
def test_both_sides_of_a_division_are_of_the_same_things(asked: tuple[Panel, Query]) -> None:
    """A choice narrows dividend and divisor alike: else an average would be of some over all."""
    for node in nodes(parse_with_variables(asked[1].expr), promql.BinaryExpr):
        sides = [side for side in (node.lhs, node.rhs) if nodes(side, promql.VectorSelector)]
        if str(node.op) == "/" and len(sides) == 2:
            assert list_chosen(sides[0]) == list_chosen(sides[1]), node.prettify()


def test_panels_on_live_counters_say_so() -> None:
    """Counters begin with the service: such a panel says it is live, and names one that has the past."""
    titles = {panel.title for _, panel in PANELS}
    live = {metric.name for metric in LIVE if metric.kind is not MetricKind.GAUGE}
    found = 0
    for _, panel in PANELS:
        read = {name for query in panel.asked for name in series_in(promql.parse(substituted(query.expr)))}
        if {re.sub("_(bucket|sum|count)$", "", name) for name in read} & live:
            found += 1
            assert panel.shows.startswith("Live only, since the service started: "), panel.title
            twin = re.search(r"over imported history see (.+)\.$", panel.shows)
            assert twin, panel.title
            assert twin[1] in titles - {panel.title}, panel.title
    assert found > 3


@each_file
def test_panels_lie_side_by_side(name: str) -> None:
    """No two panels overlap, none leaves the grid, and each has a number of its own."""
    taken: set[tuple[int, int]] = set()
    for panel in LOADED[name]["panels"]:
        at = panel["gridPos"]
        cells = set(itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])))
        assert cells.isdisjoint(taken), panel["title"]
        assert at["x"] + at["w"] <= COLUMNS, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in LOADED[name]["panels"]]
    assert len(set(ids)) == len(ids)


def test_titles_tell_panels_apart() -> None:
    """A title is used once on all boards, so that a panel can be talked about."""
    titles = [panel.title for _, panel in PANELS]
    assert len(set(titles)) == len(titles)


@each_file
def test_every_panel_says_what_it_is(name: str) -> None:
    """A title, a description that ends in its question, a unit, and a data source that can be exchanged."""
    for panel in drawn(name):
        assert panel["title"]
        shows, asks = re.fullmatch(r"(.+[.;]) ([A-Z][^.]*\?)", panel["description"]).groups()  # type: ignore[union-attr]  # None fails the test
        assert shows != asks
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["targets"]
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        assert panel["fieldConfig"]["defaults"]["noValue"]
        if panel["type"] == "table":
            dressed = [
                o
                for o in panel["fieldConfig"]["overrides"]
                if any(p["id"] == "unit" for p in o["properties"])
            ]
            assert len(dressed) == len(panel["targets"])
        else:
            assert panel["fieldConfig"]["defaults"]["unit"]


@each_file
def test_no_point_lies_between_two_scrapes(name: str) -> None:
    """Panels and queries have the shipped interval of scrapes, so rates see four of them in any Grafana."""
    shipped = yaml.safe_load((DASHBOARDS.parents[1] / "prometheus/prometheus.yml").read_text())
    for panel in drawn(name):
        for part in (panel, *panel["targets"]):
            assert part["interval"] == shipped["global"]["scrape_interval"], panel["title"]


@each_file
def test_single_values_are_of_now(name: str) -> None:
    """Numbers, bars and tables query the current instant, so that a former value is not shown as current."""
    for panel in drawn(name):
        over_time = panel["type"] in {"timeseries", "state-timeline"}
        for target in panel["targets"]:
            assert target["instant"] is not over_time
            assert target["range"] is over_time


def test_annotations_read_what_exists() -> None:
    """The queries of annotations parse, and their texts name only labels of their series."""
    for name, board in LOADED.items():
        for annotation in board["annotations"]["list"]:
            labels = labels_of(promql.parse(annotation["target"]["expr"]), KNOWN)
            assert labels is not None
            said = annotation["titleFormat"] + annotation["textFormat"]
            assert set(re.findall(r"\{\{(\w+)\}\}", said)) <= labels, name
            assert annotation["datasource"]["uid"] == "${datasource}"


@each_query
def test_every_query_reads_what_exists(asked: tuple[Panel, Query]) -> None:
    """It parses, names only metrics, labels and values that exist, and its legend only labels that it has."""
    panel, query = asked
    labels = labels_of(promql.parse(substituted(query.expr)), KNOWN)
    assert labels is not None, "a scalar cannot be drawn"
    if panel.kind is Kind.TABLE:
        assert labels == set(map(str, panel.keys))
    else:
        assert set(re.findall(r"\{\{(\w+)\}\}", query.legend)) == labels or query.colour


@for_each(MEASURED, lambda measured: measured[0].expr)
def test_every_unit_is_that_of_its_query(measured: tuple[Query, Unit]) -> None:
    """Seconds are shown as seconds and money as money, whatever the query does with them."""
    query, shown = measured
    assert unit_of(promql.parse(substituted(query.expr))) in UNITS[shown]


@pytest.mark.parametrize(
    ("expr", "unit"),
    [
        ("stretto_time_saved_seconds", "s"),
        ("stretto_time_saved_seconds / stretto_parallel_sequential_seconds", "1"),
        ("rate(stretto_tokens_total[1m])", "1/s"),
        ("time() - stretto_last_event_timestamp_seconds", "s"),
        ("histogram_quantile(0.95, sum by (le) (rate(stretto_task_duration_seconds_bucket[1m])))", "s"),
        ("stretto_parallel_cost_usd / stretto_time_saved_seconds", "USD/s"),
        ("stretto_time_saved_seconds or stretto_window_tokens", MIXED),
    ],
)
def test_units_are_worked_out(expr: str, unit: str) -> None:
    """The units of expressions are computed correctly."""
    assert unit_of(promql.parse(expr)) == unit


def test_unlike_units_are_not_added() -> None:
    """Seconds and bytes have no sum."""
    with pytest.raises(AssertionError):
        unit_of(promql.parse("stretto_time_saved_seconds + stretto_store_bytes"))


def test_ranges_follow_the_scrape_interval() -> None:
    """A rate is taken over Grafana's rate interval; an increase may be over the board's range, or an hour."""
    for _, query in QUERIES:
        for call, over in re.findall(r"(\w+)\(\w+(?:\{[^}]*\})?\[([^\]]+)\]", query.expr):
            assert over in {"rate": {"$__rate_interval"}, "increase": {"$__range", "1h"}}[call], query.expr
        assert query.expr.count("[") == len(re.findall(r"(?:rate|increase)\(", query.expr))


@each_file
def test_variables_are_the_ones_that_are_used(name: str) -> None:
    """Each variable is used by a panel of its board, and none is used that the board does not have."""
    board = LOADED[name]
    own = {variable["name"]: variable for variable in board["templating"]["list"]}
    asked = "".join(target["expr"] for panel in drawn(name) for target in panel["targets"])
    used = set(re.findall(r"\$\{?(\w+)", asked)) - BUILT_IN.keys()
    assert used == own.keys() - {"datasource", "service"}
    assert {"job", "instance"} <= used
    for place in ("job", "instance"):
        assert own[place]["multi"] is False
        assert own[place]["includeAll"] is False
    assert own["datasource"]["current"]["value"] == DATASOURCE_UID
    for variable in own.values():
        if variable["type"] == "query":
            asked_of = re.fullmatch(r"label_values\((\w+)(?:\{.*\})?, (\w+)\)", variable["query"])
            assert asked_of
            metric, label = asked_of.groups()
            assert label == variable["name"]
            if label in {"job", "instance"}:
                continue
            assert label in METRICS[metric].labels
            assert variable["allValue"] == ".*"


@for_each(VARIABLES.values(), lambda variable: str(variable.label))
def test_a_variable_finds_every_value_of_its_label(variable: Any) -> None:
    """Where the label is filtered by, its values come from a metric of the same window of time."""
    if variable.values_from:
        assert "window" in METRICS[f"stretto_{variable.values_from}"].labels


@each_file
def test_links_lead_somewhere(name: str) -> None:
    """Every link goes to a board of ours, with variables that it has and the time, or to the service."""
    own = {variable["name"] for variable in LOADED[name]["templating"]["list"]}
    found = list(urls(name))
    assert found
    for url in found:
        if url.startswith("${service}/sessions?"):
            chosen = dict(pair.split("=") for pair in url.split("?")[1].split("&"))
            assert chosen.keys() <= set(PARAMETERS), url
            assert chosen["window"] == "${window}"
            assert "window" in own
            continue
        if url.startswith("${service}/"):
            continue
        uid, query = re.fullmatch(r"/d/stretto-(\w+)\?(.*)", url).groups()  # type: ignore[union-attr]  # None fails the test
        theirs = {variable["name"] for variable in LOADED[uid]["templating"]["list"]}
        carried = set(re.findall(r"\$\{(\w+):queryparam\}", query))
        set_here = set(re.findall(r"var-(\w+)=", query))
        assert carried <= own & theirs, url
        assert set_here <= theirs, url
        assert query.endswith("${__url_time_range}")


WITHOUT_SESSIONS = {"itself": "no figure on it is of an agent, pattern, task type, tool or model"}
"""Board → why nothing on it can filter a list of sessions."""


def test_every_board_leads_to_sessions() -> None:
    """A board with a figure of something that sessions are filtered by links to the sessions of it."""
    filters = "|".join(SESSION_FILTERS.values())
    leading = {
        name for name in LOADED if any(re.search(rf"/sessions\?({filters})=", url) for url in urls(name))
    }
    assert LOADED.keys() - leading == WITHOUT_SESSIONS.keys()
    labels = {label for board in BOARDS if board.id in WITHOUT_SESSIONS for label in list_labels(board)}
    assert labels.isdisjoint(SESSION_FILTERS)


def list_labels(board: Board) -> set[str]:
    """Return the labels by which the figures of a board are told apart."""
    exprs = [query.expr for panel in board.panels for query in panel.asked]
    return set().union(*(labels_of(promql.parse(substituted(expr)), KNOWN) or set() for expr in exprs))


def test_every_board_can_be_reached_from_the_first() -> None:
    """A click on a figure of the overview leads on to each board, over others where need be."""
    onward = {
        name: {uid for url in urls(name) for uid in re.findall(r"/d/stretto-(\w+)", url)} for name in LOADED
    }
    reached, new = {"overview"}, {"overview"}
    while new:
        new = set().union(*(onward[name] for name in new)) - reached
        reached |= new
    assert reached == LOADED.keys()


def test_every_limit_is_shown() -> None:
    """Each limit that alerts compare with is a dashed line, or colours a value, for each severity."""
    limits = {(name, severity) for name, severity, _ in read_limits() if not name.startswith("min_")}
    shown = {
        found for _, query in QUERIES for found in re.findall(rf'{LEVEL}(\w+)\{{severity="(\w+)"', query.expr)
    }
    for _, panel in PANELS:
        for steps in (panel.steps, *(column.steps for column in panel.columns)):
            severities = {
                severity for severity, colour in COLOURS.items() if colour in {s.colour for s in steps}
            }
            shown |= {(step.limit, severity) for step in steps if step.limit for severity in severities}
    assert limits <= shown, limits - shown


@each_panel
def test_every_number_is_a_published_limit(on_board: tuple[str, Panel]) -> None:
    """No colour changes at a number that the rules do not publish, but for counts of what should not be."""
    _, panel = on_board
    numbers = {abs(number) for number in read_limits().values()} | COUNTED
    for steps in (panel.steps, *(column.steps for column in panel.columns)):
        assert steps[0].value is None
        values = [step.value for step in steps[1:] if step.value is not None]
        assert values == sorted(values)
        assert {abs(value) for value in values} <= numbers
