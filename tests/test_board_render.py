from __future__ import annotations

import json
from typing import Any

import pytest
from grafana.board.board import Board, Row, build_document
from grafana.board.limit import CRITICAL, GOOD, Step
from grafana.board.link import BoardId, Link, ServiceLink, build_url, list_sessions
from grafana.board.panel import (
    Column,
    Kind,
    Panel,
    Query,
    State,
    Unit,
    draw_limit,
    make_bars,
    make_lines,
    make_stat,
    make_states,
    make_table,
)
from grafana.board.query import select_series, sum_by

from stretto.names import Label

TASKS = sum_by(select_series("window_tasks"), Label.TASK_TYPE)
WORDS = ("Title", "What it shows.", "What does it ask?")


def drawn(*panels: Panel, id: BoardId = BoardId.OVERVIEW) -> list[dict[str, Any]]:
    """Return panels as they come out of a board."""
    board = Board(id=id, title="Stretto / Test", asks="What?", rows=(Row("Row", panels),))
    found: list[dict[str, Any]] = build_document(board, [board])["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def override(panel: dict[str, Any], matched: str) -> dict[str, Any]:
    """Return the properties that a panel sets for one field or query."""
    (found,) = (o for o in panel["fieldConfig"]["overrides"] if o["matcher"]["options"] == matched)
    return {property["id"]: property["value"] for property in found["properties"]}


def test_a_number_is_asked_for_now_and_coloured_by_its_steps() -> None:
    """The query is instant, the steps are the thresholds, and the bounds are the panel's."""
    steps = (Step(None, GOOD), Step(0.5, CRITICAL))
    (panel,) = drawn(make_stat(*WORDS, Unit.RATIO, "x", steps=steps, high=1, absent="not known"))
    assert panel["type"] == "stat"
    assert panel["description"] == "What it shows. What does it ask?"
    assert (panel["targets"][0]["instant"], panel["targets"][0]["range"]) == (True, False)
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["thresholds"]["steps"] == [
        {"value": None, "color": GOOD},
        {"value": 0.5, "color": CRITICAL},
    ]
    assert (defaults["unit"], defaults["min"], defaults["max"]) == ("percentunit", 0, 1)
    assert defaults["noValue"] == "not known"
    assert panel["options"]["colorMode"] == "value"


def test_a_state_is_a_word_on_a_coloured_ground() -> None:
    """Each number is mapped to its word and colour."""
    (panel,) = drawn(
        make_stat(*WORDS, Unit.PLAIN, "x", states={1: State("up", GOOD), 0: State("down", CRITICAL)})
    )
    (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
    assert mapping["options"]["0"] == {"text": "down", "color": CRITICAL, "index": 1}
    assert panel["options"]["colorMode"] == "background"


def test_several_numbers_show_their_names() -> None:
    """One number stands alone, several say what they are; a version is read by its name."""
    one, two, name = drawn(
        make_stat("One", *WORDS[1:], Unit.COUNT, "x"),
        make_stat("Two", *WORDS[1:], Unit.COUNT, {"a": "x", "b": "y"}),
        make_stat("Name", *WORDS[1:], Unit.PLAIN, {"{{version}}": "x"}, shows_name=True),
    )
    modes = [panel["options"]["textMode"] for panel in (one, two, name)]
    assert modes == ["value", "value_and_name", "name"]
    assert [target["legendFormat"] for target in two["targets"]] == ["a", "b"]


def test_a_limit_is_a_dashed_line_in_its_colour() -> None:
    """A limit is a query of the published series, marked by dashes."""
    (panel,) = drawn(
        make_lines(*WORDS, Unit.SECONDS, {"{{tool}}": "x"}, draw_limit("overhead_seconds", "critical"))
    )
    figure, told = panel["targets"]
    assert (figure["range"], told["expr"]) == (
        True,
        'stretto:threshold:overhead_seconds{severity="critical"}',
    )
    assert override(panel, told["refId"])["custom.lineStyle"]["fill"] == "dash"
    assert override(panel, told["refId"])["color"]["fixedColor"] == CRITICAL


def test_a_long_gap_stays_a_gap() -> None:
    """A line bridges the hour between backfilled samples, and nothing longer than that and a step."""
    (panel,) = drawn(make_lines(*WORDS, Unit.SECONDS, "x", stacked=True))
    custom = panel["fieldConfig"]["defaults"]["custom"]
    assert 3_600_000 < custom["spanNulls"] < 2 * 3_600_000
    assert custom["stacking"]["mode"] == "normal"


def test_a_table_joins_its_columns_and_names_them() -> None:
    """One row for each value of the key, columns in their order, each with its unit, steps and bounds."""
    rate = Column("Rate", TASKS, Unit.RATIO, (Step(None, GOOD), Step(0.5, CRITICAL)), high=1)
    link = Link(BoardId.OVERVIEW, "This type", Label.TASK_TYPE)
    keys: dict[Label | str, str] = {Label.TASK_TYPE: "Task type"}
    (panel,) = drawn(make_table(*WORDS, keys, Column("Tasks", TASKS, Unit.COUNT), rate, links=(link,)))
    merge, organize = panel["transformations"]
    assert merge["id"] == "merge"
    assert organize["options"] == {
        "excludeByName": {"Time": True},
        "indexByName": {"task_type": 0, "Value #A": 1, "Value #B": 2},
        "renameByName": {"task_type": "Task type", "Value #A": "Tasks", "Value #B": "Rate"},
    }
    assert all(target["format"] == "table" and target["instant"] for target in panel["targets"])
    assert override(panel, "Rate")["unit"] == "percentunit"
    assert override(panel, "Rate")["custom.cellOptions"] == {"type": "color-text"}
    assert "custom.cellOptions" not in override(panel, "Tasks")
    (address,) = override(panel, "Task type")["links"]
    assert 'var-task_type=${__data.fields["Task type"]:percentencode}' in address["url"]
    assert panel["options"]["sortBy"] == [{"displayName": "Tasks", "desc": True}]


def test_a_single_column_is_named_however_grafana_calls_it() -> None:
    """Of one query the value is called Value, of several Value #A."""
    (panel,) = drawn(make_table(*WORDS, {Label.TASK_TYPE: "Task type"}, Column("Tasks", TASKS, Unit.COUNT)))
    names = panel["transformations"][1]["options"]["renameByName"]
    assert names["Value"] == names["Value #A"] == "Tasks"


def test_bars_and_states_are_about_one_label() -> None:
    """Bars compare now, states go over time; both name their series by the label."""
    told, over_time = drawn(
        make_bars("Bars", *WORDS[1:], Unit.COUNT, "x", legend="{{tool}}"),
        make_states("States", *WORDS[1:], "x", {1: State("up", GOOD)}, legend="{{job}}"),
    )
    assert (told["type"], told["targets"][0]["instant"]) == ("bargauge", True)
    assert (over_time["type"], over_time["targets"][0]["range"]) == ("state-timeline", True)
    assert told["targets"][0]["legendFormat"] == "{{tool}}"


def test_a_link_takes_along_what_both_boards_have() -> None:
    """Shared variables and the time go along; the clicked value replaces its own variable."""
    link = Link(BoardId.AGENTS, "This agent", Label.AGENT)
    assert build_url(link, ("window", "agent")) == (
        "/d/stretto-agents?${window:queryparam}&var-agent=${__field.labels.agent:percentencode}&${__url_time_range}"
    )
    assert build_url(Link(BoardId.TRENDS, "Trends"), ()) == "/d/stretto-trends?${__url_time_range}"


def test_sessions_are_filtered_by_what_was_clicked() -> None:
    """The parameter is the one of the service's list, with the window of the board."""
    assert build_url(list_sessions(Label.TASK_TYPE), (), "Task type") == (
        '${service}/sessions?type=${__data.fields["Task type"]:percentencode}&window=${window}'
    )
    assert list_sessions(Label.TASK_TYPE).title == "Sessions of this task type"


def test_a_service_link_may_end_in_a_cell() -> None:
    """A page of the service is named by a column's value."""
    link = ServiceLink("/runbook/", "Runbook", "Alert")
    assert build_url(link, ()) == '${service}/runbook/${__data.fields["Alert"]:percentencode}'
    assert build_url(ServiceLink("/", "Sessions"), ()) == "${service}/"


def test_panels_flow_and_keep_their_numbers() -> None:
    """A panel that does not fit begins a line below the tallest; its number depends on its title alone."""
    one, two, three = (
        make_stat(name, *WORDS[1:], Unit.COUNT, "x", width=10, height=height)
        for name, height in (("One", 3), ("Two", 5), ("Three", 4))
    )
    first = drawn(one, two, three)
    assert [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in first] == [(0, 1), (10, 1), (0, 6)]
    moved = {panel["title"]: panel["id"] for panel in drawn(three, one)}
    assert {p["title"]: p["id"] for p in first if p["title"] in moved} == moved


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_can_be_drawn_and_is_json(kind: Kind) -> None:
    """No kind is without its way to Grafana."""
    title, shows, asks = WORDS
    panel = Panel(kind=kind, title=title, shows=shows, asks=asks, queries=(Query("x", "a"),))
    if kind is Kind.TABLE:
        panel = make_table(*WORDS, {Label.TASK_TYPE: "Task type"}, Column("Tasks", TASKS, Unit.COUNT))
    assert json.loads(json.dumps(drawn(panel)))[0]["type"] == kind.value
