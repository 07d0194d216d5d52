"""The analyses over a store: what they find, what they keep, and what becomes of a finding."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from threading import Event

import pytest

from stretto.analysis.installed_extras import EXTRAS
from stretto.analysis.outcome_conditions import AssociatedOutcome
from stretto.analysis.realised_effects import RealisedEffect
from stretto.analysis.recommendation import RecommendationKind
from stretto.analysis.series_of_run_values import SeriesKind
from stretto.analysis.session_holdups import HoldupKind
from stretto.clock import DAY, SECOND
from stretto.exporter.ended_work_counters import LiveMetrics
from stretto.exporter.scrape import create_empty_registry
from stretto.findings.analysis_input_and_answer import AnalysisAnswer, AnalysisInput
from stretto.findings.analysis_run import (
    AnalysisReplies,
    AnalysisReply,
    AnalysisRequest,
    answer_request,
    read_promises,
)
from stretto.findings.analysis_table import ABSENT_FOR_TEAMS, ANALYSES, Analysis, list_due
from stretto.findings.applied_advice import collect_feedback, judge_all_applied
from stretto.findings.coverage_reasons import NOT_COUNTED, explain_unknown_coverage
from stretto.findings.finding_changes import list_finding_changes
from stretto.findings.findings_snapshot import build_findings_document, read_findings_state
from stretto.findings.regression_and_experiment_figures import (
    compute_answer_age_and_cost_figures,
    compute_finding_figures,
)
from stretto.model.decisions import Decision, DecisionKind
from stretto.model.event import Kind
from stretto.model.findings import (
    EFFECT_PREFIX,
    HOLDUP_PREFIX,
    RECOMMENDATION_PREFIX,
    Finding,
    FindingEvidence,
    FindingVerdict,
    RunLink,
)
from stretto.service import analysis_process
from stretto.service.analysis_process import AnalysisRound, run_analysis_process
from stretto.service.analysis_schedule import LONGEST_FIRST_ROUND, AnalysisSchedule
from stretto.store.decision_rows import append_decisions
from stretto.store.finding_history_and_last_answers import (
    BEGAN,
    CHANGED,
    ENDED,
    FindingChange,
    StoredFinding,
    append_finding_changes,
    make_finding_id,
    read_analysis_results,
    read_finding_history,
)
from stretto.web.findings_view import describe_answers
from tests.fakes import Store, store
from tests.month import end_of_day, month_of_sessions
from tests.run_makers import generate_runs
from tests.scenes import BEGIN, Drawing, straggler
from tests.waiting import until

DAYS = 38
SLOW_DAY = 30
NAMES = tuple(analysis.name for analysis in ANALYSES)


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of 38 days; from day 30 on test tasks take 1.6 times as long, with a new client."""
    slower, version = {SLOW_DAY: 1.6}, {0: "2.0.0", SLOW_DAY: "2.1.0"}
    with store(tmp_path_factory.mktemp("month")) as opened:
        opened.take(month_of_sessions(DAYS, slower=slower, version=version))
        yield opened


def ask(month: Store, day: int, *names: str) -> dict[str, tuple[Finding, ...]]:
    """Return the findings by analysis at the end of a day."""
    database = month.connection.execute("PRAGMA database_list").fetchone()[2]
    replies = answer_request(AnalysisRequest(database, end_of_day(day), names or NAMES))
    assert [reply.error for reply in replies if reply.error] == []
    return {reply.name: reply.findings for reply in replies}


@pytest.fixture(scope="module")
def latest(month: Store) -> dict[str, tuple[Finding, ...]]:
    """The findings of all analyses at the end of the month."""
    return ask(month, DAYS - 1)


def test_a_planted_slow_down_is_found_with_factor_and_date(latest: dict[str, tuple[Finding, ...]]) -> None:
    """A week after the change the tests' series has 1.6 since day 30; the reviews' series has nothing."""
    findings = {finding.kind + str(finding.subject.get("type", "")): finding for finding in latest["changes"]}
    tests = findings["task_lengthtests"]
    assert tests.verdict is FindingVerdict.REGRESSION
    assert tests.evidence.low is not None
    assert tests.evidence.high is not None
    assert tests.evidence.low <= 1.6 <= tests.evidence.high
    assert tests.since is not None
    assert abs(tests.since - (BEGIN + SLOW_DAY * DAY)) <= DAY
    assert {link.role for link in tests.evidence.runs} == {"before", "after"}
    assert tests.details["coincides"] == "the client's version is 2.1.0 instead of 2.0.0"
    assert findings["task_lengthreview"].verdict is not FindingVerdict.REGRESSION


