"""The doors of the operations: command line and HTTP answer as the runner does, and stream at a rhythm."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from stretto.cli.main import main
from stretto.cli.operation_text import add_unit_to_part_names, format_envelope, format_value, to_words
from stretto.format.quantities import MINUS, format_speedup
from stretto.format.rfc3339 import to_exact_rfc3339
from stretto.model.event import Outcome
from stretto.operations.operation_runner import OperationRunner
from stretto.operations.operation_table import OPERATIONS
from stretto.state.lock import StateLock
from stretto.web.live_updates import StreamReader, UpdateStreams
from tests.fakes import store
from tests.operated import (
    DAYS,
    EXAMPLES,
    NOW,
    PATTERN,
    SINCE,
    OperatedStore,
    make_nothing,
    make_operated,
    strip_moment,
)
from tests.scenes import Drawing
from tests.test_operations import check_envelope
from tests.test_plugin import fill_command_line, read_slash_command
from tests.web_served import Store, served

pytestmark = pytest.mark.usefixtures("without_settings")

NAMES = tuple(OPERATIONS)
EXIT_CODES = {"UNKNOWN_WORKFLOW": 1, "INVALID_OPTIONS": 2, "INSUFFICIENT_PERFORMANCE_DATA": 4}
STATUSES = {"UNKNOWN_WORKFLOW": 404, "INVALID_OPTIONS": 400, "INSUFFICIENT_PERFORMANCE_DATA": 422}
"""Codes of refusals that are no fault of the environment: that is 3, and 503."""
BLANK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Doors:
    """A store with its runner, a server over it, and the state folder that names the server."""

    operated: OperatedStore
    runner: OperationRunner
    client: httpx.Client
    waits: list[float] = field(default_factory=list)
    """Seconds that streams were to wait between two answers."""

    @property
    def state(self) -> str:
        """The state folder, as an argument of the command line."""
        return str(self.operated.config.state)


class HastyStreams(UpdateStreams):
    """Streams that note the seconds to wait between two answers, and do not wait them."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    async def wait_seconds(self, reader: StreamReader, seconds: float) -> AsyncIterator[bytes]:
        """Note the seconds, and let others run for a moment."""
        self.waits.append(seconds)
        async for comment in super().wait_seconds(reader, 0.001):
            yield comment


def open_doors(operated: OperatedStore, folder: Path) -> Iterator[Doors]:
    """Serve a store, and let the command line find the server as a running service."""
    runner, streams = operated.make_runner(), HastyStreams()
    backend = Store(folder).make_backend(operations=runner, clock=operated.sources.clock, updates=streams)
    with served(backend) as client:
        lock = StateLock(operated.config.state)
        lock.acquire(f"{client.base_url.host}:{client.base_url.port}")
        try:
            yield Doors(operated, runner, client, streams.waits)
        finally:
            lock.release()


