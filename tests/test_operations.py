"""The operations: what each answers, what it refuses, and what is left when something fails."""

from __future__ import annotations

import json
import math
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec import structs

from stretto.analysis.two_session_comparison import measure_seconds_per_task
from stretto.cli.operation_verbs import FOLLOWED, OPERATION_HELP
from stretto.clock import DAY, HOUR, MINUTE, SECOND, to_rfc3339
from stretto.errors import StoreError
from stretto.figures.figure import Figure
from stretto.findings.analysis_run import AnalysisReplies, AnalysisRequest, answer_request
from stretto.findings.analysis_table import ANALYSES
from stretto.findings.explain_work_or_session import ONLY_LATEST, explain_session
from stretto.model.decisions import Decision, DecisionKind
from stretto.model.event import Outcome
from stretto.model.findings import WINDOW_DAYS, Finding, FindingEvidence, FindingVerdict
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from stretto.notifications.alert_states_from_notifications import describe_alerting_gap
from stretto.operations.advice_and_forecast_answers import project_cost
from stretto.operations.alert_answers import EFFICIENCY_LIMITS, find_severity
from stretto.operations.envelope import SUCCESS, drop_non_finite, make_envelope_schema
from stretto.operations.live_answers import describe_verdict
from stretto.operations.measure_finished_runs import (
    FEWEST_FOR_SPREAD,
    find_quantile,
    group_tasks,
    measure_processors_and_memory,
    measure_session_efficiency,
    measure_spread,
    measure_usage,
)
from stretto.operations.older_session_explainer import BUSY
from stretto.operations.operation import OperationGroup
from stretto.operations.operation_context import UNFILTERED
from stretto.operations.operation_runner import OperationRunner
from stretto.operations.operation_table import OPERATIONS
from stretto.operations.option_kinds import (
    CalendarDay,
    Choice,
    Choices,
    LeastShare,
    Names,
    Number,
    OptionKind,
    OptionValueError,
    Switch,
    TimeSpan,
    name_span,
)
from stretto.service.analysis_process import ask_analysis_process
from stretto.store.fanout_and_baseline_queries import read_fanout_runs
from stretto.store.finding_history_and_last_answers import StoredFinding, make_finding_id
from stretto.store.run_queries import read_session_runs
from stretto.summaries.snapshot import Snapshot
from tests.fakes import store
from tests.month import month_of_sessions
from tests.operated import (
    COVER,
    DAYS,
    EXAMPLES,
    NOW,
    PATTERN,
    OperatedStore,
    ask_here,
    make_nothing,
    make_operated,
    strip_moment,
    without_answers,
)
from tests.scenes import BEGIN
from tests.web_served import Store as WebStore
from tests.web_served import served

NAMES = tuple(OPERATIONS)
LIVE = ("monitor", "live-metrics", "dashboard", "alerts")
UNSAMPLED = "resource-efficiency"
"""The operation that needs samples of processes, which a drawn month has not."""


@cache
def make_validator() -> jsonschema.Draft202012Validator:
    """Return a validator of envelopes."""
    schema = make_envelope_schema([*OPERATIONS.values()])
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def check_envelope(envelope: dict[str, Any]) -> dict[str, Any]:
    """Return an envelope that is valid as the JSON that leaves the process."""
    make_validator().validate(json.loads(json.dumps(envelope, allow_nan=False)))
    return envelope


@pytest.fixture
def month(operated_month: OperatedStore) -> OperatedStore:
    """A month of a pattern, with the answers of the analyses."""
    return operated_month


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> OperatedStore:
    """A store without a session."""
    return make_nothing(tmp_path_factory.mktemp("nothing"))


def run(operated: OperatedStore, name: str, *arguments: Any, **changed: Any) -> dict[str, Any]:
    """Return the valid envelope of an operation, with other sources if given."""
    return check_envelope(operated.make_runner(**changed).run_operation(name, *arguments))