def test_a_tool_that_gets_slower_is_a_regression(tmp_path: Path) -> None:
    """Calls have no runs: their lengths come from the sums of days, and no later day is in them."""
    random = Random(1)
    with store(tmp_path) as opened:
        for day in range(30):
            begin = day * DAY // SECOND + 30_000
            drawing = Drawing(f"d{day}").opens(begin).prompt(begin)
            for number in range(8):
                start = begin + 100 + number * 60
                length = (2 if day >= 24 else 1) * math.exp(random.gauss(0, 0.2))
                drawing.call(f"d{day}c{number}", start, start + length)
            opened.take(drawing.stop(begin + 1_000).ends(begin + 1_001).events)
        (tool,) = [each for each in ask(opened, 29, "changes")["changes"] if each.kind == "tool_length"]
        assert tool.verdict is FindingVerdict.REGRESSION
        assert tool.subject == {"tool": "Bash"}
        assert tool.evidence.effect == pytest.approx(2, abs=0.3)
        assert tool.since is not None
        assert abs(tool.since - (BEGIN + 24 * DAY)) <= DAY
        (before,) = [each for each in ask(opened, 23, "changes")["changes"] if each.kind == "tool_length"]
        assert before.verdict is not FindingVerdict.REGRESSION


def test_hooks_of_an_event_that_get_slower_are_a_regression(tmp_path: Path) -> None:
    """Each event has a series of its own: the hooks before a tool got slower, those at the end did not."""
    random = Random(1)
    with store(tmp_path) as opened:
        for day in range(30):
            begin = day * DAY // SECOND + 30_000
            drawing = Drawing(f"d{day}").opens(begin).prompt(begin)
            for number in range(8):
                for name, factor in (("PreToolUse", 2 if day >= 24 else 1), ("Stop", 1)):
                    length = factor * math.exp(random.gauss(0, 0.2))
                    drawing.stroke(
                        Kind.HOOKS_RUN, begin + 100 + number * 60,
                        id=f"d{day}{name}{number}", name=name, duration=round(length * SECOND),
                    )  # fmt: skip
            opened.take(drawing.stop(begin + 1_000).ends(begin + 1_001).events)
        hooks = {
            each.subject["event"]: each
            for each in ask(opened, 29, "changes")["changes"]
            if each.kind == "hook_length"
        }
        assert hooks.keys() == {"PreToolUse", "Stop"}
        assert hooks["PreToolUse"].verdict is FindingVerdict.REGRESSION
        assert hooks["PreToolUse"].evidence.effect == pytest.approx(2, abs=0.3)
        assert hooks["Stop"].verdict is not FindingVerdict.REGRESSION


def test_before_the_change_the_month_is_quiet(month: Store) -> None:
    """On day 29 nothing differs, and what was known then does not include what came later."""
    assert all(
        finding.verdict is not FindingVerdict.REGRESSION for finding in ask(month, 29, "changes")["changes"]
    )


def test_all_analyses_answer_over_one_store(latest: dict[str, tuple[Finding, ...]]) -> None:
    """Each analysis of the table gives an answer without an error, also where its data is too little."""
    assert latest.keys() == set(NAMES)
    assert {finding.kind for finding in latest["widths"]} == {"capacity"}
    trends = {(finding.kind, *finding.subject.values()) for finding in latest["trends"]}
    assert {("adoption_trend", "all"), ("adoption_trend", "release")} <= trends
    assert {finding.kind for finding in latest["gains"]} == {"gain_by_width"}


def test_the_process_answers_like_the_function(month: Store, latest: dict[str, tuple[Finding, ...]]) -> None:
    """The process of its own gives the same findings, with the processor time that it took."""
    database = month.connection.execute("PRAGMA database_list").fetchone()[2]
    request = AnalysisRequest(database, end_of_day(DAYS - 1), ("changes",))
    done = run_analysis_process(request)
    assert done.replies is not None
    assert done.replies.replies[0].findings == latest["changes"]
    assert done.replies.cpu_seconds > 0


