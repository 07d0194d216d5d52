"""Why tasks fail: by the class of the error, never its message, from the report to page and answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from stretto.figures.window_work_and_outcome_figures import compute_window_figures
from stretto.model.error_kinds import ErrorKind, classify_error
from stretto.model.event import Event, Kind, Outcome
from stretto.operations.figure_lookup import FigureTable
from stretto.operations.phase_rows import list_failure_kinds
from stretto.store import sum_queries
from tests.fakes import store
from tests.scenes import Drawing, at
from tests.web_page import read, shown
from tests.web_served import Store


def draw_failures(session: str = "s") -> list[Event]:
    """Return the session on paper: four tasks of one agent in one phase, and one that succeeds."""
    drawing = Drawing(session).opens()
    ends: tuple[tuple[str, Outcome, str | None], ...] = (
        ("slow", Outcome.FAILURE, "TimeoutError"),
        ("tested", Outcome.FAILURE, None),
        ("silent", Outcome.FAILURE, None),
        ("stopped", Outcome.CANCELLED, "RateLimitError"),
        ("good", Outcome.SUCCESS, None),
    )
    for number, (name, outcome, error) in enumerate(ends):
        begun = {"phase": "build"}
        drawing.stroke(Kind.TASK_START, number, id=name, name="coder", type="coding", attributes=begun)
        if name == "tested":
            tests = {"test_framework": "pytest", "tests_passed": 1, "tests_failed": 2}
            drawing.stroke(Kind.TOOL_START, 2, id="c", name="Bash", parent=name)
            drawing.stroke(
                Kind.TOOL_END, 3, id="c", name="Bash", parent=name, outcome=Outcome.SUCCESS, attributes=tests
            )
        ended = {} if error is None else {"error": error}
        drawing.stroke(Kind.TASK_END, 10 + number, id=name, name="coder", outcome=outcome, attributes=ended)
    return drawing.ends(20).events


KINDS = {"timeout": 1, "tests": 1, "not_reported": 1, "cancelled": 1}


def test_each_failed_task_counts_once_under_its_kind(tmp_path: Path) -> None:
    """As on paper in docs/figures.md, for the figure and the answer alike."""
    with store(tmp_path) as opened:
        opened.take(draw_failures())
        sums = sum_queries.read_sums(opened.connection, at(30), 3_600)
    assert sums["failed_tasks"] == {("build", "coder", kind): count for kind, count in KINDS.items()}
    figures = [*compute_window_figures("7d", sums, {})]
    counts = {
        (figure.name, *(value for _, value in figure.labels)): figure.value
        for figure in figures
        if "failed_tasks" in figure.name
    }
    assert counts["stretto_window_failed_tasks", "build", "coder", "timeout", "7d"] == 1
    assert list_failure_kinds(FigureTable(figures), "7d") == [
        {"phase": "build", "agent": "coder", "kind": kind, "tasks": 1} for kind in sorted(KINDS)
    ]


@pytest.mark.parametrize("tool", [True, False])
def test_a_task_without_an_error_has_that_of_its_last_failed_call(tmp_path: Path, tool: bool) -> None:
    """Of a tool or a model; an earlier one is not meant, and a later one without a class neither."""
    drawing = Drawing().opens().stroke(Kind.TASK_START, 1, id="a", name="coder")
    for second, error in ((2, "PermissionError"), (4, "overloaded_error"), (6, None)):
        values = {} if error is None else {"error": error}
        if tool:
            drawing.stroke(Kind.TOOL_START, second, id=f"c{second}", name="Bash", parent="a")
        drawing.stroke(
            Kind.TOOL_END if tool else Kind.MODEL_CALL,
            second + 1,
            id=f"c{second}",
            name="Bash",
            parent="a",
            outcome=Outcome.FAILURE,
            attributes=values,
        )
    drawing.stroke(Kind.TASK_END, 9, id="a", outcome=Outcome.FAILURE).ends(20)
    with store(tmp_path) as opened:
        opened.take(drawing.events)
        sums = sum_queries.read_sums(opened.connection, at(30), 3_600)
    assert sums["failed_tasks"] == {("none", "coder", "rate_limit"): 1}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("openai.RateLimitError", ErrorKind.RATE_LIMIT),
        ("rate_limit", ErrorKind.RATE_LIMIT),
        ("429", ErrorKind.RATE_LIMIT),
        ("overloaded_error", ErrorKind.RATE_LIMIT),
        ("asyncio.TimeoutError", ErrorKind.TIMEOUT),
        ("ConnectTimeout", ErrorKind.TIMEOUT),
        ("ConnectionResetError", ErrorKind.CONNECTION),
        ("internal_server_error", ErrorKind.CONNECTION),
        ("FileNotFoundError", ErrorKind.NOT_FOUND),
        ("model_not_found", ErrorKind.NOT_FOUND),
        ("PermissionError", ErrorKind.PERMISSION),
        ("authentication_failed", ErrorKind.PERMISSION),
        ("max_output_tokens", ErrorKind.LENGTH_LIMIT),
        ("CancelledError", ErrorKind.CANCELLED),
        ("AssertionError", ErrorKind.TESTS),
        ("pydantic_core.ValidationError", ErrorKind.INVALID),
        ("SomethingElse", ErrorKind.OTHER),
        ("_OTHER", ErrorKind.NOT_REPORTED),
        (None, ErrorKind.NOT_REPORTED),
    ],
)
def test_an_error_is_classified_by_its_name(name: str | None, kind: ErrorKind) -> None:
    """Classes of Python, words of providers and codes of HTTP alike."""
    assert classify_error(name) is kind


def test_the_page_of_agents_lists_them(tmp_path: Path) -> None:
    """Agent, phase and kind in words; without a failure it says so."""
    failing, good = Store(tmp_path / "failing"), Store(tmp_path / "good")
    failing.events(draw_failures())
    with shown(failing) as client:
        text = read(client, "/agents?window=all").text
    assert all(
        word in text
        for word in (
            "Where tasks fail",
            "Processor and memory: known of each session",
            "coder",
            "build",
            "not reported",
            "timeout",
        )
    )
    good.events(Drawing().opens().task("a", 1, 5, "look").ends(9).events)
    with shown(good) as client:
        assert "no task failed or was cancelled" in read(client, "/agents?window=all").text