@pytest.fixture(scope="module")
def month(varied_month: OperatedStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """The doors of a month that has everything operations read."""
    yield from open_doors(varied_month, tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """The doors of an empty store."""
    yield from open_doors(make_nothing(tmp_path_factory.mktemp("nothing")), tmp_path_factory.mktemp("empty"))


def ask_all(
    doors: Doors, capsys: pytest.CaptureFixture[str], name: str, workflow: str | None, options: dict[str, Any]
) -> dict[str, Any]:
    """Return the answer of an operation, equal over HTTP, and by the command line of the slash command."""
    expected = check_envelope(doors.runner.run_operation(name, workflow, options))
    query = ({"options": json.dumps(options)} if options else {}) | (
        {"workflow": workflow} if workflow else {}
    )
    by_http = doors.client.get(f"/api/operations/{name}", params=query)
    assert strip_moment(by_http.json()) == strip_moment(expected)
    given = json.dumps(options) if options else None
    words = fill_command_line(read_slash_command()[1], name, workflow, given)
    code = main(["--state", doors.state, *words])
    out, err = capsys.readouterr()
    assert strip_moment(json.loads(out)) == strip_moment(expected)
    if expected["status"] == "success":
        assert (code, by_http.status_code, err) == (0, 200, "")
    else:
        refusal = expected["error"]["code"]
        assert (code, by_http.status_code) == (EXIT_CODES.get(refusal, 3), STATUSES.get(refusal, 503))
    return expected


@pytest.mark.parametrize("name", NAMES)
def test_doors_answer_alike(
    month: Doors, nothing: Doors, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Without options, with the promised ones, with an unknown one, and over an empty store.

    The month lacks nothing: both first answers are no refusals.
    """
    for workflow, options in ((None, {}), (PATTERN, EXAMPLES[name])):
        assert ask_all(month, capsys, name, workflow, options)["status"] == "success"
    refused = ask_all(month, capsys, name, None, {"colour": "red"})
    assert refused["error"]["details"]["problems"] == {"colour": "is not known"}
    ask_all(nothing, capsys, name, None, {})


def test_an_empty_workflow_is_none_at_every_door(month: Doors, capsys: pytest.CaptureFixture[str]) -> None:
    """As a form, or a program with an empty variable, sends it."""
    expected = strip_moment(month.runner.run_operation("throughput"))
    by_http = month.client.get("/api/operations/throughput", params={"workflow": ""})
    assert strip_moment(by_http.json()) == expected
    assert main(["--state", month.state, "throughput", "", "--json"]) == 0
    assert strip_moment(json.loads(capsys.readouterr().out)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_is_a_page_that_says_the_summary_first(
    month: Doors, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Its sentences, then sections with units, no braces; a refusal goes to the errors with what to try."""
    code = main(["--state", month.state, name, "last"])
    out, err = capsys.readouterr()
    envelope = month.runner.run_operation(name, "last")
    if envelope["status"] == "success":
        lines = out.splitlines()
        assert (code, lines[0].partition(" ·")[0]) == (0, name.replace("-", " ").capitalize())
        assert lines[2] == envelope["result"]["analysis_results"]["summary"][0]
        assert not {"{", "}"} & set(out)
    else:
        assert (code, out) == (4, "")
        assert err.splitlines()[0].endswith("(INSUFFICIENT_PERFORMANCE_DATA)")
        assert err.splitlines()[1].lstrip().startswith("stretto ")


def test_pages_begin_with_the_answer_in_words(month: Doors, capsys: pytest.CaptureFixture[str]) -> None:
    """What was measured of the drawn month stands in the first sentence; what lacks ends with 4."""
    for verb, sentence in (
        ("agent-performance", "3 agents, 244 tasks."),
        ("execution-analysis", "56 sessions, "),
        ("phase-performance", "build: 56 in 7 days, 3 min 18 s in the middle."),
        ("task-optimization", "The slowest of 244 tasks took "),
        ("resource-efficiency", "A delivered task takes "),
    ):
        assert main(["--state", month.state, verb]) == 0
        assert capsys.readouterr().out.replace(BLANK, " ").splitlines()[2].startswith(sentence)


def test_a_page_that_cannot_be_says_what_lacks(nothing: Doors, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty store ends with 4, and the reason goes to the errors."""
    assert main(["--state", nothing.state, "resource-efficiency"]) == 4
    assert "0 sessions whose processes were sampled, 5 are needed" in capsys.readouterr().err


def test_an_empty_object_of_options_is_none(month: Doors, capsys: pytest.CaptureFixture[str]) -> None:
    """Given as such it answers as if it were left out, over HTTP and by the command line."""
    expected = strip_moment(month.runner.run_operation("throughput", PATTERN))
    by_http = month.client.get("/api/operations/throughput", params={"workflow": PATTERN, "options": "{}"})
    assert strip_moment(by_http.json()) == expected
    assert main(["--state", month.state, "throughput", PATTERN, "--options", "{}", "--json"]) == 0
    assert strip_moment(json.loads(capsys.readouterr().out)) == expected


def test_a_page_carries_units_and_reasons(month: Doors) -> None:
    """Seconds are durations, shares per cent, missing values stand with their reason."""
    page = format_envelope(month.runner.run_operation("trends", PATTERN)).replace(BLANK, " ")
    marks = [line for line in page.splitlines() if line.startswith("! ")]
    assert marks == ["! scores: these are of all sessions: the figure has no pattern"]
    assert "timeout share  — (no source reports that a task ended by a time-out)" in page
    assert "success share  93 %" in page
    assert "and 17 more: --json has all" in page
    assert add_unit_to_part_names("lost_seconds", {"delivery": 3}) == {"delivery_seconds": 3}
    counts = {"checks": {"improvement": 0, "no_evidence": 12}}
    assert add_unit_to_part_names(*counts.popitem()) == {"improvement": "0", "no_evidence": "12"}
    assert to_words("median_seconds") == "median"
    values = {"saved_seconds_per_day": 3_060, "efficiency_before": 0.695, "share_of_work": 0.398,
              "cost_per_delivered_task_usd": 0.5, "tasks_per_hour": 4.25}  # fmt: skip
    texts = [str(format_value(name, value, "")).replace(BLANK, " ") for name, value in values.items()]
    assert texts == ["51 min", "70 %", "40 %", "$0.50", "4.25"]
    efficiency = format_envelope(month.runner.run_operation("parallel-efficiency")).replace(BLANK, " ")
    assert "release  43 %" in efficiency
    phases = format_envelope(month.runner.run_operation("phase-performance")).replace(BLANK, " ")
    assert "20 min 20 s   6 %" in phases
    assert "load balance  " in efficiency


def test_pages_of_sessions_with_phases_have_counts_and_lengths(tmp_path: Path) -> None:
    """Two parallel tasks in a phase, one of which fails after 20 of 36 s, and a phase of a minute alone."""
    drawing = Drawing("s1").opens(SINCE, pattern=PATTERN).prompt(SINCE)
    drawing.phase("plan", SINCE + 1, SINCE + 40).phase("check", SINCE + 41, SINCE + 101)
    drawing.task("a", SINCE + 2, SINCE + 38, "review", agent="alpha")
    drawing.task("b", SINCE + 2, SINCE + 22, "tests", agent="beta", outcome=Outcome.FAILURE)
    with store(tmp_path / "state") as opened:
        opened.take(drawing.stop(SINCE + 101).ends(SINCE + 101).events)
        for number in range(2, 6):
            alone = Drawing(f"s{number}").opens(SINCE, pattern=PATTERN).task("a", SINCE, SINCE + 5, "review")
            opened.take(alone.ends(SINCE + 9).events)
    runner = make_operated(tmp_path).make_runner()

    def read_page(name: str, workflow: str | None = None) -> list[str]:
        page = format_envelope(runner.run_operation(name, workflow)).replace(BLANK, " ")
        return [" ".join(line.split()) for line in page.splitlines()]

    of_session = read_page("parallel-efficiency", "s1")
    assert {"fanouts 1", "tasks 2", "delivered 1", "elapsed 36 s", "work 56 s"} <= {*of_session}
    assert {"load balance 78 %", "delivery 64 %", "efficiency 50 %", "delivery 36 s"} <= {*of_session}
    phases = read_page("phase-performance", "s1")
    assert {"fanouts 1", "delivered 1", "elapsed 36 s", "delivery 36 s"} <= {*phases}
    everything = read_page("phase-performance")
    assert everything[2:4] == ["check: 1 in 7 days, 59.5 s in the middle.",
                               "plan: 1 in 7 days, 38.3 s in the middle."]  # fmt: skip
    assert "check 1 100 % 59.5 s 59.5 s" in " ".join(everything)
    (mark,) = runner.run_operation("phase-performance", PATTERN)["degraded"]
    assert mark["part"] == "declared, failure_kinds"
    day = runner.run_operation("phase-performance", None, {"time_window": "24h"})["result"]
    assert day["performance_data"]["figures_window"] == "24h"
    later = runner.run_operation("phase-performance", None, {"time_window": "14_days"})
    assert "these are of 7d, not of 14 days" in later["degraded"][0]["reason"]
    held_up = runner.run_operation("bottlenecks")["result"]["performance_data"]
    assert ([row["phase"] for row in held_up["declared"]], held_up["phases"]) == (["check", "plan"], [])
    assert held_up["figures_window"] == "7d"


def test_a_number_has_the_unit_of_what_it_stands_beside(month: Doors) -> None:
    """Lengths and shares in rows of figures, factors of a ranking, bounds of a share, and tiny chances."""

    def read_row(name: str, first: str) -> str:
        page = format_envelope(month.runner.run_operation(name, None)).replace(BLANK, " ")
        rows = (" ".join(line.split()) for line in page.splitlines())
        return next(row for row in rows if row.startswith(first))

    assert re.match(r"elapsed_seconds \d+ h \d+ min \d+ h", read_row("dashboard", "elapsed_seconds"))
    assert re.match(r"success \d+ % \d+ % ", read_row("dashboard", "success "))
    assert read_row("alerts", "optimisation_opportunity").startswith("optimisation_opportunity — — 5 % ")
    worker = r"worker 1\.\d+× 1\.\d+× 1 < 0\.001 1\.\d+× 1\.\d+× \d+"
    assert re.fullmatch(worker, read_row("agent-performance", "worker 1."))
    assert re.fullmatch(rf"low {MINUS}\d+ %", read_row("efficiency", f"low {MINUS}"))


def test_a_page_of_comparisons_has_their_intervals(month: Doors) -> None:
    """A ratio of active time with its interval; the best period begins on a day, for programs too."""
    envelope = month.runner.run_operation("comparative", PATTERN)
    page = format_envelope(envelope).replace(BLANK, " ")
    (row,) = envelope["result"]["performance_data"]["comparisons"]
    assert 1 < row["elapsed"]["low"] < row["elapsed"]["effect"] < row["elapsed"]["high"]
    assert f"{format_speedup(row['elapsed']['effect'])} [".replace(BLANK, " ") in page
    start = envelope["result"]["analysis_results"]["best_period"]["start"]
    assert start.endswith("T00:00:00.000000000Z")
    assert f"{start[:10]} 00:00:00 UTC" in page


def test_a_page_of_comparisons_has_a_row_for_each_measure(month: Doors) -> None:
    """Both sides and the improvement stand with the unit of the measure, for each session or pattern."""
    page = format_envelope(
        month.runner.run_operation("comparative", "d3n1", {"compare_against": ["d5n2", "hotfix"]})
    )
    lines = [" ".join(line.replace(BLANK, " ").split()) for line in page.splitlines()]
    assert f"d5n2 wall 4 min 2 min 46 s {MINUS}45 %" in lines
    assert f"d5n2 active seconds per task 48 s 41.4 s {MINUS}16 %" in lines
    assert sum(line.startswith("hotfix memory peak 2 GB 2 GB") for line in lines) == 1


def test_as_of_an_earlier_time_the_doors_agree(month: Doors, capsys: pytest.CaptureFixture[str]) -> None:
    """``--at`` and ``at`` give the figures as they were known then."""
    at = NOW - 10 * 86_400 * 10**9
    expected = month.runner.run_operation("throughput", None, {}, at)
    text = to_exact_rfc3339(at)
    by_http = month.client.get("/api/operations/throughput", params={"at": text}).json()
    assert strip_moment(by_http) == strip_moment(expected)
    assert main(["--state", month.state, "throughput", "--at", text, "--json"]) == 0
    assert strip_moment(json.loads(capsys.readouterr().out)) == strip_moment(expected)


@pytest.mark.parametrize(
    ("path", "status", "problem", "hint"),
    [
        ("guess", 404, "there is no operation 'guess'", "GET /api/operations lists the operations"),
        ("efficency", 404, "there is no operation 'efficency'", "did you mean 'efficiency'?"),
        ("trends?workflw=x", 400, "'workflw' is not known; did you mean 'workflow'?", "parameters are"),
        ("trends?at=soon", 400, "at must be a time", "parameters are"),
        ("trends?stream=yes", 400, "trends does not stream", "parameters are"),
        ("monitor?stream=maybe", 400, "stream must be yes or no", "parameters are"),
    ],
)
def test_a_request_that_is_none_is_refused_with_the_next_step(
    month: Doors, path: str, status: int, problem: str, hint: str
) -> None:
    """Operation and parameters are named with the nearest."""
    answer = month.client.get(f"/api/operations/{path}")
    assert answer.status_code == status
    assert problem in answer.json()["error"]
    assert hint in answer.json()["hint"]


def test_options_that_are_no_json_are_refused_by_both_doors(
    month: Doors, capsys: pytest.CaptureFixture[str]
) -> None:
    """The code is that of wrong options."""
    answer = month.client.get("/api/operations/trends", params={"options": "{torn"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_OPTIONS")
    assert main(["--state", month.state, "trends", "--options", "{torn"]) == 2
    assert "must be a JSON object" in capsys.readouterr().err


def test_the_list_of_operations_has_their_schemas(month: Doors) -> None:
    """A program learns names, options and least data without the reference."""
    listed = month.client.get("/api/operations").json()["operations"]
    assert [each["name"] for each in listed] == [*NAMES]
    assert listed[0]["options"]["additionalProperties"] is False
    assert all(each["least"] for each in listed)


@pytest.mark.parametrize("name", ["monitor", "live-metrics", "dashboard"])
def test_a_stream_sends_an_answer_at_each_beat(month: Doors, name: str) -> None:
    """Two events come at the asked rhythm, each the answer of a single request."""
    rhythm = str(OPERATIONS[name].rhythm)
    for seconds in (7, 8):
        options = {rhythm: f"{seconds}s"}
        expected = strip_moment(month.runner.run_operation(name, None, options))
        query = {"options": json.dumps(options), "stream": "yes"}
        month.waits.clear()
        with month.client.stream("GET", f"/api/operations/{name}", params=query) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            events = [*first_lines(stream, 2)]
        assert [strip_moment(json.loads(event)) for event in events] == [expected, expected]
        # A stream before this one may still wait until it notices that it was left.
        assert seconds in month.waits


def first_lines(stream: httpx.Response, count: int) -> Iterator[str]:
    """Yield the data of the first events of a stream."""
    for line in stream.iter_lines():
        if line.startswith("data: "):
            yield line.removeprefix("data: ")
            count -= 1
            if not count:
                return


def test_a_stream_with_wrong_options_is_an_answer_with_the_reason(month: Doors) -> None:
    """No stream begins; one that meets an unknown workflow ends with that answer."""
    query = {"options": '{"frequency": "0s"}', "stream": "yes"}
    refused = month.client.get("/api/operations/monitor", params=query)
    assert refused.json()["error"]["code"] == "INVALID_OPTIONS"
    ended = month.client.get("/api/operations/monitor", params={"workflow": "none", "stream": "yes"})
    assert '"UNKNOWN_WORKFLOW"' in ended.text
    assert ended.text.count("event: answer") == 1


def test_the_command_line_follows_with_a_json_line_for_each_answer(month: Doors) -> None:
    """Until it is interrupted."""
    command = [sys.executable, "-m", "stretto", "--state", month.state, "monitor", "--follow", "--json"]
    with subprocess.Popen(
        [*command, "--options", '{"frequency": "1s"}'], stdout=subprocess.PIPE, text=True, env={**os.environ}
    ) as following:
        assert following.stdout is not None
        lines = [following.stdout.readline() for _ in range(2)]
        following.send_signal(signal.SIGINT)
        assert following.wait() == 130
    assert [json.loads(line)["operation"] for line in lines] == ["monitor", "monitor"]


def test_the_command_line_waits_as_long_as_asked(
    month: Doors, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two answers; without a word the rhythm of the table."""
    waits: list[float] = []

    def interrupt(seconds: float) -> None:
        waits.append(seconds)
        raise KeyboardInterrupt

    monkeypatch.setattr("stretto.cli.ask_operation_command.time.sleep", interrupt)
    for options in (["--options", '{"frequency": "7s"}'], []):
        assert main(["--state", month.state, "monitor", "--follow", "--json", *options]) == 130
        assert json.loads(capsys.readouterr().out)["operation"] == "monitor"
    assert waits == [7, 5]


def test_without_a_service_the_store_is_read_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Operations of now answer over a store that the command makes itself, and say that nobody watches."""
    monkeypatch.setenv("HOME", str(tmp_path))
    state = str(tmp_path / "own")
    assert main(["--state", state, "alerts", "--json"]) == 0
    (mark,) = json.loads(capsys.readouterr().out)["degraded"]
    assert mark["reason"] == "no service runs, so nothing watches the limits now"
    assert main(["--state", state, "trends", "--json"]) == 4
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["details"] == {
        "of": "days with runs", "have": 0, "need": 14, "lacking": 14, "newest_session_ended": None,
    }  # fmt: skip
    assert error["details"]["need"] < DAYS


def test_without_operations_http_says_so(tmp_path: Path) -> None:
    """A server that keeps no operations answers 503 with the next step."""
    with served(Store(tmp_path).make_backend()) as client:
        answer = client.get("/api/operations/monitor")
    assert (answer.status_code, answer.json()["hint"]) == (503, "run 'stretto up'")