def test_the_process_is_bounded_also_where_it_cannot_be_nice() -> None:
    """More memory than the bound is an error, and the processor time ends the process."""
    program = """
import os, time
def refuse(step):
    raise PermissionError(step)
os.nice = refuse
from stretto.findings.analysis_run import bound_this_process
bound_this_process(cpu_seconds=int(time.process_time()) + 2, memory_bytes=1 << 30)
try:
    bytearray(2 << 30)
except MemoryError:
    print("bounded", flush=True)
while True:
    pass
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stdout == "bounded\n"
    assert -ended.returncode in {signal.SIGXCPU, signal.SIGKILL}


def test_a_process_without_a_store_gives_an_error_and_no_answer(tmp_path: Path) -> None:
    """The reason names what is missing; the last good answer then stays."""
    done = run_analysis_process(AnalysisRequest(str(tmp_path / "none.db"), BEGIN, ("changes",)))
    assert done.replies is not None
    assert "there is no store yet" in (done.replies.replies[0].error or "")


def test_a_process_that_is_not_wanted_any_more_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer is none; it does not go on for ten minutes beside a closed store."""
    monkeypatch.setattr(analysis_process, "STOP_SECONDS", 0.0)
    stopping = Event()
    stopping.set()
    request = AnalysisRequest(str(tmp_path / "none.db"), BEGIN, ("changes",))
    done = run_analysis_process(request, stopping=stopping)
    assert (done.replies, done.error) == (None, "it was stopped")