def test_the_table_is_the_command_line_and_the_promise() -> None:
    """21 operations in five groups; verbs, their help and the streams are the table's."""
    assert len(NAMES) == 21
    assert {operation.group for operation in OPERATIONS.values()} == set(OperationGroup)
    assert {name: operation.help for name, operation in OPERATIONS.items()} == OPERATION_HELP
    assert tuple(name for name, operation in OPERATIONS.items() if operation.streams) == FOLLOWED
    assert tuple(EXAMPLES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_promised_option_is_accepted_as_it_stands(name: str) -> None:
    """The examples of each operation are read, and each option's schema accepts its example and default."""
    operation = OPERATIONS[name]
    values = operation.read_options(EXAMPLES[name])
    assert values.keys() == {option.name for option in operation.options}
    validator = jsonschema.Draft202012Validator(operation.to_options_schema())
    validator.validate(EXAMPLES[name])
    validator.validate({each.name: each.default for each in operation.options if each.default is not None})


@pytest.mark.parametrize("name", NAMES)
def test_each_operation_answers_without_options(month: OperatedStore, name: str) -> None:
    """About everything and about the pattern there is an answer with sentences, from good analyses only."""
    for workflow in (None, PATTERN):
        envelope = run(month, name, workflow)
        if name == UNSAMPLED:
            assert envelope["error"]["code"] == "INSUFFICIENT_PERFORMANCE_DATA"
            continue
        # Without a workflow the newest session is compared.
        about = f"d{DAYS - 1}n7" if name == "comparative" and workflow is None else workflow
        assert (envelope["status"], envelope["workflow_id"]) == (SUCCESS, about), envelope
        assert all(envelope["result"]["analysis_results"]["summary"])
        lacking = [each for each in envelope["degraded"] if each["reason"] != UNFILTERED]
        assert {each["part"] for each in lacking} <= {"dimensions"}
        assert workflow is not None or lacking == envelope["degraded"]


@pytest.mark.parametrize("name", NAMES)
def test_each_operation_obeys_the_promised_options(month: OperatedStore, name: str) -> None:
    """With the options of its users there is an answer about the newest session, too, or too little data."""
    assert run(month, name, None, EXAMPLES[name])["status"] == ("error" if name == UNSAMPLED else SUCCESS)
    about_session = run(month, name, f"d{DAYS - 1}n7", EXAMPLES[name])
    if about_session["status"] != SUCCESS:
        assert about_session["error"]["code"] == "INSUFFICIENT_PERFORMANCE_DATA"
        assert about_session["error"]["details"]["lacking"] > 0


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_refused_by_its_name(month: OperatedStore, name: str) -> None:
    """The nearest name stands beside it, and the operation without options is a fallback that answers."""
    first = OPERATIONS[name].options[0].name
    envelope = run(month, name, None, {f"{first}x": 1})
    assert envelope["error"]["code"] == "INVALID_OPTIONS"
    assert envelope["error"]["details"]["problems"] == {f"{first}x": f"is not known; did you mean {first!r}?"}
    check_fallbacks(month, envelope)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_store_is_an_answer_or_says_how_much_lacks(nothing: OperatedStore, name: str) -> None:
    """Operations of now answer; the others name have, need and a fallback that answers on this store."""
    envelope = run(nothing, name)
    if name in LIVE:
        assert envelope["status"] == SUCCESS
        return
    error = envelope["error"]
    assert error["code"] == "INSUFFICIENT_PERFORMANCE_DATA"
    assert error["details"]["have"] == 0
    assert error["details"]["need"] == error["details"]["lacking"] > 0
    check_fallbacks(nothing, envelope)


def check_fallbacks(operated: OperatedStore, envelope: dict[str, Any], **changed: Any) -> None:
    """Check that there are fallbacks, each named once, and that each answers on the same store."""
    fallbacks = envelope["fallback_options"]
    assert 1 <= len(fallbacks) == len({each["operation"] for each in fallbacks})
    for each in fallbacks:
        answer = run(operated, each["operation"], each["workflow_id"], each["options"], **changed)
        assert answer["status"] == SUCCESS, each


def test_an_unknown_workflow_is_named_with_its_nearest(month: OperatedStore) -> None:
    """A misspelt pattern, the beginning of several sessions, and a whole id that is known."""
    misspelt = run(month, "efficiency", "relase")
    assert misspelt["error"]["code"] == "UNKNOWN_WORKFLOW"
    assert "did you mean the pattern 'release'?" in misspelt["error"]["message"]
    check_fallbacks(month, misspelt)
    several = run(month, "efficiency", "d1")
    assert len(several["error"]["details"]["sessions"]) == 3
    assert run(month, "efficiency", "d1n1")["workflow_id"] == "d1n1"
    assert run(month, "efficiency", "last")["workflow_id"] == f"d{DAYS - 1}n7"


def test_a_planted_slow_down_is_in_every_answer_that_should_have_it(month: OperatedStore) -> None:
    """Regression, trends and comparative name tests as slower; a high threshold leaves it out."""
    found = run(month, "regression")["result"]["analysis_results"]
    (tests,) = [
        each for each in found["regressions"] if each["subject"] == {"pattern": PATTERN, "type": "tests"}
    ]
    assert tests["evidence"]["low"] <= 1.6 <= tests["evidence"]["high"]
    assert tests["status"] == "open"
    large = run(month, "regression", None, {"significance_threshold": 200})["result"]["analysis_results"]
    assert large["regressions"] == []
    later = run(month, "regression", None, {"baseline_date": "2026-01-28"})["result"]["analysis_results"]
    assert later["regressions"] == []
    trends = run(month, "trends")["result"]["analysis_results"]
    assert tests["sentence"] in {each["sentence"] for each in trends["regressions"]}
    groups = run(month, "comparative", PATTERN)["result"]["performance_data"]["comparisons"]
    assert groups[0]["elapsed"]["low"] > 1


def test_as_of_an_earlier_day_the_later_change_is_not_known(month: OperatedStore) -> None:
    """With ``at``, and with a current date, the analysis is worked out as of then."""
    before = NOW - 9 * DAY
    envelope = run(month, "regression", None, None, before)
    assert envelope["result"]["analysis_results"]["regressions"] == []
    dated = run(month, "regression", None, {"current_date": "2026-01-19"})
    assert dated["result"]["analysis_results"]["regressions"] == []
    assert run(month, "throughput", None, None, NOW + DAY)["error"]["details"]["problems"] == {
        "at": "lies in the future"
    }
    future = run(month, "regression", None, {"current_date": "2027-01-19"})
    assert future["error"]["code"] == "INVALID_OPTIONS"


@pytest.mark.parametrize("name", NAMES)
def test_a_session_that_had_not_begun_is_unknown(month: OperatedStore, name: str) -> None:
    """As of an instant before it, no operation answers about a session, and the reason says when it began."""
    session = f"d{DAYS - 1}n7"
    refused = run(month, name, session, {}, BEGIN - DAY)
    assert refused["error"]["code"] == "UNKNOWN_WORKFLOW"
    assert f"the session {session!r} had not begun at 20" in refused["error"]["message"]
    assert refused["error"]["details"]["began"] > to_rfc3339(BEGIN - DAY)


def test_a_session_is_as_it_was_known_at_an_instant(month: OperatedStore) -> None:
    """``last`` had begun by then; figures of what came later are marked, those of a finished session not."""
    noon = BEGIN + 10 * DAY + 12 * HOUR
    ended = run(month, "live-metrics", "last", {}, noon)
    assert ended["workflow_id"] == "d10n4"  # sessions begin at 8:20 and each 50 minutes later
    assert [each["part"] for each in ended["degraded"]] == []
    begun = BEGIN + 10 * DAY + 30_010 * SECOND
    (mark,) = run(month, "live-metrics", "last", {}, begun)["degraded"]
    assert (mark["part"], mark["age_seconds"]) == ("session", None)
    assert mark["reason"].endswith("its own figures are those of its whole run")
    missing = run(month, "regression", "d28n7", {"current_date": "2026-01-10"})
    assert missing["error"]["code"] == "UNKNOWN_WORKFLOW"


@pytest.mark.parametrize("workflow", [PATTERN, "d28n7"])
def test_sessions_and_patterns_are_compared_with_each_other(month: OperatedStore, workflow: str) -> None:
    """The promised example answers for both; ``last`` and a pattern are names too, and metrics choose."""
    options = {"compare_against": ["d3n1", "baseline", "last", PATTERN][: 3 if workflow == PATTERN else 4]}
    rows = run(month, "comparative", workflow, options)["result"]["performance_data"]["comparisons"]
    assert [row["against"] for row in rows] == ["d3n1", "baseline", "d28n7", PATTERN][: len(rows)]
    by_measure = {each["measure"]: each for each in rows[0]["measures"]}
    assert by_measure["wall_seconds"]["current"] > 0
    assert by_measure["wall_seconds"]["improvement"] == pytest.approx(
        1 - by_measure["wall_seconds"]["current"] / by_measure["wall_seconds"]["baseline"]
    )
    for row in rows:
        if row.get("rank") is not None:
            assert 0 <= row["rank"] <= 1
    cost = run(month, "comparative", workflow, {**options, "metrics": ["cost"]})["result"]["performance_data"]
    for row in cost["comparisons"]:
        assert [each["measure"] for each in row["measures"]] == ["tokens", "dollars"]
        assert not {"elapsed", "success"} & row.keys()
    unknown = run(month, "comparative", workflow, {"compare_against": ["relase"]})
    assert unknown["error"]["code"] == "UNKNOWN_WORKFLOW"
    assert "did you mean the pattern 'release'?" in unknown["error"]["message"]


def test_patterns_and_their_sessions_are_compared(tmp_path: Path) -> None:
    """A pattern beside another has medians and the interval; a session of the other has its rank there."""
    with store(tmp_path / "state") as opened:
        opened.take(month_of_sessions(5))
        opened.take(month_of_sessions(5, pattern="hotfix", slower={0: 3.0}))
    operated = make_operated(tmp_path)
    (pair,) = run(operated, "comparative", PATTERN, {"compare_against": ["hotfix"]})["result"][
        "performance_data"
    ]["comparisons"]
    pace = pair["measures"][0]
    assert (pace["measure"], pace["sessions"]) == ("active_seconds_per_task", [40, 40])
    assert pace["improvement"] > 0.3  # the other's tests take three times as long
    assert pair["elapsed"]["low"] < pair["elapsed"]["effect"] < pair["elapsed"]["high"]
    (row,) = run(operated, "comparative", "d3n1", {"compare_against": ["hotfix"]})["result"][
        "performance_data"
    ]["comparisons"]
    assert row["of"] == "40 sessions of hotfix"
    assert row["rank"] > 0.5


def test_a_comparison_says_how_each_side_fares(varied_month: OperatedStore) -> None:
    """Two sessions have a sentence and every measure; without the evidence of a verdict there is none."""
    pair = run(varied_month, "comparative", "d3n1", {"compare_against": ["d5n2"]})["result"]
    (row,) = pair["performance_data"]["comparisons"]
    assert row["measures"][0]["measure"] == "active_seconds_per_task"
    assert "d3n1 beside session d5n2: " in pair["analysis_results"]["summary"][0]
    usual = run(varied_month, "comparative", "d3n1")["result"]["analysis_results"]["summary"]
    assert usual[0].startswith("Session d3n1 beside 115 others of hotfix: ")

    def read_summary(**options: Any) -> list[str]:
        options |= {"compare_against": ["baseline", "hotfix"]}
        result = run(varied_month, "comparative", PATTERN, options)["result"]
        for each in result["performance_data"]["comparisons"]:
            assert ("verdict" in each) is ("elapsed" in each)
        return list(result["analysis_results"]["summary"])

    assert [text.rpartition(": ")[2] for text in read_summary()] == ["regression.", "no evidence."]
    hiding: dict[str, dict[str, Any]] = {"tokens against": {"metrics": ["cost"]},
              "of active time per task against": {"statistical_significance": False}}  # fmt: skip
    for words, options in hiding.items():
        week, other = read_summary(**options)
        assert week.startswith(f"{PATTERN} in the last seven days beside before: ")
        assert other.startswith(f"{PATTERN} beside hotfix: ")
        assert words in week
        assert words in other


@pytest.mark.parametrize("name", ["efficiency", "parallel-efficiency"])
def test_a_session_stands_beside_its_patterns_three_weeks_before(
    varied_month: OperatedStore, name: str
) -> None:
    """The benchmark of a session is a rank among earlier ones, counted here; it has no interval."""
    with varied_month.sources.connect() as connection:
        runs = {each.session: each for each in read_session_runs(connection, 0, NOW)}
        fanouts = read_fanout_runs(connection, 0, NOW)
    end = runs["d28n7"].end
    earlier = {each.session for each in runs.values()
               if each.pattern == PATTERN and end - 21 * DAY <= each.end < end}  # fmt: skip
    result = run(varied_month, name, "d28n7")["result"]
    found = result["analysis_results"]["benchmark"]
    assert (found["sessions"], found["sessions_before"]) == (1, len(earlier))
    shares = measure_session_efficiency(each for each in fanouts if each.session in {*earlier, "d28n7"})
    own = shares.pop("d28n7")
    assert found["efficiency"] == own
    assert found["rank"] == sum(share < own for share in shares.values()) / len(earlier)
    assert (found["low"], found["high"]) == (None, None)
    assert found["absent"]["low"].startswith("n = 1")
    first = run(varied_month, name, "d0n4")["result"]["analysis_results"]["benchmark"]
    assert (first["sessions_before"], first["rank"], first["difference"]) == (0, None, None)
    assert {"rank", "difference", "efficiency_before"} <= first["absent"].keys()
    if name == "efficiency":
        sentence = result["analysis_results"]["summary"][-1]
        assert f"of the {len(earlier)} sessions of its pattern" in sentence


def test_quiet_trends_do_not_hide_changes(varied_month: OperatedStore) -> None:
    """Where no series has a trend, the first sentence says how many changes stand below."""
    found = run(varied_month, "trends", PATTERN)["result"]["analysis_results"]
    count = len(found["regressions"]) + len(found["improvements"])
    assert (found["trends"], count) == ([], 2)
    (sentence,) = found["summary"]
    assert sentence.replace("\N{NO-BREAK SPACE}", " ").endswith(" 2 changes stand below.")


def test_trends_say_over_how_many_days_they_were_looked_for(month: OperatedStore) -> None:
    """A store of months has trends of 90 days too: answer and sentence have the days of the findings."""
    state = month.sources.findings()
    known = state.results["trends"]
    for windows, days, text in (
        ((), 30, "30"),
        ((30,), 30, "30"),
        ((30, 90), 90, "30 or 90"),
        ((90,), 90, "90"),
    ):
        series = [
            Finding("task_length_trend", {"type": str(window)}, FindingVerdict.NO_EVIDENCE,
                    FindingEvidence(n=window), details={WINDOW_DAYS: float(window)})
            for window in windows
        ]  # fmt: skip
        looked = replace(state, results={**state.results, "trends": replace(known, findings=tuple(series))})
        found = run(month, "trends", None, findings=lambda looked=looked: looked)["result"][
            "analysis_results"
        ]
        assert found["trend_days"] == days
        sentence = found["summary"][0].replace("\N{NO-BREAK SPACE}", " ")
        assert sentence.startswith(
            f"No trend can be seen in {len(windows)} series over the last {text} days."
        )


def test_a_session_has_a_rank_in_a_pattern(month: OperatedStore) -> None:
    """The share of the pattern's sessions with more time per task, counted here from the runs."""
    with month.sources.connect() as connection:
        paces = {each.session: measure_seconds_per_task(each) or 0.0
                 for each in read_session_runs(connection, 0, NOW)}  # fmt: skip
    own = paces.pop("d3n1")
    (row,) = run(month, "comparative", PATTERN, {"compare_against": ["d3n1"]})["result"]["performance_data"][
        "comparisons"
    ]
    assert row["rank"] == sum(pace > own for pace in paces.values()) / len(paces)


def test_a_short_list_of_days_has_the_trends_of_the_month(month: OperatedStore) -> None:
    """``timeframe`` cuts the days; whether trends can be told depends on the thirty days behind them."""
    week = run(month, "trends", PATTERN, {"timeframe": "7_days"})["result"]
    whole = run(month, "trends", PATTERN)["result"]
    assert len(week["performance_data"]["days"]) == 7
    assert len(whole["performance_data"]["days"]) == DAYS
    assert week["analysis_results"] == whole["analysis_results"]


def test_figures_of_an_operation_are_those_of_the_snapshot(month: OperatedStore) -> None:
    """Live metrics have the verdict and every figure of the window as the snapshot has them."""
    snapshot = month.sources.snapshot(None)
    assert snapshot is not None
    data = run(month, "live-metrics", None, {"time_window": "7d", "detail_level": "full"})["result"]
    values = {
        (each["name"], *sorted(each["labels"].items())): each["value"]
        for each in data["performance_data"]["figures"]
    }
    names = ("stretto_window_fanouts", ("pattern", PATTERN), ("window", "7d"))
    (expected,) = [
        figure.value
        for figure in snapshot.figures
        if figure.name == names[0] and dict(figure.labels) == dict(names[1:])
    ]
    assert values[names] == expected == 56


def test_parallel_work_of_runs_is_that_of_the_figures(month: OperatedStore) -> None:
    """Efficiency and time saved of the runs of a week are those that the snapshot has for its window."""
    data = run(month, "parallel-efficiency", PATTERN)["result"]["performance_data"]
    efficiency = data["by_pattern"]["parallel_efficiency"][PATTERN]["value"]
    assert data["parallel_work"]["efficiency"] == pytest.approx(efficiency)
    saved = data["verdict"]["lead"]["time_saved_seconds"]
    assert data["parallel_work"]["saved_seconds"] == pytest.approx(saved)
    throughput = run(month, "throughput", PATTERN)["result"]["performance_data"]
    assert throughput["saved_seconds_per_day"] == pytest.approx(saved / 7)


NULLS_THAT_ANSWER = {
    "up_to_seconds": "the last class of lengths has no end",
    "coverage_reason": "the coverage is known",
    "severity": "the check fires no alert",
    "recommendation": "as above",
    "text": "as above",
    "lead": "nothing ran side by side in this window",
    "bottleneck": "no session ended in this window",
    "fastest": "no hour or weekday is faster than the others",
    "slowest": "no hour or weekday is slower than the others",
    "slowest_weekday": "as above",
    "since": "it is a trend, which began on no day",
    "slack_seconds": "the main agent has none: everything waits for it",
    "model": "this piece of the path is no call of a model",
    "tool": "this piece of the path is no call of a tool",
    "task": "this piece or link is of the session, of no task",
    "standard_error": "the interval is not made from one",
    "type": "the ranking is over all types of tasks",
    "endsAt": "the alert still fires",
    "cause": "none was found, as the reason of the finding says",
    "about": "the advice is about the whole workflow",
    "fanout_elapsed_seconds": "the task is in no parallel execution",
    "fanout_would_be_seconds": "as above",
    "low": "the figure counts everything and has no range",
    "high": "the figure counts everything and has no range",
    "coverage": "the figure counts everything and covers all",
}
"""Keys whose null is itself an answer; those of bounds only beside a value that is known."""


def list_unexplained(part: Any, path: str = "") -> Iterator[str]:
    """Yield where a null has neither a reason beside it nor a meaning of its own."""
    if isinstance(part, list):
        for item in part:
            yield from list_unexplained(item, f"{path}[]")
    elif isinstance(part, dict):
        absent, is_known = part.get("absent") or {}, part.get("value", part.get("effect")) is not None
        for key, value in part.items():
            is_bound = key in {"low", "high", "coverage"}
            answers = key in NULLS_THAT_ANSWER and (is_known or not is_bound)
            answers |= key == "reason" or key.endswith("_reason")
            reason = absent.get(key) or part.get(f"{key}_reason") or part.get("reason")
            if value is None and not (answers or reason):
                yield f"{path}.{key}"
            elif key != "absent":
                yield from list_unexplained(value, f"{path}.{key}")


@pytest.mark.parametrize("name", NAMES)
def test_a_null_has_its_reason_beside_it(
    month: OperatedStore, varied_month: OperatedStore, name: str
) -> None:
    """About everything, the pattern and a session, without options and with all, in the whole answer.

    In a month that has no prices, phases or samples, and in one that has all.
    """
    for workflow in (None, PATTERN, f"d{DAYS - 1}n7"):
        for options in ({}, EXAMPLES[name]):
            assert [*list_unexplained(run(month, name, workflow, options).get("result"))] == []
    for workflow in (None, "last"):
        assert [*list_unexplained(run(varied_month, name, workflow)["result"])] == []


def test_a_null_without_reason_is_seen() -> None:
    """The walk finds a null in rows and parts, unless its reason stands beside it."""
    row = {"tokens": None, "low": None, "lead": None}
    assert [*list_unexplained({"rows": [row]})] == [".rows[].tokens", ".rows[].low"]
    assert [*list_unexplained({"rows": [{**row, "absent": {"tokens": "none", "low": "few"}}]})] == []


def test_a_pattern_has_the_speedup_of_the_verdict(month: OperatedStore) -> None:
    """Of the only pattern it is the verdict's; what an agent did of each type has its rows."""
    for span in ("24h", "7_days"):
        data = run(month, "parallel-efficiency", None, {"time_range": span})["result"]["performance_data"]
        (row,) = data["patterns"]
        assert row["speedup"] == pytest.approx(data["verdict"]["lead"]["speedup"])
        assert (row["pattern"], row["fanouts"]) == (PATTERN, data["fanouts"])
        assert row["absent"]["session_cost_usd"]
    data = run(month, "agent-performance")["result"]["performance_data"]
    assert {(row["pattern"], row["task_type"]) for row in data["by_work"]} == {
        (PATTERN, "review"),
        (PATTERN, "tests"),
    }
    assert sum(row["tasks"] for row in data["by_work"]) == sum(row["tasks"] for row in data["agents"])
    assert data["by_work_left_out"] == {"combinations": 0, "tasks": 0}


def test_no_agent_has_resources_and_the_answer_says_why(month: OperatedStore) -> None:
    """Agents of a session share its processes: the answer names the session as the place to look."""
    data = run(month, "agent-performance")["result"]["performance_data"]
    assert data["resources"] is None
    assert "whose agents share its processes" in data["absent"]["resources"]


def test_figures_are_of_the_asked_time_or_marked(month: OperatedStore) -> None:
    """A day's answer has the day's figures; for a time without a window the answer names theirs."""
    day = run(month, "parallel-efficiency", None, {"time_range": "24h"})
    data = day["result"]["performance_data"]
    assert (data["figures_window"], data["fanouts"]) == ("24h", data["parallel_work"]["fanouts"])
    assert day["degraded"] == []
    (sentence,) = day["result"]["analysis_results"]["summary"]
    assert "parallel executions in 24h;" in sentence
    week = run(month, "parallel-efficiency")["result"]["performance_data"]
    assert (week["figures_window"], week["fanouts"]) == ("7d", 7 * data["fanouts"])

    paths = {}
    for span, window in (("24h", "24h"), ("7_days", "7d")):
        data = run(month, "execution-analysis", None, {"time_range": span})["result"]["performance_data"]
        assert data["figures_window"] == window
        paths[window] = sum(each["count"] for each in data["critical_path_by_agent"].values())
    assert paths["7d"] == 7 * paths["24h"]

    for name, part in (
        ("parallel-efficiency", "verdict, by_pattern, lost_seconds, speedup, saved_seconds, quality"),
        ("execution-analysis", "critical_path_by_agent"),
    ):
        envelope = run(month, name, None, {"time_range": "14_days"})
        assert envelope["result"]["performance_data"]["figures_window"] == "7d"
        (marked,) = [each for each in envelope["degraded"] if each["part"] == part]
        assert marked["reason"].endswith("these are of 7d, not of 14 days")


def test_an_error_points_to_the_newest_session(month: OperatedStore) -> None:
    """Months later nothing of the week is there: the error says when something was, and --at answers."""
    later = NOW + 90 * DAY
    gone = run(month, "agent-performance", clock=lambda: later)
    assert gone["error"]["message"].endswith("the newest session ended on 2026-01-29: ask as of then")
    then = run(month, "agent-performance", None, None, NOW, clock=lambda: later)
    assert then["result"]["analysis_results"]["as_of"] == "2026-01-30T00:10:00.000000000Z"


def test_agents_have_the_spread_of_their_lengths_by_pattern(month: OperatedStore) -> None:
    """Those of all patterns together are the tasks of the agent, and the rows of one pattern its own."""
    data = run(month, "agent-performance")["result"]["performance_data"]
    for row in data["agents"]:
        parts = [each for each in data["by_pattern"] if each["agent"] == row["agent"]]
        assert sum(each["tasks"] for each in parts) == row["tasks"]
    of_one = run(month, "agent-performance", PATTERN)["result"]["performance_data"]
    assert [{"pattern": PATTERN, **row} for row in of_one["agents"]] == of_one["by_pattern"]
    assert all((row["spread"] is None) == (row["tasks"] < FEWEST_FOR_SPREAD) for row in data["agents"])
    assert measure_spread([40.0] * 3 + [60.0] * 3 + [70.0] * 3) == 0.5
    assert measure_spread([40.0] * 7) is None


def test_accuracy_is_that_of_the_back_test_or_null(month: OperatedStore) -> None:
    """Predictions have the share of days within the range; every other operation null with the reason."""
    metrics = run(month, "predictions")["metrics"]
    assert metrics["analysis_accuracy"] == COVER
    other = run(month, "throughput")["metrics"]
    assert other["analysis_accuracy"] is None
    assert other["reasons"]["analysis_accuracy"] == "it forecasts nothing"
    assert other["monitoring_overhead"] is None
    assert other["reasons"]["monitoring_overhead"] == "nothing measured what watching cost"


def test_the_usual_is_compared_by_the_difference(month: OperatedStore) -> None:
    """The interval is that of the week's mean minus the mean before; the sentence says on which side."""
    answer = run(month, "efficiency", PATTERN)["result"]["analysis_results"]
    benchmark = answer["benchmark"]
    assert benchmark["difference"] == pytest.approx(benchmark["efficiency"] - benchmark["efficiency_before"])
    assert benchmark["low"] <= benchmark["difference"] <= benchmark["high"]
    assert "the three weeks before" in answer["summary"][-1]


def test_the_score_rises_stays_or_falls(month: OperatedStore) -> None:
    """The slower tests cost the pattern points beyond chance; without samples no day has a score of all."""
    answer = run(month, "efficiency", PATTERN)["result"]["analysis_results"]
    trend = answer["trend"]
    assert (trend["verdict"], trend["reason"]) == ("falls", None)
    assert trend["low"] < trend["change"] < trend["high"] < 0
    assert answer["summary"][1].startswith(f"The score falls: {trend['change']:.0f} points in 30 days [")
    unknown = run(month, "efficiency")["result"]["analysis_results"]["trend"]
    assert (unknown["verdict"], unknown["days"]) == (None, 0)
    assert unknown["reason"] == "no day of the last thirty has a score that is known well enough"
    session = run(month, "efficiency", f"d{DAYS - 1}n0")["result"]["analysis_results"]["trend"]
    assert (session["verdict"], session["reason"]) == (None, "a session is no series of days")


def test_phases_and_types_have_their_share_of_the_work(month: OperatedStore) -> None:
    """All types together are all of the work; tasks outside of any phase count for the whole of it, too."""
    rows = run(month, "throughput")["result"]["performance_data"]["by_task_type"]
    assert sum(row["share_of_work"] for row in rows) == pytest.approx(1)
    tasks = [
        TaskRun("s", f"t{length}", 0, length * SECOND, Outcome.SUCCESS, "tests", phase=phase)
        for length, phase in ((10, "validation"), (20, "build"), (50, "build"), (20, None))
    ]
    shares = {
        row["phase"]: row["share_of_work"] for row in group_tasks(tasks, lambda run: run.phase, "phase")
    }
    assert shares == {"build": 0.7, "validation": 0.1}
    unknown = [TaskRun("s", "t", 0, None, Outcome.SUCCESS, "tests", phase="build")]
    assert group_tasks(unknown, lambda run: run.phase, "phase")[0]["share_of_work"] is None


def test_a_month_costs_what_the_known_days_cost() -> None:
    """A dollar a day is 45 a month after a growth of a half, which grows evenly; six days are too few."""
    name, total = "cost_per_month_after_growth_usd", "cost_until_horizon_usd"
    week = {"cost_usd": 7.0}
    expected = {total: pytest.approx(112.5), name: pytest.approx(45), "absent": {}}
    assert project_cost(week, 7 * DAY, 0.5, 90 * DAY) == expected
    assert project_cost(week, 7 * DAY, 0, 90 * DAY)[total] == pytest.approx(90), "it does not grow"
    few = project_cost(week, 6 * DAY, 0.5, 90 * DAY)
    assert (few[name], few["absent"][name][:8]) == (None, "6.0 days")
    unknown = project_cost({"cost_usd": None, "absent": {"cost_usd": "no price"}}, 28 * DAY, 0, DAY)
    assert unknown == {name: None, total: None, "absent": {name: "no price", total: "no price"}}


def test_a_slow_call_holds_up_no_other(month: OperatedStore) -> None:
    """A call that waits for its figures leaves another call's figures to be read meanwhile."""
    reached, released = threading.Event(), threading.Event()

    def take_slowly(_: int | None) -> Snapshot | None:
        reached.set()
        released.wait(30)
        return None

    slow = threading.Thread(target=run, args=(month, "dashboard"), kwargs={"snapshot": take_slowly})
    slow.start()
    try:
        assert reached.wait(30)
        assert run(month, "dashboard")["status"] == "success"
        assert slow.is_alive()
    finally:
        released.set()
        slow.join()


def test_growth_and_targets_change_the_answer(month: OperatedStore) -> None:
    """A plan with growth is worked out anew; a target above the highest score says that it is not reached."""
    grown = run(month, "capacity-planning", PATTERN, {"growth_projection": 300})
    (plan,) = grown["result"]["analysis_results"]["plans"]
    assert plan["advised_agents"] == 2
    assert [each["agents"] for each in plan["widths"] if each["extrapolated"]] == [3, 4, 5, 6, 7, 8]
    assert grown["result"]["analysis_results"]["growth"] == 3
    tuned = run(month, "tune-suggestions", None, {"target_score": 100})["result"]["analysis_results"]
    assert "no single part reaches it" in tuned["reason"]
    assert tuned["suggestions"][0]["most_points"] > 0


def test_recommendations_pass_the_filters_of_the_options(month: OperatedStore) -> None:
    """Priority, effort and least gain leave out what does not pass."""
    advice = Finding(
        "recommendation_load_balance", {"pattern": PATTERN}, FindingVerdict.NO_EVIDENCE,
        FindingEvidence(n=20, effect=60.0, low=30.0, high=90.0, unit="seconds"),
        reason="the longest lane waits", advice="Split the longest lane.",
        details={"share": 0.12, "confidence": 0.95, "category": "workflow_structure", "priority": "medium",
                 "effort": "medium", "horizon": "strategic", "changes_code": "no", "needs_trial": "no"},
    )  # fmt: skip
    state = month.sources.findings()
    result = replace(state.results["advice"], findings=(advice,))
    known = replace(
        state,
        results={**state.results, "advice": result},
        findings=(StoredFinding("abc", "advice", advice, NOW - DAY, NOW - DAY),),
    )
    wanted = {
        ">10%": 1, ">12%": 0,
    }  # fmt: skip
    for least, count in wanted.items():
        envelope = run(month, "recommendations", PATTERN, {"expected_roi": least}, findings=lambda: known)
        assert len(envelope["result"]["recommendations"]) == count
    low = run(month, "recommendations", None, {"implementation_effort": "low"}, findings=lambda: known)
    assert low["result"]["analysis_results"]["filtered_out"] == 1
    alerts = run(month, "alerts", findings=lambda: known)["result"]["analysis_results"]["alerts"]
    assert [each["text"] for each in alerts] == ["Split the longest lane."]
    assert run(month, "dashboard", findings=lambda: known)["result"]["recommendations"][0]["about"] is None


@contextmanager
def refuse_store() -> Iterator[sqlite3.Connection]:
    """Fail as a store does that is gone."""
    raise StoreError("the store cannot be read", cause="it is gone")
    yield


def refuse_summary(_: str) -> None:
    """Fail likewise."""
    raise StoreError("the store cannot be read", cause="it is gone")


def test_without_the_store_the_last_answer_is_repeated_with_its_age(month: OperatedStore) -> None:
    """What was asked before answers with age and reason; memory answers the rest, or is the fallback."""
    time = NOW
    runner = month.make_runner(clock=lambda: time)
    good = check_envelope(runner.run_operation("throughput", PATTERN))
    time += 5 * MINUTE
    runner.sources = replace(runner.sources, connect=refuse_store, session_summary=refuse_summary)
    repeated = check_envelope(runner.run_operation("throughput", PATTERN))
    assert repeated["result"] == good["result"]
    assert repeated["degraded"][0]["age_seconds"] == 300
    assert "it is gone" in repeated["degraded"][0]["reason"]
    dashboard = check_envelope(runner.run_operation("dashboard"))
    assert [each["age_seconds"] for each in dashboard["degraded"]] == [(time - NOW) / SECOND]
    lost = check_envelope(runner.run_operation("patterns"))
    assert lost["error"]["code"] == "STORE_UNAVAILABLE"
    assert {each["operation"] for each in lost["fallback_options"]} == {"live-metrics", "dashboard"}


def test_before_the_first_figures_operations_say_so(month: OperatedStore) -> None:
    """A service that has just begun answers STORE_UNAVAILABLE, and names what answers without figures."""
    envelope = run(month, "monitor", snapshot=lambda _: None)
    assert envelope["error"]["code"] == "STORE_UNAVAILABLE"
    assert envelope["fallback_options"] == []


ANALYTIC = ("trends", "patterns", "regression", "recommendations", "capacity-planning", "predictions")
"""The operations that are an analysis; the others answer with less without it."""


@pytest.mark.parametrize("name", NAMES)
def test_without_the_extra_the_rest_answers(month: OperatedStore, name: str) -> None:
    """An analysis says what to install and names a fallback; the rest answers, marked with the reason."""
    missing = "the analyses need numpy: install stretto[analysis]"
    state = without_answers(month.sources.findings(), missing=missing)
    envelope = run(month, name, None, None, findings=lambda: state)
    if name in ANALYTIC:
        assert envelope["error"]["code"] == "ANALYSIS_NOT_INSTALLED"
        assert envelope["error"]["message"] == missing
        check_fallbacks(month, envelope, findings=lambda: state)
    elif name != UNSAMPLED:
        assert envelope["status"] == SUCCESS
        assert {each["reason"] for each in envelope["degraded"]} <= {missing}


@pytest.mark.parametrize("name", NAMES)
def test_with_all_analyses_off_the_rest_answers(month: OperatedStore, name: str) -> None:
    """An operation that is an analysis says that it is switched off; the rest answers with less."""
    off = frozenset(analysis.name for analysis in ANALYSES)
    state = replace(month.sources.findings(), results={}, switched_off=off)
    envelope = run(month, name, None, None, findings=lambda: state)
    if name in ANALYTIC:
        assert envelope["error"]["code"] == "ANALYSIS_OFF"
        assert "is switched off" in envelope["error"]["message"]
    elif name != UNSAMPLED:
        assert envelope["status"] == SUCCESS
        assert (
            any("is switched off" in each["reason"] for each in envelope["degraded"])
            or not envelope["degraded"]
        )


def test_an_analysis_that_cannot_answer_about_a_store_says_why(month: OperatedStore) -> None:
    """Leads of a team have no advice: the reason is in the answer, and nothing is worked out."""
    state = replace(month.sources.findings(), results={}, absent={"advice": "it is about one person"})
    envelope = run(month, "recommendations", None, None, findings=lambda: state)
    assert envelope["error"]["code"] == "ANALYSIS_OFF"
    assert envelope["error"]["details"]["reason"] == "it is about one person"


def test_an_analysis_that_fails_leaves_the_last_good_answer(month: OperatedStore) -> None:
    """It is marked with age and reason; after a week it is too old, and nothing is asked again."""

    def refuse(_: AnalysisRequest) -> str:
        raise AssertionError("what failed is not tried again")

    state, time = month.sources.findings(), NOW + 3 * HOUR
    failed = {**state.results, "changes": replace(state.results["changes"], failed_at=time, error="killed")}
    sources = {"findings": lambda: replace(state, results=failed), "ask": refuse, "clock": lambda: time}
    (mark,) = [each for each in run(month, "regression", **sources)["degraded"] if each["part"] == "changes"]
    assert (mark["age_seconds"], mark["reason"]) == (10_800, "the analysis fails: killed")
    time = NOW + 8 * DAY
    old = run(month, "regression", **sources)
    assert old["error"]["code"] == "ANALYSIS_STALE"
    assert old["error"]["details"]["age_days"] == 8
    never = {**failed, "changes": replace(failed["changes"], at=None, findings=())}
    time = NOW
    none = run(month, "regression", **{**sources, "findings": lambda: replace(state, results=never)})
    assert none["error"]["message"] == "there is no good answer yet: killed"


def test_an_answer_over_a_shorter_history_is_marked(month: OperatedStore) -> None:
    """Whether it is a stored one or worked out for whoever asks, the mark says of how many days it is."""
    reason = "it is of the last 28 days: over 154 days it took longer than 600 s"
    state = month.sources.findings()
    stored = {**state.results, "changes": replace(state.results["changes"], shortened=reason)}
    for findings in (replace(state, results=stored), without_answers(state)):
        envelope = run(
            month,
            "regression",
            findings=lambda findings=findings: findings,
            ask=lambda request: AnalysisReplies(
                tuple(structs.replace(each, shortened=reason) for each in answer_request(request)), 0.0
            ),
        )
        mark = next(each for each in envelope["degraded"] if each["part"] == "changes")
        assert (mark["reason"], mark["age_seconds"]) == (reason, 0)
        assert envelope["result"]["analysis_results"]["regressions"]


def test_a_new_store_is_analysed_once_for_whoever_asks(month: OperatedStore) -> None:
    """Before the service's first round an answer is worked out here, kept, and a failure is kept as well."""
    asked: list[str] = []

    def fail(request: AnalysisRequest) -> str:
        asked.extend(request.names)
        return "its process ended without an answer"

    state = without_answers(month.sources.findings())
    runner = month.make_runner(findings=lambda: state, ask=fail)
    for _ in range(2):
        envelope = check_envelope(runner.run_operation("regression"))
        assert envelope["error"]["code"] == "ANALYSIS_STALE"
        assert envelope["error"]["details"]["reason"] == "its process ended without an answer"
    assert asked == ["changes"]
    answered = run(month, "regression", findings=lambda: state)
    assert answered["result"]["analysis_results"]["regressions"]


def test_a_short_answer_about_the_past_is_tried_again(month: OperatedStore) -> None:
    """A whole answer about an instant is kept for good; of fewer days it gives way to the next, later on."""
    short, now = "of the last 28 days: it took too long", [NOW]
    asked: list[str] = []

    def ask(request: AnalysisRequest) -> AnalysisReplies | str:
        asked.extend(request.names)
        replies = answer_request(request)
        shortened = short if len(asked) == 1 else ""
        return AnalysisReplies(tuple(structs.replace(each, shortened=shortened) for each in replies), 0.0)

    runner = month.make_runner(ask=ask, clock=lambda: now[0])
    for minutes, reasons, count in ((0, [short], 1), (4, [short], 1), (6, [], 2), (60, [], 2)):
        now[0] = NOW + minutes * 60 * SECOND
        envelope = runner.run_operation("regression", None, {"auto_investigate": False}, NOW - DAY)
        assert [each["reason"] for each in envelope["degraded"] if each["part"] == "changes"] == reasons
        assert len(asked) == count


def test_a_killed_analysis_is_no_answer_and_no_wait(
    month: OperatedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process kills itself: the error has the reason and a fallback; the stored answer stays good."""
    killed = tmp_path / "killed"
    killed.write_text("#!/bin/sh\nkill -9 $$\n", encoding="utf-8")
    killed.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(killed))
    state = without_answers(month.sources.findings())
    sources = {"findings": lambda: state, "ask": ask_analysis_process}
    envelope = run(month, "regression", **sources)
    assert envelope["error"]["code"] == "ANALYSIS_STALE"
    ended = "its process ended without an answer"
    assert envelope["error"]["details"]["reason"] == f"{ended}; over 28 days {ended}"
    check_fallbacks(month, envelope, **sources)
    (mark, *_) = run(month, "bottlenecks", **sources)["degraded"]
    assert (mark["part"], mark["as_of"]) == ("holdups", None)
    assert run(month, "regression", ask=ask_analysis_process)["degraded"] == []


def test_live_operations_about_a_workflow_have_its_work(month: OperatedStore) -> None:
    """Beside the figures of everything stand the sessions of the pattern, or the tasks of the session."""
    of_pattern = run(month, "dashboard", PATTERN)["result"]
    assert of_pattern["performance_data"]["workflow"]["sessions"] == 8
    assert "8 sessions of release ended in this time" in of_pattern["analysis_results"]["summary"][1].replace(
        "\N{NO-BREAK SPACE}", " "
    )
    of_session = run(month, "live-metrics", "d3n1")["result"]["performance_data"]["workflow"]
    assert (of_session["tasks"], of_session["tasks_over"], of_session["fanouts"]) == (2, 2, 1)
    alerts = run(month, "alerts", "d3n1")["result"]["analysis_results"]["checks"]
    assert alerts[0]["reason"].startswith("between ")
    assert "workflow" not in run(month, "dashboard")["result"]["performance_data"]


def test_where_no_service_runs_old_answers_are_made_again(month: OperatedStore) -> None:
    """An answer older than it should be is renewed; if that fails the old one is kept, marked."""
    time = NOW + 2 * DAY
    asked: list[tuple[str, ...]] = []

    def fail(request: AnalysisRequest) -> str:
        asked.append(request.names)
        return "it took longer than 60 s"

    envelope = run(month, "regression", is_followed=False, clock=lambda: time, ask=fail)
    assert ("changes",) in asked
    (mark,) = [each for each in envelope["degraded"] if each["part"] == "changes"]
    assert (mark["age_seconds"], mark["reason"]) == (172_800, "the analysis fails: it took longer than 60 s")


def test_alerts_say_since_when_nothing_watches(month: OperatedStore) -> None:
    """Without a watchdog for a while the alerts are those that were last received, with the reason."""
    gap = describe_alerting_gap(NOW - HOUR, NOW)
    assert gap == "the watchdog was last heard 60 min ago: Prometheus or Alertmanager is gone"
    assert describe_alerting_gap(NOW - MINUTE, NOW) is None
    assert "no watchdog has been heard" in str(describe_alerting_gap(None, NOW))
    (mark,) = run(month, "alerts", alerting_gap=lambda: gap)["degraded"]
    assert (mark["part"], mark["reason"]) == ("alertmanager", gap)


def test_of_the_past_only_what_had_ended_is_shown(month: OperatedStore) -> None:
    """As of an earlier day there is no activity and no list of sessions, each with the reason."""
    envelope = run(month, "dashboard", None, None, NOW - 2 * DAY)
    data = envelope["result"]["performance_data"]
    reason = "what ran at an instant in the past is not kept"
    assert data["activity"] == {"absent": {"activity": reason}}
    assert data["sessions"] == []
    assert {each["part"] for each in envelope["degraded"]} == {"sessions", "running"}
    assert data["verdicts"]["24h"]["all_fanouts"] == 8


def test_limits_are_those_of_the_promise() -> None:
    """An efficiency of 70 is a warning, 60 critical, 75 within; an unknown one is no alert."""
    severities = [
        find_severity(value, EFFICIENCY_LIMITS, above=False) for value in (60, 65, 70, 75, 80, None)
    ]
    assert severities == ["critical", "warning", "warning", None, None, None]


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        (Switch(), True, True),
        (Choice(("a", "b")), "a", "a"),
        (Choices(("a", "b")), ["b", "a", "b"], ("b", "a")),
        (Names(), ["x", "x"], ("x",)),
        (Number(0, 10), 3, 3.0),
        (TimeSpan(SECOND, DAY), "5s", 5 * SECOND),
        (TimeSpan(SECOND, 365 * DAY), "3_months", 90 * DAY),
        (LeastShare(), ">10%", 0.10),
    ],
)  # fmt: skip
def test_a_value_of_a_kind_is_read(kind: OptionKind, value: object, read: object) -> None:
    """Each kind reads its spelling, and its schema accepts it."""
    assert kind.read_value(value) == read
    jsonschema.Draft202012Validator(kind.to_schema()).validate(value)


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        (Switch(), 1, "must be true or false"),
        (Choice(("compact", "full")), "compat", "did you mean 'compact'?"),
        (Choices(("a", "b")), [], "must be a list of 1 to 20 texts"),
        (Choices(("a", "b")), ["c"], "'c' is none of 'a', 'b'"),
        (Names(), [""], "must hold texts of 1 to 200 characters"),
        (Number(0, 10), math.nan, "must be a number from 0 to 10"),
        (Number(0, 10), True, "must be a number from 0 to 10"),
        (TimeSpan(SECOND, HOUR), "2h", "must be from 1s to 60min"),
        (TimeSpan(SECOND, HOUR), "soon", "must be a length of time"),
        (LeastShare(), ">110%", "must be a share such as '>10%'"),
        (CalendarDay(), "2026-02-30", "must be a date such as '2026-11-20'"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_the_rule(
    kind: OptionKind, value: object, problem: str
) -> None:
    """The text says which values are."""
    with pytest.raises(OptionValueError) as refusal:
        kind.read_value(value)
    assert problem in str(refusal.value)


def test_options_that_contradict_each_other_are_refused(month: OperatedStore) -> None:
    """A time span under both its names, and a baseline after the current day or in the future."""
    both = run(month, "throughput", None, {"time_range": "24h", "time_window": "7_days"})["error"]
    assert both["code"] == "INVALID_OPTIONS"
    assert both["details"]["problems"] == {"time_window": "says the same as 'time_range': give one of them"}
    later = {"baseline_date": "2026-01-20", "current_date": "2026-01-19"}
    assert run(month, "regression", None, later)["error"]["details"]["problems"] == {
        "baseline_date": "lies after the current date, 2026-01-19"
    }
    future = run(month, "regression", None, {"baseline_date": "2026-02-01"})["error"]
    assert (future["code"], future["message"]) == (
        "INVALID_OPTIONS", "'baseline_date' lies in the future",
    )  # fmt: skip


def test_options_that_are_no_object_are_refused(month: OperatedStore) -> None:
    """A list, and a wrong value beside an unknown name: both are in the answer."""
    assert run(month, "throughput", None, [1])["error"]["details"]["problems"] == {
        "options": "must be a JSON object"
    }
    both = run(month, "dashboard", None, {"layout": 3, "colour": "red"})["error"]["details"]["problems"]
    assert both.keys() == {"layout", "colour"}


def test_spans_are_spelt_as_options() -> None:
    """Whole days, hours and minutes from two on."""
    assert [name_span(span) for span in (SECOND, HOUR, 2 * HOUR, 30 * DAY)] == [
        "1s",
        "60min",
        "2h",
        "30_days",
    ]


def test_a_quantile_of_few_values_is_not_known() -> None:
    """Of 20 values the .95 quantile is the nineteenth; of 19 there is none."""
    values = [float(number) for number in range(1, 21)]
    assert find_quantile(values, 0.95, 20) == 19
    assert find_quantile(values[:19], 0.95, 20) is None


def test_numbers_that_json_cannot_carry_become_null() -> None:
    """NaN and infinity, however deep."""
    assert drop_non_finite({"a": [math.nan, (1.5, math.inf)]}) == {"a": [None, [1.5, None]]}


def test_an_unknown_operation_is_a_fault_of_the_caller(nothing: OperatedStore, tmp_path: Path) -> None:
    """The doors know the table; the runner raises, and an unused folder stays empty."""
    with pytest.raises(KeyError):
        OperationRunner(nothing.sources).run_operation("guess")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_workflow_is_none(month: OperatedStore) -> None:
    """The runner reads it so for every door."""
    assert strip_moment(run(month, "throughput", "")) == strip_moment(run(month, "throughput"))


def test_equal_questions_have_equal_answers(month: OperatedStore) -> None:
    """But for the time of the answer and what it cost."""
    runner = month.make_runner()
    first, second = (runner.run_operation("bottlenecks", PATTERN) for _ in range(2))
    assert strip_moment(first) == strip_moment(second)


@pytest.mark.parametrize(
    ("reported", "at_least"), [((1.0, 1.0), False), ((1.0, 0.5), True), ((1.0, None), True)]
)
def test_usage_says_where_it_is_a_lower_bound(
    reported: tuple[float | None, float | None], *, at_least: bool
) -> None:
    """A session that reported a part of its tokens, or none, makes the sums of all at least so much."""
    sessions = [
        SessionRun(
            session=str(number),
            start=0,
            end=SECOND,
            outcome=Outcome.SUCCESS,
            tokens=None if share is None else 100,
            usage_coverage=share,
        )
        for number, share in enumerate(reported)
    ]
    assert measure_usage((), sessions)["at_least"] is at_least


def test_a_delivered_task_costs_what_its_own_sessions_used() -> None:
    """Tasks of sessions that reported nothing share no cost; without a delivered task the reason says so."""
    sessions = [
        SessionRun(
            session="seen",
            start=0,
            end=SECOND,
            outcome=Outcome.SUCCESS,
            tokens=100,
            dollars=2.0,
            cpu_seconds=8.0,
        ),
        SessionRun(session="unseen", start=0, end=SECOND, outcome=Outcome.SUCCESS),
    ]
    tasks = [TaskRun(each.session, "1", 0, SECOND, Outcome.SUCCESS, "tests") for each in sessions]
    usage, resources = measure_usage(tasks, sessions), measure_processors_and_memory(tasks, sessions)
    assert (usage["tokens_per_delivered_task"], usage["cost_per_delivered_task_usd"]) == (100, 2)
    assert resources["cpu_seconds_per_delivered_task"] == 8
    reason = "the sessions that reported it delivered no task"
    none = measure_usage(tasks[1:], sessions)
    assert (
        none["absent"]["tokens_per_delivered_task"] == none["absent"]["cost_per_delivered_task_usd"] == reason
    )
    assert (
        measure_processors_and_memory(tasks[1:], sessions)["absent"]["cpu_seconds_per_delivered_task"]
        == reason
    )


def test_throughput_counts_only_time_that_was_seen(month: OperatedStore) -> None:
    """Eight sessions on each day are eight a day over any span; half a span before is no comparison."""
    whole = run(month, "throughput")["result"]
    assert whole["performance_data"]["sessions_per_day"] == 8
    assert whole["analysis_results"]["ratio_to_before"] == 1
    early = run(month, "throughput", None, None, NOW - (DAYS - 10) * DAY)["result"]
    assert early["analysis_results"]["ratio_to_before"] is None
    assert "not all of" in early["analysis_results"]["absent"]["ratio_to_before"]
    long = run(month, "throughput", None, {"time_range": "3_months"})["result"]["performance_data"]
    assert long["sessions_per_day"] == pytest.approx(8, rel=0.05)
    assert long["hours"] < DAYS * 24


def test_a_session_is_not_stretched_to_a_day(month: OperatedStore) -> None:
    """Of minutes of work it is answered what they saved, not what a day of them would."""
    result = run(month, "throughput", f"d{DAYS - 1}n7")["result"]
    data = result["performance_data"]
    assert data["sessions_per_day"] is data["saved_seconds_per_day"] is None
    assert data["absent"].keys() == {"sessions_per_day", "saved_seconds_per_day"}
    assert 0 < data["saved_seconds"] < data["hours"] * 3_600
    assert "a day" not in result["analysis_results"]["summary"][0]


def test_a_score_of_nothing_is_below_the_limit(month: OperatedStore) -> None:
    """Zero is a value: it is told, and not taken for an unknown one."""
    taken = month.sources.snapshot(None)
    assert taken is not None
    figures = tuple(
        replace(each, value=0.0) if each.name == "stretto_efficiency_score" else each
        for each in taken.figures
    )
    answer = run(month, "alerts", snapshot=lambda _: replace(taken, figures=figures))
    assert answer["result"]["analysis_results"]["summary"] == ["The efficiency score is 0.0, below 65."]


def test_a_gain_is_not_praised_while_tasks_got_slower(month: OperatedStore) -> None:
    """As on the overview: slower tasks save more side by side. A verdict without a speed-up says so."""
    state = month.sources.findings()
    slower = next(
        each for each in state.results["changes"].findings if each.verdict is FindingVerdict.REGRESSION
    )
    known = replace(state, findings=(StoredFinding("abc", "changes", slower, NOW - DAY, NOW - DAY),))
    for name, options in (("dashboard", {}), ("live-metrics", {"time_window": "24h"})):
        for findings, is_said in ((state, False), (known, True)):
            answer = run(month, name, None, options, findings=lambda findings=findings: findings)
            text = " ".join(answer["result"]["analysis_results"]["summary"])
            assert " saved, " in text
            assert ("Tasks got slower, so part of that is no gain." in text) is is_said
    assert describe_verdict({"lead": None}, "1h") == "Nothing ran in parallel in the last 1h."
    assert describe_verdict({"lead": {"speedup": None}}, "1h").startswith("No speed-up is known")


def test_a_finding_that_a_person_settled_is_left_out(month: OperatedStore) -> None:
    """Rejected, a regression stands in no answer but in the number of those left out."""
    state = month.sources.findings()
    worse = [each for each in state.results["changes"].findings if each.verdict is FindingVerdict.REGRESSION]
    stored = [
        StoredFinding(make_finding_id(each.kind, each.subject), "changes", each, NOW - DAY, NOW - DAY)
        for each in worse
    ]
    decisions = [Decision(each.id, NOW - HOUR, DecisionKind.REJECTED, each.id) for each in stored]
    settled = replace(state, findings=tuple(stored), decisions=tuple(decisions))
    answer = run(month, "regression", None, findings=lambda: settled)["result"]["analysis_results"]
    assert worse
    assert answer["regressions"] == []
    assert "settled by a person: " in answer["summary"][0]
    trends = run(month, "trends", None, findings=lambda: settled)["result"]["analysis_results"]
    assert trends["regressions"] == []


def test_changes_below_the_threshold_are_counted(month: OperatedStore) -> None:
    """An answer without a change says how many it has left out."""
    result = run(month, "regression", None, {"significance_threshold": 1_000})["result"]["analysis_results"]
    assert result["regressions"] == []
    passed = result["checks"]["regression"] + result["checks"]["improvement"]
    assert passed > 0
    assert result["summary"][0].startswith("No change of at least 1000 %:")
    assert result["summary"][0].endswith(f"older or settled by a person: {passed}.")


def judge(month: OperatedStore, *figures: tuple[str, dict[str, str], float, int]) -> Snapshot:
    """Return the month's snapshot with further figures of seven days."""
    taken = month.sources.snapshot(None)
    assert taken is not None
    added = [
        Figure(f"stretto_{name}", (*labels.items(), ("window", "7d")), value, count)
        for name, labels, value, count in figures
    ]
    return replace(taken, figures=(*taken.figures, *added))


def test_low_judgements_are_advised_on(month: OperatedStore) -> None:
    """Quality below 8 and synthesis below 80 say what to do, and why; higher ones, or two, do not."""
    judged = judge(
        month,
        ("score_mean", {"score": "quality", "task_type": "tests"}, 6.9, 12),
        ("score_mean", {"score": "quality", "task_type": "docs"}, 8.0, 12),
        ("score_mean", {"score": "quality", "task_type": "lint"}, 2.0, 2),
        ("score_mean", {"score": "synthesis", "task_type": "none"}, 62.0, 5),
        ("quality_part_score", {"task_type": "tests", "part": "judgement"}, 1.0, 12),
        ("quality_part_score", {"task_type": "tests", "part": "completeness"}, 9.0, 12),
        ("quality_part_score", {"task_type": "tests", "part": "depth"}, 5.5, 12),
    )
    made = run(month, "recommendations", snapshot=lambda _: judged)["result"]["recommendations"]
    rows = {row["kind"]: row for row in made if row["kind"].startswith("low_")}
    assert [row["about"] for row in made if row["kind"] == "low_quality"] == ["tests"]
    quality, synthesis = rows["low_quality"], rows["low_synthesis"]
    assert quality["text"].startswith("Improve the work of type tests: say in the order what a thorough")
    assert quality["rationale"].replace("\N{NO-BREAK SPACE}", " ") == (
        "12 judgements of the last 7 days have a mean of 6.9, below 8; of its measured parts depth is the"
        " lowest, 5.5 of 10"
    )
    assert (
        synthesis["rationale"]
        .replace("\N{NO-BREAK SPACE}", " ")
        .startswith("5 judgements of the last 7 days have a mean of 62, below 80; ")
    )
    assert quality["expected"]["seconds"] is None

    for options in ({"scope": "system"}, {"priority_filter": "high"}):
        kept = run(month, "recommendations", None, options, snapshot=lambda _: judged)
        kinds = {row["kind"] for row in kept["result"]["recommendations"]}
        assert "low_synthesis" not in kinds
        assert ("low_quality" in kinds) is ("scope" not in options)


def test_advice_on_judgements_follows_from_what_was_measured(month: OperatedStore) -> None:
    """Without parts the lowest session is named; results that contradict ask for parts of their own."""
    labels = {"pattern": "of-others"}
    judged = judge(
        month,
        ("score_mean", {"score": "quality", "task_type": "none"}, 5.0, 3),
        ("score_mean", {"score": "quality", "task_type": "of-others"}, 5.0, 3),
        ("score_mean", {"score": "synthesis", "task_type": "none"}, 62.0, 5),
        ("window_fanouts_checked", labels, 1000.0, 1000),
        ("window_fanouts_integrated", labels, 990.0, 1000),
    )
    limits = {("quality_score", "critical"): 6.0}
    made = run(month, "recommendations", PATTERN, snapshot=lambda _: judged, alert_limits=limits)
    quality, synthesis = [row for row in made["result"]["recommendations"] if row["kind"].startswith("low_")]
    assert quality["text"] == "Improve the work: look at the session that was judged lowest."
    assert quality["rationale"].endswith("below 6; no other part of its quality is known")
    assert "ask each task for a part of its own" in synthesis["text"]
    lower = {("synthesis",): 60.0}
    made = run(month, "recommendations", None, snapshot=lambda _: judged, alert_limits=lower)
    assert "low_synthesis" not in {row["kind"] for row in made["result"]["recommendations"]}


def test_a_tuned_score_is_capped_by_its_own_delivered_share(month: OperatedStore) -> None:
    """Tasks of others that failed do not lower what a session can reach."""
    taken = month.sources.snapshot(None)
    assert taken is not None
    wasted = Figure("stretto_window_deliveries", (("delivery", "wasted"), ("window", "7d")), 112.0, 112)
    changed = replace(taken, figures=(*taken.figures, wasted))
    highest = [
        run(month, "tune-suggestions", workflow, snapshot=lambda _: changed)["result"]["performance_data"][
            "highest_score"
        ]
        for workflow in (None, f"d{DAYS - 1}n7")
    ]
    assert highest == [50, 100]


def test_an_older_session_is_explained_when_somebody_asks(month: OperatedStore, tmp_path: Path) -> None:
    """As of its end, once; the page and the API have it, or say why not: too few before it, or no answer."""
    asked: list[int] = []
    state, find = month.sources.findings(), month.sources.session_summary
    summary, first = find("d3n1"), find("d0n1")
    assert summary is not None
    assert first is not None
    session = summary.session
    assert explain_session(state, session).reason == ONLY_LATEST

    def ask(request: AnalysisRequest) -> AnalysisReplies | str:
        asked.append(request.instant)
        meanwhile = client.get("/sessions/d0n1?explain=yes").text
        assert BUSY in meanwhile
        assert ">Work it out now</a>" in meanwhile, "it can be asked again"
        assert explain_session(busy.add_explanation(state, first.session), first.session).reason == BUSY
        return ask_here(request)

    runner = month.make_runner(ask=ask)
    busy = runner.older_sessions
    pages = WebStore(tmp_path)
    pages.refresh()
    backend = pages.make_backend(findings=lambda: state, operations=runner, session_summary=find)
    with served(backend) as client:
        for address in ("/sessions/d3n1", "/sessions/d3n1?explain=yes"):
            page = client.get(address).text
            shown = page[page.index('id="heldup"') : page.index('id="wall"')]
            assert ('<a href="?explain=yes#heldup">Work it out now</a>' in shown) == ("?" not in address)
        document = client.get("/api/why/d3n1").json()
        assert client.get("/api/why/none").status_code == 404
    assert asked == [session.end], "the answer is kept"
    explained = explain_session(runner.older_sessions.add_explanation(state, session), session)
    assert json.loads(json.dumps(explained.to_document())) == document
    assert (document["reason"], document["standing"]["similar"]) == (None, 25)
    for sentence in explained.list_sentences():
        assert sentence.replace("'", "&#39;") in shown

    alone = month.make_runner().older_sessions.add_explanation(state, first.session)
    assert explain_session(alone, first.session).reason == "1 usual sessions of the pattern, 5 are needed"
    failing = month.make_runner(ask=lambda _: "it took longer than 60 s").older_sessions
    reason = explain_session(failing.add_explanation(state, session), session).reason
    assert reason == "the analysis fails: it took longer than 60 s"