def test_one_analysis_that_fails_leaves_the_others_whole(
    month: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in one is its own error; an analysis whose extra is missing names what to install."""

    def fail(_: AnalysisInput) -> AnalysisAnswer:
        raise ValueError("nothing fits")

    table = (Analysis("broken", 300, fail), ANALYSES[0], replace(ANALYSES[0], name="more", extra="predictor"))
    monkeypatch.setattr("stretto.findings.analysis_run.ANALYSES", table)
    monkeypatch.setitem(EXTRAS, "predictor", ("no_such",))
    database = month.connection.execute("PRAGMA database_list").fetchone()[2]
    broken, good, missing = answer_request(
        AnalysisRequest(database, end_of_day(37), ("broken", "changes", "more"))
    )
    assert broken.error == "ValueError: nothing fits"
    assert good.error is None
    assert "scikit-learn" in (missing.error or "")


def slower(effect: float = 1.5, verdict: FindingVerdict = FindingVerdict.REGRESSION) -> Finding:
    """Return a finding about tests with the interval of 1.4 to 1.6."""
    evidence = FindingEvidence(n=50, effect=effect, low=1.4, high=1.6)
    return Finding("task_length", {"type": "tests"}, verdict, evidence, since=BEGIN)


TESTS_ID = make_finding_id("task_length", {"type": "tests"})


def test_a_finding_begins_changes_and_ends() -> None:
    """It changes once its size leaves the stored interval, not at each check; without evidence it ends."""
    known = [StoredFinding(TESTS_ID, "changes", slower(), BEGIN, BEGIN)]
    assert [c.state for c in list_finding_changes("changes", [slower()], [], BEGIN)] == [BEGAN]
    assert list_finding_changes("changes", [slower(1.55)], known, BEGIN + 1) == []
    assert [c.state for c in list_finding_changes("changes", [slower(1.7)], known, BEGIN + 1)] == [CHANGED]
    quiet = slower(1.0, FindingVerdict.NO_EVIDENCE)
    assert [c.state for c in list_finding_changes("changes", [quiet], known, BEGIN + 1)] == [ENDED]
    assert list_finding_changes("holdups", [], known, BEGIN + 1) == []


def answered(*findings: Finding, at: int) -> AnalysisRound:
    """Return a round in which the first analysis gave these findings."""
    reply = AnalysisReply("changes", 0.5, findings)
    return AnalysisRound(at, ("changes",), AnalysisReplies((reply,), 1.5))


def test_answers_are_stored_with_their_history_and_a_failure_keeps_them(tmp_path: Path) -> None:
    """A finding that began is in the journal and open; a failed round leaves answer and finding."""
    with store(tmp_path) as opened:
        schedule = AnalysisSchedule(
            tmp_path / "stretto.db", opened.folder, clock=lambda: BEGIN + 1_000, zone="UTC"
        )
        schedule.rounds.put(answered(slower(), at=BEGIN + 100))
        assert schedule.store_round(opened.connection)
        opened.take()
        assert schedule.store_round(opened.connection)
        assert not schedule.store_round(opened.connection)
        (open_finding,) = schedule.state.regressions
        assert (open_finding.id, open_finding.first_seen) == (TESTS_ID, BEGIN + 100)
        schedule.rounds.put(AnalysisRound(BEGIN + 200, ("changes",), None, "out of memory"))
        schedule.store_round(opened.connection)
        result = read_analysis_results(opened.connection)["changes"]
        assert (result.at, result.failed_at, result.error) == (BEGIN + 100, BEGIN + 200, "out of memory")
        assert [stored.is_open for stored in read_finding_history(opened.connection)] == [True]
        assert schedule.cpu_seconds == 1.5


def test_a_decision_is_looked_at_once_it_is_stored(tmp_path: Path) -> None:
    """Whoever recorded it: what was answered is asked for again, though no analysis is due."""
    asked: list[AnalysisRequest] = []

    def reply(request: AnalysisRequest) -> AnalysisRound:
        asked.append(request)
        return AnalysisRound(request.instant, request.names, AnalysisReplies((), 0.0))

    with store(tmp_path) as opened:
        opened.take(straggler().events)
        schedule = AnalysisSchedule(
            tmp_path / "stretto.db", opened.folder, clock=lambda: BEGIN + DAY, zone="UTC", run=reply
        )
        schedule.start(opened.connection)
        schedule.store_round(opened.connection)
        schedule.run_soon()
        assert until(lambda: len(asked) == 1)
        append_decisions(opened.folder, [Decision("1", BEGIN, DecisionKind.ANNOTATION, text="new client")])
        opened.take()
        schedule.store_round(opened.connection)
        assert until(lambda: len(asked) == 2)
        schedule.stop()
    assert asked[0].names == asked[1].names


def test_reports_wait_for_the_first_round_and_no_longer_than_its_bound(tmp_path: Path) -> None:
    """A round that failed is over too; one that never comes is not waited for; without one nothing waits."""
    now = [BEGIN + 1_000]

    def read_clock() -> int:
        return now[0]

    with store(tmp_path) as opened:
        schedules = [
            AnalysisSchedule(
                tmp_path / "stretto.db",
                opened.folder,
                clock=read_clock,
                zone="UTC",
                switched_off=switched_off,
            )
            for switched_off in (frozenset[str](), frozenset[str](), frozenset(NAMES))
        ]
        for schedule in schedules:
            schedule.start(opened.connection)
        failing, silent, off = schedules
        assert (failing.is_first_round_over, silent.is_first_round_over) == (False, False)
        assert off.is_first_round_over
        failing.rounds.put(AnalysisRound(BEGIN + 200, ("changes",), None, "out of memory"))
        failing.store_round(opened.connection)
        assert (failing.is_first_round_over, silent.is_first_round_over) == (True, False)
        now[0] += LONGEST_FIRST_ROUND
        assert silent.is_first_round_over
        for schedule in schedules:
            schedule.stop()


def test_leads_have_changes_and_of_every_other_analysis_a_reason() -> None:
    """An analysis that is new must say whether it answers about five people and more."""
    assert ABSENT_FOR_TEAMS.keys() == set(NAMES) - {"changes", "experiments"}


def test_without_a_journal_findings_are_kept_in_the_store(tmp_path: Path) -> None:
    """At a hub no journal is read: what began is open at once, and what answers do not repeat has ended."""
    with store(tmp_path) as opened:
        schedule = AnalysisSchedule(
            tmp_path / "stretto.db",
            None,
            clock=lambda: BEGIN + 1_000,
            zone="UTC",
            absent={"weeks": "it is of one person"},
        )
        schedule.rounds.put(answered(slower(), at=BEGIN + 100))
        assert schedule.store_round(opened.connection)
        assert [stored.id for stored in schedule.state.open_findings] == [TESTS_ID]
        assert build_findings_document(schedule.state)["absent"] == {"weeks": "it is of one person"}
        schedule.rounds.put(answered(at=BEGIN + 200))
        schedule.store_round(opened.connection)
        assert schedule.state.open_findings == []
        assert [stored.ended for stored in schedule.state.settled_findings] == [BEGIN + 200]


def test_an_accepted_finding_is_settled_until_it_begins_again(tmp_path: Path) -> None:
    """Accepted it is no longer open on any surface; applied it stays open, since it still holds."""
    with store(tmp_path) as opened:
        schedule = AnalysisSchedule(
            tmp_path / "stretto.db", opened.folder, clock=lambda: BEGIN + 900, zone="UTC"
        )
        schedule.rounds.put(answered(slower(), at=BEGIN + 100))
        schedule.store_round(opened.connection)
        for time, kind in ((500, DecisionKind.APPLIED), (600, DecisionKind.ACCEPTED)):
            append_decisions(opened.folder, [Decision(kind.value, BEGIN + time, kind, TESTS_ID)])
            opened.take()
            state = read_findings_state(opened.connection, BEGIN + 900)
            assert bool(state.open_findings) is (kind is DecisionKind.APPLIED)
        document = build_findings_document(state)
        assert document["open"] == []
        assert [decision["kind"] for decision in document["settled"][0]["decisions"]] == [
            "applied",
            "accepted",
        ]
        assert document["settled"][0]["sentence"].startswith(
            "Tasks (tests) take 1.50 times as long since 1 January"
        )


def test_confirmed_regressions_are_series_and_settled_ones_are_not(tmp_path: Path) -> None:
    """1.5 [1.4, 1.6] since the first; accepted, the series ends. A share is a ratio of shares."""
    share = replace(
        slower(), kind="failure_share", details={"before": 0.02, "after": 0.10},
        evidence=FindingEvidence(n=50, effect=0.08, low=0.05, high=0.11, unit="share"),
    )  # fmt: skip
    counted: dict[str, int] = {}
    with store(tmp_path) as opened:
        schedule = AnalysisSchedule(
            tmp_path / "stretto.db",
            opened.folder,
            clock=lambda: BEGIN + 900,
            zone="UTC",
            count_checks=counted.update,
        )
        schedule.rounds.put(answered(slower(), share, at=BEGIN + 100))
        schedule.store_round(opened.connection)
        opened.take()
        schedule.store_round(opened.connection)
        values = {
            (f.name, dict(f.labels).get("kind")): f.value for f in compute_finding_figures(schedule.state)
        }
        assert values["stretto_regression_ratio", "task_length"] == 1.5
        assert values["stretto_regression_low_ratio", "task_length"] == 1.4
        assert values["stretto_regression_high_ratio", "task_length"] == 1.6
        assert values["stretto_regression_since_timestamp_seconds", "task_length"] == BEGIN / 10**9
        assert values["stretto_regression_ratio", "failure_share"] == pytest.approx(5.0)
        assert ("stretto_regression_low_ratio", "failure_share") not in values
        open_findings = {f.name: f.value for f in compute_finding_figures(schedule.state) if not f.low}
        assert open_findings["stretto_open_findings"] == 2
        assert counted == {"regression": 2}
        registry = create_empty_registry()
        live = LiveMetrics(registry, since=BEGIN, version="1.0")
        live.count_checks(counted)
        assert registry.get_sample_value("stretto_analysis_checks_total", {"verdict": "regression"}) == 2
        live.close()
        append_decisions(opened.folder, [Decision("d", BEGIN + 500, DecisionKind.ACCEPTED, TESTS_ID)])
        opened.take()
        schedule.store_round(opened.connection)
        names = {dict(f.labels).get("kind") for f in compute_finding_figures(schedule.state)}
        assert names == {"failure_share", None}


def test_experiments_and_the_cost_of_analyses_are_series(tmp_path: Path) -> None:
    """An effect of .8 [.7, .9]; the answer is 60 s old, took .5 s, and all together 1.5 s."""
    evidence = FindingEvidence(n=40, effect=0.8, low=0.7, high=0.9)
    experiment = Finding(
        "experiment", {"experiment": "cache", "metric": "tokens"}, FindingVerdict.IMPROVEMENT, evidence
    )
    with store(tmp_path) as opened:
        schedule = AnalysisSchedule(tmp_path / "stretto.db", opened.folder, clock=lambda: BEGIN, zone="UTC")
        schedule.rounds.put(answered(experiment, at=BEGIN))
        schedule.store_round(opened.connection)
        bounds = {
            dict(f.labels)["bound"]: f.value
            for f in compute_finding_figures(schedule.state)
            if f.name == "stretto_experiment_effect_ratio"
        }
        assert bounds == {"effect": 0.8, "low": 0.7, "high": 0.9}
        assert {"stretto_experiment_effect_ratio": bounds["effect"]} == {
            "stretto_experiment_effect_ratio": 0.8
        }
        now = BEGIN + 60 * 10**9
        cost = {
            f.name: f.value
            for f in compute_answer_age_and_cost_figures(schedule.state, now, schedule.cpu_seconds)
        }
        assert cost == {
            "stretto_analysis_age_seconds": 60,
            "stretto_analysis_duration_seconds": 0.5,
            "stretto_analysis_cpu_seconds": 1.5,
        }


def test_only_what_is_due_is_worked_out_again() -> None:
    """What may ask for an act is due after five minutes, the rest hourly; without an answer at once."""
    second = 10**9
    answered_at: dict[str, int | None] = dict.fromkeys(NAMES, BEGIN)
    assert list_due(answered_at, BEGIN + 299 * second) == []
    urgent = {"changes", "holdups", "experiments", "unusual"}
    assert set(list_due(answered_at, BEGIN + 300 * second)) == urgent
    assert set(list_due(answered_at, BEGIN + 3_599 * second)) == urgent
    assert list_due(answered_at, BEGIN + 3_600 * second) == [*NAMES]
    assert list_due({}, BEGIN) == [*NAMES]


def test_silence_is_counted(tmp_path: Path) -> None:
    """Quiet are three findings and 23 checks that are none; not advice that is open, and not too little data.

    The counts of the state, of the document and of the series are the same.
    """
    quiet = [
        replace(slower(1.0, FindingVerdict.NO_EVIDENCE), subject={"type": str(number)}) for number in range(3)
    ]
    little = replace(slower(1.0, FindingVerdict.TOO_LITTLE_DATA), subject={"type": "few"})
    advice = replace(quiet[0], kind="recommendation_batching", advice="Do it.")
    replies = (
        AnalysisReply("changes", 0.1, (*quiet, little)),
        AnalysisReply("conditions", 0.1, unlisted={FindingVerdict.NO_EVIDENCE: 23}),
        AnalysisReply("advice", 0.1, (advice,), {FindingVerdict.TOO_LITTLE_DATA: 2}),
    )
    counted: Counter[str] = Counter()
    with store(tmp_path) as opened:
        schedule = AnalysisSchedule(
            tmp_path / "stretto.db",
            opened.folder,
            clock=lambda: BEGIN,
            zone="UTC",
            count_checks=counted.update,
        )
        names = tuple(reply.name for reply in replies)
        schedule.rounds.put(AnalysisRound(BEGIN, names, AnalysisReplies(replies, 0.3)))
        schedule.store_round(opened.connection)
        state = schedule.state
    assert state.quiet_checks == 26
    expected = {"no_evidence": 26, "too_little_data": 3, "advice": 1}
    assert counted == expected
    assert state.checks == {"regression": 0, "improvement": 0, **expected}
    document = build_findings_document(state)
    assert (document["quiet_checks"], document["checks"]) == (26, state.checks)
    assert {each["name"]: each["checks"] for each in document["analyses"]} == {
        "changes": 4,
        "conditions": 23,
        "advice": 3,
    }
    assert {answer.name: answer.checks for answer in describe_answers(state, BEGIN)}["conditions"] == 23


def test_recommendations_promise_and_what_they_brought_are_series(tmp_path: Path) -> None:
    """30 s are promised and open; an applied one brought 24 of 30 s: four fifths of the promise."""
    promise = FindingEvidence(n=20, effect=30.0, low=20.0, high=40.0, unit="seconds")
    advice = Finding(
        "recommendation_load_balance",
        {"pattern": "release"},
        FindingVerdict.NO_EVIDENCE,
        promise,
        advice="Share.",
    )
    effect = Finding(
        "effect_pool_size", {"pattern": "release"}, FindingVerdict.IMPROVEMENT, replace(promise, effect=24.0)
    )
    calibration = {"judged": 1, "within": 1, "promised_seconds": 30.0, "realised_seconds": 24.0, "ratio": 0.8}
    covers = {"covers": [{"level": 0.8, "inside": 21.0, "days": 28}]}
    replies = (
        AnalysisReply("advice", 0.1, (advice,)),
        AnalysisReply("effects", 0.1, (effect,), extra={"calibration": calibration}),
        AnalysisReply("outlooks", 0.1, extra=covers),
    )
    with store(tmp_path) as opened:
        schedule = AnalysisSchedule(
            tmp_path / "stretto.db", opened.folder, clock=lambda: BEGIN + 9, zone="UTC"
        )
        schedule.rounds.put(
            AnalysisRound(BEGIN, ("advice", "effects", "outlooks"), AnalysisReplies(replies, 0.2))
        )
        schedule.store_round(opened.connection)
        opened.take()
        schedule.store_round(opened.connection)
        figures = [*compute_finding_figures(schedule.state)]
        seconds = {
            (dict(f.labels)["kind"], dict(f.labels)["state"]): f.value
            for f in figures
            if f.name == "stretto_recommendation_seconds"
        }
        assert seconds == {("load_balance", "open"): 30, ("pool_size", "realised"): 24}
        kept = {f.name: f.value for f in figures if f.name.endswith("calibration_ratio")}
        assert kept == {"stretto_recommendation_calibration_ratio": 0.8}
        held = {f.name: (f.labels, f.value) for f in figures if f.name.startswith("stretto_forecast")}
        assert held == {"stretto_forecast_coverage_ratio": ((("level", "0.80"),), 0.75)}
        named = {"stretto_recommendation_seconds": seconds["pool_size", "realised"]}
        assert named == {"stretto_recommendation_seconds": 24}


def test_feedback_and_realised_effects_come_from_decisions() -> None:
    """Two rejected, one applied a week ago without data: counted by kind, and judged as too little data."""
    history = {
        key: Finding(
            f"recommendation_{kind}",
            {"pattern": "release", "name": key},
            FindingVerdict.NO_EVIDENCE,
            FindingEvidence(n=20, effect=30.0, low=20.0, high=40.0, unit="seconds"),
            advice="Do it.",
        )
        for key, kind in (("a", "batching"), ("b", "batching"), ("c", "load_balance"))
    }
    kinds = {"a": DecisionKind.REJECTED, "b": DecisionKind.REJECTED, "c": DecisionKind.APPLIED}
    decisions = [Decision(key, BEGIN, kind, key) for key, kind in kinds.items()]
    given = AnalysisInput(BEGIN + 8 * DAY, (), (), decisions, history=history)
    assert {kind.value: counts.rejected for kind, counts in collect_feedback(given).items()} == {
        "batching": 2
    }
    answer = judge_all_applied(given)
    assert [(f.kind, f.verdict) for f in answer.findings] == [
        ("effect_load_balance", FindingVerdict.TOO_LITTLE_DATA)
    ]
    assert answer.extra["calibration"]["judged"] == 0


def test_each_finding_has_its_coverage_or_says_why_not(latest: dict[str, tuple[Finding, ...]]) -> None:
    """Those of a month, and every kind that there is: none falls back on the reason of unknown kinds."""
    found = [finding for findings in latest.values() for finding in findings]
    kinds = {finding.kind for finding in found if finding.evidence.coverage is not None}
    assert kinds >= {
        "task_length",
        "failure_share",
        "agent_length_trend",
        "condition_fast",
        "length_prediction",
    }
    for finding in found:
        coverage, reason = finding.evidence.coverage, explain_unknown_coverage(finding)
        assert (coverage is None) == (reason is not None)
        assert coverage is None or 0 < coverage <= 1
    names: list[str] = [*SeriesKind, *(f"{kind}_trend" for kind in SeriesKind), "cache", "cache_useless"]
    names += [
        f"{prefix}{kind}" for prefix in (RECOMMENDATION_PREFIX, EFFECT_PREFIX) for kind in RecommendationKind
    ]
    names += [
        *(f"{HOLDUP_PREFIX}{kind}" for kind in HoldupKind),
        *(f"condition_{each}" for each in AssociatedOutcome),
    ]
    for kind in {*names, *(finding.kind for finding in found), "experiment"}:
        bare = Finding(kind, {}, FindingVerdict.NO_EVIDENCE, FindingEvidence(n=1))
        assert explain_unknown_coverage(bare) not in {None, NOT_COUNTED}, kind
    older = Finding("task_length", {}, FindingVerdict.NO_EVIDENCE, FindingEvidence(n=1))
    for bare, case in (
        (older, "it was found by a version that did not count"),
        (replace(older, verdict=FindingVerdict.TOO_LITTLE_DATA), "there is too little data for a verdict"),
        (replace(older, details={"people": 6.0}), "it is of a team, whose sums"),
    ):
        assert (explain_unknown_coverage(bare) or "").startswith(case)


def test_a_promise_is_judged_as_it_was_when_it_was_applied(tmp_path: Path) -> None:
    """What the advice promises later is another promise; one that had ended by then still was one.

    Where none was recorded by then, it is the earliest that was.
    """
    evidence = FindingEvidence(n=20, effect=30.0, low=20.0, high=40.0, unit="seconds")
    advice = Finding(
        "recommendation_batching", {"pattern": "release"}, FindingVerdict.NO_EVIDENCE, evidence, advice="Do."
    )
    later = replace(advice, evidence=replace(evidence, effect=300.0, low=200.0, high=400.0))
    id = make_finding_id(advice.kind, advice.subject)
    records = [(0, BEGAN, advice), (DAY, ENDED, advice), (2 * DAY, BEGAN, later)]
    applied = [Decision(str(day), BEGIN + day * DAY, DecisionKind.APPLIED, id) for day in (-1, 0, 1, 2)]
    with store(tmp_path) as opened:
        append_finding_changes(
            opened.folder,
            [FindingChange(id, BEGIN + at, state, "advice", each) for at, state, each in records],
        )
        opened.take()
        promises = read_promises(opened.connection, applied)
    assert {day: promise.evidence.effect for day, promise in promises.items()} == {
        "-1": 30,
        "0": 30,
        "1": 30,
        "2": 300,
    }
    runs = generate_runs(40, seed=3)
    middle = runs.sessions[20].start
    given = AnalysisInput(
        middle + 300 * DAY,
        [task for tasks in runs.by_session.values() for task in tasks],
        runs.sessions,
        [replace(applied[1], time=middle)],
        history={id: later},
        promises=promises,
    )
    (effect,) = judge_all_applied(given).findings
    assert effect.details["promised"] == 30
    before = max((run for run in runs.sessions if run.end <= middle), key=lambda run: run.end)
    assert effect.evidence.runs == (
        RunLink(before.session, role="before"),
        RunLink(runs.sessions[20].session, role="after"),
    ), "links to look at both sides"


def test_a_verdict_on_applied_advice_outlives_its_sessions(tmp_path: Path) -> None:
    """The record answers when the sessions are gone: feedback and calibration follow it; it is not open."""
    advice = Finding(
        "recommendation_batching",
        {"pattern": "release"},
        FindingVerdict.NO_EVIDENCE,
        FindingEvidence(n=20, effect=30.0, low=20.0, high=40.0, unit="seconds"),
        advice="Do it.",
    )
    effect = RealisedEffect(FindingVerdict.NO_EVIDENCE, 20, 14, 3.0, -9.0, 15.0, False, 14.0, "none", 30.0)
    verdict = effect.to_finding("batching", advice.subject, BEGIN)
    (change,) = list_finding_changes("effects", [verdict], [], BEGIN + 7 * DAY)
    with store(tmp_path) as opened:
        append_finding_changes(opened.folder, [change])
        opened.take()
        kept = read_finding_history(opened.connection)
        state = read_findings_state(opened.connection, BEGIN + 8 * DAY)
    assert [(stored.id, stored.finding) for stored in kept] == [(change.id, verdict)]
    assert state.open_findings == []
    assert state.settled_findings == kept
    history = {"a": advice, change.id: verdict}
    applied = Decision("d", BEGIN, DecisionKind.APPLIED, "a")
    given = AnalysisInput(BEGIN + 300 * DAY, (), (), [applied], history=history, promises={"d": advice})
    answer = judge_all_applied(given)
    assert answer.findings == [verdict]
    assert answer.extra["calibration"]["ratio"] == pytest.approx(0.1)
    assert {kind.value: counts.without_effect for kind, counts in collect_feedback(given).items()} == {
        "batching": 1
    }
    assert list_finding_changes("effects", answer.findings, kept, given.instant) == []
    again = replace(applied, id="e", time=BEGIN + 296 * DAY)
    (anew,) = judge_all_applied(replace(given, decisions=[applied, again])).findings
    assert (anew.verdict, anew.reason) == (FindingVerdict.TOO_LITTLE_DATA, "it is judged in 3 days")
